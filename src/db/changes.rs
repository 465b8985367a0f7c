//! A counter in commit order, so that derived columns can ask "what changed since".
//!
//! The counter row stays locked until the transaction ends: a reader that has seen value *n* has
//! seen everything below it. Timestamps or sequences do not promise that.

use super::{Result, Tx, statements, values};

statements! {
    NEXT = "update counters set value = value + 1 where name = 'changes' returning value";
    LATEST = "select value from counters where name = 'changes'";
}

/// The number under which this transaction's changes will be found.
pub async fn next(tx: &mut Tx) -> Result<i64> {
    tx.fetch_one(NEXT, values![]).await?.get("value")
}

/// The number of the latest committed change.
pub async fn latest(tx: &mut Tx) -> Result<i64> {
    tx.fetch_one(LATEST, values![]).await?.get("value")
}
