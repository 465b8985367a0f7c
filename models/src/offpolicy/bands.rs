//! The range of places, cut into bands in which exposures of both arms lie.

use serde::{Deserialize, Serialize};

use super::{Logged, Target};

/// Fewest exposures of an arm in a band.
const FEWEST_IN_BAND: usize = 50;
/// A place is one where exposures were when so many of them lie there or beyond.
const FEWEST_BEYOND: usize = 5;
/// Most bands.
const MOST: usize = 10;
/// Largest share of a list that may be placed where hardly an exposure was.
const OUTSIDE: f64 = 0.1;

/// Bands of places, by the model that ranks lists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bands {
    /// Where each band but the first begins.
    cuts: Vec<f64>,
    /// So low, and so high, exposures were placed.
    within: (f64, f64),
}

impl Bands {
    /// Bands over exposures in the order of their places by models that have not seen them, and the band of
    /// each exposure. A band is the same stretch of ranks in either order, so that a list's place and an
    /// exposure's mean the same although two models gave them. There are enough of each of `arms` in every one.
    pub(super) fn over(drawn: &[Logged], arms: &[bool]) -> Option<(Self, Vec<usize>)> {
        let mut places: Vec<f64> = drawn.iter().map(|one| stated(one.place)).collect();
        places.sort_by(f64::total_cmp);
        let mut starts = vec![0];
        let mut counts = [0, 0];
        let enough =
            |counts: [usize; 2]| arms.iter().all(|&of| counts[usize::from(of)] >= FEWEST_IN_BAND);
        for (row, one) in drawn.iter().enumerate() {
            let full = enough(counts);
            let long = (row - starts[starts.len() - 1]) * MOST >= drawn.len();
            let between =
                row > 0 && drawn[row - 1].unseen < one.unseen && places[row - 1] < places[row];
            if full && long && between {
                starts.push(row);
                counts = [0, 0];
            }
            counts[usize::from(one.sent)] += 1;
        }
        // What is left at the end and is too little belongs to the band before.
        if !enough(counts) {
            starts.pop();
        }
        starts.first()?;
        let of_row = (0..drawn.len()).map(|row| starts.partition_point(|&at| at <= row) - 1);
        let of_row = of_row.collect();
        let within = (places[FEWEST_BEYOND - 1], places[places.len() - FEWEST_BEYOND]);
        // Halfway between those below and those above: whoever is placed in a gap is like the nearer ones.
        let halfway = |row: usize| f64::midpoint(places[row - 1], places[row]);
        let cuts = starts[1..].iter().map(|&row| halfway(row)).collect();
        Some((Self { cuts, within }, of_row))
    }

    pub(super) fn count(&self) -> usize {
        self.cuts.len() + 1
    }

    /// The share of a list in every band; nothing where too many are placed outside of what is known. The
    /// few that are belong to the band next to them.
    pub(super) fn shares(&self, list: &[Target]) -> Option<Vec<f64>> {
        let (low, high) = self.within;
        let outside = |row: &&Target| !(low..=high).contains(&stated(row.place));
        let outside = list.iter().filter(outside).count();
        if list.is_empty() || outside as f64 > OUTSIDE * list.len() as f64 {
            return None;
        }
        let mut shares = vec![0.0; self.count()];
        for row in list {
            let band = self.cuts.partition_point(|cut| *cut <= stated(row.place));
            shares[band] += 1.0 / list.len() as f64;
        }
        Some(shares)
    }

    pub(super) fn is_sound(&self) -> bool {
        self.cuts.is_sorted() && self.within.0 <= self.within.1
    }
}

/// A place as the rows of lists state it, to six decimals: where many people have the same place, a border
/// may run right beside it.
fn stated(place: f64) -> f64 {
    (place * 1e6).round() / 1e6
}
