//! Opening a database and beginning transactions.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use super::tx::Conn;
use super::{Error, Result, Tx, migrations};

/// Which engine is underneath.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engine {
    /// The embedded default.
    Sqlite,
    /// The way past one machine.
    Postgres,
}

/// A database with its schema up to date. Cheap to clone.
#[derive(Clone)]
pub struct Db(pub(super) Pools);

#[derive(Clone)]
pub(super) enum Pools {
    /// SQLite allows one writer; giving it one connection turns lock errors into a queue.
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
    },
    Postgres(Arc<Server>),
}

/// The groups have connections of their own: whoever takes a consent back does not wait until somebody
/// who reads has one to spare.
pub(super) struct Server {
    pub(super) pool: PgPool,
    groups: PgPool,
}

/// Concurrent snapshot readers of an SQLite file.
pub(super) const SQLITE_READERS: u32 = 4;
/// Connections to PostgreSQL per process.
pub(super) const POSTGRES_CONNECTIONS: u32 = 16;
/// Further ones for the writers of groups, of which each uses one at a time.
const POSTGRES_GROUPS: u32 = 3;
/// Prepared statements kept per connection: every statement in its few shapes.
const STATEMENTS_CACHED: usize = 1024;
/// Rows that the driver's thread may be ahead of who reads them: all of what a batch asks for, so
/// that the two threads do not wait for each other row by row.
const ROWS_BUFFERED: usize = 1024;
/// Pages (of 4 KiB) in the write-ahead log before they are moved into the file: a page that many
/// decisions touch is then moved once, and the flushes of moving are shared by thousands of them.
const WAL_PAGES: &str = "8000";
/// Pages of the file that each SQLite connection keeps, in KiB (a negative number): 32 MiB.
const CACHE: &str = "-32768";

/// How long to wait for another process's lock, or for a free connection.
const PATIENCE: Duration = Duration::from_secs(10);

impl Db {
    /// Opens `sqlite:PATH` or `postgres://…`, applies missing migrations, and refuses a schema that
    /// a newer program made.
    pub async fn open(address: &str) -> Result<Self> {
        if let Some(path) = address.strip_prefix("sqlite:") {
            return Self::open_sqlite(Path::new(path.trim_start_matches("//"))).await;
        }
        if address.starts_with("postgres://") || address.starts_with("postgresql://") {
            return Self::open_postgres(address).await;
        }
        Err(Error::Address)
    }

    async fn open_sqlite(path: &Path) -> Result<Self> {
        make_private(path);
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(PATIENCE)
            .statement_cache_capacity(STATEMENTS_CACHED)
            .row_buffer_size(ROWS_BUFFERED)
            .pragma("secure_delete", "on")
            .pragma("wal_autocheckpoint", WAL_PAGES)
            .pragma("cache_size", CACHE)
            // What a statement may have to take back is kept in memory: a file would cost a write
            // per page, and leave pieces of pages on the disk.
            .pragma("temp_store", "memory")
            .pragma("recursive_triggers", "on");
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(PATIENCE)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.clone())
            .await?;
        migrations::sqlite().run(&writer).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(SQLITE_READERS)
            .acquire_timeout(PATIENCE)
            .connect_with(options.read_only(true))
            .await?;
        Ok(Self(Pools::Sqlite { writer, readers }))
    }

    async fn open_postgres(address: &str) -> Result<Self> {
        let options =
            PgConnectOptions::from_str(address)?.statement_cache_capacity(STATEMENTS_CACHED);
        let of = |connections| {
            PgPoolOptions::new().max_connections(connections).acquire_timeout(PATIENCE)
        };
        let pool = of(POSTGRES_CONNECTIONS).connect_with(options.clone()).await?;
        migrations::postgres().run(&pool).await?;
        let groups = of(POSTGRES_GROUPS).connect_lazy_with(options);
        Ok(Self(Pools::Postgres(Arc::new(Server { pool, groups }))))
    }

    /// Begins a transaction that may write. On SQLite it waits its turn for the one writer and
    /// takes the write lock at once, so it cannot fail later for want of it.
    pub async fn begin(&self) -> Result<Tx> {
        match &self.0 {
            Pools::Sqlite { writer, .. } => {
                Tx::begin(Conn::Sqlite(writer.acquire().await?), "begin immediate").await
            }
            Pools::Postgres(server) => {
                Tx::begin(Conn::Postgres(server.pool.acquire().await?), "begin").await
            }
        }
    }

    /// [`Db::begin`] for the writer of a group.
    pub(super) async fn begin_group(&self) -> Result<Tx> {
        match &self.0 {
            Pools::Sqlite { .. } => self.begin().await,
            Pools::Postgres(server) => {
                Tx::begin(Conn::Postgres(server.groups.acquire().await?), "begin").await
            }
        }
    }

    /// Begins a read-only transaction over one snapshot.
    pub async fn read(&self) -> Result<Tx> {
        match &self.0 {
            Pools::Sqlite { readers, .. } => {
                Tx::begin(Conn::Sqlite(readers.acquire().await?), "begin").await
            }
            Pools::Postgres(server) => {
                let begin = "begin isolation level repeatable read read only";
                Tx::begin(Conn::Postgres(server.pool.acquire().await?), begin).await
            }
        }
    }

    /// Lets the engine look at what the tables hold now, so that it plans by it. Both engines do so
    /// by themselves sooner or later; after many rows at once, waiting for that is slow.
    pub async fn analyze(&self) -> Result<()> {
        match &self.0 {
            Pools::Sqlite { writer, .. } => {
                sqlx::raw_sql("pragma optimize = 0x10002").execute(writer).await?;
            }
            Pools::Postgres(server) => {
                sqlx::raw_sql("analyze").execute(&server.pool).await?;
            }
        }
        Ok(())
    }

    /// The engine underneath.
    pub fn engine(&self) -> Engine {
        match self.0 {
            Pools::Sqlite { .. } => Engine::Sqlite,
            Pools::Postgres(_) => Engine::Postgres,
        }
    }

    /// Parses and plans `sql` without running it: what the statement test does with every text.
    pub async fn prepare(&self, sql: String) -> Result<()> {
        use sqlx::{AssertSqlSafe, Executor as _, SqlSafeStr as _};
        let sql = AssertSqlSafe(sql).into_sql_str();
        match &self.0 {
            Pools::Sqlite { writer, .. } => writer.prepare(sql).await.map(drop)?,
            Pools::Postgres(server) => server.pool.prepare(sql).await.map(drop)?,
        }
        Ok(())
    }

    /// Closes every connection; SQLite folds its write-ahead log into the file.
    pub async fn close(&self) {
        match &self.0 {
            Pools::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Pools::Postgres(server) => {
                server.pool.close().await;
                server.groups.close().await;
            }
        }
    }
}

/// Makes the file for its owner alone before SQLite would make it for everybody; the log and the
/// index beside it get the same permissions. A file that is there keeps what its owner chose, and one
/// that cannot be made is refused by SQLite itself.
fn make_private(path: &Path) {
    use std::os::unix::fs::OpenOptionsExt as _;
    drop(std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path));
}
