use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::*;
use crate::identity::{AppId, SubjectId};
use crate::keys::{DataKey, KeyRing};
use crate::ledger::{CheckpointError, Frontier, Node, prove_inclusion};
use crate::notice::Notices;
use crate::purpose::PurposeKind;
use crate::time::Timestamp;

pub(crate) struct World {
    pub(crate) ring: std::sync::Arc<KeyRing>,
    pub(crate) receipt: Receipt,
    row: RowProof,
}

pub(super) fn record(decision: Decision) -> ConsentRecord {
    let notice = Notices::builtin().get("linking", 1, "de").unwrap();
    let decided_at = Timestamp::parse("2026-11-21T10:22:30Z").unwrap();
    ConsentRecord {
        id: [6; 16],
        subject: SubjectId::from_bytes([1; 16]),
        app: AppId::parse("messenger").unwrap(),
        purpose: PurposeKind::CrossAppLinking,
        peer: Some(AppId::parse("photo").unwrap()),
        decision,
        notice: Some(notice.reference(Some([8; 32]))),
        requested_at: None,
        decided_at,
        recorded_at: decided_at.plus(Duration::from_secs(1)),
        expires_at: None,
        phone: None,
        evidence: Some(json!({"jws": "ey…", "steps": 2})),
        assessment: None,
        chain: None,
    }
}

/// A ledger in which the record is entry 3 of 6.
pub(crate) fn world(decision: Decision) -> World {
    world_of(record(decision))
}

/// The same with another record.
pub(super) fn world_of(record: ConsentRecord) -> World {
    let ring = KeyRing::generate(&mut StdRng::seed_from_u64(1), Timestamp::from_micros(0));
    let key = DataKey::generate(&mut StdRng::seed_from_u64(2));
    let leaf = record.leaf(&key);
    let mut tree = Frontier::default();
    let mut nodes = std::collections::BTreeMap::<Node, Hash>::new();
    for index in 0..6 {
        let other = Leaf::new(LeafKind::AuditRun, Timestamp::from_micros(index));
        let hash = if index == 3 { leaf.hash() } else { other.hash() };
        nodes.extend(tree.append(hash));
    }
    let proof = prove_inclusion(3, 6, &|node| nodes.get(&node).copied()).unwrap();
    let signer = ring.log_signer();
    let origin = signer.origin().to_owned();
    let signed = signer.sign(&Checkpoint { origin, before: 0, size: 6, root: tree.root() });
    let row = RowProof::new(&leaf.bytes(), 3, &proof, &signed).unwrap();
    World { receipt: Receipt::new(record.commit(&key), 3, &proof, &signed), row, ring: ring.into() }
}

fn altered(receipt: &Receipt, pointer: &str, value: Value) -> Result<ReceiptReport, ReceiptError> {
    let mut json: Value = serde_json::from_str(&receipt.to_json()).unwrap();
    *json.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} exists")) = value;
    let ring = KeyRing::generate(&mut StdRng::seed_from_u64(1), Timestamp::from_micros(0));
    Receipt::from_json(json.to_string().as_bytes())?.verify(&ring.log_verifier())
}

#[test]
fn a_receipt_proves_its_decision_offline() {
    let World { ring, receipt, .. } = world(Decision::Given);
    let read = Receipt::from_json(receipt.to_json().as_bytes()).unwrap();
    let verifier = LogVerifier::from_vkey(&ring.log_verifier().vkey()).unwrap();
    let report = read.verify(&verifier).unwrap();
    assert_eq!((report.index(), report.checkpoint().size), (3, 6));
    assert!(*report.record() == record(Decision::Given));
    let facts = report.facts();
    assert_eq!(
        facts[..5],
        [
            "consent was given in messenger for “Link my accounts in two apps” with photo at 2026-11-21T10:22:30.000000Z",
            "under notice linking version 1 in language de",
            "the consent ends at 2027-11-21T10:22:30.000000Z unless taken back before",
            "the key in the receipt opens the ledger's commitment to exactly this record",
            "it is entry 3 of the ledger volens.local/log",
        ]
    );
    assert!(facts[5].starts_with("which had 6 entries and root "));
}

#[test]
fn a_receipt_has_the_published_shape() {
    let json: Value = serde_json::from_str(&world(Decision::Given).receipt.to_json()).unwrap();
    assert_eq!(json["type"], "volens/consent-receipt/1");
    assert_eq!(json["opening"]["alg"], "HMAC-SHA256");
    assert_eq!(json["record"]["decision"], "given");
    assert_eq!(json["leaf"]["kind"], "consent.given");
    assert!(json["proof"].as_str().unwrap().starts_with("c2sp.org/tlog-proof@v1\nindex 3\n"));
}

#[test]
fn no_altered_receipt_verifies() {
    let World { receipt, .. } = world(Decision::Given);
    let code = |pointer: &str, value: Value| {
        altered(&receipt, pointer, value).err().map(|error| error.code())
    };
    assert_eq!(code("/type", json!("volens/consent-receipt/2")), Some("receipt.malformed"));
    assert_eq!(code("/opening/alg", json!("none")), Some("receipt.malformed"));
    assert_eq!(code("/opening/key", json!("AAAA")), Some("receipt.malformed"));
    let zeroes = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    assert_eq!(code("/opening/key", json!(zeroes)), Some("receipt.commitment"));
    assert_eq!(code("/record/decision", json!("withdrawn")), Some("receipt.commitment"));
    assert_eq!(code("/record/app", json!("social")), Some("receipt.commitment"));
    assert_eq!(code("/record/evidence/steps", json!(3)), Some("receipt.commitment"));
    assert_eq!(code("/record/notice/version", json!(2)), Some("receipt.commitment"));
    assert_eq!(code("/record/purpose", json!("relevance")), Some("receipt.record"));
    assert_eq!(code("/record/notice", Value::Null), Some("receipt.record"));
    assert_eq!(code("/record/decided_at", json!("yesterday")), Some("receipt.malformed"));
    assert_eq!(code("/leaf/kind", json!("consent.withdrawn")), Some("receipt.facts"));
    assert_eq!(code("/leaf/app", json!("social")), Some("receipt.facts"));
    assert_eq!(code("/leaf/notice/version", json!(2)), Some("receipt.facts"));
    assert_eq!(code("/leaf/at", json!("2026-11-21T10:23:00Z")), Some("receipt.facts"));
    assert_eq!(code("/leaf/v", json!(2)), Some("receipt.leaf"));
    assert_eq!(code("/leaf/commitment", Value::Null), Some("receipt.commitment"));
    let proof = receipt.proof().replace("index 3", "index 2");
    assert_eq!(code("/proof", json!(proof)), Some("receipt.proof"));
    assert_eq!(code("/proof", json!("")), Some("receipt.proof"));
}

#[test]
fn a_receipt_of_another_log_does_not_verify() {
    let World { receipt, .. } = world(Decision::Given);
    let other = KeyRing::generate(&mut StdRng::seed_from_u64(7), Timestamp::from_micros(0));
    let error = receipt.verify(&other.log_verifier()).err().unwrap();
    let unsigned = TlogProofError::Checkpoint(CheckpointError::Unsigned);
    assert_eq!(error, ReceiptError::Proof(unsigned));
}

#[test]
fn unknown_fields_are_refused() {
    let json = world(Decision::Given).receipt.to_json();
    let more = json.replacen('{', "{\"extra\": 1,", 1);
    assert_eq!(Receipt::from_json(more.as_bytes()).err(), Some(ReceiptError::Malformed));
    let inner = json.replacen("\"subject\"", "\"extra\": 1, \"subject\"", 1);
    assert_eq!(Receipt::from_json(inner.as_bytes()).err(), Some(ReceiptError::Malformed));
    assert_eq!(Receipt::from_json(b"").err(), Some(ReceiptError::Malformed));
}

#[test]
fn a_row_proves_consent_without_a_subject() {
    let World { ring, row, .. } = world(Decision::Given);
    let text = serde_json::to_string(&row).unwrap();
    assert!(!text.contains(&SubjectId::from_bytes([1; 16]).to_string()));
    let read: RowProof = serde_json::from_str(&text).unwrap();
    assert_eq!(read.verify(&ring.log_verifier()).unwrap().size, 6);
    assert_eq!(read.leaf().purpose(), Some(PurposeKind::CrossAppLinking));

    let other = text.replacen("\"index\":3", "\"index\":2", 1);
    let other: RowProof = serde_json::from_str(&other).unwrap();
    assert_eq!(other.verify(&ring.log_verifier()), Err(ReceiptError::Index));
    let moved = text.replacen("photo", "social", 1);
    let moved: RowProof = serde_json::from_str(&moved).unwrap();
    assert_eq!(moved.verify(&ring.log_verifier()).unwrap_err().code(), "receipt.proof");
}

#[test]
fn a_withdrawal_is_no_proof_for_a_row() {
    let World { ring, row, receipt } = world(Decision::Withdrawn);
    assert_eq!(row.verify(&ring.log_verifier()), Err(ReceiptError::NotAGrant));
    assert!(receipt.verify(&ring.log_verifier()).is_ok());
}
