//! Learning a number by squared loss: the trees of [`super::boost`], which become tables in whole units like
//! those of the other learners. What makes the expected change of a treatment out of pseudo-outcomes.
//!
//! Several targets, each with rows of its own, can be learnt at once: the model is their weighted sum, and
//! still one table per column and pair of columns.

use crate::learner::boost::{self, Booster, Settings, Targets};
use crate::learner::tree::Tree;
use crate::learner::{Options, Prepared, TrainError, centred, select, tables};
use crate::model::Model;
use crate::table::Table;
use crate::units::units;

/// How trees are boosted; only their number is chosen. Pseudo-outcomes are mostly noise, so a leaf needs many
/// rows, and says little.
const BOOSTED: Settings = Settings {
    rate: 0.05,
    leaves: 8,
    columns: 2,
    ridge: 50.0,
    least: 50.0,
    rows: 0.8,
    tried: 0.5,
    rounds: 400,
};

/// A number to be learnt.
pub(crate) struct Target {
    /// From which rows, ascending.
    pub(crate) rows: Vec<u32>,
    /// Its value in every row of the table; only those of `rows` are looked at.
    pub(crate) values: Vec<f64>,
    /// How much it counts in the sum.
    pub(crate) share: f64,
}

/// Learns the weighted sum of the targets as an additive model: what [`Model::score_values`] calls a logit is
/// the number. Directions of columns are about labels and are not kept.
///
/// # Errors
/// [`TrainError::TooFew`] when a target has fewer rows than a leaf and a fold need.
pub(crate) fn regress(
    table: &Table,
    targets: &[Target],
    options: &Options,
) -> Result<Model, TrainError> {
    let undirected = Options { directions: std::collections::BTreeMap::new(), ..options.clone() };
    let prepared = Prepared::of(table, &undirected);
    let (mut bias, mut trees) = (0.0, Vec::new());
    for target in targets {
        if target.rows.len() < options.inner_folds.max(2) * 2 {
            return Err(TrainError::TooFew { positives: target.rows.len(), negatives: 0 });
        }
        let (own, learnt) = learn(&prepared, target, options);
        bias += target.share * own;
        trees.extend(learnt.into_iter().map(|tree| tree.map(|leaf| target.share * leaf)));
    }
    let terms = tables::terms(&trees, &prepared.bytes, &prepared.merged);
    let (bias, terms) = centred(units(bias), terms, &prepared.codes);
    Ok(Model::new(prepared.named(table), bias, terms, None))
}

/// Boosts on each inner fold's other rows, side by side, until more trees do not help; together they are what
/// was learnt. No tree at all where the first ones do not help.
fn learn(prepared: &Prepared, target: &Target, options: &Options) -> (f64, Vec<Tree>) {
    let count = options.inner_folds.max(2);
    let folds = select::stratified_folds(&vec![true; target.rows.len()], count, options.seed);
    let pick = |inside: &dyn Fn(usize) -> bool| -> Vec<u32> {
        let rows = target.rows.iter().zip(&folds);
        rows.filter(|(_, fold)| inside(usize::from(**fold))).map(|(row, _)| *row).collect()
    };
    let mut boosters: Vec<Booster<'_>> = (0..count)
        .map(|fold| {
            let targets = Targets::Numbers(&target.values);
            Booster::new(&prepared.bytes, targets, None, pick(&|other| other != fold), BOOSTED)
        })
        .collect();
    let held_out: Vec<Vec<u32>> = (0..count).map(|fold| pick(&|other| other == fold)).collect();
    let loss = |boosters: &[Booster<'_>]| -> f64 {
        let of = |(booster, rows): (&Booster<'_>, &Vec<u32>)| -> f64 {
            let miss = |&row: &u32| booster.logits()[row as usize] - target.values[row as usize];
            rows.iter().map(|row| miss(row).powi(2)).sum()
        };
        boosters.iter().zip(&held_out).map(of).sum()
    };
    let (mut best, mut rounds) = (loss(&boosters), 0);
    boost::side_by_side(&mut boosters, options.seed, |boosters, round| {
        let now = loss(boosters);
        let better = now < best;
        if better {
            (best, rounds) = (now, round);
        }
        better
    });
    boost::together(boosters, rounds)
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::table::Column;

    /// A number that two columns make together, with noise as large, and a column that says nothing.
    fn numbers(rows: usize) -> (Table, Vec<f64>, Vec<f64>) {
        let mut rng = StdRng::seed_from_u64(7);
        let [a, b, c]: [Vec<f64>; 3] =
            [0; 3].map(|_| (0..rows).map(|_| rng.random_range(-1.0..1.0)).collect());
        let truth: Vec<f64> = a.iter().zip(&b).map(|(a, b)| 0.1 * a + 0.3 * a * b).collect();
        let seen = truth.iter().map(|truth| truth + rng.random_range(-0.5..0.5)).collect();
        let columns = [("a", a), ("b", b), ("c", c)];
        let table = columns.into_iter().try_fold(Table::default(), |table, (name, values)| {
            table.with_column(name, Column::Number(values))
        });
        (table.expect("columns of one length"), truth, seen)
    }

    fn target(values: Vec<f64>, share: f64) -> Target {
        Target { rows: (0..values.len() as u32).collect(), values, share }
    }

    #[test]
    fn what_two_columns_make_together_is_learnt_in_whole_units_and_always_the_same() {
        let (table, truth, seen) = numbers(6000);
        let options = Options::default();
        let model = regress(&table, &[target(seen.clone(), 1.0)], &options).expect("rows");
        let again = regress(&table, &[target(seen.clone(), 1.0)], &options).expect("rows");
        assert_eq!(model, again);
        model.check().expect("a usable model");
        let said: Vec<f64> =
            (0..6000).map(|row| model.score_values(&table.features(row)).logit).collect();
        let whole = |said: &f64| (said / crate::units::UNIT).fract() == 0.0;
        assert!(said.iter().all(whole), "sums of whole units are whole");
        let miss = |of: &[f64]| {
            of.iter().zip(&truth).map(|(of, truth)| (of - truth).powi(2)).sum::<f64>() / 6000.0
        };
        let silent = vec![0.0; said.len()];
        assert!(miss(&said) < 0.2 * miss(&silent), "{}", miss(&said));
        let halves = [target(seen.clone(), 0.5), target(seen, 0.5)];
        let sum = regress(&table, &halves, &options).expect("rows");
        let far = |row: usize| sum.score_values(&table.features(row)).logit - said[row];
        assert!((0..6000).all(|row| far(row).abs() < 1e-3), "two halves are the whole");
    }

    #[test]
    fn noise_teaches_next_to_nothing() {
        let (table, truth, seen) = numbers(3000);
        let noise: Vec<f64> = seen.iter().zip(&truth).map(|(seen, truth)| seen - truth).collect();
        let model = regress(&table, &[target(noise, 1.0)], &Options::default()).expect("rows");
        let most = (0..3000)
            .map(|row| model.score_values(&table.features(row)).logit.abs())
            .fold(0.0, f64::max);
        assert!(most < 0.1, "{most}");
    }
}
