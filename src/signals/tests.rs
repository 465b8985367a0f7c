//! The slice on both engines: what is stored, and above all what is not.

use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use volens_privacy::{AgeBand, PurposeKind, Topics};

use super::*;
use crate::clock::Clock;
use crate::db::testing::on_both;
use crate::db::{Statement, values};
use crate::testing::{World, app};

const ROWS: Statement = Statement::new(
    "signals::tests",
    "ROWS",
    "select (select count(*) from profiles) as profiles, (select count(*) from signal_tags) as tags",
    "select (select count(*) from profiles) as profiles, (select count(*) from signal_tags) as tags",
);
const FORGE: Statement = Statement::new(
    "signals::tests",
    "FORGE",
    "insert into profiles (subject, app, sealed, changed) values ($1, 'messenger', $2, 1)",
    "insert into profiles (subject, app, sealed, changed) values ($1, 'messenger', $2, 1)",
);

/// Takes in one batch of the Segment spec; the code of each item, or "accepted", "duplicate".
pub(crate) async fn send(world: &World, name: &str, body: &serde_json::Value) -> Vec<&'static str> {
    let received = world.clock.now();
    let items =
        segment::batch(Topics::builtin(), body.to_string().as_bytes(), received).expect("a batch");
    let batch = Batch { app: app(name), received, items };
    let mut tx = world.db.begin().await.expect("begins");
    let rng = &mut world.rng(received.micros().unsigned_abs());
    let taken = take_in(&mut tx, &world.keys, &[batch], received, rng).await;
    tx.commit().await.expect("commits");
    let code = |taken: &Taken| match taken.outcome {
        Outcome::Accepted => "accepted",
        Outcome::Duplicate => "duplicate",
        Outcome::Refused(reason) => reason.code(),
    };
    taken.expect("taken in")[0].iter().map(code).collect()
}

async fn rows(world: &World) -> (i64, i64) {
    let mut tx = world.db.read().await.expect("begins");
    let row = tx.fetch_one(ROWS, values![]).await.expect("counts");
    (row.get("profiles").expect("a count"), row.get("tags").expect("a count"))
}

async fn profile(world: &World, subject: SubjectId) -> Option<Profile> {
    let mut tx = world.db.read().await.expect("begins");
    profiles(&mut tx, &world.keys, &[subject]).await.expect("opens").remove(&subject)
}

fn view(user: &str, id: &str) -> serde_json::Value {
    serde_json::json!({
        "type": "track", "userId": user, "event": "Product Viewed", "messageId": id,
        "properties": {"topics": ["sport.running"]},
    })
}

fn batch(items: &[serde_json::Value]) -> serde_json::Value {
    serde_json::json!({ "batch": items })
}

#[tokio::test]
async fn without_a_live_consent_nothing_is_stored() {
    on_both(|db| async move {
        let world = World::new(db).await;
        world.account("messenger", "u1").await;
        let items = batch(&[view("u1", "m1"), view("nobody", "m2")]);
        assert_eq!(send(&world, "messenger", &items).await, ["consent.absent", "account.unknown"]);
        world.give("messenger", "u1", PurposeKind::BusinessMessages).await;
        assert_eq!(send(&world, "messenger", &items).await[0], "consent.absent", "another purpose");
        assert_eq!(rows(&world).await, (0, 0), "no profile and no tag");
        world.give("messenger", "u1", PurposeKind::Relevance).await;
        assert_eq!(send(&world, "photos", &items).await[0], "account.unknown", "another app");
        assert_eq!(
            send(&world, "messenger", &items).await[0],
            "accepted",
            "the tag was never stored"
        );
        assert_eq!(rows(&world).await, (1, 1));
        world.clock.advance(Duration::from_hours(366 * 24));
        assert_eq!(
            send(&world, "messenger", &batch(&[view("u1", "m9")])).await,
            ["consent.expired"]
        );
    })
    .await;
}

#[tokio::test]
async fn withdrawal_takes_the_profile_along_and_with_it_whose_tags_are() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let subject = world.account("messenger", "u1").await;
        for purpose in [PurposeKind::Relevance, PurposeKind::ModelTraining] {
            world.give("messenger", "u1", purpose).await;
        }
        assert_eq!(send(&world, "messenger", &batch(&[view("u1", "m1")])).await, ["accepted"]);
        world.withdraw("messenger", "u1", PurposeKind::ModelTraining, None).await.expect("ends");
        assert_eq!(rows(&world).await, (1, 1), "another purpose");
        world.withdraw("messenger", "u1", PurposeKind::Relevance, None).await.expect("ends");
        assert_eq!(
            rows(&world).await,
            (0, 1),
            "a tag names nobody, and now nobody knows whose it was"
        );
        assert_eq!(
            send(&world, "messenger", &batch(&[view("u1", "m2")])).await,
            ["consent.withdrawn"]
        );
        let mut tx = world.db.begin().await.expect("begins");
        let forged = tx.execute(FORGE, values![subject, vec![1_u8]]).await;
        assert!(matches!(forged, Err(db::Error::Forbidden(_))), "the database refuses too");
        tx.rollback().await;
        world.clock.advance(Duration::from_hours(1));
        world.give("messenger", "u1", PurposeKind::Relevance).await;
        assert_eq!(send(&world, "messenger", &batch(&[view("u1", "m1")])).await, ["accepted"]);
    })
    .await;
}

#[tokio::test]
async fn a_repeat_changes_nothing_whenever_it_comes() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let subject = world.account("messenger", "u1").await;
        world.account("messenger", "u2").await;
        for user in ["u1", "u2"] {
            world.give("messenger", user, PurposeKind::Relevance).await;
        }
        let items =
            batch(&[view("u1", "m1"), view("u1", "m1"), view("u2", "m1"), view("u1", "m2")]);
        let first = send(&world, "messenger", &items).await;
        assert_eq!(first, ["accepted", "duplicate", "accepted", "accepted"]);
        let before = profile(&world, subject).await.expect("a profile");
        world.clock.advance(Duration::from_hours(30 * 24));
        assert_eq!(send(&world, "messenger", &items).await, ["duplicate"; 4]);
        assert!(profile(&world, subject).await.expect("a profile") == before);
        let mut tx = world.db.begin().await.expect("begins");
        assert_eq!(forget_old(&mut tx, world.clock.now()).await.expect("forgets"), 0);
        let later = world.clock.now().plus(Duration::from_hours(460 * 24));
        assert!(forget_old(&mut tx, later).await.expect("forgets") >= 3);
        tx.commit().await.expect("commits");
    })
    .await;
}

#[tokio::test]
async fn what_must_not_be_taken_in_is_refused_and_counted() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let subject = world.account("messenger", "u1").await;
        world.give("messenger", "u1", PurposeKind::Relevance).await;
        let track = |properties: serde_json::Value, timestamp: &str| {
            serde_json::json!({"type": "track", "userId": "u1", "event": "Product Viewed",
                "properties": properties, "timestamp": timestamp})
        };
        let recent = "2026-11-20T10:00:00Z";
        let sent = batch(&[
            track(serde_json::json!({"topics": ["health.mental"]}), recent),
            track(serde_json::json!({"category": "no.such"}), recent),
            track(serde_json::json!({}), "2026-11-21T00:06:00Z"),
            track(serde_json::json!({}), "2025-10-01T00:00:00Z"),
            serde_json::json!({"type": "identify", "userId": "u1", "traits": {
                "email": "a@example.org", "note": "+49 151 1234567", "religion": "x", "plan": "gold"}}),
            serde_json::json!({"type": "alias", "userId": "u1", "previousId": "u0"}),
        ]);
        let expected = [
            "topic.sensitive",
            "topic.unknown",
            "time.out_of_range",
            "time.out_of_range",
            "accepted",
            "identity.consent_required",
        ];
        assert_eq!(send(&world, "messenger", &sent).await, expected);
        let profile = profile(&world, subject).await.expect("a profile");
        assert_eq!(profile.traits().map(|(name, _)| name).collect::<Vec<_>>(), ["plan"]);
        assert_eq!(profile.interests(world.clock.now()).count(), 0);
        let mut tx = world.db.read().await.expect("begins");
        let counted = refusals(&mut tx, &app("messenger"), 7, world.clock.now()).await.expect("counts");
        assert_eq!(counted["topic.sensitive"], 1);
        assert_eq!(counted["time.out_of_range"], 2);
        assert_eq!(counted["trait.identifier_refused"], 2);
        assert_eq!(counted["trait.sensitive"], 1);
        assert!(refusals(&mut tx, &app("photos"), 7, world.clock.now()).await.expect("counts").is_empty());
    })
    .await;
}

#[tokio::test]
async fn minors_are_never_profiled_even_when_they_consented_before() {
    on_both(|db| async move {
        let world = World::new(db).await;
        world.account("messenger", "u1").await;
        world.give("messenger", "u1", PurposeKind::Relevance).await;
        world.account_aged("messenger", "u1", AgeBand::From16To17).await;
        assert_eq!(
            send(&world, "messenger", &batch(&[view("u1", "m1")])).await,
            ["account.underage"]
        );
        assert_eq!(rows(&world).await, (0, 0));
    })
    .await;
}

#[tokio::test]
async fn many_calls_share_a_transaction_and_each_gets_its_own_answer() {
    on_both(|db| async move {
        let world = World::new(db).await;
        for n in 0..20 {
            world.account("messenger", &format!("u{n}")).await;
            world.give("messenger", &format!("u{n}"), PurposeKind::Relevance).await;
        }
        let clock = Arc::clone(&world.clock) as Arc<dyn Clock>;
        let writer = Writer::spawn(
            world.db.clone(),
            Arc::clone(&world.keys),
            clock,
            StdRng::seed_from_u64(9),
        );
        let calls = (0..40).map(|n| {
            let (writer, received) = (writer.clone(), world.clock.now());
            let body = batch(&[view(&format!("u{n}"), "m1")]).to_string();
            let items = segment::batch(Topics::builtin(), body.as_bytes(), received);
            tokio::spawn(async move {
                let items = items.expect("a batch");
                writer
                    .submit(Batch { app: app("messenger"), received, items })
                    .await
                    .expect("committed")
            })
        });
        for (n, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
            let taken = call.await.expect("answered").expect("taken in");
            let expected =
                if n < 20 { Outcome::Accepted } else { Outcome::Refused(Reason::AccountUnknown) };
            assert_eq!(taken[0].outcome, expected);
        }
        assert_eq!(rows(&world).await, (20, 20));
    })
    .await;
}

/// How often somebody viewed anything, by what is counted by day.
async fn views_by_day(world: &World, subject: SubjectId) -> u32 {
    let profile = profile(world, subject).await.expect("a profile");
    profile.recent().counts().since(Kind::Viewed, &About::Any, i32::MIN)
}

/// A consent to relevance under the notice of before acts were counted by day.
async fn give_under_the_earlier_notice(world: &World, reference: &str) {
    let notice = volens_privacy::notice::Notices::builtin().get("messages", 2, "en");
    let notice = notice.expect("it was published");
    assert!(!notice.counts_by_day);
    let given = volens_privacy::Decision::Given;
    let mut request = world.choice(reference, PurposeKind::Relevance, None, given, None);
    request.notice.version = notice.version;
    request.notice.rendered_sha256 = crate::ids::hex(&notice.sha256);
    world.decide("messenger", request).await.expect("the consent is taken");
}

#[tokio::test]
async fn days_are_counted_only_where_the_notice_says_so() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let (old, new) =
            (world.account("messenger", "old").await, world.account("messenger", "new").await);
        give_under_the_earlier_notice(&world, "old").await;
        world.give("messenger", "new", PurposeKind::Relevance).await;
        let items = batch(&[view("old", "m1"), view("new", "m2"), view("new", "m3")]);
        assert_eq!(send(&world, "messenger", &items).await, ["accepted"; 3]);
        assert_eq!(views_by_day(&world, old).await, 0);
        assert_eq!(views_by_day(&world, new).await, 2);
        let mut tx = world.db.read().await.expect("begins");
        let both = crate::relevance::known(&mut tx, &world.keys, &[old, new]).await.expect("reads");
        assert!(!both[&old].counted && both[&new].counted);
        drop(tx);
        world.give("messenger", "old", PurposeKind::Relevance).await;
        assert_eq!(send(&world, "messenger", &batch(&[view("old", "m4")])).await, ["accepted"]);
        assert_eq!(views_by_day(&world, old).await, 1, "counting begins with the consent to it");
    })
    .await;
}

#[tokio::test]
async fn old_days_are_forgotten_in_every_profile() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let subject = world.account("messenger", "u1").await;
        world.give("messenger", "u1", PurposeKind::Relevance).await;
        assert_eq!(send(&world, "messenger", &batch(&[view("u1", "m1")])).await, ["accepted"]);
        let forget = async || {
            let mut rng = world.rng(5);
            forget_days(&world.db, &world.keys, world.clock.now(), &mut rng).await
        };
        world.clock.advance(Duration::from_hours(35 * 24));
        assert_eq!(forget().await.expect("sweeps"), 0);
        assert_eq!(views_by_day(&world, subject).await, 1);
        world.clock.advance(Duration::from_hours(24));
        assert_eq!(forget().await.expect("sweeps"), 1);
        let left = profile(&world, subject).await.expect("a profile");
        assert_eq!(left.recent().counts().iter().len(), 0, "nothing says which day it was");
        assert_eq!(left.interests(world.clock.now()).count(), 1, "what it added stays");
        assert_eq!(forget().await.expect("sweeps"), 0);
    })
    .await;
}
