//! The proof that a person consented, as a value.

use std::fmt;
use std::marker::PhantomData;

use super::{Entry, NoticeRef};
use crate::identity::{AppId, SubjectId};
use crate::purpose::Purpose;
use crate::time::Timestamp;

/// A live consent of one account for the purpose `P`.
///
/// Only [`Consents::permit`](super::Consents::permit) makes one, from verified entries of the
/// ledger, and it cannot outlive them. It has no public constructor, no `Clone`, no serde.
///
/// ```compile_fail,E0451
/// use volens_privacy::{Entry, Permit};
/// use volens_privacy::purpose::Relevance;
///
/// fn forge(entry: &Entry) -> Permit<'_, Relevance> {
///     Permit { entry, purpose: std::marker::PhantomData } // the fields are private
/// }
/// ```
///
/// ```compile_fail,E0599
/// # use volens_privacy::{Permit, purpose::Relevance};
/// fn copy<'a>(permit: Permit<'a, Relevance>) -> (Permit<'a, Relevance>, Permit<'a, Relevance>) {
///     (permit.clone(), permit) // no `Clone`
/// }
/// ```
///
/// ```compile_fail,E0277
/// # use volens_privacy::{Permit, purpose::Relevance};
/// fn store(permit: &Permit<'_, Relevance>) -> String {
///     serde_json::to_string(permit).unwrap() // no `Serialize`
/// }
/// ```
///
/// ```compile_fail,E0277
/// # use volens_privacy::{Permit, purpose::Relevance};
/// fn revive(text: &'static str) -> Permit<'static, Relevance> {
///     serde_json::from_str(text).unwrap() // no `Deserialize`
/// }
/// ```
///
/// ```compile_fail,E0505
/// use volens_privacy::{Consents, Refusal, Timestamp, purpose::Relevance};
///
/// fn outlive(consents: Consents, now: Timestamp) -> Result<(), Refusal> {
///     let permit = consents.permit::<Relevance>((), now)?;
///     drop(consents);
///     let _still_used = permit.entry();
///     Ok(())
/// }
/// ```
#[must_use]
pub struct Permit<'a, P> {
    pub(super) entry: &'a Entry,
    pub(super) purpose: PhantomData<fn() -> P>,
}

impl<'a, P: Purpose> Permit<'a, P> {
    /// Who consented.
    pub fn subject(&self) -> SubjectId {
        self.entry.record.subject
    }

    /// In which app.
    pub fn app(&self) -> &'a AppId {
        &self.entry.record.app
    }

    /// To be linked with which other app; nothing for every other purpose.
    pub fn peer(&self) -> Option<&'a AppId> {
        self.entry.record.peer.as_ref()
    }

    /// Index of the ledger entry it rests on.
    pub fn entry(&self) -> u64 {
        self.entry.index
    }

    /// The bytes of that entry's leaf, for a proof to hand on.
    pub fn leaf(&self) -> &'a [u8] {
        &self.entry.leaf
    }

    /// The notice the person was shown.
    pub fn notice(&self) -> &'a NoticeRef {
        self.entry.record.notice.as_ref().expect("replay refuses a consent without a notice")
    }

    /// When the consent ends; from then on there is no permit.
    pub fn expires_at(&self) -> Timestamp {
        self.entry.record.ends_at()
    }

    /// Keeps a value together with the permit it was read under.
    pub fn attach<T>(&self, value: T) -> Consented<'_, P, T> {
        Consented { permit: self, value }
    }
}

impl<P: Purpose> fmt::Debug for Permit<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit({}, entry {})", P::KIND, self.entry.index)
    }
}

/// A value with the permit it was read under.
#[must_use]
pub struct Consented<'a, P, T> {
    permit: &'a Permit<'a, P>,
    value: T,
}

impl<'a, P, T> Consented<'a, P, T> {
    /// The value.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// The permit.
    pub fn permit(&self) -> &'a Permit<'a, P> {
        self.permit
    }

    /// Another value made from this one, under the same permit.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Consented<'a, P, U> {
        Consented { permit: self.permit, value: change(self.value) }
    }
}

impl<P: Purpose, T> fmt::Debug for Consented<'_, P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Consented(redacted, {:?})", self.permit)
    }
}

/// Why there is no permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Refusal {
    /// Never asked or never answered, or not yet.
    #[error("no consent is on record")]
    Absent,
    /// Taken back.
    #[error("the consent was withdrawn")]
    Withdrawn,
    /// Asked and declined.
    #[error("consent was refused")]
    Refused,
    /// Reached its end.
    #[error("the consent has expired")]
    Expired,
    /// The account is known to be of somebody too young for this purpose.
    #[error("the account is of somebody too young for this purpose")]
    Underage,
}

impl Refusal {
    /// All reasons.
    pub const ALL: [Self; 5] =
        [Self::Absent, Self::Withdrawn, Self::Refused, Self::Expired, Self::Underage];

    /// The stable code shown outside.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Absent => "consent.absent",
            Self::Withdrawn => "consent.withdrawn",
            Self::Refused => "consent.refused",
            Self::Expired => "consent.expired",
            Self::Underage => "consent.underage",
        }
    }
}
