//! How good probabilities are: ranking, calibration, and how sure one can be of either.
//!
//! Everything is in `f64` and exact about ties: rows with equal scores form one group, and no result depends
//! on the order of rows. Golden files made with scikit-learn hold AUC, average precision, log loss and Brier
//! score to 1e-9 (`tests/metrics.rs`).

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Bins of the expected calibration error.
pub const ECE_BINS: usize = 15;
/// Draws behind [`ece_floor`].
const FLOOR_DRAWS: usize = 20;

/// Most draws behind [`CalibrationError::limit`], and fewest.
const LIMIT_DRAWS: (usize, usize) = (400, 40);
/// Rows drawn in all, where that leaves enough draws.
const ROWS_DRAWN: usize = 4_000_000;

/// Why there is nothing to measure.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum EvaluateError {
    /// No rows.
    #[error("there are no rows to evaluate")]
    Empty,
    /// Scores and labels differ in number.
    #[error("there are {scores} scores and {labels} labels")]
    Lengths {
        /// Scores given.
        scores: usize,
        /// Labels given.
        labels: usize,
    },
    /// All labels are the same.
    #[error("all labels are the same; a ranking needs both classes")]
    OneClass,
    /// A score is not a number, or a probability lies outside 0 to 1.
    #[error("row {0} has no valid score")]
    Score(usize),
}

/// The measures of binary probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Area under the ROC curve.
    pub auc: f64,
    /// Average precision, as scikit-learn defines it (a sum of steps, not interpolated).
    pub pr_auc: f64,
    /// Mean negative log likelihood, natural logarithm.
    pub log_loss: f64,
    /// Mean squared error of the probability.
    pub brier: f64,
    /// Expected calibration error over [`ECE_BINS`] bins of equal count.
    pub ece: f64,
    /// What `ece` would be on average if the probabilities were exactly right: the noise of so few rows.
    pub ece_floor: f64,
    /// Response among the top tenth by score, divided by the response of all.
    pub lift_at_10: f64,
    /// Rows measured.
    pub rows: usize,
    /// Share of positive labels.
    pub base_rate: f64,
}

impl Metrics {
    /// Measures probabilities. `seed` is for [`ece_floor`].
    pub fn of(probabilities: &[f64], labels: &[bool], seed: u64) -> Result<Self, EvaluateError> {
        check(probabilities, labels)?;
        if let Some(row) = probabilities.iter().position(|p| !(0.0..=1.0).contains(p)) {
            return Err(EvaluateError::Score(row));
        }
        let ranked = Ranked::new(probabilities);
        let positives = labels.iter().filter(|&&label| label).count();
        Ok(Self {
            auc: ranked.auc(labels, |_| 1.0),
            pr_auc: ranked.average_precision(labels),
            log_loss: log_loss(probabilities, labels),
            brier: brier(probabilities, labels),
            ece: ranked.ece(labels),
            ece_floor: ece_floor(probabilities, seed),
            lift_at_10: ranked.lift(labels, 0.1),
            rows: labels.len(),
            base_rate: positives as f64 / labels.len() as f64,
        })
    }

    /// The mean over folds, each counting the same.
    pub fn mean(folds: &[Self]) -> Option<Self> {
        let count = folds.len() as f64;
        let mean = |of: fn(&Self) -> f64| folds.iter().map(of).sum::<f64>() / count;
        (!folds.is_empty()).then(|| Self {
            auc: mean(|m| m.auc),
            pr_auc: mean(|m| m.pr_auc),
            log_loss: mean(|m| m.log_loss),
            brier: mean(|m| m.brier),
            ece: mean(|m| m.ece),
            ece_floor: mean(|m| m.ece_floor),
            lift_at_10: mean(|m| m.lift_at_10),
            rows: folds.iter().map(|m| m.rows).sum(),
            base_rate: mean(|m| m.base_rate),
        })
    }
}

/// A range that holds the true value with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// 2.5 % quantile.
    pub low: f64,
    /// 97.5 % quantile.
    pub high: f64,
}

/// Area under the ROC curve; any scores, higher is more likely positive.
pub fn auc(scores: &[f64], labels: &[bool]) -> Result<f64, EvaluateError> {
    check(scores, labels)?;
    Ok(Ranked::new(scores).auc(labels, |_| 1.0))
}

/// The bootstrap interval of [`auc`] over `draws` resamples of the rows.
pub fn auc_interval(
    scores: &[f64],
    labels: &[bool],
    draws: usize,
    seed: u64,
) -> Result<Interval, EvaluateError> {
    check(scores, labels)?;
    let ranked = Ranked::new(scores);
    let mut rng = StdRng::seed_from_u64(seed);
    let values = (0..draws).map(|_| {
        let counts = resample(scores.len(), &mut rng);
        ranked.auc(labels, |row| f64::from(counts[row]))
    });
    Ok(Interval::of(values.collect()))
}

/// The bootstrap interval of [`log_loss`] over `draws` resamples of the rows.
pub fn log_loss_interval(
    probabilities: &[f64],
    labels: &[bool],
    draws: usize,
    seed: u64,
) -> Result<Interval, EvaluateError> {
    check(probabilities, labels)?;
    let one = |row: usize| log_loss(&probabilities[row..=row], &labels[row..=row]);
    let losses: Vec<f64> = (0..labels.len()).map(one).collect();
    let mut rng = StdRng::seed_from_u64(seed);
    let values = (0..draws).map(|_| {
        let counts = resample(losses.len(), &mut rng);
        let sum: f64 = losses.iter().zip(&counts).map(|(loss, &n)| loss * f64::from(n)).sum();
        sum / losses.len() as f64
    });
    Ok(Interval::of(values.collect()))
}

/// Mean negative log likelihood; probabilities are held one rounding step away from 0 and 1, as scikit-learn
/// does.
pub fn log_loss(probabilities: &[f64], labels: &[bool]) -> f64 {
    let sum: f64 = probabilities
        .iter()
        .zip(labels)
        .map(|(&p, &label)| {
            let p = p.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
            if label { -p.ln() } else { -(-p).ln_1p() }
        })
        .sum();
    sum / labels.len() as f64
}

/// Mean squared error of the probability.
pub fn brier(probabilities: &[f64], labels: &[bool]) -> f64 {
    let squares = probabilities
        .iter()
        .zip(labels)
        .map(|(p, &label)| (p - f64::from(u8::from(label))).powi(2));
    squares.sum::<f64>() / labels.len() as f64
}

/// The calibration error that perfectly right probabilities would show on this many rows, averaged over
/// draws of labels from the probabilities themselves.
pub fn ece_floor(probabilities: &[f64], seed: u64) -> f64 {
    let mut rng = StdRng::seed_from_u64(seed);
    let ranked = Ranked::new(probabilities);
    let draws = (0..FLOOR_DRAWS).map(|_| {
        let labels: Vec<bool> = probabilities.iter().map(|&p| rng.random::<f64>() < p).collect();
        ranked.ece(&labels)
    });
    draws.sum::<f64>() / FLOOR_DRAWS as f64
}

/// How far probabilities are off, and how far exactly right ones would seem to be on as many rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationError {
    /// Expected calibration error over [`ECE_BINS`] bins of equal count.
    pub ece: f64,
    /// What it would be on average if the probabilities were exactly right.
    pub floor: f64,
    /// What it would exceed in one of a hundred cases then.
    pub limit: f64,
}

impl CalibrationError {
    /// Measures probabilities; `seed` is for the draws behind `floor` and `limit`.
    pub fn of(probabilities: &[f64], labels: &[bool], seed: u64) -> Result<Self, EvaluateError> {
        check(probabilities, labels)?;
        let ranked = Ranked::new(probabilities);
        let mut rng = StdRng::seed_from_u64(seed);
        let draws = (ROWS_DRAWN / labels.len()).clamp(LIMIT_DRAWS.1, LIMIT_DRAWS.0);
        let mut drawn: Vec<f64> = (0..draws)
            .map(|_| {
                let labels: Vec<bool> =
                    probabilities.iter().map(|&p| rng.random::<f64>() < p).collect();
                ranked.ece(&labels)
            })
            .collect();
        drawn.sort_by(f64::total_cmp);
        Ok(Self {
            ece: ranked.ece(labels),
            floor: drawn.iter().sum::<f64>() / draws as f64,
            limit: drawn[draws - draws / 100 - 1],
        })
    }

    /// Whether the error is more than noise.
    pub fn is_off(&self) -> bool {
        self.ece > self.limit
    }
}

/// How often each of `rows` rows is drawn when as many are drawn with replacement.
pub fn resample(rows: usize, rng: &mut StdRng) -> Vec<u32> {
    let mut counts = vec![0_u32; rows];
    for _ in 0..rows {
        counts[rng.random_range(0..rows)] += 1;
    }
    counts
}

impl Interval {
    /// The percentile interval of bootstrap values; those that are not finite are left out.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.retain(|value| value.is_finite());
        values.sort_by(f64::total_cmp);
        let last = values.len().saturating_sub(1) as f64;
        let quantile =
            |q: f64| values.get((q * last).round() as usize).copied().unwrap_or(f64::NAN);
        Self { low: quantile(0.025), high: quantile(0.975) }
    }
}

fn check(scores: &[f64], labels: &[bool]) -> Result<(), EvaluateError> {
    if scores.len() != labels.len() {
        return Err(EvaluateError::Lengths { scores: scores.len(), labels: labels.len() });
    }
    if scores.is_empty() {
        return Err(EvaluateError::Empty);
    }
    if let Some(row) = scores.iter().position(|score| score.is_nan()) {
        return Err(EvaluateError::Score(row));
    }
    if labels.iter().all(|&label| label == labels[0]) {
        return Err(EvaluateError::OneClass);
    }
    Ok(())
}

/// Rows by descending score, in groups of equal scores.
struct Ranked<'s> {
    scores: &'s [f64],
    order: Vec<u32>,
    /// End of each group in `order`.
    ends: Vec<usize>,
}

impl<'s> Ranked<'s> {
    fn new(scores: &'s [f64]) -> Self {
        let mut order: Vec<u32> = (0..scores.len() as u32).collect();
        order.sort_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]).then(a.cmp(&b)));
        #[expect(clippy::float_cmp, reason = "only exactly equal scores are a tie")]
        let mut ends: Vec<usize> = (1..order.len())
            .filter(|&at| scores[order[at - 1] as usize] != scores[order[at] as usize])
            .collect();
        ends.push(order.len());
        Self { scores, order, ends }
    }

    fn groups(&self) -> impl Iterator<Item = &[u32]> {
        self.ends.iter().scan(0, |begin, &end| {
            let group = &self.order[*begin..end];
            *begin = end;
            Some(group)
        })
    }

    fn auc(&self, labels: &[bool], weight: impl Fn(usize) -> f64) -> f64 {
        let (mut positives, mut negatives, mut area) = (0.0, 0.0, 0.0);
        for group in self.groups() {
            let (mut up, mut across) = (0.0, 0.0);
            for &row in group {
                let row = row as usize;
                *(if labels[row] { &mut up } else { &mut across }) += weight(row);
            }
            area += across * (positives + up / 2.0);
            positives += up;
            negatives += across;
        }
        area / (positives * negatives)
    }

    fn average_precision(&self, labels: &[bool]) -> f64 {
        let (mut seen, mut hits, mut sum) = (0.0, 0.0, 0.0);
        for group in self.groups() {
            let new = group.iter().filter(|&&row| labels[row as usize]).count() as f64;
            seen += group.len() as f64;
            hits += new;
            sum += new * hits / seen;
        }
        sum / hits
    }

    /// Labels in rank order, each replaced by the mean of its group of equal scores, so that bins that cut
    /// through a group do not depend on the order of rows.
    fn smoothed(&self, labels: &[bool]) -> Vec<f64> {
        let mut smoothed = Vec::with_capacity(labels.len());
        for group in self.groups() {
            let hits = group.iter().filter(|&&row| labels[row as usize]).count();
            smoothed.resize(smoothed.len() + group.len(), hits as f64 / group.len() as f64);
        }
        smoothed
    }

    fn ece(&self, labels: &[bool]) -> f64 {
        let smoothed = self.smoothed(labels);
        let rows = labels.len();
        let mut error = 0.0;
        for bin in 0..ECE_BINS {
            let range = bin * rows / ECE_BINS..(bin + 1) * rows / ECE_BINS;
            let gap: f64 =
                range.map(|at| smoothed[at] - self.scores[self.order[at] as usize]).sum();
            error += gap.abs();
        }
        error / rows as f64
    }

    fn lift(&self, labels: &[bool], share: f64) -> f64 {
        let smoothed = self.smoothed(labels);
        let top = ((labels.len() as f64 * share).round() as usize).max(1);
        let base = smoothed.iter().sum::<f64>() / smoothed.len() as f64;
        smoothed[..top].iter().sum::<f64>() / top as f64 / base
    }
}
