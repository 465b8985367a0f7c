//! `volens bench scan`.
//!
//! People are made in memory, a model is trained on some of them by the product's own learner, and the
//! best for one message are looked for by the product's own scan. The floor is what no scan of floating
//! point columns can go below: reading as many `f32` columns once, on all cores, in the same run.

use std::hint::black_box;
use std::num::NonZero;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde::Serialize;
use volens_models::features::{Features, Message, Schema, TREATMENT};
use volens_models::learner::{Options, train};
use volens_models::model::Model;
use volens_models::scan::{self, BLOCK};
use volens_models::table::Table as Rows;
use volens_models::topk::TopK;
use volens_privacy::{
    AgeBand, AppId, BusinessId, PurposeKind, SubjectId, Timestamp, Topic, Topics,
};

use super::cpu::Stopwatch;
use super::welcome;
use crate::cli::{Context, Exit};
use crate::clock::{Clock as _, SystemClock};
use crate::relevance::{Known, Standing, Table, View};
use crate::signals::{DayCounts, Kind, Observation, Profile, Trait};

/// What `bench scan` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    /// People to choose from
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(20_000..))]
    people: u32,
    /// People wanted
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    top: u32,
    /// One of so many people may be chosen at all
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    eligible_every: u32,
    /// Rounds; each measures everything, and the fastest counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

/// What was measured.
#[derive(Serialize)]
struct Measured {
    people: u32,
    eligible: usize,
    top: u32,
    threads: usize,
    model_columns: usize,
    model_terms: usize,
    /// Reading a `f32` per person and column of the model.
    floor_seconds: f64,
    /// A weighted sum of the same columns, and the best of it in the same pass.
    linear_seconds: f64,
    scan_seconds: f64,
    scan_ratio_to_floor: f64,
    scan_ratio_to_linear: f64,
    scan_nanoseconds_per_person: f64,
    /// A feature vector of each person, scored one after the other: a sample, on one core.
    one_by_one_nanoseconds_per_person: f64,
}

/// People that the model learns from, and that are scored one by one.
const SAMPLE: u32 = 20_000;

/// Makes people and a model, and measures.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let output = context.output;
    let measured = tokio::task::spawn_blocking(move || {
        let now = SystemClock.now();
        let bar = output.progress(args.people.into(), "making people");
        let table = people(args.people, now, |done| bar.set_position(done.into()));
        bar.finish_and_clear();
        output.note(format_args!("learning from {SAMPLE} of them …"));
        let model = learn(&table, now)?;
        output.note(format_args!("measuring {} times …", args.rounds));
        measure(&args, &table, &model, now)
    });
    let measured = measured.await??;
    context.output.result(&measured, text(&measured))?;
    Ok(Exit::Ok)
}

fn message() -> Message {
    Message {
        topics: vec!["sport.running".to_owned()],
        business: business(0).to_string(),
        language: Some("en".to_owned()),
    }
}

fn business(number: u8) -> BusinessId {
    BusinessId::from_bytes([number; 16])
}

fn people(count: u32, now: Timestamp, progress: impl Fn(u32)) -> Table {
    let mut rng = StdRng::seed_from_u64(1);
    let app = AppId::parse("bench").expect("a slug");
    let topics: Vec<&str> =
        Topics::builtin().all().filter(|topic| !topic.is_sensitive()).map(Topic::id).collect();
    let mut table = Table::default();
    for number in 0..count {
        let known = Known {
            app: app.clone(),
            language: Some(["en", "de", "fr"][rng.random_range(0..3)].to_owned()),
            country: None,
            age_band: AgeBand::ALL[3],
            frozen: false,
            objects: false,
            live: vec![PurposeKind::Relevance, PurposeKind::BusinessMessages],
            standing: rng.random_bool(0.9).then(|| Standing::of(&profile(&topics, now, &mut rng))),
            counted: false,
            recent: DayCounts::default(),
        };
        let mut subject = [0; 16];
        subject[..4].copy_from_slice(&number.to_be_bytes());
        table.set(SubjectId::from_bytes(subject), Some(&known));
        if number % 4096 == 0 {
            progress(number);
        }
    }
    table
}

/// Somebody who did a few things in the last months.
fn profile(topics: &[&str], now: Timestamp, rng: &mut StdRng) -> Profile {
    let mut profile = Profile::default();
    for _ in 0..rng.random_range(1..8) {
        let kinds = [Kind::Viewed, Kind::Viewed, Kind::Bought, Kind::Liked, Kind::Hid];
        let ago = Duration::from_hours(rng.random_range(0..2000));
        let topic = topics[rng.random_range(0..topics.len())];
        profile.observe(&Observation {
            kind: kinds[rng.random_range(0..kinds.len())],
            topics: vec![topic.to_owned()],
            business: rng.random_bool(0.5).then(|| business(rng.random_range(0..20))),
            at: now.minus(ago),
        });
    }
    for name in ["visits", "spent", "age_of_account"] {
        profile.describe(name, Trait::Number(rng.random_range(0.0..100.0)), now);
    }
    profile
}

fn features(table: &Table, row: u32, message: &Message, now: Timestamp) -> Features {
    let mut features = table.features(row, message, now);
    features.number(TREATMENT, 1.0);
    features
}

/// A model that depends on much of what is known.
fn learn(table: &Table, now: Timestamp) -> Result<Model> {
    let mut rng = StdRng::seed_from_u64(2);
    let rows: Vec<Features> =
        (0..SAMPLE).map(|row| features(table, row, &message(), now)).collect();
    let labels: Vec<bool> = rows.iter().map(|row| rng.random_bool(welcome::chance(row))).collect();
    let schema = Schema::covering(&rows);
    let options = Options { directions: schema.directions(), ..Options::default() };
    Ok(train(&Rows::from_features(&schema, &rows), &labels, None, &options)?.model)
}

fn measure(args: &Args, table: &Table, model: &Model, now: Timestamp) -> Result<Measured> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let (people, top) = (args.people as usize, args.top as usize);
    let eligible: Vec<u32> = (0..args.people).step_by(args.eligible_every as usize).collect();
    let columns: Vec<Vec<f32>> = model
        .columns()
        .iter()
        .map(|column| (0..people).map(|row| (row % (7 + column.name.len())) as f32).collect())
        .collect();
    let fastest = |measured: &mut dyn FnMut()| {
        (0..args.rounds)
            .map(|_| {
                let watch = Stopwatch::start();
                measured();
                watch.wall().as_secs_f64()
            })
            .fold(f64::INFINITY, f64::min)
    };
    let floor = fastest(&mut || read(&columns, threads));
    let linear = fastest(&mut || drop(black_box(weigh(&columns, &eligible, top, threads))));
    let mut found = Vec::new();
    let scanned = fastest(&mut || found = scan_best(table, model, &eligible, top, threads, now));
    let watch = Stopwatch::start();
    let sample = eligible.iter().take_while(|row| **row < SAMPLE);
    let slow: Vec<(u32, f64)> = sample
        .map(|row| (*row, model.score_values(&features(table, *row, &message(), now)).logit))
        .collect();
    let one_by_one = watch.wall().as_secs_f64() / slow.len() as f64;
    let cut = found.last().map_or(f64::NEG_INFINITY, |(_, score)| *score);
    let above = |(_, score): &&(u32, f64)| *score > cut;
    ensure!(slow.iter().filter(above).all(|kept| found.contains(kept)), "the scan missed somebody");
    Ok(Measured {
        people: args.people,
        eligible: eligible.len(),
        top: args.top,
        threads,
        model_columns: model.columns().len(),
        model_terms: model.terms().len(),
        floor_seconds: floor,
        linear_seconds: linear,
        scan_seconds: scanned,
        scan_ratio_to_floor: scanned / floor,
        scan_ratio_to_linear: scanned / linear,
        scan_nanoseconds_per_person: 1e9 * scanned / eligible.len() as f64,
        one_by_one_nanoseconds_per_person: 1e9 * one_by_one,
    })
}

/// The product's scan.
fn scan_best(
    table: &Table,
    model: &Model,
    eligible: &[u32],
    top: usize,
    threads: usize,
    now: Timestamp,
) -> Vec<(u32, f64)> {
    let (view, scorer) =
        (View::new(table, model.columns(), &message(), Some(1.0), now), model.scorer());
    let found = scan::best(eligible, top, threads, &AtomicBool::new(false), |codes, rows, out| {
        view.codes(rows, codes);
        scorer.logits(codes, rows.len(), out);
    });
    found.unwrap_or_default()
}

/// Reads every number once.
fn read(columns: &[Vec<f32>], threads: usize) {
    thread::scope(|scope| {
        for part in 0..threads {
            scope.spawn(move || {
                for column in columns {
                    let (begin, end) =
                        (column.len() * part / threads, column.len() * (part + 1) / threads);
                    // Sixteen sums at once, or adding would take longer than reading.
                    let mut sums = [0.0_f32; 16];
                    for numbers in column[begin..end].chunks_exact(16) {
                        for (sum, number) in sums.iter_mut().zip(numbers) {
                            *sum += number;
                        }
                    }
                    black_box(sums);
                }
            });
        }
    });
}

/// The best of a weighted sum of the columns.
fn weigh(columns: &[Vec<f32>], eligible: &[u32], top: usize, threads: usize) -> Vec<(u32, f64)> {
    let part = eligible.len().div_ceil(threads);
    let weigh = |rows: &[u32]| {
        let (mut best, mut sums) = (TopK::new(top), [0.0_f32; BLOCK]);
        for block in rows.chunks(BLOCK) {
            sums.fill(0.0);
            for (at, column) in columns.iter().enumerate() {
                let weight = 1.0 / (at + 2) as f32;
                for (sum, row) in sums.iter_mut().zip(block) {
                    *sum += weight * column[*row as usize];
                }
            }
            block.iter().zip(&sums).for_each(|(row, sum)| best.push(f64::from(*sum), *row));
        }
        best.into_sorted()
    };
    thread::scope(|scope| {
        let parts: Vec<_> =
            eligible.chunks(part.max(1)).map(|rows| scope.spawn(move || weigh(rows))).collect();
        let mut best = TopK::new(top);
        for part in parts {
            let kept = part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            for (row, score) in kept {
                best.push(score, row);
            }
        }
        best.into_sorted()
    })
}

fn text(measured: &Measured) -> String {
    let Measured { people, eligible, top, threads, model_columns, model_terms, .. } = measured;
    format!(
        "{people} people, {eligible} of them eligible, the best {top} for one message; \
         a model of {model_columns} columns and {model_terms} terms; {threads} threads\n\
         reading as many f32 columns once   {:8.1} ms\n\
         a weighted sum of them, and its best {:6.1} ms\n\
         the scan                           {:8.1} ms, {:.2} × the reading, {:.2} × the weighted sum\n\
         per eligible person                {:8.0} ns; {:.0} ns one by one, on one core",
        measured.floor_seconds * 1e3,
        measured.linear_seconds * 1e3,
        measured.scan_seconds * 1e3,
        measured.scan_ratio_to_floor,
        measured.scan_ratio_to_linear,
        measured.scan_nanoseconds_per_person,
        measured.one_by_one_nanoseconds_per_person,
    )
}
