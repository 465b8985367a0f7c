//! Ranked by what a message changes, where earlier campaigns tell.

use volens_models::card::Source;

use super::town::{SHOP, Town, same};
use crate::audience::Exclusion;
use crate::audience::export::read::read;
use crate::audience::export::{Exporter, Format};
use crate::audience::order::{By, Why};
use crate::audience::request::ListState;
use crate::audience::shelf::Shelf;
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::db::{Statement, values};
use crate::ids::ListId;

const CONTROL: Statement = same(
    "CONTROL",
    "select count(*) as kept from exposures where campaign is not null and treated = 0",
);

const OF_A_LIST: Statement = same("OF_A_LIST", "update exposures set list = $1");

#[tokio::test]
async fn of_answers_to_a_message_no_increase_is_told() {
    on_both(|db| async move {
        let town = Town::new(db, 60, 0).await;
        town.try_on_half(10).await;
        let list = town.list(town.request(20)).await.expect("built");
        let ranking = list.sealing.expect("sealed").ranking.expect("said");
        assert_eq!((ranking.why, ranking.told_by), (Why::Known, Some(Source::Imported)));
        // The same, had our lists kept them aside: nobody could report a click of theirs.
        town.tamper(OF_A_LIST, values![ListId::from_bytes([5; 16])]).await;
        town.learn_again().await;
        let list = town.list(town.request(20)).await.expect("built");
        let sealing = list.sealing.clone().expect("sealed");
        let ranking = sealing.ranking.expect("said");
        assert_eq!((ranking.by, ranking.why), (By::Score, Why::NeedsMessage));
        assert!(ranking.told_by.is_none() && ranking.text().contains("nothing to compare"));
        let increase = sealing.forecast.expect("told").increase;
        assert_eq!(increase.why, crate::audience::forecast::Why::NeedsMessage);
        let page = town.rows(&list).await.expect("served");
        assert!(page.rows.iter().all(|row| row.uplift.is_none()));
    })
    .await;
}

#[tokio::test]
async fn without_enough_kept_aside_people_are_ranked_by_score_and_it_is_said() {
    on_both(|db| async move {
        let town = Town::new(db, 60, 0).await;
        let list = town.list(town.request(20)).await.expect("built");
        let ranking = list.sealing.expect("sealed").ranking.expect("said");
        assert_eq!((ranking.by, ranking.why), (By::Score, Why::TooFew));
        assert!(ranking.kept_aside.is_none() && ranking.text().contains("too few"));
        let none = list.waterfall.expect("counted").count(Exclusion::PutOff);
        assert_eq!(none, 0);
        town.try_on_half(4).await;
        let list = town.list(town.request(20)).await.expect("built");
        let ranking = list.sealing.expect("sealed").ranking.expect("said");
        assert_eq!(ranking.why, Why::TooFew, "270 kept aside are not 500");
    })
    .await;
}

#[tokio::test]
async fn where_holdouts_tell_the_best_are_those_a_message_moves_and_nobody_is_put_off() {
    on_both(|db| async move {
        let town = Town::new(db, 100, 0).await;
        town.try_on_half(10).await;
        let list = town.list(town.request(60)).await.expect("built");
        assert_eq!(list.state, ListState::Sealed, "{:?}", list.reason);
        let ranking = list.sealing.clone().expect("sealed").ranking.expect("said");
        assert_eq!((ranking.by, ranking.why), (By::Increase, Why::Known));
        assert_eq!((ranking.treated, ranking.kept_aside), (Some(690), Some(630)));
        assert!(ranking.text().contains("630 kept aside"), "{}", ranking.text());
        let page = town.rows(&list).await.expect("served");
        let counts = list.waterfall.clone().expect("counted");
        let put_off = counts.count(Exclusion::PutOff);
        assert!(put_off > 20, "who does not like the topic is left out: {counts:?}");
        assert_eq!(counts.listed, page.rows.len() as u64);
        assert!(page.rows.len() > 20 && page.rows.len() < 40, "{}", page.rows.len());
        let place = |of: &crate::audience::Row| By::Increase.place(of.score, of.uplift, of.risk);
        assert!(page.rows.is_sorted_by(|a, b| place(a) >= place(b)));
        for row in &page.rows {
            assert!(row.uplift.expect("known") > 0.2 && row.risk.expect("known") < 0.2);
        }
        let mut tx = town.world.db.read().await.expect("begins");
        let row = tx.fetch_one(CONTROL, values![]).await.expect("counts");
        let kept: i64 = row.get("kept").expect("a count");
        let aside = counts.count(Exclusion::HeldOut).cast_signed();
        assert!(
            kept <= aside && (aside == 0 || kept < aside),
            "as those listed: {kept} of {aside}"
        );
        drop(tx);
        assert!(town.replayed(&list).await.is_confirmed());
        for format in Format::ALL {
            checked_out(&town, &list, format).await;
        }
    })
    .await;
}

/// A file of the list says what it was ranked by, and is refused when it says otherwise.
async fn checked_out(town: &Town, list: &crate::audience::List, format: Format) {
    let (log, now) = (town.world.keys.log_verifier(), town.world.clock.now());
    let mut tx = town.world.db.read().await.expect("begins");
    let shelf = Shelf::open(&mut tx, SHOP, list.id, now).await.expect("sealed");
    let manifest = shelf.manifest(&mut tx, now).await.expect("a manifest");
    let rows = town.rows(list).await.expect("served").rows;
    let file = tempfile::NamedTempFile::new().expect("a file");
    let mut exporter = Exporter::new(format, file.reopen().expect("opens")).expect("begins");
    exporter.write(&rows).expect("written");
    exporter.finish(manifest, &town.world.keys.log_signer()).expect("finished");
    let mut found = read(format, file.reopen().expect("opens")).expect("reads back");
    assert_eq!(found.check(&log).denied, [], "{}", format.name());
    assert!(found.rows.iter().zip(&rows).all(|(a, b)| a.risk == b.risk && a.uplift == b.uplift));
    found.rows[2].risk = None;
    let codes = |of: &crate::audience::export::read::Export| -> Vec<&str> {
        of.check(&log).denied.into_iter().map(|denied| denied.code).collect()
    };
    assert!(codes(&found).contains(&"row.not_sealed_so"), "the risk is sealed");
    found.manifest.ranking = None;
    assert_eq!(codes(&found)[..1], ["export.not_signed_so"]);
    assert!(codes(&found).contains(&"list.not_sealed_so"), "the entry says by what");
}
