//! The best `k` of a stream, in bounded memory and the same for every order of arrival.

use std::cmp::Ordering;

/// Keeps the `k` highest scores; equal scores go to the lower index.
#[derive(Debug)]
pub struct TopK {
    k: usize,
    /// The best `k`, and others that came since it was last cut.
    kept: Vec<(u32, f64)>,
    /// The lowest score that was left when it was last cut: a lower one is not kept.
    floor: Option<f64>,
}

impl TopK {
    /// Keeps at most `k`.
    pub fn new(k: usize) -> Self {
        Self { k, kept: Vec::new(), floor: None }
    }

    /// Offers one. A score that is not a number is never kept.
    pub fn push(&mut self, score: f64, index: u32) {
        if score.is_nan() || self.k == 0 || self.floor.is_some_and(|floor| score < floor) {
            return;
        }
        // Minus zero and zero are one score.
        self.kept.push((index, score + 0.0));
        if self.kept.len() >= self.k.saturating_mul(2) {
            self.cut();
        }
    }

    /// Leaves the best `k`. As many come as are left before the next time, so that each costs the same
    /// small number of comparisons.
    fn cut(&mut self) {
        let (_, worst, _) = self.kept.select_nth_unstable_by(self.k - 1, best_first);
        self.floor = Some(worst.1);
        self.kept.truncate(self.k);
    }

    /// What was kept, best first: index and score.
    pub fn into_sorted(mut self) -> Vec<(u32, f64)> {
        self.kept.sort_unstable_by(best_first);
        self.kept.truncate(self.k);
        self.kept
    }
}

fn best_first(left: &(u32, f64), right: &(u32, f64)) -> Ordering {
    right.1.total_cmp(&left.1).then(left.0.cmp(&right.0))
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
