//! `hearth-print`: one job on standard input, one PDF on standard output.
//!
//! It asks nothing of the machine: the templates and fonts are in it, no other file can be named, and it opens no
//! connection. How long it may take and how much it may put out is the caller's to hold.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use clap::Parser;
use hearth_protocol::paper::{JOB_BYTES_MAX, Job, VERSION};

mod set;
mod world;

/// Why no sheet was made.
#[derive(Debug, thiserror::Error)]
enum PrintError {
    /// The job or the PDF did not go through.
    #[error("standard input or output failed")]
    Io(#[from] std::io::Error),
    /// The job is longer than [`JOB_BYTES_MAX`].
    #[error("the job is longer than {JOB_BYTES_MAX} bytes")]
    TooLong,
    /// Not a job, or one of another version. What it says is not repeated: it is somebody's record.
    #[error("not a job of version {VERSION}; install node and helper of one version")]
    NotAJob,
    /// The template failed.
    #[error("the sheet was not set: {0}")]
    NotSet(String),
}

const EXAMPLES: &str = "Example:
  hearth-print < job.json > sheet.pdf

Exit codes: 0 done, 1 failed, 2 wrong usage";

/// Makes one sheet of a site as tagged PDF (PDF/UA-1): a job as JSON on standard input, the file on standard output
#[derive(Debug, Parser)]
#[command(name = "hearth-print", version, after_help = EXAMPLES)]
struct Arguments {}

fn main() -> ExitCode {
    let Arguments {} = Arguments::parse();
    match print() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // When even standard error is gone there is nobody to tell.
            drop(writeln!(std::io::stderr(), "error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn print() -> Result<(), PrintError> {
    let mut bytes = Vec::new();
    let most = u64::try_from(JOB_BYTES_MAX).unwrap_or(u64::MAX);
    std::io::stdin().lock().take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    let pdf = set::pdf(bytes)?;
    let mut out = std::io::stdout().lock();
    out.write_all(&pdf)?;
    Ok(out.flush()?)
}

/// The job, once it is seen to be one.
fn checked(bytes: &[u8]) -> Result<Job, PrintError> {
    if bytes.len() > JOB_BYTES_MAX {
        return Err(PrintError::TooLong);
    }
    let job: Job = serde_json::from_slice(bytes).map_err(|_| PrintError::NotAJob)?;
    (job.version == VERSION).then_some(job).ok_or(PrintError::NotAJob)
}
