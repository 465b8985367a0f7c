//! Bots over HTTP: businesses build them, customers talk to them, agents see who waits.

mod customer;
mod events;
mod wire;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::wire::{
    BotIn, BotOut, DocumentOut, DocumentsIn, DocumentsOut, PreviewOut, PublicationOut, VersionsOut,
};
use super::persona::Persona;
use super::{AssistantError, BotDraft, corpus, publish};
use crate::app::App;
use crate::ids::{BotId, DocumentId};
use crate::search::SearchError;
use crate::web::callers::Business;
use crate::web::extract::{Path, Query};
use crate::web::idempotency::Repeat;
use crate::web::json::Json;
use crate::web::paging::{Page, PageQuery};
use crate::web::problem::{ApiResult, Problem};

/// Operations of the API.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create_bot, list_bots))
        .routes(routes!(get_bot, change_bot))
        .routes(routes!(change_persona))
        .routes(routes!(add_documents, list_documents))
        .routes(routes!(preview_document, drop_document))
        .routes(routes!(publish_bot))
        .routes(routes!(list_versions))
        .merge(customer::routes())
}

impl From<AssistantError> for Problem {
    fn from(error: AssistantError) -> Self {
        let Some(code) = error.code() else {
            return match error {
                AssistantError::Db(error) => error.into(),
                other => Self::internal(&other),
            };
        };
        let text = error.to_string();
        match error {
            AssistantError::BotUnknown
            | AssistantError::DocumentUnknown
            | AssistantError::ConversationUnknown
            | AssistantError::MessageUnknown => Self::new(StatusCode::NOT_FOUND, code, text),
            AssistantError::BotUnpublished
            | AssistantError::BotChanged
            | AssistantError::BotEmpty
            | AssistantError::ConversationClosed => Self::conflict(code, text),
            AssistantError::MessageTooFast => Self::too_many(code, 60),
            AssistantError::DocumentUnreadable(faults) => {
                unreadable(Self::refused(code, text), "/content", &faults)
            }
            _ => Self::refused(code, text),
        }
    }
}

fn unreadable(problem: Problem, pointer: &str, faults: &[corpus::Fault]) -> Problem {
    faults.iter().fold(problem, |problem, fault| {
        let row = fault.row.map_or(String::new(), |row| format!("row {row}: "));
        problem.field(pointer, fault.code, format!("{row}{}", fault.message))
    })
}

/// Make a bot.
#[utoipa::path(post, path = "/v1/bots", tag = "bots", security(("key" = []), ("session" = [])),
    request_body = BotIn, responses((status = 201, body = BotOut)))]
async fn create_bot(
    business: Business,
    State(app): State<App>,
    repeat: Repeat,
    Json(body): Json<BotIn>,
) -> ApiResult<Response> {
    let mut tx = app.db.begin().await?;
    let bot = super::create(&mut tx, &mut app.rng(), app.now(), business.id, body.into()).await?;
    let answer = repeat.answer(&app, &mut tx, StatusCode::CREATED, &BotOut::from(bot)).await?;
    tx.commit().await?;
    Ok(answer)
}

/// The business's bots, by id.
#[utoipa::path(get, path = "/v1/bots", tag = "bots", security(("key" = []), ("session" = [])),
    params(PageQuery), responses((status = 200, body = Page<BotOut>)))]
async fn list_bots(
    business: Business,
    State(app): State<App>,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<Page<BotOut>>> {
    let asked = query.asked(&app.settings.web)?;
    let mut tx = app.db.read().await?;
    let after = cursor(&asked.after)?.map(BotId::from_bytes);
    let rows = super::bots(&mut tx, business.id, after, asked.limit + 1).await?;
    Ok(Json(asked.page(rows, |bot| *bot.id.as_bytes(), BotOut::from)))
}

/// One bot: its draft, and which version is public.
#[utoipa::path(get, path = "/v1/bots/{bot}", tag = "bots",
    security(("key" = []), ("session" = [])),
    params(("bot" = String, Path)), responses((status = 200, body = BotOut)))]
async fn get_bot(
    business: Business,
    State(app): State<App>,
    Path(id): Path<BotId>,
) -> ApiResult<Json<BotOut>> {
    let mut tx = app.db.read().await?;
    Ok(Json(super::bot(&mut tx, business.id, id).await?.into()))
}

/// Replace name, languages and persona of the draft; customers see it after publication.
#[utoipa::path(put, path = "/v1/bots/{bot}", tag = "bots",
    security(("key" = []), ("session" = [])), params(("bot" = String, Path)),
    request_body = BotIn, responses((status = 200, body = BotOut)))]
async fn change_bot(
    business: Business,
    State(app): State<App>,
    Path(id): Path<BotId>,
    Json(body): Json<BotIn>,
) -> ApiResult<Json<BotOut>> {
    let mut tx = app.db.begin().await?;
    let bot = super::bot(&mut tx, business.id, id).await?;
    let changed = super::change(&mut tx, bot, body.into()).await?;
    tx.commit().await?;
    Ok(Json(changed.into()))
}

/// Replace the persona of the draft; customers meet it after publication. The label that says that
/// this is a machine is not part of it.
#[utoipa::path(put, path = "/v1/bots/{bot}/persona", tag = "bots",
    security(("key" = []), ("session" = [])), params(("bot" = String, Path)),
    request_body = Persona, responses((status = 200, body = BotOut)))]
async fn change_persona(
    business: Business,
    State(app): State<App>,
    Path(id): Path<BotId>,
    Json(persona): Json<Persona>,
) -> ApiResult<Json<BotOut>> {
    let mut tx = app.db.begin().await?;
    let bot = super::bot(&mut tx, business.id, id).await?;
    let (name, languages) = (bot.name.clone(), bot.languages.clone());
    let draft = BotDraft { name, languages, persona };
    let changed = super::change(&mut tx, bot, draft).await?;
    tx.commit().await?;
    Ok(Json(changed.into()))
}

/// Add one document, or several under `documents`. All are read before any is kept; one that cannot
/// be read refuses the call and names its rows. The same document again is not added twice.
#[utoipa::path(post, path = "/v1/bots/{bot}/documents", tag = "bots",
    security(("key" = []), ("session" = [])), params(("bot" = String, Path)),
    request_body = DocumentsIn, responses((status = 201, body = DocumentsOut)))]
async fn add_documents(
    business: Business,
    State(app): State<App>,
    Path(id): Path<BotId>,
    repeat: Repeat,
    Json(body): Json<DocumentsIn>,
) -> ApiResult<Response> {
    let mut tx = app.db.read().await?;
    let languages = super::bot(&mut tx, business.id, id).await?.languages;
    drop(tx);
    let single = body.is_single();
    let documents = body.documents()?;
    let (mut rng, now) = (app.rng(), app.now());
    let reading = move || {
        let documents = documents.iter().enumerate();
        let read = documents.map(|(place, document)| {
            super::read_document(&mut rng, now, &languages, &document.as_document())
                .map_err(|error| (place, error))
        });
        read.collect::<Result<Vec<_>, _>>()
    };
    let read = tokio::task::spawn_blocking(reading).await;
    let read = read.map_err(|_| AssistantError::Search(SearchError::Cancelled))?;
    let read = read.map_err(|(place, error)| refused(single, place, error))?;
    let mut tx = app.db.begin().await?;
    let bot = super::bot(&mut tx, business.id, id).await?;
    let mut added = Vec::with_capacity(read.len());
    for document in read {
        let (document, new) = super::add_document(&mut tx, &bot, document).await?;
        added.push(DocumentOut::new(document, !new));
    }
    let out = DocumentsOut::new(single, added);
    let answer = repeat.answer(&app, &mut tx, StatusCode::CREATED, &out).await?;
    tx.commit().await?;
    Ok(answer)
}

/// Names which of several documents could not be read.
fn refused(single: bool, place: usize, error: AssistantError) -> Problem {
    match error {
        AssistantError::DocumentUnreadable(faults) if !single => {
            let problem = Problem::refused("document.unreadable", "a document could not be read");
            unreadable(problem, &format!("/documents/{place}/content"), &faults)
        }
        other => other.into(),
    }
}

/// The draft's documents, by id.
#[utoipa::path(get, path = "/v1/bots/{bot}/documents", tag = "bots",
    security(("key" = []), ("session" = [])), params(("bot" = String, Path), PageQuery),
    responses((status = 200, body = Page<DocumentOut>)))]
async fn list_documents(
    business: Business,
    State(app): State<App>,
    Path(id): Path<BotId>,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<Page<DocumentOut>>> {
    let asked = query.asked(&app.settings.web)?;
    let mut tx = app.db.read().await?;
    let bot = super::bot(&mut tx, business.id, id).await?;
    let after = cursor(&asked.after)?.map(DocumentId::from_bytes);
    let rows = super::documents(&mut tx, &bot, after, asked.limit + 1).await?;
    let key = |document: &super::Document| *document.id.as_bytes();
    Ok(Json(asked.page(rows, key, |document| DocumentOut::new(document, false))))
}

/// A document with the passages the next publication would make of it.
#[utoipa::path(get, path = "/v1/bots/{bot}/documents/{document}", tag = "bots",
    security(("key" = []), ("session" = [])),
    params(("bot" = String, Path), ("document" = String, Path)),
    responses((status = 200, body = PreviewOut)))]
async fn preview_document(
    business: Business,
    State(app): State<App>,
    Path((id, document)): Path<(BotId, DocumentId)>,
) -> ApiResult<Json<PreviewOut>> {
    let mut tx = app.db.read().await?;
    let bot = super::bot(&mut tx, business.id, id).await?;
    let (document, passages) = super::preview(&mut tx, &bot, document).await?;
    Ok(Json(PreviewOut::new(document, passages)))
}

/// Remove a document from the draft; customers lose it after publication.
#[utoipa::path(delete, path = "/v1/bots/{bot}/documents/{document}", tag = "bots",
    security(("key" = []), ("session" = [])),
    params(("bot" = String, Path), ("document" = String, Path)),
    responses((status = 204)))]
async fn drop_document(
    business: Business,
    State(app): State<App>,
    Path((id, document)): Path<(BotId, DocumentId)>,
) -> ApiResult<StatusCode> {
    let mut tx = app.db.begin().await?;
    let bot = super::bot(&mut tx, business.id, id).await?;
    super::drop_document(&mut tx, &bot, document).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Publish the draft as the next version. Customers switch to it at once and as a whole.
#[utoipa::path(post, path = "/v1/bots/{bot}/publish", tag = "bots",
    security(("key" = []), ("session" = [])), params(("bot" = String, Path)),
    responses((status = 201, body = PublicationOut)))]
async fn publish_bot(
    business: Business,
    State(app): State<App>,
    Path(id): Path<BotId>,
) -> ApiResult<(StatusCode, Json<PublicationOut>)> {
    let published = publish::publish(&app.db, &app.shelf, app.now(), business.id, id).await?;
    Ok((StatusCode::CREATED, Json(published.into())))
}

/// The versions that are kept, newest first.
#[utoipa::path(get, path = "/v1/bots/{bot}/versions", tag = "bots",
    security(("key" = []), ("session" = [])), params(("bot" = String, Path)),
    responses((status = 200, body = VersionsOut)))]
async fn list_versions(
    business: Business,
    State(app): State<App>,
    Path(id): Path<BotId>,
) -> ApiResult<Json<VersionsOut>> {
    let mut tx = app.db.read().await?;
    let bot = super::bot(&mut tx, business.id, id).await?;
    drop(tx);
    let versions = publish::versions(&app.db, &bot).await?;
    Ok(Json(VersionsOut::new(bot.version, versions)))
}

/// The id of the last item of the page before.
fn cursor(after: &[u8]) -> ApiResult<Option<[u8; 16]>> {
    if after.is_empty() {
        return Ok(None);
    }
    let invalid = |_| Problem::bad_request("page.cursor", "this is not a cursor of this list");
    after.try_into().map(Some).map_err(invalid)
}
