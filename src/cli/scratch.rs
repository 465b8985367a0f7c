//! A directory for one run of a command.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

/// How often a directory is emptied before it is left: somebody may be writing into it.
const ATTEMPTS: usize = 10;

/// A directory that is removed at the end, also when the end is Ctrl-C.
pub(super) struct Scratch {
    path: PathBuf,
    watching: JoinHandle<()>,
}

impl Scratch {
    /// Makes one; `name` tells whose it was if it is ever left behind. From now on SIGINT and SIGTERM
    /// remove it and end the program.
    pub(super) fn create(name: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("volens-{name}-{}", std::process::id()));
        let signals = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
        // Made by us and for us alone: in a shared directory anybody may have been there before.
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        let watching = tokio::spawn(watch(path.clone(), signals));
        Ok(Self { path, watching })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Somebody else sees to signals from here on, and ends in good order.
    pub(super) fn leave_signals(&self) {
        self.watching.abort();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.watching.abort();
        remove(&self.path);
    }
}

/// A thread of its own does this: whatever the command computes meanwhile, it ends at once.
#[expect(
    clippy::exit,
    clippy::disallowed_methods,
    reason = "the end by a signal, as without anything to tidy up; the code is the shell's for it"
)]
async fn watch(path: PathBuf, [mut interrupt, mut terminate]: [Signal; 2]) {
    let kind = tokio::select! {
        _ = interrupt.recv() => SignalKind::interrupt(),
        _ = terminate.recv() => SignalKind::terminate(),
    };
    remove(&path);
    std::process::exit(128 + kind.as_raw_value());
}

/// Nothing depends on it; a leftover is only untidy.
fn remove(path: &Path) {
    for _ in 0..ATTEMPTS {
        if std::fs::remove_dir_all(path).is_ok() || !path.exists() {
            return;
        }
    }
}
