//! What an account did lately, counted by day (UTC): so that a business can ask for people who bought
//! within fourteen days, which a counter that fades cannot answer.
//!
//! A part of the sealed profile, and kept only under a notice that says so. Days are forgotten
//! [`KEPT_DAYS`] days after they ended, and earlier by whoever does more than [`CELLS_MAX`] different
//! things.

use std::collections::BTreeMap;

use volens_privacy::{BusinessId, Timestamp};

use super::kinds::Kind;
use super::profile::Observation;

/// For how many days before today acts are counted.
pub const KEPT_DAYS: i32 = 35;
/// Counts of one account at most; the oldest days go first.
pub const CELLS_MAX: usize = 4096;
/// The most that is counted of one act about one thing on one day.
pub const COUNT_MAX: u16 = 255;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Whole days since 1970-01-01 (UTC), rounded down.
pub fn day_of(at: Timestamp) -> i32 {
    i32::try_from(at.micros().div_euclid(MICROS_PER_DAY)).unwrap_or(i32::MAX)
}

/// What an act was about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum About {
    /// Anything: every act is counted here once.
    Any,
    /// A topic: identifiers that passed the topic check.
    Topic(String),
    /// A business.
    Business(BusinessId),
}

/// How often something was done, by day.
pub type ByDay = BTreeMap<i32, u16>;

/// Counts by kind of act and what it was about.
#[derive(Clone, Default, PartialEq)]
pub struct DayCounts(BTreeMap<(Kind, About), ByDay>);

impl DayCounts {
    /// Every count: act, about what, and how often on which days.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&(Kind, About), &ByDay)> {
        self.0.iter()
    }

    /// How often something was done since a day.
    pub fn since(&self, kind: Kind, about: &About, day: i32) -> u32 {
        let days = self.0.get(&(kind, about.clone()));
        days.into_iter()
            .flat_map(|days| days.range(day..))
            .map(|(_, times)| u32::from(*times))
            .sum()
    }

    /// Sets one count. None of zero is kept.
    pub fn put(&mut self, of: (Kind, About), day: i32, times: u16) {
        if times > 0 {
            self.0.entry(of).or_default().insert(day, times);
        }
    }

    /// Without the topics that `denied` says the person denies.
    pub fn without(mut self, denied: impl Fn(&str) -> bool) -> Self {
        self.0.retain(|(_, about), _| !matches!(about, About::Topic(topic) if denied(topic)));
        self
    }

    fn add(&mut self, of: (Kind, About), day: i32, times: u16) {
        let held = self.0.entry(of).or_default().entry(day).or_default();
        *held = held.saturating_add(times).min(COUNT_MAX);
    }

    fn forget_before(&mut self, day: i32) {
        self.0.retain(|_, days| {
            if days.first_key_value().is_some_and(|(first, _)| *first < day) {
                *days = days.split_off(&day);
            }
            !days.is_empty()
        });
    }

    fn cells(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
    }
}

/// The counts of one account, and since when they are whole.
#[derive(Clone, PartialEq)]
pub struct RecentDays {
    counts: DayCounts,
    /// Days before this one were forgotten and are not counted again, in whatever order acts arrive.
    since: i32,
}

impl Default for RecentDays {
    fn default() -> Self {
        Self { counts: DayCounts::default(), since: i32::MIN }
    }
}

impl RecentDays {
    /// Counts one act.
    pub fn count(&mut self, seen: &Observation) {
        let day = day_of(seen.at);
        if day < self.since {
            return;
        }
        let topics = seen.topics.iter().map(|topic| About::Topic(topic.clone()));
        let business = seen.business.map(About::Business);
        for about in topics.chain(business).chain([About::Any]) {
            self.counts.add((seen.kind, about), day, 1);
        }
        self.forget_old();
    }

    /// Adds everything the other has counted.
    pub fn merge(&mut self, other: &Self) {
        self.since = self.since.max(other.since);
        for ((kind, about), days) in other.counts.iter() {
            for (day, times) in days {
                self.counts.add((*kind, about.clone()), *day, *times);
            }
        }
        self.counts.forget_before(self.since);
        self.forget_old();
    }

    /// The counts.
    pub fn counts(&self) -> &DayCounts {
        &self.counts
    }

    /// Forgets days that ended more than [`KEPT_DAYS`] ago; answers whether there were any.
    pub fn forget(&mut self, now: Timestamp) -> bool {
        let first = day_of(now).saturating_sub(KEPT_DAYS);
        let before = self.counts.cells();
        self.since = self.since.max(first);
        self.counts.forget_before(self.since);
        self.counts.cells() < before
    }

    /// The first day that is whole, and the counts, as stored.
    pub(super) fn parts(&self) -> (i32, &DayCounts) {
        (self.since, &self.counts)
    }

    /// Puts what was stored back.
    pub(super) fn from_parts(since: i32, counts: DayCounts) -> Self {
        Self { counts, since }
    }

    /// Which days remain depends on what was counted alone, not on the order of arrival: a day that is
    /// given up for want of room would have been given up with every later act as well.
    fn forget_old(&mut self) {
        let newest =
            self.counts.0.values().filter_map(|days| Some(*days.last_key_value()?.0)).max();
        let Some(newest) = newest else { return };
        self.since = self.since.max(newest.saturating_sub(KEPT_DAYS));
        self.counts.forget_before(self.since);
        while self.counts.cells() > CELLS_MAX && self.since < newest {
            self.since += 1;
            self.counts.forget_before(self.since);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_micros((20_000 + day) * MICROS_PER_DAY)
    }

    fn act(kind: Kind, topic: &str, day: i64) -> Observation {
        Observation { kind, topics: vec![topic.to_owned()], business: None, at: at(day) }
    }

    fn topic(name: &str) -> About {
        About::Topic(name.to_owned())
    }

    #[test]
    fn a_day_is_forgotten_thirty_five_days_after_it_ended() {
        let mut recent = RecentDays::default();
        recent.count(&act(Kind::Bought, "sport.running", 0));
        assert!(!recent.forget(at(35)));
        assert_eq!(recent.counts().since(Kind::Bought, &topic("sport.running"), 0), 1);
        assert!(recent.forget(at(36)));
        assert_eq!(recent.counts().iter().len(), 0);
        recent.count(&act(Kind::Bought, "sport.running", 0));
        assert_eq!(recent.counts().iter().len(), 0, "what was forgotten stays so");
    }

    #[test]
    fn a_later_act_makes_room_by_itself() {
        let mut recent = RecentDays::default();
        recent.count(&act(Kind::Bought, "fashion", 0));
        recent.count(&act(Kind::Hid, "fashion", 36));
        assert_eq!(recent.counts().since(Kind::Bought, &About::Any, i32::MIN), 0);
        assert_eq!(recent.counts().since(Kind::Hid, &About::Any, 20_036), 1);
    }

    #[test]
    fn nobody_has_more_counts_than_there_is_room_for() {
        let mut recent = RecentDays::default();
        for day in 0..35 {
            for number in 0..300 {
                recent.count(&act(Kind::Viewed, &format!("t{number}"), day));
            }
        }
        assert!(recent.counts.cells() <= CELLS_MAX);
        let days = recent.counts().iter().map(|(_, days)| days.len()).max();
        assert_eq!(days, Some(CELLS_MAX / 301), "the newest days are whole");
    }

    #[test]
    fn what_the_person_denies_is_left_out() {
        let mut recent = RecentDays::default();
        recent.count(&act(Kind::Viewed, "fashion", 0));
        recent.count(&act(Kind::Viewed, "home", 0));
        let left = recent.counts().clone().without(|topic| topic == "fashion");
        assert_eq!(left.since(Kind::Viewed, &topic("fashion"), 0), 0);
        assert_eq!(left.since(Kind::Viewed, &topic("home"), 0), 1);
    }

    proptest! {
        #[test]
        fn the_order_of_arrival_and_the_way_do_not_matter(
            days in prop::collection::vec((0..3_usize, 0..60_i64), 0..40)
                .prop_flat_map(|days| (Just(days.clone()), Just(days).prop_shuffle())),
            cut in 0..40_usize,
        ) {
            let all = |days: &[(usize, i64)]| {
                let mut recent = RecentDays::default();
                for (topic, day) in days {
                    recent.count(&act(Kind::Viewed, ["a", "b", "c"][*topic], *day));
                }
                recent
            };
            let once = all(&days.0);
            prop_assert!(once == all(&days.1));
            let (left, right) = days.0.split_at(cut.min(days.0.len()));
            let mut merged = all(left);
            merged.merge(&all(right));
            prop_assert!(once == merged);
        }
    }
}
