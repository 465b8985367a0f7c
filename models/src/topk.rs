//! The best `k` of a stream, in bounded memory and the same for every order of arrival.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Keeps the `k` highest scores; equal scores go to the lower index.
#[derive(Debug)]
pub struct TopK {
    k: usize,
    heap: BinaryHeap<Worst>,
}

/// Ordered so that the heap's greatest element is the one to give up first.
#[derive(Debug)]
struct Worst {
    score: f64,
    index: u32,
}

impl Ord for Worst {
    fn cmp(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then(self.index.cmp(&other.index))
    }
}

impl PartialOrd for Worst {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Worst {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Worst {}

impl TopK {
    /// Keeps at most `k`.
    pub fn new(k: usize) -> Self {
        Self { k, heap: BinaryHeap::new() }
    }

    /// Offers one. A score that is not a number is never kept.
    pub fn push(&mut self, score: f64, index: u32) {
        if score.is_nan() || self.k == 0 {
            return;
        }
        // Minus zero and zero are one score.
        let candidate = Worst { score: score + 0.0, index };
        if self.heap.len() < self.k {
            self.heap.push(candidate);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && candidate < *worst
        {
            *worst = candidate;
        }
    }

    /// What was kept, best first: index and score.
    pub fn into_sorted(self) -> Vec<(u32, f64)> {
        self.heap.into_sorted_vec().into_iter().map(|kept| (kept.index, kept.score)).collect()
    }
}

/// The `k` highest of a slice, best first.
pub fn top_k(scores: &[f64], k: usize) -> Vec<(u32, f64)> {
    let mut top = TopK::new(k);
    for (index, &score) in scores.iter().enumerate() {
        top.push(score, index as u32);
    }
    top.into_sorted()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ties_go_to_the_lower_index_and_nothing_that_is_not_a_number_is_kept() {
        assert_eq!(
            top_k(&[1.0, f64::NAN, 2.0, 1.0, -0.0, 0.0], 4),
            [(2, 2.0), (0, 1.0), (3, 1.0), (4, 0.0)]
        );
        assert_eq!(top_k(&[1.0], 0), []);
    }

    proptest! {
        #[test]
        fn equals_sorting_everything_whatever_the_order(scores in prop::collection::vec(-3..3_i32, 0..60), k in 0..20_usize) {
            let scores: Vec<f64> = scores.into_iter().map(f64::from).collect();
            let mut all: Vec<(u32, f64)> = scores.iter().enumerate().map(|(i, &s)| (i as u32, s)).collect();
            all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            all.truncate(k);
            let mut backwards = TopK::new(k);
            for (index, &score) in scores.iter().enumerate().rev() {
                backwards.push(score, index as u32);
            }
            prop_assert_eq!(backwards.into_sorted(), all.clone());
            prop_assert_eq!(top_k(&scores, k), all);
        }
    }
}
