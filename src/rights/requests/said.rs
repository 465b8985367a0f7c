//! What a person says with a request, in their own words: under the account's key, for the officer who
//! handles it and for the person's own copy, and gone with the account.

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

/// What somebody said with a request, within bounds and never empty.
#[derive(Clone)]
pub struct Said(String);

impl Said {
    /// Takes what was typed: line ends as one character, no other control characters, no space around.
    /// Nothing when nothing is left.
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
        Ok((!text.is_empty()).then_some(Self(text)))
    }
}

/// Keeps what was said with a request, in the transaction that puts it on record. The same request
/// again says nothing new.
///
/// # Errors
/// [`AccountError::Unknown`] when the account is gone.
pub async fn say(
    tx: &mut Tx,
    keys: &KeyRing,
    (subject, request): (SubjectId, &Request),
    Said(text): &Said,
    rng: &mut (dyn Rng + Send),
) -> Result<(), RightsError> {
    let key = accounts::data_keys(tx, keys, &[subject]).await?.remove(&subject);
    let key = key.ok_or(AccountError::Unknown)?;
    let context = context(subject, &request.app, request.id);
    let context: Vec<&[u8]> = context.iter().map(Vec::as_slice).collect();
    let sealed = key.seal(&context, text.as_bytes(), rng);
    Ok(store::say(tx, subject, (&request.app, request.id), sealed).await?)
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
    read(&data_keys, all)
}

/// What was said with the requests of one account.
pub(in crate::rights) async fn said_of(
    tx: &mut Tx,
    keys: &KeyRing,
    subject: SubjectId,
) -> Result<AllSaid, RightsError> {
    let data_keys = accounts::data_keys(tx, keys, &[subject]).await?;
    read(&data_keys, store::said_of(tx, subject).await?)
}

fn read(
    data_keys: &BTreeMap<SubjectId, DataKey>,
    all: Vec<store::Said>,
) -> Result<AllSaid, RightsError> {
    let mut texts = AllSaid::new();
    for store::Said { subject, app, request, sealed } in all {
        // An account that is erased meanwhile has nothing left to read.
        let Some(key) = data_keys.get(&subject) else { continue };
        let context = context(subject, &app, request);
        let context: Vec<&[u8]> = context.iter().map(Vec::as_slice).collect();
        let text = key.open(&context, &sealed).map_err(AccountError::Key)?;
        texts.insert((app, request), String::from_utf8_lossy(&text).into_owned());
    }
    Ok(texts)
}

fn context(subject: SubjectId, app: &AppId, request: RequestId) -> [Vec<u8>; 4] {
    [
        b"subject request".to_vec(),
        subject.as_bytes().to_vec(),
        app.as_str().as_bytes().to_vec(),
        request.as_bytes().to_vec(),
    ]
}
