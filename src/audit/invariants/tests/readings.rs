//! Readings without a mark, marks without a reading, and records that one officer opened alone.

use volens_privacy::ledger::{Leaf, LeafKind};

use super::{breaking, codes, healthy, same, tamper, violated};
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::db::{Statement, values};
use crate::ledger;

const FORGET: Statement = same("FORGET", "delete from readings");
const INVENT: Statement = same(
    "INVENT",
    "insert into readings (id, at, reader, role, what, people, commitment, entry)
     values ($1, 0, $1, 'officer', 'record', 1, $3, $2)",
);
const UNDERSTATE: Statement = same("UNDERSTATE", "update readings set people = 0");
const ALLOW_TWICE: Statement = breaking(
    "ALLOW_TWICE",
    "drop trigger openings_are_decided_once",
    "drop trigger openings_are_decided_once on openings",
);
const APPROVE_ONESELF: Statement =
    same("APPROVE_ONESELF", "update openings set decided_by = asked_by");

#[tokio::test]
async fn a_reading_that_was_forgotten_is_found_by_its_entry() {
    on_both(|db| async move {
        let (world, _) = healthy(db).await;
        tamper(&world, UNDERSTATE, values![]).await;
        assert_eq!(violated(&world).await, ["I-20"]);
        assert_eq!(tamper(&world, FORGET, values![]).await, 1);
        assert_eq!(violated(&world).await, ["I-20"]);
        assert_eq!(codes(&world).await, ["reading.unexplained".to_owned()].into());
    })
    .await;
}

#[tokio::test]
async fn a_reading_without_an_entry_is_found() {
    on_both(|db| async move {
        let (world, _) = healthy(db).await;
        // One beside an entry of another kind, one beyond the ledger.
        tamper(&world, INVENT, values![[1_u8; 16], 0_i64, [1_u8; 32]]).await;
        tamper(&world, INVENT, values![[2_u8; 16], 1_000_000_i64, [1_u8; 32]]).await;
        assert_eq!(violated(&world).await, ["I-20"]);
        assert_eq!(codes(&world).await, ["reading.not_on_record".to_owned()].into());
    })
    .await;
}

#[tokio::test]
async fn a_record_that_nobody_else_approved_is_found() {
    on_both(|db| async move {
        let (world, _) = healthy(db).await;
        tamper(&world, ALLOW_TWICE, values![]).await;
        assert_eq!(tamper(&world, APPROVE_ONESELF, values![]).await, 1);
        assert_eq!(violated(&world).await, ["I-20"]);
        assert_eq!(codes(&world).await, ["opening.one_pair_of_eyes".to_owned()].into());

        // An entry that names a request which no entry approves.
        let detail = serde_json::json!({"what": "record", "role": "officer", "people": 1,
            "opening": "opn_00000000000000000000000000000000"});
        let now = world.clock.now();
        let leaf =
            Leaf::new(LeafKind::OfficerAccess, now).with_commitment([1; 32]).with_detail(detail);
        let mut tx = world.db.begin().await.expect("begins");
        ledger::append(&mut tx, &world.keys.log_signer(), &[leaf], now).await.expect("appended");
        tx.commit().await.expect("commits");
        assert!(codes(&world).await.contains("record.unapproved"));
    })
    .await;
}
