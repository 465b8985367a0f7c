//! The smallest change that would have turned a decision: an exact search over the model's tables.
//!
//! Only what acts and time change may differ ([`lever`]), and only the way it can: nothing becomes unknown,
//! the columns of one lever go the same way, a column with a direction goes where its direction helps. A
//! change is smaller than another when fewer columns differ; among those with equally many, when they go
//! over fewer bins in all. (Counterfactual explanations: Wachter, Mittelstadt and Russell 2018; for a sum of
//! tables they need no sampling.)

use crate::binning::{Bins, MISSING_CODE};
use crate::features::{Direction, Features, Lever, RECENCY_DAYS, lever};
use crate::model::{Model, Term};

/// Most columns that differ. Four things at once are no answer a person can use.
pub const MOST: usize = 3;

/// The side of a cut that a score should be on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wanted {
    /// The logit is at least this.
    AtLeast(f64),
    /// The logit is less than this.
    Below(f64),
}

impl Wanted {
    /// Whether a logit is on the side.
    pub fn holds(self, logit: f64) -> bool {
        match self {
            Self::AtLeast(cut) => logit >= cut,
            Self::Below(cut) => logit < cut,
        }
    }

    fn rises(self) -> bool {
        matches!(self, Self::AtLeast(_))
    }
}

/// One column that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The feature.
    pub feature: String,
    /// What would have to happen.
    pub lever: Lever,
    /// Whether its number grows.
    pub rises: bool,
    /// The code it would have, one of the column's bins.
    pub code: u16,
    /// Over how many bins it goes.
    pub bins: usize,
}

/// A change that brings a score to the other side of a cut.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What differs, in the order of the model's columns.
    pub moves: Vec<Moved>,
    /// The logit with it.
    pub logit: f64,
}

impl Change {
    /// Columns that differ, and bins they go over: the smaller, the smaller.
    pub fn size(&self) -> (usize, usize) {
        (self.moves.len(), self.moves.iter().map(|moved| moved.bins).sum())
    }
}

impl Model {
    /// The smallest change of up to [`MOST`] columns that brings the score of these features to the wanted
    /// side; among equally small ones that which goes furthest. Nothing when there is none; a change of
    /// nothing when the score is there already.
    pub fn smallest_change(&self, features: &Features, wanted: Wanted) -> Option<Change> {
        let search = Search::new(self, self.codes(features), wanted);
        (0..=MOST).find_map(|count| search.best_of(count))
    }
}

/// A code that a column could have instead.
#[derive(Clone, Copy)]
struct Step {
    code: u16,
    bins: usize,
    rises: bool,
}

/// A column that may differ, with where it may go, the nearest first.
struct Movable {
    column: usize,
    lever: Lever,
    steps: Vec<Step>,
}

struct Search<'m> {
    model: &'m Model,
    codes: Vec<u16>,
    wanted: Wanted,
    movable: Vec<Movable>,
}

/// What was found so far.
struct Found {
    bins: usize,
    logit: f64,
    steps: Vec<Step>,
}

impl<'m> Search<'m> {
    fn new(model: &'m Model, codes: Vec<u16>, wanted: Wanted) -> Self {
        let movable = (0..codes.len()).filter_map(|column| {
            let known = model.columns().get(column)?;
            let lever = lever(&known.name)?;
            let Bins::Numbers { .. } = known.bins else { return None };
            let last = known.bins.size() as u16 - 1;
            let mut steps: Vec<Step> = (1..=last)
                .filter_map(|code| step(&known.name, codes[column], code, last))
                .filter(|step| helps(known.direction, step.rises, wanted))
                .collect();
            steps.sort_by_key(|step| (step.bins, step.code));
            let steps = distinct(model, column, steps);
            (!steps.is_empty()).then_some(Movable { column, lever, steps })
        });
        let movable = movable.collect();
        Self { model, codes, wanted, movable }
    }

    /// The smallest change of exactly `count` columns.
    fn best_of(&self, count: usize) -> Option<Change> {
        let mut best: Option<(Vec<usize>, Found)> = None;
        for set in sets(self.movable.len(), count) {
            let mut found = best.take();
            let within = found.as_ref().map(|(_, found)| (found.bins, found.logit));
            if let Some(better) = Within::new(self, &set).search(within) {
                found = Some((set, better));
            }
            best = found;
        }
        let (set, found) = best?;
        let moved = |(&at, step): (&usize, &Step)| {
            let Movable { column, lever, .. } = self.movable[at];
            let feature = self.model.columns()[column].name.clone();
            Moved { feature, lever, rises: step.rises, code: step.code, bins: step.bins }
        };
        let moves = set.iter().zip(&found.steps).map(moved).collect();
        Some(Change { moves, logit: found.logit })
    }
}

/// From one code to another. Who was never active becomes active from the far end: an activity long ago is
/// nearer to none than one of today.
fn step(name: &str, from: u16, to: u16, last: u16) -> Option<Step> {
    if from == to {
        return None;
    }
    if from == MISSING_CODE && name == RECENCY_DAYS {
        return Some(Step { code: to, bins: usize::from(last - to) + 1, rises: false });
    }
    // Unknown counts are none: below the lowest bin.
    Some(Step { code: to, bins: usize::from(from.abs_diff(to)), rises: to > from })
}

/// Whether a column with this direction can bring a score nearer by going there.
fn helps(direction: Option<Direction>, rises: bool, wanted: Wanted) -> bool {
    let towards = |direction| (direction == Direction::Rises) == rises;
    direction.is_none_or(|direction| towards(direction) == wanted.rises())
}

/// Of the codes that no term tells apart on one side, the nearest.
fn distinct(model: &Model, column: usize, steps: Vec<Step>) -> Vec<Step> {
    let axes = || {
        model.terms().iter().flat_map(|term| {
            let second = term.shape.second.iter();
            std::iter::once(&term.shape.first).chain(second).filter(|axis| axis.column == column)
        })
    };
    let mut known: Vec<(bool, Vec<usize>)> = Vec::new();
    let mut kept = steps;
    kept.retain(|step| {
        let key = (step.rises, axes().map(|axis| axis.group(step.code)).collect());
        let is_new = !known.contains(&key);
        if is_new {
            known.push(key);
        }
        is_new
    });
    kept
}

/// Every set of `count` of the first `all` numbers, in order.
fn sets(all: usize, count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let larger = |smaller: Vec<usize>| {
        let first = smaller.last().map_or(0, |last| last + 1);
        (first..all).map(move |next| smaller.iter().copied().chain([next]).collect())
    };
    sets(all, count - 1).into_iter().flat_map(larger).collect()
}

/// The search within one set of columns.
struct Within<'s> {
    search: &'s Search<'s>,
    set: Vec<&'s Movable>,
    /// What the terms that read none of these columns add, and the bias.
    fixed: f64,
    /// The others, and of each that reads two of these columns the best it could add.
    terms: Vec<(&'s Term, Option<f64>)>,
}

impl<'s> Within<'s> {
    fn new(search: &'s Search<'s>, set: &[usize]) -> Self {
        let set: Vec<&Movable> = set.iter().map(|&at| &search.movable[at]).collect();
        let is_read = |term: &&Term| set.iter().any(|one| reads(term, one.column));
        let (terms, others): (Vec<&Term>, Vec<&Term>) =
            search.model.terms().iter().partition(is_read);
        let weight = |term: &&Term| term.weights[term.shape.slot(|column| search.codes[column])];
        let fixed = search.model.bias() + others.iter().map(weight).sum::<f64>();
        let rises = search.wanted.rises();
        let terms = terms.into_iter().map(|term| (term, best_of_two(term, &set, rises))).collect();
        Self { search, set, fixed, terms }
    }

    /// The smallest change within the set that is smaller, or goes further, than what is known.
    fn search(&self, known: Option<(usize, f64)>) -> Option<Found> {
        let mut best = None;
        let mut codes = self.search.codes.clone();
        if !self.can_reach(&codes, 0) {
            return None;
        }
        self.descend(&mut codes, &mut Vec::new(), known, &mut best);
        best
    }

    fn descend(
        &self,
        codes: &mut [u16],
        taken: &mut Vec<Step>,
        known: Option<(usize, f64)>,
        best: &mut Option<Found>,
    ) {
        let at = taken.len();
        let Some(movable) = self.set.get(at) else {
            let logit = self.search.model.curved(self.sum(codes));
            let bins = taken.iter().map(|step| step.bins).sum();
            if self.search.wanted.holds(logit)
                && self.is_better((bins, logit), known, best.as_ref())
            {
                *best = Some(Found { bins, logit, steps: taken.clone() });
            }
            return;
        };
        let so_far: usize = taken.iter().map(|step| step.bins).sum();
        let at_least = self.set[at + 1..].iter().map(|one| one.steps[0].bins).sum::<usize>();
        let was = codes[movable.column];
        for step in &movable.steps {
            let limit = best.as_ref().map(|best| best.bins).or(known.map(|known| known.0));
            if limit.is_some_and(|limit| so_far + step.bins + at_least > limit) {
                break;
            }
            let same = |(one, other): (&&Movable, &Step)| {
                one.lever != movable.lever || other.rises == step.rises
            };
            if !self.set.iter().zip(taken.iter()).all(same) {
                continue;
            }
            codes[movable.column] = step.code;
            taken.push(*step);
            if self.can_reach(codes, at + 1) {
                self.descend(codes, taken, known, best);
            }
            taken.pop();
        }
        codes[movable.column] = was;
    }

    fn is_better(
        &self,
        (bins, logit): (usize, f64),
        known: Option<(usize, f64)>,
        best: Option<&Found>,
    ) -> bool {
        let known = best.map(|best| (best.bins, best.logit)).or(known);
        let further =
            |than: f64| if self.search.wanted.rises() { logit > than } else { logit < than };
        known.is_none_or(|known| bins < known.0 || (bins == known.0 && further(known.1)))
    }

    fn sum(&self, codes: &[u16]) -> f64 {
        let weight = |term: &Term| term.weights[term.shape.slot(|column| codes[column])];
        self.fixed + self.terms.iter().map(|(term, _)| weight(term)).sum::<f64>()
    }

    /// Whether the best that each table could add, with the columns from `open` on anywhere, is enough.
    fn can_reach(&self, codes: &[u16], open: usize) -> bool {
        let (open, rises) = (&self.set[open..], self.search.wanted.rises());
        let best = |&(term, of_two): &(&Term, Option<f64>)| {
            let at = |changed: Option<(usize, u16)>| {
                let code = |column: usize| {
                    let other = changed.filter(|(changed, _)| *changed == column);
                    other.map_or(codes[column], |(_, code)| code)
                };
                term.weights[term.shape.slot(code)]
            };
            let mut read = open.iter().filter(|one| reads(term, one.column));
            match (read.next(), read.next()) {
                (None, _) => at(None),
                (Some(_), Some(_)) => of_two.unwrap_or(0.0),
                (Some(one), None) => {
                    let amounts = one.steps.iter().map(|step| at(Some((one.column, step.code))));
                    amounts.reduce(|a, b| better(a, b, rises)).unwrap_or(0.0)
                }
            }
        };
        let sum = self.fixed + self.terms.iter().map(best).sum::<f64>();
        self.search.wanted.holds(self.search.model.curved(sum))
    }
}

fn reads(term: &Term, column: usize) -> bool {
    term.shape.columns().any(|other| other == column)
}

fn better(a: f64, b: f64, rises: bool) -> f64 {
    if rises { a.max(b) } else { a.min(b) }
}

/// The best that a term can add when both columns it reads differ; nothing when it reads one of the set.
fn best_of_two(term: &Term, set: &[&Movable], rises: bool) -> Option<f64> {
    let mut read = set.iter().filter(|one| reads(term, one.column));
    let (one, two) = (read.next()?, read.next()?);
    let at = |a: u16, b: u16| {
        term.weights[term.shape.slot(|column| if column == one.column { a } else { b })]
    };
    let pairs = one.steps.iter().flat_map(|a| two.steps.iter().map(move |b| at(a.code, b.code)));
    pairs.reduce(|a, b| better(a, b, rises))
}
