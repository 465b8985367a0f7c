//! What the records of a batch refer to: the ones they follow, the publication of their texts and the
//! assessments they rest on.

use std::collections::{BTreeMap, BTreeSet};

use volens_privacy::consent::{
    AssessmentRef, Chain, CommittedRecord, NoticeRef, Previous, Published,
};
use volens_privacy::identity::SubjectId;
use volens_privacy::keys::DataKey;
use volens_privacy::{ConsentRecord, Decision, PurposeKind};

use super::grants::About;
use super::recorder::Command;
use super::{open_record, store};
use crate::assessments;
use crate::db::{self, Tx};

/// The last record of every account and thing that it is about.
pub(super) struct Heads {
    last: BTreeMap<(SubjectId, About), Previous>,
    /// Accounts of which a record does not open: what they decide is taken, and says nothing of what it
    /// follows.
    unreadable: BTreeSet<SubjectId>,
}

impl Heads {
    /// From the records on file, under a lock that lets nobody add one meanwhile.
    pub(super) async fn load(tx: &mut Tx, keys: &BTreeMap<SubjectId, DataKey>) -> db::Result<Self> {
        let mut heads = Self { last: BTreeMap::new(), unreadable: BTreeSet::new() };
        if keys.is_empty() {
            return Ok(heads);
        }
        let subjects: Vec<SubjectId> = keys.keys().copied().collect();
        for (subject, index, sealed) in store::records(tx, &subjects).await? {
            match open_record(&keys[&subject], subject, index, &sealed) {
                Some(record) => heads.follow(&record, Previous::of(&record)),
                None => drop(heads.unreadable.insert(subject)),
            }
        }
        Ok(heads)
    }

    /// Where a new record stands.
    pub(super) fn place(&self, record: &ConsentRecord) -> Option<Chain> {
        let of = (record.subject, (record.purpose, record.peer.clone()));
        let readable = !self.unreadable.contains(&record.subject);
        readable.then(|| Chain { previous: self.last.get(&of).copied() })
    }

    /// The next record follows this one.
    pub(super) fn push(&mut self, committed: &CommittedRecord) {
        self.follow(committed.record(), committed.as_previous());
    }

    fn follow(&mut self, record: &ConsentRecord, named: Previous) {
        self.last.insert((record.subject, (record.purpose, record.peer.clone())), named);
    }
}

/// The publications of the texts that commands name.
pub(super) struct Publications(BTreeMap<(String, u32, String), Published>);

impl Publications {
    pub(super) async fn load(tx: &mut Tx, commands: &[Command]) -> db::Result<Self> {
        let mut found = BTreeMap::new();
        for command in commands {
            let Command::Decide(decide) = command else { continue };
            let key = key(&decide.notice);
            if !found.contains_key(&key)
                && let Some(published) = store::publication(tx, &key).await?
            {
                found.insert(key, published);
            }
        }
        Ok(Self(found))
    }

    /// The notice with its publication.
    pub(super) fn of(&self, notice: &NoticeRef) -> NoticeRef {
        NoticeRef { published: self.0.get(&key(notice)).copied(), ..notice.clone() }
    }
}

fn key(notice: &NoticeRef) -> (String, u32, String) {
    (notice.id.clone(), notice.version, notice.language.clone())
}

/// The assessments in force; the database is asked only when somebody gives a consent that needs one.
pub(super) async fn assessments(
    tx: &mut Tx,
    commands: &[Command],
) -> db::Result<BTreeMap<PurposeKind, AssessmentRef>> {
    let gives = |command: &Command| match command {
        Command::Decide(decide) => decide.items.iter().any(|item| {
            item.decision == Decision::Given && assessments::NEEDED.contains(&item.purpose)
        }),
        Command::Withdraw(_) | Command::Object(_) | Command::Outgrow(_) | Command::Expire(_) => {
            false
        }
    };
    if commands.iter().any(gives) { assessments::in_force(tx).await } else { Ok(BTreeMap::new()) }
}
