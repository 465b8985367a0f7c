//! Why a row is where it is, told to those who may hear it.

use serde_json::{Value as Json, json};
use volens_privacy::{PurposeKind, SubjectId};

use super::town::{RIVAL, SHOP, Town, name, same};
use crate::audience::why::{Beside, Got, Why, of_person, of_row};
use crate::audience::{AudienceError, List, Result, memberships};
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::db::{Statement, values};

/// Somebody's features in the place of somebody else's: sealed for another account, they do not open.
const SWAP: Statement = same(
    "SWAP",
    "update exposures set features = (select e.features from exposures e
        where e.list = $1 and e.subject = $2) where list = $1 and subject = $3",
);

async fn row(town: &Town, list: &List, rank: u32, than: Option<u32>) -> Result<Why> {
    let now = town.world.clock.now();
    let mut tx = town.world.db.read().await.expect("begins");
    of_row(&mut tx, &town.world.keys, (SHOP, list.id), (rank, than), None, now).await
}

async fn person(town: &Town, subject: SubjectId, language: &str) -> Vec<Got> {
    let now = town.world.clock.now();
    let mut tx = town.world.db.read().await.expect("begins");
    of_person(&mut tx, &town.world.keys, subject, language, now).await.expect("told")
}

/// Who has this rank.
async fn holder(town: &Town, rank: u32) -> SubjectId {
    let mut tx = town.world.db.read().await.expect("begins");
    for n in 0..100 {
        let on = memberships(&mut tx, town.person(n)).await.expect("read");
        if on.iter().any(|on| on.rank == rank) {
            return town.person(n);
        }
    }
    panic!("nobody has rank {rank}");
}

fn adds_up(beside: &Beside) {
    let differences = beside.reasons.iter().map(|reason| reason.own - reason.other);
    let sum = differences.sum::<f64>() + beside.rest;
    assert_eq!(sum.to_bits(), beside.difference.to_bits());
}

#[tokio::test]
async fn a_row_is_explained_beside_another_and_adds_up() {
    on_both(|db| async move {
        let town = Town::new(db, 100, 12).await;
        let list = town.list(town.request(20)).await.expect("built");
        let served = town.rows(&list).await.expect("served").rows;
        for sealed in &served {
            let why = row(&town, &list, sealed.rank, Some(1)).await.expect("told");
            assert_eq!((why.rank, why.score.to_bits()), (sealed.rank, sealed.score.to_bits()));
            let amounts = why.reasons.iter().map(|reason| reason.amount).sum::<f64>();
            assert_eq!((why.start + amounts + why.rest).to_bits(), why.log_odds.to_bits());
            let texts = |of: Vec<&str>| of.join("; ");
            let told = texts(why.reasons.iter().map(|reason| reason.text.as_str()).collect());
            let on_row = texts(sealed.reasons.iter().map(|reason| reason.text.as_str()).collect());
            assert_eq!(told, on_row, "the same words as on the row");
            adds_up(why.compared.as_ref().expect("compared"));
        }
        let last = row(&town, &list, 20, Some(1)).await.expect("told");
        let beside = last.compared.expect("compared");
        assert!(beside.difference < 0.0 && beside.rank == Some(1));
        assert_eq!(beside.reasons[0].text, "From a linked app: Interest in Running");
        assert_eq!(last.turned_by.code, "change", "{:?}", last.turned_by);
        assert_eq!(last.turned_by.changes, ["Less interest in Running"]);
    })
    .await;
}

#[tokio::test]
async fn nobody_hears_of_another_than_what_a_reason_added() {
    on_both(|db| async move {
        let town = Town::new(db, 100, 12).await;
        let list = town.list(town.request(20)).await.expect("built");
        let why = row(&town, &list, 3, Some(9)).await.expect("told");
        let said = serde_json::to_value(&why).expect("JSON");
        let keys = |value: &Json| {
            let object = value.as_object().expect("an object");
            object.keys().cloned().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            keys(&said),
            "compared log_odds rank reasons rest score start turned_by",
            "no account, no recipient, no value"
        );
        assert_eq!(keys(&said["compared"]), "difference rank reasons rest");
        assert_eq!(keys(&said["compared"]["reasons"][0]), "difference other own text");
        for n in 0..100 {
            assert!(!said.to_string().contains(&town.person(n).to_string()));
        }
        let now = town.world.clock.now();
        let mut tx = town.world.db.read().await.expect("begins");
        let rival = of_row(&mut tx, &town.world.keys, (RIVAL, list.id), (1, None), None, now).await;
        assert!(matches!(rival, Err(AudienceError::NoList)));
        drop(tx);
        for rank in [0, 21, u32::MAX] {
            assert!(matches!(row(&town, &list, rank, None).await, Err(AudienceError::NoRow)));
            assert!(matches!(row(&town, &list, 1, Some(rank)).await, Err(AudienceError::NoRow)));
        }
    })
    .await;
}

#[tokio::test]
async fn a_person_reads_the_same_in_their_language_while_they_consent() {
    on_both(|db| async move {
        let town = Town::new(db, 100, 12).await;
        let list = town.list(town.request(20)).await.expect("built");
        let subject = holder(&town, 20).await;
        let all = person(&town, subject, "de").await;
        let [got] = all.as_slice() else { panic!("one list: {all:?}") };
        let english = row(&town, &list, 20, None).await.expect("told");
        assert_eq!(got.why.score.to_bits(), english.score.to_bits());
        assert_eq!(got.why.turned_by.changes, ["Weniger Interesse an: Laufen"]);
        assert!(got.why.reasons.iter().any(|r| r.text == "Interessiert sich für: Laufen"));
        let since = got.since.as_ref().expect("they can be ranked now");
        adds_up(since);
        assert!(since.rank.is_none() && since.reasons.is_empty(), "nothing happened since");
        assert_eq!(person(&town, town.person(10), "en").await, [], "nobody's list but their own");

        let other = holder(&town, 1).await;
        town.tamper(SWAP, values![list.id, other, subject]).await;
        let swapped = row(&town, &list, 20, None).await;
        assert!(swapped.is_err(), "what was seen of one is not told of another");
        let n = (0..100).find(|n| town.person(*n) == other).expect("a person");
        let taken = town.world.withdraw("messenger", &name(n), PurposeKind::Relevance, None).await;
        taken.expect("taken back");
        assert_eq!(person(&town, other, "en").await, []);
        assert!(matches!(row(&town, &list, 1, None).await, Err(AudienceError::NoRow)));
    })
    .await;
}

#[tokio::test]
async fn a_list_that_took_everybody_was_decided_by_no_score() {
    on_both(|db| async move {
        let town = Town::new(db, 40, 0).await;
        let list = town.list(town.request(500)).await.expect("built");
        let why = row(&town, &list, 1, None).await.expect("told");
        assert_eq!(json!(why.turned_by), json!({"code": "nobody_left_out", "changes": []}));
    })
    .await;
}
