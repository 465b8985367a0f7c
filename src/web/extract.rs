//! Path and query parameters whose refusals are problem documents too.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::body;
use super::problem::Problem;
use crate::app::App;

/// Parameters of the path. What cannot be an id is not there: the same 404 as an unknown one.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, app).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(_) => Err(Problem::not_found()),
        }
    }
}

/// Parameters after the question mark.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<App> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match axum::extract::Query::<T>::from_request_parts(parts, app).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(_) => Err(Problem::bad_request(
                "query.invalid",
                "a query parameter is missing, unknown or not of its type",
            )),
        }
    }
}

/// A form of one of our pages.
pub struct Form<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Form<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let unreadable = || Problem::bad_request("form.invalid", "the form is not complete");
        let (parts, incoming) = request.into_parts();
        let limit = body::limit(&app.settings.web, parts.uri.path());
        let bytes = body::read_raw(incoming, limit, app.settings.web.body_seconds).await?;
        let request = Request::from_parts(parts, axum::body::Body::from(bytes));
        match axum::extract::Form::<T>::from_request(request, app).await {
            Ok(axum::extract::Form(value)) => Ok(Self(value)),
            Err(_) => Err(unreadable()),
        }
    }
}
