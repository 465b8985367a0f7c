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
