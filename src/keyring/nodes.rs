//! The processes that serve with a key ring: each says which versions it reads and writes with, and
//! looks every second whether its file was replaced.

use std::time::Duration;

use rand::Rng;
use volens_privacy::Timestamp;
use volens_privacy::keys::KeyDomain;

use super::{Keeper, RotationError, store};
use crate::access::key_ring;
use crate::db::Tx;

/// How often a process looks at the file.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a process says that it serves, at least.
const SAY_EVERY: Duration = Duration::from_mins(1);
/// A process that said nothing for so long does not serve any more.
const SILENT: Duration = Duration::from_secs(150);
/// How often, and how many times, a rotation looks whether everybody has followed.
const WAIT: (Duration, u32) = (Duration::from_millis(200), 150);

/// What was begun with an old version is written after so long, wherever it was begun.
const SETTLE: Duration = Duration::from_secs(2);

/// The roots that processes have to agree on.
const SHARED: [KeyDomain; 4] =
    [KeyDomain::Kek, KeyDomain::Wrap, KeyDomain::Sign, KeyDomain::Pepper];

/// One process that serves.
#[derive(Debug, Clone, Copy)]
pub struct Node([u8; 16]);

impl Node {
    /// A process that has not said that it serves.
    pub fn random(rng: &mut (dyn Rng + Send)) -> Self {
        let mut id = [0; 16];
        rng.fill_bytes(&mut id);
        Self(id)
    }

    /// Says that this process serves, and with which versions.
    ///
    /// # Errors
    /// [`RotationError::Unfinished`] while the outer layer is between two versions: nobody serves
    /// then.
    pub async fn serves(&self, keeper: &Keeper<'_>) -> Result<(), RotationError> {
        let mut tx = keeper.db.begin().await?;
        let fence = store::lock_fence(&mut tx, KeyDomain::Wrap).await?;
        let keys = keeper.keys;
        if fence.pending.is_some() || fence.version != keys.active_version(KeyDomain::Wrap) {
            return Err(RotationError::Unfinished);
        }
        let versions = |domain| (domain, keys.newest_version(domain), keys.active_version(domain));
        let now = keeper.clock.now();
        store::see_node(&mut tx, self.0, &SHARED.map(versions), now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Says that this process serves no more.
    pub async fn leaves(&self, keeper: &Keeper<'_>) -> Result<(), RotationError> {
        let mut tx = keeper.db.begin().await?;
        store::leave(&mut tx, self.0).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Takes in every new version of the file, and says so, for as long as it is polled.
pub async fn watch(node: Node, keeper: &Keeper<'_>) {
    let mut seen = keeper.file.stamp().ok();
    // When it was last said, and nothing while what was taken in has yet to be.
    let mut said = Some(keeper.clock.now());
    let mut every = tokio::time::interval(LOOK_EVERY);
    loop {
        every.tick().await;
        let stamp = keeper.file.stamp().ok();
        let changed = stamp.is_some() && stamp != seen;
        if changed {
            match take_in(keeper).await {
                Ok(()) => (seen, said) = (stamp, None),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "the replaced key ring was not taken in");
                    continue;
                }
            }
        }
        if said.is_none_or(|said| keeper.clock.now().since(said) >= SAY_EVERY) {
            match node.serves(keeper).await {
                Ok(()) => said = Some(keeper.clock.now()),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "it could not be said which keys this process uses");
                }
            }
        }
    }
}

/// Goes on with the ring in the file, if the database was written with it.
async fn take_in(keeper: &Keeper<'_>) -> Result<(), RotationError> {
    let ring = keeper.file.read()?;
    let stored = key_ring::stored(&mut keeper.db.read().await?).await?;
    ring.verify_checks(&stored)?;
    keeper.keys.take_in(&ring)?;
    tracing::info!("the key ring was replaced and taken in");
    Ok(())
}

/// Processes that were seen lately; those that fell silent are forgotten.
pub(super) async fn count(tx: &mut Tx, now: Timestamp) -> Result<usize, RotationError> {
    let since = now.minus(SILENT);
    store::forget_nodes(tx, since).await?;
    Ok(store::behind(tx, KeyDomain::Wrap, since, u32::MAX, u32::MAX).await?)
}

/// Waits until every process that was seen lately reads `held` and writes with `active`.
pub(super) async fn wait_for(
    keeper: &Keeper<'_>,
    domain: KeyDomain,
    held: u32,
    active: u32,
) -> Result<(), RotationError> {
    if !keeper.heed_nodes {
        return Ok(());
    }
    let mut tries = 0;
    loop {
        let since = keeper.clock.now().minus(SILENT);
        let mut tx = keeper.db.read().await?;
        let behind = store::behind(&mut tx, domain, since, held, active).await?;
        drop(tx);
        if behind == 0 {
            return Ok(());
        }
        tries += 1;
        if tries > WAIT.1 {
            return Err(RotationError::Waiting(behind));
        }
        tokio::time::sleep(WAIT.0).await;
    }
}

/// Waits until what a process that serves had begun with an old version is written.
pub(super) async fn settle(keeper: &Keeper<'_>) -> Result<(), RotationError> {
    let mut tx = keeper.db.begin().await?;
    let serving = count(&mut tx, keeper.clock.now()).await?;
    tx.commit().await?;
    if serving > 0 {
        tokio::time::sleep(SETTLE).await;
    }
    Ok(())
}
