//! The scan that chooses candidates: many rows column by column, block by block, on all cores.
//!
//! It adds the same weights in the same order as the score of one row does, so its numbers are those of
//! [`Model::score`] to the last bit; whoever is chosen is still scored again under their permit.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::model::{Model, Term};
use crate::table::Table;
use crate::topk::TopK;

/// Rows scanned at a time, so that their codes and sums stay in the nearest caches.
pub const BLOCK: usize = 1024;

/// Binned feature columns of many rows: one vector per column of a model, all of one length.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Codes {
    columns: Vec<Vec<u16>>,
}

impl Codes {
    /// Replaces the codes of all columns: `fill` gets each column's index and its vector, empty.
    ///
    /// # Panics
    /// When `fill` gives columns of different length.
    pub fn refill(&mut self, columns: usize, mut fill: impl FnMut(usize, &mut Vec<u16>)) {
        self.columns.resize_with(columns, Vec::new);
        for (index, codes) in self.columns.iter_mut().enumerate() {
            codes.clear();
            fill(index, codes);
        }
        let rows = self.rows();
        assert!(self.columns.iter().all(|codes| codes.len() == rows), "columns of one length");
    }

    /// The codes of one row, one per column.
    pub fn row(&self, row: usize) -> Vec<u16> {
        self.columns.iter().map(|codes| codes[row]).collect()
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, Vec::len)
    }
}

/// A term with the groups of its codes looked up beforehand.
#[derive(Clone, Debug)]
enum Lookup<'m> {
    /// One column: the weight of each code.
    One { column: usize, weights: Vec<f64> },
    /// Two columns: where the weights of each code of the first begin, and the place of each code of the
    /// second among them.
    Two { columns: [usize; 2], begins: Vec<u32>, places: Vec<u32>, weights: &'m [f64] },
}

impl<'m> Lookup<'m> {
    fn of(term: &'m Term) -> Self {
        let (first, width) = (&term.shape.first, term.shape.width() as u32);
        let Some(second) = &term.shape.second else {
            let weights = first.groups.iter().map(|group| term.weights[usize::from(*group)]);
            return Self::One { column: first.column, weights: weights.collect() };
        };
        Self::Two {
            columns: [first.column, second.column],
            begins: first.groups.iter().map(|group| u32::from(*group) * width).collect(),
            places: second.groups.iter().map(|group| u32::from(*group)).collect(),
            weights: &term.weights,
        }
    }

    fn add(&self, codes: &Codes, sums: &mut [f64]) {
        match self {
            Self::One { column, weights } => {
                for (sum, code) in sums.iter_mut().zip(&codes.columns[*column]) {
                    *sum += weights[usize::from(*code)];
                }
            }
            Self::Two { columns, begins, places, weights } => {
                let [first, second] = columns.map(|column| &codes.columns[column]);
                for ((sum, first), second) in sums.iter_mut().zip(first).zip(second) {
                    let slot = begins[usize::from(*first)] + places[usize::from(*second)];
                    *sum += weights[slot as usize];
                }
            }
        }
    }
}

/// A model made ready to score many rows.
#[derive(Clone, Debug)]
pub struct Scorer<'m> {
    model: &'m Model,
    terms: Vec<Lookup<'m>>,
}

impl Model {
    /// The codes of whole columns, by name. A column the table does not have is missing in every row.
    pub fn encode(&self, table: &Table) -> Codes {
        let columns = self.columns().iter().map(|column| {
            table
                .column(&column.name)
                .map_or_else(|_| vec![0; table.rows()], |values| column.bins.codes(values))
        });
        Codes { columns: columns.collect() }
    }

    /// Prepares the scan.
    pub fn scorer(&self) -> Scorer<'_> {
        Scorer { model: self, terms: self.terms().iter().map(Lookup::of).collect() }
    }
}

impl Scorer<'_> {
    /// Replaces `logits` by those of `rows` rows of codes.
    ///
    /// # Panics
    /// When the codes are not of this model's bins, or of another number of rows.
    pub fn logits(&self, codes: &Codes, rows: usize, logits: &mut Vec<f64>) {
        logits.clear();
        logits.resize(rows, self.model.bias());
        for term in &self.terms {
            term.add(codes, logits);
        }
        if self.model.curve().is_some() {
            for logit in logits {
                *logit = self.model.curved(*logit);
            }
        }
    }
}

/// The `k` of `rows` with the highest scores, best first; equal scores by row number. `score` replaces a
/// vector by the scores of a block of rows, whose codes it may keep in the buffer it is given.
///
/// The rows are shared out among `threads`; the answer is the same for any number of them. `None` when
/// `stop` was set before the end.
pub fn best(
    rows: &[u32],
    k: usize,
    threads: usize,
    stop: &AtomicBool,
    score: impl Fn(&mut Codes, &[u32], &mut Vec<f64>) + Sync,
) -> Option<Vec<(u32, f64)>> {
    let next = AtomicUsize::new(0);
    let scan = || {
        let (mut top, mut codes, mut scores) = (TopK::new(k), Codes::default(), Vec::new());
        loop {
            let begin = next.fetch_add(BLOCK, Ordering::Relaxed);
            let block = rows.get(begin..).unwrap_or_default();
            if block.is_empty() || stop.load(Ordering::Relaxed) {
                return top;
            }
            let block = &block[..block.len().min(BLOCK)];
            score(&mut codes, block, &mut scores);
            for (score, row) in scores.iter().zip(block) {
                top.push(*score, *row);
            }
        }
    };
    // A thread for fewer than some blocks costs more than it gains.
    let threads = threads.min(rows.len() / (4 * BLOCK)).max(1);
    let top = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(scan)).collect();
        let mut top = scan();
        for other in others {
            let kept = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            kept.into_sorted().into_iter().for_each(|(row, score)| top.push(score, row));
        }
        top
    });
    (!stop.load(Ordering::Relaxed)).then(|| top.into_sorted())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::topk::top_k;

    proptest! {
        #[test]
        fn any_number_of_threads_finds_the_same(scores in prop::collection::vec(-20..20_i32, 0..20_000), k in 0..300_usize, threads in 1..5_usize) {
            let scores: Vec<f64> = scores.into_iter().map(f64::from).collect();
            let rows: Vec<u32> = (0..scores.len() as u32).collect();
            let found = best(&rows, k, threads, &AtomicBool::new(false), |_, rows, out| {
                out.clear();
                out.extend(rows.iter().map(|row| scores[*row as usize]));
            });
            prop_assert_eq!(found, Some(top_k(&scores, k)));
        }
    }

    #[test]
    fn a_scan_that_is_stopped_answers_nothing() {
        let rows: Vec<u32> = (0..100_000).collect();
        let (stop, blocks) = (AtomicBool::new(false), AtomicUsize::new(0));
        let found = best(&rows, 10, 2, &stop, |_, rows, out| {
            out.clear();
            out.resize(rows.len(), 0.0);
            stop.store(true, Ordering::Relaxed);
            blocks.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(found, None);
        assert!(blocks.into_inner() <= 2, "each thread ends with the block it was at");
    }
}
