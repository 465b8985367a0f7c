//! Why somebody is on a list, and why not elsewhere: for the business that asked, for the officer who
//! checks, and for the person it is about. One text for all three.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde::Deserialize;
use volens_privacy::BusinessId;

use super::guard::{AsBusiness, AsOfficer};
use super::languages::{Chosen, LANGUAGES};
use super::privacy_centre::gone;
use super::shell::{Page, Shell};
use super::text;
use super::why_words::WhyWords;
use super::words::Words;
use crate::access::directory;
use crate::app::App;
use crate::audience::why::{self, Beside, Got, Turn, Why};
use crate::audience::{AudienceError, request};
use crate::db::Tx;
use crate::ids::ListId;
use crate::privacy_centre;
use crate::readings::{self, Subject};
use crate::web::callers::{Identified, Known};
use crate::web::extract::{Path, Query};
use crate::web::problem::ApiResult;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/console/lists/{list}/rows/{rank}", get(of_business))
        .route("/officer/lists/{list}/why", get(of_officer))
        .route("/p/{token}/why", get(of_person))
}

/// A row for those who work with lists.
#[derive(Template)]
#[template(path = "why.html")]
struct RowPage {
    shell: Shell,
    words: &'static WhyWords,
    /// Where the list is.
    back: String,
    /// Where another row is asked for, and whether the rank is asked for with it.
    action: String,
    asks_rank: bool,
    why: Why,
    than: Option<u32>,
}

#[derive(Deserialize)]
struct Than {
    #[serde(default)]
    than: String,
}

#[derive(Deserialize)]
struct Asked {
    rank: u32,
    #[serde(default)]
    than: String,
}

/// The rank of a field that may be left empty.
fn rank_in(text: &str) -> Option<u32> {
    text.trim().parse().ok()
}

async fn of_business(
    AsBusiness { session, id }: AsBusiness,
    Known(caller): Known,
    State(app): State<App>,
    Path((list, rank)): Path<(ListId, u32)>,
    Query(query): Query<Than>,
) -> ApiResult<Response> {
    let than = rank_in(&query.than);
    let why = row(&app, &caller, (id, list), (rank, than)).await?;
    let page = RowPage {
        shell: Shell::of(&session, "/console"),
        words: WhyWords::of("en"),
        back: format!("/console/lists/{list}"),
        action: format!("/console/lists/{list}/rows/{rank}"),
        asks_rank: false,
        why,
        than,
    };
    Ok(Page(page).into_response())
}

async fn of_officer(
    AsOfficer(session): AsOfficer,
    Known(caller): Known,
    State(app): State<App>,
    Path(list): Path<ListId>,
    Query(query): Query<Asked>,
) -> ApiResult<Response> {
    let business = request::owner(&mut app.db.read().await?, list).await?;
    let than = rank_in(&query.than);
    let why = row(&app, &caller, (business, list), (query.rank, than)).await?;
    let page = RowPage {
        shell: Shell::of(&session, "/officer/lists"),
        words: WhyWords::of("en"),
        back: format!("/officer/lists?list={list}"),
        action: format!("/officer/lists/{list}/why"),
        asks_rank: true,
        why,
        than,
    };
    Ok(Page(page).into_response())
}

/// A row explained in English, and that it was read put on record.
async fn row(
    app: &App,
    caller: &Identified,
    of: (BusinessId, ListId),
    asked: (u32, Option<u32>),
) -> ApiResult<Why> {
    let mut tx = app.db.read().await?;
    let why = why::of_row(&mut tx, &app.keys, of, asked, Some("en"), app.now()).await?;
    drop(tx);
    let people = 1 + u64::from(asked.1.is_some());
    readings::http::note(app, caller, Subject::Rows(of.1), people).await?;
    Ok(why)
}

/// One list, for the person who is on it.
struct Shown {
    business: String,
    sealed: String,
    got: Got,
}

#[derive(Template)]
#[template(path = "person/why.html")]
struct PersonPage {
    shell: Shell,
    words: &'static WhyWords,
    token: String,
    lists: Vec<Shown>,
}

async fn of_person(
    State(app): State<App>,
    chosen: Chosen,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let (mut tx, now) = (app.db.read().await?, app.now());
    let person = privacy_centre::open(&mut tx, &app.keys, &token, now).await?;
    let Some(person) = person else { return Ok(gone(&headers)) };
    let person = chosen.by(person);
    let shell = Shell::public(&person.language);
    let all = why::of_person(&mut tx, &app.keys, person.subject, shell.language, now).await?;
    let mut lists = Vec::with_capacity(all.len());
    for got in all {
        let business = name(&mut tx, got.business).await?;
        lists.push(Shown { business, sealed: shell.words.day(got.sealed_at), got });
    }
    let words = WhyWords::of(shell.language);
    Ok(Page(PersonPage { shell, words, token, lists }).into_response())
}

async fn name(tx: &mut Tx, business: BusinessId) -> Result<String, AudienceError> {
    let known = directory::business(tx, business).await?;
    Ok(known.map_or_else(|| business.to_string(), |record| record.name))
}

impl WhyWords {
    /// What a turn comes to, where it is no list of changes.
    pub(super) fn turned(&self, turn: &Turn) -> &'static str {
        match turn.code {
            "change" => self.change,
            "no_small_change" => self.no_small_change,
            "not_by_score" => self.not_by_score,
            _ => self.nobody_left_out,
        }
    }

    /// What a comparison is with.
    pub(super) fn beside(&self, beside: &Beside) -> String {
        beside.rank.map_or_else(
            || self.since.to_owned(),
            |rank| Words::fill(self.beside_rank, &rank.to_string()),
        )
    }
}
