//! Bringing a restored database up to the key ring of today.
//!
//! An older database holds keys wrapped under roots that the ratchet has destroyed. The sheet beside
//! the ring has the keys of everybody who lives; whoever was erased since is not in it, and what the
//! backup holds of them opens for nobody.

use serde::Serialize;
use volens_privacy::SubjectId;
use volens_privacy::keys::{KeyDomain, KeyError, KeyRing};

use super::rotate::BATCH;
use super::store::{self, KINDS, Place, Wrapped};
use super::{Keeper, Progress, RotationError, nodes, sheet, wrap};
use crate::access::key_ring;
use crate::rights::{self, Journal};

/// What a restored database lacked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Keys that were taken from the sheet.
    pub from_sheet: u64,
    /// Accounts without a key that opens, because they were erased after the backup. The journal of
    /// erasures removes them on the next start.
    pub erased_since: u64,
    /// Accounts without a key that opens, which nothing explains and which were removed.
    pub forgotten: u64,
    /// Conversations without a key that opens; they were removed or their bot was.
    pub conversations: u64,
    /// Answers kept for repeated requests that were forgotten.
    pub answers: u64,
    /// Tags and tokens whose outer layer was made anew.
    pub outer_layers: u64,
    /// Link tokens of a destroyed pepper; the consents stay, the links lapse.
    pub tokens: u64,
}

/// Makes a restored database one that the service starts on. Run again after a crash, it goes on.
///
/// # Errors
/// [`RotationError::TooOld`] when the outer layer of tags is of a version that has been destroyed;
/// [`RotationError::Lost`] when accounts have no key and no erasure explains why, unless `forget`.
pub async fn restore(
    keeper: &Keeper<'_>,
    journal: &Journal,
    forget: bool,
    progress: Progress<'_>,
) -> Result<Restored, RotationError> {
    let _held = keeper.file.hold()?;
    let ring = keeper.file.read()?;
    keeper.keys.take_in(&ring)?;
    let mut tx = keeper.db.begin().await?;
    let running = nodes::count(&mut tx, keeper.clock.now()).await?;
    let stored = key_ring::stored(&mut tx).await?;
    drop(tx);
    if keeper.heed_nodes && running > 0 {
        return Err(RotationError::Running(running));
    }
    let mut gone = Vec::new();
    for check in &stored {
        match ring.verify_checks(std::slice::from_ref(check)) {
            Ok(()) => {}
            Err(KeyError::VersionMissing { domain, version }) => {
                if !replaceable(&ring, &domain, version) {
                    return Err(RotationError::TooOld(domain, version));
                }
                gone.push((domain, version));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let mut done = Restored::default();
    replace_keys(keeper, journal, forget, &mut done, progress).await?;
    done.outer_layers = outer_layers(keeper, progress).await?;
    let mut tx = keeper.db.begin().await?;
    for (domain, version) in gone {
        if domain == KeyDomain::Pepper.as_str() {
            done.tokens += store::drop_peppered(&mut tx, version).await?;
        }
        store::forget_check(&mut tx, &domain, version).await?;
    }
    key_ring::bind(&mut tx, &ring).await?;
    let kek = ring.active_version(KeyDomain::Kek);
    store::set_fence(&mut tx, KeyDomain::Kek, kek, None).await?;
    tx.commit().await?;
    Ok(done)
}

/// Whether a database can do without a version that has been destroyed.
fn replaceable(ring: &KeyRing, domain: &str, version: u32) -> bool {
    let destroyed = |domain| version < ring.active_version(domain);
    match KeyDomain::ALL.into_iter().find(|known| known.as_str() == domain) {
        Some(domain @ (KeyDomain::Kek | KeyDomain::Pepper)) => destroyed(domain),
        Some(KeyDomain::Sign) => ring.retired_signers().iter().any(|(old, ..)| *old == version),
        _ => false,
    }
}

async fn outer_layers(keeper: &Keeper<'_>, progress: Progress<'_>) -> Result<u64, RotationError> {
    let active = keeper.keys.active_version(KeyDomain::Wrap);
    let mut tx = keeper.db.begin().await?;
    let fence = store::lock_fence(&mut tx, KeyDomain::Wrap).await?;
    if fence.version == active && fence.pending.is_none() {
        return Ok(0);
    }
    store::set_fence(&mut tx, KeyDomain::Wrap, fence.version, Some(active)).await?;
    tx.commit().await?;
    let rows = wrap::rewrap_all(keeper, fence.version, progress).await?;
    let mut tx = keeper.db.begin().await?;
    store::set_fence(&mut tx, KeyDomain::Wrap, active, None).await?;
    tx.commit().await?;
    Ok(rows)
}

/// Gives every row a key that opens, from the sheet; what has none is counted or removed.
async fn replace_keys(
    keeper: &Keeper<'_>,
    journal: &Journal,
    forget: bool,
    done: &mut Restored,
    progress: Progress<'_>,
) -> Result<(), RotationError> {
    let erased = journal.read().await.map_err(rights::RightsError::from)?;
    let of = store::count_wrapped(&mut keeper.db.read().await?).await?;
    let mut sheet = None;
    let (mut seen, mut lost) = (0, Vec::new());
    for mut last in KINDS {
        loop {
            let mut tx = keeper.db.begin().await?;
            let page = store::wrapped_after(&mut tx, &last, BATCH).await?;
            let Some(end) = page.last() else { break };
            last = end.row.clone();
            seen += page.len() as u64;
            for row in &page {
                if opens(keeper, row, &row.bytes) {
                    continue;
                }
                match (&row.row, on_sheet(keeper, &mut sheet, row)?) {
                    (_, Some(found)) => {
                        store::replace_wrapped(&mut tx, row, found).await?;
                        done.from_sheet += 1;
                    }
                    (Place::Account(id), None) => lost.push(SubjectId::from_bytes(*id)),
                    (Place::Conversation(..), None) => done.conversations += 1,
                    (Place::Answer(id), None) => {
                        store::forget_answer(&mut tx, id).await?;
                        done.answers += 1;
                    }
                }
            }
            tx.commit().await?;
            progress("keys", seen, of);
        }
    }
    let explained = |subject: &SubjectId| erased.contains(&keeper.keys.erasure_tag(*subject));
    let (explained, unexplained): (Vec<_>, Vec<_>) = lost.into_iter().partition(explained);
    done.erased_since = explained.len() as u64;
    if !unexplained.is_empty() && !forget {
        return Err(RotationError::Lost(unexplained.len()));
    }
    for subject in unexplained {
        let now = keeper.clock.now();
        rights::erase_for_good(keeper.db, keeper.keys, journal, subject, now).await?;
        done.forgotten += 1;
    }
    Ok(())
}

fn opens(keeper: &Keeper<'_>, row: &Wrapped, bytes: &[u8]) -> bool {
    keeper.keys.unwrap(&row.owner, bytes).is_ok()
}

/// The row's key in the sheet, which is opened when it is first needed.
fn on_sheet(
    keeper: &Keeper<'_>,
    sheet: &mut Option<sheet::Reader>,
    row: &Wrapped,
) -> Result<Option<Vec<u8>>, RotationError> {
    if matches!(row.row, Place::Answer(_)) {
        return Ok(None);
    }
    let reader = if let Some(reader) = sheet {
        reader
    } else {
        let opened = sheet::Reader::open(&keeper.file.beside(sheet::ENDING))?;
        let (roots, version) = (keeper.keys.status(), opened.version);
        if !roots.iter().any(|root| root.domain == KeyDomain::Kek && root.version == version) {
            return Err(RotationError::Sheet("it is not the latest one"));
        }
        sheet.insert(opened)
    };
    Ok(reader.find(&row.row)?.filter(|found| opens(keeper, row, found)))
}
