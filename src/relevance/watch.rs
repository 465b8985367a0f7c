//! Whether a model still fits: what it promised since it was trained, against what came.
//!
//! Every exposure of after the training whose window is over, and whose outcome the model is about, is scored under a live permit, in the order in
//! which their windows ended, and each outcome shown to the detector ([`volens_models::drift`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use volens_models::drift::{Detector, Drift};
use volens_models::evaluate::log_loss;
use volens_models::features::TREATMENT;
use volens_privacy::purpose::Relevance;
use volens_privacy::{KeyRing, SubjectId, Timestamp};

use super::exposures::opened_features;
use super::registry::{Version, to_explain};
use super::{Result, store};
use crate::db::Tx;
use crate::{accounts, consent};

/// Exposures looked at together.
const PAGE: usize = 1024;

/// What was seen of a model since it was trained.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Watch {
    /// Outcomes of after the training, of people who permit to be ranked.
    pub rows: u64,
    /// Mean of what it promised.
    pub promised: f64,
    /// Share of what came.
    pub came: f64,
    /// Log loss of what it promised.
    pub log_loss: f64,
    /// How it stopped fitting; nothing while it fits.
    pub drift: Option<Drift>,
    /// With which outcome that was clear, from 1.
    pub at: Option<u64>,
}

impl Watch {
    /// How it stopped fitting, in words.
    pub fn in_words(&self) -> &'static str {
        match self.drift {
            None if self.rows == 0 => "nothing came of it yet",
            None => "it fits",
            Some(Drift::Higher) => "more comes than it promises",
            Some(Drift::Lower) => "less comes than it promises",
            Some(Drift::Flatter) => "its high scores and low ones no longer differ as they should",
        }
    }
}

impl fmt::Display for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, promised, came, .. } = self;
        f.write_str(self.in_words())?;
        if *rows == 0 {
            return Ok(());
        }
        if let Some(at) = self.at {
            write!(f, ", clear from outcome {at} on")?;
        }
        write!(f, " ({rows} outcomes, {promised:.4} promised, {came:.4} came)")
    }
}

/// Watches a model from its training to `now`, over its first twenty thousand outcomes.
pub async fn watch(
    tx: &mut Tx,
    keys: &KeyRing,
    version: &Version,
    now: Timestamp,
) -> Result<Watch> {
    let model = to_explain(tx, version.id).await?;
    let (model, card) = (&model.artifact.model, &model.artifact.card);
    // Models of before this was told learned from whoever was kept aside.
    let kept_aside = card.labels.is_none_or(|labels| labels.kept_aside);
    let span = (version.created_at, now);
    let exposures = store::watched(tx, version.business, span, kept_aside).await?;
    let mut detector = Detector::new(model.bias());
    let (mut promised, mut came) = (Vec::new(), Vec::new());
    for page in exposures.chunks(PAGE) {
        let subjects: BTreeSet<SubjectId> = page.iter().map(|one| one.subject).collect();
        let subjects: Vec<SubjectId> = subjects.into_iter().collect();
        let consents = consent::consents_of(tx, keys, &subjects).await?;
        let data_keys = accounts::data_keys(tx, keys, &subjects).await?;
        let permits: BTreeMap<_, _> = consents
            .iter()
            .filter_map(|(subject, all)| Some((*subject, all.permit::<Relevance>((), now).ok()?)))
            .collect();
        let met = store::met(tx, version.goal.outcome(), &subjects).await?;
        for one in page {
            let known = permits.get(&one.subject).zip(data_keys.get(&one.subject));
            let Some((permit, key)) = known else { continue };
            let mut features = opened_features(key, one.subject, one.id, &one.features)?;
            features.number(TREATMENT, f64::from(u8::from(one.treated)));
            let score = model.score(&permit.attach(features));
            let happened = met.contains(&(one.subject, one.id));
            detector.observe(score.logit, happened);
            promised.push(score.probability);
            came.push(happened);
        }
    }
    let count = came.len().max(1) as f64;
    Ok(Watch {
        rows: detector.rows(),
        promised: promised.iter().sum::<f64>() / count,
        came: came.iter().filter(|&&happened| happened).count() as f64 / count,
        log_loss: if came.is_empty() { 0.0 } else { log_loss(&promised, &came) },
        drift: detector.alarm(),
        at: detector.alarm_at(),
    })
}
