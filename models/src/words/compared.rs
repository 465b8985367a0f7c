//! Why one and not the other: two explanations side by side, in the same words.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use volens_privacy::TopicId;

use super::changes::noun;
use super::{SMALLEST, Subject, grouped};
use crate::explain::Explanation;

/// One thing that two explanations say differently.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// What it is about.
    pub text: String,
    /// Log odds it adds to the one.
    pub own: f64,
    /// Log odds it adds to the other.
    pub other: f64,
}

impl Compared {
    /// What it adds to the one and not to the other, in log odds.
    pub fn difference(&self) -> f64 {
        self.own - self.other
    }
}

/// Two scores and what makes them differ: another person's, or the same person's at another moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Log odds of the one less those of the other.
    pub difference: f64,
    /// What differs most, the largest difference first.
    pub reasons: Vec<Compared>,
    /// All else, among it what nothing may be said about. With it, the differences add up to `difference`:
    /// exactly, as the model's contributions do.
    pub rest: f64,
}

/// Compares two explanations of one model for one message, in at most `most` reasons.
///
/// Nothing of either row is in the answer but what its reasons add.
pub fn compare(
    own: &Explanation,
    other: &Explanation,
    topics: &[TopicId],
    language: &str,
    most: usize,
) -> Comparison {
    let sums = |explanation: &Explanation| -> BTreeMap<Subject, f64> {
        let groups = grouped(&explanation.contributions).into_iter();
        groups.map(|(subject, (amount, _))| (subject, amount)).collect()
    };
    let (mine, theirs) = (sums(own), sums(other));
    let subjects: BTreeSet<&Subject> = mine.keys().chain(theirs.keys()).collect();
    let at = |sums: &BTreeMap<Subject, f64>, subject| sums.get(subject).copied().unwrap_or(0.0);
    let mut found: Vec<(&Subject, f64, f64)> = subjects
        .into_iter()
        .map(|subject| (subject, at(&mine, subject), at(&theirs, subject)))
        .filter(|(_, own, other)| (own - other).abs() >= SMALLEST)
        .collect();
    found.sort_by(|a, b| (b.1 - b.2).abs().total_cmp(&(a.1 - a.2).abs()).then(a.0.cmp(b.0)));
    found.truncate(most);
    let reasons: Vec<Compared> = found
        .into_iter()
        .map(|(subject, own, other)| Compared { text: noun(subject, topics, language), own, other })
        .collect();
    let difference = own.score.logit - other.score.logit;
    let told: f64 = reasons.iter().map(Compared::difference).sum();
    Comparison { difference, rest: difference - told, reasons }
}
