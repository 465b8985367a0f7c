//! One automatic default for all tables: resolution, learning rate, penalties, passes and pairs are chosen by
//! cross-validation inside the training rows, the simplest first.
//!
//! A richer model replaces a simpler one only when the paired difference of their out-of-fold log losses is
//! more than [`MARGIN`] standard errors.

use serde::{Deserialize, Serialize};

use crate::binning::Bins;
use crate::features::Kind;
use crate::learner::design::{Axis, Design, Shape};
use crate::learner::ftrl::{Ftrl, Settings, shuffle};
use crate::learner::screen::{self, Residuals};
use crate::math::{log_loss_of_logit, sigmoid};

/// Standard errors by which a richer model must be better.
const MARGIN: f64 = 1.0;
/// The same for pairs.
const PAIR_MARGIN: f64 = 0.3;
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
/// Numbers of pairs tried together in each round, while rounds help.
const ROUNDS: [&[usize]; 3] = [&[4, 12, 32], &[8, 24], &[16]];
/// Most passes over the rows.
const PASSES: usize = 8;
/// A further pass must lower the log loss by this much.
const PASS_GAIN: f64 = 3e-5;

/// What was chosen, and how good it was on rows it had not seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// Learner settings, with the number of passes.
    pub settings: Settings,
    /// Groups per numeric column.
    pub resolutions: Vec<usize>,
    /// Crossed columns, by name, in the order they were chosen.
    pub pairs: Vec<(String, String)>,
    /// Out-of-fold log loss of the choice, before calibration.
    pub log_loss: f64,
}

/// The rows a choice is made on.
pub(crate) struct Inner<'a> {
    pub(crate) bins: &'a [Bins],
    pub(crate) codes: &'a [Vec<u16>],
    pub(crate) counts: &'a [Vec<usize>],
    /// Columns with more than one code.
    pub(crate) columns: &'a [usize],
    pub(crate) labels: &'a [bool],
    pub(crate) importance: Option<&'a [f64]>,
    pub(crate) folds: &'a [u8],
    pub(crate) count: usize,
    pub(crate) seed: u64,
}

/// A candidate, cross-validated.
pub(crate) struct Tried {
    pub(crate) settings: Settings,
    /// Out-of-fold logit per row.
    pub(crate) logits: Vec<f64>,
    /// Out-of-fold log loss per row, weighted by importance.
    losses: Vec<f64>,
}

impl Tried {
    pub(crate) fn log_loss(&self) -> f64 {
        self.losses.iter().sum::<f64>() / self.losses.len() as f64
    }

    /// Mean improvement over `other` per row and its standard error.
    fn improvement(&self, other: &Self) -> (f64, f64) {
        let count = self.losses.len() as f64;
        let differences =
            || other.losses.iter().zip(&self.losses).map(|(theirs, ours)| theirs - ours);
        let mean = differences().sum::<f64>() / count;
        let variance =
            differences().map(|difference| (difference - mean).powi(2)).sum::<f64>() / count;
        (mean, (variance / count).sqrt())
    }

    fn better_by(&self, margin: f64, other: &Self) -> bool {
        let (mean, error) = self.improvement(other);
        mean > margin * error
    }
}

/// The chosen shapes with their cross-validation.
pub(crate) struct Chosen {
    pub(crate) shapes: Vec<Shape>,
    pub(crate) resolutions: Vec<usize>,
    pub(crate) tried: Tried,
}

impl Inner<'_> {
    /// Runs the whole choice.
    pub(crate) fn choose(&self) -> Chosen {
        let (l1, l2) = PENALTIES[FIRST_PENALTY];
        let settings = Settings { alpha: RATES[FIRST_RATE], beta: 1.0, l1, l2, passes: 0 };
        let mut resolutions = LADDER[0];
        let mut shapes = self.mains(resolutions);
        let mut best = self.cross_validate(&Design::new(&shapes, self.codes), settings);
        for richer in &LADDER[1..] {
            let candidate = self.mains(richer);
            if candidate == shapes {
                continue;
            }
            let tried = self.cross_validate(&Design::new(&candidate, self.codes), settings);
            if tried.better_by(MARGIN, &best) {
                (best, shapes, resolutions) = (tried, candidate, richer);
            }
        }
        let design = Design::new(&shapes, self.codes);
        best = self.climb(&design, best, FIRST_RATE, RATES.len(), |settings, at| Settings {
            alpha: RATES[at],
            ..settings
        });
        best = self.climb(&design, best, FIRST_PENALTY, PENALTIES.len(), |settings, at| Settings {
            l1: PENALTIES[at].0,
            l2: PENALTIES[at].1,
            ..settings
        });
        self.add_pairs(&mut shapes, &mut best);
        Chosen { shapes, resolutions: resolutions.to_vec(), tried: best }
    }

    /// Walks along equally simple settings, up first, then down, while the log loss falls.
    fn climb(
        &self,
        design: &Design,
        mut best: Tried,
        first: usize,
        count: usize,
        change: impl Fn(Settings, usize) -> Settings,
    ) -> Tried {
        let start = best.settings;
        let mut better = |at: usize| {
            let tried = self.cross_validate(design, change(start, at));
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

    fn mains(&self, resolutions: &[usize]) -> Vec<Shape> {
        let mut shapes: Vec<Shape> = Vec::new();
        for &column in self.columns {
            let mut last = 0;
            for &resolution in resolutions {
                let groups = match self.bins[column].kind() {
                    Kind::Number => self.bins[column].coarsen(&self.counts[column], resolution + 1),
                    Kind::Category => (0..self.bins[column].size() as u16).collect(),
                };
                let axis = Axis { column, groups };
                if axis.size() != last {
                    last = axis.size();
                    shapes.push(Shape { first: axis, second: None });
                }
            }
        }
        shapes
    }

    /// Adds pairs in rounds. Each round screens on what is left to explain and tries several numbers of
    /// pairs, best pairs first.
    fn add_pairs(&self, shapes: &mut Vec<Shape>, best: &mut Tried) {
        for sizes in ROUNDS {
            let crossed: Vec<Vec<usize>> = shapes
                .iter()
                .filter(|shape| shape.second.is_some())
                .map(|shape| shape.columns().collect())
                .collect();
            let mut new: Vec<Shape> =
                self.screen(best).into_iter().map(|candidate| candidate.shape).collect();
            new.retain(|shape| !crossed.contains(&shape.columns().collect()));
            let mut chosen: Option<(Vec<Shape>, Tried)> = None;
            let mut before = 0;
            for &size in sizes {
                let size = size.min(new.len());
                if size == before {
                    break;
                }
                before = size;
                let richer: Vec<Shape> = shapes.iter().chain(&new[..size]).cloned().collect();
                let tried = self.cross_validate(&Design::new(&richer, self.codes), best.settings);
                let simpler = chosen.as_ref().map_or(&*best, |(_, tried)| tried);
                if !tried.better_by(PAIR_MARGIN, simpler) {
                    break;
                }
                chosen = Some((richer, tried));
            }
            let Some((richer, tried)) = chosen else { return };
            (*shapes, *best) = (richer, tried);
        }
    }

    fn screen(&self, tried: &Tried) -> Vec<screen::Candidate> {
        let weight = |row: usize| self.importance.map_or(1.0, |importance| importance[row]);
        let (first, second): (Vec<f64>, Vec<f64>) = tried
            .logits
            .iter()
            .enumerate()
            .map(|(row, &logit)| {
                let p = sigmoid(logit);
                let label = f64::from(u8::from(self.labels[row]));
                (weight(row) * (p - label), weight(row) * p * (1.0 - p))
            })
            .unzip();
        let residuals =
            Residuals { first: &first, second: &second, folds: self.folds, count: self.count };
        screen::pairs(self.bins, self.counts, self.codes, self.columns, &residuals)
    }

    /// Trains one learner per inner fold, side by side, until a further pass does not help.
    fn cross_validate(&self, design: &Design, settings: Settings) -> Tried {
        let rows = self.labels.len();
        let parts: Vec<Vec<u32>> = (0..self.count)
            .map(|fold| {
                (0..rows as u32).filter(|&row| self.folds[row as usize] as usize != fold).collect()
            })
            .collect();
        let mut learners: Vec<Ftrl> =
            parts.iter().map(|_| Ftrl::new(design.weights(), settings)).collect();
        let mut best: Option<Tried> = None;
        for pass in 1..=PASSES {
            for (fold, (learner, part)) in learners.iter_mut().zip(&parts).enumerate() {
                let seed = self.seed.wrapping_add((pass * self.count + fold) as u64);
                learner.pass(design, self.labels, self.importance, part, seed);
            }
            let logits: Vec<f64> = (0..rows)
                .map(|row| learners[self.folds[row] as usize].logit(design.row(row)))
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
