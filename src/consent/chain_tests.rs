//! Every record names the one before it, what its notice was published as and the assessment it rests
//! on, on both engines.

use serde_json::json;
use volens_privacy::consent::{AssessmentRef, Decision, Previous, Published};
use volens_privacy::identity::SubjectId;
use volens_privacy::purpose::PurposeKind;

use super::*;
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::db::{statements, values};
use crate::testing::World;

const RELEVANCE: PurposeKind = PurposeKind::Relevance;

statements! {
    FORGET_RECORD = "delete from consent_records where subject = $1 and entry = $2";
    GARBLE_RECORD = "update consent_records set sealed = $2 where subject = $1";
}

#[test]
fn the_statements_of_these_tests_are_theirs_alone() {
    assert_eq!(STATEMENTS.len(), 2);
}

async fn history(world: &World, subject: SubjectId) -> Option<Vec<Entry>> {
    let mut tx = world.db.read().await.unwrap();
    history_of(&mut tx, &world.keys, subject).await.unwrap()
}

fn previous(entry: &Entry) -> Option<Previous> {
    entry.record.chain.as_ref().expect("every new record tells it").previous
}

#[tokio::test]
async fn every_decision_names_the_one_before_it_about_the_same() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let anna = world.account("messenger", "anna").await;
        world.account("messenger", "bert").await;
        world.give("messenger", "anna", RELEVANCE).await;
        world.give("messenger", "bert", RELEVANCE).await;
        world.give("messenger", "anna", PurposeKind::BusinessMessages).await;
        world.withdraw("messenger", "anna", RELEVANCE, None).await.unwrap();
        world.clock.advance(std::time::Duration::from_mins(1));
        world.give("messenger", "anna", RELEVANCE).await;

        let entries = history(&world, anna).await.expect("it is whole");
        let [first, other, withdrawn, again] = entries.as_slice() else { panic!("four decisions") };
        assert_eq!((previous(first), previous(other)), (None, None), "each begins a chain");
        assert_eq!(previous(withdrawn), Some(Previous::of(&first.record)));
        assert_eq!(previous(again), Some(Previous::of(&withdrawn.record)));
        assert_eq!(previous(again).unwrap().decision, Decision::Withdrawn);
    })
    .await;
}

#[tokio::test]
async fn what_is_decided_in_one_batch_is_chained_too() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let anna = world.account("messenger", "anna").await;
        world.give("messenger", "anna", RELEVANCE).await;
        let withdraw = || world.withdraw("messenger", "anna", RELEVANCE, None);
        let give = || async {
            let mut request = world.choice("anna", RELEVANCE, None, Decision::Refused, None);
            request.decided_at = Some(world.clock.now());
            world.decide("messenger", request).await
        };
        let (withdrawn, refused, again) = tokio::join!(withdraw(), give(), give());
        assert!(withdrawn.is_ok() && refused.is_ok() && again.is_ok());
        let entries = history(&world, anna).await.expect("it is whole");
        assert!(entries.len() > 2);
        for pair in entries.windows(2) {
            assert_eq!(previous(&pair[1]), Some(Previous::of(&pair[0].record)));
        }
    })
    .await;
}

#[tokio::test]
async fn a_record_that_is_missing_between_two_others_is_found() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let anna = world.account("messenger", "anna").await;
        world.give("messenger", "anna", RELEVANCE).await;
        let (withdrawn, _) = world.withdraw("messenger", "anna", RELEVANCE, None).await.unwrap();
        world.clock.advance(std::time::Duration::from_mins(1));
        world.give("messenger", "anna", RELEVANCE).await;
        assert!(history(&world, anna).await.is_some());

        let entry = i64::try_from(withdrawn.entry).unwrap();
        let mut tx = world.db.begin().await.unwrap();
        assert_eq!(tx.execute(FORGET_RECORD, values![anna, entry]).await.unwrap(), 1);
        tx.commit().await.unwrap();
        assert!(history(&world, anna).await.is_none());
    })
    .await;
}

#[tokio::test]
async fn who_wants_out_gets_out_although_a_record_does_not_open() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let anna = world.account("messenger", "anna").await;
        world.give("messenger", "anna", RELEVANCE).await;
        let mut tx = world.db.begin().await.unwrap();
        tx.execute(GARBLE_RECORD, values![anna, vec![1_u8; 40]]).await.unwrap();
        tx.commit().await.unwrap();
        let (ended, _) = world.withdraw("messenger", "anna", RELEVANCE, None).await.unwrap();
        let receipt = ended.receipt.expect("it is recorded");
        assert!(receipt.record().chain.is_none(), "nothing is said of what cannot be read");
    })
    .await;
}

#[tokio::test]
async fn a_record_tells_publication_assessment_and_the_apps_signature() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let anna = world.account("messenger", "anna").await;
        let linking = PurposeKind::CrossAppLinking;
        let number = Some("+4915112345678");
        let mut request = world.choice("anna", linking, Some("photos"), Decision::Given, number);
        let jws = "eyJhbGciOiJFZERTQSIsImtpZCI6Im0ifQ..c2ln";
        request.evidence = Some(json!({ "jws": jws }));
        let decided = world.decide("messenger", request).await.unwrap().remove(0);
        let receipt = decided.receipt.expect("it is recorded");
        let record = receipt.record();
        let Some(Published { at, entry }) = record.notice.as_ref().unwrap().published else {
            panic!("the notice was published")
        };
        assert_eq!(at, world.clock.now());
        let mut tx = world.db.read().await.unwrap();
        let leaf = ledger::leaves(&mut tx, &[entry]).await.unwrap().remove(&entry).unwrap();
        let leaf = volens_privacy::Leaf::parse(&leaf).unwrap();
        assert_eq!(leaf.kind(), volens_privacy::LeafKind::NoticePublished);
        assert_eq!(leaf.detail().unwrap()["language"], "en");
        let newest = crate::assessments::in_force(&mut tx).await.unwrap();
        let assessment: &AssessmentRef = record.assessment.as_ref().expect("linking needs one");
        assert_eq!((newest.get(&linking), assessment.sha256), (Some(assessment), [7; 32]));

        let (ended, _) =
            world.withdraw("messenger", "anna", linking, Some("photos")).await.unwrap();
        let ended = ended.receipt.expect("it is recorded");
        assert!(ended.record().assessment.is_none(), "an end rests on none");
        assert_eq!(previous_of(ended.record()), Some(Previous::of(record)));
        assert!(history(&world, anna).await.is_some());
    })
    .await;
}

fn previous_of(record: &ConsentRecord) -> Option<Previous> {
    record.chain.as_ref().and_then(|chain| chain.previous)
}
