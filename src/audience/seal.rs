//! What a list commits to: one salted leaf per row, an RFC 6962 root over them, and the
//! `list.sealed` leaf that carries the root into the ledger.
//!
//! A leaf is `SHA-256(0x00 ‖ JCS(SealedRow))`. The salt is random and dies with the row, so a leaf
//! whose row is gone says nothing about whose it was, while the root can still be recomputed.

use serde::{Deserialize, Serialize};
use volens_privacy::RecipientId;
use volens_privacy::ledger::{
    Hash, Node, empty_root, leaf_hash, node_hash, prove_inclusion, verify_inclusion,
};

use super::order::By;
use super::{AudienceError, Result};
use crate::ids::{CampaignId, ListId};
use crate::relevance::Assigned;

/// One reason of a score, in words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Reason {
    /// For people.
    #[schema(example = "often looks at running")]
    pub text: String,
    /// For programs: the feature's name.
    pub feature: String,
    /// What it added to the logit, to six decimals.
    pub contribution: f64,
}

/// The ledger entries a row rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entries {
    /// Consent to business messages.
    pub messages: u64,
    /// Consent to being ranked.
    pub relevance: u64,
    /// What was borrowed from other apps, by app.
    pub borrowed: Vec<BorrowedEntries>,
}

/// The ledger entries that allow one other app to lend its signals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BorrowedEntries {
    /// The lending app.
    pub app: String,
    /// The recipient's consent to the link.
    pub own: u64,
    /// The lending account's consent to the link.
    pub lender: u64,
    /// The lending account's consent to being ranked.
    pub relevance: u64,
}

/// A row as it is committed to. Its canonical JSON (RFC 8785) is the content of the leaf.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SealedRow<'a> {
    /// The list.
    pub list: ListId,
    /// Whom it is about, for this business only.
    pub recipient: RecipientId,
    /// From 1.
    pub rank: u32,
    /// Probability, to six decimals.
    pub score: f64,
    /// Expected increase, where it is known, to six decimals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uplift: Option<f64>,
    /// Probability of a complaint or a stop, where the list is ranked by increase and it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub risk: Option<f64>,
    /// How probable it was to be written to rather than kept aside; absent on lists of before it was written
    /// down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub propensity: Option<f64>,
    /// Which variant of the message it is written, where the campaign has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<Assigned>,
    /// Why.
    pub reasons: &'a [Reason],
    /// What it rests on.
    pub entries: &'a Entries,
    /// 16 random bytes, in hexadecimal.
    pub salt: &'a str,
}

impl SealedRow<'_> {
    /// The leaf.
    pub fn leaf(&self) -> Hash {
        let bytes = serde_jcs::to_vec(self).expect("finite numbers and strings are JSON");
        leaf_hash(&bytes)
    }

    /// Whether this row is the one that a list with `root` over `leaves` rows sealed.
    pub fn is_in(&self, path: &[Hash], leaves: u64, root: &Hash) -> bool {
        let Some(index) = u64::from(self.rank).checked_sub(1) else { return false };
        verify_inclusion(&self.leaf(), index, leaves, path, root).is_ok()
    }
}

/// Six decimals: what is shown, stored and committed to is the same number everywhere, whatever
/// format it passes through.
pub fn six_decimals(number: f64) -> f64 {
    let rounded = (number * 1e6).round() / 1e6;
    // Minus zero would be written differently by different formats.
    if rounded == 0.0 { 0.0 } else { rounded }
}

/// The Merkle tree over the leaves of one list, all of it in memory: 64 bytes a row.
pub struct RowsTree {
    /// Complete subtrees, level by level; `levels[0]` are the leaves.
    levels: Vec<Vec<Hash>>,
}

impl RowsTree {
    /// Over leaves in the order of ranks.
    pub fn over(leaves: Vec<Hash>) -> Self {
        let mut levels = vec![leaves];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let above = below.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
            levels.push(above);
        }
        Self { levels }
    }

    /// How many leaves.
    pub fn len(&self) -> u64 {
        self.levels[0].len() as u64
    }

    /// Every complete subtree.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (Node, Hash)> {
        (0..).zip(&self.levels).flat_map(|(level, hashes)| {
            (0..).zip(hashes).map(move |(index, hash)| (Node { level, index }, *hash))
        })
    }

    /// The leaf of `rank` (from 1).
    pub fn leaf(&self, rank: u32) -> Option<Hash> {
        self.levels[0].get((rank as usize).checked_sub(1)?).copied()
    }

    /// Whether there is no leaf.
    pub fn is_empty(&self) -> bool {
        self.levels[0].is_empty()
    }

    /// The root of RFC 6962 §2.1.
    pub fn root(&self) -> Hash {
        // The complete subtrees on the right edge, smallest first, hashed towards the left.
        let edge = self.levels.iter().enumerate().filter_map(|(level, nodes)| {
            ((self.levels[0].len() >> level) & 1 == 1).then(|| nodes.last().copied()).flatten()
        });
        edge.reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(empty_root)
    }

    /// The path from the leaf of `rank` (from 1) to the root.
    pub fn path(&self, rank: u32) -> Result<Vec<Hash>> {
        let index = u64::from(rank).checked_sub(1).ok_or(AudienceError::Unreadable("rank"))?;
        prove_inclusion(index, self.len(), &|node: Node| {
            self.levels
                .get(usize::from(node.level))?
                .get(usize::try_from(node.index).ok()?)
                .copied()
        })
        .map_err(|_| AudienceError::Unreadable("rank"))
    }
}

/// What the `list.sealed` leaf says: that a list of so many rows was made, nothing about whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedList {
    /// The list.
    pub list: ListId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// The model that scored it.
    pub model: String,
    /// How many rows.
    pub rows: u64,
    /// Root over their leaves.
    pub rows_root: Hash,
    /// What it is ranked by, unless that is the score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranking: Option<By>,
    /// Hash of the variants it was written with and of how probable each was ([`Draw::hash`]), where the
    /// campaign has several.
    ///
    /// [`Draw::hash`]: super::variants::Draw::hash
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variants: Option<Hash>,
}

/// How a list's entry names what it is ranked by: lists by score have entries as they always had.
pub fn sealed_as(by: By) -> Option<By> {
    Some(by).filter(|by| *by != By::Score)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use volens_privacy::ledger::Frontier;

    use super::*;

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
    }

    proptest! {
        #[test]
        fn the_root_is_the_ledgers_root_and_every_path_leads_to_it(count in 0u64..200) {
            let tree = RowsTree::over(leaves(count));
            let mut frontier = Frontier::default();
            for leaf in leaves(count) {
                frontier.append(leaf);
            }
            prop_assert_eq!(tree.root(), frontier.root());
            for (index, leaf) in leaves(count).iter().enumerate() {
                let path = tree.path(index as u32 + 1).unwrap();
                prop_assert!(
                    verify_inclusion(leaf, index as u64, count, &path, &tree.root()).is_ok()
                );
            }
        }
    }

    #[test]
    fn no_part_of_a_row_can_be_changed() {
        let reasons =
            [Reason { text: "likes running".into(), feature: "t".into(), contribution: 0.5 }];
        let entries = Entries { messages: 3, relevance: 4, borrowed: Vec::new() };
        let row = SealedRow {
            list: ListId::from_bytes([1; 16]),
            recipient: RecipientId::from_bytes([2; 16]),
            rank: 2,
            score: six_decimals(0.123_456_78),
            uplift: None,
            risk: None,
            propensity: Some(0.9),
            variant: Assigned { name: "a".parse().unwrap(), propensity: 0.5 }.into(),
            reasons: &reasons,
            entries: &entries,
            salt: "00",
        };
        let tree = RowsTree::over(vec![leaf_hash(b"a"), row.leaf(), leaf_hash(b"c")]);
        let (path, root) = (tree.path(2).unwrap(), tree.root());
        assert!(row.is_in(&path, 3, &root));
        let other = Entries { messages: 5, ..entries.clone() };
        for changed in [
            SealedRow { rank: 1, ..row.clone() },
            SealedRow { rank: 0, ..row.clone() },
            SealedRow { score: 0.9, ..row.clone() },
            SealedRow { risk: Some(0.1), ..row.clone() },
            SealedRow { propensity: Some(0.5), ..row.clone() },
            SealedRow { propensity: None, ..row.clone() },
            SealedRow {
                variant: Assigned { name: "b".parse().unwrap(), propensity: 0.5 }.into(),
                ..row.clone()
            },
            SealedRow {
                variant: Assigned { name: "a".parse().unwrap(), propensity: 0.6 }.into(),
                ..row.clone()
            },
            SealedRow { variant: None, ..row.clone() },
            SealedRow { reasons: &[], ..row.clone() },
            SealedRow { entries: &other, ..row.clone() },
            SealedRow { salt: "01", ..row.clone() },
            SealedRow { recipient: RecipientId::from_bytes([3; 16]), ..row.clone() },
        ] {
            assert!(!changed.is_in(&path, 3, &root));
        }
        assert!(!row.is_in(&path, 2, &root));
    }
}
