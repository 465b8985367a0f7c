//! The persisted log: proofs hold, history cannot be changed, and changes are found.

mod interrupted;
mod shards;
mod tamper;
mod witnesses;

use std::time::Duration;

use volens_privacy::ledger::{LeafKind, LogSigner, verify_consistency, verify_inclusion};
use volens_privacy::{KeyRing, Timestamp};

use super::*;
use crate::clock::Clock as _;
use crate::db::testing::{FreshSqlite, on_both};
use crate::db::{Db, Statement, statements, values};
use crate::testing::World;

statements! {
    UPDATE_ENTRY = "update ledger_entries set leaf = leaf where idx = 0";
    DELETE_ENTRY = "delete from ledger_entries where idx = 0";
    DELETE_NODE = "delete from ledger_nodes where position = 0";
    DELETE_CHECKPOINT = "delete from ledger_checkpoints where size = 3";
    SHRINK = "update ledger_heads set size = size - 1";
}

fn now() -> Timestamp {
    Timestamp::from_micros(1_763_700_000_000_000)
}

fn signer() -> (LogSigner, KeyRing) {
    use rand::SeedableRng as _;
    let keys = KeyRing::generate(&mut rand::rngs::StdRng::seed_from_u64(3), now());
    (keys.log_signer(), keys)
}

/// A directory, and the checkpoint that is kept there.
fn kept() -> (tempfile::TempDir, Kept) {
    let directory = tempfile::tempdir().unwrap();
    let kept = Kept::beside(&directory.path().join("keyring.json"));
    (directory, kept)
}

fn leaf(n: u64) -> Leaf {
    Leaf::new(LeafKind::AuditRun, now()).with_detail(serde_json::json!({ "run": n }))
}

async fn grow(db: &Db, signer: &LogSigner, leaves: std::ops::Range<u64>) -> Appended {
    grow_at(db, signer, leaves, now()).await
}

async fn grow_at(
    db: &Db,
    signer: &LogSigner,
    leaves: std::ops::Range<u64>,
    at: Timestamp,
) -> Appended {
    let leaves: Vec<Leaf> = leaves.map(leaf).collect();
    let mut tx = db.begin().await.unwrap();
    let appended = append(&mut tx, signer, &leaves, at).await.unwrap();
    tx.commit().await.unwrap();
    appended
}

#[tokio::test]
async fn every_entry_is_proved_in_every_later_tree() {
    on_both(|db| async move {
        let (signer, keys) = signer();
        let mut done = 0;
        for batch in [1, 2, 1, 5, 16, 3] {
            let appended = grow(&db, &signer, done..done + batch).await;
            assert_eq!((appended.first, appended.size), (done, done + batch));
            done += batch;
            let checkpoint = keys.log_verifier().verify(appended.checkpoint.as_str()).unwrap();
            let mut tx = db.read().await.unwrap();
            let all: Vec<u64> = (0..done).collect();
            let proofs = proofs(&mut tx, &all, done).await.unwrap();
            for (index, proof) in all.iter().zip(proofs) {
                let hash = leaf_hash(&leaf(*index).bytes());
                verify_inclusion(&hash, *index, done, &proof, &checkpoint.root).unwrap();
            }
        }
    })
    .await;
}

#[tokio::test]
async fn every_checkpoint_extends_every_earlier_one() {
    on_both(|db| async move {
        let (signer, keys) = signer();
        let mut roots = Vec::new();
        for n in 0..20 {
            let appended = grow(&db, &signer, n..n + 1).await;
            roots.push(keys.log_verifier().verify(appended.checkpoint.as_str()).unwrap().root);
        }
        let mut tx = db.read().await.unwrap();
        for from in 1..=20 {
            for to in from..=20 {
                let proof = consistency(&mut tx, from, to).await.unwrap();
                let (old, new) = (&roots[from as usize - 1], &roots[to as usize - 1]);
                verify_consistency(from, to, old, new, &proof).unwrap();
            }
        }
        assert!(matches!(consistency(&mut tx, 3, 21).await, Err(LedgerError::OutOfRange)));
        assert!(matches!(proofs(&mut tx, &[20], 20).await, Err(LedgerError::OutOfRange)));
    })
    .await;
}

#[tokio::test]
async fn checkpoints_never_run_back_in_time_however_long_somebody_waited() {
    on_both(|db| async move {
        let (signer, _) = signer();
        let later = now().plus(Duration::from_secs(5));
        for (leaves, at) in [(0..1, now()), (1..2, later), (2..3, now()), (3..4, later)] {
            grow_at(&db, &signer, leaves, at).await;
        }
        let stored = store::checkpoints_after(&mut db.read().await.unwrap(), 0, 9).await.unwrap();
        let times: Vec<Timestamp> = stored.iter().map(|stored| stored.created_at).collect();
        assert_eq!(times, [now(), later, later, later]);
    })
    .await;
}

#[tokio::test]
async fn the_database_refuses_to_forget() {
    on_both(|db| async move {
        let (signer, _) = signer();
        grow(&db, &signer, 0..3).await;
        for statement in [UPDATE_ENTRY, DELETE_ENTRY, DELETE_NODE, DELETE_CHECKPOINT, SHRINK] {
            let mut tx = db.begin().await.unwrap();
            let refused = tx.execute(statement, values![]).await;
            assert!(matches!(refused, Err(db::Error::Forbidden(_))), "{}", statement.name);
        }
        assert_eq!(STATEMENTS.len(), 5);
    })
    .await;
}

#[tokio::test]
async fn an_untouched_log_verifies_and_counts_what_it_looked_at() {
    on_both(|db| async move {
        let world = World::new(db.clone()).await;
        let signer = world.keys.log_signer();
        let mut tx = db.read().await.unwrap();
        let before = size(&mut tx).await.unwrap();
        drop(tx);
        grow_at(&db, &signer, 0..20_000, world.clock.now()).await;
        let mut tx = db.read().await.unwrap();
        let mut told = Vec::new();
        let report = verify(&mut tx, &world.trust(), |done, _| told.push(done)).await.unwrap();
        assert_eq!(report.faults, []);
        assert_eq!((report.entries, report.checkpoints), (before + 20_000, 2));
        assert_eq!(told, [16_384, before + 20_000]);
    })
    .await;
}
