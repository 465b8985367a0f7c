//! The three primitives everything else is built from.

use aes_siv::siv::Aes256Siv;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// HKDF-SHA256 (RFC 5869) to `N` bytes.
pub(crate) fn expand<const N: usize>(
    secret: &[u8],
    salt: &[u8],
    info: &[&[u8]],
) -> Zeroizing<[u8; N]> {
    let mut key = Zeroizing::new([0; N]);
    Hkdf::<Sha256>::new(Some(salt), secret)
        .expand_multi_info(info, &mut *key)
        .expect("at most 64 bytes are asked for, and HKDF-SHA256 gives 8160");
    key
}

/// HMAC-SHA256 (RFC 2104) of the concatenated parts.
pub(crate) fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    KeyedHash::new(key).of(parts)
}

/// HMAC-SHA256 under one key, which is taken in once for many messages.
pub(crate) struct KeyedHash(Hmac<Sha256>);

impl KeyedHash {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes a key of any length"))
    }

    /// The HMAC of the concatenated parts.
    pub(crate) fn of(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

/// Whether `tag` is the HMAC-SHA256 of the concatenated parts, in constant time.
pub(crate) fn hmac_matches(key: &[u8], parts: &[&[u8]], tag: &[u8; 32]) -> bool {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.verify_slice(tag).is_ok()
}

/// AES-256-SIV (RFC 5297): deterministic, authenticated; 16 bytes longer than `plain`.
pub(crate) fn siv_seal(key: &[u8; 64], context: &[&[u8]], plain: &[u8]) -> Vec<u8> {
    let mut siv = Aes256Siv::new_from_slice(key).expect("the key has 64 bytes");
    siv.encrypt(context, plain).expect("at most 126 context parts, and memory for 16 more bytes")
}

/// The inverse of [`siv_seal`]; nothing when a byte or the context differs.
pub(crate) fn siv_open(
    key: &[u8; 64],
    context: &[&[u8]],
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let mut siv = Aes256Siv::new_from_slice(key).expect("the key has 64 bytes");
    siv.decrypt(context, sealed).ok().map(Zeroizing::new)
}
