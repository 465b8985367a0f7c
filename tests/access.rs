//! Who may call what: every documented operation with every role.
//!
//! **An operation that is missing in `OPERATIONS` fails the suite.** Add a line with the roles that
//! may call it; everyone else has to get 403, and nobody in particular 401, whatever the body.

mod console;
mod keys;
mod start;
mod tenants;

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Method;
use volens::access::{Caller, Role};

use crate::support::{Client, TestApp, on_both};

/// Who may call an operation.
#[derive(Clone, Copy)]
enum Who {
    /// Everyone, also without a credential.
    Public,
    /// These roles.
    Only(&'static [Role]),
    /// Whoever holds the token of the one conversation; no role does.
    Holder,
}

use Role::{Agent, App, Business, Officer, Operator};
use Who::{Holder, Only, Public};

/// Every operation, in the order of the document.
const OPERATIONS: &[(&str, Who)] = &[
    ("GET /healthz", Public),
    ("GET /metrics", Public),
    ("GET /readyz", Public),
    ("GET /v1/accounts/{reference}", Only(&[App])),
    ("PUT /v1/accounts/{reference}", Only(&[App])),
    ("DELETE /v1/accounts/{reference}", Only(&[App])),
    ("GET /v1/accounts/{reference}/consents", Only(&[App])),
    ("DELETE /v1/accounts/{reference}/corrections/{topic}", Only(&[App])),
    ("PUT /v1/accounts/{reference}/corrections/{topic}", Only(&[App])),
    ("GET /v1/accounts/{reference}/export", Only(&[App])),
    ("GET /v1/accounts/{reference}/interests", Only(&[App])),
    ("GET /v1/accounts/{reference}/links", Only(&[App])),
    ("POST /v1/accounts/{reference}/objection", Only(&[App])),
    ("DELETE /v1/accounts/{reference}/restriction", Only(&[App])),
    ("PUT /v1/accounts/{reference}/restriction", Only(&[App])),
    ("GET /v1/accounts/{reference}/may-ask", Only(&[App])),
    ("POST /v1/alias", Only(&[App])),
    ("GET /v1/apps", Only(&[Operator])),
    ("POST /v1/apps", Only(&[Operator])),
    ("GET /v1/bots", Only(&[Business])),
    ("POST /v1/bots", Only(&[Business])),
    ("GET /v1/bots/{bot}", Only(&[Business])),
    ("PUT /v1/bots/{bot}", Only(&[Business])),
    ("POST /v1/bots/{bot}/conversations", Public),
    ("GET /v1/bots/{bot}/documents", Only(&[Business])),
    ("POST /v1/bots/{bot}/documents", Only(&[Business])),
    ("DELETE /v1/bots/{bot}/documents/{document}", Only(&[Business])),
    ("GET /v1/bots/{bot}/documents/{document}", Only(&[Business])),
    ("PUT /v1/bots/{bot}/persona", Only(&[Business])),
    ("POST /v1/bots/{bot}/publish", Only(&[Business])),
    ("GET /v1/bots/{bot}/versions", Only(&[Business])),
    ("POST /v1/batch", Only(&[App])),
    ("POST /v1/audit/accounts/{subject}/openings", Only(&[Officer])),
    ("GET /v1/audit/accounts/{subject}/evidence", Only(&[Officer])),
    ("GET /v1/audit/accounts/{subject}/then", Only(&[Officer])),
    ("GET /v1/audit/accounts/{subject}/timeline", Only(&[Officer])),
    ("GET /v1/audit/assessments", Only(&[Officer])),
    ("POST /v1/audit/assessments", Only(&[Officer])),
    ("GET /v1/audit/incidents", Only(&[Officer])),
    ("POST /v1/audit/incidents", Only(&[Officer])),
    ("GET /v1/audit/incidents/{id}/accounts", Only(&[Officer])),
    ("POST /v1/audit/incidents/{id}/told", Only(&[Officer])),
    ("GET /v1/audit/invariants", Only(&[Officer])),
    ("POST /v1/audit/invariants", Only(&[Officer])),
    ("POST /v1/audit/verify", Only(&[Officer])),
    ("GET /v1/audit/lists/{id}", Only(&[Officer])),
    ("GET /v1/audit/models/{model}/manifest", Only(&[Officer])),
    ("GET /v1/audit/models/{model}/people/{subject}", Only(&[Officer])),
    ("GET /v1/audit/openings", Only(&[Officer])),
    ("POST /v1/audit/openings/{id}/decision", Only(&[Officer])),
    ("GET /v1/records-of-processing", Only(&[Officer])),
    ("GET /v1/businesses", Only(&[Operator])),
    ("POST /v1/businesses", Only(&[Operator])),
    ("GET /v1/campaigns", Only(&[Business])),
    ("POST /v1/campaigns", Only(&[Business])),
    ("GET /v1/campaigns/{id}", Only(&[Business])),
    ("GET /v1/campaigns/{id}/variants", Only(&[Business])),
    ("POST /v1/consents", Only(&[App])),
    ("POST /v1/consents/withdraw", Only(&[App])),
    ("POST /v1/conversations/{conversation}/feedback", Holder),
    ("POST /v1/conversations/{conversation}/handoff", Holder),
    ("GET /v1/conversations/{conversation}/messages", Holder),
    ("POST /v1/conversations/{conversation}/messages", Holder),
    ("GET /v1/inbox", Only(&[Agent])),
    ("POST /v1/privacy-centre-links", Only(&[App])),
    ("POST /v1/events", Only(&[App])),
    ("POST /v1/group", Only(&[App])),
    ("POST /v1/identify", Only(&[App])),
    ("GET /v1/keys", Only(&[App, Business, Operator])),
    ("POST /v1/keys", Only(&[App, Business, Operator])),
    ("DELETE /v1/keys/{key}", Only(&[App, Business, Operator])),
    ("GET /v1/ledger/checkpoint", Public),
    ("GET /v1/ledger/entries", Only(&[Officer])),
    ("GET /v1/ledger/key", Public),
    ("GET /v1/ledger/proofs/consistency", Only(&[Officer])),
    ("GET /v1/ledger/proofs/inclusion", Only(&[Officer])),
    ("GET /v1/ledger/shards", Public),
    ("GET /v1/ledger/{year}/checkpoint", Public),
    ("GET /v1/ledger/tile/entries/{tile}", Only(&[Officer])),
    ("GET /v1/ledger/tile/{level}/{tile}", Public),
    ("GET /v1/ledger/{year}/tile/entries/{tile}", Only(&[Officer])),
    ("GET /v1/ledger/{year}/tile/{level}/{tile}", Public),
    ("GET /v1/lists", Only(&[Business])),
    ("POST /v1/lists", Only(&[Business])),
    ("GET /v1/lists/{id}", Only(&[Business])),
    ("GET /v1/lists/{id}/export", Only(&[Business])),
    ("GET /v1/lists/{id}/proof", Only(&[Business])),
    ("GET /v1/lists/{id}/recipients", Only(&[Business])),
    ("GET /v1/lists/{id}/recipients/{rank}/why", Only(&[Business])),
    ("GET /v1/me", Only(&[App, Business, Officer, Agent, Operator])),
    ("POST /v1/merge", Only(&[App])),
    ("GET /v1/notices", Public),
    ("GET /v1/notices/{id}/changes", Only(&[Officer])),
    ("POST /v1/page", Only(&[App])),
    ("POST /v1/outcomes", Only(&[Business])),
    ("GET /v1/purposes", Only(&[Officer])),
    ("POST /v1/dsr", Only(&[App])),
    ("DELETE /v1/dsr/{id}", Only(&[App])),
    ("GET /v1/dsr/{id}", Only(&[App])),
    ("GET /v1/dsr/{id}/results", Only(&[App])),
    ("GET /v1/subject-requests", Only(&[Officer])),
    ("POST /v1/subject-requests/{app}/{id}", Only(&[Officer])),
    ("GET /v1/recalls", Only(&[Business])),
    ("POST /v1/recalls/acknowledge", Only(&[Business])),
    ("GET /v1/schemas/account-export", Public),
    ("GET /v1/reachability", Only(&[Officer])),
    ("GET /v1/reachability/counts", Only(&[Officer])),
    ("POST /v1/screen", Only(&[App])),
    ("POST /v1/sign-in-links", Only(&[Operator])),
    ("GET /v1/signals/refusals", Only(&[App])),
    ("POST /v1/topics/propose", Only(&[Business])),
    ("POST /v1/track", Only(&[App])),
    ("GET /v1/users", Only(&[Operator])),
    ("POST /v1/users", Only(&[Operator])),
    ("DELETE /v1/users/{user}", Only(&[Operator])),
];

/// Every documented operation as `METHOD /path`.
fn documented() -> BTreeSet<String> {
    let document = serde_json::to_value(volens::web::router::document()).expect("it is data");
    let paths = document["paths"].as_object().expect("paths");
    let operations = |(path, item): (&String, &serde_json::Value)| {
        let methods = item.as_object().expect("operations").keys();
        methods.map(|method| format!("{} {path}", method.to_uppercase())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(operations).collect()
}

#[test]
fn every_documented_operation_is_in_the_table() {
    let table: BTreeSet<String> = OPERATIONS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let documented = documented();
    let missing: Vec<_> = documented.difference(&table).collect();
    assert!(missing.is_empty(), "say in tests/access.rs who may call {missing:#?}");
    let gone: Vec<_> = table.difference(&documented).collect();
    assert!(gone.is_empty(), "no longer documented: {gone:#?}");
    assert_eq!(table.len(), OPERATIONS.len(), "an operation is in the table twice");
}

/// A client per role, and one without a credential.
async fn everyone(test: &TestApp) -> Vec<(Option<Role>, Client)> {
    let app = test.new_app("facelook").await;
    let (id, business) = test.new_business("Bakery").await;
    vec![
        (None, test.anonymous()),
        (Some(App), app),
        (Some(Business), business),
        (Some(Officer), test.officer().await),
        (Some(Agent), test.agent(id).await),
        (Some(Operator), test.operator().await),
    ]
}

/// The operation with an id that exists nowhere in place of every parameter.
async fn call(client: &Client, operation: &str) -> crate::support::Answer {
    let (method, path) = operation.split_once(' ').expect("METHOD /path");
    let filled: Vec<&str> = path
        .split('/')
        .map(|part| if part.starts_with('{') { "00000000000000000000000000000000" } else { part })
        .collect();
    let method: Method = method.parse().expect("a method");
    let body = if method == Method::GET { Body::empty() } else { Body::from("{}") };
    client.send(method, &filled.join("/"), Some("application/json"), body).await
}

#[tokio::test]
async fn every_operation_with_every_role() {
    on_both(|test| async move {
        for (role, client) in everyone(&test).await {
            for (operation, who) in OPERATIONS {
                let answer = call(&client, operation).await;
                let what = format!("{operation} as {role:?}: {}", answer.text());
                let allowed = match (who, role) {
                    (Public, _) => true,
                    (Only(roles), Some(role)) => roles.contains(&role),
                    (Only(_), None) | (Holder, _) => false,
                };
                if allowed {
                    assert!(answer.status != 401 && answer.status != 403, "{what}");
                } else if role.is_none() || matches!(who, Holder) {
                    assert_eq!(answer.status, 401, "{what}");
                    answer.problem(401, "access.unauthenticated");
                    assert!(answer.header("www-authenticate").starts_with("Bearer"), "{what}");
                } else {
                    assert_eq!(answer.status, 403, "{what}");
                    answer.problem(403, "access.forbidden");
                }
                assert!(!answer.status.is_server_error(), "{what}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn wrong_credentials_all_look_the_same() {
    on_both(|test| async move {
        let good = test.key_of(&Caller::Operator).await;
        let id = good.split('_').nth(2).expect("an id").to_owned();
        let secret = good.splitn(4, '_').nth(3).expect("a secret").to_owned();
        let swap = |at: usize| {
            let mut text = good.clone().into_bytes();
            text[at] = if text[at] == b'a' { b'b' } else { b'a' };
            String::from_utf8(text).expect("it is ASCII")
        };
        let first = "Bearer nonsense".to_owned();
        let expected = test.anonymous().with("authorization", &first).get("/v1/apps").await;
        expected.problem(401, "access.unauthenticated");
        for wrong in [
            format!("Bearer {}", swap(good.len() - 2)),
            format!("Bearer {}", swap("vk_operator_".len())),
            format!("Bearer vk_officer_{id}_{secret}"),
            format!("Bearer vk_operator_{id}_"),
            format!("Bearer {good}x"),
            "Bearer ".to_owned(),
            "Basic !!".to_owned(),
            "Digest x".to_owned(),
            String::new(),
        ] {
            let answer = test.anonymous().with("authorization", &wrong).get("/v1/apps").await;
            assert_eq!((answer.status, &answer.body), (expected.status, &expected.body), "{wrong}");
        }
        test.client(&good).get("/v1/apps").await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn a_caller_beyond_its_rate_waits_and_others_do_not() {
    let flags = [("rates.caller_burst", "3"), ("rates.caller_per_second", "1")];
    crate::support::on_both_with(&flags, |test| async move {
        let (one, two) = (test.operator().await, test.operator().await);
        for _ in 0..3 {
            one.get("/v1/me").await.expect(200);
        }
        let refused = one.get("/v1/me").await;
        refused.problem(429, "rate.exceeded");
        assert_eq!(refused.header("retry-after"), "1");
        two.get("/v1/me").await.expect(200);
        test.clock.advance(std::time::Duration::from_secs(1));
        one.get("/v1/me").await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn strangers_behind_the_proxy_are_told_apart_and_cannot_tell_stories() {
    let few = [("rates.address_burst", "2"), ("rates.address_per_second", "1")];
    let asked = async |test: TestApp, header: &str, last: u16| {
        let stranger = test.anonymous().with("x-forwarded-for", header);
        for _ in 0..2 {
            assert_eq!(stranger.get("/n").await.status, 200);
        }
        assert_eq!(stranger.get("/n").await.status, 429);
        let other = test.anonymous().with("x-forwarded-for", "192.0.2.1, 192.0.2.8");
        assert_eq!(other.get("/n").await.status, last);
        // What the sender itself wrote before the proxy's word changes nothing.
        let storyteller =
            test.anonymous().with("x-forwarded-for", &format!("192.0.2.77, {header}"));
        assert_eq!(storyteller.get("/n").await.status, 429);
    };
    let sqlite = volens::db::testing::FreshSqlite::create();
    let trusted = [few[0], few[1], ("web.proxy", "127.0.0.1")];
    asked(TestApp::open(&sqlite.address(), &trusted).await, "192.0.2.7", 200).await;
    let sqlite = volens::db::testing::FreshSqlite::create();
    asked(TestApp::open(&sqlite.address(), &few).await, "192.0.2.7", 429).await;
}
