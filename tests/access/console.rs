//! Console sign-in: passwords, sessions, one-time links, forms from our own pages only.

use std::time::Duration;

use serde_json::json;

use crate::support::{Answer, Client, TestApp, on_both};

const EMAIL: &str = "officer@example.org";
const PASSWORD: &str = "correct-horse-battery";
const MINUTE: Duration = Duration::from_mins(1);

async fn officer(test: &TestApp) -> String {
    let body = json!({"email": EMAIL, "password": PASSWORD, "role": "officer"});
    let made = test.operator().await.post("/v1/users", body).await.expect(201);
    made["id"].as_str().expect("an id").to_owned()
}

async fn sign_in(client: &Client, email: &str, password: &str) -> Answer {
    client.form("/console/sign-in", &[("email", email), ("password", password)]).await
}

/// The client with the session that an answer began.
fn session(test: &TestApp, answer: &Answer) -> Client {
    assert_eq!(answer.status, 303, "{}", answer.text());
    assert_eq!(answer.header("location"), "/console");
    let cookie = answer.header("set-cookie");
    for part in ["; HttpOnly", "; SameSite=Strict", "; Path=/", "; Max-Age=43200"] {
        assert!(cookie.contains(part), "{part} is missing");
    }
    test.anonymous().with_cookie(cookie.split(';').next().expect("a pair"))
}

#[tokio::test]
async fn a_password_opens_a_session_and_sign_out_ends_it() {
    on_both(|test| async move {
        officer(&test).await;
        let client = session(&test, &sign_in(&test.anonymous(), EMAIL, PASSWORD).await);
        assert_eq!(client.get("/v1/me").await.expect(200), json!({"role": "officer"}));
        client.post("/v1/keys", json!({})).await.problem(403, "access.cross_site");
        client.form("/console/sign-out", &[]).await.problem(403, "access.cross_site");
        let wrong = [("form_token", "0000")];
        client.form("/console/sign-out", &wrong).await.problem(403, "access.cross_site");
        client.get("/v1/me").await.expect(200);
        let token = form_token(&test, &client);
        let out = client.form("/console/sign-out", &[("form_token", &token)]).await;
        assert_eq!(out.status, 303, "{}", out.text());
        assert!(out.header("set-cookie").contains("Max-Age=0"));
        client.get("/v1/me").await.problem(401, "access.unauthenticated");
    })
    .await;
}

/// The token that pages of this session carry.
fn form_token(test: &TestApp, client: &Client) -> String {
    let cookie = client.cookie().expect("a session");
    let token = cookie.split_once('=').expect("a pair").1;
    let token = volens::access::sessions::Token::presented(token).expect("a token");
    volens::access::sessions::form_token(&test.app.keys, &token)
}

#[tokio::test]
async fn the_token_of_one_session_is_none_of_another() {
    on_both(|test| async move {
        officer(&test).await;
        let one = session(&test, &sign_in(&test.anonymous(), EMAIL, PASSWORD).await);
        let two = session(&test, &sign_in(&test.anonymous(), EMAIL, PASSWORD).await);
        let token = form_token(&test, &one);
        let stolen = two.with("x-form-token", &token);
        stolen.post("/v1/keys", json!({})).await.problem(403, "access.cross_site");
        // Its own is let through to the permission, which an officer does not have.
        let own = one.with("x-form-token", &token);
        own.post("/v1/keys", json!({})).await.problem(403, "access.forbidden");
    })
    .await;
}

#[tokio::test]
async fn whatever_is_wrong_the_answer_is_the_same() {
    on_both(|test| async move {
        let user = officer(&test).await;
        let wrong = sign_in(&test.anonymous(), EMAIL, "wrong-horse-battery").await;
        let unknown = sign_in(&test.anonymous(), "nobody@example.org", PASSWORD).await;
        for answer in [&wrong, &unknown] {
            assert_eq!(answer.status, 303);
            assert_eq!(answer.header("location"), "/sign-in?refused=1");
            assert_eq!(answer.header("set-cookie"), "");
        }
        test.operator().await.delete(&format!("/v1/users/{user}")).await.expect(204);
        let disabled = sign_in(&test.anonymous(), EMAIL, PASSWORD).await;
        assert_eq!(disabled.header("location"), "/sign-in?refused=1");
    })
    .await;
}

#[tokio::test]
async fn attempts_are_throttled_per_account_known_or_not() {
    on_both(|test| async move {
        officer(&test).await;
        for email in [EMAIL, "nobody@example.org"] {
            for _ in 0..5 {
                let answer = sign_in(&test.anonymous(), email, "wrong-horse-battery").await;
                assert_eq!(answer.status, 303, "{email}");
            }
            let refused = sign_in(&test.anonymous(), email, PASSWORD).await;
            refused.problem(429, "access.throttled");
            assert_eq!(refused.header("retry-after"), "60");
        }
        test.clock.advance(MINUTE);
        session(&test, &sign_in(&test.anonymous(), EMAIL, PASSWORD).await);
    })
    .await;
}

#[tokio::test]
async fn sessions_end_by_idleness_age_and_disabling() {
    on_both(|test| async move {
        let user = officer(&test).await;
        let fresh = async || session(&test, &sign_in(&test.anonymous(), EMAIL, PASSWORD).await);
        let idle = fresh().await;
        test.clock.advance(MINUTE * 29);
        idle.get("/v1/me").await.expect(200);
        test.clock.advance(MINUTE * 29);
        idle.get("/v1/me").await.expect(200);
        test.clock.advance(MINUTE * 30);
        idle.get("/v1/me").await.problem(401, "access.unauthenticated");

        let old = fresh().await;
        for _ in 0..28 {
            test.clock.advance(MINUTE * 25);
            old.get("/v1/me").await.expect(200);
        }
        test.clock.advance(MINUTE * 20);
        old.get("/v1/me").await.problem(401, "access.unauthenticated");

        let disabled = fresh().await;
        test.operator().await.delete(&format!("/v1/users/{user}")).await.expect(204);
        disabled.get("/v1/me").await.problem(401, "access.unauthenticated");
    })
    .await;
}

#[tokio::test]
async fn a_link_signs_in_once_and_for_a_quarter_of_an_hour() {
    on_both(|test| async move {
        let user = officer(&test).await;
        let operator = test.operator().await;
        let link = async || {
            let made = operator.post("/v1/sign-in-links", json!({"user": user})).await.expect(201);
            let url = made["url"].as_str().expect("an address").to_owned();
            url.split_once("link=").expect("a token").1.to_owned()
        };
        let use_link = async |token: &str| {
            test.anonymous().form("/console/sign-in-link", &[("link", token)]).await
        };
        let token = link().await;
        session(&test, &use_link(&token).await).get("/v1/me").await.expect(200);
        assert_eq!(use_link(&token).await.header("location"), "/sign-in?expired=1");
        let token = link().await;
        test.clock.advance(MINUTE * 15);
        assert_eq!(use_link(&token).await.header("location"), "/sign-in?expired=1");
        assert_eq!(use_link("nonsense").await.header("location"), "/sign-in?expired=1");
        let nobody = json!({"user": "usr_00000000000000000000000000000000"});
        operator.post("/v1/sign-in-links", nobody).await.problem(404, "not_found");
    })
    .await;
}

#[tokio::test]
async fn forms_of_other_sites_are_refused_before_anything_is_read() {
    on_both(|test| async move {
        officer(&test).await;
        let fields = [("email", EMAIL), ("password", PASSWORD)];
        for (name, value) in
            [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("origin", "null")]
        {
            let client = test.anonymous().with(name, value);
            let answer = client.form("/console/sign-in", &fields).await;
            answer.problem(403, "access.cross_site");
        }
        let own = test.anonymous().with("origin", "http://volens.test");
        session(&test, &own.form("/console/sign-in", &fields).await);
    })
    .await;
}

#[tokio::test]
async fn users_are_checked_before_they_are_made() {
    on_both(|test| async move {
        let operator = test.operator().await;
        officer(&test).await;
        let user = |email: &str, password: &str, role: &str| {
            json!({"email": email, "password": password, "role": role})
        };
        for (body, status, code) in [
            (user("OFFICER@example.org ", PASSWORD, "officer"), 409, "access.taken"),
            (user("a@example.org", "short", "officer"), 422, "access.password"),
            (user("not an address", PASSWORD, "officer"), 422, "access.email"),
            (user("@", PASSWORD, "officer"), 422, "access.email"),
            (user("b@example.org", PASSWORD, "business"), 422, "access.tenant"),
            (user("c@example.org", PASSWORD, "app"), 422, "access.tenant"),
            (user("d@example.org", PASSWORD, "king"), 400, "body.invalid"),
        ] {
            operator.post("/v1/users", body).await.problem(status, code);
        }
        for (nth, region) in ["ZZ", "de", "Germany", ""].into_iter().enumerate() {
            let app = json!({"id": format!("app{nth}"), "title": "An app", "region": region});
            operator.post("/v1/apps", app).await.problem(422, "access.region");
        }
    })
    .await;
}
