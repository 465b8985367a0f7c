//! A column that stands for the age of people is found, keeps the model out of use, and is let through by
//! an officer, on record; one that stands for nothing is not found.

use std::time::Duration;

use rand::RngExt as _;
use volens_models::features::Features;
use volens_privacy::purpose::Relevance;
use volens_privacy::{AgeBand, Leaf, LeafKind, PurposeKind};

use super::tests::{MAKER, occasion};
use super::*;
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::ids::{ExposureId, ListId};
use crate::testing::World;

const ORDER: Order = Order { business: Some(MAKER), goal: Goal::Click };
const LIST: ListId = ListId::from_bytes([3; 16]);

/// People of two ages who saw a message. Whoever is in the club of the older ones, or likes the colour,
/// clicks more often.
async fn campaign(world: &World, count: u32) {
    let mut rng = world.rng(5);
    let at = world.clock.now();
    let mut outcomes = Vec::new();
    for n in 0..count {
        let name = format!("u{n}");
        // Bits of a multiplicative hash do not depend on each other.
        let hash = n.wrapping_mul(2_654_435_761);
        let (older, colour) = (hash >> 31 == 1, hash >> 29 & 1 == 1);
        let club = if n % 16 == 0 { !older } else { older };
        let age = if older { AgeBand::From50To64 } else { AgeBand::From18To24 };
        let subject = world.account_aged("messenger", &name, age).await;
        world.give("messenger", &name, PurposeKind::Relevance).await;
        world.give("messenger", &name, PurposeKind::ModelTraining).await;
        let mut features = Features::default();
        features.category("trait.club", if club { "silver" } else { "fresh" });
        features.category("trait.colour", if colour { "red" } else { "blue" });
        let consents = world.consents_of(subject).await.expect("verified");
        let permit = consents.permit::<Relevance>((), at).expect("consented");
        let exposure =
            Exposure::of(&permit, ExposureId::random(&mut rng), occasion(LIST, at), features);
        let mut tx = world.db.begin().await.expect("begins");
        record_exposures(&mut tx, &world.keys, &[exposure], &mut rng).await.expect("kept");
        tx.commit().await.expect("commits");
        let chance = 0.1 + 0.4 * f64::from(u8::from(club)) + 0.4 * f64::from(u8::from(colour));
        if rng.random::<f64>() < chance {
            outcomes.push(Outcome { subject, kind: OutcomeKind::Click, at, value: None });
        }
    }
    let mut tx = world.db.begin().await.expect("begins");
    record_outcomes(&mut tx, LIST, &outcomes).await.expect("noted");
    tx.commit().await.expect("commits");
    world.clock.advance(Duration::from_hours(2));
}

async fn trained(world: &World, seed: u64) -> Report {
    let now = world.clock.now();
    let mut tx = world.db.read().await.expect("begins");
    let set = gather(&mut tx, &world.keys, ORDER, now, &|_, _| {}).await.expect("gathers");
    drop(tx);
    let learned = learn(set, now).expect("learns");
    let mut tx = world.db.begin().await.expect("begins");
    let kept = keep(&mut tx, &world.keys.log_signer(), learned, now, &mut world.rng(seed)).await;
    tx.commit().await.expect("commits");
    kept.expect("kept")
}

#[tokio::test]
async fn a_planted_proxy_holds_the_model_until_an_officer_has_looked() {
    on_both(|db| async move {
        let world = World::new(db).await;
        campaign(&world, 240).await;
        let held = trained(&world, 20).await.version;
        assert!(held.held && !held.active);
        let found = held.proxies().expect("on the card");
        let club = found.suspicions.iter().find(|one| one.columns == ["trait.club"]);
        let club = club.expect("the club stands for an age");
        assert!(club.holds && club.attribute == "age" && club.strength > Some(0.7), "{club:?}");
        assert!(found.columns >= 2, "the model uses the colour too");
        let innocent = |one: &proxies::Suspicion| !one.columns.contains(&"trait.colour".to_owned());
        assert!(found.suspicions.iter().all(innocent), "{found:?}");

        let now = world.clock.now();
        let mut tx = world.db.begin().await.expect("begins");
        assert!(active(&mut tx, MAKER, Goal::Click, now).await.expect("reads").is_none());
        let forced = activate(&mut tx, Some(MAKER), Goal::Click, 1, now).await;
        assert!(matches!(forced, Err(RelevanceError::Held)));
        let silent = proxies::clear(&mut tx, &world.keys, held.id, "  ", now).await;
        assert!(matches!(silent, Err(RelevanceError::Reason)));
        let reason = "the club is open to all ages";
        let cleared = proxies::clear(&mut tx, &world.keys, held.id, reason, now).await;
        let cleared = cleared.expect("an officer has looked");
        let used = active(&mut tx, MAKER, Goal::Click, now).await.expect("reads");
        assert_eq!(used.map(|model| model.id), Some(held.id));
        let entries = ledger::entries(&mut tx, cleared.entry, cleared.entry + 1).await;
        let (_, leaf) = entries.expect("reads").remove(0);
        assert_eq!(Leaf::parse(&leaf).expect("a leaf").kind(), LeafKind::ModelCleared);
        assert!(!String::from_utf8_lossy(&leaf).contains("club"), "a reason is no public fact");
        let twice = proxies::clear(&mut tx, &world.keys, held.id, reason, now).await;
        assert!(matches!(twice, Err(RelevanceError::NotHeld)));
        tx.commit().await.expect("commits");

        let again = trained(&world, 21).await.version;
        assert!(again.active && !again.held, "the same question is not asked again");
        let mut tx = world.db.read().await.expect("begins");
        assert_eq!(find(&mut tx, again.id).await.expect("there").version, 2);
        assert_eq!(all(&mut tx).await.expect("reads").len(), 2);
    })
    .await;
}
