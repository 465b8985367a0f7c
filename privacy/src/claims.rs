//! What an app attaches that is written in a published format: TC strings of the IAB's Transparency and
//! Consent Framework, strings of its Global Privacy Platform, and the app's own signature.
//!
//! Claims, and never consent. Such a string names no person, no text that was shown and nobody who
//! signed it, so anybody can write one that allows everything. It is kept sealed in a record's evidence,
//! shown to whoever opens the record, and read by nothing that permits: no type here leads to a
//! [`Permit`](crate::Permit).
//!
//! Read by code of our own. `iab_gpp` 0.1.2, the one crate for this, adds up a Fibonacci number without
//! looking whether it fits (the header `DBABKqqq4` panics where overflow is checked), writes ranges out
//! id by id (4,000 characters took 140 MB), and takes the offset of a third section from the wrong
//! number, so that it reads 2, 6 and 8 as 2, 6 and 6.

mod bits;
mod gpp;
mod jws;
mod tcf;

use serde::Serialize;
use serde_json::Value;

pub use gpp::{GppClaim, GppSection};
pub use jws::JwsClaim;
pub use tcf::TcfClaim;

/// Bytes of one string; one that names 870 vendors four times over has less than a thousand.
pub const CLAIM_MAX: usize = 3_500;

/// What is claimed in the evidence of one record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Claims {
    /// By the member `tcf`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcf: Option<TcfClaim>,
    /// By the member `gpp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpp: Option<GppClaim>,
    /// By the member `jws`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jws: Option<JwsClaim>,
}

/// Why a string is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    TooLarge,
    Malformed,
    Version,
    SectionUnknown,
}

/// Why evidence with a string in it is not taken; never repeats the string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.detail())]
pub struct ClaimError {
    member: Member,
    fault: Fault,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Tcf,
    Gpp,
    Jws,
}

impl Member {
    const fn name(self) -> &'static str {
        match self {
            Self::Tcf => "tcf",
            Self::Gpp => "gpp",
            Self::Jws => "jws",
        }
    }
}

impl ClaimError {
    /// Stable code.
    pub const fn code(self) -> &'static str {
        match (self.member, self.fault) {
            (Member::Tcf, Fault::TooLarge) => "tcf.too_large",
            (Member::Tcf, Fault::Version) => "tcf.version",
            (Member::Tcf, Fault::Malformed | Fault::SectionUnknown) => "tcf.malformed",
            (Member::Gpp, Fault::TooLarge) => "gpp.too_large",
            (Member::Gpp, Fault::Version) => "gpp.version",
            (Member::Gpp, Fault::Malformed) => "gpp.malformed",
            (Member::Gpp, Fault::SectionUnknown) => "gpp.section_unknown",
            (Member::Jws, Fault::TooLarge) => "jws.too_large",
            (Member::Jws, _) => "jws.malformed",
        }
    }

    /// Which member of the evidence.
    pub const fn member(self) -> &'static str {
        self.member.name()
    }

    /// One sentence.
    pub const fn detail(self) -> &'static str {
        match (self.member, self.fault) {
            (_, Fault::TooLarge) => "the string may have 3500 bytes",
            (Member::Tcf, Fault::Version) => "only TC strings of version 2 are read",
            (Member::Tcf, _) => "expected a TC string as the IAB's framework writes it",
            (Member::Gpp, Fault::Version) => {
                "only GPP strings of version 1 with a European section of version 2 are read"
            }
            (Member::Gpp, Fault::SectionUnknown) => "the string names a section that is not known",
            (Member::Gpp, Fault::Malformed) => {
                "expected a GPP string as the IAB's platform writes it"
            }
            (Member::Jws, _) => {
                "expected a detached JWS (RFC 7515 appendix F) whose header names alg and kid"
            }
        }
    }
}

impl Claims {
    /// Reads the members `tcf`, `gpp` and `jws` of a record's evidence; nothing when it has none. What else
    /// the evidence holds is the app's own affair.
    ///
    /// # Errors
    /// [`ClaimError`] when a member is no string, too long, or not written as its format is.
    pub fn read(evidence: &Value) -> Result<Option<Self>, ClaimError> {
        let claims = Self {
            tcf: member(evidence, Member::Tcf, tcf::read)?,
            gpp: member(evidence, Member::Gpp, gpp::read)?,
            jws: Self::signature(evidence)?,
        };
        Ok((claims != Self::default()).then_some(claims))
    }

    /// Reads the member `jws` alone.
    pub(crate) fn signature(evidence: &Value) -> Result<Option<JwsClaim>, ClaimError> {
        member(evidence, Member::Jws, jws::read)
    }
}

fn member<T>(
    evidence: &Value,
    member: Member,
    read: impl Fn(&str) -> Result<T, Fault>,
) -> Result<Option<T>, ClaimError> {
    let refused = |fault| ClaimError { member, fault };
    let Some(value) = evidence.get(member.name()) else { return Ok(None) };
    let text = value.as_str().ok_or(refused(Fault::Malformed))?;
    if text.len() > CLAIM_MAX {
        return Err(refused(Fault::TooLarge));
    }
    read(text).map(Some).map_err(refused)
}

#[cfg(test)]
mod tests;
