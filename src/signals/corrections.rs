//! What people say about their inferred interests (GDPR Art. 16): "not my interest" counts against a
//! topic whatever they do later, until they take it back.
//!
//! Kept apart from the profile, sealed under the account's key: it outlives the consent that the
//! profile rests on, and a profile that begins anew begins with it.

use std::collections::BTreeMap;

use rand::Rng;
use serde::{Deserialize, Serialize};
use volens_privacy::topics::TopicId;
use volens_privacy::{KeyRing, SubjectId, Timestamp};

use super::{SignalError, store};
use crate::accounts;
use crate::db::{self, Tx};

/// One topic that is no interest of the person's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Correction {
    /// Topic id; one that others are under stands for those too.
    pub topic: String,
    /// When the person said so.
    #[schema(value_type = String, format = "date-time")]
    pub since: Timestamp,
}

/// The corrections of these accounts; one without any is missing from the answer.
pub async fn corrections(
    tx: &mut Tx,
    keys: &KeyRing,
    subjects: &[SubjectId],
) -> Result<BTreeMap<SubjectId, Vec<Correction>>, SignalError> {
    let sealed = store::corrections(tx, subjects).await?;
    let held: Vec<SubjectId> = sealed.iter().map(|(subject, _)| *subject).collect();
    let data_keys = accounts::data_keys(tx, keys, &held).await?;
    let mut opened = BTreeMap::new();
    for (subject, sealed) in sealed {
        let Some(key) = data_keys.get(&subject) else { continue };
        let plain = key.open(&context(&subject), &sealed)?;
        let corrections = serde_json::from_slice(&plain).map_err(|_| super::Malformed)?;
        opened.insert(subject, corrections);
    }
    Ok(opened)
}

/// Denies a topic, or takes that back; answers what is denied now, in the order it was said.
///
/// # Errors
/// [`accounts::AccountError::Unknown`] when the account is gone or its key is.
pub async fn correct(
    tx: &mut Tx,
    keys: &KeyRing,
    subject: SubjectId,
    (topic, denied): (TopicId, bool),
    rng: &mut (dyn Rng + Send),
    now: Timestamp,
) -> Result<Vec<Correction>, SignalError> {
    accounts::hold(tx, subject).await?;
    let key = accounts::data_keys(tx, keys, &[subject]).await?.remove(&subject);
    let key = key.ok_or(accounts::AccountError::Unknown)?;
    let mut said = corrections(tx, keys, &[subject]).await?.remove(&subject).unwrap_or_default();
    let known = said.iter().any(|correction| correction.topic == topic.as_str());
    match (known, denied) {
        (true, true) | (false, false) => return Ok(said),
        (false, true) => said.push(Correction { topic: topic.to_string(), since: now }),
        (true, false) => said.retain(|correction| correction.topic != topic.as_str()),
    }
    let changed = db::changes::next(tx).await?;
    if said.is_empty() {
        store::forget_corrections(tx, subject).await?;
    } else {
        let plain = serde_json::to_vec(&said).expect("topics and times are JSON");
        store::put_corrections(tx, subject, key.seal(&context(&subject), &plain, rng)).await?;
    }
    // What is derived from the account is derived anew.
    accounts::touch(tx, subject, changed).await?;
    Ok(said)
}

fn context(subject: &SubjectId) -> [&[u8]; 2] {
    [b"volens/corrections", subject.as_bytes()]
}
