//! `volens bench`: speed, measured as ratios within one run.

mod client;
mod cpu;
mod erasure;
mod filter;
mod floor;
mod ingest;
mod ledger;
mod list;
mod load;
mod people;
mod scan;
mod welcome;

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
    /// Durable signals over HTTP on loopback in batches, against a bare group-commit server that keeps the
    /// same bodies
    Ingest(ingest::Args),
    /// One list of the best of many people, asked for and read over HTTP with its proofs, step by step
    List(list::Args),
    /// Verifying a whole ledger, against hashing its bytes alone; and inclusion proofs from memory
    Ledger(ledger::Args),
    /// Erasing some of many people, making it physical, and looking for what is left of them
    Erasure(erasure::Args),
    /// Filters over many people and what they did lately, against a plain scan of the same
    Filter(filter::Args),
    /// The best of many people for one message, against reading as many columns once
    Scan(scan::Args),
}

/// Runs `volens bench …`.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    match args.what {
        What::Load(args) => load::run(args, context).await,
        What::Ingest(args) => ingest::run(args, context).await,
        What::List(args) => list::run(args, context).await,
        What::Ledger(args) => ledger::run(args, context).await,
        What::Erasure(args) => erasure::run(args, context).await,
        What::Filter(args) => filter::run(&args, context),
        What::Scan(args) => scan::run(args, context).await,
    }
}
