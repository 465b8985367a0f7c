//! Making and updating accounts, with what follows for their consents: whoever turns out to be too
//! young for a purpose has no consent to it any more (DSA Art. 28(2)).

use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use volens_privacy::Timestamp;
use volens_privacy::keys::KeyRing;

use super::batch;
use super::recorder::Command;
use crate::accounts::{self, Registered, Registration};
use crate::clock::Clock;
use crate::db::group::Grouped;
use crate::db::{self, Tx};
use crate::ledger::{self, LedgerError};

/// Writes registrations in groups.
pub struct Registrar {
    keys: Arc<KeyRing>,
    clock: Arc<dyn Clock>,
    rng: Mutex<StdRng>,
}

impl Registrar {
    /// Stamps accounts with `clock`; signs with `keys` what an age ends.
    pub fn new(keys: Arc<KeyRing>, clock: Arc<dyn Clock>, rng: StdRng) -> Self {
        Self { keys, clock, rng: Mutex::new(rng) }
    }
}

impl Grouped for Registrar {
    type Item = Registration;
    type Reply = Registered;

    async fn apply(&self, tx: &mut Tx, items: &[Registration]) -> db::Result<Vec<Registered>> {
        let seed = self.rng.lock().unwrap_or_else(PoisonError::into_inner).random();
        register(tx, &self.keys, &mut StdRng::from_seed(seed), items, self.clock.now()).await
    }
}

/// Creates or updates many accounts, in order, and ends the consents that an account known to be a
/// minor's is too young for, each with an entry in the ledger: in the same transaction goes what
/// rested on them.
pub async fn register(
    tx: &mut Tx,
    keys: &KeyRing,
    rng: &mut StdRng,
    items: &[Registration],
    now: Timestamp,
) -> db::Result<Vec<Registered>> {
    let minors: Vec<bool> = items.iter().map(Registration::tells_of_a_minor).collect();
    if !minors.contains(&true) {
        return accounts::register(tx, items, now).await;
    }
    // Before the accounts, as everybody who locks both.
    ledger::hold(tx).await.map_err(|error| match error {
        LedgerError::Db(error) => error,
        _ => db::Error::Damaged("ledger"),
    })?;
    let replies = accounts::register(tx, items, now).await?;
    let young = replies.iter().zip(minors).filter_map(|(reply, minor)| match reply {
        Registered::Known(subject) if minor => Some(Command::Outgrow(*subject)),
        _ => None,
    });
    let young: Vec<Command> = young.collect();
    if !young.is_empty() {
        batch::record(tx, keys, &keys.log_signer(), rng, now, &young).await?;
    }
    Ok(replies)
}
