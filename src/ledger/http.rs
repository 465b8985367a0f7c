//! The log over HTTP: the head, its key and the hashes for everyone, entries and proofs for officers.

mod tiles;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volens_privacy::ledger::{Hash, leaf_hash};

use super::LedgerError;
use crate::app::App;
use crate::ids::hex;
use crate::web::callers::Officer;
use crate::web::extract::Query;
use crate::web::json::Json;
use crate::web::problem::{ApiResult, Problem};

/// Entries on one page at most.
const ENTRIES_MAX: u64 = 500;

/// Operations of the API.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(checkpoint))
        .routes(routes!(key))
        .routes(routes!(entries))
        .routes(routes!(inclusion))
        .routes(routes!(consistency))
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
            LedgerError::Damaged => Self::internal(&error),
            LedgerError::Db(error) => error.into(),
        }
    }
}

/// The latest signed checkpoint.
///
/// A C2SP signed note: origin, number of entries, root hash, signature. Keep it: every later
/// checkpoint must extend it.
#[utoipa::path(get, path = "/v1/ledger/checkpoint", tag = "ledger", security(()),
    responses((status = 200, body = String, content_type = "text/plain")))]
async fn checkpoint(State(app): State<App>) -> ApiResult<impl IntoResponse> {
    let mut tx = app.db.read().await?;
    let checkpoint = super::checkpoint(&mut tx).await?.ok_or(LedgerError::OutOfRange)?;
    let text = checkpoint.as_str().to_owned();
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], text))
}

/// The key that checkpoints are verified with, as a C2SP verifier key.
#[utoipa::path(get, path = "/v1/ledger/key", tag = "ledger", security(()),
    responses((status = 200, body = String, content_type = "text/plain")))]
async fn key(State(app): State<App>) -> impl IntoResponse {
    let text = format!("{}\n", app.keys.log_verifier().vkey());
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], text)
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
    /// Size of the tree; the whole log if absent.
    size: Option<u64>,
}

/// Which two trees.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ConsistencyQuery {
    /// Size of the older tree.
    from: u64,
    /// Size of the newer tree; the whole log if absent.
    to: Option<u64>,
}

/// A proof.
#[derive(Serialize, utoipa::ToSchema)]
struct ProofOut {
    /// Size of the (newer) tree.
    size: u64,
    /// Hashes in the order of RFC 6962 / RFC 9162, base64.
    hashes: Vec<String>,
    /// The signed checkpoint of exactly that size, if one was signed there.
    checkpoint: Option<String>,
}

impl ProofOut {
    fn new(
        size: u64,
        hashes: &[Hash],
        checkpoint: Option<volens_privacy::ledger::SignedCheckpoint>,
    ) -> Self {
        let hashes = hashes.iter().map(|hash| STANDARD.encode(hash.as_bytes())).collect();
        Self { size, hashes, checkpoint: checkpoint.map(|note| note.as_str().to_owned()) }
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
        None => super::size(&mut tx).await?,
    };
    let proofs = super::proofs(&mut tx, &[query.entry], size).await?;
    let checkpoint = super::checkpoint_at(&mut tx, size).await?;
    Ok(Json(ProofOut::new(size, proofs.first().map_or(&[], Vec::as_slice), checkpoint)))
}

/// Proof that the log only grew.
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
    let checkpoint = super::checkpoint_at(&mut tx, to).await?;
    Ok(Json(ProofOut::new(to, &hashes, checkpoint)))
}
