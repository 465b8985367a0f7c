//! A small town: people who consented to some things, a model that learned from them, a business.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use serde_json::json;
use volens_models::features::Features;
use volens_privacy::consent::Decision;
use volens_privacy::noise::Epsilon;
use volens_privacy::purpose::Relevance;
use volens_privacy::{BusinessId, PhoneEncoding, PurposeKind, SubjectId, Timestamp};

use crate::access::directory;
use crate::audience::build::{Workshop, build};
use crate::audience::campaigns::{self, Campaign, CampaignIn, MessageIn};
use crate::audience::reach;
use crate::audience::replay::{Replay, replay};
use crate::audience::request::{self, List, Order, RequestIn, Rules};
use crate::audience::shelf::{Page, Shelf};
use crate::audience::{FilterIn, Result};
use crate::clock::Clock as _;
use crate::db::{Db, Statement, Value};
use crate::ids::ExposureId;
use crate::metrics::Metrics;
use crate::relevance::{
    self, Columns, Exposure, Goal, Occasion, OutcomeKind, gather, keep, learn, record_exposures,
    record_met,
};
use crate::signals::tests::send;
use crate::testing::{World, app};

/// The business of most tests.
pub(crate) const SHOP: BusinessId = BusinessId::from_bytes([9; 16]);
/// Another one.
pub(super) const RIVAL: BusinessId = BusinessId::from_bytes([8; 16]);
/// No list is smaller, in the tests.
pub(super) const K: u32 = 10;

/// A world with people in it.
pub(crate) struct Town {
    pub(crate) world: World,
    pub(super) columns: Columns,
    metrics: Metrics,
    pub(super) people: Vec<SubjectId>,
    pub(super) campaign: Campaign,
    seed: AtomicU64,
}

/// The reference of the `n`th person.
pub(crate) fn name(n: usize) -> String {
    format!("u{n}")
}

/// A phone number of the `n`th person's.
pub(super) fn phone(n: usize) -> String {
    format!("+4915112{n:06}")
}

/// A campaign of the shop that wrote to a half, drawn at random.
fn half(treated: bool, at: Timestamp) -> Occasion {
    Occasion {
        app: app("social"),
        business: SHOP,
        campaign: None,
        list: None,
        arm: "half".to_owned(),
        treated,
        at,
        closes_at: at.plus(Duration::from_mins(1)),
        propensity: 0.5,
    }
}

impl Town {
    /// `count` people in the messenger. Everybody consents to messages and relevance but every
    /// tenth, who leaves out one of the two; every third likes running; the first `linked` have an
    /// account of the photo app that is linked and likes running too.
    pub(crate) async fn new(db: Db, count: usize, linked: usize) -> Self {
        let world = World::new(db).await;
        let mut people = Vec::new();
        for n in 0..count {
            people.push(world.account("messenger", &name(n)).await);
            if n % 20 != 10 {
                world.give("messenger", &name(n), PurposeKind::BusinessMessages).await;
            }
            if n % 20 != 0 {
                world.give("messenger", &name(n), PurposeKind::Relevance).await;
            }
        }
        for n in 0..linked {
            world.account("photos", &name(n)).await;
            world.give("photos", &name(n), PurposeKind::Relevance).await;
            world.give_link("messenger", &name(n), "photos", &phone(n)).await;
            world.give_link("photos", &name(n), "messenger", &phone(n)).await;
        }
        views(&world, "messenger", (0..count).filter(|n| n % 3 == 0)).await;
        views(&world, "photos", 0..linked).await;
        train(&world).await;
        know_app(&world).await;
        let campaign = campaign(&world, SHOP).await;
        let (columns, metrics) = (Columns::default(), Metrics::default());
        Self { world, columns, metrics, people, campaign, seed: AtomicU64::new(100) }
    }

    /// A request of the shop for its campaign.
    pub(crate) fn request(&self, size: u32) -> RequestIn {
        RequestIn {
            campaign: self.campaign.id,
            size,
            filter: FilterIn::default(),
            holdout: 0.1,
            dry_run: false,
        }
    }

    pub(super) fn rules() -> Rules {
        let epsilon = Epsilon::from_thousandths(1000).expect("not zero");
        let reach = reach::Rules { epsilon, questions: 3 };
        Rules { k: u64::from(K), size_max: 1000, lasts: Duration::from_hours(7 * 24), reach }
    }

    pub(super) fn workshop(&self) -> Workshop<'_> {
        Workshop {
            db: &self.world.db,
            keys: &self.world.keys,
            columns: &self.columns,
            clock: &*self.world.clock,
            rules: Self::rules(),
            metrics: &self.metrics,
        }
    }

    /// Checks, keeps and builds.
    pub(crate) async fn list(&self, wanted: RequestIn) -> Result<List> {
        let order = self.order(wanted).await?;
        build(&self.workshop(), order, &mut self.rng(), &|_, _| {}).await
    }

    /// Checks and keeps.
    pub(super) async fn order(&self, wanted: RequestIn) -> Result<Order> {
        let now = self.world.clock.now();
        let mut rng = self.rng();
        let mut tx = self.world.db.begin().await?;
        let checked = request::check(&mut tx, SHOP, wanted, &Self::rules(), now).await?;
        let list = request::order(&mut tx, &checked, &Self::rules(), &mut rng, now).await?;
        tx.commit().await?;
        Ok(Order { business: SHOP, list: list.id })
    }

    /// Another generator each time.
    pub(super) fn rng(&self) -> StdRng {
        self.world.rng(self.seed.fetch_add(1, Ordering::Relaxed))
    }

    /// Checks, keeps and builds; `meanwhile` happens once, when all rows are written and the list is not
    /// yet sealed. Needs a runtime of several threads.
    pub(super) async fn list_while(
        &self,
        wanted: RequestIn,
        meanwhile: impl AsyncFn(Order) + Sync,
    ) -> Result<List> {
        let order = self.order(wanted).await?;
        self.build_while(order, meanwhile).await
    }

    /// Builds what was asked for, and the same.
    pub(super) async fn build_while(
        &self,
        order: Order,
        meanwhile: impl AsyncFn(Order) + Sync,
    ) -> Result<List> {
        let happened = AtomicBool::new(false);
        let progress = |done: u64, of: u64| {
            // The listed are scored before they are written, those kept aside afterwards.
            if done == of && !happened.swap(true, Ordering::Relaxed) {
                let runtime = tokio::runtime::Handle::current();
                tokio::task::block_in_place(|| runtime.block_on(meanwhile(order)));
            }
        };
        build(&self.workshop(), order, &mut self.rng(), &progress).await
    }

    /// All rows that are served now.
    pub(crate) async fn rows(&self, list: &List) -> Result<Page> {
        let now = self.world.clock.now();
        let mut tx = self.world.db.read().await?;
        let shelf = Shelf::open(&mut tx, SHOP, list.id, now).await?;
        shelf.page(&mut tx, &self.world.keys, 0, 1000, now).await
    }

    /// The account of the `n`th person.
    pub(crate) fn person(&self, n: usize) -> SubjectId {
        self.people[n]
    }

    /// Earlier campaigns that wrote to a half drawn at random of those taught: who likes the topic clicks
    /// more often for it, who does not less often, and complains now and then. Trains on them.
    pub(super) async fn try_on_half(&self, exposures: usize) {
        let (world, at) = (&self.world, self.world.clock.now());
        let mut rng = self.rng();
        for n in 0..120_usize {
            let reference = format!("taught{n}");
            let subject = world.account("social", &reference).await;
            let consents = world.consents_of(subject).await.expect("verified");
            let permit = consents.permit::<Relevance>((), at).expect("consented");
            let mut seen = Vec::new();
            for i in 0..exposures {
                let (likes, treated) = (n % 2 == 0, i % 2 == 0);
                let mut features = Features::default();
                features.number("topic.long", if likes { 0.9 } else { 0.0 });
                let occasion = half(treated, at);
                let id = ExposureId::random(&mut rng);
                let of_ten = (n / 2 * (exposures / 2) + i / 2) % 10;
                let clicks = match (likes, treated) {
                    (true, true) => of_ten < 7,
                    (true, false) | (false, true) => of_ten < 2,
                    (false, false) => of_ten < 4,
                };
                let complains = treated && !likes && of_ten == 9;
                seen.push((Exposure::of(&permit, id, occasion, features), clicks, complains));
            }
            let mut tx = world.db.begin().await.expect("begins");
            let met: Vec<(usize, OutcomeKind)> = (0..seen.len())
                .flat_map(|at| {
                    let clicked = seen[at].1.then_some((at, OutcomeKind::Click));
                    clicked.into_iter().chain(seen[at].2.then_some((at, OutcomeKind::Complaint)))
                })
                .collect();
            let shown: Vec<Exposure> = seen.into_iter().map(|(exposure, ..)| exposure).collect();
            record_exposures(&mut tx, &world.keys, &shown, &mut rng).await.expect("kept");
            let met = met.iter().map(|(of, kind)| (&shown[*of], *kind, at, None));
            record_met(&mut tx, met).await.expect("noted");
            tx.commit().await.expect("commits");
        }
        world.clock.advance(Duration::from_hours(1));
        learn_again(world, &mut rng).await;
    }

    /// An earlier campaign that wrote to a half of `people` new ones, drawn at random. Of ten who like the topic
    /// seven click for the message and two without it; of ten others four, either way. Trains on them.
    pub(super) async fn draw(&self, people: usize) {
        let (world, at) = (&self.world, self.world.clock.now());
        let mut rng = self.rng();
        let mut seen = Vec::new();
        for n in 0..people {
            let reference = format!("drawn{n}");
            let subject = world.account("social", &reference).await;
            for purpose in [PurposeKind::Relevance, PurposeKind::ModelTraining] {
                let request = world.choice(&reference, purpose, None, Decision::Given, None);
                world.decide("social", request).await.expect("taken");
            }
            let consents = world.consents_of(subject).await.expect("verified");
            let permit = consents.permit::<Relevance>((), at).expect("consented");
            let (likes, treated) = (n % 2 == 0, n % 4 < 2);
            let mut features = Features::default();
            features.number("topic.long", if likes { 0.9 } else { 0.0 });
            let occasion = half(treated, at);
            let clicks = match (likes, treated) {
                (true, true) => n / 4 % 10 < 7,
                (true, false) => n / 4 % 10 < 2,
                (false, _) => n / 4 % 10 < 4,
            };
            let id = ExposureId::random(&mut rng);
            seen.push((Exposure::of(&permit, id, occasion, features), clicks));
        }
        let mut tx = world.db.begin().await.expect("begins");
        let met: Vec<usize> = (0..people).filter(|n| seen[*n].1).collect();
        let shown: Vec<Exposure> = seen.into_iter().map(|(exposure, _)| exposure).collect();
        record_exposures(&mut tx, &world.keys, &shown, &mut rng).await.expect("kept");
        let met = met.iter().map(|n| (&shown[*n], OutcomeKind::Click, at, None));
        record_met(&mut tx, met).await.expect("noted");
        tx.commit().await.expect("commits");
        world.clock.advance(Duration::from_hours(1));
        self.learn_again().await;
    }

    /// Trains on what is on record now.
    pub(super) async fn learn_again(&self) {
        learn_again(&self.world, &mut self.rng()).await;
    }

    /// What a replay of the list finds.
    pub(crate) async fn replayed(&self, list: &List) -> Replay {
        let now = self.world.clock.now();
        let mut tx = self.world.db.read().await.expect("begins");
        replay(&mut tx, &self.world.keys, SHOP, list.id, now, &|_, _| {}).await.expect("replays")
    }

    /// Runs one statement behind the service's back.
    pub(crate) async fn tamper(&self, statement: Statement, values: Vec<Value>) -> u64 {
        let mut tx = self.world.db.begin().await.expect("begins");
        let changed = tx.execute(statement, values).await.expect("the database obeys");
        tx.commit().await.expect("commits");
        changed
    }
}

/// A statement of a test, the same on both engines.
pub(super) const fn same(name: &'static str, text: &'static str) -> Statement {
    Statement::new("audience::tests", name, text, text)
}

async fn views(world: &World, of: &str, who: impl Iterator<Item = usize>) {
    let items: Vec<_> = who
        .map(|n| {
            let mut id = String::new();
            write!(id, "{of}-{n}").expect("writing to a string does not fail");
            json!({"type": "track", "userId": name(n), "event": "Viewed", "messageId": id,
                   "properties": {"topics": ["sport.running"]}})
        })
        .collect();
    let sent = send(world, of, &json!({ "batch": items })).await;
    let code = |code: &str| ["accepted", "consent.absent"].contains(&code);
    assert!(sent.into_iter().all(code));
}

/// Enters the messenger in the directory.
pub(super) async fn know_app(world: &World) {
    let record = directory::AppRecord {
        id: app("messenger"),
        title: "Messenger".to_owned(),
        phone_encoding: PhoneEncoding::E164,
        region: Some("DE".to_owned()),
        created_at: world.clock.now(),
    };
    let mut tx = world.db.begin().await.expect("begins");
    directory::create_app(&mut tx, &record).await.expect("an app is made");
    tx.commit().await.expect("commits");
}

/// A campaign for running shoes.
pub(super) async fn campaign(world: &World, business: BusinessId) -> Campaign {
    let mut tx = world.db.begin().await.expect("begins");
    let now = world.clock.now();
    let made = campaigns::make(&mut tx, business, running_shoes(), &mut world.rng(7), now).await;
    tx.commit().await.expect("commits");
    made.expect("an acceptable campaign")
}

pub(super) fn running_shoes() -> CampaignIn {
    CampaignIn {
        name: "Autumn".to_owned(),
        delivery_app: app("messenger"),
        message: MessageIn {
            title: "New shoes".to_owned(),
            text: "Light ones.".to_owned(),
            language: "en".to_owned(),
            topics: Some(vec!["sport.running".to_owned()]),
        },
        variants: Vec::new(),
        goal: Goal::Click,
        window: None,
    }
}

/// Trains a model for the shop on people of an app of its own, who saw earlier messages. It learns
/// that an interest in the topic counts, whether it is the person's own or lent, and that the message
/// itself helps.
async fn train(world: &World) {
    let at = world.clock.now();
    let mut rng = world.rng(11);
    for n in 0..120_usize {
        let reference = format!("taught{n}");
        let subject = world.account("social", &reference).await;
        for purpose in [PurposeKind::Relevance, PurposeKind::ModelTraining] {
            let request = world.choice(&reference, purpose, None, Decision::Given, None);
            world.decide("social", request).await.expect("taken");
        }
        let (own, lent, treated) = (n % 2 == 0, n % 3 == 0, n % 4 != 0);
        let mut features = Features::default();
        features.number("topic.long", if own { 0.9 } else { 0.0 });
        if n % 3 != 1 {
            features.number("lent.topic.long", if lent { 0.9 } else { 0.0 });
        }
        let consents = world.consents_of(subject).await.expect("verified");
        let permit = consents.permit::<Relevance>((), at).expect("consented");
        let occasion = Occasion {
            app: app("social"),
            business: SHOP,
            campaign: None,
            list: None,
            arm: "earlier".to_owned(),
            treated,
            at,
            closes_at: at.plus(Duration::from_mins(1)),
            propensity: 0.75,
        };
        let exposure = Exposure::of(&permit, ExposureId::random(&mut rng), occasion, features);
        let mut tx = world.db.begin().await.expect("begins");
        let shown = [exposure];
        record_exposures(&mut tx, &world.keys, &shown, &mut rng).await.expect("kept");
        let points = u8::from(own) + 2 * u8::from(lent) + u8::from(treated);
        let clicks = points >= 2 && n % 7 != 0;
        let met = shown.iter().filter(|_| clicks).map(|of| (of, OutcomeKind::Click, at, None));
        record_met(&mut tx, met).await.expect("noted");
        tx.commit().await.expect("commits");
    }
    world.clock.advance(Duration::from_hours(1));
    learn_again(world, &mut rng).await;
}

/// Trains on all that the shop's messages brought about so far.
async fn learn_again(world: &World, rng: &mut StdRng) {
    let now = world.clock.now();
    let order = relevance::Order { business: Some(SHOP), goal: Goal::Click };
    let mut tx = world.db.begin().await.expect("begins");
    let set = gather(&mut tx, &world.keys, order, now, &|_, _| {}).await.expect("gathers");
    let learned = learn(set, now).expect("learns");
    keep(&mut tx, &world.keys.log_signer(), learned, now, rng).await.expect("kept");
    tx.commit().await.expect("commits");
}
