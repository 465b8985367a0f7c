//! A new model beside the one in use, on the latest rows that neither has learned from.
//!
//! A model that is clearly worse there is kept and does not come into use by itself; an officer may put it in
//! use. Whoever took a consent back has to be out of the model in use within a day, so one that somebody
//! left gives way to any.

use serde::{Deserialize, Serialize};
use volens_models::Features;
use volens_models::artifact::Artifact;
use volens_models::evaluate::log_loss;
use volens_privacy::Timestamp;

use super::lessons::Order;
use super::{Result, members, store};
use crate::db::Tx;
use crate::ids::ModelId;

/// Rows below which nothing is compared.
const FEWEST: usize = 200;
/// Standard errors by which a new model has to be worse to be kept back.
const MARGIN: f64 = 2.0;

/// The model in use when a new one is trained.
pub(super) struct Champion {
    pub(super) id: ModelId,
    pub(super) version: u32,
    pub(super) artifact: Artifact,
    pub(super) learned_until: Timestamp,
    /// Whether somebody it learned from took that back.
    pub(super) was_left: bool,
}

impl Champion {
    /// Reads it. One that cannot be read any more, or that does not say until when it learned, gives way.
    pub(super) async fn read(tx: &mut Tx, order: Order) -> Result<Option<Self>> {
        let found = store::active(tx, order.business, order.goal).await?;
        let Some((id, version, bytes)) = found else { return Ok(None) };
        let Ok(artifact) = Artifact::from_bytes(&bytes) else { return Ok(None) };
        let Some((_, learned_until)) = artifact.card.data_span else { return Ok(None) };
        let standing = members::standing(tx, id).await?;
        let was_left = standing.is_none_or(|standing| standing.departed > 0);
        Ok(Some(Self { id, version, artifact, learned_until, was_left }))
    }

    /// Compares a new model, by its probabilities of `rows`, which it has not learned from.
    pub(super) fn meet<'r>(
        &self,
        rows: impl Iterator<Item = (Timestamp, &'r Features, bool)>,
        probabilities: &[f64],
    ) -> Option<Challenge> {
        let new: Vec<([f64; 2], bool)> = rows
            .zip(probabilities)
            .filter(|((at, ..), _)| *at > self.learned_until)
            .map(|((_, features, met), &own)| {
                ([own, self.artifact.model.score_values(features).probability], met)
            })
            .collect();
        if new.len() < FEWEST {
            return None;
        }
        let loss = |which: usize| -> Vec<f64> {
            new.iter().map(|(both, met)| log_loss(&both[which..=which], &[*met])).collect()
        };
        let (own, known) = (loss(0), loss(1));
        let count = new.len() as f64;
        let mean = |all: &[f64]| all.iter().sum::<f64>() / count;
        let differences: Vec<f64> =
            own.iter().zip(&known).map(|(own, known)| own - known).collect();
        let difference = mean(&differences);
        let squares: f64 = differences.iter().map(|one| (one - difference).powi(2)).sum();
        Some(Challenge {
            champion: self.id,
            version: self.version,
            rows: new.len(),
            log_loss: mean(&own),
            champion_log_loss: mean(&known),
            difference,
            error: squares.sqrt() / count,
            champion_was_left: self.was_left,
        })
    }
}

/// How a new model did beside the one in use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    /// The one in use.
    pub champion: ModelId,
    /// Its version.
    pub version: u32,
    /// Rows that neither had learned from.
    pub rows: usize,
    /// Log loss of a model made like the new one, from the earlier rows alone.
    pub log_loss: f64,
    /// Log loss of the one in use.
    pub champion_log_loss: f64,
    /// The one less the other: above zero, the new one is worse.
    pub difference: f64,
    /// The standard error of that.
    pub error: f64,
    /// Whether somebody had left the one in use: then it gives way to any.
    pub champion_was_left: bool,
}

impl Challenge {
    /// Whether the new model does not come into use by itself.
    pub fn is_lost(&self) -> bool {
        self.difference > MARGIN * self.error && !self.champion_was_left
    }
}
