//! `volens bench load`.
//!
//! In one run, on loopback, with the load generator on the same cores: the service as it is; the
//! same service with one transaction per request; and a bare axum server with nothing but the group
//! commit (the floor). Quote the ratios; the absolute numbers are this machine's of this minute.

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde::Serialize;
use serde_json::json;
use volens_privacy::PurposeKind;
use volens_privacy::notice::Notices;

use super::client::{self, Make, Measured, drive};
use super::{floor, people};
use crate::access::Caller;
use crate::app::App;
use crate::cli::scratch::Scratch;
use crate::cli::{Context, Exit};
use crate::config::Settings;
use crate::db::Db;
use crate::ids::hex;
use crate::web::router;

/// What `bench load` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Seconds per measurement
    #[arg(long, default_value_t = 4.0, value_parser = positive)]
    seconds: f64,
    /// Rounds; each measures everything, and the median counts
    #[arg(long, default_value_t = 3, value_parser = at_least_one)]
    rounds: usize,
    /// Connections that send at once
    #[arg(long, default_value_t = 64, value_parser = at_least_one)]
    connections: usize,
    /// Accounts that decide in turn
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    accounts: u64,
    /// End with exit code 3 when the consents served are fewer than this many times those with one
    /// transaction per request
    #[arg(long, value_name = "RATIO", value_parser = positive)]
    at_least: Option<f64>,
    /// An empty database to measure on, sqlite:PATH or postgres://… ; a fresh SQLite file if absent.
    /// It is filled and left behind
    #[arg(long, value_name = "URL")]
    scratch: Option<String>,
}

pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("a whole number from 1 on is needed".to_owned()),
    }
}

pub(super) fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && number <= 3600.0 => Ok(number),
        _ => Err("a number above 0, at most 3600, is needed".to_owned()),
    }
}

/// What was measured.
#[derive(Serialize)]
struct Load {
    engine: &'static str,
    connections: usize,
    rounds: usize,
    consents: Measured,
    one_transaction_per_request: Measured,
    floor: Measured,
    ratio_to_one_transaction: f64,
    ratio_to_floor: f64,
}

/// Runs the three measurements in turns, so that a disk that is slow for a minute is slow for all,
/// and answers the median of each, and of the ratios of the rounds.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let directory = Scratch::create("bench")?;
    let note = |what: &str, round: usize| {
        context.output.note(format_args!("measuring {what}, {round} of {} …", args.rounds));
    };
    let open = async |name, batch| {
        context.open(settings(&context.settings, &args, directory.path(), name, batch)).await
    };
    let grouped = open("grouped", 256).await?;
    let grouped_requests = prepare(&grouped, args.accounts, context).await?;
    let single = open("single", 1).await?;
    let single_requests = prepare(&single, args.accounts, context).await?;
    let bare = Db::open(&scratch_url(&args, directory.path(), "floor")).await?;
    let bare_requests: Make = Arc::new(move |n| {
        let body = format!("{n:0300}");
        let request = Request::post("/").header("host", "localhost");
        request.body(Body::from(body)).expect("the request is well-formed")
    });

    let [mut served, mut alone, mut floors] = [const { Vec::new() }; 3];
    // No measurement says what an earlier one said.
    let number = Arc::new(AtomicU64::new(0));
    let settings = &grouped.settings;
    let run = async |router, db, make: &Make| {
        measure(router, db, settings, &args, &number, Arc::clone(make)).await
    };
    for round in 1..=args.rounds {
        note("consents, as served", round);
        served.push(run(router::router(grouped.clone()), &grouped.db, &grouped_requests).await?);
        note("the same with one transaction per request", round);
        alone.push(run(router::router(single.clone()), &single.db, &single_requests).await?);
        note("the floor: a bare group-commit server", round);
        floors.push(run(floor::router(bare.clone()), &bare, &bare_requests).await?);
    }
    let engine = match bare.engine() {
        crate::db::Engine::Sqlite => "sqlite",
        crate::db::Engine::Postgres => "postgres",
    };
    for db in [&grouped.db, &single.db, &bare] {
        db.close().await;
    }
    let ratio = |to: &[Measured]| {
        let pairs = served.iter().zip(to);
        middle(
            pairs.map(|(served, to)| served.per_second / to.per_second).collect(),
            f64::total_cmp,
        )
    };
    let (ratio_to_one_transaction, ratio_to_floor) = (ratio(&alone), ratio(&floors));
    let (consents, single, floor) = (median(served), median(alone), median(floors));
    let load = Load {
        engine,
        connections: args.connections,
        rounds: args.rounds,
        ratio_to_one_transaction,
        ratio_to_floor,
        consents,
        one_transaction_per_request: single,
        floor,
    };
    context.output.result(&load, table(&load))?;
    let enough = args.at_least.is_none_or(|least| load.ratio_to_one_transaction >= least);
    Ok(if enough { Exit::Ok } else { Exit::VerificationFailed })
}

/// The measurement of the middle rate.
pub(super) fn median(rounds: Vec<Measured>) -> Measured {
    middle(rounds, |a, b| a.per_second.total_cmp(&b.per_second))
}

/// The middle of what there is at least one of.
pub(super) fn middle<T>(mut rounds: Vec<T>, order: impl FnMut(&T, &T) -> Ordering) -> T {
    rounds.sort_by(order);
    rounds.swap_remove(rounds.len() / 2)
}

fn table(load: &Load) -> String {
    let mut text = format!(
        "{} connections, {}, durable before every answer, median of {}\n{:<34}{:>10}{:>10}{:>10}\n",
        load.connections, load.engine, load.rounds, "", "per s", "p50 ms", "p99 ms"
    );
    for (name, measured) in [
        ("consents as served", &load.consents),
        ("one transaction per request", &load.one_transaction_per_request),
        ("floor: bare group commit", &load.floor),
    ] {
        let Measured { per_second, p50_ms, p99_ms, .. } = measured;
        let line = format!("{name:<34}{per_second:>10.0}{p50_ms:>10.1}{p99_ms:>10.1}");
        writeln!(text, "{line}").expect("writing to a string does not fail");
    }
    let (single, floor) = (load.ratio_to_one_transaction, load.ratio_to_floor);
    write!(text, "{single:.1} times one transaction per request, {floor:.2} of the floor")
        .expect("writing to a string does not fail");
    text
}

fn scratch_url(args: &Args, directory: &Path, name: &str) -> String {
    let file = || format!("sqlite:{}", directory.join(format!("{name}.db")).display());
    args.scratch.clone().unwrap_or_else(file)
}

fn settings(base: &Settings, args: &Args, directory: &Path, name: &str, batch: u32) -> Settings {
    let mut settings = unlimited(base);
    directory.clone_into(&mut settings.data);
    settings.set_database(scratch_url(args, directory, name));
    settings.queues.batch = batch;
    settings
}

/// Benches measure the write path; the guard against a single noisy key would only measure itself.
pub(super) fn unlimited(base: &Settings) -> Settings {
    let mut settings = base.clone();
    settings.rates.app_per_second = u32::MAX;
    settings.rates.app_burst = u32::MAX;
    settings.web.connections_per_address = settings.web.connections;
    settings
}

/// Makes an app with a key and accounts, and requests from them: each is a new decision.
async fn prepare(app: &App, accounts: u64, context: &Context) -> Result<Make> {
    people::fill(app, accounts, |_| Vec::new(), |_| Vec::new(), context).await?;
    let bearer = people::bearer(app, &Caller::App(people::app_id())).await?;
    let notice = Notices::builtin()
        .latest_for(PurposeKind::Relevance, "en")
        .context("there is a notice for relevance")?;
    let (notice_id, version, sha256) = (notice.id.clone(), notice.version, hex(&notice.sha256));
    let app = app.clone();
    Ok(Arc::new(move |n| {
        let body = json!({
            "account": people::name(n % accounts),
            "notice": { "id": notice_id, "version": version, "language": "en",
                        "rendered_sha256": sha256 },
            "decisions": [{ "purpose": "relevance", "decision": "given" }],
            "decided_at": app.now().to_string(),
        });
        client::post("/v1/consents", &bearer, body.to_string())
    }))
}

async fn measure(
    router: Router,
    db: &Db,
    settings: &Settings,
    args: &Args,
    number: &Arc<AtomicU64>,
    make: Make,
) -> Result<Measured> {
    client::served(router, &settings.web, async |address| {
        let load = |seconds, make| {
            drive(address, args.connections, seconds, StatusCode::CREATED, number, make)
        };
        load(args.seconds / 4.0, Arc::clone(&make)).await?;
        // An installation that has run for a minute has been looked at by its engine.
        db.analyze().await?;
        load(args.seconds, make).await
    })
    .await
}
