//! Every route of the service, on one page.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate as _};
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::SwaggerUi;

use super::problem::Problem;
use super::{callers, headers, health, idempotency, observe, openapi, pages};
use crate::app::App;
use crate::{
    access, accounts, assessments, assistant, audience, audit, consent, identity, ledger,
    privacy_centre, readings, rights, signals,
};

/// What programs call. Each line is a file whose `routes()` lists its operations.
fn api() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::Base::openapi())
        .merge(health::routes())
        .merge(access::http::routes())
        .merge(signals::http::routes())
        .merge(ledger::http::routes())
        .merge(accounts::http::routes())
        .merge(consent::http::routes())
        .merge(identity::http::routes())
        .merge(assistant::http::routes())
        .merge(privacy_centre::http::routes())
        .merge(audience::http::routes())
        .merge(rights::http::routes())
        .merge(readings::http::routes())
        .merge(assessments::http::routes())
        .merge(audit::records::http::routes())
        .merge(audit::http::routes())
}

/// What browsers open; not part of the API document.
fn forms_and_pages() -> Router<App> {
    access::http::forms().merge(pages::routes())
}

/// The OpenAPI document of [`api`].
pub fn document() -> OpenApi {
    let mut document = api().into_openapi();
    openapi::finish(&mut document);
    document
}

/// The whole service as one function from requests to responses.
pub fn router(app: App) -> Router {
    let (api, _) = api().split_for_parts();
    let docs = SwaggerUi::new("/docs").url("/openapi.json", document());
    // Pages carry form tokens; compressing those beside what a stranger chose would leak them.
    let compressed = DefaultPredicate::new().and(NotForContentType::const_new("text/html"));
    let layers = ServiceBuilder::new()
        .layer(from_fn_with_state(app.clone(), observe::observe))
        .layer(from_fn_with_state(app.clone(), headers::secure))
        .layer(CompressionLayer::new().compress_when(compressed))
        .layer(from_fn(pages::as_pages))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(app.clone(), callers::identify))
        .layer(from_fn_with_state(app.clone(), idempotency::repeats));
    api.merge(forms_and_pages())
        .merge(docs)
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "not with this method")
        })
        // `web::body` holds the limits, of pages too; a second, smaller one would contradict them.
        .layer(DefaultBodyLimit::disable())
        .layer(layers)
        .with_state(app)
}

/// A panic is our fault. Its message may hold anything, so it is neither sent nor logged here.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    use axum::response::IntoResponse as _;
    tracing::error!("a handler panicked");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something went wrong on our side")
        .into_response()
}
