//! The helper that sets a sheet: a program beside this one, started for one job and gone after it.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use hearth_protocol::paper::Job;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

/// Its name.
const HELPER: &str = "hearth-print";
/// Longest time for one sheet: a whole home's downtime pack on a small computer.
const TIME_MAX: Duration = Duration::from_mins(2);
/// Longest PDF.
const PDF_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// One sheet at a time: setting one takes a whole core and some hundred megabytes.
static TURN: Semaphore = Semaphore::const_new(1);

/// Why there is no PDF.
#[derive(Debug, thiserror::Error)]
pub enum PrintError {
    /// The helper is not beside this program.
    #[error("the program {HELPER} is not beside this one; install it from the same package")]
    Missing,
    /// It could not be started, fed or read.
    #[error("{HELPER} could not be started or read")]
    Io(#[from] std::io::Error),
    /// The job is not one.
    #[error("the job could not be written")]
    Job(#[from] serde_json::Error),
    /// It took longer than it may.
    #[error("{HELPER} took longer than {} seconds and was ended", TIME_MAX.as_secs())]
    Late,
    /// It ended with an error, or put out more than it may or what is no PDF.
    #[error("{HELPER} failed: {0}")]
    Failed(String),
}

/// The sheet as PDF.
pub async fn pdf(job: &Job) -> Result<Vec<u8>, PrintError> {
    with(helper().ok_or(PrintError::Missing)?, TIME_MAX, job).await
}

/// The helper beside this program, or one folder above, as tests run.
fn helper() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    own.ancestors().skip(1).take(2).map(|folder| folder.join(HELPER)).find(|path| path.is_file())
}

async fn with(helper: PathBuf, time: Duration, job: &Job) -> Result<Vec<u8>, PrintError> {
    let bytes = serde_json::to_vec(job)?;
    let _turn = TURN.acquire().await.map_err(|_| PrintError::Failed("it is shut".to_owned()))?;
    let mut child = Command::new(helper)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    // Whatever it still does when its time is over ends with the child, which is dropped here.
    tokio::time::timeout(time, converse(&mut child, bytes)).await.map_err(|_| PrintError::Late)?
}

async fn converse(child: &mut Child, job: Vec<u8>) -> Result<Vec<u8>, PrintError> {
    let (mut pdf, mut said) = (Vec::new(), Vec::new());
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        let Some(mut stdin) = stdin else { return };
        // A helper that ends early says why by its exit code.
        drop(stdin.write_all(&job).await);
    };
    let read = async {
        if let Some(stdout) = stdout {
            stdout.take(PDF_BYTES_MAX + 1).read_to_end(&mut pdf).await?;
        }
        Ok::<_, std::io::Error>(())
    };
    let listen = async {
        if let Some(stderr) = stderr {
            stderr.take(2_000).read_to_end(&mut said).await?;
        }
        Ok::<_, std::io::Error>(())
    };
    let ((), read, listened) = tokio::join!(feed, read, listen);
    read?;
    listened?;
    if u64::try_from(pdf.len()).unwrap_or(u64::MAX) > PDF_BYTES_MAX {
        return Err(PrintError::Failed("the sheet is too large".to_owned()));
    }
    let ended = child.wait().await?;
    if !ended.success() || !pdf.starts_with(b"%PDF-") {
        return Err(PrintError::Failed(String::from_utf8_lossy(&said).trim().to_owned()));
    }
    Ok(pdf)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use hearth_protocol::paper::VERSION;

    use super::*;

    fn job() -> Job {
        Job {
            version: VERSION,
            title: "t".into(),
            site: "s".into(),
            made: "m".into(),
            caution: "c".into(),
            parts: Vec::new(),
        }
    }

    async fn by(script: &str, time: Duration) -> Result<Vec<u8>, PrintError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("helper");
        crate::files::replace(&path, format!("#!/bin/sh\n{script}\n").as_bytes()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        with(path, time, &job()).await
    }

    #[tokio::test]
    async fn a_helper_that_fails_hangs_or_answers_nonsense_gives_an_error() {
        let long = Duration::from_mins(1);
        let good = by("/bin/cat > /dev/null; echo %PDF-1.7 x", long).await;
        assert_eq!(good.unwrap(), b"%PDF-1.7 x\n");
        let failed = by("echo 'error: no' >&2; exit 1", long).await.unwrap_err().to_string();
        assert!(failed.ends_with("failed: error: no"), "{failed}");
        assert!(matches!(by("/bin/cat > /dev/null; echo hello", long).await, Err(PrintError::Failed(_))));
        let late = by("exec /bin/sleep 60", Duration::from_millis(300)).await;
        assert!(matches!(late, Err(PrintError::Late)), "{late:?}");
        let gone = with("/nowhere/hearth-print".into(), long, &job()).await;
        assert!(matches!(gone, Err(PrintError::Io(_))));
    }
}
