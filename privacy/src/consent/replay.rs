//! From the entries of one account to what it consents to.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use super::{ConsentRecord, Decision, Permit, Refusal};
use crate::age::AgeBand;
use crate::identity::{AppId, SubjectId};
use crate::keys::DataKey;
use crate::purpose::{Purpose, PurposeKind, Scope as _};
use crate::redact::hide_debug;
use crate::time::Timestamp;

/// One entry of the ledger together with the record it commits to.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Index in the ledger.
    pub index: u64,
    /// Bytes of the leaf.
    pub leaf: Vec<u8>,
    /// The record, opened with the account's key.
    pub record: ConsentRecord,
}

hide_debug!(Entry);

/// Why the entries of an account were refused. Then it has no consents at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConsentError {
    /// An entry is of another account.
    #[error("entry {index} belongs to another account")]
    OtherSubject {
        /// Index in the ledger.
        index: u64,
    },
    /// An entry is of another app than the ones before it.
    #[error("entry {index} belongs to another app")]
    OtherApp {
        /// Index in the ledger.
        index: u64,
    },
    /// Indexes do not rise.
    #[error("entry {index} is out of order")]
    Order {
        /// Index in the ledger.
        index: u64,
    },
    /// The leaf does not open to the record.
    #[error("entry {index} does not open to its record")]
    Leaf {
        /// Index in the ledger.
        index: u64,
    },
    /// A linking record without another app, or another record with one.
    #[error("a linking decision names one other app, and no other decision does")]
    Peer,
    /// A consent without the notice it was given under.
    #[error("a consent names the notice that was shown")]
    NoticeMissing,
}

impl ConsentError {
    /// The stable code shown outside.
    pub const fn code(self) -> &'static str {
        match self {
            Self::OtherSubject { .. } => "consent.other_subject",
            Self::OtherApp { .. } => "consent.other_app",
            Self::Order { .. } => "consent.order",
            Self::Leaf { .. } => "consent.leaf",
            Self::Peer => "consent.peer",
            Self::NoticeMissing => "consent.notice_missing",
        }
    }
}

/// What one account consents to, replayed from its verified entries.
pub struct Consents {
    subject: SubjectId,
    age: AgeBand,
    entries: Vec<Entry>,
    standings: BTreeMap<(PurposeKind, Option<AppId>), Standing>,
}

hide_debug!(Consents);

/// Where one purpose (and peer) stands after the entries so far.
#[derive(Clone, Copy)]
pub(super) struct Standing {
    /// Position of the entry that decides.
    pub(super) entry: usize,
    /// The latest time at which a decision ended a consent.
    ended_at: Option<Timestamp>,
}

/// Of several decisions on a purpose the newest counts, except that a consent taken before a decision
/// that ended it does not revive when it arrives late.
pub(super) fn standings<'a>(
    entries: impl Iterator<Item = &'a Entry>,
) -> BTreeMap<(PurposeKind, Option<AppId>), Standing> {
    let mut standings = BTreeMap::<_, Standing>::new();
    for (entry, Entry { record, .. }) in entries.enumerate() {
        let of = (record.purpose, record.peer.clone());
        let ended_at = standings.get(&of).and_then(|standing| standing.ended_at);
        if record.decision != Decision::Given {
            let ended_at = ended_at.max(Some(record.effective_at()));
            standings.insert(of, Standing { entry, ended_at });
        } else if ended_at <= Some(record.effective_at()) {
            standings.insert(of, Standing { entry, ended_at });
        }
    }
    standings
}

/// Why an entry grants nothing at a time, if so.
pub(super) fn refusal(record: &ConsentRecord, at: Timestamp) -> Option<Refusal> {
    match record.decision {
        Decision::Refused => Some(Refusal::Refused),
        Decision::Withdrawn => Some(Refusal::Withdrawn),
        Decision::Expired => Some(Refusal::Expired),
        Decision::Given if at < record.effective_at() => Some(Refusal::Absent),
        Decision::Given if at >= record.ends_at() => Some(Refusal::Expired),
        Decision::Given => None,
    }
}

impl Consents {
    /// Replays the entries of an account, in the order of the ledger.
    ///
    /// Every leaf must be exactly the one its record gives under the account's key, every record
    /// must be this account's and in one app, and indexes must rise; otherwise the whole replay
    /// fails. Of several decisions on a purpose the newest counts, except that a consent taken
    /// before a decision that ended it does not revive when it arrives late.
    ///
    /// `age` is the account's present band: it decides, at the time of use, whether a consent of
    /// a minor counts.
    pub fn replay(
        subject: SubjectId,
        age: AgeBand,
        key: &DataKey,
        entries: Vec<Entry>,
    ) -> Result<Self, ConsentError> {
        for (position, entry) in entries.iter().enumerate() {
            let before = position.checked_sub(1).map(|before| &entries[before]);
            verify(entry, before, subject, key)?;
        }
        let standings = standings(entries.iter());
        Ok(Self { subject, age, entries, standings })
    }

    /// Whose consents these are.
    pub fn subject(&self) -> SubjectId {
        self.subject
    }

    /// The entries they were replayed from.
    pub fn history(&self) -> &[Entry] {
        &self.entries
    }

    /// A permit for a purpose at a time, or why there is none.
    ///
    /// ```compile_fail,E0308
    /// use volens_privacy::{Consents, Permit, Refusal, Timestamp};
    /// use volens_privacy::purpose::{CrossAppLinking, Relevance};
    ///
    /// fn join(_permit: &Permit<'_, CrossAppLinking>) {}
    ///
    /// fn misuse(consents: &Consents, now: Timestamp) -> Result<(), Refusal> {
    ///     let permit = consents.permit::<Relevance>((), now)?;
    ///     join(&permit); // consent for one purpose does not pass for another
    ///     Ok(())
    /// }
    /// ```
    ///
    /// ```compile_fail,E0515
    /// use volens_privacy::{AgeBand, Consents, DataKey, Entry, Permit, SubjectId, Timestamp};
    /// use volens_privacy::purpose::Relevance;
    ///
    /// fn keep<'a>(of: SubjectId, key: &DataKey, entries: Vec<Entry>, now: Timestamp) -> Option<Permit<'a, Relevance>> {
    ///     let consents = Consents::replay(of, AgeBand::Unknown, key, entries).ok()?;
    ///     consents.permit::<Relevance>((), now).ok() // a permit cannot outlive the entries
    /// }
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "`permit(peer, now)` and `permit((), now)`")]
    pub fn permit<P: Purpose>(
        &self,
        scope: P::Scope,
        now: Timestamp,
    ) -> Result<Permit<'_, P>, Refusal> {
        let entry = self.deciding(P::KIND, scope.peer(), now)?;
        Ok(Permit { entry, purpose: PhantomData })
    }

    /// The entry that grants a purpose at a time, or why none does. For showing: it permits
    /// nothing.
    pub fn deciding(
        &self,
        purpose: PurposeKind,
        peer: Option<&AppId>,
        now: Timestamp,
    ) -> Result<&Entry, Refusal> {
        if !self.age.at_least(purpose.definition().minimum_age()) {
            return Err(Refusal::Underage);
        }
        let standing = self.standings.get(&(purpose, peer.cloned())).ok_or(Refusal::Absent)?;
        let entry = &self.entries[standing.entry];
        refusal(&entry.record, now).map_or(Ok(entry), Err)
    }
}

fn verify(
    entry: &Entry,
    before: Option<&Entry>,
    subject: SubjectId,
    key: &DataKey,
) -> Result<(), ConsentError> {
    let Entry { index, leaf, record } = entry;
    let index = *index;
    if record.subject != subject {
        return Err(ConsentError::OtherSubject { index });
    }
    if let Some(before) = before {
        if before.index >= index {
            return Err(ConsentError::Order { index });
        }
        if before.record.app != record.app {
            return Err(ConsentError::OtherApp { index });
        }
    }
    if record.leaf(key).bytes() != *leaf {
        return Err(ConsentError::Leaf { index });
    }
    record.check()
}
