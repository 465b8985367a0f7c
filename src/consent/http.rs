//! Consent over HTTP: apps report decisions and withdrawals, and get receipts that anyone can
//! check offline.

mod catalog;

use std::ops::Range;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volens_privacy::Timestamp;
use volens_privacy::consent::Decision;
use volens_privacy::identity::AppId;
use volens_privacy::notice::Notices;
use volens_privacy::purpose::PurposeKind;
use volens_privacy::receipt::Receipt;

use super::{
    AppPhones, Command, ConsentError, Decided, DecisionsRequest, Effects, Grant, Intake,
    IntakeError, Refused, Replies, TokenError, WithdrawRequest,
};
use crate::access::directory;
use crate::accounts::http::reference;
use crate::accounts::{self, AccountError};
use crate::app::App;
use crate::web::callers::AppCaller;
use crate::web::extract::{Path, Query};
use crate::web::json::Json;
use crate::web::problem::{ApiResult, Problem};

/// Operations of the API.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(decide))
        .routes(routes!(withdraw))
        .routes(routes!(state))
        .merge(catalog::routes())
}

impl From<ConsentError> for Problem {
    fn from(error: ConsentError) -> Self {
        match error {
            ConsentError::Account(error) => error.into(),
            ConsentError::Ledger(error) => error.into(),
            ConsentError::Db(error) => error.into(),
            ConsentError::NoticeChanged { .. }
            | ConsentError::NoticeLacks(_)
            | ConsentError::Parties => Self::internal(&error),
        }
    }
}

impl From<IntakeError> for Problem {
    fn from(error: IntakeError) -> Self {
        let pointer = error.field.replace(['.', '['], "/").replace(']', "");
        Self::refused(error.code, error.detail).field(
            format!("/{pointer}"),
            error.code,
            error.detail,
        )
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        if let TokenError::Busy(busy) = error {
            return busy.into();
        }
        // Whoever runs the service has to know; the app only that it may come back.
        tracing::error!(code = error.code(), %error, "a consent to linking was refused");
        let detail =
            "the phone number cannot be made into a link at the moment; nothing was recorded";
        Self::unavailable(error.code(), detail).after(error.come_back())
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::AccountUnknown => AccountError::Unknown.into(),
            Refused::Underage => Self::refused(
                refused.code(),
                "the account is of somebody too young to consent to this",
            ),
            Refused::Unassessed => Self::refused(
                refused.code(),
                "nobody can consent to this before its impact assessment is attached",
            ),
            Refused::Superseded => {
                Self::conflict(refused.code(), "a later withdrawal or refusal is on record")
            }
            Refused::Objected => Self::conflict(
                refused.code(),
                "the person objected to direct marketing; only a later, explicit consent to \
                 business_messages with its decided_at ends that",
            ),
            Refused::Restricted => Self::conflict(
                refused.code(),
                "processing of the account is restricted; nothing new is agreed to meanwhile",
            ),
            Refused::AskedTooEarly => Self::conflict(
                refused.code(),
                "the person said no, and may not be asked again yet; ask when may_ask says so",
            ),
        }
    }
}

/// What became of a report.
#[derive(Serialize, utoipa::ToSchema)]
struct DecisionsOut {
    /// One per decision, in order.
    decisions: Vec<DecidedOut>,
    /// The receipts of the decisions that were recorded now, for the person to keep.
    #[schema(value_type = Vec<Object>)]
    receipts: Vec<Box<RawValue>>,
}

/// What is on record about one decision.
#[derive(Serialize, utoipa::ToSchema)]
struct DecidedOut {
    /// About what.
    #[schema(value_type = String)]
    purpose: PurposeKind,
    /// With which other app.
    #[schema(value_type = Option<String>)]
    peer: Option<AppId>,
    /// `given`, `refused` or `withdrawn`.
    #[schema(value_type = String)]
    decision: Decision,
    /// Ledger index of the entry.
    entry: u64,
    /// Whether this call recorded it; `false` when the same decision was on record.
    recorded: bool,
}

impl DecidedOut {
    fn new(decided: &Decided) -> Self {
        Self {
            purpose: decided.purpose,
            peer: decided.peer.clone(),
            decision: decided.decision,
            entry: decided.entry,
            recorded: decided.receipt.is_some(),
        }
    }
}

/// Record what a person decided.
///
/// The decisions of one call stand or fall together. The answer comes after they are durable and
/// covered by a signed checkpoint, which witnesses have confirmed where there are some, and carries
/// receipts that verify offline. Nothing of the phone number is kept unless a linking consent is
/// given in the same call.
#[utoipa::path(post, path = "/v1/consents", tag = "consent", security(("key" = [])),
    request_body = DecisionsRequest, responses((status = 201, body = DecisionsOut)))]
async fn decide(
    AppCaller { app: caller }: AppCaller,
    State(app): State<App>,
    Json(body): Json<DecisionsRequest>,
) -> ApiResult<Response> {
    reference(&body.account)?;
    let given = body.decisions.iter().filter(|item| item.decision == "given").count();
    let waits = given > 0 && app.witnesses.are_needed();
    // Whatever takes back is recorded also without witnesses, and what comes with it in one call.
    if waits && given == body.decisions.len() && !app.witnesses.are_reachable() {
        return Err(Problem::unavailable(
            "consent.witnesses_unreachable",
            "not enough witnesses of the ledger answer; nothing was recorded",
        ));
    }
    let account = body.account.clone();
    let apps = phones(&app, &caller, &body).await?;
    let now = app.clock.now();
    let intake = Intake::check(body, &caller, &apps, &app.keys, Notices::builtin(), now)?;
    if !app.receipts.parties().names(&caller) && intake.gives() {
        return Err(Problem::refused(
            "controller.unknown",
            "nobody is named as the controller of this app, so nobody can consent to it",
        ));
    }
    let mut decide = app.tokens.make(intake, &mut app.rng()).await?;
    decide.gatekeeper = app.receipts.parties().is_gatekeeper(&caller);
    let decided = match app.consents.submit(Command::Decide(decide)).await?? {
        Replies::Decided(decided) => decided,
        Replies::Ended(decided, _) => vec![decided],
        Replies::Stopped { ended, .. } => ended,
    };
    let decisions = decided.iter().map(DecidedOut::new).collect();
    let receipts: Vec<Receipt> = if waits {
        witnessed(&app, &caller, &account, &decided).await?
    } else {
        decided.into_iter().filter_map(|decided| decided.receipt).collect()
    };
    // Written and signed here, by the request that asked, and not by the one writer of decisions.
    let receipts = receipts.iter().map(|one| app.receipts.document(one, now)).collect();
    Ok((StatusCode::CREATED, Json(DecisionsOut { decisions, receipts })).into_response())
}

/// Waits until enough witnesses confirmed the decisions; answers their receipts, cosigned. Also of
/// decisions that were on record: the call that recorded them may have been told to come back.
async fn witnessed(
    app: &App,
    caller: &AppId,
    account: &str,
    decided: &[Decided],
) -> Result<Vec<Receipt>, Problem> {
    let last = decided.iter().map(|decided| decided.entry).max().unwrap_or_default();
    app.witnesses.confirm(last + 1).await.map_err(|_| {
        Problem::unavailable(
            "consent.unwitnessed",
            "the decisions are on record, and consents among them take effect when enough witnesses \
             have confirmed them; send the same again for their receipts",
        )
    })?;
    let entries: Vec<u64> = decided.iter().map(|decided| decided.entry).collect();
    let mut tx = app.db.read().await?;
    let subject = accounts::subject_of(&mut tx, &app.keys, caller, account).await?;
    let Some(subject) = subject else { return Ok(Vec::new()) };
    let receipts = super::receipts_of(&mut tx, &app.keys, subject).await?;
    let wanted = receipts.into_iter().filter(|(entry, _)| entries.contains(entry));
    Ok(wanted.map(|(_, receipt)| receipt).collect())
}

/// How the caller and the peers it names present phone numbers; looked up only for linking.
async fn phones(app: &App, caller: &AppId, body: &DecisionsRequest) -> Result<AppPhones, Problem> {
    let mut phones = AppPhones::default();
    let peers = body.decisions.iter().filter_map(|decision| decision.peer.as_deref());
    let peers: Vec<AppId> = peers.filter_map(|peer| AppId::parse(peer).ok()).collect();
    if peers.is_empty() {
        return Ok(phones);
    }
    let mut tx = app.db.read().await?;
    for id in peers.iter().chain([caller]) {
        if let Some(found) = directory::app(&mut tx, id).await? {
            phones.0.insert(found.id, (found.phone_encoding, found.region));
        }
    }
    Ok(phones)
}

/// What a withdrawal did.
#[derive(Serialize, utoipa::ToSchema)]
struct WithdrawnOut {
    /// Ledger index of the withdrawal.
    entry: u64,
    /// Its receipt, for the person to keep.
    #[schema(value_type = Option<Object>)]
    receipt: Option<Box<RawValue>>,
    /// What went with it, before this answer was sent.
    effects: Effects,
}

/// Take a consent back.
///
/// Effective before the answer: links, scores and list rows that rested on it are gone in the same
/// transaction. Doing it twice is the same as once.
#[utoipa::path(post, path = "/v1/consents/withdraw", tag = "consent", security(("key" = [])),
    request_body = WithdrawRequest, responses((status = 200, body = WithdrawnOut)))]
async fn withdraw(
    AppCaller { app: caller }: AppCaller,
    State(app): State<App>,
    Json(body): Json<WithdrawRequest>,
) -> ApiResult<Json<WithdrawnOut>> {
    reference(&body.account)?;
    let withdrawal = body.clone().check(&caller, &app.keys, app.clock.now())?;
    takes_part(&app, withdrawal.peer.as_ref()).await?;
    // A withdrawal is never turned away because others are waiting.
    let reply = app.consents.submit_patiently(Command::Withdraw(withdrawal)).await??;
    let (decided, effects) = match reply {
        Replies::Ended(decided, effects) => (decided, effects),
        Replies::Decided(_) | Replies::Stopped { .. } => return Err(Problem::not_found()),
    };
    let receipt = match decided.receipt {
        Some(receipt) => Some(receipt),
        None => on_record(&app, &caller, &body.account, decided.entry).await?,
    };
    let receipt = receipt.map(|receipt| app.receipts.document(&receipt, app.now()));
    Ok(Json(WithdrawnOut { entry: decided.entry, receipt, effects }))
}

/// Refuses a peer that takes no part: the ledger would name it for ever.
pub async fn takes_part(app: &App, peer: Option<&AppId>) -> Result<(), Problem> {
    let Some(peer) = peer else { return Ok(()) };
    let mut tx = app.db.read().await?;
    if directory::app(&mut tx, peer).await?.is_some() {
        return Ok(());
    }
    let detail = "expected another app that takes part";
    Err(IntakeError { code: "peer.unknown", field: "peer".to_owned(), detail }.into())
}

async fn on_record(
    app: &App,
    caller: &AppId,
    account: &str,
    entry: u64,
) -> Result<Option<Receipt>, Problem> {
    let mut tx = app.db.read().await?;
    let subject = accounts::subject_of(&mut tx, &app.keys, caller, account).await?;
    let Some(subject) = subject else { return Ok(None) };
    let receipts = super::receipts_of(&mut tx, &app.keys, subject).await?;
    Ok(receipts.into_iter().find(|(index, _)| *index == entry).map(|(_, receipt)| receipt))
}

/// What an account consents to.
#[derive(Serialize, utoipa::ToSchema)]
struct StateOut {
    /// Every consent that was given or refused, oldest decision first.
    consents: Vec<GrantOut>,
    /// Receipts of every decision, oldest first, against the latest checkpoint.
    #[schema(value_type = Vec<Object>)]
    receipts: Vec<Box<RawValue>>,
    /// The same records under the field names of ISO/IEC TS 27560, when asked for with
    /// `records=iso27560`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    records: Option<Vec<Value>>,
}

/// Which other renderings of the records are wanted.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct Renderings {
    /// `iso27560`: also under the field names of ISO/IEC TS 27560.
    records: Option<String>,
}

/// One consent, living or ended.
#[derive(Serialize, utoipa::ToSchema)]
struct GrantOut {
    /// About what.
    #[schema(value_type = String)]
    purpose: PurposeKind,
    /// With which other app.
    #[schema(value_type = Option<String>)]
    peer: Option<AppId>,
    /// `given`, `refused`, `withdrawn` or `expired`.
    #[schema(value_type = String)]
    state: Decision,
    /// Whether it counts now: given, not run out, confirmed by the ledger's witnesses, and not from before
    /// entries were lost.
    live: bool,
    /// Notice it was decided under; empty for a no that was said without being asked.
    notice: String,
    /// Version of that notice.
    notice_version: u32,
    /// Language of that notice.
    language: String,
    /// When it was decided.
    #[schema(value_type = String)]
    given_at: Timestamp,
    /// When it ends by itself.
    #[schema(value_type = String)]
    expires_at: Timestamp,
    /// When it ended otherwise.
    #[schema(value_type = Option<String>)]
    ended_at: Option<Timestamp>,
    /// Ledger index of the latest decision.
    entry: u64,
}

impl GrantOut {
    fn new(grant: Grant, counting: &Range<u64>, now: Timestamp) -> Self {
        let live = grant.is_live(now) && counting.contains(&grant.entry);
        let Grant { purpose, peer, state, notice, notice_version, language, .. } = grant;
        let Grant { given_at, expires_at, ended_at, entry, .. } = grant;
        Self {
            purpose,
            peer,
            state,
            live,
            notice,
            notice_version,
            language,
            given_at,
            expires_at,
            ended_at,
            entry,
        }
    }
}

/// Consents of an account, with receipts.
#[utoipa::path(get, path = "/v1/accounts/{reference}/consents", tag = "consent",
    security(("key" = [])),
    params(("reference" = String, Path, description = "the app's own reference"), Renderings),
    responses((status = 200, body = StateOut)))]
async fn state(
    AppCaller { app: caller }: AppCaller,
    State(app): State<App>,
    Path(text): Path<String>,
    Query(wanted): Query<Renderings>,
) -> ApiResult<Json<StateOut>> {
    let mut tx = app.db.read().await?;
    let subject = accounts::subject_of(&mut tx, &app.keys, &caller, reference(&text)?).await?;
    let subject = subject.ok_or(AccountError::Unknown)?;
    let now = app.clock.now();
    let grants = super::grants_of(&mut tx, &[subject]).await?;
    let receipts = super::receipts_of(&mut tx, &app.keys, subject).await?;
    let counting = super::counting(&mut tx).await?;
    let consents = grants.into_iter().map(|grant| GrantOut::new(grant, &counting, now)).collect();
    let wanted_iso = wanted.records.as_deref() == Some("iso27560");
    let iso = |(_, receipt): &(u64, Receipt)| app.receipts.iso_record(receipt);
    let records = wanted_iso.then(|| receipts.iter().map(iso).collect());
    let receipts = receipts.iter().map(|(_, one)| app.receipts.document(one, now)).collect();
    Ok(Json(StateOut { consents, receipts, records }))
}
