//! The records of processing: register, impact assessments, breaches and their clocks.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use volens_privacy::{PurposeKind, Timestamp};

use super::super::guard::AsOfficer;
use super::super::shell::{Page, Shell};
use super::super::text;
use crate::app::App;
use crate::assessments::{self, Assessment};
use crate::audit::records::{self, Incident, NewIncident, Register};
use crate::ids::{IncidentId, unhex};
use crate::web::callers::Session;
use crate::web::extract::{Form, Path};
use crate::web::problem::ApiResult;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/officer/records", get(show))
        .route("/officer/records/assessments", post(attach))
        .route("/officer/records/incidents", post(note))
        .route("/officer/records/incidents/{id}/told", post(tell))
}

#[derive(Template)]
#[template(path = "officer/records.html")]
struct RecordsPage {
    shell: Shell,
    register: Register,
    assessments: Vec<Assessment>,
    missing: Vec<PurposeKind>,
    incidents: Vec<Incident>,
    now: Timestamp,
    problem: Option<&'static str>,
}

impl RecordsPage {
    fn late(&self, incident: &Incident) -> bool {
        incident.is_late(self.now)
    }

    fn hours_left(&self, incident: &Incident) -> Option<u64> {
        incident.hours_left(self.now)
    }
}

async fn page(app: &App, session: &Session, problem: Option<&'static str>) -> ApiResult<Response> {
    let (mut tx, now) = (app.db.read().await?, app.now());
    let page = RecordsPage {
        shell: Shell::of(session, "/officer/records"),
        register: records::register(&mut tx, &app.settings.audit, now).await?,
        assessments: assessments::all(&mut tx).await?,
        missing: assessments::missing(&mut tx).await?.into_iter().collect(),
        incidents: records::incidents(&mut tx).await?,
        now,
        problem,
    };
    Ok(Page(page).into_response())
}

async fn show(AsOfficer(session): AsOfficer, State(app): State<App>) -> ApiResult<Response> {
    page(&app, &session, None).await
}

fn back() -> Response {
    Redirect::to("/officer/records").into_response()
}

#[derive(Deserialize)]
struct AttachForm {
    purpose: PurposeKind,
    id: String,
    sha256: String,
}

async fn attach(
    AsOfficer(session): AsOfficer,
    State(app): State<App>,
    Form(form): Form<AttachForm>,
) -> ApiResult<Response> {
    let Some(sha256) = unhex::<32>(form.sha256.trim()) else {
        let said = "A SHA-256 has 64 hexadecimal digits.";
        return page(&app, &session, Some(said)).await;
    };
    let mut tx = app.db.begin().await?;
    let document = (form.id.trim(), sha256);
    assessments::attach(&mut tx, &app.keys, form.purpose, document, app.now()).await?;
    tx.commit().await?;
    Ok(back())
}

#[derive(Deserialize)]
struct NoteForm {
    from: String,
    to: String,
    noticed: String,
    #[serde(default)]
    keys: Option<String>,
}

async fn note(
    AsOfficer(session): AsOfficer,
    State(app): State<App>,
    Form(form): Form<NoteForm>,
) -> ApiResult<Response> {
    let now = app.now();
    // What a browser's field for date and time sends has neither seconds nor a zone: UTC is asked.
    let time = |text: &str| Timestamp::parse(&format!("{}:00Z", text.trim())).ok();
    let (from, to, noticed) = (time(&form.from), time(&form.to), time(&form.noticed));
    let (Some(from), Some(to), Some(noticed_at)) = (from, to, noticed) else {
        return page(&app, &session, Some("Three times are needed, in UTC.")).await;
    };
    if from > to || noticed_at > now {
        let said = "A period begins before it ends, and what was noticed lies in the past.";
        return page(&app, &session, Some(said)).await;
    }
    let new = NewIncident { period: (from, to), keys: form.keys.is_some(), noticed_at };
    let (mut rng, mut tx) = (app.rng(), app.db.begin().await?);
    records::note(&mut tx, &app.keys, &mut rng, new, now).await?;
    tx.commit().await?;
    Ok(back())
}

async fn tell(
    AsOfficer(_): AsOfficer,
    State(app): State<App>,
    Path(id): Path<IncidentId>,
) -> ApiResult<Response> {
    let mut tx = app.db.begin().await?;
    records::tell(&mut tx, &app.keys, id, app.now()).await?;
    tx.commit().await?;
    Ok(back())
}
