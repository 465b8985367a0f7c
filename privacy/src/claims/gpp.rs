//! Strings of the IAB's Global Privacy Platform, version 1: a header that names sections, and the
//! sections behind tildes. Source: IAB Tech Lab, "GPP Consent String Specification" and its list of
//! section ids.

use serde::Serialize;

use super::Fault;
use super::bits::Bits;
use super::tcf::{self, TcfClaim};

const HEADER: u64 = 3;
const VERSION: u8 = 1;
const TCF_EU: u8 = 2;
const US_PRIVACY: u8 = 6;

/// Names of the sections that are known, by id. Left out are the first TCF, which is no longer in force,
/// the header, and the one for integrity, of which no format was published.
const SECTIONS: &[(u8, &str)] = &[
    (TCF_EU, "tcfeuv2"),
    (5, "tcfcav1"),
    (US_PRIVACY, "uspv1"),
    (7, "usnat"),
    (8, "usca"),
    (9, "usva"),
    (10, "usco"),
    (11, "usut"),
    (12, "usct"),
    (13, "usfl"),
    (14, "usmt"),
    (15, "usor"),
    (16, "ustx"),
    (17, "usde"),
    (18, "usia"),
    (19, "usne"),
    (20, "usnh"),
    (21, "usnj"),
    (22, "ustn"),
    (23, "usmn"),
];

/// What a GPP string claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GppClaim {
    /// Version of the format.
    pub version: u8,
    /// The sections, in the order of their ids.
    pub sections: Vec<GppSection>,
}

/// One section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GppSection {
    /// Its id.
    pub id: u8,
    /// Its name.
    pub name: &'static str,
    /// Version of its format.
    pub version: u8,
    /// What it claims, of the European section; of the others only that they are there is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcf: Option<TcfClaim>,
}

/// Reads a GPP string.
pub(super) fn read(text: &str) -> Result<GppClaim, Fault> {
    let mut parts = text.split('~');
    let bits = parts.next().and_then(Bits::read).ok_or(Fault::Malformed)?;
    let named = header(bits)?;
    let mut sections = Vec::with_capacity(named.len());
    for (id, name) in named {
        let part = parts.next().ok_or(Fault::Malformed)?;
        sections.push(section(id, name, part)?);
    }
    if parts.next().is_some() {
        return Err(Fault::Malformed);
    }
    Ok(GppClaim { version: VERSION, sections })
}

/// The sections that the header names.
fn header(mut bits: Bits) -> Result<Vec<(u8, &'static str)>, Fault> {
    if bits.number(6) != Some(HEADER) {
        return Err(Fault::Malformed);
    }
    match bits.number(6) {
        Some(version) if version == u64::from(VERSION) => {}
        Some(_) => return Err(Fault::Version),
        None => return Err(Fault::Malformed),
    }
    let mut named = Vec::new();
    let mut last = 0_u32;
    for _ in 0..bits.number(12).ok_or(Fault::Malformed)? {
        let several = bits.flag().ok_or(Fault::Malformed)?;
        let first = last.saturating_add(bits.fibonacci().ok_or(Fault::Malformed)?);
        let more = if several { bits.fibonacci().ok_or(Fault::Malformed)? } else { 0 };
        last = first.saturating_add(more);
        // The first unknown one ends it, so no more are walked than there are names.
        for id in first..=last {
            let known = SECTIONS.iter().find(|(known, _)| u32::from(*known) == id);
            named.push(*known.ok_or(Fault::SectionUnknown)?);
        }
    }
    if bits.is_spent() { Ok(named) } else { Err(Fault::Malformed) }
}

fn section(id: u8, name: &'static str, text: &str) -> Result<GppSection, Fault> {
    let (version, tcf) = match id {
        TCF_EU => {
            let claim = tcf::read(text)?;
            (claim.version, Some(claim))
        }
        US_PRIVACY => (us_privacy(text).ok_or(Fault::Malformed)?, None),
        _ => (encoded(text).ok_or(Fault::Malformed)?, None),
    };
    Ok(GppSection { id, name, version, tcf })
}

/// Four characters in clear: the version, and three answers of which each is yes, no or not asked.
fn us_privacy(text: &str) -> Option<u8> {
    let [b'1', answers @ ..] = text.as_bytes() else { return None };
    let all = answers.len() == 3 && answers.iter().all(|answer| b"YNyn-".contains(answer));
    all.then_some(1)
}

/// The version in front of a section whose content is not read.
fn encoded(text: &str) -> Option<u8> {
    let mut segments = text.split('.').map(Bits::read);
    let version = segments.next()??.number(6)?;
    if segments.any(|segment| segment.is_none()) {
        return None;
    }
    u8::try_from(version).ok()
}
