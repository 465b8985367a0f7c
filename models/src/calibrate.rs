//! Calibration: from a score that ranks to a probability that can be believed.
//!
//! Learnt on out-of-fold logits, chosen by cross-validated log loss. Both methods keep the order of scores:
//! Platt's line has a positive slope, the isotonic curve rises strictly between its knots and beyond them.

use linfa::traits::Fit;
use linfa::{Dataset, DatasetBase};
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::math::{log_loss_of_logit, logit};

/// By how many standard errors a calibrator must beat the one before it in
/// [none](Method::None), [Platt](Method::Platt), [isotonic](Method::Isotonic).
const MARGIN: f64 = 1.0;
/// The linfa calibrator sees at most this many rows, evenly spaced: two numbers need no more.
const PLATT_ROWS: usize = 20_000;

/// How scores were calibrated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The scores were calibrated already.
    None,
    /// A line in log odds (Platt 1999).
    Platt,
    /// A monotone curve in log odds (Zadrozny, Elkan 2002).
    Isotonic,
}

/// A learnt calibration.
#[derive(Clone, Debug, PartialEq)]
pub enum Calibration {
    /// Identity.
    None,
    /// `slope · logit + intercept`, slope > 0.
    Platt {
        /// Above 0.
        slope: f64,
        /// Log odds.
        intercept: f64,
    },
    /// A rising curve.
    Isotonic(Curve),
}

/// Why a calibrator could not be learnt.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CalibrateError {
    /// There are no two classes, or the optimiser gave up.
    #[error("the logistic fit did not converge")]
    Diverged,
    /// Higher scores go with fewer positives.
    #[error("the scores rank backwards")]
    Backwards,
}

impl Calibration {
    /// Which method this is.
    pub fn method(&self) -> Method {
        match self {
            Self::None => Method::None,
            Self::Platt { .. } => Method::Platt,
            Self::Isotonic(_) => Method::Isotonic,
        }
    }

    /// Slope and intercept of the line: what weights and bias are to be put through. With a curve, and
    /// without anything, that is the identity.
    pub fn line(&self) -> (f64, f64) {
        match self {
            Self::Platt { slope, intercept } => (*slope, *intercept),
            Self::None | Self::Isotonic(_) => (1.0, 0.0),
        }
    }

    /// The curve, when it is one.
    pub fn into_curve(self) -> Option<Curve> {
        if let Self::Isotonic(curve) = self { Some(curve) } else { None }
    }

    /// The calibrated logit.
    pub fn apply(&self, logit: f64) -> f64 {
        match self {
            Self::None => logit,
            Self::Platt { slope, intercept } => slope * logit + intercept,
            Self::Isotonic(curve) => curve.apply(logit),
        }
    }
}

/// A strictly rising, piecewise linear curve from logit to logit; slope 1 beyond its ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    knots: Vec<(f64, f64)>,
}

impl Curve {
    /// Whether every knot is finite and above the one before it: what a file must show before it is used.
    pub fn is_rising(&self) -> bool {
        !self.knots.is_empty()
            && self.knots.iter().all(|knot| knot.0.is_finite() && knot.1.is_finite())
            && self.knots.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1)
    }

    /// The calibrated logit.
    pub fn apply(&self, logit: f64) -> f64 {
        let (first, last) = (self.knots[0], self.knots[self.knots.len() - 1]);
        if logit <= first.0 {
            return first.1 + (logit - first.0);
        }
        if logit >= last.0 {
            return last.1 + (logit - last.0);
        }
        let after = self.knots.partition_point(|knot| knot.0 <= logit);
        let (low, high) = (self.knots[after - 1], self.knots[after]);
        // Rounding must not carry a point beyond its segment.
        (low.1 + (high.1 - low.1) * ((logit - low.0) / (high.0 - low.0))).min(high.1)
    }
}

/// Platt's line by linfa's logistic regression.
///
/// linfa names the more frequent class "positive", whatever it means, so the sign is set from its own label
/// order. It knows no sample weights; importance is not used here.
pub fn platt(logits: &[f64], labels: &[bool]) -> Result<Calibration, CalibrateError> {
    let stride = logits.len().div_ceil(PLATT_ROWS).max(1);
    let sample: Vec<usize> = (0..logits.len()).step_by(stride).collect();
    let records =
        Array2::from_shape_vec((sample.len(), 1), sample.iter().map(|&row| logits[row]).collect())
            .map_err(|_| CalibrateError::Diverged)?;
    let targets: Array1<bool> = sample.iter().map(|&row| labels[row]).collect();
    let data: Dataset<f64, bool, ndarray::Ix1> = DatasetBase::new(records, targets);
    let fitted = LogisticRegression::default()
        .alpha(0.0)
        .max_iterations(100)
        .fit(&data)
        .map_err(|_| CalibrateError::Diverged)?;
    let sign = if fitted.labels().pos.class { 1.0 } else { -1.0 };
    let (slope, intercept) = (sign * fitted.params()[0], sign * fitted.intercept());
    if !(slope.is_finite() && intercept.is_finite()) {
        return Err(CalibrateError::Diverged);
    }
    if slope <= 0.0 {
        return Err(CalibrateError::Backwards);
    }
    Ok(Calibration::Platt { slope, intercept })
}

/// The isotonic curve by pooling adjacent violators; each pool is drawn towards the base rate by one row and
/// becomes a knot at its mean logit.
pub fn isotonic(logits: &[f64], labels: &[bool], importance: Option<&[f64]>) -> Calibration {
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logits[a].total_cmp(&logits[b]).then(a.cmp(&b)));
    let mut pools: Vec<Pool> = Vec::new();
    for row in order {
        let weight = importance.map_or(1.0, |importance| importance[row]);
        if weight <= 0.0 {
            continue;
        }
        let positive = if labels[row] { weight } else { 0.0 };
        let pool = Pool { weight, positive, logits: weight * logits[row], last: logits[row] };
        match pools.last_mut() {
            #[expect(clippy::float_cmp, reason = "equal scores are one point of the curve")]
            Some(before) if before.last == pool.last => before.merge(&pool),
            _ => pools.push(pool),
        }
        while let [.., before, last] = pools.as_mut_slice()
            && before.rate() >= last.rate()
        {
            before.merge(last);
            pools.pop();
        }
    }
    let weight: f64 = pools.iter().map(|pool| pool.weight).sum();
    let base = pools.iter().map(|pool| pool.positive).sum::<f64>() / weight.max(f64::MIN_POSITIVE);
    let mut knots: Vec<(f64, f64)> = Vec::new();
    for pool in pools {
        let knot = (pool.logits / pool.weight, logit((pool.positive + base) / (pool.weight + 1.0)));
        if knots.last().is_none_or(|before| before.0 < knot.0 && before.1 < knot.1) {
            knots.push(knot);
        }
    }
    if knots.is_empty() { Calibration::None } else { Calibration::Isotonic(Curve { knots }) }
}

struct Pool {
    weight: f64,
    positive: f64,
    logits: f64,
    last: f64,
}

impl Pool {
    fn rate(&self) -> f64 {
        self.positive / self.weight
    }

    fn merge(&mut self, other: &Self) {
        self.weight += other.weight;
        self.positive += other.positive;
        self.logits += other.logits;
        self.last = other.last;
    }
}

/// Learns a calibration from logits, labels and importance.
type Learn<'l> =
    dyn Fn(&[f64], &[bool], Option<&[f64]>) -> Result<Calibration, CalibrateError> + 'l;

/// Chooses among none, Platt and isotonic by log loss on folds the calibrator has not seen, the simplest
/// first, and learns the chosen one on all rows.
pub fn choose(
    logits: &[f64],
    labels: &[bool],
    importance: Option<&[f64]>,
    folds: &[u8],
    count: usize,
) -> Result<Calibration, CalibrateError> {
    let weight = |row: usize| importance.map_or(1.0, |importance| importance[row]);
    let losses = |learn: &Learn<'_>| {
        let mut losses = vec![0.0; logits.len()];
        for fold in 0..count {
            let rows = || (0..logits.len()).filter(move |&row| folds[row] as usize != fold);
            let seen: Vec<f64> = rows().map(|row| logits[row]).collect();
            let known: Vec<bool> = rows().map(|row| labels[row]).collect();
            let weights: Option<Vec<f64>> =
                importance.map(|all| rows().map(|row| all[row]).collect());
            let calibration = learn(&seen, &known, weights.as_deref())?;
            for row in (0..logits.len()).filter(|&row| folds[row] as usize == fold) {
                losses[row] =
                    weight(row) * log_loss_of_logit(calibration.apply(logits[row]), labels[row]);
            }
        }
        Ok::<_, CalibrateError>(losses)
    };
    let mut best = losses(&|_, _, _| Ok(Calibration::None))?;
    let mut method = Method::None;
    // Platt by linfa ignores weights, so weighted rows leave only the isotonic curve as an alternative.
    if importance.is_none()
        && let Ok(tried) = losses(&|logits, labels, _| platt(logits, labels))
        && clearly_lower(&tried, &best)
    {
        (best, method) = (tried, Method::Platt);
    }
    let tried = losses(&|logits, labels, importance| Ok(isotonic(logits, labels, importance)))?;
    if clearly_lower(&tried, &best) {
        method = Method::Isotonic;
    }
    match method {
        Method::None => Ok(Calibration::None),
        Method::Platt => platt(logits, labels),
        Method::Isotonic => Ok(isotonic(logits, labels, importance)),
    }
}

/// The calibrated logit of each row by a calibration of this method that was learnt on the other folds: what
/// it gives on rows that it has not seen.
pub fn out_of_fold(
    method: Method,
    logits: &[f64],
    labels: &[bool],
    importance: Option<&[f64]>,
    (folds, count): (&[u8], usize),
) -> Result<Vec<f64>, CalibrateError> {
    let mut calibrated = logits.to_vec();
    for fold in 0..count {
        let rows = || (0..logits.len()).filter(move |&row| folds[row] as usize != fold);
        let seen: Vec<f64> = rows().map(|row| logits[row]).collect();
        let known: Vec<bool> = rows().map(|row| labels[row]).collect();
        let weights: Option<Vec<f64>> = importance.map(|all| rows().map(|row| all[row]).collect());
        let calibration = match method {
            Method::None => Calibration::None,
            Method::Platt => platt(&seen, &known)?,
            Method::Isotonic => isotonic(&seen, &known, weights.as_deref()),
        };
        for row in (0..logits.len()).filter(|&row| folds[row] as usize == fold) {
            calibrated[row] = calibration.apply(logits[row]);
        }
    }
    Ok(calibrated)
}

fn clearly_lower(tried: &[f64], best: &[f64]) -> bool {
    let count = tried.len() as f64;
    let gain = || best.iter().zip(tried).map(|(best, tried)| best - tried);
    let mean = gain().sum::<f64>() / count;
    let variance = gain().map(|gain| (gain - mean).powi(2)).sum::<f64>() / count;
    mean > MARGIN * (variance / count).sqrt()
}
