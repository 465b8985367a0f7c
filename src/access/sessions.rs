//! Console sign-in: passwords, server-side sessions, one-time links, and the token of forms.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::Rng;
use subtle::ConstantTimeEq as _;
use volens_privacy::Timestamp;
use volens_privacy::keys::KeyRing;
use zeroize::Zeroizing;

use super::password::Cost;
use super::{AccessError, Caller, Password, Role, store};
use crate::config;
use crate::db::{self, Db, Tx, values};
use crate::ids::{UserId, hex};
use crate::stretch::Stretch;

const SESSION: &str = "session";
const LINK: &str = "sign-in-link";
const FORM: &str = "form-token";
/// `seen_at` is written at most this often.
const SEEN_EVERY: std::time::Duration = std::time::Duration::from_mins(1);

/// A secret of 256 random bits, as it stands in a cookie or a link. Not printable.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    fn random(rng: &mut dyn Rng) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(bytes.as_mut_slice());
        Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(&bytes)))
    }

    /// A token that came from outside; `None` when it cannot be one.
    pub fn presented(text: &str) -> Option<Self> {
        (text.len() == 43).then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The text, for a cookie or a link.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn hash(&self, keys: &KeyRing, label: &str) -> [u8; 32] {
        keys.caller_hash(label, self.0.as_bytes())
    }
}

/// Who is signed in.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The user.
    pub user: UserId,
    /// Its address, to show it.
    pub email: String,
    /// What it may do.
    pub caller: Caller,
}

/// Checks an address and a password and begins a session. Unknown address, no password, wrong
/// password and disabled user all answer `None`, after the same work.
///
/// The caller throttles by account before; this runs one Argon2id on the pool.
pub async fn sign_in(
    db: &Db,
    keys: &KeyRing,
    stretch: (&Stretch, &config::Stretch),
    rng: &mut (dyn Rng + Send),
    (email, password): (&str, Password),
    now: Timestamp,
) -> Result<Option<Token>, AccessError> {
    let email = super::directory::email_key(email);
    let row = db.read().await?.fetch_optional(store::USER_BY_EMAIL, values![email]).await?;
    let user: Option<UserId> = row.as_ref().map(|row| row.get("id")).transpose()?;
    let stored: Option<String> = match &row {
        Some(row) => row.get("password")?,
        None => None,
    };
    let (pool, settings) = stretch;
    let cost = Cost { memory_kib: settings.memory_kib, passes: settings.passes };
    let matches = pool.run(move || password.matches(stored.as_deref(), cost)).await?;
    let (Some(user), true) = (user, matches) else { return Ok(None) };
    let mut tx = db.begin().await?;
    let token = begin(&mut tx, keys, rng, user, now).await?;
    tx.commit().await?;
    Ok(Some(token))
}

/// Begins a session for `user`.
async fn begin(
    tx: &mut Tx,
    keys: &KeyRing,
    rng: &mut (dyn Rng + Send),
    user: UserId,
    now: Timestamp,
) -> Result<Token, AccessError> {
    let token = Token::random(rng);
    tx.execute(store::ADD_SESSION, values![token.hash(keys, SESSION), user, now]).await?;
    Ok(token)
}

/// Who presents this session; `None` when it ended, was idle too long or is too old.
pub async fn signed_in(
    db: &Db,
    keys: &KeyRing,
    settings: &config::Access,
    token: &Token,
    now: Timestamp,
) -> Result<Option<SignedIn>, AccessError> {
    let hash = token.hash(keys, SESSION);
    let Some(row) = db.read().await?.fetch_optional(store::SESSION, values![hash]).await? else {
        return Ok(None);
    };
    let (created, seen) = (row.get::<Timestamp>("created_at")?, row.get::<Timestamp>("seen_at")?);
    let old = now >= created.plus(settings.session_lasts());
    let idle = now >= seen.plus(settings.session_idle());
    if old || idle || now < created {
        return Ok(None);
    }
    let role: String = row.get("role")?;
    let caller = Role::parse(&role)
        .map(|role| Caller::new(role, None, row.get("business").ok().flatten()))
        .and_then(|caller| caller)
        .ok_or_else(|| db::Error::Decode("role".to_owned()))?;
    if now >= seen.plus(SEEN_EVERY) {
        let mut tx = db.begin().await?;
        tx.execute(store::SEE_SESSION, values![hash, now]).await?;
        tx.commit().await?;
    }
    Ok(Some(SignedIn { user: row.get("user_id")?, email: row.get("email")?, caller }))
}

/// Ends a session. Ending one that has ended is fine.
pub async fn sign_out(
    tx: &mut Tx,
    keys: &KeyRing,
    token: &Token,
    now: Timestamp,
) -> Result<(), AccessError> {
    tx.execute(store::END_SESSION, values![token.hash(keys, SESSION), now]).await?;
    Ok(())
}

/// Deletes sessions that began before `before`.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<u64, db::Error> {
    tx.execute(store::FORGET_SESSIONS, values![before]).await
}

/// Deletes one-time links that work no longer at `now`.
pub async fn forget_links(tx: &mut Tx, now: Timestamp) -> Result<u64, db::Error> {
    tx.execute(store::FORGET_SIGN_IN_LINKS, values![now]).await
}

/// Makes a one-time sign-in link's token for `user`.
pub async fn link(
    tx: &mut Tx,
    keys: &KeyRing,
    rng: &mut (dyn Rng + Send),
    user: UserId,
    (now, expires): (Timestamp, Timestamp),
) -> Result<Token, AccessError> {
    let token = Token::random(rng);
    tx.execute(store::ADD_LINK, values![token.hash(keys, LINK), user, now, expires]).await?;
    Ok(token)
}

/// Uses a one-time link: a session for its user, once, before it expires.
pub async fn redeem(
    tx: &mut Tx,
    keys: &KeyRing,
    rng: &mut (dyn Rng + Send),
    token: &Token,
    now: Timestamp,
) -> Result<Option<Token>, AccessError> {
    let hash = token.hash(keys, LINK);
    if tx.execute(store::USE_LINK, values![hash, now]).await? != 1 {
        return Ok(None);
    }
    match tx.fetch_optional(store::LINK_USER, values![hash]).await? {
        Some(row) => Ok(Some(begin(tx, keys, rng, row.get("user_id")?, now).await?)),
        None => Ok(None),
    }
}

/// The token that every form of this session carries and every unsafe request of it repeats.
/// A stranger's page can send the cookie's owner here, but cannot know this.
pub fn form_token(keys: &KeyRing, session: &Token) -> String {
    hex(&session.hash(keys, FORM))
}

/// Whether a form came from one of our own pages of this session.
pub fn form_token_matches(keys: &KeyRing, session: &Token, given: &str) -> bool {
    form_token(keys, session).as_bytes().ct_eq(given.as_bytes()).into()
}

/// What stands for an address in the throttle of sign-ins, known or not.
pub fn throttle_key(keys: &KeyRing, email: &str) -> [u8; 16] {
    let hash = keys.caller_hash("sign-in", super::directory::email_key(email).as_bytes());
    *hash.first_chunk().expect("a hash has 32 bytes")
}
