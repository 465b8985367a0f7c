//! `volens migrate`.

use anyhow::Result;
use serde_json::json;

use super::{Context, Exit};
use crate::db::SCHEMA_VERSION;

/// What `migrate` takes: nothing.
#[derive(clap::Args)]
pub(super) struct Args {}

/// Applies missing migrations. `serve` does the same at its start; this is for deployments that
/// want it done before.
pub(super) async fn run(_: Args, context: &Context) -> Result<Exit> {
    let app = context.app().await?;
    app.db.close().await;
    context.output.result(
        &json!({"schema": SCHEMA_VERSION}),
        format_args!("the database is at migration {SCHEMA_VERSION}"),
    )?;
    Ok(Exit::Ok)
}
