//! The little world that is attacked: three apps, the same people in all of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use volens::accounts::{self, Details, Registration};
use volens::assessments;
use volens::clock::{Clock as _, ManualClock};
use volens::consent::{
    self, AppPhones, Command, DecisionRequest, DecisionsRequest, Intake, NoticeRequest,
    PhoneRequest, Recording, WithdrawRequest,
};
use volens::db::{Db, group::Grouped as _};
use volens::relevance;
use volens::signals::{self, Batch, Outcome, segment};
use volens_privacy::phone::PhoneEncoding;
use volens_privacy::{AgeBand, AppId, KeyRing, Notices, StretchCost, SubjectId, Timestamp, Topics};

/// People who have not consented to linking the first two apps.
pub(super) const STRANGERS: usize = 1_000;
/// People who have. Nobody was asked about the third app.
pub(super) const LINKED: usize = 1_000;
/// Hours of use that the world lives through.
const HOURS: u64 = 48;
/// What people look at.
const TOPICS: &[&str] = &["sport", "sport.running", "sport.cycling", "fashion", "fashion.shoes"];
/// Cheap on purpose: what is attacked here is what is stored, not how slowly it was made.
pub(super) const COST: StretchCost = StretchCost { memory_kib: 64, passes: 1 };

/// How far a person went towards linking; nobody but the last lives linked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Linking {
    NeverAsked,
    Refused,
    OneSided,
    Withdrawn,
    Consented,
}

pub(super) struct Person {
    pub(super) phone: String,
    pub(super) linking: Linking,
    pub(super) details: Details,
    /// The hour of the day in which this person uses the apps, how eagerly, and what for: the same in
    /// all of them.
    pub(super) hour: u64,
    eagerness: u64,
    pub(super) topics: Vec<&'static str>,
}

/// The apps; the second is the peer of the first.
pub(super) fn apps() -> [AppId; 3] {
    ["messenger", "photo", "market"].map(|name| AppId::parse(name).expect("a slug"))
}

pub(super) fn people(rng: &mut StdRng) -> Vec<Person> {
    let kinds = [Linking::NeverAsked, Linking::Refused, Linking::OneSided, Linking::Withdrawn];
    (0..STRANGERS + LINKED)
        .map(|nth| Person {
            phone: format!("+49151{:08}", 10_000_000 + nth * 37),
            linking: if nth < STRANGERS { kinds[nth % kinds.len()] } else { Linking::Consented },
            details: Details {
                language: ["de", "en", "fr"][rng.random_range(0..3)].to_owned(),
                country: "DE".to_owned(),
                time_zone: "Europe/Berlin".to_owned(),
                age_band: AgeBand::From25To34,
            },
            hour: rng.random_range(0..24),
            eagerness: rng.random_range(0..4),
            topics: TOPICS.iter().copied().filter(|_| rng.random_bool(0.5)).collect(),
        })
        .collect()
}

/// A service without its HTTP shell: keys, clock, randomness, the notices and the recorder.
pub(super) struct House {
    pub(super) db: Db,
    pub(super) keys: Arc<KeyRing>,
    pub(super) clock: Arc<ManualClock>,
    rng: StdRng,
    recording: Recording,
    phones: AppPhones,
}

impl House {
    async fn open(address: &str) -> Self {
        let mut rng = StdRng::seed_from_u64(17);
        let now = Timestamp::parse("2026-03-02T09:00:00Z").expect("a time");
        let keys = Arc::new(KeyRing::generate(&mut rng, now));
        let clock = Arc::new(ManualClock::at(now));
        let recorder_rng = StdRng::seed_from_u64(rng.random());
        let recording =
            Recording::new(Arc::clone(&keys), Arc::<ManualClock>::clone(&clock), recorder_rng);
        let region = (PhoneEncoding::E164, Some("DE".to_owned()));
        let phones = AppPhones(apps().into_iter().map(|app| (app, region.clone())).collect());
        let db = Db::open(address).await.expect("the database opens");
        let mut tx = db.begin().await.expect("a transaction");
        consent::publish_notices(&mut tx, &keys.log_signer(), Notices::builtin(), now)
            .await
            .expect("the notices are published");
        let linking = volens_privacy::PurposeKind::CrossAppLinking;
        assessments::attach(&mut tx, &keys, linking, ("town/1", [1; 32]), now)
            .await
            .expect("linking is assessed before it goes live");
        tx.commit().await.expect("the commit");
        Self { db, keys, clock, rng, recording, phones }
    }

    /// Registers everybody in `app`, in an order of its own. The reference says nothing.
    async fn register(&mut self, app: &AppId, people: &[Person]) -> Vec<(SubjectId, String)> {
        let mut order: Vec<usize> = (0..people.len()).collect();
        order.shuffle(&mut self.rng);
        let mut accounts: BTreeMap<usize, (SubjectId, String)> = BTreeMap::new();
        for some in order.chunks(256) {
            let references: Vec<String> =
                some.iter().map(|_| format!("u-{:016x}", self.rng.random::<u64>())).collect();
            let items: Vec<Registration> = some
                .iter()
                .zip(&references)
                .map(|(nth, reference)| {
                    let details = people[*nth].details.clone();
                    Registration::new(&self.keys, &mut self.rng, app, reference, details)
                })
                .collect();
            let mut tx = self.db.begin().await.expect("a transaction");
            let replies = accounts::register(&mut tx, &items, self.clock.now()).await;
            tx.commit().await.expect("the commit");
            let replies = replies.expect("accounts are registered");
            for ((nth, reference), reply) in some.iter().zip(references).zip(replies) {
                accounts.insert(*nth, (reply.subject(), reference));
            }
        }
        accounts.into_values().collect()
    }

    async fn record(&mut self, mut commands: Vec<Command>) {
        commands.shuffle(&mut self.rng);
        while !commands.is_empty() {
            let some = commands.split_off(commands.len().saturating_sub(256));
            self.clock.advance(Duration::from_secs(self.rng.random_range(1..90)));
            let mut tx = self.db.begin().await.expect("a transaction");
            let replies = self.recording.apply(&mut tx, &some).await.expect("a batch is recorded");
            tx.commit().await.expect("the commit");
            assert!(replies.iter().all(Result::is_ok), "nothing is refused");
        }
    }

    /// What `app` reports about one person: the messages notice, and what they said to linking.
    fn reports(
        &mut self,
        app: &AppId,
        peer: &AppId,
        person: &Person,
        reference: &str,
    ) -> Vec<Command> {
        let choice = |purpose: &str, peer: Option<&AppId>, decision: &str| DecisionRequest {
            purpose: purpose.to_owned(),
            peer: peer.map(|peer| peer.as_str().to_owned()),
            decision: decision.to_owned(),
        };
        let messages =
            vec![choice("relevance", None, "given"), choice("business_messages", None, "given")];
        let mut requests = vec![("messages", messages)];
        let [first, _, third] = apps();
        let (first, third) = (*app == first, *app == third);
        match person.linking {
            _ if third => {}
            Linking::NeverAsked => {}
            Linking::Refused => {
                requests
                    .push(("linking", vec![choice("cross_app_linking", Some(peer), "refused")]));
            }
            Linking::OneSided if !first => {}
            Linking::OneSided | Linking::Withdrawn | Linking::Consented => {
                requests.push(("linking", vec![choice("cross_app_linking", Some(peer), "given")]));
            }
        }
        requests
            .into_iter()
            .map(|(notice, decisions)| self.decide(app, person, reference, notice, decisions))
            .collect()
    }

    /// One report. The app sends the number with everything, needed or not.
    fn decide(
        &mut self,
        app: &AppId,
        person: &Person,
        reference: &str,
        notice: &str,
        decisions: Vec<DecisionRequest>,
    ) -> Command {
        let now = self.clock.now();
        let ago = |rng: &mut StdRng, seconds: u64| {
            now.minus(Duration::from_micros(rng.random_range(0..seconds * 1_000_000)))
        };
        let request = DecisionsRequest {
            account: reference.to_owned(),
            notice: NoticeRequest {
                id: notice.to_owned(),
                version: 1,
                language: person.details.language.clone(),
                rendered_sha256: "9f".repeat(32),
            },
            decisions,
            phone: Some(PhoneRequest {
                e164: Some(person.phone.clone()),
                region: None,
                sha256: None,
                encoding: None,
                verified_at: ago(&mut self.rng, 30 * 86_400),
            }),
            requested_at: None,
            decided_at: Some(ago(&mut self.rng, 86_400)),
            evidence: None,
        };
        let notices = Notices::builtin();
        let intake = Intake::check(request, app, &self.phones, &self.keys, notices, now);
        let intake = intake.unwrap_or_else(|error| panic!("{}: {error}", error.code));
        Command::Decide(intake.finish(&self.keys, &COST).expect("no pepper process"))
    }

    /// Everybody who is up at `hour` uses `app`, some more than others. Adds to how often each did.
    async fn use_app(
        &mut self,
        app: &AppId,
        people: &[Person],
        (references, sent): (&[String], &mut [i64]),
        hour: u64,
    ) {
        let mut events = Vec::new();
        for ((person, reference), sent) in people.iter().zip(references).zip(sent) {
            if person.hour != hour % 24 {
                continue;
            }
            for nth in 0..person.eagerness + self.rng.random_range(1..3) {
                *sent += 1;
                events.push(serde_json::json!({
                    "type": "track", "event": "Product Viewed", "userId": reference,
                    "messageId": format!("{}-{hour}-{nth}", person.phone),
                    "properties": { "topics": person.topics },
                }));
            }
        }
        events.shuffle(&mut self.rng);
        let body = serde_json::json!({ "batch": events }).to_string();
        let now = self.clock.now();
        let items = segment::batch(Topics::builtin(), body.as_bytes(), now).expect("a batch");
        let batch = Batch { app: app.clone(), received: now, items };
        let mut tx = self.db.begin().await.expect("a transaction");
        let taken = signals::take_in(&mut tx, &self.keys, &[batch], now, &mut self.rng).await;
        tx.commit().await.expect("the commit");
        let taken = taken.expect("signals are taken in").concat();
        assert!(taken.iter().all(|one| one.outcome == Outcome::Accepted), "all have consented");
    }

    fn withdraw(&self, app: &AppId, peer: &AppId, reference: &str) -> Command {
        let request = WithdrawRequest {
            account: reference.to_owned(),
            purpose: "cross_app_linking".to_owned(),
            peer: Some(peer.as_str().to_owned()),
        };
        let withdrawal = request.check(app, &self.keys, self.clock.now());
        Command::Withdraw(withdrawal.expect("whoever wants out gets out"))
    }
}

/// A world after months of use: accounts of both apps, person by person.
pub(super) struct World {
    pub(super) house: House,
    pub(super) people: Vec<Person>,
    pub(super) accounts: [Vec<SubjectId>; 3],
    /// How many signals each account sent; the thief is not told.
    pub(super) sent: [Vec<i64>; 3],
}

pub(super) async fn world(address: &str) -> World {
    let mut house = House::open(address).await;
    let people = people(&mut house.rng);
    let [one, other, third] = apps();
    let mut known = [const { Vec::new() }; 3];
    for (nth, (app, peer)) in
        [(&one, &other), (&other, &one), (&third, &one)].into_iter().enumerate()
    {
        house.clock.advance(Duration::from_hours(72));
        known[nth] = house.register(app, &people).await;
        let (mut reports, mut withdrawals) = (Vec::new(), Vec::new());
        for (person, (_, reference)) in people.iter().zip(&known[nth]) {
            reports.extend(house.reports(app, peer, person, reference));
            if person.linking == Linking::Withdrawn && *app != third {
                withdrawals.push(house.withdraw(app, peer, reference));
            }
        }
        house.record(reports).await;
        house.record(withdrawals).await;
    }
    let accounts = known.each_ref().map(|side| side.iter().map(|(subject, _)| *subject).collect());
    let references = known.map(|side| side.into_iter().map(|(_, reference)| reference).collect());
    let references: [Vec<String>; 3] = references;
    let mut sent = references.each_ref().map(|side| vec![0; side.len()]);
    for hour in 0..HOURS {
        house.clock.advance(Duration::from_hours(1));
        for (nth, app) in [&one, &other, &third].into_iter().enumerate() {
            let side = (&*references[nth], &mut *sent[nth]);
            house.use_app(app, &people, side, hour).await;
        }
    }
    relevance::forget_order(&house.db).await.expect("the night comes");
    World { house, people, accounts, sent }
}
