//! A business signs in by a one-time link and makes a campaign; what is wrong is said at its field.

use fantoccini::Locator;
use volens::access::Caller;
use volens::background;
use volens::db::testing::FreshSqlite;

use super::driver::{Browser, Scripts};
use super::{Site, check, sign_in};
use crate::support::TestApp;
use crate::support::town::{CLEAR, SMALL, Town};

#[tokio::test]
async fn a_business_makes_a_campaign() {
    let Some(browser) = Browser::start(Scripts::On).await else { return };
    let site = Site::start().await;
    site.test.new_app("messenger").await;
    let (id, _) = site.test.new_business("Lakeside Running").await;
    sign_in(&browser, &site, "shop@volens.test", Caller::Business(id)).await;
    browser.sees("Nothing here yet").await;
    check(&browser, "no campaigns").await;
    browser.press("New campaign").await;
    check(&browser, "new campaign").await;
    browser.fill("Name", "Spring shoes").await;
    browser.fill("Title of the message", "New in").await;
    browser.press("A click").await;
    let title = browser.client.find(Locator::Id("title")).await.expect("the title");
    title.send_keys("\u{e007}").await.expect("the Enter key makes the campaign");
    browser.sees("Write the text.").await;
    browser.sees("Choose at least one topic, or have some proposed from the text.").await;
    check(&browser, "campaign with an error").await;
    let name = browser.client.find(Locator::Id("name")).await.expect("the name");
    let kept = name.prop("value").await.expect("a value");
    assert_eq!(kept.as_deref(), Some("Spring shoes"), "what was typed is kept");

    browser.fill("Text", "Sneakers and boots, grippy and made for wet roots.").await;
    browser.press("Propose topics from the text").await;
    browser.sees("Proposed from the text: Shoes (sneakers, boots)").await;
    check(&browser, "campaign with a proposal").await;
    let topic = Locator::Css("input[name=topics][value='sport.outdoor']");
    let topic = browser.client.find(topic).await.expect("a topic");
    topic.click().await.expect("it can be chosen");
    browser.press("Make the campaign").await;
    browser.sees("Sneakers and boots, grippy and made for wet roots.").await;
    check(&browser, "campaign").await;
    browser.fill("How many recipients at most", "1000").await;
    browser.press("Make the list").await;
    browser.sees("1\u{202f}000 asked for").await;
    check(&browser, "list").await;
    browser.press("Campaigns").await;
    browser.sees("Spring shoes").await;
    check(&browser, "campaigns").await;

    browser.open(&site.url("/officer")).await;
    browser.sees("This is not for you").await;
    browser.stop().await;
    site.stop().await;
}

#[tokio::test]
async fn a_business_sees_who_is_on_its_list_why_and_by_which_proof() {
    let Some(browser) = Browser::start(Scripts::On).await else { return };
    let database = FreshSqlite::create();
    let town = Town::new(TestApp::open(&database.address(), &[SMALL, CLEAR]).await, 60).await;
    town.campaign().await;
    let site = Site::around(town.test, database).await;
    sign_in(&browser, &site, "shop@volens.test", Caller::Business(town.business)).await;
    browser.press("Autumn").await;
    browser.sees("How many recipients at most").await;
    browser.press("How many could be reached?").await;
    browser.sees("Question 1 of 50 in thirty days").await;
    assert!(browser.text().await.contains("people\nSo many could be on a list now"));
    check(&browser, "reach").await;
    browser.fill("Whom to narrow to", "country IE and topic sport.runing").await;
    browser.press("How many could be reached?").await;
    browser.sees("Column 22: expected a topic").await;
    assert!(browser.text().await.contains("did you mean sport.running?"));
    check(&browser, "a filter with an error").await;
    browser.fill("Whom to narrow to", "not hid any within 30 days").await;
    browser.press("How many could be reached?").await;
    browser.sees("Narrowed to not hid any within 30 days").await;
    browser.fill("Whom to narrow to", "everybody").await;
    browser.fill("How many recipients at most", "20").await;
    browser.press("Make the list").await;
    browser.sees("20 asked for").await;
    background::worker(&site.test.app).run_due().await.expect("jobs run");
    // The page looks again by itself until the list is sealed.
    browser.sees("Rows sealed").await;
    check(&browser, "sealed list").await;

    let text = browser.text().await;
    let (_, rows) = text.split_once("Recipients\n").expect("a table of recipients");
    assert!(rows.contains("Interested in Running"), "a reason in words: {rows}");
    let found = browser.client.find_all(Locator::Css("tbody details summary")).await;
    let proofs = found.expect("rows have proofs");
    assert_eq!(proofs.len(), 20, "a proof for each row: {text}");
    assert!(!text.contains("c2sp.org/tlog-proof"), "the proofs are folded up: {text}");
    proofs[0].click().await.expect("a proof unfolds");
    browser.sees("c2sp.org/tlog-proof").await;
    browser.sees("under notice messages").await;
    check(&browser, "sealed list with a proof").await;

    let page = browser.client.current_url().await.expect("an address");
    let list = page.path().strip_prefix("/console").expect("a page of the console");
    for format in ["csv", "jsonl", "parquet"] {
        let file = format!("/v1{list}/export?format={format}");
        let link = Locator::Css(&format!("a[download][href='{file}']"));
        let link = browser.client.find(link).await;
        let link = link.unwrap_or_else(|_| panic!("a link to the list as {format}"));
        assert_eq!(link.text().await.expect("a text"), format.to_uppercase());
        assert_eq!(town.shop.get(&file).await.status, 200, "there is a file where it leads");
    }
    browser.stop().await;
    site.stop().await;
}
