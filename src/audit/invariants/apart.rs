//! I-16: nothing that is stored is common to accounts of two apps, so that nobody can join them by it.

use super::{Finding, Look, store};
use crate::audit::AuditError;
use crate::db::values;

/// Every value that could stand for a person is there once; only the two tokens of a link are alike,
/// each towards the other's app. What columns say together is measured by an attack on a whole dump
/// (`tests/journeys/join_attack.rs`), which no look at one installation can replace.
pub(super) async fn check(look: &mut Look<'_>) -> Result<(), AuditError> {
    look.count(store::COUNT_IDENTIFYING, values![]).await?;
    look.must_be_empty(store::SHARED, values![], |row| {
        Ok(Finding::new("account.joinable").at(row.get::<String>("place")?))
    })
    .await
}
