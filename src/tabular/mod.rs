//! Tables in files: CSV and Parquet as one stream of records, and as a [`Table`] to learn from.
//!
//! A record that cannot be read is an item of the stream and does not end it, so that an import can put it
//! aside and go on.

mod csv;
mod parquet;

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use thiserror::Error;
use volens_models::table::TableError;
pub use volens_models::{Cell, Table};

/// Why a file gives no table, or a record no cells.
#[derive(Debug, Error)]
pub enum TabularError {
    /// The file is not there.
    #[error("there is no file {0}")]
    Missing(String),
    /// The file is there and cannot be read.
    #[error("cannot read {path}")]
    Io {
        /// Path as given.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// The file has no header.
    #[error("{0} is empty")]
    Empty(String),
    /// The file is not the format it seems to be, or uses a part of it that is not read here.
    #[error("{path}: {problem}")]
    Format {
        /// Path as given.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// One record is wrong; the next ones may be right.
    #[error("record {record}: {problem}")]
    Record {
        /// Counted from 1 after the header.
        record: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// The records make no table.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// One record: a cell per column of the header.
pub type Record = Result<Vec<Cell>, TabularError>;

/// The records of a file, in order.
pub struct Records {
    header: Vec<String>,
    /// Known before reading for Parquet only.
    length: Option<u64>,
    stream: Box<dyn Iterator<Item = Record> + Send>,
}

impl Records {
    /// Opens a file. Parquet is recognised by its first bytes; everything else is read as CSV with a header.
    pub fn open(path: &Path) -> Result<Self, TabularError> {
        let failed = |source| TabularError::Io { path: path.display().to_string(), source };
        let mut file = File::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => TabularError::Missing(path.display().to_string()),
            _ => failed(error),
        })?;
        let mut magic = Vec::new();
        file.by_ref().take(4).read_to_end(&mut magic).map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        match magic.as_slice() {
            [] => Err(TabularError::Empty(path.display().to_string())),
            b"PAR1" => parquet::open(path, file),
            _ => csv::open(path, file),
        }
    }

    /// The column names.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// The number of records, where the format says it before they are read.
    pub fn length(&self) -> Option<u64> {
        self.length
    }
}

impl Iterator for Records {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        self.stream.next()
    }
}

/// Reads a whole file as a table, inferring the kinds of its columns. Any wrong record is an error.
pub fn read_table(path: &Path) -> Result<Table, TabularError> {
    let records = Records::open(path)?;
    let mut builder = volens_models::TableBuilder::new(records.header().to_vec())?;
    for record in records {
        builder.push(&record?)?;
    }
    Ok(builder.finish())
}

#[cfg(test)]
mod tests;
