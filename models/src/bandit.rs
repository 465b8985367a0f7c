//! How many people get which variant of a message: a bandit that learns from one list to the next.
//!
//! **Thompson sampling** (Thompson 1933; Chapelle and Li 2011): a variant is drawn as often as it is probable,
//! after what was seen, that it is the best. What is drawn from is told here ([`shares`]), not drawn: it is the
//! same for a whole list, so every row's probability is known, and anybody with the counts computes it again.
//!
//! What a variant is worth is the rate at which people reach the goal less the rate at which they stop or
//! complain; a complaint weighs as much as a goal, as it does where lists are ranked. Both rates have the
//! posterior of a binomial under a uniform prior, Beta(1 + hits, 1 + misses).
//!
//! Lists differ, and later ones give the better variant to more people. So nobody counts as one: people weigh
//! `1 / p` by the probability with which they got their variant (Hájek 1971), which compares the variants over
//! the same people, and a variant is worth `(Σw)² / Σw²` people (Kish 1965). Where all had the same probability
//! these are the plain counts.
//!
//! [`EXPLORED`] of every list is spread evenly: no variant is ever given up. Rates are taken to stay as they
//! are; a bandit for rates that drift is another one.

use serde::{Deserialize, Serialize};

use crate::evaluate::Interval;

/// The share of a list that is spread evenly over the variants, whatever is known.
pub const EXPLORED: f64 = 0.2;
/// Shares are whole millionths.
const WHOLE: f64 = 1e6;
/// Equally probable values that a posterior is taken as.
const VALUES: u16 = 64;
/// Cells that a density is added up in.
const CELLS: u16 = 2000;
/// Standard deviations from the mean beyond which a density counts as nothing.
const REACH: f64 = 12.0;

/// People who got a variant with the same probability, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The place of the variant among the variants, from 0.
    pub variant: usize,
    /// How probable it was to get it, above 0 and at most 1.
    pub propensity: f64,
    /// How many people.
    pub people: u64,
    /// How many of them reached the goal.
    pub met: u64,
    /// How many of them stopped or complained.
    pub harmed: u64,
}

/// The posterior of a rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beta {
    hits: f64,
    misses: f64,
}

impl Beta {
    /// After `hits` among `of` people, under a uniform prior.
    pub fn after(hits: f64, of: f64) -> Self {
        Self { hits: 1.0 + hits.max(0.0), misses: 1.0 + (of - hits).max(0.0) }
    }

    /// Its mean.
    pub fn mean(&self) -> f64 {
        self.hits / (self.hits + self.misses)
    }

    /// The middle 95 % of it (a credible interval).
    pub fn interval(&self) -> Interval {
        let ends = self.quantiles(&[0.025, 0.975]);
        Interval { low: ends[0], high: ends[1] }
    }

    /// The values below which these parts of it lie; `parts` in ascending order.
    fn quantiles(&self, parts: &[f64]) -> Vec<f64> {
        let Self { hits, misses } = *self;
        let (all, mean) = (hits + misses, self.mean());
        let deviation = (mean * (1.0 - mean) / (all + 1.0)).sqrt();
        let (low, high) =
            ((mean - REACH * deviation).max(0.0), (mean + REACH * deviation).min(1.0));
        let width = (high - low) / f64::from(CELLS);
        let log = |cell: u16| {
            let x = low + (f64::from(cell) + 0.5) * width;
            (hits - 1.0) * x.ln() + (misses - 1.0) * (-x).ln_1p()
        };
        let top = (0..CELLS).map(log).fold(f64::NEG_INFINITY, f64::max);
        let density: Vec<f64> = (0..CELLS).map(|cell| (log(cell) - top).exp()).collect();
        let total: f64 = density.iter().sum();
        let (mut at, mut below) = (0, 0.0);
        let mut value = |part: f64| {
            let wanted = part * total;
            while at + 1 < density.len() && below + density[at] < wanted {
                below += density[at];
                at += 1;
            }
            let within = ((wanted - below) / density[at]).clamp(0.0, 1.0);
            (at as f64 + within).mul_add(width, low)
        };
        parts.iter().map(|part| value(*part)).collect()
    }

    fn values(&self) -> Vec<f64> {
        let parts: Vec<f64> =
            (0..VALUES).map(|n| (f64::from(n) + 0.5) / f64::from(VALUES)).collect();
        self.quantiles(&parts)
    }
}

/// What is known of one variant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Known {
    /// At which rate people reach the goal.
    pub goal: Beta,
    /// At which rate they stop or complain.
    pub harm: Beta,
}

impl Known {
    /// Of the variant in this place.
    pub fn of(variant: usize, groups: &[Group]) -> Self {
        let own: Vec<&Group> = groups.iter().filter(|group| group.variant == variant).collect();
        let sum = |of: fn(&Group) -> f64| own.iter().map(|group| of(group)).sum::<f64>();
        let weight = sum(|group| group.people as f64 / group.propensity);
        let squares = sum(|group| group.people as f64 / group.propensity.powi(2));
        let people = if squares > 0.0 { weight * weight / squares } else { 0.0 };
        let after = |hits: f64| {
            let rate = if weight > 0.0 { hits / weight } else { 0.0 };
            Beta::after(rate * people, people)
        };
        Self {
            goal: after(sum(|group| group.met as f64 / group.propensity)),
            harm: after(sum(|group| group.harmed as f64 / group.propensity)),
        }
    }

    /// Equally probable values of what the variant is worth, in ascending order.
    fn worth(&self) -> Vec<f64> {
        let (goal, harm) = (self.goal.values(), self.harm.values());
        let mut worth: Vec<f64> =
            goal.iter().flat_map(|met| harm.iter().map(move |harmed| met - harmed)).collect();
        worth.sort_by(f64::total_cmp);
        worth
    }
}

/// How probable it is of each variant that it is the best. They sum to 1.
pub fn best(known: &[Known]) -> Vec<f64> {
    let worth: Vec<Vec<f64>> = known.iter().map(Known::worth).collect();
    let beats = |of: usize, value: f64| {
        let others = worth.iter().enumerate().filter(|(other, _)| *other != of);
        others.map(|(_, other)| below(other, value)).product::<f64>()
    };
    let chances = worth.iter().enumerate();
    let chances = chances.map(|(of, own)| own.iter().map(|value| beats(of, *value)).sum::<f64>());
    let chances: Vec<f64> = chances.collect();
    let total: f64 = chances.iter().sum();
    chances.into_iter().map(|chance| chance / total).collect()
}

/// The part of these values that is below another; those that equal it count half.
fn below(ascending: &[f64], value: f64) -> f64 {
    let less = ascending.partition_point(|other| *other < value);
    let no_more = ascending.partition_point(|other| *other <= value);
    (less + no_more) as f64 / (2 * ascending.len()) as f64
}

/// How probable each variant is for a row of the next list: [`EXPLORED`] evenly, the rest as probable as it is
/// that the variant is the best. That is taken to hundredths: whoever sees the shares of many lists does not
/// count single people by them. In whole millionths, which sum to 1.
pub fn shares(known: &[Known]) -> Vec<f64> {
    let best: Vec<f64> = best(known).into_iter().map(|chance| (chance * 100.0).round()).collect();
    let (floor, total) = (EXPLORED / best.len() as f64, best.iter().sum::<f64>());
    let mut millionths: Vec<f64> = best
        .iter()
        .map(|chance| ((1.0 - EXPLORED).mul_add(chance / total, floor) * WHOLE).round())
        .collect();
    let rest = WHOLE - millionths.iter().sum::<f64>();
    // What rounding leaves is a few millionths, and the largest share has them to spare.
    if let Some(largest) = millionths.iter_mut().max_by(|a, b| a.total_cmp(b)) {
        *largest += rest;
    }
    millionths.into_iter().map(|part| part / WHOLE).collect()
}

/// The variant that a coin between 0 and 1 (exclusive) falls on.
pub fn pick(shares: &[f64], coin: f64) -> usize {
    let mut left = (coin * WHOLE).floor();
    for (place, share) in shares.iter().enumerate() {
        left -= (share * WHOLE).round();
        if left < 0.0 {
            return place;
        }
    }
    shares.len().saturating_sub(1)
}
