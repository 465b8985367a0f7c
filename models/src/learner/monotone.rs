//! Directions that a learner knows nothing of, imposed on what it learnt.

use crate::binning::MISSING_CODE;
use crate::features::Direction;

/// The table nearest to this one, in the mean square over training rows, that keeps the direction: pooled
/// adjacent violators (Ayer et al. 1955). `counts` has how many rows have each code; missing is left alone.
pub fn project(table: &mut [f64], counts: &[usize], direction: Direction) {
    let begin = MISSING_CODE as usize + 1;
    // Weight, weighted sum and number of codes of each pool.
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    let mean = |pool: &(f64, f64, usize)| pool.1 / pool.0;
    for (value, &count) in table.iter().zip(counts).skip(begin) {
        let weight = count.max(1) as f64;
        pools.push((weight, weight * value, 1));
        while let [.., before, last] = pools.as_mut_slice()
            && !direction.allows(mean(before), mean(last))
        {
            *before = (before.0 + last.0, before.1 + last.1, before.2 + last.2);
            pools.pop();
        }
    }
    let mut at = begin;
    for pool in &pools {
        if pool.2 > 1 {
            table[at..at + pool.2].fill(mean(pool));
        }
        at += pool.2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_against_the_direction_is_pooled_and_the_rest_stays() {
        let falls = |mut table: Vec<f64>, counts: &[usize]| {
            project(&mut table, counts, Direction::Falls);
            table.iter().map(|value| (value * 100.0) as i64).collect::<Vec<_>>()
        };
        let wanted = [900, 300, 175, 175, -100];
        assert_eq!(falls(vec![9.0, 3.0, 1.0, 2.0, -1.0], &[5, 1, 1, 3, 2]), wanted);
        assert_eq!(falls(vec![0.0, -1.0, 1.0, 3.0], &[0, 1, 1, 1]), [0, 100, 100, 100]);
        assert_eq!(falls(vec![1.0], &[4]), [100]);
    }
}
