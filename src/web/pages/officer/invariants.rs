//! The invariants: what the last run looked at and found, and a button for another.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

use super::super::guard::AsOfficer;
use super::super::shell::{Page, Shell};
use super::super::text;
use crate::app::App;
use crate::audit::invariants::Verdict;
use crate::audit::invariants::runs::{self, Run};
use crate::ids::hex;
use crate::web::problem::ApiResult;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/officer/invariants", get(last).post(another))
}

#[derive(Template)]
#[template(path = "officer/invariants.html")]
struct InvariantsPage {
    shell: Shell,
    run: Option<Run>,
    sha256: String,
}

impl InvariantsPage {
    fn violated(&self) -> usize {
        self.run.as_ref().map_or(0, |run| run.report.with(Verdict::Violated).count())
    }
}

async fn last(
    AsOfficer(session): AsOfficer,
    State(app): State<App>,
) -> ApiResult<impl IntoResponse> {
    let run = runs::last(&mut app.db.read().await?).await?;
    let sha256 = run.as_ref().map(|run| hex(&run.sha256)).unwrap_or_default();
    Ok(Page(InvariantsPage { shell: Shell::of(&session, "/officer/invariants"), run, sha256 }))
}

async fn another(AsOfficer(_): AsOfficer, State(app): State<App>) -> ApiResult<Response> {
    let mut tx = app.db.begin().await?;
    runs::order(&mut tx, &mut app.rng(), app.now()).await?;
    tx.commit().await?;
    Ok(Redirect::to("/officer/invariants").into_response())
}
