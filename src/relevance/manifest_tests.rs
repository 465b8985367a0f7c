//! Manifests on both engines: looked up person by person, and kept as long as members are.

use std::time::Duration;

use volens_privacy::{PurposeKind, SubjectId};

use super::manifest::{InModel, Person, Taught, file, look, prove};
use super::tests::{campaign, set, trained};
use super::{RelevanceError, Version};
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::db::{Statement, values};
use crate::ids::ListId;
use crate::testing::World;

const SPOIL: Statement = Statement::new(
    "relevance::manifest_tests",
    "SPOIL",
    "update model_members set messages = messages + 1 where subject = $1",
    "update model_members set messages = messages + 1 where subject = $1",
);
const OF_BEFORE: Statement = Statement::new(
    "relevance::manifest_tests",
    "OF_BEFORE",
    "delete from model_leaves",
    "delete from model_leaves",
);

async fn person(world: &World, subject: SubjectId) -> Person {
    let mut tx = world.db.read().await.expect("begins");
    let person = Person::open(&mut tx, &world.keys, subject).await.expect("opens");
    person.expect("its records match the ledger")
}

async fn looked_up(world: &World, subject: SubjectId, version: &Version) -> InModel {
    let person = person(world, subject).await;
    let mut tx = world.db.read().await.expect("begins");
    look(&mut tx, &person, version).await.expect("looks")
}

async fn model(world: &World) -> Version {
    trained(world, set(world, world.clock.now()).await).await.version
}

async fn run(world: &World, statement: Statement, values: Vec<crate::db::Value>) {
    let mut tx = world.db.begin().await.expect("begins");
    tx.execute(statement, values).await.expect("obeys");
    tx.commit().await.expect("commits");
}

#[tokio::test]
async fn who_left_is_found_whatever_the_number_of_messages() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let everybody = campaign(&world, 60, ListId::from_bytes([3; 16])).await;
        for list in [4, 5] {
            campaign(&world, 20, ListId::from_bytes([list; 16])).await;
        }
        world.clock.advance(Duration::from_hours(1));
        let version = model(&world).await;
        let told = async |n: usize| {
            let found = looked_up(&world, everybody[n], &version).await;
            (found.taught, found.messages)
        };
        assert_eq!(told(0).await, (Taught::Learned, Some(3)));
        assert_eq!(told(40).await, (Taught::Learned, Some(1)));
        let known = looked_up(&world, everybody[0], &version).await;
        world.withdraw("messenger", "u0", PurposeKind::ModelTraining, None).await.expect("ends");
        let left = looked_up(&world, everybody[0], &version).await;
        assert_eq!((left.taught, left.messages), (Taught::Left, Some(3)));
        assert_eq!(left.left_at, Some(world.clock.now()));
        assert_eq!(
            (left.relevance_entry, left.training_entry),
            (known.relevance_entry, known.training_entry)
        );
        // Who takes back the other consent loses what was remembered of messages as well.
        world.withdraw("messenger", "u40", PurposeKind::Relevance, None).await.expect("ends");
        assert_eq!(told(40).await, (Taught::Left, Some(1)));

        let log = world.keys.log_verifier();
        for n in [0, 1, 40] {
            let person = person(&world, everybody[n]).await;
            let mut tx = world.db.read().await.expect("begins");
            let (_, proof) = prove(&mut tx, &person, &version).await.expect("proves");
            let report = proof.expect("it learned from them").verify(&log).expect("it verifies");
            assert_eq!((report.trained.people, report.trained.rows), (60, 100));
        }
        // Who agrees again is not among those of then.
        let stranger = world.account("messenger", "stranger").await;
        for purpose in [PurposeKind::Relevance, PurposeKind::ModelTraining] {
            world.give("messenger", "stranger", purpose).await;
        }
        let absent = looked_up(&world, stranger, &version).await;
        assert_eq!((absent.taught, absent.messages), (Taught::Absent, None));
        run(&world, SPOIL, values![everybody[1]]).await;
        assert_eq!(told(1).await, (Taught::Disputed, Some(4)));
    })
    .await;
}

#[tokio::test]
async fn leaves_are_kept_as_long_as_members_are() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let everybody = campaign(&world, 60, ListId::from_bytes([3; 16])).await;
        world.clock.advance(Duration::from_hours(1));
        let (first, second) = (model(&world).await, model(&world).await);
        let told = async |version: &Version| looked_up(&world, everybody[7], version).await.taught;
        assert_eq!((told(&first).await, told(&second).await), (Taught::Learned, Taught::Learned));
        let third = model(&world).await;
        assert_eq!((told(&first).await, told(&third).await), (Taught::Unknown, Taught::Learned));
        assert_eq!(told(&second).await, Taught::Learned, "one step back is possible");
        let mut tx = world.db.read().await.expect("begins");
        let gone = file(&mut tx, &first).await;
        assert!(matches!(gone, Err(RelevanceError::NoManifest)));
        let log = world.keys.log_verifier();
        file(&mut tx, &second).await.expect("it is kept").verify(&log).expect("it verifies");
        drop(tx);
        run(&world, OF_BEFORE, values![]).await;
        assert_eq!(told(&third).await, Taught::Unknown, "as a model of before manifests");
    })
    .await;
}
