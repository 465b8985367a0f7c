//! `volens openapi`.

use anyhow::Result;

use super::{Context, Exit};
use crate::web::{openapi, router};

/// What `openapi` takes: nothing.
#[derive(clap::Args)]
pub(super) struct Args {}

/// Prints the OpenAPI document; `docs/openapi.json` is this output.
#[expect(clippy::unused_async, reason = "every command has the same signature")]
pub(super) async fn run(_: Args, context: &Context) -> Result<Exit> {
    context.output.document(openapi::text(&router::document())?.trim_end())?;
    Ok(Exit::Ok)
}
