//! The shape of an additive model: which columns, at which resolution, alone or crossed.

use serde::{Deserialize, Serialize};

/// A cross with more cells than this shares them by hashing.
pub const CROSS_CELLS: usize = 1 << 14;

/// One column within a term, its codes grouped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    /// Index of the column.
    pub column: usize,
    /// Group of each code.
    pub groups: Vec<u16>,
}

impl Axis {
    /// The number of groups.
    pub fn size(&self) -> usize {
        self.groups.iter().max().map_or(0, |&group| group as usize + 1)
    }

    /// The group of a code. Codes come from the bins the axis was made for; any other counts as missing.
    pub fn group(&self, code: u16) -> usize {
        self.groups.get(code as usize).copied().unwrap_or(0) as usize
    }
}

/// What one weight table is indexed by: one column, or two crossed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// The first or only column.
    pub first: Axis,
    /// The column it is crossed with.
    pub second: Option<Axis>,
}

impl Shape {
    /// The number of weights.
    pub fn size(&self) -> usize {
        self.cells().min(CROSS_CELLS)
    }

    fn cells(&self) -> usize {
        self.first.size() * self.second.as_ref().map_or(1, Axis::size)
    }

    /// Which weight applies to a row, given the code of each column.
    pub fn slot(&self, code_of: impl Fn(usize) -> u16) -> usize {
        let first = self.first.group(code_of(self.first.column));
        let Some(second) = &self.second else { return first };
        let cell = first * second.size() + second.group(code_of(second.column));
        if self.cells() <= CROSS_CELLS {
            cell
        } else {
            hashed(cell as u64) as usize & (CROSS_CELLS - 1)
        }
    }

    /// The columns it reads.
    pub fn columns(&self) -> impl Iterator<Item = usize> + '_ {
        std::iter::once(self.first.column).chain(self.second.as_ref().map(|axis| axis.column))
    }
}

/// SplitMix64's finaliser (Steele, Lea, Flood 2014): spreads neighbouring cells over the table.
fn hashed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The weight slots of every row under a list of shapes, ready for training.
pub struct Design {
    width: usize,
    slots: Vec<u32>,
    weights: usize,
    offsets: Vec<usize>,
}

impl Design {
    /// Lays out the rows. `codes` has one vector per column, all of one length.
    pub fn new(shapes: &[Shape], codes: &[Vec<u16>]) -> Self {
        let rows = codes.first().map_or(0, Vec::len);
        let width = shapes.len();
        let mut slots = vec![0_u32; rows * width];
        let mut offsets = Vec::with_capacity(width);
        let mut offset = 0;
        for (at, shape) in shapes.iter().enumerate() {
            offsets.push(offset);
            for row in 0..rows {
                slots[row * width + at] = (offset + shape.slot(|column| codes[column][row])) as u32;
            }
            offset += shape.size();
        }
        Self { width, slots, weights: offset, offsets }
    }

    /// The slots of one row, one per shape.
    pub fn row(&self, row: usize) -> &[u32] {
        &self.slots[row * self.width..(row + 1) * self.width]
    }

    /// The number of weights in all.
    pub fn weights(&self) -> usize {
        self.weights
    }

    /// Where each shape's weights begin.
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }
}
