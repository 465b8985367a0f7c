//! `volens ledger`.

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::output::Stop;
use super::{Context, Exit};
use crate::app::App;
use crate::consent;
use crate::ledger::{self, Bookmark};

/// What `ledger` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Recompute every leaf, node, checkpoint and cosignature, and compare with the checkpoint kept
    /// beside the key ring; exit code 3 if anything differs. An interrupted run is gone on with.
    Verify {
        /// Start at the beginning, whatever an interrupted run has verified
        #[arg(long)]
        afresh: bool,
    },
    /// After a restore: let consents from before it count again. Have the apps report first whatever
    /// was taken back since; the checkpoint that knows more is put aside as evidence.
    Settle,
    /// Print the latest signed checkpoint.
    Checkpoint,
    /// Print the key that checkpoints and receipts are verified with.
    Key {
        /// In the name of the shard of that year, also one to come: for a witness that is told every
        /// shard as a log
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..=9999))]
        year: Option<u16>,
    },
    /// List the shards of the ledger, a tree for every calendar year.
    Shards,
}

/// Runs `volens ledger …`.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let app = context.existing().await?;
    match args.action {
        Action::Verify { afresh } => verify(&app, afresh, context).await,
        Action::Settle => settle(&app, context).await,
        Action::Checkpoint => {
            let mut tx = app.db.read().await?;
            let checkpoint = ledger::checkpoint(&mut tx)
                .await?
                .ok_or_else(|| Stop::new(Exit::NotFound, "the ledger is empty"))?;
            context.output.document(checkpoint.as_str().trim_end())?;
            Ok(Exit::Ok)
        }
        Action::Key { year } => {
            let log = app.keys.log_verifier();
            let key = year.map_or_else(|| log.vkey(), |year| log.shard_vkey(year));
            context.output.document(key)?;
            Ok(Exit::Ok)
        }
        Action::Shards => shards(&app, context).await,
    }
}

async fn settle(app: &App, context: &Context) -> Result<Exit> {
    let nothing = || Stop::new(Exit::NotFound, "nothing is held back");
    let lost = consent::lost(&mut app.db.read().await?).await?.ok_or_else(nothing)?;
    // First the file: as long as it is there, the next sweep holds everything back again.
    let kept = app.settings.key_file().with_extension("checkpoint");
    let aside = kept.with_extension(format!("checkpoint-lost-{}", lost.known));
    match std::fs::rename(&kept, &aside) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        moved => moved.with_context(|| format!("cannot move {}", kept.display()))?,
    }
    let mut tx = app.db.begin().await?;
    let settled = consent::settle_lost(&mut tx, &app.keys, app.now()).await?;
    tx.commit().await?;
    let (lost, entry) = settled.ok_or_else(nothing)?;
    let object = serde_json::json!({"known": lost.known, "since": lost.since, "entry": entry});
    let text = format!(
        "consents from before entry {} count again: entry {entry}; what {} entries were is told by {}",
        lost.since,
        lost.known,
        aside.display()
    );
    context.output.result(&object, text)?;
    Ok(Exit::Ok)
}

/// One shard, as it is listed.
#[derive(Serialize)]
struct Listed {
    origin: String,
    year: u16,
    before: u64,
    size: u64,
    ended: bool,
}

async fn shards(app: &App, context: &Context) -> Result<Exit> {
    let log = app.keys.log_verifier();
    let mut tx = app.db.read().await?;
    let size = ledger::size(&mut tx).await?;
    let listed = |shard: ledger::Shard| Listed {
        origin: shard.origin(log.origin()),
        year: shard.year,
        before: shard.before,
        size: shard.end.unwrap_or(size) - shard.before,
        ended: shard.end.is_some(),
    };
    let all: Vec<Listed> = ledger::shards(&mut tx).await?.into_iter().map(listed).collect();
    let line = |shard: &Listed| {
        let Listed { origin, before, size, ended, .. } = shard;
        format!(
            "{origin}  {size} entries from {before} on, {}",
            if *ended { "ended" } else { "open" }
        )
    };
    let text: Vec<String> = all.iter().map(line).collect();
    context.output.result(&all, text.join("\n"))?;
    Ok(Exit::Ok)
}

#[derive(Serialize)]
struct Verified {
    ok: bool,
    #[serde(flatten)]
    report: ledger::Report,
}

async fn verify(app: &App, afresh: bool, context: &Context) -> Result<Exit> {
    let trust = app.trust()?;
    let bookmark = Bookmark::beside(&app.settings.key_file());
    if afresh {
        bookmark.remove()?;
    }
    let position = bookmark.read(&app.keys, app.now());
    let mut tx = app.db.read().await?;
    let size = ledger::size(&mut tx).await?;
    let bar = context.output.progress(size, "entries");
    let report = ledger::verify_from(&mut tx, &trust, position.as_ref(), |done, of, position| {
        bar.set_position(done);
        if let Some(position) = position.filter(|_| done < of)
            && let Err(error) = bookmark.write(&app.keys, &position, app.now())
        {
            tracing::warn!(%error, "an interruption would start at the beginning");
        }
    });
    let report = report.await?;
    bar.finish_and_clear();
    bookmark.remove()?;
    let ok = report.faults.is_empty();
    context.output.result(&Verified { ok, report: report.clone() }, text(&report, ok)?)?;
    Ok(if ok { Exit::Ok } else { Exit::VerificationFailed })
}

fn text(report: &ledger::Report, ok: bool) -> Result<String> {
    let mut lines = vec![format!(
        "{} entries, {} nodes, {} checkpoints, {} cosignatures recomputed; root {}",
        report.entries, report.nodes, report.checkpoints, report.cosignatures, report.root
    )];
    if report.shards > 1 {
        lines.push(format!("in {} shards, each joined to the one before", report.shards));
    }
    if let Some(before) = report.resumed {
        lines.push(format!(
            "{before} of them by a run that was interrupted; --afresh reads them again"
        ));
    }
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
