//! Links, profiles and minors: what rests on consent.

use std::time::Duration;

use volens_privacy::consent::Decision;
use volens_privacy::{AgeBand, PurposeKind};

use super::{breaking, codes, healthy, look, same, tamper, violated};
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::db::{Statement, values};

const KEEP_TOKENS: Statement = breaking(
    "KEEP_TOKENS",
    "drop trigger link_tokens_end_with_their_grant",
    "drop trigger link_tokens_end_with_their_grant on grants",
);
const KEEP_PROFILES: Statement = breaking(
    "KEEP_PROFILES",
    "drop trigger profiles_end_with_consent",
    "drop trigger profiles_end_with_consent on grants",
);
pub(super) const REJUVENATE: Statement =
    same("REJUVENATE", "update accounts set age_band = '16_17' where subject = $1");
const PROLONG: Statement = same(
    "PROLONG",
    "update grants set expires_at = expires_at + 1 where subject = $1 and purpose = 'relevance'",
);

#[tokio::test]
async fn a_link_token_that_outlives_its_grant_is_found() {
    on_both(|db| async move {
        let (world, _) = healthy(db).await;
        tamper(&world, KEEP_TOKENS, values![]).await;
        let linking = PurposeKind::CrossAppLinking;
        world.withdraw("messenger", "anna", linking, Some("photos")).await.expect("ends");
        assert_eq!(violated(&world).await, ["I-1"]);
        assert_eq!(codes(&world).await, ["link.no_live_grant".to_owned()].into());
    })
    .await;
}

#[tokio::test]
async fn a_profile_that_outlives_its_consent_is_found() {
    on_both(|db| async move {
        let (world, _) = healthy(db).await;
        tamper(&world, KEEP_PROFILES, values![]).await;
        world.withdraw("messenger", "anna", PurposeKind::Relevance, None).await.expect("ends");
        assert_eq!(violated(&world).await, ["I-2"]);
        assert_eq!(codes(&world).await, ["profile.no_live_grant".to_owned()].into());
    })
    .await;
}

const OBJECT: Statement = same("OBJECT", "update accounts set objected_at = 1 where subject = $1");

#[tokio::test]
async fn marketing_to_somebody_who_objects_is_found() {
    on_both(|db| async move {
        let (world, anna) = healthy(db).await;
        assert_eq!(tamper(&world, OBJECT, values![anna]).await, 1);
        assert_eq!(violated(&world).await, ["I-2"]);
        assert_eq!(codes(&world).await, ["objection.ignored".to_owned()].into());
    })
    .await;
}

#[tokio::test]
async fn what_is_kept_about_a_minor_is_found() {
    on_both(|db| async move {
        let (world, anna) = healthy(db).await;
        assert_eq!(tamper(&world, REJUVENATE, values![anna]).await, 1);
        assert_eq!(violated(&world).await, ["I-9"]);
        assert_eq!(codes(&world).await, ["minor.processed".to_owned()].into());
    })
    .await;
}

const OF_A_CHILD: Statement =
    same("OF_A_CHILD", "update accounts set age_band = 'under_16' where app = 'social'");

#[tokio::test]
async fn each_purpose_has_its_own_age() {
    on_both(|db| async move {
        let (world, _) = healthy(db).await;
        world.account("social", "ben").await;
        world.give("social", "ben", PurposeKind::BotMemory).await;
        let ben = world.account_aged("social", "ben", AgeBand::From16To17).await;
        assert_eq!(violated(&world).await, Vec::<String>::new(), "sixteen is enough for a bot");
        assert_eq!(tamper(&world, OF_A_CHILD, values![]).await, 1);
        assert_eq!(violated(&world).await, ["I-9"]);
        let found = look(&world).await.invariants.into_iter().flat_map(|one| one.findings);
        let found: Vec<_> = found.map(|one| (one.subject, one.place)).collect();
        assert_eq!(found, [(Some(ben), Some("grants".to_owned()))]);
    })
    .await;
}

#[tokio::test]
async fn a_grant_longer_than_its_purpose_allows_is_found() {
    on_both(|db| async move {
        let (world, anna) = healthy(db).await;
        assert_eq!(tamper(&world, PROLONG, values![anna]).await, 1);
        assert_eq!(violated(&world).await, ["I-18"]);
        assert_eq!(codes(&world).await, ["grant.too_long".to_owned()].into());
    })
    .await;
}

#[tokio::test]
async fn a_request_soon_after_a_no_is_found() {
    on_both(|db| async move {
        let (world, anna) = healthy(db).await;
        let purpose = PurposeKind::Reports;
        let mut request = world.choice("anna", purpose, None, Decision::Refused, None);
        request.requested_at = Some(world.clock.now());
        world.decide("messenger", request.clone()).await.expect("a first no");
        assert!(violated(&world).await.is_empty());
        world.clock.advance(Duration::from_hours(24));
        request.requested_at = Some(world.clock.now());
        let entry = world.decide("messenger", request).await.expect("a second no")[0].entry;
        assert_eq!(violated(&world).await, ["I-13"]);
        let found = look(&world).await.invariants.into_iter().find(|one| one.id == "I-13");
        let finding = &found.expect("I-13").findings[0];
        assert_eq!((finding.subject, finding.entry), (Some(anna), Some(entry)));
    })
    .await;
}

const ONE_TAG: Statement = same(
    "ONE_TAG",
    "update account_references set tag =
         (select r.tag from account_references r where r.app = 'messenger')",
);

#[tokio::test]
async fn accounts_of_two_apps_with_something_in_common_are_found() {
    on_both(|db| async move {
        let (world, _) = healthy(db).await;
        assert!(tamper(&world, ONE_TAG, values![]).await > 1);
        assert_eq!(violated(&world).await, ["I-16"]);
        assert_eq!(codes(&world).await, ["account.joinable".to_owned()].into());
    })
    .await;
}
