//! Links of two accounts; what consent does to them is tested with consent.

use volens_privacy::PurposeKind;

use super::*;
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::testing::World;

const NUMBER: &str = "+4915112345678";

#[tokio::test]
async fn a_link_is_seen_from_both_sides_and_names_the_entries_it_rests_on() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let one = world.account("messenger", "u1").await;
        let other = world.account("photos", "p9").await;
        let given = world.give_link("messenger", "u1", "photos", NUMBER).await;
        let given_there = world.give_link("photos", "p9", "messenger", NUMBER).await;
        let mut tx = world.db.read().await.expect("a snapshot");
        let now = world.clock.now();
        let links = permitted_links(&mut tx, &world.keys, &[one, other], now).await;
        let links = links.expect("links are read");
        assert_eq!(links[&one][0].peer, other);
        assert_eq!(links[&other][0].peer, one);
        assert_eq!((links[&one][0].grant.1, links[&one][0].peer_grant.1), (given, given_there));
        assert_eq!(links_of(&mut tx, one).await.expect("a view").len(), 1);
        assert_eq!(candidates(&mut tx, &[one, other]).await.expect("a view").len(), 2);
    })
    .await;
}

#[tokio::test]
async fn other_consents_and_other_numbers_link_nothing() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let one = world.account("messenger", "u1").await;
        world.account("photos", "p9").await;
        world.give("messenger", "u1", PurposeKind::Relevance).await;
        world.give("photos", "p9", PurposeKind::Relevance).await;
        world.give_link("messenger", "u1", "photos", NUMBER).await;
        world.give_link("photos", "p9", "messenger", "+4915112345679").await;
        let mut tx = world.db.read().await.expect("a snapshot");
        let links = permitted_links(&mut tx, &world.keys, &[one], world.clock.now()).await;
        assert!(links.expect("links are read").is_empty());
    })
    .await;
}
