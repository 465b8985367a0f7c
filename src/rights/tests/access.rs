//! The export holds everything, is signed, and says nothing about anybody else.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use volens_privacy::parties::Parties;
use volens_privacy::receipt::Issuer;
use volens_privacy::rights::RequestKind;
use volens_privacy::topics::Topics;

use super::super::access::{EXPORT_KIND, KEPT, Kept, SignedExport, export, schema, verify};
use super::*;
use crate::audience::outcomes::{self, OutcomeIn};
use crate::audience::tests::town::{SHOP, Town, name};
use crate::db::Db;
use crate::identity;
use crate::relevance::OutcomeKind;
use crate::rights::interests;
use crate::rights::requests::{RequestId, receive};

pub(super) async fn exported(world: &World, subject: SubjectId) -> SignedExport {
    let issuer = Issuer::new(Arc::new(Parties::example().clone()), Arc::clone(&world.keys), 7);
    let mut tx = world.db.read().await.expect("a snapshot");
    let now = world.clock.now();
    export(&mut tx, (&world.keys, &issuer), subject, now).await.expect("exported")
}

/// Checks the parts of JSON Schema (2020-12) that the schema uses; answers what does not fit.
fn misfits(schema: &Json, value: &Json, root: &Json, at: &str, found: &mut Vec<String>) {
    if let Some(to) = schema["$ref"].as_str() {
        let to = to.strip_prefix('#').expect("within the document");
        return misfits(root.pointer(to).expect("it leads somewhere"), value, root, at, found);
    }
    let fits = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("a type this check does not know: {other}"),
    };
    for branch in schema["oneOf"].as_array().into_iter().take(1) {
        let fitting = branch.iter().filter(|one| {
            let mut found = Vec::new();
            misfits(one, value, root, at, &mut found);
            found.is_empty()
        });
        if fitting.count() != 1 {
            found.push(format!("{at}: not one of"));
        }
    }
    match &schema["type"] {
        Json::String(name) if !fits(name) => return found.push(format!("{at}: not {name}")),
        Json::Array(names) if !names.iter().any(|name| name.as_str().is_some_and(fits)) => {
            return found.push(format!("{at}: none of {names:?}"));
        }
        _ => {}
    }
    if let (Some(properties), Some(object)) = (schema["properties"].as_object(), value.as_object())
    {
        for (name, value) in object {
            match properties.get(name) {
                Some(schema) => misfits(schema, value, root, &format!("{at}/{name}"), found),
                None if schema["additionalProperties"] == false => {
                    found.push(format!("{at}/{name}: unknown"));
                }
                None => {}
            }
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            if !object.contains_key(name.as_str().expect("a name")) {
                found.push(format!("{at}: lacks {name}"));
            }
        }
    }
    if let (true, Some(items)) = (schema["items"].is_object(), value.as_array()) {
        for (n, item) in items.iter().enumerate() {
            misfits(&schema["items"], item, root, &format!("{at}/{n}"), found);
        }
    }
}

fn against_schema(value: &Json) -> Vec<String> {
    let schema = schema();
    let mut found = Vec::new();
    misfits(&schema, value, &schema, "", &mut found);
    found
}

#[tokio::test]
async fn every_table_that_names_an_account_is_in_the_export_or_left_out_for_a_reason() {
    on_both(|db| async move {
        let mut tx = db.read().await.expect("a snapshot");
        let naming = tx.fetch(NAMING, values![]).await.expect("a catalog");
        let naming: BTreeSet<String> =
            naming.iter().map(|row| row.get::<String>("name").expect("a name")).collect();
        let mut listed: BTreeSet<String> =
            KEPT.iter().map(|(table, _)| (*table).to_owned()).collect();
        assert_eq!(listed.len(), KEPT.len(), "each once");
        listed.retain(|table| table != "removed_accounts" || naming.contains(table));
        assert_eq!(naming.symmetric_difference(&listed).collect::<Vec<_>>(), Vec::<&String>::new());
        let fields = &schema()["components"]["schemas"]["AccountExport"]["properties"];
        for (table, kept) in KEPT {
            match kept {
                Kept::In(field) => assert!(fields[field].is_object(), "{table}: {field}"),
                Kept::Left(reason) => assert!(reason.len() > 20, "{table}: {reason}"),
            }
        }
    })
    .await;
}

/// Somebody about whom there is everything that there can be.
async fn full(db: Db) -> (Town, SubjectId) {
    let town = Town::new(db, 60, 6).await;
    let world = &town.world;
    let list = town.list(town.request(20)).await.expect("built");
    let subject = town.person(3);
    let recipient = world.keys.recipient(SHOP, subject);
    let happened =
        |kind| OutcomeIn { list: list.id, recipient, kind, at: world.clock.now(), value: None };
    let happened = [happened(OutcomeKind::Click), happened(OutcomeKind::Complaint)];
    let mut tx = world.db.begin().await.expect("begins");
    let now = world.clock.now();
    let taken = outcomes::record(&mut tx, SHOP, &happened, now).await.expect("taken");
    assert!(taken.iter().all(Result::is_ok), "{taken:?}");
    let topic = Topics::builtin().check("sport.football").expect("a topic");
    let (keys, mut rng) = (&world.keys, world.rng(5));
    let said = interests::correct(&mut tx, keys, subject, (topic, true), &mut rng, now).await;
    said.expect("taken");
    let (asked, whose) = ((RequestKind::Access, AskedBy::Person), (Some(subject), None));
    let messenger = app("messenger");
    let of = (&messenger, RequestId::random(&mut rng));
    receive(&mut tx, &world.keys, of, asked, whose, (now, now)).await.expect("on record");
    tx.commit().await.expect("commits");
    (town, subject)
}

#[tokio::test]
async fn an_export_holds_every_part_fits_its_schema_and_verifies() {
    on_both(|db| async move {
        let (town, subject) = full(db).await;
        let world = &town.world;
        let signed = exported(world, subject).await;
        let json = serde_json::to_value(&signed).expect("JSON");
        assert_eq!(against_schema(&json), Vec::<String>::new());
        let bytes = serde_json::to_vec_pretty(&json).expect("JSON");
        let log = world.keys.log_verifier();
        assert_eq!(verify(&bytes, &log).expect("it verifies"), 3, "messages, relevance, linking");

        let parts = &json["export"];
        for receipt in parts["receipts"].as_array().expect("receipts") {
            assert_eq!(receipt["@type"], "dpv:ConsentReceipt", "as the API hands them out");
        }
        let filled: BTreeMap<&str, usize> = KEPT
            .iter()
            .filter_map(|(_, kept)| match kept {
                Kept::In(field) => Some(*field),
                Kept::Left(_) => None,
            })
            .map(|field| match &parts[field] {
                Json::Array(items) => (field, items.len()),
                Json::Null => (field, 0),
                Json::Number(number) => (field, number.as_u64().expect("a count") as usize),
                _ => (field, 1),
            })
            .collect();
        let empty: Vec<_> = filled.iter().filter(|(_, n)| **n == 0).collect();
        let unused = [(&"lent", &0), (&"models", &0)];
        assert_eq!(empty, unused, "nobody borrows from this one, who teaches no model: {filled:?}");
        assert_eq!(parts["links"], json!(["photos"]));
        assert_eq!(parts["lists"][0]["borrowed_from"], json!(["photos"]));
        assert!(!parts["lists"][0]["row"]["reasons"].as_array().expect("reasons").is_empty());
        assert_eq!(parts["messages"][0]["outcomes"].as_array().map(Vec::len), Some(2));
        assert_eq!(parts["stops"][0]["kind"], "complaint");
        let topics: Vec<_> = parts["interests"].as_array().expect("interests").iter().collect();
        assert!(topics.iter().any(|one| one["topic"] == "sport.running"));
        assert!(
            topics
                .iter()
                .any(|one| one["topic"] == "sport.football" && one["denied_since"].is_string())
        );

        let mut tx = world.db.read().await.expect("a snapshot");
        let peers = identity::links_of(&mut tx, subject).await.expect("links");
        let text = json.to_string();
        for (_, peer) in &peers {
            assert!(!text.contains(&peer.to_string()), "nothing of a linked account");
        }
        drop(tx);
        let lender = exported(world, peers[0].1).await.export;
        assert_eq!((lender.lent.len(), lender.lists.len()), (1, 0), "it sees what it lent");
    })
    .await;
}

#[tokio::test]
async fn a_changed_export_does_not_verify_and_a_restricted_person_still_gets_theirs() {
    on_both(|db| async move {
        let (town, subject) = full(db).await;
        let world = &town.world;
        let mut tx = world.db.begin().await.expect("begins");
        let asked = (RestrictionReason::LegalClaims, AskedBy::Person);
        restrict(&mut tx, &world.keys, subject, asked, world.clock.now()).await.expect("done");
        tx.commit().await.expect("commits");
        let signed = exported(world, subject).await;
        assert!(signed.export.account.restriction.is_some());
        let recent = signed.export.profile.as_ref().map(|profile| &profile.recent);
        let once = recent.is_some_and(|days| {
            days.iter().any(|day| {
                let about = day.about.as_deref();
                (day.act.as_str(), about, day.times) == ("viewed", Some("sport.running"), 1)
            })
        });
        assert!(once, "what was done by day");
        let log = world.keys.log_verifier();
        let json = serde_json::to_value(&signed).expect("JSON");
        let refused = |json: Json| verify(json.to_string().as_bytes(), &log).is_err();
        assert!(!refused(json.clone()));
        for (pointer, value) in [
            ("/export/account/age_band", json!("65_plus")),
            ("/export/interests", json!([])),
            ("/export/made_at", json!("2026-01-01T00:00:00.000000Z")),
            ("/signature", json!("")),
        ] {
            let mut changed = json.clone();
            *changed.pointer_mut(pointer).expect("there") = value;
            assert!(refused(changed), "{pointer}");
        }
        assert!(verify(name(1).as_bytes(), &log).is_err());

        // Each receipt is checked, not only the signature over all of them.
        let resigned = |receipts: Json| {
            let mut export = json["export"].clone();
            export["receipts"] = receipts;
            let signature = world.keys.log_signer().sign_document(EXPORT_KIND, &export);
            json!({"export": export, "signature": signature.expect("signed")}).to_string()
        };
        let receipts = &json["export"]["receipts"];
        assert_eq!(verify(resigned(receipts.clone()).as_bytes(), &log).expect("verifies"), 3);
        let mut forged = receipts.clone();
        forged[0]["dct:publisher"] = json!("urn:volens:controller:somebody-else");
        let said = verify(resigned(forged).as_bytes(), &log).expect_err("it does not");
        assert!(said.to_string().contains("a receipt in it does not verify"), "{said}");
        // Copies that people downloaded when receipts were not JSON-LD yet stay good.
        let mut tx = world.db.read().await.expect("a snapshot");
        let before = consent::receipts_of(&mut tx, &world.keys, subject).await.expect("receipts");
        let before: Vec<_> = before.into_iter().map(|(_, receipt)| receipt).collect();
        let before = serde_json::to_value(before).expect("JSON");
        assert_eq!(verify(resigned(before).as_bytes(), &log).expect("verifies"), 3);
    })
    .await;
}
