//! A business makes a bot from its documents; a customer asks, gets an answer with its source, asks
//! something else, and is handed to a person.

use std::time::Duration;

use serde_json::{Value, json};
use volens_privacy::BusinessId;

use crate::support::{Client, TestApp, on_both};

const FAQ: &str = "question,answer,url\n\
    How do I return an order?,Send it back within 30 days; we pay the postage.,https://shop.example/returns\n\
    When will my parcel arrive?,Parcels take two to four working days.,\n\
    How do I reset my password?,Use the link on the sign-in page.,\n";
const GUIDE: &str = "# Care\n\n## Chain\nOil the chain every three hundred kilometres.\n";
const NONSENSE: &str = "Which giraffe won the zzyxian chess cup?";

struct Shop {
    id: BusinessId,
    owner: Client,
    bot: String,
}

/// A business with a bot that has two documents and is not published.
async fn shop(test: &TestApp) -> Shop {
    let (id, owner) = test.new_business("Shop").await;
    let persona = json!({
        "greeting": {"en": "Hello from the shop.", "de": "Hallo aus dem Laden."},
        "tone": "friendly",
        "refused_topics": ["politics"],
    });
    let bot = json!({"name": "Pedal", "languages": ["en", "de"], "persona": persona});
    let bot = owner.post("/v1/bots", bot).await.expect(201);
    let bot = bot["id"].as_str().expect("an id").to_owned();
    let one = json!({"title": "Questions", "kind": "faq_csv", "content": FAQ});
    let added = owner.post(&format!("/v1/bots/{bot}/documents"), one).await.expect(201);
    assert_eq!((&added["passages"], &added["duplicate"]), (&json!(3), &json!(false)));
    let guide = json!({"title": "Care", "kind": "markdown", "content": GUIDE});
    let several = json!({"documents": [guide]});
    let added = owner.post(&format!("/v1/bots/{bot}/documents"), several).await.expect(201);
    assert_eq!(added["data"][0]["passages"], 1);
    Shop { id, owner, bot }
}

impl Shop {
    async fn publish(&self) -> Value {
        let path = format!("/v1/bots/{}/publish", self.bot);
        self.owner.post(&path, json!({})).await.expect(201)
    }
}

struct Chat {
    client: Client,
    path: String,
    begun: Value,
}

async fn chat(test: &TestApp, bot: &str, body: Value) -> Chat {
    let path = format!("/v1/bots/{bot}/conversations");
    let begun = test.anonymous().post(&path, body).await.expect(201);
    let token = begun["token"].as_str().expect("a token");
    let path = format!("/v1/conversations/{}", begun["id"].as_str().expect("an id"));
    Chat { client: test.client(token), path, begun: begun.clone() }
}

impl Chat {
    async fn ask(&self, text: &str) -> Value {
        let path = format!("{}/messages", self.path);
        self.client.post(&path, json!({"text": text})).await.expect(200)
    }
}

#[tokio::test]
async fn from_documents_to_an_answer_to_a_person() {
    on_both(|test| async move {
        let shop = shop(&test).await;
        let path = format!("/v1/bots/{}/conversations", shop.bot);
        let closed = test.anonymous().post(&path, json!({})).await;
        closed.problem(409, "bot.unpublished");
        assert_eq!(shop.publish().await["version"], 1);

        let chat = chat(&test, &shop.bot, json!({})).await;
        assert_eq!((&chat.begun["ai"], &chat.begun["language"]), (&json!(true), &json!("en")));
        assert!(chat.begun["label"].as_str().is_some_and(|label| label.contains("not a person")));
        assert_eq!(chat.begun["greeting"], "Hello from the shop.");

        let reply = chat.ask("how can I return my order?").await;
        assert_eq!((&reply["kind"], &reply["ai"]), (&json!("answer"), &json!(true)));
        assert_eq!(reply["text"], "Send it back within 30 days; we pay the postage.");
        assert_eq!(reply["sources"][0]["title"], "How do I return an order?");
        assert_eq!(reply["sources"][0]["url"], "https://shop.example/returns");
        assert_eq!(reply["sources"][0]["passage"], reply["text"]);
        let rating = json!({"message": reply["message"], "helpful": true});
        chat.client.post(&format!("{}/feedback", chat.path), rating).await.expect(204);

        let reply = chat.ask(NONSENSE).await;
        assert_eq!((&reply["kind"], &reply["sources"]), (&json!("handoff"), &json!([])));
        assert!(reply["text"].as_str().is_some_and(|text| text.starts_with("I don't know")));
        let reply = chat.ask("how can I return my order?").await;
        assert_eq!((&reply["kind"], &reply["sources"]), (&json!("handoff"), &json!([])));
        assert!(reply.get("message").is_none(), "the bot wrote nothing");

        let said = chat.client.get(&format!("{}/messages", chat.path)).await.expect(200);
        let kinds: Vec<&str> = said["data"]
            .as_array()
            .expect("messages")
            .iter()
            .filter_map(|m| m["kind"].as_str())
            .collect();
        let expected = ["label", "greeting", "message", "answer", "message", "handoff", "message"];
        assert_eq!((kinds, &said["state"]), (expected.to_vec(), &json!("waiting")));
        let inbox = test.agent(shop.id).await.get("/v1/inbox").await.expect(200);
        assert_eq!(inbox["data"][0]["conversation"], chat.begun["id"]);
        let (other, _) = test.new_business("Other").await;
        let inbox = test.agent(other).await.get("/v1/inbox").await.expect(200);
        assert_eq!(inbox["data"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn a_reply_streams_with_the_label_first() {
    on_both(|test| async move {
        let shop = shop(&test).await;
        shop.publish().await;
        let chat = chat(&test, &shop.bot, json!({"language": "de-AT"})).await;
        assert_eq!(chat.begun["greeting"], "Hallo aus dem Laden.");
        let client = chat.client.with("accept", "text/event-stream");
        let body = json!({"text": "How do I reset my password?"});
        let answer = client.post(&format!("{}/messages", chat.path), body).await;
        assert_eq!(answer.header("content-type"), "text/event-stream");
        let text = answer.text();
        let events: Vec<(&str, Value)> = text
            .split_terminator("\n\n")
            .map(|event| {
                let (name, data) = event.split_once('\n').expect("a name and data");
                let data = data.strip_prefix("data: ").expect("data");
                (name, serde_json::from_str(data).expect("JSON"))
            })
            .collect();
        assert_eq!(events[0].0, "event: label");
        assert!(
            events[0].1["text"]
                .as_str()
                .is_some_and(|text| text.contains("nicht mit einem Menschen"))
        );
        let said: String = events
            .iter()
            .filter(|(name, _)| *name == "event: text")
            .filter_map(|(_, data)| data["text"].as_str())
            .collect();
        assert_eq!(said, "Use the link on the sign-in page.");
        let last = &events[events.len() - 2..];
        assert_eq!((last[0].0, last[1].0), ("event: sources", "event: done"));
        assert_eq!((&last[1].1["kind"], &last[1].1["text"]), (&json!("answer"), &json!(said)));
    })
    .await;
}

#[tokio::test]
async fn conversations_and_bots_belong_to_those_who_made_them() {
    on_both(|test| async move {
        let shop = shop(&test).await;
        shop.publish().await;
        let mine = chat(&test, &shop.bot, json!({})).await;
        let other = chat(&test, &shop.bot, json!({})).await;
        let path = format!("{}/messages", mine.path);
        let text = json!({"text": "Hello"});
        other.client.post(&path, text.clone()).await.problem(404, "conversation.unknown");
        test.anonymous().post(&path, text.clone()).await.problem(401, "access.unauthenticated");
        shop.owner.post(&path, text).await.problem(401, "access.unauthenticated");

        let (_, rival) = test.new_business("Rival").await;
        let bot = format!("/v1/bots/{}", shop.bot);
        rival.get(&bot).await.problem(404, "bot.unknown");
        rival.get(&format!("{bot}/documents")).await.problem(404, "bot.unknown");
        rival.post(&format!("{bot}/publish"), json!({})).await.problem(404, "bot.unknown");
        rival.put(&format!("{bot}/persona"), json!({})).await.problem(404, "bot.unknown");
        assert_eq!(rival.get("/v1/bots").await.expect(200)["data"], json!([]));

        // Two strangers who happen to send the same idempotency key are still two strangers.
        let stranger = test.anonymous().with("idempotency-key", "1");
        let path = format!("{bot}/conversations");
        let first = stranger.post(&path, json!({})).await.expect(201);
        let second = stranger.post(&path, json!({})).await.expect(201);
        assert_ne!(first["token"], second["token"]);
        // The holder of a token may repeat itself.
        let again = mine.client.with("idempotency-key", "2");
        let path = format!("{}/messages", mine.path);
        let text = json!({"text": "When will my parcel arrive?"});
        let first = again.post(&path, text.clone()).await.expect(200);
        assert_eq!(again.post(&path, text).await.expect(200)["message"], first["message"]);
    })
    .await;
}

#[tokio::test]
async fn unreadable_documents_name_their_rows_and_change_nothing() {
    on_both(|test| async move {
        let shop = shop(&test).await;
        let path = format!("/v1/bots/{}/documents", shop.bot);
        let bad = json!({"title": "Bad", "kind": "faq_csv", "content": "question,answer\nWhy?,\n"});
        let problem = shop.owner.post(&path, bad.clone()).await.problem(422, "document.unreadable");
        assert_eq!(problem["errors"][0]["code"], "row.answer_empty");
        assert_eq!(problem["errors"][0]["detail"], "row 2: the answer is empty");
        let good = json!({"title": "Good", "kind": "text", "content": "Fine."});
        let both = shop.owner.post(&path, json!({"documents": [good.clone(), bad]})).await;
        let problem = both.problem(422, "document.unreadable");
        assert_eq!(problem["errors"][0]["pointer"], "/documents/1/content");
        shop.owner.post(&path, json!({"title": "x"})).await.problem(400, "body.invalid");
        assert_eq!(
            shop.owner.get(&path).await.expect(200)["data"].as_array().map(Vec::len),
            Some(2)
        );

        let added = shop.owner.post(&path, good.clone()).await.expect(201);
        assert_eq!(shop.owner.post(&path, good).await.expect(201)["duplicate"], true);
        let document = format!("{path}/{}", added["id"].as_str().expect("an id"));
        let preview = shop.owner.get(&document).await.expect(200);
        assert_eq!(preview["passages"][0]["text"], "Fine.");
        shop.owner.delete(&document).await.expect(204);
        shop.owner.get(&document).await.problem(404, "document.unknown");
        let name = json!({"name": "Wheel", "languages": ["en"]});
        let bot = format!("/v1/bots/{}", shop.bot);
        assert_eq!(shop.owner.put(&bot, name).await.expect(200)["name"], "Wheel");
        let none = json!({"name": "Wheel", "languages": []});
        shop.owner.put(&bot, none).await.problem(422, "bot.invalid");
        shop.publish().await;
        let versions = shop.owner.get(&format!("{bot}/versions")).await.expect(200);
        assert_eq!(
            (&versions["data"][0]["version"], &versions["data"][0]["published"]),
            (&json!(1), &json!(true))
        );
    })
    .await;
}

#[tokio::test]
async fn a_person_takes_over_on_request_and_a_deleted_index_comes_back() {
    on_both(|test| async move {
        let shop = shop(&test).await;
        shop.publish().await;
        let indexes = test.directory().join("indexes");
        assert!(indexes.exists());
        std::fs::remove_dir_all(&indexes).expect("the indexes are deleted");
        // Nothing is open any more, as after a restart.
        test.app.shelf.discard(shop.bot.trim_start_matches("bot_"), 9).await.expect("discarded");
        let chat = chat(&test, &shop.bot, json!({})).await;
        assert_eq!(chat.ask("When does my parcel arrive?").await["kind"], "answer");
        assert!(indexes.exists());
        let path = format!("{}/handoff", chat.path);
        let reply = chat.client.post(&path, json!({})).await.expect(200);
        assert_eq!((&reply["kind"], &reply["ai"]), (&json!("handoff"), &json!(true)));
        assert_eq!(chat.ask("When does my parcel arrive?").await["kind"], "handoff");
    })
    .await;
}

#[tokio::test]
async fn what_was_said_is_not_in_the_database_as_text() {
    let fresh = volens::db::testing::FreshSqlite::create();
    let test = TestApp::open(&fresh.address(), &[]).await;
    let shop = shop(&test).await;
    shop.publish().await;
    let chat = chat(&test, &shop.bot, json!({})).await;
    chat.ask(NONSENSE).await;
    let token = chat.begun["token"].as_str().expect("a token");
    let mut seen = 0;
    for file in std::fs::read_dir(fresh.path()).expect("the folder is read") {
        let bytes = std::fs::read(file.expect("an entry").path()).expect("a file is read");
        let text = String::from_utf8_lossy(&bytes);
        seen += usize::from(text.contains("Send it back within 30 days"));
        assert!(!text.contains("giraffe") && !text.contains("I don't know"));
        assert!(!text.contains(token) && !text.contains(&token[token.len() - 40..]));
    }
    assert!(seen > 0, "the business's own documents are there, so the search would have found it");
}

#[tokio::test]
async fn many_open_pages_do_not_wait_for_each_other() {
    on_both(|test| async move {
        let shop = shop(&test).await;
        shop.publish().await;
        let chat = chat(&test, &shop.bot, json!({})).await;
        let [id, token] =
            ["id", "token"].map(|name| chat.begun[name].as_str().expect("a text").to_owned());
        let cookie = format!("volens_chat={id}.{token}");
        let browser = test.anonymous().with_cookie(&cookie);
        let path = format!("/b/{}", shop.bot);
        let pages = (0..40).map(|_| {
            let (browser, path) = (browser.clone(), path.clone());
            tokio::spawn(async move { browser.get(&path).await.status })
        });
        let pages: Vec<_> = pages.collect();
        // Far less than the patience of a database connection that is waited for in a circle.
        tokio::time::timeout(Duration::from_secs(8), async {
            for page in pages {
                assert_eq!(page.await.expect("no panic"), 200);
            }
        })
        .await
        .expect("every page is answered");
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_said_is_said_and_another_conversation_can_begin() {
    on_both(|test| async move {
        let shop = shop(&test).await;
        shop.publish().await;
        let path = format!("/b/{}", shop.bot);
        let stranger = test.anonymous();
        let long = "x".repeat(5_000);
        let refused = stranger.form(&format!("{path}/say"), &[("text", &long)]).await;
        assert_eq!(refused.header("location"), format!("{path}?refused=1#end"));
        let cookie = refused.header("set-cookie").split(';').next().expect("a cookie").to_owned();
        let browser = stranger.with_cookie(&cookie);
        let page = browser.get(&format!("{path}?refused=1")).await.text();
        assert!(page.contains("4,000 characters"), "{page}");

        let said = browser.form(&format!("{path}/say"), &[("text", NONSENSE)]).await;
        assert_eq!(said.status, 303);
        assert!(browser.get(&path).await.text().contains("Start a new conversation"));
        let again = browser.form(&format!("{path}/new"), &[]).await;
        assert!(again.header("set-cookie").contains("Max-Age=0"));
        let page = stranger.get(&path).await.text();
        assert!(!page.contains("giraffe") && !page.contains("Start a new conversation"));
    })
    .await;
}
