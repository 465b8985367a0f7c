//! The operator's signature over a receipt: a compact JWS (RFC 7515) by EdDSA (RFC 8037). Its payload is
//! the SHA-256 of the RFC 8785 canonical form of everything but the signature itself.
//!
//! Receipts have a key of their own. The log's key vouches for it in a signed note, which travels with
//! every receipt: whoever knows the log's key can check all of it offline.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::ReceiptError;
use crate::encoding::{base64, hex, unbase64_exact};
use crate::ledger::{LogSigner, LogVerifier};

/// First line of the note. No log has this name, so no checkpoint can pass for it.
const NOTE: &str = "volens/receipt-key/1";

/// Signs receipts of one installation. No `Debug`, no serde.
pub struct ReceiptSigner {
    key: SigningKey,
    header: String,
    kid: String,
    note: String,
    /// Version of the root it is made from.
    version: u32,
}

/// What stands beside what was signed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Proof {
    alg: String,
    kid: String,
    /// The signed note in which the log's key vouches for this one.
    note: String,
    #[serde(rename = "type")]
    kind: String,
    /// `header.payload.signature`.
    value: String,
}

impl ReceiptSigner {
    /// A signer from its 32-byte Ed25519 seed, vouched for by `log`.
    pub(crate) fn new(seed: &[u8; 32], log: &LogSigner, version: u32) -> Self {
        let key = SigningKey::from_bytes(seed);
        let public = key.verifying_key();
        let kid = kid(&public);
        let note = log.sign_text(&format!("{NOTE}\n{}\n", base64(public.as_bytes())));
        Self { header: header(&kid), key, kid, note, version }
    }

    /// Version of the root it is made from.
    pub(super) fn version(&self) -> u32 {
        self.version
    }

    /// Signs canonical bytes.
    pub(super) fn sign(&self, canonical: &[u8]) -> Proof {
        let input = signing_input(&self.header, canonical);
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(input.as_bytes()).to_bytes());
        Proof {
            alg: "EdDSA".to_owned(),
            kid: self.kid.clone(),
            note: self.note.clone(),
            kind: "JWS".to_owned(),
            value: format!("{input}.{signature}"),
        }
    }
}

impl Proof {
    /// Checks that the log vouches for the key, and that the key signed exactly these bytes. No
    /// member has any freedom: a changed character is refused.
    pub(super) fn verify(&self, canonical: &[u8], log: &LogVerifier) -> Result<(), ReceiptError> {
        let text = log.vouched_text(&self.note).map_err(|_error| ReceiptError::Signature)?;
        let key = receipt_key(text).ok_or(ReceiptError::Signature)?;
        let input = signing_input(&header(&kid(&key)), canonical);
        let named = self.kid == kid(&key) && self.alg == "EdDSA" && self.kind == "JWS";
        let signature = self
            .value
            .strip_prefix(&input)
            .and_then(|rest| rest.strip_prefix('.'))
            .and_then(|encoded| URL_SAFE_NO_PAD.decode(encoded).ok())
            .and_then(|bytes| Signature::from_slice(&bytes).ok());
        let Some(signature) = signature.filter(|_| named) else {
            return Err(ReceiptError::Signature);
        };
        key.verify_strict(input.as_bytes(), &signature).map_err(|_error| ReceiptError::Signature)
    }
}

fn receipt_key(text: &str) -> Option<VerifyingKey> {
    let encoded = text.strip_prefix(NOTE)?.strip_prefix('\n')?.strip_suffix('\n')?;
    let key = VerifyingKey::from_bytes(&unbase64_exact(encoded)?).ok()?;
    (!key.is_weak()).then_some(key)
}

/// Which key: the first eight bytes of its SHA-256.
fn kid(key: &VerifyingKey) -> String {
    let hash: [u8; 32] = Sha256::digest(key.as_bytes()).into();
    format!("receipt-{}", hex(&hash[..8]))
}

fn header(kid: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{{\"alg\":\"EdDSA\",\"kid\":\"{kid}\"}}"))
}

/// What is signed: header and payload, each in base64url. Ed25519 reads its message twice, with a slower
/// hash; signing the digest costs a quarter.
fn signing_input(header: &str, canonical: &[u8]) -> String {
    let hash: [u8; 32] = Sha256::digest(canonical).into();
    let payload = format!("{{\"sha256\":\"{}\"}}", hex(&hash));
    format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload))
}
