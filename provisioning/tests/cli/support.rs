//! Runs the command as a person would.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a run of the command came to.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `hearth` with these words, without a terminal, a context or anything on stdin.
pub(crate) fn hearth(words: &[&str]) -> Told {
    hearth_in(Path::new("/nonexistent"), words, "")
}

/// Runs `hearth` for a user with this home folder and this on stdin.
pub(crate) fn hearth_in(home: &Path, words: &[&str], stdin: &str) -> Told {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("hearth"))
        .args(words)
        .env_remove("HEARTH_CONTEXT")
        .env_remove("XDG_CONFIG_HOME")
        .env("HOME", home)
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing closes its end first.
    drop(child.stdin.take().unwrap().write_all(stdin.as_bytes()));
    let output = child.wait_with_output().unwrap();
    Told {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
