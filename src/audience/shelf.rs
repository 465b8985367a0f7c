//! Serving a sealed list: every row is verified once more, in the transaction that reads it, and whoever said
//! stop to the business meanwhile is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use serde::Serialize;
use volens_privacy::ledger::{Hash, Leaf, SignedCheckpoint, tlog_proof};
use volens_privacy::{BusinessId, KeyRing, PurposeKind, RecipientId, SubjectId, Timestamp};

use super::campaigns::{self, Campaign};
use super::export::{MANIFEST_TYPE, Manifest};
use super::paths::Paths;
use super::request::{self, List, Sealing};
use super::rows::{Borrowed, Ground, NoticeName, Row, RowConsent, RowSeal};
use super::store::{self, StoredRow};
use super::verify::Verified;
use super::{AudienceError, Result};
use crate::db::Tx;
use crate::ids::{ListId, hex};
use crate::ledger::{self, Evidence};

/// Rows served together.
#[derive(Debug)]
pub struct Page {
    /// Those that are permitted now.
    pub rows: Vec<Row>,
    /// Those that are there but not permitted now, or not as they were sealed: not served.
    pub dropped: u64,
    /// The rank to go on after; nothing when this was the end.
    pub next: Option<u32>,
}

/// A sealed list, open for reading.
pub struct Shelf {
    /// The list.
    pub list: List,
    /// What it is sealed with.
    pub sealing: Sealing,
    /// For which campaign.
    pub campaign: Campaign,
    /// The signed head that covers the list. Proofs lead to it, or to the last one of an earlier shard
    /// of the log that an entry is in.
    pub checkpoint: SignedCheckpoint,
}

/// That a list was sealed, and over what.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct ListProof {
    /// Ledger index of the `list.sealed` entry.
    pub entry: u64,
    /// The entry itself.
    #[schema(value_type = Object)]
    pub leaf: Leaf,
    /// Its inclusion proof with the signed checkpoint: `c2sp.org/tlog-proof@v1`.
    pub proof: String,
    /// Entries of the ledger that the list was sealed over; proofs of what it rests on lead there, or to
    /// the end of an earlier shard.
    pub ledger_size: u64,
    /// The signed checkpoint of that size.
    pub checkpoint: String,
    /// Rows that were sealed.
    pub rows: u64,
    /// Root over them.
    #[schema(value_type = String)]
    pub rows_root: Hash,
}

impl Shelf {
    /// Opens a list of this business.
    ///
    /// # Errors
    /// `list.not_found`, `list.not_ready`, `list.expired`.
    pub async fn open(
        tx: &mut Tx,
        business: BusinessId,
        id: ListId,
        now: Timestamp,
    ) -> Result<Self> {
        let list = request::find(tx, business, id).await?;
        let sealing = list.sealed(now)?.clone();
        let campaign = campaigns::find(tx, business, list.campaign).await?;
        let checkpoint = ledger::checkpoint_at(tx, sealing.checkpoint_size)
            .await?
            .ok_or(AudienceError::Unreadable("lists.checkpoint_size"))?;
        Ok(Self { list, sealing, campaign, checkpoint })
    }

    /// Rows after a rank, at most `limit`, each verified once more in this transaction.
    pub async fn page(
        &self,
        tx: &mut Tx,
        keys: &KeyRing,
        after: u32,
        limit: u32,
        now: Timestamp,
    ) -> Result<Page> {
        let of = (self.list.business, self.list.id);
        let mut stored = store::page(tx, of, after, limit.saturating_add(1)).await?;
        let more = stored.len() > limit as usize;
        stored.truncate(limit as usize);
        let next = stored.last().filter(|_| more).map(|row| row.rank);
        Ok(Page { next, ..self.serve(tx, keys, stored, now).await? })
    }

    /// The rows of these ranks, each verified once more in this transaction.
    pub async fn ranks(
        &self,
        tx: &mut Tx,
        keys: &KeyRing,
        ranks: RangeInclusive<u32>,
        now: Timestamp,
    ) -> Result<Page> {
        let of = (self.list.business, self.list.id);
        let (after, last) = (ranks.start().saturating_sub(1), *ranks.end());
        let mut stored = store::page(tx, of, after, last - after).await?;
        stored.retain(|row| row.rank <= last);
        self.serve(tx, keys, stored, now).await
    }

    async fn serve(
        &self,
        tx: &mut Tx,
        keys: &KeyRing,
        mut stored: Vec<StoredRow>,
        now: Timestamp,
    ) -> Result<Page> {
        let of = (self.list.business, self.list.id);
        let people: Vec<SubjectId> = stored.iter().map(|row| row.subject).collect();
        let stopped = store::stopped(tx, of.0, &people).await?;
        let recipients: Vec<RecipientId> = stored.iter().map(|row| row.recipient).collect();
        let gone = store::stopped_of(tx, of.0, &recipients).await?;
        let verified = Verified::read(tx, keys, people, now).await?;
        let looked_at = stored.len();
        stored.retain(|row| {
            !stopped.contains(&row.subject)
                && !gone.contains(&row.recipient)
                && self.is_permitted(row, &verified)
        });
        let proofs = self.proofs(tx, &stored).await?;
        let ranks: Vec<u32> = stored.iter().map(|row| row.rank).collect();
        let paths = Paths::read(tx, of, self.sealing.rows, &ranks).await?;
        let rows: Vec<Row> = stored
            .into_iter()
            .filter_map(|row| self.row(row, &verified, &proofs, &paths))
            .collect();
        Ok(Page { dropped: (looked_at - rows.len()) as u64, rows, next: None })
    }

    /// That the list was sealed.
    pub async fn proof(&self, tx: &mut Tx) -> Result<ListProof> {
        let entry = self.sealing.entry;
        let leaves = ledger::leaves(tx, &[entry]).await?;
        let leaf = leaves.get(&entry).and_then(|bytes| Leaf::parse(bytes).ok());
        let proofs = ledger::proofs(tx, &[entry], self.sealing.checkpoint_size).await?;
        Ok(ListProof {
            entry,
            leaf: leaf.ok_or(AudienceError::Unreadable("lists.entry"))?,
            proof: tlog_proof(entry, &proofs[0], &self.checkpoint),
            ledger_size: self.sealing.checkpoint_size,
            checkpoint: self.checkpoint.as_str().to_owned(),
            rows: self.sealing.rows,
            rows_root: self.sealing.rows_root,
        })
    }

    /// What an export says about itself. Rows, digest and signature are filled in by whoever writes it.
    pub async fn manifest(&self, tx: &mut Tx, now: Timestamp) -> Result<Manifest> {
        let ListProof { entry, leaf, proof, ledger_size, checkpoint, rows, rows_root } =
            self.proof(tx).await?;
        Ok(Manifest {
            kind: MANIFEST_TYPE.to_owned(),
            list: self.list.id,
            campaign: self.list.campaign,
            delivery_app: self.campaign.delivery_app.clone(),
            purpose: PurposeKind::BusinessMessages,
            model: self.sealing.model.clone(),
            ranking: self.sealing.ranking.clone(),
            variants: self.sealing.variants.as_ref().map(|drawing| drawing.draw.clone()),
            sealed_at: self.sealing.at,
            exported_at: now,
            expires_at: self.list.expires_at,
            entry,
            leaf,
            proof,
            ledger_size,
            checkpoint,
            rows_root,
            rows_sealed: rows,
            rows: 0,
            sha256: String::new(),
            signature: String::new(),
        })
    }

    /// Whether every consent the row was made with is live: the recipient's own, and for what was
    /// borrowed the link and the lender's.
    fn is_permitted(&self, row: &StoredRow, verified: &Verified) -> bool {
        let lenders = verified.lenders(row.subject);
        verified.recipient(row.subject, &self.campaign.delivery_app).is_ok()
            && row
                .loans
                .iter()
                .all(|loan| lenders.iter().any(|lender| lender.link.peer == loan.lender))
    }

    /// Inclusion proofs of every entry these rows name.
    async fn proofs(&self, tx: &mut Tx, rows: &[StoredRow]) -> Result<BTreeMap<u64, Evidence>> {
        let size = self.sealing.checkpoint_size;
        let entries: BTreeSet<u64> = rows.iter().flat_map(StoredRow::entries).collect();
        let entries: Vec<u64> = entries.into_iter().filter(|entry| *entry < size).collect();
        Ok(ledger::evidence(tx, &entries, size).await?)
    }

    /// The row as it leaves the house; nothing when it is not the row that was sealed.
    fn row(
        &self,
        stored: StoredRow,
        verified: &Verified,
        proofs: &BTreeMap<u64, Evidence>,
        paths: &Paths,
    ) -> Option<Row> {
        let ground = |of: SubjectId, index: u64| -> Option<Ground> {
            let entry = verified.entry(of, index)?;
            let notice = entry.record.notice.as_ref()?;
            Some(Ground {
                entry: index,
                notice: NoticeName {
                    id: notice.id.clone(),
                    version: notice.version,
                    language: notice.language.clone(),
                },
                leaf: Leaf::parse(&entry.leaf).ok()?,
                proof: proofs.get(&index)?.text(index),
            })
        };
        let borrowed = stored.loans.iter().map(|loan| {
            Some(Borrowed {
                app: loan.peer.clone(),
                own: ground(stored.subject, loan.own_entry)?,
                lender: ground(loan.lender, loan.lender_entry)?,
                relevance: ground(loan.lender, loan.relevance_entry)?,
            })
        });
        let consent = RowConsent {
            messages: ground(stored.subject, stored.messages_entry)?,
            relevance: ground(stored.subject, stored.relevance_entry)?,
            borrowed: borrowed.collect::<Option<_>>()?,
        };
        let path = paths.path(stored.rank).ok()?;
        let row = Row {
            recipient: stored.recipient,
            rank: stored.rank,
            score: stored.score,
            uplift: stored.uplift,
            risk: stored.risk,
            propensity: stored.propensity,
            variant: stored.variant,
            reasons: stored.reasons,
            consent,
            seal: RowSeal { salt: hex(&stored.salt), path },
        };
        row.is_sealed(self.list.id, self.sealing.rows, &self.sealing.rows_root).then_some(row)
    }
}
