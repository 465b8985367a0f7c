//! A customer's conversation with a bot: plain forms, and a script that only makes it quicker. That
//! a machine answers is said above everything, always.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT_LANGUAGE, COOKIE, HeaderName, HeaderValue, SET_COOKIE};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use volens_privacy::KeyRing;

use super::shell::{Page, Shell, token_of};
use crate::app::App;
use crate::assistant::conversation::{self, Conversation, State as Talk, Token};
use crate::assistant::respond::{self, Desk};
use crate::assistant::transcript::{self, Author, Said};
use crate::assistant::{self, AssistantError, Published, Source};
use crate::db::Tx;
use crate::ids::{BotId, ConversationId};
use crate::search::Language;
use crate::web::callers::Anyone;
use crate::web::extract::{Form, Path, Query};
use crate::web::problem::ApiResult;

/// Most messages shown.
const SHOWN: u32 = 1_000;

/// Holds the conversation and its secret, on this bot's pages only, until the browser is closed.
const COOKIE_NAME: &str = "volens_chat";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/b/{bot}", get(chat))
        .route("/b/{bot}/say", post(say))
        .route("/b/{bot}/person", post(person))
        .route("/b/{bot}/new", post(begin_again))
        .route("/b/{bot}/feedback", post(feedback))
}

/// Where the browser's cookie leads: a conversation and the secret that opens it.
struct Held {
    id: ConversationId,
    token: Token,
}

impl Held {
    fn read(headers: &HeaderMap) -> Option<Self> {
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let value = cookies
            .flat_map(|text| text.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find_map(|(name, value)| (name == COOKIE_NAME).then_some(value))?;
        let (id, token) = value.split_once('.')?;
        Some(Self { id: id.parse().ok()?, token: Token::parse(token)? })
    }

    fn cookie(&self, app: &App, bot: BotId) -> HeaderValue {
        let secure =
            if app.settings.public_url().starts_with("https://") { "; Secure" } else { "" };
        let Self { id, token } = self;
        let secret = token.reveal();
        let text = format!(
            "{COOKIE_NAME}={id}.{}; Path=/b/{bot}; HttpOnly; SameSite=Strict{secure}",
            *secret
        );
        let mut header = HeaderValue::from_str(&text).expect("ids and secrets are plain text");
        header.set_sensitive(true);
        header
    }
}

#[derive(Template)]
#[template(path = "chat/chat.html")]
struct Chat {
    shell: Shell,
    bot: BotId,
    name: String,
    form_token: String,
    said: Vec<Said>,
    conversation: Option<Open>,
    waiting: bool,
    closed: bool,
    thanked: Option<u64>,
    refused: bool,
}

/// What the script needs to go on with the conversation.
struct Open {
    id: ConversationId,
    token: String,
}

#[derive(Deserialize)]
struct ChatQuery {
    thanks: Option<u64>,
    refused: Option<u8>,
    language: Option<String>,
}

async fn chat(
    Anyone(identified): Anyone,
    State(app): State<App>,
    Path(bot): Path<BotId>,
    Query(query): Query<ChatQuery>,
    headers: HeaderMap,
) -> ApiResult<impl IntoResponse> {
    let mut tx = app.db.read().await?;
    let published = assistant::published(&mut tx, bot).await?;
    let told = query.language.as_deref().and_then(Language::parse);
    let mut page = Chat {
        shell: Shell::public(wanted(&headers, &published, told).code()),
        bot,
        name: published.name.clone(),
        form_token: token_of(identified.as_ref()),
        said: Vec::new(),
        conversation: None,
        waiting: false,
        closed: false,
        thanked: query.thanks,
        refused: query.refused.is_some(),
    };
    if let Some(held) = Held::read(&headers)
        && let Some(opened) = opened(&mut tx, &app.keys, &held).await?
    {
        page.said = transcript::read(&mut tx, &app.keys, &opened, 0, SHOWN).await?;
        page.shell = Shell::public(opened.language().code());
        page.waiting = opened.state() == Talk::Waiting;
        page.closed = opened.state() == Talk::Closed;
        page.conversation = Some(Open { id: held.id, token: held.token.reveal().to_string() });
    }
    Ok(Page(page))
}

/// The language of a conversation that has not begun.
fn wanted(headers: &HeaderMap, published: &Published, told: Option<Language>) -> Language {
    let accepted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    told.filter(|language| published.languages.contains(language))
        .or_else(|| Language::accepted(accepted?, &published.languages))
        .unwrap_or_else(|| published.first_language())
}

/// The conversation the cookie leads to; a cookie that leads nowhere is like none.
async fn opened(tx: &mut Tx, keys: &KeyRing, held: &Held) -> ApiResult<Option<Conversation>> {
    match conversation::open(tx, keys, &held.token, held.id).await {
        Ok(opened) => Ok(Some(opened)),
        Err(AssistantError::ConversationUnknown) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The conversation of this browser, begun if there is none; with the cookie of a new one.
async fn held(
    app: &App,
    bot: BotId,
    headers: &HeaderMap,
    told: &str,
) -> ApiResult<(Held, Option<HeaderValue>)> {
    if let Some(held) = Held::read(headers)
        && opened(&mut app.db.read().await?, &app.keys, &held).await?.is_some()
    {
        return Ok((held, None));
    }
    let (mut rng, mut tx) = (app.rng(), app.db.begin().await?);
    let published = assistant::published(&mut tx, bot).await?;
    let language = wanted(headers, &published, Language::parse(told));
    let (keys, now) = (&app.keys, app.now());
    let started =
        conversation::start(&mut tx, keys, &mut rng, now, &published, Some(language)).await?;
    tx.commit().await?;
    let held = Held { id: started.conversation.id(), token: started.token };
    let cookie = held.cookie(app, bot);
    Ok((held, Some(cookie)))
}

fn back(bot: BotId, query: &str, cookie: Option<HeaderValue>) -> Response {
    let to = Redirect::to(&format!("/b/{bot}{query}#end"));
    let headers: Vec<(HeaderName, HeaderValue)> =
        cookie.map(|cookie| (SET_COOKIE, cookie)).into_iter().collect();
    let mut response = to.into_response();
    response.headers_mut().extend(headers);
    response
}

#[derive(Deserialize)]
struct SayForm {
    text: String,
    #[serde(default)]
    language: String,
}

async fn say(
    State(app): State<App>,
    Path(bot): Path<BotId>,
    headers: HeaderMap,
    Form(form): Form<SayForm>,
) -> ApiResult<Response> {
    let (held, cookie) = held(&app, bot, &headers, &form.language).await?;
    let mut rng = app.rng();
    let said = respond::respond(&desk(&app), &mut rng, &held.token, held.id, &form.text).await;
    match said {
        Ok(_) => Ok(back(bot, "", cookie)),
        Err(
            AssistantError::MessageEmpty
            | AssistantError::MessageTooLong
            | AssistantError::MessageTooFast,
        ) => Ok(back(bot, "?refused=1", cookie)),
        Err(error) => Err(error.into()),
    }
}

/// Lets go of the conversation, so that the next question begins another.
async fn begin_again(Path(bot): Path<BotId>) -> Response {
    let text = format!("{COOKIE_NAME}=; Path=/b/{bot}; Max-Age=0; HttpOnly; SameSite=Strict");
    let cookie = HeaderValue::from_str(&text).expect("ids are plain text");
    back(bot, "", Some(cookie))
}

#[derive(Deserialize)]
struct PersonForm {
    #[serde(default)]
    language: String,
}

async fn person(
    State(app): State<App>,
    Path(bot): Path<BotId>,
    headers: HeaderMap,
    Form(form): Form<PersonForm>,
) -> ApiResult<Response> {
    let (held, cookie) = held(&app, bot, &headers, &form.language).await?;
    respond::hand_over(&desk(&app), &mut app.rng(), &held.token, held.id).await?;
    Ok(back(bot, "", cookie))
}

#[derive(Deserialize)]
struct FeedbackForm {
    message: u64,
    helpful: u8,
}

async fn feedback(
    State(app): State<App>,
    Path(bot): Path<BotId>,
    headers: HeaderMap,
    Form(form): Form<FeedbackForm>,
) -> ApiResult<Response> {
    let held = Held::read(&headers).ok_or(AssistantError::ConversationUnknown)?;
    let mut tx = app.db.begin().await?;
    let opened = conversation::open(&mut tx, &app.keys, &held.token, held.id).await?;
    conversation::rate(&mut tx, &opened, form.message, form.helpful == 1, app.now()).await?;
    tx.commit().await?;
    Ok(back(bot, &format!("?thanks={}", form.message), None))
}

fn desk(app: &App) -> Desk<'_> {
    Desk { db: &app.db, shelf: &app.shelf, keys: &app.keys, now: app.now() }
}

impl Chat {
    fn who(&self, said: &Said) -> &'static str {
        let words = self.shell.words;
        match said.author {
            Author::Customer => words.you,
            Author::Bot => words.assistant,
            Author::Agent => words.person,
        }
    }

    fn is_mine(said: &Said) -> bool {
        said.author == Author::Customer
    }

    /// Where the original can be read; nothing that is not a web page.
    fn link(source: &Source) -> Option<&str> {
        let url = source.url.as_deref()?;
        (url.starts_with("https://") || url.starts_with("http://")).then_some(url)
    }

    fn was_thanked(&self, said: &Said) -> bool {
        self.thanked == Some(said.number)
    }

    /// Whether the customer may say if it helped.
    fn can_be_rated(said: &Said) -> bool {
        said.kind == "answer"
    }
}
