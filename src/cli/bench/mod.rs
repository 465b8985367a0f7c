//! `volens bench`: speed, measured as ratios within one run.

mod client;
mod floor;
mod load;

use anyhow::Result;
pub(crate) use floor::STATEMENTS;

use super::{Context, Exit};

/// What `bench` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Durable consents over HTTP on loopback, against one transaction per request and against a
    /// bare group-commit server
    Load(load::Args),
}

/// Runs `volens bench …`.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    match args.what {
        What::Load(args) => load::run(args, context).await,
    }
}
