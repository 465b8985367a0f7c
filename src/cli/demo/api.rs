//! The demo is a client of the public API like any other, only without a socket in between.

use anyhow::{Context as _, Result, bail, ensure};
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::Value as Json;
use tower::ServiceExt as _;

/// Bytes of an answer at most.
const ANSWER_MAX: usize = 16 << 20;

/// One caller.
#[derive(Clone)]
pub(super) struct Client {
    router: Router,
    bearer: Option<String>,
}

impl Client {
    /// A caller with an API key or another bearer token, or nobody in particular.
    pub(super) fn new(router: &Router, token: Option<&str>) -> Self {
        let bearer = token.map(|token| format!("Bearer {token}"));
        Self { router: router.clone(), bearer }
    }

    /// Sends a request and expects success.
    pub(super) async fn call(&self, method: Method, path: &str, body: Json) -> Result<Json> {
        let (status, answer) = self.ask(method, path, body).await?;
        if !(200..300).contains(&status) {
            bail!("{path} answered {status}: {}", answer["detail"].as_str().unwrap_or_default());
        }
        Ok(answer)
    }

    /// Sends a request, whatever comes of it.
    pub(super) async fn ask(&self, method: Method, path: &str, body: Json) -> Result<(u16, Json)> {
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
        if let Some(bearer) = &self.bearer {
            request = request.header("authorization", bearer);
        }
        let body = if body.is_null() {
            Body::empty()
        } else {
            request = request.header("content-type", "application/json");
            Body::from(body.to_string())
        };
        let answer = self.router.clone().oneshot(request.body(body)?).await?;
        let status = answer.status().as_u16();
        let bytes = axum::body::to_bytes(answer.into_body(), ANSWER_MAX).await?;
        if bytes.is_empty() {
            return Ok((status, Json::Null));
        }
        let json = serde_json::from_slice(&bytes)
            .with_context(|| format!("{path} did not answer in JSON"))?;
        Ok((status, json))
    }

    /// A POST.
    pub(super) async fn post(&self, path: &str, body: Json) -> Result<Json> {
        self.call(Method::POST, path, body).await
    }

    /// A GET.
    pub(super) async fn get(&self, path: &str) -> Result<Json> {
        self.call(Method::GET, path, Json::Null).await
    }
}

/// A text inside an answer.
pub(super) fn text<'a>(answer: &'a Json, pointer: &str) -> Result<&'a str> {
    let found = answer.pointer(pointer).and_then(Json::as_str);
    ensure!(found.is_some(), "the answer has no text at {pointer}");
    Ok(found.unwrap_or_default())
}
