//! I-15: a model in use learned from nobody who took that back more than a day ago, and from exactly those
//! whose leaves its entry commits to.

use std::time::Duration;

use serde_json::Value as Json;
use volens_privacy::consent::{Decision, Entry};
use volens_privacy::ledger::{Leaf, LeafKind};
use volens_privacy::manifest::{Lesson, Manifest, Trained};
use volens_privacy::{PurposeKind, SubjectId, Timestamp};

use super::{Finding, Look, store};
use crate::audit::AuditError;
use crate::ids::ModelId;
use crate::relevance::manifest::{self, Person};
use crate::relevance::members;
use crate::{accounts, consent, ledger};

/// People looked at together.
const PAGE: u32 = 256;
/// Within so long a model forgets.
const PATIENCE: Duration = Duration::from_hours(24);
/// What somebody agrees to whose outcomes are learned from.
const NEEDED: [PurposeKind; 2] = [PurposeKind::Relevance, PurposeKind::ModelTraining];

/// A model in use, and what its entry commits to.
struct Model {
    id: ModelId,
    entry: u64,
    /// Nothing for one that was trained before manifests were kept.
    manifest: Option<(Trained, Manifest)>,
}

/// Every model in use: as many people as its entry says, less those who left; nobody left long ago;
/// whoever is still there agrees, by the ledger, and has a leaf; and the leaves are those of its entry.
pub(super) async fn check(look: &mut Look<'_>) -> Result<(), AuditError> {
    for (model, entry) in store::models_in_use(look.tx).await? {
        look.looked(1);
        let standing = members::standing(look.tx, model).await?;
        let Some(standing) = standing else { continue };
        let leaf = on_record(look, model, entry).await?;
        let detail = leaf.as_ref().and_then(Leaf::detail);
        let people = detail.and_then(|detail| detail["people"].as_u64());
        if people.is_none() || people != standing.people {
            look.found(Finding::new("model.not_on_record").entry(entry));
        }
        let members = standing.members + standing.departed;
        if standing.people != Some(members) {
            look.found(Finding::new("model.members_missing").entry(entry));
        }
        let long_ago = look.now.minus(PATIENCE);
        if standing.departed_since.is_some_and(|since| since <= long_ago) {
            look.found(Finding::new("model.remembers_the_withdrawn").entry(entry));
        }
        let manifest = leaves_fit(look, leaf.as_ref(), (model, entry), members).await?;
        let model = Model { id: model, entry, manifest };
        members_agree(look, &model, long_ago).await?;
    }
    Ok(())
}

/// The entry of a model.
async fn on_record(
    look: &mut Look<'_>,
    model: ModelId,
    entry: u64,
) -> Result<Option<Leaf>, AuditError> {
    let leaf = ledger::leaves(look.tx, &[entry]).await?.remove(&entry);
    let leaf = leaf.and_then(|bytes| Leaf::parse(&bytes).ok());
    let leaf = leaf.filter(|leaf| leaf.kind() == LeafKind::ModelTrained);
    let is_of = |leaf: &Leaf| {
        leaf.detail().is_some_and(|detail| detail["model"] == Json::String(model.to_string()))
    };
    Ok(leaf.filter(is_of))
}

/// Makes the root again from the kept leaves. An entry of before manifests were kept commits to
/// something of which nothing else was kept, and no leaves are.
async fn leaves_fit(
    look: &mut Look<'_>,
    leaf: Option<&Leaf>,
    (model, entry): (ModelId, u64),
    members: u64,
) -> Result<Option<(Trained, Manifest)>, AuditError> {
    let kept = manifest::kept(look.tx, model).await?;
    let leaves = kept.leaves().len() as u64;
    look.looked(leaves);
    let trained = leaf.and_then(Trained::of);
    let root = trained.as_ref().map(|trained| trained.root);
    if root.is_some_and(|root| root != kept.root()) || (root.is_none() && leaves > 0) {
        look.found(Finding::new("model.manifest_differs").entry(entry));
    }
    if root.is_some() && leaves != members {
        look.found(Finding::new("model.leaves_miscounted").entry(entry));
    }
    Ok(trained.map(|trained| (trained, kept)))
}

async fn members_agree(
    look: &mut Look<'_>,
    model: &Model,
    long_ago: Timestamp,
) -> Result<(), AuditError> {
    let mut last = None;
    loop {
        let page = manifest::members_after(look.tx, model.id, last, PAGE).await?;
        let Some((subject, _)) = page.last() else { return Ok(()) };
        last = Some(*subject);
        look.looked(page.len() as u64);
        for (subject, lesson) in page {
            // What does not open or does not match is said by I-6, and permits nothing.
            let history = match consent::history_of(look.tx, look.keys, subject).await {
                Ok(history) => history,
                Err(error) if error.is_damage() => None,
                Err(error) => return Err(error.into()),
            };
            let history = history.unwrap_or_default();
            if !agrees(&history, long_ago) {
                disagrees(look, subject, model.entry);
            }
            has_a_leaf(look, model, (subject, lesson), history).await?;
        }
    }
}

/// Makes the leaf of a member again and looks for it.
async fn has_a_leaf(
    look: &mut Look<'_>,
    model: &Model,
    (subject, lesson): (SubjectId, Option<Lesson>),
    history: Vec<Entry>,
) -> Result<(), AuditError> {
    let Some((trained, manifest)) = &model.manifest else { return Ok(()) };
    let key = match accounts::data_keys(look.tx, look.keys, &[subject]).await {
        Ok(mut keys) => keys.remove(&subject),
        Err(accounts::AccountError::Key(_)) => None,
        Err(error) => return Err(consent::ConsentError::from(error).into()),
    };
    let person = key.map(|key| Person::new(subject, key.lesson_key(), history));
    let (Some(person), Some(lesson)) = (person, lesson) else {
        look.found(Finding::new("model.member_without_leaf").of(subject).entry(model.entry));
        return Ok(());
    };
    if manifest.position(&person.leaf(&lesson)).is_none() {
        look.found(Finding::new("model.member_without_leaf").of(subject).entry(model.entry));
    }
    if !person.agreed(&lesson, trained) {
        look.found(Finding::new("model.learned_without_consent").of(subject).entry(model.entry));
    }
    Ok(())
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
