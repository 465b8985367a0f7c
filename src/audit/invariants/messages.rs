//! I-10: whoever is on a list that is handed out, or open for it, wants to be written to.

use volens_privacy::consent::{Decision, Entry};
use volens_privacy::{PurposeKind, SubjectId, Timestamp};

use super::{Finding, Look, lifetimes, records, store_handed};
use crate::accounts::suppression;
use crate::audit::AuditError;
use crate::ids::ListId;

/// Rows looked at together.
const ROWS: u32 = 256;

/// A row of a sealed list that has not expired: what a business can read of it, it can write to.
pub(super) struct OpenRow {
    pub(super) subject: SubjectId,
    pub(super) list: ListId,
    /// The consent to messages that the row names.
    pub(super) messages_entry: u64,
    /// Whether a stop to this business stands that is not an outcome of this very list.
    pub(super) stopped: bool,
}

/// From the consent that a row names on, the person said nothing but yes to messages, and said neither
/// to this business nor to all that they want none. Records that do not open are another invariant's
/// matter (I-6).
pub(super) async fn check(look: &mut Look<'_>) -> Result<(), AuditError> {
    let ended = lifetimes::swept_before(look.now);
    let mut after = (Vec::new(), Vec::new());
    loop {
        let page = store_handed::open_rows(look.tx, after, look.now, ROWS).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = (last.subject.as_bytes().to_vec(), last.list.as_bytes().to_vec());
        look.looked(page.len() as u64);
        // Ordered by account.
        let mut people: Vec<SubjectId> = page.iter().map(|row| row.subject).collect();
        people.dedup();
        let histories = records::histories(look, &people).await?;
        let objecting = suppression::objecting(look.tx, look.keys, &people).await?;
        for row in &page {
            if row.stopped {
                look.found(Finding::new("recipient.stopped").of(row.subject));
            }
            if objecting.contains(&row.subject) {
                look.found(Finding::new("recipient.objected").of(row.subject));
            }
            let unread = matches!(histories.get(&row.subject), Some(None));
            let history = histories.get(&row.subject).and_then(Option::as_deref);
            if !unread && !are_wanted(history.unwrap_or_default(), row.messages_entry, ended) {
                let finding = Finding::new("recipient.no_live_consent").of(row.subject);
                look.found(finding.entry(row.messages_entry));
            }
        }
    }
}

/// Whether the entry is a consent to messages that was not taken back since, not even to be given anew,
/// and had not run out at `ended`.
fn are_wanted(history: &[Entry], entry: u64, ended: Timestamp) -> bool {
    let since = history
        .iter()
        .filter(|one| one.index >= entry && one.record.purpose == PurposeKind::BusinessMessages);
    let since: Vec<&Entry> = since.collect();
    since.first().is_some_and(|first| first.index == entry)
        && since.iter().all(|one| one.record.decision == Decision::Given)
        && since.last().is_some_and(|last| last.record.ends_at() > ended)
}
