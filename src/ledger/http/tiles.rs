//! The log as a set of files that never change: C2SP `tlog-tiles` under `/log`.
//!
//! Checkpoint and hashes are for everyone: they say nothing but how many entries there are. The
//! entries say what was decided in which minute, and are for officers.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volens_privacy::ledger::{Cut, Tile};

use crate::app::App;
use crate::ledger::{self, LedgerError};
use crate::web::callers::Officer;
use crate::web::extract::Path;
use crate::web::problem::{ApiResult, Problem};

const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// A tile of some name is the same for ever.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// The same, for its reader alone.
const FOR_ONE: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");
const BRIEFLY: HeaderValue = HeaderValue::from_static("public, max-age=1");

/// Operations of the API.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(head)).routes(routes!(bundle)).routes(routes!(tile))
}

/// The latest checkpoint for readers of tiles.
///
/// C2SP `tlog-tiles`: a signed note, with the cosignatures of witnesses where some are asked.
#[utoipa::path(get, path = "/log/checkpoint", tag = "ledger", security(()),
    responses((status = 200, body = String, content_type = "text/plain")))]
async fn head(State(app): State<App>) -> ApiResult<impl IntoResponse> {
    let mut tx = app.db.read().await?;
    let checkpoint = ledger::checkpoint(&mut tx).await?.ok_or(LedgerError::OutOfRange)?;
    let headers = [(CONTENT_TYPE, TEXT), (CACHE_CONTROL, BRIEFLY)];
    Ok((headers, checkpoint.as_str().to_owned()))
}

/// A tile of up to 256 hashes.
///
/// C2SP `tlog-tiles`: the level of the tile, then its number as `x001/x234/067`, with `.p/<width>`
/// for a partial one. 32 bytes per hash. It never changes and may be kept for ever.
#[utoipa::path(get, path = "/log/tile/{level}/{*tile}", tag = "ledger", security(()),
    params(("level" = String, Path, description = "level of the tile, 0 for hashes of entries"),
        ("tile" = String, Path, description = "number of the tile in groups of three digits")),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream")))]
async fn tile(
    State(app): State<App>,
    Path((level, path)): Path<(String, String)>,
) -> ApiResult<impl IntoResponse> {
    let tile = Tile::parse(&level, &path).ok_or_else(Problem::not_found)?;
    let mut tx = app.db.read().await?;
    let hashes = ledger::tile(&mut tx, tile).await?;
    Ok(([(CONTENT_TYPE, BYTES), (CACHE_CONTROL, FOR_EVER)], Bytes::from(hashes)))
}

/// A bundle of up to 256 entries.
///
/// C2SP `tlog-tiles`: each entry after its length as two bytes, big-endian.
#[utoipa::path(get, path = "/log/tile/entries/{*tile}", tag = "ledger",
    security(("key" = []), ("session" = [])),
    params(("tile" = String, Path, description = "number of the bundle in groups of three digits")),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream")))]
async fn bundle(
    Officer: Officer,
    State(app): State<App>,
    Path(path): Path<String>,
) -> ApiResult<impl IntoResponse> {
    let cut = Cut::parse(&path).ok_or_else(Problem::not_found)?;
    let mut tx = app.db.read().await?;
    let entries = ledger::bundle(&mut tx, cut).await?;
    Ok(([(CONTENT_TYPE, BYTES), (CACHE_CONTROL, FOR_ONE)], Bytes::from(entries)))
}
