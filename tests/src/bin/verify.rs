//! `cargo verify`: installs what the tests need, builds everything once and runs every test.

use std::process::{Command, ExitCode};

use anyhow::Context;
use hearth_tests::main_record::Software;
use hearth_tests::setup;

fn main() -> ExitCode {
    match prepare().and_then(|()| test()) {
        Ok(code) => code,
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn prepare() -> anyhow::Result<()> {
    setup::debian(&["pkg-config", "libssl-dev"], "building the FHIR server", || {
        Command::new("pkg-config").args(["--exists", "openssl"]).status().is_ok_and(|status| status.success())
    })?;
    setup::chromium()?;
    setup::browser_packages()?;
    Software::ready().context("the tests need a real main care record")?;
    if !setup::fhir_data().is_dir() {
        anstream::eprintln!(
            "note: {} is not there, so the tests that read public FHIR data use the project's own synthetic residents",
            setup::fhir_data().display()
        );
    }
    setup::build()
}

/// Runs the test runner and hands on what is asked of it: `cargo verify some_test`.
fn test() -> anyhow::Result<ExitCode> {
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["test", "--workspace", "--features", "hearth-print/typeset", "--tests", "--no-fail-fast"])
        .args(std::env::args_os().skip(1));
    let status = command.current_dir(setup::root()).status().context("cannot start cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
