//! A fresh database per test, on both engines.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::Db;

/// Runs `body` on a fresh SQLite file and on a fresh PostgreSQL database.
///
/// Without a server at hand the PostgreSQL half is skipped, which is said aloud on standard error,
/// or fails when `VOLENS_REQUIRE` names `postgres`.
pub async fn on_both<F, R>(body: F)
where
    F: Fn(Db) -> R,
    R: Future<Output = ()>,
{
    let fresh = FreshSqlite::create();
    body(fresh.open().await).await;
    match FreshPostgres::create().await {
        Some(fresh) => {
            let db = fresh.open().await;
            body(db.clone()).await;
            db.close().await;
            fresh.drop_database().await;
        }
        None => skipped(),
    }
}

/// Says aloud that the PostgreSQL half of a test is skipped, or fails when it is required.
#[expect(clippy::print_stderr, reason = "a skipped tier must be seen")]
pub fn skipped() {
    assert!(!required("postgres"), "PostgreSQL is required and VOLENS_TEST_POSTGRES is not set");
    eprintln!("SKIPPED postgres: VOLENS_TEST_POSTGRES is not set");
}

/// Whether `VOLENS_REQUIRE` (a comma-separated list) says that a skipped tier is a failure.
pub fn required(tier: &str) -> bool {
    variable("VOLENS_REQUIRE").is_some_and(|tiers| tiers.split(',').any(|name| name == tier))
}

/// A variable of the test script.
#[expect(clippy::disallowed_methods, reason = "switches of the test script, not configuration")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// An SQLite file in a directory of its own, gone with this value.
pub struct FreshSqlite {
    directory: tempfile::TempDir,
}

impl FreshSqlite {
    /// An empty directory.
    pub fn create() -> Self {
        Self { directory: tempfile::tempdir().expect("a temporary directory can be made") }
    }

    /// The address to open.
    pub fn address(&self) -> String {
        format!("sqlite:{}", self.directory.path().join("volens.db").display())
    }

    /// The directory, to look at the files.
    pub fn path(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// Opens it, schema applied.
    pub async fn open(&self) -> Db {
        Db::open(&self.address()).await.expect("a fresh SQLite database opens")
    }
}

/// A PostgreSQL database of its own.
pub struct FreshPostgres {
    server: String,
    name: String,
}

impl FreshPostgres {
    /// Creates one on the server named by `VOLENS_TEST_POSTGRES`, if there is one.
    pub async fn create() -> Option<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let server = variable("VOLENS_TEST_POSTGRES")?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("volens_{}_{number}", std::process::id());
        let fresh = Self { server, name };
        fresh.admin(format!("drop database if exists {} with (force)", fresh.name)).await;
        fresh.admin(format!("create database {}", fresh.name)).await;
        Some(fresh)
    }

    /// The address to open.
    pub fn address(&self) -> String {
        let (base, options) = match self.server.split_once('?') {
            Some((base, options)) => (base, format!("?{options}")),
            None => (self.server.as_str(), String::new()),
        };
        let host = base.rsplit_once('/').map_or(base, |(host, _)| host);
        format!("{host}/{}{options}", self.name)
    }

    /// Opens it, schema applied.
    pub async fn open(&self) -> Db {
        Db::open(&self.address()).await.expect("a fresh PostgreSQL database opens")
    }

    /// Removes it, whoever is still connected.
    pub async fn drop_database(self) {
        self.admin(format!("drop database if exists {} with (force)", self.name)).await;
    }

    async fn admin(&self, sql: String) {
        let mut server = PgConnection::connect(&self.server).await.expect("the server answers");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut server).await.expect("the server obeys");
        server.close().await.expect("the connection closes");
    }
}
