//! A privacy officer looks at the ledger, checks receipts, and looks somebody up.

use serde_json::json;
use volens::access::Caller;
use volens_privacy::notice::Notices;
use volens_privacy::purpose::PurposeKind;

use super::driver::{Browser, Scripts};
use super::{Site, check, sign_in};
use crate::support::Client;

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
    browser.fill("Receipt (JSON)", &receipts[0].to_string()).await;
    browser.press("Check").await;
    browser.sees("The receipt holds").await;
    check(&browser, "receipt").await;
    let forged = receipts[0].to_string().replacen("business_messages", "bot_memory", 1);
    browser.fill("Receipt (JSON)", &forged).await;
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
    browser.press("Sign out").await;
    sign_in(&browser, &site, "second@volens.test", Caller::Officer).await;
    browser.press("Requests").await;
    browser.press("Approve").await;
    browser.sees("approved").await;
    browser.press("Sign out").await;
    sign_in(&browser, &site, "officer@volens.test", Caller::Officer).await;
    browser.press("Requests").await;
    browser.press("Open the record").await;
    browser.sees("every record opens to its entry").await;
    check(&browser, "history").await;
    browser.press("Notices").await;
    check(&browser, "notices").await;

    browser.open(&site.url("/console")).await;
    browser.sees("The ledger").await;
    browser.press("Sign out").await;
    browser.sees("Sign in").await;
    browser.stop().await;
    site.stop().await;
}
