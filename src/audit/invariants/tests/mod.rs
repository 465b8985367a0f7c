//! Every check is seen to bite: a healthy little world, broken behind the service's back, must be
//! found out, and nothing else with it.

mod consents;
mod erased;
mod handed;
mod kept;
mod ledgers;
mod lists;
mod models;
mod readings;
mod retention;
mod runs;

use std::collections::BTreeSet;

use serde_json::json;
use volens_privacy::{PurposeKind, SubjectId};

use super::*;
use crate::access::key_ring;
use crate::audit::timeline;
use crate::clock::Clock as _;
use crate::db::Db;
use crate::db::testing::on_both;
use crate::readings::tests::approved;
use crate::signals::tests::send;
use crate::testing::World;

/// A statement of a test.
const fn breaking(name: &'static str, sqlite: &'static str, postgres: &'static str) -> Statement {
    Statement::new("audit::invariants::tests", name, sqlite, postgres)
}

/// A statement of a test, the same on both engines.
const fn same(name: &'static str, text: &'static str) -> Statement {
    breaking(name, text, text)
}

/// Runs one statement behind the service's back.
async fn tamper(world: &World, statement: Statement, values: Vec<Value>) -> u64 {
    let mut tx = world.db.begin().await.expect("begins");
    let changed = tx.execute(statement, values).await.expect("the database obeys");
    tx.commit().await.expect("commits");
    changed
}

/// The key ring's check values, as a start of the service notes them.
async fn bind_keys(world: &World) {
    let mut tx = world.db.begin().await.expect("begins");
    key_ring::verify(&mut tx, &world.keys).await.expect("the keys fit");
    tx.commit().await.expect("commits");
}

async fn look(world: &World) -> Report {
    let mut tx = world.db.read().await.expect("begins");
    let now = world.clock.now();
    check(&mut tx, &world.keys, &world.trust(), now, &|_, _, _| {})
        .await
        .expect("the invariants are checked")
}

/// The numbers of the violated invariants.
async fn violated(world: &World) -> Vec<String> {
    let report = look(world).await;
    assert_eq!(report.holds, report.with(Verdict::Violated).count() == 0);
    report.with(Verdict::Violated).map(|checked| checked.id.clone()).collect()
}

/// The codes that were found.
async fn codes(world: &World) -> BTreeSet<String> {
    let report = look(world).await;
    let findings = report.invariants.into_iter().flat_map(|checked| checked.findings);
    findings.map(|finding| finding.code).collect()
}

/// Anna has an account in two apps, linked; she consents to messages and relevance, was asked about
/// the memory of bots and took it back, and likes running. Everything holds.
async fn healthy(db: Db) -> (World, SubjectId) {
    let world = World::new(db).await;
    bind_keys(&world).await;
    let anna = world.account("messenger", "anna").await;
    world.account("photos", "p9").await;
    for (app, name) in [("messenger", "anna"), ("photos", "p9")] {
        world.give(app, name, PurposeKind::Relevance).await;
        let viewed = json!({ "batch": [{
            "type": "track", "userId": name, "event": "Product Viewed", "messageId": name,
            "properties": { "topics": ["sport.running"] },
        }] });
        assert_eq!(send(&world, app, &viewed).await, ["accepted"]);
    }
    world.give("messenger", "anna", PurposeKind::BusinessMessages).await;
    world.give("messenger", "anna", PurposeKind::BotMemory).await;
    world.withdraw("messenger", "anna", PurposeKind::BotMemory, None).await.expect("ends");
    let phone = "+4915112345678";
    world.give_link("messenger", "anna", "photos", phone).await;
    world.give_link("photos", "p9", "messenger", phone).await;
    let (reader, _) = approved(&world, anna).await;
    let (mut rng, now) = (world.rng(2), world.clock.now());
    let mut tx = world.db.begin().await.expect("begins");
    timeline(&mut tx, &world.keys, &mut rng, (reader, anna), now).await.expect("reads");
    tx.commit().await.expect("commits");
    assert_eq!(violated(&world).await, Vec::<String>::new());
    (world, anna)
}

#[test]
fn the_registry_is_in_order_and_says_everything() {
    let number = |invariant: &Invariant| -> u32 {
        invariant.id().strip_prefix("I-").and_then(|n| n.parse().ok()).expect("a number")
    };
    let numbers: Vec<u32> = Invariant::ALL.iter().map(number).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b));
    for invariant in Invariant::ALL {
        let definition = invariant.definition();
        let texts = [invariant.title(), definition.law, definition.looks_at];
        assert!(texts.iter().all(|text| !text.is_empty()));
    }
}

#[tokio::test]
async fn every_check_looks_at_what_there_is() {
    on_both(|db| async move {
        let (world, _) = healthy(db).await;
        let report = look(&world).await;
        for checked in &report.invariants {
            assert_eq!(
                (checked.verdict, &checked.reason),
                (Verdict::Holds, &None),
                "{}",
                checked.id
            );
            // There is no list, no bot and no model in this world, and nobody reported that they asked.
            let empty = ["I-3", "I-7", "I-10", "I-13", "I-14", "I-15"];
            let none = empty.contains(&checked.id.as_str());
            assert_eq!(none, checked.looked_at == 0, "{} looked at nothing", checked.id);
        }
    })
    .await;
}
