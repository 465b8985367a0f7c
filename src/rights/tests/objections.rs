//! An objection to marketing stands until the person says otherwise, whatever becomes of the account.

use std::time::Duration;

use volens_privacy::PurposeKind;
use volens_privacy::consent::Decision;
use volens_privacy::ledger::{Leaf, LeafKind};
use volens_privacy::purpose::BusinessMessages;

use super::super::objection::{Objected, object};
use super::*;
use crate::accounts::suppression::{self, MARKETING};
use crate::audience::Exclusion;
use crate::audience::tests::town::{Town, name};
use crate::consent::{DecisionsRequest, Refused};
use crate::db::Error;

const HOUR: Duration = Duration::from_hours(1);

async fn object_as(world: &World, reference: &str) -> Objected {
    let tag = world.keys.account_tag(&app("messenger"), reference);
    let who = (app("messenger"), tag);
    object(&world.consents, who, world.clock.now()).await.expect("nobody is turned away")
}

/// A report of a consent to messages, decided when.
fn yes(world: &World, reference: &str, at: Option<Timestamp>) -> DecisionsRequest {
    let purpose = PurposeKind::BusinessMessages;
    let request = world.choice(reference, purpose, None, Decision::Given, None);
    DecisionsRequest { decided_at: at, ..request }
}

async fn kind_of(world: &World, entry: u64) -> LeafKind {
    let mut tx = world.db.read().await.expect("a snapshot");
    let leaves = ledger::leaves(&mut tx, &[entry]).await.expect("leaves");
    Leaf::parse(&leaves[&entry]).expect("a leaf").kind()
}

async fn objected_at(world: &World, subject: SubjectId) -> Option<Timestamp> {
    let mut tx = world.db.read().await.expect("a snapshot");
    accounts::find(&mut tx, &[subject]).await.expect("accounts")[&subject].objected_at
}

#[tokio::test]
async fn an_objection_ends_marketing_with_entries_and_only_that() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let (anna, _) = people(&world).await;
        let done = object_as(&world, "anna").await;
        assert_eq!(kind_of(&world, done.entry).await, LeafKind::ObjectionMade);
        let ended: Vec<_> = done.ended.iter().map(|ended| ended.purpose).collect();
        assert_eq!(ended, MARKETING);
        for ended in &done.ended {
            let receipt = ended.receipt.as_ref().expect("each has its receipt");
            receipt.verify(&world.keys.log_verifier()).expect("it verifies");
            let never_given = ended.purpose == PurposeKind::FollowUp;
            let decision = if never_given { Decision::Refused } else { Decision::Withdrawn };
            assert_eq!(ended.decision, decision, "{}", ended.purpose);
        }
        assert_eq!(objected_at(&world, anna).await, Some(world.clock.now()));
        let mut tx = world.db.read().await.expect("a snapshot");
        let grants = consent::grants_of(&mut tx, &[anna]).await.expect("grants");
        let live: Vec<_> = grants.iter().filter(|g| g.state == Decision::Given).collect();
        assert_eq!(live.len(), 1, "the link is no marketing");
        drop(tx);
        let consents = world.consents_of(anna).await.expect("verified");
        assert!(consents.permit::<BusinessMessages>((), world.clock.now()).is_err());

        let again = object_as(&world, "anna").await;
        assert_eq!(again.entry, done.entry, "twice is once");
        assert!(again.ended.iter().all(|ended| ended.receipt.is_none()));
    })
    .await;
}

#[tokio::test]
async fn only_a_later_explicit_consent_to_messages_ends_an_objection() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let (anna, _) = people(&world).await;
        let before = world.clock.now();
        world.clock.advance(HOUR);
        object_as(&world, "anna").await;
        let objected = world.clock.now();
        world.clock.advance(HOUR);
        let refused = async |request| world.decide("messenger", request).await.err();
        assert_eq!(refused(yes(&world, "anna", None)).await, Some(Refused::Objected));
        assert_eq!(refused(yes(&world, "anna", Some(before))).await, Some(Refused::Objected));
        assert_eq!(refused(yes(&world, "anna", Some(objected))).await, Some(Refused::Objected));
        for purpose in [PurposeKind::Relevance, PurposeKind::FollowUp] {
            let mut request = world.choice("anna", purpose, None, Decision::Given, None);
            request.decided_at = Some(world.clock.now());
            assert_eq!(refused(request).await, Some(Refused::Objected), "{purpose}");
        }
        let request = world.choice("anna", PurposeKind::Reports, None, Decision::Given, None);
        world.decide("messenger", request).await.expect("reports are no marketing");

        let now = Some(world.clock.now());
        let decided = world.decide("messenger", yes(&world, "anna", now)).await.expect("explicit");
        assert_eq!(kind_of(&world, decided[0].entry).await, LeafKind::ConsentGiven);
        assert_eq!(kind_of(&world, decided[0].entry + 1).await, LeafKind::ObjectionLifted);
        assert_eq!(objected_at(&world, anna).await, None);
        world.give("messenger", "anna", PurposeKind::Relevance).await;
    })
    .await;
}

#[tokio::test]
async fn whoever_was_erased_and_comes_back_is_still_left_in_peace() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let (anna, _) = people(&world).await;
        object_as(&world, "anna").await;
        let said = world.clock.now();
        let directory = tempfile::tempdir().expect("a directory");
        let done = erase_for_good(&world.db, &world.keys, &journal(&directory), anna, said).await;
        done.expect("it is done");
        // Nothing that is kept names the account or its reference.
        let remembered = Remembered::reference(&world.keys, &app("messenger"), "anna");
        let traces = traces::search(&world.db, &remembered.and_subject(anna)).await.expect("looks");
        let places: Vec<_> = traces.iter().map(|trace| trace.place.as_str()).collect();
        assert!(!places.iter().any(|place| place.starts_with("suppressions")), "{places:?}");

        world.clock.advance(HOUR);
        let back = world.account("messenger", "anna").await;
        assert_eq!(objected_at(&world, back).await, Some(said));
        let refused = world.decide("messenger", yes(&world, "anna", None)).await.err();
        assert_eq!(refused, Some(Refused::Objected));
        let elsewhere = world.account("photos", "anna").await;
        assert_eq!(objected_at(&world, elsewhere).await, None, "another app is another person");
        let now = Some(world.clock.now());
        world.decide("messenger", yes(&world, "anna", now)).await.expect("a later, explicit yes");
    })
    .await;
}

#[tokio::test]
async fn somebody_nobody_knows_can_object_and_a_yes_in_the_same_batch_cannot_win() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let done = object_as(&world, "clara").await;
        assert!(done.ended.is_empty());
        let clara = world.account("messenger", "clara").await;
        assert_eq!(objected_at(&world, clara).await, Some(world.clock.now()));

        people(&world).await;
        let tag = world.keys.account_tag(&app("messenger"), "otto");
        let stop = object(&world.consents, (app("messenger"), tag), world.clock.now());
        let give = world.decide("messenger", yes(&world, "otto", None));
        let (stopped, given) = tokio::join!(stop, give);
        stopped.expect("nobody is turned away");
        let otto = find(&world, "otto").await.expect("an account");
        let consents = world.consents_of(otto).await.expect("verified");
        let permit = consents.permit::<BusinessMessages>((), world.clock.now());
        assert!(permit.is_err(), "whichever came first: {:?}", given.err());
    })
    .await;
}

const FORGE: Statement = Statement::new(
    "rights::tests",
    "FORGE",
    "insert into grants (subject, id, app, purpose, peer, state, notice, notice_version, language,
                         given_at, expires_at, entry, changed)
     select subject, $2, app, 'business_messages', '', 'given', 'n', 1, 'en', 1, 2, 0, 0
     from accounts where subject = $1",
    "insert into grants (subject, id, app, purpose, peer, state, notice, notice_version, language,
                         given_at, expires_at, entry, changed)
     select subject, $2, app, 'business_messages', '', 'given', 'n', 1, 'en', 1, 2, 0, 0
     from accounts where subject = $1",
);

#[tokio::test]
async fn the_database_refuses_a_grant_while_an_objection_stands() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let anna = world.account("messenger", "anna").await;
        object_as(&world, "anna").await;
        let mut tx = world.db.begin().await.expect("begins");
        let forged = tx.execute(FORGE, values![anna, [1_u8; 16]]).await;
        assert!(matches!(forged, Err(Error::Forbidden(_))), "{forged:?}");
    })
    .await;
}

const UNMARK: Statement = Statement::new(
    "rights::tests",
    "UNMARK",
    "update accounts set objected_at = null where subject = $1",
    "update accounts set objected_at = null where subject = $1",
);

#[tokio::test]
async fn an_objector_is_on_no_list_is_counted_and_the_old_list_still_replays() {
    on_both(|db| async move {
        let town = Town::new(db, 60, 0).await;
        let list = town.list(town.request(20)).await.expect("built");
        let objector = (0..60).find(|n| n % 10 != 0 && n % 3 == 0).expect("somebody who is listed");
        let tag = town.world.keys.account_tag(&app("messenger"), &name(objector));
        let now = town.world.clock.now();
        let done = object(&town.world.consents, (app("messenger"), tag), now).await;
        let done = done.expect("done");
        let replay = town.replayed(&list).await;
        assert!(replay.is_confirmed(), "{:?}", replay.denied);
        assert_eq!(replay.rows_gone, done.effects.list_rows);
        let later = town.list(town.request(20)).await.expect("built");
        assert_eq!(later.waterfall.expect("counted").count(Exclusion::Objected), 1);

        // The mark is only for choosing candidates; what counts is read when it is verified.
        let subject = town.person(objector);
        let mut tx = town.world.db.begin().await.expect("begins");
        tx.execute(UNMARK, values![subject]).await.expect("obeys");
        let objecting = suppression::objecting(&mut tx, &town.world.keys, &[subject]).await;
        assert_eq!(objecting.expect("reads"), [subject].into());
    })
    .await;
}

#[tokio::test]
async fn a_known_minor_has_no_consent_to_profiling_and_the_ledger_says_so() {
    on_both(|db| async move {
        let town = Town::new(db, 60, 3).await;
        let list = town.list(town.request(20)).await.expect("built");
        let world = &town.world;
        let subject = town.person(3);
        let before = world.consents_of(subject).await.expect("verified").history().len();
        let minor = volens_privacy::AgeBand::From16To17;
        assert_eq!(world.account_aged("messenger", &name(3), minor).await, subject);
        let mut tx = world.db.read().await.expect("a snapshot");
        let held = store::holdings(&mut tx, subject).await.expect("counts");
        let nothing = [held.profiles, held.scores, held.list_rows, held.exposures, held.links];
        assert_eq!(nothing, [0; 5], "gone in the transaction that learned the age");
        let history = consent::history_of(&mut tx, &world.keys, subject).await.expect("reads");
        let history = history.expect("every record opens to its entry");
        drop(tx);
        let ended: Vec<_> = history[before..].iter().map(|entry| &entry.record).collect();
        assert_eq!(ended.len(), 2, "messages and relevance");
        assert!(ended.iter().all(|record| record.decision == Decision::Expired));
        assert!(ended.iter().all(|record| {
            record.evidence.as_ref().is_some_and(|why| why["reason"] == "account.underage")
        }));
        let replay = town.replayed(&list).await;
        assert!(replay.is_confirmed(), "{:?}", replay.denied);

        // A correction of the age brings nothing back.
        world.account("messenger", &name(3)).await;
        let consents = world.consents_of(subject).await.expect("verified");
        assert!(consents.permit::<BusinessMessages>((), world.clock.now()).is_err());
    })
    .await;
}
