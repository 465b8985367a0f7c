//! Who gets on a list, and who leaves it.

use std::collections::BTreeSet;
use std::time::Duration;

use volens_privacy::PurposeKind;

use super::town::{K, RIVAL, SHOP, Town, campaign, name, phone, running_shoes, same};
use crate::audience::outcomes::{self, OutcomeIn, Refused};
use crate::audience::request::{self, ListState, RequestIn};
use crate::audience::shelf::Shelf;
use crate::audience::{AudienceError, Exclusion, FilterIn, List, campaigns};
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::db::{Statement, values};
use crate::relevance::OutcomeKind;
use crate::rights;

const FREEZE: Statement = same("FREEZE", "update accounts set frozen_at = 1 where subject = $1");
const HELD: Statement = same(
    "HELD",
    "select (select count(*) from scores) as scores, (select count(*) from list_rows) as list_rows,
            (select count(*) from list_loans) as loans,
            (select count(*) from exposures where campaign is not null) as exposures",
);

async fn held(town: &Town) -> [i64; 4] {
    let mut tx = town.world.db.read().await.expect("begins");
    let row = tx.fetch_one(HELD, values![]).await.expect("counts");
    ["scores", "list_rows", "loans", "exposures"].map(|name| row.get(name).expect("a count"))
}

#[tokio::test]
async fn a_list_holds_the_best_of_those_who_permit_it_and_says_why() {
    on_both(|db| async move {
        let town = Town::new(db, 100, 12).await;
        let list = town.list(town.request(20)).await.expect("built");
        assert_eq!(list.state, ListState::Sealed, "{:?}", list.reason);
        let page = town.rows(&list).await.expect("served");
        assert_eq!((page.rows.len(), page.dropped, page.next), (20, 0, None));
        let counts = list.waterfall.expect("counted");
        assert_eq!(counts.accounts, 100);
        assert_eq!(counts.count(Exclusion::NoMessagesConsent), 5);
        assert_eq!(counts.count(Exclusion::NoRelevanceConsent), 5);
        assert_eq!(counts.count(Exclusion::Unverified), 0);
        assert_eq!(counts.listed, 20);
        let excluded: u64 = counts.excluded.iter().map(|(_, count)| count).sum();
        assert_eq!(excluded + counts.listed, counts.accounts);
        for (row, rank) in page.rows.iter().zip(1..) {
            assert_eq!(row.rank, rank);
            assert!(!row.reasons.is_empty() && row.reasons.len() <= 4);
            assert!(row.uplift.expect("the model saw both arms") > 0.0);
            assert_eq!(row.consent.messages.leaf.purpose(), Some(PurposeKind::BusinessMessages));
        }
        assert!(page.rows.is_sorted_by(|a, b| a.score >= b.score));
        let borrowed = page.rows.iter().filter(|row| !row.consent.borrowed.is_empty()).count();
        assert!(borrowed >= 8, "linked runners rank high: {borrowed}");
        let best = &page.rows[0];
        let texts: Vec<&str> = best.reasons.iter().map(|reason| reason.text.as_str()).collect();
        assert!(texts.contains(&"From a linked app: Interested in Running"), "{texts:?}");
        let recipients: BTreeSet<_> = page.rows.iter().map(|row| row.recipient).collect();
        assert_eq!(recipients.len(), 20);
        let [scores, rows, loans, exposures] = held(&town).await;
        assert_eq!(rows, 20);
        assert_eq!(scores, exposures, "everybody scored for it, listed or kept aside");
        assert!(loans >= 8);
    })
    .await;
}

#[tokio::test]
async fn a_withdrawal_takes_row_score_and_exposure_along_before_it_answers() {
    on_both(|db| async move {
        let town = Town::new(db, 60, 12).await;
        let list = town.list(town.request(20)).await.expect("built");
        let page = town.rows(&list).await.expect("served");
        let of = |n: usize| town.world.keys.recipient(SHOP, town.people[n]);
        let position = |n: usize| page.rows.iter().position(|row| row.recipient == of(n));
        let mut listed = (0..60).filter(|n| position(*n).is_some());

        let first = listed.next().expect("somebody is listed");
        let before = held(&town).await;
        let messages = PurposeKind::BusinessMessages;
        let (_, effects) =
            town.world.withdraw("messenger", &name(first), messages, None).await.expect("ends");
        assert_eq!((effects.scores, effects.list_rows), (0, 1));
        let after = held(&town).await;
        assert_eq!(after[1], before[1] - 1);

        let second = listed.next().expect("somebody else is listed");
        let relevance = PurposeKind::Relevance;
        let (_, effects) =
            town.world.withdraw("messenger", &name(second), relevance, None).await.expect("ends");
        assert_eq!((effects.scores, effects.list_rows), (1, 1));

        let served = town.rows(&list).await.expect("served");
        assert_eq!((served.rows.len(), served.dropped), (18, 0));
        assert!(served.rows.iter().all(|row| ![of(first), of(second)].contains(&row.recipient)));
    })
    .await;
}

/// Those of the twelve linked people whose row on a list stands on something borrowed.
async fn borrowers(town: &Town, list: &List) -> Vec<usize> {
    let page = town.rows(list).await.expect("served");
    let borrowing = page.rows.iter().filter(|row| !row.consent.borrowed.is_empty());
    let borrowing: Vec<_> = borrowing.map(|row| &row.recipient).collect();
    let recipient = |n: usize| town.world.keys.recipient(SHOP, town.people[n]);
    (0..12).filter(|n| borrowing.contains(&&recipient(*n))).collect()
}

#[tokio::test]
async fn what_was_borrowed_goes_with_either_side_of_the_link() {
    on_both(|db| async move {
        let town = Town::new(db, 60, 12).await;
        let list = town.list(town.request(20)).await.expect("built");
        let mut borrowers = borrowers(&town, &list).await.into_iter();
        let linking = PurposeKind::CrossAppLinking;
        let ends = [
            ("messenger", linking, Some("photos")),
            ("photos", linking, Some("messenger")),
            ("photos", PurposeKind::Relevance, None),
        ];
        for (of, purpose, peer) in ends {
            let n = borrowers.next().expect("another borrower");
            let before = held(&town).await;
            let (_, effects) =
                town.world.withdraw(of, &name(n), purpose, peer).await.expect("ends");
            assert_eq!((effects.scores, effects.list_rows), (1, 1), "{of} {purpose}");
            let after = held(&town).await;
            assert_eq!(after, before.map(|count| count - 1), "{of} {purpose}");
        }
        let n = borrowers.next().expect("another borrower");
        let before = held(&town).await;
        let lender = town.world.account("photos", &name(n)).await;
        town.tamper(FREEZE, values![lender]).await;
        assert_eq!(held(&town).await[1], before[1] - 1, "a frozen account lends nothing");
    })
    .await;
}

#[tokio::test]
async fn what_was_borrowed_goes_with_the_number_that_linked() {
    on_both(|db| async move {
        let town = Town::new(db, 60, 12).await;
        let list = town.list(town.request(20)).await.expect("built");
        let mut borrowers = borrowers(&town, &list).await.into_iter();
        let before = held(&town).await;
        let n = borrowers.next().expect("a borrower");
        town.world.clock.advance(Duration::from_mins(1));
        town.world.give_link("messenger", &name(n), "photos", &phone(n)).await;
        assert_eq!(held(&town).await, before, "renewed with the same number, it is the same link");
        town.world.clock.advance(Duration::from_mins(1));
        town.world.give_link("messenger", &name(n), "photos", "+4917012345678").await;
        assert_eq!(held(&town).await, before.map(|count| count - 1), "the borrower's number");
        let n = borrowers.next().expect("another borrower");
        town.world.give_link("photos", &name(n), "messenger", "+4917012345679").await;
        assert_eq!(held(&town).await, before.map(|count| count - 2), "the lender's number");
        let n = borrowers.next().expect("another borrower");
        town.world.account("photos", "somebody").await;
        town.world.give_link("photos", "somebody", "messenger", &phone(n)).await;
        assert_eq!(held(&town).await, before.map(|count| count - 3), "a number of two people");
        let left = town.rows(&list).await.expect("served");
        assert_eq!((left.rows.len(), left.dropped), (17, 0));
    })
    .await;
}

#[tokio::test]
async fn what_ran_out_is_not_served_even_before_it_is_ended() {
    on_both(|db| async move {
        let town = Town::new(db, 60, 0).await;
        let mut wanted = running_shoes();
        let now = town.world.clock.now();
        wanted.window =
            Some(campaigns::Window { from: now, until: now.plus(Duration::from_hours(1)) });
        let list = town.list(town.request(20)).await.expect("built");
        assert_eq!(town.rows(&list).await.expect("served").rows.len(), 20);
        town.world.clock.advance(Town::rules().lasts);
        let gone = town.rows(&list).await;
        assert!(matches!(gone, Err(AudienceError::Expired)));
        assert_eq!(held(&town).await[1], 20, "not yet removed");
        let mut tx = town.world.db.begin().await.expect("begins");
        let now = town.world.clock.now();
        assert!(request::remove_expired(&mut tx, now).await.expect("removes"));
        assert!(!request::remove_expired(&mut tx, now).await.expect("removes"), "nothing is left");
        tx.commit().await.expect("commits");
        assert_eq!(held(&town).await[1], 0);
    })
    .await;
}

#[tokio::test]
async fn small_audiences_are_refused_and_foreign_lists_do_not_exist() {
    on_both(|db| async move {
        let town = Box::pin(Town::new(db, 40, 0)).await;
        let too_few = town.list(RequestIn { size: K - 1, ..town.request(0) }).await;
        assert!(matches!(too_few, Err(AudienceError::SizeBelow(10))));
        let nobody = FilterIn::Text("country FR".to_owned());
        let wanted = RequestIn { filter: nobody, ..town.request(20) };
        let refused = town.list(wanted).await.expect("an answer");
        assert_eq!(refused.state, ListState::Refused);
        assert_eq!(refused.reason.as_deref(), Some("audience.too_small"));
        assert_eq!(refused.waterfall, None, "nobody keeps what nobody may be told");
        assert_eq!(held(&town).await, [0; 4]);

        let list = town.list(town.request(15)).await.expect("built");
        let mut tx = town.world.db.read().await.expect("begins");
        let foreign = request::find(&mut tx, RIVAL, list.id).await;
        assert!(matches!(foreign, Err(AudienceError::NoList)));
        let now = town.world.clock.now();
        let foreign = Shelf::open(&mut tx, RIVAL, list.id, now).await;
        assert!(matches!(foreign, Err(AudienceError::NoList)));
        let foreign = campaigns::find(&mut tx, RIVAL, town.campaign.id).await;
        assert!(matches!(foreign, Err(AudienceError::NoCampaign)));
        drop(tx);
        campaign(&town.world, RIVAL).await;
        let mut tx = town.world.db.read().await.expect("begins");
        let own = campaigns::page(&mut tx, SHOP, None, 10).await.expect("reads");
        assert_eq!(own, std::slice::from_ref(&town.campaign));
    })
    .await;
}

#[tokio::test]
async fn a_stop_is_heard_whatever_became_of_the_list() {
    on_both(|db| async move {
        let town = Town::new(db, 60, 0).await;
        let list = town.list(town.request(20)).await.expect("built");
        let rows = town.rows(&list).await.expect("served").rows;
        let sent = town.world.clock.now();
        let stop = |n: usize, kind| OutcomeIn {
            list: list.id,
            recipient: rows[n].recipient,
            kind,
            at: sent,
            value: Some(f64::NAN),
        };
        let of = |n: usize| town.world.keys.recipient(SHOP, town.people[n]);
        let left = (0..60).find(|n| of(*n) == rows[0].recipient).expect("of the town");
        let messages = PurposeKind::BusinessMessages;
        town.world.withdraw("messenger", &name(left), messages, None).await.expect("ends");
        let report = async |said: &[OutcomeIn]| {
            let now = town.world.clock.now();
            let mut tx = town.world.db.begin().await.expect("begins");
            let taken = outcomes::record(&mut tx, SHOP, said, now).await.expect("taken");
            tx.commit().await.expect("commits");
            taken
        };
        let late = OutcomeIn {
            at: sent.plus(Duration::from_hours(24 * 365)),
            ..stop(1, OutcomeKind::Stop)
        };
        assert_eq!(report(&[stop(0, OutcomeKind::Stop), late]).await, [Ok(()), Ok(())]);

        town.world.clock.advance(Town::rules().lasts);
        let said = [stop(2, OutcomeKind::Complaint), stop(3, OutcomeKind::Click)];
        assert_eq!(report(&said).await, [Ok(()), Err(Refused::Expired)], "it has expired");
        let mut tx = town.world.db.begin().await.expect("begins");
        request::remove_expired(&mut tx, town.world.clock.now()).await.expect("removes");
        tx.commit().await.expect("commits");
        assert_eq!(report(&[stop(4, OutcomeKind::Stop)]).await, [Ok(())], "its rows are gone");

        town.world.give("messenger", &name(left), messages).await;
        let later = town.list(town.request(20)).await.expect("built");
        assert_eq!(later.waterfall.clone().expect("counted").count(Exclusion::Stopped), 4);
        let served = town.rows(&later).await.expect("served").rows;
        let silent = |n: usize| served.iter().all(|row| row.recipient != rows[n].recipient);
        assert!([0, 1, 2, 4].into_iter().all(silent), "nobody who said stop is on a later list");
        assert!(!silent(3));

        let (keys, subject) = (&town.world.keys, town.people[left]);
        let mut tx = town.world.db.begin().await.expect("begins");
        let kept = outcomes::stops_of(&mut tx, keys, subject).await.expect("reads");
        assert_eq!(kept, [(SHOP, "stop".to_owned(), sent)], "it is in the person's export");
        rights::erase(&mut tx, keys, subject, town.world.clock.now()).await.expect("erases");
        let kept = outcomes::stops_of(&mut tx, keys, subject).await.expect("reads");
        assert_eq!(kept, [], "and goes with the account");
    })
    .await;
}

#[tokio::test]
async fn a_stop_keeps_off_later_lists_and_outcomes_count_once() {
    on_both(|db| async move {
        let town = Town::new(db, 60, 0).await;
        let list = town.list(town.request(20)).await.expect("built");
        let rows = town.rows(&list).await.expect("served").rows;
        let at = town.world.clock.now();
        let outcome =
            |recipient, kind| OutcomeIn { list: list.id, recipient, kind, at, value: None };
        let reported = [
            outcome(rows[0].recipient, OutcomeKind::Stop),
            outcome(rows[1].recipient, OutcomeKind::Click),
            outcome(rows[1].recipient, OutcomeKind::Click),
            outcome(volens_privacy::RecipientId::from_bytes([1; 16]), OutcomeKind::Click),
            OutcomeIn {
                at: at.plus(Duration::from_hours(1)),
                ..outcome(rows[2].recipient, OutcomeKind::Buy)
            },
        ];
        let mut tx = town.world.db.begin().await.expect("begins");
        let taken = outcomes::record(&mut tx, SHOP, &reported, at).await.expect("taken");
        assert_eq!(taken, [Ok(()), Ok(()), Ok(()), Err(Refused::Recipient), Err(Refused::Time)]);
        let foreign = outcomes::record(&mut tx, RIVAL, &reported, at).await.expect("taken");
        assert!(foreign.iter().all(|answer| *answer == Err(Refused::List)));
        tx.commit().await.expect("commits");
        let later = town.list(town.request(20)).await.expect("built");
        let counts = later.waterfall.clone().expect("counted");
        assert_eq!(counts.count(Exclusion::Stopped), 1);
        let served = town.rows(&later).await.expect("served");
        assert!(served.rows.iter().all(|row| row.recipient != rows[0].recipient));
    })
    .await;
}
