//! One log line and two metrics per request: the route, never the path; no body, no query, no
//! caller.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;

use crate::app::App;
use crate::ids::hex;

/// The header that carries a request's id, in and out.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives the request an id, runs it, and notes route, status and duration.
pub(super) async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id = request_id(&app, &request);
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let method = known(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("(none)", MatchedPath::as_str);
    // The executor's clock only moves forward, which is what a duration needs.
    let started = tokio::time::Instant::now();
    let mut response = next.run(request).await;
    let took = started.elapsed();
    let status = response.status();
    let labels = [("method", method), ("route", route), ("status", status.as_str())];
    app.metrics.count("volens_http_requests_total", &labels, 1);
    app.metrics.time("volens_http_request_seconds", &labels[..2], took);
    tracing::info!(
        http.method = method,
        http.route = route,
        http.status = status.as_u16(),
        request.id = id.to_str().unwrap_or_default(),
        micros = took.as_micros() as u64,
        "request answered"
    );
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The method by name. Whoever invents one must not add to what is measured and logged.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

/// The caller's own id when it is a plain one, otherwise ours: random and counted on.
fn request_id(app: &App, request: &Request) -> HeaderValue {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static START: std::sync::OnceLock<[u8; 8]> = std::sync::OnceLock::new();
    let plain = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=64).contains(&bytes.len())
            && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    if let Some(id) = request.headers().get(REQUEST_ID).filter(plain) {
        return id.clone();
    }
    let start = START.get_or_init(|| {
        let mut bytes = [0; 8];
        rand::Rng::fill_bytes(&mut app.rng(), &mut bytes);
        bytes
    });
    let text = format!("{}-{}", hex(start), NEXT.fetch_add(1, Ordering::Relaxed));
    HeaderValue::from_str(&text).expect("digits and a dash are a header value")
}
