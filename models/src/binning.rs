//! Quantile bins: the numbers and words of a column as small codes.
//!
//! Bins are learnt on training rows only. Code 0 is "missing" in every column; a numeric column has its bins
//! in ascending order from code 1; a categorical one has "any other word" at code 1 and its known words, in
//! alphabetical order, from code 2.

use std::hint::select_unpredictable;

use serde::{Deserialize, Serialize};

use crate::features::{Kind, Value};
use crate::table::{Column, MISSING};

/// The code of a missing value.
pub const MISSING_CODE: u16 = 0;
/// The code of a word that was not seen, or too rarely, in training.
pub const OTHER_CODE: u16 = 1;

/// Numbers that are coded at a time.
const LANES: usize = 8;

/// How the values of one column become codes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bins {
    /// Ascending edges; a value equal to an edge belongs to the bin above it.
    Numbers {
        /// One fewer than there are bins.
        edges: Vec<f64>,
    },
    /// Known words, sorted.
    Words {
        /// Each distinct.
        levels: Vec<String>,
    },
}

/// Bounds on the number of codes per column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BinLimits {
    /// Most bins of a numeric column.
    pub numbers: usize,
    /// Most words of a categorical column.
    pub words: usize,
    /// A word seen in fewer rows is "any other".
    pub rare: usize,
}

impl Default for BinLimits {
    fn default() -> Self {
        Self { numbers: 255, words: 1024, rare: 5 }
    }
}

impl Bins {
    /// Learns the bins of a column.
    pub fn learn(column: &Column, limits: BinLimits) -> Self {
        match column {
            Column::Number(values) => {
                Self::Numbers { edges: quantile_edges(values, limits.numbers) }
            }
            Column::Category { codes, levels } => {
                let mut counts = vec![0_usize; levels.len()];
                for &code in codes.iter().filter(|&&code| code != MISSING) {
                    counts[code as usize] += 1;
                }
                let mut known: Vec<usize> = (0..levels.len())
                    .filter(|&level| counts[level] >= limits.rare.max(1))
                    .collect();
                known.sort_by(|&a, &b| {
                    counts[b].cmp(&counts[a]).then_with(|| levels[a].cmp(&levels[b]))
                });
                known.truncate(limits.words);
                let mut levels: Vec<String> =
                    known.into_iter().map(|level| levels[level].clone()).collect();
                levels.sort_unstable();
                Self::Words { levels }
            }
        }
    }

    /// What the column holds.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Numbers { .. } => Kind::Number,
            Self::Words { .. } => Kind::Category,
        }
    }

    /// Whether edges are finite and rise and words are sorted: what a file must show before it is used.
    pub fn is_ordered(&self) -> bool {
        let size_fits = u16::try_from(self.size()).is_ok();
        size_fits
            && match self {
                Self::Numbers { edges } => {
                    edges.iter().all(|edge| edge.is_finite())
                        && edges.windows(2).all(|pair| pair[0] < pair[1])
                }
                Self::Words { levels } => levels.windows(2).all(|pair| pair[0] < pair[1]),
            }
    }

    /// How many codes there are, missing included.
    pub fn size(&self) -> usize {
        match self {
            Self::Numbers { edges } => edges.len() + 2,
            Self::Words { levels } => levels.len() + 2,
        }
    }

    /// The code of a number; NaN is missing.
    pub fn code_of_number(&self, number: f64) -> u16 {
        match self {
            _ if number.is_nan() => MISSING_CODE,
            Self::Numbers { edges } => 1 + edges.partition_point(|edge| *edge <= number) as u16,
            Self::Words { .. } => self.code_of_word(&number.to_string()),
        }
    }

    /// Adds the codes of many numbers: what [`Bins::code_of_number`] says of each.
    pub fn codes_of_numbers(&self, numbers: &[f64], codes: &mut Vec<u16>) {
        let Self::Numbers { edges } = self else {
            codes.extend(numbers.iter().map(|&number| self.code_of_number(number)));
            return;
        };
        let ladder = ladder(edges);
        let (groups, rest) = numbers.as_chunks::<LANES>();
        for group in groups {
            codes.extend_from_slice(&climb(&ladder, group));
        }
        codes.extend(rest.iter().map(|&number| self.code_of_number(number)));
    }

    /// The code of a word. In a numeric column a word that is no number is missing.
    pub fn code_of_word(&self, word: &str) -> u16 {
        match self {
            Self::Numbers { .. } => self.code_of_number(word.parse().unwrap_or(f64::NAN)),
            Self::Words { levels } => levels
                .binary_search_by(|level| level.as_str().cmp(word))
                .map_or(OTHER_CODE, |at| at as u16 + 2),
        }
    }

    /// The code of a value.
    pub fn code(&self, value: Option<&Value>) -> u16 {
        match value {
            None => MISSING_CODE,
            Some(Value::Number(number)) => self.code_of_number(*number),
            Some(Value::Category(word)) => self.code_of_word(word),
        }
    }

    /// The codes of a whole column.
    pub fn codes(&self, column: &Column) -> Vec<u16> {
        match column {
            Column::Number(values) => {
                let mut codes = Vec::with_capacity(values.len());
                self.codes_of_numbers(values, &mut codes);
                codes
            }
            Column::Category { codes, levels } => {
                let by_level: Vec<u16> =
                    levels.iter().map(|level| self.code_of_word(level)).collect();
                codes
                    .iter()
                    .map(|&code| by_level.get(code as usize).copied().unwrap_or(MISSING_CODE))
                    .collect()
            }
        }
    }

    /// A short text for a code: an interval, a word, or "missing".
    pub fn label(&self, code: u16) -> String {
        if code == MISSING_CODE {
            return "missing".to_owned();
        }
        match self {
            Self::Numbers { edges } => {
                let bin = code as usize - 1;
                let below =
                    bin.checked_sub(1).and_then(|at| edges.get(at)).map(|edge| short(*edge));
                match (below, edges.get(bin).map(|edge| short(*edge))) {
                    (None, None) => "any".to_owned(),
                    (None, Some(high)) => format!("< {high}"),
                    (Some(low), None) => format!("≥ {low}"),
                    (Some(low), Some(high)) => format!("{low} – {high}"),
                }
            }
            Self::Words { levels } => (code as usize)
                .checked_sub(OTHER_CODE as usize + 1)
                .and_then(|at| levels.get(at))
                .map_or_else(|| "other".to_owned(), Clone::clone),
        }
    }

    /// Groups codes into at most `groups` coarser ones, by how many training rows (`counts`) have each:
    /// neighbouring bins of numbers are merged to groups of like size, rare words become "any other". The
    /// result maps a code to its group; missing stays a group of its own.
    pub fn coarsen(&self, counts: &[usize], groups: usize) -> Vec<u16> {
        let mut map = vec![0_u16; self.size()];
        match self {
            Self::Numbers { .. } => {
                let sizes = equal_groups(&counts[1..], groups.saturating_sub(1).max(1));
                let mut code = 1;
                for (group, size) in sizes.into_iter().enumerate() {
                    map[code..code + size].fill(group as u16 + 1);
                    code += size;
                }
            }
            Self::Words { levels } => {
                let mut order: Vec<usize> = (2..levels.len() + 2).collect();
                order.sort_by_key(|&code| (std::cmp::Reverse(counts[code]), code));
                map[OTHER_CODE as usize..].fill(OTHER_CODE);
                for (group, code) in order.into_iter().take(groups.saturating_sub(2)).enumerate() {
                    map[code] = group as u16 + 2;
                }
            }
        }
        map
    }
}

/// Edges, and so many that no number reaches as make one fewer than a power of two.
fn ladder(edges: &[f64]) -> Vec<f64> {
    let mut ladder = edges.to_vec();
    ladder.resize((edges.len() + 1).next_power_of_two() - 1, f64::NAN);
    ladder
}

/// The codes of some numbers, by halving without branches: all of them take as many steps, and each step
/// is taken for one while the others wait for memory.
fn climb(ladder: &[f64], numbers: &[f64; LANES]) -> [u16; LANES] {
    let mut below = [0_usize; LANES];
    let mut step = ladder.len().div_ceil(2);
    while step > 0 {
        for (below, number) in below.iter_mut().zip(numbers) {
            let next = *below + step;
            // A branch would be guessed wrong half of the time.
            *below = select_unpredictable(ladder[next - 1] <= *number, next, *below);
        }
        step /= 2;
    }
    std::array::from_fn(
        |lane| if numbers[lane].is_nan() { MISSING_CODE } else { 1 + below[lane] as u16 },
    )
}

/// Edges of at most `bins` bins of about equally many rows. A value that is frequent enough has a bin alone.
fn quantile_edges(values: &[f64], bins: usize) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    let mut distinct: Vec<f64> = Vec::new();
    let mut counts: Vec<usize> = Vec::new();
    for value in sorted {
        if distinct.last() == Some(&value) {
            *counts.last_mut().expect("as long as distinct") += 1;
        } else {
            distinct.push(value);
            counts.push(1);
        }
    }
    let mut edges = Vec::new();
    let mut at = 0;
    for size in equal_groups(&counts, bins) {
        at += size;
        if at < distinct.len() {
            let middle = distinct[at - 1] / 2.0 + distinct[at] / 2.0;
            // Neighbouring floats have no middle of their own: the upper one separates them.
            edges.push(if middle > distinct[at - 1] { middle } else { distinct[at] });
        }
    }
    edges
}

/// Cuts a sequence of weights into at most `groups` runs of about equal total, never splitting an element.
/// Returns how many elements each run has.
fn equal_groups(counts: &[usize], groups: usize) -> Vec<usize> {
    if counts.len() <= groups {
        return vec![1; counts.len()];
    }
    let mut remaining: usize = counts.iter().sum();
    let mut sizes: Vec<usize> = Vec::new();
    let (mut size, mut total) = (0, 0);
    for (index, &count) in counts.iter().enumerate() {
        let open = groups - sizes.len();
        let target = remaining as f64 / open as f64;
        // A run is closed early when the next element alone would fill one.
        if size > 0 && open > 1 && total as f64 + count as f64 / 2.0 > target {
            sizes.push(size);
            remaining -= total;
            (size, total) = (0, 0);
        }
        size += 1;
        total += count;
        if index + 1 == counts.len() {
            sizes.push(size);
        }
    }
    sizes
}

/// A number in at most four significant digits, without a tail of zeros.
fn short(number: f64) -> String {
    let magnitude = if number == 0.0 { 0 } else { number.abs().log10().floor() as i32 };
    let decimals = (3 - magnitude).clamp(0, 6) as usize;
    let text = format!("{number:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limits(numbers: usize) -> BinLimits {
        BinLimits { numbers, words: 3, rare: 2 }
    }

    #[test]
    fn few_distinct_values_have_a_bin_each_and_missing_its_own() {
        let column = Column::Number(vec![3.0, 1.0, f64::NAN, 1.0, 2.0]);
        let bins = Bins::learn(&column, limits(64));
        assert_eq!(bins, Bins::Numbers { edges: vec![1.5, 2.5] });
        assert_eq!(bins.codes(&column), [3, 1, 0, 1, 2]);
        assert_eq!(
            [bins.label(0), bins.label(1), bins.label(2), bins.label(3)],
            ["missing", "< 1.5", "1.5 – 2.5", "≥ 2.5"]
        );
    }

    #[test]
    fn bins_hold_about_equally_many_rows_and_a_heavy_value_stands_alone() {
        let values: Vec<f64> =
            (0..1000).map(|i| if i < 600 { 0.0 } else { f64::from(i) }).collect();
        let column = Column::Number(values);
        let bins = Bins::learn(&column, limits(5));
        let mut counts = vec![0; bins.size()];
        for code in bins.codes(&column) {
            counts[code as usize] += 1;
        }
        assert_eq!(counts, [0, 600, 100, 100, 100, 100]);
    }

    #[test]
    fn rare_and_unknown_words_are_other() {
        let words = ["b", "b", "a", "a", "a", "c"];
        let column = Column::Category {
            codes: vec![0, 0, 1, 1, 1, 2, MISSING],
            levels: vec!["b".into(), "a".into(), "c".into()],
        };
        let bins = Bins::learn(&column, limits(5));
        assert_eq!(bins, Bins::Words { levels: vec!["a".into(), "b".into()] });
        assert_eq!(words.map(|word| bins.code_of_word(word)), [3, 3, 2, 2, 2, OTHER_CODE]);
        assert_eq!(bins.codes(&column)[6], MISSING_CODE);
        assert_eq!(bins.code_of_word("zebra"), OTHER_CODE);
    }

    #[test]
    fn numbers_and_words_meet_where_a_column_changed_its_kind() {
        let words = Bins::Words { levels: vec!["7".into()] };
        assert_eq!(words.code(Some(&Value::Number(7.0))), 2);
        let numbers = Bins::Numbers { edges: vec![5.0] };
        assert_eq!(numbers.code(Some(&Value::Category("7".into()))), 2);
        assert_eq!(numbers.code(Some(&Value::Category("seven".into()))), MISSING_CODE);
    }

    #[test]
    fn coarse_groups_keep_order_and_missing() {
        let bins = Bins::Numbers { edges: (1..8).map(f64::from).collect() };
        assert_eq!(bins.coarsen(&[3, 1, 1, 1, 1, 1, 1, 1, 1], 3), [0, 1, 1, 1, 1, 2, 2, 2, 2]);
        let words = Bins::Words { levels: vec!["a".into(), "b".into(), "c".into()] };
        assert_eq!(words.coarsen(&[0, 5, 1, 9, 4], 4), [0, 1, 1, 2, 3]);
    }

    proptest! {
        #[test]
        fn codes_follow_the_order_of_values(mut values in prop::collection::vec(-1e9..1e9_f64, 1..200), bins in 1..40_usize) {
            let learnt = Bins::learn(&Column::Number(values.clone()), limits(bins));
            prop_assert!(learnt.size() <= bins + 1);
            values.sort_by(f64::total_cmp);
            let codes: Vec<u16> = values.iter().map(|&value| learnt.code_of_number(value)).collect();
            prop_assert!(codes.is_sorted());
            prop_assert!(codes.iter().all(|&code| code >= 1 && (code as usize) < learnt.size()));
        }

        #[test]
        fn many_numbers_are_coded_as_one_is(
            numbers in prop::collection::vec(
                prop_oneof![
                    (-3..20_i32).prop_map(f64::from),
                    prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.5]),
                ],
                0..40),
            edges in 0..20_i32,
        ) {
            for bins in [
                Bins::Numbers { edges: (0..edges).map(f64::from).collect() },
                Bins::Words { levels: vec!["-0".into(), "0.5".into(), "7".into()] },
            ] {
                let mut codes = vec![9];
                bins.codes_of_numbers(&numbers, &mut codes);
                let one = numbers.iter().map(|&number| bins.code_of_number(number));
                prop_assert_eq!(codes, [9].into_iter().chain(one).collect::<Vec<u16>>());
            }
        }
    }
}
