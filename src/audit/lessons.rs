//! Whether a model learned from one person: looked up in its manifest, under the rules for reading a
//! record, and recorded like every reading.

use rand::Rng;
use serde::Serialize;
use volens_privacy::manifest::LessonProof;
use volens_privacy::{KeyRing, SubjectId, Timestamp};

use super::AuditError;
use crate::accounts;
use crate::db::Tx;
use crate::ids::ModelId;
use crate::readings::{self, Reader, Subject, openings};
use crate::relevance::manifest::{self, InModel, Person, Taught};
use crate::relevance::{self, RelevanceError};

/// One person and one model, with the proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LessonFound {
    /// The account.
    #[schema(value_type = String)]
    pub subject: SubjectId,
    /// What is known of it and the model.
    #[serde(flatten)]
    pub found: InModel,
    /// `volens/training-lesson/1`, where the model learned from the person: what was learned, what opens
    /// its leaf and no other, the path to the root, the entry with the root, and its proof. `volens models
    /// manifest --verify` checks it without us.
    #[schema(value_type = Option<Object>)]
    pub proof: Option<LessonProof>,
    /// Ledger index of the entry that records this reading.
    pub access_entry: u64,
}

/// Looks whether a model learned from a person, if a second officer approved that this one reads the
/// record, and records that it was read.
///
/// # Errors
/// As [`timeline`](super::timeline), [`RelevanceError::NoVersion`], and
/// [`RelevanceError::ManifestDiffers`] when the kept leaves are not those on record.
pub async fn lesson(
    tx: &mut Tx,
    keys: &KeyRing,
    rng: &mut (dyn Rng + Send),
    (reader, subject): (Reader, SubjectId),
    (model, now): (ModelId, Timestamp),
) -> Result<LessonFound, AuditError> {
    if accounts::find(tx, &[subject]).await?.is_empty() {
        return Err(AuditError::NoAccount);
    }
    let opening = openings::demand(tx, subject, reader.credential, now).await?;
    let (found, proof) = prove(tx, keys, subject, model).await?;
    let record = (Subject::Record(subject, opening), 1);
    let access_entry = readings::note(tx, keys, rng, reader, record, now).await?;
    Ok(LessonFound { subject, found, proof, access_entry })
}

/// The same for whoever sits at the machine and holds the key ring: nobody approves it, and it is
/// recorded all the same.
///
/// # Errors
/// As [`lesson`], but for the second officer.
pub async fn lesson_at_the_machine(
    tx: &mut Tx,
    keys: &KeyRing,
    rng: &mut (dyn Rng + Send),
    subject: SubjectId,
    (model, now): (ModelId, Timestamp),
) -> Result<LessonFound, AuditError> {
    let (found, proof) = prove(tx, keys, subject, model).await?;
    let (reader, about) = (Reader::AT_THE_MACHINE, (Subject::Lesson(subject), 1));
    let access_entry = readings::note(tx, keys, rng, reader, about, now).await?;
    Ok(LessonFound { subject, found, proof, access_entry })
}

async fn prove(
    tx: &mut Tx,
    keys: &KeyRing,
    subject: SubjectId,
    model: ModelId,
) -> Result<(InModel, Option<LessonProof>), AuditError> {
    let version = relevance::find(tx, model).await?;
    let person = Person::open(tx, keys, subject).await.map_err(unverifiable)?;
    let person = person.ok_or(AuditError::Unverifiable)?;
    Ok(manifest::prove(tx, &person, &version).await?)
}

/// The newest models that learned from an account, also those that it left since.
pub(super) async fn of_account(
    tx: &mut Tx,
    keys: &KeyRing,
    subject: SubjectId,
) -> Result<Vec<InModel>, AuditError> {
    let person = Person::open(tx, keys, subject).await.map_err(unverifiable)?;
    let person = person.ok_or(AuditError::Unverifiable)?;
    let mut models = Vec::new();
    for version in relevance::all(tx).await? {
        let found = manifest::look(tx, &person, &version).await?;
        if !matches!(found.taught, Taught::Absent | Taught::Unknown) {
            models.push(found);
        }
    }
    Ok(models)
}

fn unverifiable(error: RelevanceError) -> AuditError {
    match error {
        RelevanceError::Account(accounts::AccountError::Key(_)) => AuditError::Unverifiable,
        RelevanceError::Consent(error) if error.is_damage() => AuditError::Unverifiable,
        other => other.into(),
    }
}
