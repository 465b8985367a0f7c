//! Learning an additive model from a table.
//!
//! `logit = bias + Σ terms`, where a term is a table indexed by one column's bin or by two columns' bins
//! (GA²M: Lou et al., KDD 2013). The tables are learnt by FTRL-proximal ([`ftrl`]), which knows no pairs, or
//! by boosting trees of two columns ([`boost`]), which become tables ([`tables`]); which of the two, and all
//! else there is to choose, is chosen inside the training rows ([`select`]). A column may have a direction:
//! then no score moves against it. The same rows, options and seed give the same model, bit for bit; nothing
//! is done on more than one thread.

pub mod boost;
pub mod design;
pub mod ftrl;
mod grow;
mod mains;
pub mod monotone;
pub mod regress;
pub mod select;
pub mod tables;
pub mod tree;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::binning::{BinLimits, Bins};
use crate::calibrate::{self, Method};
use crate::features::{Direction, Kind};
use crate::learner::boost::Bytes;
use crate::learner::design::{Axis, Shape};
use crate::learner::mains::{Columns, Main};
use crate::learner::select::{Boosted, Choice, Chosen, Inner};
use crate::learner::tree::{CODES, Tree};
use crate::math::sigmoid;
use crate::model::{Model, ModelColumn, Term};
use crate::table::{Column, Table};
use crate::units::{UNIT, log_odds, rounded, units};

/// Fewest rows of either class a model can be learnt from.
pub const FEWEST_PER_CLASS: usize = 10;

/// How to train. The default is meant for every table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Decides inner folds and shuffles.
    pub seed: u64,
    /// Bounds on bins.
    pub bins: BinLimits,
    /// Inner folds for choosing and calibrating.
    pub inner_folds: usize,
    /// Learners, each with its own order of the rows, whose average is the model.
    pub averaged: usize,
    /// Columns of numbers along which scores may move one way only, by name. A name that is not in the table
    /// is passed over.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub directions: BTreeMap<String, Direction>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 20_261_121,
            bins: BinLimits::default(),
            inner_folds: 3,
            averaged: 4,
            directions: BTreeMap::new(),
        }
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
    /// Words have no direction.
    #[error("the column \"{0}\" holds words; only numbers rise or fall")]
    Direction(String),
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
    /// The probability of each training row by learners and calibration that have not seen it.
    pub out_of_fold: Vec<f64>,
}

/// Learns a model of the probability that the label is true. `importance` weighs rows (all 1 when absent).
pub fn train(
    table: &Table,
    labels: &[bool],
    importance: Option<&[f64]>,
    options: &Options,
) -> Result<Trained, TrainError> {
    check(table, labels, importance, options)?;
    let prepared = Prepared::of(table, options);
    let Prepared { codes, bytes, merged, .. } = &prepared;
    let columns = prepared.columns();
    let folds = select::stratified_folds(labels, options.inner_folds, options.seed);
    let inner = Inner {
        columns,
        bytes,
        useful: &columns.useful(),
        labels,
        importance,
        folds: &folds,
        count: options.inner_folds,
        seed: options.seed,
    };
    let Chosen { mains, mut choice, logits, boosted } = inner.choose();
    let calibration = calibrate::choose(&logits, labels, importance, &folds, options.inner_folds)
        .map_err(|_| TrainError::Calibration)?;
    let (slope, intercept) = calibration.line();
    let (bias, terms) = if let Some(Boosted { bias, trees }) = boosted {
        let trees: Vec<Tree> =
            trees.into_iter().map(|tree| tree.map(|leaf| slope * leaf)).collect();
        (bias, tables::terms(&trees, bytes, merged))
    } else {
        let (bias, tables) = mains.fit(labels, importance, choice.settings, options);
        (bias, tables.iter().map(|table| term(table, slope)).collect())
    };
    choice.pairs = pairs(&terms, table.names());
    let (bias, terms) = centred(units(slope * bias + intercept), terms, codes);
    let method = calibration.method();
    let inner = (folds.as_slice(), options.inner_folds);
    let unseen = calibrate::out_of_fold(method, &logits, labels, importance, inner)
        .map_err(|_| TrainError::Calibration)?;
    let out_of_fold = unseen.into_iter().map(sigmoid).collect();
    let model = Model::new(prepared.named(table), bias, terms, calibration.into_curve());
    let effects = effects(&model, &prepared.codes);
    Ok(Trained { model, choice, calibration: method, effects, out_of_fold })
}

/// A table as learners read it.
struct Prepared {
    bins: Vec<Bins>,
    codes: Vec<Vec<u16>>,
    counts: Vec<Vec<usize>>,
    directions: Vec<Option<Direction>>,
    bytes: Vec<Bytes>,
    /// How codes became bytes.
    merged: Vec<Vec<u16>>,
}

impl Prepared {
    fn of(table: &Table, options: &Options) -> Self {
        let bins: Vec<Bins> =
            table.columns().iter().map(|column| Bins::learn(column, options.bins)).collect();
        let codes: Vec<Vec<u16>> =
            bins.iter().zip(table.columns()).map(|(bins, column)| bins.codes(column)).collect();
        let counts: Vec<Vec<usize>> =
            bins.iter().zip(&codes).map(|(bins, codes)| histogram(codes, bins.size())).collect();
        let directions: Vec<Option<Direction>> =
            table.names().iter().map(|name| options.directions.get(name).copied()).collect();
        let columns =
            Columns { bins: &bins, codes: &codes, counts: &counts, directions: &directions };
        let (bytes, merged) = as_bytes(columns);
        Self { bins, codes, counts, directions, bytes, merged }
    }

    fn columns(&self) -> Columns<'_> {
        let Self { bins, codes, counts, directions, .. } = self;
        Columns { bins, codes, counts, directions }
    }

    /// The columns as a model has them.
    fn named(&self, table: &Table) -> Vec<ModelColumn> {
        let named = table.names().iter().zip(&self.bins).zip(&self.directions);
        let column = |((name, bins), direction): ((&String, &Bins), &Option<Direction>)| {
            ModelColumn { name: name.clone(), bins: bins.clone(), direction: *direction }
        };
        named.map(column).collect()
    }
}

/// The columns with at most [`CODES`] codes each, rare words merged, and how codes became bytes.
fn as_bytes(columns: Columns<'_>) -> (Vec<Bytes>, Vec<Vec<u16>>) {
    let merge = |(bins, counts): (&Bins, &Vec<usize>)| -> Vec<u16> {
        if bins.size() <= CODES {
            (0..bins.size() as u16).collect()
        } else {
            bins.coarsen(counts, CODES)
        }
    };
    let merged: Vec<Vec<u16>> = columns.bins.iter().zip(columns.counts).map(merge).collect();
    let bytes = (0..merged.len()).map(|column| Bytes {
        codes: columns.codes[column]
            .iter()
            .map(|&code| merged[column][code as usize] as u8)
            .collect(),
        size: merged[column].iter().max().map_or(1, |&most| most as usize + 1),
        ordered: columns.bins[column].kind() == Kind::Number,
        direction: columns.directions[column],
    });
    (bytes.collect(), merged)
}

/// A column's table as a term, in whole units.
fn term(table: &Main, slope: f64) -> Term {
    let groups = (0..table.weights.len() as u16).collect();
    let first = Axis { column: table.column, groups };
    let weights = table.weights.iter().map(|weight| log_odds(units(slope * weight))).collect();
    Term { shape: Shape { first, second: None }, weights }
}

/// The crossed columns, by name.
fn pairs(terms: &[Term], names: &[String]) -> Vec<(String, String)> {
    terms
        .iter()
        .filter_map(|term| Some((term.shape.first.column, term.shape.second.as_ref()?.column)))
        .map(|(a, b)| (names[a].clone(), names[b].clone()))
        .collect()
}

fn effects(model: &Model, codes: &[Vec<u16>]) -> Vec<Effect> {
    let rows = codes.first().map_or(0, Vec::len);
    let mut effects: Vec<Effect> = model
        .terms()
        .iter()
        .map(|term| {
            let width = term.shape.width();
            let slot = |row: usize| term.shape.slot_at(width, |column| codes[column][row]);
            let amount = |row: usize| term.weights[slot(row)].abs();
            let strength = (0..rows).map(amount).sum::<f64>() / rows as f64;
            Effect { feature: model.feature_of(term), strength }
        })
        .collect();
    effects.sort_by(|a, b| b.strength.total_cmp(&a.strength));
    effects
}

fn check(
    table: &Table,
    labels: &[bool],
    importance: Option<&[f64]>,
    options: &Options,
) -> Result<(), TrainError> {
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
    let is_words = |name: &&String| matches!(table.column(name), Ok(Column::Category { .. }));
    options
        .directions
        .keys()
        .find(is_words)
        .map_or(Ok(()), |name| Err(TrainError::Direction(name.clone())))
}

fn histogram(codes: &[u16], size: usize) -> Vec<usize> {
    let mut counts = vec![0; size];
    for &code in codes {
        counts[code as usize] += 1;
    }
    counts
}

/// Centres every term on the training rows; what it said about all of them goes to the bias. All of it is in
/// whole units, so no row's score changes.
fn centred(bias: i64, mut terms: Vec<Term>, codes: &[Vec<u16>]) -> (f64, Vec<Term>) {
    let rows = codes.first().map_or(0, Vec::len);
    let mut bias = log_odds(bias);
    for term in &mut terms {
        let width = term.shape.width();
        let sum: f64 = (0..rows)
            .map(|row| term.weights[term.shape.slot_at(width, |column| codes[column][row])])
            .sum();
        let mean = rounded(sum / rows as f64, UNIT);
        bias += mean;
        term.weights.iter_mut().for_each(|weight| *weight -= mean);
    }
    (bias, terms)
}
