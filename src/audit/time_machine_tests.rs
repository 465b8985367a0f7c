//! The time machine on both engines.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::Rng;
use volens_privacy::consent::Decision;
use volens_privacy::ledger::{Leaf, LeafKind};
use volens_privacy::parties::Parties;
use volens_privacy::purpose::PurposeKind;
use volens_privacy::{SubjectId, Timestamp};

use super::AuditError;
use super::time_machine::{AccountThen, account_at, counts_at, reachable_at};
use crate::access::{Credential, Role};
use crate::clock::Clock as _;
use crate::consent::publish_parties;
use crate::db::testing::on_both;
use crate::db::{Statement, statements, values};
use crate::ids::KeyId;
use crate::ledger;
use crate::readings::Reader;
use crate::readings::openings::OpeningError;
use crate::readings::tests::approved;
use crate::testing::{World, app};

const DAY: Duration = Duration::from_hours(24);
const MESSAGES: PurposeKind = PurposeKind::BusinessMessages;
/// Every reading has an id of its own.
static SEED: AtomicU64 = AtomicU64::new(100);
const OFFICER: Reader =
    Reader { credential: Credential::Key(KeyId::from_bytes([5; 16])), role: Role::Officer };

statements! {
    FORGET_GRANTS = "delete from grants";
    SPOIL = "update consent_records set entry = entry + 1000 where subject = $1";
}

async fn run(world: &World, statement: Statement) {
    let mut tx = world.db.begin().await.unwrap();
    tx.execute(statement, values![]).await.unwrap();
    tx.commit().await.unwrap();
}

/// How an account stood, told to whoever a second officer approved; to nobody before.
async fn told(
    world: &World,
    (reader, subject): (Reader, SubjectId),
    when: (Timestamp, Option<Timestamp>),
) -> Result<AccountThen, AuditError> {
    let mut rng = world.rng(SEED.fetch_add(1, Ordering::Relaxed));
    let (mut tx, now) = (world.db.begin().await.unwrap(), world.clock.now());
    let told = account_at(&mut tx, &world.keys, &mut rng, (reader, subject), (when, now)).await?;
    tx.commit().await.unwrap();
    Ok(told)
}

#[test]
fn the_statements_of_these_tests_are_theirs_alone() {
    assert_eq!(STATEMENTS.len(), 2);
}

#[tokio::test]
async fn each_state_is_told_with_its_entry_and_the_text_shown_then() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let begin = world.clock.now();
        let mut tx = world.db.begin().await.unwrap();
        let signer = world.keys.log_signer();
        let parties = (Parties::EXAMPLE, Parties::example());
        publish_parties(&mut tx, &signer, parties, begin).await.unwrap();
        tx.commit().await.unwrap();
        let anna = world.account("messenger", "anna").await;
        world.clock.advance(DAY);
        let given = world.give("messenger", "anna", MESSAGES).await;
        world.clock.advance(DAY);
        // Another company answers for the data from now on.
        let other = Parties::EXAMPLE.replacen("Messenger Ltd.", "Messenger and Daughters", 1);
        let mut tx = world.db.begin().await.unwrap();
        let parsed = Parties::parse(&other).unwrap();
        publish_parties(&mut tx, &signer, (&other, &parsed), world.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        world.clock.advance(DAY);
        let ended = world.withdraw("messenger", "anna", MESSAGES, None).await.unwrap().0.entry;
        // What the tables of the present say does not matter.
        run(&world, FORGET_GRANTS).await;

        let (then, now) = (begin.plus(DAY), world.clock.now());
        let closed = told(&world, (OFFICER, anna), (then, None)).await;
        assert!(matches!(closed, Err(AuditError::Opening(OpeningError::Closed))));
        let (reader, _) = approved(&world, anna).await;
        let tell = async |when| told(&world, (reader, anna), when).await.unwrap();
        let told = tell((then, None)).await;
        let mut tx = world.db.read().await.unwrap();
        let state = &told.states[0];
        assert_eq!((state.live, state.entry, state.since), (true, given, then));
        let leaf = ledger::leaves(&mut tx, &[given]).await.unwrap().remove(&given).unwrap();
        assert_eq!(state.leaf_hash, Leaf::parse(&leaf).unwrap().hash().to_string());
        let text = state.notice.as_ref().unwrap();
        assert_eq!((text.version, text.parties), (5, Some(1)));
        assert!(text.text.contains("Messenger Ltd., 1 Example Street"));
        assert!(!text.text.contains("Daughters"), "as it was shown then");

        drop(tx);
        let told = tell((now, Some(then))).await;
        assert_eq!(told.states[0].why_not, Some("consent.withdrawn"));
        assert_eq!((told.states[0].entry, told.differed[0].entry), (ended, given));
        let told = tell((begin, Some(then))).await;
        assert!(told.states.is_empty() && told.differed[0].live);
        let mut tx = world.db.read().await.unwrap();
        let access = ledger::leaves(&mut tx, &[told.access_entry]).await.unwrap();
        let access = Leaf::parse(&access[&told.access_entry]).unwrap();
        assert_eq!(access.kind(), LeafKind::OfficerAccess);
    })
    .await;
}

#[tokio::test]
async fn who_was_reachable_is_told_in_bounded_steps() {
    on_both(|db| async move {
        let world = World::new(db).await;
        for n in 0..7 {
            let name = format!("u{n}");
            world.account("messenger", &name).await;
            world.account("photos", &name).await;
            world.give("messenger", &name, MESSAGES).await;
            if n % 2 == 0 {
                world.give("photos", &name, MESSAGES).await;
            }
        }
        let then = world.clock.now();
        world.clock.advance(DAY);
        for n in 0..3 {
            let reference = format!("u{n}");
            world.withdraw("messenger", &reference, MESSAGES, None).await.unwrap();
        }
        let now = world.clock.now();
        run(&world, FORGET_GRANTS).await;
        let mut tx = world.db.begin().await.unwrap();
        let (messenger, mut rng) = (app("messenger"), world.rng(5));
        for (at, expected) in [(then, 7), (now, 4), (then.minus(DAY), 0)] {
            let (mut found, mut looked, mut after) = (Vec::new(), 0, None);
            loop {
                let about = (&messenger, MESSAGES, at);
                let reader: (Reader, &mut (dyn Rng + Send)) = (OFFICER, &mut rng);
                let step = reachable_at(&mut tx, &world.keys, reader, about, (after, 3), now);
                let step = step.await.unwrap();
                assert!(step.looked_at <= 3 && step.unverifiable == 0);
                looked += step.looked_at;
                found.extend(step.found);
                after = step.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!((found.len(), looked), (expected, 7), "at {at}");
            assert!(found.iter().all(|one| one.notice == "messages@5/en"));
        }
        let about = (&messenger, then, Some(now));
        let counted = counts_at(&mut tx, &world.keys, about, (None, 100)).await.unwrap();
        assert_eq!((counted.looked_at, counted.next), (7, None));
        assert_eq!(counted.found.len(), 1);
        let count = &counted.found[0];
        assert_eq!((count.at, count.compared, count.notice.as_str()), (7, Some(4), "messages@5"));
    })
    .await;
}

#[tokio::test]
async fn an_account_whose_records_do_not_open_counts_as_not_reachable() {
    on_both(|db| async move {
        let world = World::new(db).await;
        for name in ["anna", "ben"] {
            world.account("messenger", name).await;
            world.give("messenger", name, MESSAGES).await;
        }
        let request = world.choice("ben", PurposeKind::Reports, None, Decision::Given, None);
        world.decide("messenger", request).await.unwrap();
        let anna = world.account("messenger", "anna").await;
        let mut tx = world.db.begin().await.unwrap();
        let broken = tx.execute(SPOIL, values![anna]).await.unwrap();
        assert_eq!(broken, 1);
        tx.commit().await.unwrap();
        let (app, now, mut rng) = (app("messenger"), world.clock.now(), world.rng(5));
        let mut tx = world.db.begin().await.unwrap();
        let reader: (Reader, &mut (dyn Rng + Send)) = (OFFICER, &mut rng);
        let about = (&app, MESSAGES, now);
        let found = reachable_at(&mut tx, &world.keys, reader, about, (None, 9), now).await;
        let found = found.unwrap();
        assert_eq!((found.found.len(), found.unverifiable), (1, 1));
        drop(tx);
        let (reader, _) = approved(&world, anna).await;
        let refused = told(&world, (reader, anna), (now, None)).await;
        assert!(matches!(refused, Err(AuditError::Unverifiable)));
    })
    .await;
}
