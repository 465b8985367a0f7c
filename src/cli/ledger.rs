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
    /// Recompute every leaf, node, checkpoint and cosignature, and compare with the checkpoint kept
    /// beside the key ring; exit code 3 if anything differs.
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
    let trust = app.trust()?;
    let mut tx = app.db.read().await?;
    let size = ledger::size(&mut tx).await?;
    let bar = context.output.progress(size, "entries");
    let report = ledger::verify(&mut tx, &trust, |done, _| bar.set_position(done)).await?;
    bar.finish_and_clear();
    let ok = report.faults.is_empty();
    context.output.result(&Verified { ok, report: report.clone() }, text(&report, ok)?)?;
    Ok(if ok { Exit::Ok } else { Exit::VerificationFailed })
}

fn text(report: &ledger::Report, ok: bool) -> Result<String> {
    let mut lines = vec![format!(
        "{} entries, {} nodes, {} checkpoints, {} cosignatures recomputed; root {}",
        report.entries, report.nodes, report.checkpoints, report.cosignatures, report.root
    )];
    lines.push(match report.kept {
        Some(kept) => format!("compared with the checkpoint of {kept} entries kept outside"),
        None => "no checkpoint is kept outside: a cut or older ledger cannot be told".to_owned(),
    });
    if let Some(confirmed) = report.confirmed {
        lines.push(format!("{confirmed} entries are confirmed by witnesses"));
    }
    for fault in &report.faults {
        lines.push(format!("FAULT {}", serde_json::to_string(fault)?));
    }
    lines.push(if ok { "the ledger verifies" } else { "the ledger does NOT verify" }.to_owned());
    Ok(lines.join("\n"))
}
