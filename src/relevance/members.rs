//! From whom a model learned, for as long as they agree to it.
//!
//! Each member is a row that names the grants it rests on. When one of them ends, a trigger takes the
//! row away and notes on the model that somebody left, and when the first did. A model that somebody
//! left a day ago is not used until it is trained again; half a day before that a training is ordered.
//! Members plus those who left are as many as the ledger says the model learned from, and as there are
//! leaves in its manifest (invariant I-15).

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;
use serde::{Deserialize, Serialize};
use volens_privacy::manifest::Manifest;
use volens_privacy::{BusinessId, PurposeKind, SubjectId, Timestamp};

use super::exposures::Goal;
use super::manifest::Teaching;
use super::registry::Version;
use super::{RelevanceError, Result, store, store_manifest};
use crate::db::{self, Tx};
use crate::ids::ModelId;
use crate::jobs;

/// The kind of job that trains a model again. Its payload is [`Retraining`].
pub const RETRAIN_JOB: &str = "relevance.retrain";
/// For so long a model may be used after somebody left it.
const PATIENCE: Duration = Duration::from_hours(24);
/// After so long it is trained again.
const RETRAIN_AFTER: Duration = Duration::from_hours(12);
/// A training that came to nothing is ordered again after so long.
const AGAIN_AFTER: Duration = Duration::from_hours(1);
/// Versions before the newest whose members are kept, so that one can step back.
const STEPS_BACK: u32 = 1;

/// What is known about the people behind a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// From how many it learned; unknown for a model of before this was kept.
    pub people: Option<u64>,
    /// How many of them still agree.
    pub members: u64,
    /// How many left.
    pub departed: u64,
    /// When the first of them left.
    pub departed_since: Option<Timestamp>,
}

impl Standing {
    /// Whether the model may not be used.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        let complete = self.people == Some(self.members + self.departed);
        let since = self.departed_since;
        !complete || since.is_some_and(|since| since.plus(PATIENCE) <= now)
    }
}

/// Which model to train again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retraining {
    /// Whose outcomes it learns from; all businesses' when absent.
    pub business: Option<BusinessId>,
    /// What it predicts.
    pub goal: Goal,
}

/// What is known about the people behind a model; nothing for no model.
pub async fn standing(tx: &mut Tx, model: ModelId) -> Result<Option<Standing>> {
    store::standing(tx, model).await
}

pub(super) async fn is_stale(tx: &mut Tx, model: ModelId, now: Timestamp) -> Result<bool> {
    let standing = store::standing(tx, model).await?;
    Ok(standing.is_none_or(|standing| standing.is_stale(now)))
}

/// Notes from whom a new model learned, and its manifest. Whoever took a consent back while it was
/// learning has left already.
pub(super) async fn keep(
    tx: &mut Tx,
    version: &Version,
    (members, manifest): (&BTreeMap<SubjectId, Teaching>, &Manifest),
    now: Timestamp,
) -> Result<()> {
    let all: Vec<SubjectId> = members.keys().copied().collect();
    let mut grants: BTreeMap<SubjectId, [Option<[u8; 16]>; 2]> = BTreeMap::new();
    for (subject, grant, purpose) in store::member_grants(tx, &all).await? {
        let which = usize::from(purpose == PurposeKind::ModelTraining);
        grants.entry(subject).or_default()[which] = Some(grant);
    }
    let mut rows = Vec::with_capacity(grants.len());
    for (subject, grants) in grants {
        if let ([Some(relevance), Some(training)], Some(teaches)) = (grants, members.get(&subject))
        {
            rows.push((subject, [relevance, training], teaches.lesson(version.id, subject)));
        }
    }
    let departed = (all.len() - rows.len()) as u64;
    store_manifest::add_members(tx, version.id, rows).await?;
    store_manifest::add_leaves(tx, version.id, manifest.leaves()).await?;
    let since = (departed > 0).then_some(now);
    store::count_people(tx, version.id, all.len() as u64, (departed, since)).await?;
    let oldest = version.version.saturating_sub(STEPS_BACK);
    store_manifest::forget(tx, (version.business, version.goal), oldest).await
}

/// Orders the training of every model in use that somebody left half a day ago.
pub async fn order_retraining(
    tx: &mut Tx,
    rng: &mut (dyn Rng + Send),
    now: Timestamp,
) -> Result<usize> {
    let due = store::due(tx, now.minus(RETRAIN_AFTER), now.minus(AGAIN_AFTER)).await?;
    for (model, retraining) in &due {
        let payload = serde_json::to_value(retraining).map_err(|_| db::Error::Range)?;
        jobs::enqueue(tx, rng, RETRAIN_JOB, payload, now, now).await?;
        store::ordered(tx, *model, now).await?;
    }
    Ok(due.len())
}

impl From<Retraining> for super::Order {
    fn from(Retraining { business, goal }: Retraining) -> Self {
        Self { business, goal }
    }
}

impl RelevanceError {
    /// Whether there was too little to learn from, which another attempt does not change.
    pub const fn is_too_little(&self) -> bool {
        matches!(self, Self::Train(_))
    }
}
