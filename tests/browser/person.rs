//! A person takes a consent back on their own page, with scripts switched off.

use serde_json::json;

use super::driver::{Browser, Scripts};
use super::officer::consents;
use super::{Site, check};

#[tokio::test]
async fn a_person_withdraws_without_javascript() {
    let Some(browser) = Browser::start(Scripts::Off).await else { return };
    let site = Site::start().await;
    let app = site.test.new_app("messenger").await;
    consents(&app, "user-1", "de").await;
    let link = app.post("/v1/privacy-centre-links", json!({"account": "user-1"})).await;
    let link = link.expect(201)["url"].as_str().expect("an address").to_owned();
    let (_, path) = link.split_once("/p/").expect("a privacy centre");
    let url = site.url(&format!("/p/{path}"));

    browser.open(&url).await;
    browser.sees("Wozu Sie jetzt zustimmen").await;
    browser.sees("Nachrichten von Unternehmen erhalten").await;
    browser.press("Widerrufen").await;
    browser.sees("Es galt schon, bevor Sie dies gelesen haben.").await;
    browser.press("Widerrufen").await;
    browser.sees("Sie stimmen zurzeit nichts zu.").await;
    let state = app.get("/v1/accounts/user-1/consents").await.expect(200);
    let states: Vec<_> = state["consents"].as_array().expect("consents").iter().collect();
    assert_eq!(states.len(), 2, "both consents are told: {state:#}");
    assert!(states.iter().all(|consent| consent["state"] == "withdrawn"), "{state:#}");

    site.test.clock.advance(std::time::Duration::from_mins(21));
    browser.open(&url).await;
    browser.sees("Open your privacy centre again from the app").await;
    browser.stop().await;
    site.stop().await;
}

#[tokio::test]
async fn a_person_pauses_objects_and_says_what_is_wrong() {
    let Some(browser) = Browser::start(Scripts::On).await else { return };
    let site = Site::start().await;
    let app = site.test.new_app("messenger").await;
    consents(&app, "user-1", "en").await;
    let link = app.post("/v1/privacy-centre-links", json!({"account": "user-1"})).await;
    let link = link.expect(201)["url"].as_str().expect("an address").to_owned();
    let (_, path) = link.split_once("/p/").expect("a privacy centre");
    browser.open(&site.url(&format!("/p/{path}"))).await;
    browser.sees("Pause the use of my data").await;
    browser.press("Pause").await;
    browser.sees("The use of your data is paused").await;
    check(&browser, "a pause").await;
    browser.press("End the pause").await;
    browser.sees("The pause has ended").await;
    check(&browser, "the end of a pause").await;
    browser.press("Object").await;
    browser.sees("You have objected to marketing").await;
    browser.sees("You agree to nothing at the moment.").await;
    check(&browser, "an objection").await;
    browser.fill("What is wrong, and how is it right?", "I live in Cork, not in Dublin.").await;
    browser.press("Ask for a correction").await;
    browser.sees("you will have an answer by").await;
    check(&browser, "a request for a correction").await;
    let bench = site.test.officer().await.get("/v1/subject-requests").await.expect(200);
    assert_eq!(bench[0]["said"], "I live in Cork, not in Dublin.");
    browser.stop().await;
    site.stop().await;
}

#[tokio::test]
async fn a_person_s_pages_shut_nobody_out() {
    let Some(browser) = Browser::start(Scripts::On).await else { return };
    let site = Site::start().await;
    let app = site.test.new_app("messenger").await;
    consents(&app, "user-1", "fr").await;
    let link = app.post("/v1/privacy-centre-links", json!({"account": "user-1"})).await;
    let link = link.expect(201)["url"].as_str().expect("an address").to_owned();
    let (_, path) = link.split_once("/p/").expect("a privacy centre");
    browser.open(&site.url(&format!("/p/{path}"))).await;
    check(&browser, "privacy centre").await;
    browser.press("Retirer").await;
    browser.sees("Retiré").await;
    check(&browser, "after a withdrawal").await;
    browser.open(&site.url("/n")).await;
    check(&browser, "notices").await;
    browser.open(&site.url("/n/messages/1/pt")).await;
    check(&browser, "notice").await;
    browser.stop().await;
    site.stop().await;
}
