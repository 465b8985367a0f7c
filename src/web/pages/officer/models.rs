//! Models, what their columns could stand for, and the officer's word on it.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::super::guard::AsOfficer;
use super::super::shell::{Page, Shell};
use super::super::text;
use crate::app::App;
use crate::ids::ModelId;
use crate::relevance::proxies::{self, Findings};
use crate::relevance::{self, RelevanceError, Version};
use crate::web::callers::Session;
use crate::web::extract::{Form, Path};
use crate::web::problem::{ApiResult, Problem};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/officer/models", get(show))
        .route("/officer/models/{model}/cleared", post(clear))
}

/// A model and what was found about it.
struct Shown {
    version: Version,
    found: Option<Findings>,
}

#[derive(Template)]
#[template(path = "officer/models.html")]
struct ModelsPage {
    shell: Shell,
    models: Vec<Shown>,
    problem: Option<String>,
}

async fn page(app: &App, session: &Session, problem: Option<String>) -> ApiResult<Response> {
    let all = relevance::all(&mut app.db.read().await?).await.map_err(failed)?;
    let shown = |version: Version| Shown { found: version.proxies(), version };
    let models = all.into_iter().map(shown).collect();
    let shell = Shell::of(session, "/officer/models");
    Ok(Page(ModelsPage { shell, models, problem }).into_response())
}

async fn show(AsOfficer(session): AsOfficer, State(app): State<App>) -> ApiResult<Response> {
    page(&app, &session, None).await
}

#[derive(Deserialize)]
struct ClearForm {
    reason: String,
}

async fn clear(
    AsOfficer(session): AsOfficer,
    State(app): State<App>,
    Path(model): Path<ModelId>,
    Form(form): Form<ClearForm>,
) -> ApiResult<Response> {
    let mut tx = app.db.begin().await?;
    match proxies::clear(&mut tx, &app.keys, model, &form.reason, app.now()).await {
        Ok(_) => {
            tx.commit().await?;
            Ok(Redirect::to("/officer/models").into_response())
        }
        Err(error @ (RelevanceError::NotHeld | RelevanceError::Reason)) => {
            tx.rollback().await;
            page(&app, &session, Some(error.to_string())).await
        }
        Err(error) => Err(failed(error)),
    }
}

fn failed(error: RelevanceError) -> Problem {
    match error {
        RelevanceError::NoVersion => Problem::not_found(),
        other => Problem::internal(&other),
    }
}
