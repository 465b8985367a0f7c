//! What one account consented to and when, each state with the entry that proves it. Looking is
//! itself an entry of the ledger.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use volens_privacy::consent::Decision;
use volens_privacy::identity::{AppId, SubjectId};
use volens_privacy::ledger::{Leaf, LeafKind};
use volens_privacy::{Consents, Timestamp};

use super::super::guard::AsOfficer;
use super::super::shell::{Page, Shell};
use super::super::text;
use crate::accounts::{self, Account};
use crate::app::App;
use crate::consent;
use crate::db::Tx;
use crate::identity;
use crate::ledger;
use crate::web::callers::Session;
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
    verified: bool,
    steps: Vec<Step>,
    access: u64,
}

async fn form(AsOfficer(session): AsOfficer) -> impl IntoResponse {
    let shell = Shell::of(&session, "/officer/person");
    Page(PersonPage { shell, asked: Asked::default(), missing: false, found: None })
}

async fn look(
    AsOfficer(session): AsOfficer,
    State(app): State<App>,
    Form(asked): Form<Asked>,
) -> ApiResult<Response> {
    let shell = Shell::of(&session, "/officer/person");
    let mut tx = app.db.begin().await?;
    let account = find(&app, &mut tx, &asked).await?;
    let Some(account) = account else {
        let page = PersonPage { shell, asked, missing: true, found: None };
        return Ok((StatusCode::NOT_FOUND, Page(page)).into_response());
    };
    let access = note_access(&app, &mut tx, &session).await?;
    let subject = account.subject;
    let consents = consent::consents_of(&mut tx, &app.keys, &[subject]).await?.remove(&subject);
    let links = identity::links_of(&mut tx, subject).await?;
    tx.commit().await?;
    let found = Found {
        account,
        links: links.into_iter().map(|(app, _)| app).collect(),
        verified: consents.is_some(),
        steps: consents.as_ref().map(steps).unwrap_or_default(),
        access,
    };
    Ok(Page(PersonPage { shell, asked, missing: false, found: Some(found) }).into_response())
}

async fn find(app: &App, tx: &mut Tx, asked: &Asked) -> ApiResult<Option<Account>> {
    let subject = if asked.subject.trim().is_empty() {
        let Ok(id) = AppId::parse(asked.app.trim()) else { return Ok(None) };
        accounts::subject_of(tx, &app.keys, &id, asked.reference.trim()).await?
    } else {
        asked.subject.trim().parse::<SubjectId>().ok()
    };
    let Some(subject) = subject else { return Ok(None) };
    Ok(accounts::find(tx, &[subject]).await?.remove(&subject))
}

/// Puts on record that an officer read personal data: who and what kind, never about whom.
async fn note_access(app: &App, tx: &mut Tx, session: &Session) -> ApiResult<u64> {
    let detail = serde_json::json!({"view": "consent.history", "user": session.user});
    let leaf = Leaf::new(LeafKind::OfficerAccess, app.now()).with_detail(detail);
    let appended = ledger::append(tx, &app.keys.log_signer(), &[leaf], app.now()).await?;
    Ok(appended.first)
}

fn steps(consents: &Consents) -> Vec<Step> {
    let steps = consents.history().iter().rev().map(|entry| {
        let record = &entry.record;
        let tone = match record.decision {
            Decision::Given => "good",
            Decision::Refused | Decision::Withdrawn => "bad",
            Decision::Expired => "warn",
        };
        let notice = record.notice.as_ref();
        Step {
            entry: entry.index,
            decision: record.decision.as_str(),
            tone,
            title: record.purpose.definition().title("en"),
            peer: record.peer.as_ref().map(ToString::to_string).unwrap_or_default(),
            notice: notice
                .map(|n| format!("{}/{}/{}", n.id, n.version, n.language))
                .unwrap_or_default(),
            decided_at: record.decided_at,
            ends_at: (record.decision == Decision::Given).then(|| record.ends_at()),
        }
    });
    steps.collect()
}
