//! One automatic default for all tables: learner, resolution, learning rate, penalties, passes and trees are
//! chosen by cross-validation inside the training rows, the simplest first.
//!
//! A richer model replaces a simpler one only when the paired difference of their out-of-fold log losses is
//! more than one standard error.

use serde::{Deserialize, Serialize};

use crate::learner::boost::{self, Booster, Bytes, Targets};
use crate::learner::ftrl::{Ftrl, Settings, shuffle};
use crate::learner::mains::{Columns, Main, Mains};
use crate::learner::tree::Tree;
use crate::math::log_loss_of_logit;

/// Standard errors by which a richer model must be better.
const MARGIN: f64 = 1.0;
/// Standard errors by which trees must lead before the other learner is tuned for that to be left out: no
/// rate or penalty makes up for them.
const FAR: f64 = 4.0;
/// Groups per numeric column, from simple to rich; several at once share strength between neighbours.
const LADDER: [&[usize]; 4] = [&[8], &[16], &[64, 8], &[256, 32, 8]];
/// Learning rates, ascending.
const RATES: [f64; 4] = [0.006, 0.02, 0.05, 0.12];
/// Where the search for a rate begins.
const FIRST_RATE: usize = 2;
/// L1 and L2 penalties, ascending.
const PENALTIES: [(f64, f64); 5] =
    [(0.0, 0.0), (2.0, 10.0), (6.0, 60.0), (12.0, 200.0), (20.0, 600.0)];
/// Where the search for penalties begins.
const FIRST_PENALTY: usize = 1;
/// Most passes over the rows.
const PASSES: usize = 8;
/// A further pass must lower the log loss by this much.
const PASS_GAIN: f64 = 3e-5;
/// How trees are boosted; only their number is chosen.
const BOOSTED: boost::Settings = boost::Settings {
    rate: 0.05,
    leaves: 32,
    columns: 2,
    ridge: 5.0,
    least: 1.0,
    rows: 0.8,
    tried: 0.3,
    rounds: 600,
};

/// What was chosen, and how good it was on rows it had not seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// Settings of the best learner that goes through the rows one by one, with the number of passes.
    pub settings: Settings,
    /// Groups per numeric column of that learner.
    pub resolutions: Vec<usize>,
    /// Settings of the trees, where they were clearly better; then they are the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boosted: Option<boost::Settings>,
    /// Crossed columns, by name.
    pub pairs: Vec<(String, String)>,
    /// Out-of-fold log loss of the choice, before calibration.
    pub log_loss: f64,
}

/// The rows a choice is made on.
pub(crate) struct Inner<'a> {
    pub(super) columns: Columns<'a>,
    pub(crate) bytes: &'a [Bytes],
    /// Columns with more than one code.
    pub(crate) useful: &'a [usize],
    pub(crate) labels: &'a [bool],
    pub(crate) importance: Option<&'a [f64]>,
    pub(crate) folds: &'a [u8],
    pub(crate) count: usize,
    pub(crate) seed: u64,
}

/// A candidate, cross-validated.
struct Tried<S> {
    settings: S,
    /// Out-of-fold logit per row.
    logits: Vec<f64>,
    /// Out-of-fold log loss per row, weighted by importance.
    losses: Vec<f64>,
}

impl<S> Tried<S> {
    fn log_loss(&self) -> f64 {
        self.losses.iter().sum::<f64>() / self.losses.len() as f64
    }

    /// Mean improvement over `other` per row and its standard error.
    fn improvement<T>(&self, other: &Tried<T>) -> (f64, f64) {
        let count = self.losses.len() as f64;
        let differences =
            || other.losses.iter().zip(&self.losses).map(|(theirs, ours)| theirs - ours);
        let mean = differences().sum::<f64>() / count;
        let variance =
            differences().map(|difference| (difference - mean).powi(2)).sum::<f64>() / count;
        (mean, (variance / count).sqrt())
    }

    /// Whether it is better by more than [`MARGIN`] standard errors.
    fn is_clearly_better_than<T>(&self, other: &Tried<T>) -> bool {
        self.leads_by(MARGIN, other)
    }

    fn leads_by<T>(&self, errors: f64, other: &Tried<T>) -> bool {
        let (mean, error) = self.improvement(other);
        mean > errors * error
    }
}

/// What was chosen.
pub(super) struct Chosen<'a> {
    /// The best shape for FTRL; its settings are in the choice.
    pub(super) mains: Mains<'a>,
    /// Without the names of pairs, which are not known yet.
    pub(super) choice: Choice,
    /// Out-of-fold logit per row.
    pub(super) logits: Vec<f64>,
    /// The trees, where they are clearly better; then they are the model.
    pub(super) boosted: Option<Boosted>,
}

/// The learners of the inner folds, which together are the model.
pub(super) struct Boosted {
    /// The mean of their biases.
    pub(super) bias: f64,
    /// All their trees, each with its learner's share.
    pub(super) trees: Vec<Tree>,
}

impl<'a> Inner<'a> {
    /// Runs the whole choice.
    pub(super) fn choose(&self) -> Chosen<'a> {
        let (l1, l2) = PENALTIES[FIRST_PENALTY];
        let settings = Settings { alpha: RATES[FIRST_RATE], beta: 1.0, l1, l2, passes: 0 };
        let mut resolutions = LADDER[0];
        let mut mains = Mains::new(self.columns, self.useful, resolutions);
        let mut best = self.cross_validate(&mains, settings);
        for richer in &LADDER[1..] {
            let candidate = Mains::new(self.columns, self.useful, richer);
            if candidate.shapes == mains.shapes {
                continue;
            }
            let tried = self.cross_validate(&candidate, settings);
            if tried.is_clearly_better_than(&best) {
                (best, mains, resolutions) = (tried, candidate, richer);
            }
        }
        let (trees, boosted) = self.boost();
        // Trees that lead by little may only be ahead of settings that do not fit.
        if !trees.leads_by(FAR, &best) {
            best = self.climb(&mains, best, FIRST_RATE, RATES.len(), |settings, at| Settings {
                alpha: RATES[at],
                ..settings
            });
            best = self.climb(&mains, best, FIRST_PENALTY, PENALTIES.len(), |settings, at| {
                Settings { l1: PENALTIES[at].0, l2: PENALTIES[at].1, ..settings }
            });
        }
        let are_trees = trees.is_clearly_better_than(&best);
        let choice = Choice {
            settings: best.settings,
            resolutions: resolutions.to_vec(),
            boosted: are_trees.then_some(trees.settings),
            pairs: Vec::new(),
            log_loss: if are_trees { trees.log_loss() } else { best.log_loss() },
        };
        let logits = if are_trees { trees.logits } else { best.logits };
        Chosen { mains, choice, logits, boosted: are_trees.then_some(boosted) }
    }

    /// Walks along equally simple settings, up first, then down, while the log loss falls.
    fn climb(
        &self,
        mains: &Mains<'_>,
        mut best: Tried<Settings>,
        first: usize,
        count: usize,
        change: impl Fn(Settings, usize) -> Settings,
    ) -> Tried<Settings> {
        let start = best.settings;
        let mut better = |at: usize| {
            let tried = self.cross_validate(mains, change(start, at));
            let falls = tried.log_loss() < best.log_loss();
            if falls {
                best = tried;
            }
            falls
        };
        if first + 1 < count && better(first + 1) {
            let _stopped_at = (first + 2..count).find(|&at| !better(at));
        } else {
            let _stopped_at = (0..first).rev().find(|&at| !better(at));
        }
        best
    }

    /// Boosts trees on each inner fold's other rows, side by side, until more of them do not help.
    fn boost(&self) -> (Tried<boost::Settings>, Boosted) {
        let mut boosters: Vec<Booster<'_>> = self
            .parts()
            .into_iter()
            .map(|part| {
                let labels = Targets::Labels(self.labels);
                Booster::new(self.bytes, labels, self.importance, part, BOOSTED)
            })
            .collect();
        let mut best: Option<Tried<boost::Settings>> = None;
        boost::side_by_side(&mut boosters, self.seed, |boosters, round| {
            let logits: Vec<f64> = (0..self.labels.len())
                .map(|row| boosters[self.folds[row] as usize].logits()[row])
                .collect();
            let losses = self.losses(&logits);
            let settings = boost::Settings { rounds: round, ..BOOSTED };
            let tried = Tried { settings, logits, losses };
            let better = best.as_ref().is_none_or(|best| tried.log_loss() < best.log_loss());
            if better {
                best = Some(tried);
            }
            better
        });
        let tried = best.expect("there is at least one look");
        // Several learners together bear more trees than one alone.
        let (bias, trees) = boost::together(boosters, tried.settings.rounds * 6 / 5);
        (tried, Boosted { bias, trees })
    }

    /// The rows outside each inner fold.
    fn parts(&self) -> Vec<Vec<u32>> {
        let rows = 0..self.labels.len() as u32;
        let outside = |fold: usize| {
            rows.clone().filter(|&row| self.folds[row as usize] as usize != fold).collect()
        };
        (0..self.count).map(outside).collect()
    }

    /// Trains one learner per inner fold, side by side, until a further pass does not help.
    fn cross_validate(&self, mains: &Mains<'_>, settings: Settings) -> Tried<Settings> {
        let rows = self.labels.len();
        let parts = self.parts();
        let mut learners: Vec<Ftrl> =
            parts.iter().map(|_| Ftrl::new(mains.design.weights(), settings)).collect();
        let mut best: Option<Tried<Settings>> = None;
        for pass in 1..=PASSES {
            for (fold, (learner, part)) in learners.iter_mut().zip(&parts).enumerate() {
                let seed = self.seed.wrapping_add((pass * self.count + fold) as u64);
                learner.pass(&mains.design, self.labels, self.importance, part, seed);
            }
            let corrections: Vec<Vec<Main>> =
                learners.iter().map(|learner| mains.corrections(learner)).collect();
            let logits: Vec<f64> = (0..rows)
                .map(|row| {
                    let fold = self.folds[row] as usize;
                    mains.logit(&learners[fold], &corrections[fold], row)
                })
                .collect();
            let losses = self.losses(&logits);
            let tried = Tried { settings: Settings { passes: pass, ..settings }, logits, losses };
            match &best {
                Some(known) if known.log_loss() - tried.log_loss() < PASS_GAIN => break,
                _ => best = Some(tried),
            }
        }
        best.expect("there is at least one pass")
    }

    fn losses(&self, logits: &[f64]) -> Vec<f64> {
        let loss = |row: usize| log_loss_of_logit(logits[row], self.labels[row]);
        (0..logits.len())
            .map(|row| self.importance.map_or(1.0, |importance| importance[row]) * loss(row))
            .collect()
    }
}

/// Assigns rows to `count` folds, each with the same share of positive labels, in an order drawn from `seed`.
pub fn stratified_folds(labels: &[bool], count: usize, seed: u64) -> Vec<u8> {
    let mut folds = vec![0_u8; labels.len()];
    let mut next = 0;
    for class in [false, true] {
        let mut rows: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] == class).collect();
        shuffle(&mut rows, seed.wrapping_add(u64::from(class)));
        for row in rows {
            folds[row] = (next % count) as u8;
            next += 1;
        }
    }
    folds
}
