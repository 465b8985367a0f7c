//! How the consents of one account stood at a moment in the past.

use super::replay::{refusal, standings};
use super::{Entry, Refusal};
use crate::time::Timestamp;

/// How one purpose (and peer) stood at a moment.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    /// The entry that decided. Its record says what for, under which notice and until when.
    pub entry: &'a Entry,
    /// Why nothing was permitted; `None` while the consent lived.
    pub refusal: Option<Refusal>,
}

/// How every purpose stood at `at`, as it was known then: decisions that were recorded later say
/// nothing about that moment, whenever they were taken. `history` is verified and in the order of the
/// ledger, as [`Consents::history`](super::Consents::history) gives it. The same rule decides as for
/// permits; the age of the account is not part of it, for the ledger does not know it.
pub fn moments(history: &[Entry], at: Timestamp) -> Vec<Moment<'_>> {
    let known: Vec<&Entry> =
        history.iter().filter(|entry| entry.record.recorded_at <= at).collect();
    standings(known.iter().copied())
        .into_values()
        .map(|standing| {
            let entry = known[standing.entry];
            Moment { entry, refusal: refusal(&entry.record, at) }
        })
        .collect()
}
