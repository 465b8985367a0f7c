//! The register and incidents over HTTP.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volens_privacy::{SubjectId, Timestamp};

use super::{Incident, NewIncident, Register};
use crate::app::App;
use crate::ids::IncidentId;
use crate::web::callers::Officer;
use crate::web::extract::{Path, Query};
use crate::web::idempotency::Repeat;
use crate::web::json::Json;
use crate::web::paging::{Page, PageQuery};
use crate::web::problem::{ApiResult, Problem};

/// Operations of the API.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(show_register))
        .routes(routes!(list_incidents, note_incident))
        .routes(routes!(tell_incident))
        .routes(routes!(list_affected))
}

/// The register of processing activities (GDPR Art. 30).
#[utoipa::path(get, path = "/v1/records-of-processing", tag = "audit",
    security(("key" = []), ("session" = [])), responses((status = 200, body = Register)))]
async fn show_register(Officer: Officer, State(app): State<App>) -> ApiResult<Json<Register>> {
    let mut tx = app.db.read().await?;
    Ok(Json(super::register(&mut tx, &app.settings.audit, app.now()).await?))
}

/// Incidents, the newest first.
#[derive(Serialize, utoipa::ToSchema)]
struct Incidents {
    /// All of them.
    data: Vec<Incident>,
}

/// The breaches that were noted, with their clocks (GDPR Art. 33).
#[utoipa::path(get, path = "/v1/audit/incidents", tag = "audit",
    security(("key" = []), ("session" = [])), responses((status = 200, body = Incidents)))]
async fn list_incidents(Officer: Officer, State(app): State<App>) -> ApiResult<Json<Incidents>> {
    let mut tx = app.db.read().await?;
    Ok(Json(Incidents { data: super::incidents(&mut tx).await? }))
}

/// A breach that became known.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct IncidentIn {
    /// The first moment at which somebody may have taken data.
    #[schema(value_type = String, format = "date-time")]
    from: Timestamp,
    /// The last.
    #[schema(value_type = String, format = "date-time")]
    to: Timestamp,
    /// Whether the key ring was in reach too.
    keys: bool,
    /// When somebody became aware of it; now when absent.
    #[schema(value_type = Option<String>, format = "date-time")]
    noticed_at: Option<Timestamp>,
}

impl IncidentIn {
    fn noted(self, now: Timestamp) -> NewIncident {
        let noticed_at = self.noticed_at.unwrap_or(now);
        NewIncident { period: (self.from, self.to), keys: self.keys, noticed_at }
    }
}

/// Note a breach: what was in reach is measured, and a clock of 72 hours starts.
///
/// The period begins in 2000 at the earliest, ends by now, and was noticed since it began; anything else
/// is `incident.period`, for what is noted cannot be taken back.
#[utoipa::path(post, path = "/v1/audit/incidents", tag = "audit",
    security(("key" = []), ("session" = [])), request_body = IncidentIn,
    responses((status = 201, body = Incident)))]
async fn note_incident(
    Officer: Officer,
    State(app): State<App>,
    repeat: Repeat,
    Json(body): Json<IncidentIn>,
) -> ApiResult<Response> {
    let now = app.now();
    let (mut rng, mut tx) = (app.rng(), app.db.begin().await?);
    let noted = super::note(&mut tx, &app.keys, &mut rng, body.noted(now), now).await?;
    let answer = repeat.answer(&app, &mut tx, StatusCode::CREATED, &noted).await?;
    tx.commit().await?;
    Ok(answer)
}

/// Note that the authority was told.
#[utoipa::path(post, path = "/v1/audit/incidents/{id}/told", tag = "audit",
    security(("key" = []), ("session" = [])), params(("id" = String, Path)),
    responses((status = 200, body = Incident)))]
async fn tell_incident(
    Officer: Officer,
    State(app): State<App>,
    Path(id): Path<IncidentId>,
) -> ApiResult<Json<Incident>> {
    let mut tx = app.db.begin().await?;
    let told = super::tell(&mut tx, &app.keys, id, app.now()).await?;
    let told = told.ok_or_else(Problem::not_found)?;
    tx.commit().await?;
    Ok(Json(told))
}

/// The random ids of the accounts that an incident affects, to find whom to tell (GDPR Art. 34).
#[utoipa::path(get, path = "/v1/audit/incidents/{id}/accounts", tag = "audit",
    security(("key" = []), ("session" = [])), params(("id" = String, Path), PageQuery),
    responses((status = 200, body = Page<String>)))]
async fn list_affected(
    Officer: Officer,
    State(app): State<App>,
    Path(id): Path<IncidentId>,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<Page<SubjectId>>> {
    let asked = query.asked(&app.settings.web)?;
    let bad = || Problem::bad_request("page.cursor", "this is not a cursor of this list");
    let after = match asked.after.as_slice() {
        [] => None,
        bytes => Some(SubjectId::from_bytes(bytes.try_into().map_err(|_| bad())?)),
    };
    let mut tx = app.db.read().await?;
    let all = super::incidents(&mut tx).await?;
    let incident = all.into_iter().find(|incident| incident.id == id);
    let to = incident.ok_or_else(Problem::not_found)?.to;
    let page = super::affected(&mut tx, to, after, asked.limit + 1).await?;
    Ok(Json(asked.page(page, |subject| *subject.as_bytes(), |subject| subject)))
}
