//! `volens bench list`.
//!
//! Many people with consents and profiles are made through the product's own use cases, and a model is
//! trained on what some of them made of earlier messages. Then a business asks for its list over HTTP, the
//! service's worker makes it, and the business reads every row with its proofs. What each step took is what
//! the service tells as `volens_list_build_seconds`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use axum::body::Body;
use axum::http::Request;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use volens_models::features::Message;
use volens_privacy::purpose::Relevance;
use volens_privacy::{BusinessId, PurposeKind, SubjectId, Topic, Topics};
use zeroize::Zeroizing;

use super::client::{ask, post, served};
use super::{people, welcome};
use crate::access::{Caller, directory};
use crate::app::App;
use crate::cli::scratch::Scratch;
use crate::cli::{Context, Exit};
use crate::ids::ExposureId;
use crate::relevance::{self, Exposure, Goal, Occasion, Order, OutcomeKind};
use crate::{background, consent};

use super::load::{at_least_one, unlimited};

/// What `bench list` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    /// People to choose from
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    people: u64,
    /// Rows wanted
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(50..=100_000))]
    rows: u64,
    /// Lists asked for, one after the other; the median counts
    #[arg(long, default_value_t = 3, value_parser = at_least_one)]
    rounds: usize,
}

/// People who teach the model.
const TEACHERS: u64 = 5000;
/// Rows on a page.
const PAGE: u32 = 200;
/// Between two looks whether the list is ready.
const PAUSE: Duration = Duration::from_millis(10);
/// How long ago the messages were that the model learns from.
const AGO: Duration = Duration::from_hours(30 * 24);

/// What was measured.
#[derive(Serialize)]
struct Measured {
    people: u64,
    rows: u64,
    rounds: usize,
    /// From the request to the last proof, of the median round.
    seconds: f64,
    /// From the request until the list is sealed.
    sealed_seconds: f64,
    /// The file with all rows and their proofs.
    export_seconds: f64,
    export_bytes: usize,
    /// The first page of rows with their proofs, once more.
    page_seconds: f64,
    /// What the steps of a build took, on the average of the rounds.
    steps: BTreeMap<String, f64>,
    /// Reading everybody when the service starts; no part of the measurement.
    start_seconds: f64,
}

struct Round {
    seconds: f64,
    sealed: f64,
    export: f64,
    bytes: usize,
    page: f64,
}

/// Makes everything, and measures.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let directory = Scratch::create("bench-list")?;
    let mut settings = unlimited(&context.settings);
    settings.move_to(directory.path());
    let app = context.open(settings).await?;
    let events = |nth| events(nth);
    people::fill(&app, args.people, purposes, events, context).await?;
    let watch = Watch::start();
    app.columns.refresh(&app.db, &app.keys).await?;
    let start_seconds = watch.seconds();
    let business = make_business(&app).await?;
    context.output.note(format_args!("teaching a model …"));
    teach(&app, business).await?;
    let bearer = people::bearer(&app, &Caller::Business(business)).await?;
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = background::worker(&app);
    let working = tokio::spawn(async move {
        worker
            .run_until(async {
                // Either message or hang-up means stop.
                drop(stopped.await);
            })
            .await;
    });
    let router = crate::web::router::router(app.clone());
    let mut rounds = served(router, &app.settings.web, async |address| {
        let client = Client { address, bearer };
        let campaign = client.campaign().await?;
        let mut rounds = Vec::new();
        for round in 1..=args.rounds {
            context.output.note(format_args!("asking for a list, {round} of {} …", args.rounds));
            rounds.push(client.list(&campaign, args.rows).await?);
        }
        Ok(rounds)
    })
    .await?;
    drop(stop);
    working.await?;
    let steps = steps(&app, args.rounds);
    app.db.close().await;
    rounds.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let median = rounds.swap_remove(rounds.len() / 2);
    let measured = Measured {
        people: args.people,
        rows: args.rows,
        rounds: args.rounds,
        seconds: median.seconds,
        sealed_seconds: median.sealed,
        export_seconds: median.export,
        export_bytes: median.bytes,
        page_seconds: median.page,
        steps,
        start_seconds,
    };
    context.output.result(&measured, text(&measured))?;
    Ok(Exit::Ok)
}

struct Watch(Instant);

impl Watch {
    #[expect(clippy::disallowed_methods, reason = "a bench measures with the machine's clock")]
    fn start() -> Self {
        Self(Instant::now())
    }

    fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// Everybody may be ranked and written to; some may teach models.
fn purposes(nth: u64) -> Vec<PurposeKind> {
    let mut purposes = vec![PurposeKind::Relevance, PurposeKind::BusinessMessages];
    if nth < TEACHERS {
        purposes.push(PurposeKind::ModelTraining);
    }
    purposes
}

/// What somebody did lately: a few acts about a few topics.
fn events(nth: u64) -> Vec<Value> {
    let mut rng = StdRng::seed_from_u64(nth);
    let topics: Vec<&str> =
        Topics::builtin().all().filter(|topic| !topic.is_sensitive()).map(Topic::id).collect();
    let acts = ["Product Viewed", "Product Liked", "Order Completed"];
    let count = rng.random_range(1..6);
    let mut events: Vec<Value> = (0..count)
        .map(|at| {
            let topic = topics[rng.random_range(0..topics.len())];
            json!({ "type": "track", "event": acts[rng.random_range(0..acts.len())],
                    "userId": people::name(nth), "messageId": format!("{nth}-{at}"),
                    "properties": { "topics": [topic] } })
        })
        .collect();
    events.push(json!({
        "type": "identify", "userId": people::name(nth), "messageId": format!("{nth}-is"),
        "traits": { "visits": rng.random_range(0..100), "spent": rng.random_range(0..100) },
    }));
    events
}

async fn make_business(app: &App) -> Result<BusinessId> {
    let mut tx = app.db.begin().await?;
    let made = directory::create_business(&mut tx, &mut app.rng(), "Bench", app.now()).await?;
    tx.commit().await?;
    Ok(made.id)
}

fn message(business: BusinessId) -> Message {
    Message {
        topics: vec!["sport.running".to_owned()],
        business: business.to_string(),
        language: Some("en".to_owned()),
    }
}

/// Messages of a month ago, what became of them, and the model that learns from it.
async fn teach(app: &App, business: BusinessId) -> Result<()> {
    let mut rng = StdRng::seed_from_u64(2);
    let (at, now) = (app.now().minus(AGO), app.now());
    let seen: Vec<(SubjectId, _)> = {
        let table = app.columns.read();
        let teachers = table.live(PurposeKind::ModelTraining);
        let message = message(business);
        let of = |row| Some((table.subject(row)?, table.features(row, &message, now)));
        teachers.iter().filter_map(of).collect()
    };
    let subjects: Vec<SubjectId> = seen.iter().map(|(subject, _)| *subject).collect();
    let mut tx = app.db.begin().await?;
    let consents = consent::consents_of(&mut tx, &app.keys, &subjects).await?;
    let mut exposures = Vec::new();
    let mut clicked = Vec::new();
    for (subject, features) in seen {
        let permit = consents.get(&subject).context("an account is missing")?;
        let permit = permit.permit::<Relevance>((), now).context("a consent is missing")?;
        clicked.push(rng.random_bool(welcome::chance(&features)));
        let occasion = Occasion {
            app: people::app_id(),
            business,
            campaign: None,
            list: None,
            arm: "past".to_owned(),
            treated: true,
            at,
            closes_at: at.plus(AGO / 4),
            propensity: 1.0,
        };
        exposures.push(Exposure::of(&permit, ExposureId::random(&mut rng), occasion, features));
    }
    relevance::record_exposures(&mut tx, &app.keys, &exposures, &mut app.rng()).await?;
    let met = exposures.iter().zip(&clicked).filter(|(_, clicked)| **clicked);
    let met = met.map(|(exposure, _)| (exposure, OutcomeKind::Click, at, None));
    relevance::record_met(&mut tx, met).await?;
    tx.commit().await?;
    let order = Order { business: None, goal: Goal::Click };
    let mut tx = app.db.read().await?;
    let set = relevance::gather(&mut tx, &app.keys, order, now, &|_, _| ()).await?;
    drop(tx);
    let learned = tokio::task::spawn_blocking(move || relevance::learn(set, now)).await??;
    let mut tx = app.db.begin().await?;
    let signer = app.keys.log_signer();
    let kept = relevance::keep(&mut tx, &signer, learned, now, &mut app.rng()).await?;
    tx.commit().await?;
    ensure!(kept.version.active, "the model waits for an officer");
    Ok(())
}

/// A business over HTTP.
struct Client {
    address: std::net::SocketAddr,
    bearer: Zeroizing<String>,
}

impl Client {
    async fn post(&self, path: &str, body: Value) -> Result<Value> {
        let answer = ask(self.address, post(path, &self.bearer, body.to_string())).await?;
        Ok(serde_json::from_slice(&answer)?)
    }

    async fn get(&self, path: &str) -> Result<axum::body::Bytes> {
        let request = Request::get(path)
            .header("host", "localhost")
            .header("authorization", self.bearer.as_str());
        ask(self.address, request.body(Body::empty())?).await
    }

    async fn campaign(&self) -> Result<String> {
        let campaign = json!({
            "name": "bench", "delivery_app": people::app_id(), "goal": "click",
            "message": { "title": "New running shoes", "text": "They have arrived.",
                         "language": "en", "topics": ["sport.running"] },
        });
        id(&self.post("/v1/campaigns", campaign).await?)
    }

    /// Asks for a list and reads all of it.
    async fn list(&self, campaign: &str, rows: u64) -> Result<Round> {
        let watch = Watch::start();
        let list =
            id(&self.post("/v1/lists", json!({ "campaign": campaign, "size": rows })).await?)?;
        loop {
            let list: Value =
                serde_json::from_slice(&self.get(&format!("/v1/lists/{list}")).await?)?;
            match list["state"].as_str() {
                Some("sealed") => break,
                Some("queued" | "building") => tokio::time::sleep(PAUSE).await,
                _ => anyhow::bail!("the list was not made: {list}"),
            }
        }
        let sealed = watch.seconds();
        let export = self.get(&format!("/v1/lists/{list}/export?format=jsonl")).await?;
        let seconds = watch.seconds();
        let lines = std::str::from_utf8(&export)?.lines().count() as u64;
        ensure!(lines >= rows, "the file has {lines} lines for {rows} rows");
        let again = Watch::start();
        self.get(&format!("/v1/lists/{list}/recipients?limit={PAGE}")).await?;
        let (bytes, page) = (export.len(), again.seconds());
        Ok(Round { seconds, sealed, export: seconds - sealed, bytes, page })
    }
}

fn id(made: &Value) -> Result<String> {
    Ok(made["id"].as_str().context("an answer without an id")?.to_owned())
}

/// What the service tells about the steps, a list.
fn steps(app: &App, rounds: usize) -> BTreeMap<String, f64> {
    let text = app.metrics.text();
    let step = |line: &str| {
        let rest = line.strip_prefix("volens_list_build_seconds_sum{step=\"")?;
        let (step, seconds) = rest.split_once("\"} ")?;
        Some((step.to_owned(), seconds.parse::<f64>().ok()? / rounds as f64))
    };
    text.lines().filter_map(step).collect()
}

fn text(measured: &Measured) -> String {
    let Measured { people, rows, rounds, .. } = measured;
    let mut lines = vec![
        format!(
            "the best {rows} of {people} people, over HTTP, with the proofs of every row; median of {rounds}"
        ),
        format!("from the request to the last proof {:7.2} s", measured.seconds),
        format!("until it is sealed                 {:7.2} s", measured.sealed_seconds),
    ];
    lines.extend(measured.steps.iter().map(|(step, took)| format!("  {step:<32} {took:7.2} s")));
    lines.push(format!(
        "the file with rows and proofs      {:7.2} s, {:.1} MB\n\
         a page of {PAGE} rows, besides         {:7.3} s\n\
         reading everybody at the start     {:7.2} s, no part of the sum",
        measured.export_seconds,
        measured.export_bytes as f64 / 1e6,
        measured.page_seconds,
        measured.start_seconds,
    ));
    lines.join("\n")
}
