//! Filters of requests: one question in whatever form, and campaigns of the business's own.

use std::collections::BTreeSet;

use volens_privacy::RecipientId;

use super::town::{RIVAL, SHOP, Town, running_shoes};
use crate::audience::reach::{Answer, ask};
use crate::audience::request::{self, RequestIn};
use crate::audience::{AudienceError, FilterIn, List, campaigns};
use crate::clock::Clock as _;
use crate::db::testing::on_both;

impl Town {
    fn narrowed(&self, filter: serde_json::Value) -> RequestIn {
        let filter = serde_json::from_value(filter).expect("a filter");
        RequestIn { filter, ..self.request(20) }
    }

    async fn reach(&self, filter: serde_json::Value) -> Answer {
        let mut tx = self.world.db.read().await.expect("begins");
        let (wanted, now) = (self.narrowed(filter), self.world.clock.now());
        let checked = request::check(&mut tx, SHOP, wanted, &Self::rules(), now).await;
        drop(tx);
        let checked = checked.expect("well-formed");
        ask(&self.workshop(), &checked, &mut self.rng()).await.expect("told")
    }

    async fn recipients(&self, list: &List) -> BTreeSet<RecipientId> {
        let page = self.rows(list).await.expect("served");
        page.rows.iter().map(|row| row.recipient).collect()
    }
}

#[tokio::test]
async fn what_says_the_same_is_the_same_question_in_whatever_form() {
    on_both(|db| async move {
        let town = Town::new(db, 24, 0).await;
        let first = town.reach("country DE and language de".into()).await;
        assert_eq!(first.budget.asked, 1);
        for same in [
            serde_json::json!("language = de AND (country in (DE, DE))"),
            serde_json::json!({"countries": ["DE"], "languages": ["de"]}),
            serde_json::json!({"all": [{"all": [{"language": ["de"]}]}, {"country": ["DE"]}]}),
        ] {
            assert_eq!(town.reach(same).await, first, "told again, and nothing spent");
        }
        assert_eq!(town.reach("country DE".into()).await.budget.asked, 2);
        assert_eq!(town.reach("everybody".into()).await, town.reach("".into()).await);
    })
    .await;
}

#[tokio::test]
async fn a_list_narrows_to_what_was_done_lately_and_can_be_replayed() {
    on_both(|db| async move {
        let town = Town::new(db, 60, 0).await;
        let viewed = town.narrowed("viewed sport.* within 1 day".into());
        let list = town.list(viewed).await.expect("built");
        let runners = town.recipients(&list).await;
        // Every third likes running, and some of them left a consent out or are kept aside.
        assert!((10..=20).contains(&runners.len()), "{}", runners.len());
        let replay = town.replayed(&list).await;
        assert!(replay.denied.is_empty() && replay.rows_confirmed == runners.len() as u64);
        let others = town.narrowed("not viewed sport.* within 1 day".into());
        let others = town.list(others).await.expect("built");
        assert!(town.recipients(&others).await.is_disjoint(&runners));
        let often = town.list(town.narrowed("viewed any >= 2 within 1 day".into())).await;
        let often = often.expect("asked for");
        assert_eq!(often.reason.as_deref(), Some("audience.too_small"));
        town.world.clock.advance(std::time::Duration::from_hours(3 * 24));
        let later = town.list(town.narrowed("viewed sport.* within 1 day".into())).await;
        assert_eq!(later.expect("asked for").reason.as_deref(), Some("audience.too_small"));
    })
    .await;
}

#[tokio::test]
async fn earlier_campaigns_are_ones_own() {
    on_both(|db| async move {
        let town = Town::new(db, 60, 0).await;
        let first = town.list(town.request(20)).await.expect("built");
        let first = town.recipients(&first).await;
        let own = town.campaign.id;
        let again = town.list(town.narrowed(format!("received {own}").into())).await;
        assert_eq!(town.recipients(&again.expect("built")).await, first);
        let any = town.list(town.narrowed("received any".into())).await.expect("built");
        assert_eq!(town.recipients(&any).await, first);
        let others = town.list(town.narrowed(format!("not received {own}").into())).await;
        let others = others.expect("built");
        assert!(town.recipients(&others).await.is_disjoint(&first));
        for few in ["answered any".to_owned(), format!("answered {own}")] {
            let few = town.list(town.narrowed(few.into())).await.expect("asked for");
            assert_eq!(few.reason.as_deref(), Some("audience.too_small"), "nobody did");
        }

        let mut tx = town.world.db.begin().await.expect("begins");
        let (mut rng, now) = (town.rng(), town.world.clock.now());
        let theirs = campaigns::make(&mut tx, RIVAL, running_shoes(), &mut rng, now).await;
        tx.commit().await.expect("commits");
        let theirs = theirs.expect("an acceptable campaign").id;
        let text = format!("country DE and\n received {theirs}");
        let refused = town.order(town.narrowed(text.into())).await.expect_err("refused");
        assert_eq!(refused.code(), "campaign.not_found");
        let AudienceError::Filter(fault) = refused else { panic!("a fault of the filter") };
        assert_eq!(fault.place.to_string(), "line 2, column 11");
        assert_eq!(FilterIn::default(), serde_json::from_str("{}").expect("a filter"));
    })
    .await;
}
