//! Passwords of console users: Argon2id with its parameters in the stored text.

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use rand::Rng;
use zeroize::Zeroizing;

/// A password as it was typed. Not printable, cleared when dropped.
pub struct Password(Zeroizing<String>);

/// Why a new password is refused (OWASP ASVS 5.0, 6.2: length, not composition).
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a password has 12 to 128 characters")]
pub struct WeakPassword;

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl<'de> serde::Deserialize<'de> for Password {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// The cost a password is hashed with.
#[derive(Clone, Copy)]
pub(super) struct Cost {
    pub(super) memory_kib: u32,
    pub(super) passes: u32,
}

impl Password {
    /// Refuses what is too short to be one, or so long that hashing it is an attack.
    pub fn check(self) -> Result<Self, WeakPassword> {
        let length = self.0.chars().count();
        if (12..=128).contains(&length) { Ok(self) } else { Err(WeakPassword) }
    }

    /// The text to store. Slow by design: call it on the stretch pool.
    pub(super) fn hash(&self, cost: Cost, salt: [u8; 16]) -> String {
        hasher(cost)
            .hash_password_with_salt(self.0.as_bytes(), &salt)
            .expect("16 bytes of salt and a bounded password are accepted")
            .to_string()
    }

    /// Whether it is the password of `stored`. Without one the same work is done for nothing, so
    /// that the time does not tell whether the account exists. Slow by design.
    pub(super) fn matches(&self, stored: Option<&str>, cost: Cost) -> bool {
        let Some(stored) = stored else {
            drop(self.hash(cost, [0; 16]));
            return false;
        };
        hasher(cost).verify_password(self.0.as_bytes(), stored).is_ok()
    }
}

fn hasher(cost: Cost) -> Argon2<'static> {
    let params = Params::new(cost.memory_kib, cost.passes, 1, None)
        .expect("the settings hold the cost above the minimum of Argon2");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// 16 random bytes.
pub(super) fn salt(rng: &mut dyn Rng) -> [u8; 16] {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const COST: Cost = Cost { memory_kib: 19_456, passes: 2 };

    #[test]
    fn only_the_password_matches_and_only_its_own_hash() {
        let password = Password::from("correct horse battery".to_owned());
        let stored = password.hash(COST, [7; 16]);
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(password.matches(Some(&stored), COST));
        assert!(!Password::from("correct horse batterz".to_owned()).matches(Some(&stored), COST));
        assert!(!password.matches(None, COST));
        assert!(!password.matches(Some("not a hash"), COST));
    }

    #[test]
    fn length_is_bounded_on_both_sides() {
        let check = |text: String| Password::from(text).check().is_ok();
        assert!(!check("elevenchars".to_owned()));
        assert!(check("twelve chars".to_owned()));
        assert!(!check("x".repeat(129)));
    }
}
