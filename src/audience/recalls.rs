//! Recall notices (GDPR Art. 17(2), 19): a business that received a recipient's id is told when that
//! person is no longer to be written to, and says that it has stopped.
//!
//! Which rows left the house is noted before they do; the database raises a notice when such a row
//! goes, whatever ends it. A notice names the list and the id that the business knows, and no reason.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use volens_privacy::{BusinessId, RecipientId, Timestamp};

use super::Result;
use super::store::recalls as store;
use crate::db::{Db, Tx};
use crate::ids::ListId;

/// How long a business may take to acknowledge before an officer sees it.
pub const ACKNOWLEDGE_WITHIN: Duration = Duration::from_hours(7 * 24);
/// How long a notice is kept, from when it was raised.
pub const KEPT: Duration = Duration::from_hours(400 * 24);
/// Notices that one call may acknowledge.
pub const BATCH_MAX: usize = 1000;
/// Every rank there is.
pub const ALL_RANKS: u32 = u32::MAX;

/// One notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Recall {
    /// On which list the id was received.
    #[schema(value_type = String)]
    pub list: ListId,
    /// Whom not to write to any more on the strength of that list.
    #[schema(value_type = String)]
    pub recipient: RecipientId,
    /// Since when.
    #[schema(value_type = String, format = "date-time")]
    pub raised_at: Timestamp,
    /// By when to acknowledge.
    #[schema(value_type = String, format = "date-time")]
    pub due_at: Timestamp,
}

/// Which notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecallName {
    /// On which list.
    #[schema(value_type = String)]
    pub list: ListId,
    /// Of whom.
    #[schema(value_type = String)]
    pub recipient: RecipientId,
}

/// Notices of one business that were not acknowledged in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overdue {
    /// Which business.
    pub business: BusinessId,
    /// What it is called.
    pub name: String,
    /// How many notices.
    pub notices: u64,
    /// When the oldest was raised.
    pub oldest: Timestamp,
}

/// Notes that rows down to a rank are about to leave the house. Committed before they are read: a row
/// that ends afterwards is recalled, one that ended before is not there to be read.
pub async fn note_served(
    db: &Db,
    of: (BusinessId, ListId),
    down_to: u32,
    now: Timestamp,
) -> Result<()> {
    let mut tx = db.read().await?;
    let known = store::served(&mut tx, of).await?;
    drop(tx);
    if known.is_some_and(|rank| rank >= down_to) {
        return Ok(());
    }
    let mut tx = db.begin().await?;
    store::serve(&mut tx, of, down_to, now).await?;
    tx.commit().await?;
    Ok(())
}

/// Dates the notices that the database raised since the last look.
pub async fn raise(tx: &mut Tx, now: Timestamp) -> Result<u64> {
    Ok(store::raise(tx, now).await?)
}

/// Open notices of a business, by list and recipient.
pub async fn open(
    tx: &mut Tx,
    business: BusinessId,
    after: Option<(ListId, RecipientId)>,
    limit: u32,
) -> Result<Vec<Recall>> {
    let after = after.map_or_else(
        || (Vec::new(), Vec::new()),
        |(list, recipient)| (list.as_bytes().to_vec(), recipient.as_bytes().to_vec()),
    );
    let found = store::open(tx, business, after, limit).await?;
    let recall = |(list, recipient, raised_at): (ListId, RecipientId, Timestamp)| Recall {
        list,
        recipient,
        raised_at,
        due_at: raised_at.plus(ACKNOWLEDGE_WITHIN),
    };
    Ok(found.into_iter().map(recall).collect())
}

/// How many notices of a list are open.
pub async fn open_of_list(tx: &mut Tx, of: (BusinessId, ListId)) -> Result<u64> {
    Ok(store::open_of_list(tx, of).await?)
}

/// How many notices of a list the business has answered: it has stopped writing to them.
pub async fn stopped_of_list(tx: &mut Tx, of: (BusinessId, ListId)) -> Result<u64> {
    Ok(store::stopped_of_list(tx, of).await?)
}

/// The business says that it has stopped; answers how many notices that closes.
pub async fn acknowledge(
    tx: &mut Tx,
    business: BusinessId,
    notices: &[RecallName],
    now: Timestamp,
) -> Result<u64> {
    let mut closed = 0;
    for RecallName { list, recipient } in notices {
        closed += store::acknowledge(tx, (business, *list), Some(*recipient), now).await?;
    }
    Ok(closed)
}

/// The same for every open notice of a list.
pub async fn acknowledge_list(
    tx: &mut Tx,
    of: (BusinessId, ListId),
    now: Timestamp,
) -> Result<u64> {
    Ok(store::acknowledge(tx, of, None, now).await?)
}

/// Dates new notices, marks those that were not acknowledged in time, and forgets old ones; answers
/// how many were marked now. Runs with every sweep.
pub async fn sweep(tx: &mut Tx, now: Timestamp) -> Result<u64> {
    store::raise(tx, now).await?;
    store::forget(tx, now.minus(KEPT)).await?;
    Ok(store::escalate(tx, now.minus(ACKNOWLEDGE_WITHIN), now).await?)
}

/// Businesses with notices that were not acknowledged in time, the oldest first.
pub async fn overdue(tx: &mut Tx) -> Result<Vec<Overdue>> {
    Ok(store::overdue(tx).await?)
}
