//! The workbench: requests of people by the day they are due, and recalls that nobody acknowledged.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use volens_privacy::rights::RequestKind;
use volens_privacy::{AppId, Timestamp};

use super::super::guard::AsOfficer;
use super::super::shell::{Page, Shell};
use super::super::text;
use crate::access::directory;
use crate::accounts;
use crate::app::App;
use crate::audience::recalls::{self, Overdue};
use crate::readings::{self, Subject};
use crate::rights::http::{SHOWN, complete, extend};
use crate::rights::requests::{
    self, AllSaid, Details, Extension, REMIND_BEFORE, RefusalReason, Request, RequestId, Said,
};
use crate::rights::{AskedBy, RightsError};
use crate::web::callers::{Identified, Known, Session};
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
    /// What people said with the open ones.
    said: AllSaid,
    overdue: Vec<Overdue>,
    now: Timestamp,
    /// What was typed to be entered, when it could not be.
    typed: EnterForm,
    problem: Option<&'static str>,
    /// The request that was not met, what was typed, and why.
    unmet: Option<(RequestId, String, String)>,
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

    /// What the person said about it.
    fn said(&self, request: &Request) -> Option<&str> {
        self.said.get(&(request.app.clone(), request.id)).map(String::as_str)
    }

    /// Whether somebody has to say what was done before it counts as met.
    fn by_hand(request: &Request) -> bool {
        request.kind == RequestKind::Rectification
    }

    /// What was typed about a request that was not met, and why it was not.
    fn unmet(&self, request: &Request) -> Option<(&str, &str)> {
        let (id, typed, why) = self.unmet.as_ref()?;
        (*id == request.id).then_some((typed, why))
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
) -> ApiResult<Response> {
    let page = bench(&app, &session, &caller, EnterForm::default()).await?;
    Ok(Page(page).into_response())
}

/// The page, with what was typed into its form; that it was looked at is recorded.
async fn bench(
    app: &App,
    session: &Session,
    caller: &Identified,
    typed: EnterForm,
) -> ApiResult<RequestsPage> {
    let mut tx = app.db.read().await?;
    let all = requests::all(&mut tx, SHOWN).await?;
    let said = requests::said_open(&mut tx, &app.keys, SHOWN).await?;
    let overdue = recalls::overdue(&mut tx).await?;
    drop(tx);
    readings::http::note(app, caller, Subject::Requests, all.len() as u64).await?;
    let (open, closed) = all.into_iter().partition(Request::is_open);
    let shell = Shell::of(session, "/officer/requests");
    let (now, problem, unmet) = (app.now(), None, None);
    Ok(RequestsPage { shell, open, closed, said, overdue, now, typed, problem, unmet })
}

#[derive(Default, Deserialize)]
struct EnterForm {
    app: String,
    reference: String,
    kind: String,
    #[serde(default)]
    said: String,
}

const NO_APP: &str = "There is no such app.";

fn invalid(detail: &'static str) -> Problem {
    Problem::bad_request("form.invalid", detail)
}

/// Puts a request on record that came by letter or at the desk.
async fn enter(
    AsOfficer(session): AsOfficer,
    Known(caller): Known,
    State(app): State<App>,
    Form(form): Form<EnterForm>,
) -> ApiResult<Response> {
    let Some(problem) = entered(&app, &form).await? else {
        return Ok(Redirect::to("/officer/requests").into_response());
    };
    let page = bench(&app, &session, &caller, form).await?;
    let page = RequestsPage { problem: Some(problem), ..page };
    Ok((StatusCode::UNPROCESSABLE_ENTITY, Page(page)).into_response())
}

/// Puts what was typed on record, or says why it cannot be.
async fn entered(app: &App, form: &EnterForm) -> ApiResult<Option<&'static str>> {
    let Ok(of) = AppId::parse(form.app.trim()) else { return Ok(Some(NO_APP)) };
    let Ok(kind) = form.kind.parse() else {
        return Ok(Some("There is no such kind of request."));
    };
    let Ok(said) = Said::new(&form.said) else {
        return Ok(Some("What the person says may have 2000 characters."));
    };
    if requests::says_enough(kind, &Details::default(), said.as_ref()).is_err() {
        return Ok(Some("Say what is wrong: a correction needs to know of what."));
    }
    let mut rng = app.rng();
    let mut tx = app.db.begin().await?;
    if directory::app(&mut tx, &of).await?.is_none() {
        return Ok(Some(NO_APP));
    }
    let subject = accounts::subject_of(&mut tx, &app.keys, &of, form.reference.trim()).await?;
    let Some(subject) = subject else {
        return Ok(Some("The app has no account with this reference."));
    };
    let id = RequestId::random(&mut rng);
    let (asked, whose) = ((kind, AskedBy::Officer), (Some(subject), None));
    let at = (app.now(), app.now());
    let request = requests::receive(&mut tx, &app.keys, (&of, id), asked, whose, at).await?;
    if let Some(said) = said {
        requests::say(&mut tx, &app.keys, (subject, &request), &said, &mut rng).await?;
    }
    tx.commit().await?;
    Ok(None)
}

#[derive(Deserialize)]
struct DecideForm {
    action: String,
    #[serde(default)]
    reason: String,
    /// What was done, in words for whoever asked.
    #[serde(default)]
    answer: String,
}

/// Meets, extends or refuses a request.
async fn decide(
    AsOfficer(session): AsOfficer,
    Known(caller): Known,
    State(app): State<App>,
    Path((of, id)): Path<(AppId, RequestId)>,
    Form(form): Form<DecideForm>,
) -> ApiResult<Response> {
    let mut tx = app.db.read().await?;
    let request = requests::find(&mut tx, &of, id).await?;
    drop(tx);
    match form.action.as_str() {
        "complete" => match complete(&app, &request, &form.answer).await {
            Ok(_) => {}
            Err(why @ (RightsError::AnswerNeeded | RightsError::SaidTooMuch)) => {
                let page = bench(&app, &session, &caller, EnterForm::default()).await?;
                let unmet = Some((id, form.answer, text::sentence(&why.to_string())));
                let page = RequestsPage { unmet, ..page };
                return Ok((StatusCode::UNPROCESSABLE_ENTITY, Page(page)).into_response());
            }
            Err(error) => return Err(error.into()),
        },
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
