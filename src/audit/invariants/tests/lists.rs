//! Scores, rows and what was lent to them.

use std::collections::BTreeSet;
use std::time::Duration;

use volens_privacy::PurposeKind;

use super::{bind_keys, breaking, codes, same, violated};
use crate::audience::tests::town::{Town, name};
use crate::db::testing::on_both;
use crate::db::{Db, Statement, values};
use crate::testing::World;

pub(super) const KEEP_SCORES: Statement = breaking(
    "KEEP_SCORES",
    "drop trigger grant_end_removes_scores",
    "drop trigger grant_end_removes_scores on grants",
);
const KEEP_EXPOSURES: Statement = breaking(
    "KEEP_EXPOSURES",
    "drop trigger exposures_end_with_consent",
    "drop trigger exposures_end_with_consent on grants",
);
const KEEP_AWAITED: Statement = breaking(
    "KEEP_AWAITED",
    "drop trigger awaited_purchases_end_with_consent",
    "drop trigger awaited_purchases_end_with_consent on grants",
);
const KEEP_LOANS: Statement = breaking(
    "KEEP_LOANS",
    "drop trigger loans_end_with_their_token",
    "drop trigger loans_end_with_their_token on link_tokens",
);
const KEEP_FROZEN: Statement = breaking(
    "KEEP_FROZEN",
    "drop trigger account_freeze_removes_scores",
    "drop trigger account_freeze_removes_scores on accounts",
);
/// The first decision of everybody in the town is the consent to messages.
const NAME_ANOTHER: Statement = same(
    "NAME_ANOTHER",
    "update scores set relevance_entry =
         (select min(entry) from consent_records c where c.subject = scores.subject)",
);
pub(super) const REWRITE_ROWS: Statement = breaking(
    "REWRITE_ROWS",
    "drop trigger list_rows_are_written_once",
    "drop trigger list_rows_are_written_once on list_rows",
);
const NAME_AN_OLDER: Statement = same(
    "NAME_AN_OLDER",
    "update list_rows set messages_entry =
         (select min(entry) from consent_records c where c.subject = list_rows.subject)",
);
const FREEZE: Statement = same("FREEZE", "update accounts set frozen_at = $1");

/// A town of 40, so many of them linked, and a list, with which all is well.
pub(super) async fn with_a_list(db: Db, linked: usize) -> Town {
    let town = Town::new(db, 40, linked).await;
    bind_keys(&town.world).await;
    town.list(town.request(20)).await.expect("a list is built");
    assert_eq!(violated(&town.world).await, Vec::<String>::new());
    town
}

/// One invariant is violated, in one way.
pub(super) async fn only(world: &World, invariant: &str, code: &str) {
    assert_eq!(violated(world).await, [invariant]);
    assert_eq!(codes(world).await, [code.to_owned()].into());
}

#[tokio::test]
async fn everything_on_a_list_that_outlives_a_consent_is_found() {
    on_both(|db| async move {
        let town = with_a_list(db, 6).await;
        let world = &town.world;
        town.tamper(KEEP_SCORES, values![]).await;
        town.tamper(KEEP_EXPOSURES, values![]).await;
        town.tamper(KEEP_LOANS, values![]).await;
        let withdraw = async |app: &str, reference: &str, purpose, peer| {
            world.withdraw(app, reference, purpose, peer).await.expect("ends");
        };
        for n in 0..6 {
            let linking = PurposeKind::CrossAppLinking;
            withdraw("messenger", &name(n), linking, Some("photos")).await;
            withdraw("photos", &name(n), linking, Some("messenger")).await;
            withdraw("photos", &name(n), PurposeKind::Relevance, None).await;
        }
        withdraw("social", "taught1", PurposeKind::Relevance, None).await;
        assert_eq!(violated(world).await, ["I-2"]);
        let lent = ["exposure.no_live_grant", "lender.no_live_grant", "loan.no_live_grant"];
        assert_eq!(codes(world).await, lent.map(str::to_owned).into());
        for n in 0..40 {
            withdraw("messenger", &name(n), PurposeKind::BusinessMessages, None).await;
            withdraw("messenger", &name(n), PurposeKind::Relevance, None).await;
        }
        assert_eq!(violated(world).await, ["I-2", "I-10"]);
        let found = codes(world).await;
        assert!(found.contains("score.no_live_grant") && found.contains("list_row.no_live_grant"));
    })
    .await;
}

#[tokio::test]
async fn an_awaited_purchase_that_outlives_its_consent_is_found() {
    on_both(|db| async move {
        let town = Town::new(db, 40, 0).await;
        bind_keys(&town.world).await;
        for n in 0..40 {
            town.world.give("messenger", &name(n), PurposeKind::ModelTraining).await;
        }
        town.list(town.request(20)).await.expect("a list is built");
        assert_eq!(violated(&town.world).await, Vec::<String>::new());
        town.tamper(KEEP_AWAITED, values![]).await;
        for n in 0..40 {
            let teaching = PurposeKind::ModelTraining;
            town.world.withdraw("messenger", &name(n), teaching, None).await.expect("ends");
        }
        only(&town.world, "I-2", "awaited_purchase.no_live_grant").await;
    })
    .await;
}

#[tokio::test]
async fn the_score_of_a_frozen_account_is_found() {
    on_both(|db| async move {
        let town = with_a_list(db, 0).await;
        town.tamper(KEEP_FROZEN, values![]).await;
        town.tamper(FREEZE, values![1_i64]).await;
        only(&town.world, "I-2", "score.frozen").await;
    })
    .await;
}

/// Somebody of whom there is everything: linked, lent to, on the list, and awaited to buy.
const REJUVENATE_ONE: Statement = same(
    "REJUVENATE_ONE",
    "update accounts set age_band = '16_17' where subject =
         (select l.subject from list_loans l
          join list_rows r on r.subject = l.subject and r.list = l.list
          join awaited_purchases w on w.subject = l.subject order by l.subject limit 1)",
);

#[tokio::test]
async fn whatever_is_kept_of_somebody_too_young_is_found() {
    on_both(|db| async move {
        let town = Town::new(db, 40, 20).await;
        let world = &town.world;
        bind_keys(world).await;
        for n in 0..40 {
            world.give("messenger", &name(n), PurposeKind::ModelTraining).await;
        }
        town.list(town.request(30)).await.expect("a list is built");
        assert_eq!(violated(world).await, Vec::<String>::new());
        assert_eq!(town.tamper(REJUVENATE_ONE, values![]).await, 1);
        only(world, "I-9", "minor.processed").await;
        let report = super::look(world).await;
        let found = report.invariants.iter().flat_map(|checked| &checked.findings);
        let kinds: BTreeSet<&str> = found.filter_map(|one| one.place.as_deref()).collect();
        let all = [
            "awaited_purchases",
            "exposures",
            "grants",
            "link_tokens",
            "list_loans",
            "list_rows",
            "profiles",
            "scores",
        ];
        assert_eq!(kinds, all.into());
    })
    .await;
}

#[tokio::test]
async fn a_score_that_names_a_consent_to_something_else_is_found() {
    on_both(|db| async move {
        let town = with_a_list(db, 6).await;
        assert!(town.tamper(NAME_ANOTHER, values![]).await > 0);
        only(&town.world, "I-7", "use.not_consented").await;
    })
    .await;
}

#[tokio::test]
async fn a_list_upon_a_consent_that_had_been_taken_back_is_found_also_when_it_was_given_anew() {
    on_both(|db| async move {
        let town = Town::new(db, 40, 0).await;
        let (world, messages) = (&town.world, PurposeKind::BusinessMessages);
        bind_keys(world).await;
        for n in (0..40).filter(|n| n % 20 != 10) {
            world.withdraw("messenger", &name(n), messages, None).await.expect("ends");
        }
        world.clock.advance(Duration::from_secs(1));
        for n in (0..40).filter(|n| n % 20 != 10) {
            world.give("messenger", &name(n), messages).await;
        }
        town.list(town.request(20)).await.expect("a list is built");
        assert_eq!(violated(world).await, Vec::<String>::new());
        town.tamper(REWRITE_ROWS, values![]).await;
        assert!(town.tamper(NAME_AN_OLDER, values![]).await > 0);
        assert_eq!(violated(world).await, ["I-3", "I-10"], "nobody should be sent what it lists");
        let found = ["recipient.no_live_consent", "use.after_its_end"];
        assert_eq!(codes(world).await, found.map(str::to_owned).into());
    })
    .await;
}
