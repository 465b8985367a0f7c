//! From a table to rows to learn from and rows to measure on, and what to be wary of in between.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::evaluate::auc;
use crate::learner::select::stratified_folds;
use crate::table::{Column, MISSING, Table};

/// A single column that ranks this well probably knows the answer.
const LEAK_AUC: f64 = 0.98;
/// Rows below which nothing is called an identifier.
const FEW_ROWS: usize = 100;

/// Rows to learn from and rows to measure on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Rows to learn from.
    pub train: Vec<usize>,
    /// Rows to measure on.
    pub test: Vec<usize>,
}

/// Why rows cannot be split.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SplitError {
    /// Folds are given for another number of rows.
    #[error("the folds cover {folds} rows, the table has {rows}")]
    Lengths {
        /// Rows with a fold.
        folds: usize,
        /// Rows of the table.
        rows: usize,
    },
    /// There are fewer than two folds.
    #[error("at least two folds are needed")]
    OneFold,
}

/// One split per fold of a given assignment: the fold is measured, the others are learnt from.
pub fn splits(folds: &[u32], rows: usize) -> Result<Vec<Split>, SplitError> {
    if folds.len() != rows {
        return Err(SplitError::Lengths { folds: folds.len(), rows });
    }
    let mut names = folds.to_vec();
    names.sort_unstable();
    names.dedup();
    if names.len() < 2 {
        return Err(SplitError::OneFold);
    }
    let split = |fold: u32| {
        let (test, train) = (0..rows).partition(|&row| folds[row] == fold);
        Split { train, test }
    };
    Ok(names.into_iter().map(split).collect())
}

/// `count` folds with the same share of positive labels in each, drawn from `seed`.
pub fn stratified(labels: &[bool], count: usize, seed: u64) -> Vec<u32> {
    stratified_folds(labels, count, seed).into_iter().map(u32::from).collect()
}

/// The last `share` of the rows in order of time are measured, the earlier ones learnt from. Rows of one
/// moment stay together, on the later side.
pub fn time_ordered(times: &[i64], share: f64) -> Split {
    let mut order: Vec<usize> = (0..times.len()).collect();
    order.sort_by_key(|&row| (times[row], row));
    let mut cut = ((1.0 - share.clamp(0.0, 1.0)) * times.len() as f64).round() as usize;
    while cut > 0 && cut < order.len() && times[order[cut - 1]] == times[order[cut]] {
        cut -= 1;
    }
    let test = order.split_off(cut);
    Split { train: order, test }
}

/// Why a column should not be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suspicion {
    /// It has one value only.
    Constant,
    /// Nearly every row has a value of its own.
    Identifier,
    /// It alone ranks the labels almost perfectly.
    Leak,
}

/// Columns to be wary of, in the table's order.
pub fn suspicions(table: &Table, labels: &[bool]) -> Vec<(String, Suspicion)> {
    let found = table.names().iter().zip(table.columns()).filter_map(|(name, column)| {
        let suspicion = suspicion(column, labels)?;
        Some((name.clone(), suspicion))
    });
    found.collect()
}

fn suspicion(column: &Column, labels: &[bool]) -> Option<Suspicion> {
    let rows = column.len();
    match column {
        Column::Number(values) => {
            let mut known: Vec<f64> =
                values.iter().copied().filter(|value| !value.is_nan()).collect();
            let missing = known.len() < rows;
            known.sort_by(f64::total_cmp);
            let whole = known.iter().all(|value| value.fract() == 0.0);
            known.dedup();
            if known.len() + usize::from(missing) < 2 {
                return Some(Suspicion::Constant);
            }
            if rows >= FEW_ROWS && whole && known.len() == rows && counts_up(values) {
                return Some(Suspicion::Identifier);
            }
            let scores: Vec<f64> =
                values.iter().map(|value| if value.is_nan() { f64::MIN } else { *value }).collect();
            leaks(&scores, labels).then_some(Suspicion::Leak)
        }
        Column::Category { codes, levels } => {
            let mut seen: Vec<u32> = codes.clone();
            seen.sort_unstable();
            seen.dedup();
            if seen.len() < 2 {
                return Some(Suspicion::Constant);
            }
            if rows >= FEW_ROWS && levels.len() * 2 > rows {
                return Some(Suspicion::Identifier);
            }
            leaks(&rates(codes, levels.len(), labels), labels).then_some(Suspicion::Leak)
        }
    }
}

/// Whether the values rise (or fall) by row as a row number does.
fn counts_up(values: &[f64]) -> bool {
    values.is_sorted() || values.iter().rev().is_sorted()
}

fn leaks(scores: &[f64], labels: &[bool]) -> bool {
    auc(scores, labels).is_ok_and(|auc| auc.max(1.0 - auc) >= LEAK_AUC)
}

/// Each row's category as its share of positive labels.
fn rates(codes: &[u32], levels: usize, labels: &[bool]) -> Vec<f64> {
    let at = |code: u32| if code == MISSING { levels } else { code as usize };
    let mut sums = vec![(0.0, 0.0); levels + 1];
    for (&code, &label) in codes.iter().zip(labels) {
        let sum = &mut sums[at(code)];
        sum.0 += f64::from(u8::from(label));
        sum.1 += 1.0;
    }
    codes.iter().map(|&code| sums[at(code)].0 / sums[at(code)].1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_measured_once() {
        let splits = splits(&[2, 0, 2, 7], 4).expect("three folds");
        assert_eq!(
            splits.iter().map(|split| split.test.clone()).collect::<Vec<_>>(),
            [vec![1], vec![0, 2], vec![3]]
        );
        assert!(splits.iter().all(|split| split.train.len() + split.test.len() == 4));
        assert_eq!(super::splits(&[0, 1], 3), Err(SplitError::Lengths { folds: 2, rows: 3 }));
        assert_eq!(super::splits(&[1, 1], 2), Err(SplitError::OneFold));
    }

    #[test]
    fn stratified_folds_share_the_positives_and_follow_the_seed() {
        let labels: Vec<bool> = (0..100).map(|row| row % 10 == 0).collect();
        let folds = stratified(&labels, 5, 7);
        for fold in 0..5 {
            let rows: Vec<usize> = (0..100).filter(|&row| folds[row] == fold).collect();
            assert_eq!(rows.iter().filter(|&&row| labels[row]).count(), 2);
            assert_eq!(rows.len(), 20);
        }
        assert_eq!(folds, stratified(&labels, 5, 7));
        assert_ne!(folds, stratified(&labels, 5, 8));
    }

    #[test]
    fn the_future_is_never_learnt_from() {
        let split = time_ordered(&[5, 1, 4, 4, 2, 4], 0.3);
        assert_eq!(split, Split { train: vec![1, 4], test: vec![2, 3, 5, 0] });
    }

    #[test]
    fn constant_identifying_and_leaking_columns_are_named() {
        let labels: Vec<bool> = (0..200).map(|row| row % 3 == 0).collect();
        let table = Table::default()
            .with_column("always", Column::Number(vec![1.0; 200]))
            .and_then(|t| t.with_column("row", Column::Number((0..200).map(f64::from).collect())))
            .and_then(|t| {
                let codes = (0..200).collect();
                t.with_column(
                    "mail",
                    Column::Category { codes, levels: (0..200).map(|i| format!("a{i}")).collect() },
                )
            })
            .and_then(|t| {
                t.with_column(
                    "answer",
                    Column::Number(labels.iter().map(|&l| f64::from(u8::from(l))).collect()),
                )
            })
            .and_then(|t| {
                t.with_column("fine", Column::Number((0..200).map(|i| f64::from(i % 7)).collect()))
            })
            .expect("columns of one length");
        let expected = [
            ("always".to_owned(), Suspicion::Constant),
            ("row".to_owned(), Suspicion::Identifier),
            ("mail".to_owned(), Suspicion::Identifier),
            ("answer".to_owned(), Suspicion::Leak),
        ];
        assert_eq!(suspicions(&table, &labels), expected);
    }
}
