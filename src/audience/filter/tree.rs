//! What a filter says, as a tree: checked, and in one form for everything that says the same but for order
//! and repetition.

use std::collections::BTreeSet;

use volens_privacy::topics::{TopicId, Topics};
use volens_privacy::{AgeBand, AppId};

use crate::ids::CampaignId;
use crate::signals::Kind;

/// The most levels of a filter.
pub(super) const DEPTH_MAX: usize = 8;
/// The most conditions of a filter, and of everything that joins them.
pub(super) const NODES_MAX: usize = 64;
/// The most values of a filter.
pub(super) const VALUES_MAX: usize = 256;
/// The longest window in which acts are counted, in days.
pub(super) const DAYS_MAX: u16 = crate::signals::recent::KEPT_DAYS as u16;
/// The longest window in which somebody was active, in days.
pub(super) const ACTIVE_MAX: u16 = 365;
/// The most often an act can be asked for.
pub(super) const TIMES_MAX: u16 = 1000;

/// One topic, or one with everything under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TopicRange {
    /// `sport.running`.
    One(TopicId),
    /// `sport.*`: the topic `sport` and what is under it.
    Family(TopicId),
}

impl TopicRange {
    /// The topics in it that may be used.
    pub(super) fn topics(self) -> BTreeSet<TopicId> {
        match self {
            Self::One(topic) => BTreeSet::from([topic]),
            Self::Family(top) => {
                let under = |topic: &TopicId| {
                    let rest = topic.as_str().strip_prefix(top.as_str());
                    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                };
                Topics::builtin().usable().filter(under).collect()
            }
        }
    }
}

/// What an act was about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    /// Anything.
    Any,
    /// The business that asks.
    Us,
    /// Any of these topics; an act about two of them counts for both.
    Topics(BTreeSet<TopicRange>),
}

/// How somebody was part of a campaign of the business that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Was on a list of it.
    Received,
    /// Clicked, replied or bought after that.
    Answered,
    /// Was kept aside from it at random.
    KeptAside,
}

impl Part {
    /// Every part.
    pub const ALL: [Self; 3] = [Self::Received, Self::Answered, Self::KeptAside];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Answered => "answered",
            Self::KeptAside => "kept_aside",
        }
    }
}

/// A condition, or conditions that are joined.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Expr {
    /// The account's app is one of these.
    App(BTreeSet<AppId>),
    /// The account's country is one of these (ISO 3166-1 alpha-2).
    Country(BTreeSet<String>),
    /// The account's language is one of these (ISO 639-1).
    Language(BTreeSet<String>),
    /// The person is in one of these bands.
    Age(BTreeSet<AgeBand>),
    /// Showed more interest than disinterest in one of these.
    Topic(BTreeSet<TopicRange>),
    /// Did anything within so many days.
    Active(u16),
    /// Did something so often within so many days.
    Did {
        /// What.
        kind: Kind,
        /// About what.
        target: Target,
        /// How often at least.
        at_least: u16,
        /// Today and so many days before it (UTC).
        days: u16,
    },
    /// Was part of one of these campaigns; of any, where none is named.
    Campaign(Part, BTreeSet<CampaignId>),
    /// Does not fit.
    Not(Box<Expr>),
    /// Everything fits; without anything: everybody.
    All(Vec<Expr>),
    /// Something fits.
    Any(Vec<Expr>),
}

impl Expr {
    /// Everybody.
    pub(super) const EVERYBODY: Self = Self::All(Vec::new());

    /// The one form of everything that says the same but for order, repetition and nesting.
    pub(super) fn normal(self) -> Self {
        match self {
            Self::Not(inner) => match inner.normal() {
                Self::Not(twice) => *twice,
                once => Self::Not(Box::new(once)),
            },
            Self::All(parts) => {
                let mut flat = Vec::new();
                for part in parts {
                    match part.normal() {
                        Self::All(parts) => flat.extend(parts),
                        part => flat.push(part),
                    }
                }
                one_or(flat, Self::All)
            }
            Self::Any(parts) => {
                let mut flat = Vec::new();
                for part in parts {
                    match part.normal() {
                        Self::Any(parts) => flat.extend(parts),
                        part => flat.push(part),
                    }
                }
                if flat.contains(&Self::EVERYBODY) {
                    return Self::EVERYBODY;
                }
                one_or(merged(flat), Self::Any)
            }
            Self::Topic(ranges) => Self::Topic(covering(&ranges)),
            Self::Did { kind, target: Target::Topics(ranges), at_least, days } => {
                let target = Target::Topics(covering(&ranges));
                Self::Did { kind, target, at_least, days }
            }
            other => other,
        }
    }

    /// Levels.
    pub(super) fn depth(&self) -> usize {
        match self {
            Self::Not(inner) => 1 + inner.depth(),
            Self::All(parts) | Self::Any(parts) => {
                1 + parts.iter().map(Self::depth).max().unwrap_or(0)
            }
            _ => 1,
        }
    }

    /// Whether it is larger than a filter may be.
    pub(super) fn is_too_large(&self) -> bool {
        let mut values = 0;
        let mut nodes = 0;
        self.visit(&mut |expr| {
            nodes += 1;
            values += expr.values();
        });
        self.depth() > DEPTH_MAX || nodes > NODES_MAX || values > VALUES_MAX
    }

    /// Calls for everything in it, from above.
    pub(super) fn visit<'e>(&'e self, see: &mut impl FnMut(&'e Self)) {
        see(self);
        match self {
            Self::Not(inner) => inner.visit(see),
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.visit(see)),
            _ => {}
        }
    }

    fn values(&self) -> usize {
        match self {
            Self::App(values) => values.len(),
            Self::Country(values) | Self::Language(values) => values.len(),
            Self::Age(values) => values.len(),
            Self::Topic(values) | Self::Did { target: Target::Topics(values), .. } => values.len(),
            Self::Campaign(_, values) => values.len(),
            Self::Active(_) | Self::Did { .. } | Self::Not(_) | Self::All(_) | Self::Any(_) => 0,
        }
    }
}

fn one_or(mut parts: Vec<Expr>, join: fn(Vec<Expr>) -> Expr) -> Expr {
    parts.sort();
    parts.dedup();
    if parts.len() == 1 { parts.remove(0) } else { join(parts) }
}

/// Ranges that no other of them covers.
fn covering(ranges: &BTreeSet<TopicRange>) -> BTreeSet<TopicRange> {
    let covered = |range: &TopicRange| {
        let topics = range.topics();
        ranges.iter().any(|other| {
            matches!(other, TopicRange::Family(_))
                && other != range
                && topics.is_subset(&other.topics())
        })
    };
    ranges.iter().filter(|range| !covered(range)).copied().collect()
}

/// "One of these" or "one of those" is one of all of them.
fn merged(parts: Vec<Expr>) -> Vec<Expr> {
    let mut merged: Vec<Expr> = Vec::new();
    for part in parts {
        let joined = merged.iter_mut().any(|held| match (held, &part) {
            (Expr::App(held), Expr::App(more)) => join(held, more),
            (Expr::Country(held), Expr::Country(more))
            | (Expr::Language(held), Expr::Language(more)) => join(held, more),
            (Expr::Age(held), Expr::Age(more)) => join(held, more),
            (Expr::Topic(held), Expr::Topic(more)) => {
                held.extend(more);
                *held = covering(held);
                true
            }
            (Expr::Campaign(part, held), Expr::Campaign(of, more)) if *part == *of => {
                // Nothing named is any.
                if held.is_empty() || more.is_empty() {
                    held.clear();
                } else {
                    held.extend(more);
                }
                true
            }
            _ => false,
        });
        if !joined {
            merged.push(part);
        }
    }
    merged
}

fn join<T: Ord + Clone>(held: &mut BTreeSet<T>, more: &BTreeSet<T>) -> bool {
    held.extend(more.iter().cloned());
    true
}
