//! Notices, receipts, the time machine and evidence, through the whole service.

use std::collections::BTreeSet;
use std::process::Command;

use axum::body::Body;
use axum::http::Method;
use serde_json::{Value as Json, json};
use volens::accounts::subject_of;
use volens::clock::Clock as _;
use volens_privacy::evidence::verify_evidence;
use volens_privacy::{AppId, PurposeKind};

use crate::support::town::{Town, name, report};
use crate::support::{TestApp, on_both, on_both_with};

async fn subject(test: &TestApp, reference: &str) -> String {
    let app = AppId::parse("messenger").expect("a slug");
    let mut tx = test.app.db.read().await.expect("begins");
    let found = subject_of(&mut tx, &test.app.keys, &app, reference).await.expect("reads");
    found.expect("an account").to_string()
}

/// What the program on the command line makes of a file.
fn verify(html: &str, key: &str) -> Option<i32> {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("evidence.html");
    std::fs::write(&file, html).expect("written");
    let mut program = Command::new(env!("CARGO_BIN_EXE_volens"));
    program.args(["receipt", "verify", "--key", key]).arg(file);
    program.output().expect("it runs").status.code()
}

#[tokio::test]
async fn an_officer_looks_back_and_takes_the_proof_along() {
    on_both_with(&[("audit.lone_officer", "recorded")], |test| async move {
        let key = test.app.keys.log_verifier().vkey();
        let town = Town::new(test, 3).await;
        let officer = town.test.officer().await;
        let then = town.test.clock.now().to_string();
        town.test.clock.advance(std::time::Duration::from_hours(24));
        town.withdraw(&name(1), PurposeKind::BusinessMessages).await;
        let now = town.test.clock.now().to_string();
        let who = subject(&town.test, &name(1)).await;

        let closed = format!("/v1/audit/accounts/{who}/evidence");
        officer.get(&closed).await.problem(403, "record.closed");
        let closed = format!("/v1/audit/accounts/{who}/then?at={now}");
        officer.get(&closed).await.problem(403, "record.closed");
        let ask = format!("/v1/audit/accounts/{who}/openings");
        officer.post(&ask, json!({"reason": "a complaint"})).await.expect(201);

        let address = format!("/v1/audit/accounts/{who}/then?at={now}&compare={then}");
        let told = officer.get(&address).await.expect(200);
        let of = |states: &Json| -> Vec<String> {
            let live = states.as_array().expect("states").iter().filter(|s| s["live"] == true);
            live.map(|state| state["purpose"].to_string()).collect()
        };
        assert_eq!(of(&told["states"]), ["\"relevance\""]);
        assert_eq!(of(&told["differed"]), ["\"business_messages\""]);
        let text = told["differed"][0]["notice"]["text"].as_str().expect("a text");
        assert!(text.contains("Messenger Ltd., 1 Example Street"), "{text}");

        let counts = format!("/v1/reachability/counts?app=messenger&at={now}&compare={then}");
        let counts = officer.get(&counts).await.expect(200);
        let messages = counts["counts"].as_array().expect("counts").iter();
        let mut messages = messages.filter(|count| count["purpose"] == "business_messages");
        let count = messages.next().expect("a count");
        assert_eq!((&count["at"], &count["compared"]), (&json!(2), &json!(3)));
        let who_then = format!("/v1/reachability?app=messenger&at={then}&limit=2");
        let page = officer.get(&who_then).await.expect(200);
        assert!(page["has_more"] == true && page["next_cursor"].is_string(), "bounded: {page}");

        let evidence = format!("/v1/audit/accounts/{who}/evidence");
        let answer = officer.send(Method::GET, &evidence, None, Body::empty()).await;
        assert_eq!(answer.status, 200);
        let html = answer.text();
        let log = town.test.app.keys.log_verifier();
        assert_eq!(verify_evidence(&html, &log).expect("it verifies").len(), 3);
        assert_eq!(verify(&html, &key), Some(0));
        let altered = html.replacen("business_messages", "bot_memories", 1);
        assert_ne!(html, altered);
        assert_eq!(verify(&altered, &key), Some(3));
        let one = format!("{evidence}?entry={}", told["states"][0]["entry"]);
        let answer = officer.send(Method::GET, &one, None, Body::empty()).await;
        let reports = verify_evidence(&answer.text(), &log).expect("it verifies");
        assert_eq!(reports.len(), 1);
        assert_eq!(officer.get(&format!("{evidence}?entry=0")).await.status, 404);
    })
    .await;
}

#[tokio::test]
async fn an_app_learns_when_it_may_ask_and_is_held_to_it() {
    on_both(|test| async move {
        let town = Town::new(test, 1).await;
        let person = name(0);
        let ask = format!("/v1/accounts/{person}/may-ask?purpose=business_messages");
        let told = town.messenger.get(&ask).await.expect(200);
        assert_eq!(told["reason"], "live");
        town.withdraw(&person, PurposeKind::BusinessMessages).await;
        let told = town.messenger.get(&ask).await.expect(200);
        assert_eq!((&told["may_ask"], &told["reason"]), (&json!(false), &json!("said_no")));
        let consent = |requested: Option<String>| {
            json!({
                "account": person,
                "notice": {"id": "messages", "version": 2, "language": "en",
                           "rendered_sha256": "00".repeat(32)},
                "requested_at": requested,
                "decisions": [{"purpose": "business_messages", "decision": "given"}],
            })
        };
        let now = town.test.clock.now().to_string();
        let refused = town.messenger.post("/v1/consents", consent(Some(now))).await;
        refused.problem(409, "consent.asked_too_early");
        let own = town.messenger.post("/v1/consents", consent(None)).await.expect(201);
        assert_eq!(own["decisions"][0]["recorded"], true, "people may change their mind");
        let officer = town.test.officer().await;
        let changes = officer.get("/v1/notices/messages/changes?from=1&to=2").await.expect(200);
        assert_eq!(changes["asks_again"], true);
    })
    .await;
}

#[tokio::test]
async fn a_browser_that_says_no_is_believed() {
    on_both(|test| async move {
        let town = Town::new(test, 1).await;
        town.test.new_app("photo").await;
        town.withdraw(&name(0), PurposeKind::BusinessMessages).await;
        let own = town.messenger.get(&format!("/v1/accounts/{}/consents", name(0))).await;
        let before = own.expect(200)["consents"].as_array().expect("a list").len();
        let open = async |account: &str, gpc: bool| {
            let link = json!({ "account": account });
            let link = town.messenger.post("/v1/privacy-centre-links", link).await.expect(201);
            let url = link["url"].as_str().expect("an address").to_owned();
            let path = url[url.find("/p/").expect("a privacy centre")..].to_owned();
            let browser = town.test.anonymous();
            let browser = if gpc { browser.with("sec-gpc", "1") } else { browser };
            browser.get(&path).await.text()
        };
        assert!(!open(&name(0), false).await.contains("Global Privacy Control"));
        for _ in 0..2 {
            assert!(open(&name(0), true).await.contains("Global Privacy Control"));
        }
        let state = town.messenger.get(&format!("/v1/accounts/{}/consents", name(0))).await;
        let state = state.expect(200);
        let consents = state["consents"].as_array().expect("a list");
        assert_eq!(consents.len(), before + 1, "only what was undecided, and once: {state:#}");
        let linking = consents.iter().find(|c| c["purpose"] == "cross_app_linking");
        let state_of = linking.expect("recorded")["state"].as_str();
        assert_eq!(state_of, Some("refused"), "nothing was given that could be taken back");
        let last = state["receipts"].as_array().expect("receipts").last().expect("one").clone();
        let record = &last["volens:opening"]["record"];
        assert_eq!(record["evidence"]["signal"], "Sec-GPC: 1");

        let fresh = json!({"language": "en"});
        town.messenger.put("/v1/accounts/fresh", fresh).await.expect(201);
        assert!(open("fresh", true).await.contains("Global Privacy Control"));
        let state = town.messenger.get("/v1/accounts/fresh/consents").await.expect(200);
        let refused: BTreeSet<&str> = state["consents"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|consent| consent["state"] == "refused")
            .filter_map(|consent| consent["purpose"].as_str())
            .collect();
        assert_eq!(refused, ["business_messages", "cross_app_linking"].into(), "{state:#}");
    })
    .await;
}

/// The example of the IAB's specification of 2025.
const CLAIMED: &str = "CQSbk4AQSbk4ANwAAAENAwCgAAAAAAAAAAYgACPAAAAA.IDKQA4AAgAKAGQAygAAA";

#[tokio::test]
async fn a_claim_is_read_at_the_door_and_shown_as_one() {
    on_both_with(&[("audit.lone_officer", "recorded")], |test| async move {
        let town = Town::new(test, 1).await;
        let mut body = report(&name(0), PurposeKind::BotMemory);
        let entries = format!("/v1/accounts/{}/consents", name(0));
        let before = town.messenger.get(&entries).await.expect(200);
        body["evidence"] = json!({"tcf": &CLAIMED[1..]});
        let refused = town.messenger.post("/v1/consents", body.clone()).await;
        let refused = refused.problem(422, "tcf.version");
        assert_eq!(refused["errors"][0]["pointer"], "/evidence/tcf");
        assert_eq!(town.messenger.get(&entries).await.expect(200), before, "nothing is recorded");

        body["evidence"] = json!({"tcf": CLAIMED});
        let taken = town.messenger.post("/v1/consents", body).await.expect(201);
        let record = &taken["receipts"][0]["volens:opening"]["record"];
        assert_eq!(record["evidence"], json!({"tcf": CLAIMED}), "to the person, as it was sent");
        let officer = town.test.officer().await;
        let who = subject(&town.test, &name(0)).await;
        let ask = format!("/v1/audit/accounts/{who}/openings");
        officer.post(&ask, json!({"reason": "a complaint"})).await.expect(201);
        let now = town.test.clock.now();
        let told =
            officer.get(&format!("/v1/audit/accounts/{who}/then?at={now}")).await.expect(200);
        let states = told["states"].as_array().expect("states").iter();
        let claims: Vec<&Json> = states.filter_map(|state| state.get("claims")).collect();
        assert_eq!(claims.len(), 1, "of the one decision it came with");
        assert_eq!(
            (&claims[0]["tcf"]["cmp_id"], &claims[0]["tcf"]["consent_language"]),
            (&json!(880), &json!("EN"))
        );
    })
    .await;
}
