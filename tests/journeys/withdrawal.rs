//! A person takes a consent back: the row is gone before the answer returns, from the list, from the
//! next export, and the officer's replay says so.

use serde_json::json;
use volens_privacy::PurposeKind;

use crate::support::on_both_with;
use crate::support::town::{SMALL, Town};

#[tokio::test]
async fn a_withdrawal_is_effective_before_it_is_answered() {
    on_both_with(&[SMALL], |test| async move {
        let town = Town::new(test, 45).await;
        let campaign = town.campaign().await;
        let list = town.list(json!({"campaign": campaign["id"], "size": 12})).await;
        let id = list["id"].as_str().expect("an id");
        let rows = town.recipients(id).await;
        let first = rows[0]["recipient"].clone();
        let person = town.who(&first, 45).await;

        let answer = town.withdraw(&person, PurposeKind::BusinessMessages).await;
        assert_eq!(answer["effects"]["list_rows"], 1, "{answer}");
        let left = town.recipients(id).await;
        assert_eq!(left.len(), rows.len() - 1);
        assert!(left.iter().all(|row| row["recipient"] != first));
        let export = town.shop.get(&format!("/v1/lists/{id}/export?format=jsonl")).await;
        let first = first.as_str().expect("an id");
        assert!(export.status.is_success() && !export.text().contains(first));

        let officer = town.test.officer().await;
        let replay = officer.get(&format!("/v1/audit/lists/{id}")).await.expect(200);
        assert_eq!(replay["rows_sealed"], rows.len());
        assert_eq!(replay["rows_gone"], 1);
        assert_eq!(replay["consents_ended_since"], 1);
        assert_eq!(replay["denied"], json!([]));

        let outcome = json!({"outcomes": [
            {"list": id, "recipient": first, "kind": "click", "at": town.test.app.now()},
            {"list": id, "recipient": left[0]["recipient"], "kind": "click", "at": town.test.app.now()},
        ]});
        let taken = town.shop.post("/v1/outcomes", outcome).await.expect(200);
        assert_eq!(taken["results"][0]["code"], "recipient.not_listed");
        assert_eq!(taken["results"][1]["status"], "accepted");

        let later = town.list(json!({"campaign": campaign["id"], "size": 12})).await;
        let later = later["id"].as_str().expect("an id");
        assert!(town.recipients(later).await.iter().all(|row| row["recipient"] != first));
    })
    .await;
}
