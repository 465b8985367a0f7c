//! Who calls. The permission is the handler's argument type: extracting it is the check.
//!
//! ```text
//! async fn create(Business { id }: Business, State(app): State<App>, …)   // only a business
//! ```
//!
//! A request is identified once, before routing to the handler: by API key (`Authorization: Bearer`
//! or `Basic base64(key:)`) or by the session cookie of the console. A session also has to prove, on
//! every request that changes something, that it comes from our own page: the header
//! `x-form-token`, or a form's field `form_token`.

mod identify;

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use volens_privacy::{AppId, BusinessId};

pub(super) use self::identify::identify;
pub use self::identify::{FORM_TOKEN_FIELD, FORM_TOKEN_HEADER, session_cookie};
use super::problem::Problem;
use crate::access::keys::Owner;
use crate::access::sessions::Token;
use crate::access::{Caller, Credential};
use crate::app::App;
use crate::ids::UserId;

/// The address a request came from; set by the server, absent in tests without a socket.
#[derive(Debug, Clone, Copy)]
pub struct Address(pub IpAddr);

/// What the request presented, kept in its extensions.
#[derive(Clone)]
enum Presented {
    /// No credential.
    Nothing,
    /// A credential that is not valid.
    Invalid,
    /// A valid one.
    Valid(Identified),
}

/// A caller and how it was recognised.
#[derive(Clone)]
pub struct Identified {
    /// Who.
    pub caller: Caller,
    /// By what.
    pub credential: Credential,
    /// The session, when it was one.
    session: Option<SessionPart>,
}

#[derive(Clone)]
struct SessionPart {
    token: Token,
    email: String,
    form_token: String,
}

/// An app.
pub struct AppCaller {
    /// Which.
    pub app: AppId,
}

/// A business.
pub struct Business {
    /// Which.
    pub id: BusinessId,
}

/// An agent of a business.
pub struct Agent {
    /// Of which.
    pub business: BusinessId,
}

/// A privacy officer.
pub struct Officer;

/// The operator.
pub struct Operator;

/// Anyone with a valid credential.
pub struct Known(pub Identified);

/// Anyone at all, with the caller when there is a valid credential. A wrong one is still refused.
pub struct Anyone(pub Option<Identified>);

/// Whoever may manage API keys: the operator all of them, an app or a business its own.
pub struct KeyOwner(pub Owner);

/// A signed-in console user, for pages. Without one, the browser is sent to the sign-in page.
pub struct Session {
    /// Who.
    pub user: UserId,
    /// The address it signed in with.
    pub email: String,
    /// What it may do.
    pub caller: Caller,
    /// The token that every form on the page has to carry.
    pub form_token: String,
    /// The session itself, to end it.
    pub token: Token,
}

/// Where pages send a browser that is not signed in.
pub const SIGN_IN_PAGE: &str = "/sign-in";

/// The address of a one-time sign-in link. The page there asks for one click, so that what fetches
/// links to preview them does not use them up.
pub fn sign_in_url(public_url: &str, token: &Token) -> String {
    format!("{public_url}{SIGN_IN_PAGE}?link={}", token.expose())
}

/// Who presented a credential, or why nobody did.
fn identified(parts: &Parts) -> Result<&Identified, Problem> {
    match parts.extensions.get::<Presented>() {
        Some(Presented::Valid(identified)) => Ok(identified),
        _ => Err(Problem::unauthenticated()),
    }
}

macro_rules! caller {
    ($type:ident, $pattern:pat => $value:expr) => {
        impl FromRequestParts<App> for $type {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
                match identified(parts)?.caller.clone() {
                    $pattern => Ok($value),
                    _ => Err(Problem::forbidden()),
                }
            }
        }
    };
}

caller!(AppCaller, Caller::App(app) => Self { app });
caller!(Business, Caller::Business(id) => Self { id });
caller!(Agent, Caller::Agent(business) => Self { business });
caller!(Officer, Caller::Officer => Self);
caller!(Operator, Caller::Operator => Self);

impl FromRequestParts<App> for KeyOwner {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        match identified(parts)?.caller.clone() {
            Caller::Operator => Ok(Self(Owner::Anyone)),
            Caller::App(app) => Ok(Self(Owner::App(app))),
            Caller::Business(business) => Ok(Self(Owner::Business(business))),
            Caller::Agent(_) | Caller::Officer => Err(Problem::forbidden()),
        }
    }
}

impl FromRequestParts<App> for Known {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        identified(parts).cloned().map(Self)
    }
}

impl FromRequestParts<App> for Anyone {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        match parts.extensions.get::<Presented>() {
            Some(Presented::Valid(identified)) => Ok(Self(Some(identified.clone()))),
            Some(Presented::Invalid) => Err(Problem::unauthenticated()),
            Some(Presented::Nothing) | None => Ok(Self(None)),
        }
    }
}

impl Identified {
    /// The console session, when the caller was recognised by one.
    pub fn session(&self) -> Option<Session> {
        let (Credential::User(user), Some(part)) = (self.credential, &self.session) else {
            return None;
        };
        Some(Session {
            user,
            email: part.email.clone(),
            caller: self.caller.clone(),
            form_token: part.form_token.clone(),
            token: part.token.clone(),
        })
    }
}

impl FromRequestParts<App> for Session {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Response> {
        identified(parts)
            .ok()
            .and_then(Identified::session)
            .ok_or_else(|| Redirect::to(SIGN_IN_PAGE).into_response())
    }
}

/// 16 bytes that stand for the caller in what is kept per caller; zero for nobody.
pub(super) fn caller_id(extensions: &axum::http::Extensions) -> [u8; 16] {
    match extensions.get::<Presented>() {
        Some(Presented::Valid(identified)) => *identified.credential.id(),
        _ => [0; 16],
    }
}
