//! "Not my interest" counts against a topic, whatever is done later, until it is taken back.

use serde_json::json;
use volens_models::features::{DENIED, Message, TOPIC_LONG, Value, pair};
use volens_privacy::PurposeKind;
use volens_privacy::topics::Topics;

use super::super::interests::{correct, interests};
use super::*;
use crate::relevance::known;
use crate::signals::tests::send;

async fn views(world: &World, from: usize) {
    let items: Vec<_> = (from..from + 5)
        .map(|n| {
            json!({"type": "track", "userId": "anna", "event": "Viewed", "messageId": n.to_string(),
                   "properties": {"topics": ["sport.running", "sport.cycling"]}})
        })
        .collect();
    let sent = send(world, "messenger", &json!({ "batch": items })).await;
    assert!(sent.iter().all(|code| *code == "accepted"), "{sent:?}");
}

async fn say(world: &World, subject: SubjectId, denied: bool) {
    let topic = Topics::builtin().check("sport.running").expect("a topic");
    let mut tx = world.db.begin().await.expect("begins");
    let (now, mut rng) = (world.clock.now(), world.rng(3));
    let said = correct(&mut tx, &world.keys, subject, (topic, denied), &mut rng, now).await;
    tx.commit().await.expect("commits");
    assert_eq!(said.expect("taken").len(), usize::from(denied));
}

/// What a learner sees of the interest in running: by the columns, and by the slow path.
async fn seen(world: &World, columns: &Columns, subject: SubjectId) -> f64 {
    columns.refresh(&world.db, &world.keys).await.expect("refreshes");
    let message = Message { topics: vec!["sport.running".to_owned()], ..Message::default() };
    let number = |features: &volens_models::features::Features| match features.get(TOPIC_LONG) {
        Some(Value::Number(number)) => *number,
        other => panic!("{other:?}"),
    };
    let now = world.clock.now();
    let mut tx = world.db.read().await.expect("a snapshot");
    let slow = known(&mut tx, &world.keys, &[subject]).await.expect("reads");
    let standing = slow[&subject].standing.as_ref().expect("a profile");
    let slow = number(&pair(&standing.person(None, now), &message, &[]));
    let table = columns.read();
    let row = table.row(subject).expect("a row");
    let fast = number(&table.features(row, &message, now));
    assert!((slow - fast).abs() < 1e-12);
    let interested = table.interested_in("sport.running").contains(row);
    assert_eq!(interested, fast > 0.0, "the filter says the same");
    fast
}

#[tokio::test]
async fn a_denied_interest_counts_against_and_survives_signals_and_a_new_profile() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let (anna, _) = people(&world).await;
        let columns = Columns::default();
        views(&world, 0).await;
        assert!(seen(&world, &columns, anna).await > 1.0);
        say(&world, anna, true).await;
        assert!((seen(&world, &columns, anna).await - DENIED).abs() < 1e-12);
        views(&world, 10).await;
        assert!((seen(&world, &columns, anna).await - DENIED).abs() < 1e-12, "more signals");
        let mut tx = world.db.read().await.expect("a snapshot");
        let shown = interests(&mut tx, &world.keys, anna, world.clock.now()).await.expect("reads");
        drop(tx);
        let said: Vec<_> =
            shown.iter().map(|i| (i.topic.as_str(), i.denied_since.is_some())).collect();
        assert_eq!(said, [("sport.cycling", false), ("sport.running", true)]);

        world.clock.advance(Duration::from_mins(1));
        let relevance = PurposeKind::Relevance;
        world.withdraw("messenger", "anna", relevance, None).await.expect("ends");
        world.clock.advance(Duration::from_mins(1));
        world.give("messenger", "anna", relevance).await;
        views(&world, 20).await;
        assert!((seen(&world, &columns, anna).await - DENIED).abs() < 1e-12, "a new profile");
        say(&world, anna, false).await;
        let after = seen(&world, &columns, anna).await;
        assert!(after > 1.0, "what was seen counts again: {after}");
    })
    .await;
}

const SEALED: Statement = Statement::new(
    "rights::tests",
    "SEALED",
    "select sealed as value from corrections where subject = $1",
    "select sealed as value from corrections where subject = $1",
);

#[tokio::test]
async fn a_correction_is_sealed_and_goes_with_the_account() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let (anna, _) = people(&world).await;
        say(&world, anna, true).await;
        say(&world, anna, true).await;
        let mut tx = world.db.begin().await.expect("begins");
        let row = tx.fetch_one(SEALED, values![anna]).await.expect("a row");
        let sealed: Vec<u8> = row.get("value").expect("bytes");
        assert!(!sealed.windows(7).any(|window| window == b"running"));
        erase(&mut tx, &world.keys, anna, world.clock.now()).await.expect("erased");
        assert!(tx.fetch_optional(SEALED, values![anna]).await.expect("reads").is_none());
    })
    .await;
}
