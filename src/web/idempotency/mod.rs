//! `Idempotency-Key`: the same request sent twice has one effect and one answer.
//!
//! The key (1 to 255 characters) belongs to its caller, and without a credential has no effect; method, path and body are fingerprinted. A
//! repeat with another fingerprint is 422 `idempotency.mismatch`; a repeat while the first runs is
//! 409 `idempotency.in_progress`; a repeat after it gets the same status and the same bytes, with
//! `idempotency-replayed: true`. Answers 2xx and 4xx are kept for `web.idempotency_hours`; 5xx, and
//! 401, 408 and 429, which say nothing about the request itself, are not.
//!
//! **Exactly once** needs the answer in the same transaction as the effect:
//!
//! ```text
//! async fn create(repeat: Repeat, …) -> ApiResult<Response> {
//!     let mut tx = app.db.begin().await?;
//!     … the effect …
//!     let answer = repeat.answer(&app, &mut tx, StatusCode::CREATED, &out).await?;
//!     tx.commit().await?;
//!     Ok(answer)
//! }
//! ```
//!
//! A group-commit writer carries the [`Repeat`] in its item and writes [`Repeat::record`]s with
//! [`write()`] in its batch; the handler then marks its response with [`Repeat::kept`]. For every other
//! handler the answer is kept right after it was made, in a transaction of its own: a crash between
//! the two lets a repeat run again.
//!
//! What is kept is sealed: answers can hold what is shown only once. The fingerprint is keyed,
//! because the hash of a short body can be guessed back.

mod store;

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use axum::http::request::Parts;
use axum::http::{HeaderName, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rand::Rng;
use serde::Serialize;
use volens_privacy::{DataKey, KeyRing, Timestamp};

pub(crate) use self::store::STATEMENTS;
use super::problem::{ApiResult, Problem};
use super::{body, callers};
use crate::app::App;
use crate::db::{self, Row, Tx, Value, values};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Larger answers, and streams, are not kept.
const KEPT_BYTES: u64 = 1 << 20;

/// The request's idempotency key, if it has one. An extractor that never refuses.
#[derive(Clone, Default)]
pub struct Repeat(Option<Arc<Pending>>);

struct Pending {
    id: [u8; 32],
    fingerprint: [u8; 32],
}

/// An answer ready to be written.
pub struct Record(Vec<Value>);

/// Marks a response whose answer is kept already.
#[derive(Clone)]
struct Kept;

impl<S: Send + Sync> FromRequestParts<S> for Repeat {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

impl Repeat {
    /// Writes the answer in the transaction of the effect and makes the response.
    pub async fn answer(
        &self,
        app: &App,
        tx: &mut Tx,
        status: StatusCode,
        out: &impl Serialize,
    ) -> ApiResult<Response> {
        let bytes = serde_json::to_vec(out).map_err(|error| Problem::internal(&error))?;
        let record = self.record(&app.keys, &mut app.rng(), app.now(), status, &bytes);
        write(tx, record.into_iter().collect()).await.map_err(|error| match error {
            db::Error::Duplicate(_) => in_progress(),
            other => other.into(),
        })?;
        let response = (status, [(CONTENT_TYPE, "application/json")], bytes).into_response();
        Ok(self.kept(response))
    }

    /// The row of a JSON answer, to be written with [`write()`]; `None` without a key.
    pub fn record(
        &self,
        keys: &KeyRing,
        rng: &mut dyn Rng,
        now: Timestamp,
        status: StatusCode,
        json: &[u8],
    ) -> Option<Record> {
        self.0
            .as_ref()
            .map(|pending| pending.record(keys, rng, now, (status, "application/json"), json))
    }

    /// Marks a response whose answer was written.
    pub fn kept(&self, mut response: Response) -> Response {
        response.extensions_mut().insert(Kept);
        response
    }
}

impl Pending {
    fn record(
        &self,
        keys: &KeyRing,
        rng: &mut dyn Rng,
        now: Timestamp,
        (status, content_type): (StatusCode, &str),
        body: &[u8],
    ) -> Record {
        let key = DataKey::generate(rng);
        let plain = [content_type.as_bytes(), b"\n", body].concat();
        let sealed = key.seal(&[b"idempotency", &self.id], &plain, rng);
        let wrapped = keys.wrap(self.owner(), &key);
        let status = status.as_u16();
        Record(values![self.id, self.fingerprint, status, wrapped, sealed, now])
    }

    fn owner(&self) -> &[u8; 16] {
        self.id.first_chunk().expect("a hash has 32 bytes")
    }

    /// The answer that was kept, as a response.
    fn replay(&self, keys: &KeyRing, row: &Row) -> ApiResult<Response> {
        let unreadable = |error: &dyn std::error::Error| Problem::internal(error);
        let wrapped: Vec<u8> = row.get("wrapped")?;
        let sealed: Vec<u8> = row.get("answer")?;
        let key = keys.unwrap(self.owner(), &wrapped).map_err(|error| unreadable(&error))?;
        let plain =
            key.open(&[b"idempotency", &self.id], &sealed).map_err(|error| unreadable(&error))?;
        let end = plain.iter().position(|byte| *byte == b'\n').unwrap_or(0);
        let content_type = HeaderValue::from_bytes(&plain[..end])
            .unwrap_or(HeaderValue::from_static("application/octet-stream"));
        let status = StatusCode::from_u16(row.get::<u32>("status")? as u16)
            .map_err(|error| unreadable(&error))?;
        let body = Bytes::copy_from_slice(plain.get(end + 1..).unwrap_or_default());
        let mut response = (status, body).into_response();
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        Ok(response)
    }
}

/// Writes answers in the transaction of their effects.
pub async fn write(tx: &mut Tx, records: Vec<Record>) -> Result<(), db::Error> {
    if !records.is_empty() {
        let rows = records.into_iter().map(|Record(row)| row).collect();
        tx.execute_rows(store::KEEP, rows).await?;
    }
    Ok(())
}

/// Deletes answers made before `before`; gives their number.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<u64, db::Error> {
    tx.execute(store::FORGET, values![before]).await
}

/// Answers a repeat from what was kept, or lets the request run and keeps its answer.
pub(super) async fn repeats(State(app): State<App>, request: Request, next: Next) -> Response {
    // Strangers cannot be told apart, so none is given what was answered to another.
    let nobody = callers::caller_id(request.extensions()) == [0; 16]
        && !request.headers().contains_key(AUTHORIZATION);
    if request.method() != Method::POST || nobody || !request.headers().contains_key(KEY) {
        return next.run(request).await;
    }
    match keyed(&app, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn keyed(app: &App, request: Request, next: Next) -> ApiResult<Response> {
    let (mut parts, incoming) = request.into_parts();
    let limit = body::limit(&app.settings.web, parts.uri.path());
    let bytes = body::read_raw(incoming, limit, app.settings.web.body_seconds).await?;
    let pending = Arc::new(pending(app, &parts, &bytes)?);
    let Some(_held) = app.in_flight.hold(pending.id) else { return Err(in_progress()) };
    if let Some(response) = find(app, &pending).await? {
        return Ok(response);
    }
    parts.extensions.insert(Repeat(Some(Arc::clone(&pending))));
    let response = next.run(Request::from_parts(parts, Body::from(bytes))).await;
    keep(app, &pending, response).await
}

fn pending(app: &App, parts: &Parts, body: &[u8]) -> ApiResult<Pending> {
    let key = parts.headers.get(KEY).map(HeaderValue::as_bytes).unwrap_or_default();
    if !(1..=255).contains(&key.len()) || !key.iter().all(|b| (0x20..0x7f).contains(b)) {
        return Err(Problem::bad_request(
            "idempotency.key",
            "an idempotency key has 1 to 255 printable characters",
        ));
    }
    let caller = callers::caller_id(&parts.extensions);
    // A credential that only its handler knows, such as a conversation's token, is a caller too.
    let credential = parts.headers.get(AUTHORIZATION).filter(|_| caller == [0; 16]);
    let credential = credential.map(HeaderValue::as_bytes).unwrap_or_default();
    let credential = app.keys.caller_hash("idempotency/caller", credential);
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let id = app.keys.caller_hash("idempotency/key", &[&caller[..], &credential, key].concat());
    // The client's key goes in and is kept nowhere, so nobody can test guesses of what the body held,
    // a phone number for instance, against the fingerprint.
    let text = [key, b"\n", target.as_bytes(), b"\n", body].concat();
    let fingerprint = app.keys.caller_hash("idempotency/body", &text);
    Ok(Pending { id, fingerprint })
}

async fn find(app: &App, pending: &Pending) -> ApiResult<Option<Response>> {
    let row = app.db.read().await?.fetch_optional(store::ANSWER, values![pending.id]).await?;
    let Some(row) = row else { return Ok(None) };
    let oldest = oldest(app);
    if row.get::<Timestamp>("created_at")? < oldest {
        let mut tx = app.db.begin().await?;
        tx.execute(store::FORGET_ONE, values![pending.id, oldest]).await?;
        tx.commit().await?;
        return Ok(None);
    }
    if row.get::<[u8; 32]>("fingerprint")? != pending.fingerprint {
        return Err(Problem::refused(
            "idempotency.mismatch",
            "this idempotency key was used for another request",
        ));
    }
    pending.replay(&app.keys, &row).map(Some)
}

/// Answers made before this are forgotten.
pub fn oldest(app: &App) -> Timestamp {
    let hours = u64::from(app.settings.web.idempotency_hours);
    app.now().minus(Duration::from_secs(3600 * hours))
}

/// Keeps an answer that its handler did not keep.
async fn keep(app: &App, pending: &Pending, response: Response) -> ApiResult<Response> {
    let status = response.status();
    let decided = status.is_success() || status.is_client_error();
    let passing =
        [StatusCode::UNAUTHORIZED, StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    let small = response.body().size_hint().exact().is_some_and(|size| size <= KEPT_BYTES);
    let kept = response.extensions().get::<Kept>().is_some();
    if kept || !decided || !small || passing.contains(&status) {
        return Ok(response);
    }
    let (parts, incoming) = response.into_parts();
    let bytes = axum::body::to_bytes(incoming, KEPT_BYTES as usize)
        .await
        .map_err(|error| Problem::internal(&error))?;
    let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or("application/octet-stream");
    let record =
        pending.record(&app.keys, &mut app.rng(), app.now(), (status, content_type), &bytes);
    let mut tx = app.db.begin().await?;
    match write(&mut tx, vec![record]).await {
        Ok(()) => tx.commit().await?,
        // Another node answered the same request meanwhile: what it kept is the answer.
        Err(db::Error::Duplicate(_)) => {
            tx.rollback().await;
            if let Some(first) = find(app, pending).await? {
                return Ok(first);
            }
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

fn in_progress() -> Problem {
    Problem::conflict("idempotency.in_progress", "the same request is being answered")
}
