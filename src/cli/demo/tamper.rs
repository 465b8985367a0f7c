//! `volens demo tamper`: what becomes of somebody who changes one character of the history.
//!
//! No SQL, no trigger: the bytes of one entry are changed in a copy of the database file, as whoever
//! has the disk can. The date of a decision becomes an earlier one; everything else stays as it was.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use volens_privacy::ledger::LeafKind;

use super::{seed, world};
use crate::app::App;
use crate::cli::output::Output;
use crate::cli::scratch::Scratch;
use crate::cli::{Context, Exit};
use crate::db::Db;
use crate::ledger::{self, Fault, Report, Trust};
use crate::web::router;

/// People in the town: as few as it can have.
const PEOPLE: usize = 400;
/// Faults that are shown.
const SHOWN: usize = 4;

/// What was done and what verification said.
#[derive(Serialize)]
struct Told {
    entry: u64,
    was: String,
    became: String,
    before: Report,
    after: Report,
    found: bool,
}

/// Seeds, copies, changes, verifies.
pub(super) async fn run(context: &Context) -> Result<Exit> {
    let output = context.output;
    let scratch = Scratch::create("demo-tamper")?;
    let mut settings = context.settings.clone();
    settings.data = scratch.path().to_owned();
    settings.set_database(String::new());
    settings.rates.app_per_second = u32::MAX;
    settings.rates.app_burst = u32::MAX;
    let app = context.open(settings).await?;
    let bar = output.progress(PEOPLE as u64 * 5, "seeding");
    seed::fill(&app, &router::router(app.clone()), world::people(PEOPLE), &bar).await?;
    bar.finish_and_clear();
    app.kept.keep(&mut app.db.read().await?, &app.keys.log_verifier()).await?;
    let trust = app.trust()?;

    let before = verify(&app.db, &trust).await?;
    ensure!(before.faults.is_empty(), "the ledger of the demo does not verify");
    output.line(format_args!(
        "BEFORE {} entries, {} checkpoints: the ledger verifies",
        before.entries, before.checkpoints
    ))?;
    let (entry, leaf) = a_decision(&app).await?;
    app.db.close().await;

    let copy = copy(scratch.path())?;
    let (was, became) = back_date(&copy, &leaf)?;
    output.line(format_args!(
        "CHANGE one character of one file: entry {entry} is dated {became} and not {was}"
    ))?;
    let db = Db::open(&format!("sqlite:{}", copy.display())).await?;
    let after = verify(&db, &trust).await?;
    db.close().await;
    let found = !after.faults.is_empty();
    tell(&after, output)?;
    let told = Told { entry, was, became, before, after, found };
    if output.is_json() {
        output.document(serde_json::to_string(&told)?)?;
    }
    Ok(if found { Exit::Ok } else { Exit::VerificationFailed })
}

async fn verify(db: &Db, trust: &Trust) -> Result<Report> {
    let mut tx = db.read().await?;
    Ok(ledger::verify(&mut tx, trust, |_, _| ()).await?)
}

/// A consent from the middle of the log.
async fn a_decision(app: &App) -> Result<(u64, Vec<u8>)> {
    let mut tx = app.db.read().await?;
    let size = ledger::size(&mut tx).await?;
    let entries = ledger::entries(&mut tx, size / 2, size).await?;
    let given = format!("\"kind\":\"{}\"", LeafKind::ConsentGiven);
    let is_given = |leaf: &[u8]| String::from_utf8_lossy(leaf).contains(&given);
    entries.into_iter().find(|(_, leaf)| is_given(leaf)).context("somebody consented in the demo")
}

/// The database is closed, so its file is all of it.
fn copy(directory: &Path) -> Result<PathBuf> {
    let copy = directory.join("copy.db");
    std::fs::copy(directory.join("volens.db"), &copy).context("cannot copy the database")?;
    Ok(copy)
}

/// Changes one digit of the entry's date wherever the file has the entry; answers both dates.
fn back_date(file: &Path, leaf: &[u8]) -> Result<(String, String)> {
    const AT: &[u8] = b"\"at\":\"";
    const DATE: usize = 10;
    let begin = find(leaf, AT).context("an entry has a time")? + AT.len();
    let mut changed = leaf.to_vec();
    // The last digit of the year: 2026 becomes 2025.
    let digit = &mut changed[begin + 3];
    *digit = if *digit == b'0' { b'9' } else { *digit - 1 };
    let mut bytes = std::fs::read(file)?;
    let mut from = 0;
    while let Some(at) = find(&bytes[from..], leaf) {
        bytes[from + at..from + at + leaf.len()].copy_from_slice(&changed);
        from += at + leaf.len();
    }
    ensure!(from > 0, "the entry is not in the file in one piece");
    std::fs::write(file, bytes)?;
    let date = |leaf: &[u8]| String::from_utf8_lossy(&leaf[begin..begin + DATE]).into_owned();
    Ok((date(leaf), date(&changed)))
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

fn tell(after: &Report, output: Output) -> Result<()> {
    let verdict = if after.faults.is_empty() { "verifies" } else { "does NOT verify" };
    output.line(format_args!("AFTER  the ledger {verdict}"))?;
    for fault in after.faults.iter().take(SHOWN) {
        output.line(format_args!("       {}", words(fault)?))?;
    }
    let more = after.faults.len().saturating_sub(SHOWN);
    if more > 0 {
        output.line(format_args!("       and {more} more"))?;
    }
    Ok(())
}

fn words(fault: &Fault) -> Result<String> {
    Ok(match fault {
        Fault::WrongNode { before, level: 0, index } => {
            format!("entry {} is not what was hashed", before + index)
        }
        Fault::WrongNode { before, level, index } => {
            format!("the hash over entries {} and on is not theirs", before + (index << level))
        }
        Fault::WrongRoot { size } => {
            format!("the signed checkpoint over {size} entries is of another history")
        }
        other => serde_json::to_string(other)?,
    })
}
