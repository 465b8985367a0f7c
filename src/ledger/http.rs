//! The log over HTTP: the head, its key and the hashes for everyone, entries and proofs for officers.

mod shards;
mod tiles;

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_LOCATION, CONTENT_TYPE};
use axum::response::IntoResponse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volens_privacy::ledger::{Hash, leaf_hash};

use super::LedgerError;
use crate::app::App;
use crate::db::Tx;
use crate::ids::hex;
use crate::web::callers::Officer;
use crate::web::extract::Query;
use crate::web::json::Json;
use crate::web::problem::{ApiResult, Problem};

/// Entries on one page at most.
const ENTRIES_MAX: u64 = 500;
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// For what grows.
const BRIEFLY: HeaderValue = HeaderValue::from_static("public, max-age=1");

/// Operations of the API.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(checkpoint))
        .routes(routes!(key))
        .routes(routes!(entries))
        .routes(routes!(inclusion))
        .routes(routes!(consistency))
        .merge(shards::routes())
        .merge(tiles::routes())
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::OutOfRange => Self::new(
                axum::http::StatusCode::NOT_FOUND,
                "ledger.out_of_range",
                "the ledger has no such entry or size",
            ),
            LedgerError::OtherShard => Self::new(
                axum::http::StatusCode::UNPROCESSABLE_ENTITY,
                "ledger.other_shard",
                "the ledger goes on in another tree in between; a proof is of one of them",
            ),
            LedgerError::Damaged => Self::internal(&error),
            LedgerError::Db(error) => error.into(),
        }
    }
}

/// The latest signed checkpoint, of the year that the log is in.
///
/// A C2SP signed note: origin, number of entries, root hash, how many entries came before the year, and
/// signatures. Keep it: every later checkpoint of that year must extend it. `Content-Location` is where
/// the year has it, and its tiles beside it.
#[utoipa::path(get, path = "/v1/ledger/checkpoint", tag = "ledger", security(()),
    responses((status = 200, body = String, content_type = "text/plain",
        headers(("content-location" = String, description = "the checkpoint of the year")))))]
async fn checkpoint(State(app): State<App>) -> ApiResult<impl IntoResponse> {
    let mut tx = app.db.read().await?;
    let checkpoint = super::checkpoint(&mut tx).await?.ok_or(LedgerError::OutOfRange)?;
    let size = checkpoint.unverified().entries();
    let place = tiles::prefix(super::shard_of(&mut tx, size).await?.year);
    let place = HeaderValue::try_from(format!("{place}/checkpoint"));
    let place = place.map_err(|error| Problem::internal(&error))?;
    let headers = [(CONTENT_TYPE, TEXT), (CACHE_CONTROL, BRIEFLY), (CONTENT_LOCATION, place)];
    Ok((headers, checkpoint.as_str().to_owned()))
}

/// In whose name.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct KeyQuery {
    /// The year of a later shard, also one to come: the key in its name, for a witness that is told
    /// every shard as a log. Absent: the key of the log, with which all shards are verified.
    #[param(maximum = 9999)]
    year: Option<u16>,
}

/// The key that checkpoints are verified with, as a C2SP verifier key.
#[utoipa::path(get, path = "/v1/ledger/key", tag = "ledger", security(()), params(KeyQuery),
    responses((status = 200, body = String, content_type = "text/plain")))]
async fn key(State(app): State<App>, Query(query): Query<KeyQuery>) -> impl IntoResponse {
    let log = app.keys.log_verifier();
    let key = query.year.map_or_else(|| log.vkey(), |year| log.shard_vkey(year));
    let text = format!("{key}\n");
    ([(CONTENT_TYPE, TEXT)], text)
}

/// Which entries.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EntriesQuery {
    /// First index; 0 if absent.
    #[serde(default)]
    from: u64,
    /// Number of entries, up to 500; 100 if absent.
    limit: Option<u64>,
}

/// A run of entries.
#[derive(Serialize, utoipa::ToSchema)]
struct EntriesOut {
    /// The entries, by index.
    data: Vec<EntryOut>,
    /// Whether the log goes on.
    has_more: bool,
    /// `from` of the next page.
    next_cursor: Option<u64>,
    /// Entries in the log.
    size: u64,
}

/// One entry.
#[derive(Serialize, utoipa::ToSchema)]
struct EntryOut {
    /// Its index.
    index: u64,
    /// The leaf: canonical JSON with a commitment, no personal data.
    #[schema(value_type = Object)]
    leaf: serde_json::Value,
    /// RFC 6962 leaf hash, lower-case hexadecimal.
    hash: String,
}

/// Entries of the log, in order.
#[utoipa::path(get, path = "/v1/ledger/entries", tag = "ledger",
    security(("key" = []), ("session" = [])), params(EntriesQuery),
    responses((status = 200, body = EntriesOut)))]
async fn entries(
    Officer: Officer,
    State(app): State<App>,
    Query(query): Query<EntriesQuery>,
) -> ApiResult<Json<EntriesOut>> {
    let limit = query.limit.unwrap_or(100).clamp(1, ENTRIES_MAX);
    let mut tx = app.db.read().await?;
    let size = super::size(&mut tx).await?;
    let to = query.from.saturating_add(limit).min(size);
    let found = super::entries(&mut tx, query.from.min(size), to).await?;
    let data = found.into_iter().map(|(index, leaf)| entry(index, &leaf)).collect();
    let has_more = to < size;
    Ok(Json(EntriesOut { data, has_more, next_cursor: has_more.then_some(to), size }))
}

fn entry(index: u64, leaf: &[u8]) -> EntryOut {
    EntryOut {
        index,
        leaf: serde_json::from_slice(leaf).unwrap_or_default(),
        hash: hex(leaf_hash(leaf).as_bytes()),
    }
}

/// Which entry in which tree.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct InclusionQuery {
    /// Index of the entry.
    entry: u64,
    /// Entries of the log that the tree ends with; absent: as many as there are, or as there were when
    /// the entry's shard ended.
    size: Option<u64>,
}

/// Which two trees.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ConsistencyQuery {
    /// Entries of the log that the older tree ends with.
    from: u64,
    /// Entries of the log that the newer tree, of the same shard, ends with; the whole log if absent.
    to: Option<u64>,
}

/// A proof.
#[derive(Serialize, utoipa::ToSchema)]
struct ProofOut {
    /// Entries of the log that the (newer) tree ends with.
    size: u64,
    /// Entries of the shards before: less by so many are the size of the tree itself, and an entry's
    /// index in it.
    before: u64,
    /// Hashes in the order of RFC 6962 / RFC 9162, base64.
    hashes: Vec<String>,
    /// The signed checkpoint of exactly that size, if one was signed there.
    checkpoint: Option<String>,
}

impl ProofOut {
    async fn new(tx: &mut Tx, size: u64, hashes: &[Hash]) -> Result<Self, LedgerError> {
        let hashes = hashes.iter().map(|hash| STANDARD.encode(hash.as_bytes())).collect();
        let before = super::shard_of(tx, size).await?.before;
        let checkpoint = super::checkpoint_at(tx, size).await?;
        let checkpoint = checkpoint.map(|note| note.as_str().to_owned());
        Ok(Self { size, before, hashes, checkpoint })
    }
}

/// Proof that an entry is in the log.
#[utoipa::path(get, path = "/v1/ledger/proofs/inclusion", tag = "ledger",
    security(("key" = []), ("session" = [])), params(InclusionQuery),
    responses((status = 200, body = ProofOut)))]
async fn inclusion(
    Officer: Officer,
    State(app): State<App>,
    Query(query): Query<InclusionQuery>,
) -> ApiResult<Json<ProofOut>> {
    let mut tx = app.db.read().await?;
    let size = match query.size {
        Some(size) => size,
        None => super::end_of(&mut tx, query.entry).await?,
    };
    let proofs = super::proofs(&mut tx, &[query.entry], size).await?;
    let hashes = proofs.first().map_or(&[][..], Vec::as_slice);
    Ok(Json(ProofOut::new(&mut tx, size, hashes).await?))
}

/// Proof that the log only grew.
///
/// Within a shard; that nothing was lost from one to the next is said by the entry that opens it.
#[utoipa::path(get, path = "/v1/ledger/proofs/consistency", tag = "ledger",
    security(("key" = []), ("session" = [])), params(ConsistencyQuery),
    responses((status = 200, body = ProofOut)))]
async fn consistency(
    Officer: Officer,
    State(app): State<App>,
    Query(query): Query<ConsistencyQuery>,
) -> ApiResult<Json<ProofOut>> {
    let mut tx = app.db.read().await?;
    let to = match query.to {
        Some(to) => to,
        None => super::size(&mut tx).await?,
    };
    let hashes = super::consistency(&mut tx, query.from, to).await?;
    Ok(Json(ProofOut::new(&mut tx, to, &hashes).await?))
}
