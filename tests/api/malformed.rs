//! Bodies no honest program sends: each is a 4xx problem, none is a 5xx or a panic.

use std::io::Write as _;

use axum::body::Body;
use axum::http::Method;
use serde_json::json;

use crate::support::on_both;

const JSON: Option<&str> = Some("application/json");

/// What is sent, and the status and code it gets.
fn bodies() -> Vec<(&'static str, Vec<u8>, u16, &'static str)> {
    let deep = |n: usize| [br#"{"name":"#.to_vec(), vec![b'['; n], vec![b']'; n], b"}".to_vec()];
    vec![
        ("nothing", b"".to_vec(), 400, "body.malformed"),
        ("invalid UTF-8", b"{\"name\":\"\xc3\x28\"}".to_vec(), 400, "body.utf8"),
        ("overlong UTF-8", b"{\"name\":\"\xc0\x80\"}".to_vec(), 400, "body.utf8"),
        ("NUL", b"{\"name\":\"a\0b\"}".to_vec(), 400, "body.malformed"),
        ("escaped NUL", br#"{"name":"a\u0000b"}"#.to_vec(), 422, "access.text"),
        ("lone surrogate", br#"{"name":"\ud800"}"#.to_vec(), 400, "body.malformed"),
        ("deep", deep(10_000).concat(), 400, "body.deep"),
        ("deeper than the parser", deep(200_000).concat(), 400, "body.deep"),
        ("twice", br#"{"name":"a","name":"b"}"#.to_vec(), 400, "body.duplicate_member"),
        ("NaN", br#"{"name":NaN}"#.to_vec(), 400, "body.malformed"),
        ("Infinity", br#"{"name":1e999}"#.to_vec(), 400, "body.malformed"),
        ("trailing", br#"{"name":"a"}x"#.to_vec(), 400, "body.malformed"),
        ("array", b"[]".to_vec(), 400, "body.invalid"),
        ("number", br#"{"name":1}"#.to_vec(), 400, "body.invalid"),
        ("excess", br#"{"name":"a","role":"operator"}"#.to_vec(), 400, "body.invalid"),
        ("many", format!("[{}1]", "1,".repeat(1_000_000)).into_bytes(), 400, "body.invalid"),
        ("huge", vec![b' '; 5 << 20], 413, "body.large"),
        (
            "long",
            format!(r#"{{"name":"{}"}}"#, "x".repeat(1 << 20)).into_bytes(),
            422,
            "access.text",
        ),
    ]
}

#[tokio::test]
async fn malformed_bodies_are_refused_with_a_code() {
    on_both(|test| async move {
        let operator = test.operator().await;
        for (what, body, status, code) in bodies() {
            let answer =
                operator.send(Method::POST, "/v1/businesses", JSON, Body::from(body)).await;
            assert_eq!(answer.status, status, "{what}: {}", answer.text());
            answer.problem(status, code);
        }
        let text = operator.send(Method::POST, "/v1/businesses", Some("text/plain"), "{}".into());
        text.await.problem(415, "body.media_type");
    })
    .await;
}

#[tokio::test]
async fn gzip_is_read_and_bombs_are_not() {
    on_both(|test| async move {
        let operator = test.operator().await.with("content-encoding", "gzip");
        let gzip = |plain: &[u8]| {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(plain).expect("memory takes it");
            encoder.finish().expect("memory takes it")
        };
        let send = |body: Vec<u8>| operator.send(Method::POST, "/v1/businesses", JSON, body.into());
        send(gzip(br#"{"name":"Bakery"}"#)).await.expect(201);
        send(gzip(&vec![b' '; 100 << 20])).await.problem(413, "body.large");
        send(b"not gzip".to_vec()).await.problem(400, "body.gzip");
        let brotli = test.operator().await.with("content-encoding", "br");
        brotli.post("/v1/businesses", json!({"name": "x"})).await.problem(415, "body.encoding");
    })
    .await;
}

#[tokio::test]
async fn strange_paths_and_queries_are_not_found_or_refused() {
    on_both(|test| async move {
        let operator = test.operator().await;
        for path in ["/v1/keys/%ff", "/v1/keys/1", "/v1/keys/key_zz", "/v1/keys/..%2f..%2fetc"] {
            operator.delete(path).await.problem(404, "not_found");
        }
        operator.get("/v1/apps?limit=%ff").await.problem(400, "query.invalid");
        operator.get("/v1/apps?limit=-1").await.problem(400, "query.invalid");
    })
    .await;
}
