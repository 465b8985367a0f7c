//! A business types several texts for a campaign, without scripts, and reads how they do.

use serde_json::{Value as Json, json};
use volens::access::Caller;
use volens::db::testing::FreshSqlite;

use super::driver::{Browser, Scripts};
use super::{Site, check, sign_in};
use crate::support::TestApp;
use crate::support::town::{SMALL, Town};

#[tokio::test]
async fn a_business_tries_two_texts_and_reads_how_they_do() {
    let Some(browser) = Browser::start(Scripts::Off).await else { return };
    let database = FreshSqlite::create();
    let town = Town::new(TestApp::open(&database.address(), &[SMALL]).await, 60).await;
    let site = Site::around(town.test, database).await;
    sign_in(&browser, &site, "shop@volens.test", Caller::Business(town.business)).await;
    browser.press("New campaign").await;
    browser.fill("Name", "Spring shoes").await;
    browser.fill("Title of the message", "New in").await;
    browser.fill("Text", "Sneakers and boots, grippy and made for wet roots.").await;
    browser.press("A click").await;
    browser.press("Add a variant").await;
    browser.sees("Text of variant b").await;
    browser.fill("Title of variant b", "For wet roots").await;
    browser.press("Add a variant").await;
    browser.sees("Text of variant c").await;
    check(&browser, "campaign with variants").await;
    browser.press("Remove the last variant").await;
    assert!(!browser.text().await.contains("variant c"));
    browser.press("Propose topics from the text").await;
    browser.sees("Proposed from the text: Shoes").await;
    browser.press("Make the campaign").await;
    browser.sees("1 to 1024 characters").await;
    check(&browser, "campaign with an error in a variant").await;
    browser.fill("Text of variant b", "Sneakers that hold where it is wet.").await;
    browser.press("Make the campaign").await;
    browser.sees("Sneakers that hold where it is wet.").await;
    browser.sees("How the variants do").await;
    browser.sees("Too little is known yet").await;
    check(&browser, "campaign that tries two texts").await;

    let page = browser.client.current_url().await.expect("an address");
    let campaign = page.path().rsplit('/').next().expect("an id").to_owned();
    let asked = town.shop.post("/v1/lists", json!({"campaign": campaign, "size": 40})).await;
    volens::background::worker(&site.test.app).run_due().await.expect("jobs run");
    let list = asked.expect(202)["id"].clone();
    let rows = format!("/v1/lists/{}/recipients?limit=500", list.as_str().expect("an id"));
    let rows = town.shop.get(&rows).await.expect(200);
    let rows = rows["data"].as_array().expect("rows");
    let at = site.test.app.now();
    let click = |row: &Json| json!({"list": list, "recipient": row["recipient"], "kind": "click", "at": at});
    let b = rows.iter().filter(|row| row["variant"]["name"] == "b");
    let clicks: Vec<Json> = b.map(click).collect();
    town.shop.post("/v1/outcomes", json!({"outcomes": clicks})).await.expect(200);
    for (language, title) in [
        ("Deutsch", "Wie die Varianten abschneiden"),
        ("Français", "Résultats des variantes"),
        ("Español", "Cómo van las variantes"),
        ("Português", "Como vão as variantes"),
        ("English", "How the variants do"),
    ] {
        browser.press(language).await;
        browser.sees(title).await;
        check(&browser, title).await;
    }
    let text = browser.text().await;
    assert!(!text.contains("Too little is known yet") && text.contains("not told"), "{text}");
    browser.open(&site.url(&format!("/console/lists/{}", list.as_str().expect("an id")))).await;
    browser.sees("Recipients").await;
    check(&browser, "list with variants").await;
    browser.stop().await;
    site.stop().await;
}
