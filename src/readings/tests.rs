//! Readings and openings on both engines.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use volens_privacy::ledger::{Leaf, LeafKind};
use volens_privacy::{BusinessId, SubjectId, Timestamp};

use super::openings::{self, Asking, Opening, OpeningError, OpeningState, Rules};
use super::{Reader, Subject, between, note};
use crate::access::{Caller, Credential, Role, directory};
use crate::clock::Clock as _;
use crate::config;
use crate::db::testing::on_both;
use crate::ids::{KeyId, ListId, OpeningId, UserId};
use crate::ledger;
use crate::stretch::Stretch;
use crate::testing::World;

/// Every request has an id of its own.
static SEED: AtomicU64 = AtomicU64::new(3);

const RULES: Rules =
    Rules { asking: Duration::from_hours(24), opening: Duration::from_hours(8), alone: false };
const ALONE: Rules = Rules { alone: true, ..RULES };

/// A user of the console who is an officer.
pub(crate) async fn officer(world: &World, email: &str) -> UserId {
    let settings = config::load(None, [], &[]).expect("the defaults");
    let (stretch, mut rng) = (Stretch::new(1, 1), StdRng::seed_from_u64(email.len() as u64));
    let pool = (&stretch, &settings.stretch);
    let new = directory::prepare_user(pool, &mut rng, email, None, Caller::Officer).await;
    let mut tx = world.db.begin().await.expect("begins");
    let user = directory::create_user(&mut tx, &mut rng, new.expect("a user"), world.clock.now());
    let id = user.await.expect("is made").id;
    tx.commit().await.expect("commits");
    id
}

async fn ask(
    world: &World,
    subject: SubjectId,
    by: Credential,
    rules: Rules,
) -> Result<Opening, OpeningError> {
    let mut tx = world.db.begin().await.expect("begins");
    let asking = Asking { subject, by, reason: "a complaint of the person" };
    let now = world.clock.now();
    let mut rng = world.rng(SEED.fetch_add(1, Ordering::Relaxed));
    let asked = openings::ask(&mut tx, &world.keys, &mut rng, rules, asking, now).await?;
    tx.commit().await.expect("commits");
    Ok(asked.opening)
}

async fn decide(
    world: &World,
    id: OpeningId,
    by: UserId,
    approve: bool,
) -> Result<Opening, OpeningError> {
    let mut tx = world.db.begin().await.expect("begins");
    let decision = (id, by, approve);
    let decided =
        openings::decide(&mut tx, &world.keys, RULES, decision, world.clock.now()).await?;
    tx.commit().await.expect("commits");
    Ok(decided)
}

async fn demand(world: &World, subject: SubjectId, by: UserId) -> Result<OpeningId, OpeningError> {
    let mut tx = world.db.read().await.expect("begins");
    openings::demand(&mut tx, subject, Credential::User(by), world.clock.now()).await
}

/// An account and its approved opening for an officer.
pub(crate) async fn approved(world: &World, subject: SubjectId) -> (Reader, OpeningId) {
    let (one, other) =
        (officer(world, "one@volens.test").await, officer(world, "other@a.test").await);
    let asked = ask(world, subject, Credential::User(one), RULES).await.expect("asked");
    decide(world, asked.id, other, true).await.expect("approved");
    (Reader { credential: Credential::User(one), role: Role::Officer }, asked.id)
}

async fn leaf(world: &World, entry: u64) -> Leaf {
    let mut tx = world.db.read().await.expect("begins");
    let leaves = ledger::leaves(&mut tx, &[entry]).await.expect("reads");
    Leaf::parse(&leaves[&entry]).expect("a leaf")
}

#[tokio::test]
async fn a_record_opens_after_a_second_officer_approved_and_for_a_while() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let subject = world.account("messenger", "u1").await;
        let one = officer(&world, "one@volens.test").await;
        let other = officer(&world, "second@volens.test").await;
        assert!(matches!(demand(&world, subject, one).await, Err(OpeningError::Closed)));
        let asked = ask(&world, subject, Credential::User(one), RULES).await.expect("asked");
        assert_eq!(
            (asked.state, asked.reason.as_str()),
            (OpeningState::Asked, "a complaint of the person")
        );
        assert!(matches!(demand(&world, subject, one).await, Err(OpeningError::Closed)));
        let own = decide(&world, asked.id, one, true).await;
        assert!(matches!(own, Err(OpeningError::SameOfficer)));
        // Asking again leads to the request that waits; somebody else's is another one.
        let again = ask(&world, subject, Credential::User(one), RULES).await.expect("asked");
        assert_eq!(again, asked);
        let others = ask(&world, subject, Credential::User(other), RULES).await.expect("asked");
        assert_ne!(others.id, asked.id);

        let decided = decide(&world, asked.id, other, true).await.expect("approved");
        assert_eq!(decided.state, OpeningState::Approved);
        assert_eq!(demand(&world, subject, one).await.expect("opens"), asked.id);
        let again = ask(&world, subject, Credential::User(one), RULES).await.expect("asked");
        assert_eq!(again, decided, "it opens the record already");
        // Only for the one who asked, and decided is decided.
        assert!(matches!(demand(&world, subject, other).await, Err(OpeningError::Closed)));
        let again = decide(&world, asked.id, other, false).await;
        assert!(matches!(again, Err(OpeningError::Over)));
        // Neither entry says of whom, or by whom.
        for (entry, kind) in [
            (asked.asked_entry, LeafKind::AccessAsked),
            (decided.decided_entry.expect("decided"), LeafKind::AccessDecided),
        ] {
            let leaf = leaf(&world, entry).await;
            assert_eq!(leaf.kind(), kind);
            let said = String::from_utf8(leaf.bytes()).expect("JSON");
            assert!(said.contains(&asked.id.to_string()), "{said}");
            assert!(!said.contains(&subject.to_string()) && !said.contains("complaint"), "{said}");
        }
        world.clock.advance(RULES.opening);
        assert!(matches!(demand(&world, subject, one).await, Err(OpeningError::Closed)));
        let anew = ask(&world, subject, Credential::User(one), RULES).await.expect("asked");
        assert_ne!(anew.id, asked.id, "what ran out opens nothing");
    })
    .await;
}

#[tokio::test]
async fn what_was_declined_or_waited_too_long_stays_closed() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let subject = world.account("messenger", "u1").await;
        let one = officer(&world, "one@volens.test").await;
        let other = officer(&world, "second@volens.test").await;
        let asked = ask(&world, subject, Credential::User(one), RULES).await.expect("asked");
        let declined = decide(&world, asked.id, other, false).await.expect("declined");
        assert_eq!(declined.state, OpeningState::Declined);
        assert!(matches!(demand(&world, subject, one).await, Err(OpeningError::Closed)));

        // A program may ask, and a person decides.
        let key = Credential::Key(KeyId::from_bytes([5; 16]));
        let asked = ask(&world, subject, key, RULES).await.expect("asked");
        world.clock.advance(RULES.asking);
        let late = decide(&world, asked.id, other, true).await;
        assert!(matches!(late, Err(OpeningError::Over)));
        let mut tx = world.db.begin().await.expect("begins");
        let now = world.clock.now();
        assert!(openings::list(&mut tx, &world.keys, now).await.expect("reads").is_empty());
        world.clock.advance(Duration::from_hours(401 * 24));
        let now = world.clock.now();
        assert_eq!(openings::forget_old(&mut tx, now).await.expect("forgets"), 2);
    })
    .await;
}

#[tokio::test]
async fn the_only_officer_is_refused_or_recorded() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let subject = world.account("messenger", "u1").await;
        let one = officer(&world, "one@volens.test").await;
        let refused = ask(&world, subject, Credential::User(one), RULES).await;
        assert!(matches!(refused, Err(OpeningError::NoSecondOfficer)));
        let asked = ask(&world, subject, Credential::User(one), ALONE).await.expect("asked");
        assert_eq!((asked.state, asked.alone), (OpeningState::Approved, true));
        let entry = leaf(&world, asked.decided_entry.expect("decided")).await;
        assert_eq!(entry.detail().expect("a detail")["alone"], true);
        assert!(demand(&world, subject, one).await.is_ok());
        let again = ask(&world, subject, Credential::User(one), ALONE).await.expect("asked");
        assert_eq!(again.id, asked.id);
        // As soon as there are two, nobody is alone any more.
        officer(&world, "second@volens.test").await;
        let asked = ask(&world, subject, Credential::User(one), ALONE).await.expect("asked");
        assert_eq!(asked.state, OpeningState::Asked);
    })
    .await;
}

#[tokio::test]
async fn a_reading_is_an_entry_and_a_row_and_says_of_nobody() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let reader = Reader {
            credential: Credential::Key(KeyId::from_bytes([7; 16])),
            role: Caller::Business(BusinessId::from_bytes([1; 16])).role(),
        };
        let now: Timestamp = world.clock.now();
        let mut tx = world.db.begin().await.expect("begins");
        let what = (Subject::Rows(ListId::from_bytes([3; 16])), 25);
        let entry = note(&mut tx, &world.keys, &mut world.rng(1), reader, what, now).await;
        let entry = entry.expect("noted");
        tx.commit().await.expect("commits");
        let mut tx = world.db.read().await.expect("begins");
        let kept = between(&mut tx, entry, entry + 1).await.expect("reads").remove(&entry);
        let kept = kept.expect("a row").remove(0);
        assert_eq!(
            (kept.what.as_str(), kept.role.as_str(), kept.people),
            ("list_rows", "business", 25)
        );
        drop(tx);
        let leaf = leaf(&world, entry).await;
        assert_eq!(leaf.kind(), LeafKind::OfficerAccess);
        assert_eq!(leaf.commitment(), Some(&kept.commitment));
        let said = String::from_utf8(leaf.bytes()).expect("JSON");
        assert!(!said.contains("0303"), "the entry does not name the list: {said}");
    })
    .await;
}
