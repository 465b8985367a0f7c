//! `volens evaluate`: the product's own learners on somebody's table.

mod cpu;
mod input;
mod relevance;
mod uplift;

use anyhow::Result;

use super::{Context, Exit};

/// What `evaluate` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Cross-validate the relevance learner on a table with a 0/1 label
    Relevance(relevance::Args),
    /// Cross-validate the uplift learner on a randomised campaign
    Uplift(uplift::Args),
}

/// Runs the evaluation on this thread: it computes and waits for nothing.
#[expect(clippy::unused_async, reason = "every command has the same signature")]
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    match args.what {
        What::Relevance(args) => relevance::run(&args, context.output),
        What::Uplift(args) => uplift::run(&args, context.output),
    }
}

#[cfg(test)]
mod tests;
