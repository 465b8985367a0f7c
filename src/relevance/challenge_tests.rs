//! A new model that is clearly worse is kept and not used; one whose predecessor somebody left is used.

use std::time::Duration;

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use volens_models::artifact::Artifact;
use volens_models::card::ModelCard;
use volens_models::features::{Features, Schema};
use volens_models::learner::{Options, train};
use volens_models::table::Table;
use volens_privacy::{PurposeKind, Timestamp};

use super::challenge::{Challenge, Champion};
use super::tests::{MAKER, campaign, set};
use super::*;
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::ids::{ListId, ModelId};
use crate::testing::World;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + minute * 60_000_000)
}

/// People of whom those who like the topic click more often.
fn rows(count: usize) -> Vec<(Features, bool)> {
    let mut rng = StdRng::seed_from_u64(3);
    let row = |_| {
        let likes = rng.random_range(0.0..3.0);
        let mut features = Features::default();
        features.number("topic.long", likes);
        (features, rng.random::<f64>() < 0.1 + 0.25 * likes)
    };
    (0..count).map(row).collect()
}

fn champion(was_left: bool) -> Champion {
    let rows = rows(800);
    let schema = Schema::covering(rows.iter().map(|(features, _)| features));
    let table = Table::from_features(&schema, rows.iter().map(|(features, _)| features));
    let labels: Vec<bool> = rows.iter().map(|(_, met)| *met).collect();
    let options = Options::default();
    let trained = train(&table, &labels, None, &options).expect("both classes");
    let card = ModelCard::of("clicks", &trained, &labels, &options, at(0));
    let artifact = Artifact {
        model: trained.model,
        card,
        increase: None,
        evidence: None,
        evidence_of_increase: None,
    };
    Champion {
        id: ModelId::from_bytes([1; 16]),
        version: 1,
        artifact,
        learned_until: at(0),
        was_left,
    }
}

#[test]
fn only_rows_new_to_both_count_and_chance_keeps_nothing_back() {
    let champion = champion(false);
    let rows = rows(1000);
    let of = |from: i64| (from..).zip(&rows).map(|(n, (features, met))| (at(n), features, *met));
    let same: Vec<f64> = rows
        .iter()
        .map(|(features, _)| champion.artifact.model.score_values(features).probability)
        .collect();
    let even = champion.meet(of(1), &same).expect("enough rows");
    assert_eq!((even.rows, even.difference.to_bits()), (1000, 0.0_f64.to_bits()));
    assert!(!even.is_lost());
    let blind = vec![0.5; rows.len()];
    let worse = champion.meet(of(1), &blind).expect("enough rows");
    assert!(worse.difference > 0.02 && worse.error < 0.02 && worse.is_lost(), "{worse:?}");
    let later = champion.meet(of(-599), &blind).expect("enough rows");
    assert_eq!(later.rows, 400, "what the one in use has learned from says nothing");
    assert_eq!(champion.meet(of(-900), &blind), None, "too few to tell");
}

#[tokio::test]
async fn a_model_that_is_clearly_worse_waits_beside_the_one_in_use() {
    on_both(|db| async move {
        let world = World::new(db).await;
        campaign(&world, 60, ListId::from_bytes([3; 16])).await;
        world.clock.advance(Duration::from_hours(1));
        let now = world.clock.now();
        let mut kept: Vec<Version> = Vec::new();
        for (n, was_left) in [(1_u8, None), (2, Some(false)), (3, Some(true))] {
            let mut learned = learn(set(&world, now).await, now).expect("learns");
            learned.challenge = was_left.map(|champion_was_left| Challenge {
                champion: kept[0].id,
                version: 1,
                rows: 400,
                log_loss: 0.6,
                champion_log_loss: 0.5,
                difference: 0.1,
                error: 0.01,
                champion_was_left,
            });
            let mut rng = world.rng(u64::from(n));
            let mut tx = world.db.begin().await.expect("begins");
            let signer = world.keys.log_signer();
            let report = keep(&mut tx, &signer, learned, now, &mut rng).await.expect("kept");
            let used = active(&mut tx, MAKER, Goal::Click, now).await.expect("reads");
            let used = used.expect("a model").version;
            assert_eq!(used, if n == 2 { 1 } else { u32::from(n) }, "version {n}");
            assert_eq!(report.version.active, n != 2);
            tx.commit().await.expect("commits");
            kept.push(report.version);
        }
        let mut tx = world.db.begin().await.expect("begins");
        let back = find(&mut tx, kept[1].id).await.expect("is kept");
        assert!(back.challenge().expect("on the card").is_lost());
        activate(&mut tx, Some(MAKER), Goal::Click, 2, now).await.expect("an officer may");
        let used = active(&mut tx, MAKER, Goal::Click, now).await.expect("reads").expect("a model");
        assert_eq!(used.version, 2);
        tx.rollback().await;
    })
    .await;
}

#[tokio::test]
async fn a_model_is_watched_on_what_came_after_it_and_under_permits() {
    on_both(|db| async move {
        let world = World::new(db).await;
        campaign(&world, 60, ListId::from_bytes([3; 16])).await;
        world.clock.advance(Duration::from_hours(1));
        let now = world.clock.now();
        let learned = learn(set(&world, now).await, now).expect("learns");
        let mut tx = world.db.begin().await.expect("begins");
        let signer = world.keys.log_signer();
        let kept = keep(&mut tx, &signer, learned, now, &mut world.rng(1)).await.expect("kept");
        tx.commit().await.expect("commits");
        let seen = async || {
            let mut tx = world.db.read().await.expect("begins");
            watch(&mut tx, &world.keys, &kept.version, world.clock.now()).await.expect("watched")
        };
        assert_eq!(seen().await.rows, 0, "what it learned from says nothing");
        world.clock.advance(Duration::from_hours(1));
        let later = campaign(&world, 30, ListId::from_bytes([4; 16])).await;
        assert_eq!(seen().await.rows, 0, "their window is not over");
        world.clock.advance(Duration::from_hours(2));
        let found = seen().await;
        assert_eq!((found.rows, found.drift), (30, None), "{found}");
        assert!((found.promised - found.came).abs() < 0.3, "{found}");
        let of_all = Version { business: None, ..kept.version.clone() };
        let mut tx = world.db.read().await.expect("begins");
        let all = watch(&mut tx, &world.keys, &of_all, world.clock.now()).await.expect("watched");
        assert_eq!(all, found, "there is one business");
        drop(tx);
        let taken = world.withdraw("messenger", "u3", PurposeKind::Relevance, None).await;
        taken.expect("taken back");
        assert_eq!(seen().await.rows, 29, "of {}", later.len());
    })
    .await;
}
