//! The front page and the sign-in page.

use askama::Template;
use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use serde::Deserialize;

use super::shell::{Page, Shell};
use crate::access::sessions::Token;
use crate::app::App;
use crate::web::callers::{Anyone, Identified};
use crate::web::extract::Query;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/", get(home)).route("/sign-in", get(sign_in))
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    shell: Shell,
}

async fn home(Anyone(identified): Anyone) -> impl IntoResponse {
    let session = identified.as_ref().and_then(Identified::session);
    let shell = session.map_or_else(|| Shell::public("en"), |session| Shell::of(&session, "/"));
    Page(Home { shell })
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    shell: Shell,
    link: Option<String>,
    notice: Option<&'static str>,
}

#[derive(Deserialize)]
struct SignInQuery {
    link: Option<String>,
    refused: Option<String>,
    expired: Option<String>,
}

async fn sign_in(Query(query): Query<SignInQuery>) -> impl IntoResponse {
    let link = query.link.filter(|link| Token::presented(link).is_some());
    let notice = if query.refused.is_some() {
        Some("Address and password do not belong together.")
    } else if query.expired.is_some() {
        Some("This link was used already or is too old. Ask for a new one.")
    } else {
        None
    };
    Page(SignIn { shell: Shell::public("en"), link, notice })
}
