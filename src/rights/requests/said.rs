//! What a person says with a request, in their own words, and what an officer answers in theirs: under
//! the account's key, for the officer who handles it and for the person, and gone with the account.

use std::collections::BTreeMap;

use rand::Rng;
use volens_privacy::keys::KeyRing;
use volens_privacy::{AppId, DataKey, SubjectId};

use super::{Request, RequestId, store};
use crate::accounts::{self, AccountError};
use crate::db::Tx;
use crate::rights::RightsError;

/// Characters that somebody may say with a request, at most.
pub const SAID_MAX: usize = 2000;

/// What somebody said with a request or answered to it, within bounds and with words in it.
#[derive(Clone)]
pub struct Said(String);

impl Said {
    /// Takes what was typed: line ends as one character, no other control characters, no space around.
    /// Nothing when no letter and no digit is left.
    ///
    /// # Errors
    /// [`RightsError::SaidTooMuch`] above [`SAID_MAX`] characters.
    pub fn new(typed: &str) -> Result<Option<Self>, RightsError> {
        let lines = typed.replace("\r\n", "\n");
        let kept = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
        let text: String = lines.trim().chars().filter(kept).collect();
        if text.chars().count() > SAID_MAX {
            return Err(RightsError::SaidTooMuch);
        }
        // Letters by their class, that nobody sees: Hangul fillers.
        let unseen = |c: char| matches!(c, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}');
        let words = text.chars().any(|c| c.is_alphanumeric() && !unseen(c));
        Ok(words.then(|| Self(text.trim().to_owned())))
    }

    /// Seals it with the key of whose request it is.
    fn seal(
        &self,
        key: &DataKey,
        (part, subject, request): (&[u8], SubjectId, &Request),
        rng: &mut (dyn Rng + Send),
    ) -> Vec<u8> {
        let context = context(part, subject, &request.app, request.id);
        let context: Vec<&[u8]> = context.iter().map(Vec::as_slice).collect();
        key.seal(&context, self.0.as_bytes(), rng)
    }
}

/// What a person said.
const SAID: &[u8] = b"subject request";
/// What was answered.
const ANSWER: &[u8] = b"answer to a subject request";

/// Keeps what was said with a request, in the transaction that puts it on record. The same request
/// again says nothing new.
///
/// # Errors
/// [`AccountError::Unknown`] when the account is gone.
pub async fn say(
    tx: &mut Tx,
    keys: &KeyRing,
    (subject, request): (SubjectId, &Request),
    said: &Said,
    rng: &mut (dyn Rng + Send),
) -> Result<(), RightsError> {
    let sealed = said.seal(&key_of(tx, keys, subject).await?, (SAID, subject, request), rng);
    Ok(store::say(tx, subject, (&request.app, request.id), sealed).await?)
}

/// An answer as it is kept, and for whom.
pub(super) struct Sealed(SubjectId, Vec<u8>);

/// Seals what is answered to a request.
///
/// # Errors
/// [`AccountError::Unknown`] when the account is gone.
pub(super) async fn seal_answer(
    tx: &mut Tx,
    keys: &KeyRing,
    (subject, request): (SubjectId, &Request),
    answer: &Said,
    rng: &mut (dyn Rng + Send),
) -> Result<Sealed, RightsError> {
    let key = key_of(tx, keys, subject).await?;
    Ok(Sealed(subject, answer.seal(&key, (ANSWER, subject, request), rng)))
}

/// Keeps what was answered to a request, in the transaction that closes it.
pub(super) async fn answer(
    tx: &mut Tx,
    request: &Request,
    Sealed(subject, sealed): Sealed,
) -> Result<(), RightsError> {
    Ok(store::answer(tx, subject, (&request.app, request.id), sealed).await?)
}

async fn key_of(tx: &mut Tx, keys: &KeyRing, subject: SubjectId) -> Result<DataKey, RightsError> {
    let key = accounts::data_keys(tx, keys, &[subject]).await?.remove(&subject);
    Ok(key.ok_or(AccountError::Unknown)?)
}

/// What was said, by request.
pub type AllSaid = BTreeMap<(AppId, RequestId), String>;

/// What was said with the requests that wait for an answer, at most `limit` of them.
///
/// # Errors
/// [`AccountError::Key`] when one does not open.
pub async fn said_open(tx: &mut Tx, keys: &KeyRing, limit: u32) -> Result<AllSaid, RightsError> {
    let all = store::said_open(tx, limit).await?;
    let subjects: Vec<SubjectId> = all.iter().map(|said| said.subject).collect();
    let data_keys = accounts::data_keys(tx, keys, &subjects).await?;
    read(&data_keys, SAID, all)
}

/// What was said with the requests of one account.
///
/// # Errors
/// [`AccountError::Key`] when one does not open.
pub async fn said_of(
    tx: &mut Tx,
    keys: &KeyRing,
    subject: SubjectId,
) -> Result<AllSaid, RightsError> {
    let data_keys = accounts::data_keys(tx, keys, &[subject]).await?;
    read(&data_keys, SAID, store::said_of(tx, subject).await?)
}

/// What was answered to the requests of one account.
///
/// # Errors
/// [`AccountError::Key`] when one does not open.
pub async fn answers_of(
    tx: &mut Tx,
    keys: &KeyRing,
    subject: SubjectId,
) -> Result<AllSaid, RightsError> {
    let data_keys = accounts::data_keys(tx, keys, &[subject]).await?;
    read(&data_keys, ANSWER, store::answers_of(tx, subject).await?)
}

fn read(
    data_keys: &BTreeMap<SubjectId, DataKey>,
    part: &[u8],
    all: Vec<store::Said>,
) -> Result<AllSaid, RightsError> {
    let mut texts = AllSaid::new();
    for store::Said { subject, app, request, sealed } in all {
        // An account that is erased meanwhile has nothing left to read.
        let Some(key) = data_keys.get(&subject) else { continue };
        let context = context(part, subject, &app, request);
        let context: Vec<&[u8]> = context.iter().map(Vec::as_slice).collect();
        let text = key.open(&context, &sealed).map_err(AccountError::Key)?;
        texts.insert((app, request), String::from_utf8_lossy(&text).into_owned());
    }
    Ok(texts)
}

fn context(part: &[u8], subject: SubjectId, app: &AppId, request: RequestId) -> [Vec<u8>; 4] {
    [
        part.to_vec(),
        subject.as_bytes().to_vec(),
        app.as_str().as_bytes().to_vec(),
        request.as_bytes().to_vec(),
    ]
}
