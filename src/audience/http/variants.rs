//! How the variants of a campaign do, over HTTP.

use axum::extract::State;

use crate::app::App;
use crate::audience::campaigns;
use crate::audience::request::Rules;
use crate::audience::variants::report::{self, Report};
use crate::ids::CampaignId;
use crate::web::callers::Business;
use crate::web::extract::Path;
use crate::web::json::Json;
use crate::web::problem::ApiResult;

/// How the variants of a campaign do.
///
/// From the outcomes of lists of which any was reported. Counts of few people are withheld, others rounded. The
/// better a variant is known to do, the more rows of the next list are given it; none is given up.
#[utoipa::path(get, path = "/v1/campaigns/{id}/variants", tag = "audience",
    security(("key" = []), ("session" = [])), params(("id" = String, Path)),
    responses((status = 200, body = Report)))]
pub(super) async fn show_variants(
    Business { id: business }: Business,
    State(app): State<App>,
    Path(id): Path<CampaignId>,
) -> ApiResult<Json<Report>> {
    let rules = Rules::from(&app.settings.lists);
    let mut tx = app.db.read().await?;
    let campaign = campaigns::find(&mut tx, business, id).await?;
    Ok(Json(report::report(&mut tx, &campaign, rules.k).await?))
}
