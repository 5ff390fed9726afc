//! `hearth resident import`: FHIR files go up part by part, and what became of each comes back.

use std::path::{Path as FilePath, PathBuf};

use hearth_protocol::id::SiteId;
use hearth_provisioning::api::{
    FHIR_JSON, FHIR_NDJSON, IMPORT_BYTES_MAX, IMPORT_PART_BYTES, ImportQuery, ImportReport, Path,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::client::Client;
use crate::command::Session;
use crate::failure::{Exit, Failure};
use crate::{input, output};

/// Most reasons that are told to a person; JSON has them all.
const TOLD_MAX: usize = 20;

#[derive(clap::Args)]
pub(crate) struct Import {
    /// Files, or folders of files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Let this site hold the records of everybody found
    #[arg(long, value_name = "ODS")]
    site: Option<SiteId>,
    /// The files are an extract of this main care record, by its name in hub.toml; it goes on from there
    #[arg(long, value_name = "NAME")]
    system: Option<String>,
    /// Read and report, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// What became of every file.
#[derive(Serialize)]
struct Report {
    dry_run: bool,
    files: Vec<ImportReport>,
    failed: Vec<FailedFile>,
}

/// A file that could not be imported.
#[derive(Serialize)]
struct FailedFile {
    name: String,
    reason: String,
    #[serde(skip)]
    failure: Failure,
}

pub(crate) async fn run(session: &Session, command: &Import) -> Result<(), Failure> {
    let files = input::files(&command.files)?;
    let client = session.client()?;
    let bar = progress(session, files.len());
    let mut report = Report { dry_run: command.dry_run, files: Vec::new(), failed: Vec::new() };
    for file in &files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        bar.set_message(name.clone());
        match import(&client, command, file, &name).await {
            Ok(done) => report.files.push(done),
            // Without contact every further file would only wait as long again.
            Err(failure) if failure.is(Exit::NoContact) => {
                bar.finish_and_clear();
                return Err(
                    failure.context(format!("The import stopped at {name}; what came before it is done."))
                );
            }
            Err(failure) => {
                report.failed.push(FailedFile { name, reason: failure.sentence(), failure });
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    session.output.data(&report, describe)?;
    tell_parked(session, &report)?;
    conclude(report)
}

fn progress(session: &Session, files: usize) -> ProgressBar {
    let bar = ProgressBar::new(files as u64);
    if !session.output.is_watched() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} files  {elapsed} (ETA {eta})  {wide_msg}");
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

async fn import(
    client: &Client,
    command: &Import,
    file: &FilePath,
    name: &str,
) -> Result<ImportReport, Failure> {
    let bytes = std::fs::read(file)?;
    let (content_type, parts) = if input::is_ndjson(file) {
        (FHIR_NDJSON, parts_of_lines(&bytes, IMPORT_PART_BYTES))
    } else {
        (FHIR_JSON, vec![bytes.as_slice()])
    };
    let mut whole = ImportReport { name: name.to_owned(), ..ImportReport::default() };
    for (part, bytes) in (0..).zip(parts) {
        if bytes.len() > IMPORT_BYTES_MAX {
            let (size, limit) = (output::size(bytes.len() as u64), output::size(IMPORT_BYTES_MAX as u64));
            return Err(Failure::new(
                Exit::Failed,
                format!("{size} in one piece is over the limit of {limit}."),
            )
            .hint("Write one resource a line and name the file .ndjson: such a file may be of any size."));
        }
        let query = ImportQuery {
            name: name.to_owned(),
            part,
            site: command.site,
            system: command.system.clone(),
            dry_run: command.dry_run,
        };
        let path = Path::plain(Path::RESIDENTS_IMPORT);
        let report: ImportReport = client.upload(&path, &query, content_type, bytes.to_vec().into()).await?;
        add(&mut whole, report);
    }
    Ok(whole)
}

/// Cuts lines into parts of about this size, never within a line.
fn parts_of_lines(bytes: &[u8], part_bytes: usize) -> Vec<&[u8]> {
    let (mut parts, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let from = part_bytes.min(rest.len()).saturating_sub(1);
        let end =
            rest.iter().skip(from).position(|byte| *byte == b'\n').map_or(rest.len(), |at| from + at + 1);
        let (part, left) = rest.split_at(end);
        parts.push(part);
        rest = left;
    }
    parts
}

fn add(whole: &mut ImportReport, part: ImportReport) {
    whole.resources += part.resources;
    whole.residents_found += part.residents_found;
    whole.residents_created += part.residents_created;
    whole.residents_updated += part.residents_updated;
    whole.entries += part.entries;
    whole.unchanged += part.unchanged;
    whole.parked.extend(part.parked);
    whole.parked_total += part.parked_total;
}

fn describe(report: &Report) -> String {
    let total = |count: fn(&ImportReport) -> u64| report.files.iter().map(count).sum::<u64>().to_string();
    output::fields(&[
        ("files", report.files.len().to_string()),
        ("resources", total(|file| file.resources)),
        ("residents found", total(|file| file.residents_found)),
        ("  created", total(|file| file.residents_created)),
        ("  updated", total(|file| file.residents_updated)),
        ("entries", total(|file| file.entries)),
        ("unchanged", total(|file| file.unchanged)),
        ("kept aside", total(|file| file.parked_total)),
    ])
}

fn tell_parked(session: &Session, report: &Report) -> Result<(), Failure> {
    if session.output.is_json() {
        return Ok(());
    }
    let parked =
        report.files.iter().flat_map(|file| file.parked.iter().map(move |parked| (&file.name, parked)));
    for (file, parked) in parked.clone().take(TOLD_MAX) {
        output::words(format!("kept aside: {file}: {}: {}", parked.resource, parked.reason))?;
    }
    let more = parked.count().saturating_sub(TOLD_MAX);
    if more > 0 {
        output::words(format!("and {more} more; --json lists them"))?;
    }
    if report.dry_run {
        output::words("This was a dry run. Nothing was changed.")?;
    }
    Ok(())
}

fn conclude(report: Report) -> Result<(), Failure> {
    for failed in &report.failed {
        output::words(format!("failed: {}: {}", failed.name, failed.reason))?;
    }
    let count = match report.failed.len() {
        1 => "1 file was".to_owned(),
        count => format!("{count} files were"),
    };
    match report.failed.into_iter().next() {
        None => Ok(()),
        Some(first) => Err(first.failure.context(format!("{count} not imported."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_are_whole_lines_and_nothing_is_lost(text in "([a-z]{0,20}\n){0,20}[a-z]{0,20}", size in 1usize..60) {
            let parts = parts_of_lines(text.as_bytes(), size);
            prop_assert_eq!(parts.concat(), text.as_bytes());
            for part in parts.iter().rev().skip(1) {
                prop_assert!(part.ends_with(b"\n"));
                prop_assert!(part.len() < size + 21, "{} of {}", part.len(), size);
            }
        }
    }
}
