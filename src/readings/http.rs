//! Asking for and approving the opening of a record, over HTTP.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volens_privacy::SubjectId;

use super::openings::{self, Asking, Opening, OpeningError, Rules};
use super::{Reader, Subject};
use crate::app::App;
use crate::ids::OpeningId;
use crate::web::callers::{Identified, Known, Officer};
use crate::web::extract::Path;
use crate::web::idempotency::Repeat;
use crate::web::json::Json;
use crate::web::problem::{ApiResult, Problem};

/// Operations of the API.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(ask)).routes(routes!(list)).routes(routes!(decide))
}

impl From<OpeningError> for Problem {
    fn from(error: OpeningError) -> Self {
        let (code, said) = (error.code(), error.to_string());
        match error {
            OpeningError::NoAccount | OpeningError::NoOpening => Self::not_found(),
            OpeningError::Reason => Self::refused(code, said).field("/reason", code, "1 to 500"),
            OpeningError::Closed | OpeningError::SameOfficer => {
                Self::new(StatusCode::FORBIDDEN, code, said)
            }
            OpeningError::NoSecondOfficer | OpeningError::Over | OpeningError::Key(_) => {
                Self::conflict(code, said)
            }
            OpeningError::Account(error) => error.into(),
            OpeningError::Access(error) => error.into(),
            OpeningError::Ledger(error) => error.into(),
            OpeningError::Db(error) => error.into(),
        }
    }
}

impl From<&Identified> for Reader {
    fn from(identified: &Identified) -> Self {
        Self { credential: identified.credential, role: identified.caller.role() }
    }
}

/// Records what is about to be shown. What cannot be recorded is not shown.
pub(crate) async fn note(
    app: &App,
    caller: &Identified,
    subject: Subject,
    people: u64,
) -> ApiResult<()> {
    let (mut rng, mut tx) = (app.rng(), app.db.begin().await?);
    let what = (subject, people);
    super::note(&mut tx, &app.keys, &mut rng, Reader::from(caller), what, app.now()).await?;
    tx.commit().await?;
    Ok(())
}

/// Why a record is to be opened.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct OpeningIn {
    /// One or two sentences; kept under the account's key and gone with it.
    reason: String,
}

/// Ask to open the record of one account.
///
/// A second officer has to approve before the record can be read. The request is recorded in the
/// ledger as `access.asked`. While it waits or opens the record, asking again answers it (200).
#[utoipa::path(post, path = "/v1/audit/accounts/{subject}/openings", tag = "audit",
    security(("key" = []), ("session" = [])), params(("subject" = String, Path)),
    request_body = OpeningIn,
    responses((status = 201, body = Opening), (status = 200, body = Opening)))]
async fn ask(
    Officer: Officer,
    Known(caller): Known,
    State(app): State<App>,
    Path(subject): Path<SubjectId>,
    repeat: Repeat,
    Json(body): Json<OpeningIn>,
) -> ApiResult<Response> {
    let rules = Rules::from(&app.settings.audit);
    let asking = Asking { subject, by: caller.credential, reason: &body.reason };
    let (mut rng, mut tx) = (app.rng(), app.db.begin().await?);
    let asked = openings::ask(&mut tx, &app.keys, &mut rng, rules, asking, app.now()).await?;
    let status = if asked.new { StatusCode::CREATED } else { StatusCode::OK };
    let answer = repeat.answer(&app, &mut tx, status, &asked.opening).await?;
    tx.commit().await?;
    Ok(answer)
}

/// Requests to open a record.
#[derive(Serialize, utoipa::ToSchema)]
struct Openings {
    /// Those that wait or open something now, the newest first.
    data: Vec<Opening>,
}

/// The requests that wait for a second officer, or open something now.
#[utoipa::path(get, path = "/v1/audit/openings", tag = "audit",
    security(("key" = []), ("session" = [])), responses((status = 200, body = Openings)))]
async fn list(Officer: Officer, State(app): State<App>) -> ApiResult<Json<Openings>> {
    let mut tx = app.db.read().await?;
    Ok(Json(Openings { data: openings::list(&mut tx, &app.keys, app.now()).await? }))
}

/// What a second officer says.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct DecisionIn {
    /// Whether the record may be opened.
    approve: bool,
}

/// Approve or decline a request of another officer.
///
/// Only somebody who is signed in can decide, not a program with a key. Recorded in the ledger as
/// `access.decided`.
#[utoipa::path(post, path = "/v1/audit/openings/{id}/decision", tag = "audit",
    security(("session" = [])), params(("id" = String, Path)),
    request_body = DecisionIn, responses((status = 200, body = Opening)))]
async fn decide(
    Officer: Officer,
    Known(caller): Known,
    State(app): State<App>,
    Path(id): Path<OpeningId>,
    Json(body): Json<DecisionIn>,
) -> ApiResult<Json<Opening>> {
    let session = caller.session().ok_or_else(|| {
        let said = "somebody has to be signed in to decide; a key cannot";
        Problem::new(StatusCode::FORBIDDEN, "opening.person_needed", said)
    })?;
    let rules = Rules::from(&app.settings.audit);
    let mut tx = app.db.begin().await?;
    let decision = (id, session.user, body.approve);
    let decided = openings::decide(&mut tx, &app.keys, rules, decision, app.now()).await?;
    tx.commit().await?;
    Ok(Json(decided))
}
