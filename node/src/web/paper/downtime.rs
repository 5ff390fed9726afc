//! The pack for when the node is down: charts of today and tomorrow with room to write, and emergency summaries.

use hearth_protocol::clinical::format::{self, MedicineLine};
use hearth_protocol::paper::{Block, Job, Part};
use hearth_protocol::record::mar::board::{Slot, SlotState, Span, Windows, board};
use hearth_protocol::record::medicines::Timing;
use hearth_protocol::record::medicines::view::MedicinesView;
use hearth_protocol::scope::{Section, Subject};
use hearth_protocol::time::Timestamp;

use super::super::care::DAYS_READ;
use super::super::view::banner::Banner;
use super::super::view::chart::Chart;
use super::super::view::doses::outcome_words;
use super::view;
use crate::records::Records;
use crate::store::StoreError;

const DAY_MS: i64 = 86_400_000;

/// The pack of everybody whom the site holds, by room.
pub async fn pack(records: &Records) -> Result<Job, StoreError> {
    let now = records.clock().now();
    let mut residents = records.residents().await?;
    residents.sort_by_key(|resident| {
        let room = resident.placement.as_ref().and_then(|place| place.room.clone()).unwrap_or_default();
        let number: u32 =
            room.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(u32::MAX);
        (number, room, resident.id)
    });
    let mut parts = Vec::new();
    for resident in residents {
        let mut chart = Chart::new(resident.id, records.site().id, now);
        for section in view::SHOWN {
            let days = DAYS_READ.iter().find(|(of, _)| *of == section).map(|(_, days)| days);
            let since = days.map(|days| now.plus_ms(-days * DAY_MS));
            chart.put(section, records.entries(Subject::Resident(resident.id), &[section], since).await?);
        }
        let banner = Banner::of(&chart);
        parts.push(doses(&chart, &banner));
        parts.push(view::emergency(&chart, &banner));
    }
    if parts.is_empty() {
        let blocks = vec![Block::Text {
            heading: "Nobody".to_owned(),
            paragraphs: vec!["This node holds no resident's record.".to_owned()],
        }];
        parts.push(Part { heading: "Downtime pack".to_owned(), person: None, landscape: false, blocks });
    }
    Ok(view::job(&records.site().name, now, "Downtime pack", parts))
}

/// Today's and tomorrow's doses, with room to sign, and the when-required medicines.
fn doses(chart: &Chart, banner: &Banner) -> Part {
    let span = Span { from: start_of_day(chart.now), until: start_of_day(chart.now.plus_ms(2 * DAY_MS)) };
    let (medicines, mar) = (chart.section(Section::Medicines), chart.section(Section::Mar));
    let board = board(medicines, mar, span, &Windows::default(), chart.now);
    let mut rows: Vec<Vec<String>> = board.slots.iter().filter_map(row).collect();
    if rows.is_empty() {
        rows.push(vec![
            "No doses are due today or tomorrow".to_owned(),
            String::new(),
            String::new(),
            String::new(),
        ]);
    }
    let table = |heading: &str, first: &str, rows| Block::Table {
        heading: heading.to_owned(),
        columns: [first, "Medicine", "Given, or code and why", "Time and signature"]
            .map(str::to_owned)
            .to_vec(),
        widths: vec![2, 6, 4, 4],
        rows,
        row_mm: 9,
    };
    let mut blocks = vec![table("Doses", "Due", rows)];
    let required = when_required(chart);
    if !required.is_empty() {
        blocks.push(table(
            "When required: look at the protocol and the last dose first",
            "Last dose",
            required,
        ));
    }
    Part {
        heading: format!("Medicines chart: {}", banner.name),
        person: Some(view::person(banner)),
        landscape: true,
        blocks,
    }
}

/// A due dose: an empty box, or what was recorded of it before this was made.
fn row(slot: &Slot<'_>) -> Option<Vec<String>> {
    let order = slot.versions.last()?;
    let state = match &slot.state {
        SlotState::NotYet | SlotState::Due | SlotState::Overdue => String::new(),
        SlotState::HeldForReview => {
            "! HELD: people changed this order apart. Do not give before asking".to_owned()
        }
        SlotState::Recorded(outcome) => outcome_words(*outcome).to_owned(),
        SlotState::RecordedApart(outcomes) => {
            let words: Vec<&str> = outcomes.iter().map(|outcome| outcome_words(*outcome)).collect();
            format!("! Recorded twice: {}", words.join(" / "))
        }
    };
    let newest = slot.recorded.iter().filter_map(|recorded| recorded.thing.newest());
    let by: Vec<String> =
        newest.map(|v| format!("{}, {}", format::date_time(v.entry.happened), v.entry.author.name)).collect();
    let critical = if slot.time_critical_minutes.is_some() { " TIME-CRITICAL" } else { "" };
    let due = format!("{}{critical}", format::date_time(slot.due));
    Some(vec![due, MedicineLine::of(order.body).to_string(), state, by.join("; ")])
}

/// Two empty rows for each medicine that is given when required.
fn when_required(chart: &Chart) -> Vec<Vec<String>> {
    let view = MedicinesView::of(chart.section(Section::Medicines), chart.now.date());
    let taken = hearth_protocol::record::mar::board::last_taken(chart.section(Section::Mar));
    let orders = view.current().filter_map(|order| Some((order.thing.id(), order.shown()?)));
    orders
        .filter(|(_, version)| matches!(version.body.timing, Timing::WhenRequired))
        .flat_map(|(id, version)| {
            let last = taken
                .get(&id)
                .map_or("None in the last 8 days".to_owned(), |dose| format::date_time(dose.entry.happened));
            let line = MedicineLine::of(version.body).to_string();
            [
                vec![last, line.clone(), String::new(), String::new()],
                vec![String::new(), line, String::new(), String::new()],
            ]
        })
        .collect()
}

fn start_of_day(moment: Timestamp) -> Timestamp {
    moment.in_zone().start_of_day().map_or(moment, |z| Timestamp(z.timestamp().as_millisecond()))
}
