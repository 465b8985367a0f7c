//! Campaigns, lists and outcomes over HTTP. A business sees its own, and nothing of others exists.

mod download;
mod recalls;
mod topics;
mod variants;
mod why;
mod wire;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::wire::{CampaignMade, OutcomesIn, OutcomesOut, ReadSince, RecipientsOut, TakenOut};
use super::AudienceError;
use super::build::Workshop;
use super::campaigns::{self, Campaign, CampaignIn};
use super::filter::Place;
use super::outcomes;
use super::reach;
use super::recalls::note_served;
use super::request::{self, RequestIn, Rules};
use super::shelf::{ListProof, Shelf};
use super::summary::{DryRun, ListSummary};
use crate::app::App;
use crate::db::Tx;
use crate::ids::{CampaignId, ListId};
use crate::readings::{self, Subject};
use crate::web::callers::{Business, Known};
use crate::web::extract::{Path, Query};
use crate::web::idempotency::Repeat;
use crate::web::json::Json;
use crate::web::paging::{Page, PageQuery};
use crate::web::problem::{ApiResult, Problem};

/// Operations of the API.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(make_campaign, list_campaigns))
        .routes(routes!(show_campaign))
        .routes(routes!(variants::show_variants))
        .routes(routes!(topics::propose_topics))
        .routes(routes!(make_list, list_lists))
        .routes(routes!(show_list))
        .routes(routes!(recipients))
        .routes(routes!(why::why))
        .routes(routes!(proof))
        .routes(routes!(download::export))
        .routes(routes!(recalls::list_recalls))
        .routes(routes!(recalls::acknowledge_recalls))
        .routes(routes!(report))
}

impl From<AudienceError> for Problem {
    fn from(error: AudienceError) -> Self {
        let code = error.code();
        let said = error.to_string();
        match error {
            AudienceError::Invalid { field, why } => {
                let pointer = format!("/{}", field.replace('.', "/"));
                Self::refused(code, "a value is not acceptable").field(pointer, "field.value", why)
            }
            AudienceError::SizeBelow(_) | AudienceError::SizeAbove(_) => {
                Self::refused(code, "a value is not acceptable").field("/size", "field.value", said)
            }
            AudienceError::UnclearText | AudienceError::SensitiveText(_) => {
                Self::refused(code, said).field("/message/topics", code, "one to eight topics")
            }
            AudienceError::SensitiveName(_) => {
                Self::refused(code, said).field("/name", code, "a name about something else")
            }
            AudienceError::Topic { refusal, .. } => Self::refused(code, refusal.to_string()),
            AudienceError::Filter(fault) => {
                let pointer = match &fault.place {
                    Place::Text { .. } => "/filter".to_owned(),
                    Place::Json(pointer) => format!("/filter{pointer}"),
                };
                Self::refused(code, "the filter is not acceptable").field(pointer, code, said)
            }
            AudienceError::Underage | AudienceError::CampaignOver | AudienceError::TooSmall(_) => {
                Self::refused(code, said)
            }
            AudienceError::UnknownApp => {
                Self::refused(code, said).field("/delivery_app", code, "an app that takes part")
            }
            AudienceError::NoCampaign | AudienceError::NoList | AudienceError::NoRow => {
                Self::not_found()
            }
            AudienceError::NotSealed(_) | AudienceError::NoModel | AudienceError::StaleModel => {
                Self::conflict(code, said)
            }
            AudienceError::ReachSpent { seconds, .. } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, code, said).after(seconds)
            }
            AudienceError::Expired => Self::new(StatusCode::GONE, code, said),
            AudienceError::Overtaken | AudienceError::Crossed => Self::unavailable(code, said),
            AudienceError::Db(error) => error.into(),
            AudienceError::Access(error) => error.into(),
            AudienceError::Accounts(error) => error.into(),
            AudienceError::Consent(error) => error.into(),
            AudienceError::Ledger(error) => error.into(),
            AudienceError::Signals(_)
            | AudienceError::Relevance(_)
            | AudienceError::Interrupted
            | AudienceError::Unreadable(_) => Self::internal(&error),
        }
    }
}

/// Make a campaign.
///
/// Topics that are special categories of personal data are refused with `topic.sensitive`, and so is a name
/// that reads as if it were about one. Without `message.topics` they are recognised in title and text, and
/// `recognised` says by which words; when nothing is near, `topic.unclear`, and when the text reads as if it
/// were about a special category, `topic.sensitive`. Where topics are named although it reads so, `sensitive` is
/// the warning.
#[utoipa::path(post, path = "/v1/campaigns", tag = "audience", security(("key" = []), ("session" = [])),
    request_body = CampaignIn, responses((status = 201, body = CampaignMade)))]
async fn make_campaign(
    Business { id }: Business,
    State(app): State<App>,
    repeat: Repeat,
    Json(body): Json<CampaignIn>,
) -> ApiResult<Response> {
    let mut tx = app.db.begin().await?;
    let made = campaigns::make(&mut tx, id, body, &mut app.rng(), app.now()).await?;
    let made = CampaignMade::from(made);
    let answer = repeat.answer(&app, &mut tx, StatusCode::CREATED, &made).await?;
    tx.commit().await?;
    Ok(answer)
}

/// The business's campaigns.
#[utoipa::path(get, path = "/v1/campaigns", tag = "audience", security(("key" = []), ("session" = [])),
    params(PageQuery), responses((status = 200, body = Page<Campaign>)))]
async fn list_campaigns(
    Business { id }: Business,
    State(app): State<App>,
    Query(page): Query<PageQuery>,
) -> ApiResult<Json<Page<Campaign>>> {
    let asked = page.asked(&app.settings.web)?;
    let after = last_id(&asked.after)?.map(CampaignId::from_bytes);
    let mut tx = app.db.read().await?;
    let found = campaigns::page(&mut tx, id, after, asked.limit + 1).await?;
    Ok(Json(asked.page(found, |campaign| *campaign.id.as_bytes(), |campaign| campaign)))
}

/// One campaign.
#[utoipa::path(get, path = "/v1/campaigns/{id}", tag = "audience", security(("key" = []), ("session" = [])),
    params(("id" = String, Path)), responses((status = 200, body = Campaign)))]
async fn show_campaign(
    Business { id: business }: Business,
    State(app): State<App>,
    Path(id): Path<CampaignId>,
) -> ApiResult<Json<Campaign>> {
    let mut tx = app.db.read().await?;
    Ok(Json(campaigns::find(&mut tx, business, id).await?))
}

/// Ask for a ranked list of recipients.
///
/// The list is made by a job: poll `GET /v1/lists/{id}` until its state is `sealed` or `refused`.
/// With `dry_run` no list is made; the answer says at once how many could be reached and where the
/// others went, with noise. The same question gets the same answer all day; different ones are counted
/// against a budget, and refused with `reach.spent` when it is spent. `filter` is a text such as
/// `country in (IE, GB) and bought sport.* >= 3 within 14 days`, the same as JSON, or four lists.
#[utoipa::path(post, path = "/v1/lists", tag = "audience", security(("key" = []), ("session" = [])),
    request_body = RequestIn,
    responses((status = 202, body = ListSummary), (status = 200, body = DryRun)))]
async fn make_list(
    Business { id }: Business,
    State(app): State<App>,
    repeat: Repeat,
    Json(body): Json<RequestIn>,
) -> ApiResult<Response> {
    let rules = Rules::from(&app.settings.lists);
    let dry = body.dry_run;
    if dry {
        let mut tx = app.db.read().await?;
        let checked = request::check(&mut tx, id, body, &rules, app.now()).await?;
        drop(tx);
        let answer = reach::ask(&workshop(&app), &checked, &mut app.rng()).await?;
        return Ok(
            Json(DryRun::of(answer, (&checked.filter, checked.holdout), &rules)?).into_response()
        );
    }
    let mut tx = app.db.begin().await?;
    let checked = request::check(&mut tx, id, body, &rules, app.now()).await?;
    let list = request::order(&mut tx, &checked, &rules, &mut app.rng(), app.now()).await?;
    let out = ListSummary::of(&list, 0, &rules);
    let answer = repeat.answer(&app, &mut tx, StatusCode::ACCEPTED, &out).await?;
    tx.commit().await?;
    Ok(answer)
}

/// What builds a list in this service.
pub fn workshop(app: &App) -> Workshop<'_> {
    Workshop {
        db: &app.db,
        keys: &app.keys,
        columns: &app.columns,
        clock: &*app.clock,
        rules: Rules::from(&app.settings.lists),
        metrics: &app.metrics,
    }
}

/// The business's lists.
#[utoipa::path(get, path = "/v1/lists", tag = "audience", security(("key" = []), ("session" = [])),
    params(PageQuery), responses((status = 200, body = Page<ListSummary>)))]
async fn list_lists(
    Business { id }: Business,
    State(app): State<App>,
    Query(page): Query<PageQuery>,
) -> ApiResult<Json<Page<ListSummary>>> {
    let asked = page.asked(&app.settings.web)?;
    let after = last_id(&asked.after)?.map(ListId::from_bytes);
    let rules = Rules::from(&app.settings.lists);
    let mut tx = app.db.read().await?;
    let mut found = Vec::new();
    for list in request::page(&mut tx, id, after, asked.limit + 1).await? {
        found.push(ListSummary::read(&mut tx, &list, &rules).await?);
    }
    Ok(Json(asked.page(found, |list| *list.id.as_bytes(), |list| list)))
}

/// One list: how far it is, where everybody went, what it is sealed with.
#[utoipa::path(get, path = "/v1/lists/{id}", tag = "audience", security(("key" = []), ("session" = [])),
    params(("id" = String, Path)), responses((status = 200, body = ListSummary)))]
async fn show_list(
    Business { id: business }: Business,
    State(app): State<App>,
    Path(id): Path<ListId>,
) -> ApiResult<Json<ListSummary>> {
    let mut tx = app.db.read().await?;
    let list = request::find(&mut tx, business, id).await?;
    let rules = Rules::from(&app.settings.lists);
    Ok(Json(ListSummary::read(&mut tx, &list, &rules).await?))
}

/// The recipients, best first.
///
/// Each is verified once more before it leaves; `dropped` counts those on the page that are not
/// permitted any more. That they were read is recorded in the ledger as `officer.access`.
#[utoipa::path(get, path = "/v1/lists/{id}/recipients", tag = "audience",
    security(("key" = []), ("session" = [])), params(("id" = String, Path), PageQuery),
    responses((status = 200, body = RecipientsOut)))]
async fn recipients(
    Business { id: business }: Business,
    Known(caller): Known,
    State(app): State<App>,
    Path(id): Path<ListId>,
    Query(page): Query<PageQuery>,
) -> ApiResult<Json<RecipientsOut>> {
    let asked = page.asked(&app.settings.web)?;
    let after = last_rank(&asked.after)?;
    let down_to = after.saturating_add(asked.limit);
    // Only a list that can be read was served.
    drop(open(&app, business, id).await?);
    note_served(&app.db, (business, id), down_to, app.now()).await?;
    let (mut tx, shelf) = open(&app, business, id).await?;
    let page = shelf.page(&mut tx, &app.keys, after, asked.limit, app.now()).await?;
    drop(tx);
    readings::http::note(&app, &caller, Subject::Rows(id), page.rows.len() as u64).await?;
    Ok(Json(RecipientsOut {
        has_more: page.next.is_some(),
        next_cursor: page.next.map(|rank| URL_SAFE_NO_PAD.encode(rank.to_be_bytes())),
        data: page.rows,
        dropped: page.dropped,
        verified: ReadSince { at: app.now(), ledger_size: shelf.sealing.checkpoint_size },
    }))
}

/// That the list was sealed, and over which rows.
#[utoipa::path(get, path = "/v1/lists/{id}/proof", tag = "audience",
    security(("key" = []), ("session" = [])), params(("id" = String, Path)),
    responses((status = 200, body = ListProof)))]
async fn proof(
    Business { id: business }: Business,
    State(app): State<App>,
    Path(id): Path<ListId>,
) -> ApiResult<Json<ListProof>> {
    let (mut tx, shelf) = open(&app, business, id).await?;
    Ok(Json(shelf.proof(&mut tx).await?))
}

/// Report what happened after messages.
///
/// Each outcome is accepted or refused on its own, in order. A stop or a complaint keeps the person
/// off the business's other lists, open and later: what was read of those is recalled.
#[utoipa::path(post, path = "/v1/outcomes", tag = "audience", security(("key" = []), ("session" = [])),
    request_body = OutcomesIn, responses((status = 200, body = OutcomesOut)))]
async fn report(
    Business { id }: Business,
    State(app): State<App>,
    repeat: Repeat,
    Json(body): Json<OutcomesIn>,
) -> ApiResult<Response> {
    if body.outcomes.len() > outcomes::BATCH_MAX {
        return Err(Problem::refused("batch.too_large", "at most 1000 outcomes in one call"));
    }
    let mut tx = app.db.begin().await?;
    let taken = outcomes::record(&mut tx, id, &body.outcomes, app.now()).await?;
    let results: Vec<TakenOut> = taken.into_iter().map(TakenOut::from).collect();
    let accepted = results.iter().filter(|result| result.code.is_none()).count() as u64;
    let out = OutcomesOut { accepted, refused: results.len() as u64 - accepted, results };
    let answer = repeat.answer(&app, &mut tx, StatusCode::OK, &out).await?;
    tx.commit().await?;
    Ok(answer)
}

async fn open(
    app: &App,
    business: volens_privacy::BusinessId,
    id: ListId,
) -> ApiResult<(Tx, Shelf)> {
    let mut tx = app.db.read().await?;
    let shelf = Shelf::open(&mut tx, business, id, app.now()).await?;
    Ok((tx, shelf))
}

fn bad_cursor() -> Problem {
    Problem::bad_request("page.cursor", "this is not a cursor of this list")
}

fn last_id(after: &[u8]) -> ApiResult<Option<[u8; 16]>> {
    if after.is_empty() {
        return Ok(None);
    }
    after.try_into().map(Some).map_err(|_| bad_cursor())
}

fn last_rank(after: &[u8]) -> ApiResult<u32> {
    if after.is_empty() {
        return Ok(0);
    }
    after.try_into().map(u32::from_be_bytes).map_err(|_| bad_cursor())
}
