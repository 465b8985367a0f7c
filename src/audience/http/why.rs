//! Why a row is where it is.

use axum::extract::State;
use serde::Deserialize;

use crate::app::App;
use crate::audience::why::{self, Why};
use crate::ids::ListId;
use crate::readings::{self, Subject};
use crate::web::callers::{Business, Known};
use crate::web::extract::{Path, Query};
use crate::web::json::Json;
use crate::web::problem::ApiResult;

/// What to compare with.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhyQuery {
    /// The rank of another row of the list.
    than: Option<u32>,
}

/// Why a row is on a list, and what would have kept it off.
///
/// With `than`, why it is where it is and not where that other row is. The reasons are the model's own and
/// add up to the score exactly; of neither person is anything told but what a reason added. Both rows have to
/// be permitted now. That they were read is recorded in the ledger as `officer.access`.
#[utoipa::path(get, path = "/v1/lists/{id}/recipients/{rank}/why", tag = "audience",
    security(("key" = []), ("session" = [])),
    params(("id" = String, Path), ("rank" = u32, Path), WhyQuery),
    responses((status = 200, body = Why)))]
pub(super) async fn why(
    Business { id: business }: Business,
    Known(caller): Known,
    State(app): State<App>,
    Path((list, rank)): Path<(ListId, u32)>,
    Query(query): Query<WhyQuery>,
) -> ApiResult<Json<Why>> {
    let mut tx = app.db.read().await?;
    let of = (business, list);
    let asked = (rank, query.than);
    let why = why::of_row(&mut tx, &app.keys, of, asked, None, app.now()).await?;
    drop(tx);
    let people = 1 + u64::from(query.than.is_some());
    readings::http::note(&app, &caller, Subject::Rows(list), people).await?;
    Ok(Json(why))
}
