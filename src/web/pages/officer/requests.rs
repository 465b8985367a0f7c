//! The workbench: requests of people by the day they are due, and recalls that nobody acknowledged.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use volens_privacy::rights::RequestKind;
use volens_privacy::{AppId, Timestamp};

use super::super::guard::AsOfficer;
use super::super::shell::{Page, Shell};
use super::super::text;
use crate::accounts::{self, AccountError};
use crate::app::App;
use crate::audience::recalls::{self, Overdue};
use crate::readings::{self, Subject};
use crate::rights::AskedBy;
use crate::rights::http::{SHOWN, complete, extend};
use crate::rights::requests::{self, Extension, REMIND_BEFORE, RefusalReason, Request, RequestId};
use crate::web::callers::Known;
use crate::web::extract::{Form, Path};
use crate::web::problem::{ApiResult, Problem};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/officer/requests", get(workbench).post(enter))
        .route("/officer/requests/{app}/{id}", post(decide))
}

#[derive(Template)]
#[template(path = "officer/requests.html")]
struct RequestsPage {
    shell: Shell,
    open: Vec<Request>,
    closed: Vec<Request>,
    overdue: Vec<Overdue>,
    now: Timestamp,
}

impl RequestsPage {
    /// How near its day a request is: the class of its badge, and the word on it.
    fn urgency(&self, request: &Request) -> (&'static str, String) {
        let days = |later: Timestamp, earlier| later.since(earlier).as_secs() / 86_400;
        if self.now > request.due_at {
            ("bad", format!("{} days late", days(self.now, request.due_at)))
        } else if self.now.plus(REMIND_BEFORE) >= request.due_at {
            ("warn", format!("{} days left", days(request.due_at, self.now)))
        } else {
            ("", format!("{} days left", days(request.due_at, self.now)))
        }
    }

    fn extensions() -> [(&'static str, &'static str); 2] {
        [
            (Extension::Complexity.as_str(), "the request is complex"),
            (Extension::NumberOfRequests.as_str(), "there are many requests"),
        ]
    }

    fn refusals() -> [(&'static str, &'static str); 5] {
        [
            (RefusalReason::ManifestlyUnfounded.as_str(), "manifestly unfounded, Art. 12(5)"),
            (RefusalReason::Excessive.as_str(), "excessive, Art. 12(5)"),
            (RefusalReason::IdentityUnconfirmed.as_str(), "identity not confirmed, Art. 12(6)"),
            (RefusalReason::LegalObligation.as_str(), "needed by law or for a claim, Art. 17(3)"),
            (RefusalReason::DataAccurate.as_str(), "the data is accurate, Art. 16"),
        ]
    }

    fn kinds() -> [RequestKind; 6] {
        RequestKind::ALL
    }

    /// Whether the law gives more time.
    fn extendable(&self, request: &Request) -> bool {
        request.extension.is_none()
            && self.now <= request.due_at
            && request.law.extended(request.received_at).is_some()
    }
}

async fn workbench(
    AsOfficer(session): AsOfficer,
    Known(caller): Known,
    State(app): State<App>,
) -> ApiResult<impl IntoResponse> {
    let mut tx = app.db.read().await?;
    let all = requests::all(&mut tx, SHOWN).await?;
    let overdue = recalls::overdue(&mut tx).await?;
    drop(tx);
    readings::http::note(&app, &caller, Subject::Requests, all.len() as u64).await?;
    let (open, closed) = all.into_iter().partition(Request::is_open);
    let shell = Shell::of(&session, "/officer/requests");
    Ok(Page(RequestsPage { shell, open, closed, overdue, now: app.now() }))
}

#[derive(Deserialize)]
struct EnterForm {
    app: String,
    reference: String,
    kind: String,
}

fn invalid(detail: &'static str) -> Problem {
    Problem::bad_request("form.invalid", detail)
}

/// Puts a request on record that came by letter or at the desk.
async fn enter(
    AsOfficer(_): AsOfficer,
    State(app): State<App>,
    Form(form): Form<EnterForm>,
) -> ApiResult<Response> {
    let of = AppId::parse(form.app.trim()).map_err(|_| invalid("there is no such app"))?;
    let kind = form.kind.parse().map_err(|_| invalid("there is no such kind of request"))?;
    let mut tx = app.db.begin().await?;
    let subject = accounts::subject_of(&mut tx, &app.keys, &of, form.reference.trim()).await?;
    let subject = subject.ok_or(AccountError::Unknown)?;
    let id = RequestId::random(&mut app.rng());
    let (asked, whose) = ((kind, AskedBy::Officer), (Some(subject), None));
    let at = (app.now(), app.now());
    requests::receive(&mut tx, &app.keys, (&of, id), asked, whose, at).await?;
    tx.commit().await?;
    Ok(Redirect::to("/officer/requests").into_response())
}

#[derive(Deserialize)]
struct DecideForm {
    action: String,
    #[serde(default)]
    reason: String,
}

/// Meets, extends or refuses a request.
async fn decide(
    AsOfficer(_): AsOfficer,
    State(app): State<App>,
    Path((of, id)): Path<(AppId, RequestId)>,
    Form(form): Form<DecideForm>,
) -> ApiResult<Response> {
    let mut tx = app.db.read().await?;
    let request = requests::find(&mut tx, &of, id).await?;
    drop(tx);
    match form.action.as_str() {
        "complete" => drop(complete(&app, &request).await?),
        "extend" => {
            let reason = Extension::parse(&form.reason).ok_or_else(|| invalid("say why"))?;
            drop(extend(&app, &request, reason).await?);
        }
        "refuse" => {
            let reason = RefusalReason::parse(&form.reason).ok_or_else(|| invalid("say why"))?;
            drop(requests::refuse(&app.db, &app.keys, &request, reason, app.now()).await?);
        }
        _ => return Err(invalid("complete, extend or refuse")),
    }
    Ok(Redirect::to("/officer/requests").into_response())
}
