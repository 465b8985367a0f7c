//! Replaying a list: was it what the ledger says, and is it still?
//!
//! Everything is recomputed: the root of the ledger at the list's checkpoint and now, the entry that
//! sealed the list, the root over its rows, and for every row that the entries it names open to
//! records of that account which permitted it at that moment. Nothing that is stored is believed.

mod rows;

use std::collections::BTreeMap;

use serde::Serialize;
use volens_privacy::ledger::{Checkpoint, Hash, Leaf, LeafKind, SignedCheckpoint};
use volens_privacy::{BusinessId, KeyRing, PurposeKind, Timestamp};

use self::rows::Rows;
use super::campaigns::{self, Campaign};
use super::request::{self, List, Sealing};
use super::seal::{RowsTree, SealedList, sealed_as};
use super::store;
use super::variants::Draw;
use super::{AudienceError, Result};
use crate::db::Tx;
use crate::ids::{CampaignId, ListId};
use crate::ledger::Chain;
use crate::{consent, ledger};

/// Entries read, and rows replayed, at a time.
const PAGE: u32 = 1024;

/// What a replay found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Replay {
    /// The list.
    #[schema(value_type = String)]
    pub list: ListId,
    /// Whose it is.
    #[schema(value_type = String)]
    pub business: BusinessId,
    /// Its campaign.
    #[schema(value_type = String)]
    pub campaign: CampaignId,
    /// When it was sealed.
    #[schema(value_type = String, format = "date-time")]
    pub sealed_at: Timestamp,
    /// Ledger index of the entry that sealed it.
    pub entry: u64,
    /// Entries replayed up to the list's checkpoint.
    pub ledger_size: u64,
    /// Entries replayed in all.
    pub ledger_size_now: u64,
    /// Rows that were sealed.
    pub rows_sealed: u64,
    /// Rows that are there and hold.
    pub rows_confirmed: u64,
    /// Of those, rows whose consent ran out since and that are not served any more.
    pub rows_lapsed: u64,
    /// Rows that are gone because a consent they rested on ended, or because the list expired.
    pub rows_gone: u64,
    /// Consents that ended since the list was asked for, by the ledger: they explain rows that are
    /// gone.
    pub consents_ended_since: u64,
    /// Rows of any list that went with erased accounts since the list was asked for, by the ledger:
    /// they explain rows that are gone, too.
    pub rows_erased_since: u64,
    /// Rows of any list that went because processing of accounts was restricted since, by the ledger.
    pub rows_restricted_since: u64,
    /// Everything that does not hold; empty when all does.
    pub denied: Vec<Denial>,
}

/// One thing that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Denial {
    /// Of which row; null when it is about the list or the ledger.
    pub rank: Option<u32>,
    /// Stable code.
    pub code: &'static str,
}

impl Replay {
    /// Whether everything holds.
    pub fn is_confirmed(&self) -> bool {
        self.denied.is_empty()
    }

    fn deny(&mut self, rank: Option<u32>, code: &'static str) {
        self.denied.push(Denial { rank, code });
    }
}

/// Told how many of how many entries and rows were replayed.
pub type Progress<'p> = &'p (dyn Fn(u64, u64) + Send + Sync);

/// Replays a list of this business.
///
/// # Errors
/// `list.not_found`, `list.not_ready`; what does not hold is in the answer.
pub async fn replay(
    tx: &mut Tx,
    keys: &KeyRing,
    business: BusinessId,
    id: ListId,
    now: Timestamp,
    progress: Progress<'_>,
) -> Result<Replay> {
    let list = request::find(tx, business, id).await?;
    let sealing = list.sealing.clone().ok_or(AudienceError::NotSealed(list.state))?;
    let campaign = campaigns::find(tx, business, list.campaign).await?;
    let mut found = Replay {
        list: id,
        business,
        campaign: list.campaign,
        sealed_at: sealing.at,
        entry: sealing.entry,
        ledger_size: sealing.checkpoint_size,
        ledger_size_now: ledger::size(tx).await?,
        rows_sealed: sealing.rows,
        rows_confirmed: 0,
        rows_lapsed: 0,
        rows_gone: 0,
        consents_ended_since: 0,
        rows_erased_since: 0,
        rows_restricted_since: 0,
        denied: Vec::new(),
    };
    let mut sealed = BTreeMap::new();
    replay_ledger(tx, keys, (&list, &sealing), (&mut found, &mut sealed), progress).await?;
    let draws = draws(tx, (&campaign, &sealing), &sealed, &mut found).await?;
    let leaves = store::leaves(tx, business, id).await;
    let tree = RowsTree::over(leaves.unwrap_or_default());
    if tree.len() != sealing.rows || tree.root() != sealing.rows_root {
        found.deny(None, "list.root");
    }
    let app = &campaign.delivery_app;
    let rows = Rows { keys, list: &list, sealing: &sealing, app, tree, draws, now };
    let present = rows.replay(tx, &mut found, progress).await?;
    found.rows_gone = sealing.rows.saturating_sub(present);
    // A row can only go with a consent or an account. More gone than that is somebody else's doing.
    let explained =
        found.consents_ended_since + found.rows_erased_since + found.rows_restricted_since;
    if found.rows_gone > explained && now < list.expires_at {
        found.deny(None, "list.rows_unexplained");
    }
    Ok(found)
}

/// Recomputes the ledger from its entries, past the list's checkpoint to the latest.
async fn replay_ledger(
    tx: &mut Tx,
    keys: &KeyRing,
    (list, sealing): (&List, &Sealing),
    (found, sealed): (&mut Replay, &mut BTreeMap<ListId, Hash>),
    progress: Progress<'_>,
) -> Result<()> {
    let size = found.ledger_size_now;
    let mut chain = Chain::new(keys.log_verifier().origin(), ledger::shards(tx).await?);
    let mut sealed_leaf = None;
    let mut then = None;
    let (mut unrecorded, mut erased) = (0_u64, 0_u64);
    while chain.entries() < size {
        let to = (chain.entries() + u64::from(PAGE)).min(size);
        let mut recorded = consent::recorded(tx, chain.entries(), to).await?.into_iter().peekable();
        let entries = ledger::entries(tx, chain.entries(), to).await?;
        for (index, bytes) in entries {
            if index != chain.entries() {
                found.deny(None, "ledger.entry_missing");
                return Ok(());
            }
            if !chain.append(&bytes) {
                found.deny(None, "ledger.shard");
            }
            if chain.entries() == sealing.checkpoint_size {
                then = Some(chain.checkpoint());
            }
            if let Ok(leaf) = Leaf::parse(&bytes) {
                let is_recorded = recorded.next_if_eq(&index).is_some();
                unrecorded += u64::from(is_decision(&leaf) && !is_recorded);
                let since = leaf.at() >= list.created_at.minute();
                erased += taken(&leaf, LeafKind::AccountErased, "records");
                if since {
                    found.rows_erased_since += taken(&leaf, LeafKind::AccountErased, "list_rows");
                    found.rows_restricted_since +=
                        taken(&leaf, LeafKind::ProcessingRestricted, "list_rows");
                }
                found.consents_ended_since += u64::from(ends_rows(&leaf, list));
                sealed.extend(drawn_from(&leaf, list));
                if index == sealing.entry {
                    sealed_leaf = Some(leaf);
                }
            }
        }
        if chain.entries() < to {
            found.deny(None, "ledger.entry_missing");
            return Ok(());
        }
        progress(chain.entries(), size + sealing.rows);
    }
    // Without its record nobody could tell whose decision it was: a withdrawal could be hidden that
    // way. Only the records of erased accounts may be missing, and exactly as many as they had.
    if unrecorded != erased {
        found.deny(None, "ledger.record_missing");
    }
    let signed = ledger::checkpoint_at(tx, sealing.checkpoint_size).await?;
    if !signs(keys, signed.as_ref(), then.as_ref()) {
        found.deny(None, "ledger.root");
    }
    let latest = ledger::checkpoint(tx).await?;
    if !signs(keys, latest.as_ref(), Some(&chain.checkpoint())) {
        found.deny(None, "ledger.root_now");
    }
    if !says_sealed(sealed_leaf.as_ref(), list, sealing) {
        found.deny(None, "list.not_sealed_so");
    }
    Ok(())
}

/// Whether the log's key signed exactly what was recomputed.
fn signs(keys: &KeyRing, note: Option<&SignedCheckpoint>, computed: Option<&Checkpoint>) -> bool {
    let verified = note.and_then(|note| keys.log_verifier().verify(note.as_str()).ok());
    verified.is_some() && verified.as_ref() == computed
}

fn says_sealed(leaf: Option<&Leaf>, list: &List, sealing: &Sealing) -> bool {
    let expected = SealedList {
        list: list.id,
        campaign: list.campaign,
        model: sealing.model.clone(),
        rows: sealing.rows,
        rows_root: sealing.rows_root,
        ranking: sealed_as(sealing.by()),
        variants: sealing.variants.as_ref().map(|drawing| drawing.draw.hash()),
    };
    leaf.filter(|leaf| leaf.kind() == LeafKind::ListSealed)
        .and_then(Leaf::detail)
        .and_then(|detail| serde_json::from_value::<SealedList>(detail.clone()).ok())
        .is_some_and(|said| said == expected)
}

/// A list of the same campaign, with what its entry says that its variants were drawn from.
fn drawn_from(leaf: &Leaf, list: &List) -> Option<(ListId, Hash)> {
    let detail = leaf.detail().filter(|_| leaf.kind() == LeafKind::ListSealed)?;
    let sealed: SealedList = serde_json::from_value(detail.clone()).ok()?;
    Some((sealed.list, sealed.variants?)).filter(|_| sealed.campaign == list.campaign)
}

/// What this list's variants, and those kept from earlier lists of the campaign, were drawn from: as far as it
/// is what the ledger says.
async fn draws(
    tx: &mut Tx,
    (campaign, sealing): (&Campaign, &Sealing),
    sealed: &BTreeMap<ListId, Hash>,
    found: &mut Replay,
) -> Result<Vec<Draw>> {
    let Some(own) = &sealing.variants else { return Ok(Vec::new()) };
    if !own.holds(campaign) {
        found.deny(None, "list.not_drawn_so");
    }
    let drawn = store::variants::drawn(tx, campaign, sealing.entry).await?;
    let known = drawn.into_iter().filter(|(id, of)| sealed.get(id) == Some(&of.draw.hash()));
    Ok(known.map(|(_, drawing)| drawing.draw).collect())
}

fn is_decision(leaf: &Leaf) -> bool {
    matches!(
        leaf.kind(),
        LeafKind::ConsentGiven
            | LeafKind::ConsentRefused
            | LeafKind::ConsentWithdrawn
            | LeafKind::ConsentExpired
    )
}

/// How many records of decisions, or rows of lists, an entry of this kind says went with an account.
fn taken(leaf: &Leaf, kind: LeafKind, what: &str) -> u64 {
    let detail = leaf.detail().filter(|_| leaf.kind() == kind);
    detail.and_then(|detail| detail.get(what)?.as_u64()).unwrap_or(0)
}

/// Whether the entry ends a consent that rows of the list could rest on.
fn ends_rows(leaf: &Leaf, list: &List) -> bool {
    let purposes =
        [PurposeKind::BusinessMessages, PurposeKind::Relevance, PurposeKind::CrossAppLinking];
    // Saying no to what one had agreed to ends it too.
    matches!(
        leaf.kind(),
        LeafKind::ConsentWithdrawn | LeafKind::ConsentExpired | LeafKind::ConsentRefused
    ) && leaf.purpose().is_some_and(|purpose| purposes.contains(&purpose))
        && leaf.at() >= list.created_at.minute()
}
