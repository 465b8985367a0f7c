//! Manifests: from whom a model learned, person by person, held against the entry that commits to it.
//!
//! A leaf is made again from the account's data key, from how many messages were learned from, and from
//! the entries of the two consents. Of members the last three are kept. Of somebody who left they are
//! not: the entries are found in the history of the account, the number by trying. Whose account was
//! erased, whose key is gone, cannot be found by anybody.

use serde::Serialize;
use volens_privacy::consent::{Decision, Entry, moments};
use volens_privacy::keys::LessonKey;
use volens_privacy::ledger::Leaf;
use volens_privacy::manifest::{
    LESSON_KIND, Lesson, LessonProof, Manifest, ManifestFile, ProvedEntry, Trained,
};
use volens_privacy::{BusinessId, KeyRing, PurposeKind, SubjectId, Timestamp};

use super::exposures::Goal;
use super::registry::{Version, goal_name};
use super::store_manifest::{self as store, Member};
use super::{RelevanceError, Result};
use crate::db::Tx;
use crate::ids::ModelId;
use crate::{accounts, consent, ledger};

/// Numbers of messages that are tried for somebody who left; far more than caps let anybody receive.
const TRIED: u64 = 4096;

/// What one person teaches, while a model is being trained.
pub(super) struct Teaching {
    pub(super) key: LessonKey,
    pub(super) messages: u64,
    pub(super) relevance_entry: u64,
    pub(super) training_entry: u64,
}

impl Teaching {
    pub(super) fn lesson(&self, model: ModelId, subject: SubjectId) -> Lesson {
        let &Self { messages, relevance_entry, training_entry, .. } = self;
        let model = *model.as_bytes();
        Lesson { model, subject, messages, relevance_entry, training_entry }
    }

    pub(super) fn leaf(&self, model: ModelId, subject: SubjectId) -> [u8; 32] {
        self.lesson(model, subject).leaf(&self.key.salt(model.as_bytes()))
    }
}

/// What is known of one person and one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Taught {
    /// It learned from this person, who agrees.
    Learned,
    /// It learned from this person, who has taken that back since.
    Left,
    /// This person is not among those it learned from.
    Absent,
    /// Nobody can tell: it is of before manifests were kept, or its people were forgotten with a later
    /// version, which replaced it.
    Unknown,
    /// The person is kept as a member, and what is kept is not what the ledger commits to.
    Disputed,
}

/// One person and one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct InModel {
    /// Which model.
    #[schema(value_type = String)]
    pub model: ModelId,
    /// Whose outcomes it learned from; all businesses' when absent.
    #[schema(value_type = Option<String>)]
    pub business: Option<BusinessId>,
    /// What it predicts: `click`, `reply` or `buy`.
    #[serde(serialize_with = "goal_name")]
    #[schema(value_type = String)]
    pub goal: Goal,
    /// Counted from 1 per owner and goal.
    pub version: u32,
    /// Whether it is in use.
    pub active: bool,
    /// When it was trained.
    #[schema(value_type = String, format = "date-time")]
    pub trained_at: Timestamp,
    /// Ledger index of its entry.
    pub entry: u64,
    /// Whether it learned from this person.
    pub taught: Taught,
    /// When the person took that back, for somebody who left.
    #[schema(value_type = Option<String>, format = "date-time")]
    pub left_at: Option<Timestamp>,
    /// From the outcomes of how many messages it learned.
    pub messages: Option<u64>,
    /// Ledger index of the consent to relevance that lived then.
    pub relevance_entry: Option<u64>,
    /// Ledger index of the consent to teach models that lived then.
    pub training_entry: Option<u64>,
}

/// An account with what it takes to look for it in manifests.
pub struct Person {
    subject: SubjectId,
    key: LessonKey,
    history: Vec<Entry>,
}

impl Person {
    /// Nothing for an account that is gone, or whose records do not match the ledger.
    pub async fn open(tx: &mut Tx, keys: &KeyRing, subject: SubjectId) -> Result<Option<Self>> {
        let key = accounts::data_keys(tx, keys, &[subject]).await?.remove(&subject);
        let history = consent::history_of(tx, keys, subject).await?;
        Ok(key.zip(history).map(|(key, history)| Self::new(subject, key.lesson_key(), history)))
    }

    /// An account whose history was verified.
    pub fn new(subject: SubjectId, key: LessonKey, history: Vec<Entry>) -> Self {
        Self { subject, key, history }
    }

    /// The leaf of a lesson of this person.
    pub fn leaf(&self, lesson: &Lesson) -> [u8; 32] {
        lesson.leaf(&self.key.salt(&lesson.model))
    }

    /// Whether both consents of a lesson lived when the model was trained, by the ledger.
    pub fn agreed(&self, lesson: &Lesson, trained: &Trained) -> bool {
        self.lived(PurposeKind::Relevance, lesson.relevance_entry, trained)
            && self.lived(PurposeKind::ModelTraining, lesson.training_entry, trained)
    }

    /// Whether the entry is a consent to this that lived when the model was trained. A later consent may
    /// have waited for its witnesses, so those after it are not looked at; what takes back never waits.
    fn lived(&self, purpose: PurposeKind, entry: u64, trained: &Trained) -> bool {
        let known = self.history.iter().filter(|one| {
            let counts = one.record.decision != Decision::Given || one.index <= entry;
            one.record.purpose == purpose && one.index < trained.ledger_size && counts
        });
        let known: Vec<Entry> = known.cloned().collect();
        let standing = moments(&known, trained.as_of);
        standing.iter().any(|moment| moment.entry.index == entry && moment.refusal.is_none())
    }

    fn lived_then(&self, purpose: PurposeKind, trained: &Trained) -> Vec<u64> {
        let entries = self.history.iter().map(|entry| entry.index);
        entries.filter(|entry| self.lived(purpose, *entry, trained)).collect()
    }

    /// Every lesson that this person may have taught.
    fn possible(&self, model: ModelId, trained: &Trained) -> Vec<Lesson> {
        let most = trained.rows.saturating_sub(trained.people).saturating_add(1).min(TRIED);
        let (subject, model) = (self.subject, *model.as_bytes());
        let mut possible = Vec::new();
        for relevance_entry in self.lived_then(PurposeKind::Relevance, trained) {
            for training_entry in self.lived_then(PurposeKind::ModelTraining, trained) {
                possible.extend((1..=most).map(|messages| Lesson {
                    model,
                    subject,
                    messages,
                    relevance_entry,
                    training_entry,
                }));
            }
        }
        possible
    }

    /// When one of the two consents ended after the model was trained.
    fn left_at(&self, trained: &Trained) -> Option<Timestamp> {
        let needed = [PurposeKind::Relevance, PurposeKind::ModelTraining];
        let ended = self.history.iter().find(|entry| {
            entry.index >= trained.ledger_size
                && needed.contains(&entry.record.purpose)
                && entry.record.decision != Decision::Given
        });
        ended.map(|entry| entry.record.recorded_at)
    }
}

/// What the entry of a model says of its manifest, and the entry; nothing for a model of before.
async fn on_record(tx: &mut Tx, version: &Version) -> Result<Option<(Vec<u8>, Trained)>> {
    let bytes = ledger::leaves(tx, &[version.entry]).await?.remove(&version.entry);
    let trained = |bytes: Vec<u8>| {
        let trained = Trained::of(&Leaf::parse(&bytes).ok()?)?;
        (trained.model == version.id.to_string()).then_some((bytes, trained))
    };
    Ok(bytes.and_then(trained))
}

/// The kept leaves of a model; none when none are kept.
pub async fn kept(tx: &mut Tx, model: ModelId) -> Result<Manifest> {
    Ok(Manifest::new(store::leaves(tx, model).await?))
}

/// Members of a model in the order of their ids, with what each taught.
pub async fn members_after(
    tx: &mut Tx,
    model: ModelId,
    last: Option<SubjectId>,
    limit: u32,
) -> Result<Vec<Member>> {
    store::members_after(tx, model, last, limit).await
}

/// The manifest of a model with the proof of its entry, to be checked without us.
///
/// # Errors
/// [`RelevanceError::NoManifest`]; [`RelevanceError::ManifestDiffers`] when the kept leaves are not those
/// on record.
pub async fn file(tx: &mut Tx, version: &Version) -> Result<ManifestFile> {
    let (manifest, entry, _) = proved(tx, version).await?;
    Ok(ManifestFile::new(&manifest, entry))
}

async fn proved(tx: &mut Tx, version: &Version) -> Result<(Manifest, ProvedEntry, Trained)> {
    let (bytes, trained) = on_record(tx, version).await?.ok_or(RelevanceError::NoManifest)?;
    let manifest = kept(tx, version.id).await?;
    if manifest.leaves().is_empty() {
        return Err(RelevanceError::NoManifest);
    }
    if manifest.root() != trained.root {
        return Err(RelevanceError::ManifestDiffers);
    }
    let size = ledger::size(tx).await?;
    let evidence = ledger::evidence(tx, &[version.entry], size).await?;
    let evidence = evidence.get(&version.entry).ok_or(ledger::LedgerError::Damaged)?;
    let leaf = String::from_utf8(bytes).map_err(|_| ledger::LedgerError::Damaged)?;
    let tlog_proof = evidence.text(version.entry);
    Ok((manifest, ProvedEntry { index: version.entry, leaf, tlog_proof }, trained))
}

/// Looks for one person in the manifest of one model.
///
/// # Errors
/// When the database does not answer.
pub async fn look(tx: &mut Tx, person: &Person, version: &Version) -> Result<InModel> {
    Ok(find(tx, person, version).await?.0)
}

/// [`look`], with the proof where the model learned from this person.
///
/// # Errors
/// [`RelevanceError::ManifestDiffers`] when the kept leaves are not those on record.
pub async fn prove(
    tx: &mut Tx,
    person: &Person,
    version: &Version,
) -> Result<(InModel, Option<LessonProof>)> {
    let (found, lesson) = find(tx, person, version).await?;
    let Some(lesson) = lesson.filter(|_| found.taught != Taught::Disputed) else {
        return Ok((found, None));
    };
    let (manifest, entry, _) = proved(tx, version).await?;
    let salt = *person.key.salt(&lesson.model);
    let differs = RelevanceError::ManifestDiffers;
    let position = manifest.position(&lesson.leaf(&salt)).ok_or(differs)?;
    let path = manifest.path(position).map_err(|_| RelevanceError::ManifestDiffers)?;
    let kind = LESSON_KIND.to_owned();
    Ok((found, Some(LessonProof { kind, lesson, salt, position, path, entry })))
}

async fn find(
    tx: &mut Tx,
    person: &Person,
    version: &Version,
) -> Result<(InModel, Option<Lesson>)> {
    let model = version.id;
    let on_record = on_record(tx, version).await?;
    let kept = store::has_leaves(tx, model).await?;
    let Some((_, trained)) = on_record.filter(|_| kept) else {
        return Ok(said(version, Taught::Unknown, None, None));
    };
    let Some((_, lesson)) = store::member(tx, model, person.subject).await? else {
        let possible = person.possible(model, &trained);
        let leaves = possible.iter().map(|lesson| person.leaf(lesson));
        let known = store::some_leaves(tx, model, leaves).await?;
        let lesson = possible.into_iter().find(|lesson| known.contains(&person.leaf(lesson)));
        let taught = if lesson.is_some() { Taught::Left } else { Taught::Absent };
        let left_at = lesson.and_then(|_| person.left_at(&trained));
        return Ok(said(version, taught, left_at, lesson));
    };
    let leaf = lesson.map(|lesson| person.leaf(&lesson));
    let known = store::some_leaves(tx, model, leaf.into_iter()).await?;
    let agreed = lesson.is_some_and(|lesson| person.agreed(&lesson, &trained));
    let fits = agreed && leaf.is_some_and(|leaf| known.contains(&leaf));
    let taught = if fits { Taught::Learned } else { Taught::Disputed };
    Ok(said(version, taught, None, lesson))
}

fn said(
    version: &Version,
    taught: Taught,
    left_at: Option<Timestamp>,
    lesson: Option<Lesson>,
) -> (InModel, Option<Lesson>) {
    let found = InModel {
        model: version.id,
        business: version.business,
        goal: version.goal,
        version: version.version,
        active: version.active,
        trained_at: version.created_at,
        entry: version.entry,
        taught,
        left_at,
        messages: lesson.map(|lesson| lesson.messages),
        relevance_entry: lesson.map(|lesson| lesson.relevance_entry),
        training_entry: lesson.map(|lesson| lesson.training_entry),
    };
    (found, lesson)
}

/// The models that learned from an account which still agrees, with what it taught each; nothing of that
/// for a model of before manifests were kept.
pub async fn taught_by(tx: &mut Tx, subject: SubjectId) -> Result<Vec<(Version, Option<Lesson>)>> {
    let mut taught = Vec::new();
    for model in store::taught(tx, subject).await? {
        let version = super::find(tx, model).await?;
        let member = store::member(tx, model, subject).await?;
        taught.push((version, member.and_then(|(_, lesson)| lesson)));
    }
    Ok(taught)
}
