//! Operators manage apps, businesses, users and keys; apps and businesses manage their own keys.

mod console;
mod wire;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::wire::{
    AppIn, AppOut, BusinessIn, BusinessOut, KeyIn, KeyOut, LinkIn, LinkOut, MeOut, NewKeyOut,
    UserIn, UserOut,
};
use super::{AccessError, Caller, Role, directory, keys, sessions};
use crate::app::App;
use crate::ids::{KeyId, UserId};
use crate::web::callers::{KeyOwner, Known, Operator};
use crate::web::extract::{Path, Query};
use crate::web::idempotency::Repeat;
use crate::web::json::Json;
use crate::web::paging::{Page, PageQuery};
use crate::web::problem::{ApiResult, Problem};

/// Operations of the API.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(me))
        .routes(routes!(create_app, list_apps))
        .routes(routes!(create_business, list_businesses))
        .routes(routes!(create_user, list_users))
        .routes(routes!(disable_user))
        .routes(routes!(create_key, list_keys))
        .routes(routes!(revoke_key))
        .routes(routes!(create_link))
}

/// Forms of the console.
pub fn forms() -> Router<App> {
    console::routes()
}

/// Who the presented credential belongs to.
#[utoipa::path(get, path = "/v1/me", tag = "access", security(("key" = []), ("session" = [])),
    responses((status = 200, body = MeOut)))]
async fn me(Known(identified): Known) -> Json<MeOut> {
    Json(MeOut::from(identified.caller))
}

/// Make an app.
#[utoipa::path(post, path = "/v1/apps", tag = "access", security(("key" = []), ("session" = [])),
    request_body = AppIn, responses((status = 201, body = AppOut)))]
async fn create_app(
    Operator: Operator,
    State(app): State<App>,
    repeat: Repeat,
    Json(body): Json<AppIn>,
) -> ApiResult<Response> {
    let record = body.record(app.now());
    let mut tx = app.db.begin().await?;
    directory::create_app(&mut tx, &record).await?;
    let answer = repeat.answer(&app, &mut tx, StatusCode::CREATED, &AppOut::from(record)).await?;
    tx.commit().await?;
    Ok(answer)
}

/// Apps, by id.
#[utoipa::path(get, path = "/v1/apps", tag = "access", security(("key" = []), ("session" = [])),
    params(PageQuery), responses((status = 200, body = Page<AppOut>)))]
async fn list_apps(
    Operator: Operator,
    State(app): State<App>,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<Page<AppOut>>> {
    let asked = query.asked(&app.settings.web)?;
    let mut tx = app.db.read().await?;
    let rows = directory::apps(&mut tx, &asked.after_text()?, asked.rows()).await?;
    Ok(Json(asked.page(rows, |row| row.id.as_str().to_owned(), AppOut::from)))
}

/// Make a business.
#[utoipa::path(post, path = "/v1/businesses", tag = "access",
    security(("key" = []), ("session" = [])),
    request_body = BusinessIn, responses((status = 201, body = BusinessOut)))]
async fn create_business(
    Operator: Operator,
    State(app): State<App>,
    repeat: Repeat,
    Json(body): Json<BusinessIn>,
) -> ApiResult<Response> {
    let mut tx = app.db.begin().await?;
    let made = directory::create_business(&mut tx, &mut app.rng(), &body.name, app.now()).await?;
    let answer =
        repeat.answer(&app, &mut tx, StatusCode::CREATED, &BusinessOut::from(made)).await?;
    tx.commit().await?;
    Ok(answer)
}

/// Businesses, by id.
#[utoipa::path(get, path = "/v1/businesses", tag = "access",
    security(("key" = []), ("session" = [])),
    params(PageQuery), responses((status = 200, body = Page<BusinessOut>)))]
async fn list_businesses(
    Operator: Operator,
    State(app): State<App>,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<Page<BusinessOut>>> {
    let asked = query.asked(&app.settings.web)?;
    let mut tx = app.db.read().await?;
    let rows = directory::businesses(&mut tx, &asked.after, asked.rows()).await?;
    Ok(Json(asked.page(rows, |row| *row.id.as_bytes(), BusinessOut::from)))
}

/// Make a console user. Without a password it signs in by one-time links only.
#[utoipa::path(post, path = "/v1/users", tag = "access",
    security(("key" = []), ("session" = [])),
    request_body = UserIn, responses((status = 201, body = UserOut)))]
async fn create_user(
    Operator: Operator,
    State(app): State<App>,
    repeat: Repeat,
    Json(body): Json<UserIn>,
) -> ApiResult<Response> {
    let caller = Caller::new(body.role, None, body.business).ok_or(AccessError::Tenant)?;
    let stretch = (&app.stretch, &app.settings.stretch);
    let (mut rng, email) = (app.rng(), body.email.as_str());
    let new = directory::prepare_user(stretch, &mut rng, email, body.password, caller).await?;
    let mut tx = app.db.begin().await?;
    let made = directory::create_user(&mut tx, &mut rng, new, app.now()).await?;
    let answer = repeat.answer(&app, &mut tx, StatusCode::CREATED, &UserOut::from(made)).await?;
    tx.commit().await?;
    Ok(answer)
}

/// Console users, by id.
#[utoipa::path(get, path = "/v1/users", tag = "access",
    security(("key" = []), ("session" = [])),
    params(PageQuery), responses((status = 200, body = Page<UserOut>)))]
async fn list_users(
    Operator: Operator,
    State(app): State<App>,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<Page<UserOut>>> {
    let asked = query.asked(&app.settings.web)?;
    let mut tx = app.db.read().await?;
    let rows = directory::users(&mut tx, &asked.after, asked.rows()).await?;
    Ok(Json(asked.page(rows, |row| *row.id.as_bytes(), UserOut::from)))
}

/// Disable a console user and end its sessions.
#[utoipa::path(delete, path = "/v1/users/{user}", tag = "access",
    security(("key" = []), ("session" = [])),
    params(("user" = String, Path, description = "`usr_…`")), responses((status = 204)))]
async fn disable_user(
    Operator: Operator,
    State(app): State<App>,
    Path(user): Path<UserId>,
) -> ApiResult<StatusCode> {
    let mut tx = app.db.begin().await?;
    directory::disable_user(&mut tx, user, app.now()).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Make an API key. The answer is the only place where it can be read.
///
/// The operator makes keys for anyone; an app for itself; a business for itself and its agents.
#[utoipa::path(post, path = "/v1/keys", tag = "access",
    security(("key" = []), ("session" = [])),
    request_body = KeyIn, responses((status = 201, body = NewKeyOut)))]
async fn create_key(
    KeyOwner(owner): KeyOwner,
    State(app): State<App>,
    repeat: Repeat,
    Json(body): Json<KeyIn>,
) -> ApiResult<Response> {
    let caller = match owner {
        keys::Owner::Anyone => Caller::new(body.role, body.app, body.business),
        keys::Owner::App(own) if body.role == Role::App && body.business.is_none() => {
            body.app.is_none_or(|app| app == own).then_some(Caller::App(own))
        }
        keys::Owner::Business(own)
            if matches!(body.role, Role::Business | Role::Agent) && body.app.is_none() =>
        {
            let fits = body.business.is_none_or(|business| business == own);
            fits.then(|| Caller::new(body.role, None, Some(own))).flatten()
        }
        keys::Owner::App(_) | keys::Owner::Business(_) => None,
    };
    let caller = caller.ok_or(AccessError::Tenant)?;
    let (mut rng, mut tx) = (app.rng(), app.db.begin().await?);
    let made = keys::issue(&mut tx, &app.keys, &mut rng, &caller, &body.label, app.now()).await?;
    let answer = repeat.answer(&app, &mut tx, StatusCode::CREATED, &NewKeyOut::from(&made)).await?;
    tx.commit().await?;
    Ok(answer)
}

/// API keys, by id, without their secrets: all for the operator, their own for others.
#[utoipa::path(get, path = "/v1/keys", tag = "access",
    security(("key" = []), ("session" = [])),
    params(PageQuery), responses((status = 200, body = Page<KeyOut>)))]
async fn list_keys(
    KeyOwner(owner): KeyOwner,
    State(app): State<App>,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<Page<KeyOut>>> {
    let asked = query.asked(&app.settings.web)?;
    let mut tx = app.db.read().await?;
    let rows = keys::list(&mut tx, &owner, &asked.after, asked.rows()).await?;
    Ok(Json(asked.page(rows, |row| *row.id.as_bytes(), KeyOut::from)))
}

/// Revoke an API key.
#[utoipa::path(delete, path = "/v1/keys/{key}", tag = "access",
    security(("key" = []), ("session" = [])),
    params(("key" = String, Path, description = "`key_…`")), responses((status = 204)))]
async fn revoke_key(
    KeyOwner(owner): KeyOwner,
    State(app): State<App>,
    Path(key): Path<KeyId>,
) -> ApiResult<StatusCode> {
    let mut tx = app.db.begin().await?;
    keys::revoke(&mut tx, &owner, key, app.now()).await?;
    tx.commit().await?;
    app.api_keys.forget(key);
    Ok(StatusCode::NO_CONTENT)
}

/// Make a one-time sign-in link for a console user. It works once, for a quarter of an hour.
#[utoipa::path(post, path = "/v1/sign-in-links", tag = "access",
    security(("key" = []), ("session" = [])),
    request_body = LinkIn, responses((status = 201, body = LinkOut)))]
async fn create_link(
    Operator: Operator,
    State(app): State<App>,
    repeat: Repeat,
    Json(body): Json<LinkIn>,
) -> ApiResult<Response> {
    let mut tx = app.db.begin().await?;
    let expires = app.now().plus(app.settings.access.link_lasts());
    let mut rng = app.rng();
    let times = (app.now(), expires);
    let token = sessions::link(&mut tx, &app.keys, &mut rng, body.user, times).await?;
    let out = LinkOut::new(&app.settings.public_url(), &token, expires);
    let answer = repeat.answer(&app, &mut tx, StatusCode::CREATED, &out).await?;
    tx.commit().await?;
    Ok(answer)
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        let detail = error.to_string();
        match error {
            AccessError::Taken => Self::conflict("access.taken", detail),
            AccessError::Unknown => Self::not_found(),
            AccessError::Tenant => Self::refused("access.tenant", detail),
            AccessError::Text => Self::refused("access.text", detail),
            AccessError::Email => Self::refused("access.email", detail),
            AccessError::Region => Self::refused("access.region", detail),
            AccessError::Password(_) => Self::refused("access.password", detail),
            AccessError::Throttled(seconds) => Self::too_many("access.throttled", seconds),
            AccessError::Busy(busy) => busy.into(),
            AccessError::Db(error) => error.into(),
        }
    }
}
