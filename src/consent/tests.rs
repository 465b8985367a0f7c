//! What a consent does, what a withdrawal undoes, and that the projection never says more than the
//! entries.

use std::time::Duration;

use proptest::prelude::*;
use volens_privacy::AgeBand;
use volens_privacy::consent::{Decision, Refusal};
use volens_privacy::ledger::{Cosigner, Quorum};
use volens_privacy::notice::Notices;
use volens_privacy::purpose::{BusinessMessages, CrossAppLinking, PurposeKind, Relevance};

use super::*;
use crate::clock::Clock as _;
use crate::db::testing::{FreshSqlite, on_both};
use crate::db::{statements, values};
use crate::testing::{World, app};

const DAY: Duration = Duration::from_hours(24);

statements! {
    TOKENS = "select count(*) as n from link_tokens";
    FORGE_TOKEN = "insert into link_tokens (subject, peer, app, token, grant_id)
                   values ($1, 'photos', 'messenger', $2, $3)";
    REVIVE = "update grants set state = 'given' where subject = $1";
    CONFIRM = "update ledger_heads set confirmed = size";
    OTHER_RECORD = "update consent_records set sealed = (select sealed from consent_records
                    where subject <> $1 limit 1) where subject = $1";
}

#[test]
fn the_statements_of_these_tests_are_theirs_alone() {
    assert_eq!(STATEMENTS.len(), 5);
}

#[tokio::test]
async fn a_consent_permits_until_it_is_withdrawn_and_the_receipts_prove_both() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let anna = world.account("messenger", "anna").await;
        let request = world.choice("anna", PurposeKind::Relevance, None, Decision::Given, None);
        let decided = world.decide("messenger", request).await.unwrap().remove(0);
        let receipt = decided.receipt.expect("a new entry has a receipt");
        let report = receipt.verify(&world.keys.log_verifier()).unwrap();
        assert_eq!(report.index(), decided.entry);

        let consents = world.consents_of(anna).await.unwrap();
        let permit = consents.permit::<Relevance>((), world.clock.now()).unwrap();
        assert_eq!((permit.subject(), permit.entry()), (anna, decided.entry));
        let other = consents.permit::<BusinessMessages>((), world.clock.now());
        assert_eq!(other.err(), Some(Refusal::Absent));

        let (ended, effects) =
            world.withdraw("messenger", "anna", PurposeKind::Relevance, None).await.unwrap();
        assert_eq!(effects, Effects::default());
        let proof = ended.receipt.expect("a withdrawal has a receipt");
        assert_eq!(proof.record().decision, Decision::Withdrawn);
        proof.verify(&world.keys.log_verifier()).unwrap();
        let consents = world.consents_of(anna).await.unwrap();
        let refusal = consents.permit::<Relevance>((), world.clock.now()).err();
        assert_eq!(refusal, Some(Refusal::Withdrawn));
    })
    .await;
}

/// Of one that asks witnesses: what gives waits for them, what takes back does not.
#[tokio::test]
async fn a_consent_that_witnesses_have_not_confirmed_permits_nothing() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let anna = world.account("messenger", "anna").await;
        world.give("messenger", "anna", PurposeKind::Relevance).await;
        let witness = Cosigner::new("w.example", &[7; 32]).unwrap().verifier();
        let mut tx = world.db.begin().await.unwrap();
        let quorum = Quorum::new(vec![witness], 1).unwrap();
        ledger::witnesses::adopt(&mut tx, &quorum).await.unwrap();
        tx.commit().await.unwrap();
        let now = world.clock.now();

        world.give("messenger", "anna", PurposeKind::BusinessMessages).await;
        let consents = world.consents_of(anna).await.unwrap();
        assert!(consents.permit::<Relevance>((), now).is_ok(), "it was acknowledged before");
        let waiting = consents.permit::<BusinessMessages>((), now).err();
        assert_eq!(waiting, Some(Refusal::Absent));
        world.withdraw("messenger", "anna", PurposeKind::Relevance, None).await.unwrap();
        world.give("messenger", "anna", PurposeKind::Relevance).await;
        let consents = world.consents_of(anna).await.unwrap();
        let ended = consents.permit::<Relevance>((), now).err();
        assert_eq!(ended, Some(Refusal::Withdrawn), "at once, and what is given anew waits");

        let mut tx = world.db.begin().await.unwrap();
        tx.execute(CONFIRM, values![]).await.unwrap();
        tx.commit().await.unwrap();
        let consents = world.consents_of(anna).await.unwrap();
        assert!(consents.permit::<Relevance>((), now).is_ok());
        assert!(consents.permit::<BusinessMessages>((), now).is_ok());
    })
    .await;
}

#[tokio::test]
async fn withdrawing_twice_is_the_same_as_once_and_withdrawing_nothing_is_a_no() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let anna = world.account("messenger", "anna").await;
        let relevance = PurposeKind::Relevance;
        let stop = async || world.withdraw("messenger", "anna", relevance, None).await.unwrap().0;
        let first = stop().await;
        let receipt = first.receipt.expect("whoever says stop is on record");
        assert_eq!(
            (first.decision, receipt.record().decision),
            (Decision::Refused, first.decision)
        );
        receipt.verify(&world.keys.log_verifier()).unwrap();
        let second = stop().await;
        assert_eq!((second.entry, second.receipt.is_none()), (first.entry, true));
        assert_eq!(second.decision, Decision::Refused);
        let standing = world.consents_of(anna).await.unwrap();
        let standing = standing.permit::<Relevance>((), world.clock.now()).err();
        assert_eq!(standing, Some(Refusal::Refused));

        world.clock.advance(DAY);
        world.give("messenger", "anna", relevance).await;
        let taken_back = stop().await;
        assert_eq!(taken_back.decision, Decision::Withdrawn, "there was something to take back");
        assert_eq!(stop().await.entry, taken_back.entry);
        let unknown = world.withdraw("messenger", "nobody", relevance, None).await;
        assert_eq!(unknown.err(), Some(Refused::AccountUnknown));
    })
    .await;
}

#[tokio::test]
async fn the_same_report_twice_is_one_entry_and_a_new_choice_renews() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let anna = world.account("messenger", "anna").await;
        let first = world.give("messenger", "anna", PurposeKind::Relevance).await;
        assert_eq!(world.give("messenger", "anna", PurposeKind::Relevance).await, first);
        world.clock.advance(DAY);
        let renewed = world.give("messenger", "anna", PurposeKind::Relevance).await;
        assert_eq!(renewed, first + 1);
        let mut tx = world.db.read().await.unwrap();
        let grants = grants_of(&mut tx, &[anna]).await.unwrap();
        assert_eq!(grants.len(), 1, "a renewal is the same grant");
        assert_eq!((grants[0].entry, grants[0].given_at), (renewed, world.clock.now()));
        let receipts = receipts_of(&mut tx, &world.keys, anna).await.unwrap();
        let entries: Vec<u64> = receipts.iter().map(|(entry, _)| *entry).collect();
        assert_eq!(entries, [first, renewed]);
        for (_, receipt) in receipts {
            receipt.verify(&world.keys.log_verifier()).unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_consent_older_than_a_withdrawal_does_not_revive_it() {
    on_both(|db| async move {
        let world = World::new(db).await;
        world.account("messenger", "anna").await;
        let before = world.clock.now();
        world.clock.advance(DAY);
        world.withdraw("messenger", "anna", PurposeKind::Relevance, None).await.unwrap();
        let mut late = world.choice("anna", PurposeKind::Relevance, None, Decision::Given, None);
        late.decided_at = Some(before);
        assert_eq!(world.decide("messenger", late).await.err(), Some(Refused::Superseded));
        world.clock.advance(DAY);
        world.give("messenger", "anna", PurposeKind::Relevance).await;
    })
    .await;
}

#[tokio::test]
async fn what_was_said_twice_was_said_until_the_second_time() {
    on_both(|db| async move {
        let world = World::new(db).await;
        world.account("messenger", "anna").await;
        world.withdraw("messenger", "anna", PurposeKind::Relevance, None).await.unwrap();
        world.clock.advance(DAY);
        // She agreed again, which her app could not report yet, and then changed her mind.
        let between = world.clock.now();
        world.clock.advance(DAY);
        world.withdraw("messenger", "anna", PurposeKind::Relevance, None).await.unwrap();
        let mut late = world.choice("anna", PurposeKind::Relevance, None, Decision::Given, None);
        late.decided_at = Some(between);
        assert_eq!(world.decide("messenger", late).await.err(), Some(Refused::Superseded));
    })
    .await;
}

/// Of evidence that is brought in later; what is reported as it happens ends a consent whatever the
/// app's clock says.
#[tokio::test]
async fn evidence_of_an_older_withdrawal_does_not_end_a_newer_consent() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let anna = world.account("messenger", "anna").await;
        let relevance = PurposeKind::Relevance;
        let before = world.clock.now();
        world.clock.advance(DAY);
        let entry = world.give("messenger", "anna", relevance).await;
        let account = world.keys.account_tag(&app("messenger"), "anna");
        let withdrawal = |decided_at, from_evidence| Withdrawal {
            app: app("messenger"),
            account,
            purpose: relevance,
            peer: None,
            decided_at,
            from_evidence,
            evidence: None,
        };
        let send = async |command| match world.consents.submit(command).await.unwrap() {
            Ok(Replies::Ended(decided, _)) => decided,
            Ok(Replies::Decided(mut decided)) => decided.remove(0),
            _ => panic!("a withdrawal is answered as one"),
        };
        let live = async || {
            let consents = world.consents_of(anna).await.unwrap();
            consents.permit::<Relevance>((), world.clock.now()).is_ok()
        };
        let kept = send(Command::Withdraw(withdrawal(before, true))).await;
        assert_eq!((kept.decision, kept.entry, live().await), (Decision::Given, entry, true));
        let mut request = world.choice("anna", relevance, None, Decision::Refused, None);
        request.decided_at = Some(before);
        let refusal = |from_evidence| {
            let (notices, now) = (Notices::builtin(), world.clock.now());
            let (app, request) = (app("messenger"), request.clone());
            let intake = Intake::check(request, &app, &world.apps, &world.keys, notices, now);
            let decide = intake.unwrap().finish(&world.keys, &crate::testing::QUICK).unwrap();
            Command::Decide(Decide { from_evidence, ..decide })
        };
        assert_eq!(send(refusal(true)).await.decision, Decision::Given);
        assert!(live().await, "a refusal that is as old does not end it either");

        let close = world.clock.now().minus(Duration::from_mins(1));
        let ended = send(Command::Withdraw(withdrawal(close, true))).await;
        assert_eq!(
            (ended.decision, live().await),
            (Decision::Withdrawn, false),
            "clocks may differ"
        );
        world.clock.advance(DAY);
        world.give("messenger", "anna", relevance).await;
        let ended = send(refusal(false)).await;
        assert_eq!((ended.decision, live().await), (Decision::Refused, false), "she says no now");
    })
    .await;
}

#[tokio::test]
async fn minors_cannot_consent_to_being_profiled() {
    on_both(|db| async move {
        let world = World::new(db).await;
        world.account_aged("messenger", "kim", AgeBand::From16To17).await;
        let request = world.choice("kim", PurposeKind::Relevance, None, Decision::Given, None);
        assert_eq!(world.decide("messenger", request).await.err(), Some(Refused::Underage));
        let request = world.choice("kim", PurposeKind::Relevance, None, Decision::Refused, None);
        assert!(world.decide("messenger", request).await.is_ok(), "saying no has no age");
    })
    .await;
}

#[tokio::test]
async fn a_link_lives_exactly_as_long_as_both_consents() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let anna = world.account("messenger", "anna").await;
        let photo = world.account("photos", "ph-1").await;
        let phone = "+4915112345678";
        let links = async || {
            let mut tx = world.db.read().await.unwrap();
            let (keys, now) = (&world.keys, world.clock.now());
            let both = [anna, photo];
            crate::identity::permitted_links(&mut tx, keys, &both, now).await.unwrap().len()
        };
        world.give_link("messenger", "anna", "photos", phone).await;
        assert_eq!(links().await, 0, "one side alone is no link");
        // The same number as dialled in Germany.
        world.give_link("photos", "ph-1", "messenger", "0151 12345678").await;
        assert_eq!(links().await, 2, "seen from either side");
        let purpose = PurposeKind::CrossAppLinking;
        let (_, effects) =
            world.withdraw("photos", "ph-1", purpose, Some("messenger")).await.unwrap();
        assert_eq!(effects.links, 1);
        assert_eq!(links().await, 0);
        let mut tx = world.db.read().await.unwrap();
        let tokens: i64 = tx.fetch_one(TOKENS, values![]).await.unwrap().get("n").unwrap();
        assert_eq!(tokens, 1, "the withdrawn side's token is gone, the other's waits");
    })
    .await;
}

#[tokio::test]
async fn two_accounts_of_one_app_with_the_same_number_link_to_nothing() {
    on_both(|db| async move {
        let world = World::new(db).await;
        for (name, reference, peer) in [
            ("messenger", "anna", "photos"),
            ("messenger", "anna's second", "photos"),
            ("photos", "ph-1", "messenger"),
        ] {
            world.account(name, reference).await;
            world.give_link(name, reference, peer, "+4915112345678").await;
        }
        let photo = world.account("photos", "ph-1").await;
        let mut tx = world.db.read().await.unwrap();
        assert_eq!(crate::identity::links_of(&mut tx, photo).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn links_are_pairwise_and_an_app_with_hashes_can_be_linked() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let anna = world.account("messenger", "anna").await;
        let social = world.account("social", "so-1").await;
        let photo = world.account("photos", "ph-1").await;
        world.give_link("messenger", "anna", "social", "+4915112345678").await;
        let purpose = PurposeKind::CrossAppLinking;
        let mut hashed =
            world.choice("so-1", purpose, Some("messenger"), Decision::Given, Some(""));
        let phone = hashed.phone.as_mut().unwrap();
        phone.e164 = None;
        // Meta's form of +4915112345678.
        phone.sha256 =
            Some("8efb96404be52f6109b9db0f687274a81e9e3cc23fabd6f0da5d38baa3d2facd".to_owned());
        phone.encoding = Some("meta".to_owned());
        world.decide("social", hashed).await.unwrap();
        world.give_link("messenger", "anna", "photos", "+4915112345678").await;
        world.give_link("photos", "ph-1", "messenger", "+4915112345678").await;
        let mut tx = world.db.read().await.unwrap();
        let of = async |tx: &mut Tx, subject| {
            let mut links = crate::identity::links_of(tx, subject).await.unwrap();
            links.sort();
            links
        };
        let linked = [(app("photos"), photo), (app("social"), social)];
        assert_eq!(of(&mut tx, anna).await, linked);
        assert_eq!(of(&mut tx, photo).await, [(app("messenger"), anna)], "not through anna");
    })
    .await;
}

#[tokio::test]
async fn the_database_itself_refuses_tokens_without_grants_and_grants_from_the_dead() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let anna = world.account("messenger", "anna").await;
        let mut tx = world.db.begin().await.unwrap();
        let forged = tx.execute(FORGE_TOKEN, values![anna, [7_u8; 48], [1_u8; 16]]).await;
        assert!(forged.is_err());
        drop(tx);
        world.give("messenger", "anna", PurposeKind::Relevance).await;
        world.withdraw("messenger", "anna", PurposeKind::Relevance, None).await.unwrap();
        let mut tx = world.db.begin().await.unwrap();
        let revived = tx.execute(REVIVE, values![anna]).await;
        assert!(matches!(revived, Err(db::Error::Forbidden(_))));
    })
    .await;
}

#[tokio::test]
async fn a_record_that_is_not_the_accounts_own_closes_the_account() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let anna = world.account("messenger", "anna").await;
        let ben = world.account("messenger", "ben").await;
        world.give("messenger", "anna", PurposeKind::Relevance).await;
        world.give("messenger", "ben", PurposeKind::Relevance).await;
        let mut tx = world.db.begin().await.unwrap();
        tx.execute(OTHER_RECORD, values![anna]).await.unwrap();
        tx.commit().await.unwrap();
        assert!(world.consents_of(anna).await.is_none());
        assert!(world.consents_of(ben).await.is_some());
    })
    .await;
}

#[tokio::test]
async fn a_consent_expires_by_itself_and_the_sweep_says_so() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let anna = world.account("messenger", "anna").await;
        world.give("messenger", "anna", PurposeKind::Relevance).await;
        world.clock.advance(PurposeKind::Relevance.definition().lasts());
        let consents = world.consents_of(anna).await.unwrap();
        let refusal = consents.permit::<Relevance>((), world.clock.now()).err();
        assert_eq!(refusal, Some(Refusal::Expired), "before any sweep");
        let mut tx = world.db.read().await.unwrap();
        let due = due(&mut tx, world.clock.now(), 10).await.unwrap();
        drop(tx);
        assert_eq!(due.len(), 1);
        for grant in due {
            world.consents.submit(Command::Expire(grant)).await.unwrap().ok().unwrap();
        }
        let mut tx = world.db.read().await.unwrap();
        assert_eq!(grants_of(&mut tx, &[anna]).await.unwrap()[0].state, Decision::Expired);
        assert_eq!(super::due(&mut tx, world.clock.now(), 10).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn many_callers_share_a_batch_and_each_gets_its_own_receipt() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let mut people = Vec::new();
        for n in 0..40 {
            people.push((format!("p{n}"), world.account("messenger", &format!("p{n}")).await));
        }
        let choose = |reference: &String| {
            let purpose = PurposeKind::Relevance;
            let request = world.choice(reference, purpose, None, Decision::Given, None);
            world.decide("messenger", request)
        };
        let mut waiting = Vec::new();
        for (reference, _) in &people {
            waiting.push(choose(reference));
        }
        let mut tasks = Box::pin(join_all(waiting));
        let decided = tasks.as_mut().await;
        for ((_, subject), decided) in people.iter().zip(decided) {
            let receipt = decided.unwrap().remove(0).receipt.unwrap();
            assert_eq!(receipt.record().subject, *subject);
            receipt.verify(&world.keys.log_verifier()).unwrap();
        }
        let mut tx = world.db.read().await.unwrap();
        let report = ledger::verify(&mut tx, &world.trust(), |_, _| ()).await.unwrap();
        assert_eq!(report.faults, []);
        assert!(report.checkpoints < 40, "one checkpoint covers a batch");
    })
    .await;
}

#[tokio::test]
async fn the_same_choice_twice_in_one_batch_is_one_entry() {
    on_both(|db| async move {
        let world = World::new(db).await;
        world.account("messenger", "anna").await;
        let choose = || {
            let purpose = PurposeKind::Relevance;
            world.decide("messenger", world.choice("anna", purpose, None, Decision::Given, None))
        };
        let decided = join_all(vec![choose(), choose(), choose()]).await;
        let decided: Vec<Decided> = decided.into_iter().map(|d| d.unwrap().remove(0)).collect();
        let recorded: Vec<&Decided> = decided.iter().filter(|d| d.receipt.is_some()).collect();
        assert_eq!(recorded.len(), 1);
        assert!(decided.iter().all(|d| d.entry == recorded[0].entry));
    })
    .await;
}

/// Polls all futures together, so that their commands meet in one batch.
async fn join_all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut ready = true;
        for (future, output) in &mut futures {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *output = Some(value),
                    std::task::Poll::Pending => ready = false,
                }
            }
        }
        if ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    futures.into_iter().map(|(_, output)| output.expect("all are ready")).collect()
}

/// What can happen to one person.
#[derive(Debug, Clone)]
enum Step {
    Give(PurposeKind),
    GiveLink,
    Refuse(PurposeKind),
    Withdraw(PurposeKind),
    Wait(u64),
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    let purpose = prop_oneof![
        Just(PurposeKind::Relevance),
        Just(PurposeKind::BusinessMessages),
        Just(PurposeKind::ModelTraining),
    ];
    prop_oneof![
        3 => purpose.clone().prop_map(Step::Give),
        1 => Just(Step::GiveLink),
        1 => purpose.clone().prop_map(Step::Refuse),
        2 => purpose.prop_map(Step::Withdraw),
        1 => (1_u64..400).prop_map(Step::Wait),
        1 => Just(Step::Sweep),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// After any history, the projection holds a purpose for live exactly if the verified entries
    /// permit it.
    #[test]
    fn the_projection_and_the_entries_always_agree(
        steps in proptest::collection::vec(step(), 1..25),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let fresh = FreshSqlite::create();
            let world = World::new(fresh.open().await).await;
            let anna = world.account("messenger", "anna").await;
            for step in steps {
                apply(&world, &step).await;
                agree(&world, anna).await;
            }
        });
    }
}

async fn apply(world: &World, step: &Step) {
    match step {
        Step::Give(purpose) => drop(world.give("messenger", "anna", *purpose).await),
        Step::GiveLink => {
            world.give_link("messenger", "anna", "photos", "+4915112345678").await;
        }
        Step::Refuse(purpose) => {
            let request = world.choice("anna", *purpose, None, Decision::Refused, None);
            world.decide("messenger", request).await.map(drop).unwrap();
        }
        Step::Withdraw(purpose) => {
            world.withdraw("messenger", "anna", *purpose, None).await.map(drop).unwrap();
        }
        Step::Wait(days) => world.clock.advance(DAY * u32::try_from(*days).unwrap()),
        Step::Sweep => {
            let mut tx = world.db.read().await.unwrap();
            let due = due(&mut tx, world.clock.now(), 100).await.unwrap();
            drop(tx);
            for grant in due {
                world.consents.submit(Command::Expire(grant)).await.unwrap().map(drop).unwrap();
            }
        }
    }
    // Two decisions at the very same instant have no order in time; people do not manage that.
    world.clock.advance(Duration::from_secs(1));
}

async fn agree(world: &World, subject: SubjectId) {
    let now = world.clock.now();
    let mut tx = world.db.read().await.unwrap();
    let grants = grants_of(&mut tx, &[subject]).await.unwrap();
    let live = |purpose| grants.iter().any(|g| g.purpose == purpose && g.is_live(now));
    drop(tx);
    let consents = world.consents_of(subject).await.unwrap();
    let permitted = [
        (PurposeKind::Relevance, consents.permit::<Relevance>((), now).is_ok()),
        (PurposeKind::BusinessMessages, consents.permit::<BusinessMessages>((), now).is_ok()),
        (
            PurposeKind::CrossAppLinking,
            consents.permit::<CrossAppLinking>(app("photos"), now).is_ok(),
        ),
    ];
    for (purpose, permitted) in permitted {
        assert_eq!(live(purpose), permitted, "{purpose}");
    }
}
