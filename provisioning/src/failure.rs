//! How a command fails: what happened, why, what to do, and the exit code.

use std::io::Write;
use std::process::ExitCode;

use hearth_provisioning::api::{Problem, ProblemKind};

/// The exit codes of a command that did not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It failed.
    Failed = 1,
    /// It was asked wrongly.
    Usage = 2,
    /// What it was asked about is not there.
    NotFound = 3,
    /// It was refused, or needs confirmation.
    Refused = 4,
    /// The hub did not answer.
    NoContact = 5,
}

/// A command that did not do what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    error: anyhow::Error,
    hint: Option<String>,
}

impl Failure {
    /// A failure with a sentence.
    pub(crate) fn new(exit: Exit, sentence: impl Into<String>) -> Self {
        Self { exit, error: anyhow::Error::msg(sentence.into()), hint: None }
    }

    /// The same failure with what to do about it.
    #[must_use]
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same failure as part of something larger.
    #[must_use]
    pub(crate) fn context(self, sentence: impl Into<String>) -> Self {
        Self { error: self.error.context(sentence.into()), ..self }
    }

    /// The same failure with another exit code.
    #[must_use]
    pub(crate) fn exit(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }

    /// Whether the failure has this exit code.
    pub(crate) fn is(&self, exit: Exit) -> bool {
        self.exit == exit
    }

    /// The failure in one line.
    pub(crate) fn sentence(&self) -> String {
        let causes: Vec<String> = self.error.chain().map(ToString::to_string).collect();
        causes.join(": ")
    }

    /// What the hub refused.
    pub(crate) fn of_problem(problem: &Problem) -> Self {
        let faults = problem.faults.iter().map(|fault| format!("\n  {} {}", fault.pointer, fault.detail));
        let reference = problem.reference.iter().map(|reference| format!("\n  reference: {reference}"));
        let text: String = std::iter::once(problem.detail.clone()).chain(faults).chain(reference).collect();
        let failure = Self::new(exit_of(problem.kind), text);
        match hint_of(problem.kind) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }

    /// Tells the failure on stderr. A reader who has gone away (a closed pipe) is none.
    pub(crate) fn tell(&self) -> ExitCode {
        if self.error.chain().any(is_broken_pipe) {
            return ExitCode::SUCCESS;
        }
        // If stderr is closed there is nobody to tell.
        drop(self.write());
        ExitCode::from(self.exit as u8)
    }

    fn write(&self) -> std::io::Result<()> {
        let style = |text: &str, code: &str| format!("\u{1b}[{code}m{text}\u{1b}[0m");
        let mut stderr = anstream::stderr().lock();
        writeln!(stderr, "{} {}", style("error:", "1;31"), self.error)?;
        for cause in self.error.chain().skip(1) {
            writeln!(stderr, "  because: {cause}")?;
        }
        match &self.hint {
            Some(hint) => writeln!(stderr, "{} {hint}", style("hint:", "1;36")),
            None => Ok(()),
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { exit: Exit::Failed, error: error.into(), hint: None }
    }
}

fn is_broken_pipe(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn exit_of(kind: ProblemKind) -> Exit {
    match kind {
        ProblemKind::NotFound => Exit::NotFound,
        ProblemKind::Unauthorised
        | ProblemKind::Forbidden
        | ProblemKind::Conflict
        | ProblemKind::ConfirmationNeeded => Exit::Refused,
        ProblemKind::IdempotencyKeyReused
        | ProblemKind::TooLarge
        | ProblemKind::Invalid
        | ProblemKind::TooMany
        | ProblemKind::Failed
        | ProblemKind::Unavailable
        | ProblemKind::Other => Exit::Failed,
    }
}

fn hint_of(kind: ProblemKind) -> Option<&'static str> {
    match kind {
        ProblemKind::Unauthorised => {
            Some("`hearth context show` names the token's file; the hub's hub.toml has to hold its SHA-256.")
        }
        ProblemKind::TooMany | ProblemKind::Unavailable => Some("Try again in a minute."),
        ProblemKind::Failed => Some("The hub's log has the reason under the reference."),
        ProblemKind::Forbidden
        | ProblemKind::NotFound
        | ProblemKind::Conflict
        | ProblemKind::ConfirmationNeeded
        | ProblemKind::IdempotencyKeyReused
        | ProblemKind::TooLarge
        | ProblemKind::Invalid
        | ProblemKind::Other => None,
    }
}
