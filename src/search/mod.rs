//! One search index per bot and published version, derived from the database.
//!
//! An index holds word statistics and passage numbers, never text: what is shown to a customer is
//! read from SQL. It may be deleted at any time; [`Shelf`] builds it again. This is the only module
//! that names tantivy, and no text of a user ever reaches a query parser: queries are put together
//! from analysed words.
//!
//! Reading order: [`Language`], [`Analyzer`] (text to words), [`Index`] (words to hits), [`Shelf`]
//! (which index of which bot is open).

mod analysis;
mod common;
mod index;
mod language;
pub mod remains;
mod shelf;
#[cfg(test)]
mod tests;

pub use analysis::{Analyzer, Word};
pub use index::{Entry, Found, Hit, Index, Question, QuestionWord};
pub use language::Language;
pub use shelf::{Shelf, Volume};

/// Why an index could not be built, opened or asked.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The index on disk is absent, incomplete, of another format or of another content.
    #[error("the search index must be built again")]
    Stale,
    /// tantivy failed.
    #[error("the search index failed")]
    Engine(#[from] tantivy::TantivyError),
    /// The folder could not be read or written.
    #[error("the folder of the search index failed")]
    Folder(#[from] std::io::Error),
    /// The blocking task was cancelled because the process is stopping.
    #[error("the search task was cancelled")]
    Cancelled,
}
