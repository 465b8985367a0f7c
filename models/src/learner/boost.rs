//! Gradient boosting of small trees that read at most two columns each, so that their sum is a table per
//! column and per pair of columns and nothing else.
//!
//! Second-order boosting on histograms of codes (Friedman 2001; Chen, Guestrin, "XGBoost", KDD 2016). A tree
//! that has split on as many columns as it may splits on those only: what it learns is an interaction of
//! exactly these (GA²M: Lou et al., KDD 2013). Where a column has a direction, each side of a split on it
//! stays on its own side of their middle, so no tree goes against it, whatever the other columns say.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::features::Direction;
use crate::learner::grow::{Growing, Sum};
use crate::learner::tree::Tree;
use crate::math::sigmoid;

/// The settings of one run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Share of each step that is taken.
    pub rate: f64,
    /// Most leaves of a tree.
    pub leaves: usize,
    /// Most columns a tree reads: 1 or 2.
    pub columns: usize,
    /// L2 penalty of a leaf, in units of the loss's second derivative.
    pub ridge: f64,
    /// Least evidence in a leaf, in the same units.
    pub least: f64,
    /// Share of the rows a tree sees.
    pub rows: f64,
    /// Share of the columns a tree may read.
    pub tried: f64,
    /// Trees.
    pub rounds: usize,
}

/// Trees between two looks at the rows that were held out.
const LOOK: usize = 10;
/// Looks without anything better after which no more trees are tried.
const PATIENCE: usize = 4;

/// Boosts learners side by side, and ends when `better`, which is asked after every few rounds and told their
/// number, has said no some times in a row.
pub fn side_by_side<'a>(
    boosters: &mut [Booster<'a>],
    seed: u64,
    mut better: impl FnMut(&[Booster<'a>], usize) -> bool,
) {
    let count = boosters.len();
    let rounds = boosters.first().map_or(0, |booster| booster.settings.rounds);
    let mut waited = 0;
    for round in 1..=rounds {
        for (fold, booster) in boosters.iter_mut().enumerate() {
            booster.round(seed.wrapping_add((round * count + fold) as u64));
        }
        if round % LOOK == 0 {
            waited = if better(boosters, round) { 0 } else { waited + 1 };
            if waited == PATIENCE {
                return;
            }
        }
    }
}

/// What learners say together that have learnt for so many rounds, each counting the same: bias and trees.
pub fn together(boosters: Vec<Booster<'_>>, rounds: usize) -> (f64, Vec<Tree>) {
    let share = 1.0 / boosters.len() as f64;
    let (mut bias, mut trees) = (0.0, Vec::new());
    for booster in boosters {
        let (own, learnt) = booster.into_trees(rounds);
        bias += share * own;
        trees.extend(learnt.into_iter().map(|tree| tree.map(|leaf| share * leaf)));
    }
    (bias, trees)
}

/// A column as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes {
    /// One code per row.
    pub codes: Vec<u8>,
    /// How many codes there are.
    pub size: usize,
    /// Whether codes from 1 on are in ascending order; 0 is missing.
    pub ordered: bool,
    /// Which way the score may move along an ordered column.
    pub direction: Option<Direction>,
}

/// What is learnt of every row.
#[derive(Clone, Copy, Debug)]
pub enum Targets<'a> {
    /// Whether it is positive: log loss of the logit.
    Labels(&'a [bool]),
    /// A number: squared loss, halved.
    Numbers(&'a [f64]),
}

impl Targets<'_> {
    fn len(self) -> usize {
        match self {
            Self::Labels(labels) => labels.len(),
            Self::Numbers(numbers) => numbers.len(),
        }
    }

    /// What is said of every row before anything is learnt from these.
    fn base(self, rows: &[u32], weight: impl Fn(usize) -> f64) -> f64 {
        let (mut all, mut sum) = (0.0, 0.0);
        for row in rows.iter().map(|&row| row as usize) {
            all += weight(row);
            sum += weight(row)
                * match self {
                    Self::Labels(labels) => f64::from(u8::from(labels[row])),
                    Self::Numbers(numbers) => numbers[row],
                };
        }
        match self {
            Self::Labels(_) => crate::math::logit((sum + 0.5) / (all + 1.0)),
            Self::Numbers(_) => sum / all.max(1.0),
        }
    }

    /// First and second derivative of a row's loss, times its weight.
    #[inline]
    fn gradient(self, row: usize, said: f64, weight: f64) -> Sum {
        match self {
            Self::Labels(labels) => {
                let probability = sigmoid(said);
                Sum {
                    first: weight * (probability - f64::from(u8::from(labels[row]))),
                    second: weight * probability * (1.0 - probability),
                }
            }
            Self::Numbers(numbers) => Sum { first: weight * (said - numbers[row]), second: weight },
        }
    }
}

/// Rows, what is learnt of them, and what is said of them so far.
pub struct Booster<'a> {
    columns: &'a [Bytes],
    targets: Targets<'a>,
    importance: Option<&'a [f64]>,
    settings: Settings,
    /// Columns with more than one code.
    useful: Vec<usize>,
    rows: Vec<u32>,
    logits: Vec<f64>,
    bias: f64,
    trees: Vec<Tree>,
    gradients: Vec<Sum>,
}

impl<'a> Booster<'a> {
    /// Begins with the base rate, or the mean, of `rows`.
    pub fn new(
        columns: &'a [Bytes],
        targets: Targets<'a>,
        importance: Option<&'a [f64]>,
        rows: Vec<u32>,
        settings: Settings,
    ) -> Self {
        let weight = |row: usize| importance.map_or(1.0, |importance| importance[row]);
        let bias = targets.base(&rows, weight);
        let useful = (0..columns.len()).filter(|&column| columns[column].size > 1).collect();
        Self {
            columns,
            targets,
            importance,
            settings,
            useful,
            rows,
            logits: vec![bias; targets.len()],
            bias,
            trees: Vec::new(),
            gradients: vec![Sum::default(); targets.len()],
        }
    }

    /// What is said of every row, those not learnt from included: its logit, or the number.
    pub fn logits(&self) -> &[f64] {
        &self.logits
    }

    /// What was learnt in the first rounds: bias and trees.
    pub fn into_trees(mut self, rounds: usize) -> (f64, Vec<Tree>) {
        self.trees.truncate(rounds);
        (self.bias, self.trees)
    }

    /// Learns one more tree.
    pub fn round(&mut self, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        let sample = self.sample(&mut rng);
        let tried = self.tried(&mut rng);
        for &row in &sample {
            let row = row as usize;
            let weight = self.importance.map_or(1.0, |importance| importance[row]);
            self.gradients[row] = self.targets.gradient(row, self.logits[row], weight);
        }
        let tree =
            Growing::new(self.columns, &self.gradients, &self.settings, sample, tried).grow();
        if tree.0.len() > 1 {
            tree.add_to(&mut self.logits, self.columns);
        }
        self.trees.push(tree);
    }

    /// The rows that the next tree learns from.
    fn sample(&self, rng: &mut StdRng) -> Vec<u32> {
        let share = self.settings.rows;
        if share >= 1.0 {
            return self.rows.clone();
        }
        let threshold = (share * f64::from(u32::MAX)) as u32;
        self.rows.iter().copied().filter(|_| rng.random::<u32>() <= threshold).collect()
    }

    /// The columns that it may read, ascending.
    fn tried(&self, rng: &mut StdRng) -> Vec<usize> {
        let mut tried = self.useful.clone();
        let wanted = ((tried.len() as f64 * self.settings.tried).ceil() as usize)
            .clamp(self.settings.columns.min(tried.len()), tried.len());
        for at in 0..wanted {
            let other = rng.random_range(at..tried.len());
            tried.swap(at, other);
        }
        tried.truncate(wanted);
        tried.sort_unstable();
        tried
    }
}
