//! The service on loopback, and a closed-loop HTTP client: as many connections as asked, each sending its
//! next request when the last one is answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::config::Web;
use crate::web::server;

/// The longest answer that is read.
const ANSWER_MAX: usize = 1 << 30;

/// What came of a run.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Measured {
    /// Requests answered as expected.
    pub(super) answered: u64,
    /// Requests answered otherwise.
    pub(super) failed: u64,
    /// Answered requests per second.
    pub(super) per_second: f64,
    /// Median time to the answer, milliseconds.
    pub(super) p50_ms: f64,
    /// 99th percentile, milliseconds.
    pub(super) p99_ms: f64,
}

/// Makes the *n*-th request.
pub(super) type Make = Arc<dyn Fn(u64) -> Request<Body> + Send + Sync>;

/// A request with a key and a JSON body.
pub(super) fn post(path: &str, bearer: &str, body: String) -> Request<Body> {
    Request::post(path)
        .header("host", "localhost")
        .header("authorization", bearer)
        .header("content-type", "application/json")
        .body(Body::from(body))
        .expect("the request is well-formed")
}

/// Serves on a free port as long as `work` takes.
pub(super) async fn served<T>(
    router: Router,
    web: &Web,
    work: impl AsyncFnOnce(SocketAddr) -> Result<T>,
) -> Result<T> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let web = web.clone();
    let serving = tokio::spawn(async move {
        server::serve(listener, router, &web, async {
            // Either message or hang-up means stop.
            drop(stopped.await);
        })
        .await;
    });
    let done = work(address).await;
    drop(stop);
    serving.await?;
    done
}

/// Sends one request over a connection of its own, and answers the body.
///
/// # Errors
/// When the answer is not a success.
pub(super) async fn ask(address: SocketAddr, request: Request<Body>) -> Result<Bytes> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = axum::body::to_bytes(Body::new(answer.into_body()), ANSWER_MAX).await?;
    connection.abort();
    ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
    Ok(body)
}

/// Sends requests over `connections` connections for `seconds`, numbered from `number` on.
#[expect(clippy::disallowed_methods, reason = "a bench measures with the machine's clock")]
pub(super) async fn drive(
    address: SocketAddr,
    connections: usize,
    seconds: f64,
    expected: StatusCode,
    number: &Arc<AtomicU64>,
    make: Make,
) -> Result<Measured> {
    let begin = Instant::now();
    let end = begin + Duration::from_secs_f64(seconds);
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let (number, make) = (Arc::clone(number), Arc::clone(&make));
        tasks.spawn(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            let connection = tokio::spawn(connection);
            let mut times = Vec::new();
            let mut failed = 0_u64;
            while Instant::now() < end {
                let request = make(number.fetch_add(1, Ordering::Relaxed));
                let sent = Instant::now();
                sender.ready().await?;
                let answer = sender.send_request(request).await?;
                let status = answer.status();
                let body = Body::new(answer.into_body());
                axum::body::to_bytes(body, ANSWER_MAX).await?;
                if status == expected {
                    times.push(sent.elapsed());
                } else {
                    failed += 1;
                }
            }
            drop(sender);
            connection.abort();
            anyhow::Ok((times, failed))
        });
    }
    let mut times = Vec::new();
    let mut failed = 0;
    while let Some(done) = tasks.join_next().await {
        let (of_one, failures) = done??;
        times.extend(of_one);
        failed += failures;
    }
    let elapsed = begin.elapsed().as_secs_f64();
    ensure!(!times.is_empty(), "no request was answered with {expected}");
    times.sort_unstable();
    let at = |part: f64| {
        let rank = ((times.len() - 1) as f64 * part) as usize;
        times[rank].as_secs_f64() * 1000.0
    };
    Ok(Measured {
        answered: times.len() as u64,
        failed,
        per_second: times.len() as f64 / elapsed,
        p50_ms: at(0.5),
        p99_ms: at(0.99),
    })
}
