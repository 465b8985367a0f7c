//! A canary leaves nothing, and one that did would be found.

use super::*;
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::db::{Purged, Statement, values};
use crate::testing::World;

const DAY: Duration = Duration::from_hours(24);

async fn night(world: &World, journal: &Journal) -> Look {
    let (db, keys, consents) = (&world.db, &*world.keys, &world.consents);
    let keeper = Keeper { db, keys, journal, consents };
    fly(&keeper, &mut world.rng(5), world.clock.now()).await.expect("it flies")
}

#[tokio::test]
async fn canaries_leave_nothing_and_one_that_did_would_be_found() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let directory = tempfile::tempdir().expect("a directory");
        let journal = Journal::beside(&directory.path().join("keyring.json"));
        let first = night(&world, &journal).await;
        assert_eq!((first.canaries, first.in_files, first.found), (1, 0, 0));
        assert_eq!(night(&world, &journal).await, first, "one a day");
        let at = world.clock.now();
        assert_eq!(journal.read().await.expect("read").len(), 1, "it was erased like anybody");

        world.clock.advance(DAY);
        let began = world.clock.now();
        assert_eq!(traces::purge(&world.db).await.expect("purges"), Purged::Complete);
        traces::note_purge(&world.db, began).await.expect("noted");
        let second = night(&world, &journal).await;
        assert_eq!((second.canaries, second.in_files, second.found), (2, 1, 0));

        // As a backup table that somebody made by hand would keep it.
        let (subject, _) = canary(&world.keys, at);
        let sql = "insert into counters (name, value) values ($1, 0)";
        let plant = Statement::new("rights::canary::tests", "PLANT", sql, sql);
        let mut tx = world.db.begin().await.expect("begins");
        tx.execute(plant, values![hex(subject.as_bytes())]).await.expect("planted");
        tx.commit().await.expect("commits");
        world.clock.advance(DAY);
        let third = night(&world, &journal).await;
        assert_eq!(third.canaries, 3);
        assert!(third.found > 0);
        let mut tx = world.db.read().await.expect("a snapshot");
        assert_eq!(last(&mut tx).await.expect("read"), Some(third));

        world.clock.advance(40 * DAY);
        assert_eq!(night(&world, &journal).await.canaries, 1, "old ones are let go");
    })
    .await;
}

/// A process may die between the erasure and the note that there was a canary today.
#[tokio::test]
async fn a_canary_that_was_erased_is_not_made_again() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let directory = tempfile::tempdir().expect("a directory");
        let journal = Journal::beside(&directory.path().join("keyring.json"));
        night(&world, &journal).await;
        let entries = async || {
            let mut tx = world.db.read().await.expect("a snapshot");
            ledger::size(&mut tx).await.expect("a size")
        };
        let before = entries().await;
        let sql = "delete from canaries";
        let forget = Statement::new("rights::canary::tests", "FORGET", sql, sql);
        let mut tx = world.db.begin().await.expect("begins");
        assert_eq!(tx.execute(forget, values![]).await.expect("forgotten"), 1);
        tx.commit().await.expect("commits");
        let again = night(&world, &journal).await;
        assert_eq!((again.canaries, again.found), (1, 0));
        assert_eq!(entries().await, before, "nobody consented and nobody was erased again");
        assert_eq!(journal.read().await.expect("read").len(), 1);
    })
    .await;
}

/// A process may also die when the canary lives: it is let go by the next attempt.
#[tokio::test]
async fn a_canary_that_was_left_is_let_go() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let directory = tempfile::tempdir().expect("a directory");
        let journal = Journal::beside(&directory.path().join("keyring.json"));
        let (subject, reference) = canary(&world.keys, world.clock.now());
        let app = AppId::parse(APP).expect("a slug");
        let (keys, now) = (&world.keys, world.clock.now());
        let rng = &mut world.rng(4);
        let new = Registration::with_id(keys, rng, &app, &reference, details(), subject);
        let mut tx = world.db.begin().await.expect("begins");
        accounts::register(&mut tx, &[new], now).await.expect("registered");
        tx.commit().await.expect("commits");
        let look = night(&world, &journal).await;
        assert_eq!((look.canaries, look.found), (1, 0));
        let mut tx = world.db.read().await.expect("a snapshot");
        assert!(accounts::find(&mut tx, &[subject]).await.expect("found").is_empty());
    })
    .await;
}
