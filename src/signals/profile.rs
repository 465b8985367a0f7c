//! The interest profile of one account: what it did, faded; nothing that says when to the minute,
//! from where, or with what device.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use volens_privacy::{BusinessId, Timestamp};

use super::decay::{Decayed, hour_of};
use super::item::Content;
use super::kinds::Kind;
use super::recent::RecentDays;

/// Counters per kind of act.
pub type Acts = BTreeMap<Kind, Decayed>;

/// One thing an account did.
#[derive(Clone, PartialEq)]
pub struct Observation {
    /// What it did.
    pub kind: Kind,
    /// The topics it was about: identifiers that passed the topic check.
    pub topics: Vec<String>,
    /// The business it was about.
    pub business: Option<BusinessId>,
    /// When; only the hour is used.
    pub at: Timestamp,
}

/// A trait of an account, supplied by its app under consent.
#[derive(Clone, PartialEq, PartialOrd)]
pub enum Trait {
    /// A finite number.
    Number(f64),
    /// One of a few words.
    Category(String),
}

impl fmt::Debug for Trait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trait(redacted)")
    }
}

/// A trait with the hour it was supplied; of two, the later one holds.
#[derive(Clone, PartialEq, PartialOrd)]
struct Dated {
    hour: i64,
    value: Trait,
}

/// The profile of one account. Kept sealed under the account's own data key.
#[derive(Clone, Default, PartialEq)]
pub struct Profile {
    pub(super) topics: BTreeMap<String, Acts>,
    pub(super) businesses: BTreeMap<[u8; 16], Acts>,
    pub(super) total: Acts,
    pub(super) last_hour: Option<i64>,
    pub(super) language: Option<(i64, String)>,
    traits: BTreeMap<String, Dated>,
    pub(super) recent: RecentDays,
    /// What tags of the account's messages are made with. It is gone with the profile, and then nothing
    /// tells whose they were.
    pub(super) salt: Option<[u8; 16]>,
    /// Topics that the person says are not theirs; kept apart from the profile, never stored with it.
    denied: BTreeSet<String>,
}

impl Profile {
    /// Takes one act into account.
    pub fn observe(&mut self, seen: &Observation) {
        for topic in &seen.topics {
            count(self.topics.entry(topic.clone()).or_default(), seen.kind, seen.at);
        }
        if let Some(business) = seen.business {
            count(self.businesses.entry(*business.as_bytes()).or_default(), seen.kind, seen.at);
        }
        count(&mut self.total, seen.kind, seen.at);
        if seen.kind != Kind::Delivered {
            self.last_hour = self.last_hour.max(Some(hour_of(seen.at)));
        }
    }

    /// Counts one act by its day, which [`Profile::observe`] does not. Only under a notice that says so.
    pub fn count_by_day(&mut self, seen: &Observation) {
        self.recent.count(seen);
    }

    /// What was done lately, by day.
    pub fn recent(&self) -> &RecentDays {
        &self.recent
    }

    /// Forgets days that ended too long ago; answers whether there were any.
    pub fn forget_days(&mut self, now: Timestamp) -> bool {
        self.recent.forget(now)
    }

    /// Takes in what an item says, as it stands.
    pub fn take(&mut self, content: &Content, at: Timestamp) {
        match content {
            Content::Did(seen) => self.observe(seen),
            Content::Is(said) => {
                if let Some(language) = &said.language {
                    self.speak(language, at);
                }
                for (name, value) in &said.traits {
                    self.describe(name, value.clone(), at);
                }
            }
        }
    }

    /// Sets a trait as supplied at `at`. An older value never replaces a newer one.
    pub fn describe(&mut self, name: &str, value: Trait, at: Timestamp) {
        let dated = Dated { hour: hour_of(at), value };
        let newer = self.traits.get(name).is_none_or(|held| *held < dated);
        if newer {
            self.traits.insert(name.to_owned(), dated);
        }
    }

    /// Sets the language (a BCP 47 primary subtag such as `de`) as supplied at `at`.
    pub fn speak(&mut self, language: &str, at: Timestamp) {
        self.language = self.language.take().max(Some((hour_of(at), language.to_owned())));
    }

    /// Takes these topics for denied by the person.
    pub fn deny(&mut self, topics: impl IntoIterator<Item = String>) {
        self.denied.extend(topics);
    }

    /// Topics that the person denies, in order.
    pub fn denied(&self) -> impl Iterator<Item = &str> {
        self.denied.iter().map(String::as_str)
    }

    /// Whether the person denies the topic, or what it is under.
    pub fn denies(&self, topic: &str) -> bool {
        let family = topic.split('.').next().unwrap_or(topic);
        self.denied.contains(topic) || self.denied.contains(family)
    }

    /// Adds everything the other profile has seen: the same as replaying both histories.
    pub fn merge(&mut self, other: &Self) {
        for (topic, acts) in &other.topics {
            merge(self.topics.entry(topic.clone()).or_default(), acts);
        }
        for (business, acts) in &other.businesses {
            merge(self.businesses.entry(*business).or_default(), acts);
        }
        merge(&mut self.total, &other.total);
        self.recent.merge(&other.recent);
        self.last_hour = self.last_hour.max(other.last_hour);
        self.language = self.language.take().max(other.language.clone());
        for (name, dated) in &other.traits {
            if self.traits.get(name).is_none_or(|held| held < dated) {
                self.traits.insert(name.clone(), dated.clone());
            }
        }
    }

    /// Interest per topic at `now`, in views, one value per half-life of
    /// [`HALF_LIVES`](super::decay::HALF_LIVES); below zero is disinterest.
    pub fn interests(&self, now: Timestamp) -> impl Iterator<Item = (&str, [f64; 3])> {
        self.topics
            .iter()
            .map(move |(topic, acts)| (topic.as_str(), weighted(acts, now, Kind::interest)))
    }

    /// Affinity per business at `now`, in views.
    pub fn affinities(&self, now: Timestamp) -> impl Iterator<Item = (BusinessId, [f64; 3])> {
        self.businesses.iter().map(move |(business, acts)| {
            (BusinessId::from_bytes(*business), weighted(acts, now, Kind::interest))
        })
    }

    /// How much the account did at `now`, in views; what shows disinterest is left out.
    pub fn engagement(&self, now: Timestamp) -> [f64; 3] {
        weighted(&self.total, now, |kind| kind.interest().max(0.0))
    }

    /// Messages received, faded to `now`.
    pub fn received(&self, now: Timestamp) -> [f64; 3] {
        self.total.get(&Kind::Delivered).map_or([0.0; 3], |counter| counter.at(now))
    }

    /// Acts of turning away, faded to `now`: a stop counts as two hidden messages, a complaint as four.
    pub fn rejected(&self, now: Timestamp) -> [f64; 3] {
        weighted(&self.total, now, Kind::rejection)
    }

    /// The hour of the last act, counted from 1970; receiving a message is no act.
    pub fn last_hour(&self) -> Option<i64> {
        self.last_hour
    }

    /// The language the app told us.
    pub fn language(&self) -> Option<&str> {
        self.language.as_ref().map(|(_, language)| language.as_str())
    }

    /// The traits by name, in order.
    pub fn traits(&self) -> impl ExactSizeIterator<Item = (&str, &Trait)> {
        self.traits.iter().map(|(name, dated)| (name.as_str(), &dated.value))
    }

    /// One trait.
    pub fn trait_of(&self, name: &str) -> Option<&Trait> {
        self.traits.get(name).map(|dated| &dated.value)
    }

    /// The traits with the hour they were supplied, as stored.
    pub(super) fn dated_traits(&self) -> impl ExactSizeIterator<Item = (&str, i64, &Trait)> {
        self.traits.iter().map(|(name, dated)| (name.as_str(), dated.hour, &dated.value))
    }

    /// Puts a stored trait back.
    pub(super) fn restore_trait(&mut self, name: String, hour: i64, value: Trait) {
        self.traits.insert(name, Dated { hour, value });
    }
}

fn count(acts: &mut Acts, kind: Kind, at: Timestamp) {
    acts.entry(kind).or_default().add(at, 1);
}

fn merge(into: &mut Acts, from: &Acts) {
    for (kind, counter) in from {
        into.entry(*kind).or_default().merge(counter);
    }
}

fn weighted(acts: &Acts, now: Timestamp, weight: impl Fn(Kind) -> f64) -> [f64; 3] {
    let mut sums = [0.0; 3];
    for (kind, counter) in acts {
        let weight = weight(*kind);
        add(&mut sums, counter.at(now).map(|count| weight * count));
    }
    sums
}

fn add(sums: &mut [f64; 3], more: [f64; 3]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += more;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone)]
    enum Event {
        Seen(Observation),
        Described(&'static str, Trait, Timestamp),
        Speaks(&'static str, Timestamp),
    }

    impl fmt::Debug for Event {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("event")
        }
    }

    fn hours() -> impl Strategy<Value = Timestamp> {
        (490_000_i64..499_000).prop_map(|hour| Timestamp::from_micros(hour * 3_600_000_000))
    }

    fn event() -> impl Strategy<Value = Event> {
        let topic = prop::sample::select(vec!["sport", "sport.running", "music.jazz"]);
        let seen = (
            prop::sample::select(Kind::ALL.to_vec()),
            prop::collection::vec(topic.prop_map(str::to_owned), 0..3),
            prop::option::of((0_u8..3).prop_map(|n| BusinessId::from_bytes([n; 16]))),
            hours(),
        )
            .prop_map(|(kind, topics, business, at)| {
                Event::Seen(Observation { kind, topics, business, at })
            });
        let value = prop_oneof![
            (0_u8..9).prop_map(|n| Trait::Number(f64::from(n))),
            "[a-c]".prop_map(Trait::Category)
        ];
        prop_oneof![
            4 => seen,
            1 => (prop::sample::select(vec!["channel", "recency"]), value, hours())
                .prop_map(|(name, value, at)| Event::Described(name, value, at)),
            1 => (prop::sample::select(vec!["de", "en"]), hours())
                .prop_map(|(language, at)| Event::Speaks(language, at)),
        ]
    }

    fn replay(events: &[Event]) -> Profile {
        let mut profile = Profile::default();
        for event in events {
            match event {
                Event::Seen(seen) => {
                    profile.observe(seen);
                    profile.count_by_day(seen);
                }
                Event::Described(name, value, at) => profile.describe(name, value.clone(), *at),
                Event::Speaks(language, at) => profile.speak(language, *at),
            }
        }
        profile
    }

    proptest! {
        #[test]
        fn the_order_of_arrival_leaves_no_trace(
            events in prop::collection::vec(event(), 0..30)
                .prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle())),
        ) {
            prop_assert!(replay(&events.0) == replay(&events.1));
        }

        #[test]
        fn merging_equals_replaying(
            left in prop::collection::vec(event(), 0..20),
            right in prop::collection::vec(event(), 0..20),
        ) {
            let mut merged = replay(&left);
            merged.merge(&replay(&right));
            prop_assert!(merged == replay(&[left, right].concat()));
        }

        #[test]
        fn stored_bytes_hold_everything(events in prop::collection::vec(event(), 0..30)) {
            let profile = replay(&events);
            let stored = profile.to_bytes();
            prop_assert!(Profile::from_bytes(&stored).is_ok_and(|read| read == profile));
            for cut in 0..stored.len() {
                prop_assert!(Profile::from_bytes(&stored[..cut]).is_err(), "cut at {cut}");
            }
        }
    }

    #[test]
    fn stopping_turns_away() {
        let at = Timestamp::from_micros(490_056 * 3_600_000_000);
        let mut profile = Profile::default();
        let topics = vec!["sport.running".to_owned()];
        let business = Some(BusinessId::from_bytes([1; 16]));
        profile.observe(&Observation { kind: Kind::Stopped, topics, business, at });
        assert!(profile.affinities(at).all(|(_, affinity)| affinity[0] < 0.0));
        assert!(profile.interests(at).all(|(_, interest)| interest[2] < 0.0));
        assert!(profile.rejected(at)[0] > 1.9);
        assert!(profile.engagement(at).into_iter().sum::<f64>().abs() < 1e-12);
    }
}
