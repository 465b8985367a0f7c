//! An address opens one person's page, for its time, and the database does not tell addresses.

use std::time::Duration;

use super::*;
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::testing::{World, app};

async fn link_of(world: &World, name: &str, reference: &str) -> Result<Link, AccountError> {
    let mut tx = world.db.begin().await.expect("a transaction");
    let now = world.clock.now();
    let id = app(name);
    let made = link(&mut tx, &world.keys, &mut world.rng(9), (&id, reference), now).await;
    tx.commit().await.expect("a commit");
    made
}

async fn opened(world: &World, token: &str) -> Option<Person> {
    let mut tx = world.db.read().await.expect("a snapshot");
    open(&mut tx, &world.keys, token, world.clock.now()).await.expect("an answer")
}

#[tokio::test]
async fn an_address_opens_one_page_until_its_time_is_over() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let anna = world.account("messenger", "anna").await;
        world.account("photos", "anna").await;
        let made = link_of(&world, "messenger", "anna").await.expect("an address");
        let person = opened(&world, made.expose()).await.expect("a page");
        assert_eq!((person.subject, person.app.as_str()), (anna, "messenger"));
        assert_eq!(person.language, "de");
        assert_eq!(person.account, world.keys.account_tag(&app("messenger"), "anna"));

        let mut wrong = made.expose().to_owned();
        wrong.replace_range(0..1, if wrong.starts_with('A') { "B" } else { "A" });
        for other in [wrong.as_str(), "", "anna"] {
            assert!(opened(&world, other).await.is_none());
        }
        world.clock.advance(LASTS.saturating_sub(Duration::from_secs(1)));
        assert!(opened(&world, made.expose()).await.is_some());
        world.clock.advance(Duration::from_secs(1));
        assert!(opened(&world, made.expose()).await.is_none(), "its time is over");

        let mut tx = world.db.read().await.expect("a snapshot");
        let now = world.clock.now();
        let late = open_to_withdraw(&mut tx, &world.keys, made.expose(), now).await;
        assert!(late.expect("an answer").is_some(), "an open page still withdraws");
        let later = now.plus(GRACE);
        let late = open_to_withdraw(&mut tx, &world.keys, made.expose(), later).await;
        assert!(late.expect("an answer").is_none());
    })
    .await;
}

#[tokio::test]
async fn an_app_gets_addresses_of_its_own_users_only() {
    on_both(|db| async move {
        let world = World::new(db).await;
        world.account("messenger", "anna").await;
        for (name, reference) in [("photos", "anna"), ("messenger", "otto")] {
            let refused = link_of(&world, name, reference).await;
            assert!(matches!(refused, Err(AccountError::Unknown)));
        }
    })
    .await;
}
