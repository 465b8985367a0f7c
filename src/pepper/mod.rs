//! The other half of the pepper: `volens pepper` holds a key of an oblivious pseudorandom function
//! (RFC 9497) and evaluates what services send it.
//!
//! It has nothing to do with the service it answers: its own directory, its own user, no database.
//! It sees blinded elements, which say nothing about phone numbers, and answers so many of them a
//! second and no more, so that whoever takes over a service can guess only as fast as that.

mod client;
mod directory;
pub mod http;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

pub use client::{Client, Silence};
pub use directory::{Directory, HeldKey, PepperError};
use rand::rngs::StdRng;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use volens_privacy::keys::{Evaluation, PepperPublic, PepperSecret};

use crate::clock::Clock;
use crate::limits::Buckets;

/// Elements in one question: a call has one number in at most two encodings.
const ELEMENTS_MAX: usize = 4;
/// Clients whose use is remembered; there are as many as there are services.
const REMEMBERED: u32 = 1024;

/// How many elements one client may have evaluated.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// So many a second …
    pub per_second: u32,
    /// … and so many at once.
    pub burst: u32,
}

/// Why a question is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Declined {
    /// No token of a client.
    #[error("a token of a client is needed")]
    Token,
    /// No such key is held here.
    #[error("this key is not held here")]
    Key,
    /// Nothing to evaluate, too much, or something that is no element of the group.
    #[error("expected 1 to 4 elements of ristretto255")]
    Elements,
    /// The client has used what it may use.
    #[error("the client has asked for as much as it may; come back in {0} s")]
    Limited(u32),
}

impl Declined {
    /// The stable code shown outside.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Token => "pepper.unauthorized",
            Self::Key => "pepper.key_unknown",
            Self::Elements => "pepper.element",
            Self::Limited(_) => "pepper.limited",
        }
    }
}

/// The keys and clients of a directory, ready for questions.
struct Loaded {
    /// Oldest first.
    keys: Vec<(HeldKey, PepperSecret)>,
    /// Name, and the hash of its token.
    clients: Vec<(String, [u8; 32])>,
}

/// A pepper process at work.
pub struct Holder {
    directory: Directory,
    loaded: RwLock<Arc<Loaded>>,
    buckets: Buckets,
    clock: Arc<dyn Clock>,
    rng: Mutex<StdRng>,
    /// Held as long as the process lives.
    _serving: File,
}

impl Holder {
    /// Reads the directory; one process at a time serves from it.
    ///
    /// # Errors
    /// [`PepperError::NoKey`] when no key was made in it yet: a directory that was not mounted must
    /// not look like a new one.
    pub fn open(
        path: &Path,
        rate: Rate,
        clock: Arc<dyn Clock>,
        rng: StdRng,
    ) -> Result<Self, PepperError> {
        let directory = Directory::at(path);
        let serving = directory.serve()?;
        let loaded = RwLock::new(Arc::new(load(&directory)?));
        // Otherwise whoever can restart it, or make it fall, would get a burst each time.
        let buckets = Buckets::new(rate.per_second, 1, rate.burst, REMEMBERED);
        let buckets = buckets.spent_at(clock.now());
        let rng = Mutex::new(rng);
        Ok(Self { directory, loaded, buckets, clock, rng, _serving: serving })
    }

    /// Reads the directory again. What was loaded stays when it cannot be read.
    pub fn reload(&self) -> Result<(), PepperError> {
        let new = Arc::new(load(&self.directory)?);
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    fn loaded(&self) -> Arc<Loaded> {
        Arc::clone(&self.loaded.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The public keys, oldest first.
    pub fn keys(&self, token: &str) -> Result<Vec<PepperPublic>, Declined> {
        let loaded = self.loaded();
        loaded.client(token)?;
        Ok(loaded.keys.iter().map(|(key, _)| key.public).collect())
    }

    /// Evaluates what a client sends, and writes one line about it: who, how many, with which key.
    pub fn evaluate(
        &self,
        token: &str,
        key: PepperPublic,
        elements: &[[u8; 32]],
    ) -> Result<Evaluation, Declined> {
        let loaded = self.loaded();
        let client = loaded.client(token).inspect_err(|declined| {
            tracing::warn!(code = declined.code(), "a stranger asked");
        })?;
        let count = elements.len();
        let answer = self.answer(&loaded, client, key, elements);
        match &answer {
            Ok((number, _)) => tracing::info!(client, elements = count, key = number, "evaluated"),
            Err(declined) => {
                tracing::warn!(client, elements = count, code = declined.code(), "declined");
            }
        }
        answer.map(|(_, evaluation)| evaluation)
    }

    fn answer(
        &self,
        loaded: &Loaded,
        client: &str,
        key: PepperPublic,
        elements: &[[u8; 32]],
    ) -> Result<(u32, Evaluation), Declined> {
        if elements.is_empty() || elements.len() > ELEMENTS_MAX {
            return Err(Declined::Elements);
        }
        let held = loaded.keys.iter().find(|(held, _)| held.public == key);
        let (held, secret) = held.ok_or(Declined::Key)?;
        let bucket = *Sha256::digest(client).first_chunk().expect("a SHA-256 has 32 bytes");
        for _ in elements {
            self.buckets.take(bucket, self.clock.now()).map_err(Declined::Limited)?;
        }
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = secret.evaluate(elements, &mut *rng).map_err(|_error| Declined::Elements)?;
        Ok((held.number, answer))
    }
}

impl Loaded {
    /// The name of the client whose token this is. Looks at all of them, whichever it is.
    fn client(&self, token: &str) -> Result<&str, Declined> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        let found = self.clients.iter().fold(None, |found, (name, known)| {
            if bool::from(known.ct_eq(&hash)) { Some(name.as_str()) } else { found }
        });
        found.ok_or(Declined::Token)
    }
}

fn load(directory: &Directory) -> Result<Loaded, PepperError> {
    let (keys, clients) = directory.secrets()?;
    if keys.is_empty() {
        return Err(PepperError::NoKey);
    }
    Ok(Loaded { keys, clients })
}
