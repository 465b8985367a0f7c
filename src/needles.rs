//! Bytes that must not be anywhere, and where they were found.

use std::collections::BTreeMap;
use std::io::{self, Read};

use aho_corasick::AhoCorasick;

/// Bytes of a stream looked at in one go.
const PIECE: usize = 1 << 20;
/// In raw bytes, a needle of so many is looked for in two halves: where a page ends in the middle of
/// it, one of them is whole.
const HALVED: usize = 16;

/// Bytes that must not be there. No `Debug`: they identify somebody.
#[derive(Clone)]
pub struct Needle {
    /// What they are, in words that say nothing of them.
    pub what: &'static str,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A place where a needle was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Trace {
    /// `table.column`, or a file and what part of it.
    pub place: String,
    /// What was found.
    pub what: &'static str,
    /// Rows, or places.
    pub times: u64,
}

/// Needles, all looked for at once.
pub struct Needles {
    all: Vec<Needle>,
    whole: Search,
    halves: Search,
}

struct Search {
    automaton: AhoCorasick,
    /// What each pattern is of.
    whats: Vec<&'static str>,
    longest: usize,
}

impl Search {
    fn new(patterns: Vec<(&'static str, &[u8])>) -> Self {
        let bytes = patterns.iter().map(|(_, bytes)| bytes);
        let automaton = AhoCorasick::new(bytes).expect("fewer than 2^31 bytes are looked for");
        let longest = patterns.iter().map(|(_, bytes)| bytes.len()).max().unwrap_or(0);
        Self { automaton, whats: patterns.into_iter().map(|(what, _)| what).collect(), longest }
    }

    /// Tells every occurrence that ends behind the first `after` bytes.
    fn each(&self, bytes: &[u8], after: usize, mut tell: impl FnMut(&'static str)) {
        for found in self.automaton.find_overlapping_iter(bytes) {
            if found.end() > after {
                tell(self.whats[found.pattern().as_usize()]);
            }
        }
    }
}

impl Needles {
    /// Needles without a byte are left out: they would be everywhere.
    pub fn new(mut all: Vec<Needle>) -> Self {
        all.retain(|needle| !needle.bytes.is_empty());
        let whole = all.iter().map(|needle| (needle.what, &*needle.bytes)).collect();
        let halves = all.iter().flat_map(halves).collect();
        let (whole, halves) = (Search::new(whole), Search::new(halves));
        Self { all, whole, halves }
    }

    /// The needles themselves.
    pub fn all(&self) -> &[Needle] {
        &self.all
    }

    /// Looks into a decoded value.
    pub fn in_value(&self, value: &[u8], place: &str, found: &mut Tally) {
        self.whole.each(value, 0, |what| found.add(place, what));
    }

    /// Looks into bytes that are not decoded, where a value may begin or end in the middle.
    pub fn in_raw(&self, bytes: &[u8], place: &str, found: &mut Tally) {
        self.halves.each(bytes, 0, |what| found.add(place, what));
    }

    /// Looks into a stream of bytes that are not decoded.
    pub fn in_stream(
        &self,
        mut stream: impl Read,
        place: &str,
        found: &mut Tally,
    ) -> io::Result<()> {
        let mut window = Vec::with_capacity(PIECE + self.halves.longest);
        loop {
            let kept = window.len();
            stream.by_ref().take(PIECE as u64).read_to_end(&mut window)?;
            if window.len() == kept {
                return Ok(());
            }
            // What ends within the part kept from before was counted then.
            self.halves.each(&window, kept, |what| found.add(place, what));
            let keep = self.halves.longest.saturating_sub(1).min(window.len());
            window.drain(..window.len() - keep);
        }
    }
}

fn halves(needle: &Needle) -> Vec<(&'static str, &[u8])> {
    if needle.bytes.len() < HALVED {
        return vec![(needle.what, &needle.bytes)];
    }
    let (first, second) = needle.bytes.split_at(needle.bytes.len() / 2);
    vec![(needle.what, first), (needle.what, second)]
}

/// What was found, counted by place.
#[derive(Default)]
pub struct Tally(BTreeMap<(String, &'static str), u64>);

impl Tally {
    /// Counts one.
    pub fn add(&mut self, place: &str, what: &'static str) {
        self.add_many(place, what, 1);
    }

    /// Counts several.
    pub fn add_many(&mut self, place: &str, what: &'static str, times: u64) {
        if times > 0 {
            *self.0.entry((place.to_owned(), what)).or_default() += times;
        }
    }

    /// Takes over what was counted elsewhere.
    pub fn extend(&mut self, other: Self) {
        for ((place, what), times) in other.0 {
            self.add_many(&place, what, times);
        }
    }

    /// In the order of places.
    pub fn traces(self) -> Vec<Trace> {
        self.0.into_iter().map(|((place, what), times)| Trace { place, what, times }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_by_a_page_or_a_piece_is_found() {
        let id: Vec<u8> = (1..=16).collect();
        let mut bytes = vec![0; PIECE - 5];
        bytes.extend_from_slice(&id); // across two pieces
        bytes.extend_from_slice(&[0; 100]);
        bytes.extend_from_slice(&id[..11]); // across two pages
        bytes.extend_from_slice(&[0; 100]);
        bytes.extend_from_slice(&id[4..]);
        bytes.extend_from_slice(b"anna");
        let needle = |what, bytes: &[u8]| Needle { what, bytes: bytes.to_vec() };
        let needles =
            [needle("id", &id), needle("anna", b"anna"), needle("no", b"no"), needle("", b"")];
        let (needles, mut found) = (Needles::new(needles.into()), Tally::default());
        needles.in_stream(&*bytes, "file", &mut found).expect("read");
        let times: Vec<_> = found.traces().iter().map(|trace| (trace.what, trace.times)).collect();
        assert_eq!(times, [("anna", 1), ("id", 4)]);
    }
}
