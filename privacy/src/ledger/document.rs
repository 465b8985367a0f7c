//! Documents signed with the log's key: what a person takes home.
//!
//! The signature is a C2SP signed note over three lines: the kind of the document, `sha256`, and the
//! SHA-256 of its canonical JSON (RFC 8785) in base64. No checkpoint can be mistaken for one: its
//! second line is a number.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::checkpoint::{CheckpointError, LogSigner, LogVerifier};
use crate::encoding::base64;

/// Why a signed document was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// The signature is not by the expected key, or not over a note.
    #[error(transparent)]
    Note(#[from] CheckpointError),
    /// The signature is over something else.
    #[error("the signature is over another document")]
    OtherDocument,
    /// The document has no canonical form.
    #[error("the document is not JSON with a canonical form")]
    NotCanonical,
}

impl LogSigner {
    /// Signs a document of a kind such as `volens/account-export/1`.
    ///
    /// # Errors
    /// [`DocumentError::NotCanonical`] for a number that JSON cannot hold.
    pub fn sign_document(
        &self,
        kind: &str,
        document: &impl Serialize,
    ) -> Result<String, DocumentError> {
        Ok(self.sign_text(&text(kind, document)?))
    }
}

impl LogVerifier {
    /// Checks that a document of this kind is the one that the log's key signed.
    ///
    /// # Errors
    /// Why not.
    pub fn verify_document(
        &self,
        kind: &str,
        document: &impl Serialize,
        note: &str,
    ) -> Result<(), DocumentError> {
        let signed = self.verify_text(note)?;
        if signed == text(kind, document)? { Ok(()) } else { Err(DocumentError::OtherDocument) }
    }
}

fn text(kind: &str, document: &impl Serialize) -> Result<String, DocumentError> {
    let canonical = serde_jcs::to_vec(document).map_err(|_error| DocumentError::NotCanonical)?;
    Ok(format!("{kind}\nsha256\n{}\n", base64(&Sha256::digest(canonical))))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;
    use serde_json::json;

    use super::*;
    use crate::{KeyRing, Timestamp};

    fn ring(seed: u64) -> KeyRing {
        KeyRing::generate(&mut StdRng::seed_from_u64(seed), Timestamp::from_micros(0))
    }

    #[test]
    fn a_document_verifies_in_any_spelling_and_no_other_does() {
        let (ring, other) = (ring(1), ring(2));
        let document = json!({"b": 1.5, "a": "ü"});
        let note = ring.log_signer().sign_document("volens/test/1", &document).expect("signed");
        let log = ring.log_verifier();
        let spelled = serde_json::from_str::<serde_json::Value>("{\"a\":\"\\u00fc\",\"b\":15e-1}");
        log.verify_document("volens/test/1", &spelled.expect("JSON"), &note).expect("the same");
        let refuse = |log: &LogVerifier, kind, document, note: &str| {
            log.verify_document(kind, &document, note).expect_err("another")
        };
        let changed = json!({"b": 1.5, "a": "u"});
        assert_eq!(refuse(&log, "volens/test/1", changed, &note), DocumentError::OtherDocument);
        let kind = refuse(&log, "volens/test/2", document.clone(), &note);
        assert_eq!(kind, DocumentError::OtherDocument);
        let unsigned = refuse(&other.log_verifier(), "volens/test/1", document.clone(), &note);
        assert_eq!(unsigned, CheckpointError::Unsigned.into());
        assert!(log.verify(&note).is_err(), "no checkpoint");
        let spoilt = note.replacen("sha256\n", "sha256\nA", 1);
        assert_eq!(
            refuse(&log, "volens/test/1", document, &spoilt),
            CheckpointError::BadSignature.into()
        );
    }
}
