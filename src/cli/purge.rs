//! `volens purge`.

use anyhow::Result;
use serde_json::json;

use super::{Context, Exit};
use crate::rights::traces;

/// What `purge` takes: nothing.
#[derive(clap::Args)]
pub(super) struct Args {}

/// Makes deletion physical. Run it at night: tables are locked while they are rewritten.
pub(super) async fn run(_: Args, context: &Context) -> Result<Exit> {
    let app = context.existing().await?;
    let complete = traces::purge(&app.db).await?;
    app.db.close().await;
    let text = if complete {
        "the database was rewritten; nothing of what was deleted is left in its files"
    } else {
        "the database was rewritten, but a reader kept its write-ahead log: run it again"
    };
    context.output.result(&json!({"complete": complete}), text)?;
    Ok(if complete { Exit::Ok } else { Exit::Conflict })
}
