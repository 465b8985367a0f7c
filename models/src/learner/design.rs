//! The shape of an additive model: which columns, at which resolution, alone or crossed.

use serde::{Deserialize, Serialize};

/// Most cells of a cross: two columns of 256 codes.
pub const CROSS_CELLS: usize = 1 << 16;

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
        self.first.size() * self.width()
    }

    /// How many weights one group of the first column has: the groups of the second.
    pub fn width(&self) -> usize {
        self.second.as_ref().map_or(1, Axis::size)
    }

    /// Which weight applies to a row, given the code of each column.
    pub fn slot(&self, code_of: impl Fn(usize) -> u16) -> usize {
        self.slot_at(self.width(), code_of)
    }

    /// [`slot`](Self::slot) for many rows, with the [`width`](Self::width) counted once.
    #[inline]
    pub fn slot_at(&self, width: usize, code_of: impl Fn(usize) -> u16) -> usize {
        let first = self.first.group(code_of(self.first.column));
        let Some(second) = &self.second else { return first };
        first * width + second.group(code_of(second.column))
    }

    /// The columns it reads.
    pub fn columns(&self) -> impl Iterator<Item = usize> + '_ {
        std::iter::once(self.first.column).chain(self.second.as_ref().map(|axis| axis.column))
    }
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
            let groups = shape.width();
            for row in 0..rows {
                let slot = shape.slot_at(groups, |column| codes[column][row]);
                slots[row * width + at] = (offset + slot) as u32;
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
