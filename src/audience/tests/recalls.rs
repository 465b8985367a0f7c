//! Whoever leaves a list that was handed out is recalled, for whatever reason, and nobody else is.

use std::time::Duration;

use volens_privacy::{AgeBand, PurposeKind, RecipientId};

use super::town::{RIVAL, SHOP, Town, name, same};
use crate::audience::recalls::{self, ALL_RANKS, RecallName};
use crate::audience::request::{self, List};
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::db::{Statement, values};

const DAY: Duration = Duration::from_hours(24);
const FREEZE: Statement =
    same("FREEZE_ONE", "update accounts set frozen_at = 1 where subject = $1");
const ERASE: Statement = same("ERASE", "delete from accounts where subject = $1");

async fn serve(town: &Town, list: &List, down_to: u32) {
    let now = town.world.clock.now();
    let of = (SHOP, list.id);
    recalls::note_served(&town.world.db, of, down_to, now).await.expect("noted");
}

async fn open(town: &Town, business: volens_privacy::BusinessId) -> Vec<RecallName> {
    let mut tx = town.world.db.begin().await.expect("begins");
    recalls::raise(&mut tx, town.world.clock.now()).await.expect("dated");
    let open = recalls::open(&mut tx, business, None, 1000).await.expect("reads");
    tx.commit().await.expect("commits");
    open.into_iter().map(|r| RecallName { list: r.list, recipient: r.recipient }).collect()
}

async fn swept(town: &Town) -> u64 {
    let mut tx = town.world.db.begin().await.expect("begins");
    let marked = recalls::sweep(&mut tx, town.world.clock.now()).await.expect("sweeps");
    tx.commit().await.expect("commits");
    marked
}

/// The people on the list, best first, by their number in the town.
async fn listed(town: &Town, list: &List) -> Vec<(usize, RecipientId)> {
    let rows = town.rows(list).await.expect("served").rows;
    let number = |recipient| {
        let is = |n: &usize| town.world.keys.recipient(SHOP, town.person(*n)) == recipient;
        (0..60).find(is).expect("somebody of the town")
    };
    rows.iter().map(|row| (number(row.recipient), row.recipient)).collect()
}

#[tokio::test]
async fn every_way_out_recalls_and_only_what_was_handed_out() {
    on_both(|db| async move {
        let town = Town::new(db, 60, 0).await;
        let list = town.list(town.request(20)).await.expect("built");
        let on_it = listed(&town, &list).await;
        let messages = PurposeKind::BusinessMessages;
        let leave = async |n: usize| {
            town.world.withdraw("messenger", &name(n), messages, None).await.expect("ends");
        };
        leave(on_it[0].0).await;
        assert_eq!(open(&town, SHOP).await, [], "nobody had read it");
        serve(&town, &list, 10).await;
        leave(on_it[1].0).await;
        leave(on_it[15].0).await;
        let mut expected = vec![on_it[1].1];
        let recalled = async || {
            let mut open: Vec<_> = open(&town, SHOP).await.iter().map(|r| r.recipient).collect();
            open.sort_unstable();
            open
        };
        assert_eq!(recalled().await, expected, "rank 16 had not left the house");
        serve(&town, &list, ALL_RANKS).await;
        serve(&town, &list, 5).await;
        town.tamper(FREEZE, values![town.person(on_it[2].0)]).await;
        town.tamper(ERASE, values![town.person(on_it[3].0)]).await;
        let minor = AgeBand::From16To17;
        town.world.account_aged("messenger", &name(on_it[4].0), minor).await;
        leave(on_it[19].0).await;
        expected.extend([2, 3, 4, 19].map(|at: usize| on_it[at].1));
        expected.sort_unstable();
        assert_eq!(recalled().await, expected);
        assert_eq!(open(&town, RIVAL).await, [], "and nobody else is told");
    })
    .await;
}

#[tokio::test]
async fn a_recall_is_acknowledged_once_or_shown_to_the_officer_after_seven_days() {
    on_both(|db| async move {
        let town = Town::new(db, 60, 0).await;
        let list = town.list(town.request(20)).await.expect("built");
        let on_it = listed(&town, &list).await;
        serve(&town, &list, ALL_RANKS).await;
        for (n, _) in &on_it[..2] {
            let relevance = PurposeKind::Relevance;
            town.world.withdraw("messenger", &name(*n), relevance, None).await.expect("ends");
        }
        assert_eq!(swept(&town).await, 0);
        let notices = open(&town, SHOP).await;
        let mut tx = town.world.db.begin().await.expect("begins");
        let now = town.world.clock.now();
        let mut acknowledge = async |business, notices: &[RecallName]| {
            recalls::acknowledge(&mut tx, business, notices, now).await.expect("taken")
        };
        assert_eq!(acknowledge(RIVAL, &notices[..1]).await, 0, "not theirs");
        assert_eq!(acknowledge(SHOP, &notices[..1]).await, 1);
        assert_eq!(acknowledge(SHOP, &notices[..1]).await, 0);
        tx.commit().await.expect("commits");
        assert_eq!(open(&town, SHOP).await, notices[1..]);

        town.world.clock.advance(6 * DAY);
        assert_eq!(swept(&town).await, 0);
        town.world.clock.advance(DAY);
        assert_eq!(swept(&town).await, 1);
        assert_eq!(swept(&town).await, 0, "said once");
        let mut tx = town.world.db.begin().await.expect("begins");
        let overdue = recalls::overdue(&mut tx).await.expect("reads");
        assert_eq!((overdue.len(), overdue[0].business, overdue[0].notices), (1, SHOP, 1));
        let of = (SHOP, list.id);
        let now = town.world.clock.now();
        assert_eq!(recalls::open_of_list(&mut tx, of).await.expect("reads"), 1);
        assert_eq!(recalls::stopped_of_list(&mut tx, of).await.expect("reads"), 1);
        assert_eq!(request::rows_now(&mut tx, &list).await.expect("counts"), 18);
        assert_eq!(recalls::acknowledge_list(&mut tx, of, now).await.expect("taken"), 1);
        assert_eq!(recalls::overdue(&mut tx).await.expect("reads"), []);
    })
    .await;
}

#[tokio::test]
async fn the_end_of_a_list_recalls_nobody() {
    on_both(|db| async move {
        let town = Town::new(db, 60, 0).await;
        let list = town.list(town.request(20)).await.expect("built");
        serve(&town, &list, ALL_RANKS).await;
        town.world.clock.advance(8 * DAY);
        let mut tx = town.world.db.begin().await.expect("begins");
        let now = town.world.clock.now();
        while request::remove_expired(&mut tx, now).await.expect("removes") {}
        tx.commit().await.expect("commits");
        assert_eq!(open(&town, SHOP).await, []);
    })
    .await;
}
