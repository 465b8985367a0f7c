//! Whoever was erased is gone, here and in older copies.

use std::time::Duration;

use volens_privacy::KeyDomain;

use super::{codes, healthy, look, same, tamper, violated};
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::db::values;
use crate::rights;

const ERASED: super::Statement =
    same("ERASED", "insert into erasures (tag, entry, erased_at) values ($1, null, $2)");
const CANARY: super::Statement = same(
    "CANARY",
    "insert into canaries (day, erased_at, looked_at, looked_for, in_files, files, unread, found)
     values (0, $1, $1, 1, $2, $2, 0, $3)",
);
const PURGED: super::Statement =
    same("PURGED", "update counters set value = $1 where name = 'purged_at'");

#[tokio::test]
async fn an_erased_account_that_is_there_and_a_canary_that_left_traces_are_found() {
    on_both(|db| async move {
        let (world, anna) = healthy(db).await;
        let now = world.clock.now();
        tamper(&world, CANARY, values![now, 1_i64, 0_i64]).await;
        assert_eq!(violated(&world).await, Vec::<String>::new());
        tamper(&world, same("DROP", "delete from canaries"), vec![]).await;
        tamper(&world, CANARY, values![now, 1_i64, 2_i64]).await;
        assert_eq!(violated(&world).await, ["I-4"]);
        tamper(&world, ERASED, values![world.keys.erasure_tag(anna), now]).await;
        assert_eq!(violated(&world).await, ["I-4"]);
        let expected = ["account.erased_and_there", "canary.left_traces"].map(str::to_owned);
        assert_eq!(codes(&world).await, expected.into());
    })
    .await;
}

#[tokio::test]
async fn a_purge_that_is_put_off_is_found_and_files_out_of_reach_are_said_to_be() {
    on_both(|db| async move {
        let (world, _) = healthy(db).await;
        let reason = async || {
            let gone = look(&world).await.invariants.into_iter().find(|one| one.id == "I-4");
            gone.expect("it is checked").reason
        };
        let now = world.clock.now();
        tamper(&world, CANARY, values![now, 1_i64, 0_i64]).await;
        assert_eq!(reason().await, None);
        world.clock.advance(Duration::from_hours(15 * 24));
        assert_eq!(violated(&world).await, Vec::<String>::new(), "there is time left");
        world.clock.advance(Duration::from_hours(1));
        assert_eq!(codes(&world).await, ["purge.overdue".to_owned()].into());
        tamper(&world, PURGED, values![world.clock.now()]).await;
        assert_eq!(violated(&world).await, Vec::<String>::new());
        let out_of_reach = same("REACH", "update canaries set files = 0, in_files = 0, unread = 2");
        tamper(&world, out_of_reach, values![]).await;
        let reason = reason().await.expect("it is said");
        let at = world.clock.now().to_string();
        assert!(reason.contains("out of reach") && reason.contains(&at), "{reason}");
        assert!(reason.contains("2 other files"), "{reason}");
        assert_eq!(
            violated(&world).await,
            Vec::<String>::new(),
            "what is not known is not a breach"
        );
    })
    .await;
}

#[tokio::test]
async fn a_key_that_outlives_the_erased_is_found() {
    on_both(|db| async move {
        let (world, _) = healthy(db).await;
        let photos = world.account("photos", "soon-gone").await;
        let mut tx = world.db.begin().await.expect("begins");
        rights::erase(&mut tx, &world.keys, photos, world.clock.now()).await.expect("erased");
        tx.commit().await.expect("commits");
        world.clock.advance(Duration::from_hours(6 * 24));
        assert_eq!(violated(&world).await, Vec::<String>::new(), "within the week");
        world.clock.advance(Duration::from_hours(2 * 24));
        assert_eq!(violated(&world).await, ["I-11"]);
        // A ratchet sets it right.
        let mut ring = world.keys.copy();
        let now = world.clock.now();
        ring.add(KeyDomain::Kek, &mut world.rng(3), now).expect("added");
        ring.activate(KeyDomain::Kek, 2, now).expect("activated");
        world.keys.take_in(&ring).expect("newer");
        assert_eq!(violated(&world).await, ["I-11", "I-17"], "the old one is still there");
    })
    .await;
}
