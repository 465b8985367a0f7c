//! A directory for one run of a command.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// A directory that is removed at the end.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Makes one; `name` tells whose it was if it is ever left behind.
    pub(super) fn create(name: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("volens-{name}-{}", std::process::id()));
        // Made by us and for us alone: in a shared directory anybody may have been there before.
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing depends on it; a leftover is only untidy.
        drop(std::fs::remove_dir_all(&self.0));
    }
}
