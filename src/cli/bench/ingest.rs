//! `volens bench ingest`.
//!
//! In one run, on loopback, with the load generator on the same cores: batches of signals to the service
//! as it is, each event with its own id, for people who consent; and the same bodies to a bare axum server
//! with nothing but the group commit (the floor). Quote the ratio.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::{Result, ensure};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use volens_privacy::PurposeKind;

use super::client::{self, Make, Measured, drive};
use super::load::{at_least_one, median, middle, positive, unlimited};
use super::{floor, people};
use crate::access::Caller;
use crate::app::App;
use crate::cli::scratch::Scratch;
use crate::cli::{Context, Exit};
use crate::db::Db;
use crate::web::router;

/// What `bench ingest` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Seconds per measurement
    #[arg(long, default_value_t = 4.0, value_parser = positive)]
    seconds: f64,
    /// Rounds; each measures everything, and the median counts
    #[arg(long, default_value_t = 3, value_parser = at_least_one)]
    rounds: usize,
    /// Connections that send at once
    #[arg(long, default_value_t = 8, value_parser = at_least_one)]
    connections: usize,
    /// Events in one request
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=1500))]
    batch: u64,
    /// People who do something in turn; each request is about ten of them, as an app sends what few did
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(10..))]
    accounts: u64,
}

/// People that one request is about.
const TOGETHER: u64 = 10;

/// What was measured.
#[derive(Serialize)]
struct Ingested {
    connections: usize,
    rounds: usize,
    events_per_request: u64,
    events_per_second: f64,
    requests: Measured,
    floor: Measured,
    ratio_to_floor: f64,
}

/// Runs both measurements in turns and answers the median of each, and of the ratios of the rounds.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let directory = Scratch::create("bench-ingest")?;
    let mut settings = unlimited(&context.settings);
    settings.move_to(directory.path());
    let app = context.open(settings).await?;
    let bare = directory.path().join("floor.db");
    let bare = Db::open(&format!("sqlite:{}", bare.display())).await?;
    people::fill(&app, args.accounts, |_| vec![PurposeKind::Relevance], |_| Vec::new(), context)
        .await?;
    let batches = batches(&app, &args).await?;
    let bodies: Make = {
        let args = (args.batch, args.accounts);
        Arc::new(move |n| plain(body(n, args.0, args.1)))
    };
    let number = Arc::new(AtomicU64::new(0));
    let (mut taken, mut floors) = (Vec::new(), Vec::new());
    for round in 1..=args.rounds {
        let note = |what: &str| {
            context.output.note(format_args!("measuring {what}, {round} of {} …", args.rounds));
        };
        note("signals, as served");
        let load = (&args, &number);
        taken.push(
            measure(router::router(app.clone()), &app, load, &batches, StatusCode::OK).await?,
        );
        note("the floor: a bare group-commit server");
        let floor = floor::router(bare.clone());
        floors.push(measure(floor, &app, load, &bodies, StatusCode::CREATED).await?);
    }
    app.db.close().await;
    bare.close().await;
    let pairs = taken.iter().zip(&floors);
    let ratios = pairs.map(|(taken, floor)| taken.per_second / floor.per_second).collect();
    let ratio_to_floor = middle(ratios, f64::total_cmp);
    let requests = median(taken);
    let ingested = Ingested {
        connections: args.connections,
        rounds: args.rounds,
        events_per_request: args.batch,
        events_per_second: requests.per_second * args.batch as f64,
        requests,
        floor: median(floors),
        ratio_to_floor,
    };
    context.output.result(&ingested, text(&ingested))?;
    Ok(Exit::Ok)
}

/// Makes requests whose events are all accepted, as the first one shows.
async fn batches(app: &App, args: &Args) -> Result<Make> {
    let bearer = people::bearer(app, &Caller::App(people::app_id())).await?;
    let (batch, accounts) = (args.batch, args.accounts);
    let make: Make =
        Arc::new(move |n| client::post("/v1/batch", &bearer, body(n, batch, accounts)));
    let first = make(u64::MAX / accounts);
    let answer = client::served(router::router(app.clone()), &app.settings.web, async |address| {
        client::ask(address, first).await
    });
    let answer: Value = serde_json::from_slice(&answer.await?)?;
    ensure!(answer["accepted"] == batch, "not all events were accepted: {}", answer["refused"]);
    Ok(make)
}

/// The *n*-th body: what ten people did.
fn body(n: u64, batch: u64, accounts: u64) -> String {
    const TOPICS: [&str; 4] = ["sport.running", "fashion.shoes", "food", "beauty.hair"];
    let events: Vec<Value> = (0..batch)
        .map(|at| {
            let person = n.wrapping_mul(TOGETHER).wrapping_add(at % TOGETHER) % accounts;
            json!({
                "type": "track", "event": "Product Viewed", "userId": people::name(person),
                "messageId": format!("{n}-{at}"),
                "properties": { "topics": [TOPICS[(at % 4) as usize]] },
            })
        })
        .collect();
    json!({ "batch": events }).to_string()
}

fn plain(body: String) -> Request<Body> {
    let request = Request::post("/").header("host", "localhost");
    request.body(Body::from(body)).expect("the request is well-formed")
}

async fn measure(
    router: axum::Router,
    app: &App,
    (args, number): (&Args, &Arc<AtomicU64>),
    make: &Make,
    expected: StatusCode,
) -> Result<Measured> {
    client::served(router, &app.settings.web, async |address| {
        drive(address, args.connections, args.seconds, expected, number, Arc::clone(make)).await
    })
    .await
}

fn text(ingested: &Ingested) -> String {
    let Ingested { connections, rounds, events_per_request, requests, floor, .. } = ingested;
    format!(
        "{connections} connections, {events_per_request} events a request, durable before every answer, \
         median of {rounds}\n\
         signals as served       {:>8.0} events/s, {:.0} requests/s, p50 {:.1} ms, p99 {:.1} ms\n\
         floor: bare group commit of the same bodies {:.0} requests/s\n\
         {:.2} of the floor",
        ingested.events_per_second,
        requests.per_second,
        requests.p50_ms,
        requests.p99_ms,
        floor.per_second,
        ingested.ratio_to_floor,
    )
}
