//! What a person can demand on their own page: an end to marketing, a pause, a correction. Each is one button, works
//! without a script, and has taken effect when the page comes back.

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_DISPOSITION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use volens_privacy::rights::RequestKind;
use volens_privacy::topics::Topics;

use super::languages::Chosen;
use super::privacy_centre::{Centre, Done, assumed, counted, gone, happened, page};
use super::rights_words::RightsWords;
use super::shell::{Page, token_of};
use super::words::Words;
use crate::app::App;
use crate::privacy_centre::{self, Person};
use crate::rights::requests::{self, Request, Said};
use crate::rights::{self, AskedBy, RestrictionReason, access, interests, objection};
use crate::web::callers::{Anyone, Identified};
use crate::web::extract::{Form, Path};
use crate::web::json::Json;
use crate::web::problem::{ApiResult, Problem};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/p/{token}/object", post(object))
        .route("/p/{token}/restrict", post(restrict))
        .route("/p/{token}/resume", post(resume))
        .route("/p/{token}/interests", post(correct))
        .route("/p/{token}/data.json", get(data))
        .route("/p/{token}/wrong", post(wrong))
}

/// Whose page it is, for an hour longer than it can be opened.
async fn person(app: &App, token: &str) -> ApiResult<Option<Person>> {
    let mut tx = app.db.read().await?;
    Ok(privacy_centre::open_to_withdraw(&mut tx, &app.keys, token, app.now()).await?)
}

/// The page again, with what was done on top.
async fn again(
    app: &App,
    person: &Person,
    (token, identified): (String, Option<Identified>),
    done: Done,
) -> ApiResult<Centre> {
    let mut tx = app.db.read().await?;
    let form_token = token_of(identified.as_ref());
    page(app, &mut tx, person, (token, form_token), Some(done)).await
}

/// The page as an answer.
fn shown(page: Centre) -> Response {
    Page(page).into_response()
}

/// Puts what the person demands on record, with its clock, before it is met.
pub(super) async fn begin(
    app: &App,
    person: &Person,
    kind: RequestKind,
    said: Option<&Said>,
) -> ApiResult<Request> {
    let (mut rng, now) = (app.rng(), app.now());
    let of = (&person.app, person.subject);
    Ok(requests::begin(&app.db, &app.keys, of, (kind, said), &mut rng, now).await?)
}

/// Objects to direct marketing.
async fn object(
    Anyone(identified): Anyone,
    State(app): State<App>,
    chosen: Chosen,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let Some(person) = person(&app, &token).await? else { return Ok(gone(&headers)) };
    let person = chosen.by(person);
    let mut tx = app.db.read().await?;
    let before = counted(&assumed(&app, &mut tx, &person).await);
    drop(tx);
    let request = begin(&app, &person, RequestKind::Objection, None).await?;
    let who = (person.app.clone(), person.account);
    let done = objection::object(&app.consents, who, app.now()).await?;
    requests::finish(&app.db, &app.keys, &request, "objected", app.now()).await?;
    let words = Words::of(&person.language);
    let done = Done {
        title: RightsWords::of(words.code).objected.to_owned(),
        text: words.withdrawn_text,
        entry: Words::fill(words.entry, &done.entry.to_string()),
        effects: happened(done.effects, words),
        otherwise: words.nothing_else,
    };
    let mut page = again(&app, &person, (token, identified), done).await?;
    page.less_interests(before);
    Ok(shown(page))
}

/// Pauses the use of everything about the person.
async fn restrict(
    Anyone(identified): Anyone,
    State(app): State<App>,
    chosen: Chosen,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let Some(person) = person(&app, &token).await? else { return Ok(gone(&headers)) };
    let person = chosen.by(person);
    let request = begin(&app, &person, RequestKind::Restriction, None).await?;
    let asked = (RestrictionReason::AccuracyContested, AskedBy::Person);
    let mut tx = app.db.begin().await?;
    let done = rights::restrict(&mut tx, &app.keys, person.subject, asked, app.now()).await?;
    tx.commit().await?;
    requests::finish(&app.db, &app.keys, &request, "restricted", app.now()).await?;
    let words = Words::of(&person.language);
    let removed = done.removed;
    let effects = [
        (words.links_cut, removed.links),
        (words.scores_gone, removed.scores),
        (words.rows_gone, removed.list_rows),
    ];
    let done = Done {
        title: RightsWords::of(words.code).restricted.to_owned(),
        text: words.withdrawn_text,
        entry: Words::fill(words.entry, &done.entry.to_string()),
        effects: effects.into_iter().filter(|(_, count)| *count > 0).collect(),
        otherwise: words.nothing_else,
    };
    Ok(shown(again(&app, &person, (token, identified), done).await?))
}

/// Ends the pause.
async fn resume(
    Anyone(identified): Anyone,
    State(app): State<App>,
    chosen: Chosen,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let Some(person) = person(&app, &token).await? else { return Ok(gone(&headers)) };
    let person = chosen.by(person);
    let mut tx = app.db.begin().await?;
    let by = AskedBy::Person;
    let entry = rights::resume(&mut tx, &app.keys, person.subject, by, app.now()).await?;
    tx.commit().await?;
    let words = Words::of(&person.language);
    let rights = RightsWords::of(words.code);
    let done = Done {
        title: rights.resumed.to_owned(),
        text: rights.resumed_text,
        entry: Words::fill(words.entry, &entry.to_string()),
        effects: Vec::new(),
        otherwise: "",
    };
    Ok(shown(again(&app, &person, (token, identified), done).await?))
}

#[derive(Deserialize)]
struct CorrectForm {
    topic: String,
    /// Empty to let the topic count again.
    #[serde(default)]
    denied: String,
}

/// Denies an inferred interest, or lets it count again.
async fn correct(
    Anyone(identified): Anyone,
    State(app): State<App>,
    chosen: Chosen,
    Path(token): Path<String>,
    headers: HeaderMap,
    Form(form): Form<CorrectForm>,
) -> ApiResult<Response> {
    let Some(person) = person(&app, &token).await? else { return Ok(gone(&headers)) };
    let person = chosen.by(person);
    let topic = Topics::builtin()
        .check(&form.topic)
        .map_err(|_| Problem::bad_request("form.invalid", "there is no such topic"))?;
    let (denied, mut rng) = (!form.denied.is_empty(), app.rng());
    let mut tx = app.db.begin().await?;
    let change = (topic, denied);
    interests::correct(&mut tx, &app.keys, person.subject, change, &mut rng, app.now()).await?;
    tx.commit().await?;
    let words = Words::of(&person.language);
    let rights = RightsWords::of(words.code);
    let title = if denied { rights.denied_done } else { rights.allowed_done };
    let done = Done {
        title: Words::fill(title, &interests::title(topic.as_str(), words.code)),
        text: words.withdrawn_text,
        entry: String::new(),
        effects: Vec::new(),
        otherwise: "",
    };
    Ok(shown(again(&app, &person, (token, identified), done).await?))
}

/// Everything that is kept about the person, as one signed file.
async fn data(
    State(app): State<App>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let mut tx = app.db.read().await?;
    let person = privacy_centre::open(&mut tx, &app.keys, &token, app.now()).await?;
    let Some(person) = person else { return Ok(gone(&headers)) };
    let export =
        access::export(&mut tx, (&app.keys, &app.receipts), person.subject, app.now()).await?;
    let name = [(CONTENT_DISPOSITION, "attachment; filename=\"my-data.json\"")];
    Ok((name, Json(export)).into_response())
}

#[derive(Deserialize)]
struct WrongForm {
    /// What is wrong.
    #[serde(default)]
    said: String,
}

/// Asks for a correction that needs a person: it waits for the officer, with its clock.
async fn wrong(
    Anyone(identified): Anyone,
    State(app): State<App>,
    chosen: Chosen,
    Path(token): Path<String>,
    headers: HeaderMap,
    Form(form): Form<WrongForm>,
) -> ApiResult<Response> {
    let Some(person) = person(&app, &token).await? else { return Ok(gone(&headers)) };
    let person = chosen.by(person);
    let words = Words::of(&person.language);
    let rights = RightsWords::of(words.code);
    let said = match Said::new(&form.said) {
        Ok(Some(said)) => said,
        unsaid => {
            let why = if unsaid.is_err() { rights.wrong_too_much } else { rights.wrong_nothing };
            let mut tx = app.db.read().await?;
            let form_token = token_of(identified.as_ref());
            let mut page = page(&app, &mut tx, &person, (token, form_token), None).await?;
            page.unsaid = Some((form.said, why));
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, Page(page)).into_response());
        }
    };
    let request = begin(&app, &person, RequestKind::Rectification, Some(&said)).await?;
    let done = Done {
        title: Words::fill(rights.wrong_done, &words.day(request.due_at)),
        text: "",
        entry: Words::fill(words.entry, &request.received_entry.to_string()),
        effects: Vec::new(),
        otherwise: "",
    };
    Ok(shown(again(&app, &person, (token, identified), done).await?))
}
