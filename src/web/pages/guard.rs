//! Whose page it is: a page's argument type, as with the API. Without a session the browser is sent
//! to sign in.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use volens_privacy::BusinessId;

use crate::access::Caller;
use crate::app::App;
use crate::web::callers::Session;
use crate::web::problem::Problem;

/// A signed-in privacy officer.
pub(super) struct AsOfficer(pub(super) Session);

/// A signed-in member of a business.
pub(super) struct AsBusiness {
    pub(super) session: Session,
    pub(super) id: BusinessId,
}

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

impl FromRequestParts<App> for AsBusiness {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let session = Session::from_request_parts(parts, app).await?;
        match session.caller {
            Caller::Business(id) => Ok(Self { session, id }),
            _ => Err(Problem::forbidden().into_response()),
        }
    }
}
