//! The additive model: bins, tables, bias and calibration.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::binning::Bins;
use crate::calibrate::Curve;
use crate::explain::{CALIBRATION, Contribution, Explanation};
use crate::features::{Direction, Features, Kind};
use crate::learner::design::{Axis, CROSS_CELLS, Shape};
use crate::math::sigmoid;
use crate::table::Table;
use crate::units::{FINE, log_odds, rounded, whole};

/// A column the model reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelColumn {
    /// The feature's name.
    pub name: String,
    /// How its values become codes.
    pub bins: Bins,
    /// Which way a score may move as its numbers grow, whatever the other columns say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
}

/// One table of weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Term {
    /// What it is indexed by.
    pub shape: Shape,
    /// Amounts added to the logit, in log odds: whole multiples of 2⁻²⁰, so that they add up without
    /// rounding, unless the model is of a file of format 1.
    pub weights: Vec<f64>,
}

/// A term in a file: its weights as whole units, or in log odds as files of format 1 have them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    shape: Shape,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    units: Option<Vec<i64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weights: Option<Vec<f64>>,
}

impl From<Term> for Written {
    fn from(term: Term) -> Self {
        let units = whole(&term.weights);
        let weights = units.is_none().then_some(term.weights);
        Self { shape: term.shape, units, weights }
    }
}

impl TryFrom<Written> for Term {
    type Error = ModelError;

    fn try_from(written: Written) -> Result<Self, ModelError> {
        let weights = match (written.units, written.weights) {
            (Some(units), None) => units.into_iter().map(log_odds).collect(),
            (None, Some(weights)) => weights,
            _ => return Err(ModelError::Term),
        };
        Ok(Self { shape: written.shape, weights })
    }
}

impl Term {
    /// What it adds at most against a direction when a column goes from one code to another, or as little as
    /// possible in favour.
    fn worst_step(&self, column: usize, direction: Direction, low: u16, high: u16) -> f64 {
        let Shape { first, second } = &self.shape;
        let is_first = first.column == column;
        let width = self.shape.width();
        let (own, others) = match second {
            None => (first, 1),
            Some(second) if is_first => (first, second.size()),
            Some(second) => (second, first.size()),
        };
        let (low, high) = (own.group(low), own.group(high));
        let at = |own: usize, other: usize| {
            let slot = if is_first { own * width + other } else { other * width + own };
            self.weights[slot]
        };
        let steps = (0..others).map(|other| at(high, other) - at(low, other));
        match direction {
            Direction::Falls => steps.fold(f64::NEG_INFINITY, f64::max),
            Direction::Rises => steps.fold(f64::INFINITY, f64::min),
        }
    }
}

/// `logit = curve(bias + Σ terms)`. The curve is the identity unless isotonic calibration was chosen; Platt
/// calibration is affine and is contained in bias and terms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    columns: Vec<ModelColumn>,
    bias: f64,
    terms: Vec<Term>,
    curve: Option<Curve>,
}

/// Why a model that was read cannot be used.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ModelError {
    /// Bins are not in order.
    #[error("the bins of a column are not in order")]
    Bins,
    /// A term does not fit its columns.
    #[error("a term does not fit its columns")]
    Term,
    /// A number is not finite.
    #[error("a weight is not finite")]
    Weight,
    /// The calibration curve does not rise.
    #[error("the calibration curve does not rise")]
    Curve,
    /// Scores go against the direction of a column.
    #[error("scores go against the direction of a column")]
    Direction,
}

/// A calibrated score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Calibrated probability, 0 to 1.
    pub probability: f64,
    /// Its log odds.
    pub logit: f64,
}

impl Score {
    pub(crate) fn of_logit(logit: f64) -> Self {
        Self { probability: sigmoid(logit), logit }
    }
}

impl Model {
    pub(crate) fn new(
        columns: Vec<ModelColumn>,
        bias: f64,
        terms: Vec<Term>,
        curve: Option<Curve>,
    ) -> Self {
        Self { columns, bias, terms, curve }
    }

    /// Whether every index is in range and every number finite, so that no score can panic.
    pub fn check(&self) -> Result<(), ModelError> {
        if !self.columns.iter().all(|column| column.bins.is_ordered()) {
            return Err(ModelError::Bins);
        }
        let axis_fits = |axis: &Axis| {
            let column = self.columns.get(axis.column);
            column.is_some_and(|column| column.bins.size() == axis.groups.len())
        };
        let shape_fits =
            |shape: &Shape| axis_fits(&shape.first) && shape.second.as_ref().is_none_or(axis_fits);
        if !self.terms.iter().all(|term| {
            let cells = term.shape.size();
            shape_fits(&term.shape) && cells <= CROSS_CELLS && term.weights.len() == cells
        }) {
            return Err(ModelError::Term);
        }
        if !(self.bias.is_finite()
            && self.terms.iter().flat_map(|term| &term.weights).all(|weight| weight.is_finite()))
        {
            return Err(ModelError::Weight);
        }
        if !self.curve.as_ref().is_none_or(Curve::is_rising) {
            return Err(ModelError::Curve);
        }
        let keeps = |(index, column): (usize, &ModelColumn)| {
            column.direction.is_none_or(|direction| self.keeps(index, direction))
        };
        if self.columns.iter().enumerate().all(keeps) { Ok(()) } else { Err(ModelError::Direction) }
    }

    /// Whether no score moves against `direction` as the numbers of a column grow, for any values of the other
    /// columns. Exact for weights in whole units: the worst cell of each pair is looked at, one code after the
    /// other, and there is a row with all of them.
    fn keeps(&self, index: usize, direction: Direction) -> bool {
        let bins = &self.columns[index].bins;
        if bins.kind() != Kind::Number {
            return false;
        }
        let reading: Vec<&Term> = self
            .terms
            .iter()
            .filter(|term| term.shape.columns().any(|column| column == index))
            .collect();
        (1..bins.size() as u16).zip(2..).take(bins.size() - 2).all(|(low, high)| {
            let worst: f64 =
                reading.iter().map(|term| term.worst_step(index, direction, low, high)).sum();
            direction.allows(0.0, worst)
        })
    }

    /// The columns it reads, in order.
    pub fn columns(&self) -> &[ModelColumn] {
        &self.columns
    }

    /// Its tables, in the order they are added.
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// The logit of the average training row.
    pub fn bias(&self) -> f64 {
        self.bias
    }

    /// The calibration curve, when it is not the identity.
    pub fn curve(&self) -> Option<&Curve> {
        self.curve.as_ref()
    }

    /// The name of a term: its feature, or two joined by ` × `.
    pub fn feature_of(&self, term: &Term) -> String {
        let names: Vec<&str> =
            term.shape.columns().map(|column| self.columns[column].name.as_str()).collect();
        names.join(" × ")
    }

    /// The codes of a feature vector, one per column.
    pub fn codes(&self, features: &Features) -> Vec<u16> {
        self.columns.iter().map(|column| column.bins.code(features.get(&column.name))).collect()
    }

    /// The sum before the calibration curve. The one place where terms are added to a row's score; the
    /// columnar scan adds in the same order.
    fn sum(&self, codes: &[u16]) -> f64 {
        self.terms.iter().fold(self.bias, |sum, term| {
            sum + term.weights[term.shape.slot(|column| codes[column])]
        })
    }

    pub(crate) fn curved(&self, sum: f64) -> f64 {
        self.curve.as_ref().map_or(sum, |curve| rounded(curve.apply(sum), FINE))
    }

    /// Scores codes made by [`Model::codes`].
    pub fn score_codes(&self, codes: &[u16]) -> Score {
        Score::of_logit(self.curved(self.sum(codes)))
    }

    /// Scores values that belong to no person: public tables, simulations, tests. What is said about a
    /// person goes through [`Model::score`], which takes a permit.
    pub fn score_values(&self, features: &Features) -> Score {
        self.score_codes(&self.codes(features))
    }

    /// The probabilities of all rows of a table that is about no person, as [`Model::score_values`] gives them.
    pub fn probabilities(&self, table: &Table) -> Vec<f64> {
        let codes = self.encode(table);
        let mut logits = Vec::new();
        self.scorer().logits(&codes, table.rows(), &mut logits);
        logits.into_iter().map(sigmoid).collect()
    }

    /// What each term adds for these values. Bias and amounts sum to the logit of the score, to the last bit
    /// and in any order, and with an isotonic curve its correction is a contribution of its own, named
    /// [`CALIBRATION`].
    pub fn explain(&self, features: &Features) -> Explanation {
        let codes = self.codes(features);
        let mut contributions: Vec<Contribution> = Vec::with_capacity(self.terms.len() + 1);
        for term in &self.terms {
            let labels: Vec<String> = term
                .shape
                .columns()
                .map(|column| self.columns[column].bins.label(codes[column]))
                .collect();
            let amount = term.weights[term.shape.slot(|column| codes[column])];
            contributions.push(Contribution {
                feature: self.feature_of(term),
                value: labels.join(" × "),
                amount,
            });
        }
        let sum = self.sum(&codes);
        let logit = self.curved(sum);
        if self.curve.is_some() {
            contributions.push(Contribution {
                feature: CALIBRATION.to_owned(),
                value: String::new(),
                amount: logit - sum,
            });
        }
        Explanation { score: Score::of_logit(logit), bias: self.bias, contributions }
    }
}
