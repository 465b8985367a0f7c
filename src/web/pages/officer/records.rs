//! The records of processing: register, impact assessments, breaches and their clocks.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use volens_privacy::{PurposeKind, Timestamp};

use super::super::guard::AsOfficer;
use super::super::shell::{Page, Shell};
use super::super::text;
use crate::app::App;
use crate::assessments::{self, Assessment};
use crate::audit::AuditError;
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
    problem: Option<String>,
    /// Why a breach was not noted, and what was typed.
    unnoted: Option<String>,
    typed: NoteForm,
}

impl RecordsPage {
    fn late(&self, incident: &Incident) -> bool {
        incident.is_late(self.now)
    }

    fn hours_left(&self, incident: &Incident) -> Option<u64> {
        incident.hours_left(self.now)
    }
}

async fn page(app: &App, session: &Session) -> ApiResult<RecordsPage> {
    let (mut tx, now) = (app.db.read().await?, app.now());
    Ok(RecordsPage {
        shell: Shell::of(session, "/officer/records"),
        register: records::register(&mut tx, &app.settings.audit, now).await?,
        assessments: assessments::all(&mut tx).await?,
        missing: assessments::missing(&mut tx).await?.into_iter().collect(),
        incidents: records::incidents(&mut tx).await?,
        now,
        problem: None,
        unnoted: None,
        typed: NoteForm::default(),
    })
}

/// The page as it was typed, with nothing done.
fn refused(page: RecordsPage) -> Response {
    (StatusCode::UNPROCESSABLE_ENTITY, Page(page)).into_response()
}

async fn show(AsOfficer(session): AsOfficer, State(app): State<App>) -> ApiResult<Response> {
    Ok(Page(page(&app, &session).await?).into_response())
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
        let problem = Some("A SHA-256 has 64 hexadecimal digits.".to_owned());
        return Ok(refused(RecordsPage { problem, ..page(&app, &session).await? }));
    };
    let mut tx = app.db.begin().await?;
    let document = (form.id.trim(), sha256);
    assessments::attach(&mut tx, &app.keys, form.purpose, document, app.now()).await?;
    tx.commit().await?;
    Ok(back())
}

#[derive(Default, Deserialize)]
struct NoteForm {
    from: String,
    to: String,
    noticed: String,
    #[serde(default)]
    keys: Option<String>,
}

impl NoteForm {
    fn read(&self) -> Option<NewIncident> {
        // What a browser's field for date and time sends has neither seconds nor a zone: UTC is asked.
        let time = |text: &str| Timestamp::parse(&format!("{}:00Z", text.trim())).ok();
        let period = (time(&self.from)?, time(&self.to)?);
        Some(NewIncident { period, keys: self.keys.is_some(), noticed_at: time(&self.noticed)? })
    }
}

async fn note(
    AsOfficer(session): AsOfficer,
    State(app): State<App>,
    Form(form): Form<NoteForm>,
) -> ApiResult<Response> {
    let why = match form.read() {
        None => "Three times are needed, in UTC.".to_owned(),
        Some(new) => {
            let (mut rng, mut tx) = (app.rng(), app.db.begin().await?);
            match records::note(&mut tx, &app.keys, &mut rng, new, app.now()).await {
                Ok(_) => {
                    tx.commit().await?;
                    return Ok(back());
                }
                Err(AuditError::Period(fault)) => text::sentence(&fault.to_string()),
                Err(error) => return Err(error.into()),
            }
        }
    };
    let page = page(&app, &session).await?;
    Ok(refused(RecordsPage { unnoted: Some(why), typed: form, ..page }))
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
