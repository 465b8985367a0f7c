//! The OpenAPI 3.1 document, made from the handlers. `docs/openapi.json` is a copy that a test keeps
//! fresh.

use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, ToSchema};

use super::problem::ProblemOut;

/// What every document begins with.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Volens",
        description = "Reach the people who are willing, and nobody else.\n\n\
            Errors are RFC 9457 problem documents with a stable `code`. Lists are pages: \
            `?limit=&after=` gives `{data, has_more, next_cursor}`. Every POST takes an \
            `Idempotency-Key`. Times are RFC 3339 in UTC.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "access", description = "Apps, businesses, console users and their credentials"),
        (name = "bots", description = "Support bots: persona, documents, publication"),
        (name = "conversations", description = "What customers call, with the token of their conversation"),
        (name = "inbox", description = "Conversations that wait for a person"),
        (name = "operations", description = "Health and counters"),
    ),
    components(schemas(ProblemOut<'static>)),
    modifiers(&Credentials)
)]
pub struct Base;

/// How callers identify themselves.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_with(Components::new);
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let basic = SecurityScheme::Http(Http::new(HttpAuthScheme::Basic));
        let cookie = ApiKey::Cookie(ApiKeyValue::with_description(
            "volens_session",
            "A console session; requests that change something also need `x-form-token`.",
        ));
        components.add_security_scheme("key", bearer);
        let conversation = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("conversation", conversation);
        components.add_security_scheme("segment", basic);
        components.add_security_scheme("session", SecurityScheme::ApiKey(cookie));
    }
}

/// Adds to every operation what no handler has to repeat: that any error is a problem document.
/// Names paths as the format does.
pub(super) fn finish(document: &mut OpenApi) {
    let problem = Ref::from_schema_name(ProblemOut::name().to_string());
    let content = ContentBuilder::new().schema(Some(RefOr::Ref(problem))).build();
    let response = ResponseBuilder::new()
        .description("Refused or failed; `code` says why.")
        .content("application/problem+json", content)
        .build();
    // The router marks a parameter that takes the rest of the path; the document has no such mark.
    let paths = std::mem::take(&mut document.paths.paths);
    document.paths.paths =
        paths.into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    for item in document.paths.paths.values_mut() {
        let operations =
            [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        for operation in operations.into_iter().flatten() {
            let responses = &mut operation.responses.responses;
            responses.entry("default".to_owned()).or_insert(RefOr::T(response.clone()));
        }
    }
}

/// The document as it is committed: indented, with a line end.
pub fn text(document: &OpenApi) -> Result<String, serde_json::Error> {
    let mut text = document.to_pretty_json()?;
    text.push('\n');
    Ok(text)
}
