//! The years of the log as sets of files that never change: C2SP `tlog-tiles`, each under
//! `/v1/ledger/<year>`.
//!
//! Checkpoint and hashes are for everyone: they say nothing but how many entries there are. The
//! entries say what was decided in which minute, and are for officers.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LINK};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::IntoResponse;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volens_privacy::ledger::{Cut, Tile};

use super::BRIEFLY;
use crate::app::App;
use crate::db::Tx;
use crate::ledger;
use crate::web::callers::Officer;
use crate::web::extract::Path;
use crate::web::problem::{ApiResult, Problem};

const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
/// A tile of some name is the same for ever.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// The same, for its reader alone.
const FOR_ONE: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");

const NOT_KEPT: HeaderValue = HeaderValue::from_static("private, no-store");

/// Where the checkpoint and the tiles of a year are.
pub(super) fn prefix(year: u16) -> String {
    format!("/v1/ledger/{year:04}")
}

/// Operations of the API.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(checkpoint_of))
        .routes(routes!(bundle))
        .routes(routes!(tile))
        .routes(routes!(newest_bundle))
        .routes(routes!(newest_tile))
}

/// Reads the year in a path: four digits.
fn year(text: &str) -> Result<u16, Problem> {
    let digits = text.len() == 4 && text.bytes().all(|digit| digit.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or_else(Problem::not_found)
}

/// The latest checkpoint of a year.
///
/// C2SP `tlog-tiles`: a signed note, with the cosignatures of witnesses where some are asked. When the
/// year has ended it is the last one, and a `Link` header with `rel="next"` says where the log goes on;
/// `rel="prev"` is the year before.
#[utoipa::path(get, path = "/v1/ledger/{year}/checkpoint", tag = "ledger", security(()),
    params(("year" = String, Path, description = "year of the shard, four digits")),
    responses((status = 200, body = String, content_type = "text/plain",
        headers(("link" = String, description = "the years after and before this one, if there are")))))]
async fn checkpoint_of(
    State(app): State<App>,
    Path(shard): Path<String>,
) -> ApiResult<impl IntoResponse> {
    let mut tx = app.db.read().await?;
    let found = ledger::shard_checkpoint(&mut tx, year(&shard)?).await?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, super::TEXT);
    headers.insert(CACHE_CONTROL, BRIEFLY);
    for (year, relation) in [(found.next, "next"), (found.previous, "prev")] {
        let Some(year) = year else { continue };
        let link = format!("<{}/checkpoint>; rel=\"{relation}\"", prefix(year));
        headers.append(LINK, HeaderValue::try_from(link).map_err(|e| Problem::internal(&e))?);
    }
    Ok((headers, found.note.as_str().to_owned()))
}

/// A tile of up to 256 hashes of a year.
///
/// C2SP `tlog-tiles`: the level of the tile, then its number as `x001/x234/067`, with `.p/<width>`
/// for a partial one. 32 bytes per hash. It never changes and may be kept for ever.
#[utoipa::path(get, path = "/v1/ledger/{year}/tile/{level}/{*tile}", tag = "ledger", security(()),
    params(("year" = String, Path, description = "year of the shard, four digits"),
        ("level" = String, Path, description = "level of the tile, 0 for hashes of entries"),
        ("tile" = String, Path, description = "number of the tile in groups of three digits")),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream")))]
async fn tile(
    State(app): State<App>,
    Path((shard, level, path)): Path<(String, String, String)>,
) -> ApiResult<impl IntoResponse> {
    let hashes = hashes(&mut app.db.read().await?, year(&shard)?, (&level, &path)).await?;
    Ok(([(CONTENT_TYPE, BYTES), (CACHE_CONTROL, FOR_EVER)], hashes))
}

/// A tile of the year that the log is in.
///
/// With `/v1/ledger/checkpoint` what C2SP `tlog-tiles` calls one log, until the year ends; then the same
/// name is another tile. Under the year's own place it never is.
#[utoipa::path(get, path = "/v1/ledger/tile/{level}/{*tile}", tag = "ledger", security(()),
    params(("level" = String, Path, description = "level of the tile, 0 for hashes of entries"),
        ("tile" = String, Path, description = "number of the tile in groups of three digits")),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream")))]
async fn newest_tile(
    State(app): State<App>,
    Path((level, path)): Path<(String, String)>,
) -> ApiResult<impl IntoResponse> {
    let mut tx = app.db.read().await?;
    let year = newest(&mut tx).await?;
    let hashes = hashes(&mut tx, year, (&level, &path)).await?;
    Ok(([(CONTENT_TYPE, BYTES), (CACHE_CONTROL, BRIEFLY)], hashes))
}

async fn hashes(tx: &mut Tx, year: u16, (level, path): (&str, &str)) -> ApiResult<Bytes> {
    let tile = Tile::parse(level, path).ok_or_else(Problem::not_found)?;
    Ok(Bytes::from(ledger::tile(tx, year, tile).await?))
}

async fn newest(tx: &mut Tx) -> ApiResult<u16> {
    let size = ledger::size(tx).await?;
    Ok(ledger::shard_of(tx, size).await?.year)
}

/// A bundle of up to 256 entries of a year.
///
/// C2SP `tlog-tiles`: each entry after its length as two bytes, big-endian.
#[utoipa::path(get, path = "/v1/ledger/{year}/tile/entries/{*tile}", tag = "ledger",
    security(("key" = []), ("session" = [])),
    params(("year" = String, Path, description = "year of the shard, four digits"),
        ("tile" = String, Path, description = "number of the bundle in groups of three digits")),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream")))]
async fn bundle(
    Officer: Officer,
    State(app): State<App>,
    Path((shard, path)): Path<(String, String)>,
) -> ApiResult<impl IntoResponse> {
    let entries = entries(&mut app.db.read().await?, year(&shard)?, &path).await?;
    Ok(([(CONTENT_TYPE, BYTES), (CACHE_CONTROL, FOR_ONE)], entries))
}

/// A bundle of the year that the log is in.
///
/// C2SP `tlog-tiles`, as under the year's own place.
#[utoipa::path(get, path = "/v1/ledger/tile/entries/{*tile}", tag = "ledger",
    security(("key" = []), ("session" = [])),
    params(("tile" = String, Path, description = "number of the bundle in groups of three digits")),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream")))]
async fn newest_bundle(
    Officer: Officer,
    State(app): State<App>,
    Path(path): Path<String>,
) -> ApiResult<impl IntoResponse> {
    let mut tx = app.db.read().await?;
    let year = newest(&mut tx).await?;
    let entries = entries(&mut tx, year, &path).await?;
    Ok(([(CONTENT_TYPE, BYTES), (CACHE_CONTROL, NOT_KEPT)], entries))
}

async fn entries(tx: &mut Tx, year: u16, path: &str) -> ApiResult<Bytes> {
    let cut = Cut::parse(path).ok_or_else(Problem::not_found)?;
    Ok(Bytes::from(ledger::bundle(tx, year, cut).await?))
}
