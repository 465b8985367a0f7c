//! Where a person stands: a profile's counters carried to one fixed moment, from which any later
//! moment is one multiplication per half-life away.
//!
//! The columns keep standings and the slow path makes them from the profile, so both compute the
//! same numbers in the same order, to the bit.

use std::collections::BTreeMap;

use volens_models::features::{Decayed, Person, Value};
use volens_privacy::Timestamp;

use crate::signals::decay::{HALF_LIVES, hour_of};
use crate::signals::{Profile, Trait};

/// 2026-01-01T00:00Z. The shortest half-life leaves room for nineteen years to either side.
pub(super) const LANDMARK: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// A profile's counters as they would stand at the landmark.
#[derive(Clone, Default, PartialEq)]
pub struct Standing {
    /// Interest per topic, without those that the person denies.
    pub(super) topics: Vec<(String, [f64; 3])>,
    /// Topics that the person denies.
    pub(super) denied: Vec<String>,
    /// Affinity per business id.
    pub(super) businesses: Vec<(String, [f64; 3])>,
    pub(super) engagement: [f64; 3],
    pub(super) received: [f64; 3],
    pub(super) rejected: [f64; 3],
    pub(super) last_hour: Option<i64>,
    pub(super) language: Option<String>,
    pub(super) traits: Vec<(String, Value)>,
}

impl Standing {
    /// The standing of a profile.
    pub fn of(profile: &Profile) -> Self {
        let value = |value: &Trait| match value {
            Trait::Number(number) => Value::Number(*number),
            Trait::Category(word) => Value::Category(word.clone()),
        };
        Self {
            topics: profile
                .interests(LANDMARK)
                .filter(|(topic, _)| !profile.denies(topic))
                .map(|(topic, counts)| (topic.to_owned(), counts))
                .collect(),
            denied: profile.denied().map(str::to_owned).collect(),
            businesses: profile
                .affinities(LANDMARK)
                .map(|(business, counts)| (business.to_string(), counts))
                .collect(),
            engagement: profile.engagement(LANDMARK),
            received: profile.received(LANDMARK),
            rejected: profile.rejected(LANDMARK),
            last_hour: profile.last_hour(),
            language: profile.language().map(str::to_owned),
            traits: profile.traits().map(|(name, held)| (name.to_owned(), value(held))).collect(),
        }
    }

    /// Whether more interest than disinterest in a topic was shown.
    pub fn likes(&self, topic: &str) -> bool {
        self.topics.iter().any(|(name, [_, _, long])| name == topic && *long > 0.0)
    }

    /// The day of the last act (UTC, counted from 1970).
    pub fn last_day(&self) -> Option<i32> {
        self.last_hour.and_then(|hour| i32::try_from(hour.div_euclid(24)).ok())
    }

    /// What a learner sees of the person at `now`. `language` is the account's; without one, what
    /// the signals said holds.
    pub fn person(&self, language: Option<&str>, now: Timestamp) -> Person {
        let fade = Fade::to(now);
        let counters = |held: &[(String, [f64; 3])]| -> BTreeMap<String, Decayed> {
            held.iter().map(|(name, counts)| (name.clone(), fade.apply(*counts))).collect()
        };
        Person {
            topics: counters(&self.topics),
            denied: self.denied.iter().cloned().collect(),
            businesses: counters(&self.businesses),
            engagement: fade.apply(self.engagement),
            received: fade.apply(self.received),
            rejected: fade.apply(self.rejected),
            days_since_active: self.last_hour.map(|hour| fade.days_since(hour)),
            language: language.map(str::to_owned).or_else(|| self.language.clone()),
            traits: self.traits.iter().cloned().collect(),
        }
    }
}

/// Carries counters from the landmark to a moment.
#[derive(Clone, Copy)]
pub(super) struct Fade {
    hour: i64,
    factors: [f64; 3],
}

impl Fade {
    pub(super) fn to(now: Timestamp) -> Self {
        let hour = hour_of(now);
        let since = (hour - hour_of(LANDMARK)) as f64;
        Self { hour, factors: HALF_LIVES.map(|half_life| (-since / f64::from(half_life)).exp2()) }
    }

    pub(super) fn apply(self, counts: [f64; 3]) -> Decayed {
        let [short, medium, long] = self.factors;
        Decayed { short: counts[0] * short, medium: counts[1] * medium, long: counts[2] * long }
    }

    /// By what [`Fade::apply`] multiplies the counts of a half-life.
    pub(super) fn factor(self, half_life: usize) -> f64 {
        self.factors[half_life]
    }

    pub(super) fn days_since(self, hour: i64) -> f64 {
        (self.hour - hour).max(0) as f64 / 24.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::{Kind, Observation};

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect("a time")
    }

    #[test]
    fn a_standing_fades_as_its_profile_does() {
        let mut profile = Profile::default();
        let seen = at("2026-11-01T08:00:00Z");
        let topics = vec!["sport.running".to_owned()];
        profile.observe(&Observation { kind: Kind::Bought, topics, business: None, at: seen });
        profile.describe("plan", Trait::Category("gold".to_owned()), seen);
        for later in ["2026-11-01T08:00:00Z", "2026-11-21T10:00:00Z", "2028-01-01T00:00:00Z"] {
            let person = Standing::of(&profile).person(Some("de"), at(later));
            let (_, expected) = profile.interests(at(later)).next().expect("one topic");
            let found = person.topics["sport.running"];
            for (found, expected) in
                [found.short, found.medium, found.long].into_iter().zip(expected)
            {
                assert!((found - expected).abs() <= 1e-9 * expected.abs(), "{later}");
            }
            assert_eq!(person.language.as_deref(), Some("de"));
            assert_eq!(person.traits["plan"], Value::Category("gold".to_owned()));
        }
    }
}
