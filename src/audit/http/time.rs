//! The time machine over HTTP.

use axum::extract::State;
use axum::http::header::CONTENT_DISPOSITION;
use axum::response::{Html, IntoResponse as _, Response};
use rand::Rng;
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volens_privacy::Timestamp;
use volens_privacy::identity::{AppId, SubjectId};
use volens_privacy::purpose::PurposeKind;

use crate::access::directory;
use crate::app::App;
use crate::audit::evidence::{self, Wanted};
use crate::audit::time_machine::{self, AccountThen, Count, Reachable};
use crate::db::Tx;
use crate::readings::Reader;
use crate::web::callers::{Known, Officer};
use crate::web::extract::{Path, Query};
use crate::web::json::Json;
use crate::web::problem::{ApiResult, Problem};

/// Accounts that one request looks at, at most.
pub(crate) const ACCOUNTS_MAX: u32 = 5_000;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(account_then))
        .routes(routes!(account_evidence))
        .routes(routes!(reachability))
        .routes(routes!(counts))
}

/// Which moments.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct Moments {
    /// The moment, RFC 3339.
    at: String,
    /// An earlier moment to compare with.
    compare: Option<String>,
}

pub(crate) fn moment(text: &str, now: Timestamp) -> ApiResult<Timestamp> {
    let told = || Problem::bad_request("time.invalid", "expected an RFC 3339 time");
    let at = Timestamp::parse(text.trim()).map_err(|_| told())?;
    if at > now {
        return Err(Problem::bad_request("time.future", "nothing is on record of what is to come"));
    }
    Ok(at)
}

/// How the consents of an account stood at a moment, each with its ledger entry and the text that was
/// shown then; and where that differs from another moment.
///
/// Decided from the ledger's entries and the records that open them. A second officer must have approved
/// a request for it. The reading itself is recorded as `officer.access`.
#[utoipa::path(get, path = "/v1/audit/accounts/{subject}/then", tag = "audit",
    security(("key" = []), ("session" = [])), params(("subject" = String, Path), Moments),
    responses((status = 200, body = AccountThen)))]
async fn account_then(
    Officer: Officer,
    Known(caller): Known,
    State(app): State<App>,
    Path(subject): Path<SubjectId>,
    Query(asked): Query<Moments>,
) -> ApiResult<Json<AccountThen>> {
    let then = |text: &str| moment(text, app.now());
    let moments = (then(&asked.at)?, asked.compare.as_deref().map(then).transpose()?);
    let (mut rng, mut tx) = (app.rng(), app.db.begin().await?);
    let (who, when) = ((Reader::from(&caller), subject), (moments, app.now()));
    let found = time_machine::account_at(&mut tx, &app.keys, &mut rng, who, when).await?;
    tx.commit().await?;
    Ok(Json(found))
}

/// Which part of the evidence.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct Part {
    /// Only the decision that is this entry of the ledger; all of the account if absent.
    entry: Option<u64>,
    /// Only what was recorded by this moment, RFC 3339; until now if absent.
    at: Option<String>,
}

/// One HTML file that proves what an account decided and what it was shown, and checks itself in any
/// browser without a network; `volens receipt verify FILE.html` agrees.
///
/// It holds what opens the ledger's commitments: keep it like the account's own data. A second officer must
/// have approved a request for it. Recorded as `officer.access`.
#[utoipa::path(get, path = "/v1/audit/accounts/{subject}/evidence", tag = "audit",
    security(("key" = []), ("session" = [])), params(("subject" = String, Path), Part),
    responses((status = 200, body = String, content_type = "text/html")))]
async fn account_evidence(
    Officer: Officer,
    Known(caller): Known,
    State(app): State<App>,
    Path(subject): Path<SubjectId>,
    Query(part): Query<Part>,
) -> ApiResult<Response> {
    let until = part.at.as_deref().map(|text| moment(text, app.now())).transpose()?;
    let (mut rng, mut tx) = (app.rng(), app.db.begin().await?);
    let who = (Reader::from(&caller), subject);
    let (with, what) = ((&*app.keys, &app.receipts), Wanted { only: part.entry, until });
    let file = evidence::of_account(&mut tx, with, &mut rng, (who, what), app.now()).await?;
    tx.commit().await?;
    let name = [(CONTENT_DISPOSITION, "attachment; filename=\"evidence.html\"")];
    Ok((name, Html(file)).into_response())
}

/// Whom one asks about.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct Reach {
    /// The moment, RFC 3339.
    at: String,
    /// For which purpose; `business_messages` if absent.
    purpose: Option<String>,
    /// In which app.
    app: String,
    /// Accounts to look at, at most 5000.
    limit: Option<u32>,
    /// `next_cursor` of the step before.
    after: Option<String>,
}

/// One step through the accounts of an app.
#[derive(Serialize, utoipa::ToSchema)]
struct ReachOut {
    /// Who could be reached.
    data: Vec<Reachable>,
    /// Accounts of the app that were looked at.
    looked_at: u64,
    /// Accounts whose records do not match the ledger; they count as not reachable.
    unverifiable: u64,
    /// Whether there are more accounts to look at.
    has_more: bool,
    /// What to send as `after` to go on.
    next_cursor: Option<String>,
}

pub(crate) struct Bounds {
    pub(crate) app: AppId,
    pub(crate) after: Option<SubjectId>,
    pub(crate) limit: u32,
}

pub(crate) fn bounds(app: &str, limit: Option<u32>, after: Option<&str>) -> ApiResult<Bounds> {
    let app = AppId::parse(app)
        .map_err(|_| Problem::bad_request("app.unknown", "there is no such app"))?;
    let limit = limit.unwrap_or(ACCOUNTS_MAX);
    if limit == 0 || limit > ACCOUNTS_MAX {
        return Err(Problem::bad_request("page.limit", "between 1 and 5000 accounts"));
    }
    let after = after.map(str::parse::<SubjectId>).transpose();
    let after = after
        .map_err(|_| Problem::bad_request("page.cursor", "this is not a cursor of this list"))?;
    Ok(Bounds { app, after, limit })
}

async fn takes_part(tx: &mut Tx, app: &AppId) -> ApiResult<()> {
    match directory::app(tx, app).await? {
        Some(_) => Ok(()),
        None => Err(Problem::bad_request("app.unknown", "there is no such app")),
    }
}

/// Who could be reached at a moment, for which purpose and under which notice.
///
/// Each with the ledger entry that decided. Looks at a bounded number of accounts and says where to go
/// on. Of accounts erased since nothing is left to tell. Recorded as `officer.access`.
#[utoipa::path(get, path = "/v1/reachability", tag = "audit",
    security(("key" = []), ("session" = [])), params(Reach),
    responses((status = 200, body = ReachOut)))]
async fn reachability(
    Officer: Officer,
    Known(caller): Known,
    State(app): State<App>,
    Query(asked): Query<Reach>,
) -> ApiResult<Json<ReachOut>> {
    let at = moment(&asked.at, app.now())?;
    let purpose = asked.purpose.as_deref().unwrap_or(PurposeKind::BusinessMessages.as_str());
    let purpose: PurposeKind = purpose
        .parse()
        .map_err(|_| Problem::bad_request("purpose.unknown", "there is no such purpose"))?;
    let Bounds { app: of, after, limit } = bounds(&asked.app, asked.limit, asked.after.as_deref())?;
    let (mut rng, mut tx) = (app.rng(), app.db.begin().await?);
    let reader: (Reader, &mut (dyn Rng + Send)) = (Reader::from(&caller), &mut rng);
    takes_part(&mut tx, &of).await?;
    let about = (&of, purpose, at);
    let step =
        time_machine::reachable_at(&mut tx, &app.keys, reader, about, (after, limit), app.now())
            .await?;
    tx.commit().await?;
    Ok(Json(ReachOut {
        data: step.found,
        looked_at: step.looked_at,
        unverifiable: step.unverifiable,
        has_more: step.next.is_some(),
        next_cursor: step.next.map(|next| next.to_string()),
    }))
}

/// Which counts.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct Counted {
    /// The moment, RFC 3339.
    at: String,
    /// Another moment to compare with.
    compare: Option<String>,
    /// In which app.
    app: String,
    /// Accounts to look at, at most 5000.
    limit: Option<u32>,
    /// `next_cursor` of the step before; add up what each step counts.
    after: Option<String>,
}

/// Counts of one step.
#[derive(Serialize, utoipa::ToSchema)]
struct CountsOut {
    /// Live consents by purpose and version of the notice.
    counts: Vec<Count>,
    /// Accounts of the app that were looked at.
    looked_at: u64,
    /// Accounts whose records do not match the ledger.
    unverifiable: u64,
    /// Whether there are more accounts to look at.
    has_more: bool,
    /// What to send as `after` to go on.
    next_cursor: Option<String>,
}

/// How many could be reached at a moment, for what and under which text; and at another one.
#[utoipa::path(get, path = "/v1/reachability/counts", tag = "audit",
    security(("key" = []), ("session" = [])), params(Counted),
    responses((status = 200, body = CountsOut)))]
async fn counts(
    Officer: Officer,
    State(app): State<App>,
    Query(asked): Query<Counted>,
) -> ApiResult<Json<CountsOut>> {
    let then = |text: &str| moment(text, app.now());
    let (at, compared) = (then(&asked.at)?, asked.compare.as_deref().map(then).transpose()?);
    let Bounds { app: of, after, limit } = bounds(&asked.app, asked.limit, asked.after.as_deref())?;
    let mut tx = app.db.read().await?;
    takes_part(&mut tx, &of).await?;
    let about = (&of, at, compared);
    let step = time_machine::counts_at(&mut tx, &app.keys, about, (after, limit)).await?;
    Ok(Json(CountsOut {
        counts: step.found,
        looked_at: step.looked_at,
        unverifiable: step.unverifiable,
        has_more: step.next.is_some(),
        next_cursor: step.next.map(|next| next.to_string()),
    }))
}
