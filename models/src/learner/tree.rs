//! A small tree over codes, and what it comes to as a table.

use crate::learner::boost::Bytes;

/// Codes of a column: what fits into a byte.
pub const CODES: usize = 256;

/// A set of codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodeSet([u64; CODES / 64]);

impl CodeSet {
    pub(super) fn insert(&mut self, code: usize) {
        self.0[code >> 6] |= 1 << (code & 63);
    }

    /// Whether the code is in it.
    #[inline]
    pub fn has(&self, code: usize) -> bool {
        self.0[code >> 6] >> (code & 63) & 1 == 1
    }
}

/// A node of a tree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Node {
    /// What it adds to the logit.
    Leaf(f64),
    /// Rows with one of these codes go to `left`, all others to the node after it.
    Split {
        /// Which column is asked.
        column: usize,
        /// Codes that go left.
        codes: CodeSet,
        /// Index of the left child; the right one follows it.
        left: usize,
    },
}

/// A tree; its root is the first node.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree(pub Vec<Node>);

impl Tree {
    /// What it adds, given the code of each column.
    #[inline]
    pub fn value(&self, code_of: impl Fn(usize) -> usize) -> f64 {
        let mut at = 0;
        loop {
            match &self.0[at] {
                Node::Leaf(value) => return *value,
                Node::Split { column, codes, left } => {
                    at = if codes.has(code_of(*column)) { *left } else { left + 1 };
                }
            }
        }
    }

    /// The sets of codes by which it splits on a column.
    pub fn sets(&self, asked: usize) -> impl Iterator<Item = CodeSet> + '_ {
        self.0.iter().filter_map(move |node| match node {
            Node::Split { column, codes, .. } if *column == asked => Some(*codes),
            _ => None,
        })
    }

    /// The same tree with every leaf put through a function that keeps their order.
    pub(super) fn map(mut self, change: impl Fn(f64) -> f64) -> Self {
        for node in &mut self.0 {
            if let Node::Leaf(value) = node {
                *value = change(*value);
            }
        }
        self
    }

    /// The columns it reads, ascending.
    pub fn columns(&self) -> Vec<usize> {
        let mut columns: Vec<usize> = self
            .0
            .iter()
            .filter_map(|node| match node {
                Node::Split { column, .. } => Some(*column),
                Node::Leaf(_) => None,
            })
            .collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// Adds what it says about every row.
    pub(super) fn add_to(&self, sums: &mut [f64], columns: &[Bytes]) {
        match self.columns()[..] {
            [] => {
                let value = self.value(|_| 0);
                for sum in sums {
                    *sum += value;
                }
            }
            [column] => {
                let Bytes { codes, size, .. } = &columns[column];
                let values: Vec<f64> = (0..*size).map(|code| self.value(|_| code)).collect();
                for (sum, &code) in sums.iter_mut().zip(codes) {
                    *sum += values[code as usize];
                }
            }
            [first, second, ..] => {
                let [a, b] = [first, second]
                    .map(|column| Groups::told_apart(self.sets(column), columns[column].size));
                let cells = cells([first, second], [&a, &b], |code_of| self.value(code_of));
                let width = b.examples.len();
                let codes = columns[first].codes.iter().zip(&columns[second].codes);
                for (sum, (&row, &cell)) in sums.iter_mut().zip(codes) {
                    let (row, cell) = (a.of[row as usize], b.of[cell as usize]);
                    *sum += cells[row as usize * width + cell as usize];
                }
            }
        }
    }
}

/// Codes that some trees treat alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    /// The group of each code.
    pub of: Vec<u16>,
    /// A code of each group.
    pub examples: Vec<usize>,
}

impl Groups {
    /// Which of a column's `size` codes these sets treat alike.
    pub fn told_apart(sets: impl Iterator<Item = CodeSet>, size: usize) -> Self {
        let mut of = vec![0_u16; size];
        let mut examples = vec![0];
        for set in sets {
            let mut known = vec![[None; 2]; examples.len()];
            examples.clear();
            for (code, group) in of.iter_mut().enumerate() {
                let side = &mut known[*group as usize][usize::from(set.has(code))];
                *group = *side.get_or_insert_with(|| {
                    examples.push(code);
                    examples.len() as u16 - 1
                });
            }
        }
        Self { of, examples }
    }
}

/// One value for each pair of groups, row by row.
pub(super) fn cells<T>(
    columns: [usize; 2],
    groups: [&Groups; 2],
    value: impl Fn(&dyn Fn(usize) -> usize) -> T,
) -> Vec<T> {
    let mut cells = Vec::with_capacity(groups[0].examples.len() * groups[1].examples.len());
    for &row in &groups[0].examples {
        for &cell in &groups[1].examples {
            cells.push(value(&|column| if column == columns[0] { row } else { cell }));
        }
    }
    cells
}
