//! The time machine: how consents stood at a moment, under which text, and how many of an app's accounts
//! could be reached then.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use volens_privacy::Timestamp;
use volens_privacy::claims::{Claims, TcfClaim};
use volens_privacy::consent::Refusal;
use volens_privacy::identity::{AppId, SubjectId};

use super::super::guard::AsOfficer;
use super::super::shell::{Page, Shell};
use super::super::text;
use super::person;
use crate::access::directory;
use crate::app::App;
use crate::audit::AuditError;
use crate::audit::http::time::ACCOUNTS_MAX;
use crate::audit::time_machine::{self, AccountThen, Count, StateThen};
use crate::readings::Reader;
use crate::readings::openings::OpeningError;
use crate::web::callers::Known;
use crate::web::extract::Form;
use crate::web::problem::ApiResult;

const ADDRESS: &str = "/officer/time";

pub(super) fn routes() -> Router<App> {
    Router::new().route(ADDRESS, get(form).post(look)).route("/officer/time/counts", post(counts))
}

/// What the officer asks.
#[derive(Default, Deserialize)]
struct Asked {
    #[serde(default)]
    app: String,
    #[serde(default)]
    reference: String,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    at: String,
    #[serde(default)]
    compare: String,
    /// Where the last step through the accounts ended.
    #[serde(default)]
    after: String,
}

/// Counts of one step through an app's accounts.
struct Counted {
    counts: Vec<Count>,
    looked_at: u64,
    unverifiable: u64,
    next: Option<SubjectId>,
}

#[derive(Template)]
#[template(path = "officer/time.html")]
struct TimePage {
    shell: Shell,
    asked: Asked,
    problem: Option<&'static str>,
    found: Option<AccountThen>,
    /// What stood so, under a heading, with what is to be known about it.
    groups: Vec<(String, &'static str, Vec<StateThen>)>,
    counted: Option<Counted>,
}

impl TimePage {
    fn new(shell: Shell, asked: Asked) -> Self {
        Self { shell, asked, problem: None, found: None, groups: Vec::new(), counted: None }
    }
}

/// A moment as officers type it: RFC 3339, or the beginning of a minute or a day in UTC.
fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim().replacen(' ', "T", 1);
    let whole = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        16 => format!("{text}:00Z"),
        19 => format!("{text}Z"),
        _ => text,
    };
    Timestamp::parse(&whole).ok()
}

/// The moments that were asked about, none of them to come; the second is optional.
fn moments(asked: &Asked, now: Timestamp) -> Option<(Timestamp, Option<Timestamp>)> {
    let past = |text: &str| moment(text).filter(|at| *at <= now);
    let at = past(&asked.at)?;
    match asked.compare.trim() {
        "" => Some((at, None)),
        text => Some((at, Some(past(text)?))),
    }
}

const NO_MOMENT: &str =
    "Say when it was, for instance 2026-11-21 or 2026-11-21 10:30 (UTC), not later than now.";

const REPORTED_LATER: &str = "This service did not know these decisions at that moment and did not go by \
     them. That they were taken then is the word of the app that reported them; the ledger proves when \
     they were reported.";

const NO_APP: &str = "There is no such app.";

async fn form(AsOfficer(session): AsOfficer) -> impl IntoResponse {
    let shell = Shell::of(&session, ADDRESS);
    Page(TimePage::new(shell, Asked::default()))
}

fn refused(shell: Shell, asked: Asked, problem: &'static str) -> Response {
    let page = TimePage { problem: Some(problem), ..TimePage::new(shell, asked) };
    (StatusCode::UNPROCESSABLE_ENTITY, Page(page)).into_response()
}

async fn look(
    AsOfficer(session): AsOfficer,
    Known(caller): Known,
    State(app): State<App>,
    Form(asked): Form<Asked>,
) -> ApiResult<Response> {
    let shell = Shell::of(&session, ADDRESS);
    let Some(at) = moments(&asked, app.now()) else { return Ok(refused(shell, asked, NO_MOMENT)) };
    let mut tx = app.db.begin().await?;
    let whom = (asked.app.as_str(), asked.reference.as_str(), asked.subject.as_str());
    let Some(account) = person::account(&app, &mut tx, whom).await? else {
        return Ok(refused(shell, asked, "There is no such account."));
    };
    let (mut rng, who) = (app.rng(), (Reader::from(&caller), account.subject));
    let when = (at, app.now());
    let told = time_machine::account_at(&mut tx, &app.keys, &mut rng, who, when).await;
    let found = match told {
        Ok(found) => found,
        Err(AuditError::Opening(OpeningError::Closed)) => {
            let problem = "A second officer has to approve that you look; ask under Person.";
            return Ok(refused(shell, asked, problem));
        }
        Err(AuditError::Unverifiable) => {
            let problem = "The records of this account do not match the ledger.";
            return Ok(refused(shell, asked, problem));
        }
        Err(error) => return Err(error.into()),
    };
    tx.commit().await?;
    let then = text::minute(found.at);
    let mut groups = vec![
        (format!("On record at {then}"), "", found.states.clone()),
        (format!("Taken by {then}, reported later"), REPORTED_LATER, found.told_since.clone()),
    ];
    if let Some(compared) = found.compared_with {
        let heading = format!("What differed at {}", text::minute(compared));
        groups.push((heading, "", found.differed.clone()));
    }
    groups.retain(|(_, _, states)| !states.is_empty());
    let page = TimePage { found: Some(found), groups, ..TimePage::new(shell, asked) };
    Ok(Page(page).into_response())
}

async fn counts(
    AsOfficer(session): AsOfficer,
    State(app): State<App>,
    Form(asked): Form<Asked>,
) -> ApiResult<Response> {
    let shell = Shell::of(&session, ADDRESS);
    let Some((at, compared)) = moments(&asked, app.now()) else {
        return Ok(refused(shell, asked, NO_MOMENT));
    };
    let Ok(of) = AppId::parse(asked.app.trim()) else {
        return Ok(refused(shell, asked, NO_APP));
    };
    let mut tx = app.db.read().await?;
    if directory::app(&mut tx, &of).await?.is_none() {
        return Ok(refused(shell, asked, NO_APP));
    }
    let bounds = (asked.after.parse().ok(), ACCOUNTS_MAX);
    let step = time_machine::counts_at(&mut tx, &app.keys, (&of, at, compared), bounds).await?;
    let counted = Some(Counted {
        counts: step.found,
        looked_at: step.looked_at,
        unverifiable: step.unverifiable,
        next: step.next,
    });
    Ok(Page(TimePage { counted, ..TimePage::new(shell, asked) }).into_response())
}

/// Why a consent did not live, in words.
fn why(code: &str) -> &str {
    let words = [
        (Refusal::Absent, "not decided by then"),
        (Refusal::Refused, "declined"),
        (Refusal::Withdrawn, "taken back"),
        (Refusal::Expired, "had run out"),
        (Refusal::Underage, "too young"),
    ];
    words.iter().find(|(refusal, _)| refusal.code() == code).map_or(code, |(_, said)| said)
}

/// Where a notice can be read as a page.
fn address(state: &StateThen) -> String {
    state
        .notice
        .as_ref()
        .map(|text| format!("/n/{}/{}/{}", text.id, text.version, text.language))
        .unwrap_or_default()
}

/// The European claims among those of one record, and where each stood.
fn european(claims: &Claims) -> Vec<(&'static str, &TcfClaim)> {
    let sections = claims.gpp.iter().flat_map(|gpp| &gpp.sections);
    let within = sections.filter_map(|section| Some(("GPP string", section.tcf.as_ref()?)));
    claims.tcf.iter().map(|tcf| ("TC string", tcf)).chain(within).collect()
}

/// Sections of a GPP string of which only that they are there is told.
fn other_sections(claims: &Claims) -> String {
    let sections = claims.gpp.iter().flat_map(|gpp| &gpp.sections);
    let names: Vec<&str> =
        sections.filter(|section| section.tcf.is_none()).map(|section| section.name).collect();
    names.join(", ")
}

/// Numbers in a row.
fn listed(numbers: &[u8]) -> String {
    let words: Vec<String> = numbers.iter().map(u8::to_string).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

/// A text in paragraphs, headings marked.
fn paragraphs(text: &str) -> Vec<(bool, &str)> {
    let parts = text.split("\n\n").map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| part.strip_prefix("## ").map_or((false, part), |title| (true, title)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_people_type_them() {
        let told = |text: &str| moment(text).map(|at| at.to_string());
        for text in
            ["2026-11-21", " 2026-11-21 00:00 ", "2026-11-21T00:00:00", "2026-11-21T00:00:00Z"]
        {
            assert_eq!(told(text).as_deref(), Some("2026-11-21T00:00:00.000000Z"), "{text}");
        }
        for text in ["", "yesterday", "2026-13-01", "21.11.2026"] {
            assert_eq!(told(text), None, "{text}");
        }
    }
}
