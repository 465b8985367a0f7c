//! Demands of people over HTTP, brought by their app.

mod requests;

pub(crate) use self::requests::{SHOWN, complete, extend};

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volens_privacy::receipt::Receipt;
use volens_privacy::topics::Topics;
use volens_privacy::{AppId, SubjectId, Timestamp};

use super::access::{self, SignedExport};
use super::interests::{self, Interest};
use super::objection::Objected;
use super::{AskedBy, Removed, Restriction, RestrictionReason, RightsError};
use crate::accounts::http::reference;
use crate::accounts::{self, AccountError};
use crate::app::App;
use crate::consent::Effects;
use crate::signals::Correction;
use crate::web::callers::AppCaller;
use crate::web::extract::Path;
use crate::web::json::Json;
use crate::web::problem::{ApiResult, Problem};

/// Operations of the API.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(erase))
        .routes(routes!(object))
        .routes(routes!(restrict, resume))
        .merge(requests::routes())
        .routes(routes!(everything))
        .routes(routes!(export_schema))
        .routes(routes!(inferred))
        .routes(routes!(deny, allow))
}

impl From<RightsError> for Problem {
    fn from(error: RightsError) -> Self {
        match error {
            RightsError::Account(error) => error.into(),
            RightsError::Ledger(error) => error.into(),
            RightsError::Journal(error) => Self::internal(&error),
            error @ (RightsError::Unreadable { .. }
            | RightsError::Canary
            | RightsError::Cancelled) => Self::internal(&error),
            RightsError::Relevance(error) => Self::internal(&error),
            RightsError::NotRestricted => {
                Self::conflict("restriction.absent", "processing of the account is not restricted")
            }
            RightsError::NoRequest => {
                Self::new(StatusCode::NOT_FOUND, "request.unknown", "there is no such request")
            }
            RightsError::RequestDiffers => Self::conflict("request.differs", error.to_string()),
            RightsError::RequestClosed => Self::conflict("request.closed", error.to_string()),
            RightsError::NotExtendable => {
                Self::conflict("request.not_extendable", error.to_string())
            }
            RightsError::SaidTooMuch => Self::refused("request.said_too_much", error.to_string()),
            RightsError::SaidNothing => Self::refused("request.said_nothing", error.to_string()),
            RightsError::AnswerNeeded => Self::refused("request.answer_needed", error.to_string()),
            RightsError::NotRefusable => Self::refused("request.not_refusable", error.to_string()),
            RightsError::Recorder(error) => error.into(),
            RightsError::Consent(error) => error.into(),
            RightsError::Export(_) => Self::internal(&error),
            RightsError::Signals(error) => error.into(),
            RightsError::Db(error) => error.into(),
        }
    }
}

/// An erasure that took effect before this answer.
#[derive(Serialize, utoipa::ToSchema)]
struct ErasedOut {
    /// Ledger index of the entry that says that an account was erased, and not whose.
    entry: u64,
    /// When.
    #[schema(value_type = String, format = "date-time")]
    erased_at: Timestamp,
    /// What went with it.
    removed: Removed,
}

/// Erase an account (GDPR Art. 17).
///
/// Effective before the answer, and final: consents, links, profile, scores, places in lists and the
/// key of everything sealed are gone in one transaction, and a restored backup does not bring them
/// back. Nothing is kept to recognise the account by: a second call is `account.unknown`, as for an
/// account that never was.
#[utoipa::path(delete, path = "/v1/accounts/{reference}", tag = "rights",
    security(("key" = [])), params(("reference" = String, Path, description = "the app's own reference")),
    responses((status = 200, body = ErasedOut)))]
async fn erase(
    AppCaller { app: caller }: AppCaller,
    State(app): State<App>,
    Path(text): Path<String>,
) -> ApiResult<Json<ErasedOut>> {
    let subject = subject_of(&app, &caller, &text).await?;
    let done = super::erase_for_good(&app.db, &app.keys, &app.erasures, subject, app.now()).await?;
    Ok(Json(ErasedOut { entry: done.entry, erased_at: done.at, removed: done.removed }))
}

/// The account that a path names.
pub(super) async fn subject_of(app: &App, caller: &AppId, text: &str) -> ApiResult<SubjectId> {
    let mut tx = app.db.read().await?;
    let subject = accounts::subject_of(&mut tx, &app.keys, caller, reference(text)?).await?;
    Ok(subject.ok_or(AccountError::Unknown)?)
}

/// An objection that took effect before this answer.
#[derive(Serialize, utoipa::ToSchema)]
struct ObjectedOut {
    /// Ledger index of the entry that says that somebody objected, and not who.
    entry: u64,
    /// When.
    #[schema(value_type = String, format = "date-time")]
    objected_at: Timestamp,
    /// Receipts of the consents that ended now, for the person to keep.
    #[schema(value_type = Vec<Object>)]
    receipts: Vec<Receipt>,
    /// What went with them, before this answer was sent.
    effects: Effects,
}

/// Object to direct marketing (GDPR Art. 21(2), (3)).
///
/// Effective before the answer: the consents to business messages, to the profiling that serves them
/// and to follow-ups end, with everything that rested on them. The objection is remembered apart from
/// the account: it counts for a reference that is not registered, outlives an erasure, and greets
/// whoever comes back. Only a later consent to `business_messages` ends it, reported with the
/// `decided_at` at which the person gave it; everything else is refused as `consent.objected`.
#[utoipa::path(post, path = "/v1/accounts/{reference}/objection", tag = "rights",
    security(("key" = [])), params(("reference" = String, Path, description = "the app's own reference")),
    responses((status = 200, body = ObjectedOut)))]
async fn object(
    AppCaller { app: caller }: AppCaller,
    State(app): State<App>,
    Path(text): Path<String>,
) -> ApiResult<Json<ObjectedOut>> {
    let tag = app.keys.account_tag(&caller, reference(&text)?);
    let now = app.now();
    let done = super::objection::object(&app.consents, (caller, tag), now).await?;
    let Objected { entry, ended, effects } = done;
    let receipts = ended.into_iter().filter_map(|decided| decided.receipt).collect();
    Ok(Json(ObjectedOut { entry, objected_at: now, receipts, effects }))
}

/// Why processing is to be restricted.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct RestrictIn {
    /// The case of Art. 18(1).
    reason: RestrictionReason,
}

/// A restriction that stands.
#[derive(Serialize, utoipa::ToSchema)]
struct RestrictedOut {
    /// Ledger index of the entry that says that an account was restricted, and not whose.
    entry: u64,
    /// Since when.
    #[schema(value_type = String, format = "date-time")]
    restricted_at: Timestamp,
    /// Why.
    reason: RestrictionReason,
    /// Who asked for it.
    asked_by: AskedBy,
    /// What went by this call; everything else stays stored, unused.
    removed: Removed,
}

/// Restrict processing of an account (GDPR Art. 18).
///
/// Everything stays stored and nothing of it is used: links, scores and places in lists are gone
/// before the answer, signals and consents are refused as `account.restricted`. Withdrawals,
/// objections and erasures take effect all the same. Doing it twice is the same as once.
#[utoipa::path(put, path = "/v1/accounts/{reference}/restriction", tag = "rights",
    security(("key" = [])), params(("reference" = String, Path, description = "the app's own reference")),
    request_body = RestrictIn, responses((status = 200, body = RestrictedOut)))]
async fn restrict(
    AppCaller { app: caller }: AppCaller,
    State(app): State<App>,
    Path(text): Path<String>,
    Json(body): Json<RestrictIn>,
) -> ApiResult<Json<RestrictedOut>> {
    let subject = subject_of(&app, &caller, &text).await?;
    let mut tx = app.db.begin().await?;
    let asked = (body.reason, AskedBy::App);
    let done = super::restrict(&mut tx, &app.keys, subject, asked, app.now()).await?;
    tx.commit().await?;
    let Restriction { since: restricted_at, reason, asked_by, entry, removed } = done;
    Ok(Json(RestrictedOut { entry, restricted_at, reason, asked_by, removed }))
}

/// A restriction that has ended.
#[derive(Serialize, utoipa::ToSchema)]
struct ResumedOut {
    /// Ledger index of the entry that says so.
    entry: u64,
}

/// End a restriction. Tell the person before (GDPR Art. 18(3)).
///
/// What they agree to counts again; links stay cut until they consent to them anew.
#[utoipa::path(delete, path = "/v1/accounts/{reference}/restriction", tag = "rights",
    security(("key" = [])), params(("reference" = String, Path, description = "the app's own reference")),
    responses((status = 200, body = ResumedOut)))]
async fn resume(
    AppCaller { app: caller }: AppCaller,
    State(app): State<App>,
    Path(text): Path<String>,
) -> ApiResult<Json<ResumedOut>> {
    let subject = subject_of(&app, &caller, &text).await?;
    let mut tx = app.db.begin().await?;
    let entry = super::resume(&mut tx, &app.keys, subject, AskedBy::App, app.now()).await?;
    tx.commit().await?;
    Ok(Json(ResumedOut { entry }))
}

/// What is inferred about the interests of an account (GDPR Art. 15, 16).
///
/// The strongest first, each with its strength at three half-lives, and what the person denies.
#[utoipa::path(get, path = "/v1/accounts/{reference}/interests", tag = "rights",
    security(("key" = [])), params(("reference" = String, Path, description = "the app's own reference")),
    responses((status = 200, body = Vec<Interest>)))]
async fn inferred(
    AppCaller { app: caller }: AppCaller,
    State(app): State<App>,
    Path(text): Path<String>,
) -> ApiResult<Json<Vec<Interest>>> {
    let subject = subject_of(&app, &caller, &text).await?;
    let mut tx = app.db.read().await?;
    Ok(Json(interests::interests(&mut tx, &app.keys, subject, app.now()).await?))
}

/// Deny an inferred interest (GDPR Art. 16).
///
/// From then on the topic, and what is under it, counts against a message about it, whatever the
/// person does later, until the correction is taken back. Doing it twice is the same as once.
#[utoipa::path(put, path = "/v1/accounts/{reference}/corrections/{topic}", tag = "rights",
    security(("key" = [])), params(("reference" = String, Path, description = "the app's own reference"),
        ("topic" = String, Path, description = "topic id", example = "sport.running")),
    responses((status = 200, body = Vec<Correction>)))]
async fn deny(
    AppCaller { app: caller }: AppCaller,
    State(app): State<App>,
    Path((text, topic)): Path<(String, String)>,
) -> ApiResult<Json<Vec<Correction>>> {
    correct(&app, (&caller, &text), &topic, true).await
}

/// Take a correction back: what is inferred counts again.
#[utoipa::path(delete, path = "/v1/accounts/{reference}/corrections/{topic}", tag = "rights",
    security(("key" = [])), params(("reference" = String, Path, description = "the app's own reference"),
        ("topic" = String, Path, description = "topic id", example = "sport.running")),
    responses((status = 200, body = Vec<Correction>)))]
async fn allow(
    AppCaller { app: caller }: AppCaller,
    State(app): State<App>,
    Path((text, topic)): Path<(String, String)>,
) -> ApiResult<Json<Vec<Correction>>> {
    correct(&app, (&caller, &text), &topic, false).await
}

async fn correct(
    app: &App,
    (caller, text): (&AppId, &str),
    topic: &str,
    denied: bool,
) -> ApiResult<Json<Vec<Correction>>> {
    let subject = subject_of(app, caller, text).await?;
    let topic = Topics::builtin().check(topic).map_err(|refusal| {
        Problem::refused(refusal.code(), "no topic that anything is inferred about")
    })?;
    let (mut rng, now) = (app.rng(), app.now());
    let mut tx = app.db.begin().await?;
    let said =
        interests::correct(&mut tx, &app.keys, subject, (topic, denied), &mut rng, now).await?;
    tx.commit().await?;
    Ok(Json(said))
}

/// Everything kept about an account, signed (GDPR Art. 15, 20).
///
/// One JSON document with its schema under `/v1/schemas/account-export`: details, consents with
/// receipts and proofs, inferred interests, scores and places in lists with their reasons, the
/// businesses that received an id, messages and what happened after them. Of linked accounts only
/// that there is one, and in which app. `volens export verify` checks it without us.
#[utoipa::path(get, path = "/v1/accounts/{reference}/export", tag = "rights",
    security(("key" = [])), params(("reference" = String, Path, description = "the app's own reference")),
    responses((status = 200, body = SignedExport)))]
async fn everything(
    AppCaller { app: caller }: AppCaller,
    State(app): State<App>,
    Path(text): Path<String>,
) -> ApiResult<Json<SignedExport>> {
    let subject = subject_of(&app, &caller, &text).await?;
    let mut tx = app.db.read().await?;
    Ok(Json(access::export(&mut tx, (&app.keys, &app.receipts), subject, app.now()).await?))
}

/// The JSON Schema (2020-12) of an account's export.
#[utoipa::path(get, path = "/v1/schemas/account-export", tag = "rights", security(()),
    responses((status = 200, body = serde_json::Value)))]
async fn export_schema() -> Json<serde_json::Value> {
    Json(access::schema())
}
