//! Doses that fall due while somebody is looking: a demo at midnight has a round to give too.

use hearth_protocol::time::Timestamp;
use serde_json::{Value, json};

use super::Region;

/// So many medicines of each resident are moved.
const MOVED: usize = 3;
/// The first of them falls due so long after now, the others as long after each other.
const STEP_MS: i64 = 5 * 60 * 1000;

impl Region {
    /// The same people, of whom each is due the first three medicines that are given once a day in the minutes after
    /// `now`.
    #[must_use]
    pub fn due_soon(mut self, now: Timestamp) -> Self {
        self.residents.iter_mut().for_each(|resident| due_soon(&mut resident.bundle, now));
        self
    }
}

fn due_soon(bundle: &mut Value, now: Timestamp) {
    let entries = bundle.get_mut("entry").and_then(Value::as_array_mut);
    let instructions = entries.into_iter().flatten().filter_map(|entry| {
        let resource = entry.get_mut("resource")?;
        let is_order = resource.get("resourceType")?.as_str()? == "MedicationRequest";
        let is_active = resource.get("status")?.as_str()? == "active";
        resource
            .pointer_mut("/dosageInstruction/0")
            .filter(|dosage| is_order && is_active && is_once_a_day(dosage))
    });
    for (dosage, moment) in instructions.zip(1..).take(MOVED) {
        let due = now.plus_ms(moment * STEP_MS).in_zone();
        let time = format!("{:02}:{:02}:00", due.hour(), due.minute());
        if let Some(times) = dosage.pointer_mut("/timing/repeat/timeOfDay") {
            *times = json!([time]);
        }
        // The words named the old time.
        if let Some(text) = dosage.get_mut("text") {
            *text = json!("once a day");
        }
    }
}

fn is_once_a_day(dosage: &Value) -> bool {
    let Some(repeat) = dosage.pointer("/timing/repeat") else { return false };
    let times = repeat.get("timeOfDay").and_then(Value::as_array).map_or(0, Vec::len);
    times == 1 && repeat.get("dayOfWeek").is_none() && repeat.get("boundsPeriod").is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::region::region;

    #[test]
    fn residents_have_doses_in_the_next_minutes() {
        let now = Timestamp(1_781_000_000_000);
        let time = now.plus_ms(STEP_MS).in_zone();
        let time = format!("{:02}:{:02}:00", time.hour(), time.minute());
        let made = region(7, 1, 6, now).due_soon(now);
        let moved = made.residents.iter().filter(|resident| resident.bundle.to_string().contains(&time));
        assert!(moved.count() >= 4, "most residents take something once a day");
    }
}
