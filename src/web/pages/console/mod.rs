//! A business's console: campaigns, their lists, and bots.

mod bots;
mod campaigns;
mod forms;
mod lists;
mod new_campaign;

use axum::Router;
use axum::response::{IntoResponse, Redirect, Response};

use super::shell::{Page, Shell};
use crate::access::Caller;
use crate::app::App;
use crate::web::callers::Session;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .merge(campaigns::routes())
        .merge(new_campaign::routes())
        .merge(lists::routes())
        .merge(bots::routes())
}

#[derive(askama::Template)]
#[template(path = "console/elsewhere.html")]
struct Elsewhere {
    shell: Shell,
    role: &'static str,
    /// Whether conversations of customers wait for this user.
    answers: bool,
}

/// Where users go who have no campaigns.
fn elsewhere(session: &Session) -> Response {
    if session.caller == Caller::Officer {
        return Redirect::to("/officer").into_response();
    }
    let role = session.caller.role().as_str();
    let answers = matches!(session.caller, Caller::Agent(_));
    Page(Elsewhere { shell: Shell::of(session, "/console"), role, answers }).into_response()
}
