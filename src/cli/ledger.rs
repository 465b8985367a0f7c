//! `volens ledger`.

use anyhow::Result;
use serde::Serialize;

use super::output::Stop;
use super::{Context, Exit};
use crate::ledger;

/// What `ledger` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Recompute every leaf, node and checkpoint; exit code 3 if anything differs.
    Verify,
    /// Print the latest signed checkpoint.
    Checkpoint,
    /// Print the key that checkpoints and receipts are verified with.
    Key,
}

/// Runs `volens ledger …`.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let app = context.existing().await?;
    match args.action {
        Action::Verify => verify(&app, context).await,
        Action::Checkpoint => {
            let mut tx = app.db.read().await?;
            let checkpoint = ledger::checkpoint(&mut tx)
                .await?
                .ok_or_else(|| Stop::new(Exit::NotFound, "the ledger is empty"))?;
            context.output.document(checkpoint.as_str().trim_end())?;
            Ok(Exit::Ok)
        }
        Action::Key => {
            context.output.document(app.keys.log_verifier().vkey())?;
            Ok(Exit::Ok)
        }
    }
}

#[derive(Serialize)]
struct Verified {
    ok: bool,
    #[serde(flatten)]
    report: ledger::Report,
}

async fn verify(app: &crate::app::App, context: &Context) -> Result<Exit> {
    let mut tx = app.db.read().await?;
    let size = ledger::size(&mut tx).await?;
    let bar = context.output.progress(size, "entries");
    let report =
        ledger::verify(&mut tx, &app.keys.log_verifier(), |done, _| bar.set_position(done)).await?;
    bar.finish_and_clear();
    let ok = report.faults.is_empty();
    let mut text = format!(
        "{} entries, {} nodes, {} checkpoints recomputed; root {}\n",
        report.entries, report.nodes, report.checkpoints, report.root
    );
    if ok {
        text.push_str("the ledger verifies");
    } else {
        for fault in &report.faults {
            text += "FAULT ";
            text += &serde_json::to_string(fault)?;
            text.push('\n');
        }
        text.push_str("the ledger does NOT verify");
    }
    context.output.result(&Verified { ok, report }, text)?;
    Ok(if ok { Exit::Ok } else { Exit::VerificationFailed })
}
