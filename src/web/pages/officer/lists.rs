//! Replaying a list: everything recomputed from the ledger, nothing believed.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use super::super::guard::AsOfficer;
use super::super::shell::{Page, Shell};
use super::super::text;
use crate::access::directory;
use crate::app::App;
use crate::audience::replay::{self, Denial, Replay};
use crate::audience::{AudienceError, request};
use crate::ids::ListId;
use crate::web::extract::{Form, Query};
use crate::web::problem::ApiResult;

/// Denials shown at most.
const SHOWN: usize = 200;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/officer/lists", get(form).post(replayed))
}

#[derive(Template)]
#[template(path = "officer/lists.html")]
struct ListsPage {
    shell: Shell,
    asked: String,
    problem: Option<String>,
    found: Option<Found>,
}

struct Found {
    replay: Replay,
    business: String,
    denied: Vec<(String, &'static str)>,
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    list: String,
}

async fn form(
    AsOfficer(session): AsOfficer,
    Query(Asked { list: asked }): Query<Asked>,
) -> impl IntoResponse {
    let shell = Shell::of(&session, "/officer/lists");
    Page(ListsPage { shell, asked, problem: None, found: None })
}

async fn replayed(
    AsOfficer(session): AsOfficer,
    State(app): State<App>,
    Form(Asked { list }): Form<Asked>,
) -> ApiResult<Response> {
    let shell = Shell::of(&session, "/officer/lists");
    let asked = list.trim().to_owned();
    let refused = |shell, asked, problem: String| {
        let page = ListsPage { shell, asked, problem: Some(problem), found: None };
        (StatusCode::UNPROCESSABLE_ENTITY, Page(page)).into_response()
    };
    let Ok(id) = asked.parse::<ListId>() else {
        return Ok(refused(shell, asked, "This is not the id of a list.".to_owned()));
    };
    match replay(&app, id).await {
        Ok(found) => {
            let page = ListsPage { shell, asked, problem: None, found: Some(found) };
            Ok(Page(page).into_response())
        }
        Err(error @ (AudienceError::NoList | AudienceError::NotSealed(_))) => {
            Ok(refused(shell, asked, text::sentence(&error.to_string())))
        }
        Err(error) => Err(error.into()),
    }
}

async fn replay(app: &App, id: ListId) -> Result<Found, AudienceError> {
    let mut tx = app.db.read().await?;
    let owner = request::owner(&mut tx, id).await?;
    let replay = replay::replay(&mut tx, &app.keys, owner, id, app.now(), &|_, _| {}).await?;
    let business = directory::business(&mut tx, owner).await?;
    let denied = replay.denied.iter().take(SHOWN).map(in_words).collect();
    let business = business.map_or_else(|| owner.to_string(), |record| record.name);
    Ok(Found { replay, business, denied })
}

fn in_words(denial: &Denial) -> (String, &'static str) {
    let of = match denial.rank {
        Some(rank) => format!("Row {rank}"),
        None => "List or ledger".to_owned(),
    };
    (of, denial.code)
}
