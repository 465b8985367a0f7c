//! What a document states of the whole record, what follows what, and that documents of earlier forms
//! stay good.

use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::tests::{record, world_of};
use super::*;
use crate::consent::{AssessmentRef, Chain, Published, chained};
use crate::evidence::verify_evidence;
use crate::parties::Parties;
use crate::time::Timestamp;

/// The key that the receipts in `golden` are checked with, and receipts as they were handed out.
const KEY: &str = include_str!("golden/log.vkey");
const BEFORE: &str = include_str!("golden/before-json-ld.json");
const FIRST: [&str; 2] =
    [include_str!("golden/json-ld-1.json"), include_str!("golden/json-ld-1-withdrawn.json")];
const EVIDENCE: &str = include_str!("golden/evidence-1.html");

/// A header that names `messenger-2026-10`, and a signature.
const JWS: &str = "eyJhbGciOiJFZERTQSIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il0sImtpZCI6Im1lc3Nlbmdlci0yMDI2LTEwIn0..c2lnbmVk";

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn follows(previous: Option<&ConsentRecord>) -> Chain {
    Chain { previous: previous.map(Previous::of) }
}

/// Given, taken back and given again, each with everything that it can refer to.
fn history() -> [ConsentRecord; 3] {
    let mut given = record(Decision::Given);
    let published = Published { at: at("2026-10-01T08:00:00Z"), entry: 118 };
    given.notice.as_mut().unwrap().published = Some(published);
    given.assessment =
        Some(AssessmentRef { entry: 7, name: "linking/2".to_owned(), sha256: [9; 32] });
    given.evidence = Some(json!({ "screen": 4, "jws": JWS }));
    given.chain = Some(follows(None));
    let mut withdrawn = record(Decision::Withdrawn);
    (withdrawn.id, withdrawn.notice, withdrawn.evidence) = ([7; 16], None, None);
    withdrawn.chain = Some(follows(Some(&given)));
    let again =
        ConsentRecord { id: [8; 16], chain: Some(follows(Some(&withdrawn))), ..given.clone() };
    [given, withdrawn, again]
}

fn reports(records: &[ConsentRecord]) -> Vec<ReceiptReport> {
    let checkpoint =
        Checkpoint { origin: String::new(), before: 0, size: 9, root: Hash::from_bytes([0; 32]) };
    let report = |(record, index): (&ConsentRecord, u64)| ReceiptReport {
        record: record.clone(),
        index,
        checkpoint: checkpoint.clone(),
    };
    records.iter().zip(0..).map(report).collect()
}

fn issued(record: ConsentRecord, change: &dyn Fn(&mut Value)) -> (Value, &'static str) {
    let world = world_of(record);
    let parties = Arc::new(Parties::example().clone());
    let issuer = Issuer::new(parties, Arc::clone(&world.ring), 7);
    let document = issuer.document(&world.receipt, at("2026-11-21T10:22:32Z"));
    let mut value: Value = serde_json::from_str(document.get()).unwrap();
    value.as_object_mut().unwrap().remove("volens:proof");
    change(&mut value);
    value["volens:proof"] = issuer.sign(&serde_jcs::to_vec(&value).unwrap());
    let log = world.ring.log_verifier();
    let checked = Receipt::from_json(value.to_string().as_bytes()).and_then(|one| one.verify(&log));
    (value, checked.map_or_else(|error| error.code(), |_| "it verifies"))
}

#[test]
fn what_was_handed_out_in_earlier_forms_still_verifies() {
    let log = LogVerifier::from_vkey(KEY.trim()).unwrap();
    for text in [BEFORE, FIRST[0], FIRST[1]] {
        let read = Receipt::from_json(text.as_bytes()).unwrap();
        let report = read.verify(&log).unwrap();
        assert!(report.index() == 3 && report.record().chain.is_none());
        let altered = text.replace("2026-11-21T10:22:30", "2026-11-21T10:22:29");
        let read = Receipt::from_json(altered.as_bytes());
        assert!(read.and_then(|receipt| receipt.verify(&log)).is_err());
    }
    assert_eq!(verify_evidence(EVIDENCE, &log).unwrap().len(), 1);
}

#[test]
fn a_later_form_is_not_guessed_at() {
    let later = |value: &mut Value| value["schema:version"] = json!("3");
    assert_eq!(issued(record(Decision::Given), &later).1, "receipt.malformed");
    // Nor does what is said in the second pass for the first.
    let earlier = |value: &mut Value| drop(value.as_object_mut().unwrap().remove("schema:version"));
    assert_eq!(issued(history()[0].clone(), &earlier).1, "receipt.facts");
}

#[test]
fn a_document_states_all_that_its_record_refers_to() {
    let [given, withdrawn, again] = history();
    let sha256 = |record: &ConsentRecord| hex(&Sha256::digest(record.canonical_bytes()));

    let (value, said) = issued(given.clone(), &|_| ());
    assert_eq!((said, &value["schema:version"]), ("it verifies", &json!("2")));
    let stated = &value["dpv:hasRecordOfActivity"][0];
    let notice = &stated["dpv:hasNotice"];
    assert_eq!(
        (&notice["dct:date"], &notice["dct:coverage"]),
        (&json!("2026-10-01"), &json!("2026-10-01/.."))
    );
    assert_eq!(notice["volens:ledgerIndex"], 118);
    let assessment = &stated["dpv:hasImpactAssessment"];
    assert_eq!(
        (&assessment["@type"], &assessment["dct:identifier"]),
        (&json!("dpv:DPIA"), &json!("linking/2"))
    );
    assert_eq!(assessment["volens:contentSha256"], "09".repeat(32));
    let evidence = &stated["volens:evidence"];
    assert_eq!(
        (&evidence["appKid"], &evidence["jwsDetached"]),
        (&json!("messenger-2026-10"), &json!(JWS))
    );
    assert_eq!(evidence.get("previousRecordSha256"), Some(&Value::Null), "the first of its chain");
    let attached = format!("{{\"jws\":\"{JWS}\",\"screen\":4}}");
    assert_eq!(evidence["attachedSha256"], hex(&Sha256::digest(attached)));
    assert!(stated.get("dct:replaces").is_none());

    let (value, said) = issued(withdrawn.clone(), &|_| ());
    let stated = &value["dpv:hasRecordOfActivity"][0];
    assert_eq!(
        (said, &stated["dct:replaces"]),
        ("it verifies", &json!("urn:uuid:06060606-0606-0606-0606-060606060606"))
    );
    assert_eq!(stated["volens:evidence"], json!({ "previousRecordSha256": sha256(&given) }));

    let (value, said) = issued(again, &|_| ());
    let stated = &value["dpv:hasRecordOfActivity"][0];
    assert_eq!(
        (said, &stated["volens:evidence"]["previousRecordSha256"]),
        ("it verifies", &json!(sha256(&withdrawn)))
    );
    let types = &stated["dpv:hasConsentStatus"][0]["@type"];
    assert!(!types.to_string().contains("Renewed"), "it was taken back in between");
    let renewed = ConsentRecord { chain: Some(follows(Some(&given))), id: [5; 16], ..given };
    let (value, said) = issued(renewed, &|_| ());
    let types = &value["dpv:hasRecordOfActivity"][0]["dpv:hasConsentStatus"][0]["@type"];
    assert_eq!((said, &types[2]), ("it verifies", &json!("dpv:RenewedConsentGiven")));
}

#[test]
fn nothing_that_a_record_refers_to_can_be_stated_otherwise() {
    let [given, withdrawn, _] = history();
    let hash = json!("00".repeat(32));
    for (record, member, to) in [
        (&given, "dpv:hasNotice/dct:date", json!("2020-01-01")),
        (&given, "dpv:hasNotice/dct:coverage", json!("2020-01-01/..")),
        (&given, "dpv:hasNotice/volens:ledgerIndex", json!(1)),
        (&given, "dpv:hasImpactAssessment/volens:contentSha256", hash.clone()),
        (&given, "dpv:hasImpactAssessment/dct:identifier", json!("another")),
        (&given, "volens:evidence/appKid", json!("another")),
        (&given, "volens:evidence/jwsDetached", json!("e30..c2ln")),
        (&given, "volens:evidence/attachedSha256", hash.clone()),
        (&given, "volens:evidence/previousRecordSha256", hash.clone()),
        (&withdrawn, "volens:evidence/previousRecordSha256", hash),
        (&withdrawn, "volens:evidence/previousRecordSha256", Value::Null),
        (&withdrawn, "dct:replaces", json!("urn:uuid:00000000-0000-0000-0000-000000000000")),
        (&given, "dct:conformsTo", json!("https://w3id.org/dpv/schema/dpv-27560#record")),
    ] {
        let pointer = format!("/dpv:hasRecordOfActivity/0/{member}");
        let change = |value: &mut Value| *value.pointer_mut(&pointer).unwrap() = to.clone();
        assert_eq!(issued(record.clone(), &change).1, "receipt.facts", "{member} {to}");
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let change = |value: &mut Value| {
            drop(value.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name));
        };
        assert_eq!(issued(record.clone(), &change).1, "receipt.facts", "without {member}");
    }
}

#[test]
fn a_record_from_before_chains_says_nothing_of_what_it_follows() {
    let (value, said) = issued(record(Decision::Given), &|_| ());
    let evidence = &value["dpv:hasRecordOfActivity"][0]["volens:evidence"];
    assert_eq!(said, "it verifies");
    assert!(
        evidence.get("previousRecordSha256").is_none() && evidence.get("jwsDetached").is_none()
    );
}

#[test]
fn receipts_of_one_history_agree_and_others_contradict() {
    let all = history();
    assert_eq!(contradiction(&reports(&all)), None);
    assert_eq!(contradiction(&reports(&all[1..])), None, "who shows only some hides, and lies not");
    assert_eq!(contradiction(&reports(&[all[0].clone(), all[2].clone()])), None);
    let twice = [all[0].clone(), all[0].clone()];
    assert_eq!(contradiction(&reports(&twice)), None, "the same receipt in two copies");

    let mut other = all[0].clone();
    other.decided_at = at("2026-11-21T10:22:29Z");
    let replaced = [other, all[1].clone(), all[2].clone()];
    assert_eq!(contradiction(&reports(&replaced)), Some(1), "the first was another decision");
    let mut second = all[1].clone();
    second.id = [1; 16];
    let forked = [all[0].clone(), all[1].clone(), second];
    assert_eq!(contradiction(&reports(&forked)), Some(2), "two records follow the first");
    let reversed = [all[1].clone(), all[0].clone()];
    assert_eq!(contradiction(&reports(&reversed)), Some(0), "what came before has a higher entry");
    let begun = ConsentRecord { id: [2; 16], ..all[0].clone() };
    assert_eq!(contradiction(&reports(&[all[0].clone(), begun])), Some(1), "two beginnings");
}

#[test]
fn a_whole_history_has_no_gap() {
    let all = history();
    assert!(chained(&all) && chained([&record(Decision::Given)]));
    assert!(!chained(&all[1..]), "the first is missing");
    assert!(!chained([&all[0], &all[2]]), "the withdrawal is missing");
    assert!(!chained([&all[1], &all[0], &all[2]]));
    let late = ConsentRecord { chain: None, ..all[2].clone() };
    assert!(chained([&all[0], &all[1], &late]), "a record that tells nothing breaks nothing");
}
