//! What a list is expected to bring, told from earlier campaigns before anything is sent.

use volens_privacy::PurposeKind;

use super::town::{Town, same};
use crate::audience::List;
use crate::audience::forecast::{Expected, Forecast, Why};
use crate::audience::summary::ListSummary;
use crate::db::testing::on_both;
use crate::db::{Statement, values};

const DRAWN: Statement = same(
    "DRAWN",
    "select count(*) as n, min(propensity) as lowest, max(propensity) as highest
       from exposures where list = $1 and treated = $2",
);

fn forecast(list: &List) -> Forecast {
    list.sealing.as_ref().expect("sealed").forecast.expect("told")
}

fn holds(of: &Expected, truth: i64) -> bool {
    of.people.is_some_and(|told| told.low <= truth && truth <= told.high && told.low < told.high)
}

#[tokio::test]
async fn a_list_says_what_it_is_expected_to_bring_where_earlier_campaigns_tell() {
    on_both(|db| async move {
        let town = Town::new(db, 100, 0).await;
        let list = town.list(town.request(60)).await.expect("built");
        let Forecast { reached, increase, .. } = forecast(&list);
        assert_eq!((reached.why, increase.why), (Why::Exposures, Why::Exposures));
        assert!(reached.people.is_none() && increase.people.is_none());

        town.draw(560).await;
        let list = town.list(town.request(60)).await.expect("built");
        let Forecast { reached, increase, .. } = forecast(&list);
        assert_eq!((reached.why, increase.why), (Why::Known, Why::Known), "{reached:?}");
        let effective = increase.effective.expect("told");
        assert!((200..=400).contains(&effective), "{effective}");
        // About thirty on the list like the topic: seven of ten of them click, two without the message. Of
        // the others four do, either way.
        assert!(holds(&reached, 33) && holds(&increase, 15), "{reached:?} {increase:?}");
        let told = increase.people.expect("known");
        assert!(told.low > 0 && told.high < reached.people.expect("known").high, "{told:?}");

        let mut tx = town.world.db.read().await.expect("begins");
        let summary = ListSummary::read(&mut tx, &list, &Town::rules()).await.expect("read");
        let said = serde_json::to_value(&summary).expect("JSON");
        assert_eq!(said["seal"]["forecast"]["increase"]["people"]["expected"], told.expected);
        drop(tx);

        // Those who take it back are no longer in what is told.
        for n in (0..560).filter(|n| n % 4 >= 2).take(180) {
            let of = format!("drawn{n}");
            let taken = town.world.withdraw("social", &of, PurposeKind::ModelTraining, None).await;
            taken.expect("ends");
        }
        town.learn_again().await;
        let list = town.list(town.request(60)).await.expect("built");
        let Forecast { reached, increase, .. } = forecast(&list);
        assert_eq!((reached.why, increase.why), (Why::Known, Why::Sample), "{increase:?}");
    })
    .await;
}

#[tokio::test]
async fn every_row_says_how_probable_it_was_to_be_written_to_and_is_sealed_with_it() {
    on_both(|db| async move {
        let town = Town::new(db, 100, 0).await;
        let mut wanted = town.request(40);
        wanted.holdout = 0.3;
        let list = town.list(wanted).await.expect("built");
        let page = town.rows(&list).await.expect("served");
        assert!(page.rows.iter().all(|row| row.propensity == Some(0.7)));
        let mut tx = town.world.db.read().await.expect("begins");
        for (treated, propensity) in [(1_i64, 0.7), (0, 0.3)] {
            let row = tx.fetch_one(DRAWN, values![list.id, treated]).await.expect("read");
            let [lowest, highest] =
                ["lowest", "highest"].map(|name| row.get::<f64>(name).expect("a number"));
            assert!((lowest - propensity).abs() < 1e-12 && (highest - propensity).abs() < 1e-12);
        }
        drop(tx);
        assert!(town.replayed(&list).await.is_confirmed());
        let row = &page.rows[2];
        let sealing = list.sealing.clone().expect("sealed");
        let is_sealed =
            |row: &crate::audience::Row| row.is_sealed(list.id, sealing.rows, &sealing.rows_root);
        let mut otherwise = row.clone();
        otherwise.propensity = Some(0.5);
        assert!(is_sealed(row) && !is_sealed(&otherwise));
        otherwise.propensity = None;
        assert!(!is_sealed(&otherwise));
    })
    .await;
}
