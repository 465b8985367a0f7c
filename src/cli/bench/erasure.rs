//! `volens bench erasure`.
//!
//! Makes accounts with consents, records and profiles in a scratch database, erases some of them
//! through the product's own use case, makes it physical, and looks for what is left of all of them.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::json;
use volens_privacy::PurposeKind;
use volens_privacy::identity::{AppId, SubjectId};

use super::people::{self, name};
use crate::accounts;
use crate::app::App;
use crate::cli::output::Stop;
use crate::cli::scratch::Scratch;
use crate::cli::{Context, Exit};
use crate::config::Settings;
use crate::db::Purged;
use crate::rights;
use crate::rights::files::Report;
use crate::rights::traces::{self, Remembered};

/// What `bench erasure` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Accounts to be made
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    accounts: u64,
    /// How many of them are erased
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    erased: u64,
    /// One account of so many has an interest profile, and so has everybody who is erased
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    profile_every: u64,
    /// An empty database to measure on, sqlite:PATH or postgres://… ; a fresh SQLite file if absent.
    /// It is filled and left behind
    #[arg(long, value_name = "URL")]
    scratch: Option<String>,
}

/// What was measured.
#[derive(Serialize)]
struct Measured {
    engine: &'static str,
    accounts: u64,
    erased: u64,
    records_removed: u64,
    profiles_removed: u64,
    /// Seconds to make the installation; no part of the measurement.
    making_seconds: f64,
    erasing_seconds: f64,
    erasures_per_second: f64,
    purging_seconds: f64,
    purge_complete: bool,
    /// Bytes of the database's files before the first erasure, after the last, and after the purge;
    /// 0 where they are out of reach.
    bytes_before: u64,
    bytes_erased: u64,
    bytes_purged: u64,
    looking_seconds: f64,
    /// Files, and pages of the database in them, that were looked into.
    files_looked_into: u64,
    parts_decoded: u64,
    /// What is left of anybody who was erased.
    findings: u64,
    /// Somebody who was not erased is found: the search looks where it should.
    search_finds_the_living: bool,
}

/// Seconds that something took, with what came of it.
#[expect(clippy::disallowed_methods, reason = "a bench measures with the machine's clock")]
async fn timed<T>(work: impl Future<Output = Result<T>>) -> Result<(T, f64)> {
    let begin = Instant::now();
    let done = work.await?;
    Ok((done, begin.elapsed().as_secs_f64()))
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    if args.erased > args.accounts / 2 {
        let said = "--erased: at most half of --accounts, so that somebody is left";
        return Err(Stop::new(Exit::Usage, said).into());
    }
    let directory = Scratch::create("bench-erasure")?;
    let app = context.open(settings(context, &args, directory.path())).await?;
    let id = people::app_id();
    let step = args.accounts / args.erased;
    let ((), making_seconds) = timed(fill(&app, &args, step, context)).await?;
    let chosen = chosen(&app, &id, args.erased, step).await?;
    let bytes_before = bytes(&app).await?;
    let removed = timed(erase(&app, &chosen, context)).await?;
    let ((records, profiles), erasing_seconds) = removed;
    let bytes_erased = bytes(&app).await?;
    context.output.note(format_args!("making it physical …"));
    let purged = timed(async { Ok(traces::purge(&app.db).await?) }).await?;
    let (purged, purging_seconds) = purged;
    let bytes_purged = bytes(&app).await?;
    context.output.note(format_args!("looking for what is left of {} accounts …", args.erased));
    let (report, looking_seconds) = timed(look(&app, &id, &chosen)).await?;
    report.traces.iter().for_each(|trace| {
        context.output.note(format_args!("{} × {} in {}", trace.times, trace.what, trace.place));
    });
    let measured = Measured {
        engine: match app.db.engine() {
            crate::db::Engine::Sqlite => "sqlite",
            crate::db::Engine::Postgres => "postgres",
        },
        accounts: args.accounts,
        erased: args.erased,
        records_removed: records,
        profiles_removed: profiles,
        making_seconds,
        erasing_seconds,
        erasures_per_second: args.erased as f64 / erasing_seconds,
        purging_seconds,
        purge_complete: purged == Purged::Complete,
        bytes_before,
        bytes_erased,
        bytes_purged,
        looking_seconds,
        files_looked_into: report.files,
        parts_decoded: report.decoded,
        findings: report.traces.iter().map(|trace| trace.times).sum(),
        search_finds_the_living: finds_the_living(&app, &id).await?,
    };
    app.db.close().await;
    let complete = measured.findings == 0 && measured.purge_complete;
    let ok = complete && measured.search_finds_the_living;
    context.output.result(&measured, told(&measured))?;
    Ok(if ok { Exit::Ok } else { Exit::VerificationFailed })
}

/// An installation of its own: nobody who is erased here is to be in the journal of another.
fn settings(context: &Context, args: &Args, directory: &Path) -> Settings {
    let mut settings = context.settings.clone();
    settings.move_to(directory);
    if let Some(url) = &args.scratch {
        settings.set_database(url.clone());
    }
    settings
}

fn told(measured: &Measured) -> String {
    let Measured { accounts, erased, findings, .. } = measured;
    [
        format!("{accounts} accounts made in {:.0} s", measured.making_seconds),
        format!(
            "{erased} erased in {:.1} s ({:.0} per second), with {} records and {} profiles",
            measured.erasing_seconds,
            measured.erasures_per_second,
            measured.records_removed,
            measured.profiles_removed
        ),
        format!(
            "made physical in {:.1} s: {} bytes before, {} after the erasures, {} now",
            measured.purging_seconds,
            measured.bytes_before,
            measured.bytes_erased,
            measured.bytes_purged
        ),
        format!(
            "{findings} findings, looked for in {:.1} s in {} files and {} parts of them",
            measured.looking_seconds, measured.files_looked_into, measured.parts_decoded
        ),
    ]
    .join("\n")
}

/// Accounts with a consent each; some, and everybody who will be erased, with a profile.
async fn fill(app: &App, args: &Args, step: u64, context: &Context) -> Result<()> {
    let viewed = |nth: u64| {
        let watched = nth.is_multiple_of(args.profile_every) || nth.is_multiple_of(step);
        let viewed = json!({"type": "track", "event": "Viewed", "userId": name(nth),
                            "messageId": nth.to_string(), "properties": {"topics": ["sport.running"]}});
        watched.then_some(viewed).into_iter().collect()
    };
    people::fill(app, args.accounts, |_| vec![PurposeKind::Relevance], viewed, context).await
}

/// Who is erased: spread over all accounts.
async fn chosen(app: &App, id: &AppId, count: u64, step: u64) -> Result<Vec<(u64, SubjectId)>> {
    let mut tx = app.db.read().await?;
    let mut chosen = Vec::new();
    for nth in (0..count).map(|nth| nth * step) {
        let subject = accounts::subject_of(&mut tx, &app.keys, id, &name(nth)).await?;
        chosen.push((nth, subject.context("an account that was made is missing")?));
    }
    Ok(chosen)
}

/// Erases them as an app would ask for it, one after the other; answers how many records and
/// profiles went.
async fn erase(app: &App, chosen: &[(u64, SubjectId)], context: &Context) -> Result<(u64, u64)> {
    let bar = context.output.progress(chosen.len() as u64, "erasing");
    let (mut records, mut profiles) = (0, 0);
    for (_, subject) in chosen {
        let erased =
            rights::erase_for_good(&app.db, &app.keys, &app.erasures, *subject, app.now()).await;
        let removed = erased?.removed;
        records += removed.records;
        profiles += removed.profiles;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok((records, profiles))
}

/// Looks for everything that is left of them: reference, its tag and the random id, of each.
async fn look(app: &App, id: &AppId, chosen: &[(u64, SubjectId)]) -> Result<Report> {
    let mut remembered = Remembered::default();
    for (nth, subject) in chosen {
        let one = Remembered::reference(&app.keys, id, &name(*nth)).and_subject(*subject);
        remembered.extend(one);
    }
    Ok(traces::search_with(&app.db, &remembered, Vec::new()).await?)
}

/// Bytes of the database's files, its log among them.
async fn bytes(app: &App) -> Result<u64> {
    let files = app.db.files().await?;
    Ok(files.iter().filter_map(|(path, _)| path.metadata().ok()).map(|file| file.len()).sum())
}

/// Somebody who was not chosen is still there, and the search says so.
async fn finds_the_living(app: &App, id: &AppId) -> Result<bool> {
    let mut tx = app.db.read().await?;
    let reference = name(1);
    let subject = accounts::subject_of(&mut tx, &app.keys, id, &reference).await?;
    drop(tx);
    let subject = subject.context("an account that was made is missing")?;
    let remembered = Remembered::reference(&app.keys, id, &reference).and_subject(subject);
    Ok(!traces::search(&app.db, &remembered).await?.is_empty())
}
