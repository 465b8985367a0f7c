//! How well columns tell a group of people from the others: what a model could use in place of an
//! attribute that it must not see.
//!
//! The measure is Cramér's V with Bergsma's correction (Journal of the Korean Statistical Society 42,
//! 2013): 0 where column and group have nothing to do with each other, however many values there are
//! and however few rows; 1 where one follows from the other.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::binning::{BinLimits, Bins};
use crate::table::Table;

/// A column, or a pair of columns, and how strongly it goes with the groups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Association {
    /// One name, or two of columns taken together.
    pub columns: Vec<String>,
    /// 0 to 1, to three decimals.
    pub strength: f64,
}

/// Two groups of at least this share of the rows can be told apart; where nearly all rows are of one
/// group there is nothing to betray.
const SMALLEST_SHARE: f64 = 0.01;
/// Columns whose pairs are looked at: those that go with the groups best alone.
const PAIRED: usize = 24;
/// Coarse bins: what takes hundreds of values to tell groups apart tells people apart, not groups.
const LIMITS: BinLimits = BinLimits { numbers: 10, words: 64, rare: 5 };

/// Columns that go with these groups at least as strongly as `least`, strongest first. A row without a
/// group is left out. A pair is named only where neither of the two is strong enough alone.
pub fn associations(table: &Table, groups: &[Option<u32>], least: f64) -> Vec<Association> {
    let rows: Vec<usize> = (0..groups.len()).filter(|row| groups[*row].is_some()).collect();
    let groups: Vec<u32> = groups.iter().copied().flatten().collect();
    if !can_be_told_apart(&groups) {
        return Vec::new();
    }
    let table = table.take(&rows);
    let columns = table.names().iter().zip(table.columns());
    let mut alone: Vec<(&str, Vec<u32>, f64)> = columns
        .map(|(name, column)| {
            let codes = Bins::learn(column, LIMITS).codes(column);
            let codes: Vec<u32> = codes.into_iter().map(u32::from).collect();
            let strength = strength(&codes, &groups);
            (name.as_str(), codes, strength)
        })
        .collect();
    alone.sort_by(|a, b| b.2.total_cmp(&a.2).then_with(|| a.0.cmp(b.0)));
    let (strong, weak): (Vec<_>, Vec<_>) = alone.into_iter().partition(|one| one.2 >= least);
    let mut found: Vec<Association> =
        strong.iter().map(|(name, _, strength)| association(&[name], *strength)).collect();
    let weak = &weak[..weak.len().min(PAIRED)];
    for (nth, (name, codes, _)) in weak.iter().enumerate() {
        for (other, others, _) in &weak[nth + 1..] {
            let both: Vec<u32> =
                codes.iter().zip(others).map(|(a, b)| a << 16 | b & 0xffff).collect();
            let strength = strength(&both, &groups);
            if strength >= least {
                found.push(association(&[name, other], strength));
            }
        }
    }
    found.sort_by(|a, b| b.strength.total_cmp(&a.strength).then_with(|| a.columns.cmp(&b.columns)));
    found
}

fn association(columns: &[&str], strength: f64) -> Association {
    let columns = columns.iter().map(|name| (*name).to_owned()).collect();
    Association { columns, strength: (strength * 1000.0).round() / 1000.0 }
}

fn can_be_told_apart(groups: &[u32]) -> bool {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for group in groups {
        *counts.entry(*group).or_default() += 1;
    }
    let large = SMALLEST_SHARE * groups.len() as f64;
    counts.values().filter(|count| **count as f64 >= large.max(2.0)).count() >= 2
}

/// Cramér's V of two codings of the same rows, with Bergsma's correction.
pub fn strength(one: &[u32], other: &[u32]) -> f64 {
    let rows = one.len().min(other.len()) as f64;
    if rows < 2.0 {
        return 0.0;
    }
    let (mut left, mut right) = (BTreeMap::new(), BTreeMap::new());
    let mut cells: BTreeMap<(u32, u32), f64> = BTreeMap::new();
    for (a, b) in one.iter().zip(other) {
        *left.entry(*a).or_insert(0.0) += 1.0;
        *right.entry(*b).or_insert(0.0) += 1.0;
        *cells.entry((*a, *b)).or_insert(0.0) += 1.0;
    }
    // χ²/n as Σ o²/(r·c) − 1 needs the occupied cells alone.
    let squares: f64 = cells.iter().map(|((a, b), seen)| seen * seen / (left[a] * right[b])).sum();
    let (r, c) = (left.len() as f64, right.len() as f64);
    let phi = (squares - 1.0 - (r - 1.0) * (c - 1.0) / (rows - 1.0)).max(0.0);
    let narrowed = |count: f64| count - (count - 1.0).powi(2) / (rows - 1.0);
    let room = narrowed(r).min(narrowed(c)) - 1.0;
    if room <= 0.0 { 0.0 } else { (phi / room).sqrt().min(1.0) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::table::{Cell, TableBuilder};

    /// Rows with a column that follows the group, one that has nothing to do with it, and two that
    /// betray it only together.
    fn town(rows: u32) -> (Table, Vec<Option<u32>>) {
        let header = ["club", "colour", "half", "other_half"].map(str::to_owned).to_vec();
        let mut builder = TableBuilder::new(header).expect("names differ");
        let mut groups = Vec::new();
        for n in 0..rows {
            // Two bits that do not depend on each other, from a multiplicative hash.
            let hash = n.wrapping_mul(2_654_435_761);
            let (group, coin, colour) = (hash >> 31, hash >> 30 & 1, hash >> 20 & 3);
            let club = if (hash >> 12).trailing_zeros() >= 4 { coin } else { group };
            let text = |value: u32| Cell::Text(format!("v{value}"));
            builder
                .push(&[text(club), text(colour), text(coin), text(coin ^ group)])
                .expect("four cells");
            groups.push(Some(group));
        }
        (builder.finish(), groups)
    }

    #[test]
    fn a_proxy_is_found_alone_or_in_a_pair_and_an_innocent_column_is_not() {
        let (table, groups) = town(4000);
        let found = associations(&table, &groups, 0.3);
        let named: Vec<Vec<&str>> =
            found.iter().map(|one| one.columns.iter().map(String::as_str).collect()).collect();
        assert!(named.contains(&vec!["club"]), "{found:?}");
        assert!(named.iter().any(|pair| pair.len() == 2 && pair.contains(&"half")), "{found:?}");
        assert!(named.iter().all(|columns| !columns.contains(&"colour")), "{found:?}");
        assert!(associations(&table, &vec![Some(1); 4000], 0.0).is_empty(), "one group, no secret");
    }

    proptest! {
        #[test]
        fn strength_is_between_nothing_and_all_and_the_same_both_ways(
            rows in prop::collection::vec((0u32..5, 0u32..4), 2..300),
        ) {
            let (one, other): (Vec<u32>, Vec<u32>) = rows.into_iter().unzip();
            let there = strength(&one, &other);
            prop_assert!((0.0..=1.0).contains(&there));
            let back = strength(&other, &one);
            // Of squares: the root of a rounding error beside nothing is large.
            prop_assert!((there * there - back * back).abs() < 1e-12);
        }

        #[test]
        fn what_follows_from_the_group_is_as_strong_as_can_be(
            groups in prop::collection::vec(0u32..4, 50..300),
        ) {
            prop_assume!(can_be_told_apart(&groups));
            let named: Vec<u32> = groups.iter().map(|group| 7 - group).collect();
            prop_assert!(strength(&named, &groups) > 0.99);
        }
    }
}
