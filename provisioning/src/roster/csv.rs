//! A roster as CSV: one person a line, every fault told with its line.

use std::fmt;

use hearth_protocol::record::Role;
use hearth_protocol::time::{Date, Timestamp, ZONE};

use super::{STAFF_ROLES, role_name, staff_role};
use crate::api::BATCH_MAX;
use hearth_protocol::access::pin::Pin;

/// The columns, of which the first two have to be there.
pub const COLUMNS: [&str; 5] = ["name", "role", "pin", "until", "registration"];

/// Longest name or registration, in characters.
const TEXT_CHARS_MAX: usize = 100;

/// A person of a roster.
pub struct RosterRow {
    /// The line, from 1.
    pub line: u64,
    /// Name as it signs entries.
    pub name: String,
    /// Role.
    pub role: Role,
    /// PIN; without one the manager sets it at the site.
    pub pin: Option<Pin>,
    /// The account ends here.
    pub until: Option<Timestamp>,
    /// Professional registration.
    pub registration: Option<String>,
}

/// Never the name: what is printed for debugging may reach a log.
impl fmt::Debug for RosterRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RosterRow")
            .field("line", &self.line)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// One thing wrong in a roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterFault {
    /// The line, from 1.
    pub line: u64,
    /// The column; empty where the line itself is wrong.
    pub column: String,
    /// What is wrong and what would be right. Never what the cell holds.
    pub problem: String,
}

impl fmt::Display for RosterFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        if self.column.is_empty() {
            f.write_str(&self.problem)
        } else {
            write!(f, "{} {}", self.column, self.problem)
        }
    }
}

/// Everything wrong in a roster, by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterError {
    /// The faults, at least one.
    pub faults: Vec<RosterFault>,
}

impl fmt::Display for RosterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: Vec<String> = self.faults.iter().map(RosterFault::to_string).collect();
        f.write_str(&faults.join("\n"))
    }
}

impl std::error::Error for RosterError {}

/// Reads a roster. An account of which `until` is a date ends with that day, in the sites' zone.
pub fn read(text: &str, now: Timestamp) -> Result<Vec<RosterRow>, RosterError> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader =
        ::csv::ReaderBuilder::new().trim(::csv::Trim::All).flexible(true).from_reader(text.as_bytes());
    let mut faults = Vec::new();
    let header = Header::read(&mut reader, &mut faults);
    let mut rows = Vec::new();
    for record in reader.records() {
        match record {
            Ok(record) => rows.extend(row(&header, &record, line_of(text, &record), now, &mut faults)),
            Err(error) => faults.push(unreadable(&error)),
        }
    }
    if rows.is_empty() && faults.is_empty() {
        faults.push(fault(1, "", "nobody is in the roster: write one person a line below the header"));
    }
    if rows.len() > BATCH_MAX {
        faults.push(fault(1, "", format!("a roster has at most {BATCH_MAX} people: cut it in two")));
    }
    same_names(&rows, &mut faults);
    faults.sort_by_key(|fault| fault.line);
    if faults.is_empty() { Ok(rows) } else { Err(RosterError { faults }) }
}

/// Which cell holds which column.
struct Header {
    places: [Option<usize>; COLUMNS.len()],
    width: usize,
}

impl Header {
    fn read(reader: &mut ::csv::Reader<&[u8]>, faults: &mut Vec<RosterFault>) -> Self {
        let mut header = Self { places: [None; COLUMNS.len()], width: 0 };
        let names = match reader.headers() {
            Ok(names) => names.clone(),
            Err(error) => {
                faults.push(unreadable(&error));
                return header;
            }
        };
        header.width = names.len();
        for (place, name) in names.iter().enumerate() {
            let column = COLUMNS.iter().position(|column| column.eq_ignore_ascii_case(name));
            match column.and_then(|column| header.places.get_mut(column)) {
                Some(free @ None) => *free = Some(place),
                Some(Some(_)) => faults.push(fault(1, name, "stands twice in the header")),
                None => faults.push(fault(1, "", unknown_column(name))),
            }
        }
        for (column, place) in COLUMNS.into_iter().zip(header.places).take(2) {
            if place.is_none() {
                faults.push(fault(
                    1,
                    column,
                    "is missing: the first line names the columns, such as name,role,pin",
                ));
            }
        }
        header
    }

    fn cell<'r>(&self, record: &'r ::csv::StringRecord, column: &str) -> Option<&'r str> {
        let at = COLUMNS.iter().position(|name| *name == column)?;
        let cell = record.get((*self.places.get(at)?)?)?;
        (!cell.is_empty()).then_some(cell)
    }

    fn has(&self, column: &str) -> bool {
        COLUMNS.iter().position(|name| *name == column).and_then(|at| *self.places.get(at)?).is_some()
    }
}

fn row(
    header: &Header,
    record: &::csv::StringRecord,
    line: u64,
    now: Timestamp,
    faults: &mut Vec<RosterFault>,
) -> Option<RosterRow> {
    if record.len() != header.width {
        let (cells, width) = (record.len(), header.width);
        faults.push(fault(line, "", format!("has {cells} cells where the header has {width}")));
        return None;
    }
    let mut wrong = |column: &str, problem: String| faults.push(fault(line, column, problem));
    let name = header.cell(record, "name").filter(|name| is_text(name));
    if name.is_none() && header.has("name") {
        wrong("name", format!("is to be 1 to {TEXT_CHARS_MAX} characters"));
    }
    let role = header.cell(record, "role").and_then(|role| staff_role(&role.to_lowercase()));
    if role.is_none() && header.has("role") {
        wrong("role", format!("is to be one of {}", STAFF_ROLES.map(role_name).join(", ")));
    }
    let pin = header.cell(record, "pin").map(str::parse::<Pin>).transpose();
    if let Err(error) = &pin {
        wrong("pin", format!("is not taken: {error}"));
    }
    let until = header
        .cell(record, "until")
        .map(|text| end_of_account(text).filter(|end| *end > now).ok_or(()))
        .transpose();
    if until.is_err() {
        wrong(
            "until",
            "is to be a day to come such as 2027-01-31, or a time such as 2027-01-31T08:00:00Z".to_owned(),
        );
    }
    let registration = header.cell(record, "registration");
    if registration.is_some_and(|text| !is_text(text)) {
        wrong("registration", format!("is to be at most {TEXT_CHARS_MAX} characters"));
    }
    Some(RosterRow {
        line,
        name: name?.to_owned(),
        role: role?,
        pin: pin.ok()?,
        until: until.ok()?,
        registration: registration.map(str::to_owned),
    })
}

/// Two accounts of one name and role cannot be told apart on the tiles of a shared tablet.
fn same_names(rows: &[RosterRow], faults: &mut Vec<RosterFault>) {
    for (place, row) in rows.iter().enumerate() {
        let twin = rows.iter().take(place).find(|other| other.name == row.name && other.role == row.role);
        if let Some(twin) = twin {
            faults.push(fault(row.line, "name", format!("and role are those of line {} too", twin.line)));
        }
    }
}

/// The line on which a record begins. The reader's own count stands before the line breaks that it skips.
fn line_of(text: &str, record: &::csv::StringRecord) -> u64 {
    let start = record.position().map_or(0, ::csv::Position::byte);
    let start = usize::try_from(start).unwrap_or(usize::MAX).min(text.len());
    let (before, after) = text.as_bytes().split_at(start);
    let skipped = after.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    let breaks = before.iter().chain(skipped).filter(|byte| **byte == b'\n').count();
    breaks as u64 + 1
}

/// When an account ends that is to last until this: the end of that day in the zone of the sites, or that moment.
pub fn end_of_account(text: &str) -> Option<Timestamp> {
    if let Some(moment) = Timestamp::from_rfc3339(text) {
        return Some(moment);
    }
    let date: Date = text.parse().ok()?;
    let next = date.0.tomorrow().ok()?.in_tz(ZONE).ok()?;
    Some(Timestamp(next.timestamp().as_millisecond()))
}

fn is_text(text: &str) -> bool {
    text.chars().count() <= TEXT_CHARS_MAX && !text.chars().any(char::is_control)
}

fn unknown_column(name: &str) -> String {
    let known = COLUMNS.join(", ");
    // A header that is no header holds a person's name, which belongs in no message.
    let looks_like_a_column = name.len() <= 20 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if looks_like_a_column {
        format!("the column {name} is not known; the columns are {known}")
    } else {
        format!("a column is not known; the first line names the columns, which are {known}")
    }
}

fn unreadable(error: &::csv::Error) -> RosterFault {
    let line = error.position().map_or(1, ::csv::Position::line);
    fault(line, "", "cannot be read as CSV in UTF-8")
}

fn fault(line: u64, column: &str, problem: impl Into<String>) -> RosterFault {
    RosterFault { line, column: column.to_owned(), problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    fn faults(text: &str) -> String {
        read(text, NOW).unwrap_err().to_string()
    }

    #[test]
    fn a_roster_reads_whatever_the_order_of_its_columns() {
        let text = "\u{feff}Role, Name ,pin,registration,until\r\n\
                    nurse,\"O'Brien, Aoife\",482913,12A3456E,\r\n\
                    Carer,Sam Okoro,,,2027-01-31\r\n";
        let rows = read(text, NOW).unwrap();
        assert_eq!((rows[0].name.as_str(), rows[0].role), ("O'Brien, Aoife", Role::Nurse));
        assert!(rows[0].pin.is_some() && rows[0].until.is_none());
        assert_eq!(rows[0].registration.as_deref(), Some("12A3456E"));
        assert_eq!((rows[1].line, rows[1].role), (3, Role::Carer));
        assert_eq!(rows[1].until, Timestamp::from_rfc3339("2027-02-01T00:00:00Z"));
    }

    #[test]
    fn an_account_that_ends_with_a_summer_day_ends_at_its_midnight() {
        let rows = read("name,role,until\nSam,carer,2027-07-31\n", NOW).unwrap();
        assert_eq!(rows[0].until, Timestamp::from_rfc3339("2027-07-31T23:00:00Z"));
    }

    #[test]
    fn every_fault_is_listed_with_its_line_and_without_what_the_cell_holds() {
        let text = "name,role,pin,until\nAda Lovelace,doctor,123456,\n,carer,48,2020-01-01\nSam,carer\nSam,carer,,\n\
                    Sam,carer,,soon\nSam,carer,,\n";
        assert_eq!(
            faults(text),
            "line 2: role is to be one of carer, senior, nurse, manager, pharmacist, technician, locum\n\
             line 2: pin is not taken: a PIN such as 111111, 123456, 246810 or 123123 is guessed at once: choose another\n\
             line 3: name is to be 1 to 100 characters\n\
             line 3: pin is not taken: a PIN has 6 to 12 digits\n\
             line 3: until is to be a day to come such as 2027-01-31, or a time such as 2027-01-31T08:00:00Z\n\
             line 4: has 2 cells where the header has 4\n\
             line 6: until is to be a day to come such as 2027-01-31, or a time such as 2027-01-31T08:00:00Z\n\
             line 7: name and role are those of line 5 too"
        );
    }

    #[test]
    fn lines_are_counted_past_blank_ones_and_names_over_two_lines() {
        let rows = read("name,role\r\n\r\n\r\n\"Sam\r\nOkoro\",carer\r\n\nAda,nurse\n", NOW);
        assert_eq!(rows.unwrap_err().to_string(), "line 4: name is to be 1 to 100 characters");
        let rows = read("name,role\n\n\nSam,carer\n\nAda,nurse\n", NOW).unwrap();
        assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<u64>>(), [4, 6]);
    }

    #[test]
    fn a_file_without_a_header_is_told_so_without_the_name_in_it() {
        let told = faults("Ada Lovelace,nurse\nSam Okoro,carer\n");
        assert!(told.contains("the first line names the columns"), "{told}");
        assert!(!told.contains("Ada") && !told.contains("Sam"), "{told}");
    }

    #[test]
    fn an_empty_roster_is_a_fault() {
        assert_eq!(
            faults("name,role\n"),
            "line 1: nobody is in the roster: write one person a line below the header"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_roster_or_has_faults(text in "\\PC{0,100}(\n\\PC{0,40}){0,5}") {
            if let Err(error) = read(&text, NOW) {
                proptest::prop_assert!(!error.faults.is_empty());
            }
        }
    }
}
