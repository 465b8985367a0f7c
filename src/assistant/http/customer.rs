//! What customers call, with the token of their conversation, and what agents see.

use axum::extract::{FromRequestParts, State};
use axum::http::header::{ACCEPT, ACCEPT_LANGUAGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volens_privacy::Timestamp;

use super::events;
use super::wire::{
    ConversationIn, ConversationOut, FeedbackIn, MessageIn, TranscriptOut, WaitingOut,
};
use crate::app::App;
use crate::assistant::conversation::{self, Token};
use crate::assistant::respond::{self, Desk};
use crate::assistant::{Reply, label, transcript};
use crate::ids::{BotId, ConversationId};
use crate::readings::{self, Subject};
use crate::search::Language;
use crate::web::callers::{Agent, Known};
use crate::web::extract::{Path, Query};
use crate::web::json::Json;
use crate::web::paging::{Page, PageQuery};
use crate::web::problem::{ApiResult, Problem};

/// Most messages of one page of a transcript.
const TRANSCRIPT: u32 = 200;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(start))
        .routes(routes!(send, messages))
        .routes(routes!(hand_over))
        .routes(routes!(rate))
        .routes(routes!(inbox))
}

/// The customer of a conversation: whoever holds its token. Whether it fits the conversation is
/// checked where the conversation is read.
struct Customer(Token);

impl FromRequestParts<App> for Customer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|text| text.split_once(' ')).and_then(|(scheme, token)| {
            scheme.eq_ignore_ascii_case("bearer").then(|| Token::parse(token.trim())).flatten()
        });
        token.map(Self).ok_or_else(Problem::unauthenticated)
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Begin a conversation with a published bot. The first thing to show is `label`.
#[utoipa::path(post, path = "/v1/bots/{bot}/conversations", tag = "conversations",
    params(("bot" = String, Path)), request_body = Option<ConversationIn>,
    responses((status = 201, body = ConversationOut)))]
async fn start(
    State(app): State<App>,
    Path(id): Path<BotId>,
    headers: HeaderMap,
    body: Option<Json<ConversationIn>>,
) -> ApiResult<Response> {
    let told = body.and_then(|Json(body)| body.language);
    let mut tx = app.db.begin().await?;
    let published = crate::assistant::published(&mut tx, id).await?;
    let wanted = told
        .as_deref()
        .and_then(Language::parse)
        .or_else(|| Language::accepted(text(&headers, ACCEPT_LANGUAGE), &published.languages));
    let (mut rng, now) = (app.rng(), app.now());
    let started =
        conversation::start(&mut tx, &app.keys, &mut rng, now, &published, wanted).await?;
    tx.commit().await?;
    let out = Json(ConversationOut::from(started));
    Ok((StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], out).into_response())
}

/// Say something. With `Accept: text/event-stream` the reply comes as the events `label`, `text`
/// (in pieces), `sources` and `done`.
#[utoipa::path(post, path = "/v1/conversations/{conversation}/messages", tag = "conversations",
    security(("conversation" = [])), params(("conversation" = String, Path)),
    request_body = MessageIn,
    responses((status = 200, content((Reply = "application/json"),
                                     (String = "text/event-stream")))))]
async fn send(
    State(app): State<App>,
    Customer(token): Customer,
    Path(id): Path<ConversationId>,
    headers: HeaderMap,
    Json(body): Json<MessageIn>,
) -> ApiResult<Response> {
    let mut rng = app.rng();
    let reply = respond::respond(&desk(&app), &mut rng, &token, id, &body.text).await?;
    if !text(&headers, ACCEPT).contains("text/event-stream") {
        return Ok(Json(reply).into_response());
    }
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
    Ok((headers, events::stream(label(reply.language), &reply)).into_response())
}

/// The messages so far, from number `after` + 1.
#[utoipa::path(get, path = "/v1/conversations/{conversation}/messages", tag = "conversations",
    security(("conversation" = [])),
    params(("conversation" = String, Path), ("after" = Option<u64>, Query)),
    responses((status = 200, body = TranscriptOut)))]
async fn messages(
    State(app): State<App>,
    Customer(token): Customer,
    Path(id): Path<ConversationId>,
    Query(query): Query<After>,
) -> ApiResult<Json<TranscriptOut>> {
    let mut tx = app.db.read().await?;
    let opened = conversation::open(&mut tx, &app.keys, &token, id).await?;
    let from = query.after.map_or(0, |after| after.saturating_add(1));
    let rows = TRANSCRIPT + 1;
    let mut data = transcript::read(&mut tx, &app.keys, &opened, from, rows).await?;
    let has_more = data.len() > TRANSCRIPT as usize;
    data.truncate(TRANSCRIPT as usize);
    Ok(Json(TranscriptOut { state: opened.state(), data, has_more }))
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    after: Option<u64>,
}

/// Ask for a person. The bot is silent from then on.
#[utoipa::path(post, path = "/v1/conversations/{conversation}/handoff", tag = "conversations",
    security(("conversation" = [])), params(("conversation" = String, Path)),
    responses((status = 200, body = Reply)))]
async fn hand_over(
    State(app): State<App>,
    Customer(token): Customer,
    Path(id): Path<ConversationId>,
) -> ApiResult<Json<Reply>> {
    Ok(Json(respond::hand_over(&desk(&app), &mut app.rng(), &token, id).await?))
}

/// Say whether a reply helped.
#[utoipa::path(post, path = "/v1/conversations/{conversation}/feedback", tag = "conversations",
    security(("conversation" = [])), params(("conversation" = String, Path)),
    request_body = FeedbackIn, responses((status = 204)))]
async fn rate(
    State(app): State<App>,
    Customer(token): Customer,
    Path(id): Path<ConversationId>,
    Json(body): Json<FeedbackIn>,
) -> ApiResult<StatusCode> {
    let mut tx = app.db.begin().await?;
    let opened = conversation::open(&mut tx, &app.keys, &token, id).await?;
    conversation::rate(&mut tx, &opened, body.message, body.helpful, app.now()).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Conversations of the business that wait for a person, the longest waiting first.
#[utoipa::path(get, path = "/v1/inbox", tag = "inbox", security(("key" = []), ("session" = [])),
    params(PageQuery), responses((status = 200, body = Page<WaitingOut>)))]
async fn inbox(
    agent: Agent,
    Known(caller): Known,
    State(app): State<App>,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<Page<WaitingOut>>> {
    let asked = query.asked(&app.settings.web)?;
    let after = place(&asked.after)?;
    let mut tx = app.db.read().await?;
    let rows = conversation::waiting(&mut tx, agent.business, after, asked.limit + 1).await?;
    drop(tx);
    readings::http::note(&app, &caller, Subject::Inbox, rows.len() as u64).await?;
    let key = |row: &conversation::Waiting| {
        [&row.waiting_since.micros().to_be_bytes()[..], row.conversation.as_bytes()].concat()
    };
    Ok(Json(asked.page(rows, key, WaitingOut::from)))
}

/// Since when the last conversation of the page before has waited, and its id.
fn place(after: &[u8]) -> ApiResult<Option<(Timestamp, ConversationId)>> {
    if after.is_empty() {
        return Ok(None);
    }
    let read = || {
        let (since, id) = after.split_first_chunk::<8>()?;
        let id = ConversationId::from_bytes(id.try_into().ok()?);
        Some((Timestamp::from_micros(i64::from_be_bytes(*since)), id))
    };
    let invalid = || Problem::bad_request("page.cursor", "this is not a cursor of this list");
    read().map(Some).ok_or_else(invalid)
}

fn desk(app: &App) -> Desk<'_> {
    Desk { db: &app.db, shelf: &app.shelf, keys: &app.keys, now: app.now() }
}
