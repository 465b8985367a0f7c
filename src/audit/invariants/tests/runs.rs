//! Runs as jobs: kept once, hashed into the ledger, ordered once a day.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use volens_privacy::ledger::{Leaf, LeafKind};

use super::{healthy, tamper};
use crate::audit::invariants::Verdict;
use crate::audit::invariants::runs::{last, make, order, order_nightly};
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::db::values;
use crate::ids::hex;
use crate::{jobs, ledger};

use super::consents::REJUVENATE;

#[tokio::test]
async fn a_run_is_kept_once_and_its_hash_is_in_the_ledger() {
    on_both(|db| async move {
        let (world, anna) = healthy(db).await;
        let now = world.clock.now();
        let mut tx = world.db.begin().await.expect("begins");
        assert!(last(&mut tx).await.expect("reads").is_none());
        let job = order(&mut tx, &mut world.rng(5), now).await.expect("ordered");
        tx.commit().await.expect("commits");
        for _ in 0..2 {
            let made = make(&world.db, &world.keys, &world.trust(), job, now, &|_, _, _| {}).await;
            assert!(made.expect("a report").holds);
        }
        let mut tx = world.db.read().await.expect("begins");
        let run = last(&mut tx).await.expect("reads").expect("a run");
        assert_eq!(ledger::size(&mut tx).await.expect("a size"), run.entry + 1, "kept once");
        let leaf = ledger::leaves(&mut tx, &[run.entry]).await.expect("reads").remove(&run.entry);
        let leaf = Leaf::parse(&leaf.expect("an entry")).expect("a leaf");
        assert_eq!(leaf.kind(), LeafKind::AuditRun);
        let said = leaf.detail().expect("a detail");
        let json = serde_jcs::to_vec(&run.report).expect("JSON");
        assert_eq!(said["sha256"], hex(&<[u8; 32]>::from(Sha256::digest(json))));
        drop(tx);

        tamper(&world, REJUVENATE, values![anna]).await;
        world.clock.advance(Duration::from_secs(1));
        let now = world.clock.now();
        let mut tx = world.db.begin().await.expect("begins");
        let job = order(&mut tx, &mut world.rng(6), now).await.expect("ordered");
        tx.commit().await.expect("commits");
        make(&world.db, &world.keys, &world.trust(), job, now, &|_, _, _| {})
            .await
            .expect("a report");
        let mut tx = world.db.read().await.expect("begins");
        let run = last(&mut tx).await.expect("reads").expect("a run");
        assert_eq!(run.report.with(Verdict::Violated).count(), 1);
    })
    .await;
}

#[tokio::test]
async fn the_nightly_run_is_ordered_once_a_day() {
    on_both(|db| async move {
        let (world, _) = healthy(db).await;
        let mut ordered = 0;
        for _ in 0..5 {
            let mut tx = world.db.begin().await.expect("begins");
            let night = order_nightly(&mut tx, &mut world.rng(ordered), world.clock.now()).await;
            ordered += u64::from(night.expect("answers").is_some());
            tx.commit().await.expect("commits");
            world.clock.advance(Duration::from_hours(8));
        }
        assert_eq!(ordered, 2, "five looks on two days");
        let mut tx = world.db.read().await.expect("begins");
        assert_eq!(jobs::waiting(&mut tx).await.expect("counts"), 2);
    })
    .await;
}
