//! Counters that fade: three half-lives, nothing rewritten as time passes, sums exact.
//!
//! Forward decay (Cormode, Shkapenyuk, Srivastava, Xu: "Forward Decay", ICDE 2009) weighs an event
//! relative to a landmark in the past, so that only the reader has to know the present. One landmark
//! for all time would overflow, hence one landmark per week: a cell holds, for every half-life `h`,
//! the sum of `2^(hours since the week began / h)` in units of 1/4096. Cells are integers, so adding
//! is associative and commutative to the bit: the order of arrival cannot be read off a counter, and
//! merging two counters equals replaying both histories into one.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use volens_privacy::Timestamp;

/// The half-lives in hours: 7, 30 and 90 days.
pub const HALF_LIVES: [u32; 3] = [7 * 24, 30 * 24, 90 * 24];

/// Hours of a week, the width of one cell.
const WEEK: i64 = 7 * 24;
/// What one event at the very beginning of its week weighs.
const ONE: u32 = 4096;
/// Weeks kept, counted back from the newest: as long as a signal may be old (400 days).
pub const WEEKS_KEPT: i64 = 58;
const MICROS_PER_HOUR: i64 = 3_600_000_000;

/// `2^(hour/h)` in units of 1/4096 for every hour of a week and every half-life.
static WEIGHTS: LazyLock<Vec<[u32; 3]>> = LazyLock::new(|| {
    let weight = |hour: i64, half_life: u32| {
        (f64::from(ONE) * (hour as f64 / f64::from(half_life)).exp2()).round() as u32
    };
    (0..WEEK).map(|hour| HALF_LIVES.map(|half_life| weight(hour, half_life))).collect()
});

/// A counter of events that fades at three half-lives at once.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Decayed {
    weeks: BTreeMap<i64, [u64; 3]>,
}

/// Whole hours since 1970-01-01T00:00Z, rounded down.
pub fn hour_of(at: Timestamp) -> i64 {
    at.micros().div_euclid(MICROS_PER_HOUR)
}

impl Decayed {
    /// Counts `times` events at `at` (cut to the hour).
    pub fn add(&mut self, at: Timestamp, times: u32) {
        let hour = hour_of(at);
        let weights = WEIGHTS[hour.rem_euclid(WEEK) as usize];
        let cell = weights.map(|weight| u64::from(weight) * u64::from(times));
        self.add_cell(hour.div_euclid(WEEK), cell);
        self.forget_old();
    }

    /// Adds everything the other counter has seen.
    pub fn merge(&mut self, other: &Self) {
        for (week, cell) in &other.weeks {
            self.add_cell(*week, *cell);
        }
        self.forget_old();
    }

    /// The faded number of events at `now`, one per half-life of [`HALF_LIVES`].
    /// An event an hour old counts 2^(−1/h).
    pub fn at(&self, now: Timestamp) -> [f64; 3] {
        let now = hour_of(now) as f64;
        let mut sums = [0.0; 3];
        for (week, cell) in &self.weeks {
            let age = now - (week * WEEK) as f64;
            for ((sum, half_life), count) in sums.iter_mut().zip(HALF_LIVES).zip(cell) {
                *sum += *count as f64 / f64::from(ONE) * (-age / f64::from(half_life)).exp2();
            }
        }
        sums
    }

    /// Nothing counted.
    pub fn is_empty(&self) -> bool {
        self.weeks.is_empty()
    }

    /// The cells, oldest first: week number since 1970 and the three sums.
    pub(super) fn cells(&self) -> impl ExactSizeIterator<Item = (i64, [u64; 3])> + '_ {
        self.weeks.iter().map(|(week, cell)| (*week, *cell))
    }

    /// A counter from cells as [`Decayed::cells`] gives them.
    pub(super) fn from_cells(cells: impl IntoIterator<Item = (i64, [u64; 3])>) -> Self {
        Self { weeks: cells.into_iter().collect() }
    }

    fn add_cell(&mut self, week: i64, cell: [u64; 3]) {
        let sums = self.weeks.entry(week).or_default();
        for (sum, count) in sums.iter_mut().zip(cell) {
            *sum = sum.saturating_add(count);
        }
    }

    /// Which weeks remain depends on the newest week alone, so it does not matter when this runs.
    fn forget_old(&mut self) {
        if let Some((newest, _)) = self.weeks.last_key_value() {
            self.weeks = self.weeks.split_off(&(newest - WEEKS_KEPT + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2026-01-01T00:00Z.
    const START: i64 = 1_767_225_600_000_000;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_micros(START + hours * MICROS_PER_HOUR)
    }

    fn counter(events: &[(i64, u32)]) -> Decayed {
        let mut counter = Decayed::default();
        for (hours, times) in events {
            counter.add(at(*hours), *times);
        }
        counter
    }

    #[test]
    fn an_event_halves_every_half_life() {
        let counter = counter(&[(5, 1)]);
        for (index, half_life) in HALF_LIVES.into_iter().enumerate() {
            for halves in 0..4 {
                let read = counter.at(at(5 + i64::from(half_life) * halves))[index];
                let expected = 0.5_f64.powi(halves as i32);
                assert!((read - expected).abs() < 2e-4, "{half_life} h, {halves}: {read}");
            }
        }
    }

    proptest! {
        #[test]
        fn order_does_not_matter(
            events in prop::collection::vec((-9_000_i64..9_000, 1_u32..4), 0..40)
                .prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle())),
        ) {
            prop_assert!(counter(&events.0) == counter(&events.1));
        }

        #[test]
        fn merging_equals_replaying(
            left in prop::collection::vec((-9_000_i64..9_000, 1_u32..4), 0..30),
            right in prop::collection::vec((-9_000_i64..9_000, 1_u32..4), 0..30),
        ) {
            let mut merged = counter(&left);
            merged.merge(&counter(&right));
            prop_assert!(merged == counter(&[left, right].concat()));
        }

        #[test]
        fn close_to_the_sum_of_powers(
            events in prop::collection::vec((0_i64..9_000, 1_u32..4), 0..40),
            later in 9_000_i64..12_000,
        ) {
            let newest = events.iter().map(|(hours, _)| *hours).max().unwrap_or(0);
            let read = counter(&events).at(at(later));
            for (read, half_life) in read.into_iter().zip(HALF_LIVES) {
                let kept = events.iter().filter(|(hours, _)| newest - hours <= 400 * 24);
                let least: f64 = kept.map(|(hours, times)| {
                    f64::from(*times) * (-((later - hours) as f64) / f64::from(half_life)).exp2()
                }).sum();
                let all: f64 = events.iter().map(|(hours, times)| {
                    f64::from(*times) * (-((later - hours) as f64) / f64::from(half_life)).exp2()
                }).sum();
                prop_assert!(read >= least * (1.0 - 2e-4) && read <= all * (1.0 + 2e-4));
            }
        }
    }
}
