//! Learning an additive model from a table.
//!
//! `logit = bias + Σ terms`, where a term is a table indexed by one column's bin or by two columns' bins
//! (GA²M: Lou et al., KDD 2013). The tables are learnt by FTRL-proximal ([`ftrl`]), the pairs are screened
//! ([`screen`]) and everything there is to choose is chosen inside the training rows ([`select`]). The same
//! rows, options and seed give the same model, bit for bit.

pub mod design;
pub mod ftrl;
pub mod screen;
pub mod select;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::binning::{BinLimits, Bins};
use crate::calibrate::{self, Calibration, Method};
use crate::learner::design::{Axis, Design, Shape};
use crate::learner::ftrl::Ftrl;
use crate::learner::select::{Choice, Inner};
use crate::model::{Model, ModelColumn, Term};
use crate::table::Table;

/// Fewest rows of either class a model can be learnt from.
pub const FEWEST_PER_CLASS: usize = 10;

/// How to train. The default is meant for every table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Decides inner folds and shuffles.
    pub seed: u64,
    /// Bounds on bins.
    pub bins: BinLimits,
    /// Inner folds for choosing and calibrating.
    pub inner_folds: usize,
    /// Learners, each with its own order of the rows, whose average is the model.
    pub averaged: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 20_261_121, bins: BinLimits::default(), inner_folds: 3, averaged: 4 }
    }
}

/// Why no model was learnt.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum TrainError {
    /// Table and labels differ in length.
    #[error("the table has {rows} rows and there are {labels} labels")]
    Lengths {
        /// Rows of the table.
        rows: usize,
        /// Labels given.
        labels: usize,
    },
    /// One class has too few rows.
    #[error(
        "there are {positives} positive and {negatives} negative rows; at least {FEWEST_PER_CLASS} of each are needed"
    )]
    TooFew {
        /// Positive rows.
        positives: usize,
        /// Negative rows.
        negatives: usize,
    },
    /// An importance is negative or not finite.
    #[error("the importance of row {0} is not a finite, non-negative number")]
    Importance(usize),
    /// The calibrator did not converge.
    #[error("calibration failed")]
    Calibration,
}

/// How much a term moves scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// The feature, or two joined by ` × `.
    pub feature: String,
    /// Mean distance of its amount from its average over the training rows, in log odds.
    pub strength: f64,
}

/// A model and how it came about.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The model, calibrated.
    pub model: Model,
    /// What was chosen.
    pub choice: Choice,
    /// How it was calibrated.
    pub calibration: Method,
    /// How much each term matters, strongest first.
    pub effects: Vec<Effect>,
}

/// Learns a model of the probability that the label is true. `importance` weighs rows (all 1 when absent).
pub fn train(
    table: &Table,
    labels: &[bool],
    importance: Option<&[f64]>,
    options: &Options,
) -> Result<Trained, TrainError> {
    check(table, labels, importance)?;
    let bins: Vec<Bins> =
        table.columns().iter().map(|column| Bins::learn(column, options.bins)).collect();
    let codes: Vec<Vec<u16>> =
        bins.iter().zip(table.columns()).map(|(bins, column)| bins.codes(column)).collect();
    let counts: Vec<Vec<usize>> =
        bins.iter().zip(&codes).map(|(bins, codes)| histogram(codes, bins.size())).collect();
    let columns: Vec<usize> = (0..bins.len())
        .filter(|&column| counts[column].iter().filter(|&&count| count > 0).count() > 1)
        .collect();
    let folds = select::stratified_folds(labels, options.inner_folds, options.seed);
    let inner = Inner {
        bins: &bins,
        codes: &codes,
        counts: &counts,
        columns: &columns,
        labels,
        importance,
        folds: &folds,
        count: options.inner_folds,
        seed: options.seed,
    };
    let chosen = inner.choose();
    let calibration =
        calibrate::choose(&chosen.tried.logits, labels, importance, &folds, options.inner_folds)
            .map_err(|_| TrainError::Calibration)?;
    let choice = Choice {
        settings: chosen.tried.settings,
        resolutions: chosen.resolutions,
        pairs: chosen
            .shapes
            .iter()
            .filter_map(|shape| Some((shape.first.column, shape.second.as_ref()?.column)))
            .map(|(a, b)| (table.names()[a].clone(), table.names()[b].clone()))
            .collect(),
        log_loss: chosen.tried.log_loss(),
    };
    let fitted = fit(&chosen.shapes, &codes, labels, importance, &choice, options);
    let columns = table
        .names()
        .iter()
        .zip(bins)
        .map(|(name, bins)| ModelColumn { name: name.clone(), bins })
        .collect();
    let method = calibration.method();
    let model = assemble(columns, &chosen.shapes, fitted, &codes, labels.len(), calibration);
    let effects = effects(&model, &codes);
    Ok(Trained { model, choice, calibration: method, effects })
}

fn effects(model: &Model, codes: &[Vec<u16>]) -> Vec<Effect> {
    let rows = codes.first().map_or(0, Vec::len);
    let mut effects: Vec<Effect> = model
        .terms()
        .iter()
        .map(|term| {
            let amount =
                |row: usize| term.weights[term.shape.slot(|column| codes[column][row])].abs();
            let strength = (0..rows).map(amount).sum::<f64>() / rows as f64;
            Effect { feature: model.feature_of(term), strength }
        })
        .collect();
    effects.sort_by(|a, b| b.strength.total_cmp(&a.strength));
    effects
}

fn check(table: &Table, labels: &[bool], importance: Option<&[f64]>) -> Result<(), TrainError> {
    if table.rows() != labels.len() {
        return Err(TrainError::Lengths { rows: table.rows(), labels: labels.len() });
    }
    let positives = labels.iter().filter(|&&label| label).count();
    let negatives = labels.len() - positives;
    if positives.min(negatives) < FEWEST_PER_CLASS {
        return Err(TrainError::TooFew { positives, negatives });
    }
    if let Some(row) = importance
        .and_then(|all| all.iter().position(|weight| !weight.is_finite() || *weight < 0.0))
    {
        return Err(TrainError::Importance(row));
    }
    Ok(())
}

fn histogram(codes: &[u16], size: usize) -> Vec<usize> {
    let mut counts = vec![0; size];
    for &code in codes {
        counts[code as usize] += 1;
    }
    counts
}

/// The average of several learners over all rows: bias and weights.
fn fit(
    shapes: &[Shape],
    codes: &[Vec<u16>],
    labels: &[bool],
    importance: Option<&[f64]>,
    choice: &Choice,
    options: &Options,
) -> (f64, Vec<Vec<f64>>) {
    let design = Design::new(shapes, codes);
    let rows: Vec<u32> = (0..labels.len() as u32).collect();
    let (mut bias, mut sums) = (0.0, vec![0.0; design.weights()]);
    for learner_index in 0..options.averaged {
        let mut learner = Ftrl::new(design.weights(), choice.settings);
        for pass in 0..choice.settings.passes {
            let seed = options.seed.wrapping_add(1_000 + (learner_index * 1_000 + pass) as u64);
            learner.pass(&design, labels, importance, &rows, seed);
        }
        let (own_bias, weights) = learner.weights();
        bias += own_bias;
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum += weight;
        }
    }
    let learners = options.averaged as f64;
    let tables = shapes
        .iter()
        .zip(design.offsets())
        .map(|(shape, &offset)| {
            sums[offset..offset + shape.size()].iter().map(|sum| sum / learners).collect()
        })
        .collect();
    (bias / learners, tables)
}

/// Joins the resolutions of each column into one table, centres every term on the training rows, and applies
/// the calibration.
fn assemble(
    columns: Vec<ModelColumn>,
    shapes: &[Shape],
    (mut bias, tables): (f64, Vec<Vec<f64>>),
    codes: &[Vec<u16>],
    rows: usize,
    calibration: Calibration,
) -> Model {
    let mut terms: Vec<Term> = Vec::new();
    for (shape, table) in shapes.iter().zip(tables) {
        if shape.second.is_some() {
            terms.push(Term { shape: shape.clone(), weights: table });
            continue;
        }
        let column = shape.first.column;
        let size = columns[column].bins.size();
        let at = terms
            .iter()
            .position(|term| term.shape.second.is_none() && term.shape.first.column == column);
        let at = at.unwrap_or_else(|| {
            let first = Axis { column, groups: (0..size as u16).collect() };
            terms.push(Term { shape: Shape { first, second: None }, weights: vec![0.0; size] });
            terms.len() - 1
        });
        for (code, weight) in terms[at].weights.iter_mut().enumerate() {
            *weight += table[shape.first.group(code as u16)];
        }
    }
    for term in &mut terms {
        let sum: f64 =
            (0..rows).map(|row| term.weights[term.shape.slot(|column| codes[column][row])]).sum();
        let mean = sum / rows as f64;
        bias += mean;
        term.weights.iter_mut().for_each(|weight| *weight -= mean);
    }
    Model::new(columns, bias, terms, calibration)
}
