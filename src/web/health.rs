//! Whether the process lives, whether it can serve, and its counters.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::json::Json;
use crate::access::key_ring;
use crate::app::App;

/// Routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(metrics))
}

/// The process answers.
#[derive(Serialize, ToSchema)]
struct Health {
    /// Always `ok`.
    status: &'static str,
    /// The program's version.
    version: &'static str,
}

/// Whether requests can be served.
#[derive(Serialize, ToSchema)]
struct Readiness {
    /// Whether all of the following hold.
    ready: bool,
    /// The database answers a read.
    database_reads: bool,
    /// The database accepts a write transaction.
    database_writes: bool,
}

/// The process lives.
#[utoipa::path(get, path = "/healthz", tag = "operations",
    responses((status = 200, body = Health)))]
async fn healthz() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// Requests can be served.
#[utoipa::path(get, path = "/readyz", tag = "operations",
    responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
async fn readyz(State(app): State<App>) -> impl IntoResponse {
    let reads = match app.db.read().await {
        Ok(mut tx) => key_ring::is_bound(&mut tx).await.is_ok(),
        Err(_) => false,
    };
    let writes = match app.db.begin().await {
        Ok(mut tx) => {
            let answered = key_ring::is_bound(&mut tx).await.is_ok();
            tx.rollback().await;
            answered
        }
        Err(_) => false,
    };
    let ready = reads && writes;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = Readiness { ready, database_reads: reads, database_writes: writes };
    (status, Json(body))
}

/// Counters and durations, for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses((status = 200, body = String, content_type = "text/plain")))]
async fn metrics(State(app): State<App>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.text())
}
