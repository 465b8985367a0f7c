//! What apps told about their customers, trait by trait.
//!
//! Anybody may have any trait, and most people have few of all there are. A trait therefore has a list for
//! each block of rows, of those who have it, in the order of their rows: a scan goes through it once.

use std::collections::BTreeMap;

/// Rows of a block.
const BLOCK: u32 = 1024;

/// What a trait says.
#[derive(Clone, Copy)]
pub(super) enum Cell {
    Number(f64),
    Word(u32),
}

/// Cells by the code of the trait and the row.
#[derive(Default)]
pub(super) struct Told {
    /// By trait and block; none is empty.
    lists: BTreeMap<(u32, u32), Vec<(u32, Cell)>>,
}

impl Told {
    /// Takes in what a trait of a row says.
    pub(super) fn insert(&mut self, name: u32, row: u32, cell: Cell) {
        let list = self.lists.entry((name, row / BLOCK)).or_default();
        let at = list.partition_point(|(other, _)| *other < row);
        if list.get(at).is_some_and(|(other, _)| *other == row) {
            list[at].1 = cell;
        } else {
            list.insert(at, (row, cell));
        }
    }

    /// Takes back what a trait of a row says.
    pub(super) fn remove(&mut self, name: u32, row: u32) {
        let key = (name, row / BLOCK);
        let Some(list) = self.lists.get_mut(&key) else { return };
        list.retain(|(other, _)| *other != row);
        if list.is_empty() {
            self.lists.remove(&key);
        }
    }

    /// What a trait of a row says.
    pub(super) fn get(&self, name: u32, row: u32) -> Option<Cell> {
        let list = self.lists.get(&(name, row / BLOCK))?;
        let at = list.binary_search_by_key(&row, |(other, _)| *other).ok()?;
        Some(list[at].1)
    }

    /// The rows from `first` to `last` that have a trait, in order, with what it says.
    pub(super) fn between(
        &self,
        name: u32,
        (first, last): (u32, u32),
    ) -> impl Iterator<Item = (u32, Cell)> + '_ {
        let blocks = self.lists.range((name, first / BLOCK)..=(name, last / BLOCK));
        let held = blocks.flat_map(|(_, list)| list.iter().copied());
        held.skip_while(move |(row, _)| *row < first).take_while(move |(row, _)| *row <= last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of several blocks, at their borders too, put in and taken out in no order.
    #[test]
    fn who_was_told_of_is_found_in_every_block() {
        const ROWS: [u32; 7] = [5000, 0, 1023, 1, 1024, 2047, 2048];
        let mut told = Told::default();
        for row in ROWS {
            told.insert(3, row, Cell::Word(row));
            told.insert(4, row, Cell::Word(9));
        }
        told.insert(3, 1024, Cell::Word(7));
        told.remove(3, 2047);
        let between = |first, last| {
            let held = told.between(3, (first, last));
            held.map(|(row, cell)| (row, matches!(cell, Cell::Word(word) if word == row))).collect()
        };
        let found: Vec<(u32, bool)> = between(0, u32::MAX);
        assert_eq!(found, [0, 1, 1023, 1024, 2048, 5000].map(|row| (row, row != 1024)));
        assert_eq!(between(1, 1024), [(1, true), (1023, true), (1024, false)]);
        assert_eq!(between(1025, 2047), []);
        assert!(told.get(3, 2047).is_none() && told.get(4, 2047).is_some());
    }
}
