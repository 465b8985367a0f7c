//! Consents in three years, across two New Years: one history in three trees, and every receipt of each
//! is good for ever.

use std::process::Command;

use serde_json::{Value as Json, json};
use volens::ledger;
use volens_privacy::{LogVerifier, PurposeKind, Receipt, Timestamp};

use crate::independent::check;
use crate::support::town::{Town, name};
use crate::support::{TestApp, on_both};

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("a time")
}

/// What a verification of the ledger against everything that is known says.
async fn verified(test: &TestApp) -> ledger::Report {
    test.app.kept.keep(&mut read(test).await, &test.app.keys.log_verifier()).await.expect("kept");
    let trust = test.app.trust().expect("what is known");
    ledger::verify(&mut read(test).await, &trust, |_, _| ()).await.expect("verified")
}

async fn read(test: &TestApp) -> volens::db::Tx {
    test.app.db.read().await.expect("a transaction")
}

/// The entry of a receipt that verifies with the log's key alone, and the name of its tree.
fn entry_of(receipt: &Json, log: &LogVerifier) -> (u64, String) {
    let read = Receipt::from_json(receipt.to_string().as_bytes()).expect("a receipt");
    let proved = read.verify(log).unwrap_or_else(|error| panic!("{error}: {receipt}"));
    let stated = &receipt["dpv:hasRecordOfActivity"][0]["volens:ledger"];
    assert_eq!(stated["index"], proved.index());
    (proved.index(), proved.checkpoint().origin.clone())
}

#[tokio::test]
async fn receipts_of_three_years_verify_and_the_years_are_one_history() {
    on_both(|test| async move {
        let key = test.app.keys.log_verifier().vkey();
        let log = LogVerifier::from_vkey(&key).expect("a key");
        let town = Town::new(test, 3).await;
        town.test.clock.set(at("2026-12-31T23:59:59.999999Z"));
        let mut receipts = Vec::new();
        let mut answered = |answer: Json, year: &str| {
            let receipt = answer["receipts"][0].clone();
            let receipt = if receipt.is_null() { answer["receipt"].clone() } else { receipt };
            let (entry, origin) = entry_of(&receipt, &log);
            let expected = format!("{}{year}", log.origin());
            assert_eq!(origin, expected);
            receipts.push((entry, receipt));
            entry
        };
        let purpose = PurposeKind::BusinessMessages;
        // The last moment of a year, the first of the next, and a year later.
        let last = answered(town.withdraw(&name(0), purpose).await, "");
        town.test.clock.set(at("2027-01-01T00:00:00Z"));
        let first = answered(town.withdraw(&name(1), purpose).await, "/2027");
        assert_eq!(first, last + 2, "between them is the entry that opens the year");
        answered(town.withdraw(&name(2), purpose).await, "/2027");
        assert_eq!(verified(&town.test).await.faults, []);
        town.test.clock.set(at("2028-06-01T00:00:00Z"));
        answered(town.consent(&name(1), purpose).await, "/2028");
        answered(town.consent(&name(2), purpose).await, "/2028");

        // What the service says about them now is about the same entries.
        let mut later = Vec::new();
        for n in 0..3 {
            let path = format!("/v1/accounts/{}/consents", name(n));
            let state = town.messenger.get(&path).await.expect(200);
            for receipt in state["receipts"].as_array().expect("receipts") {
                later.push((entry_of(receipt, &log).0, receipt.clone()));
            }
        }
        assert!(receipts.iter().all(|(entry, _)| later.iter().any(|(known, _)| known == entry)));
        let mut origins: Vec<String> =
            later.iter().map(|(_, receipt)| entry_of(receipt, &log).1).collect();
        origins.sort();
        origins.dedup();
        assert_eq!(origins.len(), 3, "{origins:?}");

        // The same by a program of somebody else, and by the command line.
        let directory = tempfile::tempdir().expect("a directory");
        for (entry, receipt) in receipts.iter().chain(&later) {
            let Some(said) = check(directory.path(), receipt, &key) else { break };
            let told = String::from_utf8_lossy(&said.stdout).into_owned();
            assert!(told.starts_with(&format!("entry {entry} of ")), "{said:?}");
        }
        let all: Vec<&Json> = receipts.iter().chain(&later).map(|(_, receipt)| receipt).collect();
        let file = directory.path().join("receipts.json");
        std::fs::write(&file, json!(all).to_string()).expect("written");
        let mut program = Command::new(env!("CARGO_BIN_EXE_volens"));
        program.args(["receipt", "verify", "--key", &key]).arg(file);
        assert_eq!(program.output().expect("it runs").status.code(), Some(0));

        let report = verified(&town.test).await;
        assert_eq!((report.faults.as_slice(), report.shards), (&[][..], 3));
        assert_eq!(report.kept, Some(report.entries));
        no_receipt_of_one_year_is_one_of_another(&receipts, &log);
        listed(&town, &log, report.entries).await;
        asked_for_proofs(&town, last).await;
    })
    .await;
}

/// The parts of receipts are not exchanged: a proof of one year, the entry of another. In the form
/// that nobody signed as a whole, so that nothing but the proof can tell.
fn no_receipt_of_one_year_is_one_of_another(receipts: &[(u64, Json)], log: &LogVerifier) {
    let plain = |(entry, receipt): &(u64, Json)| -> (u64, Json) {
        let read = Receipt::from_json(receipt.to_string().as_bytes()).expect("a receipt");
        (*entry, serde_json::from_str(&read.to_json()).expect("JSON"))
    };
    let plain: Vec<(u64, Json)> = receipts.iter().map(plain).collect();
    let verify = |receipt: &Json| {
        Receipt::from_json(receipt.to_string().as_bytes()).and_then(|read| read.verify(log))
    };
    let mut later = 0;
    for (entry, receipt) in &plain {
        assert_eq!(verify(receipt).expect("as it is").index(), *entry);
        for (_, other) in plain.iter().filter(|(other, _)| other != entry) {
            let mut mixed = receipt.clone();
            mixed["proof"] = other["proof"].clone();
            assert!(verify(&mixed).is_err());
        }
        // The checkpoint says how many entries came before its year; nobody else does.
        let proof = receipt["proof"].as_str().expect("a proof");
        for wrong in ["volens/before 1", "other/line "] {
            let mut moved = receipt.clone();
            moved["proof"] = json!(proof.replace("volens/before ", wrong));
            let changed = moved != *receipt;
            assert_eq!(verify(&moved).is_err(), changed);
            later += u64::from(changed);
        }
    }
    assert!(later > 2, "receipts of later years were among them");
}

/// Anybody can list the years, page by page, and check each with the log's key.
async fn listed(town: &Town, log: &LogVerifier, entries: u64) {
    let anyone = town.test.anonymous();
    let mut all = Vec::new();
    let mut from = json!(0);
    while !from.is_null() {
        let page = anyone.get(&format!("/v1/ledger/shards?limit=2&from={from}")).await.expect(200);
        let shards = page["data"].as_array().expect("shards");
        assert!(!shards.is_empty() && shards.len() <= 2);
        assert_eq!(page["has_more"], !page["next_cursor"].is_null());
        all.extend(shards.clone());
        from = page["next_cursor"].clone();
    }
    let years: Vec<&Json> = all.iter().map(|shard| &shard["year"]).collect();
    assert_eq!(years, [2026, 2027, 2028]);
    let mut before = 0;
    for shard in &all {
        let note = shard["checkpoint"].as_str().expect("a checkpoint");
        let stated = log.verify(note).expect("it is signed");
        assert_eq!(
            (&json!(stated.origin), &json!(stated.size)),
            (&shard["origin"], &shard["size"])
        );
        assert_eq!((stated.before, &json!(before)), (before, &shard["before"]));
        let own = shard["vkey"].as_str().expect("a key");
        assert_eq!(LogVerifier::from_vkey(own).expect("a key").verify(note), Ok(stated.clone()));
        let own = format!("{}/checkpoint", shard["prefix"].as_str().expect("a path"));
        assert_eq!(anyone.get(&own).await.text(), note);
        before = stated.entries();
        assert_eq!(shard["ended"], before < entries);
    }
    assert_eq!(before, entries);
    assert_eq!(anyone.get("/v1/ledger/checkpoint").await.text(), all[2]["checkpoint"]);
    let next = anyone.get("/v1/ledger/key?year=2029").await.text();
    assert!(next.starts_with(&format!("{}/2029+", log.origin())), "{next}");
}

/// Officers get proofs of one year, and are told when they ask for one of two.
async fn asked_for_proofs(town: &Town, last: u64) {
    let officer = town.test.officer().await;
    let proof = officer.get(&format!("/v1/ledger/proofs/inclusion?entry={last}")).await.expect(200);
    assert_eq!((&proof["size"], &proof["before"]), (&json!(last + 1), &json!(0)));
    assert!(proof["checkpoint"].is_string(), "signed where its year ended");
    let next = last + 2;
    let proof = officer.get(&format!("/v1/ledger/proofs/inclusion?entry={next}")).await.expect(200);
    assert_eq!(proof["before"], last + 1);
    let (a, b) = (last + 2, last + 3);
    officer.get(&format!("/v1/ledger/proofs/consistency?from={a}&to={b}")).await.expect(200);
    let across = format!("/v1/ledger/proofs/consistency?from={last}&to={b}");
    officer.get(&across).await.problem(422, "ledger.other_shard");
    let across = format!("/v1/ledger/proofs/inclusion?entry={last}&size={b}");
    officer.get(&across).await.problem(422, "ledger.other_shard");
}

/// Decided before New Year and recorded after it.
#[tokio::test]
async fn what_is_recorded_after_new_year_is_of_the_new_year() {
    on_both(|test| async move {
        let town = Town::new(test, 2).await;
        town.test.clock.set(at("2026-12-31T23:59:00Z"));
        town.withdraw(&name(1), PurposeKind::BusinessMessages).await;
        town.test.clock.set(at("2027-01-01T00:00:30Z"));
        let decided = Some(at("2026-12-31T23:59:30Z"));
        let answer = town.report(&name(0), PurposeKind::BusinessMessages, decided).await;
        let answer = answer.expect(201);
        let (_, origin) = entry_of(&answer["receipts"][0], &town.test.app.keys.log_verifier());
        assert!(origin.ends_with("/2027"), "{origin}");
        assert_eq!(verified(&town.test).await.faults, []);
    })
    .await;
}

/// Whatever the clock says: who takes back or objects is not turned away, and no far year is opened.
#[tokio::test]
async fn nobody_is_turned_away_under_a_clock_that_is_years_ahead() {
    on_both(|test| async move {
        let town = Town::new(test, 3).await;
        let before = verified(&town.test).await.entries;
        town.test.clock.set(at("2099-05-01T00:00:00Z"));
        town.withdraw(&name(0), PurposeKind::BusinessMessages).await;
        let object = format!("/v1/accounts/{}/objection", name(1));
        town.messenger.post(&object, json!({})).await.expect(200);
        let report = verified(&town.test).await;
        assert_eq!((report.faults.as_slice(), report.shards), (&[][..], 1));
        assert!(report.entries > before, "it is on record");
        // Put right, everything goes on, and New Year comes when it comes.
        town.test.clock.set(at("2026-02-01T00:00:00Z"));
        town.consent(&name(2), PurposeKind::BotMemory).await;
        town.test.clock.set(at("2027-01-01T00:00:00Z"));
        town.withdraw(&name(2), PurposeKind::BotMemory).await;
        let report = verified(&town.test).await;
        assert_eq!((report.faults.as_slice(), report.shards), (&[][..], 2));
    })
    .await;
}
