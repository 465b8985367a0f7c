//! The ring of root secrets: making, reading, checking, wrapping, signing.

use std::sync::{Arc, PoisonError, RwLock};

use rand::Rng;
use subtle::ConstantTimeEq as _;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::derive::{expand, hmac, siv_open, siv_seal};
use super::file::{
    FILE_VERSION, KeyDomain, KeyState, OLDEST_VERSION, RetiredSignerFile, RingFile, RootFile,
    SecretText,
};
use super::oprf::PepperPublic;
use super::{DataKey, KeyError};
use crate::encoding::{base64, unbase64_exact};
use crate::identity::random_bytes;
use crate::ledger::{LogSigner, LogVerifier, is_log_name, shard_origin};
use crate::receipt::ReceiptSigner;
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
///
/// A ring that a service uses is shared, and takes in newer versions of itself
/// ([`KeyRing::take_in`]) while it is used: each operation sees one state of it.
pub struct KeyRing {
    pub(super) created: Timestamp,
    pub(super) origin: String,
    pub(super) state: RwLock<Arc<State>>,
}

/// What rotations change.
#[derive(Clone)]
pub(super) struct State {
    pub(super) roots: Vec<Arc<Root>>,
    pub(super) retired_signers: Vec<RetiredSignerFile>,
}

/// One root secret.
#[derive(Clone, ZeroizeOnDrop)]
pub(super) struct Root {
    #[zeroize(skip)]
    pub(super) domain: KeyDomain,
    #[zeroize(skip)]
    pub(super) version: u32,
    #[zeroize(skip)]
    pub(super) state: KeyState,
    /// When it was made; a ring's first roots are as old as the ring.
    #[zeroize(skip)]
    pub(super) created: Option<Timestamp>,
    /// Since when it makes nothing new.
    #[zeroize(skip)]
    pub(super) retired: Option<Timestamp>,
    /// For `pepper`: the key of the process that holds a part of it.
    #[zeroize(skip)]
    pub(super) process: Option<PepperPublic>,
    pub(super) secret: [u8; 32],
}

impl Root {
    /// A new root that is not used yet.
    pub(super) fn fresh(domain: KeyDomain, version: u32, rng: &mut dyn Rng, at: Timestamp) -> Self {
        let (state, secret) = (KeyState::Accept, random_bytes(rng));
        Self { domain, version, state, created: Some(at), retired: None, process: None, secret }
    }

    /// The sub-key for one use.
    pub(super) fn sub_key<const N: usize>(&self, label: &str) -> Zeroizing<[u8; N]> {
        expand(&self.secret, SALT, &[&self.version.to_be_bytes(), label.as_bytes()])
    }

    pub(super) fn check(&self) -> KeyCheck {
        let mac = hmac(&self.secret, &[b"kcv"]);
        let value = *mac.first_chunk().expect("an HMAC-SHA256 has 32 bytes");
        KeyCheck { domain: self.domain.as_str().to_owned(), version: self.version, value }
    }
}

/// A value that shows whether two rings hold the same root, without showing the root: the first
/// eight bytes of `HMAC-SHA256(root, "kcv")`. Kept in the database, compared at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyCheck {
    /// `prf`, `wrap`, `kek`, `sign` or `pepper`.
    pub domain: String,
    /// Version of the root.
    pub version: u32,
    /// The check value.
    pub value: [u8; 8],
}

impl KeyRing {
    /// A new ring with version 1 of every root.
    pub fn generate(rng: &mut dyn Rng, created: Timestamp) -> Self {
        let roots = KeyDomain::ALL
            .into_iter()
            .map(|domain| {
                let root = Root::fresh(domain, 1, rng, created);
                Arc::new(Root { state: KeyState::Active, ..root.clone() })
            })
            .collect();
        Self::with_state(created, DEFAULT_ORIGIN.to_owned(), roots, Vec::new())
    }

    fn with_state(
        created: Timestamp,
        origin: String,
        roots: Vec<Arc<Root>>,
        retired_signers: Vec<RetiredSignerFile>,
    ) -> Self {
        let state = RwLock::new(Arc::new(State { roots, retired_signers }));
        Self { created, origin, state }
    }

    /// What the ring holds at this moment.
    pub(super) fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The same ring for a log of another name, a schema-less URL such as `consent.example/log`, to
    /// which a year can be appended.
    pub fn with_origin(mut self, origin: &str) -> Result<Self, KeyError> {
        if !is_log_name(&shard_origin(origin, 0)) {
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
        if !(OLDEST_VERSION..=FILE_VERSION).contains(&file.version) {
            return Err(KeyError::VersionUnsupported(file.version));
        }
        if !is_log_name(&file.origin) {
            return Err(KeyError::Origin);
        }
        let mut roots = file.roots.iter().map(read_root).collect::<Result<Vec<_>, _>>()?;
        if file.version == OLDEST_VERSION {
            let shared = roots.iter().filter(|root| root.domain == KeyDomain::Prf);
            let own = shared.map(|root| Root { domain: KeyDomain::Pepper, ..root.clone() });
            let own: Vec<Root> = own.collect();
            roots.extend(own);
        }
        for signer in &file.retired_signers {
            LogVerifier::from_vkey(&signer.vkey)
                .map_err(|_error| KeyError::Unreadable("a retired signer".to_owned()))?;
        }
        let roots = roots.into_iter().map(Arc::new).collect();
        let ring = Self::with_state(file.created, file.origin, roots, file.retired_signers);
        ring.check_shape()?;
        Ok(ring)
    }

    /// The document that [`KeyRing::from_json`] reads, overwritten in memory when dropped.
    pub fn to_json(&self) -> Zeroizing<Vec<u8>> {
        let state = self.state();
        let roots = state
            .roots
            .iter()
            .map(|root| RootFile {
                domain: root.domain,
                version: root.version,
                state: root.state,
                created: root.created,
                retired: root.retired,
                process: root.process,
                secret: SecretText(base64(&root.secret)),
            })
            .collect();
        let file = RingFile {
            version: FILE_VERSION,
            created: self.created,
            origin: self.origin.clone(),
            roots,
            retired_signers: state.retired_signers.clone(),
        };
        let mut json = Zeroizing::new(Vec::with_capacity(4096));
        serde_json::to_writer_pretty(&mut *json, &file)
            .expect("a ring is strings and numbers, and memory takes every write");
        json.push(b'\n');
        json
    }

    /// Whether every domain has exactly one active root and its versions are distinct.
    pub fn check_shape(&self) -> Result<(), KeyError> {
        let state = self.state();
        for domain in KeyDomain::ALL {
            let of_domain = || state.roots.iter().filter(move |root| root.domain == domain);
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
        self.state().roots.iter().map(|root| root.check()).collect()
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
        let root = self.active(KeyDomain::Kek);
        let version = root.version.to_be_bytes();
        let sealed = siv_seal(&root.sub_key("kek/data-key"), &[owner, &version], key.as_bytes());
        [&version[..], &sealed].concat()
    }

    /// Unwraps the key of `owner`, made by [`KeyRing::wrap`] under any version still in the ring.
    pub fn unwrap(&self, owner: &[u8; 16], wrapped: &[u8]) -> Result<DataKey, KeyError> {
        let (version, sealed) = wrapped.split_first_chunk::<4>().ok_or(KeyError::Unopenable)?;
        let root = self.version(KeyDomain::Kek, u32::from_be_bytes(*version))?;
        let plain = siv_open(&root.sub_key("kek/data-key"), &[owner, version], sealed)
            .ok_or(KeyError::Unopenable)?;
        let bytes = plain.as_slice().try_into().map_err(|_error| KeyError::Unopenable)?;
        Ok(DataKey::from_bytes(bytes))
    }

    /// The signer of this installation's ledger.
    pub fn log_signer(&self) -> LogSigner {
        self.signer_of(&self.active(KeyDomain::Sign))
    }

    /// The signer of this installation's receipts, vouched for by the signer of its ledger.
    pub fn receipt_signer(&self) -> ReceiptSigner {
        let root = self.active(KeyDomain::Sign);
        ReceiptSigner::new(&root.sub_key("sign/receipt"), &self.signer_of(&root), root.version)
    }

    /// Which root signs now.
    pub(crate) fn signing_version(&self) -> u32 {
        self.active(KeyDomain::Sign).version
    }

    /// Checks signatures of this installation's ledger: those of its signer, of one that is not in
    /// use yet, and of retired ones as far as the ledger went in their time.
    pub fn log_verifier(&self) -> LogVerifier {
        let state = self.state();
        let own = active(&state, KeyDomain::Sign);
        let mut verifier = self.signer_of(&own).verifier();
        for root in state.roots.iter().filter(|root| root.domain == KeyDomain::Sign) {
            verifier = verifier.or(&self.signer_of(root).verifier(), u64::MAX);
        }
        for retired in &state.retired_signers {
            let known = LogVerifier::from_vkey(&retired.vkey).expect("checked when it was read");
            verifier = verifier.or(&known, retired.until_size);
        }
        verifier
    }

    pub(super) fn signer_of(&self, root: &Root) -> LogSigner {
        LogSigner::new(self.origin.clone(), &root.sub_key("sign/log"))
    }

    pub(super) fn active(&self, domain: KeyDomain) -> Arc<Root> {
        active(&self.state(), domain)
    }

    /// Every root that an outer layer may have been made with.
    pub(super) fn outer_versions(&self) -> Vec<Arc<Root>> {
        let state = self.state();
        let of = state.roots.iter().filter(|root| root.domain == KeyDomain::Wrap);
        of.cloned().collect()
    }

    pub(super) fn version(&self, domain: KeyDomain, version: u32) -> Result<Arc<Root>, KeyError> {
        let matching = |root: &&Arc<Root>| root.domain == domain && root.version == version;
        let state = self.state();
        state
            .roots
            .iter()
            .find(matching)
            .cloned()
            .ok_or_else(|| KeyError::VersionMissing { domain: domain.as_str().to_owned(), version })
    }
}

fn active(state: &State, domain: KeyDomain) -> Arc<Root> {
    let matching = |root: &&Arc<Root>| root.domain == domain && root.state == KeyState::Active;
    let found = state.roots.iter().find(matching);
    Arc::clone(found.expect("a ring is made or read with one active root per domain"))
}

fn read_root(file: &RootFile) -> Result<Root, KeyError> {
    if file.process.is_some() && file.domain != KeyDomain::Pepper {
        let domain = file.domain.as_str();
        return Err(KeyError::Unreadable(format!("{domain} names a pepper process")));
    }
    let secret = unbase64_exact(&file.secret.0).ok_or_else(|| {
        KeyError::Unreadable(format!("secret of {} is not 32 bytes", file.domain.as_str()))
    })?;
    Ok(Root {
        domain: file.domain,
        version: file.version,
        state: file.state,
        created: file.created,
        retired: file.retired,
        process: file.process,
        secret,
    })
}
