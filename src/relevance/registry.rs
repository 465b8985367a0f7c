//! The models there are: versions per owner and goal, one of them active, any earlier one a step away.

use std::sync::Arc;

use serde::Serialize;
use volens_models::ModelCard;
use volens_models::artifact::Artifact;
use volens_privacy::{BusinessId, Timestamp};

use super::challenge::Challenge;
use super::exposures::Goal;
use super::proxies::Findings;
use super::{RelevanceError, Result, members, store};
use crate::db::Tx;
use crate::ids::ModelId;

/// One version of a model.
#[derive(Clone, Debug, Serialize)]
pub struct Version {
    /// Whose outcomes it learned from; all businesses' when absent.
    pub business: Option<BusinessId>,
    /// What it predicts.
    #[serde(serialize_with = "goal_name")]
    pub goal: Goal,
    /// Counted from 1 per owner and goal.
    pub version: u32,
    /// Its id.
    pub id: ModelId,
    /// When it was trained.
    pub created_at: Timestamp,
    /// Ledger index of its `model.trained` entry.
    pub entry: u64,
    /// What it is, for people.
    pub card: serde_json::Value,
    /// Whether it is the one in use.
    pub active: bool,
    /// Whether it waits until an officer has looked at what it could stand for.
    pub held: bool,
    /// Ledger index of the `model.cleared` entry of the officer who did.
    pub cleared: Option<u64>,
}

impl Version {
    /// The card that training wrote; nothing when it does not read as one.
    pub fn model_card(&self) -> Option<ModelCard> {
        serde_json::from_value(self.card.get("model")?.clone()).ok()
    }

    /// How it did beside the model that was in use when it was trained; nothing when there was none, or too
    /// little to tell.
    pub fn challenge(&self) -> Option<Challenge> {
        serde_json::from_value(self.card.get("challenge")?.clone()).ok()
    }

    /// What its columns could stand for; nothing for a model of before this was looked at.
    pub fn proxies(&self) -> Option<Findings> {
        serde_json::from_value(self.card.get("proxies")?.clone()).ok()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(super) fn goal_name<S: serde::Serializer>(
    goal: &Goal,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(goal.as_str())
}

/// The model in use.
#[derive(Clone)]
pub struct Active {
    /// Its id.
    pub id: ModelId,
    /// Its version.
    pub version: u32,
    /// Weights and card.
    pub artifact: Arc<Artifact>,
}

/// A model.
///
/// # Errors
/// [`RelevanceError::NoVersion`] when there is none with this id.
pub async fn find(tx: &mut Tx, model: ModelId) -> Result<Version> {
    store::model(tx, model).await?.ok_or(RelevanceError::NoVersion)
}

/// The newest models of all owners, newest first, at most 100.
pub async fn all(tx: &mut Tx) -> Result<Vec<Version>> {
    store::models(tx).await
}

/// All versions for an owner and a goal, oldest first.
pub async fn versions(
    tx: &mut Tx,
    business: Option<BusinessId>,
    goal: Goal,
) -> Result<Vec<Version>> {
    store::versions(tx, business, goal).await
}

/// The model in use for a business and a goal: its own, or the one learned from all businesses.
///
/// # Errors
/// [`RelevanceError::Stale`] when there is one, and it may not be used now; see [`members`].
pub async fn active(
    tx: &mut Tx,
    business: BusinessId,
    goal: Goal,
    now: Timestamp,
) -> Result<Option<Active>> {
    let mut stale = false;
    for owner in [Some(business), None] {
        let Some((id, version, artifact)) = store::active(tx, owner, goal).await? else { continue };
        if members::is_stale(tx, id, now).await? {
            stale = true;
            continue;
        }
        let artifact = Arc::new(Artifact::from_bytes(&artifact)?);
        return Ok(Some(Active { id, version, artifact }));
    }
    if stale { Err(RelevanceError::Stale) } else { Ok(None) }
}

/// The model that a list was ranked by, to explain what it did: also when it is not in use any more, or must
/// not be.
///
/// # Errors
/// [`RelevanceError::NoVersion`] when there is none with this id.
pub async fn to_explain(tx: &mut Tx, model: ModelId) -> Result<Active> {
    let (id, version, artifact) = store::kept(tx, model).await?.ok_or(RelevanceError::NoVersion)?;
    Ok(Active { id, version, artifact: Arc::new(Artifact::from_bytes(&artifact)?) })
}

/// Puts a version in use.
///
/// # Errors
/// [`RelevanceError::NoVersion`] when there is no such version, [`RelevanceError::Stale`] or
/// [`RelevanceError::Held`] when it may not be used; nothing changes then.
pub async fn activate(
    tx: &mut Tx,
    business: Option<BusinessId>,
    goal: Goal,
    version: u32,
    now: Timestamp,
) -> Result<()> {
    let all = store::versions(tx, business, goal).await?;
    let wanted = all.iter().find(|one| one.version == version);
    may_be_used(tx, wanted.ok_or(RelevanceError::NoVersion)?, now).await?;
    store::activate(tx, business, goal, version, now).await
}

/// Puts the version before the one in use back in use; answers which that is.
///
/// # Errors
/// [`RelevanceError::NoVersion`] when there is none before it, [`RelevanceError::Stale`] or
/// [`RelevanceError::Held`] when it may not be used.
pub async fn roll_back(
    tx: &mut Tx,
    business: Option<BusinessId>,
    goal: Goal,
    now: Timestamp,
) -> Result<u32> {
    let all = store::versions(tx, business, goal).await?;
    let used = all.iter().position(|version| version.active).ok_or(RelevanceError::NoVersion)?;
    let before = used.checked_sub(1).ok_or(RelevanceError::NoVersion)?;
    may_be_used(tx, &all[before], now).await?;
    store::activate(tx, business, goal, all[before].version, now).await?;
    Ok(all[before].version)
}

/// Whether a version may be put in use.
async fn may_be_used(tx: &mut Tx, version: &Version, now: Timestamp) -> Result<()> {
    if version.held {
        return Err(RelevanceError::Held);
    }
    if members::is_stale(tx, version.id, now).await? { Err(RelevanceError::Stale) } else { Ok(()) }
}
