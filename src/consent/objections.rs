//! The objections that a batch touches: changed in memory, written at its end.

use std::collections::BTreeMap;

use volens_privacy::Timestamp;
use volens_privacy::identity::{AccountTag, AppId, SubjectId};
use volens_privacy::keys::KeyRing;
use volens_privacy::ledger::{Leaf, LeafKind};

use crate::accounts;
use crate::accounts::suppression::{self, Objection};
use crate::db::{self, Tx};

/// An account as its app names it.
type Who = (AppId, AccountTag);

/// What is known about the objections of the batch's accounts, and what becomes of them.
#[derive(Default)]
pub(super) struct Objections {
    standing: BTreeMap<Who, Standing>,
    /// What to write, the last word of each account.
    changes: BTreeMap<Who, Change>,
    /// Entries for the ledger, behind those of the decisions.
    leaves: Vec<Leaf>,
}

/// An objection that stands, on record before this batch or by position in it.
#[derive(Clone, Copy)]
struct Standing {
    at: Timestamp,
    entry: Result<usize, u64>,
}

struct Change {
    subject: Option<SubjectId>,
    becomes: Option<Standing>,
}

impl Objections {
    pub(super) async fn load(
        &mut self,
        tx: &mut Tx,
        keys: &KeyRing,
        app: &AppId,
        tags: impl IntoIterator<Item = AccountTag>,
    ) -> db::Result<()> {
        for (tag, Objection { at, entry }) in suppression::standing(tx, keys, app, tags).await? {
            self.standing.insert((app.clone(), tag), Standing { at, entry: Err(entry) });
        }
        Ok(())
    }

    /// When the objection was said that stands, if one does.
    pub(super) fn standing(&self, app: &AppId, tag: AccountTag) -> Option<Timestamp> {
        self.standing.get(&(app.clone(), tag)).map(|standing| standing.at)
    }

    /// An objection is said, or said again; answers where it is on record.
    pub(super) fn stand(
        &mut self,
        who: Who,
        subject: Option<SubjectId>,
        at: Timestamp,
        now: Timestamp,
    ) -> Result<usize, u64> {
        let before = self.standing.get(&who);
        let entry = before.map_or_else(
            || {
                self.leaves.push(Leaf::new(LeafKind::ObjectionMade, now).with_app(who.0.clone()));
                Ok(self.leaves.len() - 1)
            },
            |standing| standing.entry,
        );
        let at = before.map_or(at, |standing| standing.at.max(at));
        let standing = Standing { at, entry };
        self.standing.insert(who.clone(), standing);
        self.changes.insert(who, Change { subject, becomes: Some(standing) });
        entry
    }

    /// A later, explicit consent ends the objection, if one stands.
    pub(super) fn lift(&mut self, who: Who, subject: SubjectId, now: Timestamp) {
        if self.standing.remove(&who).is_some() {
            self.leaves.push(Leaf::new(LeafKind::ObjectionLifted, now).with_app(who.0.clone()));
            self.changes.insert(who, Change { subject: Some(subject), becomes: None });
        }
    }

    pub(super) fn leaves(&self) -> impl Iterator<Item = &Leaf> {
        self.leaves.iter()
    }

    /// Keeps the accounts that change, before the counter of changes is drawn.
    pub(super) async fn hold(&self, tx: &mut Tx) -> db::Result<()> {
        for subject in self.changes.values().filter_map(|change| change.subject) {
            accounts::hold(tx, subject).await?;
        }
        Ok(())
    }

    /// Writes what changed; `first` is the ledger index of the first of [`Objections::leaves`].
    pub(super) async fn write(
        &self,
        tx: &mut Tx,
        keys: &KeyRing,
        first: u64,
        changed: i64,
    ) -> db::Result<()> {
        for ((app, tag), Change { subject, becomes }) in &self.changes {
            match becomes {
                Some(Standing { at, entry }) => {
                    let entry = entry.map_or_else(|known| known, |at| first + at as u64);
                    let objection = Objection { at: *at, entry };
                    suppression::remember(tx, keys, (app, tag), objection).await?;
                }
                None => suppression::lift(tx, keys, app, tag).await?,
            }
            if let Some(subject) = subject {
                let at = becomes.map(|standing| standing.at);
                accounts::note_objection(tx, *subject, at, changed).await?;
            }
        }
        Ok(())
    }
}
