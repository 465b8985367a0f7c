//! A business leaves it to the text what its message is about, looks at the proposal, and corrects it.

use serde_json::{Value as Json, json};

use crate::support::{Client, TestApp, on_both};

const HALF: &str = "Registration is open for the half marathon. Runners of every pace are welcome.";

fn asked(text: &str) -> Json {
    json!({"title": "Spring half marathon", "text": text, "language": "en"})
}

fn campaign(message: &Json) -> Json {
    json!({"name": "Spring", "delivery_app": "messenger", "goal": "click", "message": message})
}

async fn topics(shop: &Client, text: Json) -> Vec<Json> {
    let found = shop.post("/v1/topics/propose", text).await.expect(200);
    let topics = found["topics"].as_array().expect("topics");
    topics.iter().map(|found| found["topic"].clone()).collect()
}

#[tokio::test]
async fn a_campaign_tells_where_its_topics_came_from() {
    on_both(|test| async move {
        test.new_app("messenger").await;
        let (_, shop) = test.new_business("Lakeside Running").await;
        let found = shop.post("/v1/topics/propose", asked(HALF)).await.expect(200);
        assert_eq!(found["topics"][0]["topic"], "sport.running");
        assert_eq!(found["sensitive"], json!([]));
        let page = shop.get("/v1/campaigns").await.expect(200);
        assert_eq!(page["data"], json!([]), "asking makes nothing");

        let made = shop.post("/v1/campaigns", campaign(&asked(HALF))).await.expect(201);
        assert_eq!(made["message"]["topics"], json!(["sport.running"]));
        assert_eq!(made["recognised"], found["topics"]);
        let words = made["recognised"][0]["words"].as_array().expect("words");
        assert!(words.contains(&json!("half marathon")), "{words:?}");
        let id = made["id"].as_str().expect("an id");
        let kept = shop.get(&format!("/v1/campaigns/{id}")).await.expect(200);
        assert_eq!(kept, made);

        let mut named = asked(HALF);
        named["topics"] = json!(["events"]);
        let made = shop.post("/v1/campaigns", campaign(&named)).await.expect(201);
        assert_eq!(
            (&made["message"]["topics"], made.get("recognised")),
            (&json!(["events"]), None)
        );
    })
    .await;
}

#[tokio::test]
async fn a_text_that_says_nothing_or_too_much_is_refused_with_a_code() {
    on_both(|test| async move {
        test.new_app("messenger").await;
        let (_, shop) = test.new_business("Lakeside").await;
        let thanks = json!({"title": "Thank you", "text": "See you soon.", "language": "en"});
        let refused = shop.post("/v1/campaigns", campaign(&thanks)).await;
        refused.problem(422, "topic.unclear");
        assert_eq!(refused.json()["errors"][0]["pointer"], "/message/topics");
        let mut health =
            json!({"title": "Living with diabetes", "text": "Insulin pens.", "language": "en"});
        let found = shop.post("/v1/topics/propose", health.clone()).await.expect(200);
        assert_eq!(found["topics"], json!([]));
        assert_eq!(found["sensitive"][0]["topic"], "health.conditions");
        let refused = shop.post("/v1/campaigns", campaign(&health)).await;
        refused.problem(422, "topic.sensitive");
        assert!(!refused.text().contains("Insulin"), "no text of a message in a refusal");
        health["topics"] = json!(["services"]);
        let made = shop.post("/v1/campaigns", campaign(&health)).await.expect(201);
        assert_eq!(made["sensitive"][0]["topic"], "health.conditions", "a reason to look twice");
        let long = json!({"title": "x", "text": "x".repeat(1025), "language": "en"});
        let refused = shop.post("/v1/topics/propose", long).await;
        refused.problem(422, "request.invalid");
        assert_eq!(refused.json()["errors"][0]["pointer"], "/text");
    })
    .await;
}

#[tokio::test]
async fn what_a_business_chooses_is_proposed_to_it_and_to_nobody_else() {
    on_both(|test| async move {
        test.new_app("messenger").await;
        let (_, shop) = test.new_business("Lakeside Running").await;
        let (_, rival) = test.new_business("Hillside Running").await;
        let mut named = asked(HALF);
        named["topics"] = json!(["events", "food.coffee"]);
        shop.post("/v1/campaigns", campaign(&named)).await.expect(201);
        let alike = asked("Registration is open for the half marathon. Runners are welcome.");
        let mut found = topics(&shop, alike.clone()).await;
        found.sort_by_key(ToString::to_string);
        assert_eq!(found, ["events", "food.coffee"]);
        assert_eq!(topics(&rival, alike).await, ["sport.running"]);
    })
    .await;
}

#[tokio::test]
async fn the_form_ticks_what_the_text_is_about_and_keeps_what_was_chosen() {
    on_both(|test| async move {
        test.new_app("messenger").await;
        let (id, shop) = test.new_business("Lakeside Running").await;
        let (client, token) = console(&test, &id.to_string()).await;
        let text = [
            ("form_token", token.as_str()),
            ("name", "Spring"),
            ("delivery_app", "messenger"),
            ("title", "Spring half marathon"),
            ("text", HALF),
            ("language", "en"),
        ];
        let proposed = client.form("/console/campaigns/propose", &text).await;
        assert_eq!(proposed.status, 200, "{}", proposed.text());
        let ticked = r#"value="sport.running" checked"#;
        assert!(proposed.text().contains(ticked), "{}", proposed.text());
        assert!(proposed.text().contains("Proposed from the text: Running (half marathon"));
        assert!(
            proposed.text().contains(r#"value="Spring half marathon""#),
            "what was typed stays"
        );

        let mut chosen = text.to_vec();
        chosen.extend([("goal", "click"), ("topics", "events"), ("topics", "sport.running")]);
        assert_eq!(client.form("/console/campaigns", &chosen).await.status, 303);
        let made = shop.get("/v1/campaigns").await.expect(200);
        assert_eq!(made["data"][0]["message"]["topics"], json!(["events", "sport.running"]));

        let mut idle = text;
        (idle[3].1, idle[4].1) = ("Thank you", "See you soon.");
        let nothing = client.form("/console/campaigns/propose", &idle).await;
        assert_eq!(nothing.status, 422);
        assert!(nothing.text().contains("Nothing in the text says what it is about"));
    })
    .await;
}

/// Signed in as a user of the business, with the token of its forms.
async fn console(test: &TestApp, business: &str) -> (Client, String) {
    let (email, password) = ("shop@volens.test", "correct-horse-battery");
    let user =
        json!({"email": email, "password": password, "role": "business", "business": business});
    test.operator().await.post("/v1/users", user).await.expect(201);
    let signed_in = [("email", email), ("password", password)];
    let answer = test.anonymous().form("/console/sign-in", &signed_in).await;
    let cookie = answer.header("set-cookie").split(';').next().expect("a pair").to_owned();
    let client = test.anonymous().with_cookie(&cookie);
    let page = client.get("/console/campaigns/new").await.text();
    let (_, rest) = page.split_once("name=\"form_token\" value=\"").expect("a form");
    (client, rest.split('"').next().expect("a token").to_owned())
}
