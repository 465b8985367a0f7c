//! Looking for what is left in files: databases, indexes, exports, logs, backups.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use serde::Serialize;

use super::RightsError;
use crate::db::{self, Engine};
use crate::needles::{Needles, Tally, Trace};
use crate::search::remains;
use crate::tabular::{Cell, Records};

/// What a search looked at and found.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Files, and tables of the database.
    pub files: u64,
    /// Pages, terms, documents and records that were decoded.
    pub decoded: u64,
    /// What was found where.
    pub traces: Vec<Trace>,
    /// Files in a packing that is not opened here, or that there was no time for: nothing is known about
    /// them.
    pub unread: Vec<String>,
}

/// Beginnings of files that hide what is in them, and what they are.
const PACKED: [(&[u8], &str); 6] = [
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
    (b"PK\x03\x04", "zip"),
    (b"PGDMP", "a dump of pg_dump in its custom format"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
];

/// A search in progress.
pub(super) struct Search<'n> {
    pub(super) needles: &'n Needles,
    pub(super) found: Tally,
    pub(super) report: Report,
    /// Bytes of files that may still be read.
    pub(super) left: u64,
}

impl<'n> Search<'n> {
    pub(super) fn new(needles: &'n Needles) -> Self {
        Self { needles, found: Tally::default(), report: Report::default(), left: u64::MAX }
    }

    pub(super) fn finish(self) -> Report {
        Report { traces: self.found.traces(), ..self.report }
    }

    /// Looks into a file of the database itself; a write-ahead log is decoded with its database.
    pub(super) fn database_file(
        &mut self,
        path: &Path,
        name: &str,
        engine: Engine,
    ) -> Result<(), RightsError> {
        let failed = |error| RightsError::Unreadable { path: path.to_owned(), error };
        self.report.files += 1;
        if engine == Engine::Sqlite && !name.ends_with("-wal") {
            let pages = db::pages::search(path, name, self.needles, &mut self.found);
            self.report.decoded += pages.map_err(failed)?;
        }
        let file = File::open(path).map_err(failed)?;
        self.needles.in_stream(file, &format!("{name}: bytes"), &mut self.found).map_err(failed)
    }

    /// Looks into a file, or into everything below a folder.
    pub(super) fn look(&mut self, path: &Path) -> Result<(), RightsError> {
        self.look_at(path, false)
    }

    /// The same; a file that was listed and is gone holds nothing.
    fn look_at(&mut self, path: &Path, listed: bool) -> Result<(), RightsError> {
        let failed = |error| RightsError::Unreadable { path: path.to_owned(), error };
        if path.is_dir() {
            return self.folder(path);
        }
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if listed && error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        let bytes = file.metadata().map_err(failed)?.len();
        let Some(left) = self.left.checked_sub(bytes) else {
            self.report.unread.push(format!("{}: too much to read", path.display()));
            return Ok(());
        };
        self.left = left;
        let mut first = Vec::new();
        file.by_ref().take(16).read_to_end(&mut first).map_err(failed)?;
        file.rewind().map_err(failed)?;
        self.report.files += 1;
        let name = path.display().to_string();
        if let Some((_, what)) = PACKED.iter().find(|(magic, _)| first.starts_with(magic)) {
            self.report.unread.push(format!("{name}: {what}"));
        }
        if first.starts_with(&[0x1f, 0x8b]) {
            let place = format!("{name}: unpacked");
            let unpacked = MultiGzDecoder::new(&file);
            self.needles.in_stream(unpacked, &place, &mut self.found).map_err(failed)?;
            file.rewind().map_err(failed)?;
        }
        if first.starts_with(db::pages::MAGIC) {
            let pages = db::pages::search(path, &name, self.needles, &mut self.found);
            self.report.decoded += pages.map_err(failed)?;
        }
        if first.starts_with(b"PAR1") {
            self.records(path, &name);
        }
        let place = format!("{name}: bytes");
        self.needles.in_stream(file, &place, &mut self.found).map_err(failed)
    }

    fn folder(&mut self, path: &Path) -> Result<(), RightsError> {
        let failed = |error: io::Error| RightsError::Unreadable { path: path.to_owned(), error };
        if remains::is_index(path) {
            let name = path.display().to_string();
            let looked = remains::search(path, &name, self.needles, &mut self.found);
            self.report.decoded += looked.map_err(|error| failed(io::Error::other(error)))?;
            self.report.files += 1;
        }
        let entries = fs::read_dir(path).map_err(failed)?.collect::<io::Result<Vec<_>>>();
        let mut paths: Vec<_> = entries.map_err(failed)?.iter().map(fs::DirEntry::path).collect();
        paths.sort();
        // Sockets and the like hold nothing; links are looked at where they lead.
        paths.retain(|path| path.is_file() || path.is_dir());
        paths.iter().try_for_each(|path| self.look_at(path, true))
    }

    /// The values of a Parquet file, which are packed column by column.
    fn records(&mut self, path: &Path, name: &str) {
        let place = format!("{name}: record");
        let Ok(records) = Records::open(path) else {
            return self.report.unread.push(format!("{name}: a Parquet file that cannot be read"));
        };
        for record in records {
            let Ok(cells) = record else {
                return self.report.unread.push(format!("{name}: a record that cannot be read"));
            };
            self.report.decoded += 1;
            for cell in cells {
                if let Cell::Text(text) = cell {
                    self.needles.in_value(text.as_bytes(), &place, &mut self.found);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
