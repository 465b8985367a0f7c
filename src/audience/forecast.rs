//! What writing to a list is expected to bring, told before it is exported.
//!
//! The estimate comes from the business's own earlier campaigns: from people who could have been written to
//! or kept aside, which was drawn, weighed up to what this list is ([`volens_models::offpolicy`]). What is
//! not known is not told, with the reason. How many reach the goal counts what was reported of those written to;
//! how many more that is, what one source told of them and of those kept aside alike ([`crate::relevance`]). What is told stands on two hundred people at least, and on as
//! many as any group that is counted has, and is rounded to two digits.

mod words;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use volens_models::artifact::Artifact;
use volens_models::card::Source;
use volens_models::offpolicy::{Estimate, FEWEST, Rate, Target, Unknown};

pub use words::Words;

use super::order::is_incomparable;
use crate::relevance::Goal;

/// What a list is expected to bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Forecast {
    /// How many of the people on it reach the goal when they are written to.
    pub reached: Expected,
    /// How many more that is than if nobody were written to.
    pub increase: Expected,
    /// Who told of those written to and of those kept aside alike, where the increase is known: `signals`, or
    /// `imported` tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "signals")]
    pub told_by: Option<Source>,
}

/// One number, or why it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Stable code: `forecast.known`, or why it is not: `exposures.too_few`, `overlap.too_small`,
    /// `sample.too_small`, `outcomes.too_few` or `goal.needs_message`.
    #[schema(value_type = String, example = "forecast.known")]
    pub why: Why,
    /// People, by the doubly robust estimate; absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub people: Option<Range>,
    /// The same by inverse probabilities alone, which no model has a part in but to compare people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snips: Option<Range>,
    /// As how many people like those on the list earlier campaigns count: the effective sample size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective: Option<u64>,
}

/// People of the list, to two digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The estimate.
    pub expected: i64,
    /// Lower end of its 95 % interval: of what is expected, not of what will happen to come.
    pub low: i64,
    /// Upper end.
    pub high: i64,
}

/// Whether a number is known, and why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Why {
    /// It is.
    #[serde(rename = "forecast.known")]
    Known,
    /// Too few exposures of the business's earlier campaigns were drawn.
    #[serde(rename = "exposures.too_few")]
    Exposures,
    /// The people on the list are unlike those who were in earlier campaigns.
    #[serde(rename = "overlap.too_small")]
    Overlap,
    /// Too few of those were like the people on the list.
    #[serde(rename = "sample.too_small")]
    Sample,
    /// Too few of these are on record as having reached the goal, or as not having.
    #[serde(rename = "outcomes.too_few")]
    Outcomes,
    /// The goal is an answer to the message, which nobody can give without it.
    #[serde(rename = "goal.needs_message")]
    NeedsMessage,
}

impl From<Unknown> for Why {
    fn from(unknown: Unknown) -> Self {
        match unknown {
            Unknown::Exposures => Self::Exposures,
            Unknown::Overlap => Self::Overlap,
            Unknown::Sample => Self::Sample,
            Unknown::Outcomes => Self::Outcomes,
        }
    }
}

impl Forecast {
    /// For these rows. Nothing is told from fewer than `k` people.
    pub fn of(artifact: &Artifact, goal: Goal, rows: &[Target], k: u64) -> Self {
        let fewest = FEWEST.max(k as f64);
        let known = |evidence: Option<_>| evidence.ok_or(Why::Exposures);
        let reached =
            known(artifact.evidence.as_ref()).and_then(|known| Ok(known.reached(rows, fewest)?));
        let increase = if is_incomparable(artifact, goal) {
            Err(Why::NeedsMessage)
        } else {
            known(artifact.evidence_of_increase.as_ref())
                .and_then(|known| Ok(known.increase(rows, fewest)?))
        };
        let told_by = artifact.card.labels.and_then(|labels| labels.alike);
        Self {
            told_by: told_by.filter(|_| increase.is_ok()),
            reached: Expected::of(reached, rows.len(), 0.0),
            increase: Expected::of(increase, rows.len(), -1.0),
        }
    }
}

impl Expected {
    /// Rates lie between `lowest` and 1.
    fn of(estimate: Result<Estimate, Why>, rows: usize, lowest: f64) -> Self {
        match estimate {
            Ok(Estimate { doubly_robust, snips, effective }) => Self {
                why: Why::Known,
                people: Some(Range::of(doubly_robust, rows, lowest)),
                snips: Some(Range::of(snips, rows, lowest)),
                effective: Some(two_digits(effective, f64::floor).unsigned_abs()),
            },
            Err(why) => Self { why, people: None, snips: None, effective: None },
        }
    }
}

impl Range {
    fn of(rate: Rate, rows: usize, lowest: f64) -> Self {
        let people = |rate: f64, round| two_digits(rate.clamp(lowest, 1.0) * rows as f64, round);
        Self {
            expected: people(rate.mean, f64::round),
            low: people(rate.interval.low, f64::floor),
            high: people(rate.interval.high, f64::ceil),
        }
    }
}

/// A whole number of at most two digits that are not zero.
fn two_digits(number: f64, round: fn(f64) -> f64) -> i64 {
    let digits = number.abs().max(1.0).log10().floor();
    let step = 10_f64.powf((digits - 1.0).max(0.0));
    (round(number / step) * step) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_has_two_digits_and_an_interval_rounded_outwards() {
        let told = |number, round| two_digits(number, round);
        assert_eq!([0.4, 9.6, 96.4, 964.0].map(|n| told(n, f64::round)), [0, 10, 96, 960]);
        assert_eq!([0.4, 9.6, 964.0].map(|n| told(n, f64::floor)), [0, 9, 960]);
        assert_eq!([0.4, 9.6, 961.0].map(|n| told(n, f64::ceil)), [1, 10, 970]);
        assert_eq!(told(-961.0, f64::floor), -970);
        let rate = Rate {
            mean: 0.1234,
            interval: volens_models::evaluate::Interval { low: -0.01, high: 1.2 },
        };
        assert_eq!(Range::of(rate, 2000, 0.0), Range { expected: 250, low: 0, high: 2000 });
    }
    #[test]
    fn what_is_not_known_is_told_as_a_code() {
        let json = serde_json::to_value(Expected::of(Err(Why::Exposures), 10, 0.0)).expect("codes");
        assert_eq!(json, serde_json::json!({ "why": "exposures.too_few" }));
    }
}
