//! No consent to linking before its assessment, on both engines; withdrawals always.

use volens_privacy::consent::Decision;
use volens_privacy::ledger::{Leaf, LeafKind};
use volens_privacy::{PurposeKind, Timestamp};

use super::{AssessmentError, NEEDED, UNWRITTEN, all, attach, missing, template};
use crate::clock::Clock as _;
use crate::consent::Refused;
use crate::db::testing::on_both;
use crate::ledger;
use crate::testing::World;

const LINKING: PurposeKind = PurposeKind::CrossAppLinking;

async fn try_attach(
    world: &World,
    purpose: PurposeKind,
    id: &str,
    now: Timestamp,
) -> Result<u64, AssessmentError> {
    let mut tx = world.db.begin().await.expect("begins");
    let made = attach(&mut tx, &world.keys, purpose, (id, [3; 32]), now).await?;
    tx.commit().await.expect("commits");
    Ok(made.entry)
}

#[tokio::test]
async fn nobody_consents_to_linking_before_it_is_assessed() {
    on_both(|db| async move {
        let world = World::new(db).await;
        world.account("messenger", "u1").await;
        let link = |decision| {
            world.choice("u1", LINKING, Some("photos"), decision, Some("+4915112345678"))
        };
        let refused = world.report("messenger", link(Decision::Given)).await;
        assert!(matches!(refused, Err(Refused::Unassessed)));
        assert_eq!(Refused::Unassessed.code(), "purpose.unassessed");
        // Whoever says no, or takes back, is heard.
        world.report("messenger", link(Decision::Refused)).await.expect("a refusal is taken");
        let ended = world.withdraw("messenger", "u1", LINKING, Some("photos")).await;
        assert!(ended.is_ok(), "a withdrawal is never refused");
        // Other purposes need no assessment.
        world.give("messenger", "u1", PurposeKind::Relevance).await;

        let now = world.clock.now();
        let none = try_attach(&world, PurposeKind::Relevance, "a/1", now).await;
        assert!(matches!(none, Err(AssessmentError::NotNeeded)));
        for name in ["", "with a space", &"x".repeat(101)] {
            let bad = try_attach(&world, LINKING, name, now).await;
            assert!(matches!(bad, Err(AssessmentError::Name)), "{name}");
        }
        let entry = try_attach(&world, LINKING, "dpia/linking-1", now).await.expect("attached");
        world.clock.advance(std::time::Duration::from_secs(1));
        world.report("messenger", link(Decision::Given)).await.expect("linking is live");

        let mut tx = world.db.read().await.expect("begins");
        assert!(missing(&mut tx).await.expect("reads").is_empty());
        assert_eq!(all(&mut tx).await.expect("reads")[0].id, "dpia/linking-1");
        let leaf = ledger::leaves(&mut tx, &[entry]).await.expect("reads").remove(&entry);
        let leaf = Leaf::parse(&leaf.expect("an entry")).expect("a leaf");
        assert_eq!((leaf.kind(), leaf.purpose()), (LeafKind::ImpactAssessed, Some(LINKING)));
        assert_eq!(leaf.detail().expect("a detail")["sha256"], "03".repeat(32));
    })
    .await;
}

#[test]
fn the_template_says_what_is_known_and_what_is_not() {
    for purpose in NEEDED {
        let text = template(purpose);
        assert!(text.contains(purpose.definition().covers("en")));
        for part in ["Art. 35(7)(a)", "Art. 35(7)(b)", "Art. 35(7)(c)", "Art. 35(7)(d)"] {
            assert!(text.contains(part), "{part}");
        }
        assert!(text.matches(UNWRITTEN).count() > 5);
    }
}
