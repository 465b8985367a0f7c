//! Signals over HTTP, as the clients of other systems send them.

use std::io::Write as _;

use axum::body::Body;
use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use volens_privacy::{AppId, Notices};

use crate::support::{Client, DAY, TestApp, on_both};

async fn consented(client: &Client, account: &str) {
    client.put(&format!("/v1/accounts/{account}"), json!({"language": "de"})).await.expect(201);
    let notice = Notices::builtin().latest("messages", "de").expect("there is one");
    let rendered = volens::ids::hex(&notice.sha256);
    let request = json!({
        "account": account,
        "notice": {"id": notice.id, "version": notice.version, "language": "de",
            "rendered_sha256": rendered},
        "decisions": [{"purpose": "relevance", "decision": "given"}],
    });
    client.post("/v1/consents", request).await.expect(201);
}

async fn withdrawn(client: &Client, account: &str) {
    let request = json!({"account": account, "purpose": "relevance"});
    client.post("/v1/consents/withdraw", request).await.expect(200);
}

fn view(account: &str, id: &str) -> Value {
    json!({"type": "track", "userId": account, "anonymousId": null, "event": "Product Viewed",
        "messageId": id, "timestamp": "2026-01-15T11:59:58+00:00", "integrations": {},
        "context": {"ip": "192.0.2.7", "userAgent": "segment/1"},
        "properties": {"sku": "A1", "topics": ["sport.running"]}})
}

fn statuses(answer: &Value) -> Vec<String> {
    let items = answer["items"].as_array().expect("items");
    for (index, item) in items.iter().enumerate() {
        assert_eq!(item["index"], index, "in the order they were sent");
    }
    let text = |item: &Value| {
        let code = item["code"].as_str().or(item["status"].as_str());
        code.expect("a status").to_owned()
    };
    items.iter().map(text).collect()
}

async fn keep_of(test: &TestApp, key: &str) -> u64 {
    let mut tx = test.app.db.read().await.expect("a snapshot");
    let app = AppId::parse("shop").expect("a slug");
    let found = volens::signals::refusals(&mut tx, &app, 7, test.app.now()).await;
    found.expect("counted").get(key).copied().unwrap_or(0)
}

#[tokio::test]
async fn a_segment_client_works_unchanged() {
    on_both(|test| async move {
        let bearer = test.new_app("shop").await;
        consented(&bearer, "u1").await;
        let caller = volens::access::Caller::App(AppId::parse("shop").expect("a slug"));
        let key = test.key_of(&caller).await;
        // Segment clients send the key as the user name of Basic, and bodies in gzip.
        let basic = format!("Basic {}", STANDARD.encode(format!("{key}:")));
        let segment =
            test.anonymous().with("authorization", &basic).with("content-encoding", "gzip");
        let identify = json!({"type": "identify", "userId": "u1", "messageId": "m0",
            "traits": {"phone": "+4915112345678", "plan": "gold"},
            "context": {"consent": {"categoryPreferences": {"advertising": true}}}});
        let batch = json!({"batch": [identify, view("u1", "m1"), view("u2", "m2"),
            {"type": "alias", "previousId": "a", "userId": "u1", "messageId": "m3"},
            view("u1", "m1")], "sentAt": "2026-01-15T12:00:00+00:00", "writeKey": "x"});
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(batch.to_string().as_bytes()).expect("memory takes it");
        let body = Body::from(gzip.finish().expect("memory takes it"));
        let sent = segment.send(Method::POST, "/v1/batch", Some("application/json"), body).await;
        let answer = sent.expect(200);
        assert_eq!(answer["success"], true);
        assert_eq!((&answer["accepted"], &answer["refused"]), (&json!(3), &json!(2)));
        let expected =
            ["accepted", "accepted", "account.unknown", "identity.consent_required", "duplicate"];
        assert_eq!(statuses(&answer), expected);
        let left_out = json!(["consent.claim_ignored", "trait.identifier_refused"]);
        assert_eq!(answer["items"][0]["left_out"], left_out);

        let counted = bearer.get("/v1/signals/refusals?days=1").await.expect(200);
        assert_eq!(counted["refusals"]["account.unknown"], 1);
        assert_eq!(counted["refusals"]["trait.identifier_refused"], 1);
        let other = test.new_app("other").await;
        let counted = other.get("/v1/signals/refusals").await.expect(200);
        assert_eq!(counted["refusals"], json!({}), "another app's counts are its own");
    })
    .await;
}

#[tokio::test]
async fn single_calls_answer_alike_and_never_join() {
    on_both(|test| async move {
        let shop = test.new_app("shop").await;
        consented(&shop, "u1").await;
        let page = json!({"userId": "u1", "messageId": "p", "category": "fashion"});
        for (path, body) in [
            ("/v1/track", view("u1", "t")),
            ("/v1/page", page.clone()),
            ("/v1/screen", json!({"userId": "u1"})),
            ("/v1/identify", json!({"userId": "u1", "traits": {"plan": "gold"}})),
        ] {
            let answer = shop.post(path, body).await.expect(200);
            assert_eq!(statuses(&answer), ["accepted"], "{path}");
        }
        assert_eq!(statuses(&shop.post("/v1/page", page).await.expect(200)), ["duplicate"]);
        for path in ["/v1/alias", "/v1/group", "/v1/merge"] {
            let joined = json!({"userId": "u1", "previousId": "u2", "groupId": "g"});
            shop.post(path, joined).await.problem(409, "identity.consent_required");
        }
        assert_eq!(keep_of(&test, "identity.consent_required").await, 3);
    })
    .await;
}

#[tokio::test]
async fn cloudevents_come_in_three_modes_and_once() {
    on_both(|test| async move {
        let shop = test.new_app("shop").await;
        consented(&shop, "u1").await;
        let event = json!({"id": "m-1", "source": "app://photonet", "specversion": "1.0",
            "type": "com.example.signal.viewed", "subject": "u1",
            "datacontenttype": "application/json", "time": "2026-01-15T11:49:24.833551Z",
            "data": {"topics": ["sport.running"]}});
        let send = |client: Client, content_type: &'static str, body: Value| async move {
            let body = Body::from(body.to_string());
            client.send(Method::POST, "/v1/events", Some(content_type), body).await
        };
        let structured =
            send(shop.clone(), "application/cloudevents+json; charset=utf-8", event.clone()).await;
        assert_eq!(statuses(&structured.expect(200)), ["accepted"]);
        let mut second = event.clone();
        second["id"] = json!("m-2");
        let batch = json!([event, second]);
        let batch = send(shop.clone(), "application/cloudevents-batch+json", batch).await;
        assert_eq!(statuses(&batch.expect(200)), ["duplicate", "accepted"]);
        let binary = shop
            .with("ce-id", "m-3")
            .with("ce-source", "app://photonet")
            .with("ce-type", "com.example.signal.bought")
            .with("ce-specversion", "1.0")
            .with("ce-subject", "u1");
        let data = json!({"topics": ["fashion"]});
        let binary = send(binary, "application/json", data.clone()).await;
        assert_eq!(statuses(&binary.expect(200)), ["accepted"]);
        send(shop, "application/json", data).await.problem(415, "body.media_type");
    })
    .await;
}

#[tokio::test]
async fn withdrawal_closes_the_door_at_once() {
    on_both(|test| async move {
        let shop = test.new_app("shop").await;
        consented(&shop, "u1").await;
        let before = shop.post("/v1/track", view("u1", "m1")).await.expect(200);
        assert_eq!(statuses(&before), ["accepted"]);
        withdrawn(&shop, "u1").await;
        let after = shop.post("/v1/track", view("u1", "m2")).await.expect(200);
        assert_eq!(statuses(&after), ["consent.withdrawn"]);
        // The new consent begins with nothing: even the first message is new again.
        test.clock.advance(DAY);
        consented_again(&shop).await;
        let again = shop.post("/v1/track", view("u1", "m1")).await.expect(200);
        assert_eq!(statuses(&again), ["accepted"]);
    })
    .await;
}

async fn consented_again(shop: &Client) {
    shop.put("/v1/accounts/u1", json!({"language": "de"})).await.expect(200);
    let notice = Notices::builtin().latest("messages", "de").expect("there is one");
    let rendered = volens::ids::hex(&notice.sha256);
    let request = json!({"account": "u1",
        "notice": {"id": "messages", "version": notice.version, "language": "de",
            "rendered_sha256": rendered},
        "decisions": [{"purpose": "relevance", "decision": "given"}]});
    shop.post("/v1/consents", request).await.expect(201);
}

#[tokio::test]
async fn too_much_and_too_strange_is_said_so() {
    on_both(|test| async move {
        let shop = test.new_app("shop").await;
        shop.post("/v1/batch", json!({"items": []})).await.problem(400, "batch.missing");
        shop.post("/v1/batch", json!([])).await.problem(400, "body.shape");
        let json = Some("application/json");
        let broken = shop.send(Method::POST, "/v1/track", json, Body::from("{")).await;
        broken.problem(400, "body.invalid");
        let large = json!({"batch": [view("u1", "m1")], "pad": "x".repeat(600_000)});
        shop.post("/v1/batch", large).await.problem(413, "batch.too_large");
        let mut item = view("u1", "m1");
        item["properties"]["pad"] = json!("x".repeat(40_000));
        let answer = shop.post("/v1/batch", json!({"batch": [item.clone()]})).await.expect(200);
        assert_eq!(statuses(&answer), ["item.too_large"]);
        assert_eq!(statuses(&shop.post("/v1/track", item).await.expect(200)), ["item.too_large"]);
    })
    .await;
}
