//! A model that remembers somebody who took that back: found, not used, and trained again.

use std::collections::BTreeSet;
use std::time::Duration;

use volens_models::features::Features;
use volens_privacy::purpose::Relevance;
use volens_privacy::{BusinessId, PurposeKind};

use super::{breaking, codes, healthy, same, tamper, violated};
use crate::clock::Clock as _;
use crate::consent::consents_of;
use crate::db::testing::on_both;
use crate::db::{Statement, values};
use crate::ids::{ExposureId, ListId};
use crate::jobs;
use crate::relevance::{
    self, Exposure, Goal, Occasion, Order, Outcome, OutcomeKind, RelevanceError, gather, keep,
    learn, members,
};
use crate::testing::{World, app};

const SHOP: BusinessId = BusinessId::from_bytes([9; 16]);
const FORGET_MEMBERS: Statement = same(
    "FORGET_MEMBERS",
    "delete from model_members
     where subject = (select subject from model_members order by subject limit 1)",
);
const FORGET_DEPARTURES: Statement =
    same("FORGET_DEPARTURES", "update models set departed_since = null");
const NO_TRIGGER: Statement = breaking(
    "NO_TRIGGER",
    "drop trigger model_members_end_with_consent",
    "drop trigger model_members_end_with_consent on grants",
);

/// Forty people whose outcomes are learned from, and the model.
async fn taught(world: &World) {
    let (list, at) = (ListId::from_bytes([1; 16]), world.clock.now());
    let (mut rng, mut outcomes) = (world.rng(6), Vec::new());
    for n in 0..40_u32 {
        let name = format!("taught{n}");
        let subject = world.account("messenger", &name).await;
        world.give("messenger", &name, PurposeKind::Relevance).await;
        world.give("messenger", &name, PurposeKind::ModelTraining).await;
        let mut tx = world.db.begin().await.expect("begins");
        let consents = consents_of(&mut tx, &world.keys, &[subject]).await.expect("verified");
        let permit = consents[&subject].permit::<Relevance>((), at).expect("consented");
        let mut features = Features::default();
        features.number("topic.long", f64::from(n % 2));
        let occasion = Occasion {
            app: app("messenger"),
            business: SHOP,
            campaign: None,
            list: Some(list),
            arm: "earlier".to_owned(),
            treated: true,
            at,
            closes_at: at.plus(Duration::from_mins(1)),
            propensity: 1.0,
        };
        let exposure = Exposure::of(&permit, ExposureId::random(&mut rng), occasion, features);
        relevance::record_exposures(&mut tx, &world.keys, &[exposure], &mut rng)
            .await
            .expect("kept");
        tx.commit().await.expect("commits");
        if n % 2 == 1 {
            outcomes.push(Outcome { subject, kind: OutcomeKind::Click, at, value: None });
        }
    }
    let mut tx = world.db.begin().await.expect("begins");
    relevance::record_outcomes(&mut tx, list, &outcomes).await.expect("noted");
    tx.commit().await.expect("commits");
    world.clock.advance(Duration::from_hours(1));
    train(world).await;
}

async fn train(world: &World) {
    let now = world.clock.now();
    let mut rng = world.rng(now.micros().unsigned_abs());
    let order = Order { business: Some(SHOP), goal: Goal::Click };
    let mut tx = world.db.begin().await.expect("begins");
    let set = gather(&mut tx, &world.keys, order, now, &|_, _| {}).await.expect("gathers");
    let learned = learn(set, now).expect("learns");
    keep(&mut tx, &world.keys.log_signer(), learned, now, &mut rng).await.expect("kept");
    tx.commit().await.expect("commits");
}

async fn usable(world: &World) -> Result<bool, RelevanceError> {
    let mut tx = world.db.read().await.expect("begins");
    let active = relevance::active(&mut tx, SHOP, Goal::Click, world.clock.now()).await?;
    Ok(active.is_some())
}

async fn leave(world: &World, name: &str) {
    let ended = world.withdraw("messenger", name, PurposeKind::ModelTraining, None).await;
    ended.expect("ends");
}

async fn ordered(world: &World) -> usize {
    let mut tx = world.db.begin().await.expect("begins");
    let now = world.clock.now();
    let count = members::order_retraining(&mut tx, &mut world.rng(8), now).await.expect("orders");
    tx.commit().await.expect("commits");
    count
}

#[tokio::test]
async fn a_model_forgets_within_a_day_or_is_not_used() {
    on_both(|db| async move {
        let (world, _) = healthy(db).await;
        taught(&world).await;
        assert_eq!(violated(&world).await, Vec::<String>::new());
        leave(&world, "taught3").await;
        assert!(usable(&world).await.expect("for a day"));
        assert_eq!(ordered(&world).await, 0);
        world.clock.advance(Duration::from_hours(13));
        assert_eq!((ordered(&world).await, ordered(&world).await), (1, 0), "ordered once");
        assert_eq!(violated(&world).await, Vec::<String>::new());
        let mut tx = world.db.read().await.expect("begins");
        assert_eq!(jobs::waiting(&mut tx).await.expect("counts"), 1);
        drop(tx);

        world.clock.advance(Duration::from_hours(11));
        assert!(matches!(usable(&world).await, Err(RelevanceError::Stale)));
        assert_eq!(violated(&world).await, ["I-15"]);
        let mut tx = world.db.begin().await.expect("begins");
        let back =
            relevance::activate(&mut tx, Some(SHOP), Goal::Click, 1, world.clock.now()).await;
        assert!(matches!(back, Err(RelevanceError::Stale)));
        drop(tx);

        train(&world).await;
        assert!(usable(&world).await.expect("it was trained again"));
        assert_eq!(violated(&world).await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn a_model_that_hides_who_left_is_found_by_the_ledger() {
    on_both(|db| async move {
        let (world, _) = healthy(db).await;
        taught(&world).await;
        tamper(&world, NO_TRIGGER, values![]).await;
        leave(&world, "taught3").await;
        world.clock.advance(Duration::from_hours(25));
        assert_eq!(violated(&world).await, ["I-15"]);
        assert_eq!(codes(&world).await, ["model.remembers_the_withdrawn".to_owned()].into());
    })
    .await;
}

#[tokio::test]
async fn members_that_were_removed_quietly_are_missed() {
    on_both(|db| async move {
        let (world, _) = healthy(db).await;
        taught(&world).await;
        tamper(&world, FORGET_MEMBERS, values![]).await;
        tamper(&world, FORGET_DEPARTURES, values![]).await;
        assert_eq!(violated(&world).await, ["I-15"]);
        let missed = [MISCOUNTED, "model.members_missing"].map(str::to_owned);
        assert_eq!(codes(&world).await, missed.into());
        assert!(matches!(usable(&world).await, Err(RelevanceError::Stale)));
    })
    .await;
}

/// A way to break what is kept of a manifest, and what is found then.
struct Break {
    statement: Statement,
    codes: &'static [&'static str],
}

const DIFFERS: &str = "model.manifest_differs";
const MISCOUNTED: &str = "model.leaves_miscounted";
const WITHOUT_LEAF: &str = "model.member_without_leaf";
const WITHOUT_CONSENT: &str = "model.learned_without_consent";

const BREAKS: &[Break] = &[
    Break {
        statement: breaking(
            "ALTER_LEAF",
            "update model_leaves set leaf = zeroblob(32)
             where leaf = (select leaf from model_leaves order by leaf limit 1)",
            "update model_leaves set leaf = decode(repeat('00', 32), 'hex')
             where leaf = (select leaf from model_leaves order by leaf limit 1)",
        ),
        codes: &[DIFFERS, WITHOUT_LEAF],
    },
    Break {
        statement: same(
            "REMOVE_LEAF",
            "delete from model_leaves
             where leaf = (select leaf from model_leaves order by leaf limit 1)",
        ),
        codes: &[DIFFERS, MISCOUNTED, WITHOUT_LEAF],
    },
    Break {
        statement: breaking(
            "ADD_LEAF",
            "insert into model_leaves (model, leaf) select id, zeroblob(32) from models",
            "insert into model_leaves (model, leaf)
             select id, decode(repeat('00', 32), 'hex') from models",
        ),
        codes: &[DIFFERS, MISCOUNTED],
    },
    Break {
        statement: same(
            "ADD_MEMBER",
            "insert into model_members (subject, model, relevance_grant, training_grant, messages,
                 relevance_entry, training_entry)
             select r.subject, m.id, r.id, t.id, 1, r.entry, t.entry from grants r
             join grants t on t.subject = r.subject and t.purpose = 'model_training'
             cross join models m
             where r.purpose = 'relevance' and r.state = 'given' and t.state = 'given'
               and r.subject not in (select subject from model_members)",
        ),
        codes: &["model.members_missing", MISCOUNTED, WITHOUT_LEAF, WITHOUT_CONSENT],
    },
    Break {
        statement: same(
            "OTHER_CONSENT",
            "update model_members set training_entry = relevance_entry
             where subject = (select subject from model_members order by subject limit 1)",
        ),
        codes: &[WITHOUT_LEAF, WITHOUT_CONSENT],
    },
    Break {
        statement: same(
            "OTHER_NUMBER",
            "update model_members set messages = messages + 1
             where subject = (select subject from model_members order by subject limit 1)",
        ),
        codes: &[WITHOUT_LEAF],
    },
];

#[tokio::test]
async fn a_manifest_that_is_not_what_the_ledger_commits_to_is_found() {
    for Break { statement, codes: expected } in BREAKS {
        on_both(|db| async move {
            let (world, _) = healthy(db).await;
            taught(&world).await;
            // Somebody who agreed after the training, and somebody who left since: both are in order.
            world.give("messenger", "anna", PurposeKind::ModelTraining).await;
            leave(&world, "taught3").await;
            assert_eq!(violated(&world).await, Vec::<String>::new());
            assert_eq!(tamper(&world, *statement, values![]).await, 1, "{}", statement.name);
            assert_eq!(violated(&world).await, ["I-15"], "{}", statement.name);
            let expected: BTreeSet<String> =
                expected.iter().map(|code| (*code).to_owned()).collect();
            assert_eq!(codes(&world).await, expected, "{}", statement.name);
        })
        .await;
    }
}
