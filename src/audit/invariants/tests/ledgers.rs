//! The ledger, its records, its time, and the keys.

use std::time::Duration;

use serde_json::json;
use volens_privacy::PurposeKind;
use volens_privacy::ledger::{Leaf, LeafKind};

use super::{breaking, codes, healthy, same, tamper, violated};
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::db::{Statement, values};
use crate::{ledger, rights};

const OPEN_NODES: Statement = breaking(
    "OPEN_NODES",
    "drop trigger ledger_nodes_no_update",
    "drop trigger ledger_nodes_append_only on ledger_nodes",
);
const FORGE_NODE: Statement =
    same("FORGE_NODE", "update ledger_nodes set hash = $1 where position = 0");
const OPEN_CHECKPOINTS: Statement = breaking(
    "OPEN_CHECKPOINTS",
    "drop trigger ledger_checkpoints_no_delete",
    "drop trigger ledger_checkpoints_append_only on ledger_checkpoints",
);
const FORGET_CHECKPOINT: Statement = same(
    "FORGET_CHECKPOINT",
    "delete from ledger_checkpoints where size = (select max(size) from ledger_checkpoints)",
);
const FORGET_WITHDRAWAL: Statement = same(
    "FORGET_WITHDRAWAL",
    "delete from consent_records
     where entry = (select entry from grants where state = 'withdrawn' and subject = $1)",
);
const POINT_ELSEWHERE: Statement = same(
    "POINT_ELSEWHERE",
    "update grants set entry = entry + 1 where subject = $1 and purpose = 'relevance'",
);
const GARBLE_RECORDS: Statement =
    same("GARBLE_RECORDS", "update consent_records set sealed = $2 where subject = $1");
const OTHER_KEY: Statement =
    same("OTHER_KEY", "update key_checks set value = $1 where domain = 'prf'");
const UNBIND: Statement = same("UNBIND", "delete from key_checks where domain = 'wrap'");
const REWRAP: Statement = same("REWRAP", "update account_keys set wrapped = $2 where subject = $1");

#[tokio::test]
async fn a_changed_hash_and_a_lost_checkpoint_are_found() {
    on_both(|db| async move {
        let (world, _) = healthy(db).await;
        tamper(&world, OPEN_NODES, values![]).await;
        assert_eq!(tamper(&world, FORGE_NODE, values![[7_u8; 32]]).await, 1);
        assert_eq!(violated(&world).await, ["I-5"]);
        assert_eq!(codes(&world).await, ["ledger.node_wrong".to_owned()].into());
        tamper(&world, OPEN_CHECKPOINTS, values![]).await;
        assert_eq!(tamper(&world, FORGET_CHECKPOINT, values![]).await, 1);
        assert_eq!(violated(&world).await, ["I-5"]);
        assert!(codes(&world).await.contains("ledger.uncovered"));
    })
    .await;
}

#[tokio::test]
async fn a_deleted_record_is_found_by_its_entry() {
    on_both(|db| async move {
        let (world, anna) = healthy(db).await;
        assert_eq!(tamper(&world, FORGET_WITHDRAWAL, values![anna]).await, 1);
        assert_eq!(violated(&world).await, ["I-6"]);
        assert_eq!(codes(&world).await, ["entry.record_missing".to_owned()].into());
    })
    .await;
}

#[tokio::test]
async fn an_erasure_explains_its_own_records_and_no_other() {
    on_both(|db| async move {
        let (world, anna) = healthy(db).await;
        let otto = world.account("messenger", "otto").await;
        world.give("messenger", "otto", PurposeKind::Relevance).await;
        let mut tx = world.db.begin().await.expect("begins");
        let now = world.clock.now();
        rights::erase(&mut tx, &world.keys, otto, now).await.expect("is erased");
        tx.commit().await.expect("commits");
        assert_eq!(violated(&world).await, Vec::<String>::new());
        assert_eq!(tamper(&world, FORGET_WITHDRAWAL, values![anna]).await, 1);
        assert_eq!(violated(&world).await, ["I-6"]);
        assert_eq!(codes(&world).await, ["entry.record_missing".to_owned()].into());
    })
    .await;
}

#[tokio::test]
async fn a_grant_that_names_another_entry_and_records_that_do_not_open_are_found() {
    on_both(|db| async move {
        let (world, anna) = healthy(db).await;
        assert_eq!(tamper(&world, POINT_ELSEWHERE, values![anna]).await, 1);
        assert_eq!(violated(&world).await, ["I-6"]);
        assert_eq!(codes(&world).await, ["grant.not_on_record".to_owned()].into());
        assert!(tamper(&world, GARBLE_RECORDS, values![anna, vec![1_u8; 40]]).await > 1);
        assert_eq!(violated(&world).await, ["I-6"]);
        assert_eq!(codes(&world).await, ["account.unverifiable".to_owned()].into());
    })
    .await;
}

#[tokio::test]
async fn keys_that_are_not_those_of_the_database_are_found() {
    on_both(|db| async move {
        let (world, anna) = healthy(db).await;
        assert_eq!(tamper(&world, OTHER_KEY, values![[7_u8; 8]]).await, 1);
        assert_eq!(violated(&world).await, ["I-17"]);
        assert_eq!(codes(&world).await, ["keys.check_mismatch".to_owned()].into());
        assert_eq!(tamper(&world, UNBIND, values![]).await, 1);
        assert_eq!(violated(&world).await, ["I-17"]);
        assert!(codes(&world).await.contains("keys.unbound"));
        // A key under a version that nobody has also makes its account unreadable, and what is unreadable
        // is never called clean.
        assert_eq!(tamper(&world, REWRAP, values![anna, vec![9_u8; 52]]).await, 1);
        assert_eq!(violated(&world).await, ["I-6", "I-8", "I-17"]);
        assert!(codes(&world).await.contains("keys.version_missing"));
    })
    .await;
}

const OTHER_PEPPER: Statement = same("OTHER_PEPPER", "update link_tokens set pepper = 9");
const OTHER_FENCE: Statement =
    same("OTHER_FENCE", "update key_fences set version = 9 where domain = 'wrap'");

#[tokio::test]
async fn what_was_made_with_a_key_that_is_gone_is_found() {
    on_both(|db| async move {
        let (world, _) = healthy(db).await;
        assert_eq!(tamper(&world, OTHER_PEPPER, values![]).await, 2);
        assert_eq!(violated(&world).await, ["I-17"]);
        assert_eq!(codes(&world).await, ["keys.version_missing".to_owned()].into());
        assert_eq!(tamper(&world, OTHER_FENCE, values![]).await, 1);
        assert_eq!(violated(&world).await, ["I-17"]);
        assert!(codes(&world).await.contains("keys.fence_missing"));
    })
    .await;
}

#[tokio::test]
async fn time_that_runs_back_is_found() {
    on_both(|db| async move {
        let (world, _) = healthy(db).await;
        let earlier = world.clock.now().minus(Duration::from_mins(5));
        let leaf = Leaf::new(LeafKind::AuditRun, earlier).with_detail(json!({}));
        let mut tx = world.db.begin().await.expect("begins");
        let signer = world.keys.log_signer();
        ledger::append(&mut tx, &signer, &[leaf], earlier).await.expect("appended");
        tx.commit().await.expect("commits");
        assert_eq!(violated(&world).await, ["I-18"]);
        assert_eq!(codes(&world).await, ["time.back".to_owned()].into());
    })
    .await;
}
