//! What is restricted is kept and not used.

use std::time::Duration;

use volens_privacy::PurposeKind;
use volens_privacy::consent::Decision;

use super::super::restriction::restriction_of;
use super::*;
use crate::audience::Exclusion;
use crate::audience::tests::town::{Town, name};
use crate::consent::Refused;
use crate::signals;
use crate::signals::tests::send;

const ASKED: (RestrictionReason, AskedBy) = (RestrictionReason::AccuracyContested, AskedBy::Person);

async fn restricted(world: &World, subject: SubjectId) -> Restriction {
    let mut tx = world.db.begin().await.expect("begins");
    let done = restrict(&mut tx, &world.keys, subject, ASKED, world.clock.now()).await;
    tx.commit().await.expect("commits");
    done.expect("restricted")
}

async fn resumed(world: &World, subject: SubjectId) -> Result<u64, RightsError> {
    let mut tx = world.db.begin().await.expect("begins");
    let done = resume(&mut tx, &world.keys, subject, AskedBy::App, world.clock.now()).await;
    tx.commit().await.expect("commits");
    done
}

#[tokio::test]
async fn a_restriction_takes_links_scores_and_rows_and_keeps_the_rest_unread() {
    on_both(|db| async move {
        let town = Town::new(db, 60, 6).await;
        let world = &town.world;
        let list = town.list(town.request(20)).await.expect("built");
        let subject = town.person(3);
        let done = restricted(world, subject).await;
        assert_eq!((done.removed.links, done.removed.scores), (1, 1));
        assert_eq!(done.removed.list_rows, 1);
        assert_eq!(restricted(world, subject).await.entry, done.entry, "twice is once");

        let mut tx = world.db.read().await.expect("a snapshot");
        let held = store::holdings(&mut tx, subject).await.expect("counts");
        assert_eq!((held.links, held.scores, held.list_rows), (0, 0, 0));
        assert_eq!((held.profiles, held.records), (1, 3), "stored");
        let read = signals::profiles(&mut tx, &world.keys, &[subject]).await.expect("reads");
        assert!(read.is_empty(), "and not read");
        let account = accounts::find(&mut tx, &[subject]).await.expect("found").remove(&subject);
        let standing = restriction_of(&mut tx, &account.expect("an account")).await.expect("reads");
        assert_eq!(standing.map(|s| (s.reason, s.asked_by)), Some(ASKED));
        drop(tx);
        assert!(world.consents_of(subject).await.is_none(), "no permit");
        let replay = town.replayed(&list).await;
        assert!(replay.is_confirmed(), "{:?}", replay.denied);
        assert_eq!((replay.rows_gone, replay.rows_restricted_since), (1, 1));
        let later = town.list(town.request(20)).await.expect("built");
        assert_eq!(later.waterfall.expect("counted").count(Exclusion::Frozen), 1);

        resumed(world, subject).await.expect("ends");
        assert!(matches!(resumed(world, subject).await, Err(RightsError::NotRestricted)));
        assert!(world.consents_of(subject).await.is_some());
        let mut tx = world.db.read().await.expect("a snapshot");
        let held = store::holdings(&mut tx, subject).await.expect("counts");
        assert_eq!((held.links, held.profiles), (0, 1), "the link stays cut");
    })
    .await;
}

#[tokio::test]
async fn what_a_lender_lent_goes_with_its_restriction() {
    on_both(|db| async move {
        let town = Town::new(db, 60, 6).await;
        let list = town.list(town.request(20)).await.expect("built");
        let mut tx = town.world.db.read().await.expect("a snapshot");
        let lender =
            accounts::subject_of(&mut tx, &town.world.keys, &app("photos"), &name(3)).await;
        let lender = lender.expect("an answer").expect("an account");
        drop(tx);
        let done = restricted(&town.world, lender).await;
        assert_eq!((done.removed.scores, done.removed.links), (1, 1));
        let replay = town.replayed(&list).await;
        assert!(replay.is_confirmed(), "{:?}", replay.denied);
        assert_eq!(replay.rows_gone, done.removed.list_rows);
    })
    .await;
}

#[tokio::test]
async fn nothing_new_is_taken_in_and_every_way_out_stays_open() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let (anna, _) = people(&world).await;
        restricted(&world, anna).await;
        let item = serde_json::json!({"type": "track", "userId": "anna", "event": "Viewed",
            "messageId": "m1", "properties": {"topics": ["sport.running"]}});
        let sent = send(&world, "messenger", &serde_json::json!({ "batch": [item] })).await;
        assert_eq!(sent, ["account.frozen"]);
        world.clock.advance(Duration::from_secs(1));
        let give = world.choice("anna", PurposeKind::Reports, None, Decision::Given, None);
        assert_eq!(world.decide("messenger", give).await.err(), Some(Refused::Restricted));
        let no = world.choice("anna", PurposeKind::Reports, None, Decision::Refused, None);
        world.decide("messenger", no).await.expect("a no is taken");
        world.withdraw("messenger", "anna", PurposeKind::Relevance, None).await.expect("taken");
        let tag = world.keys.account_tag(&app("messenger"), "anna");
        let who = (app("messenger"), tag);
        let now = world.clock.now();
        objection::object(&world.consents, who, now).await.expect("taken");
        let directory = tempfile::tempdir().expect("a directory");
        let done = erase_for_good(&world.db, &world.keys, &journal(&directory), anna, now).await;
        done.expect("erased");
    })
    .await;
}
