//! From consents to a list that anybody can check: people consent, signals come in, a shop asks for
//! recipients, exports them, and a stranger verifies every row with nothing but the public key.

use std::io::Write as _;

use serde_json::{Value as Json, json};
use volens::audience::export::Format;
use volens::audience::export::read::read;
use volens_privacy::ledger::{Leaf, LeafKind, LogVerifier, parse_tlog_proof};
use volens_privacy::{PurposeKind, Timestamp};

use crate::support::on_both_with;
use crate::support::town::{CLEAR, SMALL, Town};

/// What a stranger needs: the leaf, its proof, the public key.
fn verify(ground: &Json, purpose: PurposeKind, log: &LogVerifier) {
    let leaf: Leaf = serde_json::from_value(ground["leaf"].clone()).expect("a leaf");
    assert_eq!(leaf.kind(), LeafKind::ConsentGiven);
    assert_eq!(leaf.purpose(), Some(purpose));
    let proof = parse_tlog_proof(ground["proof"].as_str().expect("text")).expect("a proof");
    assert_eq!(Some(proof.entry()), ground["entry"].as_u64());
    proof.verify(&leaf.bytes(), log).expect("the proof holds");
}

/// A list is made, served, exported and replayed, and everything about it is checked.
async fn from_consents_to_a_checked_list(town: &Town) {
    let key = town.test.anonymous().get("/v1/ledger/key").await.text();
    let log = LogVerifier::from_vkey(key.trim().trim_matches('"')).expect("the public key");
    let campaign = town.campaign().await;

    let dry = json!({"campaign": campaign["id"], "size": 12, "holdout": 0.0, "dry_run": true});
    let dry = town.shop.post("/v1/lists", dry).await.expect(200);
    let (low, high) = (dry["reach"]["low"].as_u64(), dry["reach"]["high"].as_u64());
    assert!(low <= high && low.is_some_and(|low| low.is_multiple_of(10)), "{dry}");
    assert_eq!((&dry["budget"]["asked"], &dry["budget"]["of"]), (&json!(1), &json!(50)));
    let ask = json!({"campaign": campaign["id"], "size": 20, "dry_run": true});
    let again = town.shop.post("/v1/lists", ask).await.expect(200);
    assert_eq!(again["counted_at"], dry["counted_at"], "the same people, so the same answer");
    assert_eq!(again["budget"]["asked"], 1);

    let wanted = json!({"campaign": campaign["id"], "size": 12, "holdout": 0.0});
    let list = town.list(wanted).await;
    assert_eq!(list["state"], "sealed", "{list}");
    assert_eq!(list["seal"]["rows"], 12);
    let unknown = json!({"why": "exposures.too_few"});
    assert_eq!(list["seal"]["forecast"], json!({"reached": unknown, "increase": unknown}));
    let id = list["id"].as_str().expect("an id");
    let rows = town.recipients(id).await;
    assert_eq!(rows.len(), 12);
    for row in &rows {
        verify(&row["consent"], PurposeKind::BusinessMessages, &log);
        verify(&row["consent"]["relevance"], PurposeKind::Relevance, &log);
        assert_eq!(row["reasons"][0]["text"], "Interested in Running");
        assert_eq!(row["propensity"], 1.0, "nobody was kept aside");
    }

    for format in Format::ALL {
        let path = format!("/v1/lists/{id}/export?format={}", format.name());
        let answer = town.shop.get(&path).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("content-type"), format.media_type());
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&answer.body).expect("written");
        std::io::Seek::rewind(&mut file).expect("rewinds");
        let found = read(format, file).expect("an export");
        let report = found.check(&log);
        assert_eq!((report.rows, report.denied), (12, vec![]), "{}", format.name());
        let served: Vec<Json> =
            found.rows.iter().map(|row| serde_json::to_value(row).expect("JSON")).collect();
        assert_eq!(served, rows, "{}", format.name());
    }

    let proof = town.shop.get(&format!("/v1/lists/{id}/proof")).await.expect(200);
    assert_eq!(proof["rows_root"], list["seal"]["rows_root"]);
    let officer = town.test.officer().await;
    let replay = officer.get(&format!("/v1/audit/lists/{id}")).await.expect(200);
    assert_eq!(replay["rows_confirmed"], 12);
    assert_eq!(replay["denied"], json!([]));
}

#[tokio::test]
async fn a_shop_gets_recipients_that_anybody_can_check() {
    on_both_with(&[SMALL, CLEAR], |test| async move {
        let town = Town::new(test, 45).await;
        from_consents_to_a_checked_list(&town).await;
    })
    .await;
}

/// The consents are in a year of the ledger that has ended, the list is in the next.
#[tokio::test]
async fn a_list_of_the_new_year_rests_on_consents_of_the_old() {
    on_both_with(&[SMALL, CLEAR], |test| async move {
        let at = |text| Timestamp::parse(text).expect("a time");
        test.clock.set(at("2026-12-31T23:30:00Z"));
        let town = Town::new(test, 45).await;
        town.test.clock.set(at("2027-01-01T00:10:00Z"));
        from_consents_to_a_checked_list(&town).await;
        let shards = town.test.anonymous().get("/v1/ledger/shards").await.expect(200);
        assert_eq!(shards["data"].as_array().map(Vec::len), Some(2), "{shards}");
        assert_eq!(shards["data"][0]["ended"], true);
    })
    .await;
}

#[tokio::test]
async fn what_is_not_acceptable_is_refused_with_a_code() {
    on_both_with(&[SMALL], |test| async move {
        let town = Town::new(test, 12).await;
        let campaign = town.campaign().await;
        let (rival, other) = town.test.new_business("Rival").await;
        assert_ne!(rival, town.business);
        let path = format!("/v1/campaigns/{}", campaign["id"].as_str().expect("an id"));
        other.get(&path).await.problem(404, "not_found");
        let ask = |size: u32| json!({"campaign": campaign["id"], "size": size});
        other.post("/v1/lists", ask(12)).await.problem(404, "not_found");
        town.shop.post("/v1/lists", ask(9)).await.problem(422, "audience.too_small");
        let mut named = ask(12);
        named["filter"] = json!({"religion": ["any"]});
        town.shop.post("/v1/lists", named).await.problem(422, "topic.sensitive");
        let mut mistyped = ask(12);
        mistyped["filter"] = json!("country IE and topic sport.runing");
        let refused = town.shop.post("/v1/lists", mistyped).await;
        refused.problem(422, "topic.unknown");
        let error = &refused.json()["errors"][0];
        assert_eq!(error["pointer"], "/filter");
        let said = error["detail"].as_str().expect("a sentence");
        assert!(said.starts_with("column 22: ") && said.ends_with("did you mean sport.running?"));
        let mut nested = ask(12);
        nested["filter"] = json!({"all": [{"country": ["DE"]}, {"topic": ["religion"]}]});
        let refused = town.shop.post("/v1/lists", nested).await;
        refused.problem(422, "topic.sensitive");
        assert_eq!(refused.json()["errors"][0]["pointer"], "/filter/all/1/topic/0");
        let mut young = ask(12);
        young["filter"] = json!({"age_bands": ["16_17"]});
        town.shop.post("/v1/lists", young).await.problem(422, "filter.underage");
        let sensitive = json!({
            "name": "x", "delivery_app": "messenger", "goal": "click",
            "message": {"title": "x", "text": "x", "language": "en", "topics": ["health"]},
        });
        let refused = town.shop.post("/v1/campaigns", sensitive).await;
        refused.problem(422, "topic.sensitive");
        let once = town.shop.with("idempotency-key", "list-1");
        let first = once.post("/v1/lists", ask(10)).await.expect(202);
        let again = once.post("/v1/lists", ask(10)).await.expect(202);
        assert_eq!(first["id"], again["id"]);
        let lists = town.shop.get("/v1/lists").await.expect(200);
        assert_eq!(lists["data"].as_array().expect("lists").len(), 1);
        let path = format!("/v1/lists/{}/recipients", first["id"].as_str().expect("an id"));
        town.shop.get(&path).await.problem(409, "list.not_ready");
    })
    .await;
}
