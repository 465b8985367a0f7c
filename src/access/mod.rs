//! Who may call: apps, businesses, console users, API keys, sessions, one-time sign-in links.
//!
//! A credential is shown once and stored as a keyed hash, so that neither the database nor a copy
//! of it opens anything. Whatever is wrong with a credential, the answer is the same: `None`.
//!
//! Reading order: this file, [`keys`], [`sessions`], [`directory`], then `http.rs`.

pub mod directory;
pub mod http;
pub mod key_ring;
pub mod keys;
mod password;
pub mod sessions;
mod store;
#[cfg(test)]
mod tests;

use volens_privacy::identity::{AppId, BusinessId};

use crate::db;
use crate::ids::{KeyId, UserId};
use crate::names;
use crate::stretch::Busy;

pub use self::password::{Password, WeakPassword};
pub(crate) use self::store::STATEMENTS;

/// What a credential is for.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A network that sends consents and signals.
    App,
    /// A business that asks for lists and runs bots.
    Business,
    /// A privacy officer.
    Officer,
    /// A person who answers customers of a business.
    Agent,
    /// Who runs the installation.
    Operator,
}

impl Role {
    /// As in a key and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Business => "business",
            Self::Officer => "officer",
            Self::Agent => "agent",
            Self::Operator => "operator",
        }
    }

    /// The inverse of [`Role::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::App, Self::Business, Self::Officer, Self::Agent, Self::Operator]
            .into_iter()
            .find(|role| role.as_str() == text)
    }
}

/// Who calls, with the tenant it may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// An app.
    App(AppId),
    /// A business.
    Business(BusinessId),
    /// An agent of a business.
    Agent(BusinessId),
    /// A privacy officer.
    Officer,
    /// The operator.
    Operator,
}

impl Caller {
    /// Puts a role and its tenant together; `None` when they do not fit.
    pub fn new(role: Role, app: Option<AppId>, business: Option<BusinessId>) -> Option<Self> {
        match (role, app, business) {
            (Role::App, Some(app), None) => Some(Self::App(app)),
            (Role::Business, None, Some(business)) => Some(Self::Business(business)),
            (Role::Agent, None, Some(business)) => Some(Self::Agent(business)),
            (Role::Officer, None, None) => Some(Self::Officer),
            (Role::Operator, None, None) => Some(Self::Operator),
            _ => None,
        }
    }

    /// The role.
    pub const fn role(&self) -> Role {
        match self {
            Self::App(_) => Role::App,
            Self::Business(_) => Role::Business,
            Self::Agent(_) => Role::Agent,
            Self::Officer => Role::Officer,
            Self::Operator => Role::Operator,
        }
    }

    /// The app it belongs to.
    pub const fn app(&self) -> Option<&AppId> {
        match self {
            Self::App(app) => Some(app),
            _ => None,
        }
    }

    /// The business it belongs to.
    pub const fn business(&self) -> Option<BusinessId> {
        match self {
            Self::Business(business) | Self::Agent(business) => Some(*business),
            _ => None,
        }
    }
}

/// By which credential a caller was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// An API key.
    Key(KeyId),
    /// A console user's session.
    User(UserId),
}

impl Credential {
    /// 16 bytes that stand for it in rate limits and idempotency.
    pub const fn id(&self) -> &[u8; 16] {
        match self {
            Self::Key(id) => id.as_bytes(),
            Self::User(id) => id.as_bytes(),
        }
    }
}

/// Why a use case of this slice was refused.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The id or address is taken.
    #[error("it exists already")]
    Taken,
    /// No such app, business, user or key, or not of this tenant.
    #[error("it does not exist")]
    Unknown,
    /// The role needs a tenant it was not given, or was given one it cannot have.
    #[error("the role and the tenant do not fit together")]
    Tenant,
    /// Empty, too long, or not to be seen.
    #[error("the text is empty, too long, or holds characters that cannot be seen")]
    Text,
    /// Not an e-mail address.
    #[error("this is not an e-mail address")]
    Email,
    /// No country with telephone numbers.
    #[error("there is no such region: two upper-case letters of a country (ISO 3166-1) are needed")]
    Region,
    /// A password that is too short or too long.
    #[error(transparent)]
    Password(#[from] WeakPassword),
    /// Too many attempts for this account; seconds until the next.
    #[error("too many attempts; next one in {0} seconds")]
    Throttled(u32),
    /// The pool of slow hashing is full.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The database.
    #[error(transparent)]
    Db(db::Error),
}

impl From<db::Error> for AccessError {
    fn from(error: db::Error) -> Self {
        match error {
            db::Error::Duplicate(_) => Self::Taken,
            db::Error::Missing(_) => Self::Unknown,
            other => Self::Db(other),
        }
    }
}

/// A name or label from outside.
fn checked_text(text: &str, most: usize) -> Result<&str, AccessError> {
    names::name(text, most).ok_or(AccessError::Text)
}
