//! Reasons in words: the model's contributions as sentences that the business, the officer and the person
//! read alike.
//!
//! A sentence names the message's topics, which are [`TopicId`]s and therefore never sensitive, or the name
//! of a trait; never a value. A trait whose name touches a sensitive topic gives no sentence.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use volens_privacy::{TopicId, Topics, base_language};

use crate::explain::{CALIBRATION, Contribution};
use crate::features::{LENT, TRAIT, TREATMENT};

mod changes;
mod compared;
mod phrases;

pub use changes::{in_words, sentence_of};
pub use compared::{Compared, Comparison, compare};
use phrases::{Phrase, phrase};

/// Amounts below this, in log odds, are not worth a sentence.
const SMALLEST: f64 = 0.01;

/// One reason for a score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// The sentence.
    pub text: String,
    /// The strongest feature behind it.
    pub feature: String,
    /// Log odds added by all features behind it.
    pub contribution: f64,
}

/// The at most `most` strongest reasons, those that speak for the message first.
///
/// Features that say the same (interest at three half-lives) make one reason; a crossed term counts half for
/// each of its features. `topics` are the message's; `language` is one of five, otherwise English is used.
pub fn reasons(
    contributions: &[Contribution],
    topics: &[TopicId],
    language: &str,
    most: usize,
) -> Vec<Reason> {
    let mut found: Vec<(Subject, f64, String)> = grouped(contributions)
        .into_iter()
        .filter(|(_, (amount, _))| amount.abs() >= SMALLEST)
        .map(|(subject, (amount, features))| {
            let strongest = features
                .into_iter()
                .max_by(|a, b| (a.1 * amount.signum()).total_cmp(&(b.1 * amount.signum())));
            (subject, amount, strongest.map(|(feature, _)| feature.to_owned()).unwrap_or_default())
        })
        .collect();
    found.sort_by(|a, b| {
        let key = |amount: f64| (amount < 0.0, -amount.abs());
        key(a.1).partial_cmp(&key(b.1)).expect("amounts are numbers").then_with(|| a.0.cmp(&b.0))
    });
    found.truncate(most);
    found
        .into_iter()
        .map(|(subject, amount, feature)| Reason {
            text: subject.sentence(amount > 0.0, topics, language),
            feature,
            contribution: amount,
        })
        .collect()
}

/// What all features of a subject add, and each of them.
type Amounts<'c> = (f64, BTreeMap<&'c str, f64>);

/// Contributions by what they are about. Those that nothing may be said about are left out.
fn grouped(contributions: &[Contribution]) -> BTreeMap<Subject, Amounts<'_>> {
    let mut subjects: BTreeMap<Subject, Amounts<'_>> = BTreeMap::new();
    for contribution in contributions {
        let features: Vec<&str> = contribution.feature.split(" × ").collect();
        // Two at most, so half of a whole number of units is exact.
        let amount = contribution.amount / features.len() as f64;
        for feature in features {
            if let Some(subject) = subject_of(feature) {
                let entry = subjects.entry(subject).or_default();
                entry.0 += amount;
                *entry.1.entry(feature).or_default() += amount;
            }
        }
    }
    subjects
}

/// What a sentence is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Subject {
    /// Whether linked accounts of other apps say it.
    lent: bool,
    about: About,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum About {
    Known(Phrase),
    Trait(String),
}

fn subject_of(feature: &str) -> Option<Subject> {
    let (lent, own) = feature.strip_prefix(LENT).map_or((false, feature), |own| (true, own));
    if own == TREATMENT || own == CALIBRATION {
        return None;
    }
    let known = match own.split('.').next().unwrap_or(own) {
        "topic" if own == crate::features::TOPIC_RELATED => Some(Phrase::Related),
        "topic" => Some(Phrase::Topic),
        "business" => Some(Phrase::Business),
        "engagement" => Some(Phrase::Engagement),
        "recency" if own == crate::features::RECENCY_DAYS => Some(Phrase::Recency),
        "fatigue" if own == crate::features::FATIGUE_REJECTED => Some(Phrase::Rejected),
        "fatigue" => Some(Phrase::Received),
        "language" => Some(Phrase::Language),
        _ => None,
    };
    if let Some(known) = known {
        return Some(Subject { lent, about: About::Known(known) });
    }
    let name = own.strip_prefix(TRAIT).unwrap_or(own);
    (!is_sensitive(name)).then(|| Subject { lent, about: About::Trait(name.to_owned()) })
}

/// Whether a trait's name is, or contains a word of, a topic that may never be used.
fn is_sensitive(name: &str) -> bool {
    let name = name.to_lowercase();
    let words: Vec<&str> = name.split(|c: char| !c.is_alphanumeric()).collect();
    Topics::builtin().all().filter(|topic| topic.is_sensitive()).any(|topic| {
        let ids = topic.id().split('.').any(|part| words.contains(&part));
        ids || topic.keywords().any(|keyword| words.contains(&keyword))
    })
}

impl Subject {
    fn sentence(&self, speaks_for: bool, topics: &[TopicId], language: &str) -> String {
        let language = base_language(language);
        let text = match &self.about {
            About::Known(Phrase::Topic) if topics.is_empty() => {
                phrase(Phrase::Related, speaks_for, language).to_owned()
            }
            About::Known(known) => {
                phrase(*known, speaks_for, language).replace("{topics}", &titles(topics, language))
            }
            About::Trait(name) => phrase(Phrase::Trait, speaks_for, language)
                .replace("{trait}", &name.replace('_', " ")),
        };
        if self.lent {
            format!("{}{text}", phrase(Phrase::Lent, speaks_for, language))
        } else {
            text
        }
    }
}

fn titles(topics: &[TopicId], language: &str) -> String {
    let known = Topics::builtin();
    let titles: Vec<&str> = topics
        .iter()
        .filter_map(|topic| known.get(topic.as_str()))
        .map(|topic| topic.title(language))
        .collect();
    titles.join(", ")
}

#[cfg(test)]
mod tests {
    use volens_privacy::LANGUAGES;

    use super::*;

    fn contribution(feature: &str, amount: f64) -> Contribution {
        Contribution { feature: feature.to_owned(), value: String::new(), amount }
    }

    fn running() -> Vec<TopicId> {
        vec![Topics::builtin().check("sport.running").expect("a usable topic")]
    }

    #[test]
    fn features_that_say_the_same_are_one_reason_and_good_reasons_come_first() {
        let contributions = [
            contribution("fatigue.received", -0.9),
            contribution("topic.short", 0.2),
            contribution("topic.long × recency.days", 0.5),
            contribution("lent.topic.medium", 0.3),
            contribution("treatment", 2.0),
            contribution("engagement.long", 0.001),
        ];
        let found = reasons(&contributions, &running(), "en-GB", 3);
        let texts: Vec<&str> = found.iter().map(|reason| reason.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "Interested in Running",
                "From a linked app: Interested in Running",
                "Was active recently"
            ]
        );
        assert_eq!(found[0].feature, "topic.long");
        assert!((found[0].contribution - 0.45).abs() < 1e-12);
        let all = reasons(&contributions, &running(), "en", 9);
        assert_eq!(
            all.last().map(|reason| reason.text.as_str()),
            Some("Has received many messages lately")
        );
    }

    #[test]
    fn a_sensitive_trait_gives_no_sentence() {
        let sensitive: Vec<&str> = Topics::builtin()
            .all()
            .filter(|topic| topic.is_sensitive())
            .map(volens_privacy::Topic::id)
            .collect();
        assert!(!sensitive.is_empty());
        for id in sensitive {
            let feature = format!("{TRAIT}{}", id.replace('.', "_"));
            assert_eq!(reasons(&[contribution(&feature, 1.0)], &[], "en", 3), [], "{feature}");
        }
        let plan = reasons(&[contribution("trait.plan_name", 1.0)], &[], "en", 3);
        assert_eq!(plan[0].text, "What is known about them fits: plan name");
    }

    #[test]
    fn every_phrase_exists_in_every_language_and_differs_by_direction() {
        for language in LANGUAGES {
            for known in Phrase::ALL {
                let (good, bad) = (phrase(known, true, language), phrase(known, false, language));
                assert!(!good.is_empty() && !bad.is_empty(), "{language}");
                assert!(known == Phrase::Lent || good != bad, "{language}: {good}");
                if language != "en" {
                    assert_ne!(good, phrase(known, true, "en"), "{language}");
                }
            }
        }
    }
}
