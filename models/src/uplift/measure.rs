//! How good a ranking by expected change is, on rows of a randomised campaign that it has not seen.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use super::UpliftError;
use crate::evaluate::{Interval, resample};

/// How much better than at random those are chosen whom the treatment changes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpliftMetrics {
    /// Area between the Qini curve and the straight line to its end, per 1000 treated rows. The curve is
    /// `Y_t(k) − Y_c(k) · N_t(k) / N_c(k)` over the share of rows, best first (Radcliffe 2007).
    pub qini_per_1000: f64,
    /// Area under `(Y_t(k)/N_t(k) − Y_c(k)/N_c(k)) · k/n` over the share of rows: outcomes gained per row.
    pub auuc: f64,
    /// Difference of outcome rates between the arms among the best tenth.
    pub uplift_at_10: f64,
    /// The same among the best 30 %.
    pub uplift_at_30: f64,
    /// Difference of outcome rates between the arms among all.
    pub average_effect: f64,
    /// Rows measured.
    pub rows: usize,
}

impl UpliftMetrics {
    /// Measures predictions on rows of a randomised campaign.
    pub fn of(predicted: &[f64], treated: &[bool], outcome: &[bool]) -> Result<Self, UpliftError> {
        let ranked = Ranked::new(predicted, treated, outcome)?;
        Ok(ranked.measure(|_| 1.0))
    }

    /// The mean over folds, each counting the same.
    pub fn mean(folds: &[Self]) -> Option<Self> {
        let mean = |of: fn(&Self) -> f64| folds.iter().map(of).sum::<f64>() / folds.len() as f64;
        (!folds.is_empty()).then(|| Self {
            qini_per_1000: mean(|m| m.qini_per_1000),
            auuc: mean(|m| m.auuc),
            uplift_at_10: mean(|m| m.uplift_at_10),
            uplift_at_30: mean(|m| m.uplift_at_30),
            average_effect: mean(|m| m.average_effect),
            rows: folds.iter().map(|m| m.rows).sum(),
        })
    }
}

/// Predictions on the rows of one fold of a randomised campaign.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'d> {
    /// Expected change per row.
    pub predicted: &'d [f64],
    /// Which rows were treated.
    pub treated: &'d [bool],
    /// Which rows had the outcome.
    pub outcome: &'d [bool],
}

/// Bootstrap intervals of means over folds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intervals {
    /// Of the Qini value per 1000 treated rows.
    pub qini_per_1000: Interval,
    /// Of the area under the uplift curve.
    pub auuc: Interval,
}

/// The bootstrap intervals of the mean Qini value and the mean AUUC over folds, rows drawn anew within each
/// fold.
pub fn intervals(
    folds: &[Measured<'_>],
    draws: usize,
    seed: u64,
) -> Result<Intervals, UpliftError> {
    let mut rng = StdRng::seed_from_u64(seed);
    let ranked: Vec<Ranked<'_>> = folds
        .iter()
        .map(|fold| Ranked::new(fold.predicted, fold.treated, fold.outcome))
        .collect::<Result<_, _>>()?;
    let (mut qini, mut auuc) = (Vec::with_capacity(draws), Vec::with_capacity(draws));
    for _ in 0..draws {
        let measured: Vec<UpliftMetrics> = ranked
            .iter()
            .map(|ranked| {
                let counts = resample(ranked.rows(), &mut rng);
                ranked.measure(|row| f64::from(counts[row]))
            })
            .collect();
        let mean = |of: fn(&UpliftMetrics) -> f64| {
            measured.iter().map(of).sum::<f64>() / measured.len() as f64
        };
        qini.push(mean(|metrics| metrics.qini_per_1000));
        auuc.push(mean(|metrics| metrics.auuc));
    }
    Ok(Intervals { qini_per_1000: Interval::of(qini), auuc: Interval::of(auuc) })
}

/// A ranking that knows nothing, to compare with.
pub fn random_ranking(rows: usize, seed: u64) -> Vec<f64> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..rows).map(|_| rng.random()).collect()
}

/// Rows in the order of their predictions.
pub(super) struct Ranked<'d> {
    predicted: &'d [f64],
    treated: &'d [bool],
    outcome: &'d [bool],
    order: Vec<u32>,
}

/// Rows and outcomes of both arms up to a rank.
#[derive(Clone, Copy, Default)]
struct Counts {
    treated: f64,
    treated_outcomes: f64,
    control: f64,
    control_outcomes: f64,
}

impl Counts {
    fn rows(&self) -> f64 {
        self.treated + self.control
    }

    fn qini(&self) -> f64 {
        let expected = if self.control > 0.0 {
            self.control_outcomes * self.treated / self.control
        } else {
            0.0
        };
        self.treated_outcomes - expected
    }

    fn uplift(&self) -> f64 {
        let rate = |outcomes: f64, rows: f64| if rows > 0.0 { outcomes / rows } else { 0.0 };
        rate(self.treated_outcomes, self.treated) - rate(self.control_outcomes, self.control)
    }
}

impl<'d> Ranked<'d> {
    pub(super) fn new(
        predicted: &'d [f64],
        treated: &'d [bool],
        outcome: &'d [bool],
    ) -> Result<Self, UpliftError> {
        if predicted.len() != treated.len() || treated.len() != outcome.len() {
            return Err(UpliftError::Lengths);
        }
        if let Some(row) = predicted.iter().position(|value| value.is_nan()) {
            return Err(UpliftError::Prediction(row));
        }
        if !(treated.contains(&true) && treated.contains(&false)) {
            return Err(UpliftError::OneArm);
        }
        let mut order: Vec<u32> = (0..predicted.len() as u32).collect();
        order.sort_by(|&a, &b| {
            predicted[b as usize].total_cmp(&predicted[a as usize]).then(a.cmp(&b))
        });
        Ok(Self { predicted, treated, outcome, order })
    }

    /// How many rows.
    pub(super) fn rows(&self) -> usize {
        self.order.len()
    }

    /// The counts after each group of equal predictions.
    fn steps(&self, weight: impl Fn(usize) -> f64) -> Vec<Counts> {
        let mut steps = Vec::new();
        let mut counts = Counts::default();
        for (at, &row) in self.order.iter().enumerate() {
            let row = row as usize;
            let (weight, responded) = (weight(row), f64::from(u8::from(self.outcome[row])));
            if self.treated[row] {
                counts.treated += weight;
                counts.treated_outcomes += weight * responded;
            } else {
                counts.control += weight;
                counts.control_outcomes += weight * responded;
            }
            #[expect(clippy::float_cmp, reason = "only exactly equal predictions are a tie")]
            let tied = self
                .order
                .get(at + 1)
                .is_some_and(|&next| self.predicted[next as usize] == self.predicted[row]);
            if !tied {
                steps.push(counts);
            }
        }
        steps
    }

    pub(super) fn measure(&self, weight: impl Fn(usize) -> f64) -> UpliftMetrics {
        let steps = self.steps(weight);
        let all = steps.last().copied().unwrap_or_default();
        let rows = all.rows();
        let gain = |counts: &Counts| counts.uplift() * counts.rows() / rows;
        let area = |curve: &dyn Fn(&Counts) -> f64| {
            let (mut area, mut before) = (0.0, (0.0, 0.0));
            for counts in &steps {
                let point = (counts.rows() / rows, curve(counts));
                area += (point.0 - before.0) * f64::midpoint(point.1, before.1);
                before = point;
            }
            area
        };
        let qini = area(&|counts| counts.qini()) - all.qini() / 2.0;
        UpliftMetrics {
            qini_per_1000: 1000.0 * qini / all.treated,
            auuc: area(&gain),
            uplift_at_10: at_share(&steps, 0.1 * rows).uplift(),
            uplift_at_30: at_share(&steps, 0.3 * rows).uplift(),
            average_effect: all.uplift(),
            rows: rows as usize,
        }
    }
}

/// The counts among the first `rows`; a group of equal predictions is entered in proportion.
fn at_share(steps: &[Counts], rows: f64) -> Counts {
    let mut before = Counts::default();
    for &after in steps {
        if after.rows() >= rows {
            let part = (rows - before.rows()) / (after.rows() - before.rows());
            let mix = |of: fn(&Counts) -> f64| of(&before) + part * (of(&after) - of(&before));
            return Counts {
                treated: mix(|c| c.treated),
                treated_outcomes: mix(|c| c.treated_outcomes),
                control: mix(|c| c.control),
                control_outcomes: mix(|c| c.control_outcomes),
            };
        }
        before = after;
    }
    before
}
