//! Whether probabilities can be believed in every group: calibration per app, language and band of age.
//!
//! Only measured and told. A correction per group would have to know the group of whoever is scored: by
//! language or age that is what no column may stand for, and by app it would change no place on any list,
//! since a list is of one app.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::reliability::Reliability;

/// Rows of a group, and rows of either class in it, below which nothing is said about it: neither a number
/// that is noise, nor anything about few people.
pub const FEWEST: usize = 200;
/// Fewest rows of either class.
const FEWEST_OF_A_CLASS: usize = 20;

/// One group, measured on rows not learnt from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// What it is a group by: `app`, `language`, `age`.
    pub by: String,
    /// Which.
    pub name: String,
    /// Share of positive labels.
    pub base_rate: f64,
    /// What was promised and what came.
    pub reliability: Reliability,
}

impl Segment {
    /// Whether it is off by more than its noise.
    pub fn is_off(&self) -> bool {
        self.reliability.error.is_off()
    }
}

/// Measures every group of `groups` that is large enough, by name; `of` is each row's group, where one is
/// known.
pub fn measure(
    by: &str,
    of: &[Option<String>],
    probabilities: &[f64],
    labels: &[bool],
    seed: u64,
) -> Vec<Segment> {
    let mut rows: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, group) in of.iter().enumerate() {
        if let Some(group) = group {
            rows.entry(group).or_default().push(row);
        }
    }
    let measured = rows.into_iter().filter_map(|(name, rows)| {
        let labels: Vec<bool> = rows.iter().map(|&row| labels[row]).collect();
        let positives = labels.iter().filter(|&&label| label).count();
        let least = positives.min(labels.len() - positives);
        if labels.len() < FEWEST || least < FEWEST_OF_A_CLASS {
            return None;
        }
        let probabilities: Vec<f64> = rows.iter().map(|&row| probabilities[row]).collect();
        Some(Segment {
            by: by.to_owned(),
            name: name.to_owned(),
            base_rate: positives as f64 / labels.len() as f64,
            reliability: Reliability::of(&probabilities, &labels, seed).ok()?,
        })
    });
    measured.collect()
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn the_group_that_is_off_is_named_and_a_small_one_is_not() {
        let mut rng = StdRng::seed_from_u64(4);
        let (mut of, mut probabilities, mut labels) = (vec![], vec![], vec![]);
        for row in 0..1900_usize {
            let (name, wrong) = match row {
                0..900 => (Some("de"), 0.0),
                900..1700 => (Some("fr"), 0.15),
                1700..1800 => (Some("pt"), 0.5),
                _ => (None, 0.5),
            };
            let p = rng.random_range(0.1..0.4);
            of.push(name.map(str::to_owned));
            probabilities.push(p);
            labels.push(rng.random::<f64>() < p + wrong);
        }
        let found = measure("language", &of, &probabilities, &labels, 7);
        let told: Vec<(&str, bool)> =
            found.iter().map(|segment| (segment.name.as_str(), segment.is_off())).collect();
        assert_eq!(told, [("de", false), ("fr", true)]);
    }
}
