//! Keys, the cache of keys, and the check values of the key ring, on both engines.

use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use volens_privacy::identity::AppId;
use volens_privacy::keys::KeyRing;
use volens_privacy::{PhoneEncoding, Timestamp};

use super::keys::{KeyCache, NewKey, Owner};
use super::{AccessError, Caller, directory, key_ring, keys};
use crate::db::Db;
use crate::db::testing::on_both;

const NOW: Timestamp = Timestamp::from_micros(1_768_478_400_000_000);

fn ring(seed: u64) -> KeyRing {
    KeyRing::generate(&mut StdRng::seed_from_u64(seed), NOW)
}

async fn issue(db: &Db, ring: &KeyRing, caller: &Caller, seed: u64) -> NewKey {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut tx = db.begin().await.unwrap();
    let key = keys::issue(&mut tx, ring, &mut rng, caller, "test", NOW).await.unwrap();
    tx.commit().await.unwrap();
    key
}

#[tokio::test]
async fn another_process_notices_a_revocation_when_its_memory_ends() {
    on_both(|db| async move {
        let ring = ring(1);
        let key = issue(&db, &ring, &Caller::Operator, 2).await;
        let here = KeyCache::new(Duration::from_secs(5));
        let there = KeyCache::new(Duration::from_secs(5));
        for cache in [&here, &there] {
            assert!(cache.caller(&db, &ring, &key.text, NOW).await.unwrap().is_some());
        }
        let mut tx = db.begin().await.unwrap();
        keys::revoke(&mut tx, &Owner::Anyone, key.id, NOW).await.unwrap();
        tx.commit().await.unwrap();
        here.forget(key.id);
        assert!(here.caller(&db, &ring, &key.text, NOW).await.unwrap().is_none());
        let later = NOW.plus(Duration::from_secs(5));
        assert!(there.caller(&db, &ring, &key.text, later).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn a_key_is_worth_nothing_under_another_key_ring() {
    on_both(|db| async move {
        let key = issue(&db, &ring(1), &Caller::Officer, 2).await;
        let cache = KeyCache::new(Duration::ZERO);
        assert!(cache.caller(&db, &ring(1), &key.text, NOW).await.unwrap().is_some());
        assert!(cache.caller(&db, &ring(2), &key.text, NOW).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn keys_of_one_tenant_cannot_be_found_by_another() {
    on_both(|db| async move {
        let (ring, mut rng) = (ring(1), StdRng::seed_from_u64(3));
        let mut tx = db.begin().await.unwrap();
        let one = directory::create_business(&mut tx, &mut rng, "One", NOW).await.unwrap().id;
        let two = directory::create_business(&mut tx, &mut rng, "Two", NOW).await.unwrap().id;
        let app = AppId::parse("facelook").unwrap();
        let record = directory::AppRecord {
            id: app.clone(),
            title: "Facelook".to_owned(),
            phone_encoding: PhoneEncoding::Meta,
            region: None,
            created_at: NOW,
        };
        directory::create_app(&mut tx, &record).await.unwrap();
        let again = directory::create_app(&mut tx, &record).await;
        assert!(matches!(again, Err(AccessError::Taken)));
        tx.rollback().await;

        let mut tx = db.begin().await.unwrap();
        directory::create_app(&mut tx, &record).await.unwrap();
        let one_again = directory::create_business(&mut tx, &mut rng, "One", NOW).await.unwrap();
        let two_again = directory::create_business(&mut tx, &mut rng, "Two", NOW).await.unwrap();
        tx.commit().await.unwrap();
        assert!(one != one_again.id && two != two_again.id);
        let (one, two) = (one_again.id, two_again.id);
        let own = issue(&db, &ring, &Caller::Business(one), 4).await;
        issue(&db, &ring, &Caller::Agent(one), 5).await;
        issue(&db, &ring, &Caller::Business(two), 6).await;
        issue(&db, &ring, &Caller::App(app.clone()), 7).await;
        let mut tx = db.begin().await.unwrap();
        for (owner, count) in [
            (Owner::Anyone, 4),
            (Owner::Business(one), 2),
            (Owner::Business(two), 1),
            (Owner::App(app.clone()), 1),
        ] {
            assert_eq!(keys::list(&mut tx, &owner, &[], 100).await.unwrap().len(), count);
        }
        for owner in [Owner::Business(two), Owner::App(app)] {
            let refused = keys::revoke(&mut tx, &owner, own.id, NOW).await;
            assert!(matches!(refused, Err(AccessError::Unknown)));
        }
        keys::revoke(&mut tx, &Owner::Business(one), own.id, NOW).await.unwrap();
        assert_eq!(directory::app(&mut tx, &record.id).await.unwrap().unwrap().title, "Facelook");
        assert_eq!(directory::business(&mut tx, two).await.unwrap().unwrap().name, "Two");
        tx.rollback().await;
    })
    .await;
}

#[tokio::test]
async fn a_database_opens_with_its_own_keys_only() {
    on_both(|db| async move {
        let mut tx = db.begin().await.unwrap();
        assert!(!key_ring::is_bound(&mut tx).await.unwrap());
        key_ring::verify(&mut tx, &ring(1)).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = db.begin().await.unwrap();
        assert!(key_ring::is_bound(&mut tx).await.unwrap());
        key_ring::verify(&mut tx, &ring(1)).await.unwrap();
        let other = key_ring::verify(&mut tx, &ring(2)).await;
        assert!(matches!(other, Err(key_ring::KeyRingError::Mismatch(_))));
        tx.rollback().await;
    })
    .await;
}
