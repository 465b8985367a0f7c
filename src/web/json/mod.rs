//! JSON in and out, read strictly.
//!
//! A body is refused when it is too large, not UTF-8, nested too deep, names a member twice, or
//! does not fit the wire type. The answer names the field and what is expected there, and never
//! repeats a value: values are other people's data and answers end up in logs.

mod strict;
#[cfg(test)]
mod tests;

use axum::body::Bytes;
use axum::extract::{FromRequest, OptionalFromRequest, Request};
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::body;
use super::problem::Problem;
use crate::app::App;

/// A JSON body, in either direction.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(not_json());
        }
        let bytes = body::read(request, app).await?;
        read(&bytes, app.settings.web.json_depth).map(Self)
    }
}

/// `Option<Json<T>>`: a body may be left out altogether.
impl<T: DeserializeOwned> OptionalFromRequest<App> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Option<Self>, Problem> {
        let json = is_json(request.headers());
        let bytes = body::read(request, app).await?;
        if bytes.is_empty() {
            return Ok(None);
        }
        if !json {
            return Err(not_json());
        }
        read(&bytes, app.settings.web.json_depth).map(|value| Some(Self(value)))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(bytes) => ([(CONTENT_TYPE, "application/json")], Bytes::from(bytes)).into_response(),
            Err(error) => Problem::internal(&error).into_response(),
        }
    }
}

/// Reads a wire type from bytes that came from outside.
pub fn read<T: DeserializeOwned>(bytes: &[u8], depth: u32) -> Result<T, Problem> {
    strict::check(bytes, depth)?;
    // serde would take the members of an object from a list, by their position.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(Problem::bad_request(
            "body.invalid",
            "the body does not have the expected shape",
        )
        .field("", "field.type", "expected an object"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let pointer = pointer(error.path());
        let (code, detail) = explain(&error.inner().to_string());
        Problem::bad_request("body.invalid", "the body does not have the expected shape")
            .field(pointer, code, detail)
    })
}

fn not_json() -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "body.media_type",
        "the body has to be application/json",
    )
}

fn is_json(headers: &HeaderMap) -> bool {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json"
        || essence.starts_with("application/") && essence.ends_with("+json")
}

/// The path of a field as a JSON pointer.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter().fold(String::new(), |text, segment| match segment {
        Segment::Seq { index } => format!("{text}/{index}"),
        Segment::Map { key } => format!("{text}/{}", strict::name(key)),
        Segment::Enum { variant } => format!("{text}/{variant}"),
        Segment::Unknown => format!("{text}/*"),
    })
}

/// What is expected, in the words of JSON and not of our types.
fn in_words(expected: &str) -> &str {
    match expected.split(' ').next() {
        Some("struct" | "map") => "an object",
        Some("a") if expected.starts_with("a map") => "an object",
        Some("i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "usize") => {
            "a whole number in range"
        }
        Some("f32" | "f64") => "a number",
        Some("a") if expected.starts_with("a sequence") => "a list",
        Some("a") if expected.starts_with("a boolean") => "true or false",
        _ => expected,
    }
}

/// What serde says, without the values it says it with. What follows `expected` comes from our own
/// types; what stands before it may come from the caller.
fn explain(message: &str) -> (&'static str, String) {
    let message = message.rsplit_once(" at line ").map_or(message, |(text, _)| text);
    let quoted = || message.split('`').nth(1).unwrap_or_default();
    let expected = message
        .rsplit_once(", expected ")
        .or_else(|| message.rsplit_once(", there are "))
        .map_or("something else", |(_, expected)| expected);
    let expected = in_words(expected);
    if message.starts_with("missing field") {
        ("field.missing", format!("`{}` is missing", quoted()))
    } else if message.starts_with("unknown field") {
        let name = strict::name(quoted());
        ("field.unknown", format!("`{name}` is not a field here; expected {expected}"))
    } else if message.starts_with("unknown variant") {
        ("field.choice", format!("expected {expected}"))
    } else if message.starts_with("invalid type") {
        ("field.type", format!("expected {expected}"))
    } else if message.starts_with("invalid ") {
        ("field.value", format!("expected {expected}"))
    } else {
        ("field.value", "the value is not valid here".to_owned())
    }
}
