//! Main effects learnt by FTRL: several resolutions of each column, joined into one table per column that
//! keeps the column's direction.

use crate::binning::Bins;
use crate::features::{Direction, Kind};
use crate::learner::Options;
use crate::learner::design::{Axis, Design, Shape};
use crate::learner::ftrl::{Ftrl, Settings};
use crate::learner::monotone;

/// What there is to know about the columns of the training rows.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a> {
    pub(super) bins: &'a [Bins],
    pub(super) codes: &'a [Vec<u16>],
    /// Rows with each code.
    pub(super) counts: &'a [Vec<usize>],
    pub(super) directions: &'a [Option<Direction>],
}

impl Columns<'_> {
    /// The columns in which there is something to tell apart.
    pub(super) fn useful(&self) -> Vec<usize> {
        let codes = |column: usize| self.counts[column].iter().filter(|&&count| count > 0).count();
        (0..self.bins.len()).filter(|&column| codes(column) > 1).collect()
    }
}

/// A column's table.
pub(super) struct Main {
    pub(super) column: usize,
    pub(super) weights: Vec<f64>,
}

/// One weight table per column and resolution.
pub(super) struct Mains<'a> {
    columns: Columns<'a>,
    pub(super) shapes: Vec<Shape>,
    pub(super) design: Design,
}

impl<'a> Mains<'a> {
    /// Each of the `useful` columns at these numbers of groups; words at one only.
    pub(super) fn new(columns: Columns<'a>, useful: &[usize], resolutions: &[usize]) -> Self {
        let mut shapes: Vec<Shape> = Vec::new();
        for &column in useful {
            let (bins, counts) = (&columns.bins[column], &columns.counts[column]);
            let mut last = 0;
            for &resolution in resolutions {
                let groups = match bins.kind() {
                    Kind::Number => bins.coarsen(counts, resolution + 1),
                    Kind::Category => (0..bins.size() as u16).collect(),
                };
                let axis = Axis { column, groups };
                if axis.size() != last {
                    last = axis.size();
                    shapes.push(Shape { first: axis, second: None });
                }
            }
        }
        let design = Design::new(&shapes, columns.codes);
        Self { columns, shapes, design }
    }

    /// The average of several learners over all rows: bias and tables.
    pub(super) fn fit(
        &self,
        labels: &[bool],
        importance: Option<&[f64]>,
        settings: Settings,
        options: &Options,
    ) -> (f64, Vec<Main>) {
        let rows: Vec<u32> = (0..labels.len() as u32).collect();
        let (mut bias, mut sums) = (0.0, vec![0.0; self.design.weights()]);
        let share = 1.0 / options.averaged as f64;
        for learner_index in 0..options.averaged {
            let mut learner = Ftrl::new(self.design.weights(), settings);
            for pass in 0..settings.passes {
                let seed = options.seed.wrapping_add(1_000 + (learner_index * 1_000 + pass) as u64);
                learner.pass(&self.design, labels, importance, &rows, seed);
            }
            let (own_bias, weights) = learner.weights();
            bias += share * own_bias;
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum += share * weight;
            }
        }
        let mut tables = self.joined(&sums);
        for table in &mut tables {
            self.direct(table);
        }
        (bias, tables)
    }

    /// What keeping the directions changes, per code of each column that has one.
    pub(super) fn corrections(&self, learner: &Ftrl) -> Vec<Main> {
        if self.columns.directions.iter().all(Option::is_none) {
            return Vec::new();
        }
        let weights: Vec<f64> = learner.weights().1.collect();
        let mut tables = self.joined(&weights);
        tables.retain(|table| self.columns.directions[table.column].is_some());
        for table in &mut tables {
            let before = table.weights.clone();
            self.direct(table);
            for (weight, before) in table.weights.iter_mut().zip(before) {
                *weight -= before;
            }
        }
        tables
    }

    /// The logit of a row with the corrections.
    pub(super) fn logit(&self, learner: &Ftrl, corrections: &[Main], row: usize) -> f64 {
        corrections.iter().fold(learner.logit(self.design.row(row)), |sum, correction| {
            sum + correction.weights[self.columns.codes[correction.column][row] as usize]
        })
    }

    fn direct(&self, table: &mut Main) {
        if let Some(direction) = self.columns.directions[table.column] {
            monotone::project(&mut table.weights, &self.columns.counts[table.column], direction);
        }
    }

    /// Joins the resolutions of each column into one table.
    fn joined(&self, weights: &[f64]) -> Vec<Main> {
        let mut tables: Vec<Main> = Vec::new();
        for (shape, &offset) in self.shapes.iter().zip(self.design.offsets()) {
            let axis = &shape.first;
            if tables.last().is_none_or(|table| table.column != axis.column) {
                let weights = vec![0.0; self.columns.bins[axis.column].size()];
                tables.push(Main { column: axis.column, weights });
            }
            let table = tables.last_mut().expect("one was added if there was none");
            for (code, weight) in table.weights.iter_mut().enumerate() {
                *weight += weights[offset + axis.group(code as u16)];
            }
        }
        tables
    }
}
