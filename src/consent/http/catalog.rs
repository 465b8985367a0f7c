//! What people are asked, by whom and when again: purposes, notices, their differences.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volens_privacy::identity::AppId;
use volens_privacy::notice::{NoticeDiff, Notices};
use volens_privacy::purpose::{Controllers, PurposeKind, Purposes, Recipient};

use crate::accounts::http::reference;
use crate::accounts::{self, AccountError};
use crate::app::App;
use crate::consent::{self, Asking, LiveUnder};
use crate::ids::hex;
use crate::web::callers::{AppCaller, Officer};
use crate::web::extract::{Path, Query};
use crate::web::json::Json;
use crate::web::problem::{ApiResult, Problem};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(purposes))
        .routes(routes!(notices))
        .routes(routes!(changes))
        .routes(routes!(may_ask))
}

/// A purpose, as data.
#[derive(Serialize, utoipa::ToSchema)]
struct PurposeOut {
    /// Its name on the wire.
    #[schema(value_type = String)]
    purpose: PurposeKind,
    /// Its title in English.
    title: String,
    /// What it covers, in English.
    covers: String,
    /// Legal basis.
    legal_basis: String,
    /// How long a consent lasts, in days.
    lasts_days: u32,
    /// Days after a refusal before a person may be asked again.
    ask_again_after_days: u32,
    /// Youngest age that may consent.
    minimum_age: u8,
    /// Whether it is for a pair of apps.
    needs_peer: bool,
    /// Whether people are evaluated for it (GDPR Art. 4(4)).
    profiles: bool,
    /// `app`, or `both_apps` jointly (GDPR Art. 26).
    #[schema(value_type = String)]
    controllers: Controllers,
    /// Who receives data for it.
    #[schema(value_type = Vec<String>)]
    recipients: Vec<Recipient>,
    /// Categories of data.
    data: Vec<String>,
}

/// All purposes.
#[utoipa::path(get, path = "/v1/purposes", tag = "consent",
    security(("key" = []), ("session" = [])), responses((status = 200, body = Vec<PurposeOut>)))]
async fn purposes(Officer: Officer) -> Json<Vec<PurposeOut>> {
    let out = Purposes::builtin().all().iter().map(|p| PurposeOut {
        purpose: p.kind(),
        title: p.title("en").to_owned(),
        covers: p.covers("en").to_owned(),
        legal_basis: p.legal_basis().to_owned(),
        lasts_days: p.lasts_days(),
        ask_again_after_days: p.ask_again_after_days(),
        minimum_age: p.minimum_age(),
        needs_peer: p.needs_peer(),
        profiles: p.profiles(),
        controllers: p.controllers(),
        recipients: p.recipients().to_vec(),
        data: p.data().to_vec(),
    });
    Json(out.collect())
}

/// A published notice.
#[derive(Serialize, utoipa::ToSchema)]
struct NoticeOut {
    /// Which notice.
    id: String,
    /// Its version.
    version: u32,
    /// Its language.
    language: String,
    /// Heading.
    title: String,
    /// Text, in Markdown, as it is shown here: with those who answer for the data now.
    text: String,
    /// SHA-256 of that text, lower-case hexadecimal.
    text_sha256: String,
    /// SHA-256 of the file, lower-case hexadecimal.
    sha256: String,
    /// Purposes it asks for.
    #[schema(value_type = Vec<String>)]
    purposes: Vec<PurposeKind>,
}

/// All notices, every version and language. Apps show these texts.
#[utoipa::path(get, path = "/v1/notices", tag = "consent", security(()),
    responses((status = 200, body = Vec<NoticeOut>)))]
async fn notices(State(app): State<App>) -> Json<Vec<NoticeOut>> {
    let parties = app.receipts.parties();
    let out = Notices::builtin().all().iter().map(|n| NoticeOut {
        text_sha256: hex(&Sha256::digest(n.rendered(parties))),
        id: n.id.clone(),
        version: n.version,
        language: n.language.clone(),
        title: n.title.clone(),
        text: n.rendered(parties),
        sha256: hex(&n.sha256),
        purposes: n.purposes.clone(),
    });
    Json(out.collect())
}

/// Which versions are compared.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct Versions {
    /// The earlier version.
    from: u32,
    /// The later one.
    to: u32,
    /// In which language; English if absent.
    language: Option<String>,
}

/// What changed, and whom it concerns.
#[derive(Serialize, utoipa::ToSchema)]
struct ChangesOut {
    /// Sections and purposes that differ; `material` where people agreed to something else.
    #[schema(value_type = Object)]
    diff: Value,
    /// Whether those who agreed to the earlier version must be asked again.
    asks_again: bool,
    /// Consents that live under the earlier version.
    live: Vec<LiveUnder>,
}

/// What changed between two versions of a notice, and who must be asked again.
#[utoipa::path(get, path = "/v1/notices/{id}/changes", tag = "consent",
    security(("key" = []), ("session" = [])), params(("id" = String, Path), Versions),
    responses((status = 200, body = ChangesOut)))]
async fn changes(
    Officer: Officer,
    State(app): State<App>,
    Path(id): Path<String>,
    Query(versions): Query<Versions>,
) -> ApiResult<Json<ChangesOut>> {
    let language = versions.language.as_deref().unwrap_or("en");
    let notices = Notices::builtin();
    let get = |version| notices.get(&id, version, language).ok_or_else(Problem::not_found);
    let diff = NoticeDiff::between(get(versions.from)?, get(versions.to)?);
    let live = consent::live_under(&mut app.db.read().await?, app.now()).await?;
    let earlier = |under: &LiveUnder| under.notice == id && under.version == versions.from;
    Ok(Json(ChangesOut {
        asks_again: diff.asks_again(),
        diff: serde_json::to_value(diff).map_err(|error| Problem::internal(&error))?,
        live: live.into_iter().filter(earlier).collect(),
    }))
}

/// About what somebody would be asked.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct About {
    /// Which purpose.
    purpose: String,
    /// With which other app, for linking.
    peer: Option<String>,
}

/// Whether a person may be asked now.
///
/// Not while they agree, and not for 183 days after a no; for a year, where the purpose or the Digital
/// Markets Act says so. A consent that was asked for too early is refused.
#[utoipa::path(get, path = "/v1/accounts/{reference}/may-ask", tag = "consent",
    security(("key" = [])),
    params(("reference" = String, Path, description = "the app's own reference"), About),
    responses((status = 200, body = Asking)))]
async fn may_ask(
    AppCaller { app: caller }: AppCaller,
    State(app): State<App>,
    Path(text): Path<String>,
    Query(about): Query<About>,
) -> ApiResult<Json<Asking>> {
    let unknown = || Problem::bad_request("purpose.unknown", "there is no such purpose or peer");
    let purpose: PurposeKind = about.purpose.parse().map_err(|_| unknown())?;
    let peer = about.peer.as_deref().map(AppId::parse).transpose().map_err(|_| unknown())?;
    if purpose.definition().needs_peer() != peer.is_some() {
        return Err(unknown());
    }
    let mut tx = app.db.read().await?;
    let subject = accounts::subject_of(&mut tx, &app.keys, &caller, reference(&text)?).await?;
    let subject = subject.ok_or(AccountError::Unknown)?;
    let account = accounts::find(&mut tx, &[subject]).await?.remove(&subject);
    let age = account.map(|account| account.details.age_band).unwrap_or_default();
    if !age.at_least(purpose.definition().minimum_age()) {
        return Ok(Json(Asking { may_ask: false, reason: Some("underage"), from: None }));
    }
    let gatekeeper = app.receipts.parties().is_gatekeeper(&caller);
    let about = (purpose, peer.as_ref());
    Ok(Json(consent::may_ask(&mut tx, subject, about, gatekeeper, app.now()).await?))
}
