//! A row as the flat columns that CSV and Parquet share.

use serde::{Deserialize, Serialize};
use volens_privacy::Leaf;

use super::ExportError;
use crate::audience::rows::{Borrowed, Ground, NoticeName, Row, RowConsent, RowSeal};
use crate::audience::seal::Reason;
use crate::relevance::Assigned;

/// The columns, in order.
pub(super) const NAMES: [&str; 21] = [
    "rank",
    "recipient",
    "score",
    "uplift",
    "risk",
    "propensity",
    "variant",
    "variant_propensity",
    "why",
    "reasons",
    "consent_entry",
    "consent_notice",
    "consent_leaf",
    "consent_proof",
    "relevance_entry",
    "relevance_notice",
    "relevance_leaf",
    "relevance_proof",
    "borrowed",
    "seal_salt",
    "seal_path",
];

/// One row, flat. `why` is for people and derived from `reasons`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Columns {
    pub(super) rank: u32,
    pub(super) recipient: String,
    pub(super) score: f64,
    pub(super) uplift: Option<f64>,
    pub(super) risk: Option<f64>,
    pub(super) propensity: Option<f64>,
    pub(super) variant: Option<String>,
    pub(super) variant_propensity: Option<f64>,
    pub(super) why: String,
    pub(super) reasons: String,
    pub(super) consent_entry: u64,
    pub(super) consent_notice: String,
    pub(super) consent_leaf: String,
    pub(super) consent_proof: String,
    pub(super) relevance_entry: u64,
    pub(super) relevance_notice: String,
    pub(super) relevance_leaf: String,
    pub(super) relevance_proof: String,
    pub(super) borrowed: String,
    pub(super) seal_salt: String,
    pub(super) seal_path: String,
}

impl Columns {
    pub(super) fn of(row: &Row) -> Self {
        let why: Vec<&str> = row.reasons.iter().map(|reason| reason.text.as_str()).collect();
        let path: Vec<String> = row.seal.path.iter().map(ToString::to_string).collect();
        Self {
            rank: row.rank,
            recipient: row.recipient.to_string(),
            score: row.score,
            uplift: row.uplift,
            risk: row.risk,
            propensity: row.propensity,
            variant: row.variant.map(|assigned| assigned.name.to_string()),
            variant_propensity: row.variant.map(|assigned| assigned.propensity),
            why: why.join("; "),
            reasons: json(&row.reasons),
            consent_entry: row.consent.messages.entry,
            consent_notice: notice(&row.consent.messages.notice),
            consent_leaf: leaf(&row.consent.messages.leaf),
            consent_proof: row.consent.messages.proof.clone(),
            relevance_entry: row.consent.relevance.entry,
            relevance_notice: notice(&row.consent.relevance.notice),
            relevance_leaf: leaf(&row.consent.relevance.leaf),
            relevance_proof: row.consent.relevance.proof.clone(),
            borrowed: json(&row.consent.borrowed),
            seal_salt: row.seal.salt.clone(),
            seal_path: path.join(" "),
        }
    }

    pub(super) fn row(self) -> Result<Row, ExportError> {
        let reasons: Vec<Reason> = serde_json::from_str(&self.reasons)?;
        let borrowed: Vec<Borrowed> = serde_json::from_str(&self.borrowed)?;
        let variant = assigned(self.variant.as_deref(), self.variant_propensity)?;
        let path = self.seal_path.split_whitespace().map(str::parse).collect::<Result<_, _>>();
        Ok(Row {
            recipient: self.recipient.parse().map_err(|_| ExportError::Cell("recipient"))?,
            rank: self.rank,
            score: self.score,
            uplift: self.uplift,
            risk: self.risk,
            propensity: self.propensity,
            variant,
            reasons,
            consent: RowConsent {
                messages: Ground {
                    entry: self.consent_entry,
                    notice: read_notice(&self.consent_notice)?,
                    leaf: read_leaf(&self.consent_leaf)?,
                    proof: self.consent_proof,
                },
                relevance: Ground {
                    entry: self.relevance_entry,
                    notice: read_notice(&self.relevance_notice)?,
                    leaf: read_leaf(&self.relevance_leaf)?,
                    proof: self.relevance_proof,
                },
                borrowed,
            },
            seal: RowSeal {
                salt: self.seal_salt,
                path: path.map_err(|_| ExportError::Cell("seal_path"))?,
            },
        })
    }
}

/// Both cells or neither.
fn assigned(name: Option<&str>, propensity: Option<f64>) -> Result<Option<Assigned>, ExportError> {
    match (name, propensity) {
        (None, None) => Ok(None),
        (Some(name), Some(propensity)) => {
            let name = name.parse().map_err(|_| ExportError::Cell("variant"))?;
            Ok(Some(Assigned { name, propensity }))
        }
        _ => Err(ExportError::Cell("variant")),
    }
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("strings, finite numbers and lists are JSON")
}

/// The bytes that are hashed; a leaf is canonical JSON, which is text.
fn leaf(leaf: &Leaf) -> String {
    String::from_utf8_lossy(&leaf.bytes()).into_owned()
}

fn read_leaf(text: &str) -> Result<Leaf, ExportError> {
    Leaf::parse(text.as_bytes()).map_err(|_| ExportError::Cell("leaf"))
}

/// `id/version/language`.
fn notice(name: &NoticeName) -> String {
    format!("{}/{}/{}", name.id, name.version, name.language)
}

fn read_notice(text: &str) -> Result<NoticeName, ExportError> {
    let mut parts = text.rsplitn(3, '/');
    let (language, version, id) = (parts.next(), parts.next(), parts.next());
    match (id, version.and_then(|version| version.parse().ok()), language) {
        (Some(id), Some(version), Some(language)) => {
            Ok(NoticeName { id: id.to_owned(), version, language: language.to_owned() })
        }
        _ => Err(ExportError::Cell("notice")),
    }
}

/// What makes a spreadsheet run a cell (OWASP, CSV injection), and the guard itself so that
/// guarding can be undone.
const RUNS: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\''];

/// The cell as text in every spreadsheet: one apostrophe in front where it would be run.
fn guard(cell: String) -> String {
    if cell.starts_with(RUNS) { format!("'{cell}") } else { cell }
}

/// Undoes [`guard`].
fn unguard(cell: String) -> String {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(RUNS) => rest.to_owned(),
        _ => cell,
    }
}

/// Every text cell as no spreadsheet runs it.
pub(super) fn guarded(mut row: Columns) -> Columns {
    for cell in row.texts_mut() {
        *cell = guard(std::mem::take(cell));
    }
    row
}

/// Undoes [`guarded`].
pub(super) fn unguarded(mut row: Columns) -> Columns {
    for cell in row.texts_mut() {
        *cell = unguard(std::mem::take(cell));
    }
    row
}

impl Columns {
    /// Every cell that holds text.
    fn texts_mut(&mut self) -> [&mut String; 12] {
        [
            &mut self.recipient,
            &mut self.why,
            &mut self.reasons,
            &mut self.consent_notice,
            &mut self.consent_leaf,
            &mut self.consent_proof,
            &mut self.relevance_notice,
            &mut self.relevance_leaf,
            &mut self.relevance_proof,
            &mut self.borrowed,
            &mut self.seal_salt,
            &mut self.seal_path,
        ]
    }
}
