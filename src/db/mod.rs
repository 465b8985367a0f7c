//! The thin driver over sqlx: one SQL text for SQLite and PostgreSQL.
//!
//! This is the only folder that names `sqlx`. A slice writes its SQL with [`statements!`], runs it
//! through a [`Tx`] and reads [`Row`]s. There are no generics over databases and no repository
//! traits: one concrete transaction value that must be committed; dropping it rolls back.
//!
//! Durability is not an option: SQLite always runs with a write-ahead log and
//! `synchronous=FULL`, PostgreSQL with its default synchronous commit, and writes that many callers
//! want at once share one transaction through [`group`]. A connection whose begin or commit failed
//! is closed, never used again.

pub mod changes;
mod connect;
mod coverage;
mod error;
pub mod group;
mod migrations;
mod packed;
pub mod pages;
mod purge;
mod row;
mod statement;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(test)]
mod tests;
mod tx;
mod value;

pub use connect::{Db, Engine};
pub use error::Error;
pub use migrations::{SCHEMA_VERSION, migration_texts};
pub use purge::Purged;
pub use row::{Cell, Row};
pub use statement::Statement;
pub(crate) use statement::statements;
pub use tx::Tx;
pub use value::Value;
pub(crate) use value::values;

/// What the driver answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;
