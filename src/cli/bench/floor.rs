//! The floor: the least a durable group-commit server can do. One route, one row per request, no
//! authentication, no validation, no ledger.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;

use crate::db::group::{Group, Grouped, Limits};
use crate::db::{self, Db, Tx, statements, values};

statements! {
    // Any table will do; this one is the smallest.
    ADD = "insert into counters (name, value) values {rows}";
}

/// Writes request bodies.
struct Rows;

impl Grouped for Rows {
    type Item = Bytes;
    type Reply = ();

    async fn apply(&self, tx: &mut Tx, items: &[Bytes]) -> db::Result<Vec<()>> {
        let rows = items.iter().map(|body| values![String::from_utf8_lossy(body).into_owned(), 0]);
        tx.execute_rows(ADD, rows.collect()).await?;
        Ok(vec![(); items.len()])
    }
}

/// A server that makes each request's body durable before it answers 201.
pub(super) fn router(db: Db) -> Router {
    let group = Group::spawn(db, Arc::new(Rows), Limits { waiting: 4096, batch: 256 });
    Router::new().route("/", post(write)).with_state(group)
}

async fn write(State(group): State<Group<Rows>>, body: Bytes) -> StatusCode {
    match group.submit(body).await {
        Ok(()) => StatusCode::CREATED,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}
