//! I-1: a link exists only between two accounts that both agree to it.

use super::{Finding, Look, lifetimes, store};
use crate::audit::AuditError;
use crate::db::values;

/// Every token rests on a live grant for the same pair of apps; a link is two of them.
pub(super) async fn check(look: &mut Look<'_>) -> Result<(), AuditError> {
    look.count(store::COUNT_LINKS, values![]).await?;
    let ended = lifetimes::swept_before(look.now);
    look.must_be_empty(store::LOOSE_TOKENS, values![ended], |row| {
        Ok(Finding::new("link.no_live_grant").of(row.get("subject")?))
    })
    .await
}
