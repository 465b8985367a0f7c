//! T-L1 … T-L7: what somebody who may write to the database can do to the log, and how it is found.
//!
//! The triggers are gone and the log's key may be in the attacker's hands: then only what is kept
//! outside tells. Both are said in each test.

use std::ops::Range;

use volens_privacy::ledger::{Cosigner, Leaf, Quorum, SignedCheckpoint};

use super::*;
use crate::db::Engine;
use crate::db::testing::on_both;
use crate::ledger::{Trust, store};

const LATER: Duration = Duration::from_mins(1);

/// Thirty entries in ten batches, one a minute.
async fn story(db: &Db, signer: &LogSigner) {
    write(db, signer, 0..10, "").await;
}

/// Batches of three entries that say `word`.
async fn write(db: &Db, signer: &LogSigner, batches: Range<u64>, word: &str) {
    for batch in batches {
        let at = now().plus(LATER * batch as u32);
        let say = |n| {
            let detail = serde_json::json!({ "run": format!("{word}{n}") });
            Leaf::new(LeafKind::AuditRun, at).with_detail(detail)
        };
        let leaves: Vec<Leaf> = (batch * 3..batch * 3 + 3).map(say).collect();
        let mut tx = db.begin().await.unwrap();
        append(&mut tx, signer, &leaves, at).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// Takes the database's own defence away, as whoever owns it can.
pub(super) async fn disarm(db: &Db) {
    let tables = ["heads", "entries", "nodes", "checkpoints", "cosignatures", "shards"];
    let texts: Vec<String> = match db.engine() {
        Engine::Sqlite => {
            let mut texts: Vec<String> = tables[1..]
                .iter()
                .flat_map(|t| {
                    ["update", "delete"].map(|on| format!("drop trigger ledger_{t}_no_{on}"))
                })
                .collect();
            texts.extend(["grow", "turn"].map(|on| format!("drop trigger ledger_heads_{on}")));
            texts
        }
        Engine::Postgres => {
            tables.map(|t| format!("alter table ledger_{t} disable trigger user")).to_vec()
        }
    };
    for text in texts {
        run(db, &text, &text).await;
    }
}

/// One statement behind the service's back.
pub(super) async fn run(db: &Db, sqlite: &str, postgres: &str) {
    let leak = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
    let statement = Statement::new("test", "TAMPER", leak(sqlite), leak(postgres));
    let mut tx = db.begin().await.unwrap();
    tx.execute(statement, values![]).await.unwrap();
    tx.commit().await.unwrap();
}

pub(super) async fn both(db: &Db, text: &str) {
    run(db, text, text).await;
}

/// Back to nothing, to write another history.
async fn wipe(db: &Db) {
    for table in ["entries", "nodes", "checkpoints"] {
        both(db, &format!("delete from ledger_{table}")).await;
    }
    both(db, "update ledger_heads set size = 0").await;
}

pub(super) async fn faults(db: &Db, trust: &Trust) -> Vec<Fault> {
    let mut tx = db.read().await.unwrap();
    verify(&mut tx, trust, |_, _| ()).await.unwrap().faults
}

pub(super) async fn head(db: &Db) -> SignedCheckpoint {
    checkpoint(&mut db.read().await.unwrap()).await.unwrap().unwrap()
}

/// What is held against the log: its key alone, and with a checkpoint from outside.
pub(super) fn trusts(keys: &KeyRing, kept: &SignedCheckpoint) -> (Trust, Trust) {
    let alone = Trust::key_only(keys.log_verifier());
    let kept = Trust { kept: Some(kept.as_str().to_owned()), ..alone.clone() };
    (alone, kept)
}

/// Whoever has not the key cannot touch anything without being found by the log alone.
async fn found_without_the_key(what: &'static str, sqlite: &'static str, postgres: &'static str) {
    on_both(|db| async move {
        let (signer, keys) = signer();
        story(&db, &signer).await;
        disarm(&db).await;
        let alone = Trust::key_only(keys.log_verifier());
        assert_eq!(faults(&db, &alone).await, [], "{what}: nothing was touched yet");
        run(&db, sqlite, postgres).await;
        assert_ne!(faults(&db, &alone).await, [], "{what} was not found");
    })
    .await;
}

async fn found(what: &'static str, text: &'static str) {
    found_without_the_key(what, text, text).await;
}

#[tokio::test]
async fn t_l1_an_altered_entry_hash_or_checkpoint() {
    let other = "(select leaf from ledger_entries where idx = 8)";
    let text = format!("update ledger_entries set leaf = {other} where idx = 7");
    found("alter", Box::leak(text.into_boxed_str())).await;
    found_without_the_key(
        "break",
        "update ledger_entries set leaf = x'0a' where idx = 7",
        "update ledger_entries set leaf = '\\x0a' where idx = 7",
    )
    .await;
    found_without_the_key(
        "alter a node",
        "update ledger_nodes set hash = zeroblob(32) where position = (1 << 48) + 3",
        "update ledger_nodes set hash = decode(repeat('00', 32), 'hex')
         where position = (1::bigint << 48) + 3",
    )
    .await;
    // Together the same bytes, cut elsewhere.
    found_without_the_key(
        "move a byte from one node to the next",
        "update ledger_nodes set hash = cast(case position
            when 3 then substr(hash, 1, 31)
            else (select substr(hash, 32) from ledger_nodes where position = 3) || hash end as blob)
         where position in (3, 4)",
        "update ledger_nodes set hash = case position
            when 3 then substr(hash, 1, 31)
            else (select substr(hash, 32) from ledger_nodes where position = 3) || hash end
         where position in (3, 4)",
    )
    .await;
    found(
        "alter a checkpoint",
        "update ledger_checkpoints set note = (select note from ledger_checkpoints where size = 9)
         where size = 12",
    )
    .await;
}

#[tokio::test]
async fn t_l2_a_deleted_entry_hash_or_checkpoint() {
    found("delete", "delete from ledger_entries where idx = 7").await;
    found("delete the last", "delete from ledger_entries where idx = 29").await;
    found_without_the_key(
        "lose a node",
        "delete from ledger_nodes where position = (2 << 48) + 1",
        "delete from ledger_nodes where position = (2::bigint << 48) + 1",
    )
    .await;
    found("lose the last checkpoint", "delete from ledger_checkpoints where size = 30").await;
}

#[tokio::test]
async fn t_l3_reordered_entries() {
    found(
        "exchange two entries",
        "update ledger_entries set leaf = (select other.leaf from ledger_entries as other
            where other.log = ledger_entries.log and other.idx = 23 - ledger_entries.idx)
         where idx in (11, 12)",
    )
    .await;
}

#[tokio::test]
async fn t_l4_back_dated_entries_and_checkpoints() {
    // An entry said to have been recorded earlier: its checkpoint comes before those before it.
    found(
        "back-date a checkpoint",
        "update ledger_checkpoints set created_at = created_at - 3600000000 where size = 21",
    )
    .await;
    found(
        "date a checkpoint later",
        "update ledger_checkpoints set created_at = created_at + 3600000000 where size = 21",
    )
    .await;
    on_both(|db| async move {
        // Slipped in between, with all hashes made anew but without the key.
        let (signer, keys) = signer();
        story(&db, &signer).await;
        let (alone, _) = trusts(&keys, &head(&db).await);
        let mut tx = db.read().await.unwrap();
        let mut bytes: Vec<Vec<u8>> =
            entries(&mut tx, 0, 30).await.unwrap().into_iter().map(|(_, leaf)| leaf).collect();
        drop(tx);
        bytes.insert(7, leaf(99).bytes());
        bytes.pop();
        disarm(&db).await;
        both(&db, "delete from ledger_entries").await;
        both(&db, "delete from ledger_nodes").await;
        let mut tree = Frontier::default();
        let nodes: Vec<_> = bytes.iter().flat_map(|leaf| tree.append(leaf_hash(leaf))).collect();
        let mut tx = db.begin().await.unwrap();
        store::add_entries(&mut tx, 0, &bytes).await.unwrap();
        let shard = Shard { before: 0, year: now().year(), end: None };
        store::add_nodes(&mut tx, &shard, &nodes).await.unwrap();
        tx.commit().await.unwrap();
        let found = faults(&db, &alone).await;
        assert!(found.contains(&Fault::WrongRoot { size: 9 }), "{found:?}");
        assert!(!found.contains(&Fault::WrongRoot { size: 6 }), "before it nothing changed");
    })
    .await;
}

#[tokio::test]
async fn t_l5_a_fork_is_seen_by_whoever_kept_a_checkpoint() {
    on_both(|db| async move {
        let (signer, keys) = signer();
        story(&db, &signer).await;
        let (alone, kept) = trusts(&keys, &head(&db).await);
        disarm(&db).await;
        wipe(&db).await;
        write(&db, &signer, 0..5, "").await;
        write(&db, &signer, 5..12, "otherwise ").await;
        // Whoever holds the key can make it fit in itself …
        assert_eq!(faults(&db, &alone).await, []);
        // … and not with what is known outside.
        assert_eq!(
            faults(&db, &kept).await,
            [Fault::OtherHistory { size: 30, known_by: "kept checkpoint".to_owned() }]
        );
    })
    .await;
}

#[tokio::test]
async fn t_l6_a_log_that_was_cut_is_seen_by_whoever_kept_a_checkpoint() {
    found("cut the head alone", "update ledger_heads set size = 29").await;
    found("cut the head to a checkpoint", "update ledger_heads set size = 27").await;
    on_both(|db| async move {
        let (signer, keys) = signer();
        story(&db, &signer).await;
        let (alone, kept) = trusts(&keys, &head(&db).await);
        disarm(&db).await;
        wipe(&db).await;
        write(&db, &signer, 0..9, "").await;
        assert_eq!(faults(&db, &alone).await, [], "a cut tail fits");
        let nonsense = Trust { kept: Some("nonsense".to_owned()), ..alone.clone() };
        assert_eq!(faults(&db, &nonsense).await, [Fault::BadKept]);
        let cut = Fault::Shrunk { size: 27, known: 30, known_by: "kept checkpoint".to_owned() };
        assert_eq!(faults(&db, &kept).await, [cut]);
    })
    .await;
}

#[tokio::test]
async fn t_l7_a_database_from_a_backup_is_seen_by_whoever_kept_a_checkpoint() {
    let fresh = FreshSqlite::create();
    let (signer, keys) = signer();
    let db = fresh.open().await;
    write(&db, &signer, 0..6, "").await;
    db.close().await;
    let file = fresh.address().strip_prefix("sqlite:").unwrap().to_owned();
    let backup = format!("{file}.backup");
    std::fs::copy(&file, &backup).unwrap();

    let db = fresh.open().await;
    write(&db, &signer, 6..10, "").await;
    let (alone, kept) = trusts(&keys, &head(&db).await);
    assert_eq!(faults(&db, &kept).await, []);
    db.close().await;
    std::fs::copy(&backup, &file).unwrap();

    let db = fresh.open().await;
    assert_eq!(faults(&db, &alone).await, [], "an older copy fits");
    let known_by = "kept checkpoint".to_owned();
    let cut = Fault::Shrunk { size: 18, known: 30, known_by: known_by.clone() };
    assert_eq!(faults(&db, &kept).await, [cut]);
    // And it is not forgotten when the log has grown over it.
    write(&db, &signer, 6..14, "after the restore ").await;
    assert_eq!(faults(&db, &kept).await, [Fault::OtherHistory { size: 30, known_by }]);
    db.close().await;
}

/// The witness's own words are stored beside the checkpoint: another history does not have them.
#[tokio::test]
async fn cosignatures_do_not_fit_another_history() {
    on_both(|db| async move {
        let (signer, keys) = signer();
        story(&db, &signer).await;
        let witness = Cosigner::new("w.example", &[7; 32]).unwrap();
        let quorum = Quorum::new(vec![witness.verifier()], 1).unwrap();
        let trust = Trust { quorum, ..Trust::key_only(keys.log_verifier()) };
        let note = head(&db).await;
        let at = now().plus(LATER * 10);
        let line = witness.cosign(&note, at);
        let cosignature = witness.verifier().line_in(&note, &line).unwrap().1;
        let mut tx = db.begin().await.unwrap();
        store::begin_confirming(&mut tx).await.unwrap();
        store::add_cosignature(&mut tx, 30, &line, &cosignature, at).await.unwrap();
        store::confirm(&mut tx, 30).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(faults(&db, &trust).await, []);

        disarm(&db).await;
        wipe(&db).await;
        write(&db, &signer, 0..10, "otherwise ").await;
        let found = faults(&db, &trust).await;
        let broken = Fault::BadCosignature { size: 30, witness: "w.example".to_owned() };
        assert!(found.contains(&broken), "{found:?}");
        both(&db, "delete from ledger_cosignatures").await;
        both(&db, "update ledger_heads set confirmed_from = 0").await;
        assert_eq!(faults(&db, &trust).await, [Fault::Unconfirmed { size: 30 }]);
    })
    .await;
}
