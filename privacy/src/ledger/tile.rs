//! Names of the pieces in which a log is read: C2SP `tlog-tiles`.
//!
//! A tile is up to 256 hashes of one level, eight levels of the tree apart from the next, so that
//! a whole log is a set of files that never change. A bundle is the same cut of the entries.

use super::tree::Node;

/// Hashes in a full tile.
pub const TILE_WIDTH: u16 = 256;
/// Levels of the tree from one level of tiles to the next.
const TILE_HEIGHT: u8 = 8;
/// The highest level of tiles whose subtrees have fewer than 2^64 leaves.
const LEVEL_MAX: u8 = 7;

/// A run of up to 256 neighbours: the `index`-th of its level, `width` of them present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cut {
    /// Which, from the left.
    pub index: u64,
    /// How many, 1 to 256.
    pub width: u16,
}

impl Cut {
    /// Reads `<N>[.p/<W>]`: the index in groups of three digits, all but the last with an `x`
    /// before, and the width when it is not full. One cut has one spelling.
    pub fn parse(path: &str) -> Option<Self> {
        let (number, width) = match path.split_once(".p/") {
            Some((number, width)) => (number, partial_width(width)?),
            None => (path, TILE_WIDTH),
        };
        let index = index(number)?;
        Some(Self { index, width })
    }

    /// What [`Cut::parse`] reads.
    pub fn path(self) -> String {
        let mut path = format!("{:03}", self.index % 1000);
        let mut rest = self.index / 1000;
        while rest > 0 {
            path = format!("x{:03}/{path}", rest % 1000);
            rest /= 1000;
        }
        if self.width < TILE_WIDTH {
            path = format!("{path}.p/{}", self.width);
        }
        path
    }

    /// The first position and the one behind the last.
    pub fn range(self) -> Option<(u64, u64)> {
        let from = self.index.checked_mul(TILE_WIDTH.into())?;
        Some((from, from.checked_add(self.width.into())?))
    }
}

fn partial_width(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|digit| digit.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|width| digits && (1..TILE_WIDTH).contains(width))
}

fn index(path: &str) -> Option<u64> {
    let mut groups = path.split('/').rev();
    let last = three(groups.next()?)?;
    let mut index = last;
    let mut unit = 1_u64;
    let mut highest = None;
    for group in groups {
        let group = three(group.strip_prefix('x')?)?;
        unit = unit.checked_mul(1000)?;
        index = index.checked_add(group.checked_mul(unit)?)?;
        highest = Some(group);
    }
    // A leading x000 would be a second spelling.
    (highest != Some(0)).then_some(index)
}

fn three(digits: &str) -> Option<u64> {
    let right = digits.len() == 3 && digits.bytes().all(|digit| digit.is_ascii_digit());
    right.then(|| digits.parse().ok())?
}

/// A tile of hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tile {
    /// Level of tiles; 0 holds the hashes of leaves.
    pub level: u8,
    /// Which, and how wide.
    pub cut: Cut,
}

impl Tile {
    /// Reads level and place of `tile/<L>/<N>[.p/<W>]`.
    pub fn parse(level: &str, path: &str) -> Option<Self> {
        let canonical = level == "0" || !level.starts_with(['0', '+']);
        let level = level.parse().ok().filter(|level| canonical && *level <= LEVEL_MAX)?;
        Some(Self { level, cut: Cut::parse(path)? })
    }

    /// What [`Tile::parse`] reads, after `tile/`.
    pub fn path(self) -> String {
        format!("{}/{}", self.level, self.cut.path())
    }

    /// The subtrees whose hashes the tile consists of: their level in the tree, the first and the
    /// one behind the last.
    pub fn nodes(self) -> Option<(Node, u64)> {
        let (from, to) = self.cut.range()?;
        Some((Node { level: self.level * TILE_HEIGHT, index: from }, to))
    }

    /// All tiles of a tree of `size` leaves, level by level, the partial ones last.
    pub fn of_tree(size: u64) -> impl Iterator<Item = Self> {
        (0..=LEVEL_MAX).flat_map(move |level| {
            let hashes = size >> (u32::from(level) * u32::from(TILE_HEIGHT));
            let (full, rest) = (hashes / u64::from(TILE_WIDTH), hashes % u64::from(TILE_WIDTH));
            let partial = (rest > 0).then_some(Cut { index: full, width: rest as u16 });
            let whole = (0..full).map(|index| Cut { index, width: TILE_WIDTH });
            whole.chain(partial).map(move |cut| Self { level, cut })
        })
    }
}

#[cfg(test)]
mod tests {
    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use proptest::prelude::*;
    use sha2::Sha256;

    use super::*;
    use crate::ledger::{MemoryTree, leaf_hash};

    #[test]
    fn paths_are_those_of_the_specification() {
        for (index, width, path) in [
            (0, 256, "000"),
            (67, 256, "067"),
            (999, 256, "999"),
            (1000, 256, "x001/000"),
            (1_234_067, 256, "x001/x234/067"),
            (1_234_067, 5, "x001/x234/067.p/5"),
            (0, 255, "000.p/255"),
        ] {
            let cut = Cut { index, width };
            assert_eq!(cut.path(), path);
            assert_eq!(Cut::parse(path), Some(cut));
        }
        for bad in [
            "",
            "0",
            "00",
            "0000",
            "x000/000",
            "001/000",
            "x001",
            "x001/x000",
            "x1/000",
            "000.p/0",
            "000.p/256",
            "000.p/01",
            "000.p/+1",
            "000.p/",
            "000.p",
            "+00",
            "-01",
            " 00",
            "x001//000",
            "x001/000/",
            "/000",
            "٠٠٠",
            "x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(Cut::parse(bad), None, "{bad}");
        }
        for bad in ["00", "+1", "8", "63", "-1", "", "x"] {
            assert_eq!(Tile::parse(bad, "000"), None, "{bad}");
        }
    }

    #[test]
    fn a_tree_has_the_tiles_of_the_specifications_example() {
        let count = |size, level, full| {
            let tiles = Tile::of_tree(size).filter(|tile| tile.level == level);
            tiles.filter(|tile| (tile.cut.width == TILE_WIDTH) == full).count()
        };
        let widths = |size, level| {
            let tiles = Tile::of_tree(size).filter(|tile| tile.level == level);
            tiles.map(|tile| tile.cut.width).filter(|width| *width < TILE_WIDTH).collect::<Vec<_>>()
        };
        assert_eq!((count(70_000, 0, true), widths(70_000, 0)), (273, vec![112]));
        assert_eq!((count(70_000, 1, true), widths(70_000, 1)), (1, vec![17]));
        assert_eq!((count(70_000, 2, true), widths(70_000, 2)), (0, vec![1]));
        assert_eq!((count(256, 0, true), widths(256, 0)), (1, vec![]));
        assert_eq!((count(256, 1, true), widths(256, 1)), (0, vec![1]));
        assert_eq!(Tile::of_tree(0).count(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        /// Every hash of every tile is the root that an independent tree has over those leaves.
        #[test]
        fn tiles_hold_the_hashes_of_an_independent_tree(size in 1_u64..1500) {
            let leaf = |index: u64| format!("leaf {index}").into_bytes();
            let mut ours = MemoryTree::default();
            (0..size).for_each(|index| ours.append(leaf_hash(&leaf(index))));
            for tile in Tile::of_tree(size) {
                let (first, end) = tile.nodes().unwrap();
                for index in first.index..end {
                    let mut theirs = MemoryBackedTree::<Sha256, Vec<u8>>::new();
                    let leaves = (index << first.level)..((index + 1) << first.level);
                    leaves.for_each(|at| theirs.push(leaf(at)));
                    let hash = ours.node(Node { index, ..first }).unwrap();
                    let root = theirs.root();
                    prop_assert_eq!(&hash.as_bytes()[..], &root.as_bytes()[..]);
                }
            }
        }

        #[test]
        fn every_cut_has_one_path(index: u64, width in 1_u16..=256) {
            let cut = Cut { index, width };
            prop_assert_eq!(Cut::parse(&cut.path()), Some(cut));
        }
    }
}
