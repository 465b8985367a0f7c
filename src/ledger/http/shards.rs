//! The shards of the log, for everyone.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::ledger;
use crate::web::extract::Query;
use crate::web::json::Json;
use crate::web::problem::ApiResult;

/// Shards on one page at most.
const SHARDS_MAX: usize = 100;

/// Operations of the API.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(shards))
}

/// Which shards.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ShardsQuery {
    /// Shards to leave out, the first ones; 0 if absent.
    #[serde(default)]
    from: usize,
    /// Number of shards, up to 100; 20 if absent.
    limit: Option<usize>,
}

/// Some shards.
#[derive(Serialize, utoipa::ToSchema)]
struct ShardsOut {
    /// The shards, the oldest first.
    data: Vec<ShardOut>,
    /// Whether there are more.
    has_more: bool,
    /// `from` of the next page.
    next_cursor: Option<usize>,
}

/// One shard.
#[derive(Serialize, utoipa::ToSchema)]
struct ShardOut {
    /// Its name, the first line of its checkpoints.
    origin: String,
    /// The last calendar year (UTC) it takes entries in.
    year: u16,
    /// Entries of the shards before it: the number of its first entry in the log.
    before: u64,
    /// Its own entries.
    size: u64,
    /// Whether it has ended; the next one begins with an entry that holds its last root.
    ended: bool,
    /// The log's key in its name, as a C2SP verifier key.
    vkey: String,
    /// Where its checkpoint and its tiles are (C2SP `tlog-tiles`).
    prefix: String,
    /// Its latest signed checkpoint; none while nothing is in the log.
    checkpoint: Option<String>,
}

/// The shards of the log.
///
/// A tree for every calendar year. Each has its own checkpoints, tiles and proofs, and begins with an
/// entry that commits to where the one before ended.
#[utoipa::path(get, path = "/v1/ledger/shards", tag = "ledger", security(()), params(ShardsQuery),
    responses((status = 200, body = ShardsOut)))]
async fn shards(
    State(app): State<App>,
    Query(query): Query<ShardsQuery>,
) -> ApiResult<Json<ShardsOut>> {
    let limit = query.limit.unwrap_or(20).clamp(1, SHARDS_MAX);
    let log = app.keys.log_verifier();
    let mut tx = app.db.read().await?;
    let size = ledger::size(&mut tx).await?;
    let all = ledger::shards(&mut tx).await?;
    let mut data = Vec::new();
    for shard in all.iter().skip(query.from).take(limit) {
        let upto = shard.end.unwrap_or(size);
        let checkpoint = ledger::checkpoint_at(&mut tx, upto).await?;
        let later = shard.before > 0;
        data.push(ShardOut {
            origin: shard.origin(log.origin()),
            year: shard.year,
            before: shard.before,
            size: upto - shard.before,
            ended: shard.end.is_some(),
            vkey: if later { log.shard_vkey(shard.year) } else { log.vkey() },
            prefix: super::tiles::prefix(shard.year),
            checkpoint: checkpoint.map(|note| note.as_str().to_owned()),
        });
    }
    let next = query.from.saturating_add(limit);
    let has_more = next < all.len();
    Ok(Json(ShardsOut { data, has_more, next_cursor: has_more.then_some(next) }))
}
