//! API keys: `vk_<role>_<id>_<secret>`, shown once, stored as a keyed hash.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use quick_cache::sync::Cache;
use rand::Rng;
use subtle::ConstantTimeEq as _;
use volens_privacy::Timestamp;
use volens_privacy::identity::{AppId, BusinessId};
use volens_privacy::keys::KeyRing;
use zeroize::Zeroizing;

use super::{AccessError, Caller, Role, checked_text, store};
use crate::db::{self, Db, Tx, values};
use crate::ids::{KeyId, hex, unhex};

/// Label of the keyed hash.
const LABEL: &str = "api-key";
const DAY_MICROS: i64 = 86_400_000_000;
/// Keys remembered at most.
const REMEMBERED: usize = 10_000;

/// A new key. The secret exists only here: it is printed once and never stored.
pub struct NewKey {
    /// Its id, to list and revoke it.
    pub id: KeyId,
    /// The whole key.
    pub text: Zeroizing<String>,
}

/// A key as it is listed.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its id.
    pub id: KeyId,
    /// What it is for.
    pub role: Role,
    /// Its app.
    pub app: Option<AppId>,
    /// Its business.
    pub business: Option<BusinessId>,
    /// What its owner calls it.
    pub label: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// The day it was last used.
    pub last_used_day: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Whose keys a caller may see and revoke. There is no finder without it.
#[derive(Debug, Clone)]
pub enum Owner {
    /// All of them: the operator.
    Anyone,
    /// Those of one app.
    App(AppId),
    /// Those of one business.
    Business(BusinessId),
}

impl Owner {
    fn app(&self) -> Option<&AppId> {
        match self {
            Self::App(app) => Some(app),
            _ => None,
        }
    }

    /// Whether to filter by business, and by which.
    fn business(&self) -> (i64, Option<BusinessId>) {
        match self {
            Self::Business(business) => (1, Some(*business)),
            _ => (0, None),
        }
    }
}

/// Makes a key for `caller`.
pub async fn issue(
    tx: &mut Tx,
    keys: &KeyRing,
    rng: &mut (dyn Rng + Send),
    caller: &Caller,
    label: &str,
    now: Timestamp,
) -> Result<NewKey, AccessError> {
    let label = checked_text(label, 100)?;
    let id = KeyId::random(rng);
    let mut secret = Zeroizing::new([0; 32]);
    rng.fill_bytes(secret.as_mut_slice());
    let role = caller.role().as_str();
    let text = format!("vk_{role}_{}_{}", hex(id.as_bytes()), URL_SAFE_NO_PAD.encode(&secret));
    let row = values![
        id,
        role,
        caller.app().cloned(),
        caller.business(),
        label,
        keys.caller_hash(LABEL, secret.as_slice()),
        now
    ];
    tx.execute(store::ADD_KEY, row).await?;
    Ok(NewKey { id, text: Zeroizing::new(text) })
}

/// The keys of `owner` after `after`, `rows` at most.
pub async fn list(
    tx: &mut Tx,
    owner: &Owner,
    after: &[u8],
    rows: i64,
) -> Result<Vec<Listed>, AccessError> {
    let (one, business) = owner.business();
    let values = values![after, owner.app().cloned(), one, business, rows];
    let rows = tx.fetch(store::KEYS, values).await?;
    let read = |row: &db::Row| -> db::Result<Listed> {
        Ok(Listed {
            id: row.get("id")?,
            role: role(row)?,
            app: row.get("app")?,
            business: row.get("business")?,
            label: row.get("label")?,
            created_at: row.get("created_at")?,
            last_used_day: row.get("last_used_day")?,
            revoked_at: row.get("revoked_at")?,
        })
    };
    Ok(rows.iter().map(read).collect::<db::Result<_>>()?)
}

/// Revokes a key of `owner`. Somebody else's key is as unknown as one that does not exist.
pub async fn revoke(
    tx: &mut Tx,
    owner: &Owner,
    id: KeyId,
    now: Timestamp,
) -> Result<(), AccessError> {
    let (one, business) = owner.business();
    let values = values![id, now, owner.app().cloned(), one, business];
    match tx.execute(store::REVOKE_KEY, values).await? {
        1 => Ok(()),
        _ => Err(AccessError::Unknown),
    }
}

/// What is remembered of keys that were used lately, so that a request costs no read.
pub struct KeyCache {
    keys: Cache<KeyId, Known>,
    lasts: Duration,
}

#[derive(Clone)]
struct Known {
    caller: Caller,
    secret_hash: [u8; 32],
    last_used_day: Option<Timestamp>,
    read_at: Timestamp,
}

impl KeyCache {
    /// A revocation by another process is noticed after `lasts` at the latest.
    pub fn new(lasts: Duration) -> Self {
        Self { keys: Cache::new(REMEMBERED), lasts }
    }

    /// Forgets a key: call it after a revocation was committed.
    pub fn forget(&self, id: KeyId) {
        self.keys.remove(&id);
    }

    /// Who presents this key; `None` whatever is wrong with it.
    pub async fn caller(
        &self,
        db: &Db,
        keys: &KeyRing,
        presented: &str,
        now: Timestamp,
    ) -> Result<Option<(KeyId, Caller)>, AccessError> {
        let parsed = parse(presented);
        let known = match &parsed {
            Some((_, id, _)) => self.known(db, *id, now).await?,
            None => None,
        };
        // An unknown id costs the same hash and comparison as a known one.
        let empty = Zeroizing::new(Vec::new());
        let secret = parsed.as_ref().map_or(&empty, |(_, _, secret)| secret);
        let expected = known.as_ref().map_or([0; 32], |known| known.secret_hash);
        let same = bool::from(keys.caller_hash(LABEL, secret).ct_eq(&expected));
        let (Some((role, id, _)), Some(known)) = (parsed, known) else { return Ok(None) };
        if !same || known.caller.role() != role {
            return Ok(None);
        }
        self.used(db, id, &known, now).await;
        Ok(Some((id, known.caller)))
    }

    async fn known(&self, db: &Db, id: KeyId, now: Timestamp) -> Result<Option<Known>, db::Error> {
        if let Some(known) = self.keys.get(&id)
            && now >= known.read_at
            && now.since(known.read_at) < self.lasts
        {
            return Ok(Some(known));
        }
        let row = db.read().await?.fetch_optional(store::KEY, values![id]).await?;
        let Some(row) = row else { return Ok(None) };
        if row.get::<Option<Timestamp>>("revoked_at")?.is_some() {
            self.keys.remove(&id);
            return Ok(None);
        }
        let caller = Caller::new(role(&row)?, row.get("app")?, row.get("business")?)
            .ok_or_else(|| db::Error::Decode("role".to_owned()))?;
        let known = Known {
            caller,
            secret_hash: row.get("secret_hash")?,
            last_used_day: row.get("last_used_day")?,
            read_at: now,
        };
        self.keys.insert(id, known.clone());
        Ok(Some(known))
    }

    /// Notes the day of use, once a day. A database that cannot take it does not refuse the caller.
    async fn used(&self, db: &Db, id: KeyId, known: &Known, now: Timestamp) {
        let day = Timestamp::from_micros(now.micros().div_euclid(DAY_MICROS) * DAY_MICROS);
        if known.last_used_day >= Some(day) {
            return;
        }
        self.keys.insert(id, Known { last_used_day: Some(day), ..known.clone() });
        let write = async {
            let mut tx = db.begin().await?;
            tx.execute(store::KEY_USED, values![id, day]).await?;
            tx.commit().await
        };
        if let Err(error) = write.await {
            tracing::warn!(error = %error, "the day of use of a key was not noted");
        }
    }
}

fn role(row: &db::Row) -> db::Result<Role> {
    let text: String = row.get("role")?;
    Role::parse(&text).ok_or_else(|| db::Error::Decode("role".to_owned()))
}

/// `vk_<role>_<32 hex>_<43 base64url>`.
fn parse(text: &str) -> Option<(Role, KeyId, Zeroizing<Vec<u8>>)> {
    let mut parts = text.strip_prefix("vk_")?.splitn(3, '_');
    let role = Role::parse(parts.next()?)?;
    let id = unhex(parts.next()?).map(KeyId::from_bytes)?;
    let secret = Zeroizing::new(URL_SAFE_NO_PAD.decode(parts.next()?).ok()?);
    (secret.len() == 32).then_some((role, id, secret))
}
