//! Apps, businesses and console users.

use rand::Rng;
use volens_privacy::Timestamp;
use volens_privacy::identity::{AppId, BusinessId};
use volens_privacy::phone::{self, PhoneEncoding};

use super::password::{self, Cost};
use super::{AccessError, Caller, Password, Role, checked_text, store};
use crate::config;
use crate::db::{self, Row, Tx, values};
use crate::ids::UserId;
use crate::stretch::Stretch;

/// The apps of accounts that are nobody's ([`crate::rights::canary`]). They are no apps to anybody: no
/// caller belongs to them, and no campaign can name them.
pub const CANARY_APP: &str = "volens-canary";
/// The other one.
pub const CANARY_PEER: &str = "volens-canary-peer";

/// An app.
#[derive(Debug, Clone)]
pub struct AppRecord {
    /// Its slug.
    pub id: AppId,
    /// What people call it.
    pub title: String,
    /// How it sends phone numbers when it sends them hashed.
    pub phone_encoding: PhoneEncoding,
    /// Where its national numbers are from (ISO 3166).
    pub region: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A business.
#[derive(Debug, Clone)]
pub struct Business {
    /// Its id.
    pub id: BusinessId,
    /// What people call it.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A console user.
#[derive(Debug, Clone)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// Its address, in lower case.
    pub email: String,
    /// What it may do, and for whom.
    pub caller: Caller,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was disabled.
    pub disabled_at: Option<Timestamp>,
}

/// Makes an app. The slug appears in the ledger and never changes.
pub async fn create_app(tx: &mut Tx, app: &AppRecord) -> Result<(), AccessError> {
    let title = checked_text(&app.title, 100)?;
    let known = |region: &String| *region == region.to_uppercase() && phone::is_region(region);
    if !app.region.as_ref().is_none_or(known) {
        return Err(AccessError::Region);
    }
    let encoding = app.phone_encoding.to_string();
    let row = values![app.id.clone(), title, encoding, app.region.clone(), app.created_at];
    if [CANARY_APP, CANARY_PEER].contains(&app.id.as_str()) {
        return Err(AccessError::Taken);
    }
    tx.execute(store::ADD_APP, row).await?;
    Ok(())
}

/// One app.
pub async fn app(tx: &mut Tx, id: &AppId) -> Result<Option<AppRecord>, AccessError> {
    let row = tx.fetch_optional(store::APP, values![id.clone()]).await?;
    Ok(row.as_ref().map(read_app).transpose()?)
}

/// Apps after `after`, `rows` at most.
pub async fn apps(tx: &mut Tx, after: &str, rows: i64) -> Result<Vec<AppRecord>, AccessError> {
    let rows = tx.fetch(store::APPS, values![after, rows]).await?;
    Ok(rows.iter().map(read_app).collect::<db::Result<_>>()?)
}

/// All apps, however many.
pub async fn every_app(tx: &mut Tx) -> Result<Vec<AppRecord>, AccessError> {
    let mut all: Vec<AppRecord> = Vec::new();
    loop {
        let after = all.last().map_or_else(String::new, |app| app.id.to_string());
        let page = apps(tx, &after, 500).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// Makes a business.
pub async fn create_business(
    tx: &mut Tx,
    rng: &mut (dyn Rng + Send),
    name: &str,
    now: Timestamp,
) -> Result<Business, AccessError> {
    let name = checked_text(name, 100)?.to_owned();
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    let id = BusinessId::from_bytes(bytes);
    tx.execute(store::ADD_BUSINESS, values![id, &name, now]).await?;
    Ok(Business { id, name, created_at: now })
}

/// One business.
pub async fn business(tx: &mut Tx, id: BusinessId) -> Result<Option<Business>, AccessError> {
    let row = tx.fetch_optional(store::BUSINESS, values![id]).await?;
    Ok(row.as_ref().map(read_business).transpose()?)
}

/// Businesses after `after`, `rows` at most.
pub async fn businesses(
    tx: &mut Tx,
    after: &[u8],
    rows: i64,
) -> Result<Vec<Business>, AccessError> {
    let rows = tx.fetch(store::BUSINESSES, values![after, rows]).await?;
    Ok(rows.iter().map(read_business).collect::<db::Result<_>>()?)
}

/// A user to be made. Without a password it signs in by one-time links only.
pub struct NewUser {
    email: String,
    hash: Option<String>,
    caller: Caller,
}

/// Checks a user and hashes its password on the pool, before any transaction is open.
pub async fn prepare_user(
    stretch: (&Stretch, &config::Stretch),
    rng: &mut (dyn Rng + Send),
    email: &str,
    password: Option<Password>,
    caller: Caller,
) -> Result<NewUser, AccessError> {
    if caller.role() == Role::App {
        return Err(AccessError::Tenant);
    }
    let email = email_key(checked_text(email, 254)?);
    if !email.split_once('@').is_some_and(|(who, at)| !who.is_empty() && !at.is_empty()) {
        return Err(AccessError::Email);
    }
    let hash = match password {
        Some(password) => {
            let password = password.check()?;
            let (salt, (pool, settings)) = (password::salt(rng), stretch);
            let cost = Cost { memory_kib: settings.memory_kib, passes: settings.passes };
            Some(pool.run(move || password.hash(cost, salt)).await?)
        }
        None => None,
    };
    Ok(NewUser { email, hash, caller })
}

/// Makes a user.
pub async fn create_user(
    tx: &mut Tx,
    rng: &mut (dyn Rng + Send),
    new: NewUser,
    now: Timestamp,
) -> Result<User, AccessError> {
    let NewUser { email, hash, caller } = new;
    let id = UserId::random(rng);
    let row = values![id, &email, hash, caller.role().as_str(), caller.business(), now];
    tx.execute(store::ADD_USER, row).await?;
    Ok(User { id, email, caller, created_at: now, disabled_at: None })
}

/// The user with this address, when it is not disabled.
pub async fn user_by_email(tx: &mut Tx, email: &str) -> Result<Option<UserId>, AccessError> {
    let row = tx.fetch_optional(store::USER_BY_EMAIL, values![email_key(email)]).await?;
    Ok(row.map(|row| row.get("id")).transpose()?)
}

/// Users after `after`, `rows` at most.
pub async fn users(tx: &mut Tx, after: &[u8], rows: i64) -> Result<Vec<User>, AccessError> {
    let rows = tx.fetch(store::USERS, values![after, rows]).await?;
    Ok(rows.iter().map(read_user).collect::<db::Result<_>>()?)
}

/// One user, also when it is disabled.
pub async fn user(tx: &mut Tx, id: UserId) -> Result<Option<User>, AccessError> {
    let row = tx.fetch_optional(store::USER, values![id]).await?;
    Ok(row.as_ref().map(read_user).transpose()?)
}

/// How many users of a role are not disabled.
pub async fn count(tx: &mut Tx, role: Role) -> Result<u64, AccessError> {
    let row = tx.fetch_one(store::COUNT_USERS, values![role.as_str()]).await?;
    Ok(row.get("n")?)
}

/// Disables a user and ends its sessions.
pub async fn disable_user(tx: &mut Tx, id: UserId, now: Timestamp) -> Result<(), AccessError> {
    if tx.execute(store::DISABLE_USER, values![id, now]).await? != 1 {
        return Err(AccessError::Unknown);
    }
    tx.execute(store::END_SESSIONS, values![id, now]).await?;
    Ok(())
}

/// How addresses are compared: without case and without space around.
pub(super) fn email_key(email: &str) -> String {
    email.trim().to_lowercase()
}

fn read_app(row: &Row) -> db::Result<AppRecord> {
    let encoding: String = row.get("phone_encoding")?;
    Ok(AppRecord {
        id: row.get("id")?,
        title: row.get("title")?,
        phone_encoding: encoding
            .parse()
            .map_err(|_| db::Error::Decode("phone_encoding".to_owned()))?,
        region: row.get("region")?,
        created_at: row.get("created_at")?,
    })
}

fn read_business(row: &Row) -> db::Result<Business> {
    Ok(Business { id: row.get("id")?, name: row.get("name")?, created_at: row.get("created_at")? })
}

fn read_user(row: &Row) -> db::Result<User> {
    let role: String = row.get("role")?;
    let business = row.get("business")?;
    Ok(User {
        id: row.get("id")?,
        email: row.get("email")?,
        caller: Role::parse(&role)
            .and_then(|role| Caller::new(role, None, business))
            .ok_or_else(|| db::Error::Decode("role".to_owned()))?,
        created_at: row.get("created_at")?,
        disabled_at: row.get("disabled_at")?,
    })
}
