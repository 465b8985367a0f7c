//! Peers that take their time, and peers that are too many.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use volens::db::testing::FreshSqlite;

use crate::support::TestApp;
use crate::support::server::{Server, closes_within};

const SHORT: &[(&str, &str)] = &[
    ("web.first_request_seconds", "1"),
    ("web.header_seconds", "1"),
    ("web.body_seconds", "1"),
    ("web.answer_seconds", "1"),
];

#[tokio::test]
async fn silent_and_half_sent_connections_are_closed_and_others_are_served() {
    let sqlite = FreshSqlite::create();
    let test = TestApp::open(&sqlite.address(), SHORT).await;
    let server = Server::start(&test).await;
    let half = "GET /healthz HTTP/1.1\r\nhost: volens\r\nx-a: ";
    for sent in ["", "G", "PRI * HTTP/2.0\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", half] {
        let mut stream = server.connect().await;
        stream.write_all(sent.as_bytes()).await.expect("it is sent");
        assert!(server.get("/healthz").await.starts_with("HTTP/1.1 200"), "others wait");
        assert!(closes_within(&mut stream, Duration::from_secs(3)).await, "open after {sent:?}");
    }
}

#[tokio::test]
async fn a_header_that_trickles_is_closed() {
    let sqlite = FreshSqlite::create();
    let test = TestApp::open(&sqlite.address(), SHORT).await;
    let server = Server::start(&test).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nx: ").await.expect("it is sent");
    let (mut reading, mut writing) = stream.split();
    let trickle = async {
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            if writing.write_all(b"a").await.is_err() {
                return;
            }
        }
    };
    let closed = async {
        let mut all = Vec::new();
        drop(reading.read_to_end(&mut all).await);
    };
    let ended = async {
        tokio::select! { () = trickle => {}, () = closed => {} }
    };
    tokio::time::timeout(Duration::from_secs(3), ended).await.expect("it is closed");
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_request() {
    let sqlite = FreshSqlite::create();
    let test = TestApp::open(&sqlite.address(), SHORT).await;
    let server = Server::start(&test).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: volens\r\n\r\n").await.expect("it is sent");
    assert!(closes_within(&mut stream, Duration::from_secs(4)).await);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let sqlite = FreshSqlite::create();
    let test = TestApp::open(&sqlite.address(), SHORT).await;
    let key = test.key_of(&volens::access::Caller::Operator).await;
    let server = Server::start(&test).await;
    let mut stream = server.connect().await;
    let head = format!(
        "POST /v1/businesses HTTP/1.1\r\nhost: volens\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.expect("it is sent");
    let mut answer = [0; 12];
    tokio::time::timeout(Duration::from_secs(4), stream.read_exact(&mut answer))
        .await
        .expect("in time")
        .expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[tokio::test]
async fn a_peer_that_takes_no_answers_is_closed() {
    let sqlite = FreshSqlite::create();
    let test = TestApp::open(&sqlite.address(), SHORT).await;
    let server = Server::start(&test).await;
    let stream = server.connect().await;
    let (reading, mut writing) = stream.into_split();
    let request = "GET /openapi.json HTTP/1.1\r\nhost: volens\r\n\r\n".repeat(64);
    // It asks for far more than the buffers of both ends hold, and never reads.
    let asking = async { while writing.write_all(request.as_bytes()).await.is_ok() {} };
    let closed = tokio::time::timeout(Duration::from_secs(20), asking).await;
    assert!(closed.is_ok(), "the peer could go on for ever");
    drop(reading);
}

#[tokio::test]
async fn too_many_connections_of_one_address_are_refused_at_once() {
    let sqlite = FreshSqlite::create();
    let test = TestApp::open(&sqlite.address(), &[("web.connections_per_address", "3")]).await;
    let server = Server::start(&test).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(server.connect().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(server.get("/healthz").await.starts_with("HTTP/1.1 503"));
    drop(held);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(server.get("/healthz").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_stop_lets_accepted_requests_finish() {
    let sqlite = FreshSqlite::create();
    let test = TestApp::open(&sqlite.address(), &[("web.stop_seconds", "5")]).await;
    let key = test.key_of(&volens::access::Caller::Operator).await;
    let mut server = Server::start(&test).await;
    let mut idle = server.connect().await;
    let mut working = server.connect().await;
    let body = r#"{"name":"Bakery"}"#;
    let head = format!(
        "POST /v1/businesses HTTP/1.1\r\nhost: volens\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    working.write_all(head.as_bytes()).await.expect("it is sent");
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.ask_to_stop();
    assert!(closes_within(&mut idle, Duration::from_secs(2)).await, "idle ones go at once");
    tokio::time::sleep(Duration::from_millis(100)).await;
    working.write_all(body.as_bytes()).await.expect("it is sent");
    let mut answer = Vec::new();
    working.read_to_end(&mut answer).await.expect("it is answered");
    assert!(answer.starts_with(b"HTTP/1.1 201"), "{}", String::from_utf8_lossy(&answer));
    tokio::time::timeout(Duration::from_secs(5), server.ended()).await.expect("it ends");
}
