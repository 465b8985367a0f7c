//! Who builds a list, and who does so no more.

use std::time::Duration;

use super::town::{SHOP, Town, same};
use crate::audience::build::{build, give_up};
use crate::audience::request::{self, List, ListState, Order};
use crate::audience::{AudienceError, Result};
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::db::{Statement, values};

const HELD: Statement = same(
    "HELD",
    "select (select count(*) from scores where list = $1)
          + (select count(*) from list_rows where list = $1)
          + (select count(*) from list_leaves where list = $1)
          + (select count(*) from exposures where list = $1) as n",
);
const ENTRIES: Statement = same("ENTRIES", "select count(*) as n from ledger_entries");

async fn count(town: &Town, statement: Statement, order: Option<Order>) -> i64 {
    let mut tx = town.world.db.read().await.expect("begins");
    let of = order.map_or_else(Vec::new, |order| values![order.list]);
    tx.fetch_one(statement, of).await.expect("counts").get("n").expect("a count")
}

async fn found(town: &Town, order: Order) -> List {
    let mut tx = town.world.db.read().await.expect("begins");
    request::find(&mut tx, SHOP, order.list).await.expect("it is there")
}

fn overtaken(built: &Result<List>) -> bool {
    matches!(built, Err(AudienceError::Overtaken))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_that_was_given_up_writes_nothing_more() {
    on_both(|db| async move {
        let town = Town::new(db, 100, 0).await;
        let order = std::sync::OnceLock::new();
        let entries = count(&town, ENTRIES, None).await;
        let given_up = async |of: Order| {
            give_up(&town.world.db, of, "internal").await.expect("ends");
            order.set(of).expect("once");
        };
        let built = town.list_while(town.request(20), given_up).await;
        assert!(overtaken(&built));
        let order = *order.get().expect("it was given up");
        let list = found(&town, order).await;
        assert_eq!((list.state, list.reason.as_deref()), (ListState::Failed, Some("internal")));
        assert_eq!(count(&town, HELD, Some(order)).await, 0);
        assert_eq!(count(&town, ENTRIES, None).await, entries, "nothing was sealed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_whose_list_expired_and_was_cleared_writes_nothing_more() {
    on_both(|db| async move {
        let town = Town::new(db, 100, 0).await;
        let order = std::sync::OnceLock::new();
        let expire = async |of: Order| {
            town.world.clock.advance(Town::rules().lasts);
            let now = town.world.clock.now();
            let mut tx = town.world.db.begin().await.expect("begins");
            while request::remove_expired(&mut tx, now).await.expect("removes") {}
            tx.commit().await.expect("commits");
            order.set(of).expect("once");
        };
        let built = town.list_while(town.request(20), expire).await;
        assert!(overtaken(&built));
        let order = *order.get().expect("it expired");
        let list = found(&town, order).await;
        assert_eq!((list.state, list.reason.as_deref()), (ListState::Failed, Some("list.expired")));
        assert_eq!(count(&town, HELD, Some(order)).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_runs_at_a_list_the_later_one_seals_it() {
    on_both(|db| async move {
        let town = Town::new(db, 100, 0).await;
        let sealed = std::sync::OnceLock::new();
        let again = async |of: Order| {
            town.world.clock.advance(Duration::from_mins(1));
            let list = build(&town.workshop(), of, &mut town.rng(), &|_, _| {}).await;
            drop(sealed.set(list.expect("built")));
        };
        let built = town.list_while(town.request(20), again).await;
        assert!(overtaken(&built));
        let sealed = sealed.get().expect("the other run came through");
        assert_eq!(sealed.state, ListState::Sealed);
        let order = Order { business: SHOP, list: sealed.id };
        assert_eq!(found(&town, order).await, *sealed);
        assert!(town.replayed(sealed).await.is_confirmed());
        assert_eq!(town.rows(sealed).await.expect("served").rows.len(), 20);
    })
    .await;
}
