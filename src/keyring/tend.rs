//! What is done about keys without being asked: the ratchet when it is due, and the end of versions
//! whose time is over.

use std::time::Duration;

use rand::Rng;
use serde::Serialize;
use serde_json::json;
use volens_privacy::Timestamp;
use volens_privacy::keys::KeyDomain;

use super::rotate::{Rotated, destroy, ratchet};
use super::{Keeper, Progress, RotationError, store};
use crate::config::Keys;
use crate::db::{self, Tx};
use crate::ids::JobId;
use crate::jobs;

/// The kind of job that looks after the keys.
pub const TEND_JOB: &str = "keys.tend";
/// How often a look is ordered.
const EVERY: Duration = Duration::from_hours(6);
const DAY: Duration = Duration::from_hours(24);

/// What was due.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tended {
    /// The ratchet, if it was due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratchet: Option<Rotated>,
    /// Versions of other roots whose time was over.
    pub destroyed: Vec<(KeyDomain, u32)>,
    /// Link tokens that ended with their pepper.
    pub tokens: u64,
}

/// Orders a look in the caller's transaction, unless some node did lately.
pub async fn order(
    tx: &mut Tx,
    rng: &mut (dyn Rng + Send),
    now: Timestamp,
) -> db::Result<Option<JobId>> {
    if !store::order(tx, now, now.minus(EVERY)).await? {
        return Ok(None);
    }
    jobs::enqueue(tx, rng, TEND_JOB, json!({}), now, now).await.map(Some)
}

/// Does whatever is due by the settings.
pub async fn tend(
    keeper: &Keeper<'_>,
    settings: &Keys,
    rng: &mut (dyn Rng + Send),
    progress: Progress<'_>,
) -> Result<Tended, RotationError> {
    let mut done = Tended::default();
    let now = keeper.clock.now();
    let _held = keeper.file.hold()?;
    // What this process remembers may be the middle of a rotation that somebody else has ended.
    keeper.keys.take_in(&keeper.file.read()?)?;
    if is_ratchet_due(keeper, settings.ratchet_days, now) {
        done.ratchet = Some(ratchet(keeper, rng, progress).await?);
    }
    for (domain, days) in
        [(KeyDomain::Wrap, settings.restore_days), (KeyDomain::Pepper, settings.pepper_days)]
    {
        let ring = keeper.file.read()?;
        let over = ring.retired_versions(domain).into_iter();
        let over = over.filter(|(_, since)| now.since(*since) >= DAY * days);
        let over: Vec<u32> = over.map(|(version, _)| version).collect();
        if domain == KeyDomain::Pepper {
            for version in &over {
                let mut tx = keeper.db.begin().await?;
                done.tokens += store::drop_peppered(&mut tx, *version).await?;
                tx.commit().await?;
            }
        }
        destroy(keeper, domain, &over).await?;
        done.destroyed.extend(over.into_iter().map(|version| (domain, version)));
    }
    Ok(done)
}

/// Whether the root that wraps keys is as old as it may become, or a ratchet broke off.
fn is_ratchet_due(keeper: &Keeper<'_>, days: u32, now: Timestamp) -> bool {
    let roots = keeper.keys.status();
    let mut of_kek = roots.iter().filter(|root| root.domain == KeyDomain::Kek);
    let old = |created: Timestamp| days > 0 && now.since(created) >= DAY * days;
    let active = keeper.keys.active_version(KeyDomain::Kek);
    of_kek.any(|root| root.version != active || old(root.created))
}
