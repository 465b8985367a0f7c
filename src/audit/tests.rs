//! Readings of officers on both engines.

use volens_privacy::consent::Decision;
use volens_privacy::ledger::{Leaf, LeafKind};
use volens_privacy::{PurposeKind, SubjectId};

use super::{AuditError, timeline};
use crate::access::{Credential, Role};
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::ids::KeyId;
use crate::ledger;
use crate::readings::Reader;
use crate::readings::openings::OpeningError;
use crate::readings::tests::approved;
use crate::testing::World;

const KEY: KeyId = KeyId::from_bytes([5; 16]);

#[tokio::test]
async fn a_timeline_tells_every_decision_and_leaves_a_mark() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let subject = world.account("messenger", "u1").await;
        world.give("messenger", "u1", PurposeKind::Relevance).await;
        world.give("messenger", "u1", PurposeKind::BusinessMessages).await;
        world.withdraw("messenger", "u1", PurposeKind::Relevance, None).await.expect("ends");
        let now = world.clock.now();
        let stranger = Reader { credential: Credential::Key(KEY), role: Role::Officer };
        let mut tx = world.db.begin().await.expect("begins");
        let mut rng = world.rng(4);
        let closed = timeline(&mut tx, &world.keys, &mut rng, (stranger, subject), now).await;
        assert!(matches!(closed, Err(AuditError::Opening(OpeningError::Closed))));
        drop(tx);
        let (reader, _) = approved(&world, subject).await;
        let mut tx = world.db.begin().await.expect("begins");
        let found = timeline(&mut tx, &world.keys, &mut rng, (reader, subject), now).await;
        let found = found.expect("reads");
        tx.commit().await.expect("commits");
        let decided: Vec<_> =
            found.decisions.iter().map(|made| (made.purpose, made.decision)).collect();
        assert_eq!(
            decided,
            [
                (PurposeKind::Relevance, Decision::Given),
                (PurposeKind::BusinessMessages, Decision::Given),
                (PurposeKind::Relevance, Decision::Withdrawn),
            ]
        );
        assert!(found.lists.is_empty());
        let mut tx = world.db.read().await.expect("begins");
        let leaves = ledger::leaves(&mut tx, &[found.access_entry]).await.expect("reads");
        let leaf = Leaf::parse(&leaves[&found.access_entry]).expect("a leaf");
        assert_eq!(leaf.kind(), LeafKind::OfficerAccess);
        let said = String::from_utf8(leaf.bytes()).expect("JSON");
        assert!(!said.contains(&subject.to_string()), "the mark does not say of whom");
        drop(tx);
        let mut tx = world.db.begin().await.expect("begins");
        let nobody = SubjectId::from_bytes([1; 16]);
        let missing = timeline(&mut tx, &world.keys, &mut rng, (reader, nobody), now).await;
        assert!(matches!(missing, Err(AuditError::NoAccount)));
    })
    .await;
}
