//! Consent, identity and ledger of Volens: the part an auditor reads.
//!
//! Everything here is a pure function of its arguments: no input or output, no async, no clock, no
//! randomness of its own. What the crate promises, and the test that proves each promise, is in its
//! `README.md`.
//!
//! # Words
//!
//! | word | is | here |
//! |---|---|---|
//! | **app** | a network that sends us its users' consents and signals | [`AppId`] |
//! | **account** | one user of one app, known as a random id, found through a keyed tag of the app's own opaque reference | [`SubjectId`], [`AccountTag`] |
//! | **recipient** | an account of the app a message is delivered in, as one business sees it | [`RecipientId`] |
//! | **notice** | the exact text a user was shown, versioned, per language, hashed | [`Notice`] |
//! | **purpose** | what consent is for; a type in code | [`Purpose`], [`PurposeKind`] |
//! | **grant** | a live consent of one account for one purpose (and, for linking, one peer app) under one notice version | [`ConsentRecord`] with [`Decision::Given`] |
//! | **permit** | an unforgeable value that only this crate makes, only from verified ledger entries, needed by every function that joins, scores or writes to people | [`Permit`] |
//! | **link token** | the keyed slow hash of a phone number for one purpose and app pair; exists only while its grant lives. Two equal live tokens are a link | [`LinkToken`], [`Link`] |
//! | **signal** | something an account did about topics, at a time | topics: [`TopicId`] |
//! | **ledger** | the append-only Merkle log of every decision about consent and its use | [`ledger`] |
//! | **shard** | a calendar year of the ledger: a tree of its own that begins with what the one before was | [`ledger::shard`] |
//! | **claim** | what an app's evidence says that people agreed to elsewhere; leads to no permit | [`claims`] |
//! | **manifest** | from whom a model learned: one leaf for each person, and a root in the ledger | [`manifest`] |
//! | **receipt** | what a person can check about a decision without us | [`Receipt`] |
//!
//! Outcome, campaign, list, bot, passage, follow-up and panel are words of the service and do not
//! occur here.
//!
//! # From a phone number to a link
//!
//! [`PhoneNumber::parse`] → [`PhoneEvidence`] → [`PhoneEvidence::in_space`] →
//! [`KeyRing::stretch`] (slow) → [`KeyRing::link_token`] → two equal tokens and two permits →
//! [`link`].
//!
//! # From a decision to a permit
//!
//! [`ConsentRecord`] → [`ConsentRecord::leaf`] → ledger → [`Entry`] → [`Consents::replay`] →
//! [`Consents::permit`].

mod age;
pub mod claims;
pub mod consent;
mod encoding;
pub mod evidence;
pub mod identity;
pub mod jurisdiction;
pub mod keys;
mod language;
pub mod ledger;
pub mod manifest;
pub mod noise;
pub mod notice;
pub mod parties;
pub mod phone;
pub mod proxies;
pub mod purpose;
pub mod receipt;
mod redact;
pub mod rights;
pub mod time;
pub mod topics;

pub use age::{AgeBand, AgeBandError};
pub use consent::{
    ConsentError, ConsentRecord, Consented, Consents, Decision, Entry, NoticeRef, Permit,
    PhoneEvidenceLabel, Refusal,
};
pub use identity::{
    AccountTag, AppId, BusinessId, IdError, Link, LinkError, LinkToken, RecipientId, SubjectId,
    SuppressionTag, link,
};
pub use keys::{
    DataKey, KeyCheck, KeyDomain, KeyError, KeyRing, KeyState, KeyStatus, StretchCost, Stretched,
};
pub use language::{LANGUAGES, Translated, base_language};
pub use ledger::{
    Checkpoint, Frontier, Hash, Leaf, LeafKind, LogSigner, LogVerifier, Node, SignedCheckpoint,
};
pub use notice::{Lack, Notice, NoticeDiff, NoticeError, Notices, Part};
pub use parties::{Parties, PartiesError};
pub use phone::{
    CanonicalPhone, PhoneEncoding, PhoneError, PhoneEvidence, PhoneNumber, PhoneSpace,
};
pub use purpose::{Purpose, PurposeDefinition, PurposeError, PurposeKind, Purposes};
pub use receipt::{Issuer, Receipt, ReceiptError, ReceiptReport, ReceiptSigner, RowProof};
pub use redact::Redacted;
pub use rights::{Jurisdiction, RequestKind};
pub use time::{TimeError, Timestamp};
pub use topics::{Topic, TopicId, TopicRefusal, Topics, TopicsError};

#[cfg(test)]
mod redaction_tests;
