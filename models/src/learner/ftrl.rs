//! FTRL-proximal with one learning rate per coordinate (McMahan et al., "Ad click prediction: a view from the
//! trenches", KDD 2013), on rows that are lists of active weights.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::learner::design::Design;
use crate::math::sigmoid;

/// The settings of one training run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Learning rate.
    pub alpha: f64,
    /// Smoothing of the learning rate.
    pub beta: f64,
    /// L1 penalty: a weight with little evidence is exactly 0.
    pub l1: f64,
    /// L2 penalty.
    pub l2: f64,
    /// Passes over the rows.
    pub passes: usize,
}

/// The learner's state: per weight the accumulated gradient and its squares.
pub struct Ftrl {
    settings: Settings,
    coordinates: Vec<Coordinate>,
    bias: Coordinate,
}

#[derive(Clone, Copy, Default)]
struct Coordinate {
    z: f64,
    n: f64,
    root: f64,
    weight: f64,
}

/// One coordinate's step: the learning rate as its reciprocal, and the penalties.
#[derive(Clone, Copy)]
struct Step {
    per_alpha: f64,
    beta: f64,
    l1: f64,
    l2: f64,
}

impl Coordinate {
    /// Algorithm 1 of the paper, without a branch.
    #[inline]
    fn learn(&mut self, gradient: f64, step: Step) {
        self.n += gradient * gradient;
        let root = self.n.sqrt();
        self.z += gradient - (root - self.root) * step.per_alpha * self.weight;
        self.root = root;
        let beyond = (self.z.abs() - step.l1).max(0.0);
        self.weight = -beyond.copysign(self.z) / ((step.beta + root) * step.per_alpha + step.l2);
    }
}

impl Ftrl {
    /// An untrained learner: bias and all weights 0.
    pub fn new(weights: usize, settings: Settings) -> Self {
        Self {
            settings,
            coordinates: vec![Coordinate::default(); weights],
            bias: Coordinate::default(),
        }
    }

    /// One pass over `rows` in an order drawn from `seed`.
    pub fn pass(
        &mut self,
        design: &Design,
        labels: &[bool],
        importance: Option<&[f64]>,
        rows: &[u32],
        seed: u64,
    ) {
        let mut order = rows.to_vec();
        shuffle(&mut order, seed);
        let free = Step {
            per_alpha: 1.0 / self.settings.alpha,
            beta: self.settings.beta,
            l1: 0.0,
            l2: 0.0,
        };
        let step = Step { l1: self.settings.l1, l2: self.settings.l2, ..free };
        for row in order {
            let row = row as usize;
            let active = design.row(row);
            let probability = sigmoid(self.logit(active));
            let error = probability - f64::from(u8::from(labels[row]));
            let gradient = error * importance.map_or(1.0, |importance| importance[row]);
            self.bias.learn(gradient, free);
            for &slot in active {
                self.coordinates[slot as usize].learn(gradient, step);
            }
        }
    }

    /// The logit of a row.
    #[inline]
    pub fn logit(&self, active: &[u32]) -> f64 {
        active
            .iter()
            .fold(self.bias.weight, |sum, &slot| sum + self.coordinates[slot as usize].weight)
    }

    /// Bias and weights.
    pub fn weights(&self) -> (f64, impl Iterator<Item = f64> + '_) {
        (self.bias.weight, self.coordinates.iter().map(|coordinate| coordinate.weight))
    }
}

/// Fisher–Yates with a seed.
pub fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    for at in (1..items.len()).rev() {
        items.swap(at, rng.random_range(0..=at));
    }
}
