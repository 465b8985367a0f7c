//! The one queue through which signals are written: group commit, answered after the commit.

use std::sync::{Arc, Mutex, PoisonError};

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use volens_privacy::KeyRing;

use super::SignalError;
use super::ingest::{Batch, Taken, take_in};
use crate::clock::Clock;
use crate::db::group::{Group, Grouped, Limits};
use crate::db::{self, Db, Tx};

/// A call may bring hundreds of signals, so a transaction takes fewer calls than elsewhere.
const LIMITS: Limits = Limits { waiting: 1024, batch: 64 };

/// Writes the signals of many calls in one transaction.
pub struct Writer {
    keys: Arc<KeyRing>,
    clock: Arc<dyn Clock>,
    rng: Mutex<StdRng>,
}

/// The sending side; clone it freely.
pub type Signals = Group<Writer>;

impl Writer {
    /// Starts the writer.
    pub fn spawn(db: Db, keys: Arc<KeyRing>, clock: Arc<dyn Clock>, rng: StdRng) -> Signals {
        Group::spawn(db, Arc::new(Self { keys, clock, rng: Mutex::new(rng) }), LIMITS)
    }
}

impl Grouped for Writer {
    type Item = Batch;
    type Reply = Result<Vec<Taken>, SignalError>;

    async fn apply(&self, tx: &mut Tx, items: &[Batch]) -> db::Result<Vec<Self::Reply>> {
        let mut rng = {
            let mut shared = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
            StdRng::from_rng(&mut *shared)
        };
        match take_in(tx, &self.keys, items, self.clock.now(), &mut rng).await {
            Ok(answers) => Ok(answers.into_iter().map(Ok).collect()),
            Err(SignalError::Db(error)) => Err(error),
            // An entry or a key that does not verify stops the call it belongs to. In company, the
            // batch is given up, and the writer tries each call alone. Nothing was written yet.
            Err(error) if items.len() == 1 => Ok(vec![Err(error)]),
            Err(_) => Err(db::Error::Aborted),
        }
    }
}
