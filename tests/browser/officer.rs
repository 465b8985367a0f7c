//! A privacy officer looks at the ledger, checks receipts, and looks somebody up.

use std::path::Path;

use serde_json::json;
use volens::access::Caller;
use volens::clock::Clock as _;
use volens_privacy::evidence::{Shown, verify_evidence};
use volens_privacy::notice::Notices;
use volens_privacy::purpose::PurposeKind;
use volens_privacy::{ConsentRecord, Timestamp};

use super::driver::{Browser, Scripts};
use super::{Site, check, sign_in};
use crate::independent::forger;
use crate::support::Client;

/// Where receipts and evidence are pasted.
const PASTE: &str = "Receipt (JSON) or evidence file (HTML)";

/// The one officer of an installation may look alone; each time is recorded as that.
pub(super) const ALONE: (&str, &str) = ("audit.lone_officer", "recorded");

/// Reports that `account` consents to messages and being ranked; the receipts.
pub(super) async fn consents(app: &Client, account: &str, language: &str) -> serde_json::Value {
    app.put(&format!("/v1/accounts/{account}"), json!({"language": language})).await;
    let notice = Notices::builtin().latest_for(PurposeKind::BusinessMessages, language);
    let notice = notice.expect("a notice in this language");
    let body = json!({
        "account": account,
        "notice": {
            "id": notice.id, "version": notice.version, "language": notice.language,
            "rendered_sha256": volens::ids::hex(&notice.sha256),
        },
        "decisions": [
            {"purpose": "business_messages", "decision": "given"},
            {"purpose": "relevance", "decision": "given"},
        ],
    });
    app.post("/v1/consents", body).await.expect(201)["receipts"].clone()
}

#[tokio::test]
async fn an_officer_verifies_the_ledger_a_receipt_and_a_history() {
    let Some(browser) = Browser::start(Scripts::On).await else { return };
    let site = Site::start().await;
    let receipts = consents(&site.test.new_app("messenger").await, "user-1", "en").await;
    browser.open(&site.url("/")).await;
    check(&browser, "home").await;
    // There is a second officer, who will have to approve.
    site.sign_in_link("second@volens.test", Caller::Officer).await;
    sign_in(&browser, &site, "officer@volens.test", Caller::Officer).await;
    check(&browser, "ledger").await;
    browser.press("Verify the whole ledger").await;
    browser.sees("Everything holds").await;
    check(&browser, "verified ledger").await;

    browser.press("Entries").await;
    browser.sees("consent.given").await;
    check(&browser, "entries").await;
    let newest = browser.client.current_url().await.expect("an address");
    browser.open(&format!("{newest}/0")).await;
    browser.sees("Proven").await;
    check(&browser, "entry").await;

    browser.press("Receipt").await;
    browser.fill(PASTE, &receipts[0].to_string()).await;
    browser.press("Check").await;
    browser.sees("The receipt holds").await;
    check(&browser, "receipt").await;
    let forged = receipts[0].to_string().replacen("messenger-ltd", "messenger-inc", 1);
    browser.fill(PASTE, &forged).await;
    browser.press("Check").await;
    browser.sees("The receipt does not hold").await;

    browser.press("Person").await;
    check(&browser, "person").await;
    browser.fill("App", "messenger").await;
    browser.fill("The app's reference", "user-1").await;
    browser.press("Look up").await;
    browser.sees("This record is closed").await;
    check(&browser, "closed record").await;
    browser.fill("Reason", "asked by the person").await;
    browser.press("Ask").await;
    browser.sees("waits for a second officer").await;
    check(&browser, "requests").await;
    browser.sign_out().await;
    sign_in(&browser, &site, "second@volens.test", Caller::Officer).await;
    browser.press("Openings").await;
    browser.press("Approve").await;
    browser.sees("approved").await;
    browser.sign_out().await;
    sign_in(&browser, &site, "officer@volens.test", Caller::Officer).await;
    browser.press("Openings").await;
    browser.press("Open the record").await;
    browser.sees("every record opens to its entry").await;
    check(&browser, "history").await;
    browser.press("Notices").await;
    check(&browser, "notices").await;

    browser.open(&site.url("/console")).await;
    browser.sees("The ledger").await;
    browser.sign_out().await;
    browser.stop().await;
    site.stop().await;
}

#[tokio::test]
async fn an_officer_looks_back_in_time() {
    let Some(browser) = Browser::start(Scripts::On).await else { return };
    let site = Site::with(&[ALONE]).await;
    consents(&site.test.new_app("messenger").await, "user-1", "en").await;
    sign_in(&browser, &site, "officer@volens.test", Caller::Officer).await;
    browser.press("Person").await;
    browser.fill("App", "messenger").await;
    browser.fill("The app's reference", "user-1").await;
    browser.press("Look up").await;
    browser.fill("Reason", "asked by the person").await;
    browser.press("Ask").await;
    browser.sees("approved").await;
    browser.press("Time machine").await;
    check(&browser, "time machine").await;
    browser.fill("App", "messenger").await;
    browser.fill("The app's reference", "user-1").await;
    for when in ["yesterday", "2999-01-01"] {
        browser.fill("When (UTC)", when).await;
        browser.press("Look").await;
        browser.sees("Say when it was, for instance").await;
        browser.fill("The app's reference", "user-1").await;
    }
    let now = site.test.clock.now().to_string();
    browser.fill("The app's reference", "user-1").await;
    browser.fill("When (UTC)", &now[..16]).await;
    browser.fill("Compare with", "2020-01-01").await;
    browser.press("Look").await;
    browser.sees("What differed at").await;
    check(&browser, "a moment of an account").await;
    browser.fill("Which app", "messenger").await;
    browser.fill("At which moment (UTC)", &now[..16]).await;
    browser.press("Count").await;
    browser.sees("1 accounts looked at").await;
    check(&browser, "counts of an app").await;
    browser.stop().await;
    site.stop().await;
}

/// Opens an evidence file from the disk.
async fn show(browser: &Browser, directory: &Path, html: &str) {
    let file = directory.join("evidence.html");
    std::fs::write(&file, html).expect("written");
    browser.open(&format!("file://{}", file.display())).await;
}

/// The evidence file about the account of a receipt.
async fn evidence(site: &Site, receipt: &serde_json::Value) -> String {
    let subject = receipt["schema:recipient"].as_str().expect("an account");
    let subject = subject.rsplit(':').next().expect("its id");
    let officer = site.test.officer().await;
    let ask = format!("/v1/audit/accounts/{subject}/openings");
    officer.post(&ask, json!({"reason": "asked by the person"})).await.expect(201);
    officer.get(&format!("/v1/audit/accounts/{subject}/evidence")).await.text()
}

#[tokio::test]
async fn an_evidence_file_checks_itself_without_a_network() {
    let Some(browser) = Browser::start(Scripts::On).await else { return };
    let test = Site::with(&[ALONE]).await;
    let receipts = consents(&test.test.new_app("messenger").await, "user-1", "en").await;
    let html = evidence(&test, &receipts[0]).await;
    let directory = tempfile::tempdir().expect("a directory");
    let show = async |html: &str| show(&browser, directory.path(), html).await;
    show(&html).await;
    browser.sees("Valid: 2 decisions").await;
    browser.sees("business_messages: given").await;
    browser.sees("Messenger Ltd., 1 Example Street, Dublin, Ireland").await;
    assert!(browser.complaints().await.is_empty(), "nothing is loaded and nothing refused");
    // One character of the data: of a text, of a record, of a hash on the path.
    for (from, to) in [
        ("STOP", "STEP"),
        ("\"decision\":\"given\"", "\"decision\":\"given \""),
        ("Messenger Ltd.", "Messenger Ltd,"),
        ("volens.local/log\\n", "volens.local/lag\\n"),
    ] {
        assert!(html.contains(from), "the file has {from}");
        show(&html.replacen(from, to, 1)).await;
        browser.sees("Invalid: ").await;
    }
    // A changed script does not run at all.
    show(&html.replacen("need(last === 0", "need(last == 0", 1)).await;
    browser.sees("Not checked").await;
    drop(browser.complaints().await);
    browser.stop().await;
    test.stop().await;
}

/// What its maker signed and the ledger does not hold is found by the file itself.
#[tokio::test]
async fn an_evidence_file_finds_what_its_maker_forged() {
    let Some(browser) = Browser::start(Scripts::On).await else { return };
    let site = Site::with(&[ALONE]).await;
    let app = &site.test.app;
    let log = app.keys.log_verifier();
    let directory = tempfile::tempdir().expect("a directory");
    let show = async |html: &str| show(&browser, directory.path(), html).await;
    let signature = "eyJhbGciOiJFZERTQSIsImtpZCI6Im0ifQ..c2ln";
    let given = forger::consent(app.now(), json!({ "jws": signature, "screen": 4 }));
    let notice = Notices::builtin().get("linking", 1, "en").expect("it is built in");
    let shown = [Shown { notice, parties: app.receipts.parties() }];
    let file = |before: &ConsentRecord| {
        let receipts = forger::history(app, &[before.clone(), forger::withdrawal(&given)]);
        volens_privacy::evidence::evidence(
            &app.receipts,
            &log,
            (&receipts, &shown, None),
            app.now(),
        )
    };
    let html = file(&given);
    assert_eq!(verify_evidence(&html, &log).expect("it verifies").len(), 2);
    show(&html).await;
    browser.sees("Valid: 2 decisions").await;
    for (receipt, member, to) in [
        (0, "volens:evidence/attachedSha256", json!("00")),
        (0, "volens:evidence/appKid", json!("another")),
        (0, "volens:evidence/previousRecordSha256", json!("00")),
        (1, "volens:evidence/previousRecordSha256", json!(null)),
        (1, "dct:replaces", json!("urn:uuid:00000000-0000-0000-0000-000000000000")),
        (0, "dpv:hasImpactAssessment/volens:contentSha256", json!("00")),
        (0, "dpv:hasNotice/volens:ledgerIndex", json!(1)),
    ] {
        let pointer = format!("/dpv:hasRecordOfActivity/0/{member}");
        let forged = forger::evidence_again(app, &html, |body| {
            let one = &mut body["receipts"][receipt];
            *one = forger::signed_again(app, one, |document| {
                *document.pointer_mut(&pointer).expect("it is stated") = to.clone();
            });
        });
        let error = verify_evidence(&forged, &log).expect_err("it is found");
        assert_eq!(error.code(), "receipt.facts", "{member}");
        show(&forged).await;
        browser.sees("Invalid: ").await;
    }
    let mut other = given.clone();
    other.evidence = Some(json!({ "screen": 5 }));
    show(&file(&other)).await;
    browser.sees("Invalid: what was decided before was another decision").await;
    browser.stop().await;
    site.stop().await;
}

/// The checkpoint of a later year is signed in the year's name and says what came before it.
#[tokio::test]
async fn an_evidence_file_of_two_years_checks_itself() {
    let Some(browser) = Browser::start(Scripts::On).await else { return };
    let site = Site::with(&[ALONE]).await;
    let app = site.test.new_app("messenger").await;
    let receipts = consents(&app, "user-1", "en").await;
    site.test.clock.set(Timestamp::parse("2027-01-01T00:00:00Z").expect("a time"));
    let back = json!({"account": "user-1", "purpose": "business_messages"});
    let back = app.post("/v1/consents/withdraw", back).await.expect(200);
    let stated = &back["receipt"]["dpv:hasRecordOfActivity"][0]["volens:ledger"];
    let entry = stated["index"].as_u64().expect("its number in the whole ledger");
    let html = evidence(&site, &receipts[0]).await;
    let log = site.test.app.keys.log_verifier();
    assert_eq!(verify_evidence(&html, &log).expect("it verifies").len(), 3);
    let directory = tempfile::tempdir().expect("a directory");
    let show = async |html: &str| show(&browser, directory.path(), html).await;
    show(&html).await;
    browser.sees("Valid: 3 decisions").await;
    browser.sees("business_messages: withdrawn").await;
    browser.sees(&format!("{entry} of ")).await;
    for (from, to) in [("volens/before ", "volens/before 1"), ("log/2027", "log/2028")] {
        assert!(html.contains(from), "the file has {from}");
        let altered = html.replacen(from, to, 1);
        assert!(verify_evidence(&altered, &log).is_err());
        show(&altered).await;
        browser.sees("Invalid: ").await;
    }
    drop(browser.complaints().await);
    browser.stop().await;
    site.stop().await;
}
