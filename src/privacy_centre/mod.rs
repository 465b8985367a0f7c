//! The door to a person's own page: short-lived addresses that only their app can ask for.
//!
//! The app has signed its user in; we have not, and keep nothing to sign people in with. So the app
//! asks for an address, sends its user there, and the address is the whole permission: random, kept
//! as a keyed hash, and void after [`LASTS`]. What the page shows and does are the use cases of
//! [`crate::consent`].

pub mod http;
pub mod signal;
mod store;
#[cfg(test)]
mod tests;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::Rng;
pub(crate) use store::STATEMENTS;
use volens_privacy::Timestamp;
use volens_privacy::identity::{AccountTag, AppId, SubjectId};
use volens_privacy::keys::KeyRing;
use zeroize::Zeroizing;

use crate::accounts::{self, AccountError};
use crate::db::{self, Tx};

/// How long an address works.
pub const LASTS: Duration = Duration::from_mins(20);

/// How much longer somebody who has the page open can take a consent back with it.
pub const GRACE: Duration = Duration::from_hours(1);

/// What the keyed hash of an address is labelled with.
const LABEL: &str = "privacy-centre-link";

/// An address that has just been made. Not printable: whoever has it acts as the person.
pub struct Link {
    token: Zeroizing<String>,
    expires_at: Timestamp,
}

impl Link {
    /// The secret part of the address, to be sent to the person's app once.
    pub fn expose(&self) -> &str {
        &self.token
    }

    /// When it stops working.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

/// Whose page an address opens.
pub struct Person {
    /// The account.
    pub subject: SubjectId,
    /// Its app.
    pub app: AppId,
    /// The account as its app knows it, for withdrawals.
    pub account: AccountTag,
    /// The language its app told, or empty.
    pub language: String,
    /// When the address stops working.
    pub expires_at: Timestamp,
}

/// Makes an address for the page of the account that `app` calls `reference`.
///
/// # Errors
/// [`AccountError::Unknown`] when the app has no such account.
pub async fn link(
    tx: &mut Tx,
    keys: &KeyRing,
    rng: &mut (dyn Rng + Send),
    (app, reference): (&AppId, &str),
    now: Timestamp,
) -> Result<Link, AccountError> {
    let subject = accounts::subject_of(tx, keys, app, reference).await?;
    let subject = subject.ok_or(AccountError::Unknown)?;
    let mut secret = Zeroizing::new([0; 32]);
    rng.fill_bytes(secret.as_mut_slice());
    let token = Zeroizing::new(URL_SAFE_NO_PAD.encode(secret.as_slice()));
    let expires_at = now.plus(LASTS);
    let tag = keys.account_tag(app, reference);
    store::add(tx, hash(keys, &token), subject, (app, &tag), expires_at).await?;
    Ok(Link { token, expires_at })
}

/// Deletes addresses that open nothing any more; answers how many.
pub async fn forget_old(tx: &mut Tx, now: Timestamp) -> db::Result<u64> {
    store::forget(tx, now.minus(GRACE)).await
}

/// Whose page the address opens; nobody's when it was never made or its time is over.
pub async fn open(
    tx: &mut Tx,
    keys: &KeyRing,
    token: &str,
    now: Timestamp,
) -> db::Result<Option<Person>> {
    Ok(person(tx, keys, token).await?.filter(|person| now < person.expires_at))
}

/// Whose consents may be taken back with the address. This goes on for an hour after the page can
/// no longer be opened: a page that somebody is reading must not refuse the click.
pub async fn open_to_withdraw(
    tx: &mut Tx,
    keys: &KeyRing,
    token: &str,
    now: Timestamp,
) -> db::Result<Option<Person>> {
    Ok(person(tx, keys, token).await?.filter(|person| now < person.expires_at.plus(GRACE)))
}

async fn person(tx: &mut Tx, keys: &KeyRing, token: &str) -> db::Result<Option<Person>> {
    let Some(found) = store::find(tx, hash(keys, token)).await? else { return Ok(None) };
    let accounts = accounts::find(tx, &[found.subject]).await?;
    Ok(accounts.get(&found.subject).map(|account| Person {
        subject: found.subject,
        app: found.app,
        account: found.account,
        language: account.details.language.clone(),
        expires_at: found.expires_at,
    }))
}

fn hash(keys: &KeyRing, token: &str) -> [u8; 32] {
    keys.caller_hash(LABEL, token.as_bytes())
}
