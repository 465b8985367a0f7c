//! API keys: shown once, scoped to their tenant, revocable at once.

use base64::Engine as _;
use serde_json::{Value as Json, json};

use crate::support::{Client, DAY, on_both};

async fn new_key(client: &Client, body: Json) -> (String, String) {
    let made = client.post("/v1/keys", body).await.expect(201);
    let text = |name: &str| made[name].as_str().expect("a text").to_owned();
    (text("id"), text("key"))
}

async fn listed(client: &Client) -> Vec<Json> {
    let page = client.get("/v1/keys?limit=500").await.expect(200);
    page["data"].as_array().expect("items").clone()
}

#[tokio::test]
async fn a_key_works_until_it_is_revoked_and_is_never_shown_again() {
    on_both(|test| async move {
        let operator = test.operator().await;
        let body = json!({"role": "operator", "label": "deploy"});
        let (id, key) = new_key(&operator, body).await;
        assert!(key.starts_with("vk_operator_"), "the role can be read from the key");
        let client = test.client(&key);
        assert_eq!(client.get("/v1/me").await.expect(200), json!({"role": "operator"}));
        let secret = key.rsplit('_').next().expect("a secret");
        assert!(!serde_json::to_string(&listed(&operator).await).expect("data").contains(secret));
        operator.delete(&format!("/v1/keys/{id}")).await.expect(204);
        client.get("/v1/me").await.problem(401, "access.unauthenticated");
        operator.delete(&format!("/v1/keys/{id}")).await.problem(404, "not_found");
    })
    .await;
}

#[tokio::test]
async fn segment_clients_send_the_key_as_a_user_name() {
    on_both(|test| async move {
        test.new_app("facelook").await;
        let operator = test.operator().await;
        let body = json!({"role": "app", "app": "facelook", "label": "segment"});
        let (_, key) = new_key(&operator, body).await;
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{key}:"));
        let client = test.anonymous().with("authorization", &format!("Basic {basic}"));
        let me = client.get("/v1/me").await.expect(200);
        assert_eq!(me, json!({"role": "app", "app": "facelook"}));
    })
    .await;
}

#[tokio::test]
async fn tenants_see_make_and_revoke_their_own_keys_only() {
    on_both(|test| async move {
        let (one, bakery) = test.new_business("Bakery").await;
        let (two, butcher) = test.new_business("Butcher").await;
        let app = test.new_app("facelook").await;
        let (agent, _) = new_key(&bakery, json!({"role": "agent", "label": "Ann"})).await;
        assert_eq!(listed(&bakery).await.len(), 2);
        assert_eq!(listed(&butcher).await.len(), 1);
        assert_eq!(listed(&app).await.len(), 1);
        for key in listed(&bakery).await {
            assert_eq!(key["business"], one.to_string());
        }

        let unknown = butcher.delete("/v1/keys/key_00000000000000000000000000000000").await;
        let foreign = butcher.delete(&format!("/v1/keys/{agent}")).await;
        foreign.problem(404, "not_found");
        assert_eq!(foreign.body, unknown.body, "not yours and not there look the same");
        app.delete(&format!("/v1/keys/{agent}")).await.problem(404, "not_found");
        bakery.delete(&format!("/v1/keys/{agent}")).await.expect(204);

        for (client, body) in [
            (&bakery, json!({"role": "operator", "label": "x"})),
            (&bakery, json!({"role": "business", "business": two, "label": "x"})),
            (&bakery, json!({"role": "app", "app": "facelook", "label": "x"})),
            (&app, json!({"role": "business", "business": one, "label": "x"})),
            (&app, json!({"role": "app", "app": "other", "label": "x"})),
        ] {
            client.post("/v1/keys", body).await.problem(422, "access.tenant");
        }
    })
    .await;
}

#[tokio::test]
async fn a_key_for_nobody_cannot_be_made() {
    on_both(|test| async move {
        let operator = test.operator().await;
        let nobody = json!({"role": "app", "app": "nowhere", "label": "x"});
        operator.post("/v1/keys", nobody).await.problem(404, "not_found");
        for body in [
            json!({"role": "app", "label": "x"}),
            json!({"role": "officer", "app": "facelook", "label": "x"}),
        ] {
            operator.post("/v1/keys", body).await.problem(422, "access.tenant");
        }
        let silent = json!({"role": "officer", "label": " "});
        operator.post("/v1/keys", silent).await.problem(422, "access.text");
    })
    .await;
}

#[tokio::test]
async fn the_day_of_use_is_noted_and_nothing_finer() {
    on_both(|test| async move {
        let operator = test.operator().await;
        operator.get("/v1/me").await.expect(200);
        assert_eq!(listed(&operator).await[0]["last_used_day"], "2026-01-15T00:00:00.000000Z");
        test.clock.advance(DAY);
        operator.get("/v1/me").await.expect(200);
        assert_eq!(listed(&operator).await[0]["last_used_day"], "2026-01-16T00:00:00.000000Z");
    })
    .await;
}
