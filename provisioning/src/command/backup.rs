//! `hearth backup`: a backup of the hub.

use hearth_provisioning::api::{BackupReport, Path};
use reqwest::Method;

use super::Session;
use crate::failure::Failure;
use crate::output;

/// Make a backup of the hub and read it back
///
/// The hub writes it to the folder that hub.toml names, and goes on working meanwhile.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  hearth backup\n  hearth backup --json | jq -r .file")]
pub(crate) struct Backup {}

pub(crate) async fn run(session: &Session, _: &Backup) -> Result<(), Failure> {
    let report: BackupReport = session.client()?.send(Method::POST, &Path::plain(Path::BACKUP), &()).await?;
    session.output.data(&report, |report| {
        output::fields(&[
            ("file", report.file.clone()),
            ("size", output::size(report.bytes)),
            ("changes", report.changes.to_string()),
            ("made", output::moment(report.made)),
            ("BLAKE3", report.blake3.clone()),
        ])
    })
}
