//! Wire types of the access API.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use volens_privacy::{AppId, BusinessId, PhoneEncoding, Timestamp};

use crate::access::directory::{AppRecord, Business, User};
use crate::access::keys::{Listed, NewKey};
use crate::access::sessions::Token;
use crate::access::{Caller, Password, Role};
use crate::ids::{KeyId, UserId};
use crate::web::callers::sign_in_url;

/// An app to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AppIn {
    /// A slug, for good: it appears in the ledger.
    #[schema(value_type = String, pattern = "^[a-z][a-z0-9-]{1,31}$", example = "facelook")]
    id: AppId,
    /// What people call it.
    title: String,
    /// How it sends phone numbers when it sends them hashed.
    #[schema(value_type = String, example = "e164")]
    #[serde(default = "plain")]
    phone_encoding: PhoneEncoding,
    /// Where its national numbers are from (ISO 3166).
    #[schema(example = "DE")]
    region: Option<String>,
}

fn plain() -> PhoneEncoding {
    PhoneEncoding::E164
}

impl AppIn {
    pub(super) fn record(self, now: Timestamp) -> AppRecord {
        AppRecord {
            id: self.id,
            title: self.title,
            phone_encoding: self.phone_encoding,
            region: self.region,
            created_at: now,
        }
    }
}

/// An app.
#[derive(Serialize, ToSchema)]
pub(super) struct AppOut {
    #[schema(value_type = String)]
    id: AppId,
    title: String,
    #[schema(value_type = String)]
    phone_encoding: PhoneEncoding,
    region: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<AppRecord> for AppOut {
    fn from(app: AppRecord) -> Self {
        Self {
            id: app.id,
            title: app.title,
            phone_encoding: app.phone_encoding,
            region: app.region,
            created_at: app.created_at,
        }
    }
}

/// A business to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BusinessIn {
    /// What people call it.
    pub(super) name: String,
}

/// A business.
#[derive(Serialize, ToSchema)]
pub(super) struct BusinessOut {
    #[schema(value_type = String, example = "biz_00112233445566778899aabbccddeeff")]
    id: BusinessId,
    name: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<Business> for BusinessOut {
    fn from(business: Business) -> Self {
        Self { id: business.id, name: business.name, created_at: business.created_at }
    }
}

/// A console user to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UserIn {
    /// The address it signs in with.
    #[schema(format = "email")]
    pub(super) email: String,
    /// 12 to 128 characters.
    #[schema(value_type = Option<String>, format = Password)]
    pub(super) password: Option<Password>,
    /// Not `app`.
    pub(super) role: Role,
    /// For `business` and `agent`.
    #[schema(value_type = Option<String>)]
    pub(super) business: Option<BusinessId>,
}

/// A console user.
#[derive(Serialize, ToSchema)]
pub(super) struct UserOut {
    #[schema(value_type = String, example = "usr_00112233445566778899aabbccddeeff")]
    id: UserId,
    email: String,
    role: Role,
    #[schema(value_type = Option<String>)]
    business: Option<BusinessId>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    disabled_at: Option<Timestamp>,
}

impl From<User> for UserOut {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            email: user.email,
            role: user.caller.role(),
            business: user.caller.business(),
            created_at: user.created_at,
            disabled_at: user.disabled_at,
        }
    }
}

/// A key to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyIn {
    /// What it may do.
    pub(super) role: Role,
    /// For `app`.
    #[schema(value_type = Option<String>)]
    pub(super) app: Option<AppId>,
    /// For `business` and `agent`.
    #[schema(value_type = Option<String>)]
    pub(super) business: Option<BusinessId>,
    /// What its owner calls it.
    pub(super) label: String,
}

/// A new key.
#[derive(Serialize, ToSchema)]
pub(super) struct NewKeyOut {
    #[schema(value_type = String)]
    id: KeyId,
    /// The whole key, shown here and never again.
    #[schema(example = "vk_app_…")]
    key: String,
}

impl From<&NewKey> for NewKeyOut {
    fn from(key: &NewKey) -> Self {
        Self { id: key.id, key: key.text.to_string() }
    }
}

/// A key without its secret.
#[derive(Serialize, ToSchema)]
pub(super) struct KeyOut {
    #[schema(value_type = String)]
    id: KeyId,
    role: Role,
    #[schema(value_type = Option<String>)]
    app: Option<AppId>,
    #[schema(value_type = Option<String>)]
    business: Option<BusinessId>,
    label: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Midnight of the day it was last used.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_day: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
}

impl From<Listed> for KeyOut {
    fn from(key: Listed) -> Self {
        Self {
            id: key.id,
            role: key.role,
            app: key.app,
            business: key.business,
            label: key.label,
            created_at: key.created_at,
            last_used_day: key.last_used_day,
            revoked_at: key.revoked_at,
        }
    }
}

/// For whom.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkIn {
    #[schema(value_type = String)]
    pub(super) user: UserId,
}

/// A one-time sign-in link.
#[derive(Serialize, ToSchema)]
pub(super) struct LinkOut {
    url: String,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

impl LinkOut {
    pub(super) fn new(public_url: &str, token: &Token, expires_at: Timestamp) -> Self {
        Self { url: sign_in_url(public_url, token), expires_at }
    }
}

/// Whose credential this is.
#[derive(Serialize, ToSchema)]
pub(super) struct MeOut {
    role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    app: Option<AppId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    business: Option<BusinessId>,
}

impl From<Caller> for MeOut {
    fn from(caller: Caller) -> Self {
        Self { role: caller.role(), app: caller.app().cloned(), business: caller.business() }
    }
}
