//! Refusals and failures as pages, for browsers that asked for one.

use askama::Template;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::shell::{Page, Shell};
use super::text;

/// No problem document is longer, in bytes.
const PROBLEM_MAX: usize = 64 * 1024;

/// What a problem document says.
#[derive(Deserialize)]
struct Said {
    status: u16,
    code: String,
    detail: String,
    #[serde(default)]
    errors: Vec<Field>,
}

#[derive(Deserialize)]
struct Field {
    pointer: String,
    detail: String,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    shell: Shell,
    status: u16,
    title: &'static str,
    detail: String,
    code: String,
    fields: Vec<Field>,
}

/// Shows a problem document as a page when a browser asked for a page. Programs, and everything
/// below `/v1`, get the document.
pub(in crate::web) async fn as_pages(request: Request, next: Next) -> Response {
    let wants_page = !request.uri().path().starts_with("/v1/") && accepts_html(request.headers());
    let response = next.run(request).await;
    if wants_page && is_problem(response.headers()) { dressed(response).await } else { response }
}

fn accepts_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

fn is_problem(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value == "application/problem+json")
}

async fn dressed(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let said = to_bytes(body, PROBLEM_MAX).await.ok();
    let said = said.and_then(|bytes| serde_json::from_slice::<Said>(&bytes).ok());
    let Some(Said { status, code, detail, errors }) = said else {
        return parts.status.into_response();
    };
    let page = ErrorPage {
        shell: Shell::public("en"),
        status,
        title: title(status),
        detail: text::sentence(&detail),
        code,
        fields: errors,
    };
    let (shown, body) = Page(page).into_response().into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    if let Some(kind) = shown.headers.get(CONTENT_TYPE) {
        parts.headers.insert(CONTENT_TYPE, kind.clone());
    }
    Response::from_parts(parts, body)
}

fn title(status: u16) -> &'static str {
    match status {
        400 | 422 => "That could not be understood",
        401 => "Please sign in",
        403 => "This is not for you",
        404 => "There is nothing here",
        405 => "Not like this",
        409 => "Something was in the way",
        413 => "That is too much at once",
        429 => "A little slower, please",
        503 | 507 => "Not at the moment",
        _ => "Something went wrong on our side",
    }
}
