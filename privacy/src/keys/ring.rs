//! The ring of root secrets: making, reading, checking, wrapping, signing.

use rand::Rng;
use subtle::ConstantTimeEq as _;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::derive::{expand, hmac, siv_open, siv_seal};
use super::file::{Domain, FILE_VERSION, KeyState, RingFile, RootFile, SecretText};
use super::{DataKey, KeyError};
use crate::encoding::{base64, unbase64_exact};
use crate::identity::random_bytes;
use crate::ledger::{LogSigner, LogVerifier, is_log_name};
use crate::time::Timestamp;

const SALT: &[u8] = b"volens/v1/root";
const DEFAULT_ORIGIN: &str = "volens.local/log";

/// The root secrets of one installation. It has no `Debug`, no `Clone` and no serde; its only text
/// form is [`KeyRing::to_json`], which belongs in a file that only the service can read.
///
/// ```compile_fail,E0277
/// # use rand::SeedableRng;
/// # use volens_privacy::{KeyRing, Timestamp};
/// let mut rng = rand::rngs::StdRng::seed_from_u64(1);
/// let ring = KeyRing::generate(&mut rng, Timestamp::from_micros(0));
/// println!("{ring:?}"); // `KeyRing` has no `Debug`
/// ```
pub struct KeyRing {
    created: Timestamp,
    origin: String,
    roots: Vec<Root>,
}

/// One root secret.
#[derive(ZeroizeOnDrop)]
pub(super) struct Root {
    #[zeroize(skip)]
    domain: Domain,
    #[zeroize(skip)]
    pub(super) version: u32,
    #[zeroize(skip)]
    state: KeyState,
    secret: [u8; 32],
}

impl Root {
    /// The sub-key for one use.
    pub(super) fn sub_key<const N: usize>(&self, label: &str) -> Zeroizing<[u8; N]> {
        expand(&self.secret, SALT, &[&self.version.to_be_bytes(), label.as_bytes()])
    }
}

/// A value that shows whether two rings hold the same root, without showing the root: the first
/// eight bytes of `HMAC-SHA256(root, "kcv")`. Kept in the database, compared at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyCheck {
    /// `prf`, `wrap`, `kek` or `sign`.
    pub domain: String,
    /// Version of the root.
    pub version: u32,
    /// The check value.
    pub value: [u8; 8],
}

impl KeyRing {
    /// A new ring with version 1 of every root.
    pub fn generate(rng: &mut dyn Rng, created: Timestamp) -> Self {
        let roots = Domain::ALL
            .into_iter()
            .map(|domain| Root {
                domain,
                version: 1,
                state: KeyState::Active,
                secret: random_bytes(rng),
            })
            .collect();
        Self { created, origin: DEFAULT_ORIGIN.to_owned(), roots }
    }

    /// The same ring for a log of another name, a schema-less URL such as `consent.example/log`.
    pub fn with_origin(mut self, origin: &str) -> Result<Self, KeyError> {
        if !is_log_name(origin) {
            return Err(KeyError::Origin);
        }
        origin.clone_into(&mut self.origin);
        Ok(self)
    }

    /// Reads a ring. Unknown fields, versions, domains and states, missing or repeated roots and
    /// secrets that are not 32 bytes are all refused.
    pub fn from_json(json: &[u8]) -> Result<Self, KeyError> {
        // serde_json's message may quote a value of the file, and a value here may be a secret.
        let file: RingFile = serde_json::from_slice(json).map_err(|error| {
            KeyError::Unreadable(format!("line {}, column {}", error.line(), error.column()))
        })?;
        if file.version != FILE_VERSION {
            return Err(KeyError::VersionUnsupported(file.version));
        }
        if !is_log_name(&file.origin) {
            return Err(KeyError::Origin);
        }
        let roots = file.roots.iter().map(read_root).collect::<Result<Vec<_>, _>>()?;
        let ring = Self { created: file.created, origin: file.origin, roots };
        ring.check_shape()?;
        Ok(ring)
    }

    /// The document that [`KeyRing::from_json`] reads, overwritten in memory when dropped.
    pub fn to_json(&self) -> Zeroizing<Vec<u8>> {
        let roots = self
            .roots
            .iter()
            .map(|root| RootFile {
                domain: root.domain,
                version: root.version,
                state: root.state,
                secret: SecretText(base64(&root.secret)),
            })
            .collect();
        let file = RingFile {
            version: FILE_VERSION,
            created: self.created,
            origin: self.origin.clone(),
            roots,
        };
        let mut json = Zeroizing::new(Vec::with_capacity(4096));
        serde_json::to_writer_pretty(&mut *json, &file)
            .expect("a ring is strings and numbers, and memory takes every write");
        json.push(b'\n');
        json
    }

    /// Whether every domain has exactly one active root and its versions are distinct.
    pub fn check_shape(&self) -> Result<(), KeyError> {
        for domain in Domain::ALL {
            let of_domain = || self.roots.iter().filter(move |root| root.domain == domain);
            let mut versions: Vec<u32> = of_domain().map(|root| root.version).collect();
            versions.sort_unstable();
            let distinct = versions.windows(2).all(|pair| pair[0] < pair[1]);
            if !distinct || versions.first() == Some(&0) {
                return Err(KeyError::Misnumbered(domain.as_str().to_owned()));
            }
            let active = of_domain().filter(|root| root.state == KeyState::Active).count();
            if active != 1 {
                return Err(KeyError::NotOneActive(domain.as_str().to_owned()));
            }
        }
        Ok(())
    }

    /// When the ring was made.
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// The check values of all roots.
    pub fn checks(&self) -> Vec<KeyCheck> {
        self.roots
            .iter()
            .map(|root| {
                let mac = hmac(&root.secret, &[b"kcv"]);
                let value = *mac.first_chunk().expect("an HMAC-SHA256 has 32 bytes");
                KeyCheck { domain: root.domain.as_str().to_owned(), version: root.version, value }
            })
            .collect()
    }

    /// Whether every root that the database was written with is in this ring, unchanged. The
    /// service refuses to start otherwise.
    pub fn verify_checks(&self, stored: &[KeyCheck]) -> Result<(), KeyError> {
        let own = self.checks();
        for check in stored {
            let KeyCheck { domain, version, value } = check;
            let found = own.iter().find(|own| own.domain == *domain && own.version == *version);
            let (domain, version) = (domain.clone(), *version);
            match found {
                None => return Err(KeyError::VersionMissing { domain, version }),
                Some(own) if !bool::from(own.value.ct_eq(value)) => {
                    return Err(KeyError::CheckMismatch { domain, version });
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Wraps the key of an account or conversation with AES-256-SIV, bound to its owner.
    ///
    /// Deterministic: the same key and owner give the same bytes. Layout: version of the root as
    /// 32 bits ‖ SIV (16) ‖ ciphertext (32).
    pub fn wrap(&self, owner: &[u8; 16], key: &DataKey) -> Vec<u8> {
        let root = self.active(Domain::Kek);
        let version = root.version.to_be_bytes();
        let sealed = siv_seal(&root.sub_key("kek/data-key"), &[owner, &version], key.as_bytes());
        [&version[..], &sealed].concat()
    }

    /// Unwraps the key of `owner`, made by [`KeyRing::wrap`] under any version still in the ring.
    pub fn unwrap(&self, owner: &[u8; 16], wrapped: &[u8]) -> Result<DataKey, KeyError> {
        let (version, sealed) = wrapped.split_first_chunk::<4>().ok_or(KeyError::Unopenable)?;
        let root = self.version(Domain::Kek, u32::from_be_bytes(*version))?;
        let plain = siv_open(&root.sub_key("kek/data-key"), &[owner, version], sealed)
            .ok_or(KeyError::Unopenable)?;
        let bytes = plain.as_slice().try_into().map_err(|_error| KeyError::Unopenable)?;
        Ok(DataKey::from_bytes(bytes))
    }

    /// The signer of this installation's ledger.
    pub fn log_signer(&self) -> LogSigner {
        LogSigner::new(self.origin.clone(), &self.active(Domain::Sign).sub_key("sign/log"))
    }

    /// Checks signatures of this installation's ledger.
    pub fn log_verifier(&self) -> LogVerifier {
        self.log_signer().verifier()
    }

    pub(super) fn prf(&self) -> &Root {
        self.active(Domain::Prf)
    }

    pub(super) fn outer(&self) -> &Root {
        self.active(Domain::Wrap)
    }

    fn active(&self, domain: Domain) -> &Root {
        self.roots
            .iter()
            .find(|root| root.domain == domain && root.state == KeyState::Active)
            .expect("a ring is made or read with one active root per domain")
    }

    fn version(&self, domain: Domain, version: u32) -> Result<&Root, KeyError> {
        let matching = |root: &&Root| root.domain == domain && root.version == version;
        self.roots
            .iter()
            .find(matching)
            .ok_or_else(|| KeyError::VersionMissing { domain: domain.as_str().to_owned(), version })
    }
}

fn read_root(file: &RootFile) -> Result<Root, KeyError> {
    let secret = unbase64_exact(&file.secret.0).ok_or_else(|| {
        KeyError::Unreadable(format!("secret of {} is not 32 bytes", file.domain.as_str()))
    })?;
    Ok(Root { domain: file.domain, version: file.version, state: file.state, secret })
}
