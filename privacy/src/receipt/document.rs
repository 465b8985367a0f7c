//! Receipts as JSON-LD: a `dpv:ConsentReceipt` that holds the `dpv:ConsentRecord` it is about (Data
//! Privacy Vocabulary 2.3, profile of ISO/IEC TS 27560), what opens the ledger's commitment, the proof
//! that the commitment is in the ledger, and the operator's signature over all of it.
//!
//! Written in RFC 8785 canonical form as it goes: members of the structs below stand in its order, and parts that
//! do not change are written once.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::signature::{Proof, ReceiptSigner};
use super::terms::{self, RECEIPT_PROFILE, RECORD_PROFILE, Terms, canonical};
use super::{OPENING_ALG, Receipt};
use crate::consent::{ConsentRecord, Decision};
use crate::encoding::hex;
use crate::identity::AppId;
use crate::keys::KeyRing;
use crate::ledger::parse_tlog_proof;
use crate::parties::Parties;
use crate::purpose::PurposeKind;
use crate::time::Timestamp;

/// Kinds of decisions whose unchanging part is remembered; beyond that it is written anew.
const REMEMBERED: usize = 4096;

type Kind = (AppId, PurposeKind, Option<AppId>);

/// Writes and signs the receipts of one installation.
pub struct Issuer {
    parties: Arc<Parties>,
    keys: Arc<KeyRing>,
    /// Made anew when the ring signs with another root.
    signer: RwLock<Arc<ReceiptSigner>>,
    context: Box<RawValue>,
    remembered: RwLock<BTreeMap<Kind, Arc<Terms>>>,
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "@context")]
    context: &'a RawValue,
    #[serde(rename = "@id")]
    id: String,
    #[serde(rename = "@type")]
    kind: &'a str,
    #[serde(rename = "dct:conformsTo")]
    conforms_to: &'a str,
    #[serde(rename = "dct:created")]
    created: Timestamp,
    #[serde(rename = "dct:creator")]
    creator: &'a str,
    #[serde(rename = "dct:identifier")]
    identifier: &'a str,
    #[serde(rename = "dct:publisher")]
    publisher: &'a str,
    #[serde(rename = "dpv:hasRecordOfActivity")]
    records: [RecordPart<'a>; 1],
    #[serde(rename = "schema:recipient")]
    recipient: &'a str,
    #[serde(rename = "volens:opening")]
    opening: OpeningPart<'a>,
    #[serde(rename = "volens:proof", skip_serializing_if = "Option::is_none")]
    proof: Option<Proof>,
    #[serde(rename = "volens:tlogProof")]
    tlog_proof: &'a str,
}

#[derive(Serialize)]
struct OpeningPart<'a> {
    alg: &'a str,
    key: &'a str,
    record: &'a RawValue,
}

#[derive(Serialize)]
struct RecordPart<'a> {
    #[serde(rename = "@id")]
    id: String,
    #[serde(rename = "@type")]
    kind: &'a str,
    #[serde(rename = "dct:conformsTo")]
    conforms_to: &'a str,
    #[serde(rename = "dct:created")]
    created: Timestamp,
    #[serde(rename = "dct:identifier")]
    identifier: String,
    #[serde(rename = "dpv:hasApplicableLaw")]
    law: &'a RawValue,
    #[serde(rename = "dpv:hasAuthority")]
    authority: &'a RawValue,
    #[serde(rename = "dpv:hasConsentControl")]
    control: &'a RawValue,
    #[serde(rename = "dpv:hasConsentStatus")]
    status: Value,
    #[serde(rename = "dpv:hasDataController")]
    controllers: &'a RawValue,
    #[serde(rename = "dpv:hasDataProcessor")]
    processors: &'a RawValue,
    #[serde(rename = "dpv:hasDataSubject")]
    subject: Value,
    #[serde(rename = "dpv:hasEntity")]
    entities: &'a RawValue,
    #[serde(rename = "dpv:hasJurisdiction")]
    jurisdiction: &'a RawValue,
    #[serde(rename = "dpv:hasNotice", skip_serializing_if = "Option::is_none")]
    notice: Option<Value>,
    #[serde(rename = "dpv:hasProcess")]
    process: &'a RawValue,
    #[serde(rename = "dpv:hasRight")]
    rights: &'a RawValue,
    #[serde(rename = "volens:ledger")]
    ledger: Value,
    #[serde(rename = "volens:linkScope", skip_serializing_if = "Option::is_none")]
    link_scope: Option<&'a RawValue>,
}

impl Issuer {
    /// An issuer that names these parties and signs with whatever root the ring signs with.
    pub fn new(parties: Arc<Parties>, keys: Arc<KeyRing>) -> Self {
        let context = canonical(&terms::context());
        let signer = RwLock::new(Arc::new(keys.receipt_signer()));
        Self { parties, keys, signer, context, remembered: RwLock::default() }
    }

    fn signer(&self) -> Arc<ReceiptSigner> {
        let known = Arc::clone(&self.signer.read().unwrap_or_else(PoisonError::into_inner));
        if known.version() == self.keys.signing_version() {
            return known;
        }
        let made = Arc::new(self.keys.receipt_signer());
        *self.signer.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&made);
        made
    }

    /// Whom its receipts name.
    pub fn parties(&self) -> &Parties {
        &self.parties
    }

    /// Signs any other canonical bytes as this installation's word: a compact JWS over their hash, its
    /// key and the note that vouches for it, as JSON.
    pub fn sign(&self, canonical: &[u8]) -> Value {
        serde_json::to_value(self.signer().sign(canonical)).expect("texts")
    }

    /// The signed receipt as a document in canonical form, issued at `now`.
    pub fn document(&self, receipt: &Receipt, now: Timestamp) -> Box<RawValue> {
        let record = &receipt.record;
        let terms = self.terms(record);
        let committed = String::from_utf8(record.canonical_bytes()).expect("JSON is UTF-8");
        let committed = RawValue::from_string(committed).expect("canonical JSON is JSON");
        let identifier = identifier(receipt, now);
        let subject = subject_urn(record);
        let creator = self.parties.operator.urn();
        let mut document = Document {
            context: &self.context,
            id: format!("urn:uuid:{identifier}"),
            kind: "dpv:ConsentReceipt",
            conforms_to: RECEIPT_PROFILE,
            created: now,
            creator: &creator,
            identifier: &identifier,
            publisher: &terms.publisher,
            records: [record_part(receipt, &terms, &creator)],
            recipient: &subject,
            opening: OpeningPart {
                alg: OPENING_ALG,
                key: &receipt.opening.key,
                record: &committed,
            },
            proof: None,
            tlog_proof: &receipt.proof,
        };
        document.proof = Some(self.signer().sign(written(&document).as_bytes()));
        RawValue::from_string(written(&document)).expect("what serde wrote is JSON")
    }

    fn terms(&self, record: &ConsentRecord) -> Arc<Terms> {
        let kind = (record.app.clone(), record.purpose, record.peer.clone());
        let known =
            self.remembered.read().unwrap_or_else(PoisonError::into_inner).get(&kind).cloned();
        known.unwrap_or_else(|| {
            let terms = Arc::new(Terms::new(&self.parties, record));
            let mut all = self.remembered.write().unwrap_or_else(PoisonError::into_inner);
            if all.len() < REMEMBERED {
                all.insert(kind, Arc::clone(&terms));
            }
            terms
        })
    }
}

fn written(document: &Document<'_>) -> String {
    serde_json::to_string(document).expect("texts, numbers and canonical JSON")
}

fn record_part<'a>(receipt: &Receipt, terms: &'a Terms, operator: &str) -> RecordPart<'a> {
    let record = &receipt.record;
    let facts = Facts::of(record, &terms.publisher, operator);
    RecordPart {
        id: facts.id,
        kind: "dpv:ConsentRecord",
        conforms_to: RECORD_PROFILE,
        created: record.recorded_at,
        identifier: uuid(&record.id),
        law: &terms.law,
        authority: &terms.authority,
        control: &terms.control,
        status: facts.status,
        controllers: &terms.controllers,
        processors: &terms.processors,
        subject: facts.subject,
        entities: &terms.entities,
        jurisdiction: &terms.jurisdiction,
        notice: facts.notice,
        process: &terms.process,
        rights: &terms.rights,
        ledger: ledger(receipt),
        link_scope: terms.link_scope.as_deref(),
    }
}

fn ledger(receipt: &Receipt) -> Value {
    let proof = parse_tlog_proof(&receipt.proof).ok();
    let origin = proof.as_ref().map(|proof| proof.checkpoint.unverified().origin);
    json!({
        "index": proof.map(|proof| proof.entry()),
        "leaf": receipt.leaf,
        "leafCommitment": receipt.leaf.commitment().map(|commitment| hex(commitment)),
        "origin": origin,
    })
}

/// What the document says about one decision, as opposed to its kind. A verifier makes the same from
/// the record that the ledger commits to, and compares.
pub(super) struct Facts {
    pub(super) id: String,
    pub(super) subject: Value,
    pub(super) status: Value,
    pub(super) notice: Option<Value>,
}

impl Facts {
    pub(super) fn of(record: &ConsentRecord, controller: &str, operator: &str) -> Self {
        Self {
            id: format!("urn:uuid:{}", uuid(&record.id)),
            subject: json!({ "@id": subject_urn(record), "@type": ["dpv:User"] }),
            status: status(record, controller, operator),
            notice: record.notice.as_ref().map(|notice| {
                let urn = format!(
                    "urn:volens:notice:{}/{}/{}",
                    notice.id, notice.version, notice.language
                );
                let mut shown = json!({
                    "@id": urn,
                    "@type": "dpv:ConsentNotice",
                    "dct:language": notice.language,
                    "schema:version": notice.version.to_string(),
                    "volens:contentSha256": hex(&notice.content_sha256),
                });
                if let Some(rendered) = &notice.rendered_sha256 {
                    shown["volens:renderSha256"] = json!(hex(rendered));
                }
                shown
            }),
        }
    }
}

fn status(record: &ConsentRecord, controller: &str, operator: &str) -> Value {
    let (term, by) = match record.decision {
        Decision::Given => ("dpv:ConsentGiven", None),
        Decision::Refused => ("dpv:ConsentRefused", None),
        Decision::Withdrawn => ("dpv:ConsentWithdrawn", None),
        Decision::Expired => ("dpv:ConsentExpired", Some(operator)),
    };
    let by = by.map_or_else(|| subject_urn(record), ToOwned::to_owned);
    let mut reached = json!({
        "@type": [term],
        "dpv:hasIndicationMethod": "as the app reported it over its authenticated interface",
        "dpv:isIndicatedAtTime": record.effective_at(),
        "dpv:isIndicatedBy": by,
    });
    if record.decision == Decision::Given {
        reached["@type"] = json!([term, "dpv:ExplicitlyExpressedConsent"]);
        reached["dpv:hasDuration"] = terms::duration(record.purpose.definition().lasts_days());
        reached["volens:endsAt"] = json!(record.ends_at());
    }
    if record.decision == Decision::Expired {
        reached["dpv:hasIndicationMethod"] = json!("the time it was given for ran out");
    }
    match record.requested_at {
        Some(requested_at) => json!([
            {
                "@type": ["dpv:ConsentRequested"],
                "dpv:isIndicatedAtTime": requested_at,
                "dpv:isIndicatedBy": controller,
            },
            reached,
        ]),
        None => json!([reached]),
    }
}

/// Whether purpose and place in the ledger are those that the record and its proof state.
pub(super) fn process_facts(stated: &Value, receipt: &Receipt) -> bool {
    stated["dpv:hasProcess"][0]["@id"] == terms::process_urn(&receipt.record)
        && stated["volens:ledger"] == ledger(receipt)
}

fn subject_urn(record: &ConsentRecord) -> String {
    format!("urn:volens:subject:{}:{}", record.app, record.subject)
}

/// 16 bytes in the form of RFC 9562.
fn uuid(bytes: &[u8; 16]) -> String {
    let hex = hex(bytes);
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    parts.join("-")
}

/// The id of a receipt, made from what it proves (RFC 9562 version 8), so that no generator is needed.
fn identifier(receipt: &Receipt, now: Timestamp) -> String {
    let hash: [u8; 32] = Sha256::new()
        .chain_update(receipt.record.id)
        .chain_update(now.micros().to_be_bytes())
        .chain_update(&receipt.proof)
        .finalize()
        .into();
    let mut bytes: [u8; 16] = *hash.first_chunk().expect("a SHA-256 has 32 bytes");
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    uuid(&bytes)
}
