//! What a business is told about groups that are too small, and about parts of larger ones.

use serde_json::{Value as Json, json};

use super::town::{K, SHOP, Town, running_shoes, same};
use crate::audience::filter::Short;
use crate::audience::request::{self, ListState, RequestIn};
use crate::audience::summary::ListSummary;
use crate::audience::{AudienceError, Exclusion, FilterIn, List, Waterfall, campaigns};
use crate::clock::Clock as _;
use crate::db::Statement;
use crate::db::testing::on_both;

const KEPT: Statement = same("KEPT", "update lists set waterfall = $2, done = 8 where id = $1");

/// What the shop is told about its list, but its id, its filter and its times.
async fn told(town: &Town, list: &List) -> Json {
    let mut tx = town.world.db.read().await.expect("begins");
    let summary = ListSummary::read(&mut tx, list, &Town::rules()).await.expect("reads");
    let mut told = serde_json::to_value(summary).expect("JSON");
    for own in ["id", "filter", "filter_text", "warnings", "campaign", "created_at", "expires_at"] {
        told.as_object_mut().expect("an object").remove(own).expect("there");
    }
    told
}

fn only(countries: &[&str], topics: &[&str]) -> FilterIn {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    FilterIn::Short(Short { countries: set(countries), topics: set(topics), ..Short::default() })
}

#[tokio::test]
async fn a_refused_group_of_eight_looks_like_one_of_nobody() {
    on_both(|db| async move {
        let town = Town::new(db, 24, 0).await;
        let runners = RequestIn { filter: only(&[], &["sport.running"]), ..town.request(20) };
        let few = town.list(runners).await.expect("an answer");
        // As it was kept once, counts and all.
        let counts = Waterfall { accounts: 24, excluded: Vec::new(), listed: 8 };
        let counts = serde_json::to_string(&counts).expect("JSON");
        town.tamper(KEPT, vec![few.id.into(), counts.into()]).await;
        let mut tx = town.world.db.read().await.expect("begins");
        let few = request::find(&mut tx, SHOP, few.id).await.expect("there");
        drop(tx);
        assert_eq!(few.done, 8);
        let nobody = RequestIn { filter: only(&["FR"], &[]), ..town.request(20) };
        let nobody = town.list(nobody).await.expect("an answer");
        for list in [&few, &nobody] {
            assert_eq!(list.state, ListState::Refused);
            assert_eq!(
                told(&town, list).await,
                json!({"size": 20, "holdout": 0.1, "state": "refused", "done": 0,
                       "reason": "audience.too_small", "floor": K}),
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_narrowed_list_tells_its_rows_alone() {
    on_both(|db| async move {
        let town = Town::new(db, 94, 0).await;
        let wanted = RequestIn { filter: only(&[], &["sport.running"]), ..town.request(20) };
        let list = town.list(wanted).await.expect("built");
        let exact = list.waterfall.clone().expect("counted");
        assert!(exact.count(Exclusion::Filtered) > u64::from(K), "it could be told by its number");
        let seen = told(&town, &list).await;
        assert_eq!(seen["waterfall"]["listed"], 20, "rows can be counted anyway");
        let parts = seen["waterfall"]["steps"].as_array().expect("steps");
        assert!(parts.iter().all(|step| step["excluded"] == Json::Null), "{parts:?}");
        let of_all = told(&town, &town.list(town.request(20)).await.expect("built")).await;
        let parts = of_all["waterfall"]["steps"].as_array().expect("steps");
        assert!(parts.iter().any(|step| step["excluded"].as_u64() > Some(0)), "{parts:?}");
    })
    .await;
}

#[tokio::test]
async fn a_size_that_no_list_has_is_not_called_a_small_audience() {
    on_both(|db| async move {
        let town = Town::new(db, 24, 0).await;
        let asked = async |size| {
            let wanted = RequestIn { size, ..town.request(0) };
            town.list(wanted).await.expect_err("refused")
        };
        let few = asked(K - 1).await;
        assert!(matches!(few, AudienceError::SizeBelow(10)));
        assert_eq!(few.code(), "audience.too_small");
        assert_eq!(few.to_string(), "ask for 10 people or more: no list is smaller");
        let many = asked(1001).await;
        assert_eq!(many.code(), "request.invalid");
        assert_eq!(many.to_string(), "ask for 1000 people or fewer: no list is larger");
    })
    .await;
}

#[tokio::test]
async fn a_campaign_has_a_name_that_can_be_seen() {
    on_both(|db| async move {
        let town = Town::new(db, 0, 0).await;
        let now = town.world.clock.now();
        let mut tx = town.world.db.begin().await.expect("begins");
        for name in ["\u{200b}", "\u{202e}gpj.exe"] {
            let wanted = campaigns::CampaignIn { name: name.to_owned(), ..running_shoes() };
            let made = campaigns::make(&mut tx, SHOP, wanted, &mut town.rng(), now).await;
            assert!(matches!(made, Err(AudienceError::Invalid { field: "name", .. })));
        }
    })
    .await;
}
