//! What a list is expected to bring, told before anything is sent: off-policy estimates from earlier campaigns.
//!
//! An earlier exposure says something about a list only when it could have gone the other way: when it was
//! *drawn* whether the message is sent, with a known probability. Who was ranked so low that they were never
//! in the draw, and who was certain to be written to, tell nothing here.
//!
//! The people on a list are others than those of earlier campaigns. So the range of places (what lists are
//! ranked by) is cut into bands, and an exposure of band `s` weighs `w = f_s / (e · W_s)`: `f_s` is the share
//! of the list in the band, `e` the probability of the arm the exposure was in, and `W_s` the sum of `1/e` over
//! that arm in the band. Two estimates of the rate at which the list reaches its goal:
//!
//! - **self-normalised inverse propensity** (SNIPS: Hájek 1971; Swaminathan and Joachims 2015): `Σ w y / Σ w`;
//! - **doubly robust** (Robins, Rotnitzky and Zhao 1994; Dudík, Langford and Li 2011): the mean prediction for
//!   the list plus `Σ w (y − q) / Σ w`, where `q` is predicted by a model that has not seen the exposure. Right
//!   when weights or predictions are.
//!
//! Intervals are those of the normal distribution, with variances by linearisation that take the exposures of
//! one person as one. So does the effective sample size `(Σ w)² / Σ w²` (Kish 1965), the sums over people. Below
//! [`FEWEST`] no number is told, nor where the list's people are unlike those who were in earlier campaigns.

mod bands;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use self::bands::Bands;
use crate::evaluate::Interval;

/// Fewest people, by effective sample size, that a number is told from.
pub const FEWEST: f64 = 200.0;
/// Fewest outcomes of either kind in an arm: with fewer, the normal distribution is no guide.
const FEWEST_OUTCOMES: usize = 10;
/// Standard deviations of a 95 % interval.
const DEVIATIONS: f64 = 1.959_963_984_540_054;

/// One exposure of an earlier campaign.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Logged {
    /// Whose, by any number: exposures of one person are not independent.
    pub person: usize,
    /// Its place by the model that ranks the list.
    pub place: f64,
    /// Its place by a model that has not seen the person.
    pub unseen: f64,
    /// Whether the message was sent rather than kept back.
    pub sent: bool,
    /// How probable the arm was that it was in.
    pub propensity: f64,
    /// Whether the goal was reached.
    pub met: bool,
    /// How probable that was in this arm, by a model that has not seen the person.
    pub predicted: f64,
}

impl Logged {
    /// Whether it could have been in either arm.
    fn was_drawn(&self) -> bool {
        let numbers = [self.place, self.unseen, self.predicted].iter().all(|n| n.is_finite());
        numbers && self.propensity > 0.0 && self.propensity < 1.0
    }
}

/// One row of a list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// Its place by the model that ranks the list.
    pub place: f64,
    /// How probable it is that the goal is reached with the message, as predicted.
    pub with: f64,
    /// The same without the message.
    pub without: f64,
}

/// Why no number is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// Too few exposures of either arm were drawn.
    Exposures,
    /// More than one in ten of the list are placed where hardly an earlier exposure was.
    Overlap,
    /// Those like the list's people count as too few: the effective sample size is too small.
    Sample,
    /// Too few of those like the list's people reached the goal, or did not.
    Outcomes,
}

/// A rate, per row of the list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// The estimate.
    pub mean: f64,
    /// Its 95 % interval: of the rate that is expected, not of what will happen to come.
    pub interval: Interval,
}

/// What is expected of a list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Doubly robust.
    pub doubly_robust: Rate,
    /// Self-normalised inverse propensity.
    pub snips: Rate,
    /// Effective sample size in people; of the smaller arm where there are two.
    pub effective: f64,
}

/// What earlier campaigns tell of lists to come: sums over bands, nobody's own numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    bands: Bands,
    sent: Arm,
    kept_aside: Arm,
    reached: Quantity,
    increase: Quantity,
}

/// What the estimates of one arm rest on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Arm {
    /// Sums over people of the products of their weights in two bands; weights of a band sum to 1.
    weights: Vec<Vec<f64>>,
    /// Exposures that did not reach the goal, and that did, by band.
    outcomes: Vec<[usize; 2]>,
}

/// Something to be estimated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Quantity {
    /// As it was observed.
    observed: Means,
    /// By how much that was more than predicted.
    beyond: Means,
}

/// A mean for every band, and how they vary together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Means {
    values: Vec<f64>,
    covariance: Vec<Vec<f64>>,
}

impl Evidence {
    /// Of earlier exposures of both arms; those that were not drawn are passed over.
    ///
    /// # Errors
    /// [`Unknown::Exposures`] when there are too few.
    pub fn of(logged: &[Logged]) -> Result<Self, Unknown> {
        Self::of_arms(logged, &[true, false])
    }

    /// Of those among earlier exposures that were written to: it tells of no increase.
    ///
    /// # Errors
    /// [`Unknown::Exposures`] when there are too few.
    pub fn of_sent(logged: &[Logged]) -> Result<Self, Unknown> {
        let sent: Vec<Logged> = logged.iter().copied().filter(|one| one.sent).collect();
        Self::of_arms(&sent, &[true])
    }

    fn of_arms(logged: &[Logged], arms: &[bool]) -> Result<Self, Unknown> {
        let mut drawn: Vec<Logged> = logged.iter().copied().filter(Logged::was_drawn).collect();
        drawn.sort_by(|a, b| a.unseen.total_cmp(&b.unseen));
        let (bands, of_row) = Bands::over(&drawn, arms).ok_or(Unknown::Exposures)?;
        let log = Log::new(&drawn, of_row, bands.count());
        let [met, beyond] = [|one: &Logged| met(one), |one: &Logged| met(one) - one.predicted];
        Ok(Self {
            sent: log.arm(true),
            kept_aside: log.arm(false),
            reached: Quantity {
                observed: log.means(met, &[true]),
                beyond: log.means(beyond, &[true]),
            },
            increase: Quantity {
                observed: log.means(met, &[true, false]),
                beyond: log.means(beyond, &[true, false]),
            },
            bands,
        })
    }

    /// At which rate the people of a list reach the goal when they are written to. Told from `fewest` people
    /// at least.
    ///
    /// # Errors
    /// Why it is not known.
    pub fn reached(&self, list: &[Target], fewest: f64) -> Result<Estimate, Unknown> {
        self.estimate(list, |row| row.with, &self.reached, &[&self.sent], fewest)
    }

    /// By how much that rate is higher than if nobody were written to.
    ///
    /// # Errors
    /// Why it is not known.
    pub fn increase(&self, list: &[Target], fewest: f64) -> Result<Estimate, Unknown> {
        let arms = [&self.sent, &self.kept_aside];
        self.estimate(list, |row| row.with - row.without, &self.increase, &arms, fewest)
    }

    fn estimate(
        &self,
        list: &[Target],
        predicted: impl Fn(&Target) -> f64,
        quantity: &Quantity,
        arms: &[&Arm],
        fewest: f64,
    ) -> Result<Estimate, Unknown> {
        if arms.iter().any(|arm| arm.is_empty()) {
            return Err(Unknown::Exposures);
        }
        let shares = self.bands.shares(list).ok_or(Unknown::Overlap)?;
        let effective = |arm: &&Arm| 1.0 / quadratic(&arm.weights, &shares);
        let effective = arms.iter().map(effective).fold(f64::INFINITY, f64::min);
        if effective < fewest {
            return Err(Unknown::Sample);
        }
        if arms.iter().any(|arm| arm.rarer_outcomes(&shares) < FEWEST_OUTCOMES) {
            return Err(Unknown::Outcomes);
        }
        let direct = list.iter().map(predicted).sum::<f64>() / list.len() as f64;
        Ok(Estimate {
            doubly_robust: quantity.beyond.rate(direct, &shares),
            snips: quantity.observed.rate(0.0, &shares),
            effective,
        })
    }

    /// Whether every part is of the size that the bands say, and a number.
    pub fn is_sound(&self) -> bool {
        let count = self.bands.count();
        let square = |of: &Vec<Vec<f64>>| {
            let row = |row: &Vec<f64>| row.len() == count && row.iter().all(|n| n.is_finite());
            of.len() == count && of.iter().all(row)
        };
        let arms = [&self.sent, &self.kept_aside].into_iter();
        let quantities = [&self.reached, &self.increase].into_iter();
        let means = quantities.flat_map(|of| [&of.observed, &of.beyond]);
        let sound = |of: &Means| {
            of.values.len() == count
                && of.values.iter().all(|n| n.is_finite())
                && square(&of.covariance)
        };
        self.bands.is_sound()
            && arms.into_iter().all(|arm| arm.outcomes.len() == count && square(&arm.weights))
            && means.into_iter().all(sound)
    }
}

impl Arm {
    fn is_empty(&self) -> bool {
        self.outcomes.iter().all(|outcomes| *outcomes == [0, 0])
    }

    /// Outcomes of the rarer kind in the bands that the list is in.
    fn rarer_outcomes(&self, shares: &[f64]) -> usize {
        let of = |kind: usize| -> usize {
            let inside = shares.iter().zip(&self.outcomes).filter(|(share, _)| **share > 0.0);
            inside.map(|(_, outcomes)| outcomes[kind]).sum()
        };
        of(0).min(of(1))
    }
}

impl Means {
    fn rate(&self, direct: f64, shares: &[f64]) -> Rate {
        let weighed = shares.iter().zip(&self.values).map(|(share, value)| share * value);
        let mean = direct + weighed.sum::<f64>();
        let error = DEVIATIONS * quadratic(&self.covariance, shares).max(0.0).sqrt();
        Rate { mean, interval: Interval { low: mean - error, high: mean + error } }
    }
}

/// `sᵀ M s`.
fn quadratic(matrix: &[Vec<f64>], shares: &[f64]) -> f64 {
    let row = |row: &Vec<f64>| row.iter().zip(shares).map(|(n, share)| n * share).sum::<f64>();
    matrix.iter().zip(shares).map(|(of, share)| share * row(of)).sum()
}

fn met(one: &Logged) -> f64 {
    f64::from(u8::from(one.met))
}

/// Exposures with their bands, and the sums of weights by arm and band.
struct Log<'l> {
    rows: &'l [Logged],
    band: Vec<usize>,
    bands: usize,
    /// `[kept aside, sent]`: the sum of `1/e` and how many exposures, by band.
    sums: [Vec<(f64, f64)>; 2],
    /// Exposures by person.
    people: Vec<Vec<usize>>,
}

impl<'l> Log<'l> {
    fn new(rows: &'l [Logged], band: Vec<usize>, bands: usize) -> Self {
        let mut sums = [vec![(0.0, 0.0); bands], vec![(0.0, 0.0); bands]];
        for (row, &band) in rows.iter().zip(&band) {
            let (weight, count) = &mut sums[usize::from(row.sent)][band];
            *weight += 1.0 / row.propensity;
            *count += 1.0;
        }
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|&row| rows[row].person);
        let same = |a: &usize, b: &usize| rows[*a].person == rows[*b].person;
        let people = order.chunk_by(same).map(<[usize]>::to_vec).collect();
        Self { rows, band, bands, sums, people }
    }

    /// The weight of an exposure within its arm and band.
    fn weight(&self, row: usize) -> f64 {
        let of = &self.rows[row];
        1.0 / of.propensity / self.sums[usize::from(of.sent)][self.band[row]].0
    }

    fn arm(&self, sent: bool) -> Arm {
        let mut outcomes = vec![[0, 0]; self.bands];
        for (row, &band) in self.rows.iter().zip(&self.band).filter(|(row, _)| row.sent == sent) {
            outcomes[band][usize::from(row.met)] += 1;
        }
        let weights =
            self.products(|row| if self.rows[row].sent == sent { self.weight(row) } else { 0.0 });
        Arm { weights, outcomes }
    }

    /// Weighted means of `value` by band: of those written to, less those of the kept aside where both arms
    /// are named.
    fn means(&self, value: impl Fn(&Logged) -> f64, arms: &[bool]) -> Means {
        let mut by_arm = [vec![0.0; self.bands], vec![0.0; self.bands]];
        for (row, of) in self.rows.iter().enumerate() {
            by_arm[usize::from(of.sent)][self.band[row]] += self.weight(row) * value(of);
        }
        let sign = |sent: bool| if sent { 1.0 } else { -1.0 };
        let values = (0..self.bands)
            .map(|band| arms.iter().map(|&sent| sign(sent) * by_arm[usize::from(sent)][band]).sum())
            .collect();
        let covariance = self.products(|row| {
            let (of, band) = (&self.rows[row], self.band[row]);
            if !arms.contains(&of.sent) {
                return 0.0;
            }
            let (arm, count) = (usize::from(of.sent), self.sums[usize::from(of.sent)][band].1);
            let off = value(of) - by_arm[arm][band];
            // As for any variance about a mean of the same numbers.
            let freedom = (count / (count - 1.0)).sqrt();
            sign(of.sent) * self.weight(row) * off * freedom
        });
        Means { values, covariance }
    }

    /// Sums over people of the products of what their exposures come to in two bands.
    fn products(&self, part: impl Fn(usize) -> f64) -> Vec<Vec<f64>> {
        let mut products = vec![vec![0.0; self.bands]; self.bands];
        let mut of_person = vec![0.0; self.bands];
        for rows in &self.people {
            of_person.fill(0.0);
            for &row in rows {
                of_person[self.band[row]] += part(row);
            }
            let held: BTreeSet<usize> = rows.iter().map(|&row| self.band[row]).collect();
            for (&a, &b) in held.iter().flat_map(|a| held.iter().map(move |b| (a, b))) {
                products[a][b] += of_person[a] * of_person[b];
            }
        }
        products
    }
}
