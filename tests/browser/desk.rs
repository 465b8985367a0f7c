//! A privacy officer's desk: requests of people, models that wait, and what apps claim in evidence.

use fantoccini::Locator;
use serde_json::json;
use volens::access::Caller;
use volens::clock::Clock as _;
use volens::db::Statement;
use volens::db::testing::FreshSqlite;
use volens_privacy::PurposeKind;

use super::driver::{Browser, Scripts};
use super::officer::ALONE;
use super::{Site, check, sign_in};
use crate::support::TestApp;
use crate::support::town::{Town, name, report};

/// As training leaves a model in which a column stands for an attribute.
const HOLD: Statement = Statement::new(
    "browser::desk",
    "HOLD",
    "update models set held_at = created_at, activated_at = null",
    "update models set held_at = created_at, activated_at = null",
);

/// The example of the IAB's specification of 2025.
const CLAIMED: &str = "CQSbk4AQSbk4ANwAAAENAwCgAAAAAAAAAAYgACPAAAAA.IDKQA4AAgAKAGQAygAAA";

#[tokio::test]
async fn an_officer_answers_requests_at_the_desk() {
    let Some(browser) = Browser::start(Scripts::On).await else { return };
    let site = Site::start().await;
    let app = site.test.new_app("messenger").await;
    app.put("/v1/accounts/anna", json!({"language": "en", "country": "DE"})).await.expect(201);
    let asked = json!({
        "subject_request_id": "1f0e8b5c-6a0e-4c57-9c0e-7b5f3d1a9a01",
        "subject_request_type": "rectification",
        "subject_identities": [
            {"identity_type": "controller_customer_id", "identity_value": "anna"},
        ],
        "extensions": {"said": "I live in Cork,\nnot in Dublin."},
    });
    app.post("/v1/dsr", asked).await.expect(202);
    sign_in(&browser, &site, "officer@volens.test", Caller::Officer).await;
    browser.press("Requests").await;
    browser.sees("not in Dublin.").await;
    check(&browser, "requests of people").await;
    browser.press("Extend").await;
    browser.sees("extended on").await;

    browser.fill("App", "messenger").await;
    browser.fill("The app's reference", "user-4711").await;
    browser.fill("What the person says", "By letter.").await;
    browser.press("Put it on record").await;
    browser.sees("The app has no account with this reference.").await;
    check(&browser, "a request that could not be entered").await;
    browser.fill("The app's reference", "anna").await;
    browser.choose("kind", "restriction").await;
    browser.press("Put it on record").await;
    browser.sees("By letter.").await;
    browser.sees("by the officer, for a user of messenger").await;
    // The one that was extended is due last.
    browser.press("Meet it now").await;
    browser.sees("restricted").await;
    browser.press("Refuse").await;
    browser.sees("Nothing waits").await;
    check(&browser, "answered requests").await;
    browser.stop().await;
    site.stop().await;
}

#[tokio::test]
async fn an_officer_lets_a_model_through() {
    let Some(browser) = Browser::start(Scripts::On).await else { return };
    let database = FreshSqlite::create();
    let town = Town::new(TestApp::open(&database.address(), &[]).await, 45).await;
    let site = Site::around(town.test, database).await;
    sign_in(&browser, &site, "officer@volens.test", Caller::Officer).await;
    browser.press("Models").await;
    browser.sees("Nothing stands for anything else.").await;
    check(&browser, "models").await;
    let mut tx = site.test.app.db.begin().await.expect("begins");
    tx.execute(HOLD, Vec::new()).await.expect("obeys");
    tx.commit().await.expect("commits");
    browser.press("Models").await;
    browser.sees("This model is not used before an officer has looked at this.").await;
    check(&browser, "a model that waits").await;
    browser.fill("Why it may be used all the same", "looked at it").await;
    browser.press("Put that on record and use it").await;
    browser.sees("an officer has looked").await;
    check(&browser, "a model that was let through").await;
    browser.stop().await;
    site.stop().await;
}

#[tokio::test]
async fn an_officer_sees_what_an_app_claims_and_how_a_consent_ended() {
    let Some(browser) = Browser::start(Scripts::On).await else { return };
    let database = FreshSqlite::create();
    let town = Town::new(TestApp::open(&database.address(), &[ALONE]).await, 1).await;
    let mut body = report(&name(0), PurposeKind::BotMemory);
    body["evidence"] = json!({"tcf": CLAIMED});
    town.messenger.post("/v1/consents", body).await.expect(201);
    town.withdraw(&name(0), PurposeKind::Relevance).await;
    let site = Site::around(town.test, database).await;
    sign_in(&browser, &site, "officer@volens.test", Caller::Officer).await;
    browser.press("Person").await;
    for again in [false, true] {
        browser.fill("App", "messenger").await;
        browser.fill("The app's reference", &name(0)).await;
        browser.press("Look up").await;
        if again {
            browser.sees("every record opens to its entry").await;
            break;
        }
        browser.sees("This record is closed").await;
        browser.fill("Reason", "asked by the person").await;
        browser.press("Ask").await;
        browser.sees("approved").await;
        check(&browser, "a request to open a record").await;
        browser.press("Person").await;
        browser.sees("Or the internal id").await;
    }
    browser.press("Time machine").await;
    browser.sees("A whole app, in counts").await;
    browser.fill("App", "messenger").await;
    browser.fill("The app's reference", &name(0)).await;
    let now = site.test.clock.now().to_string();
    browser.fill("When (UTC)", &now).await;
    browser.press("Look").await;
    browser.sees("taken back").await;
    browser.sees("Download evidence file as of").await;
    let claims = Locator::XPath("//summary[normalize-space()='What the app claims']");
    let claims = browser.client.find(claims).await.expect("claims of the evidence");
    claims.click().await.expect("it opens");
    browser.sees("Nothing here rests on them.").await;
    browser.sees("CMP 880").await;
    check(&browser, "claims of an evidence").await;
    browser.stop().await;
    site.stop().await;
}

#[tokio::test]
async fn a_wrong_kind_of_entry_is_said_and_the_form_stays() {
    let Some(browser) = Browser::start(Scripts::On).await else { return };
    let site = Site::start().await;
    sign_in(&browser, &site, "officer@volens.test", Caller::Officer).await;
    browser.open(&site.url("/officer/entries?kind=consent.gave")).await;
    browser.sees("There is no kind of entry called “consent.gave”").await;
    check(&browser, "entries of no kind").await;
    browser.choose("kind", "notice.published").await;
    browser.press("Show").await;
    browser.sees("notice messages version").await;
    browser.stop().await;
    site.stop().await;
}
