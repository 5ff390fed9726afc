//! What comes from files and stdin: secrets and NHS numbers, which never stand in flags, since shells keep those.

use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use hearth_protocol::clinical::nhs_number::NhsNumber;
use hearth_protocol::time::{Date, Timestamp, ZONE};
use zeroize::Zeroizing;

use crate::failure::{Exit, Failure};

/// Longest text that is read where a list or a secret is expected, in bytes.
const TEXT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Reads a file, or stdin for `-`.
pub(crate) fn text(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    let read = if path.as_os_str() == "-" {
        if std::io::stdin().is_terminal() {
            // A person who waits for a prompt that never comes is worse than a line too many.
            writeln!(anstream::stderr(), "Reading from the terminal; end with Ctrl-D.")?;
        }
        std::io::stdin().lock().take(TEXT_BYTES_MAX + 1).read_to_string(&mut text)
    } else {
        let open = std::fs::File::open(path);
        open.and_then(|file| file.take(TEXT_BYTES_MAX + 1).read_to_string(&mut text))
    };
    let length = read.map_err(|error| {
        let exit = if error.kind() == std::io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Failed };
        Failure::from(error).exit(exit).context(format!("{} cannot be read.", path.display()))
    })?;
    if length as u64 > TEXT_BYTES_MAX {
        return Err(Failure::new(Exit::Failed, format!("{} is larger than 4 MB.", path.display())));
    }
    Ok(text)
}

/// Reads NHS numbers, one a line. Faults are told by line, without the number.
pub(crate) fn nhs_numbers(path: &Path) -> Result<Vec<NhsNumber>, Failure> {
    let text = text(path)?;
    let (mut numbers, mut faults) = (Vec::new(), Vec::new());
    for (place, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match line.trim().parse::<NhsNumber>() {
            Ok(number) => numbers.push(number),
            Err(error) => faults.push(format!("\n  line {}: {error}", place + 1)),
        }
    }
    if !faults.is_empty() {
        return Err(Failure::new(
            Exit::Failed,
            format!("Some lines are not NHS numbers:{}", faults.concat()),
        ));
    }
    if numbers.is_empty() {
        return Err(Failure::new(Exit::Usage, "There is no NHS number to read. Give one a line."));
    }
    Ok(numbers)
}

/// Asks for a text to be typed. None where nobody can be asked.
pub(crate) fn typed(question: &str, no_input: bool) -> Result<Option<String>, Failure> {
    if no_input || !std::io::stdin().is_terminal() {
        return Ok(None);
    }
    let mut stderr = anstream::stderr();
    write!(stderr, "{question} ")?;
    stderr.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(Some(answer.trim().to_owned()))
}

/// A moment on the command line: RFC 3339, a date, or a time ago such as `7d`, `12h`, `30m`.
pub(crate) fn moment(text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    let parsed = ago(text, now).or_else(|| Timestamp::from_rfc3339(text)).or_else(|| midnight(text));
    parsed.ok_or_else(|| {
        Failure::new(Exit::Usage, format!("{text:?} is not a time."))
            .hint("Write 7d, 12h or 30m for a time ago, 2026-01-31 for a day, or 2026-01-31T08:30:00Z.")
    })
}

fn ago(text: &str, now: Timestamp) -> Option<Timestamp> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: i64 = number.parse::<u32>().ok()?.into();
    let minutes = match unit {
        "m" => 1,
        "h" => 60,
        "d" => 24 * 60,
        _ => return None,
    };
    Some(now.plus_ms(-number * minutes * 60_000))
}

fn midnight(text: &str) -> Option<Timestamp> {
    let date: Date = text.parse().ok()?;
    Some(Timestamp(date.0.in_tz(ZONE).ok()?.timestamp().as_millisecond()))
}

/// The files that the arguments name: files as they are, and of folders the JSON and NDJSON files in them, by name.
pub(crate) fn files(arguments: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for argument in arguments {
        let unreadable = |error: std::io::Error| {
            let exit =
                if error.kind() == std::io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Failed };
            Failure::from(error).exit(exit).context(format!("{} cannot be read.", argument.display()))
        };
        if !std::fs::metadata(argument).map_err(unreadable)?.is_dir() {
            files.push(argument.clone());
            continue;
        }
        let mut inside: Vec<PathBuf> = std::fs::read_dir(argument)
            .map_err(unreadable)?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.is_file() && (is_ndjson(path) || has_extension(path, &["json"])))
            .collect();
        inside.sort();
        files.extend(inside);
    }
    if files.is_empty() {
        return Err(Failure::new(Exit::NotFound, "There is no .json, .ndjson or .jsonl file to import."));
    }
    Ok(files)
}

/// Whether a file holds one resource a line, by its name.
pub(crate) fn is_ndjson(path: &Path) -> bool {
    has_extension(path, &["ndjson", "jsonl"])
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| extensions.iter().any(|known| known.eq_ignore_ascii_case(extension)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(moment("7d", NOW).unwrap(), NOW.plus_ms(-7 * 24 * 3_600_000));
        assert_eq!(moment("30m", NOW).unwrap(), NOW.plus_ms(-30 * 60_000));
        assert_eq!(moment("2026-07-31", NOW).ok(), Timestamp::from_rfc3339("2026-07-30T23:00:00Z"));
        assert_eq!(
            moment("2026-07-31T08:00:00+01:00", NOW).ok(),
            Timestamp::from_rfc3339("2026-07-31T07:00:00Z")
        );
        for wrong in ["", "d", "7", "7y", "yesterday", "-7d", "é"] {
            assert!(moment(wrong, NOW).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_wrong_nhs_number_is_told_by_its_line_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers");
        hearth_provisioning::file::write(
            &path,
            b"9990000018\n\n9990000019\n",
            hearth_provisioning::file::Readers::Owner,
        )
        .unwrap();
        let told = format!("{:?}", nhs_numbers(&path).unwrap_err());
        assert!(told.contains("line 3") && !told.contains("9990000019"), "{told}");
    }
}
