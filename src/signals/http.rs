//! Signals over HTTP: the Segment spec, `CloudEvents`, and what was refused.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volens_privacy::{AppId, Timestamp, Topics};

use super::segment::{self, Call, Unreadable};
use super::{Batch, MAX_BATCH, Outcome, Parsed, Reason, SignalError, Taken, cloudevents, refusals};
use crate::app::App;
use crate::web::body::Body;
use crate::web::callers::AppCaller;
use crate::web::extract::Query;
use crate::web::json::Json;
use crate::web::problem::{ApiResult, Problem};

/// Days of refusals shown at most: as long as they are kept.
const MAX_DAYS: u32 = 400;

/// Operations of the API.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(identify))
        .routes(routes!(track))
        .routes(routes!(page))
        .routes(routes!(screen))
        .routes(routes!(group))
        .routes(routes!(alias))
        .routes(routes!(merge))
        .routes(routes!(batch))
        .routes(routes!(events))
        .routes(routes!(refused))
}

impl From<SignalError> for Problem {
    fn from(error: SignalError) -> Self {
        match error {
            SignalError::Db(error) => error.into(),
            other => Self::internal(&other),
        }
    }
}

impl From<Unreadable> for Problem {
    fn from(unreadable: Unreadable) -> Self {
        let code = match unreadable {
            Unreadable::NotJson => "body.invalid",
            Unreadable::Shape => "body.shape",
            Unreadable::NoBatch => "batch.missing",
        };
        Self::bad_request(code, unreadable.to_string())
    }
}

/// One call of the Segment spec. Unknown fields are ignored; addresses and devices are never kept.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "documents what clients send; the readers take it apart themselves")]
struct CallIn {
    /// The app's own reference of the account.
    #[serde(rename = "userId")]
    #[schema(example = "u-48213")]
    user_id: String,
    /// Makes a repeat recognisable, for as long as the signal could be sent again.
    #[serde(rename = "messageId")]
    #[schema(example = "m-1")]
    message_id: Option<String>,
    /// What was done, for `track`: its last word decides (`Product Viewed`).
    #[schema(example = "Product Viewed")]
    event: Option<String>,
    /// `topics` (ids), `category` (a topic id), `business` (an id).
    #[schema(value_type = Option<Object>, example = json!({"topics": ["sport.running"]}))]
    properties: Option<serde_json::Value>,
    /// Numbers and short words, for `identify`. Anything that identifies a person is left out.
    #[schema(value_type = Option<Object>, example = json!({"plan": "gold"}))]
    traits: Option<serde_json::Value>,
    /// By the client's clock, RFC 3339.
    timestamp: Option<String>,
    /// When it was sent by the client's clock; corrects `timestamp`.
    #[serde(rename = "sentAt")]
    sent_at: Option<String>,
}

/// Several calls, each with its `type`.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "documents what clients send; the readers take it apart themselves")]
struct BatchIn {
    /// At most 500 kB together and 32 kB each.
    #[schema(value_type = Vec<CallIn>)]
    batch: Vec<CallIn>,
    /// When it was sent by the client's clock.
    #[serde(rename = "sentAt")]
    sent_at: Option<String>,
}

/// What became of the items, in the order they were sent.
#[derive(Serialize, ToSchema)]
struct AnswerOut {
    /// The call was understood. Look at `items` for what became of each.
    success: bool,
    /// Items taken in, now or before.
    accepted: usize,
    /// Items not taken in; nothing of them is stored.
    refused: usize,
    /// One per item.
    items: Vec<ItemOut>,
}

/// What became of one item.
#[derive(Serialize, ToSchema)]
struct ItemOut {
    /// Its place, from 0.
    index: usize,
    /// `accepted`, `duplicate` or `refused`.
    #[schema(example = "accepted")]
    status: &'static str,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "consent.absent")]
    code: Option<&'static str>,
    /// Parts that were left out or ignored, by code.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["trait.identifier_refused"]))]
    left_out: Vec<&'static str>,
}

impl AnswerOut {
    fn of(taken: &[Taken]) -> Self {
        let items: Vec<ItemOut> = taken.iter().enumerate().map(ItemOut::of).collect();
        let refused = items.iter().filter(|item| item.code.is_some()).count();
        Self { success: true, accepted: items.len() - refused, refused, items }
    }
}

impl ItemOut {
    fn of((index, taken): (usize, &Taken)) -> Self {
        let (status, code) = match taken.outcome {
            Outcome::Accepted => ("accepted", None),
            Outcome::Duplicate => ("duplicate", None),
            Outcome::Refused(reason) => ("refused", Some(reason.code())),
        };
        let left_out = taken.notes.iter().map(|reason| reason.code()).collect();
        Self { index, status, code, left_out }
    }
}

async fn take(
    app: &App,
    caller: AppId,
    received: Timestamp,
    items: Vec<Parsed>,
) -> ApiResult<Vec<Taken>> {
    let batch = Batch { app: caller, received, items };
    Ok(app.signals.submit(batch).await??)
}

/// One call; alias, group and merge are refused as a whole, so that a client notices.
async fn call(app: &App, caller: AppCaller, call: Call, body: &[u8]) -> ApiResult<Response> {
    let received = app.now();
    let parsed = segment::single(Topics::builtin(), call, body, received)?;
    let taken = take(app, caller.app, received, vec![parsed]).await?;
    let joins = Outcome::Refused(Reason::IdentityConsentRequired);
    if taken.iter().any(|taken| taken.outcome == joins) {
        return Err(Problem::conflict(
            Reason::IdentityConsentRequired.code(),
            "accounts are joined by consent only: POST /v1/consents with cross_app_linking",
        ));
    }
    Ok(Json(AnswerOut::of(&taken)).into_response())
}

macro_rules! calls {
    ($($(#[doc = $doc:literal])+ $name:ident $path:literal $call:ident;)+) => {$(
        $(#[doc = $doc])+
        #[utoipa::path(post, path = $path, tag = "signals", security(("key" = [])),
            request_body = CallIn,
            responses((status = 200, body = AnswerOut)))]
        async fn $name(
            caller: AppCaller,
            State(app): State<App>,
            Body(body): Body,
        ) -> ApiResult<Response> {
            call(&app, caller, Call::$call, &body).await
        }
    )+};
}

calls! {
    /// Describe an account.
    ///
    /// Numbers and short words under consent for relevance; phone numbers, addresses and names are
    /// left out and counted.
    identify "/v1/identify" Identify;
    /// Tell what an account did.
    track "/v1/track" Track;
    /// Tell that an account looked at a page.
    page "/v1/page" Page;
    /// Tell that an account looked at a screen.
    screen "/v1/screen" Screen;
    /// Refused: nothing but consent joins accounts.
    group "/v1/group" Group;
    /// Refused: nothing but consent joins accounts.
    alias "/v1/alias" Alias;
    /// Refused: nothing but consent joins accounts.
    merge "/v1/merge" Merge;
}

/// Several calls at once.
///
/// Each is decided on its own and answered in order; the answer comes after the commit.
#[utoipa::path(post, path = "/v1/batch", tag = "signals", security(("key" = [])),
    request_body = BatchIn,
    responses((status = 200, body = AnswerOut)))]
async fn batch(
    AppCaller { app: caller }: AppCaller,
    State(app): State<App>,
    Body(body): Body,
) -> ApiResult<Json<AnswerOut>> {
    fits(&body)?;
    let received = app.now();
    let items = segment::batch(Topics::builtin(), &body, received)?;
    Ok(Json(AnswerOut::of(&take(&app, caller, received, items).await?)))
}

/// Signals as CloudEvents.
///
/// `application/cloudevents+json`, `application/cloudevents-batch+json`, or any JSON with `ce-`
/// headers. `subject` is the account, the last word of `type` what was done.
#[utoipa::path(post, path = "/v1/events", tag = "signals", security(("key" = [])),
    request_body(content = Object, content_type = "application/cloudevents+json"),
    responses((status = 200, body = AnswerOut)))]
async fn events(
    AppCaller { app: caller }: AppCaller,
    State(app): State<App>,
    headers: HeaderMap,
    Body(body): Body,
) -> ApiResult<Json<AnswerOut>> {
    fits(&body)?;
    let known = Topics::builtin();
    let received = app.now();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let essence = text(CONTENT_TYPE.as_str()).unwrap_or_default();
    let essence = essence.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let items = match essence.as_str() {
        "application/cloudevents-batch+json" => cloudevents::batch(known, &body, received)?,
        "application/cloudevents+json" => vec![cloudevents::structured(known, &body, received)?],
        _ if headers.contains_key("ce-specversion") => {
            let attributes = headers.iter().filter_map(|(name, value)| {
                Some((name.as_str().strip_prefix("ce-")?, value.to_str().ok()?))
            });
            vec![cloudevents::binary(known, attributes, &body, received)?]
        }
        _ => {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "body.media_type",
                "expected application/cloudevents+json, its batch form, or ce- headers",
            ));
        }
    };
    Ok(Json(AnswerOut::of(&take(&app, caller, received, items).await?)))
}

fn fits(body: &[u8]) -> ApiResult<()> {
    if body.len() <= MAX_BATCH {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "batch.too_large",
        "a batch may have 500 kB, unpacked",
    ))
}

/// Which days.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Days {
    /// Today and so many days before.
    #[param(minimum = 0, maximum = 400, default = 7)]
    days: Option<u32>,
}

/// What was refused or left out.
#[derive(Serialize, ToSchema)]
struct RefusalsOut {
    /// Items refused and parts left out, by code.
    #[schema(example = json!({"consent.absent": 12, "trait.identifier_refused": 3}))]
    refusals: BTreeMap<String, u64>,
}

/// Count what was refused or left out, by code.
#[utoipa::path(get, path = "/v1/signals/refusals", tag = "signals", security(("key" = [])),
    params(Days),
    responses((status = 200, body = RefusalsOut)))]
async fn refused(
    AppCaller { app: caller }: AppCaller,
    State(app): State<App>,
    Query(query): Query<Days>,
) -> ApiResult<Json<RefusalsOut>> {
    let days = query.days.unwrap_or(7).min(MAX_DAYS);
    let mut tx = app.db.read().await?;
    Ok(Json(RefusalsOut { refusals: refusals(&mut tx, &caller, days, app.now()).await? }))
}
