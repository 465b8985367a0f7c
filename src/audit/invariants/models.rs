//! I-15: a model in use learned from nobody who took that back more than a day ago.

use std::time::Duration;

use serde_json::Value as Json;
use volens_privacy::consent::{Decision, Entry};
use volens_privacy::ledger::{Leaf, LeafKind};
use volens_privacy::{PurposeKind, SubjectId, Timestamp};

use super::{Finding, Look, store};
use crate::audit::AuditError;
use crate::ids::ModelId;
use crate::relevance::members;
use crate::{consent, ledger};

/// People looked at together.
const PAGE: u32 = 256;
/// Within so long a model forgets.
const PATIENCE: Duration = Duration::from_hours(24);
/// What somebody agrees to whose outcomes are learned from.
const NEEDED: [PurposeKind; 2] = [PurposeKind::Relevance, PurposeKind::ModelTraining];

/// Every model in use: as many people as its entry says, less those who left; nobody left long ago;
/// and whoever is still there agrees, by the ledger.
pub(super) async fn check(look: &mut Look<'_>) -> Result<(), AuditError> {
    for (model, entry) in store::models_in_use(look.tx).await? {
        look.looked(1);
        let standing = members::standing(look.tx, model).await?;
        let Some(standing) = standing else { continue };
        let people = on_record(look, model, entry).await?;
        if people.is_none() || people != standing.people {
            look.found(Finding::new("model.not_on_record").entry(entry));
        }
        if standing.people != Some(standing.members + standing.departed) {
            look.found(Finding::new("model.members_missing").entry(entry));
        }
        let long_ago = look.now.minus(PATIENCE);
        if standing.departed_since.is_some_and(|since| since <= long_ago) {
            look.found(Finding::new("model.remembers_the_withdrawn").entry(entry));
        }
        members_agree(look, model, entry, long_ago).await?;
    }
    Ok(())
}

/// How many people the model learned from, as its entry says.
async fn on_record(
    look: &mut Look<'_>,
    model: ModelId,
    entry: u64,
) -> Result<Option<u64>, AuditError> {
    let leaf = ledger::leaves(look.tx, &[entry]).await?.remove(&entry);
    let leaf = leaf.and_then(|bytes| Leaf::parse(&bytes).ok());
    let leaf = leaf.filter(|leaf| leaf.kind() == LeafKind::ModelTrained);
    let detail = leaf.as_ref().and_then(Leaf::detail);
    let detail = detail.filter(|detail| detail["model"] == Json::String(model.to_string()));
    Ok(detail.and_then(|detail| detail["people"].as_u64()))
}

async fn members_agree(
    look: &mut Look<'_>,
    model: ModelId,
    entry: u64,
    long_ago: Timestamp,
) -> Result<(), AuditError> {
    let mut after = Vec::new();
    loop {
        let page = store::members_after(look.tx, model, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.as_bytes().to_vec();
        look.looked(page.len() as u64);
        for subject in page {
            // What does not open or does not match is said by I-6, and permits nothing.
            let history = match consent::history_of(look.tx, look.keys, subject).await {
                Ok(history) => history,
                Err(error) if error.is_damage() => None,
                Err(error) => return Err(error.into()),
            };
            if !agrees(&history.unwrap_or_default(), long_ago) {
                disagrees(look, subject, entry);
            }
        }
    }
}

fn disagrees(look: &mut Look<'_>, subject: SubjectId, entry: u64) {
    look.found(Finding::new("model.remembers_the_withdrawn").of(subject).entry(entry));
}

/// Whether the last word about each purpose is yes, or was until lately.
fn agrees(history: &[Entry], long_ago: Timestamp) -> bool {
    NEEDED.iter().all(|purpose| {
        let last = history.iter().rev().find(|entry| entry.record.purpose == *purpose);
        last.is_some_and(|last| match last.record.decision {
            Decision::Given => last.record.ends_at() > long_ago,
            Decision::Refused | Decision::Withdrawn | Decision::Expired => {
                last.record.recorded_at > long_ago
            }
        })
    })
}
