//! The outer layer of account tags and link tokens, made anew without a reference or a phone number.
//!
//! A tag is looked up by its bytes, so all have to be of one version while anybody looks: this
//! rotation needs the service to be stopped, and a service does not start before it is finished.

use rand::Rng;
use volens_privacy::keys::KeyDomain;

use super::rotate::{BATCH, New, Rotated, add, keep, note};
use super::store::{self, Tagged};
use super::{Keeper, Progress, RotationError, nodes};
use crate::db::Tx;

/// Makes the outer layer of every tag and token anew. The old root stays in the ring, retired, for
/// backups from before.
pub async fn wrap(
    keeper: &Keeper<'_>,
    rng: &mut (dyn Rng + Send),
    progress: Progress<'_>,
) -> Result<Rotated, RotationError> {
    let _held = keeper.file.hold()?;
    let ring = keeper.file.read()?;
    keeper.keys.take_in(&ring)?;
    let mut tx = keeper.db.begin().await?;
    let fence = store::lock_fence(&mut tx, KeyDomain::Wrap).await?;
    let running = nodes::count(&mut tx, keeper.clock.now()).await?;
    if keeper.heed_nodes && running > 0 {
        return Err(RotationError::Running(running));
    }
    drop(tx);
    let resumed = fence.pending.is_some() || ring.waiting_version(KeyDomain::Wrap).is_some();
    let version = match fence.pending {
        Some(pending) => pending,
        None => add(keeper, ring, New::Root(KeyDomain::Wrap), rng).await?,
    };
    // From here on nobody starts to serve.
    let mut tx = keeper.db.begin().await?;
    store::lock_fence(&mut tx, KeyDomain::Wrap).await?;
    let running = nodes::count(&mut tx, keeper.clock.now()).await?;
    if keeper.heed_nodes && running > 0 {
        return Err(RotationError::Running(running));
    }
    store::set_fence(&mut tx, KeyDomain::Wrap, fence.version, Some(version)).await?;
    tx.commit().await?;
    let mut ring = keeper.file.read()?;
    ring.activate(KeyDomain::Wrap, version, keeper.clock.now())?;
    keep(keeper, &ring)?;
    let rows = rewrap_all(keeper, fence.version, progress).await?;
    let mut tx = keeper.db.begin().await?;
    store::set_fence(&mut tx, KeyDomain::Wrap, version, None).await?;
    note(&mut tx, keeper, KeyDomain::Wrap, version).await?;
    tx.commit().await?;
    Ok(Rotated {
        domain: KeyDomain::Wrap,
        version,
        rows,
        destroyed: Vec::new(),
        resumed,
        process: None,
    })
}

/// Which of the three kinds of rows a walk is over.
const WALKS: [Walk; 3] = [Walk::References, Walk::PrivacyLinks, Walk::Tokens];

#[derive(Clone, Copy)]
enum Walk {
    References,
    PrivacyLinks,
    Tokens,
}

impl Walk {
    async fn after(self, tx: &mut Tx, last: Option<&Tagged>) -> crate::db::Result<Vec<Tagged>> {
        match self {
            Self::References => store::references_after(tx, last, BATCH).await,
            Self::PrivacyLinks => store::privacy_links_after(tx, last, BATCH).await,
            Self::Tokens => store::tokens_after(tx, last, BATCH).await,
        }
    }
}

/// Brings every row from the outer layer `from` to the active one; those that are there already are
/// left. Gives how many were changed.
pub(super) async fn rewrap_all(
    keeper: &Keeper<'_>,
    from: u32,
    progress: Progress<'_>,
) -> Result<u64, RotationError> {
    let of = store::count_tagged(&mut keeper.db.read().await?).await?;
    let (mut seen, mut rows) = (0, 0);
    for walk in WALKS {
        let mut last: Option<Tagged> = None;
        loop {
            let mut tx = keeper.db.begin().await?;
            let mut page = walk.after(&mut tx, last.as_ref()).await?;
            for tagged in &page {
                rows += u64::from(rewrap(&mut tx, keeper, from, tagged).await?);
            }
            tx.commit().await?;
            seen += page.len() as u64;
            let Some(end) = page.pop() else { break };
            last = Some(end);
            progress("outer layer", seen, of);
        }
    }
    Ok(rows)
}

async fn rewrap(
    tx: &mut Tx,
    keeper: &Keeper<'_>,
    from: u32,
    tagged: &Tagged,
) -> Result<bool, RotationError> {
    let keys = keeper.keys;
    let active = keys.active_version(KeyDomain::Wrap);
    match tagged {
        Tagged::Reference { app, tag, .. } => match keys.rewrap_tag(from, app, tag) {
            Some(new) => store::retag(tx, app, tag, &new).await?,
            None if keys.rewrap_tag(active, app, tag).is_some() => return Ok(false),
            None => return Err(RotationError::Unopenable("account references")),
        },
        Tagged::PrivacyLink { token, app, tag } => match keys.rewrap_tag(from, app, tag) {
            Some(new) => store::retag_privacy_link(tx, token, &new).await?,
            None if keys.rewrap_tag(active, app, tag).is_some() => return Ok(false),
            None => return Err(RotationError::Unopenable("privacy links")),
        },
        Tagged::Token { subject, app, peer, token } => {
            match keys.rewrap_token(from, app, peer, token) {
                Some(new) => store::retoken(tx, *subject, peer, &new).await?,
                None if keys.rewrap_token(active, app, peer, token).is_some() => return Ok(false),
                None => return Err(RotationError::Unopenable("link tokens")),
            }
        }
    }
    Ok(true)
}
