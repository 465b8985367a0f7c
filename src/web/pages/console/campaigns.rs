//! Campaigns: what they are, and the order for a list.

use std::collections::BTreeMap;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use volens_privacy::topics::Topics;

use super::super::guard::AsBusiness;
use super::super::languages::{Chosen, LANGUAGES};
use super::super::shell::{Page, Shell};
use super::super::text;
use super::elsewhere;
use super::forms::{Errors, Sent};
use crate::access::{Caller, directory};
use crate::app::App;
use crate::audience::campaigns;
use crate::audience::filter::{Fault, Place};
use crate::audience::http::workshop;
use crate::audience::request::{self, RequestIn, Rules};
use crate::audience::summary::DryRun;
use crate::audience::topics::{self, Recognised};
use crate::audience::variants::report::{self, Report};
use crate::audience::variants::words::Words;
use crate::audience::{AudienceError, Campaign, FilterIn, List, holdout, reach};
use crate::db::Tx;
use crate::ids::CampaignId;
use crate::web::callers::Session;
use crate::web::extract::{Form, Path};
use crate::web::problem::{ApiResult, Problem};

/// What is offered as the size of a list.
const FIRST_SIZE: &str = "1000";
/// Campaigns and lists shown at most.
pub(super) const SHOWN: u32 = 500;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/console", get(home))
        .route("/console/campaigns/{campaign}", get(campaign))
        .route("/console/campaigns/{campaign}/lists", post(order))
        .route("/console/campaigns/{campaign}/reach", post(reach_of))
}

#[derive(Template)]
#[template(path = "console/home.html")]
struct Home {
    shell: Shell,
    business: String,
    campaigns: Vec<(Campaign, usize)>,
}

async fn home(session: Session, State(app): State<App>) -> ApiResult<Response> {
    let Caller::Business(id) = session.caller else { return Ok(elsewhere(&session)) };
    let mut tx = app.db.read().await?;
    let business = directory::business(&mut tx, id).await?;
    let mut campaigns = campaigns::page(&mut tx, id, None, SHOWN).await?;
    campaigns.sort_by_key(|campaign| std::cmp::Reverse(campaign.created_at));
    let mut lists: BTreeMap<CampaignId, usize> = BTreeMap::new();
    for list in request::page(&mut tx, id, None, SHOWN).await? {
        *lists.entry(list.campaign).or_default() += 1;
    }
    let counted = |campaign: Campaign| {
        let count = lists.get(&campaign.id).copied().unwrap_or(0);
        (campaign, count)
    };
    Ok(Page(Home {
        shell: Shell::of(&session, "/console"),
        business: business.map(|record| record.name).unwrap_or_default(),
        campaigns: campaigns.into_iter().map(counted).collect(),
    })
    .into_response())
}

/// A refusal as an error at its field; what is no refusal stays an error.
pub(super) fn at_field(error: AudienceError) -> Result<Errors, Problem> {
    let field = match &error {
        AudienceError::Invalid { field, .. } => match *field {
            "message.title" => "title",
            "message.text" => "text",
            "message.language" => "language",
            "message.topics" => "topics",
            other => other,
        },
        AudienceError::Topic { .. }
        | AudienceError::UnclearText
        | AudienceError::SensitiveText(_) => "topics",
        AudienceError::SensitiveName(_) => "name",
        AudienceError::UnknownApp => "delivery_app",
        AudienceError::SizeBelow(_)
        | AudienceError::SizeAbove(_)
        | AudienceError::CampaignOver
        | AudienceError::NoModel => "size",
        AudienceError::Filter(_) => "filter",
        _ => return Err(error.into()),
    };
    let why = match &error {
        AudienceError::Invalid { why, .. } => text::sentence(why),
        other => text::sentence(&other.to_string()),
    };
    Ok(Errors::at(field, why))
}

/// A topic's name.
pub(super) fn title(topic: &str) -> &'static str {
    Topics::builtin().get(topic).map(|topic| topic.title("en")).unwrap_or_default()
}

/// Topics with the words that led to them: "Running (half marathon, pace)".
pub(super) fn in_words(found: &[Recognised]) -> String {
    let one = |found: &Recognised| format!("{} ({})", title(&found.topic), found.words.join(", "));
    found.iter().map(one).collect::<Vec<_>>().join("; ")
}

#[derive(Template)]
#[template(path = "console/campaign.html")]
struct CampaignPage {
    shell: Shell,
    campaign: Campaign,
    topics: Vec<&'static str>,
    /// How the topics were recognised, in words.
    recognised: Option<String>,
    /// What the text reads as if it were about although nobody may be addressed by it, in words.
    sensitive: Option<String>,
    lists: Vec<(List, u64)>,
    typed: Typed,
    smallest: u64,
    largest: u32,
    errors: Errors,
    /// The line of the filter that is wrong, with a mark under the place.
    marked: Option<String>,
    /// How many could be reached, once asked.
    reach: Option<DryRun>,
    /// How its variants do, where it has several.
    report: Option<Report>,
    /// In which that is read; the rest of the console is in English.
    words: &'static Words,
}

/// What was typed about a list.
struct Typed {
    size: String,
    filter: String,
}

impl Typed {
    fn first() -> Self {
        Self { size: FIRST_SIZE.to_owned(), filter: String::new() }
    }

    fn of(sent: &Sent) -> Self {
        let size = match sent.get("size") {
            "" => FIRST_SIZE,
            size => size,
        };
        // Browsers send line breaks as two characters.
        Self { size: size.to_owned(), filter: sent.get("filter").replace("\r\n", "\n") }
    }

    fn request(&self, campaign: CampaignId, size: u32) -> RequestIn {
        RequestIn {
            campaign,
            size,
            filter: FilterIn::Text(self.filter.clone()),
            holdout: holdout::SHARE_DEFAULT,
            dry_run: false,
        }
    }

    /// The line that is wrong, with a mark under the place.
    fn marked(&self, fault: &Fault) -> Option<String> {
        let Place::Text { line, column } = fault.place else { return None };
        let text = self.filter.lines().nth(line - 1).unwrap_or_default();
        Some(format!("{text}\n{}^", " ".repeat(column - 1)))
    }
}

async fn campaign_page(
    app: &App,
    tx: &mut Tx,
    AsBusiness { session, id }: &AsBusiness,
    campaign: Campaign,
    (typed, errors): (Typed, Errors),
) -> ApiResult<CampaignPage> {
    let mut lists = request::page(tx, *id, None, SHOWN).await?;
    lists.retain(|list| list.campaign == campaign.id);
    lists.sort_by_key(|list| std::cmp::Reverse(list.created_at));
    let mut counted = Vec::with_capacity(lists.len());
    for list in lists {
        let left = request::rows_now(tx, &list).await?;
        counted.push((list, left));
    }
    let rules = Rules::from(&app.settings.lists);
    let report = report::report(tx, &campaign, rules.k).await?;
    let title = |id: &String| title(id);
    Ok(CampaignPage {
        shell: Shell::of(session, "/console"),
        topics: campaign.message.topics.iter().map(title).collect(),
        recognised: campaign.recognised.as_deref().map(in_words),
        sensitive: Some(topics::sensitive_of(&campaign))
            .filter(|found| !found.is_empty())
            .map(|found| in_words(&found)),
        campaign,
        lists: counted,
        typed,
        smallest: rules.k,
        largest: rules.size_max,
        errors,
        marked: None,
        reach: None,
        report: Some(report).filter(|report| !report.variants.is_empty()),
        words: Words::of(""),
    })
}

async fn campaign(
    business: AsBusiness,
    State(app): State<App>,
    Path(id): Path<CampaignId>,
    chosen: Chosen,
) -> ApiResult<impl IntoResponse> {
    let mut tx = app.db.read().await?;
    let campaign = campaigns::find(&mut tx, business.id, id).await?;
    let first = (Typed::first(), Errors::default());
    let page = campaign_page(&app, &mut tx, &business, campaign, first).await?;
    Ok(Page(CampaignPage { words: Words::of(chosen.code()), ..page }))
}

/// Says how many the campaign could reach.
async fn reach_of(
    business: AsBusiness,
    State(app): State<App>,
    Path(id): Path<CampaignId>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> ApiResult<Response> {
    let rules = Rules::from(&app.settings.lists);
    let typed = Typed::of(&Sent::new(pairs));
    let told = ask(&app, &business, (id, &typed), &rules).await;
    let mut tx = app.db.read().await?;
    let campaign = campaigns::find(&mut tx, business.id, id).await?;
    Ok(match told {
        Ok(told) => {
            let filled = (typed, Errors::default());
            let page = campaign_page(&app, &mut tx, &business, campaign, filled);
            Page(CampaignPage { reach: Some(told), ..page.await? }).into_response()
        }
        Err(error) => {
            let marked = mark(&typed, &error);
            let errors = match &error {
                AudienceError::Filter(_) => at_field(error)?,
                _ => Errors::at("reach", refusal(error)?),
            };
            let page = campaign_page(&app, &mut tx, &business, campaign, (typed, errors));
            let page = CampaignPage { marked, ..page.await? };
            (StatusCode::UNPROCESSABLE_ENTITY, Page(page)).into_response()
        }
    })
}

async fn ask(
    app: &App,
    business: &AsBusiness,
    (campaign, typed): (CampaignId, &Typed),
    rules: &Rules,
) -> Result<DryRun, AudienceError> {
    let size = u32::try_from(rules.k).unwrap_or(rules.size_max);
    let wanted = RequestIn { dry_run: true, ..typed.request(campaign, size) };
    let mut tx = app.db.read().await?;
    let checked = request::check(&mut tx, business.id, wanted, rules, app.now()).await?;
    drop(tx);
    let answer = reach::ask(&workshop(app), &checked, &mut app.rng()).await?;
    DryRun::of(answer, (&checked.filter, checked.holdout), rules)
}

/// A refusal in words; what is no refusal stays an error.
fn refusal(error: AudienceError) -> Result<String, Problem> {
    match &error {
        AudienceError::TooSmall(_)
        | AudienceError::CampaignOver
        | AudienceError::ReachSpent { .. } => Ok(text::sentence(&error.to_string())),
        _ => Err(error.into()),
    }
}

fn mark(typed: &Typed, error: &AudienceError) -> Option<String> {
    match error {
        AudienceError::Filter(fault) => typed.marked(fault),
        _ => None,
    }
}

/// Orders a list for the campaign.
async fn order(
    business: AsBusiness,
    State(app): State<App>,
    Path(id): Path<CampaignId>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> ApiResult<Response> {
    let typed = Typed::of(&Sent::new(pairs));
    let mut marked = None;
    let (rules, now) = (Rules::from(&app.settings.lists), app.now());
    let mut tx = app.db.begin().await?;
    let campaign = campaigns::find(&mut tx, business.id, id).await?;
    let ordered = match typed.size.trim().parse() {
        Err(_) => {
            let Rules { k, size_max, .. } = rules;
            Err(Errors::at("size", format!("A whole number from {k} to {size_max}, please.")))
        }
        Ok(size) => {
            let wanted = typed.request(id, size);
            match request::check(&mut tx, business.id, wanted, &rules, now).await {
                Ok(checked) => {
                    Ok(request::order(&mut tx, &checked, &rules, &mut app.rng(), now).await?)
                }
                Err(error) => {
                    marked = mark(&typed, &error);
                    Err(at_field(error)?)
                }
            }
        }
    };
    match ordered {
        Ok(list) => {
            tx.commit().await?;
            Ok(Redirect::to(&format!("/console/lists/{}", list.id)).into_response())
        }
        Err(errors) => {
            let page = campaign_page(&app, &mut tx, &business, campaign, (typed, errors)).await?;
            let page = Page(CampaignPage { marked, ..page });
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}
