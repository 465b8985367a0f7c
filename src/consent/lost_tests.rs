//! What was lost holds consents back until somebody settles it, and takes nothing from anybody.

use std::time::Duration;

use volens_privacy::consent::Refusal;
use volens_privacy::ledger::{Leaf, LeafKind};
use volens_privacy::purpose::{BotMemory, BusinessMessages, Relevance, Reports};

use super::*;
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::testing::World;

async fn note(world: &World, known: u64) {
    let mut tx = world.db.begin().await.unwrap();
    note_lost(&mut tx, known).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn consents_from_before_a_loss_permit_nothing_until_it_is_settled() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let anna = world.account("messenger", "anna").await;
        let given = [PurposeKind::Relevance, PurposeKind::BusinessMessages, PurposeKind::BotMemory];
        for purpose in given {
            world.give("messenger", "anna", purpose).await;
        }
        note(&world, 1000).await;
        let (consents, now) = (world.consents_of(anna).await.unwrap(), world.clock.now());
        assert_eq!(consents.permit::<Relevance>((), now).err(), Some(Refusal::Absent));
        assert_eq!(consents.permit::<BusinessMessages>((), now).err(), Some(Refusal::Absent));

        world.withdraw("messenger", "anna", PurposeKind::Relevance, None).await.unwrap();
        world.clock.advance(Duration::from_hours(24));
        world.give("messenger", "anna", PurposeKind::Reports).await;
        world.give("messenger", "anna", PurposeKind::BusinessMessages).await;
        note(&world, 1000).await;
        let (consents, now) = (world.consents_of(anna).await.unwrap(), world.clock.now());
        assert_eq!(consents.permit::<Relevance>((), now).err(), Some(Refusal::Withdrawn));
        assert!(consents.permit::<Reports>((), now).is_ok(), "it was given since");
        assert!(consents.permit::<BusinessMessages>((), now).is_ok(), "it was given anew");
        assert_eq!(consents.permit::<BotMemory>((), now).err(), Some(Refusal::Absent));

        let mut tx = world.db.begin().await.unwrap();
        let (was, entry) = settle_lost(&mut tx, &world.keys, now).await.unwrap().expect("a loss");
        assert_eq!(was.known, 1000);
        assert_eq!(settle_lost(&mut tx, &world.keys, now).await.unwrap(), None);
        let leaf = ledger::leaves(&mut tx, &[entry]).await.unwrap().remove(&entry).unwrap();
        assert_eq!(Leaf::parse(&leaf).unwrap().kind(), LeafKind::LossSettled);
        tx.commit().await.unwrap();
        let consents = world.consents_of(anna).await.unwrap();
        assert!(consents.permit::<BotMemory>((), now).is_ok());
        let ended = consents.permit::<Relevance>((), now).err();
        assert_eq!(ended, Some(Refusal::Withdrawn), "what was taken back stays so");

        // Another loss, after which more is held back.
        note(&world, 2000).await;
        let consents = world.consents_of(anna).await.unwrap();
        assert_eq!(consents.permit::<Reports>((), now).err(), Some(Refusal::Absent));
    })
    .await;
}
