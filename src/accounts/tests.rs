//! Accounts: one per reference and app, found by tag only, keys sound.

use volens_privacy::AgeBand;

use super::*;
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::testing::{World, app};

fn details(language: &str) -> Details {
    Details {
        language: language.to_owned(),
        country: String::new(),
        time_zone: String::new(),
        age_band: AgeBand::Unknown,
    }
}

#[tokio::test]
async fn one_reference_is_one_account_per_app_and_the_last_details_count() {
    on_both(|db| async move {
        let world = World::new(db.clone()).await;
        let mut rng = world.rng(7);
        let mut new = |name: &str, language| {
            Registration::new(&world.keys, &mut rng, &app(name), "anna", details(language))
        };
        let items = [new("messenger", "de"), new("photos", "en"), new("messenger", "fr")];
        let mut tx = db.begin().await.unwrap();
        let done = register(&mut tx, &items, world.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        assert!(matches!(done[0], Registered::Created(_)));
        assert!(matches!(done[1], Registered::Created(_)));
        assert_eq!(done[2], Registered::Known(done[0].subject()));
        assert_ne!(done[0].subject(), done[1].subject());
        let mut tx = db.read().await.unwrap();
        let found = find(&mut tx, &[done[0].subject()]).await.unwrap();
        assert_eq!(found[&done[0].subject()].details.language, "fr");
        let subject = subject_of(&mut tx, &world.keys, &app("photos"), "anna").await.unwrap();
        assert_eq!(subject, Some(done[1].subject()));
        let stranger = subject_of(&mut tx, &world.keys, &app("social"), "anna").await.unwrap();
        assert_eq!(stranger, None);
        assert_eq!(count(&mut tx, &app("messenger")).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_is_not_told_again_stays_and_a_minor_stays_a_minor() {
    on_both(|db| async move {
        let world = World::new(db.clone()).await;
        let told = async |details: Details| {
            let mut rng = world.rng(7);
            let item = Registration::new(&world.keys, &mut rng, &app("messenger"), "anna", details);
            let mut tx = db.begin().await.unwrap();
            let done = register(&mut tx, &[item], world.clock.now()).await.unwrap();
            tx.commit().await.unwrap();
            let subject = done[0].subject();
            let mut tx = db.read().await.unwrap();
            find(&mut tx, &[subject]).await.unwrap()[&subject].details.clone()
        };
        let young = Details { age_band: AgeBand::From16To17, ..details("de") };
        assert_eq!(told(young.clone()).await, young);
        assert_eq!(told(details("")).await, young, "nothing new was told");
        let moved = Details { country: "AT".to_owned(), ..details("") };
        assert_eq!(told(moved).await, Details { country: "AT".to_owned(), ..young });
        let older = Details { age_band: AgeBand::From18To24, ..details("") };
        assert_eq!(told(older).await.age_band, AgeBand::From18To24);
    })
    .await;
}

#[tokio::test]
async fn data_keys_unwrap_under_their_key_ring_and_no_other() {
    on_both(|db| async move {
        let world = World::new(db.clone()).await;
        let anna = world.account("messenger", "anna").await;
        let mut tx = db.read().await.unwrap();
        let keys = data_keys(&mut tx, &world.keys, &[anna]).await.unwrap();
        assert_eq!(keys.len(), 1);
        let other = KeyRing::generate(&mut world.rng(99), world.clock.now());
        let refused = data_keys(&mut tx, &other, &[anna]).await;
        assert!(matches!(refused, Err(AccountError::Key(_))));
    })
    .await;
}
