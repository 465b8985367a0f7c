//! What is kept outside, and how far the log is confirmed.

use volens_privacy::ledger::{Cosigner, Quorum};

use super::tamper::both;
use super::*;
use crate::db::testing::on_both;
use crate::ledger::{KeptError, Trust, store, witnesses};

#[tokio::test]
async fn a_kept_checkpoint_grows_with_the_log_and_is_never_given_up() {
    on_both(|db| async move {
        let (signer, keys) = signer();
        let log = keys.log_verifier();
        let (directory, kept) = kept();
        let keep = async || kept.keep(&mut db.read().await.unwrap(), &log).await;
        assert_eq!(keep().await.unwrap(), 0);
        assert!(kept.read().unwrap().is_none());
        grow(&db, &signer, 0..3).await;
        assert_eq!(keep().await.unwrap(), 3);
        grow(&db, &signer, 3..7).await;
        assert_eq!(keep().await.unwrap(), 7);
        let note = kept.read().unwrap().unwrap();
        let stated = log.verify(&note).unwrap();
        assert_eq!(stated.size, 7);

        // Another history, and one of another key, do not get in.
        let path = directory.path().join("keyring.checkpoint");
        let other = Checkpoint { size: 5, ..stated.clone() };
        std::fs::write(&path, signer.sign(&other).as_str()).unwrap();
        assert!(matches!(keep().await, Err(KeptError::Forgotten { kept: 5, .. })));
        let other = Checkpoint { size: 9, ..stated.clone() };
        std::fs::write(&path, signer.sign(&other).as_str()).unwrap();
        assert!(matches!(keep().await, Err(KeptError::Forgotten { kept: 9, .. })));
        let left = kept.read().unwrap().unwrap();
        assert_eq!(log.verify(&left).unwrap().size, 9, "it is the evidence");
        std::fs::write(&path, note.replace("— ", "— x")).unwrap();
        assert!(matches!(keep().await, Err(KeptError::Foreign(_))));
    })
    .await;
}

#[tokio::test]
async fn asking_witnesses_begins_with_what_is_acknowledged_already() {
    on_both(|db| async move {
        let (signer, _) = signer();
        grow(&db, &signer, 0..3).await;
        let witness = Cosigner::new("w.example", &[7; 32]).unwrap().verifier();
        let quorum = Quorum::new(vec![witness], 1).unwrap();
        let adopted = async |quorum: &Quorum| {
            let mut tx = db.begin().await.unwrap();
            witnesses::adopt(&mut tx, quorum).await.unwrap();
            tx.commit().await.unwrap();
            confirmed(&mut db.read().await.unwrap()).await.unwrap()
        };
        assert_eq!(adopted(&Quorum::default()).await, u64::MAX, "nobody is asked");
        assert_eq!(adopted(&quorum).await, 3);
        grow(&db, &signer, 3..5).await;
        assert_eq!(adopted(&quorum).await, 3, "a restart confirms nothing");
        let mut tx = db.begin().await.unwrap();
        store::confirm(&mut tx, 5).await.unwrap();
        store::confirm(&mut tx, 4).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(adopted(&quorum).await, 5, "and nothing is taken back");
        assert_eq!(adopted(&Quorum::default()).await, 5, "who names no witness ends nothing");
        let mut tx = db.begin().await.unwrap();
        assert!(witnesses::are_asked(&mut tx).await.unwrap());
        witnesses::ask_no_longer(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(adopted(&Quorum::default()).await, u64::MAX);
    })
    .await;
}

fn december(year: u16) -> Timestamp {
    Timestamp::parse(&format!("{year}-12-01T12:00:00Z")).unwrap()
}

/// The witness's word on the log where it had `size` entries, and that they are confirmed.
async fn cosigned(db: &Db, witness: &Cosigner, size: u64, at: Timestamp) {
    let mut tx = db.begin().await.unwrap();
    let note = checkpoint_at(&mut tx, size).await.unwrap().unwrap();
    let line = witness.cosign(&note, at);
    let cosignature = witness.verifier().line_in(&note, &line).unwrap().1;
    store::add_cosignature(&mut tx, size, &line, &cosignature, at).await.unwrap();
    store::confirm(&mut tx, size).await.unwrap();
    tx.commit().await.unwrap();
}

async fn asked_from_now_on(db: &Db) {
    let mut tx = db.begin().await.unwrap();
    store::begin_confirming(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
}

/// A witness's word on a year says nothing about the one before.
#[tokio::test]
async fn a_year_is_confirmed_when_the_end_of_the_one_before_was() {
    on_both(|db| async move {
        let (signer, keys) = signer();
        let witness = Cosigner::new("w.example", &[7; 32]).unwrap();
        let quorum = Quorum::new(vec![witness.verifier()], 1).unwrap();
        let trust = Trust { quorum, ..Trust::key_only(keys.log_verifier()) };
        let faults = async || {
            let mut tx = db.read().await.unwrap();
            verify(&mut tx, &trust, |_, _| ()).await.unwrap().faults
        };
        grow_at(&db, &signer, 0..4, december(2025)).await;
        asked_from_now_on(&db).await;
        grow_at(&db, &signer, 4..6, december(2025)).await;
        grow_at(&db, &signer, 6..9, december(2026)).await;
        assert_eq!(faults().await, []);
        cosigned(&db, &witness, 10, december(2026)).await;
        assert_eq!(faults().await, [Fault::Unconfirmed { size: 10 }]);
        cosigned(&db, &witness, 6, december(2025)).await;
        assert_eq!(faults().await, []);

        // What was acknowledged before anybody was asked counts as confirmed, whatever year it is of.
        both(&db, "update ledger_heads set confirmed = null, confirmed_from = null").await;
        asked_from_now_on(&db).await;
        grow_at(&db, &signer, 9..11, december(2026)).await;
        cosigned(&db, &witness, 12, december(2026)).await;
        assert_eq!(faults().await, []);
    })
    .await;
}
