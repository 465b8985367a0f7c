//! Who is who: ids that say nothing, and the only value that joins two accounts.

use std::fmt;
use std::str::FromStr;

use rand::Rng;
use subtle::ConstantTimeEq as _;

use crate::consent::Permit;
use crate::encoding::{hex, text_serde, unhex};
use crate::purpose::CrossAppLinking;
use crate::redact::hide_debug;

/// A text is not an id of the expected kind. The text itself is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not 32 lower-case hex digits.
    #[error("not an account id: expected 32 lower-case hex digits")]
    Subject,
    /// Not a slug.
    #[error("not an app id: expected 2 to 32 of a-z, 0-9 and '-', beginning with a letter")]
    App,
    /// Not `biz_` and 32 hex digits.
    #[error("not a business id: expected biz_ and 32 lower-case hex digits")]
    Business,
    /// Not `rcp_` and 32 hex digits.
    #[error("not a recipient id: expected rcp_ and 32 lower-case hex digits")]
    Recipient,
}

/// One account of one app: 128 random bits, so that there is nothing in it to join on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectId([u8; 16]);

/// One business.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BusinessId([u8; 16]);

/// An account as one business may see it: keyed, different for every business.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecipientId([u8; 16]);

/// What an account is found by: a keyed tag of the app's own opaque account reference.
///
/// `AES-256-SIV(wrap/app/A, A ‖ version, HMAC-SHA256(prf/app/A, "ref" ‖ length ‖ reference))`,
/// see [`crate::keys::KeyRing::account_tag`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountTag([u8; 48]);

/// What somebody who objected to direct marketing is recognised by, also after the account is erased
/// (GDPR Art. 21(3)): made from the app's reference under a key of its own, and kept without the account.
///
/// `HMAC-SHA256(prf/suppress/A, inner)` with the inner value of the [`AccountTag`], see
/// [`crate::keys::KeyRing::suppression_tag`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SuppressionTag([u8; 32]);

/// The keyed slow hash of a phone number for one purpose and one pair of apps.
///
/// Exists only while its grant lives. Two equal live tokens, one per app, are a link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkToken([u8; 48]);

macro_rules! bytes_of {
    ($type:ident, $length:literal) => {
        impl $type {
            /// Wraps the bytes as they are stored.
            pub const fn from_bytes(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// The bytes to store.
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }
        }
    };
}
bytes_of!(SubjectId, 16);
bytes_of!(BusinessId, 16);
bytes_of!(RecipientId, 16);
bytes_of!(AccountTag, 48);
bytes_of!(SuppressionTag, 32);
bytes_of!(LinkToken, 48);

macro_rules! text_id {
    ($type:ident, $prefix:literal, $error:ident) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, hex(&self.0))
            }
        }

        impl FromStr for $type {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix($prefix).and_then(unhex).map(Self).ok_or(IdError::$error)
            }
        }

        text_serde!($type);
    };
}
text_id!(SubjectId, "", Subject);
text_id!(BusinessId, "biz_", Business);
text_id!(RecipientId, "rcp_", Recipient);

hide_debug!(SubjectId, RecipientId, AccountTag, SuppressionTag, LinkToken);

impl SubjectId {
    /// A new account id.
    pub fn random(rng: &mut dyn Rng) -> Self {
        Self(random_bytes(rng))
    }
}

impl BusinessId {
    /// A new business id.
    pub fn random(rng: &mut dyn Rng) -> Self {
        Self(random_bytes(rng))
    }
}

impl fmt::Debug for BusinessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

pub(crate) fn random_bytes<const N: usize>(rng: &mut dyn Rng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// The name of an app: 2 to 32 characters of `a-z`, `0-9` and `-`, beginning with a letter.
///
/// ```
/// use volens_privacy::AppId;
/// assert!(AppId::parse("photo-app").is_ok());
/// assert!(AppId::parse("Photo").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppId(String);

impl AppId {
    /// Checks a slug.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let valid = (2..=32).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if valid { Ok(Self(text.to_owned())) } else { Err(IdError::App) }
    }

    /// The slug.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AppId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::parse(text)
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_serde!(AppId);

/// Two accounts of two apps that belong to the same phone number, while both consented to each
/// other's app.
///
/// Only [`link`] makes one, and it lives no longer than the permits it was made from.
pub struct Link<'p> {
    first: &'p Permit<'p, CrossAppLinking>,
    second: &'p Permit<'p, CrossAppLinking>,
}

/// Why two accounts are not linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The permits do not name each other's apps, or are of one account or one app.
    #[error("the two consents do not name each other's apps")]
    NotMutual,
    /// The tokens differ: not the same phone number, pair of apps or key version.
    #[error("the two link tokens differ")]
    TokensDiffer,
}

impl LinkError {
    /// The stable code shown outside.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotMutual => "link.not_mutual",
            Self::TokensDiffer => "link.tokens_differ",
        }
    }
}

/// Joins two accounts: both consented to be linked with the other's app, and their tokens are equal.
pub fn link<'p>(
    first: &'p Permit<'p, CrossAppLinking>,
    second: &'p Permit<'p, CrossAppLinking>,
    first_token: &LinkToken,
    second_token: &LinkToken,
) -> Result<Link<'p>, LinkError> {
    let mutual = first.peer() == Some(second.app())
        && second.peer() == Some(first.app())
        && first.app() != second.app()
        && first.subject() != second.subject();
    if !mutual {
        return Err(LinkError::NotMutual);
    }
    if !bool::from(first_token.0.ct_eq(&second_token.0)) {
        return Err(LinkError::TokensDiffer);
    }
    Ok(Link { first, second })
}

impl<'p> Link<'p> {
    /// The accounts, in the order they were given to [`link`].
    pub fn subjects(&self) -> (SubjectId, SubjectId) {
        (self.first.subject(), self.second.subject())
    }

    /// The apps of the accounts, in the same order.
    pub fn apps(&self) -> (&'p AppId, &'p AppId) {
        (self.first.app(), self.second.app())
    }

    /// The consents the link rests on, in the same order.
    pub fn permits(&self) -> (&'p Permit<'p, CrossAppLinking>, &'p Permit<'p, CrossAppLinking>) {
        (self.first, self.second)
    }
}
