//! What a pepper process answers over HTTP, and the wire types that its client shares.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use volens_privacy::keys::{Evaluation, PepperPublic};

use super::{Declined, Holder};

/// Bytes of a question at most.
const BODY_MAX: usize = 4 * 1024;
/// A question has to arrive within this.
const BODY_WITHIN: Duration = Duration::from_secs(5);

/// `POST /evaluate`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    /// The public half of the key to be used.
    pub(super) key: PepperPublic,
    /// Blinded elements, base64.
    pub(super) elements: Vec<String>,
}

/// Its answer.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    /// Evaluated elements, base64, in the order of the question.
    pub(super) elements: Vec<String>,
    /// The proof for all of them, base64.
    pub(super) proof: String,
}

/// `GET /keys`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keys {
    /// Oldest first.
    pub(super) keys: Vec<PepperPublic>,
}

pub(super) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(super) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

impl Answer {
    fn new(evaluation: &Evaluation) -> Self {
        let elements = evaluation.elements.iter().map(|element| encode(element)).collect();
        Self { elements, proof: encode(&evaluation.proof) }
    }

    pub(super) fn evaluation(&self) -> Option<Evaluation> {
        let elements =
            self.elements.iter().map(|element| decode(element)).collect::<Option<_>>()?;
        Some(Evaluation { elements, proof: decode(&self.proof)? })
    }
}

/// `POST /evaluate` and `GET /keys`, both for clients with a token.
pub fn router(holder: Arc<Holder>) -> Router {
    Router::new().route("/evaluate", post(evaluate)).route("/keys", get(keys)).with_state(holder)
}

async fn keys(State(holder): State<Arc<Holder>>, headers: HeaderMap) -> Response {
    match holder.keys(token(&headers)) {
        Ok(keys) => said(StatusCode::OK, &Keys { keys }),
        Err(declined) => refusal(declined),
    }
}

async fn evaluate(State(holder): State<Arc<Holder>>, headers: HeaderMap, body: Body) -> Response {
    let read = tokio::time::timeout(BODY_WITHIN, axum::body::to_bytes(body, BODY_MAX)).await;
    let question = match read {
        Ok(Ok(bytes)) => serde_json::from_slice::<Question>(&bytes).ok(),
        _ => None,
    };
    let elements = question.as_ref().and_then(|question| {
        question.elements.iter().map(|element| decode(element)).collect::<Option<Vec<_>>>()
    });
    let (Some(question), Some(elements)) = (question, elements) else {
        return refusal(Declined::Elements);
    };
    match holder.evaluate(token(&headers), question.key, &elements) {
        Ok(evaluation) => said(StatusCode::OK, &Answer::new(&evaluation)),
        Err(declined) => refusal(declined),
    }
}

/// The token of a request; an empty one is nobody's.
fn token(headers: &HeaderMap) -> &str {
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    value.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default().trim()
}

/// RFC 9457, as far as a program needs it.
#[derive(Serialize)]
struct Refusal {
    r#type: String,
    code: &'static str,
    status: u16,
    detail: String,
}

fn refusal(declined: Declined) -> Response {
    let status = match declined {
        Declined::Token => StatusCode::UNAUTHORIZED,
        Declined::Key => StatusCode::NOT_FOUND,
        Declined::Elements => StatusCode::BAD_REQUEST,
        Declined::Limited(_) => StatusCode::TOO_MANY_REQUESTS,
    };
    let code = declined.code();
    let mut response = said(
        status,
        &Refusal {
            r#type: format!("urn:volens:problem:{code}"),
            code,
            status: status.as_u16(),
            detail: declined.to_string(),
        },
    );
    let problem = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(CONTENT_TYPE, problem);
    if let Declined::Limited(seconds) = declined {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn said(status: StatusCode, value: &impl Serialize) -> Response {
    let json = serde_json::to_vec(value).expect("it is plain data");
    let kind = HeaderValue::from_static("application/json");
    (status, [(CONTENT_TYPE, kind)], json).into_response()
}
