//! Models, what their columns could stand for, and the officer's word on it.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use volens_models::ModelCard;
use volens_models::card::effects;
use volens_models::segments::Segment;

use super::super::guard::AsOfficer;
use super::super::shell::{Page, Shell};
use super::super::text;
use crate::app::App;
use crate::ids::ModelId;
use crate::relevance::proxies::{self, Findings};
use crate::relevance::{self, Challenge, RelevanceError, Version, Watch};
use crate::web::callers::Session;
use crate::web::extract::{Form, Path, Query};
use crate::web::problem::{ApiResult, Problem};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/officer/models", get(show))
        .route("/officer/models/{model}/cleared", post(clear))
        .route("/officer/models/{model}/use", post(put_in_use))
}

/// A model and what was found about it.
struct Shown {
    found: Option<Findings>,
    card: Option<ModelCard>,
    /// What was promised and what came, drawn; our own markup, with every name escaped.
    plot: Option<String>,
    challenge: Option<Challenge>,
    /// Root of its manifest and how many people it is over; nothing for a model of before.
    manifest: Option<(String, u64)>,
    /// What matters most in it, drawn, where that was asked; our own markup, with every name escaped.
    effects: Option<String>,
    /// What came of what it promised, where that was asked.
    watch: Option<Watch>,
    version: Version,
}

impl Shown {
    fn new(version: Version) -> Self {
        let card = version.model_card();
        let reliability = card.as_ref().and_then(|card| card.reliability.as_ref());
        let plot = reliability.map(|found| found.svg("What was promised, and what came"));
        let challenge = version.challenge();
        let training = &version.card["training"];
        let root = training["training_set"].as_str().filter(|_| training["manifest"].is_string());
        let manifest = root.map(str::to_owned).zip(training["people"].as_u64());
        let (effects, watch) = (None, None);
        Self { found: version.proxies(), card, plot, challenge, manifest, effects, watch, version }
    }

    /// Groups in which what was promised did not come, by more than noise.
    fn off(&self) -> Vec<&Segment> {
        let segments = self.card.iter().flat_map(|card| &card.segments);
        segments.filter(|segment| segment.is_off()).collect()
    }
}

#[derive(Template)]
#[template(path = "officer/models.html")]
struct ModelsPage {
    shell: Shell,
    models: Vec<Shown>,
    problem: Option<String>,
}

async fn page(
    app: &App,
    session: &Session,
    asked: Asked,
    problem: Option<String>,
) -> ApiResult<Response> {
    let mut tx = app.db.read().await?;
    let all = relevance::all(&mut tx).await.map_err(failed)?;
    let mut models: Vec<Shown> = all.into_iter().map(Shown::new).collect();
    for shown in &mut models {
        let id = Some(shown.version.id);
        if asked.watch == id {
            let watch = relevance::watch(&mut tx, &app.keys, &shown.version, app.now()).await;
            shown.watch = Some(watch.map_err(failed)?);
        }
        if asked.effects == id {
            let model = relevance::to_explain(&mut tx, shown.version.id).await.map_err(failed)?;
            shown.effects = Some(effects(&model.artifact));
        }
    }
    drop(tx);
    let shell = Shell::of(session, "/officer/models");
    Ok(Page(ModelsPage { shell, models, problem }).into_response())
}

/// Of which model more is asked.
#[derive(Default, Deserialize)]
struct Asked {
    watch: Option<ModelId>,
    effects: Option<ModelId>,
}

async fn show(
    AsOfficer(session): AsOfficer,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> ApiResult<Response> {
    page(&app, &session, asked, None).await
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
            page(&app, &session, Asked::default(), Some(error.to_string())).await
        }
        Err(error) => Err(failed(error)),
    }
}

/// Puts a version in use that was kept back, or that was before.
async fn put_in_use(
    AsOfficer(session): AsOfficer,
    State(app): State<App>,
    Path(model): Path<ModelId>,
) -> ApiResult<Response> {
    let mut tx = app.db.begin().await?;
    let wanted = relevance::find(&mut tx, model).await.map_err(failed)?;
    let of = (wanted.business, wanted.goal, wanted.version);
    match relevance::activate(&mut tx, of.0, of.1, of.2, app.now()).await {
        Ok(()) => {
            tx.commit().await?;
            Ok(Redirect::to("/officer/models").into_response())
        }
        Err(error @ (RelevanceError::Held | RelevanceError::Stale)) => {
            tx.rollback().await;
            page(&app, &session, Asked::default(), Some(error.to_string())).await
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
