//! Phone numbers: parsed, compared, never shown, never kept.
//!
//! A phone number enters with a consent to link, is turned into a [`CanonicalPhone`] digest, is
//! stretched and keyed ([`crate::keys::KeyRing::stretch`]), and leaves memory. It is never parsed by
//! stripping characters: a national number means nothing without its region.

use std::fmt;
use std::str::FromStr;

use phonenumber::Mode;
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, ZeroizeOnDrop, Zeroizing};

use crate::encoding::{base64, hex, text_serde, unbase64_exact, unhex};
use crate::redact::hide_debug;

/// Longest text that is looked at, in bytes; the longest spelling of a real number is far shorter.
const LONGEST_TEXT: usize = 64;

/// Why a phone number was refused. The text itself is never repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// The number is national and no region was given.
    #[error("a national phone number needs a region such as DE")]
    RegionMissing,
    /// The region is not an ISO 3166-1 alpha-2 code.
    #[error("the region is not a two-letter country code")]
    RegionUnknown,
    /// Not a phone number, or not one of that region's numbering plan.
    #[error("not a valid phone number")]
    Invalid,
    /// The number has an extension, so it is not one person's.
    #[error("a phone number with an extension does not identify a person")]
    Extension,
    /// Not the exact text of a SHA-256 in that encoding.
    #[error("not a SHA-256 digest in the stated encoding")]
    NotADigest,
    /// No such encoding.
    #[error("unknown phone encoding: expected e164, google, meta or uid2")]
    EncodingUnknown,
}

impl PhoneError {
    /// The stable code shown outside.
    pub const fn code(self) -> &'static str {
        match self {
            Self::RegionMissing => "phone.region_missing",
            Self::RegionUnknown => "phone.region_unknown",
            Self::Invalid => "phone.invalid",
            Self::Extension => "phone.extension",
            Self::NotADigest => "phone.not_a_digest",
            Self::EncodingUnknown => "phone.encoding_unknown",
        }
    }
}

/// A valid phone number in E.164. It cannot be printed, copied or serialised, and its bytes are
/// overwritten when it is dropped.
///
/// ```compile_fail,E0277
/// # use volens_privacy::PhoneNumber;
/// let number = PhoneNumber::parse("+491511234567", None).ok().unwrap();
/// println!("{number:?}"); // `PhoneNumber` has no `Debug`
/// ```
///
/// ```compile_fail,E0599
/// # use volens_privacy::PhoneNumber;
/// let number = PhoneNumber::parse("+491511234567", None).ok().unwrap();
/// let copy = number.clone(); // nor `Clone`
/// ```
pub struct PhoneNumber(Zeroizing<String>);

impl PhoneNumber {
    /// Parses an international number (`+49 …`), or a national one (or one with an international
    /// prefix such as `00`) of `region`, an ISO 3166-1 alpha-2 code.
    ///
    /// The number must be valid in its numbering plan. Numbers with an extension are refused.
    pub fn parse(text: &str, region: Option<&str>) -> Result<Self, PhoneError> {
        let text = text.trim();
        if text.len() > LONGEST_TEXT {
            return Err(PhoneError::Invalid);
        }
        let region = region.map(numbering_plan).transpose()?;
        if region.is_none() && !text.starts_with('+') {
            return Err(PhoneError::RegionMissing);
        }
        let number = phonenumber::parse(region, text).map_err(|_error| PhoneError::Invalid)?;
        if number.extension().is_some() {
            return Err(PhoneError::Extension);
        }
        if !number.is_valid() {
            return Err(PhoneError::Invalid);
        }
        let e164 = Zeroizing::new(number.format().mode(Mode::E164).to_string());
        if is_e164(&e164) { Ok(Self(e164)) } else { Err(PhoneError::Invalid) }
    }

    /// The number in one of the encodings that advertising platforms ask for. Only for the person's
    /// own export and for tests: the plain digests can be reversed by enumeration.
    pub fn encode(&self, encoding: PhoneEncoding) -> Zeroizing<String> {
        let plus = self.digest(PhoneSpace::Plus);
        Zeroizing::new(match encoding {
            PhoneEncoding::E164 => self.0.to_string(),
            PhoneEncoding::Google => hex(&*plus),
            PhoneEncoding::Meta => hex(&*self.digest(PhoneSpace::Digits)),
            PhoneEncoding::Uid2 => base64(&*plus),
        })
    }

    fn digest(&self, space: PhoneSpace) -> Zeroizing<[u8; 32]> {
        let hashed = match space {
            PhoneSpace::Plus => &self.0[..],
            PhoneSpace::Digits => &self.0[1..],
        };
        Zeroizing::new(Sha256::digest(hashed.as_bytes()).into())
    }
}

fn numbering_plan(region: &str) -> Result<phonenumber::country::Id, PhoneError> {
    region.to_ascii_uppercase().parse().map_err(|_unknown| PhoneError::RegionUnknown)
}

/// Whether national numbers of the region can be read: a country (ISO 3166-1 alpha-2) with telephones.
pub fn is_region(region: &str) -> bool {
    numbering_plan(region).is_ok()
}

fn is_e164(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('+') else { return false };
    (8..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// How a phone number is presented. Each platform hashes differently; mixing them joins nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PhoneEncoding {
    /// The number itself.
    E164,
    /// SHA-256 of `+` and the digits, lower-case hex (Google Customer Match).
    Google,
    /// SHA-256 of the digits without `+`, lower-case hex (Meta Custom Audiences).
    Meta,
    /// SHA-256 of `+` and the digits, base64 (Unified ID 2.0).
    Uid2,
}

impl PhoneEncoding {
    /// All encodings.
    pub const ALL: [Self; 4] = [Self::E164, Self::Google, Self::Meta, Self::Uid2];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::E164 => "e164",
            Self::Google => "google",
            Self::Meta => "meta",
            Self::Uid2 => "uid2",
        }
    }
}

impl fmt::Display for PhoneEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PhoneEncoding {
    type Err = PhoneError;

    fn from_str(text: &str) -> Result<Self, PhoneError> {
        Self::ALL
            .into_iter()
            .find(|encoding| encoding.as_str() == text)
            .ok_or(PhoneError::EncodingUnknown)
    }
}

text_serde!(PhoneEncoding);

/// What is hashed before keying. Digests of different spaces never match, so a link needs both apps
/// in the same space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PhoneSpace {
    /// SHA-256 of `+` and the digits: E.164, Google and UID2 evidence.
    Plus,
    /// SHA-256 of the digits alone: Meta evidence, and E.164.
    Digits,
}

impl PhoneSpace {
    /// The name that enters key derivation.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plus => "plus",
            Self::Digits => "digits",
        }
    }
}

/// What an app presented to prove which number an account has.
pub struct PhoneEvidence(Evidence);

enum Evidence {
    Number(PhoneNumber),
    Digest { encoding: PhoneEncoding, digest: Zeroizing<[u8; 32]> },
}

impl PhoneEvidence {
    /// A digest made by the app: exactly 64 lower-case hex digits (`google`, `meta`) or 44
    /// characters of base64 (`uid2`). `e164` is refused: that is not a digest.
    pub fn hashed(text: &str, encoding: PhoneEncoding) -> Result<Self, PhoneError> {
        let digest = match encoding {
            PhoneEncoding::E164 => None,
            PhoneEncoding::Google | PhoneEncoding::Meta => unhex(text),
            PhoneEncoding::Uid2 => unbase64_exact(text),
        };
        let digest = Zeroizing::new(digest.ok_or(PhoneError::NotADigest)?);
        Ok(Self(Evidence::Digest { encoding, digest }))
    }

    /// How it was presented.
    pub fn encoding(&self) -> PhoneEncoding {
        match &self.0 {
            Evidence::Number(_) => PhoneEncoding::E164,
            Evidence::Digest { encoding, .. } => *encoding,
        }
    }

    /// Whether it is a digest that we cannot check: the app may have hashed a misread number.
    pub fn is_weaker(&self) -> bool {
        matches!(self.0, Evidence::Digest { .. })
    }

    /// The digest to stretch, when this evidence has one in `space`. A number has both; a digest
    /// has only its own.
    pub fn in_space(&self, space: PhoneSpace) -> Option<CanonicalPhone> {
        match (&self.0, space) {
            (Evidence::Number(number), _) => Some(CanonicalPhone(*number.digest(space))),
            (Evidence::Digest { encoding: PhoneEncoding::Meta, digest }, PhoneSpace::Digits)
            | (
                Evidence::Digest { encoding: PhoneEncoding::Google | PhoneEncoding::Uid2, digest },
                PhoneSpace::Plus,
            ) => Some(CanonicalPhone(**digest)),
            _ => None,
        }
    }
}

impl From<PhoneNumber> for PhoneEvidence {
    fn from(number: PhoneNumber) -> Self {
        Self(Evidence::Number(number))
    }
}

/// The digest of a phone number in one [`PhoneSpace`]. Reversible by enumeration, therefore treated
/// like the number itself: not shown, not stored, overwritten when dropped.
#[derive(ZeroizeOnDrop)]
pub struct CanonicalPhone([u8; 32]);

impl CanonicalPhone {
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

hide_debug!(PhoneEvidence, CanonicalPhone);

impl Drop for PhoneNumber {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests;
