//! How the decisions of one account about one purpose follow each other: each names the hash of the one
//! before, so that whoever holds some of them sees when one between them is missing or another was put
//! in its place.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{ConsentRecord, Decision};
use crate::encoding::hex_bytes;
use crate::identity::AppId;
use crate::purpose::PurposeKind;

/// Where a record stands among those of its account about the same purpose and peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// The record before; nothing for the first.
    pub previous: Option<Previous>,
}

/// A record as the next one names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Previous {
    /// What was decided then.
    pub decision: Decision,
    /// Its id.
    #[serde(with = "hex_bytes")]
    pub id: [u8; 16],
    /// SHA-256 of its canonical bytes (RFC 8785), those that the ledger commits to.
    #[serde(with = "hex_bytes")]
    pub sha256: [u8; 32],
}

impl Previous {
    /// How the next record names this one.
    pub fn of(record: &ConsentRecord) -> Self {
        Self::canonical(record, &record.canonical_bytes())
    }

    /// The same where the canonical bytes are at hand.
    pub(super) fn canonical(record: &ConsentRecord, canonical: &[u8]) -> Self {
        let ConsentRecord { decision, id, .. } = record;
        Self { decision: *decision, id: *id, sha256: Sha256::digest(canonical).into() }
    }
}

/// Whether every record that tells what it follows follows exactly that: these are all records of one
/// account, oldest first. Records from before that was told start no chain and break none.
pub fn chained<'a>(records: impl IntoIterator<Item = &'a ConsentRecord>) -> bool {
    let mut last: BTreeMap<(PurposeKind, Option<&AppId>), &ConsentRecord> = BTreeMap::new();
    records.into_iter().all(|record| {
        let before = last.insert((record.purpose, record.peer.as_ref()), record);
        let told = record.chain.as_ref();
        told.is_none_or(|chain| chain.previous == before.map(Previous::of))
    })
}
