//! CSV with a header, comma separated (RFC 4180).

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use csv::{ReaderBuilder, StringRecordsIntoIter};

use super::{Cell, Record, Records, TabularError};

pub(super) fn open(path: &Path, file: File) -> Result<Records, TabularError> {
    let mut reader = ReaderBuilder::new().from_reader(BufReader::new(file));
    let header = reader.headers().map_err(|error| TabularError::Format {
        path: path.display().to_string(),
        problem: problem(&error),
    })?;
    if header.is_empty() {
        return Err(TabularError::Empty(path.display().to_string()));
    }
    // A byte order mark belongs to the file, not to the first column's name.
    let header =
        header.iter().map(|name| name.trim_start_matches('\u{feff}').trim().to_owned()).collect();
    let records = CsvRecords { records: reader.into_records(), read: 0, ended: false };
    Ok(Records { header, length: None, stream: Box::new(records) })
}

struct CsvRecords {
    records: StringRecordsIntoIter<BufReader<File>>,
    read: u64,
    ended: bool,
}

impl Iterator for CsvRecords {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        if self.ended {
            return None;
        }
        self.read += 1;
        Some(match self.records.next()? {
            Ok(record) => Ok(record.iter().map(|text| Cell::Text(text.to_owned())).collect()),
            Err(error) => {
                // A disk that fails goes on failing.
                self.ended = error.is_io_error();
                Err(TabularError::Record { record: self.read, problem: problem(&error) })
            }
        })
    }
}

/// What is wrong, without any of the file's content.
fn problem(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} cells where the header has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "not UTF-8 text".to_owned(),
        csv::ErrorKind::Io(error) => format!("cannot be read: {}", error.kind()),
        _ => "not CSV".to_owned(),
    }
}
