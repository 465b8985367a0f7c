//! Scores of people, which take a permit, and the columnar scan that preselects candidates.

use std::ops::Range;

use volens_privacy::Consented;
use volens_privacy::purpose::Relevance;

use crate::explain::Explanation;
use crate::features::Features;
use crate::learner::design::Shape;
use crate::model::{Model, Score};
use crate::table::Table;
use crate::topk::TopK;

/// Rows scanned at a time, so that their sums stay in the first-level cache.
const BLOCK: usize = 1024;

impl Model {
    /// The score of a person for a message, for anything that leaves the house. The features carry the
    /// person's live consent to be profiled; without it there is nothing to call this with.
    ///
    /// ```compile_fail,E0308
    /// fn score(model: &volens_models::model::Model, features: &volens_models::features::Features) {
    ///     model.score(features); // no permit, no score
    /// }
    /// ```
    pub fn score(&self, features: &Consented<'_, Relevance, Features>) -> Score {
        self.score_values(features.value())
    }

    /// The score with its reasons, under the same consent.
    pub fn explain_score(&self, features: &Consented<'_, Relevance, Features>) -> Explanation {
        self.explain(features.value())
    }

    /// The codes of whole columns, by name. A column the table does not have is missing in every row.
    pub fn encode(&self, table: &Table) -> Codes {
        let columns = self.columns().iter().map(|column| {
            table
                .column(&column.name)
                .map_or_else(|_| vec![0; table.rows()], |values| column.bins.codes(values))
        });
        Codes { columns: columns.collect(), rows: table.rows() }
    }

    /// Prepares the scan.
    pub fn scorer(&self) -> Scorer<'_> {
        Scorer { model: self }
    }
}

/// Binned feature columns of many rows.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Codes {
    columns: Vec<Vec<u16>>,
    rows: usize,
}

impl Codes {
    /// No rows yet, for a model with this many columns.
    pub fn with_columns(columns: usize) -> Self {
        Self { columns: vec![Vec::new(); columns], rows: 0 }
    }

    /// Adds a row of [`Model::codes`].
    ///
    /// # Panics
    /// When the row is for a model with another number of columns.
    pub fn push(&mut self, row: &[u16]) {
        assert_eq!(row.len(), self.columns.len(), "codes belong to one model");
        for (column, code) in self.columns.iter_mut().zip(row) {
            column.push(*code);
        }
        self.rows += 1;
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

/// Scores many rows column by column. It chooses candidates only: whoever is chosen is scored again under
/// their permit with [`Model::score`], which gives the same number.
#[derive(Clone, Copy, Debug)]
pub struct Scorer<'m> {
    model: &'m Model,
}

impl Scorer<'_> {
    /// The logits of a range of rows.
    pub fn logits(&self, codes: &Codes, rows: Range<usize>) -> Vec<f64> {
        let mut sums = vec![self.model.bias(); rows.len()];
        for (block, begin) in sums.chunks_mut(BLOCK).zip(rows.step_by(BLOCK)) {
            for term in self.model.terms() {
                add(block, &term.shape, &term.weights, codes, begin);
            }
        }
        for sum in &mut sums {
            *sum = self.model.curved(*sum);
        }
        sums
    }

    /// The `k` rows of highest logit among the eligible ones, best first; equal logits by row number.
    /// `eligible` rises.
    pub fn top(
        &self,
        codes: &Codes,
        eligible: impl IntoIterator<Item = u32>,
        k: usize,
    ) -> Vec<(u32, f64)> {
        let mut top = TopK::new(k);
        let mut block: Vec<f64> = Vec::new();
        let mut begin = usize::MAX;
        for row in eligible {
            let row_index = row as usize;
            if row_index >= codes.rows {
                break;
            }
            let wanted = row_index - row_index % BLOCK;
            if wanted != begin {
                begin = wanted;
                block = self.logits(codes, begin..(begin + BLOCK).min(codes.rows));
            }
            top.push(block[row_index - begin], row);
        }
        top.into_sorted()
    }
}

fn add(sums: &mut [f64], shape: &Shape, weights: &[f64], codes: &Codes, begin: usize) {
    let first = &codes.columns[shape.first.column][begin..begin + sums.len()];
    if shape.second.is_none() {
        for (sum, &code) in sums.iter_mut().zip(first) {
            *sum += weights[shape.first.group(code)];
        }
        return;
    }
    let width = shape.width();
    for (at, sum) in sums.iter_mut().enumerate() {
        *sum += weights[shape.slot_at(width, |column| codes.columns[column][begin + at])];
    }
}
