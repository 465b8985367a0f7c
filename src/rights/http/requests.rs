//! Requests with a clock over HTTP: in the shape of OpenDSR for apps, and the officer's workbench.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volens_privacy::rights::{Jurisdiction, RequestKind};
use volens_privacy::topics::Topics;
use volens_privacy::{AppId, Timestamp};

use crate::accounts::http::reference;
use crate::accounts::{self, AccountError};
use crate::app::App;
use crate::readings::{self, Subject};
use crate::rights::access::{self, SignedExport};
use crate::rights::requests::{
    self, AllSaid, Details, Extension, Means, RefusalReason, Request, RequestId, Said,
    SignedReceipt, State as How,
};
use crate::rights::{AskedBy, RestrictionReason, RightsError};
use crate::web::callers::{AppCaller, Known, Officer};
use crate::web::extract::Path;
use crate::web::json::Json;
use crate::web::problem::{ApiResult, Problem};

/// Operations of the API.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(ask))
        .routes(routes!(show, cancel))
        .routes(routes!(results))
        .routes(routes!(workbench))
        .routes(routes!(decide))
}

/// A request of a person, as in OpenDSR.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct RequestIn {
    /// `gdpr` or `lgpd`; without it the account's country decides.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    regulation: Option<Jurisdiction>,
    /// A UUID. The same id again is the same request.
    #[schema(value_type = String, format = "uuid")]
    subject_request_id: RequestId,
    /// `access`, `portability`, `erasure`, `rectification`, `restriction` or `objection`.
    #[schema(value_type = String, example = "access")]
    subject_request_type: RequestKind,
    /// When the person asked, by the app's clock. The legal clock starts when it reaches us, or then
    /// if that was earlier.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = "date-time")]
    submitted_time: Option<Timestamp>,
    /// Exactly one: `controller_customer_id`, the app's own reference of the user it has signed in.
    subject_identities: Vec<IdentityIn>,
    /// Addresses to be told of changes: none are called yet, so any is refused; ask for the status.
    #[serde(default)]
    status_callback_urls: Vec<String>,
    /// What the kind of request needs besides.
    #[serde(default)]
    extensions: ExtensionsIn,
}

/// Whose request it is.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the names are OpenDSR's")]
struct IdentityIn {
    /// `controller_customer_id`.
    identity_type: String,
    /// The app's own reference.
    identity_value: String,
    /// `raw`.
    #[serde(default)]
    identity_format: Option<String>,
}

/// What a kind of request needs besides.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct ExtensionsIn {
    /// For a restriction: the case of Art. 18(1).
    #[serde(default)]
    restriction_reason: Option<RestrictionReason>,
    /// For a rectification: topics that are no interest of the person's. Without any, an officer sees
    /// to it.
    #[serde(default)]
    not_interested_in: Vec<String>,
    /// What the person says about it, up to 2000 characters; a rectification that names no topic needs
    /// it. For the officer who handles it, sealed under
    /// the account's key and in the person's export.
    #[serde(default)]
    said: Option<String>,
}

/// A request as it stands.
#[derive(Serialize, utoipa::ToSchema)]
struct RequestOut {
    /// Its receipt, signed, to keep.
    #[serde(flatten)]
    signed: SignedReceipt,
    /// Where the results of an access or portability request are, while there is an account.
    #[serde(skip_serializing_if = "Option::is_none")]
    results_url: Option<String>,
}

impl RequestOut {
    fn of(app: &App, request: &Request) -> ApiResult<Self> {
        let copies = matches!(request.kind, RequestKind::Access | RequestKind::Portability);
        let done = copies && request.state == How::Completed;
        let url = || format!("{}/v1/dsr/{}/results", app.settings.public_url(), request.id);
        Ok(Self { signed: SignedReceipt::of(request, &app.keys)?, results_url: done.then(url) })
    }
}

fn means(app: &App) -> Means<'_> {
    Means { db: &app.db, keys: &app.keys, journal: &app.erasures, recorder: &app.consents }
}

impl RequestIn {
    fn reference(&self) -> ApiResult<&str> {
        if !self.status_callback_urls.is_empty() {
            let detail = "callbacks are not made; ask for the status of the request instead";
            return Err(Problem::refused("request.callback", detail));
        }
        let [identity] = self.subject_identities.as_slice() else {
            let detail = "exactly one identity: the app's own reference of its signed-in user";
            return Err(Problem::refused("request.identity", detail));
        };
        let raw = identity.identity_format.as_deref().is_none_or(|format| format == "raw");
        if identity.identity_type != "controller_customer_id" || !raw {
            let detail = "expected identity_type controller_customer_id in format raw: nobody is \
                          found here by a phone number or an address";
            return Err(Problem::refused("request.identity", detail));
        }
        reference(&identity.identity_value)
    }

    fn details(&self) -> ApiResult<Details> {
        let check = |topic: &String| {
            let refused = |refusal: volens_privacy::TopicRefusal| {
                Problem::refused(refusal.code(), "no topic that anything is inferred about")
            };
            Topics::builtin().check(topic).map_err(refused)
        };
        let denied: ApiResult<Vec<_>> =
            self.extensions.not_interested_in.iter().map(check).collect();
        Ok(Details { reason: self.extensions.restriction_reason, denied: denied? })
    }
}

/// Make a request for a person (GDPR Art. 15 to 21), in the shape of OpenDSR.
///
/// The app has signed its user in; that is the identity check. The request is on record with its clock
/// before anything else happens: one month, or fifteen days under the LGPD. What can be done at once is
/// done before the answer and recorded as completed; a rectification that names no interest waits for
/// an officer (202) and has to say what is wrong. The answer is a signed receipt.
#[utoipa::path(post, path = "/v1/dsr", tag = "rights", security(("key" = [])),
    request_body = RequestIn,
    responses((status = 201, body = RequestOut), (status = 202, body = RequestOut)))]
async fn ask(
    AppCaller { app: caller }: AppCaller,
    State(app): State<App>,
    Json(body): Json<RequestIn>,
) -> ApiResult<Response> {
    let (name, details, now) = (body.reference()?, body.details()?, app.now());
    let said = body.extensions.said.as_deref().map(Said::new).transpose()?.flatten();
    let asked = (body.subject_request_type, AskedBy::App);
    let of = (&caller, body.subject_request_id);
    let mut tx = app.db.begin().await?;
    let subject = accounts::subject_of(&mut tx, &app.keys, &caller, name).await?;
    let unheard = body.subject_request_type == RequestKind::Objection;
    if subject.is_some() && requests::find(&mut tx, &caller, of.1).await.is_err() {
        requests::says_enough(asked.0, &details, said.as_ref())?;
    }
    if subject.is_none() {
        // Asked again for somebody who was erased: the request is known, the account is not.
        let known = requests::find(&mut tx, &caller, body.subject_request_id).await;
        match known {
            Ok(known) if known.kind == asked.0 => {
                return Ok(
                    (StatusCode::CREATED, Json(RequestOut::of(&app, &known)?)).into_response()
                );
            }
            _ if unheard => {}
            _ => return Err(AccountError::Unknown.into()),
        }
    }
    let received = body.submitted_time.map_or(now, |at| at.min(now));
    let whose = (subject, body.regulation);
    let request = requests::receive(&mut tx, &app.keys, of, asked, whose, (received, now)).await?;
    if let (Some(subject), Some(said)) = (subject, &said) {
        requests::say(&mut tx, &app.keys, (subject, &request), said, &mut app.rng()).await?;
    }
    tx.commit().await?;
    if subject.is_none() {
        // An objection counts for whoever is not registered, too.
        let tag = app.keys.account_tag(&caller, name);
        crate::rights::objection::object(&app.consents, (caller.clone(), tag), now).await?;
    }
    let request =
        requests::meet(&means(&app), &request, &details, None, &mut app.rng(), now).await?;
    let status = if request.is_open() { StatusCode::ACCEPTED } else { StatusCode::CREATED };
    Ok((status, Json(RequestOut::of(&app, &request)?)).into_response())
}

async fn find(app: &App, caller: &AppId, id: RequestId) -> ApiResult<Request> {
    let mut tx = app.db.read().await?;
    Ok(requests::find(&mut tx, caller, id).await?)
}

/// How a request stands: a signed receipt.
#[utoipa::path(get, path = "/v1/dsr/{id}", tag = "rights", security(("key" = [])),
    params(("id" = String, Path, description = "subject_request_id")),
    responses((status = 200, body = RequestOut)))]
async fn show(
    AppCaller { app: caller }: AppCaller,
    State(app): State<App>,
    Path(id): Path<RequestId>,
) -> ApiResult<Json<RequestOut>> {
    Ok(Json(RequestOut::of(&app, &find(&app, &caller, id).await?)?))
}

/// Take an open request back.
#[utoipa::path(delete, path = "/v1/dsr/{id}", tag = "rights", security(("key" = [])),
    params(("id" = String, Path, description = "subject_request_id")),
    responses((status = 200, body = RequestOut)))]
async fn cancel(
    AppCaller { app: caller }: AppCaller,
    State(app): State<App>,
    Path(id): Path<RequestId>,
) -> ApiResult<Json<RequestOut>> {
    let request = find(&app, &caller, id).await?;
    let request = requests::cancel(&app.db, &app.keys, &request, app.now()).await?;
    Ok(Json(RequestOut::of(&app, &request)?))
}

/// What an access or portability request asked for: everything kept about the account, signed.
#[utoipa::path(get, path = "/v1/dsr/{id}/results", tag = "rights", security(("key" = [])),
    params(("id" = String, Path, description = "subject_request_id")),
    responses((status = 200, body = SignedExport)))]
async fn results(
    AppCaller { app: caller }: AppCaller,
    State(app): State<App>,
    Path(id): Path<RequestId>,
) -> ApiResult<Json<SignedExport>> {
    let request = find(&app, &caller, id).await?;
    let copies = matches!(request.kind, RequestKind::Access | RequestKind::Portability);
    if !copies || request.state != How::Completed {
        return Err(Problem::conflict("request.no_results", "this request has no results"));
    }
    let mut tx = app.db.read().await?;
    let subject = requests::subject_of(&mut tx, &caller, id).await?;
    let subject = subject.ok_or(AccountError::Unknown)?;
    Ok(Json(access::export(&mut tx, (&app.keys, &app.receipts), subject, app.now()).await?))
}

/// A request on the workbench.
#[derive(Serialize, utoipa::ToSchema)]
struct WaitingOut {
    /// Through which app.
    #[schema(value_type = String)]
    app: AppId,
    /// Its receipt.
    #[serde(flatten)]
    signed: SignedReceipt,
    /// Who brought it.
    asked_by: AskedBy,
    /// Why it takes longer, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    extension: Option<Extension>,
    /// Since when it is past its day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "date-time")]
    escalated_at: Option<Timestamp>,
    /// What the person said about it, while it waits for an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    said: Option<String>,
}

impl WaitingOut {
    fn of(app: &App, request: &Request, said: &AllSaid) -> Result<Self, RightsError> {
        Ok(Self {
            app: request.app.clone(),
            signed: SignedReceipt::of(request, &app.keys)?,
            asked_by: request.asked_by,
            extension: request.extension.map(|(reason, _)| reason),
            escalated_at: request.escalated_at,
            said: said.get(&(request.app.clone(), request.id)).cloned(),
        })
    }
}

/// Requests that one call shows.
pub(crate) const SHOWN: u32 = 200;

/// Open requests by the day they are due, then those closed last; at most 200.
#[utoipa::path(get, path = "/v1/subject-requests", tag = "rights",
    security(("key" = []), ("session" = [])), responses((status = 200, body = Vec<WaitingOut>)))]
async fn workbench(
    Officer: Officer,
    Known(caller): Known,
    State(app): State<App>,
) -> ApiResult<Json<Vec<WaitingOut>>> {
    let mut tx = app.db.read().await?;
    let all = requests::all(&mut tx, SHOWN).await?;
    let said = requests::said_open(&mut tx, &app.keys, SHOWN).await?;
    drop(tx);
    readings::http::note(&app, &caller, Subject::Requests, all.len() as u64).await?;
    let out: Result<Vec<_>, RightsError> =
        all.iter().map(|request| WaitingOut::of(&app, request, &said)).collect();
    Ok(Json(out?))
}

/// What an officer decides about an open request.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
enum DecisionIn {
    /// Meet it: whatever can be done is done, and it is closed.
    Complete {
        /// What was done, in words for whoever asked, up to 2000 characters; needed for a rectification
        /// that names no topic. Sealed under the account's key, on the person's page and in their export.
        #[serde(default)]
        answer: Option<String>,
    },
    /// Two months more (Art. 12(3)).
    Extend {
        /// Why.
        reason: Extension,
    },
    /// Refuse it.
    Refuse {
        /// Why.
        reason: RefusalReason,
    },
}

/// Meet, extend or refuse an open request.
#[utoipa::path(post, path = "/v1/subject-requests/{app}/{id}", tag = "rights",
    security(("key" = []), ("session" = [])),
    params(("app" = String, Path), ("id" = String, Path, description = "subject_request_id")),
    request_body = DecisionIn, responses((status = 200, body = WaitingOut)))]
async fn decide(
    Officer: Officer,
    State(app): State<App>,
    Path((of, id)): Path<(AppId, RequestId)>,
    Json(body): Json<DecisionIn>,
) -> ApiResult<Json<WaitingOut>> {
    let request = find(&app, &of, id).await?;
    let request = match body {
        DecisionIn::Complete { answer } => {
            complete(&app, &request, answer.as_deref().unwrap_or_default()).await?
        }
        DecisionIn::Extend { reason } => extend(&app, &request, reason).await?,
        DecisionIn::Refuse { reason } => {
            requests::refuse(&app.db, &app.keys, &request, reason, app.now()).await?
        }
    };
    Ok(Json(WaitingOut::of(&app, &request, &AllSaid::new())?))
}

/// Meets a request for an officer, who says in words what was done where no machine can know.
pub(crate) async fn complete(
    app: &App,
    request: &Request,
    answer: &str,
) -> Result<Request, RightsError> {
    if !request.is_open() {
        return Err(RightsError::RequestClosed);
    }
    let (answer, details) = (Said::new(answer)?, Details::default());
    let (means, mut rng) = (means(app), app.rng());
    let met =
        requests::meet(&means, request, &details, answer.as_ref(), &mut rng, app.now()).await?;
    if met.is_open() { Err(RightsError::AnswerNeeded) } else { Ok(met) }
}

/// Extends a request for an officer.
pub(crate) async fn extend(
    app: &App,
    request: &Request,
    reason: Extension,
) -> Result<Request, RightsError> {
    let mut tx = app.db.begin().await?;
    let extended = requests::extend(&mut tx, request, reason, app.now()).await?;
    tx.commit().await?;
    Ok(extended)
}
