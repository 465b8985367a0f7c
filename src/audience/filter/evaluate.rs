//! Whom a filter fits, as set algebra on bitmaps.
//!
//! A condition about days fits, and "not" such a condition fits, only those who are counted by day:
//! of the others nobody knows what they did not do.

use std::collections::{BTreeMap, BTreeSet};

use roaring::{MultiOps as _, RoaringBitmap};
use volens_privacy::{BusinessId, SubjectId, Timestamp, TopicId};

use super::tree::{Expr, Part, Target, TopicRange};
use crate::ids::CampaignId;
use crate::relevance::Table;
use crate::signals::About;
use crate::signals::recent::day_of;

/// Who was part of which campaigns of a business, as far as a filter asks.
pub type Past = BTreeMap<(Part, BTreeSet<CampaignId>), BTreeSet<SubjectId>>;

/// What a filter is held against besides accounts.
pub struct Asked<'a> {
    /// The business that asks.
    pub business: BusinessId,
    /// Its campaigns.
    pub past: &'a Past,
    /// When it asks; only the day matters.
    pub now: Timestamp,
}

impl Asked<'_> {
    /// The first day of a window: so many days before today.
    pub(super) fn since(&self, days: u16) -> i32 {
        day_of(self.now).saturating_sub(days.into())
    }

    pub(super) fn about(&self, target: &Target) -> Vec<About> {
        match target {
            Target::Any => vec![About::Any],
            Target::Us => vec![About::Business(self.business)],
            Target::Topics(ranges) => {
                let topics = topics(ranges).into_iter();
                topics.map(|topic| About::Topic(topic.to_owned())).collect()
            }
        }
    }

    pub(super) fn part_of(
        &self,
        part: Part,
        of: &BTreeSet<CampaignId>,
    ) -> Option<&BTreeSet<SubjectId>> {
        self.past.get(&(part, of.clone()))
    }
}

/// Each topic once.
pub(super) fn topics(ranges: &BTreeSet<TopicRange>) -> BTreeSet<&'static str> {
    ranges.iter().flat_map(|range| range.topics()).map(TopicId::as_str).collect()
}

/// The rows among `within` that a filter fits; with `denied`, those that it does not.
pub(super) fn rows(
    expr: &Expr,
    table: &Table,
    asked: &Asked<'_>,
    within: &RoaringBitmap,
    denied: bool,
) -> RoaringBitmap {
    let part = |part: &Expr, within: &RoaringBitmap| rows(part, table, asked, within, denied);
    match (expr, denied) {
        (Expr::Not(inner), _) => rows(inner, table, asked, within, !denied),
        (Expr::All(parts), false) | (Expr::Any(parts), true) => {
            // What is cheap leaves less for what is not.
            let mut parts: Vec<&Expr> = parts.iter().collect();
            parts.sort_by_key(|part| cost(part));
            let Some((first, rest)) = parts.split_first() else { return within.clone() };
            rest.iter().fold(part(first, within), |left, of| part(of, &left))
        }
        (Expr::Any(parts), false) | (Expr::All(parts), true) => {
            parts.iter().fold(RoaringBitmap::new(), |all, of| all | part(of, within))
        }
        (leaf, false) => fitting(leaf, table, asked, within),
        (Expr::Did { .. }, true) => {
            let known = within & table.recent().counted();
            let fitting = fitting(expr, table, asked, &known);
            known - fitting
        }
        (leaf, true) => within - fitting(leaf, table, asked, within),
    }
}

/// Which conditions are looked at first.
fn cost(expr: &Expr) -> u8 {
    match expr {
        Expr::App(_) | Expr::Country(_) | Expr::Language(_) | Expr::Age(_) => 0,
        Expr::Topic(_) | Expr::Active(_) | Expr::Campaign(..) => 1,
        Expr::Did { at_least: 1, .. } => 2,
        Expr::Did { .. } => 3,
        Expr::Not(inner) => cost(inner),
        Expr::All(parts) | Expr::Any(parts) => {
            parts.iter().map(cost).max().unwrap_or(0).saturating_add(1)
        }
    }
}

/// Those of `within` that are in any of these. Each is cut first: of few and large bitmaps less is copied so.
fn among<'b>(within: &RoaringBitmap, of: impl Iterator<Item = &'b RoaringBitmap>) -> RoaringBitmap {
    of.map(|rows| rows & within).union()
}

fn fitting(leaf: &Expr, table: &Table, asked: &Asked<'_>, within: &RoaringBitmap) -> RoaringBitmap {
    match leaf {
        Expr::App(of) => among(within, of.iter().map(|app| table.of_app(app))),
        Expr::Country(of) => among(within, of.iter().map(|code| table.in_country(code))),
        Expr::Language(of) => among(within, of.iter().map(|code| table.speaking(code))),
        Expr::Age(of) => among(within, of.iter().map(|band| table.aged(*band))),
        Expr::Topic(of) => {
            among(within, topics(of).into_iter().map(|topic| table.interested_in(topic)))
        }
        Expr::Active(days) => table.recent().active_since(asked.since(*days)) & within,
        Expr::Did { kind, target, at_least, days } => {
            let window = ((*at_least).into(), asked.since(*days));
            let within = within & table.recent().counted();
            table.recent().did(*kind, &asked.about(target), window, &within)
        }
        Expr::Campaign(part, of) => {
            let people = asked.part_of(*part, of).into_iter().flatten();
            people.filter_map(|subject| table.row(*subject)).collect::<RoaringBitmap>() & within
        }
        // What joins conditions is no leaf.
        Expr::Not(_) | Expr::All(_) | Expr::Any(_) => RoaringBitmap::new(),
    }
}
