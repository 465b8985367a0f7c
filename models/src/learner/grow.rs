//! How one tree grows: leaf by leaf, best first (Ke et al., "LightGBM", NeurIPS 2017), until it has its
//! leaves or nothing is gained.

use crate::features::Direction;
use crate::learner::boost::{Bytes, Settings};
use crate::learner::tree::{CodeSet, Node, Tree};

/// Evidence drawn towards nothing when words are sorted, in units of the loss's second derivative.
const WORD_RIDGE: f64 = 10.0;
/// A split that promises less is none.
const MIN_GAIN: f64 = 1e-9;

/// Sums of first and second derivatives of the loss.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    pub(super) first: f64,
    pub(super) second: f64,
}

impl Sum {
    #[inline]
    fn add(&mut self, other: Self) {
        self.first += other.first;
        self.second += other.second;
    }

    #[inline]
    fn plus(self, other: Self) -> Self {
        Self { first: self.first + other.first, second: self.second + other.second }
    }

    #[inline]
    fn minus(self, other: Self) -> Self {
        Self { first: self.first - other.first, second: self.second - other.second }
    }
}

/// What a leaf may say, so that columns with a direction keep it.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    low: f64,
    high: f64,
}

impl Bounds {
    const NONE: Self = Self { low: f64::NEG_INFINITY, high: f64::INFINITY };

    /// The step that lowers the loss most.
    #[inline]
    fn step(self, sum: Sum, ridge: f64) -> f64 {
        (-sum.first / (sum.second + ridge)).clamp(self.low, self.high)
    }

    /// By how much that step lowers it, doubled.
    #[inline]
    fn worth(self, sum: Sum, ridge: f64) -> f64 {
        let step = self.step(sum, ridge);
        -step * (2.0 * sum.first + (sum.second + ridge) * step)
    }

    /// What is left to either side of a split, so that no later split undoes the order of the two.
    fn split(self, direction: Option<Direction>, left: f64, right: f64) -> [Self; 2] {
        let middle = left / 2.0 + right / 2.0;
        let (above, below) = (Self { low: middle, ..self }, Self { high: middle, ..self });
        match direction {
            None => [self, self],
            Some(Direction::Falls) => [above, below],
            Some(Direction::Rises) => [below, above],
        }
    }
}

/// Sums per code of one column.
struct Histogram {
    column: usize,
    sums: Vec<Sum>,
}

struct Leaf {
    begin: usize,
    end: usize,
    node: usize,
    sum: Sum,
    bounds: Bounds,
    histograms: Vec<Histogram>,
    best: Option<Split>,
}

#[derive(Clone, Copy)]
struct Split {
    column: usize,
    codes: CodeSet,
    gain: f64,
    left: Sum,
}

/// A tree that grows on a sample of rows.
pub(super) struct Growing<'g> {
    columns: &'g [Bytes],
    gradients: &'g [Sum],
    settings: &'g Settings,
    sample: Vec<u32>,
    scratch: Vec<u32>,
    /// Columns that may be split on.
    allowed: Vec<usize>,
    /// Columns that were.
    used: Vec<usize>,
    nodes: Vec<Node>,
    leaves: Vec<Leaf>,
}

impl<'g> Growing<'g> {
    /// A tree of one leaf. `gradients` has one per row of the table, `sample` the rows to learn from, and
    /// `allowed` the columns, ascending.
    pub(super) fn new(
        columns: &'g [Bytes],
        gradients: &'g [Sum],
        settings: &'g Settings,
        sample: Vec<u32>,
        allowed: Vec<usize>,
    ) -> Self {
        let mut growing = Self {
            columns,
            gradients,
            settings,
            scratch: Vec::with_capacity(sample.len()),
            sample,
            allowed,
            used: Vec::new(),
            nodes: vec![Node::Leaf(0.0)],
            leaves: Vec::new(),
        };
        let mut sum = Sum::default();
        growing.sample.iter().for_each(|&row| sum.add(gradients[row as usize]));
        let histograms = growing.histograms(0, growing.sample.len());
        let end = growing.sample.len();
        let bounds = Bounds::NONE;
        growing.add(Leaf { begin: 0, end, node: 0, sum, bounds, histograms, best: None });
        growing
    }

    /// Grows until there are enough leaves or nothing is gained.
    pub(super) fn grow(mut self) -> Tree {
        while self.leaves.len() < self.settings.leaves {
            let gain = |leaf: &Leaf| leaf.best.map_or(0.0, |split| split.gain);
            let Some(at) =
                (0..self.leaves.len()).filter(|&at| self.leaves[at].best.is_some()).reduce(
                    |best, at| {
                        if gain(&self.leaves[at]) > gain(&self.leaves[best]) { at } else { best }
                    },
                )
            else {
                break;
            };
            let mut leaf = self.leaves.swap_remove(at);
            let split = leaf.best.expect("it was chosen for its split");
            self.uses(split.column, &mut leaf);
            self.split(leaf, split);
        }
        for leaf in &self.leaves {
            let step = leaf.bounds.step(leaf.sum, self.settings.ridge);
            self.nodes[leaf.node] = Node::Leaf(self.settings.rate * step);
        }
        Tree(self.nodes)
    }

    fn add(&mut self, mut leaf: Leaf) {
        leaf.best = self.best(&leaf);
        self.leaves.push(leaf);
    }

    /// Notes that a column is split on. Once there are as many as a tree may read, no other may be.
    fn uses(&mut self, column: usize, leaf: &mut Leaf) {
        if !self.used.contains(&column) {
            self.used.push(column);
        }
        if self.used.len() < self.settings.columns || self.allowed.len() == self.used.len() {
            return;
        }
        self.used.sort_unstable();
        self.allowed.clone_from(&self.used);
        let mut others = std::mem::take(&mut self.leaves);
        for other in others.iter_mut().chain([leaf]) {
            other.histograms.retain(|histogram| self.allowed.contains(&histogram.column));
            other.best = self.best(other);
        }
        self.leaves = others;
    }

    fn split(&mut self, leaf: Leaf, split: Split) {
        let Leaf { begin, end, node, bounds, sum, histograms, .. } = leaf;
        let left_node = self.nodes.len();
        self.nodes[node] =
            Node::Split { column: split.column, codes: split.codes, left: left_node };
        self.nodes.extend([Node::Leaf(0.0), Node::Leaf(0.0)]);
        let middle = self.part(begin, end, &split);
        // The smaller side is counted, the larger one is what is left.
        let small_is_left = middle - begin <= end - middle;
        let small = if small_is_left {
            self.histograms(begin, middle)
        } else {
            self.histograms(middle, end)
        };
        let mut large = histograms;
        for (large, small) in large.iter_mut().zip(&small) {
            for (sum, less) in large.sums.iter_mut().zip(&small.sums) {
                *sum = sum.minus(*less);
            }
        }
        let (left, right) = if small_is_left { (small, large) } else { (large, small) };
        let sums = [split.left, sum.minus(split.left)];
        let [one, other] = sums.map(|sum| bounds.step(sum, self.settings.ridge));
        let inner = bounds.split(self.columns[split.column].direction, one, other);
        let (node, best) = (left_node, None);
        self.add(Leaf {
            begin,
            end: middle,
            node,
            sum: sums[0],
            bounds: inner[0],
            histograms: left,
            best,
        });
        self.add(Leaf {
            begin: middle,
            end,
            node: node + 1,
            sum: sums[1],
            bounds: inner[1],
            histograms: right,
            best,
        });
    }

    /// Puts the rows of a leaf that go left before the others, each side in its order; answers where the
    /// others begin.
    fn part(&mut self, begin: usize, end: usize, split: &Split) -> usize {
        let codes = &self.columns[split.column].codes;
        let part = &mut self.sample[begin..end];
        self.scratch.clear();
        let mut kept = 0;
        for at in 0..part.len() {
            let row = part[at];
            if split.codes.has(codes[row as usize] as usize) {
                part[kept] = row;
                kept += 1;
            } else {
                self.scratch.push(row);
            }
        }
        part[kept..].copy_from_slice(&self.scratch);
        begin + kept
    }

    fn histograms(&self, begin: usize, end: usize) -> Vec<Histogram> {
        let rows = &self.sample[begin..end];
        let gradients: Vec<Sum> = rows.iter().map(|&row| self.gradients[row as usize]).collect();
        let of = |&column: &usize| {
            let Bytes { codes, size, .. } = &self.columns[column];
            let mut sums = vec![Sum::default(); *size];
            for (&row, &gradient) in rows.iter().zip(&gradients) {
                sums[codes[row as usize] as usize].add(gradient);
            }
            Histogram { column, sums }
        };
        self.allowed.iter().map(of).collect()
    }

    fn best(&self, leaf: &Leaf) -> Option<Split> {
        let mut best: Option<Split> = None;
        for histogram in &leaf.histograms {
            let found = if self.columns[histogram.column].ordered {
                self.cut(histogram, leaf)
            } else {
                self.divide(histogram, leaf)
            };
            if let Some(found) = found
                && best.is_none_or(|best| found.gain > best.gain)
            {
                best = Some(found);
            }
        }
        best
    }

    /// By how much a split lowers the loss, doubled; 0 when it may not be.
    #[inline]
    fn gain(&self, left: Sum, leaf: &Leaf, direction: Option<Direction>, before: f64) -> f64 {
        let Settings { ridge, least, .. } = *self.settings;
        let right = leaf.sum.minus(left);
        if left.second < least || right.second < least {
            return 0.0;
        }
        if let Some(direction) = direction {
            let step = |sum| leaf.bounds.step(sum, ridge);
            if !direction.allows(step(left), step(right)) {
                return 0.0;
            }
        }
        leaf.bounds.worth(left, ridge) + leaf.bounds.worth(right, ridge) - before
    }

    /// The best cut of an ordered column, with the missing on either side.
    fn cut(&self, histogram: &Histogram, leaf: &Leaf) -> Option<Split> {
        let column = histogram.column;
        let direction = self.columns[column].direction;
        let before = leaf.bounds.worth(leaf.sum, self.settings.ridge);
        let missing = histogram.sums[0];
        let mut best: Option<(usize, bool, f64, Sum)> = None;
        let mut left = Sum::default();
        for (code, sum) in histogram.sums.iter().enumerate().skip(1) {
            left.add(*sum);
            for (side, missing_left) in [(left.plus(missing), true), (left, false)] {
                let gain = self.gain(side, leaf, direction, before);
                if gain > best.map_or(MIN_GAIN, |best| best.2) {
                    best = Some((code, missing_left, gain, side));
                }
            }
        }
        best.map(|(last, missing_left, gain, left)| {
            let mut codes = CodeSet::default();
            (1..=last).for_each(|code| codes.insert(code));
            if missing_left {
                codes.insert(0);
            }
            Split { column, codes, gain, left }
        })
    }

    /// The best division of words, which are sorted by their mean gradient (Fisher 1958).
    fn divide(&self, histogram: &Histogram, leaf: &Leaf) -> Option<Split> {
        let Histogram { column, sums } = histogram;
        let before = leaf.bounds.worth(leaf.sum, self.settings.ridge);
        let mut order: Vec<usize> =
            (0..sums.len()).filter(|&code| sums[code].second > 0.0).collect();
        let mean = |code: usize| sums[code].first / (sums[code].second + WORD_RIDGE);
        order.sort_by(|&a, &b| mean(a).total_cmp(&mean(b)).then(a.cmp(&b)));
        let mut best: Option<(usize, f64, Sum)> = None;
        let mut left = Sum::default();
        for (at, &code) in order.iter().enumerate() {
            left.add(sums[code]);
            let gain = self.gain(left, leaf, None, before);
            if gain > best.map_or(MIN_GAIN, |best| best.1) {
                best = Some((at, gain, left));
            }
        }
        best.map(|(last, gain, left)| {
            let mut codes = CodeSet::default();
            order[..=last].iter().for_each(|&code| codes.insert(code));
            Split { column: *column, codes, gain, left }
        })
    }
}
