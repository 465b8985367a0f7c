//! Filling the town, through the public API wherever it has a call for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::http::Method;
use indicatif::ProgressBar;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use tokio::task::JoinSet;
use volens_privacy::identity::{AppId, BusinessId};
use volens_privacy::notice::Notices;
use volens_privacy::{PurposeKind, Timestamp};

use super::api::Client;
use super::past::show_messages;
use super::world::{APPS, Answer, Person, SHOPS, TOPICS};
use crate::access::directory::{self, AppRecord};
use crate::access::{Caller, keys};
use crate::app::App;
use crate::assessments;
use crate::ids::hex;

pub(super) const DAY: Duration = Duration::from_hours(24);
/// Requests under way at once.
const AT_ONCE: usize = 64;
/// Signals in one call, about.
const BATCH: usize = 200;

/// The town, once it is filled.
pub(super) struct Town {
    pub(super) people: Arc<Vec<Person>>,
    pub(super) apps: Vec<Client>,
    pub(super) shops: Vec<(BusinessId, Client)>,
    pub(super) counts: Counts,
}

/// What was done.
#[derive(Default, serde::Serialize)]
pub(super) struct Counts {
    pub(super) people: usize,
    pub(super) accounts: usize,
    pub(super) consents: usize,
    pub(super) refusals: usize,
    pub(super) linking_consents: usize,
    pub(super) signals_accepted: u64,
    pub(super) signals_refused: BTreeMap<String, u64>,
    pub(super) exposures: u64,
    /// Of these the ones that were followed, by shop.
    pub(super) clicks: BTreeMap<&'static str, u64>,
}

/// Fills the town. Ninety days of signals lead up to now; two rounds of past messages lie in them.
pub(super) async fn fill(
    app: &App,
    router: &Router,
    people: Vec<Person>,
    bar: &ProgressBar,
) -> Result<Town> {
    let counts = Counts { people: people.len(), ..Counts::default() };
    let people = Arc::new(people);
    let (apps, shops) = callers(app, router).await?;
    let mut town = Town { people, apps, shops, counts };
    register(&mut town, bar).await?;
    decide(app, &mut town, bar).await?;
    let now = app.now();
    // Days before now: signals up to the first round of messages, the round, and so on.
    let mut rng = StdRng::seed_from_u64(90);
    // Stretching numbers keeps the processor busy and taking signals in the database.
    let (linked, acted) =
        tokio::try_join!(link(&town, now, bar), act(&town, &mut rng, now, (90, 40), bar))?;
    town.counts.linking_consents = linked;
    town.counts.add(&acted);
    show_messages(app, &mut town, &mut rng, now.minus(DAY * 38)).await?;
    let acted = act(&town, &mut rng, now, (38, 12), bar).await?;
    town.counts.add(&acted);
    show_messages(app, &mut town, &mut rng, now.minus(DAY * 10)).await?;
    let acted = act(&town, &mut rng, now, (10, 0), bar).await?;
    town.counts.add(&acted);
    Ok(town)
}

impl Counts {
    /// What became of signals, from the answers to their batches.
    fn add(&mut self, answers: &[Json]) {
        let items = answers.iter().filter_map(|answer| answer["items"].as_array()).flatten();
        for item in items {
            match item["code"].as_str() {
                None => self.signals_accepted += 1,
                Some(code) => *self.signals_refused.entry(code.to_owned()).or_default() += 1,
            }
        }
    }
}

async fn callers(app: &App, router: &Router) -> Result<(Vec<Client>, Vec<(BusinessId, Client)>)> {
    let now = app.now();
    let mut rng = app.rng();
    let mut tx = app.db.begin().await?;
    let (mut apps, mut shops) = (Vec::new(), Vec::new());
    for (slug, title, phone_encoding, _) in APPS {
        let id = AppId::parse(slug)?;
        let record = AppRecord {
            id: id.clone(),
            title: title.to_owned(),
            phone_encoding,
            region: None,
            created_at: now,
        };
        directory::create_app(&mut tx, &record).await?;
        let caller = Caller::App(id);
        let key = keys::issue(&mut tx, &app.keys, &mut rng, &caller, "demo", now).await?;
        apps.push(Client::new(router, Some(&key.text)));
    }
    for shop in SHOPS {
        let business = directory::create_business(&mut tx, &mut rng, shop.name, now).await?;
        let caller = Caller::Business(business.id);
        let key = keys::issue(&mut tx, &app.keys, &mut rng, &caller, "demo", now).await?;
        shops.push((business.id, Client::new(router, Some(&key.text))));
    }
    let officer = keys::issue(&mut tx, &app.keys, &mut rng, &Caller::Officer, "demo", now).await?;
    tx.commit().await?;
    assess(&Client::new(router, Some(&officer.text))).await?;
    Ok((apps, shops))
}

/// Attaches the assessment without which nobody can consent to linking: the program's own template,
/// filled in for a town that is made up.
async fn assess(officer: &Client) -> Result<()> {
    let purpose = PurposeKind::CrossAppLinking;
    let document = assessments::template(purpose)
        .replace(assessments::UNWRITTEN, "the people of this town are made up");
    let sha256: [u8; 32] = Sha256::digest(document).into();
    let body = json!({ "purpose": purpose, "id": "demo/linking/1", "sha256": hex(&sha256) });
    officer.post("/v1/audit/assessments", body).await.map(drop)
}

/// Calls that may be made in any order, many at once.
struct Calls<'b> {
    tasks: JoinSet<Result<Json>>,
    bar: &'b ProgressBar,
}

impl<'b> Calls<'b> {
    fn new(bar: &'b ProgressBar, what: &'static str) -> Self {
        bar.set_message(what);
        Self { tasks: JoinSet::new(), bar }
    }

    async fn send(
        &mut self,
        client: &Client,
        method: Method,
        path: String,
        body: Json,
    ) -> Result<Option<Json>> {
        let client = client.clone();
        self.tasks.spawn(async move { client.call(method, &path, body).await });
        if self.tasks.len() < AT_ONCE {
            return Ok(None);
        }
        self.next().await
    }

    async fn next(&mut self) -> Result<Option<Json>> {
        match self.tasks.join_next().await {
            Some(done) => {
                self.bar.inc(1);
                Ok(Some(done??))
            }
            None => Ok(None),
        }
    }

    async fn finish(mut self) -> Result<Vec<Json>> {
        let mut answers = Vec::new();
        while let Some(answer) = self.next().await? {
            answers.push(answer);
        }
        Ok(answers)
    }
}

async fn register(town: &mut Town, bar: &ProgressBar) -> Result<()> {
    let mut calls = Calls::new(bar, "accounts");
    for person in town.people.iter() {
        for (n, client) in town.apps.iter().enumerate() {
            if person.answers[n].is_none() {
                continue;
            }
            let body = json!({
                "language": person.language,
                "country": person.country,
                "time_zone": person.time_zone,
                "age_band": person.age_band,
            });
            let path = format!("/v1/accounts/{}", person.reference(n));
            calls.send(client, Method::PUT, path, body).await?;
            town.counts.accounts += 1;
        }
    }
    calls.finish().await.map(drop)
}

fn shown(id: &str, language: &str) -> Json {
    let notices = Notices::builtin();
    let notice = notices.latest(id, language).or_else(|| notices.latest(id, "en"));
    match notice {
        Some(notice) => json!({
            "id": notice.id,
            "version": notice.version,
            "language": notice.language,
            "rendered_sha256": hex(&notice.sha256),
        }),
        None => Json::Null,
    }
}

async fn decide(app: &App, town: &mut Town, bar: &ProgressBar) -> Result<()> {
    let decided_at = app.now().minus(DAY * 91);
    let mut calls = Calls::new(bar, "consents");
    for person in town.people.iter() {
        for (n, client) in town.apps.iter().enumerate() {
            let (word, training) = match person.answers[n] {
                Some(Answer::Given { training }) => ("given", training),
                Some(Answer::Refused) => ("refused", false),
                Some(Answer::Unasked) | None => continue,
            };
            let learn = if training { "given" } else { "refused" };
            let body = json!({
                "account": person.reference(n),
                "notice": shown("messages", person.language),
                "decisions": [
                    { "purpose": PurposeKind::Relevance, "decision": word },
                    { "purpose": PurposeKind::BusinessMessages, "decision": word },
                    { "purpose": PurposeKind::ModelTraining, "decision": learn },
                ],
                "decided_at": decided_at,
            });
            calls.send(client, Method::POST, "/v1/consents".to_owned(), body).await?;
            let given = if word == "given" { 2 + usize::from(training) } else { 0 };
            town.counts.consents += given;
            town.counts.refusals += 3 - given;
        }
    }
    calls.finish().await.map(drop)
}

/// Both apps report the consent to linking, each with the number it has verified; answers how many
/// such reports there were.
async fn link(town: &Town, now: Timestamp, bar: &ProgressBar) -> Result<usize> {
    let mut calls = Calls::new(bar, "links");
    let mut reported = 0;
    for person in town.people.iter() {
        for (peer, linked) in [(1, person.links[0]), (2, person.links[1])] {
            if !linked {
                continue;
            }
            for (own, other) in [(0, peer), (peer, 0)] {
                let body = linking(person, own, other, now);
                let path = "/v1/consents".to_owned();
                calls.send(&town.apps[own], Method::POST, path, body).await?;
                reported += 1;
            }
        }
    }
    calls.finish().await?;
    Ok(reported)
}

fn linking(person: &Person, own: usize, other: usize, now: Timestamp) -> Json {
    json!({
        "account": person.reference(own),
        "notice": shown("linking", person.language),
        "decisions": [{
            "purpose": PurposeKind::CrossAppLinking,
            "peer": APPS[other].0,
            "decision": "given",
        }],
        "phone": { "e164": person.phone(), "verified_at": now.minus(DAY) },
    })
}

/// What people do from `days.0` to `days.1` before now. What one person does goes in one call, in
/// order of time: consents are verified and profiles sealed once for all of it, and the same is
/// counted in every run. Answers what the service said of each batch.
async fn act(
    town: &Town,
    rng: &mut StdRng,
    now: Timestamp,
    days: (u32, u32),
    bar: &ProgressBar,
) -> Result<Vec<Json>> {
    let mut calls = Calls::new(bar, "signals");
    let mut answers = Vec::new();
    for (n, client) in town.apps.iter().enumerate() {
        let mut batches = vec![Vec::new()];
        for person in town.people.iter().filter(|person| person.answers[n].is_some()) {
            if batches.last().is_some_and(|batch| batch.len() >= BATCH) {
                batches.push(Vec::new());
            }
            for day in (days.1..days.0).rev() {
                // People look at more pictures than they write messages.
                if rng.random::<f64>() < [0.10, 0.22, 0.18][n]
                    && let Some(batch) = batches.last_mut()
                {
                    batch.push(event(rng, person, n, now.minus(DAY * day)));
                }
            }
        }
        for batch in batches.into_iter().filter(|batch| !batch.is_empty()) {
            let body = json!({ "batch": batch });
            let path = "/v1/batch".to_owned();
            answers.extend(calls.send(client, Method::POST, path, body).await?);
        }
    }
    answers.extend(calls.finish().await?);
    Ok(answers)
}

fn event(rng: &mut StdRng, person: &Person, app: usize, day: Timestamp) -> Json {
    let mut left = rng.random::<f64>() * person.likes.iter().sum::<f64>();
    let topic = person.likes.iter().position(|like| {
        left -= like;
        left <= 0.0
    });
    let topic = topic.unwrap_or(0);
    let like = person.likes[topic];
    let event = match rng.random::<f64>() {
        chance if chance < 0.62 => "viewed",
        chance if chance < 0.62 + 0.2 * like => "liked",
        chance if chance < 0.62 + 0.3 * like => "followed",
        chance if chance > 1.0 - 0.12 * (1.0 - like) => "hid",
        _ => "clicked",
    };
    let at = day.minus(Duration::from_secs(rng.random_range(0..20 * 3600)));
    let id: u128 = rng.random();
    json!({
        "type": "track",
        "userId": person.reference(app),
        "event": event,
        "properties": { "topics": [TOPICS[topic]] },
        "messageId": format!("{id:032x}"),
        "timestamp": at,
    })
}
