//! Making deletion physical, and looking whether it was.
//!
//! A deleted row's bytes stay somewhere: in the write-ahead log until it is folded in, and in pages
//! from which rows were moved before they were deleted (`secure_delete` overwrites a row where it
//! is, not where it was). Only a rewrite of the whole file is sure to leave nothing. And what an engine
//! knows about a column to plan by it is a sample of its values, ids of accounts among them, until it
//! looks at the column again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::postgres::PgPool;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _, Sqlite};
use tokio_stream::StreamExt as _;

use super::connect::Pools;
use super::{Db, Error, Result};
use crate::needles::{Needle, Needles, Tally};

/// So many needles are counted by the engine, one after the other; more are looked for at once.
const COUNTED_BY_THE_ENGINE: usize = 16;
/// How often, and how many times, it is looked whether anybody still sees what was deleted.
const PATIENCE: (Duration, u32) = (Duration::from_millis(200), 150);
/// The file with PostgreSQL's samples of columns: another one after each rewrite.
const SAMPLES: &str = "select pg_relation_filenode('pg_catalog.pg_statistic')::bigint";

/// How far a rewrite of an engine's files came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purged {
    /// Nothing of what was deleted is left in them.
    Complete,
    /// A reader stayed longer than the driver's patience, and keeps SQLite's write-ahead log.
    LogInUse,
    /// A transaction somewhere on the PostgreSQL server, or on a standby that says what it still reads,
    /// began before the last deletion and has not ended, or a replication slot holds its time back: what
    /// was deleted had to be kept for it.
    StillSeen,
    /// The role owns the tables but not the database, so PostgreSQL keeps the samples of columns
    /// (`pg_statistic`) that were replaced.
    SamplesKept,
}

impl Db {
    /// Rewrites what the engine stores, so that nothing of a deleted row is left in its files.
    ///
    /// On PostgreSQL each of `tables` is locked while it is rewritten; SQLite has one file for all.
    pub async fn purge(&self, tables: &[&'static str]) -> Result<Purged> {
        match &self.0 {
            Pools::Sqlite { writer, .. } => {
                let mut conn = writer.acquire().await?;
                // Its samples (sqlite_stat4) are of rows that may be gone, and are taken anew. The copy
                // that a vacuum makes may not fit in memory.
                let copied = "analyze; pragma temp_store = file; vacuum";
                let copied = sqlx::raw_sql(copied).execute(&mut *conn).await;
                sqlx::raw_sql("pragma temp_store = memory").execute(&mut *conn).await?;
                copied?;
                let truncate = sqlx::query::<Sqlite>("pragma wal_checkpoint(truncate)");
                let row: SqliteRow = truncate.fetch_one(&mut *conn).await?;
                let busy: i64 = row.try_get(0)?;
                Ok(if busy == 0 { Purged::Complete } else { Purged::LogInUse })
            }
            Pools::Postgres(server) => {
                let pool = &server.pool;
                let seen = is_still_seen(pool).await?;
                let sql = format!("vacuum (full, analyze) {}", tables.join(", "));
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await?;
                // The samples that were replaced just now, once nobody plans by them any more. Whoever may
                // not rewrite them is only warned.
                let seen = is_still_seen(pool).await? || seen;
                let before: i64 = sqlx::query_scalar(SAMPLES).fetch_one(pool).await?;
                sqlx::raw_sql("vacuum (full) pg_catalog.pg_statistic").execute(pool).await?;
                let after: i64 = sqlx::query_scalar(SAMPLES).fetch_one(pool).await?;
                Ok(match (seen, before == after) {
                    (true, _) => Purged::StillSeen,
                    (false, true) => Purged::SamplesKept,
                    (false, false) => Purged::Complete,
                })
            }
        }
    }

    /// Looks for the needles in every value of every table, as the engine decodes it. Gives the
    /// number of columns looked at.
    pub async fn search(&self, needles: &Needles, found: &mut Tally) -> Result<u64> {
        let columns = self.columns().await?;
        for (table, column, text) in &columns {
            if needles.all().len() > COUNTED_BY_THE_ENGINE {
                self.stream(table, column, *text, needles, found).await?;
                continue;
            }
            for needle in needles.all() {
                let times = self.times(table, column, *text, needle).await?;
                found.add_many(&format!("{table}.{column}"), needle.what, times);
            }
        }
        Ok(columns.len() as u64)
    }

    /// Reads every value of a column and looks for all needles at once.
    async fn stream(
        &self,
        table: &str,
        column: &str,
        text: bool,
        needles: &Needles,
        found: &mut Tally,
    ) -> Result<()> {
        let place = format!("{table}.{column}");
        let mut look = |bytes: Option<Vec<u8>>| {
            if let Some(bytes) = bytes {
                needles.in_value(&bytes, &place, found);
            }
        };
        match &self.0 {
            Pools::Sqlite { readers, .. } => {
                let sql = format!("select cast(\"{column}\" as blob) from \"{table}\"");
                let mut rows = sqlx::query_scalar(AssertSqlSafe(sql)).fetch(readers);
                while let Some(bytes) = rows.try_next().await? {
                    look(bytes);
                }
            }
            Pools::Postgres(server) => {
                let pool = &server.pool;
                let value = if text {
                    format!("convert_to(\"{column}\", 'UTF8')")
                } else {
                    format!("\"{column}\"")
                };
                let sql = format!("select {value} from \"{table}\"");
                let mut rows = sqlx::query_scalar(AssertSqlSafe(sql)).fetch(pool);
                while let Some(bytes) = rows.try_next().await? {
                    look(bytes);
                }
            }
        }
        Ok(())
    }

    /// The files of the database, with what to call them, where this process can read them: on
    /// SQLite the file and its write-ahead log, on PostgreSQL those of every table and index of the
    /// schema. Nothing when the server's files are elsewhere or not for us.
    pub async fn files(&self) -> Result<Vec<(PathBuf, String)>> {
        match &self.0 {
            Pools::Sqlite { readers, .. } => {
                let sql = "select file from pragma_database_list where name = 'main'";
                let path: String = sqlx::query_scalar(sql).fetch_one(readers).await?;
                let log = PathBuf::from(format!("{path}-wal"));
                let files = [PathBuf::from(path), log].into_iter().filter(|path| path.exists());
                let name = |path: &Path| {
                    path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
                };
                Ok(files.map(|path| (path.clone(), name(&path))).collect())
            }
            Pools::Postgres(server) => server_files(&server.pool).await,
        }
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
            Pools::Postgres(server) => sqlx::query_as(POSTGRES).fetch_all(&server.pool).await?,
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
            Pools::Postgres(server) => {
                let pool = &server.pool;
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
}

/// Waits for whoever might still see what was deleted before now; answers whether somebody does after
/// all that time. A rewrite keeps for them what they see, and says so to nobody.
async fn is_still_seen(pool: &PgPool) -> Result<bool> {
    // Writers count in every database of the server, readers in this one; standbys that say what they
    // still read, and replication slots, wherever they are. (A standby's process has no database.)
    const SEEN: &str = "select pg_snapshot_xmin(pg_current_snapshot()) < $1::text::xid8
        or exists (select from pg_stat_activity
                   where (datname = current_database() or datname is null)
                     and pid <> pg_backend_pid()
                     and age(backend_xmin) > age($1::text::xid8::xid))
        or exists (select from pg_replication_slots
                   where age(xmin) > age($1::text::xid8::xid)
                      or age(catalog_xmin) > age($1::text::xid8::xid))";
    let now: String =
        sqlx::query_scalar("select pg_current_xact_id()::text").fetch_one(pool).await?;
    let (pause, tries) = PATIENCE;
    for _ in 0..tries {
        if !sqlx::query_scalar::<_, bool>(SEEN).bind(&now).fetch_one(pool).await? {
            return Ok(false);
        }
        tokio::time::sleep(pause).await;
    }
    Ok(true)
}

/// The files of a server on this machine. What was written is flushed first, where we may ask.
async fn server_files(pool: &PgPool) -> Result<Vec<(PathBuf, String)>> {
    // A path of another machine may exist here too, and be another server's.
    const HERE: &str = "select coalesce(host(inet_server_addr()) in ('127.0.0.1', '::1'), true)";
    const FILES: &str = "select pg_relation_filepath(c.oid), c.relname::text from pg_class c
        where c.relkind in ('r', 'i', 't') and pg_relation_filepath(c.oid) is not null
          and (c.relnamespace = current_schema()::regnamespace
               or c.oid = 'pg_catalog.pg_statistic'::regclass
               or c.oid in (select reltoastrelid from pg_class
                            where relnamespace = current_schema()::regnamespace))
        order by 2";
    if !sqlx::query_scalar::<_, bool>(HERE).fetch_one(pool).await? {
        return Ok(Vec::new());
    }
    let Ok(root) = sqlx::query_scalar::<_, String>("show data_directory").fetch_one(pool).await
    else {
        return Ok(Vec::new());
    };
    // Without the right to it, pages that are not on disk are not seen; their tables are.
    drop(sqlx::raw_sql("checkpoint").execute(pool).await);
    let named: Vec<(String, String)> = sqlx::query_as(FILES).fetch_all(pool).await?;
    let mut files = Vec::new();
    for (path, relation) in named {
        let first = Path::new(&root).join(path);
        let segments = (1..).map(|nth| PathBuf::from(format!("{}.{nth}", first.display())));
        let all = std::iter::once(first.clone()).chain(segments);
        let readable = all.take_while(|path| std::fs::File::open(path).is_ok());
        files.extend(readable.map(|path| (path, format!("file of {relation}"))));
    }
    Ok(files)
}
