//! Making deletion physical, and looking whether it was.
//!
//! A deleted row's bytes stay somewhere: in the write-ahead log until it is folded in, and in pages
//! from which rows were moved before they were deleted (`secure_delete` overwrites a row where it
//! is, not where it was). Only a rewrite of the whole file is sure to leave nothing.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _, Sqlite};

use super::connect::Pools;
use super::{Db, Error, Result};

/// Bytes of a file looked at in one go.
const PIECE: usize = 1 << 20;
/// A needle of so many bytes is looked for in two halves: where a page ends in the middle of it, one
/// of them is whole.
const HALVED: usize = 16;

/// Bytes that must not be in a database. No `Debug`: they identify somebody.
pub struct Needle {
    /// What they are, in words that say nothing of them.
    pub what: &'static str,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A place where a needle was found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Trace {
    /// `table.column`, or the ending of a file's name.
    pub place: String,
    /// What was found.
    pub what: &'static str,
    /// Rows, or places in the file.
    pub times: u64,
}

impl Db {
    /// Rewrites what the engine stores, so that nothing of a deleted row is left in its files.
    /// Answers whether it is complete: on SQLite, a reader that stays longer than the driver's
    /// patience keeps the write-ahead log from being emptied.
    ///
    /// On PostgreSQL each of `tables` is locked while it is rewritten; SQLite has one file for all.
    pub async fn purge(&self, tables: &[&'static str]) -> Result<bool> {
        match &self.0 {
            Pools::Sqlite { writer, .. } => {
                let mut conn = writer.acquire().await?;
                sqlx::raw_sql("vacuum").execute(&mut *conn).await?;
                let truncate = sqlx::query::<Sqlite>("pragma wal_checkpoint(truncate)");
                let row: SqliteRow = truncate.fetch_one(&mut *conn).await?;
                let busy: i64 = row.try_get(0)?;
                Ok(busy == 0)
            }
            Pools::Postgres(pool) => {
                let sql = format!("vacuum (full, analyze) {}", tables.join(", "));
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await?;
                Ok(true)
            }
        }
    }

    /// Looks for the needles in every value of every table, as the engine decodes it, and on SQLite
    /// also in the raw bytes of its files, free pages and gaps included.
    pub async fn search(&self, needles: &[Needle]) -> Result<Vec<Trace>> {
        let mut traces = Vec::new();
        for (table, column, text) in self.columns().await? {
            for needle in needles {
                let times = self.times(&table, &column, text, needle).await?;
                if times > 0 {
                    let place = format!("{table}.{column}");
                    traces.push(Trace { place, what: needle.what, times });
                }
            }
        }
        for path in self.files().await? {
            let wanted: Vec<Vec<u8>> = needles.iter().map(|needle| needle.bytes.clone()).collect();
            let file = path.clone();
            let counted = tokio::task::spawn_blocking(move || count_in_file(&file, &wanted)).await;
            let counted = counted.map_err(io::Error::other).flatten().map_err(unreadable)?;
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            for (needle, times) in needles.iter().zip(counted).filter(|(_, times)| *times > 0) {
                let place = name.clone().unwrap_or_default();
                traces.push(Trace { place, what: needle.what, times });
            }
        }
        Ok(traces)
    }

    /// Every column of bytes or text: table, column, whether it is text.
    async fn columns(&self) -> Result<Vec<(String, String, bool)>> {
        const SQLITE: &str = "select m.name, c.name, c.type = 'TEXT' from sqlite_schema m
            join pragma_table_info(m.name) c where m.type = 'table' and c.type in ('TEXT', 'BLOB')
            order by 1, 2";
        const POSTGRES: &str = "select c.table_name::text, c.column_name::text,
                   c.data_type = 'text' from information_schema.columns c
            join information_schema.tables t
              on t.table_schema = c.table_schema and t.table_name = c.table_name
            where c.table_schema = current_schema() and t.table_type = 'BASE TABLE'
              and c.data_type in ('text', 'bytea') order by 1, 2";
        Ok(match &self.0 {
            Pools::Sqlite { readers, .. } => sqlx::query_as(SQLITE).fetch_all(readers).await?,
            Pools::Postgres(pool) => sqlx::query_as(POSTGRES).fetch_all(pool).await?,
        })
    }

    /// Rows of a table whose column holds the needle. Both names come from the catalog.
    async fn times(&self, table: &str, column: &str, text: bool, needle: &Needle) -> Result<u64> {
        let bytes = needle.bytes.clone();
        let count: i64 = match &self.0 {
            Pools::Sqlite { readers, .. } => {
                let sql = format!(
                    "select count(*) from \"{table}\" where instr(cast(\"{column}\" as blob), $1)"
                );
                sqlx::query_scalar(AssertSqlSafe(sql)).bind(bytes).fetch_one(readers).await?
            }
            Pools::Postgres(pool) => {
                let value = if text {
                    format!("convert_to(\"{column}\", 'UTF8')")
                } else {
                    format!("\"{column}\"")
                };
                let sql =
                    format!("select count(*) from \"{table}\" where position($1 in {value}) > 0");
                sqlx::query_scalar(AssertSqlSafe(sql)).bind(bytes).fetch_one(pool).await?
            }
        };
        u64::try_from(count).map_err(|_| Error::Range)
    }

    /// The files of an SQLite database that hold pages: itself and its write-ahead log.
    async fn files(&self) -> Result<Vec<PathBuf>> {
        let Pools::Sqlite { readers, .. } = &self.0 else { return Ok(Vec::new()) };
        let sql = "select file from pragma_database_list where name = 'main'";
        let path: String = sqlx::query_scalar(sql).fetch_one(readers).await?;
        let log = PathBuf::from(format!("{path}-wal"));
        Ok([PathBuf::from(path), log].into_iter().filter(|path| path.exists()).collect())
    }
}

fn unreadable(error: io::Error) -> Error {
    Error::Driver(sqlx::Error::Io(error))
}

/// How often each needle, or a half of a long one, is in a file.
fn count_in_file(path: &Path, needles: &[Vec<u8>]) -> io::Result<Vec<u64>> {
    let wanted: Vec<Vec<&[u8]>> = needles.iter().map(|needle| parts(needle)).collect();
    let longest = wanted.iter().flatten().map(|part| part.len()).max().unwrap_or(0);
    let mut counts = vec![0; needles.len()];
    let mut file = File::open(path)?;
    let mut window = Vec::with_capacity(PIECE + longest);
    loop {
        let kept = window.len();
        file.by_ref().take(PIECE as u64).read_to_end(&mut window)?;
        if window.len() == kept {
            return Ok(counts);
        }
        for (count, parts) in counts.iter_mut().zip(&wanted) {
            // What ends within the part kept from before was counted then.
            let found = parts.iter().map(|part| ends(&window, part, kept)).sum::<u64>();
            *count += found;
        }
        let keep = longest.saturating_sub(1).min(window.len());
        window.drain(..window.len() - keep);
    }
}

/// How often `part` ends behind the first `after` bytes of `window`.
fn ends(window: &[u8], part: &[u8], after: usize) -> u64 {
    let from = (after + 1).saturating_sub(part.len());
    let Some(window) = window.get(from..) else { return 0 };
    window.windows(part.len()).filter(|bytes| *bytes == part).count() as u64
}

fn parts(needle: &[u8]) -> Vec<&[u8]> {
    if needle.is_empty() {
        return Vec::new();
    }
    if needle.len() < HALVED {
        return vec![needle];
    }
    let (first, second) = needle.split_at(needle.len() / 2);
    vec![first, second]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_by_a_page_or_a_piece_is_found() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        let id: Vec<u8> = (1..=16).collect();
        let mut bytes = vec![0; PIECE - 5];
        bytes.extend_from_slice(&id); // across two pieces
        bytes.extend_from_slice(&[0; 100]);
        bytes.extend_from_slice(&id[..11]); // across two pages
        bytes.extend_from_slice(&[0; 100]);
        bytes.extend_from_slice(&id[4..]);
        bytes.extend_from_slice(b"anna");
        std::fs::write(&path, bytes).expect("written");
        let needles = [id, b"anna".to_vec(), b"otto".to_vec(), Vec::new()];
        assert_eq!(count_in_file(&path, &needles).expect("read"), [4, 1, 0, 0]);
    }
}
