//! What a witness says about a checkpoint: C2SP `tlog-cosignature`, the Ed25519 form
//! `cosignature/v1`.
//!
//! A cosignature states: at this time, this was the largest tree of this log that I have seen, and
//! it extends every earlier one. Whoever demands cosignatures of independent witnesses cannot be
//! shown another history than everybody else.

use std::fmt;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use super::checkpoint::{
    CheckpointError, SignatureLine, SignedCheckpoint, is_log_name, key_id, read_vkey, split_note,
    write_vkey,
};
use crate::encoding::{base64, hex, unbase64};
use crate::redact::hide_debug;
use crate::time::Timestamp;

/// Kind of signature in the signed-note registry.
const COSIGNATURE: u8 = 0x04;
/// Seconds since 1970 in eight bytes, then the signature.
const TIME: usize = 8;
/// First words of a private key, as in Go's `sumdb/note`.
const PRIVATE: &str = "PRIVATE+KEY+";

/// The message under a cosignature.
fn message(seconds: u64, text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {seconds}\n{text}").into_bytes()
}

/// A witness's private key.
pub struct Cosigner {
    name: String,
    key: SigningKey,
}

hide_debug!(Cosigner);

impl Cosigner {
    /// A witness of this name from a 32-byte Ed25519 seed (RFC 8032). A seed is for one name only:
    /// what is signed does not say who signs.
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, CheckpointError> {
        if !is_log_name(name) {
            return Err(CheckpointError::BadVerifierKey);
        }
        Ok(Self { name: name.to_owned(), key: SigningKey::from_bytes(seed) })
    }

    /// Reads a private key `PRIVATE+KEY+name+hash+seed`.
    pub fn from_skey(skey: &str) -> Result<Self, CheckpointError> {
        Self::read(skey.trim()).ok_or(CheckpointError::BadVerifierKey)
    }

    fn read(skey: &str) -> Option<Self> {
        let (name, rest) = skey.strip_prefix(PRIVATE)?.split_once('+')?;
        let (id, encoded) = rest.split_once('+')?;
        let bytes = Zeroizing::new(unbase64(encoded)?);
        let seed: &[u8; 32] = bytes.strip_prefix(&[COSIGNATURE])?.try_into().ok()?;
        let read = Self::new(name, seed).ok()?;
        (hex(&read.key_id()) == id).then_some(read)
    }

    /// The private key as text, to keep.
    pub fn skey(&self) -> Zeroizing<String> {
        let seed = Zeroizing::new([&[COSIGNATURE], &self.key.as_bytes()[..]].concat());
        let encoded = Zeroizing::new(base64(&seed));
        Zeroizing::new(format!("{PRIVATE}{}+{}+{}", self.name, hex(&self.key_id()), *encoded))
    }

    fn key_id(&self) -> [u8; 4] {
        key_id(&self.name, COSIGNATURE, &self.key.verifying_key())
    }

    /// The signature line for a checkpoint, without line feed. Whether the checkpoint deserves it
    /// is [`super::witness::judge`]'s to say.
    pub fn cosign(&self, checkpoint: &SignedCheckpoint, at: Timestamp) -> String {
        let seconds = u64::try_from(at.micros() / 1_000_000).unwrap_or_default();
        let signature = self.key.sign(&message(seconds, checkpoint.text())).to_bytes();
        let bytes = [&self.key_id()[..], &seconds.to_be_bytes(), &signature].concat();
        format!("— {} {}", self.name, base64(&bytes))
    }

    /// The public half.
    pub fn verifier(&self) -> Witness {
        Witness { name: self.name.clone(), key: self.key.verifying_key() }
    }
}

/// A witness's name and public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    name: String,
    key: VerifyingKey,
}

impl Witness {
    /// Reads a verifier key `name+hash+key` for cosignatures.
    pub fn from_vkey(vkey: &str) -> Result<Self, CheckpointError> {
        let (name, key) = read_vkey(vkey, COSIGNATURE).ok_or(CheckpointError::BadVerifierKey)?;
        Ok(Self { name, key })
    }

    /// The verifier key as text, to publish.
    pub fn vkey(&self) -> String {
        write_vkey(&self.name, COSIGNATURE, &self.key)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether two witnesses hold the same key, whatever their names: they count as one.
    pub fn same_key(&self, other: &Self) -> bool {
        self.key == other.key
    }

    /// This witness's cosignature on a note, if there is one that holds.
    pub fn on(&self, note: &SignedCheckpoint) -> Option<Cosignature> {
        let (text, lines) = split_note(note.as_str()).ok()?;
        lines.iter().find_map(|line| self.check(text, line))
    }

    /// The line of an answer that is this witness's cosignature on `note`, without line feed.
    /// Lines of others, and lines that do not hold, are passed over as the format demands.
    pub fn line_in(&self, note: &SignedCheckpoint, answer: &str) -> Option<(String, Cosignature)> {
        let text = note.text();
        answer.split('\n').find_map(|line| {
            let found = self.check(text, &SignatureLine::parse(line)?)?;
            Some((line.to_owned(), found))
        })
    }

    fn check(&self, text: &str, line: &SignatureLine<'_>) -> Option<Cosignature> {
        if line.name != self.name || line.key_id != key_id(&self.name, COSIGNATURE, &self.key) {
            return None;
        }
        let (time, signature) = line.signature.split_first_chunk::<TIME>()?;
        let seconds = u64::from_be_bytes(*time);
        let micros = i64::try_from(seconds).ok()?.checked_mul(1_000_000)?;
        let signature = Signature::from_slice(signature).ok()?;
        self.key.verify_strict(&message(seconds, text), &signature).ok()?;
        Some(Cosignature { witness: self.name.clone(), at: Timestamp::from_micros(micros) })
    }
}

/// A cosignature that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    /// Who.
    pub witness: String,
    /// When, by the witness's clock, to the second.
    pub at: Timestamp,
}

impl fmt::Display for Cosignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.witness, self.at)
    }
}

/// Which witnesses there are, and how many of them are enough.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quorum {
    witnesses: Vec<Witness>,
    needed: usize,
}

/// Why a quorum makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuorumError {
    /// More cosignatures are wanted than there are witnesses, or none although there are some.
    #[error("between one and as many cosignatures as there are witnesses")]
    Count,
    /// Two witnesses are one.
    #[error("two witnesses share a name or a key")]
    Twice,
}

impl Quorum {
    /// At least `needed` of these witnesses. Without witnesses nothing is needed.
    pub fn new(witnesses: Vec<Witness>, needed: usize) -> Result<Self, QuorumError> {
        let fits = if witnesses.is_empty() { needed == 0 } else { needed > 0 };
        if !fits || needed > witnesses.len() {
            return Err(QuorumError::Count);
        }
        for (index, witness) in witnesses.iter().enumerate() {
            let twice = |other: &Witness| other.name == witness.name || other.same_key(witness);
            if witnesses[..index].iter().any(twice) {
                return Err(QuorumError::Twice);
            }
        }
        Ok(Self { witnesses, needed })
    }

    /// The witnesses.
    pub fn witnesses(&self) -> &[Witness] {
        &self.witnesses
    }

    /// How many cosignatures are enough; 0 when nobody is asked.
    pub fn needed(&self) -> usize {
        self.needed
    }

    /// The cosignatures of these witnesses on a note, one each.
    pub fn on(&self, note: &SignedCheckpoint) -> Vec<Cosignature> {
        self.witnesses.iter().filter_map(|witness| witness.on(note)).collect()
    }

    /// Whether enough of them cosigned.
    pub fn is_met(&self, note: &SignedCheckpoint) -> bool {
        self.on(note).len() >= self.needed
    }
}
