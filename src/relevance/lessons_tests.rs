//! What is learned of a message's effect: from purchases that signals tell of both arms alike, and from nobody
//! of whom they cannot.

use std::time::Duration;

use serde_json::{Value as Json, json};
use volens_models::card::Source;
use volens_models::features::Features;
use volens_privacy::notice::Notices;
use volens_privacy::purpose::{ModelTraining, Relevance};
use volens_privacy::{BusinessId, PurposeKind, SubjectId, Timestamp};

use super::tests::{MAKER, occasion};
use super::*;
use crate::accounts::data_keys;
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::db::{Statement, values};
use crate::ids::{ExposureId, ListId};
use crate::signals::awaited;
use crate::signals::tests::send;
use crate::testing::World;

const LIST: ListId = ListId::from_bytes([3; 16]);
const RIVAL: BusinessId = BusinessId::from_bytes([8; 16]);
const DAY: Duration = Duration::from_hours(24);

const FREEZE: Statement = Statement::new(
    "relevance::lessons_tests",
    "FREEZE",
    "update accounts set frozen_at = 1 where subject = $1",
    "update accounts set frozen_at = 1 where subject = $1",
);

/// Gives both consents, the second under one version of the notice.
async fn settle(world: &World, name: &str, version: u32) -> SubjectId {
    let subject = world.account("messenger", name).await;
    world.give("messenger", name, PurposeKind::Relevance).await;
    let notice = Notices::builtin().get("messages", version, "en").expect("it was published");
    let given = volens_privacy::Decision::Given;
    let mut request = world.choice(name, PurposeKind::ModelTraining, None, given, None);
    request.notice.version = notice.version;
    request.notice.rendered_sha256 = crate::ids::hex(&notice.sha256);
    world.decide("messenger", request).await.expect("the consent is taken");
    subject
}

/// A message of the maker on a list, from now on for a week.
async fn shown(world: &World, subject: SubjectId, treated: bool) -> ExposureId {
    let (at, mut rng) = (world.clock.now(), world.rng(u64::from(subject.as_bytes()[0])));
    let consents = world.consents_of(subject).await.expect("verified");
    let profiled = consents.permit::<Relevance>((), at).expect("consented");
    let teaching = consents.permit::<ModelTraining>((), at).expect("consented");
    let week = occasion(LIST, at);
    let week = Occasion { treated, closes_at: at.plus(DAY * 7), propensity: 0.5, ..week };
    let id = ExposureId::random(&mut rng);
    let exposure = Exposure::of(&profiled, id, week, Features::default());
    let exposure = [exposure.observed(&profiled, &teaching)];
    let mut tx = world.db.begin().await.expect("begins");
    record_exposures(&mut tx, &world.keys, &exposure, &mut rng).await.expect("kept");
    tx.commit().await.expect("commits");
    id
}

fn bought(name: &str, id: &str, business: BusinessId) -> Json {
    json!({"type": "track", "userId": name, "event": "Order Completed", "messageId": id,
           "properties": {"business": business.to_string()}})
}

/// The same, told later than it was done.
fn bought_at(name: &str, id: &str, at: Timestamp) -> Json {
    let mut bought = bought(name, id, MAKER);
    bought["timestamp"] = json!(at.to_string());
    bought
}

async fn tell(world: &World, items: &[Json], expected: &str) {
    let said = send(world, "messenger", &json!({ "batch": items })).await;
    assert!(said.iter().all(|code| *code == expected), "{said:?}");
}

/// Whether a purchase was seen, where one is awaited.
async fn seen(world: &World, subject: SubjectId) -> Vec<bool> {
    let mut tx = world.db.read().await.expect("begins");
    let keys = data_keys(&mut tx, &world.keys, &[subject]).await.expect("opened");
    let noted = awaited::noted(&mut tx, &[subject], |of| keys.get(&of)).await;
    noted.expect("opened").into_values().collect()
}

async fn set(world: &World, goal: Goal) -> TrainingSet {
    let order = Order { business: Some(MAKER), goal };
    let mut tx = world.db.read().await.expect("begins");
    gather(&mut tx, &world.keys, order, world.clock.now(), &|_, _| {}).await.expect("gathers")
}

#[tokio::test]
async fn a_purchase_is_noted_in_either_arm_by_the_same_rule() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let mut who = Vec::new();
        for name in ["sent", "aside", "early", "rival", "late", "silent", "earlier_notice"] {
            let version = if name == "earlier_notice" { 3 } else { 4 };
            who.push(settle(&world, name, version).await);
        }
        let [sent, aside, early, rival, late, silent, unobserved] = who[..] else {
            panic!("seven")
        };
        tell(&world, &[bought("early", "m0", MAKER)], "accepted").await;
        world.clock.advance(DAY);
        for (subject, treated) in
            [(sent, true), (aside, false), (early, false), (rival, false), (late, false)]
        {
            shown(&world, subject, treated).await;
        }
        shown(&world, silent, true).await;
        shown(&world, unobserved, true).await;
        world.clock.advance(DAY);
        let batch = [
            bought("sent", "m1", MAKER),
            bought("sent", "m2", MAKER),
            bought("aside", "m3", MAKER),
            bought("rival", "m4", RIVAL),
            bought("earlier_notice", "m5", MAKER),
            // Told beside purchases that count.
            bought_at("early", "m7", world.clock.now().minus(DAY + DAY / 2)),
        ];
        tell(&world, &batch, "accepted").await;
        tell(&world, &batch, "duplicate").await;
        world.clock.advance(DAY * 7);
        let counts = bought_at("sent", "m8", world.clock.now().minus(DAY * 7));
        tell(&world, &[bought("late", "m6", MAKER), counts], "accepted").await;
        let expected = [
            (sent, vec![true]),
            (aside, vec![true]),
            (early, vec![false]),
            (rival, vec![false]),
            (late, vec![false]),
            (silent, vec![false]),
            (unobserved, vec![]),
        ];
        for (n, (subject, expected)) in expected.into_iter().enumerate() {
            assert_eq!(seen(&world, subject).await, expected, "{n}");
        }

        // Of the one who was written to the business reports a purchase that no signal told of.
        let outcome =
            Outcome { subject: silent, kind: OutcomeKind::Buy, at: world.clock.now(), value: None };
        let in_time = Outcome { at: world.clock.now().minus(DAY * 3), ..outcome };
        let mut tx = world.db.begin().await.expect("begins");
        let noted = record_outcomes(&mut tx, LIST, &[in_time]).await.expect("noted");
        assert_eq!(noted, [Noted::Accepted]);
        tx.commit().await.expect("commits");
        let learned = set(&world, Goal::Buy).await;
        let labels: Vec<_> =
            learned.rows.iter().map(|row| (row.treated, row.met, row.alike)).collect();
        let by = |met| Some((Source::Signals, met));
        for (expected, times) in [
            ((true, Some(false), by(true)), 1),
            ((true, Some(true), by(false)), 1),
            ((true, Some(false), None), 1),
            ((false, None, by(true)), 1),
            ((false, None, by(false)), 3),
        ] {
            let found = labels.iter().filter(|label| **label == expected).count();
            assert_eq!(found, times, "{expected:?} in {labels:?}");
        }
        assert!(!learned.labels.kept_aside && learned.labels.alike == Some(Source::Signals));
        assert_eq!(learned.people(), 7);

        // Nobody kept aside can click on the message: of them there is nothing to learn.
        let clicks = set(&world, Goal::Click).await;
        assert!(clicks.rows.iter().all(|row| row.treated && row.alike.is_none()));
        assert_eq!((clicks.labels.alike, clicks.excluded()["outcome.unobserved"]), (None, 4));
        assert_eq!(clicks.people(), 3, "who teaches nothing is not among those who taught");
    })
    .await;
}

#[tokio::test]
async fn what_was_noted_goes_with_either_consent_and_while_nobody_looks() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let mut who = Vec::new();
        for name in ["teaching", "relevance", "frozen", "stays"] {
            let subject = settle(&world, name, 4).await;
            shown(&world, subject, false).await;
            who.push(subject);
        }
        world.clock.advance(DAY);
        let all = ["teaching", "relevance", "frozen", "stays"].map(|of| bought(of, of, MAKER));
        tell(&world, &all, "accepted").await;
        for subject in &who {
            assert_eq!(seen(&world, *subject).await, [true]);
        }
        let withdraw = async |name: &str, purpose| {
            world.withdraw("messenger", name, purpose, None).await.expect("ends");
        };
        withdraw("teaching", PurposeKind::ModelTraining).await;
        withdraw("relevance", PurposeKind::Relevance).await;
        let mut tx = world.db.begin().await.expect("begins");
        tx.execute(FREEZE, values![who[2]]).await.expect("frozen");
        tx.commit().await.expect("commits");
        for (subject, left) in who.iter().zip([0, 0, 0, 1]) {
            assert_eq!(seen(&world, *subject).await.len(), left);
        }
        // Given anew, it counts from then on.
        settle(&world, "teaching", 4).await;
        tell(&world, &[bought("teaching", "again", MAKER)], "accepted").await;
        assert_eq!(seen(&world, who[0]).await, [] as [bool; 0]);
        world.clock.advance(DAY * 7);
        let left = set(&world, Goal::Buy).await;
        assert_eq!((left.rows(), left.people()), (1, 1), "{:?}", left.excluded());
    })
    .await;
}

#[tokio::test]
async fn nothing_is_awaited_without_a_consent_to_teach() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let subject = settle(&world, "u1", 4).await;
        let exposure = shown(&world, subject, true).await;
        world.withdraw("messenger", "u1", PurposeKind::ModelTraining, None).await.expect("ends");
        let mut tx = world.db.begin().await.expect("begins");
        let keys = data_keys(&mut tx, &world.keys, &[subject]).await.expect("opened");
        let now = world.clock.now();
        let (since, until) = (now, now.plus(DAY));
        let forged = awaited::Awaited { subject, exposure, business: MAKER, since, until };
        let refused = awaited::begin(&mut tx, &keys, [forged], &mut world.rng(9)).await;
        assert!(refused.is_err(), "the database refuses it");
    })
    .await;
}
