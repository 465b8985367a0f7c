//! `Idempotency-Key`: one effect, one answer.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use volens::db::Statement;

use crate::support::{TestApp, on_both};

const BODY: &str = "Bakery";
const FINGERPRINTS: Statement = {
    let sql = "select fingerprint from idempotency_keys";
    Statement::new("api::repeats", "FINGERPRINTS", sql, sql)
};

async fn businesses(test: &TestApp) -> usize {
    let page = test.operator().await.get("/v1/businesses?limit=500").await.expect(200);
    page["data"].as_array().expect("items").len()
}

#[tokio::test]
async fn a_repeat_has_the_same_bytes_and_no_second_effect() {
    on_both(|test| async move {
        let client = test.operator().await.with("idempotency-key", "first");
        let first = client.post("/v1/businesses", json!({"name": BODY})).await;
        first.expect(201);
        let again = client.post("/v1/businesses", json!({"name": BODY})).await;
        again.expect(201);
        assert_eq!(first.body, again.body);
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!(first.header("idempotency-replayed"), "");
        assert_eq!(businesses(&test).await, 1);
    })
    .await;
}

#[tokio::test]
async fn another_body_or_path_with_the_same_key_is_refused() {
    on_both(|test| async move {
        let client = test.operator().await.with("idempotency-key", "k");
        client.post("/v1/businesses", json!({"name": BODY})).await.expect(201);
        let other = client.post("/v1/businesses", json!({"name": "Butcher"})).await;
        other.problem(422, "idempotency.mismatch");
        let path = client.post("/v1/apps", json!({"name": BODY})).await;
        path.problem(422, "idempotency.mismatch");
        assert_eq!(businesses(&test).await, 1);
    })
    .await;
}

/// A fast hash of a body can be guessed at by whoever steals every key; one with the client's own key
/// in it, which is kept nowhere, cannot.
#[tokio::test]
async fn what_is_kept_of_a_body_needs_the_client_s_key_to_be_guessed_at() {
    on_both(|test| async move {
        for key in ["one", "two"] {
            let client = test.operator().await.with("idempotency-key", key);
            client.post("/v1/businesses", json!({"name": BODY})).await.expect(201);
        }
        let mut tx = test.app.db.read().await.expect("a snapshot");
        let rows = tx.fetch(FINGERPRINTS, Vec::new()).await.expect("rows");
        let fingerprints = rows.iter().map(|row| row.get::<Vec<u8>>("fingerprint"));
        let fingerprints: BTreeSet<Vec<u8>> = fingerprints.map(|f| f.expect("bytes")).collect();
        assert_eq!((rows.len(), fingerprints.len()), (2, 2), "one body, two fingerprints");
    })
    .await;
}

#[tokio::test]
async fn a_refusal_is_an_answer_too_and_a_missing_credential_is_not() {
    on_both(|test| async move {
        let client = test.operator().await.with("idempotency-key", "k");
        let refused = client.post("/v1/businesses", json!({"name": ""})).await;
        refused.problem(422, "access.text");
        let again = client.post("/v1/businesses", json!({"name": ""})).await;
        assert_eq!(refused.body, again.body);
        assert_eq!(again.header("idempotency-replayed"), "true");
        let anonymous = test.anonymous().with("idempotency-key", "k");
        for _ in 0..2 {
            let answer = anonymous.post("/v1/businesses", json!({"name": BODY})).await;
            answer.problem(401, "access.unauthenticated");
            assert_eq!(answer.header("idempotency-replayed"), "");
        }
    })
    .await;
}

#[tokio::test]
async fn keys_belong_to_their_caller() {
    on_both(|test| async move {
        for _ in 0..2 {
            let client = test.operator().await.with("idempotency-key", "same");
            client.post("/v1/businesses", json!({"name": BODY})).await.expect(201);
        }
        assert_eq!(businesses(&test).await, 2);
    })
    .await;
}

#[tokio::test]
async fn two_nodes_give_one_answer() {
    on_both(|test| async move {
        let database = test.app.settings.database_url().expose().to_owned();
        let other = TestApp::open_in(test.directory(), &database, &[]).await;
        // Both began with the same seed; the other draws from further on.
        (0..10_000).for_each(|_| drop(other.app.rng()));
        for round in 0..10 {
            let key = format!("round {round}");
            let here = test.operator().await.with("idempotency-key", &key);
            let there = here.on(&other);
            let body = json!({"name": BODY});
            let (one, two) = tokio::join!(
                here.post("/v1/businesses", body.clone()),
                there.post("/v1/businesses", body)
            );
            let answers = [one, two];
            let made = answers.iter().filter(|answer| answer.status == 201);
            let bodies: Vec<&[u8]> = made.map(|answer| answer.body.as_ref()).collect();
            let all: Vec<_> = answers.iter().map(|a| (a.status, a.text())).collect();
            assert!(
                !bodies.is_empty() && bodies.iter().all(|body| *body == bodies[0]),
                "{round} {all:?}"
            );
            for answer in answers.iter().filter(|answer| answer.status != 201) {
                answer.problem(409, "idempotency.in_progress");
            }
        }
        assert_eq!(businesses(&test).await, 10);
    })
    .await;
}

#[tokio::test]
async fn fifty_at_once_have_one_effect() {
    on_both(|test| async move {
        let client = test.operator().await.with("idempotency-key", "race");
        let all = (0..50).map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.post("/v1/businesses", json!({"name": BODY})).await })
        });
        let mut bodies = Vec::new();
        for answer in all.collect::<Vec<_>>() {
            let answer = answer.await.expect("no panic");
            if answer.status == 201 {
                bodies.push(answer.body);
            } else {
                answer.problem(409, "idempotency.in_progress");
            }
        }
        assert!(!bodies.is_empty());
        assert!(bodies.iter().all(|body| *body == bodies[0]));
        assert_eq!(businesses(&test).await, 1);
    })
    .await;
}

#[tokio::test]
async fn answers_are_kept_a_day_and_more_and_then_forgotten() {
    on_both(|test| async move {
        let client = test.operator().await.with("idempotency-key", "k");
        client.post("/v1/businesses", json!({"name": BODY})).await.expect(201);
        test.clock.advance(Duration::from_hours(47));
        client.post("/v1/businesses", json!({"name": BODY})).await.expect(201);
        assert_eq!(businesses(&test).await, 1);
        test.clock.advance(Duration::from_hours(2));
        client.post("/v1/businesses", json!({"name": BODY})).await.expect(201);
        assert_eq!(businesses(&test).await, 2);
    })
    .await;
}

#[tokio::test]
async fn keys_are_bounded() {
    on_both(|test| async move {
        let operator = test.operator().await;
        for key in ["", &"x".repeat(256)] {
            let client = operator.with("idempotency-key", key);
            let answer = client.post("/v1/businesses", json!({"name": BODY})).await;
            answer.problem(400, "idempotency.key");
        }
        assert_eq!(businesses(&test).await, 0);
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_is_shown_once_is_not_in_the_database() {
    let sqlite = volens::db::testing::FreshSqlite::create();
    let test = TestApp::open(&sqlite.address(), &[]).await;
    let client = test.operator().await.with("idempotency-key", "k");
    let body = json!({"role": "operator", "label": "spare"});
    let made = client.post("/v1/keys", body.clone()).await.expect(201);
    let key = made["key"].as_str().expect("the key");
    assert_eq!(client.post("/v1/keys", body).await.expect(201), made);
    let secret = key.rsplit('_').next().expect("a secret").as_bytes();
    for entry in std::fs::read_dir(sqlite.path()).expect("the directory") {
        let bytes = std::fs::read(entry.expect("a file").path()).expect("it can be read");
        assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    }
}
