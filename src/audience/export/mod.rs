//! A list as a file: CSV, JSON lines or Parquet, written row by row.
//!
//! The manifest comes last (a CSV's last line begins with `#`, JSON lines end with an object that
//! has only `manifest`, Parquet keeps it in the file's metadata), because it holds the digest and
//! the number of what was really written: rows are verified one more time while the file is made,
//! and a file without a manifest is one that was cut off. The digest is the same in all formats:
//! SHA-256 over the canonical JSON (RFC 8785) of each row, each followed by a line feed.
//!
//! The manifest is signed with the log's key, and the digest is in it: nothing in a file can be changed,
//! left out or added by whoever passes it on. What a file repeats in other words (the column `why`)
//! or in another spelling must follow from what is signed.

mod columns;
pub mod read;
mod write;

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use volens_privacy::ledger::{DocumentError, Hash, Leaf, LogSigner, LogVerifier};
use volens_privacy::purpose::PurposeKind;
use volens_privacy::{AppId, Timestamp};

pub use write::Exporter;

use crate::audience::order::{By, Ranking};
use crate::audience::variants::Draw;
use crate::ids::{CampaignId, ListId};

/// What an exported file is called in its own manifest.
pub const MANIFEST_TYPE: &str = "volens/list-export/5";

/// How an export is written.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// RFC 4180, UTF-8, guarded against cells that a spreadsheet would run.
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// Apache Parquet, Snappy.
    Parquet,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Csv, Self::Jsonl, Self::Parquet];

    /// The name, which is also the file's extension.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
        }
    }

    /// The media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Jsonl => "application/jsonl",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|format| format.name() == name)
            .ok_or_else(|| "one of csv, jsonl, parquet".to_owned())
    }
}

/// What a file says about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`MANIFEST_TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// The list.
    pub list: ListId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// Where the message is delivered.
    pub delivery_app: AppId,
    /// The only thing the rows may be used for.
    pub purpose: PurposeKind,
    /// The model that ranked.
    pub model: String,
    /// By what, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranking: Option<Ranking>,
    /// The variants of the message that its rows name: what is to be sent to whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variants: Option<Draw>,
    /// When the list was sealed.
    pub sealed_at: Timestamp,
    /// When the file was made.
    pub exported_at: Timestamp,
    /// Until when it may be used.
    pub expires_at: Timestamp,
    /// The ledger entry that sealed the list.
    pub entry: u64,
    /// That entry.
    pub leaf: Leaf,
    /// Its inclusion proof: `c2sp.org/tlog-proof@v1`.
    pub proof: String,
    /// Entries of the ledger that the list was sealed over; proofs lead there, or to the end of an
    /// earlier year.
    pub ledger_size: u64,
    /// The signed checkpoint of that size.
    pub checkpoint: String,
    /// Root over the rows that were sealed.
    pub rows_root: Hash,
    /// How many were sealed.
    pub rows_sealed: u64,
    /// How many are in the file. The others are not permitted any more.
    pub rows: u64,
    /// Digest of the rows, in hexadecimal.
    pub sha256: String,
    /// A C2SP signed note by the log's key over [`MANIFEST_TYPE`] and the SHA-256 of the canonical
    /// JSON (RFC 8785) of everything above.
    pub signature: String,
}

impl Manifest {
    /// Everything but the signature: what is signed.
    fn unsigned(&self) -> Result<serde_json::Value, serde_json::Error> {
        let mut value = serde_json::to_value(self)?;
        if let Some(fields) = value.as_object_mut() {
            fields.remove("signature");
        }
        Ok(value)
    }

    /// What the rows are ordered by.
    fn by(&self) -> By {
        self.ranking.as_ref().map_or(By::Score, |ranking| ranking.by)
    }

    fn sign(&mut self, signer: &LogSigner) -> Result<(), ExportError> {
        self.signature = signer.sign_document(MANIFEST_TYPE, &self.unsigned()?)?;
        Ok(())
    }

    fn is_signed(&self, log: &LogVerifier) -> bool {
        let verified =
            self.unsigned().map(|m| log.verify_document(MANIFEST_TYPE, &m, &self.signature));
        self.kind == MANIFEST_TYPE && matches!(verified, Ok(Ok(())))
    }
}

/// Why a file could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The bytes could not be written or read.
    #[error("the file could not be written or read")]
    Io(#[from] std::io::Error),
    /// Not CSV.
    #[error("not the CSV of an export")]
    Csv(#[from] csv::Error),
    /// Not JSON of the right shape.
    #[error("not the JSON of an export")]
    Json(#[from] serde_json::Error),
    /// Not Parquet.
    #[error("not the Parquet of an export")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// A cell is not what its column holds.
    #[error("column {0} holds something else than it should")]
    Cell(&'static str),
    /// The manifest could not be signed.
    #[error("the manifest could not be signed")]
    Unsigned(#[from] DocumentError),
    /// The end of the file is missing.
    #[error("the manifest is missing: the file was cut off")]
    CutOff,
}
