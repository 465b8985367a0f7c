//! The form for a new campaign, with topics proposed from its text.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use volens_privacy::topics::{TopicId, Topics};
use volens_privacy::{AppId, Timestamp};

use super::super::guard::AsBusiness;
use super::super::shell::{Page, Shell};
use super::campaigns::{SHOWN, at_field, in_words, title};
use super::forms::{Errors, Sent};
use crate::access::directory;
use crate::app::App;
use crate::audience::campaigns::{self, CampaignIn};
use crate::audience::topics::{self, Proposal};
use crate::audience::{MessageIn, Text, Window};
use crate::relevance::{Goal, Variant};
use crate::web::callers::Session;
use crate::web::extract::Form;
use crate::web::problem::ApiResult;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/console/campaigns", post(make))
        .route("/console/campaigns/new", get(new))
        .route("/console/campaigns/propose", post(propose))
        .route("/console/campaigns/variants", post(add_variant))
        .route("/console/campaigns/variants/last", post(drop_variant))
}

/// A topic a message may be about.
struct TopicChoice {
    id: &'static str,
    title: &'static str,
    ticked: bool,
}

#[derive(Template)]
#[template(path = "console/new_campaign.html")]
struct NewCampaign {
    shell: Shell,
    sent: Sent,
    errors: Errors,
    apps: Vec<(String, String)>,
    topics: Vec<TopicChoice>,
    /// What was proposed from the text and is ticked now, in words.
    proposed: Option<String>,
    /// The further texts that are there to be typed.
    variants: Vec<Variant>,
}

impl NewCampaign {
    /// The name of a field of a further text.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "templates pass references")]
    fn field(variant: &Variant, what: &str) -> String {
        field(variant.place() - 1, what)
    }

    /// Whether there may be one more.
    fn takes_another(&self) -> bool {
        self.variants.len() + 1 < Variant::MOST
    }
}

async fn new_page(
    app: &App,
    session: &Session,
    sent: Sent,
    errors: Errors,
) -> ApiResult<NewCampaign> {
    let mut tx = app.db.read().await?;
    let apps = directory::apps(&mut tx, "", i64::from(SHOWN)).await?;
    let choice = |id: TopicId| TopicChoice {
        id: id.as_str(),
        title: title(id.as_str()),
        ticked: sent.has("topics", id.as_str()),
    };
    let variants = (1..=further(&sent)).filter_map(Variant::at).collect();
    Ok(NewCampaign {
        shell: Shell::of(session, "/console"),
        topics: Topics::builtin().usable().map(choice).collect(),
        sent,
        errors,
        apps: apps.into_iter().map(|app| (app.id.to_string(), app.title)).collect(),
        proposed: None,
        variants,
    })
}

async fn new(
    AsBusiness { session, .. }: AsBusiness,
    State(app): State<App>,
) -> ApiResult<impl IntoResponse> {
    Ok(Page(new_page(&app, &session, Sent::default(), Errors::default()).await?))
}

async fn make(
    business: AsBusiness,
    State(app): State<App>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> ApiResult<Response> {
    let sent = Sent::new(pairs);
    let made = match wanted(&sent) {
        Err(errors) => Err(errors),
        Ok(wanted) => {
            let mut tx = app.db.begin().await?;
            match campaigns::make(&mut tx, business.id, wanted, &mut app.rng(), app.now()).await {
                Ok(campaign) => {
                    tx.commit().await?;
                    Ok(campaign.id)
                }
                Err(error) => Err(at_field(error)?),
            }
        }
    };
    match made {
        Ok(campaign) => Ok(Redirect::to(&format!("/console/campaigns/{campaign}")).into_response()),
        Err(errors) => {
            let page = Page(new_page(&app, &business.session, sent, errors).await?);
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}

/// Ticks the topics that the text seems to be about; the business ticks and unticks from there.
async fn propose(
    AsBusiness { session, id }: AsBusiness,
    State(app): State<App>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> ApiResult<Response> {
    let sent = Sent::new(pairs);
    let mut tx = app.db.read().await?;
    let found = topics::propose(&mut tx, id, text(&sent)).await;
    drop(tx);
    let errors = match found {
        Ok(Proposal { topics, .. }) if !topics.is_empty() => {
            let mut page = new_page(&app, &session, sent, Errors::default()).await?;
            for choice in &mut page.topics {
                choice.ticked = topics.iter().any(|found| found.topic == choice.id);
            }
            page.proposed = Some(in_words(&topics));
            return Ok(Page(page).into_response());
        }
        Ok(Proposal { sensitive, .. }) if !sensitive.is_empty() => Errors::at(
            "topics",
            format!(
                "The text reads as if it were about {}. Nobody is addressed by that, so nothing is proposed.",
                in_words(&sensitive)
            ),
        ),
        Ok(_) => {
            Errors::at("topics", "Nothing in the text says what it is about: choose its topics.")
        }
        Err(error) => at_field(error)?,
    };
    let page = Page(new_page(&app, &session, sent, errors).await?);
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// Comes back with one more text to be typed, as long as there may be one.
async fn add_variant(
    AsBusiness { session, .. }: AsBusiness,
    State(app): State<App>,
    Form(mut pairs): Form<Vec<(String, String)>>,
) -> ApiResult<impl IntoResponse> {
    let there = further(&Sent::new(pairs.clone()));
    if there + 1 < Variant::MOST {
        pairs.push((field(there, "title"), String::new()));
    }
    Ok(Page(new_page(&app, &session, Sent::new(pairs), Errors::default()).await?))
}

/// Comes back without the last of the further texts.
async fn drop_variant(
    AsBusiness { session, .. }: AsBusiness,
    State(app): State<App>,
    Form(mut pairs): Form<Vec<(String, String)>>,
) -> ApiResult<impl IntoResponse> {
    if let Some(last) = further(&Sent::new(pairs.clone())).checked_sub(1) {
        pairs.retain(|(name, _)| !name.starts_with(&field(last, "")));
    }
    Ok(Page(new_page(&app, &session, Sent::new(pairs), Errors::default()).await?))
}

/// How many further texts the form held.
fn further(sent: &Sent) -> usize {
    (0..Variant::MOST - 1).take_while(|at| sent.holds(&field(*at, "title"))).count()
}

/// The field of a further text, named as the API names it.
fn field(at: usize, what: &str) -> String {
    format!("variants.{at}.{what}")
}

/// The text as typed.
fn text(sent: &Sent) -> Text {
    text_at(sent, "")
}

fn text_at(sent: &Sent, prefix: &str) -> Text {
    let typed = |what: &str| sent.get(&format!("{prefix}{what}"));
    Text {
        title: typed("title").to_owned(),
        // Browsers send line breaks as two characters.
        text: typed("text").replace("\r\n", "\n"),
        language: typed("language").to_owned(),
    }
}

/// Reads the form and says at once what is missing; what else the slice checks is left to it.
fn wanted(sent: &Sent) -> Result<CampaignIn, Errors> {
    let mut missing = Errors::default();
    for (field, text) in [
        ("name", "Give it a name."),
        ("title", "Give the message a title."),
        ("text", "Write the text."),
        ("topics", "Choose at least one topic, or have some proposed from the text."),
    ] {
        if sent.get(field).trim().is_empty() {
            missing.and(field, text);
        }
    }
    let app = AppId::parse(sent.get("delivery_app"));
    let goal = Goal::parse(sent.get("goal"));
    if app.is_err() {
        missing.and("delivery_app", "Choose the app it is delivered in.");
    }
    if goal.is_none() {
        missing.and("goal", "Choose what it should bring about.");
    }
    let (Ok(app), Some(goal), false) = (app, goal, missing.any()) else { return Err(missing) };
    let Text { title, text, language } = text(sent);
    Ok(CampaignIn {
        name: sent.get("name").to_owned(),
        delivery_app: app,
        message: MessageIn { title, text, language, topics: Some(sent.all("topics")) },
        variants: (0..further(sent)).map(|at| text_at(sent, &field(at, ""))).collect(),
        goal,
        window: window(sent)?,
    })
}

fn window(sent: &Sent) -> Result<Option<Window>, Errors> {
    let (from, until) = (sent.get("from"), sent.get("until"));
    if from.is_empty() && until.is_empty() {
        return Ok(None);
    }
    let read = |day: &str, time: &str| Timestamp::parse(&format!("{day}T{time}Z"));
    match (read(from, "00:00:00"), read(until, "23:59:59")) {
        (Ok(from), Ok(until)) => Ok(Some(Window { from, until })),
        _ => Err(Errors::at("window", "Give both days, or neither for thirty days from now.")),
    }
}
