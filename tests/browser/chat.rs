//! A business makes a bot on its pages, and a customer talks to it: the first question as a plain
//! form, the next one through the script.

use volens::access::Caller;

use super::driver::{Browser, Scripts};
use super::{Site, check, sign_in};

const ANSWERS: &str = "question,answer\n\
    Can I return shoes I have worn?,You can return shoes within 30 days as long as you have only worn them indoors.\n\
    How long does delivery take?,Delivery within Germany takes two working days.\n\
    Do you repair running watches?,We do not repair watches; the maker does.\n";

#[tokio::test]
async fn a_business_makes_a_bot_and_a_customer_talks_to_it() {
    let Some(browser) = Browser::start(Scripts::On).await else { return };
    let site = Site::start().await;
    let (id, _) = site.test.new_business("Lakeside Running").await;
    sign_in(&browser, &site, "shop@volens.test", Caller::Business(id)).await;
    browser.press("Bots").await;
    check(&browser, "bots").await;
    browser.fill("Name", "Lakeside helper").await;
    browser.press("English").await;
    browser.press("Make the bot").await;
    browser.sees("Not public yet").await;
    browser.fill("Title", "Questions and answers").await;
    browser.choose("kind", "faq_csv").await;
    browser.fill("Text", ANSWERS).await;
    browser.press("Add").await;
    browser.sees("Questions and answers").await;
    check(&browser, "bot").await;
    browser.press("Publish the draft").await;
    browser.sees("Customers talk to version 1").await;

    browser.press("open the chat").await;
    browser.sees("You are talking to a machine").await;
    check(&browser, "chat before it begins").await;
    browser.fill("Your question", "How long does delivery take?").await;
    browser.press("Send").await;
    browser.sees("two working days").await;
    browser.sees("Source: How long does delivery take?").await;
    check(&browser, "chat").await;
    browser.fill("Your question", "Can I return shoes I have worn?").await;
    browser.press("Send").await;
    browser.sees("within 30 days").await;
    check(&browser, "chat through the script").await;
    browser.press("This helped").await;
    browser.sees("Thank you.").await;
    browser.press("Talk to a person").await;
    browser.sees("This conversation waits for a person.").await;
    check(&browser, "chat handed over").await;
    browser.stop().await;
    site.stop().await;
}
