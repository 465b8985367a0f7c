//! What accounts did lately, as bitmaps: one per kind of act, what it was about, and day. A question such
//! as "bought within fourteen days and hid nothing within thirty" is algebra on them.
//!
//! Counts are kept in binary: one bitmap of those who did it at all, and one for each bit of how much
//! more often. Most did a thing once a day, and the bitmaps of bits are empty.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use roaring::{MultiOps as _, RoaringBitmap};

use super::table::Known;
use crate::signals::{About, DayCounts, Kind};

/// The rows by what they did on which day, by their last day, and those that are counted at all.
#[derive(Default)]
pub struct Recent {
    codes: BTreeMap<(Kind, About), u32>,
    series: Vec<Series>,
    /// Of each row, what there is about it to be taken back.
    rows: Vec<Traces>,
    active: BTreeMap<i32, RoaringBitmap>,
    counted: RoaringBitmap,
}

#[derive(Default)]
struct Traces {
    series: Box<[u32]>,
    last: Option<i32>,
}

/// One kind of act about one thing.
struct Series {
    of: (Kind, About),
    days: BTreeMap<i32, Day>,
}

#[derive(Default)]
struct Day {
    /// Who did it.
    some: RoaringBitmap,
    /// Bit by bit, how often beyond the first time.
    more: Vec<RoaringBitmap>,
}

impl Day {
    fn insert(&mut self, row: u32, times: u16) {
        let Some(more) = times.checked_sub(1) else { return };
        self.some.insert(row);
        for bit in 0..u16::BITS - more.leading_zeros() {
            if self.more.len() <= bit as usize {
                self.more.push(RoaringBitmap::new());
            }
            if more & (1 << bit) != 0 {
                self.more[bit as usize].insert(row);
            }
        }
    }

    fn remove(&mut self, row: u32) {
        if self.some.remove(row) {
            for bit in &mut self.more {
                bit.remove(row);
            }
        }
    }

    fn times(&self, row: u32) -> u16 {
        let bits = self.more.iter().zip(0_u32..).filter(|(rows, _)| rows.contains(row));
        u16::from(self.some.contains(row)) + bits.map(|(_, bit)| 1_u16 << bit).sum::<u16>()
    }

    /// Bitmaps with what a row in each of them counts.
    fn planes(&self) -> impl Iterator<Item = (u32, &RoaringBitmap)> {
        let bits = self.more.iter().zip(0_u32..).map(|(rows, bit)| (1 << bit, rows));
        [(1, &self.some)].into_iter().chain(bits)
    }

    fn bytes(&self) -> usize {
        self.planes().map(|(_, rows)| rows.serialized_size()).sum()
    }
}

/// How often the rows of one container did something: those whose upper sixteen bits are the same.
struct Times(Vec<u32>);

impl Default for Times {
    fn default() -> Self {
        Self(vec![0; 1 << 16])
    }
}

impl Times {
    /// Counts anew, from bitmaps with what a row in each of them counts.
    fn count(&mut self, planes: &[(u32, &RoaringBitmap)], range: RangeInclusive<u32>) {
        self.0.fill(0);
        let mut buffer = [0; 1024];
        for (weight, rows) in planes {
            let mut rows = rows.range(range.clone());
            loop {
                let some = rows.next_many(&mut buffer);
                if some.is_empty() {
                    break;
                }
                for row in some.iter() {
                    self.0[usize::from(*row as u16)] += weight;
                }
            }
        }
    }

    fn of(&self, row: u32) -> u32 {
        self.0[usize::from(row as u16)]
    }
}

impl Recent {
    /// Rows that are counted by day: those whose notice says so. Of the others nobody knows what they
    /// did, nor what they did not do.
    pub fn counted(&self) -> &RoaringBitmap {
        &self.counted
    }

    /// Rows that did anything since a day.
    pub fn active_since(&self, day: i32) -> RoaringBitmap {
        self.active.range(day..).map(|(_, rows)| rows).union()
    }

    /// Those of `within` that did something at least so often since a day, about any of these together.
    pub fn did(
        &self,
        kind: Kind,
        about: &[About],
        (at_least, since): (u32, i32),
        within: &RoaringBitmap,
    ) -> RoaringBitmap {
        let days: Vec<&Day> = self
            .series_of(kind, about)
            .flat_map(|s| s.days.range(since..))
            .map(|(_, day)| day)
            .collect();
        if at_least <= 1 {
            return days.iter().map(|day| &day.some).union() & within;
        }
        let planes: Vec<_> = days.iter().flat_map(|day| day.planes()).collect();
        let mut did = RoaringBitmap::new();
        let mut times = Times::default();
        let mut left = within.min();
        // One container of the bitmaps after the other, so that the counts stay in a near cache.
        while let Some(first) = left {
            let range = (first & !0xFFFF)..=(first | 0xFFFF);
            times.count(&planes, range.clone());
            did.extend(within.range(range.clone()).filter(|row| times.of(*row) >= at_least));
            left = range.end().checked_add(1).and_then(|next| within.range(next..).next());
        }
        did
    }

    /// Bytes of the bitmaps that a question about this would read; what a bench compares with.
    pub fn bytes(&self, kind: Kind, about: &[About], since: i32) -> usize {
        let series = self.series_of(kind, about);
        series.flat_map(|series| series.days.range(since..)).map(|(_, day)| day.bytes()).sum()
    }

    fn series_of<'s>(
        &'s self,
        kind: Kind,
        about: &'s [About],
    ) -> impl Iterator<Item = &'s Series> + 's {
        let code = move |about: &About| self.codes.get(&(kind, about.clone())).copied();
        about.iter().filter_map(code).map(|code| &self.series[code as usize])
    }

    /// Takes in a row of which nothing is held.
    pub(super) fn put(&mut self, row: u32, known: &Known) {
        if known.counted {
            self.counted.insert(row);
        }
        let last = known.standing.as_ref().and_then(super::Standing::last_day);
        if let Some(day) = last {
            self.active.entry(day).or_default().insert(row);
        }
        let mut touched = Vec::with_capacity(known.recent.iter().len());
        for (of, days) in known.recent.iter() {
            let code = self.code(of);
            for (day, times) in days {
                self.series[code as usize].days.entry(*day).or_default().insert(row, *times);
            }
            touched.push(code);
        }
        if touched.is_empty() && last.is_none() {
            return;
        }
        if self.rows.len() <= row as usize {
            self.rows.resize_with(row as usize + 1, Traces::default);
        }
        self.rows[row as usize] = Traces { series: touched.into(), last };
    }

    /// Takes back everything about a row.
    pub(super) fn clear(&mut self, row: u32) {
        self.counted.remove(row);
        let Some(held) = self.rows.get_mut(row as usize) else { return };
        let Traces { series, last } = std::mem::take(held);
        for code in series {
            self.series[code as usize].days.retain(|_, day| {
                day.remove(row);
                !day.some.is_empty()
            });
        }
        if let Some(day) = last
            && let Some(rows) = self.active.get_mut(&day)
        {
            rows.remove(row);
            if rows.is_empty() {
                self.active.remove(&day);
            }
        }
    }

    /// What is held about a row, put together again.
    pub(super) fn of(&self, row: u32) -> DayCounts {
        let mut counts = DayCounts::default();
        let held = self.rows.get(row as usize).map(|held| &*held.series).unwrap_or_default();
        for code in held {
            let series = &self.series[*code as usize];
            for (day, held) in &series.days {
                counts.put(series.of.clone(), *day, held.times(row));
            }
        }
        counts
    }

    fn code(&mut self, of: &(Kind, About)) -> u32 {
        if let Some(code) = self.codes.get(of) {
            return *code;
        }
        let code = self.series.len() as u32;
        self.series.push(Series { of: of.clone(), days: BTreeMap::new() });
        self.codes.insert(of.clone(), code);
        code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of several containers, at their borders too, with counts of several days.
    #[test]
    fn who_did_it_often_enough_is_found_in_every_container() {
        const ROWS: [u32; 7] = [0, 1, 65_535, 65_536, 131_071, 200_000, u32::MAX];
        let mut recent = Recent::default();
        let code = recent.code(&(Kind::Viewed, About::Any));
        for (nth, row) in (1..).zip(ROWS) {
            let days = &mut recent.series[code as usize].days;
            days.entry(10).or_default().insert(row, nth);
            days.entry(11).or_default().insert(row, 2);
            days.entry(1).or_default().insert(row, 100);
        }
        let everybody: RoaringBitmap = ROWS.into_iter().chain([5, 70_000]).collect();
        let did = |within: &RoaringBitmap, at_least| {
            let found = recent.did(Kind::Viewed, &[About::Any], (at_least, 10), within);
            found.iter().collect::<Vec<u32>>()
        };
        for at_least in 1..12 {
            let times = (1..).map(|nth: u32| nth + 2);
            let often = ROWS.into_iter().zip(times).filter(|(_, times)| *times >= at_least);
            assert_eq!(did(&everybody, at_least), often.map(|(row, _)| row).collect::<Vec<_>>());
        }
        let some: RoaringBitmap = [1, 200_000].into_iter().collect();
        assert_eq!(did(&some, 4), [1, 200_000]);
        assert_eq!(did(&RoaringBitmap::new(), 2), Vec::<u32>::new());
    }
}
