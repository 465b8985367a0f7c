//! Volens: reach the people who are willing, and nobody else.
//!
//! Modules in the order of their layers; each may use only what stands before it (`tests/tidy.rs`).

pub mod clock;
pub mod codes;
pub mod config;
pub mod needles;
pub mod names;
pub mod db;
pub mod ids;
pub mod stretch;
pub mod metrics;
pub mod limits;
pub mod jobs;
pub mod search;
pub mod tabular;
pub mod witness;
pub mod pepper;
pub mod access;
pub mod ledger;
pub mod accounts;
pub mod readings;
pub mod assessments;
pub mod consent;
pub mod identity;
pub mod privacy_centre;
pub mod signals;
pub mod relevance;
pub mod audience;
pub mod assistant;
pub mod rights;
pub mod keyring;
pub mod audit;
#[cfg(feature = "testing")]
pub mod testing;
pub mod app;
pub mod web;
pub mod background;
pub mod cli;

/// Every SQL statement of the service, for the tests that prepare and count them.
pub fn statements() -> Vec<db::Statement> {
    [
        db::changes::STATEMENTS,
        jobs::STATEMENTS,
        access::STATEMENTS,
        ledger::STATEMENTS,
        accounts::STATEMENTS,
        readings::STATEMENTS,
        assessments::STATEMENTS,
        consent::STATEMENTS,
        identity::STATEMENTS,
        privacy_centre::STATEMENTS,
        signals::STATEMENTS,
        &relevance::statements(),
        &audience::statements(),
        &assistant::statements(),
        &rights::statements(),
        keyring::STATEMENTS,
        &audit::invariants::statements(),
        audit::records::STATEMENTS,
        web::idempotency::STATEMENTS,
        cli::import_statements(),
        cli::STATEMENTS,
    ]
    .concat()
}
