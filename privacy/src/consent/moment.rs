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
    standing(&known, at)
}

/// What decisions that were recorded after `at` tell of that moment: how a purpose stood by what was
/// decided until then, where a decision that was not known then decides. When it was taken is the word of
/// the app that reported it; the ledger proves when it was recorded.
pub fn told_since(history: &[Entry], at: Timestamp) -> Vec<Moment<'_>> {
    let taken: Vec<&Entry> =
        history.iter().filter(|entry| entry.record.effective_at() <= at).collect();
    let mut moments = standing(&taken, at);
    moments.retain(|moment| moment.entry.record.recorded_at > at);
    moments
}

/// How every purpose stood at `at`, by these entries.
fn standing<'a>(entries: &[&'a Entry], at: Timestamp) -> Vec<Moment<'a>> {
    standings(entries.iter().copied())
        .into_values()
        .map(|standing| {
            let entry = entries[standing.entry];
            Moment { entry, refusal: refusal(&entry.record, at) }
        })
        .collect()
}
