//! Accounts over HTTP: an app tells of its users, by its own opaque references.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volens_privacy::{AgeBand, SubjectId, Timestamp};

use super::{Account, AccountError, Details, Registered, Registration};
use crate::app::App;
use crate::web::callers::AppCaller;
use crate::web::extract::Path;
use crate::web::json::Json;
use crate::web::problem::{ApiResult, Problem};

/// Characters in a reference at most.
const REFERENCE_MAX: usize = 200;

/// Operations of the API.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(put, get))
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Unknown => Self::new(
                StatusCode::NOT_FOUND,
                "account.unknown",
                "the app has no account with this reference",
            ),
            AccountError::Key(_) => Self::internal(&error),
            AccountError::Db(error) => error.into(),
        }
    }
}

/// What an app may tell about its user. What is absent stays as it was told before, or unknown.
/// There is no phone number here.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DetailsIn {
    /// Language, two letters (ISO 639-1).
    #[serde(default)]
    #[schema(example = "de")]
    language: Option<String>,
    /// Country, two letters (ISO 3166-1).
    #[serde(default)]
    #[schema(example = "DE")]
    country: Option<String>,
    /// Time zone, IANA name.
    #[serde(default)]
    #[schema(example = "Europe/Berlin")]
    time_zone: Option<String>,
    /// `unknown`, `under_16`, `16_17`, `18_24`, `25_34`, `35_49`, `50_64` or `65_plus`.
    #[serde(default)]
    #[schema(example = "25_34")]
    age_band: Option<String>,
}

/// An account as its app sees it.
#[derive(Serialize, utoipa::ToSchema)]
struct AccountOut {
    /// Whether this call made it.
    created: bool,
    /// Language, or empty when unknown.
    language: String,
    /// Country, or empty when unknown.
    country: String,
    /// Time zone, or empty when unknown.
    time_zone: String,
    /// Age band.
    #[schema(value_type = String)]
    age_band: AgeBand,
    /// When it became known, cut to the hour.
    #[schema(value_type = String)]
    created_at: Timestamp,
    /// Since when processing is restricted (GDPR Art. 18), if it is.
    #[schema(value_type = Option<String>, format = "date-time")]
    restricted_at: Option<Timestamp>,
    /// Since when its person objects to direct marketing (GDPR Art. 21), if they do.
    #[schema(value_type = Option<String>, format = "date-time")]
    objected_at: Option<Timestamp>,
}

impl AccountOut {
    fn new(created: bool, account: Account) -> Self {
        let Account { details, created_at, frozen_at: restricted_at, objected_at, .. } = account;
        let Details { language, country, time_zone, age_band } = details;
        Self {
            created,
            language,
            country,
            time_zone,
            age_band,
            created_at,
            restricted_at,
            objected_at,
        }
    }
}

impl DetailsIn {
    /// Checks the fields; the answer names the one at fault.
    pub fn check(self) -> Result<Details, Problem> {
        let letters = |text: &str, case: fn(&u8) -> bool| {
            text.is_empty() || text.len() == 2 && text.bytes().all(|b| case(&b))
        };
        let language = self.language.unwrap_or_default();
        if !letters(&language, u8::is_ascii_lowercase) {
            return Err(field("language", "expected two lower-case letters (ISO 639-1)"));
        }
        let country = self.country.unwrap_or_default();
        if !letters(&country, u8::is_ascii_uppercase) {
            return Err(field("country", "expected two upper-case letters (ISO 3166-1)"));
        }
        let time_zone = self.time_zone.unwrap_or_default();
        let named = |c: char| c.is_ascii_alphanumeric() || "/_+-".contains(c);
        if time_zone.len() > 40 || !time_zone.chars().all(named) {
            return Err(field("time_zone", "expected an IANA time zone such as Europe/Berlin"));
        }
        let age_band = match self.age_band.as_deref() {
            None => AgeBand::Unknown,
            Some(text) => text.parse().map_err(|_| field("age_band", "no such age band"))?,
        };
        Ok(Details { language, country, time_zone, age_band })
    }
}

fn field(name: &str, detail: &'static str) -> Problem {
    Problem::refused("account.invalid", "a field is not as expected").field(
        format!("/{name}"),
        "account.invalid",
        detail,
    )
}

/// Checks an app's reference: opaque, not something that identifies a person elsewhere.
pub fn reference(text: &str) -> Result<&str, Problem> {
    if text.is_empty() || text.len() > REFERENCE_MAX || text.chars().any(char::is_control) {
        let detail = "a reference has 1 to 200 characters and no control characters";
        return Err(Problem::bad_request("account.reference", detail));
    }
    let phone = text.starts_with('+') && text.bytes().filter(u8::is_ascii_digit).count() >= 7;
    if phone || text.contains('@') {
        let detail = "a reference must be opaque: no phone number, no e-mail address";
        return Err(Problem::refused("account.reference_identifies", detail));
    }
    Ok(text)
}

/// Make or update an account.
///
/// The reference is the app's own and opaque; it is stored only as a keyed tag. What the body does
/// not tell stays as it is: leaving out an age does not make a minor's age unknown.
#[utoipa::path(put, path = "/v1/accounts/{reference}", tag = "accounts",
    security(("key" = [])), params(("reference" = String, Path, description = "the app's own reference")),
    request_body = DetailsIn,
    responses((status = 201, body = AccountOut), (status = 200, body = AccountOut)))]
async fn put(
    AppCaller { app: caller }: AppCaller,
    State(app): State<App>,
    Path(text): Path<String>,
    Json(body): Json<DetailsIn>,
) -> ApiResult<Response> {
    let details = body.check()?;
    let new = Registration::new(&app.keys, &mut app.rng(), &caller, reference(&text)?, details);
    let registered = app.accounts.submit(new).await?;
    let created = matches!(registered, Registered::Created(_));
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(read(&app, registered.subject(), created).await?)).into_response())
}

async fn read(app: &App, subject: SubjectId, created: bool) -> ApiResult<AccountOut> {
    let mut tx = app.db.read().await?;
    let found = super::find(&mut tx, &[subject]).await?.remove(&subject);
    Ok(AccountOut::new(created, found.ok_or(AccountError::Unknown)?))
}

/// What is known of an account.
#[utoipa::path(get, path = "/v1/accounts/{reference}", tag = "accounts",
    security(("key" = [])), params(("reference" = String, Path, description = "the app's own reference")),
    responses((status = 200, body = AccountOut)))]
async fn get(
    AppCaller { app: caller }: AppCaller,
    State(app): State<App>,
    Path(text): Path<String>,
) -> ApiResult<Json<AccountOut>> {
    let mut tx = app.db.read().await?;
    let subject = super::subject_of(&mut tx, &app.keys, &caller, reference(&text)?).await?;
    drop(tx);
    Ok(Json(read(&app, subject.ok_or(AccountError::Unknown)?, false).await?))
}
