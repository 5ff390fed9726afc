//! Which forms may wait on a tablet. Everything else is refused there in words, and here again.

use hearth_protocol::id::ResidentId;

/// A form that may wait, by its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// What it is called.
    pub(super) words: &'static str,
    /// About whom.
    pub(super) resident: ResidentId,
}

/// The form at this address, if it may wait. When-required doses may not: how much was given elsewhere is not known out
/// of reach. Neither may orders, transfers, staff, or anything that needs a second person.
pub(super) fn of(path: &str) -> Option<Kind> {
    let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    let (resident, words) = match parts.as_slice() {
        ["round", resident, "given"] => (resident, "Dose given"),
        ["round", resident, "not-given"] => (resident, "Dose not given"),
        ["r", resident, "obs", "new"] => (resident, "Observations"),
        ["r", resident, "soft-signs", "new"] => (resident, "Soft signs"),
        ["r", resident, "weight", "new"] => (resident, "Weight"),
        ["r", resident, "fluid", "new"] => (resident, "Fluid"),
        ["r", resident, "notes", "new"] | ["r", resident, "notes", "tile", _] => (resident, "Note"),
        ["r", resident, "body", _] => (resident, "Mark on the body map"),
        ["r", resident, "incident"] => (resident, "Incident"),
        _ => return None,
    };
    Some(Kind { words, resident: resident.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_listed_may_wait() {
        let who = "0190aaaa-0000-7000-8000-000000000001";
        assert_eq!(of(&format!("/round/{who}/given")).unwrap().words, "Dose given");
        assert_eq!(of(&format!("/r/{who}/notes/tile/drink")).unwrap().words, "Note");
        for not in [
            format!("/round/{who}/prn"),
            format!("/r/{who}/medicines/new"),
            format!("/r/{who}/allergy/new"),
            format!("/r/{who}/obs/scale"),
            format!("/r/{who}/body/left-arm/1-2"),
            format!("/r/{who}/notes/new/"),
            "/round/nobody/given".to_owned(),
            "/manage/staff/new".to_owned(),
            "/lock".to_owned(),
            String::new(),
        ] {
            assert_eq!(of(&not), None, "{not}");
        }
    }
}
