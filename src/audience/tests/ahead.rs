//! What was verified before a transaction, as the transaction settles it.

use std::collections::BTreeMap;
use std::time::Duration;

use volens_privacy::{PurposeKind, SubjectId};

use super::town::{Town, name, same};
use crate::accounts;
use crate::audience::verify::{Ahead, Denial, Verified};
use crate::clock::Clock as _;
use crate::consent::{self, Command, Objecting};
use crate::db::testing::on_both;
use crate::db::{Statement, values};
use crate::ledger;
use crate::testing::app;

const FREEZE: Statement =
    same("FREEZE", "update accounts set frozen_at = 1, changed = changed + 1 where subject = $1");
const AGE: Statement = same("AGE", "update accounts set age_band = 'under_16' where subject = $1");
/// Per person: the entries of their permits or why there are none, and who may lend.
type Said = BTreeMap<SubjectId, (Result<(u64, u64), &'static str>, Vec<(SubjectId, u64)>)>;

fn said(verified: &Verified, people: &[SubjectId]) -> Said {
    let of = |subject: &SubjectId| {
        let recipient = verified.recipient(*subject, &app("messenger"));
        let entries = recipient.map(|of| (of.messages.entry(), of.relevance.entry()));
        let lenders = verified.lenders(*subject);
        let lenders = lenders.iter().map(|lender| (lender.link.peer, lender.relevance.entry()));
        (*subject, (entries.map_err(Denial::code), lenders.collect()))
    };
    people.iter().map(of).collect()
}

/// Settles what was verified of most before `meanwhile`, and of the others after it, and says it beside what
/// is verified now.
async fn settled(town: &Town, meanwhile: impl AsyncFn()) -> (Said, Said) {
    let (world, people) = (&town.world, town.people.clone());
    let mut tx = world.db.read().await.expect("begins");
    let now = world.clock.now();
    let before = people[..2 * people.len() / 3].iter().copied();
    let mut ahead = Ahead::read(&mut tx, &world.keys, before, now).await.expect("verified");
    drop(tx);
    meanwhile().await;
    let now = world.clock.now();
    ahead.complete(&world.db, &world.keys, &people, now).await.expect("verified");
    let mut tx = world.db.begin().await.expect("begins");
    let settled = ahead.settle(&mut tx, &world.keys, people.clone(), now).await.expect("settled");
    let read = Verified::read(&mut tx, &world.keys, people.iter().copied(), now).await;
    (said(&settled, &people), said(&read.expect("verified"), &people))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happened_since_is_seen() {
    on_both(|db| async move {
        let town = Town::new(db, 30, 6).await;
        let (world, person) = (&town.world, |n| town.person(n));
        let before = settled(&town, async || {}).await;
        assert_eq!(before.0, before.1);
        assert_eq!(before.0[&person(2)].1.len(), 1, "somebody lends");
        let (settled, now) = settled(&town, async || {
            use PurposeKind::{BusinessMessages, CrossAppLinking, Relevance};
            for (n, purpose) in [(11, BusinessMessages), (12, Relevance)] {
                world.withdraw("messenger", &name(n), purpose, None).await.expect("taken back");
            }
            let (link, peer) = (CrossAppLinking, Some("messenger"));
            world.withdraw("photos", &name(1), link, peer).await.expect("taken back");
            world.withdraw("photos", &name(2), Relevance, None).await.expect("taken back");
            world.give("messenger", &name(10), BusinessMessages).await;
            world.give("messenger", &name(13), BusinessMessages).await;
            let account = world.keys.account_tag(&app("messenger"), &name(14));
            let decided_at = world.clock.now();
            let objecting = Objecting { app: app("messenger"), account, decided_at };
            let objected = world.consents.submit_patiently(Command::Object(objecting)).await;
            assert!(objected.expect("it answers").is_ok());
            let mut tx = world.db.begin().await.expect("begins");
            assert!(accounts::remove(&mut tx, person(15)).await.expect("removed"));
            assert_eq!(tx.execute(FREEZE, values![person(16)]).await.expect("frozen"), 1);
            assert_eq!(tx.execute(AGE, values![person(17)]).await.expect("younger"), 1);
            tx.commit().await.expect("commits");
        })
        .await;
        assert_eq!(settled, now);
        let why = |n: usize| settled[&person(n)].0;
        let codes = [
            (11, "consent.withdrawn"),
            (12, "consent.withdrawn"),
            (14, "recipient.objected"),
            (15, "account.unverifiable"),
            (16, "account.unverifiable"),
            (17, "account.underage"),
        ];
        for (n, code) in codes {
            assert_eq!(why(n), Err(code), "{n}");
        }
        assert!(why(10).is_ok(), "who consented since is in");
        assert_ne!(why(13), before.0[&person(13)].0, "under the later consent");
        assert_eq!(settled[&person(1)].1, []);
        assert_eq!(settled[&person(2)].1, []);
        assert_eq!(settled[&person(3)], before.0[&person(3)]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_permitted_after_the_consents_ended_or_a_loss_was_noted() {
    on_both(|db| async move {
        let town = Town::new(db, 12, 2).await;
        let world = &town.world;
        let nobody = |said: &Said| said.values().all(|(recipient, _)| recipient.is_err());
        let (settled_after, now) = settled(&town, async || {
            let mut tx = world.db.begin().await.expect("begins");
            let size = ledger::size(&mut tx).await.expect("a size");
            consent::note_lost(&mut tx, size + 1).await.expect("noted");
            tx.commit().await.expect("commits");
        })
        .await;
        assert_eq!(settled_after, now);
        assert!(nobody(&settled_after), "consents from before the loss are held back");
        let mut tx = world.db.begin().await.expect("begins");
        consent::settle_lost(&mut tx, &world.keys, world.clock.now()).await.expect("settled");
        tx.commit().await.expect("commits");
        let years = Duration::from_hours(10 * 365 * 24);
        let (settled_after, now) = settled(&town, async || world.clock.advance(years)).await;
        assert_eq!(settled_after, now);
        assert!(nobody(&settled_after), "nothing is permitted for so long");
    })
    .await;
}
