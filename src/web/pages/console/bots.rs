//! Bots: what they know, and publishing it.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use volens_privacy::Timestamp;

use super::super::guard::AsBusiness;
use super::super::shell::{Page, Shell};
use super::super::text;
use super::forms::{Errors, Sent};
use crate::app::App;
use crate::assistant::corpus::{self, DocumentKind};
use crate::assistant::persona::{Persona, Wording};
use crate::assistant::{self, AssistantError, Bot, BotDraft, Document, publish};
use crate::ids::{BotId, DocumentId};
use crate::search::{Language, SearchError};
use crate::web::extract::{Form, Path};
use crate::web::problem::{ApiResult, Problem};

/// Bots and documents shown at most.
const SHOWN: u32 = 500;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/console/bots", get(bots).post(make))
        .route("/console/bots/{bot}", get(bot))
        .route("/console/bots/{bot}/documents", post(add))
        .route("/console/bots/{bot}/documents/{document}/drop", post(drop_document))
        .route("/console/bots/{bot}/publish", post(publish_bot))
}

#[derive(Template)]
#[template(path = "console/bots.html")]
struct Overview {
    shell: Shell,
    bots: Vec<Bot>,
    languages: [(&'static str, &'static str); 5],
    sent: Sent,
    errors: Errors,
}

const LANGUAGES: [(&str, &str); 5] = [
    ("en", "English"),
    ("fr", "French"),
    ("de", "German"),
    ("es", "Spanish"),
    ("pt", "Portuguese"),
];

async fn bots_page(
    app: &App,
    AsBusiness { session, id }: &AsBusiness,
    sent: Sent,
    errors: Errors,
) -> ApiResult<Overview> {
    let mut tx = app.db.read().await?;
    let mut bots = assistant::bots(&mut tx, *id, None, SHOWN).await?;
    bots.sort_by_key(|bot| std::cmp::Reverse(bot.created_at));
    let shell = Shell::of(session, "/console/bots");
    Ok(Overview { shell, bots, languages: LANGUAGES, sent, errors })
}

async fn bots(business: AsBusiness, State(app): State<App>) -> ApiResult<impl IntoResponse> {
    Ok(Page(bots_page(&app, &business, Sent::default(), Errors::default()).await?))
}

async fn make(
    business: AsBusiness,
    State(app): State<App>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> ApiResult<Response> {
    let sent = Sent::new(pairs);
    let spoken = sent.all("languages");
    let greeting = sent.get("greeting").trim();
    let draft = BotDraft {
        name: sent.get("name").trim().to_owned(),
        languages: spoken.iter().filter_map(|code| Language::parse(code)).collect(),
        persona: Persona {
            greeting: (!greeting.is_empty()).then(|| Wording::One(greeting.to_owned())),
            ..Persona::default()
        },
    };
    let mut tx = app.db.begin().await?;
    match assistant::create(&mut tx, &mut app.rng(), app.now(), business.id, draft).await {
        Ok(bot) => {
            tx.commit().await?;
            Ok(Redirect::to(&format!("/console/bots/{}", bot.id)).into_response())
        }
        Err(AssistantError::BotInvalid(part)) => {
            // The page reads on a connection of its own.
            tx.rollback().await;
            let errors = match part {
                "name" => Errors::at("name", "1 to 100 bytes."),
                "languages" => Errors::at("languages", "At least one."),
                _ => Errors::at("greeting", "Too long."),
            };
            let page = Page(bots_page(&app, &business, sent, errors).await?);
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Template)]
#[template(path = "console/bot.html")]
struct BotPage {
    shell: Shell,
    bot: Bot,
    documents: Vec<Document>,
    versions: Vec<(u64, u64, Timestamp)>,
    sent: Sent,
    faults: Vec<String>,
}

impl BotPage {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "templates pass references")]
    fn is_public(&self, version: &u64) -> bool {
        self.bot.version.as_ref() == Some(version)
    }
}

async fn bot_page(
    app: &App,
    AsBusiness { session, id: business }: &AsBusiness,
    id: BotId,
    (sent, faults): (Sent, Vec<String>),
) -> ApiResult<BotPage> {
    let mut tx = app.db.read().await?;
    let bot = assistant::bot(&mut tx, *business, id).await?;
    let mut documents = assistant::documents(&mut tx, &bot, None, SHOWN).await?;
    documents.sort_by_key(|document| std::cmp::Reverse(document.created_at));
    drop(tx);
    let versions = publish::versions(&app.db, &bot).await?;
    let shell = Shell::of(session, "/console/bots");
    Ok(BotPage { shell, bot, documents, versions, sent, faults })
}

async fn bot(
    business: AsBusiness,
    State(app): State<App>,
    Path(id): Path<BotId>,
) -> ApiResult<impl IntoResponse> {
    Ok(Page(bot_page(&app, &business, id, (Sent::default(), Vec::new())).await?))
}

/// Adds a document to the draft; one that cannot be read comes back with its rows named.
async fn add(
    business: AsBusiness,
    State(app): State<App>,
    Path(id): Path<BotId>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> ApiResult<Response> {
    let sent = Sent::new(pairs);
    let mut tx = app.db.read().await?;
    let languages = assistant::bot(&mut tx, business.id, id).await?.languages;
    drop(tx);
    let kind = DocumentKind::parse(sent.get("kind"));
    let kind = kind.ok_or_else(|| Problem::bad_request("form.invalid", "choose a kind"))?;
    let (title, url) = (sent.get("title").to_owned(), sent.get("url").trim().to_owned());
    let content = sent.get("content").replace("\r\n", "\n");
    let (mut rng, now) = (app.rng(), app.now());
    let reading = move || {
        let url = (!url.is_empty()).then_some(url.as_str());
        let document =
            corpus::Document { title: &title, kind, content: &content, url, language: None };
        assistant::read_document(&mut rng, now, &languages, &document)
    };
    let read = tokio::task::spawn_blocking(reading).await;
    match read.map_err(|_| AssistantError::Search(SearchError::Cancelled))? {
        Ok(document) => {
            let mut tx = app.db.begin().await?;
            let bot = assistant::bot(&mut tx, business.id, id).await?;
            assistant::add_document(&mut tx, &bot, document).await?;
            tx.commit().await?;
            Ok(Redirect::to(&format!("/console/bots/{id}")).into_response())
        }
        Err(AssistantError::DocumentUnreadable(faults)) => {
            let faults = faults.iter().map(in_words).collect();
            let page = Page(bot_page(&app, &business, id, (sent, faults)).await?);
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

fn in_words(fault: &corpus::Fault) -> String {
    let row = fault.row.map(|row| format!("Row {row}: ")).unwrap_or_default();
    text::sentence(&format!("{row}{}", fault.message))
}

async fn drop_document(
    AsBusiness { id: business, .. }: AsBusiness,
    State(app): State<App>,
    Path((id, document)): Path<(BotId, DocumentId)>,
) -> ApiResult<Redirect> {
    let mut tx = app.db.begin().await?;
    let bot = assistant::bot(&mut tx, business, id).await?;
    assistant::drop_document(&mut tx, &bot, document).await?;
    tx.commit().await?;
    Ok(Redirect::to(&format!("/console/bots/{id}")))
}

async fn publish_bot(
    AsBusiness { id: business, .. }: AsBusiness,
    State(app): State<App>,
    Path(id): Path<BotId>,
) -> ApiResult<Redirect> {
    publish::publish(&app.db, &app.shelf, app.now(), business, id).await?;
    Ok(Redirect::to(&format!("/console/bots/{id}")))
}
