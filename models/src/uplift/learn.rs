//! The learners themselves, each over the same additive base.

use super::{Learner, UpliftError, UpliftModel};
use crate::learner::regress::{Target, regress};
use crate::learner::select::stratified_folds;
use crate::learner::{Options, train};
use crate::model::Model;
use crate::table::Table;

/// Parts of the rows between which response models and what is made of them are kept apart.
const CROSSED: usize = 2;
/// No pseudo-outcome is weighed up by more than this: who was treated with a probability beyond it would
/// otherwise decide everything.
const RAREST: f64 = 0.01;

/// Rows of a randomised campaign.
#[derive(Clone, Copy, Debug)]
pub struct Campaign<'d> {
    /// What is known about each row beforehand; the treatment is no column of it.
    pub table: &'d Table,
    /// Which rows were treated.
    pub treated: &'d [bool],
    /// Which rows had the outcome.
    pub outcome: &'d [bool],
    /// How probable it was for each row to be treated, above 0 and below 1, where it is known; the share of
    /// the treated for all where it is not.
    pub propensity: Option<&'d [f64]>,
}

impl Campaign<'_> {
    /// Columns of one length, rows of both arms, probabilities that are such.
    pub(super) fn check(&self) -> Result<(), UpliftError> {
        let rows = self.table.rows();
        if self.treated.len() != rows
            || self.outcome.len() != rows
            || self.propensity.is_some_and(|known| known.len() != rows)
        {
            return Err(UpliftError::Lengths);
        }
        if !(self.treated.contains(&true) && self.treated.contains(&false)) {
            return Err(UpliftError::OneArm);
        }
        let possible = |&known: &f64| known > 0.0 && known < 1.0;
        match self.propensity.and_then(|known| known.iter().position(|one| !possible(one))) {
            Some(row) => Err(UpliftError::Propensity(row)),
            None => Ok(()),
        }
    }

    /// The probability of treatment of every row.
    fn propensities(&self) -> Vec<f64> {
        let count = self.treated.iter().filter(|&&treated| treated).count();
        let share = count as f64 / self.treated.len() as f64;
        self.propensity.map_or_else(|| vec![share; self.treated.len()], <[f64]>::to_vec)
    }

    fn arm(&self, wanted: bool) -> Vec<usize> {
        (0..self.treated.len()).filter(|&row| self.treated[row] == wanted).collect()
    }
}

/// A response model per arm.
#[derive(Clone)]
pub(super) struct Arms {
    pub(super) treated: Model,
    pub(super) control: Model,
}

impl Arms {
    /// Learns each from those rows of its arm that are `inside`.
    pub(super) fn train(
        of: Campaign<'_>,
        options: &Options,
        inside: impl Fn(usize) -> bool,
    ) -> Result<Self, UpliftError> {
        let arm = |wanted: bool| {
            let rows: Vec<usize> = of.arm(wanted).into_iter().filter(|&row| inside(row)).collect();
            let labels: Vec<bool> = rows.iter().map(|&row| of.outcome[row]).collect();
            train(&of.table.take(&rows), &labels, None, options)
        };
        Ok(Self { treated: arm(true)?.model, control: arm(false)?.model })
    }
}

/// Learns what the treatment changes. `arms` are those of the same rows, where they are known already.
pub(super) fn learn(
    learner: Learner,
    of: Campaign<'_>,
    arms: Option<Arms>,
    options: &Options,
) -> Result<UpliftModel, UpliftError> {
    let arms = || arms.map_or_else(|| Arms::train(of, options, |_| true), Ok);
    Ok(match learner {
        Learner::ClassTransformation => {
            UpliftModel::ClassTransformation(class_transformation(of, options)?)
        }
        Learner::TwoModels => {
            let Arms { treated, control } = arms()?;
            UpliftModel::TwoModels { treated, control }
        }
        Learner::XLearner => UpliftModel::XLearner(x_learner(of, &arms()?, options)?),
        Learner::DoublyRobust => UpliftModel::DoublyRobust(doubly_robust(of, options)?),
    })
}

fn class_transformation(of: Campaign<'_>, options: &Options) -> Result<Model, UpliftError> {
    let labels: Vec<bool> =
        of.treated.iter().zip(of.outcome).map(|(treated, outcome)| treated == outcome).collect();
    // Weights of 1 on average, so that penalties mean the same as without them.
    let importance: Vec<f64> = of
        .propensities()
        .into_iter()
        .zip(of.treated)
        .map(|(share, &treated)| 0.5 / if treated { share } else { 1.0 - share })
        .collect();
    // What moves the response one way says nothing about which way the change goes.
    let options = Options { directions: std::collections::BTreeMap::new(), ..options.clone() };
    Ok(train(of.table, &labels, Some(&importance), &options)?.model)
}

/// Each arm's outcomes against what the other arm's model expects of the same rows; the two answers are
/// mixed by the probability of treatment, the mean of it where it varies, so that the sum stays one table
/// per column.
fn x_learner(of: Campaign<'_>, arms: &Arms, options: &Options) -> Result<Model, UpliftError> {
    let outcome = |row: usize| f64::from(u8::from(of.outcome[row]));
    let (treated, control) =
        (arms.treated.probabilities(of.table), arms.control.probabilities(of.table));
    let rows = |wanted: bool| of.arm(wanted).into_iter().map(|row| row as u32).collect();
    let all = 0..of.table.rows();
    let propensities = of.propensities();
    let mean = propensities.iter().sum::<f64>() / propensities.len() as f64;
    let targets = [
        Target {
            rows: rows(true),
            values: all.clone().map(|row| outcome(row) - control[row]).collect(),
            share: 1.0 - mean,
        },
        Target {
            rows: rows(false),
            values: all.map(|row| treated[row] - outcome(row)).collect(),
            share: mean,
        },
    ];
    Ok(regress(of.table, &targets, options)?)
}

/// The difference of the arms' models, corrected by what each row's own arm did otherwise, weighed up by how
/// improbable that arm was. The models of a row have not seen its part of the rows.
fn doubly_robust(of: Campaign<'_>, options: &Options) -> Result<Model, UpliftError> {
    let rows = of.table.rows();
    let folds = stratified_folds(of.treated, CROSSED, options.seed);
    let propensities = of.propensities();
    let mut values = vec![0.0; rows];
    for fold in 0..CROSSED {
        let inside = |row: usize| usize::from(folds[row]) == fold;
        let arms = Arms::train(of, options, |row| !inside(row))?;
        let own: Vec<usize> = (0..rows).filter(|&row| inside(row)).collect();
        let table = of.table.take(&own);
        let expected =
            arms.treated.probabilities(&table).into_iter().zip(arms.control.probabilities(&table));
        for (row, (treated, control)) in own.into_iter().zip(expected) {
            let outcome = f64::from(u8::from(of.outcome[row]));
            let correction = if of.treated[row] {
                (outcome - treated) / propensities[row].max(RAREST)
            } else {
                (control - outcome) / (1.0 - propensities[row]).max(RAREST)
            };
            values[row] = treated - control + correction;
        }
    }
    let target = Target { rows: (0..rows as u32).collect(), values, share: 1.0 };
    Ok(regress(of.table, &[target], options)?)
}
