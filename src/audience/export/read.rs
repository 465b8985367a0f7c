//! Reading an export back, and checking it without the service that made it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::{Field, Row as ParquetRow};
use parquet::schema::parser::parse_message_type;
use sha2::{Digest as _, Sha256};
use volens_privacy::AppId;
use volens_privacy::ledger::{Leaf, LeafKind, LogVerifier, parse_tlog_proof};
use volens_privacy::purpose::PurposeKind;

use super::columns::{Columns, NAMES, guarded, unguarded};
use super::write::{CSV_MARK, PARQUET_KEY, SCHEMA};
use super::{ExportError, Format, Manifest};
use crate::audience::rows::{Ground, Row};
use crate::audience::seal::{SealedList, sealed_as};
use crate::audience::variants::Draw;
use crate::ids::hex;

/// An export in memory.
pub struct Export {
    /// Its rows, in the order of the file.
    pub rows: Vec<Row>,
    /// What it says about itself.
    pub manifest: Manifest,
    /// Where the file says something that does not follow from its rows and its manifest: the ranks of
    /// rows, or none for what is about the file.
    rewritten: Vec<Option<u32>>,
}

/// Reads a whole file.
pub fn read(format: Format, file: File) -> Result<Export, ExportError> {
    match format {
        Format::Csv => read_csv(file),
        Format::Jsonl => read_jsonl(file),
        Format::Parquet => read_parquet(file),
    }
}

impl Export {
    /// With a manifest in the only spelling it is written in.
    fn of(manifest: &str) -> Result<Self, ExportError> {
        let parsed: Manifest = serde_json::from_str(manifest)?;
        let mut export = Self { rows: Vec::new(), manifest: parsed, rewritten: Vec::new() };
        let spelled = serde_json::to_string(&export.manifest)?;
        export.expect(None, spelled == manifest);
        Ok(export)
    }

    fn expect(&mut self, rank: Option<u32>, so: bool) {
        if !so {
            self.rewritten.push(rank);
        }
    }

    fn add(&mut self, row: Row, as_written: bool) {
        self.expect(Some(row.rank), as_written);
        self.rows.push(row);
    }
}

fn read_csv(mut file: File) -> Result<Export, ExportError> {
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let (rows, last) = match text.trim_end_matches('\n').rsplit_once('\n') {
        Some(parts) => parts,
        None => ("", text.trim_end_matches('\n')),
    };
    let mut export = Export::of(last.strip_prefix(CSV_MARK).ok_or(ExportError::CutOff)?)?;
    let mut reader = csv::Reader::from_reader(rows.as_bytes());
    let named = reader.headers()?.iter().eq(NAMES) || rows.is_empty();
    export.expect(None, named);
    for cells in reader.deserialize::<Columns>() {
        let cells = cells?;
        let row = unguarded(cells.clone()).row()?;
        let as_written = cells == guarded(Columns::of(&row));
        export.add(row, as_written);
    }
    Ok(export)
}

fn read_jsonl(file: File) -> Result<Export, ExportError> {
    let mut lines: Vec<String> = BufReader::new(file).lines().collect::<Result<_, _>>()?;
    let last = lines.pop().ok_or(ExportError::CutOff)?;
    let manifest = last.strip_prefix("{\"manifest\":").and_then(|rest| rest.strip_suffix('}'));
    let mut export = Export::of(manifest.ok_or(ExportError::CutOff)?)?;
    for line in lines {
        let row: Row = serde_json::from_str(&line)?;
        let as_written = serde_json::to_string(&row)? == line;
        export.add(row, as_written);
    }
    Ok(export)
}

fn read_parquet(file: File) -> Result<Export, ExportError> {
    let reader = SerializedFileReader::new(file)?;
    let about = reader.metadata().file_metadata();
    let kept = about.key_value_metadata();
    let manifest = kept
        .and_then(|pairs| pairs.iter().find(|pair| pair.key == PARQUET_KEY))
        .and_then(|pair| pair.value.as_deref())
        .ok_or(ExportError::CutOff)?;
    let mut export = Export::of(manifest)?;
    export.expect(None, kept.is_some_and(|pairs| pairs.len() == 1));
    export.expect(None, *about.schema() == parse_message_type(SCHEMA)?);
    for row in reader.get_row_iter(None)? {
        let cells = columns(&row?)?;
        let row = cells.clone().row()?;
        let as_written = cells == Columns::of(&row);
        export.add(row, as_written);
    }
    Ok(export)
}

fn columns(row: &ParquetRow) -> Result<Columns, ExportError> {
    let field = |name: &'static str| {
        let found = row.get_column_iter().find(|(column, _)| *column == name);
        found.map(|(_, field)| field).ok_or(ExportError::Cell(name))
    };
    let text = |name| match field(name)? {
        Field::Str(text) => Ok(text.clone()),
        Field::Bytes(bytes) => {
            bytes.as_utf8().map(str::to_owned).map_err(|_| ExportError::Cell(name))
        }
        _ => Err(ExportError::Cell(name)),
    };
    let entry = |name| match field(name)? {
        Field::Long(entry) => u64::try_from(*entry).map_err(|_| ExportError::Cell(name)),
        _ => Err(ExportError::Cell(name)),
    };
    let number = |name| match field(name)? {
        Field::Double(number) => Ok(Some(*number)),
        Field::Null => Ok(None),
        _ => Err(ExportError::Cell(name)),
    };
    let rank = match field("rank")? {
        Field::Int(rank) => u32::try_from(*rank).map_err(|_| ExportError::Cell("rank"))?,
        _ => return Err(ExportError::Cell("rank")),
    };
    Ok(Columns {
        rank,
        recipient: text("recipient")?,
        score: number("score")?.ok_or(ExportError::Cell("score"))?,
        uplift: number("uplift")?,
        risk: number("risk")?,
        propensity: number("propensity")?,
        variant: match field("variant")? {
            Field::Null => None,
            _ => Some(text("variant")?),
        },
        variant_propensity: number("variant_propensity")?,
        why: text("why")?,
        reasons: text("reasons")?,
        consent_entry: entry("consent_entry")?,
        consent_notice: text("consent_notice")?,
        consent_leaf: text("consent_leaf")?,
        consent_proof: text("consent_proof")?,
        relevance_entry: entry("relevance_entry")?,
        relevance_notice: text("relevance_notice")?,
        relevance_leaf: text("relevance_leaf")?,
        relevance_proof: text("relevance_proof")?,
        borrowed: text("borrowed")?,
        seal_salt: text("seal_salt")?,
        seal_path: text("seal_path")?,
    })
}

/// What an export was found to be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FileReport {
    /// Rows looked at.
    pub rows: u64,
    /// What does not hold; empty when everything does.
    pub denied: Vec<Denied>,
}

/// One thing that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Denied {
    /// Of which row; none when it is about the file.
    pub rank: Option<u32>,
    /// Stable code.
    pub code: &'static str,
}

impl Export {
    /// Checks the file with nothing but the ledger's public key: the signature over the manifest and
    /// with it the digest, that nothing in the file says more or otherwise, the entry that sealed the
    /// list, and of every row that it is a row of that list and that each consent it names is an entry
    /// of the ledger of the right kind and purpose.
    ///
    /// What it cannot see is whether a consent ended later: that is asked of the service.
    pub fn check(&self, log: &LogVerifier) -> FileReport {
        let mut denied = Vec::new();
        let mut deny = |rank, code| denied.push(Denied { rank, code });
        if !self.manifest.is_signed(log) {
            deny(None, "export.not_signed_so");
        }
        for rank in &self.rewritten {
            deny(*rank, "export.rewritten");
        }
        if self.manifest.rows != self.rows.len() as u64 || self.manifest.sha256 != self.digest() {
            deny(None, "export.digest");
        }
        if let Err(code) = self.check_sealing(log) {
            deny(None, code);
        }
        let (mut before, mut place) = (0, f64::INFINITY);
        let by = self.manifest.by();
        for row in &self.rows {
            let stands = by.place(row.score, row.uplift, row.risk);
            if row.rank <= before || stands > place {
                deny(Some(row.rank), "row.out_of_order");
            }
            (before, place) = (row.rank, stands);
            if let Err(code) = self.check_row(row, log) {
                deny(Some(row.rank), code);
            }
        }
        FileReport { rows: self.rows.len() as u64, denied }
    }

    fn digest(&self) -> String {
        let mut digest = Sha256::new();
        for row in &self.rows {
            digest.update(serde_jcs::to_vec(row).expect("finite numbers and strings are JSON"));
            digest.update(b"\n");
        }
        hex(&digest.finalize())
    }

    fn check_sealing(&self, log: &LogVerifier) -> Result<(), &'static str> {
        let manifest = &self.manifest;
        let checkpoint = log.verify(&manifest.checkpoint).map_err(|_| "checkpoint.invalid")?;
        if checkpoint.entries() != manifest.ledger_size {
            return Err("checkpoint.invalid");
        }
        let leaf = &manifest.leaf;
        check_proof(leaf, &manifest.proof, manifest.entry, log)?;
        let sealed = leaf.detail().and_then(|detail| serde_json::from_value(detail.clone()).ok());
        let expected = SealedList {
            list: manifest.list,
            campaign: manifest.campaign,
            model: manifest.model.clone(),
            rows: manifest.rows_sealed,
            rows_root: manifest.rows_root,
            ranking: sealed_as(manifest.by()),
            variants: manifest.variants.as_ref().map(Draw::hash),
        };
        if leaf.kind() != LeafKind::ListSealed || sealed != Some(expected) {
            return Err("list.not_sealed_so");
        }
        Ok(())
    }

    fn check_row(&self, row: &Row, log: &LogVerifier) -> Result<(), &'static str> {
        let manifest = &self.manifest;
        if !row.is_sealed(manifest.list, manifest.rows_sealed, &manifest.rows_root) {
            return Err("row.not_sealed_so");
        }
        let offered = |name| manifest.variants.as_ref().is_some_and(|draw| draw.offers(name));
        if row.variant.map_or(manifest.variants.is_some(), |given| !offered(given.name)) {
            return Err("row.not_assigned_so");
        }
        let app = manifest.delivery_app.as_str();
        check_ground(&row.consent.messages, PurposeKind::BusinessMessages, app, None, log)?;
        check_ground(&row.consent.relevance, PurposeKind::Relevance, app, None, log)?;
        for lent in &row.consent.borrowed {
            let peer = lent.app.as_str();
            let linking = PurposeKind::CrossAppLinking;
            check_ground(&lent.own, linking, app, Some(peer), log)?;
            check_ground(&lent.lender, linking, peer, Some(app), log)?;
            check_ground(&lent.relevance, PurposeKind::Relevance, peer, None, log)?;
        }
        Ok(())
    }
}

fn check_proof(
    leaf: &Leaf,
    proof: &str,
    entry: u64,
    log: &LogVerifier,
) -> Result<(), &'static str> {
    let proof = parse_tlog_proof(proof).map_err(|_| "proof.invalid")?;
    if proof.entry() != entry {
        return Err("proof.invalid");
    }
    proof.verify(&leaf.bytes(), log).map_err(|_| "proof.invalid")?;
    Ok(())
}

fn check_ground(
    ground: &Ground,
    purpose: PurposeKind,
    app: &str,
    peer: Option<&str>,
    log: &LogVerifier,
) -> Result<(), &'static str> {
    let leaf = &ground.leaf;
    check_proof(leaf, &ground.proof, ground.entry, log)?;
    let notice = leaf.notice();
    let right = leaf.kind() == LeafKind::ConsentGiven
        && leaf.purpose() == Some(purpose)
        && leaf.app().is_some_and(|of| of.as_str() == app)
        && leaf.peer().map(AppId::as_str) == peer
        && notice
            .is_some_and(|of| of.id == ground.notice.id && of.version == ground.notice.version);
    if right { Ok(()) } else { Err("consent.other") }
}
