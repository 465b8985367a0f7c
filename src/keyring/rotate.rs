//! Rotations that go on while the service runs: the key that wraps keys, the ledger's signer, and
//! the pepper of link tokens.

use rand::Rng;
use serde::Serialize;
use serde_json::json;
use volens_privacy::keys::{KeyDomain, KeyRing, PepperPublic};
use volens_privacy::ledger::{Leaf, LeafKind};

use super::store::{self, KINDS};
use super::{Keeper, Progress, RotationError, nodes, sheet};
use crate::access::key_ring;
use crate::db::Tx;
use crate::ledger;

/// Rows made anew in one transaction, short enough for withdrawals to pass between.
pub(super) const BATCH: u32 = 512;

/// A rotation that is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rotated {
    /// Which root.
    pub domain: KeyDomain,
    /// The version that makes new values now.
    pub version: u32,
    /// Rows that were made anew.
    pub rows: u64,
    /// Versions that were destroyed.
    pub destroyed: Vec<u32>,
    /// Whether it went on with one that had broken off.
    pub resumed: bool,
    /// For the pepper: the key of the process that holds a part of it; nothing when the ring holds it
    /// alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<PepperPublic>,
}

/// The ratchet: wraps every living key under a new root and destroys the old one, so that the keys
/// of the erased, wherever a copy of them is left, open for nobody.
///
/// Order: the new root is on disk and every process reads it; every process writes with it; the
/// fence refuses what is wrapped under an older one; all rows are wrapped anew; the sheet of the
/// living is on disk; only then the old root is destroyed.
pub async fn kek(
    keeper: &Keeper<'_>,
    rng: &mut (dyn Rng + Send),
    progress: Progress<'_>,
) -> Result<Rotated, RotationError> {
    let _held = keeper.file.hold()?;
    ratchet(keeper, rng, progress).await
}

/// What [`kek`] does, with the ring held already.
pub(super) async fn ratchet(
    keeper: &Keeper<'_>,
    rng: &mut (dyn Rng + Send),
    progress: Progress<'_>,
) -> Result<Rotated, RotationError> {
    let (version, resumed) = introduce(keeper, New::Root(KeyDomain::Kek), rng).await?;
    let mut tx = keeper.db.begin().await?;
    store::lock_fence(&mut tx, KeyDomain::Kek).await?;
    store::set_fence(&mut tx, KeyDomain::Kek, version, None).await?;
    tx.commit().await?;
    let rows = rewrap_all(keeper, progress).await?;
    if store::count_older(&mut keeper.db.read().await?, version).await? > 0 {
        return Err(RotationError::Unopenable("wrapped keys"));
    }
    sheet::write(keeper, progress).await?;
    let destroyed = destroy_retired(keeper, KeyDomain::Kek).await?;
    Ok(Rotated { domain: KeyDomain::Kek, version, rows, destroyed, resumed, process: None })
}

/// Signs the ledger with a new key from now on. The public half of the old one stays in the ring,
/// for checkpoints of as many entries as there are now.
pub async fn sign(
    keeper: &Keeper<'_>,
    rng: &mut (dyn Rng + Send),
) -> Result<Rotated, RotationError> {
    let _held = keeper.file.hold()?;
    let (version, resumed) = introduce(keeper, New::Root(KeyDomain::Sign), rng).await?;
    let destroyed = destroy_retired(keeper, KeyDomain::Sign).await?;
    Ok(Rotated { domain: KeyDomain::Sign, version, rows: 0, destroyed, resumed, process: None })
}

/// Makes new link tokens with a new pepper. Tokens of the old one go on linking with each other until
/// it is destroyed; an account's next linking consent brings it to the new one.
///
/// `process` is the key of the process that holds the other part of the new pepper, if one does: what
/// is made with this version is made with that key and no other.
pub async fn pepper(
    keeper: &Keeper<'_>,
    process: Option<PepperPublic>,
    rng: &mut (dyn Rng + Send),
) -> Result<Rotated, RotationError> {
    let _held = keeper.file.hold()?;
    let (version, resumed) = introduce(keeper, New::Pepper(process), rng).await?;
    let mut tx = keeper.db.begin().await?;
    note(&mut tx, keeper, KeyDomain::Pepper, version).await?;
    tx.commit().await?;
    let domain = KeyDomain::Pepper;
    Ok(Rotated { domain, version, rows: 0, destroyed: Vec::new(), resumed, process })
}

/// What gets a new version.
#[derive(Clone, Copy)]
pub(super) enum New {
    /// A root that the ring holds alone.
    Root(KeyDomain),
    /// The pepper, with the key of the process that holds a part of it.
    Pepper(Option<PepperPublic>),
}

impl New {
    fn domain(self) -> KeyDomain {
        match self {
            Self::Root(domain) => domain,
            Self::Pepper(_) => KeyDomain::Pepper,
        }
    }
}

/// Brings a new version of a root to every process and into use; one that broke off is gone on with.
async fn introduce(
    keeper: &Keeper<'_>,
    new: New,
    rng: &mut (dyn Rng + Send),
) -> Result<(u32, bool), RotationError> {
    let domain = new.domain();
    let ring = keeper.file.read()?;
    keeper.keys.take_in(&ring)?;
    let waiting = ring.waiting_version(domain).is_some();
    let unfinished = domain != KeyDomain::Pepper && !ring.retired_versions(domain).is_empty();
    let version = if unfinished && !waiting {
        ring.active_version(domain)
    } else {
        add(keeper, ring, new, rng).await?
    };
    nodes::wait_for(keeper, domain, version, 0).await?;
    let mut ring = keeper.file.read()?;
    ring.activate(domain, version, keeper.clock.now())?;
    keep(keeper, &ring)?;
    nodes::wait_for(keeper, domain, version, version).await?;
    nodes::settle(keeper).await?;
    Ok((version, waiting || unfinished))
}

/// Adds a version to the ring and its check value to the database, both or none: another machine that
/// does the same at the same time is refused.
pub(super) async fn add(
    keeper: &Keeper<'_>,
    mut ring: KeyRing,
    new: New,
    rng: &mut (dyn Rng + Send),
) -> Result<u32, RotationError> {
    let mut tx = keeper.db.begin().await?;
    store::lock_fence(&mut tx, KeyDomain::Kek).await?;
    ring.verify_checks(&key_ring::stored(&mut tx).await?)?;
    let version = ring.add(new.domain(), rng, keeper.clock.now())?;
    if let New::Pepper(process) = new {
        ring.name_pepper_process(version, process)?;
    }
    key_ring::bind(&mut tx, &ring).await?;
    keeper.file.replace(&ring)?;
    tx.commit().await?;
    keeper.keys.take_in(&ring)?;
    Ok(version)
}

/// Writes the ring and goes on with it.
pub(super) fn keep(keeper: &Keeper<'_>, ring: &KeyRing) -> Result<(), RotationError> {
    keeper.file.replace(ring)?;
    keeper.keys.take_in(ring)?;
    Ok(())
}

async fn rewrap_all(keeper: &Keeper<'_>, progress: Progress<'_>) -> Result<u64, RotationError> {
    let of = store::count_wrapped(&mut keeper.db.read().await?).await?;
    let (mut seen, mut rows) = (0, 0);
    for mut last in KINDS {
        loop {
            let mut tx = keeper.db.begin().await?;
            let page = store::wrapped_after(&mut tx, &last, BATCH).await?;
            let Some(end) = page.last() else { break };
            last = end.row.clone();
            seen += page.len() as u64;
            for old in &page {
                let new = keeper.keys.rewrap(&old.owner, &old.bytes);
                let new = new.map_err(|_error| RotationError::Unopenable("wrapped keys"))?;
                if let Some(new) = new {
                    store::replace_wrapped(&mut tx, old, new).await?;
                    rows += 1;
                }
            }
            tx.commit().await?;
            progress("wrapping", seen, of);
        }
    }
    Ok(rows)
}

/// Forgets the retired versions of a root: first in the database, which would otherwise refuse the
/// ring without them, then in the file.
pub(super) async fn destroy_retired(
    keeper: &Keeper<'_>,
    domain: KeyDomain,
) -> Result<Vec<u32>, RotationError> {
    let ring = keeper.file.read()?;
    let retired: Vec<u32> = ring.retired_versions(domain).into_iter().map(|(v, _)| v).collect();
    destroy(keeper, domain, &retired).await?;
    Ok(retired)
}

pub(super) async fn destroy(
    keeper: &Keeper<'_>,
    domain: KeyDomain,
    versions: &[u32],
) -> Result<(), RotationError> {
    if versions.is_empty() {
        return Ok(());
    }
    let mut ring = keeper.file.read()?;
    let mut tx = keeper.db.begin().await?;
    let mut known = false;
    for version in versions {
        known |= store::forget_check(&mut tx, domain.as_str(), *version).await?;
    }
    if known {
        note(&mut tx, keeper, domain, ring.active_version(domain)).await?;
    }
    let size = ledger::size(&mut tx).await?;
    tx.commit().await?;
    for version in versions {
        ring.destroy(domain, *version, size)?;
    }
    keep(keeper, &ring)
}

/// One entry of the ledger: which root, and which version makes new values now. Signed with the
/// ring's signer of this moment.
pub(super) async fn note(
    tx: &mut Tx,
    keeper: &Keeper<'_>,
    domain: KeyDomain,
    version: u32,
) -> Result<(), RotationError> {
    let (signer, now) = (keeper.keys.log_signer(), keeper.clock.now());
    let mut detail = json!({ "domain": domain.as_str(), "version": version });
    if let (KeyDomain::Pepper, Some(process)) = (domain, keeper.keys.pepper_process()) {
        detail["process"] = json!(process);
    }
    if domain == KeyDomain::Sign {
        detail["vkey"] = json!(keeper.keys.log_verifier().vkey());
    }
    let leaf = Leaf::new(LeafKind::KeyRotated, now).with_detail(detail);
    ledger::append(tx, &signer, &[leaf], now).await?;
    Ok(())
}
