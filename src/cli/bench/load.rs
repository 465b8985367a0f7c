//! `volens bench load`.
//!
//! In one run, on loopback, with the load generator on the same cores: the service as it is; the
//! same service with one transaction per request; and a bare axum server with nothing but the group
//! commit (the floor). Quote the ratios; the absolute numbers are this machine's of this minute.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde::Serialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use volens_privacy::identity::AppId;
use volens_privacy::notice::Notices;
use volens_privacy::phone::PhoneEncoding;
use volens_privacy::{AgeBand, PurposeKind};

use super::client::{Make, Measured, drive};
use super::floor;
use crate::access::directory::{self, AppRecord};
use crate::access::{Caller, keys};
use crate::accounts::{self, Details, Registration};
use crate::app::App;
use crate::cli::scratch::Scratch;
use crate::cli::{Context, Exit};
use crate::config::Settings;
use crate::db::Db;
use crate::ids::hex;
use crate::web::{router, server};

/// What `bench load` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Seconds per measurement
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Connections that send at once
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Accounts that decide in turn
    #[arg(long, default_value_t = 20_000)]
    accounts: usize,
    /// An empty database to measure on, sqlite:PATH or postgres://… ; a fresh SQLite file if absent.
    /// It is filled and left behind
    #[arg(long, value_name = "URL")]
    scratch: Option<String>,
}

/// What was measured.
#[derive(Serialize)]
struct Load {
    engine: &'static str,
    connections: usize,
    consents: Measured,
    one_transaction_per_request: Measured,
    floor: Measured,
    ratio_to_one_transaction: f64,
    ratio_to_floor: f64,
}

/// Runs the three measurements.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let directory = Scratch::create("bench")?;
    let note = |what: &str| context.output.note(format_args!("measuring {what} …"));

    let grouped = settings(&context.settings, &args, directory.path(), "grouped", 256);
    let app = context.open(grouped).await?;
    let make = prepare(&app, args.accounts).await?;
    note("consents, as served");
    let consents = measure(router::router(app.clone()), &app.settings, &args, make).await?;
    let engine = match app.db.engine() {
        crate::db::Engine::Sqlite => "sqlite",
        crate::db::Engine::Postgres => "postgres",
    };
    app.db.close().await;

    let alone = settings(&context.settings, &args, directory.path(), "single", 1);
    let app = context.open(alone).await?;
    let make = prepare(&app, args.accounts).await?;
    note("the same with one transaction per request");
    let single = measure(router::router(app.clone()), &app.settings, &args, make).await?;
    app.db.close().await;

    note("the floor: a bare group-commit server");
    let address = scratch_url(&args, directory.path(), "floor");
    let db = Db::open(&address).await?;
    let make: Make = {
        Arc::new(move |n| {
            let body = format!("{n:0300}");
            let request = Request::post("/").header("host", "localhost");
            request.body(Body::from(body)).expect("the request is well-formed")
        })
    };
    let floor = measure(floor::router(db.clone()), &app.settings, &args, make).await?;
    db.close().await;

    let load = Load {
        engine,
        connections: args.connections,
        ratio_to_one_transaction: consents.per_second / single.per_second,
        ratio_to_floor: consents.per_second / floor.per_second,
        consents,
        one_transaction_per_request: single,
        floor,
    };
    context.output.result(&load, table(&load))?;
    Ok(Exit::Ok)
}

fn table(load: &Load) -> String {
    let mut text = format!(
        "{} connections, {}, durable before every answer\n{:<34}{:>10}{:>10}{:>10}\n",
        load.connections, load.engine, "", "per s", "p50 ms", "p99 ms"
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
    let mut settings = base.clone();
    directory.clone_into(&mut settings.data);
    settings.set_database(scratch_url(args, directory, name));
    settings.queues.batch = batch;
    // The bench measures the write path; the guard against a single noisy key would only measure
    // itself.
    settings.rates.app_per_second = u32::MAX;
    settings.rates.app_burst = u32::MAX;
    settings.web.connections_per_address = settings.web.connections;
    settings
}

/// Registers an app with a key and accounts, and makes requests from them: each is a new decision.
async fn prepare(app: &App, accounts: usize) -> Result<Make> {
    let id = AppId::parse("bench").expect("a slug");
    let now = app.now();
    let mut rng = app.rng();
    let mut tx = app.db.begin().await?;
    if directory::app(&mut tx, &id).await?.is_none() {
        let record = AppRecord {
            id: id.clone(),
            title: "Bench".to_owned(),
            phone_encoding: PhoneEncoding::E164,
            region: None,
            created_at: now,
        };
        directory::create_app(&mut tx, &record).await?;
    }
    let caller = Caller::App(id.clone());
    let key = keys::issue(&mut tx, &app.keys, &mut rng, &caller, "bench", now).await?;
    let details = Details {
        language: "en".to_owned(),
        country: "IE".to_owned(),
        time_zone: String::new(),
        age_band: AgeBand::From25To34,
    };
    let registration = |n| {
        Registration::new(&app.keys, &mut app.rng(), &id, &format!("bench-{n}"), details.clone())
    };
    let items: Vec<Registration> = (0..accounts).map(registration).collect();
    accounts::register(&mut tx, &items, now).await?;
    tx.commit().await?;
    let notice = Notices::builtin()
        .latest_for(PurposeKind::Relevance, "en")
        .context("there is a notice for relevance")?;
    let (notice_id, version, sha256) = (notice.id.clone(), notice.version, hex(&notice.sha256));
    let bearer = format!("Bearer {}", *key.text);
    let app = app.clone();
    Ok(Arc::new(move |n| {
        let body = json!({
            "account": format!("bench-{}", n % accounts as u64),
            "notice": { "id": notice_id, "version": version, "language": "en",
                        "rendered_sha256": sha256 },
            "decisions": [{ "purpose": "relevance", "decision": "given" }],
            "decided_at": app.now().to_string(),
        });
        Request::post("/v1/consents")
            .header("host", "localhost")
            .header("authorization", &bearer)
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .expect("the request is well-formed")
    }))
}

async fn measure(router: Router, settings: &Settings, args: &Args, make: Make) -> Result<Measured> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let web = settings.web.clone();
    let serving = tokio::spawn(async move {
        server::serve(listener, router, &web, async {
            // Either message or hang-up means stop.
            drop(stopped.await);
        })
        .await;
    });
    drive(address, args.connections, args.seconds / 4.0, StatusCode::CREATED, Arc::clone(&make))
        .await?;
    let measured =
        drive(address, args.connections, args.seconds, StatusCode::CREATED, make).await?;
    drop(stop);
    serving.await?;
    Ok(measured)
}
