//! Receipts are checked by a program that shares nothing with ours but the published formats:
//! `tests/independent/verify_receipt.py`.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value as Json;
use volens::db::testing::{FreshSqlite, required};
use volens_privacy::{LogVerifier, PurposeKind, Receipt};

use crate::support::town::{Town, name};
use crate::support::{TestApp, on_both};
use crate::tidy;

/// What the other program says of a receipt; `None` when there is no Python to run it.
pub(crate) fn check(directory: &Path, receipt: &Json, key: &str) -> Option<Output> {
    let file = directory.join("receipt.json");
    std::fs::write(&file, receipt.to_string()).expect("written");
    let program = tidy::root().join("tests/independent/verify_receipt.py");
    let ran = Command::new("python3").arg(program).arg(file).arg(key).output();
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
        let directory = tempfile::tempdir().expect("a directory");
        for receipt in receipts.iter().chain([&withdrawn["receipt"]]) {
            let Some(said) = check(directory.path(), receipt, &key) else { return skipped() };
            let said = String::from_utf8_lossy(&said.stdout).into_owned();
            let decided = decision(receipt);
            assert!(said.starts_with("entry ") && said.contains(decided), "{said}{receipt}");
        }
    })
    .await;
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
