//! People of a messenger who consented, a shop, and a model that learned from earlier messages.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value as Json, json};
use volens::accounts::subject_of;
use volens::background;
use volens::clock::Clock as _;
use volens::consent::consents_of;
use volens::ids::ExposureId;
use volens::relevance::{
    self, Exposure, Goal, Occasion, gather, keep, learn, record_exposures, record_met,
};
use volens_models::features::Features;
use volens_privacy::purpose::Relevance;
use volens_privacy::{AppId, BusinessId, Notices, PurposeKind, RecipientId, SubjectId, Timestamp};

use super::{Answer, Client, TestApp};

/// The smallest list that the tests may ask for.
pub(crate) const SMALL: (&str, &str) = ("lists.k_floor", "10");

/// Hardly any noise in answers about reach: the towns are so small that it could hide them.
pub(crate) const CLEAR: (&str, &str) = ("lists.reach_epsilon_thousandths", "10000");

/// The messenger's people and the shop that writes to them.
pub(crate) struct Town {
    pub(crate) test: TestApp,
    pub(crate) messenger: Client,
    pub(crate) shop: Client,
    pub(crate) business: BusinessId,
}

/// The reference of the `n`th person.
pub(crate) fn name(n: usize) -> String {
    format!("u{n}")
}

/// A report of a consent under the newest notice.
pub(crate) fn report(reference: &str, purpose: PurposeKind) -> Json {
    let notice = Notices::builtin().latest_for(purpose, "en").expect("a notice per purpose");
    json!({
        "account": reference,
        "notice": {"id": notice.id, "version": notice.version, "language": notice.language,
                   "rendered_sha256": hex(&notice.sha256)},
        "decisions": [{"purpose": purpose, "decision": "given"}],
    })
}

/// A report of a consent to linking with the app `peer`, which proved a number now.
pub(crate) fn link_report(reference: &str, peer: &str, phone: &str, now: Timestamp) -> Json {
    let mut body = report(reference, PurposeKind::CrossAppLinking);
    body["decisions"][0]["peer"] = json!(peer);
    body["phone"] = json!({"e164": phone, "verified_at": now});
    body
}

/// Somebody looked at running shoes, once for each id.
pub(crate) fn view(reference: &str, id: &str) -> Json {
    json!({"type": "track", "userId": reference, "event": "Viewed", "messageId": id,
           "properties": {"topics": ["sport.running"]}})
}

fn messenger() -> AppId {
    AppId::parse("messenger").expect("a slug")
}

impl Town {
    /// `count` people who consented to messages and to being ranked; every third likes running.
    pub(crate) async fn new(test: TestApp, count: usize) -> Self {
        let town = Self::untaught(test, count).await;
        town.teach(Goal::Click).await;
        town
    }

    /// The same without a model.
    pub(crate) async fn untaught(test: TestApp, count: usize) -> Self {
        let messenger = test.new_app("messenger").await;
        let (business, shop) = test.new_business("Shop").await;
        let town = Self { test, messenger, shop, business };
        for n in 0..count {
            town.settle(&name(n)).await;
            town.consent(&name(n), PurposeKind::BusinessMessages).await;
            town.consent(&name(n), PurposeKind::Relevance).await;
        }
        let runners = (0..count).filter(|n| n % 3 == 0);
        let views: Vec<Json> = runners.map(|n| view(&name(n), &format!("m{n}"))).collect();
        town.messenger.post("/v1/batch", json!({ "batch": views })).await.expect(200);
        town
    }

    pub(crate) async fn settle(&self, reference: &str) {
        let details = json!({"language": "en", "country": "IE", "age_band": "25_34"});
        let answer = self.messenger.put(&format!("/v1/accounts/{reference}"), details).await;
        assert!(answer.status.is_success(), "{}", answer.text());
    }

    /// Reports a consent under the newest notice.
    pub(crate) async fn consent(&self, reference: &str, purpose: PurposeKind) -> Json {
        let body = report(reference, purpose);
        self.messenger.post("/v1/consents", body).await.expect(201)
    }

    /// Reports a consent with the time at which it was given, or without; whatever comes of it.
    pub(crate) async fn report(
        &self,
        reference: &str,
        purpose: PurposeKind,
        at: Option<Timestamp>,
    ) -> Answer {
        let mut body = report(reference, purpose);
        body["decided_at"] = json!(at);
        self.messenger.post("/v1/consents", body).await
    }

    /// Takes a consent back; what the service answered.
    pub(crate) async fn withdraw(&self, reference: &str, purpose: PurposeKind) -> Json {
        let body = json!({"account": reference, "purpose": purpose});
        self.messenger.post("/v1/consents/withdraw", body).await.expect(200)
    }

    /// A campaign for running shoes.
    pub(crate) async fn campaign(&self) -> Json {
        self.campaign_in("messenger").await
    }

    /// The same, delivered in another app.
    pub(crate) async fn campaign_in(&self, app: &str) -> Json {
        let body = json!({
            "name": "Autumn", "delivery_app": app, "goal": "click",
            "message": {"title": "New shoes", "text": "Light ones.", "language": "en",
                        "topics": ["sport.running"]},
        });
        self.shop.post("/v1/campaigns", body).await.expect(201)
    }

    /// Asks for a list, lets the worker build it, and answers what became of it.
    pub(crate) async fn list(&self, body: Json) -> Json {
        let asked = self.shop.post("/v1/lists", body).await.expect(202);
        assert_eq!(asked["state"], "queued");
        background::worker(&self.test.app).run_due().await.expect("jobs run");
        let id = asked["id"].as_str().expect("an id");
        self.shop.get(&format!("/v1/lists/{id}")).await.expect(200)
    }

    /// All recipients that are served now.
    pub(crate) async fn recipients(&self, list: &str) -> Vec<Json> {
        let page = self.shop.get(&format!("/v1/lists/{list}/recipients?limit=500")).await;
        page.expect(200)["data"].as_array().expect("rows").clone()
    }

    /// Which of the people a recipient is; only who holds the keys can tell.
    pub(crate) async fn who(&self, recipient: &Json, count: usize) -> String {
        let recipient: RecipientId =
            recipient.as_str().expect("an id").parse().expect("a recipient");
        for n in 0..count {
            let subject = self.subject(&name(n)).await;
            if self.test.app.keys.recipient(self.business, subject) == recipient {
                return name(n);
            }
        }
        panic!("nobody is that recipient");
    }

    /// The account behind a reference; only who holds the keys can tell.
    pub(crate) async fn subject(&self, reference: &str) -> SubjectId {
        let app = &self.test.app;
        let mut tx = app.db.read().await.expect("begins");
        let found = subject_of(&mut tx, &app.keys, &messenger(), reference).await;
        found.expect("reads").expect("an account")
    }

    /// Earlier messages of the shop, as an imported table tells them, to people who consented to teach: an
    /// interest in the topic counts. Then trains.
    pub(crate) async fn teach(&self, goal: Goal) {
        self.teach_seen(goal, |_, _| {}).await;
    }

    /// The same of people of whom more was seen than their own interest: `more` adds it, by their number.
    pub(crate) async fn teach_seen(&self, goal: Goal, more: impl Fn(usize, &mut Features)) {
        let app = &self.test.app;
        let (mut rng, at) = (app.rng(), app.now());
        for n in 0..80_usize {
            let reference = format!("taught{n}");
            self.settle(&reference).await;
            self.consent(&reference, PurposeKind::Relevance).await;
            self.consent(&reference, PurposeKind::ModelTraining).await;
            let subject = self.subject(&reference).await;
            let mut tx = app.db.begin().await.expect("begins");
            let consents = consents_of(&mut tx, &app.keys, &[subject]).await.expect("verified");
            let permit = consents[&subject].permit::<Relevance>((), at).expect("consented");
            let (likes, treated) = (n % 2 == 0, n % 4 != 0);
            let mut features = Features::default();
            features.number("topic.long", if likes { 0.9 } else { 0.0 });
            more(n, &mut features);
            let occasion = Occasion {
                app: messenger(),
                business: self.business,
                campaign: None,
                list: None,
                arm: "earlier".to_owned(),
                treated,
                at,
                closes_at: at.plus(Duration::from_mins(1)),
                propensity: 0.75,
            };
            let shown = [Exposure::of(&permit, ExposureId::random(&mut rng), occasion, features)];
            record_exposures(&mut tx, &app.keys, &shown, &mut rng).await.expect("kept");
            let reached = likes && treated && n % 7 != 0;
            let met = shown.iter().filter(|_| reached).map(|of| (of, goal.outcome(), at, None));
            record_met(&mut tx, met).await.expect("noted");
            tx.commit().await.expect("commits");
        }
        self.test.clock.advance(Duration::from_hours(1));
        self.learn(goal).await;
    }

    /// Trains the shop's model on what is on record; what was left out, by reason.
    pub(crate) async fn learn(&self, goal: Goal) -> BTreeMap<&'static str, u64> {
        let (app, now) = (&self.test.app, self.test.clock.now());
        let order = relevance::Order { business: Some(self.business), goal };
        let mut tx = app.db.begin().await.expect("begins");
        let set = gather(&mut tx, &app.keys, order, now, &|_, _| {}).await.expect("gathers");
        let excluded = set.excluded().clone();
        let learned = learn(set, now).expect("learns");
        let mut rng = app.rng();
        keep(&mut tx, &app.keys.log_signer(), learned, now, &mut rng).await.expect("kept");
        tx.commit().await.expect("commits");
        excluded
    }
}

fn hex(bytes: &[u8]) -> String {
    volens::ids::hex(bytes)
}
