//! Requests to open a person's record: asking, approving, declining, and the way in once approved.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use volens_privacy::SubjectId;

use super::super::guard::AsOfficer;
use super::super::shell::{Page, Shell};
use super::super::text;
use crate::access::{Credential, directory};
use crate::app::App;
use crate::ids::{OpeningId, UserId};
use crate::readings::openings::{self, Asking, Opening, OpeningError, OpeningState, Rules};
use crate::web::callers::Session;
use crate::web::extract::{Form, Path};
use crate::web::problem::ApiResult;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/officer/openings", get(list).post(ask))
        .route("/officer/openings/{id}", post(decide))
}

/// A request as this officer sees it.
struct Line {
    opening: Opening,
    /// Whether this officer asked.
    own: bool,
    /// The address of the officer who did; none when it was done with a key.
    asker: Option<String>,
}

#[derive(Template)]
#[template(path = "officer/openings.html")]
struct OpeningsPage {
    shell: Shell,
    lines: Vec<Line>,
    problem: Option<String>,
    /// The request of this officer for the same record, which asking again led to.
    known: Option<OpeningId>,
}

async fn page(
    app: &App,
    session: &Session,
    problem: Option<String>,
    known: Option<OpeningId>,
) -> ApiResult<Response> {
    let mut tx = app.db.read().await?;
    let all = openings::list(&mut tx, &app.keys, app.now()).await?;
    let mut askers = BTreeMap::new();
    for by in all.iter().map(|opening| opening.asked_by) {
        if let Entry::Vacant(unknown) = askers.entry(by) {
            let user = directory::user(&mut tx, UserId::from_bytes(by)).await?;
            unknown.insert(user.map(|user| user.email));
        }
    }
    let line = |opening: Opening| Line {
        own: opening.asked_by == *session.user.as_bytes(),
        asker: askers.get(&opening.asked_by).cloned().flatten(),
        opening,
    };
    let lines = all.into_iter().map(line).collect();
    let shell = Shell::of(session, "/officer/openings");
    Ok(Page(OpeningsPage { shell, lines, problem, known }).into_response())
}

async fn list(AsOfficer(session): AsOfficer, State(app): State<App>) -> ApiResult<Response> {
    page(&app, &session, None, None).await
}

#[derive(Deserialize)]
struct AskForm {
    subject: SubjectId,
    reason: String,
}

async fn ask(
    AsOfficer(session): AsOfficer,
    State(app): State<App>,
    Form(form): Form<AskForm>,
) -> ApiResult<Response> {
    let by = Credential::User(session.user);
    let asking = Asking { subject: form.subject, by, reason: &form.reason };
    let rules = Rules::from(&app.settings.audit);
    let (mut rng, mut tx) = (app.rng(), app.db.begin().await?);
    match openings::ask(&mut tx, &app.keys, &mut rng, rules, asking, app.now()).await {
        Ok(asked) if asked.new => tx.commit().await?,
        Ok(asked) => {
            drop(tx);
            return page(&app, &session, None, Some(asked.opening.id)).await;
        }
        Err(error @ (OpeningError::Reason | OpeningError::NoSecondOfficer)) => {
            drop(tx);
            return page(&app, &session, Some(error.to_string()), None).await;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Redirect::to("/officer/openings").into_response())
}

#[derive(Deserialize)]
struct DecideForm {
    decision: Decision,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Decision {
    Approve,
    Decline,
}

async fn decide(
    AsOfficer(session): AsOfficer,
    State(app): State<App>,
    Path(id): Path<OpeningId>,
    Form(form): Form<DecideForm>,
) -> ApiResult<Response> {
    let rules = Rules::from(&app.settings.audit);
    let decision = (id, session.user, form.decision == Decision::Approve);
    let mut tx = app.db.begin().await?;
    match openings::decide(&mut tx, &app.keys, rules, decision, app.now()).await {
        Ok(_) => tx.commit().await?,
        Err(error @ (OpeningError::Over | OpeningError::SameOfficer)) => {
            drop(tx);
            return page(&app, &session, Some(error.to_string()), None).await;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Redirect::to("/officer/openings").into_response())
}
