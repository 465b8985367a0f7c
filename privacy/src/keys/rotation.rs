//! Rotation: how a ring gets a new version of a root, uses it, and forgets the old one.
//!
//! A version is first *added* (every node learns to read it), then *activated* (it makes everything
//! new), and when nothing needs its predecessor any more, that is *destroyed*. Whoever persists the
//! ring writes it to disk between the steps; each step can be the last before a crash.

use std::sync::{Arc, PoisonError, RwLock};

use rand::Rng;
use serde::Serialize;
use subtle::ConstantTimeEq as _;

use super::file::RetiredSignerFile;
use super::oprf::PepperPublic;
use super::ring::{Root, State};
use super::{DataKey, KeyCheck, KeyDomain, KeyError, KeyRing, KeyState};
use crate::time::Timestamp;

/// What may be told about a root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyStatus {
    /// What it is for.
    pub domain: KeyDomain,
    /// Its number, counted from one.
    pub version: u32,
    /// Whether it makes new values.
    pub state: KeyState,
    /// When it was made.
    pub created: Timestamp,
    /// Since when it makes nothing new; nothing while it does, or has not begun to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retired: Option<Timestamp>,
    /// For `pepper`: the key of the process that holds a part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<PepperPublic>,
}

impl KeyRing {
    /// A copy to be changed and written before this ring takes it in.
    #[must_use]
    pub fn copy(&self) -> Self {
        let state = RwLock::new(self.state());
        Self { created: self.created, origin: self.origin.clone(), state }
    }

    /// Goes on with what `newer` holds, for everybody who shares this ring.
    ///
    /// # Errors
    /// [`KeyError::NotNewer`] when it is of another installation, holds another secret under a
    /// version that this one knows, or has gone back to an older version.
    pub fn take_in(&self, newer: &Self) -> Result<(), KeyError> {
        let (own, new) = (self.state(), newer.state());
        let same_house = self.created == newer.created && self.origin == newer.origin;
        let agree = own.roots.iter().all(|root| match find(&new, root.domain, root.version) {
            Some(other) => {
                let used = root.state == KeyState::Active || root.retired.is_some();
                bool::from(root.secret.ct_eq(&other.secret))
                    && (!used || root.process == other.process)
            }
            None => true,
        });
        let forward = KeyDomain::ALL
            .into_iter()
            .all(|domain| newer.active_version(domain) >= self.active_version(domain));
        if !(same_house && agree && forward) {
            return Err(KeyError::NotNewer);
        }
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// Adds the next version of a root, which reads and makes nothing yet; gives its number. One that
    /// was added before and never used is given again.
    ///
    /// # Errors
    /// [`KeyError::State`] for `prf`, which has one version.
    pub fn add(
        &mut self,
        domain: KeyDomain,
        rng: &mut dyn Rng,
        now: Timestamp,
    ) -> Result<u32, KeyError> {
        if domain == KeyDomain::Prf {
            return Err(refused(domain, 1));
        }
        if let Some(waiting) = self.waiting_version(domain) {
            return Ok(waiting);
        }
        let version = self.newest_version(domain) + 1;
        self.change(|state| {
            state.roots.push(Arc::new(Root::fresh(domain, version, rng, now)));
            Ok(())
        })?;
        Ok(version)
    }

    /// Makes a version that was added the one that makes new values; its predecessor is retired.
    ///
    /// # Errors
    /// [`KeyError::State`] unless it is newer than the active one.
    pub fn activate(
        &mut self,
        domain: KeyDomain,
        version: u32,
        now: Timestamp,
    ) -> Result<(), KeyError> {
        let before = self.active_version(domain);
        if version == before {
            return Ok(());
        }
        self.version(domain, version)?;
        if version < before {
            return Err(refused(domain, version));
        }
        self.change(|state| {
            for root in state.roots.iter_mut().filter(|root| root.domain == domain) {
                if root.version == before {
                    let mut old = Root::clone(root);
                    (old.state, old.retired) = (KeyState::Accept, Some(now));
                    *root = Arc::new(old);
                } else if root.version == version {
                    let mut new = Root::clone(root);
                    new.state = KeyState::Active;
                    *root = Arc::new(new);
                }
            }
            Ok(())
        })
    }

    /// Forgets a retired version. What was made with it and not made anew can be read by nobody.
    ///
    /// Of a key that signed the ledger the public half stays, for trees of up to `ledger_size`
    /// entries.
    ///
    /// # Errors
    /// [`KeyError::State`] for a version that is in use or about to be.
    pub fn destroy(
        &mut self,
        domain: KeyDomain,
        version: u32,
        ledger_size: u64,
    ) -> Result<(), KeyError> {
        let root = self.version(domain, version)?;
        if root.retired.is_none() || root.state == KeyState::Active {
            return Err(refused(domain, version));
        }
        let vkey = self.signer_of(&root).verifier().vkey();
        self.change(|state| {
            state.roots.retain(|root| root.domain != domain || root.version != version);
            if domain == KeyDomain::Sign {
                let until_size = ledger_size;
                state.retired_signers.push(RetiredSignerFile { version, vkey, until_size });
            }
            Ok(())
        })
    }

    /// Every root, without its secret.
    pub fn status(&self) -> Vec<KeyStatus> {
        let status = |root: &Arc<Root>| KeyStatus {
            domain: root.domain,
            version: root.version,
            state: root.state,
            created: root.created.unwrap_or(self.created),
            retired: root.retired,
            process: root.process,
        };
        let mut all: Vec<KeyStatus> = self.state().roots.iter().map(status).collect();
        all.sort_by_key(|root| (root.domain, root.version));
        all
    }

    /// The check values of the roots that new values are or will be made with: what a database that
    /// is opened with this ring is bound to.
    pub fn binding_checks(&self) -> Vec<KeyCheck> {
        let state = self.state();
        state.roots.iter().filter(|root| root.retired.is_none()).map(|root| root.check()).collect()
    }

    /// The version that makes new values.
    pub fn active_version(&self, domain: KeyDomain) -> u32 {
        self.active(domain).version
    }

    /// The newest version, whether it is in use already or not.
    pub fn newest_version(&self, domain: KeyDomain) -> u32 {
        let state = self.state();
        let of_domain = state.roots.iter().filter(|root| root.domain == domain);
        of_domain.map(|root| root.version).max().unwrap_or(0)
    }

    /// A version that was added and never used.
    pub fn waiting_version(&self, domain: KeyDomain) -> Option<u32> {
        let newest = self.newest_version(domain);
        (newest > self.active_version(domain)).then_some(newest)
    }

    /// Versions that were used before the active one, and since when they are not.
    pub fn retired_versions(&self, domain: KeyDomain) -> Vec<(u32, Timestamp)> {
        let of_domain = self.status().into_iter().filter(|root| root.domain == domain);
        of_domain.filter_map(|root| Some((root.version, root.retired?))).collect()
    }

    /// The public keys that signed this ledger before, oldest first: version, key, and how many
    /// entries it vouches for.
    pub fn retired_signers(&self) -> Vec<(u32, String, u64)> {
        let state = self.state();
        let told = |old: &RetiredSignerFile| (old.version, old.vkey.clone(), old.until_size);
        state.retired_signers.iter().map(told).collect()
    }

    /// The same key wrapped under the active version; nothing when it is already.
    ///
    /// # Errors
    /// As [`KeyRing::unwrap`].
    pub fn rewrap(&self, owner: &[u8; 16], wrapped: &[u8]) -> Result<Option<Vec<u8>>, KeyError> {
        if wrapped_under(wrapped) == Some(self.active_version(KeyDomain::Kek)) {
            return Ok(None);
        }
        let key: DataKey = self.unwrap(owner, wrapped)?;
        Ok(Some(self.wrap(owner, &key)))
    }

    pub(super) fn change(
        &mut self,
        with: impl FnOnce(&mut State) -> Result<(), KeyError>,
    ) -> Result<(), KeyError> {
        let mut state = State::clone(&self.state());
        with(&mut state)?;
        self.state = RwLock::new(Arc::new(state));
        self.check_shape()
    }
}

/// The version of the `kek` root that wrapped bytes name.
fn wrapped_under(wrapped: &[u8]) -> Option<u32> {
    wrapped.first_chunk::<4>().map(|version| u32::from_be_bytes(*version))
}

fn find(state: &State, domain: KeyDomain, version: u32) -> Option<&Arc<Root>> {
    state.roots.iter().find(|root| root.domain == domain && root.version == version)
}

fn refused(domain: KeyDomain, version: u32) -> KeyError {
    KeyError::State { domain: domain.as_str().to_owned(), version }
}
