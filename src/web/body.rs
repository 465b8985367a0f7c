//! Request bodies: how large, how long they may take, and gzip.

use std::io::Read as _;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_ENCODING;

use super::problem::Problem;
use crate::app::App;
use crate::config::Web;

/// The bytes of a body after decompression, for what is not JSON: uploads, signed webhooks.
pub struct Body(pub Bytes);

impl FromRequest<App> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        read(request, app).await.map(Self)
    }
}

/// The most a body of this path may hold, after decompression.
pub fn limit(web: &Web, path: &str) -> usize {
    let upload = path.contains("/documents") || path.contains("/import");
    (if upload { web.upload_limit_bytes } else { web.body_limit_bytes }) as usize
}

/// Reads a whole body, decompressed when it says it is gzip (RFC 9110 §8.4.1).
pub(super) async fn read(request: Request, app: &App) -> Result<Bytes, Problem> {
    let limit = limit(&app.settings.web, request.uri().path());
    let encoding = request
        .headers()
        .get(CONTENT_ENCODING)
        .map(|value| value.to_str().unwrap_or_default().to_ascii_lowercase());
    let bytes = read_raw(request.into_body(), limit, app.settings.web.body_seconds).await?;
    match encoding.as_deref() {
        None | Some("" | "identity") => Ok(bytes),
        Some("gzip" | "x-gzip") => inflate(&bytes, limit),
        Some(_) => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "body.encoding",
            "a body is sent as it is or as gzip",
        )),
    }
}

/// Reads a whole body as it was sent.
pub(super) async fn read_raw(
    body: axum::body::Body,
    limit: usize,
    seconds: u32,
) -> Result<Bytes, Problem> {
    let reading = axum::body::to_bytes(body, limit);
    match tokio::time::timeout(Duration::from_secs(u64::from(seconds)), reading).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_too_large(&error) => Err(too_large()),
        Ok(Err(_)) => Err(Problem::bad_request("body.broken", "the body ended early")),
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "body.slow",
            "the body did not arrive in time",
        )),
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = source {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        source = error.source();
    }
    false
}

fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body.large", "the body is too large")
}

fn inflate(bytes: &[u8], limit: usize) -> Result<Bytes, Problem> {
    let mut plain = Vec::new();
    let most = limit as u64 + 1;
    flate2::read::MultiGzDecoder::new(bytes)
        .take(most)
        .read_to_end(&mut plain)
        .map_err(|_| Problem::bad_request("body.gzip", "the body is not valid gzip"))?;
    if plain.len() > limit { Err(too_large()) } else { Ok(plain.into()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).expect("memory takes it");
        encoder.finish().expect("memory takes it")
    }

    #[test]
    fn a_gzip_bomb_stops_at_the_limit() {
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(bomb.len() < 100_000);
        assert_eq!(inflate(&bomb, 1 << 20).expect_err("too large").code(), "body.large");
        assert_eq!(inflate(&gzip(b"{}"), 2).expect("it fits").as_ref(), b"{}");
        assert_eq!(inflate(b"not gzip", 100).expect_err("garbage").code(), "body.gzip");
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_413_not_broken() {
        let body = axum::body::Body::from(vec![0; 11]);
        assert_eq!(read_raw(body, 10, 1).await.expect_err("too large").code(), "body.large");
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up() {
        let body =
            axum::body::Body::from_stream(tokio_stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(read_raw(body, 10, 0).await.expect_err("too slow").code(), "body.slow");
    }
}
