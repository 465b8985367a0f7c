//! An app's own signature over what it asked and was told: a detached JWS (RFC 7515 appendix F).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::Fault;

/// Bytes of a key's name.
const KID_MAX: usize = 100;

/// Which key an app says that it signed with. What it signed stays with the app, and so does the key:
/// nobody here can check it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JwsClaim {
    /// Algorithm, as the header names it.
    pub alg: String,
    /// Key, as the header names it.
    pub kid: String,
}

pub(super) fn read(text: &str) -> Result<JwsClaim, Fault> {
    let (header, signature) = text.split_once("..").ok_or(Fault::Malformed)?;
    let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_error| Fault::Malformed);
    let claim: JwsClaim =
        serde_json::from_slice(&bytes(header)?).map_err(|_error| Fault::Malformed)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._:/#-".contains(c);
    let named = |name: &str| {
        !name.is_empty() && name.len() <= KID_MAX && name.chars().all(plain) && name != "none"
    };
    if bytes(signature)?.is_empty() || !named(&claim.alg) || !named(&claim.kid) {
        return Err(Fault::Malformed);
    }
    Ok(claim)
}
