//! Receipts are checked by a program that shares nothing with ours but the published formats:
//! `tests/independent/verify_receipt.py`.

pub(crate) mod forger;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value as Json, json};
use volens::db::testing::{FreshSqlite, required};
use volens_privacy::evidence::{Shown, evidence, verify_evidence};
use volens_privacy::{LogVerifier, Notices, PurposeKind, Receipt};

use crate::support::town::{Town, name};
use crate::support::{TestApp, on_both};
use crate::tidy;

/// What the other program says of a receipt; `None` when there is no Python to run it.
pub(crate) fn check(directory: &Path, receipt: &Json, key: &str) -> Option<Output> {
    check_after(directory, receipt, &[], key)
}

/// The same beside receipts that were given earlier.
fn check_after(directory: &Path, receipt: &Json, earlier: &[&Json], key: &str) -> Option<Output> {
    let written = |(number, receipt): (usize, &&Json)| {
        let file = directory.join(format!("receipt-{number}.json"));
        std::fs::write(&file, receipt.to_string()).expect("written");
        file
    };
    let files: Vec<_> = [&receipt].into_iter().chain(earlier).enumerate().map(written).collect();
    let program = tidy::root().join("tests/independent/verify_receipt.py");
    let ran =
        Command::new("python3").arg(program).arg(&files[0]).arg(key).args(&files[1..]).output();
    assert!(ran.is_ok() || !required("python"), "python is required and is not there");
    ran.ok()
}

/// The receipt with one character of one of its texts changed, for every text in it.
fn altered(receipt: &Json) -> Vec<Json> {
    let mut pointers = Vec::new();
    collect(receipt, String::new(), &mut pointers);
    let alter = |pointer: &String| {
        let mut altered = receipt.clone();
        let text = altered.pointer_mut(pointer).expect("it was found there");
        let changed = text.as_str().expect("a text").to_owned();
        let middle = changed.char_indices().nth(changed.chars().count() / 2).expect("not empty");
        let other = if middle.1 == 'a' { "b" } else { "a" };
        let range = middle.0..middle.0 + middle.1.len_utf8();
        let mut changed = changed;
        changed.replace_range(range, other);
        *text = Json::String(changed);
        altered
    };
    pointers.iter().map(alter).collect()
}

fn collect(value: &Json, at: String, found: &mut Vec<String>) {
    match value {
        Json::String(_) => found.push(at),
        Json::Object(fields) => {
            for (name, value) in fields {
                collect(value, format!("{at}/{}", name.replace('/', "~1")), found);
            }
        }
        Json::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                collect(value, format!("{at}/{index}"), found);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

/// What a receipt says was decided.
fn decision(receipt: &Json) -> &str {
    receipt["volens:opening"]["record"]["decision"].as_str().expect("a text")
}

fn test_log(key: &str) -> LogVerifier {
    LogVerifier::from_vkey(key).expect("a key")
}

#[expect(clippy::print_stderr, reason = "a skipped tier must be seen")]
fn skipped() {
    eprintln!("SKIPPED the independent verifier: there is no python3");
}

#[test]
fn the_other_program_is_short_enough_to_be_read() {
    let program = std::fs::read_to_string(tidy::root().join("tests/independent/verify_receipt.py"));
    assert!(program.expect("it is there").lines().count() < 200);
}

#[tokio::test]
async fn another_program_agrees_about_receipts() {
    on_both(|test| async move {
        let key = test.app.keys.log_verifier().vkey();
        let town = Town::new(test, 3).await;
        let person = name(1);
        let withdrawn = town.withdraw(&person, PurposeKind::BusinessMessages).await;
        let state =
            town.messenger.get(&format!("/v1/accounts/{person}/consents")).await.expect(200);
        let receipts = state["receipts"].as_array().expect("a list");
        assert!(receipts.len() > 1, "{state}");
        let evidence = &withdrawn["receipt"]["dpv:hasRecordOfActivity"][0]["volens:evidence"];
        let before = evidence["previousRecordSha256"].as_str().expect("it follows a consent");
        let directory = tempfile::tempdir().expect("a directory");
        for receipt in receipts.iter().chain([&withdrawn["receipt"]]) {
            let Some(said) = check(directory.path(), receipt, &key) else { return skipped() };
            let said = String::from_utf8_lossy(&said.stdout).into_owned();
            let decided = decision(receipt);
            assert!(said.starts_with("entry ") && said.contains(decided), "{said}{receipt}");
        }
        let earlier: Vec<&Json> = receipts.iter().collect();
        let said = check_after(directory.path(), &withdrawn["receipt"], &earlier, &key);
        let Some(said) = said else { return skipped() };
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(said.trim_end().ends_with(", follows given"), "{said}");
        assert_eq!(before.len(), 64, "{before}");
    })
    .await;
}

/// Receipts that were handed out before there was more to state are read by the other program too.
#[test]
fn another_program_reads_what_was_handed_out_earlier() {
    let golden = |name: &str| {
        let file = tidy::root().join("privacy/src/receipt/golden").join(name);
        std::fs::read_to_string(file).expect("it is there")
    };
    let key = golden("log.vkey");
    let directory = tempfile::tempdir().expect("a directory");
    for name in ["json-ld-1.json", "json-ld-1-withdrawn.json"] {
        let receipt: Json = serde_json::from_str(&golden(name)).expect("JSON");
        let Some(said) = check(directory.path(), &receipt, &key) else { return skipped() };
        assert_eq!(said.status.code(), Some(0), "{name}");
    }
}

const JWS: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6Im0ifQ..c2ln";

#[tokio::test]
async fn another_program_finds_what_is_signed_and_not_so() {
    let sqlite = FreshSqlite::create();
    let test = TestApp::open(&sqlite.address(), &[]).await;
    let key = test.app.keys.log_verifier().vkey();
    let town = Town::new(test, 1).await;
    let app = &town.test.app;
    let given = forger::consent(app.now(), json!({ "jws": JWS, "screen": 4 }));
    let receipts = forger::history(app, &[given.clone(), forger::withdrawal(&given)]);
    let [given, withdrawn] = [&receipts[0], &receipts[1]].map(|one| forger::document(app, one));
    let directory = tempfile::tempdir().expect("a directory");
    for (receipt, member, to) in [
        (&given, "volens:evidence/attachedSha256", "00"),
        (&given, "volens:evidence/appKid", "another"),
        (&given, "volens:evidence/jwsDetached", "e30..c2ln"),
        (&given, "volens:evidence/previousRecordSha256", "00"),
        (&withdrawn, "volens:evidence/previousRecordSha256", "00"),
        (&withdrawn, "dct:replaces", "urn:uuid:00000000-0000-0000-0000-000000000000"),
        (&given, "dpv:hasImpactAssessment/volens:contentSha256", "00"),
        (&given, "dpv:hasNotice/dct:date", "2020-01-01"),
        (&given, "dpv:hasNotice/volens:ledgerIndex", "5"),
        (&given, "dct:conformsTo", "https://w3id.org/dpv/schema/dpv-27560#record"),
        (&given, "dct:conformsTo", ""),
    ] {
        let pointer = format!("/dpv:hasRecordOfActivity/0/{member}");
        let as_it_is = forger::signed_again(app, receipt, |_| ());
        let Some(said) = check(directory.path(), &as_it_is, &key) else { return skipped() };
        assert_eq!(said.status.code(), Some(0), "{said:?}");
        let forged = forger::signed_again(app, receipt, |document| {
            *document.pointer_mut(&pointer).expect("it is stated") = json!(to);
        });
        let Some(said) = check(directory.path(), &forged, &key) else { return skipped() };
        assert_eq!(said.status.code(), Some(3), "{member}");
        let wrong = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(wrong.contains("it states"), "{member}: {wrong}");
    }
}

#[tokio::test]
async fn two_programs_find_that_another_decision_was_put_before_one() {
    let sqlite = FreshSqlite::create();
    let test = TestApp::open(&sqlite.address(), &[]).await;
    let key = test.app.keys.log_verifier().vkey();
    let town = Town::new(test, 1).await;
    let app = &town.test.app;
    let given = forger::consent(app.now(), json!({ "screen": 4 }));
    let other = forger::consent(app.now(), json!({ "screen": 5 }));
    let directory = tempfile::tempdir().expect("a directory");
    let notice = Notices::builtin().get("linking", 1, "en").expect("it is built in");
    let shown = [Shown { notice, parties: app.receipts.parties() }];
    for (before, ours, theirs) in [(&given, 0, 0), (&other, 3, 3)] {
        let receipts = forger::history(app, &[before.clone(), forger::withdrawal(&given)]);
        let documents: Vec<Json> =
            receipts.iter().map(|receipt| forger::document(app, receipt)).collect();
        let file = directory.path().join("receipts.json");
        std::fs::write(&file, Json::from(documents.clone()).to_string()).expect("written");
        let mut program = Command::new(env!("CARGO_BIN_EXE_volens"));
        program.args(["receipt", "verify", "--key", &key]).arg(file);
        assert_eq!(program.output().expect("it runs").status.code(), Some(ours));
        let log = app.keys.log_verifier();
        let html = evidence(&app.receipts, &log, (&receipts, &shown, None), app.now());
        let whole = verify_evidence(&html, &log).map_err(|error| error.code());
        assert_eq!(whole.err(), (ours == 3).then_some("receipt.chain"));
        let earlier = [&documents[0]];
        let Some(said) = check_after(directory.path(), &documents[1], &earlier, &key) else {
            return skipped();
        };
        assert_eq!(said.status.code(), Some(theirs), "{said:?}");
        let told = String::from_utf8_lossy(&said.stdout).into_owned();
        assert_eq!(told.trim_end().ends_with(", follows given"), theirs == 0, "{told}");
    }
}

#[tokio::test]
async fn our_program_takes_receipts_as_they_are_handed_out() {
    let sqlite = FreshSqlite::create();
    let test = TestApp::open(&sqlite.address(), &[]).await;
    let key = test.app.keys.log_verifier().vkey();
    let town = Town::new(test, 2).await;
    let answer = town.withdraw(&name(0), PurposeKind::Relevance).await;
    let state = town.messenger.get(&format!("/v1/accounts/{}/consents", name(1))).await.expect(200);
    let directory = tempfile::tempdir().expect("a directory");
    let verify = |text: String| {
        let file = directory.path().join("receipts.json");
        std::fs::write(&file, text).expect("written");
        let mut program = Command::new(env!("CARGO_BIN_EXE_volens"));
        program.args(["receipt", "verify", "--key", &key]).arg(file);
        program.output().expect("it runs").status.code()
    };
    assert_eq!(verify(state["receipts"].to_string()), Some(0), "as the privacy centre gives them");
    assert_eq!(verify(state.to_string()), Some(0), "as the service answers about an account");
    assert_eq!(verify(answer.to_string()), Some(0), "as a withdrawal is answered");
    let mut one_is_not = state["receipts"].clone();
    one_is_not[1]["dct:publisher"] = Json::from("elsewhere");
    assert_eq!(verify(one_is_not.to_string()), Some(3));
    assert_eq!(verify("{}".to_owned()), Some(3));
    assert_eq!(verify("[]".to_owned()), Some(2), "there is nothing to verify");
    assert_eq!(verify("no JSON".to_owned()), Some(2));
}

#[tokio::test]
async fn another_program_refuses_whatever_is_altered() {
    let sqlite = FreshSqlite::create();
    let test = TestApp::open(&sqlite.address(), &[]).await;
    let key = test.app.keys.log_verifier().vkey();
    let town = Town::new(test, 2).await;
    let state = town.messenger.get(&format!("/v1/accounts/{}/consents", name(1))).await.expect(200);
    let receipt = &state["receipts"][0];
    let iso = format!("/v1/accounts/{}/consents?records=iso27560", name(1));
    let iso = town.messenger.get(&iso).await.expect(200);
    assert_eq!(iso["records"][0]["schema_version"], "ISO/IEC TS 27560:2023; profile=volens-1");
    let directory = tempfile::tempdir().expect("a directory");
    let all = altered(receipt);
    assert!(all.len() > 120, "a receipt holds many texts");
    let log = test_log(&key);
    for one in &all {
        let read = Receipt::from_json(one.to_string().as_bytes());
        assert!(read.and_then(|receipt| receipt.verify(&log)).is_err(), "{one}");
    }
    for one in &all {
        let Some(said) = check(directory.path(), one, &key) else { return skipped() };
        assert_eq!(said.status.code(), Some(3), "{one}");
    }
    let other = key.replacen("volens", "nolens", 1);
    let Some(said) = check(directory.path(), receipt, &other) else { return skipped() };
    assert_eq!(said.status.code(), Some(3), "another log's key");
}
