//! From whom a model learned: its manifest as a file, and one person looked up in it. A record is opened
//! as on the page of a person: after a second officer approved, and with an entry in the ledger.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_DISPOSITION;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use volens_privacy::identity::SubjectId;
use volens_privacy::manifest::LessonProof;

use super::super::guard::AsOfficer;
use super::super::shell::{Page, Shell};
use super::super::text;
use super::lessons;
use super::person::account;
use crate::app::App;
use crate::audit::AuditError;
use crate::audit::lessons::{LessonFound, lesson};
use crate::ids::ModelId;
use crate::readings::Reader;
use crate::readings::openings::OpeningError;
use crate::relevance::manifest::{self, InModel, Taught};
use crate::relevance::{self, RelevanceError};
use crate::web::callers::Known;
use crate::web::extract::{Form, Path};
use crate::web::json::Json;
use crate::web::problem::ApiResult;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/officer/models/{model}/manifest", get(download))
        .route("/officer/models/{model}/person", post(look))
}

/// What a model's manifest says of a person, as a badge: words and tone.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "templates pass references")]
pub(super) fn badge(taught: &Taught) -> (&'static str, &'static str) {
    match taught {
        Taught::Learned => ("learned from this person", "accent"),
        Taught::Left => ("learned from this person, who left since", "warn"),
        Taught::Absent => ("did not learn from this person", "good"),
        Taught::Unknown => ("no manifest is kept", "warn"),
        Taught::Disputed => ("not what the ledger commits to", "bad"),
    }
}

#[derive(Template)]
#[template(path = "officer/lesson.html")]
struct LessonPage {
    shell: Shell,
    model: ModelId,
    missing: bool,
    /// An account whose record this officer may not open yet.
    closed: Option<SubjectId>,
    problem: Option<String>,
    found: Option<Found>,
}

struct Found {
    subject: SubjectId,
    access: u64,
    about: InModel,
    proof: Option<Proved>,
}

/// A proof that was checked against the log's key before it is shown.
struct Proved {
    proof: LessonProof,
    root: String,
    people: u64,
    checkpoint_entries: u64,
    file: String,
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    app: String,
    #[serde(default)]
    reference: String,
    #[serde(default)]
    subject: String,
}

async fn look(
    AsOfficer(session): AsOfficer,
    Known(caller): Known,
    State(app): State<App>,
    Path(model): Path<ModelId>,
    Form(asked): Form<Asked>,
) -> ApiResult<Response> {
    let shell = Shell::of(&session, "/officer/models");
    let empty =
        LessonPage { shell, model, missing: false, closed: None, problem: None, found: None };
    let mut tx = app.db.begin().await?;
    let of = (asked.app.as_str(), asked.reference.as_str(), asked.subject.as_str());
    let Some(account) = account(&app, &mut tx, of).await? else {
        let page = LessonPage { missing: true, ..empty };
        return Ok((StatusCode::NOT_FOUND, Page(page)).into_response());
    };
    let (mut rng, subject) = (app.rng(), account.subject);
    let (who, what) = ((Reader::from(&caller), subject), (model, app.now()));
    let page = match lesson(&mut tx, &app.keys, &mut rng, who, what).await {
        Ok(found) => {
            tx.commit().await?;
            shown(&app, found, empty)
        }
        Err(AuditError::Opening(OpeningError::Closed)) => {
            LessonPage { closed: Some(subject), ..empty }
        }
        Err(
            error @ (AuditError::Unverifiable
            | AuditError::Relevance(RelevanceError::ManifestDiffers)),
        ) => LessonPage { problem: Some(error.to_string()), ..empty },
        Err(error) => return Err(error.into()),
    };
    Ok(Page(page).into_response())
}

fn shown(app: &App, found: LessonFound, empty: LessonPage) -> LessonPage {
    let LessonFound { subject, found: about, proof, access_entry: access } = found;
    let file = proof.as_ref().map(serde_json::to_string_pretty).and_then(Result::ok);
    let checked = proof.as_ref().map(|proof| proof.verify(&app.keys.log_verifier())).transpose();
    let (report, problem) = match checked {
        Ok(report) => (report, None),
        Err(error) => (None, Some(error.to_string())),
    };
    let proof = proof.zip(report).zip(file).map(|((proof, report), file)| Proved {
        proof,
        root: report.trained.root.to_string(),
        people: report.trained.people,
        checkpoint_entries: report.checkpoint_entries,
        file,
    });
    LessonPage { problem, found: Some(Found { subject, access, about, proof }), ..empty }
}

/// The manifest as a file. It names nobody.
async fn download(
    AsOfficer(_): AsOfficer,
    State(app): State<App>,
    Path(model): Path<ModelId>,
) -> ApiResult<Response> {
    let mut tx = app.db.read().await?;
    let version = relevance::find(&mut tx, model).await.map_err(AuditError::from)?;
    let file = manifest::file(&mut tx, &version).await.map_err(AuditError::from)?;
    let name = format!("attachment; filename=\"manifest-{model}.json\"");
    Ok(([(CONTENT_DISPOSITION, name)], Json(file)).into_response())
}
