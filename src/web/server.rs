//! The accept loop: bounded connections, patience with an end, and a graceful stop.
//!
//! `axum::serve` never closes a connection that sends half a header or nothing at all, and hyper's
//! own header time-out does not cover the time before the first byte. So a connection here has a
//! fixed time for its first whole request head, whatever it sends meanwhile.

mod stall;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::{sleep, timeout};
use tower::ServiceExt as _;

use self::stall::Stalling;
use super::callers::Address;
use crate::config::Web;

/// Request heads larger than this are refused (431).
const HEAD_BYTES: usize = 32 * 1024;
/// After a failed accept (usually: no file descriptors) the loop rests this long.
const REST: Duration = Duration::from_millis(50);
/// What a connection beyond the limits gets.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Serves `router` on `listener` until `stop` resolves; then lets accepted requests finish.
pub async fn serve<L: Listen>(
    listener: L,
    router: Router,
    settings: &Web,
    stop: impl Future<Output = ()>,
) {
    let connections = Arc::new(Connections::new(settings));
    let graceful = GracefulShutdown::new();
    let patience = Patience::new(settings);
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = listener.next() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(error = %error, "a connection was not accepted");
                sleep(REST).await;
                continue;
            }
        };
        let Some(ticket) = connections.admit(address) else {
            tokio::spawn(refuse(stream));
            continue;
        };
        let (router, watcher) = (router.clone(), graceful.watcher());
        tokio::spawn(async move {
            connection(stream, address, router, patience, watcher).await;
            drop(ticket);
        });
    }
    drop(listener);
    let seconds = Duration::from_secs(settings.stop_seconds.into());
    if timeout(seconds, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish before the stop");
    }
}

/// Where connections come from.
pub trait Listen: Send {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next one, and the address that it counts for.
    fn next(&self) -> impl Future<Output = io::Result<(Self::Stream, IpAddr)>> + Send;
}

impl Listen for TcpListener {
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<(TcpStream, IpAddr)> {
        let (stream, address) = self.accept().await?;
        // Answers are small and written whole; waiting to fill a packet only adds latency.
        if let Err(error) = stream.set_nodelay(true) {
            note(Err(error));
        }
        Ok((stream, address.ip().to_canonical()))
    }
}

impl Listen for UnixListener {
    type Stream = UnixStream;

    async fn next(&self) -> io::Result<(UnixStream, IpAddr)> {
        let (stream, _unnamed) = self.accept().await?;
        Ok((stream, Ipv4Addr::LOCALHOST.into()))
    }
}

/// How long a peer may take.
#[derive(Clone, Copy)]
struct Patience {
    first: Duration,
    head: Duration,
    answer: Duration,
}

impl Patience {
    fn new(settings: &Web) -> Self {
        Self {
            first: Duration::from_secs(settings.first_request_seconds.into()),
            head: Duration::from_secs(settings.header_seconds.into()),
            answer: Duration::from_secs(settings.answer_seconds.into()),
        }
    }
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    address: IpAddr,
    router: Router,
    patience: Patience,
    watcher: Watcher,
) {
    let began = Arc::new(AtomicBool::new(false));
    let service = router.map_request({
        let began = Arc::clone(&began);
        move |request: Request<Incoming>| {
            began.store(true, Ordering::Relaxed);
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Address(address));
            request
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.head)
        .max_buf_size(HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEAD_BYTES as u32)
        .max_concurrent_streams(128)
        .keep_alive_interval(patience.head)
        .keep_alive_timeout(patience.head);
    let stream = TokioIo::new(Stalling::new(stream, patience.answer));
    let connection = builder.serve_connection(stream, TowerToHyperService::new(service));
    let connection = watcher.watch(connection.into_owned());
    tokio::pin!(connection);
    tokio::select! {
        ended = &mut connection => return note(ended),
        () = sleep(patience.first) => {}
    }
    if began.load(Ordering::Relaxed) {
        note(connection.await);
    }
}

/// Peers hang up in the middle of things all day; that is not worth more than a debug line.
fn note<E: std::fmt::Display>(ended: Result<(), E>) {
    if let Err(error) = ended {
        tracing::debug!(error = %error, "a connection ended early");
    }
}

async fn refuse(mut stream: impl AsyncWrite + Unpin) {
    let writing = async { stream.write_all(FULL).await.and(stream.shutdown().await) };
    let ended: Result<io::Result<()>, _> = timeout(Duration::from_secs(1), writing).await;
    if let Ok(ended) = ended {
        note(ended);
    }
}

/// Connections held now, all together and per address.
struct Connections {
    most: u32,
    most_per_address: u32,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    all: u32,
    by_address: BTreeMap<IpAddr, u32>,
}

/// One place, given back when dropped.
struct Ticket {
    connections: Arc<Connections>,
    address: IpAddr,
}

impl Connections {
    fn new(settings: &Web) -> Self {
        Self {
            most: settings.connections,
            most_per_address: settings.connections_per_address,
            held: Mutex::default(),
        }
    }

    fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Ticket> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let here = held.by_address.get(&address).copied().unwrap_or(0);
        if held.all >= self.most || here >= self.most_per_address {
            return None;
        }
        held.all += 1;
        held.by_address.insert(address, here + 1);
        Some(Ticket { connections: Arc::clone(self), address })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut held = self.connections.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.all -= 1;
        let left = held.by_address.get(&self.address).map_or(0, |here| here - 1);
        if left == 0 {
            held.by_address.remove(&self.address);
        } else {
            held.by_address.insert(self.address, left);
        }
    }
}
