//! The reject file: which row was not taken in whole, and why. Row numbers, codes and column names,
//! never a value.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::mapping::BadCell;

/// Where rejects go. The file is made with the first of them.
pub(super) struct Rejects {
    path: PathBuf,
    writer: Option<csv::Writer<BufWriter<File>>>,
    counts: BTreeMap<String, u64>,
}

impl Rejects {
    /// Will write to `path`.
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path, writer: None, counts: BTreeMap::new() }
    }

    /// Notes a row of a file, counted from 1 after the header.
    pub(super) fn add(&mut self, file: &str, row: u64, code: &str, column: &str) -> Result<()> {
        *self.counts.entry(code.to_owned()).or_default() += 1;
        if self.writer.is_none() {
            let created = File::create(&self.path)
                .with_context(|| format!("cannot write {}", self.path.display()))?;
            let mut writer = csv::Writer::from_writer(BufWriter::new(created));
            writer.write_record(["file", "row", "code", "column"])?;
            self.writer = Some(writer);
        }
        if let Some(writer) = &mut self.writer {
            writer.write_record([file, &row.to_string(), code, column])?;
        }
        Ok(())
    }

    /// Notes a cell that could not be used.
    pub(super) fn cell(&mut self, file: &str, row: u64, bad: &BadCell) -> Result<()> {
        self.add(file, row, bad.code, &bad.column)
    }

    /// How many, by code.
    pub(super) fn counts(&self) -> &BTreeMap<String, u64> {
        &self.counts
    }

    /// The file, when there is one; everything written.
    pub(super) fn finish(&mut self) -> Result<Option<&Path>> {
        match &mut self.writer {
            None => Ok(None),
            Some(writer) => {
                writer.flush()?;
                Ok(Some(&self.path))
            }
        }
    }
}
