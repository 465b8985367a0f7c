//! Receipts as signed JSON-LD: what they prove, and that nothing altered passes.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::tests::{World, record, world};
use super::*;
use crate::consent::{AssessmentRef, Chain, Decision};
use crate::identity::AppId;
use crate::parties::Parties;
use crate::purpose::PurposeKind;
use crate::time::Timestamp;

/// Terms of the Data Privacy Vocabulary 2.3 that receipts use.
const TERMS: &str = include_str!("dpv-2.3-terms.txt");

fn now() -> Timestamp {
    Timestamp::parse("2026-11-21T10:22:32Z").unwrap()
}

fn issuer(world: &World) -> Issuer {
    Issuer::new(Arc::new(Parties::example().clone()), Arc::clone(&world.ring), 7)
}

fn document(world: &World) -> String {
    issuer(world).document(&world.receipt, now()).get().to_owned()
}

fn code(world: &World, text: &str) -> &'static str {
    let log = world.ring.log_verifier();
    let checked = Receipt::from_json(text.as_bytes()).and_then(|receipt| receipt.verify(&log));
    checked.map_or_else(|error| error.code(), |_| "it verifies")
}

#[test]
fn a_document_proves_its_decision_offline() {
    for decision in Decision::ALL {
        let world = world(decision);
        let text = document(&world);
        let read = Receipt::from_json(text.as_bytes()).unwrap();
        let report = read.verify(&world.ring.log_verifier()).unwrap();
        assert!(*report.record() == record(decision));
        assert_eq!((report.index(), report.checkpoint().size), (3, 6));
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(text, serde_jcs::to_string(&value).unwrap(), "written in canonical form");
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        assert_eq!(code(&world, &pretty), "it verifies", "space between members says nothing");
    }
}

#[test]
fn the_form_before_still_verifies() {
    let world = world(Decision::Given);
    assert_eq!(code(&world, &world.receipt.to_json()), "it verifies");
}

#[test]
fn a_document_has_the_published_shape() {
    let world = world(Decision::Given);
    let value: Value = serde_json::from_str(&document(&world)).unwrap();
    assert_eq!(value["@type"], "dpv:ConsentReceipt");
    assert_eq!(value["dct:publisher"], "urn:volens:org:messenger-ltd");
    assert_eq!(value["dct:creator"], "urn:volens:org:operator");
    assert_eq!(value["volens:opening"]["alg"], "HMAC-SHA256");
    assert!(value["volens:tlogProof"].as_str().unwrap().starts_with("c2sp.org/tlog-proof@v1\n"));
    assert_eq!(
        (&value["volens:proof"]["type"], &value["volens:proof"]["alg"]),
        (&json!("JWS"), &json!("EdDSA"))
    );
    let record = &value["dpv:hasRecordOfActivity"][0];
    assert_eq!(record["@type"], "dpv:ConsentRecord");
    assert_eq!(record["@id"], "urn:uuid:06060606-0606-0606-0606-060606060606");
    assert_eq!(
        record["dpv:hasDataController"],
        json!(["urn:volens:org:messenger-ltd", "urn:volens:org:photo-ltd"])
    );
    assert_eq!(record["dpv:hasEntity"][1]["dpv:hasAddress"], "2 Example Street, Dublin, Ireland");
    assert_eq!(record["dpv:hasProcess"][0]["dpv:hasLegalBasis"], json!(["eu-gdpr:A6-1-a"]));
    assert_eq!(record["dpv:hasConsentStatus"][0]["dpv:hasDuration"]["rdf:value"], "P365D");
    assert_eq!(record["dpv:hasNotice"]["dct:language"], "de");
    assert_eq!(record["volens:linkScope"]["peerConsentRequired"], true);
    assert_eq!(record["volens:ledger"]["index"], 3);
}

#[test]
fn a_request_by_the_app_is_a_state_of_its_own() {
    let mut asked = record(Decision::Given);
    asked.requested_at = Some(Timestamp::parse("2026-11-21T10:21:58Z").unwrap());
    let world = tests::world_of(asked);
    let text = document(&world);
    let value: Value = serde_json::from_str(&text).unwrap();
    let states = &value["dpv:hasRecordOfActivity"][0]["dpv:hasConsentStatus"];
    assert_eq!(states[0]["@type"], json!(["dpv:ConsentRequested"]));
    assert_eq!(states[0]["dpv:isIndicatedBy"], "urn:volens:org:messenger-ltd");
    assert_eq!(code(&world, &text), "it verifies");
}

#[test]
fn one_altered_character_anywhere_is_refused() {
    let world = world(Decision::Given);
    let text = document(&world);
    let mut refused = 0;
    for (at, character) in text.char_indices() {
        let other = match character {
            '0'..='8' | 'a'..='y' | 'A'..='Y' => char::from(character as u8 + 1),
            _ => '~',
        };
        let altered = format!("{}{other}{}", &text[..at], &text[at + character.len_utf8()..]);
        assert_ne!(code(&world, &altered), "it verifies", "at {at}: {character} became {other}");
        refused += 1;
    }
    assert!(refused > 4000, "{refused}");
}

#[test]
fn what_is_signed_cannot_state_another_decision() {
    // An operator who signs a document that is not what the ledger commits to is found out.
    let world = world(Decision::Given);
    let issuer = issuer(&world);
    let forge = |change: &dyn Fn(&mut Value)| {
        let mut value: Value = serde_json::from_str(&document(&world)).unwrap();
        value.as_object_mut().unwrap().remove("volens:proof");
        change(&mut value);
        value["volens:proof"] = issuer.sign(&serde_jcs::to_vec(&value).unwrap());
        code(&world, &value.to_string())
    };
    assert_eq!(forge(&|_| ()), "it verifies");
    let record = "/dpv:hasRecordOfActivity/0";
    for (member, to) in [
        ("/dpv:hasProcess/0/@id", json!("urn:volens:purpose:relevance")),
        ("/dpv:hasConsentStatus/0/@type/0", json!("dpv:ConsentRefused")),
        ("/dpv:hasConsentStatus/0/dpv:isIndicatedAtTime", json!("2020-01-01T00:00:00Z")),
        ("/dpv:hasConsentStatus/0/dpv:hasDuration/rdf:value", json!("P999D")),
        ("/dpv:hasNotice/volens:contentSha256", json!("00")),
        ("/dpv:hasNotice/dct:language", json!("fr")),
        ("/dpv:hasDataSubject/@id", json!("urn:volens:subject:messenger:other")),
        ("/volens:ledger/index", json!(2)),
        ("/dct:created", json!("2020-01-01T00:00:00Z")),
        ("/@id", json!("urn:uuid:00000000-0000-0000-0000-000000000000")),
    ] {
        let pointer = format!("{record}{member}");
        let change = |value: &mut Value| *value.pointer_mut(&pointer).unwrap() = to.clone();
        assert_eq!(forge(&change), "receipt.facts", "{member}");
    }
    let recipient = |value: &mut Value| value["schema:recipient"] = json!("urn:volens:subject:x:y");
    assert_eq!(forge(&recipient), "receipt.facts");
}

#[test]
fn a_member_that_stands_twice_is_refused() {
    let world = world(Decision::Given);
    let twice = document(&world).replacen("\"@type\":", "\"@type\":\"x\",\"@type\":", 1);
    assert_eq!(code(&world, &twice), "receipt.malformed");
}

#[test]
fn an_app_whose_controller_is_not_named_is_named_alone() {
    let mut elsewhere = record(Decision::Given);
    elsewhere.app = AppId::parse("elsewhere").unwrap();
    let world = tests::world_of(elsewhere);
    let value: Value = serde_json::from_str(&document(&world)).unwrap();
    let entity = &value["dpv:hasRecordOfActivity"][0]["dpv:hasEntity"][0];
    assert_eq!(entity["dpv:hasName"], "elsewhere");
    assert!(entity.get("dpv:hasAddress").is_none(), "nothing is invented");
}

#[test]
fn another_law_has_its_own_basis_and_rights() {
    let brazil =
        "law = \"BR\"\nauthority = { id = \"BR\", name = \"ANPD\", address = \"Brasília\" }";
    let text = Parties::EXAMPLE.replacen("law = \"EU\"", brazil, 1);
    let world = world(Decision::Given);
    let parties = Arc::new(Parties::parse(&text).unwrap());
    let issuer = Issuer::new(parties, Arc::clone(&world.ring), 7);
    let document = issuer.document(&world.receipt, now());
    let value: Value = serde_json::from_str(document.get()).unwrap();
    let record = &value["dpv:hasRecordOfActivity"][0];
    assert_eq!(record["dpv:hasApplicableLaw"], json!(["volens:law-LGPD"]));
    assert_eq!(record["dpv:hasRight"][8]["dct:title"], "Petição à autoridade nacional");
    assert_eq!(record["dpv:hasAuthority"]["@id"], "urn:volens:dpa:BR");
    // The vocabulary has a profile for the GDPR, and none for this law.
    let profiles = "https://w3id.org/dpv/schema/dpv-27560";
    assert_eq!(record["dct:conformsTo"], format!("{profiles}#record"));
    assert_eq!(value["dct:conformsTo"], format!("{profiles}#receipt"));
    let mut claimed = value.clone();
    claimed.as_object_mut().unwrap().remove("volens:proof");
    claimed["dct:conformsTo"] = json!(format!("{profiles}#receipt-eu-gdpr"));
    claimed["volens:proof"] = issuer.sign(&serde_jcs::to_vec(&claimed).unwrap());
    assert_eq!(code(&world, &claimed.to_string()), "receipt.malformed");
    assert_eq!(code(&world, document.get()), "it verifies");
}

#[test]
fn the_same_record_has_the_names_of_the_standard() {
    let mut given = record(Decision::Given);
    let sha256 = [9; 32];
    given.assessment = Some(AssessmentRef { entry: 7, name: "linking/2".to_owned(), sha256 });
    let world = tests::world_of(given);
    let iso = issuer(&world).iso_record(&world.receipt);
    assert_eq!(iso["record_id"], "06060606-0606-0606-0606-060606060606");
    assert_eq!(iso["schema_version"], "ISO/IEC TS 27560:2023; profile=volens-1");
    let purpose = &iso["pii_processing"]["purposes"][0];
    assert_eq!(purpose["retention_period"], "P365D + deletion within P7D");
    assert_eq!(purpose["impact_assessment"], "urn:volens:dpia:linking/2");
    assert_eq!(iso["parties"][0]["party_email"], "dpo@messenger.example");
    assert_eq!(purpose["pii_information"][0]["pii_type"], "pd:TelephoneNumber");
    assert_eq!(iso["parties"].as_array().unwrap().len(), 3);
    assert_eq!(iso["events"][0]["event_state"], "given");
}

fn note(text: &str, found: &mut BTreeSet<String>) {
    let prefixes = ["dpv:", "pd:", "eu-gdpr:", "legal-eu:", "loc:"];
    if prefixes.iter().any(|prefix| text.starts_with(prefix)) {
        found.insert(text.to_owned());
    }
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => note(text, found),
        Value::Array(all) => all.iter().for_each(|value| collect(value, found)),
        Value::Object(members) => {
            for (name, value) in members {
                note(name, found);
                collect(value, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn every_term_is_one_of_the_vocabulary() {
    let mut used = BTreeSet::new();
    for decision in Decision::ALL {
        for purpose in PurposeKind::ALL {
            let mut of = record(decision);
            of.purpose = purpose;
            of.peer = of.peer.filter(|_| purpose == PurposeKind::CrossAppLinking);
            of.requested_at = Some(of.decided_at);
            let sha256 = [9; 32];
            of.assessment = Some(AssessmentRef { entry: 7, name: "linking/2".to_owned(), sha256 });
            of.chain = Some(Chain { previous: Some(Previous::of(&record(Decision::Given))) });
            let world = tests::world_of(of);
            collect(&serde_json::from_str(&document(&world)).unwrap(), &mut used);
        }
    }
    let listed: BTreeSet<String> = TERMS.lines().map(ToOwned::to_owned).collect();
    assert_eq!(used, listed);
}
