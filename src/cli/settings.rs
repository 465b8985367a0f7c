//! `volens settings`.

use anyhow::Result;

use super::{Context, Exit};

/// What `settings` takes: nothing.
#[derive(clap::Args)]
pub(super) struct Args {}

/// Prints every setting with its default and its meaning, as a file to start from.
#[expect(clippy::unused_async, reason = "every command has the same signature")]
pub(super) async fn run(_: Args, context: &Context) -> Result<Exit> {
    context.output.document(crate::config::documentation())?;
    Ok(Exit::Ok)
}
