//! `volens bench filter`.
//!
//! Invented people with invented acts are put into the product's own table, and filters are evaluated by
//! the product's own set algebra. Beside it, in the same run: a plain scan of the same acts in columns,
//! which must find as many, and the reading of as many bytes as the bitmaps have that are asked.

use std::hint::black_box;

use anyhow::{Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use roaring::RoaringBitmap;
use serde::Serialize;
use volens_privacy::topics::{TopicId, Topics};
use volens_privacy::{AgeBand, AppId, BusinessId, SubjectId, Timestamp};

use super::cpu::Stopwatch;
use crate::audience::filter::{Asked, Filter, FilterIn, Past};
use crate::cli::{Context, Exit};
use crate::relevance::{Known, Standing, Table};
use crate::signals::recent::{KEPT_DAYS, day_of};
use crate::signals::{About, Kind, Observation, Profile};

/// Each question is asked until it took so many CPU seconds, for the clock has steps of 10 ms.
const LONG_ENOUGH: f64 = 0.5;
const COUNTRIES: [&str; 8] = ["IE", "GB", "DE", "FR", "ES", "PT", "AT", "NL"];
const LANGUAGES: [&str; 5] = ["en", "de", "fr", "es", "pt"];
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// What `bench filter` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    /// People in the table
    #[arg(long, default_value_t = 5_000_000, value_parser = clap::value_parser!(u32).range(100..))]
    people: u32,
    /// What they did within the last 35 days
    #[arg(long, default_value_t = 50_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    events: u64,
}

/// What was measured.
#[derive(Serialize)]
struct Measured {
    people: u32,
    events: u64,
    questions: Vec<Answer>,
}

/// One question.
#[derive(Serialize)]
struct Answer {
    filter: String,
    people: u64,
    cpu_milliseconds: f64,
    /// A plain scan of the acts in columns, which found as many.
    scan_milliseconds: f64,
    ratio_to_scan: f64,
    /// Bytes of the bitmaps about acts that are asked.
    bytes: usize,
    read_milliseconds: f64,
    ratio_to_reading: f64,
}

/// The questions: what a person must have done, and how often; and what they must not have done.
struct Question {
    filter: &'static str,
    attributes: bool,
    did: (Kind, u16, i32),
    not: Option<(Kind, i32)>,
}

const QUESTIONS: [Question; 3] = [
    Question {
        filter: "country in (IE, GB) and age in (25_34, 35_49) and topic sport.running \
                 and viewed sport.* within 14 days",
        attributes: true,
        did: (Kind::Viewed, 1, 14),
        not: None,
    },
    Question {
        filter: "viewed sport.* within 30 days and not bought sport.* within 30 days",
        attributes: false,
        did: (Kind::Viewed, 1, 30),
        not: Some((Kind::Bought, 30)),
    },
    Question {
        filter: "viewed sport.* >= 3 within 14 days",
        attributes: false,
        did: (Kind::Viewed, 3, 14),
        not: None,
    },
];

/// Makes the people, asks and measures.
pub(super) fn run(args: &Args, context: &Context) -> Result<Exit> {
    let now = Timestamp::parse("2026-11-20T12:00:00Z")?;
    let bar = context.output.progress(args.people.into(), "people");
    let town = Town::new(args, now, |done| bar.set_position(done))?;
    bar.finish_and_clear();
    let mut questions = Vec::new();
    for question in &QUESTIONS {
        questions.push(town.ask(question)?);
    }
    let measured = Measured { people: args.people, events: args.events, questions };
    context.output.result(&measured, text(&measured))?;
    Ok(Exit::Ok)
}

/// The table, and the same in columns.
struct Town {
    table: Table,
    now: Timestamp,
    sport: Vec<TopicId>,
    /// Of each person: country, age band, whether running interests them.
    people: Vec<(u8, AgeBand, bool)>,
    /// Of each act: who, what, about which topic, how many days ago.
    acts: Acts,
}

#[derive(Default)]
struct Acts {
    who: Vec<u32>,
    kind: Vec<Kind>,
    topic: Vec<u8>,
    age: Vec<u8>,
}

impl Town {
    fn new(args: &Args, now: Timestamp, done: impl Fn(u64)) -> Result<Self> {
        let mut rng = StdRng::seed_from_u64(1);
        let topics: Vec<TopicId> = Topics::builtin().usable().collect();
        let is_sport = |topic: &&TopicId| topic.as_str().split('.').next() == Some("sport");
        let sport = topics.iter().filter(is_sport).copied().collect();
        let (mut table, mut people, mut acts) = (Table::default(), Vec::new(), Acts::default());
        let app = AppId::parse("bench")?;
        let each = args.events / u64::from(args.people);
        for row in 0..args.people {
            let more = u64::from(u64::from(row) < args.events % u64::from(args.people));
            let mut profile = Profile::default();
            for _ in 0..each + more {
                let topic = rng.random_range(0..topics.len());
                let age = rng.random_range(0..=KEPT_DAYS as u8);
                let kind = kind(&mut rng);
                acts.push(row, kind, topic as u8, age);
                let at = Timestamp::from_micros(now.micros() - i64::from(age) * MICROS_PER_DAY);
                let topics = vec![topics[topic].to_string()];
                let seen = Observation { kind, topics, business: None, at };
                profile.observe(&seen);
                profile.count_by_day(&seen);
            }
            let country = rng.random_range(0..COUNTRIES.len());
            let known = Known {
                app: app.clone(),
                language: Some(LANGUAGES[rng.random_range(0..LANGUAGES.len())].to_owned()),
                country: Some(COUNTRIES[country].to_owned()),
                age_band: AgeBand::ALL[rng.random_range(3..AgeBand::ALL.len())],
                frozen: false,
                objects: false,
                live: Vec::new(),
                standing: Some(Standing::of(&profile)),
                counted: true,
                recent: profile.recent().counts().clone(),
            };
            let runs = known.standing.as_ref().is_some_and(|own| own.likes("sport.running"));
            people.push((country as u8, known.age_band, runs));
            table.set(SubjectId::from_bytes(rng.random()), Some(&known));
            done(u64::from(row) + 1);
        }
        Ok(Self { table, now, sport, people, acts })
    }

    fn ask(&self, question: &Question) -> Result<Answer> {
        let filter = Filter::check(&FilterIn::Text(question.filter.to_owned()))?;
        let past = Past::new();
        let asked = Asked { business: BusinessId::from_bytes([0; 16]), past: &past, now: self.now };
        let everybody: &RoaringBitmap = self.table.accounts();
        let (found, cpu) = measure(|| filter.rows(&self.table, &asked, everybody).len());
        let (scanned, scan) = measure(|| self.scan(question));
        ensure!(found == scanned, "set algebra found {found}, the scan {scanned}");
        let bytes = self.bytes(question);
        let memory = vec![1_u8; bytes];
        let (_, read) =
            measure(|| black_box(&memory).iter().map(|byte| u64::from(*byte)).sum::<u64>());
        Ok(Answer {
            filter: filter.text(),
            people: found,
            cpu_milliseconds: cpu,
            scan_milliseconds: scan,
            ratio_to_scan: cpu / scan.max(f64::EPSILON),
            bytes,
            read_milliseconds: read,
            ratio_to_reading: cpu / read.max(f64::EPSILON),
        })
    }

    /// How many a question fits, by looking at every act.
    fn scan(&self, question: &Question) -> u64 {
        let (did, at_least, days) = question.did;
        let not = question.not.unwrap_or((did, -1));
        let mut times = vec![0_u16; self.people.len()];
        let sport: Vec<bool> =
            Topics::builtin().usable().map(|topic| self.sport.contains(&topic)).collect();
        let acts = &self.acts;
        let columns = acts.who.iter().zip(&acts.kind).zip(acts.topic.iter().zip(&acts.age));
        for ((who, kind), (topic, age)) in columns {
            if !sport[usize::from(*topic)] {
                continue;
            }
            let held = &mut times[*who as usize];
            if *kind == not.0 && i32::from(*age) <= not.1 {
                *held = u16::MAX;
            } else if *kind == did && i32::from(*age) <= days && *held < u16::MAX {
                *held += 1;
            }
        }
        let fits = |(times, (country, band, runs)): &(&u16, &(u8, AgeBand, bool))| {
            let wanted = *country < 2 && *runs;
            let aged = matches!(band, AgeBand::From25To34 | AgeBand::From35To49);
            **times >= at_least && **times < u16::MAX && (!question.attributes || (wanted && aged))
        };
        times.iter().zip(&self.people).filter(fits).count() as u64
    }

    fn bytes(&self, question: &Question) -> usize {
        let about: Vec<About> =
            self.sport.iter().map(|topic| About::Topic(topic.to_string())).collect();
        let of = |kind, days: i32| self.table.recent().bytes(kind, &about, day_of(self.now) - days);
        let (did, _, days) = question.did;
        of(did, days) + question.not.map_or(0, |(kind, days)| of(kind, days))
    }
}

impl Acts {
    fn push(&mut self, who: u32, kind: Kind, topic: u8, age: u8) {
        self.who.push(who);
        self.kind.push(kind);
        self.topic.push(topic);
        self.age.push(age);
    }
}

/// Mostly looking, sometimes buying.
fn kind(rng: &mut StdRng) -> Kind {
    match rng.random_range(0..100_u8) {
        0..70 => Kind::Viewed,
        70..82 => Kind::Clicked,
        82..88 => Kind::Liked,
        88..92 => Kind::Saved,
        92..97 => Kind::Bought,
        _ => Kind::Hid,
    }
}

/// What `work` answers, and the CPU milliseconds of one time.
fn measure(work: impl Fn() -> u64) -> (u64, f64) {
    let watch = Stopwatch::start();
    let (mut times, mut answer) = (0_u32, 0);
    while watch.cpu_seconds() < LONG_ENOUGH {
        answer = black_box(work());
        times += 1;
    }
    (answer, watch.cpu_seconds() * 1000.0 / f64::from(times))
}

fn text(measured: &Measured) -> String {
    let mut lines = vec![format!("{} people, {} acts", measured.people, measured.events)];
    for answer in &measured.questions {
        lines.push(format!(
            "{}\n  {} people in {:.3} CPU-ms; a scan of the acts in columns {:.2} ms ({:.4} of it); \
             reading the {} bytes asked {:.3} ms ({:.1} times that)",
            answer.filter,
            answer.people,
            answer.cpu_milliseconds,
            answer.scan_milliseconds,
            answer.ratio_to_scan,
            answer.bytes,
            answer.read_milliseconds,
            answer.ratio_to_reading,
        ));
    }
    lines.join("\n")
}
