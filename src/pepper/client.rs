//! Asking the pepper process.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use volens_privacy::keys::{Evaluation, PepperPublic};
use zeroize::Zeroizing;

use super::http::{Answer, Keys, Question, encode};
use crate::config::{Pepper, PepperAddress};

/// Bytes of an answer that are read.
const ANSWER_MAX: usize = 16 * 1024;

/// Why there is no answer that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Silence {
    /// It is not there, or does not speak HTTP.
    #[error("the pepper process cannot be reached")]
    Unreachable,
    /// It takes too long.
    #[error("the pepper process does not answer in time")]
    Late,
    /// The token cannot be read, or is not a client's.
    #[error("the pepper process does not know this token, or its file cannot be read")]
    Unauthorized,
    /// It holds other keys than the one that is needed.
    #[error("the pepper process does not hold the key that the key ring names")]
    Key,
    /// It has answered as much as it may.
    #[error("the pepper process has answered as much as it may; come back in {0} s")]
    Limited(u32),
    /// It answers something else than the protocol knows.
    #[error("the pepper process answers {0}")]
    Status(u16),
    /// It answers 200 and nothing that can be read.
    #[error("the answer of the pepper process cannot be read")]
    Unreadable,
}

impl Silence {
    /// The stable code shown outside.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unreachable | Self::Late | Self::Status(_) => "pepper.unavailable",
            Self::Unauthorized => "pepper.unauthorized",
            Self::Key => "pepper.key_unknown",
            Self::Limited(_) => "pepper.limited",
            Self::Unreadable => "pepper.proof",
        }
    }
}

/// Where the pepper process is, and how to ask it. Cheap to clone.
#[derive(Clone)]
pub struct Client(Arc<Parts>);

struct Parts {
    address: PepperAddress,
    token_file: PathBuf,
    patience: Duration,
}

struct Received {
    status: StatusCode,
    retry_after: Option<u32>,
    body: Bytes,
}

impl Client {
    /// By the settings; nothing when there is no process.
    pub fn new(settings: &Pepper) -> Option<Self> {
        let patience = Duration::from_secs(settings.answer_seconds.into());
        let token_file = settings.token_file.clone();
        Some(Self(Arc::new(Parts { address: settings.address()?, token_file, patience })))
    }

    /// Has elements evaluated with `key`. The proof is not checked here.
    pub async fn evaluate(
        &self,
        key: PepperPublic,
        elements: &[[u8; 32]],
    ) -> Result<Evaluation, Silence> {
        let elements = elements.iter().map(|element| encode(element)).collect();
        let body = serde_json::to_vec(&Question { key, elements }).expect("it is plain data");
        let received = self.ask(Method::POST, "/evaluate", body).await?;
        let answer: Answer =
            serde_json::from_slice(&received).map_err(|_error| Silence::Unreadable)?;
        answer.evaluation().ok_or(Silence::Unreadable)
    }

    /// The keys it holds, oldest first.
    pub async fn keys(&self) -> Result<Vec<PepperPublic>, Silence> {
        let received = self.ask(Method::GET, "/keys", Vec::new()).await?;
        let keys: Keys = serde_json::from_slice(&received).map_err(|_error| Silence::Unreadable)?;
        Ok(keys.keys)
    }

    async fn ask(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Bytes, Silence> {
        let token = tokio::fs::read_to_string(&self.0.token_file).await;
        let token = Zeroizing::new(token.map_err(|_error| Silence::Unauthorized)?);
        let asked = self.send(method, path, token.trim(), body);
        let received = tokio::time::timeout(self.0.patience, asked).await;
        let received = received.map_err(|_late| Silence::Late)?.ok_or(Silence::Unreachable)?;
        match received.status {
            StatusCode::OK => Ok(received.body),
            StatusCode::UNAUTHORIZED => Err(Silence::Unauthorized),
            StatusCode::NOT_FOUND => Err(Silence::Key),
            StatusCode::TOO_MANY_REQUESTS => {
                Err(Silence::Limited(received.retry_after.unwrap_or(1)))
            }
            other => Err(Silence::Status(other.as_u16())),
        }
    }

    /// Whatever goes wrong before there is a whole answer is the same to us: nobody is there.
    async fn send(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Vec<u8>,
    ) -> Option<Received> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "pepper")
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .ok()?;
        match &self.0.address {
            PepperAddress::Unix(path) => {
                exchange(UnixStream::connect(path).await.ok()?, request).await
            }
            PepperAddress::Loopback(address) => {
                let stream = TcpStream::connect(address).await.ok()?;
                stream.set_nodelay(true).ok()?;
                exchange(stream, request).await
            }
        }
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Option<Received> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await.ok()?;
    let status = answer.status();
    let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = retry_after.and_then(|seconds| seconds.parse().ok());
    let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await.ok()?.to_bytes();
    connection.abort();
    Some(Received { status, retry_after, body })
}
