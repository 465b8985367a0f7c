//! An alarm for a model that has stopped fitting, as outcomes come in.
//!
//! Each way in which a model can stop fitting is a bet against it: that the odds are higher, or lower, than
//! promised, or that high and low scores differ less than they should. The stake of a bet is multiplied by
//! how much better it foresaw each outcome than the model did, and begins anew at one when it falls below.
//! Against a model that fits, no bet grows on average, so its stake exceeds a bound of *c* less often than
//! once in *c* rows: whatever the scores, with no assumption but that outcomes come as promised. (CUSUM:
//! Page 1954, Lorden 1971; the bound: Shin, Ramdas and Rinaldo, "E-detectors", 2022.)

use serde::{Deserialize, Serialize};

use crate::math::sigmoid;

/// A model that fits raises no more than one alarm in so many rows.
pub const ROWS_PER_FALSE_ALARM: f64 = 100_000.0;
/// Odds that are off by no more than this, in log odds, are no drift.
pub const TOLERANCE: f64 = 0.15;
/// What is bet: the odds moved by this, in log odds.
const SHIFTS: [f64; 4] = [0.6, 1.2, -0.6, -1.2];
/// What is bet: scores count for so much of their distance from the centre.
const SLOPE: f64 = 0.3;
/// Bets kept at a time.
const BETS: usize = SHIFTS.len() + 1;

/// How a model stopped fitting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drift {
    /// More happens than was promised.
    Higher,
    /// Less happens than was promised.
    Lower,
    /// High scores and low ones no longer differ as they should.
    Flatter,
}

/// Watches one model.
#[derive(Clone, Debug, PartialEq)]
pub struct Detector {
    centre: f64,
    /// The stake of each bet, as a logarithm.
    stakes: [f64; BETS],
    rows: u64,
    alarm: Option<(Drift, u64)>,
}

impl Detector {
    /// For a model whose average logit is `centre`.
    pub fn new(centre: f64) -> Self {
        Self { centre, stakes: [0.0; BETS], rows: 0, alarm: None }
    }

    /// Takes in an outcome, in the order in which they came. Answers the first alarm from then on.
    pub fn observe(&mut self, logit: f64, happened: bool) -> Option<Drift> {
        self.rows += 1;
        let bets = SHIFTS.iter().map(|shift| logit + shift);
        let bets = bets.chain([self.centre + SLOPE * (logit - self.centre)]);
        let bound = (BETS as f64 * ROWS_PER_FALSE_ALARM).ln();
        for (at, (stake, bet)) in self.stakes.iter_mut().zip(bets).enumerate() {
            *stake = stake.max(0.0) + gain(logit, bet, happened);
            if *stake > bound && self.alarm.is_none() {
                let drift = match SHIFTS.get(at) {
                    Some(shift) if *shift > 0.0 => Drift::Higher,
                    Some(_) => Drift::Lower,
                    None => Drift::Flatter,
                };
                self.alarm = Some((drift, self.rows));
            }
        }
        self.alarm()
    }

    /// The first alarm.
    pub fn alarm(&self) -> Option<Drift> {
        self.alarm.map(|(drift, _)| drift)
    }

    /// The row of the first alarm, from 1.
    pub fn alarm_at(&self) -> Option<u64> {
        self.alarm.map(|(_, row)| row)
    }

    /// Outcomes taken in.
    pub fn rows(&self) -> u64 {
        self.rows
    }
}

/// The logarithm of how much better a bet foresaw an outcome than the model, given the benefit of the
/// tolerance on the side of the bet. Nothing for a bet within it.
fn gain(logit: f64, bet: f64, happened: bool) -> f64 {
    if (bet - logit).abs() <= TOLERANCE {
        return 0.0;
    }
    let nearest = logit + TOLERANCE.copysign(bet - logit);
    let said = |logit: f64| sigmoid(if happened { logit } else { -logit });
    // A bet that foresees nothing at all is not made: a probability of zero would end every stake.
    (said(bet).max(f64::MIN_POSITIVE) / said(nearest).max(f64::MIN_POSITIVE)).ln()
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    const CENTRE: f64 = -1.4;

    /// The true logit behind a promised one.
    type Truth = fn(f64) -> f64;

    /// A logit about the centre, of standard deviation about 1.2.
    fn logit(rng: &mut StdRng) -> f64 {
        let sum: f64 = (0..12).map(|_| rng.random_range(-0.5..0.5)).sum();
        CENTRE + 1.2 * sum
    }

    #[test]
    fn a_model_that_fits_raises_no_more_than_one_alarm_in_100_000_rows() {
        for off in [-TOLERANCE, 0.0, TOLERANCE] {
            let (mut rng, mut alarms) = (StdRng::seed_from_u64(8), 0);
            let mut detector = Detector::new(CENTRE);
            for _ in 0..1_000_000 {
                let logit = logit(&mut rng);
                if detector.observe(logit, rng.random::<f64>() < sigmoid(logit + off)).is_some() {
                    alarms += 1;
                    detector = Detector::new(CENTRE);
                }
            }
            assert!(alarms <= 10, "{alarms} alarms in a million rows, off by {off}");
        }
    }

    #[test]
    fn drift_is_found_within_500_rows() {
        let drifts: [(Drift, Truth); 3] = [
            (Drift::Higher, |logit| logit + 3.0_f64.ln()),
            (Drift::Lower, |logit| logit - 5.0_f64.ln()),
            (Drift::Flatter, |_| CENTRE),
        ];
        for (drift, truth) in drifts {
            for seed in 0..200 {
                let mut rng = StdRng::seed_from_u64(seed);
                let mut detector = Detector::new(CENTRE);
                // It has fitted for long, which must not make it slower.
                for _ in 0..2_000 {
                    let logit = logit(&mut rng);
                    detector.observe(logit, rng.random::<f64>() < sigmoid(logit));
                }
                let late = (0..500).all(|_| {
                    let logit = logit(&mut rng);
                    let found =
                        detector.observe(logit, rng.random::<f64>() < sigmoid(truth(logit)));
                    found.is_none()
                });
                assert!(!late, "{drift:?} was not found, seed {seed}");
                assert_eq!(detector.alarm(), Some(drift), "seed {seed}");
            }
        }
    }

    #[test]
    fn scores_at_the_edge_end_no_bet_for_good() {
        let mut detector = Detector::new(0.0);
        for logit in [800.0, -800.0, 0.0] {
            for happened in [true, false] {
                detector.observe(logit, happened);
                assert!(detector.stakes.iter().all(|stake| !stake.is_nan()));
            }
        }
        assert_eq!(detector.rows(), 6);
    }
}
