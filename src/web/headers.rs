//! Headers of every answer: what a browser may do with it.

use axum::extract::{Request, State};
use axum::http::HeaderName;
use axum::http::header::{self, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use crate::app::App;

/// Nothing from elsewhere, nothing inline, no text that becomes code.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

/// The browsable API document is a library's page: it writes styles and markup from its own script.
/// Nothing of anybody is shown there, and scripts are still ours alone.
const DOCUMENTATION_POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const PERMISSIONS: &str = "camera=(), geolocation=(), microphone=(), payment=(), usb=()";

/// Adds what the handler did not set itself.
pub(super) async fn secure(State(app): State<App>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let documentation = path == "/docs" || path.starts_with("/docs/");
    let policy = if documentation { DOCUMENTATION_POLICY } else { CONTENT_SECURITY_POLICY };
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut default = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    default(header::CONTENT_SECURITY_POLICY, policy);
    default(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    default(header::X_FRAME_OPTIONS, "DENY");
    // Addresses carry one-time tokens and ids; no other site learns them.
    default(header::REFERRER_POLICY, "no-referrer");
    default(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    default(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    default(HeaderName::from_static("permissions-policy"), PERMISSIONS);
    default(header::CACHE_CONTROL, "no-store");
    if app.settings.public_url().starts_with("https://") {
        default(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    response
}
