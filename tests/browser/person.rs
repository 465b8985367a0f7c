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
    assert!(states.iter().all(|consent| consent["state"] == "withdrawn"), "{state:#}");

    site.test.clock.advance(std::time::Duration::from_mins(21));
    browser.open(&url).await;
    browser.sees("Open your privacy centre again from the app").await;
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
