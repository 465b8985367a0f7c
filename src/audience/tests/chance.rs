//! Whatever people decide, and whenever: no row without permits.

use std::time::Duration;

use proptest::prelude::*;
use volens_privacy::PurposeKind;
use volens_privacy::purpose::{BusinessMessages, CrossAppLinking, Relevance};

use super::town::{SHOP, Town, name};
use crate::audience::request::{List, ListState};
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::testing::app;

const PEOPLE: usize = 30;
const LINKED: usize = 8;
const LINKING: PurposeKind = PurposeKind::CrossAppLinking;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Give(usize, bool),
    Withdraw(usize, bool),
    Unlink(usize, bool),
    Link(usize),
    Wait(u64),
    List,
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..PEOPLE;
    let linked = 0..LINKED;
    prop_oneof![
        3 => (who.clone(), any::<bool>()).prop_map(|(who, which)| Step::Give(who, which)),
        4 => (who, any::<bool>()).prop_map(|(who, which)| Step::Withdraw(who, which)),
        2 => (linked.clone(), any::<bool>()).prop_map(|(who, side)| Step::Unlink(who, side)),
        1 => linked.prop_map(Step::Link),
        1 => (0..200_u64).prop_map(Step::Wait),
        3 => Just(Step::List),
    ]
}

fn purpose(which: bool) -> PurposeKind {
    if which { PurposeKind::BusinessMessages } else { PurposeKind::Relevance }
}

async fn happen(town: &Town, step: &Step) -> Option<List> {
    let world = &town.world;
    match *step {
        Step::Give(who, which) => {
            world.give("messenger", &name(who), purpose(which)).await;
        }
        Step::Withdraw(who, which) => {
            drop(world.withdraw("messenger", &name(who), purpose(which), None).await);
        }
        Step::Unlink(who, true) => {
            drop(world.withdraw("messenger", &name(who), LINKING, Some("photos")).await);
        }
        Step::Unlink(who, false) => {
            drop(world.withdraw("photos", &name(who), LINKING, Some("messenger")).await);
        }
        Step::Link(who) => {
            let phone = format!("+4915112{who:06}");
            world.give_link("messenger", &name(who), "photos", &phone).await;
            world.give_link("photos", &name(who), "messenger", &phone).await;
        }
        Step::Wait(days) => world.clock.advance(Duration::from_hours(days * 24)),
        Step::List => {
            if world.clock.now() < town.campaign.window.until {
                return Some(town.list(town.request(12)).await.expect("an answer"));
            }
        }
    }
    None
}

/// Every served row's person permits it now, by the ledger.
async fn every_row_is_permitted(town: &Town, list: &List) {
    let Ok(page) = town.rows(list).await else { return };
    let now = town.world.clock.now();
    for row in &page.rows {
        let is = |subject| town.world.keys.recipient(SHOP, subject) == row.recipient;
        let n = town.people.iter().position(|subject| is(*subject)).expect("one of the people");
        let consents = town.world.consents_of(town.people[n]).await.expect("verified");
        assert!(consents.permit::<BusinessMessages>((), now).is_ok());
        assert!(consents.permit::<Relevance>((), now).is_ok());
        if row.consent.borrowed.is_empty() {
            continue;
        }
        let lender = town.world.account("photos", &name(n)).await;
        let lender = town.world.consents_of(lender).await.expect("verified");
        assert!(consents.permit::<CrossAppLinking>(app("photos"), now).is_ok());
        assert!(lender.permit::<CrossAppLinking>(app("messenger"), now).is_ok());
        assert!(lender.permit::<Relevance>((), now).is_ok());
    }
}

#[test]
fn no_row_without_permits() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 4,
        max_shrink_iters: 0,
        ..ProptestConfig::default()
    });
    let steps = proptest::collection::vec(step(), 10..40);
    runner
        .run(&steps, |steps| {
            runtime.block_on(on_both(|db| {
                let steps = steps.clone();
                async move {
                    let town = Town::new(db, PEOPLE, LINKED).await;
                    let mut lists = Vec::new();
                    for step in &steps {
                        lists.extend(happen(&town, step).await);
                        for list in &lists {
                            every_row_is_permitted(&town, list).await;
                        }
                    }
                    let sealed = lists.iter().filter(|list| list.state == ListState::Sealed);
                    for list in sealed {
                        let now = town.world.clock.now();
                        let mut tx = town.world.db.read().await.expect("begins");
                        let found = crate::audience::replay::replay(
                            &mut tx,
                            &town.world.keys,
                            SHOP,
                            list.id,
                            now,
                            &|_, _| {},
                        )
                        .await
                        .expect("replays");
                        assert!(found.is_confirmed(), "{:?}", found.denied);
                    }
                }
            }));
            Ok(())
        })
        .expect("no row without permits");
}
