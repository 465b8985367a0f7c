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

/// Rows, labels and the logits learnt so far.
pub struct Booster<'a> {
    columns: &'a [Bytes],
    labels: &'a [bool],
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
    /// Begins with the base rate of `rows`.
    pub fn new(
        columns: &'a [Bytes],
        labels: &'a [bool],
        importance: Option<&'a [f64]>,
        rows: Vec<u32>,
        settings: Settings,
    ) -> Self {
        let weight = |row: usize| importance.map_or(1.0, |importance| importance[row]);
        let (mut all, mut positive) = (0.0, 0.0);
        for &row in &rows {
            all += weight(row as usize);
            positive += if labels[row as usize] { weight(row as usize) } else { 0.0 };
        }
        let bias = crate::math::logit((positive + 0.5) / (all + 1.0));
        let useful = (0..columns.len()).filter(|&column| columns[column].size > 1).collect();
        Self {
            columns,
            labels,
            importance,
            settings,
            useful,
            rows,
            logits: vec![bias; labels.len()],
            bias,
            trees: Vec::new(),
            gradients: vec![Sum::default(); labels.len()],
        }
    }

    /// The logit of every row, those not learnt from included.
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
            let probability = sigmoid(self.logits[row]);
            let weight = self.importance.map_or(1.0, |importance| importance[row]);
            let label = f64::from(u8::from(self.labels[row]));
            self.gradients[row] = Sum {
                first: weight * (probability - label),
                second: weight * probability * (1.0 - probability),
            };
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
