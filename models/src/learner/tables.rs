//! From trees to tables: what trees of the same columns add, cell by cell, exactly.
//!
//! A pair's table is then purified: what it says about one column alone moves to that column's own table, so
//! that each effect stands in one place (functional ANOVA; Lengerich et al., "Purifying interaction effects
//! with the functional ANOVA", AISTATS 2020). All of it happens in whole units of 2⁻²⁰: not a bit
//! of any row's score changes on the way, and a direction that every tree keeps is kept by their sum.

use std::collections::BTreeMap;

use crate::learner::boost::Bytes;
use crate::learner::design::{Axis, Shape};
use crate::learner::tree::{Groups, Tree, cells};
use crate::model::Term;
use crate::units::{log_odds, units};

/// Rounds of purification at most.
const SWEEPS: usize = 100;

/// Every column's own table, then those of the pairs that trees joined. `fold[column]` maps a column's codes
/// to its bytes.
pub fn terms(trees: &[Tree], bytes: &[Bytes], fold: &[Vec<u16>]) -> Vec<Term> {
    let mut alone: Vec<Vec<i64>> = bytes.iter().map(|column| vec![0; column.size]).collect();
    let mut joined: BTreeMap<(usize, usize), Vec<&Tree>> = BTreeMap::new();
    for tree in trees {
        match tree.columns()[..] {
            [] => {}
            [column] => {
                for (code, sum) in alone[column].iter_mut().enumerate() {
                    *sum += units(tree.value(|_| code));
                }
            }
            [first, second, ..] => joined.entry((first, second)).or_default().push(tree),
        }
    }
    let mut pairs: Vec<Pair> =
        joined.iter().map(|(columns, trees)| Pair::new(*columns, trees, bytes)).collect();
    for pair in &mut pairs {
        pair.purify(&mut alone, bytes);
    }
    let mains = alone.iter().enumerate().filter(|(_, table)| table.iter().any(|&sum| sum != 0));
    let mains = mains.map(|(column, table)| {
        let groups = fold[column].clone();
        Term {
            shape: Shape { first: Axis { column, groups }, second: None },
            weights: weights(table),
        }
    });
    let crossed = pairs.iter().filter(|pair| pair.sums.iter().any(|&sum| sum != 0)).map(|pair| {
        let [first, second] = [0, 1].map(|side| Axis {
            column: pair.columns[side],
            groups: fold[pair.columns[side]]
                .iter()
                .map(|&code| pair.groups[side].of[code as usize])
                .collect(),
        });
        Term { shape: Shape { first, second: Some(second) }, weights: weights(&pair.sums) }
    });
    mains.chain(crossed).collect()
}

fn weights(sums: &[i64]) -> Vec<f64> {
    sums.iter().copied().map(log_odds).collect()
}

/// The table of two columns, each grouped to the codes that its trees tell apart.
struct Pair {
    columns: [usize; 2],
    groups: [Groups; 2],
    sums: Vec<i64>,
}

impl Pair {
    fn new((first, second): (usize, usize), trees: &[&Tree], bytes: &[Bytes]) -> Self {
        let columns = [first, second];
        let groups = columns.map(|column| {
            Groups::told_apart(trees.iter().flat_map(|tree| tree.sets(column)), bytes[column].size)
        });
        let sums = cells(columns, [&groups[0], &groups[1]], |code_of| {
            trees.iter().map(|tree| units(tree.value(code_of))).sum()
        });
        Self { columns, groups, sums }
    }

    /// Moves the means of rows and columns, weighted by how often each cell was seen, to the columns' own
    /// tables, until none is left.
    fn purify(&mut self, alone: &mut [Vec<i64>], bytes: &[Bytes]) {
        let cells = self.groups[1].examples.len();
        let mut seen = vec![0_u32; self.sums.len()];
        let codes = self.columns.map(|column| &bytes[column].codes);
        for (&a, &b) in codes[0].iter().zip(codes[1]) {
            let [a, b] = [self.groups[0].of[a as usize], self.groups[1].of[b as usize]];
            seen[a as usize * cells + b as usize] += 1;
        }
        for _ in 0..SWEEPS {
            let mut moved = false;
            for side in [0, 1] {
                let group = |at: usize| if side == 0 { at / cells } else { at % cells };
                let mut sums = vec![(0.0, 0_u32); self.groups[side].examples.len()];
                for (at, sum) in self.sums.iter().enumerate() {
                    let of: &mut (f64, u32) = &mut sums[group(at)];
                    of.0 += *sum as f64 * f64::from(seen[at]);
                    of.1 += seen[at];
                }
                let mean =
                    |(sum, count): (f64, u32)| (sum / f64::from(count.max(1))).round() as i64;
                let means: Vec<i64> = sums.into_iter().map(mean).collect();
                for (at, sum) in self.sums.iter_mut().enumerate() {
                    *sum -= means[group(at)];
                }
                let own = &mut alone[self.columns[side]];
                for (sum, &group) in own.iter_mut().zip(&self.groups[side].of) {
                    *sum += means[group as usize];
                }
                moved |= means.iter().any(|&mean| mean != 0);
            }
            if !moved {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::learner::tree::{CodeSet, Node};

    const SIZES: [usize; 3] = [5, 7, 4];

    /// A tree over at most two of three columns.
    fn tree() -> impl Strategy<Value = Tree> {
        let split = (any::<bool>(), any::<u8>(), -3.0..3.0_f64, -3.0..3.0_f64);
        let pair = prop_oneof![Just([0, 1]), Just([0, 2]), Just([1, 2])];
        (pair, prop::collection::vec(split, 0..6)).prop_map(|(pair, splits)| {
            let mut nodes = vec![Node::Leaf(0.1)];
            for (second, mask, left, right) in splits {
                let column = pair[usize::from(second)];
                let mut codes = CodeSet::default();
                (0..SIZES[column])
                    .filter(|code| mask >> code & 1 == 1)
                    .for_each(|code| codes.insert(code));
                let at = nodes.len() - 1;
                nodes[at] = Node::Split { column, codes, left: at + 1 };
                nodes.extend([Node::Leaf(left), Node::Leaf(right)]);
            }
            Tree(nodes)
        })
    }

    proptest! {
        #[test]
        fn tables_say_of_every_row_exactly_what_the_trees_say(
            trees in prop::collection::vec(tree(), 0..12),
            rows in prop::collection::vec((0..5_u8, 0..7_u8, 0..4_u8), 1..40),
        ) {
            let of = |pick: fn(&(u8, u8, u8)) -> u8, size: usize| Bytes {
                codes: rows.iter().map(pick).collect(),
                size,
                ordered: true,
                direction: None,
            };
            let bytes = [of(|row| row.0, SIZES[0]), of(|row| row.1, SIZES[1]), of(|row| row.2, SIZES[2])];
            let fold: Vec<Vec<u16>> =
                SIZES.iter().map(|&size| (0..size as u16).collect()).collect();
            let terms = terms(&trees, &bytes, &fold);
            // Also for values that no row has.
            for code in 0..SIZES.iter().product::<usize>() {
                let codes = [code % 5, code / 5 % 7, code / 35];
                // A tree without a split was never added to anything.
                let trees: i64 = trees
                    .iter()
                    .filter(|tree| tree.0.len() > 1)
                    .map(|tree| units(tree.value(|column| codes[column])))
                    .sum();
                let sum = terms.iter().fold(0.0, |sum, term| {
                    sum + term.weights[term.shape.slot(|column| codes[column] as u16)]
                });
                prop_assert_eq!(sum.to_bits(), log_odds(trees).to_bits());
            }
            // No pair says anything about one of its columns alone, on average over the rows.
            for term in terms.iter().filter(|term| term.shape.second.is_some()) {
                for at in 0..term.shape.first.size() {
                    let inside = |row: &&(u8, u8, u8)| {
                        let codes = [row.0, row.1, row.2];
                        term.shape.first.group(codes[term.shape.first.column].into()) == at
                    };
                    let weights: Vec<f64> = rows
                        .iter()
                        .filter(inside)
                        .map(|row| {
                            let codes = [row.0, row.1, row.2];
                            term.weights[term.shape.slot(|column| codes[column].into())]
                        })
                        .collect();
                    let mean = weights.iter().sum::<f64>() / weights.len().max(1) as f64;
                    prop_assert!(mean.abs() < 1e-3, "{mean}");
                }
            }
        }
    }
}
