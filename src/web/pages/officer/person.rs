//! What one account consented to and when, each state with the entry that proves it. A second officer
//! has to approve before anything is shown, and looking is itself an entry of the ledger.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use volens_privacy::Timestamp;
use volens_privacy::consent::Decision;
use volens_privacy::identity::{AppId, SubjectId};

use super::super::guard::AsOfficer;
use super::super::shell::{Page, Shell};
use super::super::text;
use super::lessons;
use crate::accounts::{self, Account};
use crate::app::App;
use crate::audit::{self, AuditError, DecisionMade};
use crate::db::Tx;
use crate::identity;
use crate::readings::Reader;
use crate::readings::openings::OpeningError;
use crate::relevance::manifest::InModel;
use crate::rights::requests;
use crate::web::callers::Known;
use crate::web::extract::Form;
use crate::web::problem::ApiResult;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/officer/person", get(form).post(look))
}

#[derive(Template)]
#[template(path = "officer/person.html")]
struct PersonPage {
    shell: Shell,
    asked: Asked,
    missing: bool,
    /// An account whose record this officer may not open yet.
    closed: Option<SubjectId>,
    found: Option<Found>,
}

/// Whom the officer asks about.
#[derive(Default, Deserialize)]
struct Asked {
    #[serde(default)]
    app: String,
    #[serde(default)]
    reference: String,
    #[serde(default)]
    subject: String,
    /// A request that came through the app.
    #[serde(default)]
    request: String,
}

impl Asked {
    async fn account(&self, app: &App, tx: &mut Tx) -> ApiResult<Option<Account>> {
        let Ok(request) = self.request.parse() else {
            return account(app, tx, (&self.app, &self.reference, &self.subject)).await;
        };
        let Ok(of) = AppId::parse(&self.app) else { return Ok(None) };
        let Some(subject) = requests::subject_of(tx, &of, request).await? else { return Ok(None) };
        Ok(accounts::find(tx, &[subject]).await?.remove(&subject))
    }
}

/// One decision.
struct Step {
    entry: u64,
    decision: &'static str,
    tone: &'static str,
    title: &'static str,
    peer: String,
    notice: String,
    decided_at: Timestamp,
    ends_at: Option<Timestamp>,
}

/// An account and its verified history.
struct Found {
    account: Account,
    links: Vec<AppId>,
    steps: Vec<Step>,
    lists: usize,
    /// Models that learned from the person.
    models: Vec<InModel>,
    /// The entry that says this was read; absent when the records do not match the ledger.
    access: Option<u64>,
}

async fn form(AsOfficer(session): AsOfficer) -> impl IntoResponse {
    let shell = Shell::of(&session, "/officer/person");
    Page(PersonPage { shell, asked: Asked::default(), missing: false, closed: None, found: None })
}

async fn look(
    AsOfficer(session): AsOfficer,
    Known(caller): Known,
    State(app): State<App>,
    Form(asked): Form<Asked>,
) -> ApiResult<Response> {
    let shell = Shell::of(&session, "/officer/person");
    let mut tx = app.db.begin().await?;
    let Some(account) = asked.account(&app, &mut tx).await? else {
        let page = PersonPage { shell, asked, missing: true, closed: None, found: None };
        return Ok((StatusCode::NOT_FOUND, Page(page)).into_response());
    };
    let (mut rng, who) = (app.rng(), (Reader::from(&caller), account.subject));
    // Reading leaves an entry in the same transaction.
    let found = match audit::timeline(&mut tx, &app.keys, &mut rng, who, app.now()).await {
        Err(AuditError::Opening(OpeningError::Closed)) => {
            let closed = Some(account.subject);
            let page = PersonPage { shell, asked, missing: false, closed, found: None };
            return Ok(Page(page).into_response());
        }
        Ok(timeline) => {
            let links = identity::links_of(&mut tx, account.subject).await?;
            let links = links.into_iter().map(|(app, _)| app).collect();
            tx.commit().await?;
            let steps = timeline.decisions.iter().rev().map(step).collect();
            let access = Some(timeline.access_entry);
            let (lists, models) = (timeline.lists.len(), timeline.models);
            Found { account, links, steps, lists, models, access }
        }
        Err(AuditError::Unverifiable) => {
            let (links, steps, models) = (Vec::new(), Vec::new(), Vec::new());
            Found { account, links, steps, lists: 0, models, access: None }
        }
        Err(error) => return Err(error.into()),
    };
    let page = PersonPage { shell, asked, missing: false, closed: None, found: Some(found) };
    Ok(Page(page).into_response())
}

/// The account that an officer names by its app and the app's reference, or by its id.
pub(super) async fn account(
    app: &App,
    tx: &mut Tx,
    (of, reference, subject): (&str, &str, &str),
) -> ApiResult<Option<Account>> {
    let subject = if subject.trim().is_empty() {
        let Ok(id) = AppId::parse(of.trim()) else { return Ok(None) };
        accounts::subject_of(tx, &app.keys, &id, reference.trim()).await?
    } else {
        subject.trim().parse::<SubjectId>().ok()
    };
    let Some(subject) = subject else { return Ok(None) };
    Ok(accounts::find(tx, &[subject]).await?.remove(&subject))
}

fn step(made: &DecisionMade) -> Step {
    let tone = match made.decision {
        Decision::Given => "good",
        Decision::Refused | Decision::Withdrawn => "bad",
        Decision::Expired => "warn",
    };
    Step {
        entry: made.entry,
        decision: made.decision.as_str(),
        tone,
        title: made.purpose.definition().title("en"),
        peer: made.peer.as_ref().map(ToString::to_string).unwrap_or_default(),
        notice: made.notice.as_ref().map(|name| name.replace('@', "/")).unwrap_or_default(),
        decided_at: made.decided_at,
        ends_at: made.ends_at,
    }
}
