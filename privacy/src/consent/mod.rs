//! Consent: records of decisions, their replay, and the permits that come out of it.
//!
//! ```text
//! ConsentRecord ──leaf(key)──▶ Leaf ──▶ ledger
//!       │
//!  Entry { index, leaf, record } … ──Consents::replay──▶ Consents ──permit::<P>──▶ Permit<'_, P>
//! ```
//!
//! Each step has one constructor. There is no `if user.consented`: a function that joins, scores or
//! writes to people takes a [`Permit`], and the only way to one is through entries of the ledger
//! that open to their records.

mod chain;
mod moment;
mod permit;
mod record;
mod replay;

pub use chain::{Chain, Previous, chained};
pub use moment::{Moment, moments, told_since};
pub use permit::{Consented, Permit, Refusal};
pub use record::{
    AssessmentRef, CommittedRecord, ConsentRecord, Decision, NoticeRef, PhoneEvidenceLabel,
    Published,
};
pub use replay::{ConsentError, Consents, Entry};

#[cfg(test)]
mod tests;
