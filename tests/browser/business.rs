//! A business signs in by a one-time link and makes a campaign; what is wrong is said at its field.

use fantoccini::Locator;
use volens::access::Caller;

use super::driver::{Browser, Scripts};
use super::{Site, check, sign_in};

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
    browser.fill("Title of the message", "New trail shoes").await;
    browser.press("A click").await;
    browser.press("Make the campaign").await;
    browser.sees("Write the text.").await;
    browser.sees("Choose at least one topic.").await;
    check(&browser, "campaign with an error").await;
    let name = browser.client.find(Locator::Id("name")).await.expect("the name");
    let kept = name.prop("value").await.expect("a value");
    assert_eq!(kept.as_deref(), Some("Spring shoes"), "what was typed is kept");

    browser.fill("Text", "Light, grippy, and made for wet roots.").await;
    let topic = browser.client.find(Locator::Css("input[name=topics]")).await.expect("a topic");
    topic.click().await.expect("it can be chosen");
    browser.press("Make the campaign").await;
    browser.sees("Light, grippy, and made for wet roots.").await;
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
