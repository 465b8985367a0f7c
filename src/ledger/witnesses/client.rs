//! Asking one witness over HTTP.

use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Bytes of an answer that are read: signature lines, or a number.
const ANSWER_MAX: usize = 16 * 1024;

/// Why a witness said nothing useful.
#[derive(Debug, thiserror::Error)]
pub enum Silence {
    /// It is not there, or does not speak HTTP.
    #[error("it cannot be reached")]
    Unreachable,
    /// It took too long.
    #[error("it does not answer in time")]
    Late,
    /// It answers something else than the protocol knows.
    #[error("it answers {0}")]
    Status(u16),
    /// It answers 200 without a cosignature of its own that holds.
    #[error("it answers with a cosignature that does not hold")]
    Invalid,
}

/// What a witness answered, by the protocol.
pub(super) enum Said {
    /// 200: signature lines.
    Lines(String),
    /// 409: the size of the checkpoint that it cosigned last.
    Conflict(u64),
    /// 422: the checkpoint does not extend that one.
    Inconsistent,
}

/// Sends one `add-checkpoint` request and waits no longer than `patience`.
pub(super) async fn add_checkpoint(
    url: &str,
    body: String,
    patience: Duration,
) -> Result<Said, Silence> {
    tokio::time::timeout(patience, ask(url, body)).await.map_err(|_| Silence::Late)?
}

async fn ask(url: &str, body: String) -> Result<Said, Silence> {
    let (status, text) = post(url, body).await.ok_or(Silence::Unreachable)?;
    match status {
        StatusCode::OK => Ok(Said::Lines(text)),
        StatusCode::CONFLICT => {
            text.trim().parse().map(Said::Conflict).map_err(|_| Silence::Status(status.as_u16()))
        }
        StatusCode::UNPROCESSABLE_ENTITY => Ok(Said::Inconsistent),
        other => Err(Silence::Status(other.as_u16())),
    }
}

/// Whether anybody listens there.
pub(super) async fn listens(url: &str) -> bool {
    let Ok(uri) = url.parse() else { return false };
    connect(&uri).await.is_some()
}

async fn connect(uri: &Uri) -> Option<TcpStream> {
    let stream = TcpStream::connect((uri.host()?, uri.port_u16().unwrap_or(80))).await.ok()?;
    stream.set_nodelay(true).ok()?;
    Some(stream)
}

/// Whatever goes wrong before there is a whole answer is the same to us: nobody is there.
async fn post(url: &str, body: String) -> Option<(StatusCode, String)> {
    let uri: Uri = format!("{}/add-checkpoint", url.trim_end_matches('/')).parse().ok()?;
    let authority = uri.authority()?.as_str().to_owned();
    let stream = connect(&uri).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let connection = tokio::spawn(connection);
    let request = Request::post(uri.path())
        .header(HOST, authority)
        .header(CONTENT_TYPE, "text/plain; charset=utf-8")
        .body(Full::new(Bytes::from(body)))
        .ok()?;
    let answer = sender.send_request(request).await.ok()?;
    let status = answer.status();
    let bytes = Limited::new(answer.into_body(), ANSWER_MAX).collect().await.ok()?.to_bytes();
    connection.abort();
    Some((status, String::from_utf8(bytes.to_vec()).ok()?))
}
