//! Making the link tokens of a checked report: here alone, or with the pepper process.
//!
//! Where a process holds a part of the pepper, nothing is made without it: no answer, a late one, one
//! for another key or with a proof that does not hold, and the report is refused before anything is
//! written. Reports that give no consent to linking, and withdrawals, never come near it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use tokio::sync::Semaphore;
use volens_privacy::keys::{Hardened, KeyError, KeyRing, OprfError, StretchCost};
use volens_privacy::phone::PhoneSpace;

use super::intake::Intake;
use super::recorder::Decide;
use crate::pepper::{Client, Silence};
use crate::stretch::{Busy, Stretch};

/// Questions of an import at once: more would only be told to come back.
const ASKING: usize = 2;

/// Why no tokens were made; nothing was recorded.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The pool of slow hashing is full.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The process gave no answer that can be used.
    #[error(transparent)]
    Silence(#[from] Silence),
    /// Its proof does not hold.
    #[error("the proof of the pepper process does not hold")]
    Proof(#[from] OprfError),
    /// There is a process, and the key ring does not name its key yet.
    #[error("the key ring names no pepper process yet: run `volens keys rotate pepper`")]
    Unnamed,
    /// The key ring names a process's key, and the settings name no process.
    #[error("the key ring needs the pepper process, and [pepper] is not set")]
    Unset,
    /// The pepper was rotated meanwhile.
    #[error(transparent)]
    Keys(#[from] KeyError),
}

impl TokenError {
    /// The stable code shown outside.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Busy(_) => "overloaded",
            Self::Silence(silence) => silence.code(),
            Self::Proof(error) => error.code(),
            Self::Unnamed => "pepper.unnamed",
            Self::Unset => "pepper.unset",
            Self::Keys(error) => error.code(),
        }
    }

    /// After how many seconds the same report may be sent again.
    pub fn come_back(&self) -> u32 {
        match self {
            Self::Silence(Silence::Limited(seconds)) => *seconds,
            _ => 1,
        }
    }
}

/// Makes link tokens. Cheap to clone.
#[derive(Clone)]
pub struct Tokens {
    keys: Arc<KeyRing>,
    process: Option<Client>,
    stretch: Stretch,
    cost: StretchCost,
    asking: Arc<Semaphore>,
}

impl Tokens {
    /// With a key ring, the pepper process if there is one, and the pool of slow hashing.
    pub fn new(
        keys: Arc<KeyRing>,
        process: Option<Client>,
        stretch: Stretch,
        cost: StretchCost,
    ) -> Self {
        Self { keys, process, stretch, cost, asking: Arc::new(Semaphore::new(ASKING)) }
    }

    /// Whether the settings and the key ring agree about the pepper process.
    pub fn check(&self) -> Result<(), TokenError> {
        match (self.keys.pepper_process(), &self.process) {
            (None, Some(_)) => Err(TokenError::Unnamed),
            (Some(_), None) => Err(TokenError::Unset),
            _ => Ok(()),
        }
    }

    /// Turns a report into what the recorder takes. The number is gone afterwards.
    pub async fn make(
        &self,
        intake: Intake,
        rng: &mut (dyn Rng + Send),
    ) -> Result<Decide, TokenError> {
        if !intake.needs_stretching() {
            return Ok(intake.finish(&self.keys, &self.cost)?);
        }
        let hardened = self.hardened(&intake, rng).await?;
        Ok(self.stretch.run(self.finishing(intake, hardened)).await??)
    }

    /// The same, waiting for its turn everywhere: for imports.
    pub async fn make_patiently(
        &self,
        intake: Intake,
        rng: &mut (dyn Rng + Send),
    ) -> Result<Decide, TokenError> {
        if !intake.needs_stretching() {
            return Ok(intake.finish(&self.keys, &self.cost)?);
        }
        let turn = self.asking.acquire().await.map_err(|_closed| Busy::Lost)?;
        let hardened = loop {
            match self.hardened(&intake, rng).await {
                Err(TokenError::Silence(Silence::Limited(seconds))) => {
                    tokio::time::sleep(Duration::from_secs(seconds.into())).await;
                }
                other => break other?,
            }
        };
        drop(turn);
        Ok(self.stretch.run_patiently(self.finishing(intake, hardened)).await??)
    }

    fn finishing(
        &self,
        intake: Intake,
        hardened: Option<BTreeMap<PhoneSpace, Hardened>>,
    ) -> impl FnOnce() -> Result<Decide, KeyError> + Send + use<> {
        let (keys, cost) = (Arc::clone(&self.keys), self.cost);
        move || match hardened {
            Some(hardened) => Ok(intake.finish_hardened(&keys, &hardened, &cost)),
            None => intake.finish(&keys, &cost),
        }
    }

    /// What the process made of the number, per encoding in use; nothing when there is no process.
    async fn hardened(
        &self,
        intake: &Intake,
        rng: &mut (dyn Rng + Send),
    ) -> Result<Option<BTreeMap<PhoneSpace, Hardened>>, TokenError> {
        self.check()?;
        let Some(process) = &self.process else { return Ok(None) };
        let (spaces, blinded) = intake.blind(&self.keys, rng).ok_or(TokenError::Unnamed)?;
        let answer = process.evaluate(blinded.process(), blinded.elements()).await?;
        let opened = blinded.open(&answer)?;
        Ok(Some(spaces.into_iter().zip(opened).collect()))
    }
}
