//! Rectification (GDPR Art. 16): what is inferred about a person's interests, shown to them and to
//! their app, and corrected by them.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use rand::Rng;
use volens_privacy::keys::KeyRing;
use volens_privacy::topics::{TopicId, Topics};
use volens_privacy::{SubjectId, Timestamp};

use super::RightsError;
use crate::db::Tx;
use crate::signals;
use crate::signals::corrections::{self, Correction};

/// Interest below this, in views, is not worth a line.
const FAINT: f64 = 0.01;

/// One inferred interest.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Interest {
    /// Topic id.
    pub topic: String,
    /// Its title in English.
    pub title: String,
    /// How strong, faded to now: 1 is one view a moment ago. At three half-lives, the shortest first;
    /// below zero is disinterest.
    pub strength: [f64; 3],
    /// Since when the person denies it; then its strength is not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "date-time")]
    pub denied_since: Option<Timestamp>,
}

/// Everything inferred about the interests of a person, and what they deny, the strongest first.
pub async fn interests(
    tx: &mut Tx,
    keys: &KeyRing,
    subject: SubjectId,
    now: Timestamp,
) -> Result<Vec<Interest>, RightsError> {
    let said = corrections::corrections(tx, keys, &[subject]).await?.remove(&subject);
    let mut denied: BTreeMap<String, Timestamp> =
        said.unwrap_or_default().into_iter().map(|said| (said.topic, said.since)).collect();
    let mut interests = Vec::new();
    if let Some(profile) = signals::kept_profile(tx, keys, subject).await? {
        for (topic, strength) in profile.interests(now) {
            let denied_since = denied.remove(topic);
            let shown = strength.iter().any(|s| s.abs() >= FAINT) || denied_since.is_some();
            if shown {
                interests.push(interest(topic, strength.map(rounded), denied_since));
            }
        }
    }
    interests.extend(denied.into_iter().map(|(topic, at)| interest(&topic, [0.0; 3], Some(at))));
    let strongest = |a: &Interest, b: &Interest| {
        b.strength[2].partial_cmp(&a.strength[2]).unwrap_or(Ordering::Equal)
    };
    interests.sort_by(|a, b| strongest(a, b).then_with(|| a.topic.cmp(&b.topic)));
    Ok(interests)
}

/// To four decimals: finer is noise.
fn rounded(strength: f64) -> f64 {
    (strength * 1e4).round() / 1e4
}

fn interest(topic: &str, strength: [f64; 3], denied_since: Option<Timestamp>) -> Interest {
    Interest { topic: topic.to_owned(), title: title(topic, "en"), strength, denied_since }
}

/// The title of a topic; its id when there is no such topic any more.
pub fn title(topic: &str, language: &str) -> String {
    let known = Topics::builtin().get(topic);
    known.map_or_else(|| topic.to_owned(), |topic| topic.title(language).to_owned())
}

/// Denies an interest, or takes that back; answers all corrections that stand.
pub async fn correct(
    tx: &mut Tx,
    keys: &KeyRing,
    subject: SubjectId,
    (topic, denied): (TopicId, bool),
    rng: &mut (dyn Rng + Send),
    now: Timestamp,
) -> Result<Vec<Correction>, RightsError> {
    Ok(corrections::correct(tx, keys, subject, (topic, denied), rng, now).await?)
}
