//! What is handed out on lists, and what became of what was.

use std::time::Duration;

use volens_privacy::PurposeKind;

use super::lists::{KEEP_SCORES, REWRITE_ROWS, only, with_a_list};
use super::{breaking, same, violated};
use crate::audience::outcomes::{self, OutcomeIn};
use crate::audience::recalls::{self, ALL_RANKS};
use crate::audience::tests::town::{SHOP, Town, name};
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::db::{Statement, values};
use crate::relevance::OutcomeKind;
use crate::testing::app;

const STOP_ALL: Statement = same(
    "STOP_ALL",
    "insert into list_stops (subject, business, kind, stopped_at)
     select distinct subject, business, 'stop', 0 from list_rows",
);
const STOP_RECIPIENTS: Statement = same(
    "STOP_RECIPIENTS",
    "insert into recipient_stops (business, recipient, kind, stopped_at)
     select distinct business, recipient, 'complaint', 0 from list_rows",
);
const GO_ON: Statement = same("GO_ON", "delete from list_stops");
const SUPPRESS: Statement = same(
    "SUPPRESS",
    "insert into suppressions (app, tag, objected_at, entry) values ('messenger', $1, 0, 0)",
);
const NAME_HEALTH: Statement = same(
    "NAME_HEALTH",
    "update list_rows set reasons =
         '[{\"text\":\"looks at it\",\"feature\":\"topic:health\",\"contribution\":0.5}]'",
);
const NAME_THE_NEW: Statement = same(
    "NAME_THE_NEW",
    "update list_rows set messages_grant =
         (select g.id from grants g where g.subject = list_rows.subject
          and g.purpose = 'business_messages' and g.state = 'given')",
);
const NO_RECALLS: Statement = breaking(
    "NO_RECALLS",
    "drop trigger list_rows_are_recalled",
    "drop trigger list_rows_are_recalled on list_rows",
);
const RAISED: Statement = same("RAISED", "update recalls set raised_at = $1");

#[tokio::test]
async fn a_recipient_who_said_no_after_the_list_was_sealed_is_found_also_when_it_was_given_anew() {
    on_both(|db| async move {
        let town = with_a_list(db, 0).await;
        let (world, messages) = (&town.world, PurposeKind::BusinessMessages);
        town.tamper(KEEP_SCORES, values![]).await;
        for n in (0..40).filter(|n| n % 20 != 10) {
            world.withdraw("messenger", &name(n), messages, None).await.expect("ends");
        }
        assert_eq!(violated(world).await, ["I-2", "I-10"], "a row without any consent");
        world.clock.advance(Duration::from_secs(1));
        for n in (0..40).filter(|n| n % 20 != 10) {
            world.give("messenger", &name(n), messages).await;
        }
        town.tamper(REWRITE_ROWS, values![]).await;
        assert!(town.tamper(NAME_THE_NEW, values![]).await > 0);
        only(world, "I-10", "recipient.no_live_consent").await;
    })
    .await;
}

#[tokio::test]
async fn a_recipient_who_said_stop_or_objected_is_found() {
    on_both(|db| async move {
        let town = with_a_list(db, 0).await;
        let world = &town.world;
        assert!(town.tamper(STOP_ALL, values![]).await > 0);
        only(world, "I-10", "recipient.stopped").await;
        town.tamper(GO_ON, values![]).await;
        assert_eq!(violated(world).await, Vec::<String>::new());
        assert!(town.tamper(STOP_RECIPIENTS, values![]).await > 0);
        only(world, "I-10", "recipient.stopped").await;
    })
    .await;
}

#[tokio::test]
async fn a_recipient_who_objects_is_found_also_when_only_the_objection_itself_says_so() {
    on_both(|db| async move {
        let town = with_a_list(db, 0).await;
        for n in 0..40 {
            let tag = town.world.keys.suppression_tag_of(&app("messenger"), &name(n));
            town.tamper(SUPPRESS, values![tag.as_bytes()]).await;
        }
        only(&town.world, "I-10", "recipient.objected").await;
    })
    .await;
}

#[tokio::test]
async fn a_stop_ends_every_other_list_of_the_business_and_its_own_row_is_not_served_again() {
    on_both(|db| async move {
        let town = with_a_list(db, 0).await;
        let world = &town.world;
        let (first, second) = (
            town.list(town.request(20)).await.expect("a list is built"),
            town.list(town.request(20)).await.expect("another one is built"),
        );
        let now = world.clock.now();
        for list in [&first, &second] {
            recalls::note_served(&world.db, (SHOP, list.id), ALL_RANKS, now).await.expect("noted");
        }
        let listed = town.rows(&first).await.expect("served").rows;
        let recipient = listed[0].recipient;
        let on = async |list| {
            let rows = town.rows(list).await.expect("served").rows;
            rows.iter().any(|row| row.recipient == recipient)
        };
        assert!(on(&first).await && on(&second).await);
        let stop =
            OutcomeIn { list: first.id, recipient, kind: OutcomeKind::Stop, at: now, value: None };
        let mut tx = world.db.begin().await.expect("begins");
        let taken = outcomes::record(&mut tx, SHOP, &[stop], now).await.expect("taken");
        tx.commit().await.expect("commits");
        assert_eq!(taken, [Ok(())]);
        assert!(!on(&first).await && !on(&second).await);
        let mut tx = world.db.begin().await.expect("begins");
        recalls::raise(&mut tx, now).await.expect("dated");
        let open = recalls::open(&mut tx, SHOP, None, 100).await.expect("reads");
        tx.commit().await.expect("commits");
        let recalled: Vec<_> = open.iter().map(|one| (one.list, one.recipient)).collect();
        assert_eq!(recalled, [(second.id, recipient)]);
        assert_eq!(violated(world).await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn a_reason_that_names_something_sensitive_is_found() {
    on_both(|db| async move {
        let town = with_a_list(db, 0).await;
        town.tamper(REWRITE_ROWS, values![]).await;
        assert!(town.tamper(NAME_HEALTH, values![]).await > 0);
        only(&town.world, "I-8", "topic.sensitive").await;
    })
    .await;
}

#[tokio::test]
async fn a_row_that_was_handed_out_and_ended_without_a_notice_is_found() {
    on_both(|db| async move {
        let town = with_a_list(db, 0).await;
        let world = &town.world;
        let list = town.list(town.request(20)).await.expect("a list is built");
        let now = world.clock.now();
        let of = (SHOP, list.id);
        let rows = town.rows(&list).await.expect("served").rows;
        let number = |recipient| {
            let is = |n: &usize| world.keys.recipient(SHOP, town.person(*n)) == recipient;
            (0..40).find(is).expect("of the town")
        };
        let leave = async |at: usize| {
            let person = name(number(rows[at].recipient));
            let messages = PurposeKind::BusinessMessages;
            world.withdraw("messenger", &person, messages, None).await.expect("ends");
        };
        leave(0).await;
        recalls::note_served(&world.db, of, 5, now).await.expect("noted");
        leave(1).await;
        leave(8).await;
        recalls::note_served(&world.db, of, ALL_RANKS, now).await.expect("noted");
        leave(9).await;
        assert_eq!(violated(world).await, Vec::<String>::new(), "each gone before, or recalled");
        town.tamper(NO_RECALLS, values![]).await;
        leave(2).await;
        only(world, "I-11", "recall.missing").await;
    })
    .await;
}

#[tokio::test]
async fn a_business_that_keeps_quiet_about_whoever_left_is_found_until_the_officer_is_told() {
    on_both(|db| async move {
        let town = Town::new(db, 40, 0).await;
        let world = &town.world;
        super::bind_keys(world).await;
        let list = town.list(town.request(20)).await.expect("a list is built");
        let now = world.clock.now();
        recalls::note_served(&world.db, (SHOP, list.id), ALL_RANKS, now).await.expect("noted");
        for n in 0..40 {
            let relevance = PurposeKind::Relevance;
            world.withdraw("messenger", &name(n), relevance, None).await.expect("ends");
        }
        let swept = async || {
            let mut tx = world.db.begin().await.expect("begins");
            recalls::sweep(&mut tx, now).await.expect("sweeps");
            tx.commit().await.expect("commits");
        };
        swept().await;
        assert_eq!(violated(world).await, Vec::<String>::new());
        assert!(town.tamper(RAISED, values![now.minus(Duration::from_hours(8 * 24))]).await > 0);
        only(world, "I-11", "recall.silent").await;
        swept().await;
        assert_eq!(violated(world).await, Vec::<String>::new());
    })
    .await;
}
