//! What a witness answers: C2SP `tlog-witness`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use volens_privacy::ledger::{AddCheckpoint, Unwitnessed};

use super::{Watch, WitnessError};

/// Bytes of a request at most: 63 hashes and a note with many signatures.
const BODY_MAX: usize = 64 * 1024;
/// A request has to arrive within this.
const BODY_WITHIN: Duration = Duration::from_secs(10);
/// Content of a 409: the size of the latest cosigned checkpoint.
const SIZE: HeaderValue = HeaderValue::from_static("text/x.tlog.size");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// `POST /add-checkpoint`, and `GET /key` for whoever sets it up.
pub fn router(watch: Arc<Watch>) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/key", get(key))
        .with_state(watch)
}

async fn key(State(watch): State<Arc<Watch>>) -> Response {
    ([(CONTENT_TYPE, TEXT)], format!("{}\n", watch.vkey())).into_response()
}

async fn add_checkpoint(State(watch): State<Arc<Watch>>, body: Body) -> Response {
    let read = tokio::time::timeout(BODY_WITHIN, axum::body::to_bytes(body, BODY_MAX)).await;
    let Ok(Ok(bytes)) = read else {
        return said(StatusCode::BAD_REQUEST, "the body is too large or does not arrive");
    };
    let request = std::str::from_utf8(&bytes).ok().and_then(AddCheckpoint::parse);
    let Some(request) = request else {
        return said(StatusCode::BAD_REQUEST, "not an add-checkpoint request");
    };
    // The answer is true only if it is on disk, and the disk must not hold up other requests.
    match tokio::task::spawn_blocking(move || watch.add(&request)).await {
        Ok(Ok(line)) => said(StatusCode::OK, &line),
        Ok(Err(WitnessError::Refused(refused))) => refusal(refused),
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a checkpoint was not kept");
            said(StatusCode::INTERNAL_SERVER_ERROR, "the checkpoint could not be kept")
        }
        Err(_) => said(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong on our side"),
    }
}

fn refusal(refused: Unwitnessed) -> Response {
    tracing::warn!(refused = %refused, "a checkpoint was not cosigned");
    let status = match refused {
        Unwitnessed::UnknownLog => StatusCode::NOT_FOUND,
        Unwitnessed::Unsigned(_) => StatusCode::FORBIDDEN,
        Unwitnessed::OldAboveNew => StatusCode::BAD_REQUEST,
        Unwitnessed::Inconsistent(_) | Unwitnessed::OtherYears => StatusCode::UNPROCESSABLE_ENTITY,
        Unwitnessed::Conflict { size } => {
            let headers = [(CONTENT_TYPE, SIZE)];
            return (StatusCode::CONFLICT, headers, format!("{size}\n")).into_response();
        }
    };
    said(status, &format!("{refused}\n"))
}

fn said(status: StatusCode, text: &str) -> Response {
    (status, [(CONTENT_TYPE, TEXT)], text.to_owned()).into_response()
}
