//! Why an item was refused, or a part of it left out: stable codes that apps program against.

use std::fmt;

use volens_privacy::{Refusal, TopicRefusal};

/// Why an item, or a part of one, was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The item is not an object of the expected shape.
    ItemInvalid,
    /// The item has more than [`MAX_ITEM`](super::MAX_ITEM) bytes.
    ItemTooLarge,
    /// The call or the item's `type` is not one we know.
    TypeUnknown,
    /// Neither `userId` nor `anonymousId`, or no `subject`.
    AccountMissing,
    /// Only an `anonymousId`: nobody who could have consented.
    AccountAnonymous,
    /// The reference is empty or too long.
    AccountInvalid,
    /// The app has no account of that reference.
    AccountUnknown,
    /// The account is of somebody too young to be profiled.
    AccountUnderage,
    /// The account is frozen: stored, but not to be used.
    AccountFrozen,
    /// No consent for relevance was ever given.
    ConsentAbsent,
    /// Consent for relevance was refused.
    ConsentRefused,
    /// Consent for relevance was withdrawn.
    ConsentWithdrawn,
    /// Consent for relevance ran out.
    ConsentExpired,
    /// The message id has more than 100 characters, or is empty.
    MessageIdInvalid,
    /// A track call without `event`.
    EventMissing,
    /// An event name that stands for no kind of act.
    EventUnknown,
    /// Not one of our topics.
    TopicUnknown,
    /// A topic of a special category (GDPR Art. 9): never stored.
    TopicSensitive,
    /// More topics than one act can be about.
    TopicTooMany,
    /// Not a business id.
    BusinessInvalid,
    /// A time that is not RFC 3339.
    TimeInvalid,
    /// More than five minutes ahead or 400 days old.
    TimeOutOfRange,
    /// alias, group and merge never join accounts; only consent does.
    IdentityConsentRequired,
    /// A `CloudEvents` attribute is missing or wrong.
    CloudEventInvalid,
    /// A `CloudEvents` version other than 1.0.
    CloudEventVersion,
    /// A trait that is or looks like an identifier of a person was left out.
    TraitIdentifier,
    /// A trait of a special category (GDPR Art. 9) was left out.
    TraitSensitive,
    /// A trait that is neither a number nor a short word was left out.
    TraitInvalid,
    /// One trait too many was left out.
    TraitTooMany,
    /// The event claimed a consent; only `POST /v1/consents` records one.
    ConsentClaimIgnored,
}

impl Reason {
    /// The code on the wire.
    pub const fn code(self) -> &'static str {
        match self {
            Self::ItemInvalid => "item.invalid",
            Self::ItemTooLarge => "item.too_large",
            Self::TypeUnknown => "type.unknown",
            Self::AccountMissing => "account.missing",
            Self::AccountAnonymous => "account.anonymous",
            Self::AccountInvalid => "account.invalid",
            Self::AccountUnknown => "account.unknown",
            Self::AccountUnderage => "account.underage",
            Self::AccountFrozen => "account.frozen",
            Self::ConsentAbsent => "consent.absent",
            Self::ConsentRefused => "consent.refused",
            Self::ConsentWithdrawn => "consent.withdrawn",
            Self::ConsentExpired => "consent.expired",
            Self::MessageIdInvalid => "message_id.invalid",
            Self::EventMissing => "event.missing",
            Self::EventUnknown => "event.unknown",
            Self::TopicUnknown => "topic.unknown",
            Self::TopicSensitive => "topic.sensitive",
            Self::TopicTooMany => "topic.too_many",
            Self::BusinessInvalid => "business.invalid",
            Self::TimeInvalid => "time.invalid",
            Self::TimeOutOfRange => "time.out_of_range",
            Self::IdentityConsentRequired => "identity.consent_required",
            Self::CloudEventInvalid => "cloudevent.invalid",
            Self::CloudEventVersion => "cloudevent.version",
            Self::TraitIdentifier => "trait.identifier_refused",
            Self::TraitSensitive => "trait.sensitive",
            Self::TraitInvalid => "trait.invalid",
            Self::TraitTooMany => "trait.too_many",
            Self::ConsentClaimIgnored => "consent.claim_ignored",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl From<Refusal> for Reason {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Absent => Self::ConsentAbsent,
            Refusal::Refused => Self::ConsentRefused,
            Refusal::Withdrawn => Self::ConsentWithdrawn,
            Refusal::Expired => Self::ConsentExpired,
            Refusal::Underage => Self::AccountUnderage,
        }
    }
}

impl From<TopicRefusal> for Reason {
    fn from(refusal: TopicRefusal) -> Self {
        match refusal {
            TopicRefusal::Unknown => Self::TopicUnknown,
            TopicRefusal::Sensitive => Self::TopicSensitive,
        }
    }
}
