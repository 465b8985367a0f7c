//! Which pairs of columns are worth a term of their own: FAST-like screening (Lou, Caruana, Gehrke, Hooker,
//! "Accurate intelligible models with pairwise interactions", KDD 2013) on residuals that were predicted out
//! of fold, with the gain of each pair itself measured out of fold.

use crate::binning::Bins;
use crate::learner::design::{Axis, Shape};

/// Groups per column at which a pair is tried; the better one is kept.
const RESOLUTIONS: [usize; 2] = [6, 17];
/// Pseudo-evidence against a cell's effect, in units of the loss's second derivative.
const RIDGE: f64 = 20.0;
/// Most cell updates of one screening; beyond it rows are sampled evenly.
const WORK: usize = 120_000_000;

/// First and second derivative of the loss at the current model, per row, and the inner fold of the row.
pub struct Residuals<'a> {
    /// Gradients.
    pub first: &'a [f64],
    /// Curvatures.
    pub second: &'a [f64],
    /// Inner fold of each row.
    pub folds: &'a [u8],
    /// The number of inner folds.
    pub count: usize,
}

/// A pair and what it promises.
pub struct Candidate {
    /// Its shape at the better resolution.
    pub shape: Shape,
    /// Expected reduction of the total log loss on rows not used to fit the cells.
    pub gain: f64,
}

/// All pairs with a positive gain, best first; ties keep column order.
pub fn pairs(
    bins: &[Bins],
    counts: &[Vec<usize>],
    codes: &[Vec<u16>],
    columns: &[usize],
    residuals: &Residuals<'_>,
) -> Vec<Candidate> {
    let rows = residuals.first.len();
    let tried = columns.len() * columns.len().saturating_sub(1) / 2 * RESOLUTIONS.len();
    let stride = (rows * tried / WORK).max(1);
    let axes: Vec<Vec<Axis>> = RESOLUTIONS
        .iter()
        .map(|&groups| {
            columns
                .iter()
                .map(|&column| Axis {
                    column,
                    groups: bins[column].coarsen(&counts[column], groups),
                })
                .collect()
        })
        .collect();
    let mut found = Vec::new();
    for second in 1..columns.len() {
        for first in 0..second {
            let best = axes
                .iter()
                .map(|axes| Shape {
                    first: axes[first].clone(),
                    second: Some(axes[second].clone()),
                })
                .map(|shape| Candidate { gain: gain(&shape, codes, residuals, stride), shape })
                .reduce(|best, other| if other.gain > best.gain { other } else { best });
            found.extend(best.filter(|candidate| candidate.gain > 0.0));
        }
    }
    found.sort_by(|a, b| b.gain.total_cmp(&a.gain));
    found
}

fn gain(shape: &Shape, codes: &[Vec<u16>], residuals: &Residuals<'_>, stride: usize) -> f64 {
    let cells = shape.size();
    let folds = residuals.count;
    let mut sums = vec![(0.0_f64, 0.0_f64); cells * folds];
    for row in (0..residuals.first.len()).step_by(stride) {
        let cell = shape.slot(|column| codes[column][row]);
        let sum = &mut sums[cell * folds + residuals.folds[row] as usize];
        sum.0 += residuals.first[row];
        sum.1 += residuals.second[row];
    }
    let mut gain = 0.0;
    for cell in sums.chunks_exact(folds) {
        let total = cell.iter().fold((0.0, 0.0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        for part in cell {
            let effect = -(total.0 - part.0) / (total.1 - part.1 + RIDGE);
            gain -= effect * (part.0 + 0.5 * part.1 * effect);
        }
    }
    gain * stride as f64
}
