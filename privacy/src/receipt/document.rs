//! Receipts as JSON-LD: a `dpv:ConsentReceipt` that holds the `dpv:ConsentRecord` it is about (Data
//! Privacy Vocabulary 2.3, profile of ISO/IEC TS 27560), what opens the ledger's commitment, the proof
//! that the commitment is in the ledger, and the operator's signature over all of it.
//!
//! Written in RFC 8785 canonical form as it goes: members of the structs below stand in its order, and parts that
//! do not change are written once.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::facts::{Facts, Form, ledger, subject_urn, uuid};
use super::signature::{Proof, ReceiptSigner};
use super::terms::{self, Terms, canonical};
use super::{OPENING_ALG, Receipt};
use crate::consent::ConsentRecord;
use crate::identity::AppId;
use crate::keys::KeyRing;
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
    final_within: u32,
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
    #[serde(rename = "schema:version")]
    version: &'a str,
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
    #[serde(rename = "dct:replaces", skip_serializing_if = "Option::is_none")]
    replaces: Option<String>,
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
    #[serde(rename = "dpv:hasImpactAssessment", skip_serializing_if = "Option::is_none")]
    assessment: Option<Value>,
    #[serde(rename = "dpv:hasJurisdiction")]
    jurisdiction: &'a RawValue,
    #[serde(rename = "dpv:hasNotice", skip_serializing_if = "Option::is_none")]
    notice: Option<Value>,
    #[serde(rename = "dpv:hasProcess")]
    process: &'a RawValue,
    #[serde(rename = "dpv:hasRight")]
    rights: &'a RawValue,
    #[serde(rename = "volens:evidence")]
    evidence: Option<Value>,
    #[serde(rename = "volens:ledger")]
    ledger: Value,
    #[serde(rename = "volens:linkScope", skip_serializing_if = "Option::is_none")]
    link_scope: Option<&'a RawValue>,
}

impl Issuer {
    /// An issuer that names these parties and signs with whatever root the ring signs with. Its receipts
    /// say that what is deleted is gone from every copy within `final_within` days.
    pub fn new(parties: Arc<Parties>, keys: Arc<KeyRing>, final_within: u32) -> Self {
        let context = canonical(&terms::context());
        let signer = RwLock::new(Arc::new(keys.receipt_signer()));
        Self { parties, keys, final_within, signer, context, remembered: RwLock::default() }
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

    /// Days after which what was deleted is gone from every copy.
    pub(super) fn final_within(&self) -> u32 {
        self.final_within
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
        let version = Form::TODAY.version().expect("only the first form tells none");
        let creator = self.parties.operator.urn();
        let mut document = Document {
            context: &self.context,
            id: format!("urn:uuid:{identifier}"),
            kind: "dpv:ConsentReceipt",
            conforms_to: &terms.profile.receipt,
            created: now,
            creator: &creator,
            identifier: &identifier,
            publisher: &terms.publisher,
            records: [record_part(receipt, &terms, &creator)],
            recipient: &subject,
            version,
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
            let terms = Arc::new(Terms::new(&self.parties, record, self.final_within));
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
    let facts = Facts::of(record, (&terms.publisher, operator), Form::TODAY);
    RecordPart {
        id: facts.id,
        kind: "dpv:ConsentRecord",
        conforms_to: &terms.profile.record,
        created: record.recorded_at,
        identifier: uuid(&record.id),
        replaces: facts.replaces,
        law: &terms.law,
        authority: &terms.authority,
        control: &terms.control,
        status: facts.status,
        controllers: &terms.controllers,
        processors: &terms.processors,
        subject: facts.subject,
        entities: &terms.entities,
        assessment: facts.assessment,
        jurisdiction: &terms.jurisdiction,
        notice: facts.notice,
        process: &terms.process,
        rights: &terms.rights,
        evidence: facts.evidence,
        ledger: ledger(receipt),
        link_scope: terms.link_scope.as_deref(),
    }
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
