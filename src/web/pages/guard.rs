//! Whose page it is: a page's argument type, as with the API. Without a session the browser is sent
//! to sign in.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

use crate::access::Caller;
use crate::app::App;
use crate::web::callers::Session;
use crate::web::problem::Problem;

/// A signed-in privacy officer.
pub(super) struct AsOfficer(pub(super) Session);

impl FromRequestParts<App> for AsOfficer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let session = Session::from_request_parts(parts, app).await?;
        match session.caller {
            Caller::Officer => Ok(Self(session)),
            _ => Err(Problem::forbidden().into_response()),
        }
    }
}
