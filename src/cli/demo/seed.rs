//! Filling the town, through the public API wherever it has a call for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use axum::Router;
use axum::http::Method;
use indicatif::ProgressBar;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use tokio::task::JoinSet;
use volens_models::features::Message;
use volens_privacy::identity::{AppId, BusinessId, SubjectId};
use volens_privacy::notice::Notices;
use volens_privacy::purpose::Relevance;
use volens_privacy::{PurposeKind, Timestamp};

use super::api::{Client, text};
use super::world::{APPS, Answer, Person, SHOPS, Shop, TOPICS};
use crate::access::directory::{self, AppRecord};
use crate::access::{Caller, keys};
use crate::app::App;
use crate::ids::{ExposureId, hex};
use crate::relevance::features::{Lender, of_pair};
use crate::relevance::{Exposure, Occasion, OutcomeKind, record_exposures, record_met};
use crate::{accounts, assessments, consent, identity, signals};

const DAY: Duration = Duration::from_hours(24);
/// Requests under way at once.
const AT_ONCE: usize = 64;
/// Signals in one call.
const BATCH: usize = 200;
/// People who saw each past message.
const SEEN_BY: usize = 260;

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
    act(&mut town, &mut rng, now, (90, 40), bar).await?;
    show_messages(app, &mut town, &mut rng, now.minus(DAY * 38)).await?;
    act(&mut town, &mut rng, now, (38, 12), bar).await?;
    show_messages(app, &mut town, &mut rng, now.minus(DAY * 10)).await?;
    act(&mut town, &mut rng, now, (10, 0), bar).await?;
    Ok(town)
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
    calls.finish().await?;
    let mut calls = Calls::new(bar, "links");
    for person in town.people.iter() {
        for (peer, linked) in [(1, person.links[0]), (2, person.links[1])] {
            if !linked {
                continue;
            }
            for (own, other) in [(0, peer), (peer, 0)] {
                let body = linking(person, own, other, app.now());
                let path = "/v1/consents".to_owned();
                calls.send(&town.apps[own], Method::POST, path, body).await?;
                town.counts.linking_consents += 1;
            }
        }
    }
    calls.finish().await.map(drop)
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

/// What people do, day by day from `days.0` to `days.1` before now, in order of time.
async fn act(
    town: &mut Town,
    rng: &mut StdRng,
    now: Timestamp,
    days: (u32, u32),
    bar: &ProgressBar,
) -> Result<()> {
    let mut calls = Calls::new(bar, "signals");
    let mut answers = Vec::new();
    for (n, client) in town.apps.iter().enumerate() {
        let mut events = Vec::new();
        for day in (days.1..days.0).rev() {
            for person in town.people.iter().filter(|person| person.answers[n].is_some()) {
                // People look at more pictures than they write messages.
                if rng.random::<f64>() < [0.10, 0.22, 0.18][n] {
                    events.push(event(rng, person, n, now.minus(DAY * day)));
                }
            }
        }
        for batch in events.chunks(BATCH) {
            let body = json!({ "batch": batch });
            let path = "/v1/batch".to_owned();
            answers.extend(calls.send(client, Method::POST, path, body).await?);
        }
    }
    answers.extend(calls.finish().await?);
    for answer in answers {
        for item in answer["items"].as_array().into_iter().flatten() {
            match item["code"].as_str() {
                None => town.counts.signals_accepted += 1,
                Some(code) => {
                    *town.counts.signals_refused.entry(code.to_owned()).or_default() += 1;
                }
            }
        }
    }
    Ok(())
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

/// The log of messages that were sent before the town knew Volens: every shop's, to people picked
/// at random among those who consent to being ranked. Features are those of the moment.
async fn show_messages(app: &App, town: &mut Town, rng: &mut StdRng, at: Timestamp) -> Result<()> {
    let messenger = AppId::parse(APPS[0].0)?;
    let tags: Vec<_> =
        town.people.iter().map(|p| app.keys.account_tag(&messenger, &p.reference(0))).collect();
    let mut tx = app.db.read().await?;
    let found = accounts::subjects_of(&mut tx, &messenger, tags.iter().copied()).await?;
    drop(tx);
    for (shop, (business, _)) in SHOPS.iter().zip(&town.shops) {
        let mut chosen = BTreeMap::new();
        for _ in 0..SEEN_BY {
            let person = rng.random_range(0..town.people.len());
            if let Some(subject) = found.get(&tags[person]) {
                chosen.insert(*subject, person);
            }
        }
        let past = Past { app, people: &town.people, shop, business: *business, at };
        town.counts.exposures += past.record(rng, &messenger, &chosen).await?;
    }
    Ok(())
}

/// One past message of one shop.
struct Past<'a> {
    app: &'a App,
    people: &'a [Person],
    shop: &'a Shop,
    business: BusinessId,
    at: Timestamp,
}

impl Past<'_> {
    async fn record(
        &self,
        rng: &mut StdRng,
        messenger: &AppId,
        chosen: &BTreeMap<SubjectId, usize>,
    ) -> Result<u64> {
        let Self { app, shop, at, .. } = *self;
        let subjects: Vec<SubjectId> = chosen.keys().copied().collect();
        let mut tx = app.db.begin().await?;
        let now = app.now();
        let links = identity::permitted_links(&mut tx, &app.keys, &subjects, now).await?;
        let lenders = links.values().flatten().map(|link| link.peer);
        let everyone: Vec<SubjectId> = subjects.iter().copied().chain(lenders).collect();
        let consents = consent::consents_of(&mut tx, &app.keys, &everyone).await?;
        let profiles = signals::profiles(&mut tx, &app.keys, &everyone).await?;
        let message = Message {
            topics: shop.topics.iter().map(|topic| (*topic).to_owned()).collect(),
            business: self.business.to_string(),
            language: Some(shop.language.to_owned()),
        };
        let mut exposures = Vec::new();
        let mut followed = Vec::new();
        for (subject, person) in chosen {
            let person = &self.people[*person];
            let permit = consents.get(subject).map(|c| c.permit::<Relevance>((), now));
            let Some(Ok(permit)) = permit else { continue };
            let links = links.get(subject).map_or(&[][..], Vec::as_slice);
            let permits: Vec<_> = links
                .iter()
                .filter_map(|link| {
                    let permit = consents.get(&link.peer)?.permit::<Relevance>((), now).ok()?;
                    Some((link, permit, profiles.get(&link.peer)?))
                })
                .collect();
            let lenders: Vec<Lender<'_>> = permits
                .iter()
                .map(|(link, permit, profile)| Lender { link, permit, profile })
                .collect();
            let language = Some(person.language);
            let profile = profiles.get(subject);
            let features = of_pair(&permit, profile, language, &lenders, &message, at);
            let features = features.value().clone();
            let occasion = Occasion {
                app: messenger.clone(),
                business: self.business,
                campaign: None,
                list: None,
                arm: shop.title.to_owned(),
                treated: true,
                at,
                closes_at: at.plus(DAY * 7),
                propensity: 1.0,
            };
            let id = ExposureId::random(rng);
            exposures.push(Exposure::of(&permit, id, occasion, features));
            let chance = person.response(shop.topics, shop.language);
            followed.push(rng.random::<f64>() < chance);
        }
        record_exposures(&mut tx, &app.keys, &exposures, rng).await?;
        let met = exposures.iter().zip(&followed).filter(|(_, followed)| **followed);
        let clicked = at.plus(Duration::from_hours(2));
        let met = met.map(|(exposure, _)| (exposure, OutcomeKind::Click, clicked, None));
        record_met(&mut tx, met).await?;
        tx.commit().await?;
        Ok(exposures.len() as u64)
    }
}

/// A bot of the town: whose, its languages, its persona, its document.
struct BotOf {
    shop: usize,
    name: &'static str,
    languages: &'static [&'static str],
    greeting: &'static str,
    kind: &'static str,
    title: &'static str,
    content: &'static str,
}

const BOTS: [BotOf; 3] = [
    BotOf {
        shop: 0,
        name: "Bergrad workshop",
        languages: &["en"],
        greeting: "Hello, this is the Bergrad workshop.",
        kind: "markdown",
        title: "Workshop handbook",
        content: include_str!("corpus/bergrad.md"),
    },
    BotOf {
        shop: 5,
        name: "Bahnfrei Auskunft",
        languages: &["de"],
        greeting: "Guten Tag, hier ist die Auskunft von Bahnfrei.",
        kind: "faq_csv",
        title: "Häufige Fragen",
        content: include_str!("corpus/bahnfrei.csv"),
    },
    BotOf {
        shop: 6,
        name: "Livraria do Porto",
        languages: &["pt"],
        greeting: "Olá, fala a Livraria do Porto.",
        kind: "markdown",
        title: "Guia da livraria",
        content: include_str!("corpus/livraria.md"),
    },
];

/// Builds and publishes the town's bots; answers their ids.
pub(super) async fn bots(town: &Town) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    for bot in &BOTS {
        let client = &town.shops[bot.shop].1;
        let made = client
            .post(
                "/v1/bots",
                json!({
                    "name": bot.name,
                    "languages": bot.languages,
                    "persona": { "greeting": bot.greeting },
                }),
            )
            .await?;
        let id = text(&made, "/id")?.to_owned();
        let document = json!({ "title": bot.title, "kind": bot.kind, "content": bot.content });
        client.post(&format!("/v1/bots/{id}/documents"), document).await?;
        client.post(&format!("/v1/bots/{id}/publish"), Json::Null).await?;
        ids.push(id);
    }
    ensure!(ids.len() == BOTS.len(), "every bot has an id");
    Ok(ids)
}
