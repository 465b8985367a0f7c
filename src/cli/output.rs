//! Data on standard output, everything else on standard error, and the exit codes.

use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

/// What a command ended with. The numbers are part of the public surface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It did what was asked.
    Ok = 0,
    /// It could not.
    Failure = 1,
    /// The command line or the settings are wrong.
    Usage = 2,
    /// A ledger, receipt or proof does not verify.
    VerificationFailed = 3,
    /// Consent or policy does not allow it.
    Refused = 4,
    /// What was named does not exist.
    NotFound = 5,
    /// It exists already, or something else changed it.
    Conflict = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error that carries its exit code. `return Err(Stop::new(Exit::NotFound, "no such list").into())`.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Stop {
    exit: Exit,
    text: String,
}

impl Stop {
    /// Ends a command with a sentence and an exit code.
    pub fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, text: text.into() }
    }
}

impl Exit {
    /// The code of an error: its own when it is a [`Stop`], otherwise a failure.
    pub fn of(error: &anyhow::Error) -> Self {
        error.downcast_ref::<Stop>().map_or(Self::Failure, |stop| stop.exit)
    }
}

/// Where a command writes.
#[derive(Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// With `json`, standard output gets exactly one object.
    pub const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether a machine reads.
    pub const fn is_json(self) -> bool {
        self.json
    }

    /// The result: the object for machines, `text` for people. Called once per command.
    pub fn result(self, value: &impl Serialize, text: impl fmt::Display) -> io::Result<()> {
        if self.json {
            let json = serde_json::to_string(value).map_err(io::Error::other)?;
            write_line(io::stdout().lock(), json)
        } else {
            write_line(io::stdout().lock(), text)
        }
    }

    /// A line of the result that only people read.
    pub fn line(self, text: impl fmt::Display) -> io::Result<()> {
        if self.json { Ok(()) } else { write_line(io::stdout().lock(), text) }
    }

    /// A document that is the result whoever reads, for example a file format.
    pub fn document(self, text: impl fmt::Display) -> io::Result<()> {
        write_line(io::stdout().lock(), text)
    }

    /// Something worth knowing that is not the result: standard error.
    pub fn note(self, text: impl fmt::Display) {
        // Standard error that cannot be written to leaves nobody to tell.
        drop(write_line(io::stderr().lock(), text));
    }

    /// A progress bar on standard error; silent when nobody watches.
    pub fn progress(self, length: u64, what: &'static str) -> ProgressBar {
        let target = if io::stderr().is_terminal() && !self.json {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let style =
            ProgressStyle::with_template("{msg:>12} {wide_bar} {human_pos}/{human_len} {eta}")
                .expect("the template is a constant that the tests build");
        ProgressBar::with_draw_target(Some(length), target).with_style(style).with_message(what)
    }

    /// Reports why a command ended, on standard error (and as an object with `--json`).
    pub fn failure(self, error: &anyhow::Error, exit: Exit) -> ExitCode {
        let text = format!("{error:#}");
        if self.json {
            let object = serde_json::json!({"error": text, "exit": exit as u8});
            drop(write_line(io::stdout().lock(), object));
        }
        self.note(format_args!("volens: {text}"));
        exit.into()
    }
}

/// A reader that stopped reading (`| head`) is not an error.
fn write_line(mut to: impl Write, text: impl fmt::Display) -> io::Result<()> {
    match writeln!(to, "{text}").and_then(|()| to.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_exit_code_through_context() {
        use anyhow::Context as _;
        let error = Err::<(), _>(Stop::new(Exit::NotFound, "no such list"))
            .context("list 7")
            .expect_err("it is an error");
        assert_eq!(Exit::of(&error), Exit::NotFound);
        assert_eq!(Exit::of(&anyhow::anyhow!("other")), Exit::Failure);
    }

    #[test]
    fn the_progress_template_is_valid() {
        Output::new(true).progress(1, "rows").finish();
    }
}
