//! What an app claims that people agreed to elsewhere is kept and permits nothing.

use serde_json::json;
use volens_privacy::consent::{Decision, Refusal};
use volens_privacy::notice::Notices;
use volens_privacy::purpose::{BusinessMessages, PurposeKind, Relevance};

use super::*;
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::testing::{World, app};

/// A TC string that consents to all 24 purposes for the vendors 1 to 65,535.
const EVERYTHING: &str = "CAAAAAAAAAAAAAAAAAENAAAAAP_______wAH__wAYAA__-AAAAA";

#[tokio::test]
async fn a_string_that_claims_everything_grants_nothing() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let anna = world.account("messenger", "anna").await;
        let (messages, relevance) = (PurposeKind::BusinessMessages, PurposeKind::Relevance);
        let evidence = json!({"tcf": EVERYTHING, "gpp": format!("DBABMA~{EVERYTHING}")});
        for (purpose, decision) in [(messages, Decision::Given), (relevance, Decision::Refused)] {
            let mut request = world.choice("anna", purpose, None, decision, None);
            request.evidence = Some(evidence.clone());
            let decided = world.decide("messenger", request).await.unwrap().remove(0);
            let receipt = decided.receipt.expect("a new entry has a receipt");
            assert_eq!(receipt.record().evidence.as_ref(), Some(&evidence), "as it was sent");
            receipt.verify(&world.keys.log_verifier()).unwrap();
        }
        let (consents, now) = (world.consents_of(anna).await.unwrap(), world.clock.now());
        assert!(consents.permit::<BusinessMessages>((), now).is_ok(), "what was decided");
        assert_eq!(consents.permit::<Relevance>((), now).err(), Some(Refusal::Refused));
        let mut tx = world.db.read().await.unwrap();
        let grants = grants_of(&mut tx, &[anna]).await.unwrap();
        let live = grants.iter().filter(|grant| grant.state == Decision::Given);
        let live: Vec<PurposeKind> = live.map(|grant| grant.purpose).collect();
        assert_eq!(live, [messages]);
        let entries = receipts_of(&mut tx, &world.keys, anna).await.unwrap().len();
        assert_eq!(entries, 2, "the decisions stated, and no other");
        drop(tx);

        world.withdraw("messenger", "anna", messages, None).await.unwrap();
        let consents = world.consents_of(anna).await.unwrap();
        let ended = consents.permit::<BusinessMessages>((), now).err();
        assert_eq!(ended, Some(Refusal::Withdrawn), "whatever was claimed");
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_at_the_door() {
    on_both(|db| async move {
        let world = World::new(db).await;
        for (evidence, code, field) in [
            (json!({"tcf": "CO"}), "tcf.malformed", "evidence.tcf"),
            (json!({"tcf": EVERYTHING, "gpp": "DBABMA"}), "gpp.malformed", "evidence.gpp"),
            (json!({"gpp": "D".repeat(3_501)}), "gpp.too_large", "evidence.gpp"),
            (json!({"tcf": 1}), "tcf.malformed", "evidence.tcf"),
        ] {
            let purpose = PurposeKind::Relevance;
            let mut request = world.choice("anna", purpose, None, Decision::Given, None);
            request.evidence = Some(evidence);
            let (notices, now) = (Notices::builtin(), world.clock.now());
            let checked =
                Intake::check(request, &app("messenger"), &world.apps, &world.keys, notices, now);
            let refused = checked.err().expect("it is refused");
            assert_eq!((refused.code, refused.field.as_str()), (code, field));
        }
    })
    .await;
}
