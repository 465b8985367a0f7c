//! What every answer of the API has in common: problems, headers, pages, repeats, documents.

mod malformed;
mod repeats;

use axum::body::Body;
use axum::http::Method;
use serde_json::json;

use crate::support::on_both;

#[tokio::test]
async fn the_committed_openapi_document_is_the_one_the_code_makes() {
    let document = volens::web::router::document();
    let made = volens::web::openapi::text(&document).expect("it is data");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(made == committed, "docs/openapi.json is stale: volens openapi > docs/openapi.json");
}

#[tokio::test]
async fn every_operation_says_that_errors_are_problems() {
    let document = serde_json::to_value(volens::web::router::document()).expect("it is data");
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let problem = &operation["responses"]["default"]["content"];
            assert!(problem["application/problem+json"].is_object(), "{method} {path}");
            assert!(operation["summary"].is_string(), "{method} {path} has no sentence");
        }
    }
}

#[tokio::test]
async fn headers_keep_browsers_from_running_anything_else() {
    on_both(|test| async move {
        // The browsable documentation is a library's page: its scripts are served from here too, but
        // they write styles and markup. No other path has that exception.
        for (path, library) in [
            ("/healthz", false),
            ("/openapi.json", false),
            ("/nowhere", false),
            ("/sign-in", false),
            ("/docsx", false),
            ("/docs/", true),
        ] {
            let answer = test.anonymous().get(path).await;
            let policy = answer.header("content-security-policy");
            assert!(policy.contains("default-src 'none'; script-src 'self';"), "{path}: {policy}");
            assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
            let strict = policy.contains("trusted-types 'none'") && !policy.contains("unsafe");
            assert_eq!(strict, !library, "{path}: {policy}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_keeps_its_id_and_a_strange_one_is_replaced() {
    on_both(|test| async move {
        let client = test.anonymous();
        let own = client.with("x-request-id", "abc-123").get("/healthz").await;
        assert_eq!(own.header("x-request-id"), "abc-123");
        let strange = client.with("x-request-id", "a b\tc").get("/healthz").await;
        assert!(!strange.header("x-request-id").is_empty());
        assert!(!strange.header("x-request-id").contains(' '));
    })
    .await;
}

#[tokio::test]
async fn health_and_counters_name_routes_and_nobody() {
    on_both(|test| async move {
        let client = test.anonymous();
        client.get("/healthz").await.expect(200);
        let ready = client.get("/readyz").await.expect(200);
        assert_eq!(ready, json!({"ready": true, "database_reads": true, "database_writes": true}));
        let user = "usr_00000000000000000000000000000000";
        test.operator().await.delete(&format!("/v1/users/{user}")).await.problem(404, "not_found");
        let text = client.get("/metrics").await.text();
        let line = r#"volens_http_requests_total{method="DELETE",route="/v1/users/{user}",status="404"} 1"#;
        assert!(text.contains(line), "{text}");
        assert!(!text.contains(user), "{text}");

        let invented = Method::from_bytes(b"ANNA-WAS-HERE").expect("a token");
        client.send(invented, "/healthz", None, Body::empty()).await.problem(405, "method");
        let text = client.get("/metrics").await.text();
        assert!(text.contains(r#"{method="OTHER","#) && !text.contains("ANNA"), "{text}");
    })
    .await;
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_allowed_are_problems_too() {
    on_both(|test| async move {
        let client = test.anonymous();
        client.get("/v1/nowhere").await.problem(404, "not_found");
        client.put("/healthz", json!({})).await.problem(405, "method");
    })
    .await;
}

#[tokio::test]
async fn pages_follow_their_cursor() {
    on_both(|test| async move {
        let operator = test.operator().await;
        for n in 1..=5 {
            let app = json!({"id": format!("app-{n}"), "title": "An app"});
            operator.post("/v1/apps", app).await.expect(201);
        }
        let (mut seen, mut next) = (Vec::new(), "/v1/apps?limit=2".to_owned());
        loop {
            let page = operator.get(&next).await.expect(200);
            let ids = page["data"].as_array().expect("items").iter().map(|app| app["id"].clone());
            seen.extend(ids);
            if page["has_more"] == false {
                break;
            }
            let cursor = page["next_cursor"].as_str().expect("a cursor");
            next = format!("/v1/apps?limit=2&after={cursor}");
        }
        assert_eq!(seen, ["app-1", "app-2", "app-3", "app-4", "app-5"]);
        operator.get("/v1/apps?limit=0").await.problem(400, "page.limit");
        operator.get("/v1/apps?limit=9999").await.problem(400, "page.limit");
        operator.get("/v1/apps?after=%21").await.problem(400, "page.cursor");
        operator.get("/v1/apps?offset=3").await.problem(400, "query.invalid");
    })
    .await;
}

#[tokio::test]
async fn docs_come_from_this_service_alone() {
    on_both(|test| async move {
        let client = test.anonymous();
        let page = client.get("/docs/").await;
        assert_eq!(page.status, 200);
        for line in page.text().lines().filter(|line| line.contains("src=")) {
            assert!(!line.contains("//"), "the page loads from elsewhere: {line}");
        }
        assert!(!page.text().contains("<style>"), "inline style: {}", page.text());
        let document = client.get("/openapi.json").await.expect(200);
        assert_eq!(document["info"]["title"], "Volens");
    })
    .await;
}
