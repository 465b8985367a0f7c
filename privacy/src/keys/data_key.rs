//! The key of one account or conversation. Destroying it is the erasure.

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};
use rand::Rng;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::KeyError;
use super::derive::{expand, hmac, hmac_matches};
use crate::encoding::length_prefixed;
use crate::identity::random_bytes;
use crate::redact::hide_debug;

const SALT: &[u8] = b"volens/v1/data";
const FORMAT: u8 = 1;
const NONCE: usize = 24;
const PADDED_MIN: usize = 256;
const PADDED_STEP: usize = 4096;
/// Ends what was padded; zeros follow (ISO/IEC 7816-4).
const PAD_MARK: u8 = 0x80;

/// 32 random bytes under which everything that belongs to one owner is sealed and committed to.
#[derive(ZeroizeOnDrop)]
pub struct DataKey([u8; 32]);

impl DataKey {
    /// A new key.
    pub fn generate(rng: &mut dyn Rng) -> Self {
        Self(random_bytes(rng))
    }

    pub(super) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Seals `plain` with XChaCha20-Poly1305 under a random nonce.
    ///
    /// The context (for instance table, column and row id) is authenticated, so that a value moved
    /// elsewhere does not open. Layout: format 1 ‖ nonce (24) ‖ ciphertext ‖ tag (16).
    ///
    /// What is sealed is padded first, to 256, 512, 1024, 2048 bytes or a multiple of 4096, so that
    /// its length says little: two accounts with the same habits would be known by it otherwise.
    pub fn seal(&self, context: &[&[u8]], plain: &[u8], rng: &mut dyn Rng) -> Vec<u8> {
        let nonce: [u8; NONCE] = random_bytes(rng);
        let padded = pad(plain);
        let payload = Payload { msg: &padded, aad: &length_prefixed(context) };
        let ciphertext = self
            .cipher()
            .encrypt(&nonce.into(), payload)
            .expect("the message is far below the cipher's 256 GiB");
        let mut sealed = Vec::with_capacity(1 + NONCE + ciphertext.len());
        sealed.push(FORMAT);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        sealed
    }

    /// Opens what [`DataKey::seal`] made in the same context.
    pub fn open(&self, context: &[&[u8]], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let body = sealed.strip_prefix(&[FORMAT]).ok_or(KeyError::Unopenable)?;
        let (nonce, ciphertext) = body.split_first_chunk::<NONCE>().ok_or(KeyError::Unopenable)?;
        let payload = Payload { msg: ciphertext, aad: &length_prefixed(context) };
        let padded = self
            .cipher()
            .decrypt(&(*nonce).into(), payload)
            .map(Zeroizing::new)
            .map_err(|_error| KeyError::Unopenable)?;
        unpad(&padded).map(|plain| Zeroizing::new(plain.to_vec())).ok_or(KeyError::Unopenable)
    }

    /// The key that commits to one consent record and opens that commitment alone.
    pub(crate) fn entry_key(&self, record: &[u8; 16]) -> EntryKey {
        EntryKey(*expand(&self.0, SALT, &[b"entry", record]))
    }

    /// The key that makes the salts of what the account taught models; see [`crate::manifest`].
    pub fn lesson_key(&self) -> LessonKey {
        LessonKey(*expand(&self.0, SALT, &[b"lesson"]))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        let key = expand::<32>(&self.0, SALT, &[b"seal"]);
        XChaCha20Poly1305::new_from_slice(&*key).expect("the key has 32 bytes")
    }
}

/// The key of one commitment: `HKDF(data key, "entry" ‖ record id)`. Given to the person in the
/// receipt, it opens that entry and nothing else.
#[derive(ZeroizeOnDrop)]
pub(crate) struct EntryKey([u8; 32]);

impl EntryKey {
    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// HMAC-SHA256 of the record's canonical bytes.
    pub(crate) fn commit(&self, canonical: &[u8]) -> [u8; 32] {
        hmac(&self.0, &[canonical])
    }

    pub(crate) fn opens(&self, canonical: &[u8], commitment: &[u8; 32]) -> bool {
        hmac_matches(&self.0, &[canonical], commitment)
    }
}

/// Makes the salts of one account's leaves in training manifests: `HKDF(data key, "lesson")`.
#[derive(ZeroizeOnDrop)]
pub struct LessonKey([u8; 32]);

impl LessonKey {
    /// The salt of the account's leaf in the manifest of one model: `HKDF(key, "model" ‖ model)`. Handed
    /// out, it opens that leaf and no other.
    pub fn salt(&self, model: &[u8; 16]) -> Zeroizing<[u8; 32]> {
        expand(&self.0, SALT, &[b"model", model])
    }
}

hide_debug!(DataKey, EntryKey, LessonKey);

/// The length that `length` bytes and the mark after them are padded to.
fn padded_length(length: usize) -> usize {
    let least = (length + 1).max(PADDED_MIN);
    if least > PADDED_STEP / 2 {
        least.next_multiple_of(PADDED_STEP)
    } else {
        least.next_power_of_two()
    }
}

fn pad(plain: &[u8]) -> Zeroizing<Vec<u8>> {
    let length = padded_length(plain.len());
    let mut padded = Zeroizing::new(Vec::with_capacity(length));
    padded.extend_from_slice(plain);
    padded.push(PAD_MARK);
    padded.resize(length, 0);
    padded
}

fn unpad(padded: &[u8]) -> Option<&[u8]> {
    let mark = padded.iter().rposition(|byte| *byte != 0)?;
    (padded[mark] == PAD_MARK).then(|| &padded[..mark])
}
