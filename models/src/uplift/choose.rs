//! Which learner: each is measured on rows that it has not seen, and the simplest is kept.

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use super::learn::{Arms, Campaign, learn};
use super::measure::{Intervals, Measured, Ranked, intervals};
use super::{Learner, UpliftError, UpliftModel};
use crate::evaluate::resample;
use crate::learner::Options;
use crate::learner::select::stratified_folds;

/// Resamples behind intervals and standard errors.
const DRAWS: usize = 200;
/// Standard errors by which a richer learner must be better: what any of three brings about by chance in one
/// of twenty choices (Bonferroni).
const MARGIN: f64 = 2.39;

/// One learner, measured on rows it had not seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tried {
    /// Which.
    pub learner: Learner,
    /// Mean Qini value over the inner folds, per 1000 treated rows.
    pub qini_per_1000: f64,
    /// By how much it is ahead of the learner that was kept so far; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<f64>,
    /// The standard error of that: a paired bootstrap over the rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard_error: Option<f64>,
}

/// What was chosen, and how good it was on rows it had not seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// The simplest learner that none is clearly better than.
    pub learner: Learner,
    /// Every learner that could be taught, the simplest first.
    pub tried: Vec<Tried>,
    /// 95 % intervals of the chosen one's out-of-fold Qini and AUUC.
    pub intervals: Intervals,
    /// Treated rows.
    pub treated: usize,
    /// Rows held out.
    pub kept_aside: usize,
}

/// A model of the learner that was chosen, learnt from all rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// What the treatment changes.
    pub model: UpliftModel,
    /// How it was chosen.
    pub choice: Choice,
}

/// The rows of one inner fold that the learners were not taught.
struct Part {
    treated: Vec<bool>,
    outcome: Vec<bool>,
    /// What each learner predicts, in the order of [`Learner::ALL`]; none when it could not be taught.
    predicted: Vec<Option<Vec<f64>>>,
}

/// Chooses a learner by out-of-fold Qini and teaches it all rows. A richer learner replaces a simpler one
/// only when its Qini value is higher by more than 2.39 standard errors of the paired difference.
///
/// # Errors
/// What the simplest learner is refused for; a richer one that is refused is left out of the choice.
pub fn choose(of: Campaign<'_>, options: &Options) -> Result<Chosen, UpliftError> {
    of.check()?;
    let count = options.inner_folds.max(2);
    let folds = stratified_folds(of.treated, count, options.seed);
    let parts: Vec<Part> =
        (0..count).map(|fold| part(of, &folds, fold, options)).collect::<Result<_, _>>()?;
    let mut tried: Vec<Tried> = Vec::new();
    let mut best = 0;
    for (at, learner) in Learner::ALL.into_iter().enumerate() {
        let Some(ranked) = rankings(&parts, at)? else { continue };
        let qini_per_1000 = mean_qini(&ranked);
        if tried.is_empty() {
            best = at;
            tried.push(Tried { learner, qini_per_1000, ahead: None, standard_error: None });
            continue;
        }
        let Some(kept) = rankings(&parts, best)? else { continue };
        let ahead = qini_per_1000 - mean_qini(&kept);
        let error = standard_error(&ranked, &kept, options.seed);
        if ahead > MARGIN * error {
            best = at;
        }
        let (ahead, standard_error) = (Some(ahead), Some(error));
        tried.push(Tried { learner, qini_per_1000, ahead, standard_error });
    }
    let learner = Learner::ALL[best];
    let measured: Vec<Measured<'_>> = parts
        .iter()
        .filter_map(|part| {
            let predicted = part.predicted[best].as_deref()?;
            Some(Measured { predicted, treated: &part.treated, outcome: &part.outcome })
        })
        .collect();
    let treated = of.treated.iter().filter(|&&treated| treated).count();
    let choice = Choice {
        learner,
        tried,
        intervals: intervals(&measured, DRAWS, options.seed)?,
        treated,
        kept_aside: of.treated.len() - treated,
    };
    Ok(Chosen { model: learn(learner, of, None, options)?, choice })
}

fn part(
    of: Campaign<'_>,
    folds: &[u8],
    fold: usize,
    options: &Options,
) -> Result<Part, UpliftError> {
    let (seen, unseen): (Vec<usize>, Vec<usize>) =
        (0..folds.len()).partition(|&row| usize::from(folds[row]) != fold);
    let pick = |rows: &[usize], of: &[bool]| rows.iter().map(|&row| of[row]).collect::<Vec<bool>>();
    let (table, treated, outcome) =
        (of.table.take(&seen), pick(&seen, of.treated), pick(&seen, of.outcome));
    let propensity: Option<Vec<f64>> =
        of.propensity.map(|known| seen.iter().map(|&row| known[row]).collect());
    let taught = Campaign {
        table: &table,
        treated: &treated,
        outcome: &outcome,
        propensity: propensity.as_deref(),
    };
    let asked = of.table.take(&unseen);
    // Two of the learners begin with the same two models.
    let arms = Arms::train(taught, options, |_| true);
    let predict = |learner: Learner| {
        let arms = match (learner, &arms) {
            (Learner::TwoModels | Learner::XLearner, Err(_)) => return Ok(None),
            (Learner::TwoModels | Learner::XLearner, Ok(arms)) => Some(arms.clone()),
            _ => None,
        };
        match learn(learner, taught, arms, options) {
            Ok(model) => Ok(Some(model.predict(&asked))),
            // Too little for this one; the simplest has to be taught.
            Err(UpliftError::Train(_)) if learner != Learner::ALL[0] => Ok(None),
            Err(error) => Err(error),
        }
    };
    Ok(Part {
        treated: pick(&unseen, of.treated),
        outcome: pick(&unseen, of.outcome),
        predicted: Learner::ALL.into_iter().map(predict).collect::<Result<_, _>>()?,
    })
}

/// A learner's rankings of all parts, when it could be taught for each.
fn rankings(parts: &[Part], at: usize) -> Result<Option<Vec<Ranked<'_>>>, UpliftError> {
    let mut ranked = Vec::with_capacity(parts.len());
    for Part { treated, outcome, predicted } in parts {
        let Some(predicted) = &predicted[at] else { return Ok(None) };
        ranked.push(Ranked::new(predicted, treated, outcome)?);
    }
    Ok(Some(ranked))
}

fn mean_qini(ranked: &[Ranked<'_>]) -> f64 {
    let values = ranked.iter().map(|ranked| ranked.measure(|_| 1.0).qini_per_1000);
    values.sum::<f64>() / ranked.len() as f64
}

/// How much the difference of two learners' Qini values varies over resamples of the same rows.
fn standard_error(ours: &[Ranked<'_>], theirs: &[Ranked<'_>], seed: u64) -> f64 {
    let mut rng = StdRng::seed_from_u64(seed);
    let differences: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let of = |(ours, theirs): (&Ranked<'_>, &Ranked<'_>)| {
                let counts = resample(ours.rows(), &mut rng);
                let qini = |of: &Ranked<'_>| of.measure(|row| f64::from(counts[row])).qini_per_1000;
                qini(ours) - qini(theirs)
            };
            ours.iter().zip(theirs).map(of).sum::<f64>() / ours.len() as f64
        })
        .filter(|difference| difference.is_finite())
        .collect();
    let count = differences.len().max(2) as f64;
    let mean = differences.iter().sum::<f64>() / count;
    (differences.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt()
}
