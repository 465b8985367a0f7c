//! The slice on both engines: columns against the slow path, exposures, training, the registry.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;
use volens_models::features::{Features, Message};
use volens_privacy::purpose::{ModelTraining, Relevance};
use volens_privacy::{AgeBand, BusinessId, PurposeKind, SubjectId, Timestamp};

use super::*;
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::db::{Statement, values};
use crate::ids::{ExposureId, ListId};
use crate::signals::tests::send;
use crate::testing::{World, app};

const fn same(name: &'static str, text: &'static str) -> Statement {
    Statement::new("relevance::tests", name, text, text)
}

const COUNTS: Statement = same(
    "COUNTS",
    "select (select count(*) from exposures) as exposures, (select count(*) from outcomes) as outcomes",
);
const NUMBERS: Statement = same("NUMBERS", "select count(distinct changed) as n from profiles");
const ERASE: Statement = same("ERASE", "delete from accounts where subject = $1");

static SEED: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(6);

pub(super) const MAKER: BusinessId = BusinessId::from_bytes([7; 16]);

/// One step that changes what the columns are made of.
#[derive(Clone, Debug)]
enum Step {
    Account(u8, u8),
    Give(u8, u8),
    Withdraw(u8, u8),
    View(u8, u8, u32),
    Erase(u8),
    Refresh,
    Night,
}

const PURPOSES: [PurposeKind; 3] =
    [PurposeKind::Relevance, PurposeKind::BusinessMessages, PurposeKind::ModelTraining];

fn step() -> impl Strategy<Value = Step> {
    let who = 0..6_u8;
    prop_oneof![
        2 => (who.clone(), 0..8_u8).prop_map(|(who, band)| Step::Account(who, band)),
        4 => (who.clone(), 0..3_u8).prop_map(|(who, purpose)| Step::Give(who, purpose)),
        2 => (who.clone(), 0..3_u8).prop_map(|(who, purpose)| Step::Withdraw(who, purpose)),
        4 => (who.clone(), 0..3_u8, any::<u32>()).prop_map(|(who, topic, id)| Step::View(who, topic, id)),
        1 => who.prop_map(Step::Erase),
        2 => Just(Step::Refresh),
        1 => Just(Step::Night),
    ]
}

async fn take(
    world: &World,
    columns: &Columns,
    subjects: &mut BTreeMap<u8, SubjectId>,
    step: &Step,
) {
    let name = |who: u8| format!("u{who}");
    match *step {
        Step::Account(who, band) => {
            let band = AgeBand::ALL[usize::from(band)];
            subjects.insert(who, world.account_aged("messenger", &name(who), band).await);
        }
        Step::Give(who, purpose) => {
            let purpose = PURPOSES[usize::from(purpose)];
            let given = volens_privacy::Decision::Given;
            let request = world.choice(&name(who), purpose, None, given, None);
            // An unknown or too young account is refused, which is a change of nothing.
            drop(world.decide("messenger", request).await);
        }
        Step::Withdraw(who, purpose) => {
            let purpose = PURPOSES[usize::from(purpose)];
            drop(world.withdraw("messenger", &name(who), purpose, None).await);
        }
        Step::View(who, topic, id) => {
            let topic = ["sport.running", "fashion", "media.music"][usize::from(topic)];
            let track = json!({"type": "track", "userId": name(who), "event": "Viewed",
                "messageId": id.to_string(), "properties": {"topics": [topic]}});
            send(world, "messenger", &json!({"batch": [track]})).await;
        }
        Step::Erase(who) => {
            if let Some(subject) = subjects.remove(&who) {
                let mut tx = world.db.begin().await.expect("begins");
                tx.execute(ERASE, values![subject]).await.expect("erases");
                tx.commit().await.expect("commits");
            }
        }
        Step::Night => forget_order(&world.db).await.expect("the order is forgotten"),
        Step::Refresh => drop(columns.refresh(&world.db, &world.keys).await.expect("refreshes")),
    }
}

#[tokio::test]
async fn after_a_night_nothing_says_whose_profile_changed_last() {
    on_both(|db| async move {
        let world = World::new(db).await;
        for name in ["u1", "u2", "u3"] {
            world.account("messenger", name).await;
            world.give("messenger", name, PurposeKind::Relevance).await;
            let track = json!({"type": "track", "userId": name, "event": "Viewed",
                "messageId": name, "properties": {"topics": ["fashion"]}});
            send(&world, "messenger", &json!({"batch": [track]})).await;
        }
        let numbers = async || -> i64 {
            let mut tx = world.db.read().await.expect("begins");
            let row = tx.fetch_one(NUMBERS, values![]).await.expect("counts");
            row.get("n").expect("a number")
        };
        assert_eq!(numbers().await, 3);
        forget_order(&world.db).await.expect("the night comes");
        assert_eq!(numbers().await, 1);
    })
    .await;
}

/// Everything the table says, by account.
fn dump(columns: &Columns) -> BTreeMap<SubjectId, Known> {
    let table = columns.read();
    let known = |row| Some((table.subject(row)?, table.known(row)?));
    table.accounts().iter().filter_map(known).collect()
}

async fn refreshed_rebuilt_and_slow_path_agree(db: db::Db, steps: &[Step]) {
    let world = World::new(db).await;
    let columns = Columns::default();
    let mut subjects = BTreeMap::new();
    for step in steps {
        take(&world, &columns, &mut subjects, step).await;
    }
    columns.refresh(&world.db, &world.keys).await.expect("refreshes");
    let rebuilt = Columns::default();
    rebuilt.refresh(&world.db, &world.keys).await.expect("builds");
    let all: Vec<SubjectId> = subjects.values().copied().collect();
    let mut tx = world.db.read().await.expect("begins");
    let slow = known(&mut tx, &world.keys, &all).await.expect("reads");
    assert!(dump(&columns) == slow, "refreshed columns differ from the accounts: {steps:?}");
    assert!(dump(&rebuilt) == slow, "rebuilt columns differ from the accounts: {steps:?}");
    let (now, message) = (world.clock.now(), message());
    for (subject, known) in &slow {
        let profiles = signals::profiles(&mut tx, &world.keys, &[*subject]).await.expect("opens");
        let standing = profiles.get(subject).map(Standing::of).unwrap_or_default();
        let slow = standing.person(known.language.as_deref(), now);
        let table = columns.read();
        let row = table.row(*subject).expect("a row");
        assert!(
            table.features(row, &message, now)
                == volens_models::features::pair(&slow, &message, &[])
        );
        assert_eq!(table.old_enough().contains(row), known.age_band.profiling_allowed());
        let wants = table.live(PurposeKind::Relevance).contains(row);
        assert_eq!(wants, known.live.contains(&PurposeKind::Relevance));
        assert!(table.of_app(&app("messenger")).contains(row));
        assert!(table.speaking("de").contains(row) && !table.frozen().contains(row));
    }
}

fn message() -> Message {
    Message {
        topics: vec!["sport.running".to_owned()],
        business: MAKER.to_string(),
        language: Some("de".to_owned()),
    }
}

#[test]
fn columns_say_what_the_slow_path_says() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(12));
    let steps = prop::collection::vec(step(), 0..40);
    runner
        .run(&steps, |steps| {
            runtime.block_on(on_both(|db| {
                let steps = steps.clone();
                async move { refreshed_rebuilt_and_slow_path_agree(db, &steps).await }
            }));
            Ok(())
        })
        .expect("they agree");
}

#[tokio::test]
async fn a_refresh_reads_only_what_changed() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let columns = Columns::default();
        for n in 0..50 {
            world.account("messenger", &format!("u{n}")).await;
        }
        assert_eq!(columns.refresh(&world.db, &world.keys).await.expect("builds"), 50);
        assert_eq!(columns.refresh(&world.db, &world.keys).await.expect("refreshes"), 0);
        world.give("messenger", "u7", PurposeKind::Relevance).await;
        assert_eq!(columns.refresh(&world.db, &world.keys).await.expect("refreshes"), 1);
        let subject = world.account("messenger", "u7").await;
        let interested = json!({"batch": [{"type": "track", "userId": "u7", "event": "Viewed",
            "properties": {"topics": ["fashion"]}}]});
        assert_eq!(send(&world, "messenger", &interested).await, ["accepted"]);
        columns.refresh(&world.db, &world.keys).await.expect("refreshes");
        let row = columns.read().row(subject).expect("a row");
        assert!(columns.read().interested_in("fashion").contains(row));
        world.withdraw("messenger", "u7", PurposeKind::Relevance, None).await.expect("ends");
        columns.refresh(&world.db, &world.keys).await.expect("refreshes");
        let table = columns.read();
        assert!(table.interested_in("fashion").is_empty() && table.profiled().is_empty());
        assert!(table.live(PurposeKind::Relevance).is_empty());
    })
    .await;
}

/// A message of the maker, sent to everybody on a list; outcomes count for an hour.
pub(super) fn occasion(list: ListId, at: Timestamp) -> Occasion {
    Occasion {
        app: app("messenger"),
        business: MAKER,
        campaign: None,
        list: Some(list),
        arm: "a".to_owned(),
        treated: true,
        at,
        closes_at: at.plus(std::time::Duration::from_hours(1)),
        propensity: 1.0,
    }
}

/// Makes `count` accounts that consented and saw a message; who likes running clicked more often.
pub(super) async fn campaign(world: &World, count: u32, list: ListId) -> Vec<SubjectId> {
    let mut rng = world.rng(u64::from(list.as_bytes()[0]));
    let at = world.clock.now();
    let mut subjects = Vec::new();
    for n in 0..count {
        let name = format!("u{n}");
        let subject = world.account("messenger", &name).await;
        world.give("messenger", &name, PurposeKind::Relevance).await;
        world.give("messenger", &name, PurposeKind::ModelTraining).await;
        subjects.push(subject);
        let likes = n % 2 == 0;
        let mut features = Features::default();
        features.number("topic.long", if likes { 3.0 } else { 0.0 });
        let mut tx = world.db.begin().await.expect("begins");
        let consents = world.consents_of(subject).await.expect("verified");
        let permit = consents.permit::<Relevance>((), at).expect("consented");
        // Of those whom a list keeps aside a business reports nothing.
        let occasion = Occasion { propensity: 0.75, ..occasion(list, at) };
        let id = ExposureId::random(&mut rng);
        let exposure = Exposure::of(&permit, id, occasion, features);
        let kept = record_exposures(&mut tx, &world.keys, &[exposure], &mut rng).await;
        assert_eq!(kept.expect("kept"), 1);
        let clicked = rng.random::<f64>() < if likes { 0.7 } else { 0.2 };
        let outcome = Outcome { subject, kind: OutcomeKind::Click, at, value: None };
        let outcomes = if clicked { vec![outcome] } else { Vec::new() };
        let noted = record_outcomes(&mut tx, list, &outcomes).await.expect("noted");
        assert!(noted.iter().all(|noted| *noted == Noted::Accepted));
        tx.commit().await.expect("commits");
    }
    subjects
}

pub(super) async fn set(world: &World, now: Timestamp) -> TrainingSet {
    let order = Order { business: Some(MAKER), goal: Goal::Click };
    let mut tx = world.db.read().await.expect("begins");
    gather(&mut tx, &world.keys, order, now, &|_, _| {}).await.expect("gathers")
}

pub(super) async fn trained(world: &World, set: TrainingSet) -> Report {
    let now = world.clock.now();
    let learned = learn(set, now).expect("learns");
    let mut tx = world.db.begin().await.expect("begins");
    // Every model has an id of its own.
    let mut rng = world.rng(SEED.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    let signer = world.keys.log_signer();
    let report = Box::pin(keep(&mut tx, &signer, learned, now, &mut rng)).await;
    tx.commit().await.expect("commits");
    report.expect("kept")
}

#[tokio::test]
async fn who_withdraws_from_training_is_in_no_later_model() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let list = ListId::from_bytes([3; 16]);
        let subjects = campaign(&world, 120, list).await;
        assert_eq!(set(&world, world.clock.now()).await.rows(), 0, "the window is still open");
        world.clock.advance(std::time::Duration::from_hours(1));
        let all = set(&world, world.clock.now()).await;
        assert_eq!((all.rows(), all.people()), (120, 120));
        let first = trained(&world, all).await;
        assert_eq!((first.version.version, first.rows), (1, 120));
        assert_eq!(first.version.card["model"]["purposes"], json!(["relevance", "model_training"]));
        assert_eq!(first.version.card["model"]["training_entry"], json!(first.version.entry));
        let directions = &first.version.card["model"]["options"]["directions"];
        assert_eq!(*directions, json!({"topic.long": "rises"}), "interest speaks for a message");

        world.withdraw("messenger", "u0", PurposeKind::ModelTraining, None).await.expect("ends");
        world.withdraw("messenger", "u1", PurposeKind::Relevance, None).await.expect("ends");
        let fewer = set(&world, world.clock.now()).await;
        assert_eq!(fewer.rows(), 118);
        assert_eq!(fewer.excluded(), &BTreeMap::from([("consent.withdrawn", 1)]));
        let second = trained(&world, fewer).await;
        assert_eq!(second.version.version, 2);
        let root = |report: &Report| report.version.card["training"]["training_set"].clone();
        assert_ne!(root(&first), root(&second));

        let mut tx = world.db.read().await.expect("begins");
        let row = tx.fetch_one(COUNTS, values![]).await.expect("counts");
        assert_eq!(
            row.get::<i64>("exposures").expect("a count"),
            119,
            "u1's went with the consent"
        );
        let late = Outcome {
            subject: subjects[2],
            kind: OutcomeKind::Buy,
            at: world.clock.now().plus(std::time::Duration::from_secs(1)),
            value: Some(9.5),
        };
        let gone = Outcome { subject: subjects[1], at: world.clock.now(), ..late.clone() };
        let held = Outcome { at: world.clock.now(), ..late.clone() };
        drop(tx);
        let mut tx = world.db.begin().await.expect("begins");
        let noted = record_outcomes(&mut tx, list, &[late, gone, held]).await.expect("noted");
        assert_eq!(noted, [Noted::TooLate, Noted::NoExposure, Noted::Accepted]);
        tx.commit().await.expect("commits");
    })
    .await;
}

#[tokio::test]
async fn the_model_learns_and_the_registry_goes_back() {
    on_both(|db| async move {
        let world = World::new(db).await;
        campaign(&world, 200, ListId::from_bytes([3; 16])).await;
        world.clock.advance(std::time::Duration::from_hours(1));
        let now = world.clock.now();
        trained(&world, set(&world, now).await).await;
        let second = trained(&world, set(&world, now).await).await;
        let mut tx = world.db.begin().await.expect("begins");
        let used = active(&mut tx, MAKER, Goal::Click, now).await.expect("reads").expect("a model");
        assert_eq!((used.version, used.id), (2, second.version.id));
        let score = |likes: f64| {
            let mut features = Features::default();
            features.number("topic.long", likes).number("treatment", 1.0);
            used.artifact.model.score_values(&features).probability
        };
        assert!(score(3.0) > score(0.0) + 0.2, "{} {}", score(3.0), score(0.0));
        assert!(active(&mut tx, MAKER, Goal::Buy, now).await.expect("reads").is_none());
        let other = BusinessId::from_bytes([8; 16]);
        assert!(active(&mut tx, other, Goal::Click, now).await.expect("reads").is_none());
        let business = Some(MAKER);
        assert_eq!(roll_back(&mut tx, business, Goal::Click, now).await.expect("goes back"), 1);
        assert!(matches!(
            roll_back(&mut tx, business, Goal::Click, now).await,
            Err(RelevanceError::NoVersion)
        ));
        activate(&mut tx, business, Goal::Click, 2, now).await.expect("there is a second");
        assert!(activate(&mut tx, business, Goal::Click, 3, now).await.is_err());
        let all = versions(&mut tx, business, Goal::Click).await.expect("reads");
        assert_eq!(
            all.iter().map(|v| (v.version, v.active)).collect::<Vec<_>>(),
            [(1, false), (2, true)]
        );
        tx.commit().await.expect("commits");
    })
    .await;
}

#[tokio::test]
async fn training_takes_both_permits() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let subjects = campaign(&world, 1, ListId::from_bytes([3; 16])).await;
        let consents = world.consents_of(subjects[0]).await.expect("verified");
        assert!(consents.permit::<ModelTraining>((), world.clock.now()).is_ok());
        world.clock.advance(std::time::Duration::from_hours(1));
        assert_eq!(set(&world, world.clock.now()).await.rows(), 1);
        world.clock.advance(std::time::Duration::from_hours(366 * 24));
        let expired = set(&world, world.clock.now()).await;
        assert_eq!((expired.rows(), expired.excluded()["consent.expired"]), (0, 1));
        assert!(matches!(learn(expired, world.clock.now()), Err(RelevanceError::Train(_))));
        let mut tx = world.db.read().await.expect("begins");
        let order = Order { business: None, goal: Goal::Click };
        let all = gather(&mut tx, &world.keys, order, world.clock.now(), &|_, _| {}).await;
        assert_eq!(all.expect("gathers").excluded()["consent.expired"], 1);
    })
    .await;
}
