//! Sign-in and sign-out of the console: plain forms, no script needed.

use axum::Router;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use serde::Deserialize;

use crate::access::sessions::{self, Token};
use crate::access::{AccessError, Password};
use crate::app::App;
use crate::web::callers::{SIGN_IN_PAGE, Session, session_cookie};
use crate::web::extract::Form;
use crate::web::problem::{ApiResult, Problem};

/// Where a signed-in user begins.
const START_PAGE: &str = "/console";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/console/sign-in", post(sign_in))
        .route("/console/sign-in-link", post(redeem))
        .route("/console/sign-out", post(sign_out))
}

#[derive(Deserialize)]
struct SignInForm {
    email: String,
    password: Password,
}

/// Signs in by address and password; whatever is wrong, the answer and its time are the same.
async fn sign_in(State(app): State<App>, Form(form): Form<SignInForm>) -> ApiResult<Response> {
    let account = sessions::throttle_key(&app.keys, &form.email);
    app.rates.sign_ins.take(account, app.now()).map_err(AccessError::Throttled)?;
    let stretch = (&app.stretch, &app.settings.stretch);
    let given = (form.email.as_str(), form.password);
    let mut rng = app.rng();
    let token = sessions::sign_in(&app.db, &app.keys, stretch, &mut rng, given, app.now()).await?;
    match token {
        Some(token) => Ok(begin(&app, &token)),
        None => Ok(Redirect::to(&format!("{SIGN_IN_PAGE}?refused=1")).into_response()),
    }
}

#[derive(Deserialize)]
struct LinkForm {
    link: String,
}

/// Signs in by a one-time link.
async fn redeem(State(app): State<App>, Form(form): Form<LinkForm>) -> ApiResult<Response> {
    let expired = || Redirect::to(&format!("{SIGN_IN_PAGE}?expired=1")).into_response();
    let Some(link) = Token::presented(&form.link) else { return Ok(expired()) };
    let (mut rng, mut tx) = (app.rng(), app.db.begin().await?);
    let token = sessions::redeem(&mut tx, &app.keys, &mut rng, &link, app.now()).await?;
    tx.commit().await?;
    Ok(token.map_or_else(expired, |token| begin(&app, &token)))
}

/// Ends the session.
async fn sign_out(session: Session, State(app): State<App>) -> Result<Response, Problem> {
    let mut tx = app.db.begin().await?;
    sessions::sign_out(&mut tx, &app.keys, &session.token, app.now()).await?;
    tx.commit().await?;
    let cookie = session_cookie(&app, None);
    Ok(([(SET_COOKIE, cookie)], Redirect::to(SIGN_IN_PAGE)).into_response())
}

fn begin(app: &App, token: &Token) -> Response {
    ([(SET_COOKIE, session_cookie(app, Some(token)))], Redirect::to(START_PAGE)).into_response()
}
