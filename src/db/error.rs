//! What can go wrong between a slice and its database, by what the caller can do about it.

/// An error of the driver. `Display` never carries a bound value.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another transaction was in the way, or all connections were; the same work may be tried again.
    #[error("the database was busy with conflicting work")]
    Conflict(#[source] sqlx::Error),
    /// A row with this key exists. Carries the constraint's name where the engine tells it.
    #[error("a row with this key exists")]
    Duplicate(Option<String>),
    /// A row that this one refers to does not exist.
    #[error("a referenced row does not exist")]
    Missing(Option<String>),
    /// The schema refused the change: a check or a trigger (append-only, no live grant, …).
    #[error("the schema refused the change")]
    Forbidden(#[source] sqlx::Error),
    /// No space left for the write; reads go on.
    #[error("the database has no space left")]
    DiskFull(#[source] sqlx::Error),
    /// The database was migrated by a newer program.
    #[error("the database schema is newer than this program: migration {0} is unknown")]
    SchemaNewer(i64),
    /// A migration that was applied has been changed since.
    #[error("migration {0} differs from the one that was applied")]
    SchemaChanged(i64),
    /// A migration could not be applied.
    #[error("migrating the schema failed")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// A column was absent, null or of another type.
    #[error("column `{0}` could not be read as the expected type")]
    Decode(String),
    /// A statement was run with the wrong number of values.
    #[error("statement `{name}` takes {expected} values and got {found}")]
    Arity {
        /// The statement's name.
        name: &'static str,
        /// Parameters in its text.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// Exactly one row was promised and there was none.
    #[error("statement `{0}` found no row")]
    NoRow(&'static str),
    /// A number does not fit the database's 64-bit signed integer.
    #[error("a number is too large for the database")]
    Range,
    /// The transaction had a failed statement and cannot be committed.
    #[error("the transaction failed before its commit")]
    Aborted,
    /// Stored data contradict themselves; names the table.
    #[error("the stored `{0}` are damaged")]
    Damaged(&'static str),
    /// The database address cannot be used.
    #[error("the database address is neither `sqlite:PATH` nor `postgres://…`")]
    Address,
    /// Anything else the driver reports.
    #[error("the database driver failed")]
    Driver(#[source] sqlx::Error),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if matches!(error, sqlx::Error::PoolTimedOut) {
            return Self::Conflict(error);
        }
        let Some(reported) = error.as_database_error() else { return Self::Driver(error) };
        let constraint = reported.constraint().map(str::to_owned);
        if reported.is_unique_violation() {
            return Self::Duplicate(constraint);
        }
        if reported.is_foreign_key_violation() {
            return Self::Missing(constraint);
        }
        match reported.code().as_deref() {
            // SQLite extended result codes (BUSY 5, LOCKED 6, FULL 13, CONSTRAINT 19) and
            // PostgreSQL SQLSTATEs.
            Some("5" | "6" | "261" | "517" | "773" | "262" | "40001" | "40P01" | "55P03") => {
                Self::Conflict(error)
            }
            Some("13" | "53100") => Self::DiskFull(error),
            Some("275" | "1811" | "23514" | "P0001") => Self::Forbidden(error),
            _ => Self::Driver(error),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for Error {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        use sqlx::migrate::MigrateError;
        if let MigrateError::VersionMissing(version) = error {
            return Self::SchemaNewer(version);
        }
        if let MigrateError::VersionMismatch(version) = error {
            return Self::SchemaChanged(version);
        }
        Self::Migrate(error)
    }
}
