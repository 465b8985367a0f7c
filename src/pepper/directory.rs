//! What a pepper process keeps: one file with its keys and with hashes of its clients' tokens.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rand::Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use volens_privacy::Timestamp;
use volens_privacy::keys::{PepperPublic, PepperSecret};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::ids::{hex, unhex};

const FILE: &str = "pepper.json";
const VERSION: u32 = 1;
/// Before every token, so that one is recognised where it does not belong.
const TOKEN: &str = "vpt_";

/// Why a pepper process does not start, or its directory cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum PepperError {
    /// A file or directory cannot be used.
    #[error("{path} cannot be used")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The file is not what this version writes.
    #[error("{0} is damaged, or of another version")]
    Damaged(PathBuf),
    /// Somebody else can read the keys.
    #[error("{0} can be read by others; chmod 600")]
    Readable(PathBuf),
    /// Another process serves from it, or changes it.
    #[error("{0} is in use by another process")]
    InUse(PathBuf),
    /// There is no key in it.
    #[error("there is no key here: is the directory right? `volens pepper add-key` makes one")]
    NoKey,
    /// No such key.
    #[error("no such key is held here")]
    KeyUnknown,
    /// A directory without a key serves nobody.
    #[error("the only key is not forgotten")]
    OnlyKey,
    /// The name is taken.
    #[error("there is a client of this name; remove it first")]
    ClientExists,
    /// No such client.
    #[error("there is no client of this name")]
    ClientUnknown,
}

/// A key without its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct HeldKey {
    /// Counted from one; a number is never used twice.
    pub number: u32,
    /// When it was made.
    pub made: Timestamp,
    /// The name it goes by, and what its proofs are checked with.
    pub public: PepperPublic,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    version: u32,
    /// Number of the next key.
    next: u32,
    keys: Vec<KeptKey>,
    clients: Vec<KeptClient>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptKey {
    number: u32,
    made: Timestamp,
    seed: Seed,
}

/// The hexadecimal of 32 random bytes; overwritten when dropped.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
struct Seed(String);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptClient {
    name: String,
    /// SHA-256 of the token, which is random and needs no slower hash.
    token_sha256: String,
}

/// Keys with their secrets, and clients with the hashes of their tokens.
pub(super) type Secrets = (Vec<(HeldKey, PepperSecret)>, Vec<(String, [u8; 32])>);

/// The directory of a pepper process.
#[derive(Debug, Clone)]
pub struct Directory(PathBuf);

impl Directory {
    /// The directory at `path`, whether it is there or not.
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Adds a key; the first one makes the directory.
    pub fn add_key(&self, rng: &mut dyn Rng, now: Timestamp) -> Result<HeldKey, PepperError> {
        let failed = |error| PepperError::File { path: self.0.clone(), error };
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0).map_err(failed)?;
        let _changing = self.lock("changing")?;
        let mut kept = match self.kept() {
            Err(PepperError::NoKey) => {
                Kept { version: VERSION, next: 1, keys: Vec::new(), clients: Vec::new() }
            }
            other => other?,
        };
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        let key = KeptKey { number: kept.next, made: now, seed: Seed(hex(&*seed)) };
        let added = self.open_key(&key)?.0;
        kept.next += 1;
        kept.keys.push(key);
        self.replace(&kept)?;
        Ok(added)
    }

    /// Forgets a key for good: what was made with it can be tested by nobody any more.
    pub fn forget_key(&self, public: PepperPublic) -> Result<HeldKey, PepperError> {
        let _changing = self.lock("changing")?;
        let mut kept = self.kept()?;
        let all = self.open_keys(&kept)?;
        let place = all.iter().position(|(key, _)| key.public == public);
        let place = place.ok_or(PepperError::KeyUnknown)?;
        if all.len() == 1 {
            return Err(PepperError::OnlyKey);
        }
        kept.keys.remove(place);
        self.replace(&kept)?;
        Ok(all[place].0)
    }

    /// Adds a client and gives its token, which is kept nowhere.
    pub fn add_client(
        &self,
        name: &str,
        rng: &mut dyn Rng,
    ) -> Result<Zeroizing<String>, PepperError> {
        let _changing = self.lock("changing")?;
        let mut kept = self.kept()?;
        if kept.clients.iter().any(|client| client.name == name) {
            return Err(PepperError::ClientExists);
        }
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *bytes);
        let token = Zeroizing::new(format!("{TOKEN}{}", hex(&*bytes)));
        let token_sha256 = hex(&Sha256::digest(token.as_bytes()));
        kept.clients.push(KeptClient { name: name.to_owned(), token_sha256 });
        self.replace(&kept)?;
        Ok(token)
    }

    /// Removes a client; its token is good for nothing from the next reload on.
    pub fn remove_client(&self, name: &str) -> Result<(), PepperError> {
        let _changing = self.lock("changing")?;
        let mut kept = self.kept()?;
        let before = kept.clients.len();
        kept.clients.retain(|client| client.name != name);
        if kept.clients.len() == before {
            return Err(PepperError::ClientUnknown);
        }
        self.replace(&kept)
    }

    /// Keys, oldest first, and the names of clients.
    pub fn status(&self) -> Result<(Vec<HeldKey>, Vec<String>), PepperError> {
        let (keys, clients) = self.secrets()?;
        let keys = keys.into_iter().map(|(key, _)| key).collect();
        Ok((keys, clients.into_iter().map(|(name, _)| name).collect()))
    }

    pub(super) fn secrets(&self) -> Result<Secrets, PepperError> {
        let kept = self.kept()?;
        let clients = kept.clients.iter().map(|client| {
            let hash = unhex(&client.token_sha256).ok_or_else(|| self.damaged())?;
            Ok((client.name.clone(), hash))
        });
        let clients = clients.collect::<Result<_, PepperError>>()?;
        Ok((self.open_keys(&kept)?, clients))
    }

    /// Keeps other processes from serving from it.
    pub(super) fn serve(&self) -> Result<File, PepperError> {
        if !self.0.is_dir() {
            return Err(PepperError::NoKey);
        }
        self.lock("serving")
    }

    fn open_keys(&self, kept: &Kept) -> Result<Vec<(HeldKey, PepperSecret)>, PepperError> {
        kept.keys.iter().map(|key| self.open_key(key)).collect()
    }

    fn open_key(&self, key: &KeptKey) -> Result<(HeldKey, PepperSecret), PepperError> {
        let seed = unhex(&key.seed.0).map(Zeroizing::new).ok_or_else(|| self.damaged())?;
        let secret = PepperSecret::from_seed(&seed);
        Ok((HeldKey { number: key.number, made: key.made, public: secret.public() }, secret))
    }

    fn path(&self) -> PathBuf {
        self.0.join(FILE)
    }

    fn damaged(&self) -> PepperError {
        PepperError::Damaged(self.path())
    }

    fn kept(&self) -> Result<Kept, PepperError> {
        let path = self.path();
        let bytes = match fs::read(&path) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(PepperError::NoKey);
            }
            Err(error) => return Err(PepperError::File { path, error }),
        };
        let mode = fs::metadata(&path).map(|metadata| metadata.permissions().mode());
        let mode = mode.map_err(|error| PepperError::File { path: path.clone(), error })?;
        if mode & 0o077 != 0 {
            return Err(PepperError::Readable(path));
        }
        // serde_json's message may quote a value of the file, and a value here may be a secret.
        let kept: Kept = serde_json::from_slice(&bytes).map_err(|_error| self.damaged())?;
        if kept.version == VERSION { Ok(kept) } else { Err(self.damaged()) }
    }

    /// Puts a new file in the place of the old one, whole and on disk.
    fn replace(&self, kept: &Kept) -> Result<(), PepperError> {
        let json = Zeroizing::new(serde_json::to_vec_pretty(kept).expect("it is plain data"));
        let next = self.0.join("pepper.json.new");
        let written = (|| {
            let mut options = OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(0o600).open(&next)?;
            file.write_all(&json)?;
            file.sync_all()?;
            fs::rename(&next, self.path())?;
            File::open(&self.0)?.sync_all()
        })();
        written.map_err(|error| PepperError::File { path: self.path(), error })
    }

    fn lock(&self, name: &str) -> Result<File, PepperError> {
        let path = self.0.join(name);
        let open =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = open.map_err(|error| PepperError::File { path: path.clone(), error })?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(PepperError::InUse(self.0.clone())),
            Err(TryLockError::Error(error)) => Err(PepperError::File { path, error }),
        }
    }
}
