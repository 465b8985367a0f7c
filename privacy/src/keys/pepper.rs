//! A pepper of which a part is held by a process of its own (`volens pepper`).
//!
//! The ring's root and the process's key are both needed to test a guessed number: what is stretched
//! is not the number but the process's function of it, under keys of the ring. A version of the root
//! names the process's key when it is made, and is never used with another.

use std::sync::Arc;

use rand::Rng;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::oprf::{Blinding, Evaluation, OprfError, PepperPublic};
use super::ring::Root;
use super::tags::{StretchCost, Stretched, stretch};
use super::{KeyDomain, KeyError, KeyRing};
use crate::encoding::length_prefixed;
use crate::phone::CanonicalPhone;
use crate::redact::hide_debug;

/// Names the use of the process's function.
const LABEL: &[u8] = b"volens/v1/link";

/// Phone numbers on their way to the pepper process, which cannot see them.
pub struct Blinded {
    pepper: Arc<Root>,
    process: PepperPublic,
    blinding: Blinding,
}

hide_debug!(Blinded);

impl Blinded {
    /// The key that the process is to use.
    pub fn process(&self) -> PepperPublic {
        self.process
    }

    /// What the process is sent.
    pub fn elements(&self) -> &[[u8; 32]] {
        self.blinding.elements()
    }

    /// What the process made of each number, if its proof holds for the key that this pepper names.
    ///
    /// # Errors
    /// [`OprfError::Proof`] otherwise.
    pub fn open(self, answer: &Evaluation) -> Result<Vec<Hardened>, OprfError> {
        let Self { pepper, process, blinding } = self;
        let opened = blinding.open(answer, process)?.into_iter();
        Ok(opened.map(|bytes| Hardened { pepper: Arc::clone(&pepper), bytes: *bytes }).collect())
    }
}

/// What the pepper process made of a phone number.
#[derive(ZeroizeOnDrop)]
pub struct Hardened {
    bytes: [u8; 64],
    #[zeroize(skip)]
    pepper: Arc<Root>,
}

hide_debug!(Hardened);

impl Hardened {
    /// Stretches it as [`KeyRing::stretch`] stretches a number: whoever gets hold of both keys still
    /// pays for every guess.
    pub fn stretch(&self, cost: &StretchCost) -> Stretched {
        stretch(Arc::clone(&self.pepper), &self.bytes, *cost)
    }
}

impl KeyRing {
    /// The key of the process that holds a part of the pepper of new tokens; nothing when the ring
    /// holds all of it.
    pub fn pepper_process(&self) -> Option<PepperPublic> {
        self.active(KeyDomain::Pepper).process
    }

    /// Blinds numbers for the pepper process; nothing when the ring holds all of the pepper.
    pub fn blind(&self, phones: &[CanonicalPhone], rng: &mut dyn Rng) -> Option<Blinded> {
        let pepper = self.active(KeyDomain::Pepper);
        let process = pepper.process?;
        let input =
            |phone: &CanonicalPhone| Zeroizing::new(length_prefixed(&[LABEL, phone.as_bytes()]));
        let blinding = Blinding::new(phones.iter().map(input).collect(), rng)
            .expect("a label and a digest have between 1 and 65535 bytes");
        Some(Blinded { pepper, process, blinding })
    }

    /// Says which process's key belongs to a version of `pepper` that was added and never used.
    ///
    /// # Errors
    /// [`KeyError::State`] for a version that is or was in use.
    pub fn name_pepper_process(
        &mut self,
        version: u32,
        process: Option<PepperPublic>,
    ) -> Result<(), KeyError> {
        let domain = KeyDomain::Pepper;
        if self.waiting_version(domain) != Some(version) {
            return Err(KeyError::State { domain: domain.as_str().to_owned(), version });
        }
        self.change(|state| {
            for root in &mut state.roots {
                if root.domain == domain && root.version == version {
                    let mut named = Root::clone(root);
                    named.process = process;
                    *root = Arc::new(named);
                }
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
