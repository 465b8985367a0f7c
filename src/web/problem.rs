//! Errors on the wire: RFC 9457 problem documents with a stable code.

use std::borrow::Cow;
use std::error::Error;

use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::db;

/// What a handler answers.
pub type ApiResult<T> = Result<T, Problem>;

/// A refusal or failure as the caller sees it.
///
/// `code` is stable and documented; the sentence is for people and may change. Neither ever repeats
/// what the caller sent, except names of fields.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    retry_after: Option<u32>,
}

/// One field that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where, as a JSON pointer (RFC 6901); members that do not look like field names are `*`.
    pub pointer: String,
    /// Stable code.
    pub code: &'static str,
    /// What is expected there.
    pub detail: String,
}

/// RFC 9457 problem document.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemOut<'a> {
    /// `urn:volens:problem:` and the code.
    r#type: String,
    /// The status in words.
    title: &'a str,
    /// The HTTP status.
    #[schema(example = 422)]
    status: u16,
    /// Stable code of the refusal.
    #[schema(example = "consent.absent")]
    code: &'a str,
    /// One sentence.
    detail: &'a str,
    /// Fields that were refused.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}

impl Problem {
    /// A problem with a stable code and one sentence.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, code, detail: detail.into(), errors: Vec::new(), retry_after: None }
    }

    /// 400: the request cannot be read.
    pub fn bad_request(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 401: no credential, or one that is not valid. Never says which.
    pub fn unauthenticated() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "access.unauthenticated",
            "a valid credential is needed",
        )
    }

    /// 403: the credential is valid and does not allow this.
    pub fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "access.forbidden", "this credential does not allow this")
    }

    /// 404: not there, or somebody else's. The two look the same.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing here")
    }

    /// 409: it exists already.
    pub fn conflict(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 422: understood and refused.
    pub fn refused(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// 429: too many; come back after `seconds`.
    pub fn too_many(code: &'static str, seconds: u32) -> Self {
        let mut problem =
            Self::new(StatusCode::TOO_MANY_REQUESTS, code, "too many requests; come back later");
        problem.retry_after = Some(seconds);
        problem
    }

    /// 503: not now; the same request may be sent again.
    pub fn unavailable(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail);
        problem.retry_after = Some(1);
        problem
    }

    /// 500: our fault. The caller learns nothing; the chain is logged, once, here.
    pub fn internal(error: &dyn Error) -> Self {
        let mut chain = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            chain = format!("{chain}: {cause}");
            source = cause.source();
        }
        tracing::error!(error = chain, "request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something went wrong on our side")
    }

    /// Says after how many seconds the same request may be sent again.
    pub fn after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Names a field that was refused.
    pub fn field(
        mut self,
        pointer: impl Into<String>,
        code: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        self.errors.push(FieldError { pointer: pointer.into(), code, detail: detail.into() });
        self
    }

    /// The HTTP status.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable code.
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// The fields that were refused.
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let out = ProblemOut {
            r#type: format!("urn:volens:problem:{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            code: self.code,
            detail: &self.detail,
            errors: &self.errors,
        };
        let body = serde_json::to_vec(&out).expect("a problem is plain data");
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        let mut set = |name: HeaderName, value| drop(headers.insert(name, value));
        set(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            set(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"volens\""));
        }
        if let Some(seconds) = self.retry_after {
            set(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// What the database reports. A slice that expects `Duplicate` or `Missing` handles it before.
impl From<db::Error> for Problem {
    fn from(error: db::Error) -> Self {
        match error {
            db::Error::Conflict(_) => {
                Self::unavailable("storage.busy", "conflicting work; send the same request again")
            }
            db::Error::DiskFull(_) => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "storage.full",
                "no space is left for writes",
            ),
            other => Self::internal(&other),
        }
    }
}

/// What a group-commit writer reports.
impl From<db::group::GroupError> for Problem {
    fn from(error: db::group::GroupError) -> Self {
        match error {
            db::group::GroupError::Full => {
                Self::unavailable("overloaded", "too many writes are waiting; come back later")
            }
            db::group::GroupError::Closed => {
                Self::unavailable("stopping", "the service is stopping")
            }
            db::group::GroupError::Panicked => Self::internal(&error),
            db::group::GroupError::Db(error) => error.into(),
        }
    }
}

/// What the pool of slow hashing reports.
impl From<crate::stretch::Busy> for Problem {
    fn from(busy: crate::stretch::Busy) -> Self {
        match busy {
            crate::stretch::Busy::Full => Self::too_many("overloaded", 1),
            crate::stretch::Busy::Lost => Self::internal(&busy),
        }
    }
}
