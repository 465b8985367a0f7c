//! A business tries two texts against each other: the next list writes more people the one that does better,
//! nobody kept aside is written either, and an officer finds a row that says another than was drawn.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use volens::db::Statement;
use volens_privacy::PurposeKind;

use crate::support::on_both_with;
use crate::support::town::{SMALL, Town};

const UNLOCK: Statement = Statement::new(
    "journeys",
    "UNLOCK_VARIANTS",
    "drop trigger list_rows_are_written_once",
    "drop trigger list_rows_are_written_once on list_rows",
);
const EXCHANGE: Statement = Statement::new(
    "journeys",
    "EXCHANGE",
    "update list_rows set variant = 1 - variant where rank = 5",
    "update list_rows set variant = 1 - variant where rank = 5",
);
const PEOPLE: usize = 110;

async fn campaign(town: &Town) -> String {
    let body = json!({
        "name": "Autumn", "delivery_app": "messenger", "goal": "click",
        "message": {"title": "New shoes", "text": "Light ones.", "language": "en",
                    "topics": ["sport.running"]},
        "variants": [{"title": "Shoes, new", "text": "They weigh nothing.", "language": "en"}],
    });
    let made = town.shop.post("/v1/campaigns", body.clone()).await.expect(201);
    assert_eq!(made["variants"], body["variants"]);
    made["id"].as_str().expect("an id").to_owned()
}

async fn list(town: &Town, campaign: &str, size: u32) -> (Json, Vec<Json>) {
    let list = town.list(json!({"campaign": campaign, "size": size})).await;
    assert_eq!(list["state"], "sealed", "{list}");
    let rows = town.recipients(list["id"].as_str().expect("an id")).await;
    (list, rows)
}

fn name(row: &Json) -> &str {
    row["variant"]["name"].as_str().expect("a variant")
}

/// What the row says it was given, by whom it was given to.
fn given(rows: &[Json]) -> BTreeMap<&str, &Json> {
    rows.iter().map(|row| (row["recipient"].as_str().expect("an id"), &row["variant"])).collect()
}

/// Everybody but one who was written `b` clicked.
async fn report(town: &Town, list: &Json, rows: &[Json]) {
    let at = town.test.app.now();
    let click = |row: &Json| json!({"list": list["id"], "recipient": row["recipient"], "kind": "click", "at": at});
    let clicks: Vec<Json> = rows.iter().filter(|row| name(row) == "b").skip(1).map(click).collect();
    let told = town.shop.post("/v1/outcomes", json!({"outcomes": clicks})).await.expect(200);
    assert_eq!(told["refused"], 0, "{told}");
}

#[tokio::test]
async fn the_better_of_two_texts_goes_to_more_people() {
    on_both_with(&[SMALL], |test| async move {
        let town = Town::new(test, PEOPLE).await;
        let campaign = campaign(&town).await;
        let (first, before) = list(&town, &campaign, 40).await;
        let path = format!("/v1/campaigns/{campaign}/variants");
        let told = town.shop.get(&path).await.expect(200);
        assert_eq!((&told["withheld_below"], &told["goal"]), (&json!(10), &json!("click")));
        for of in told["variants"].as_array().expect("variants") {
            assert_eq!(
                (&of["recipients"], &of["best"], &of["next"]),
                (&Json::Null, &Json::Null, &json!(0.5))
            );
        }
        report(&town, &first, &before).await;
        let told = town.shop.get(&path).await.expect(200);
        let b = &told["variants"][1];
        assert!(
            b["recipients"].as_u64() >= Some(10) && b["reached"].as_u64() >= Some(10),
            "{told}"
        );
        assert!(b["best"].as_f64() > Some(0.95), "{told}");
        assert_eq!(told["variants"][0]["reached"], Json::Null, "few are not told");
        let (_, rival) = town.test.new_business("Rival").await;
        rival.get(&path).await.problem(404, "not_found");

        let (next, after) = list(&town, &campaign, 90).await;
        let offered = &next["seal"]["variants"];
        assert_eq!(offered[1]["message"]["title"], "Shoes, new");
        assert!(offered[1]["share"].as_f64() > Some(0.85), "{offered}");
        let known = given(&before);
        let (kept, new): (Vec<&Json>, Vec<&Json>) = after
            .iter()
            .partition(|row| known.contains_key(row["recipient"].as_str().expect("an id")));
        assert!(kept.len() > 30 && new.len() > 30, "{} {}", kept.len(), new.len());
        for row in kept {
            assert_eq!(row["variant"], *known[row["recipient"].as_str().expect("an id")]);
        }
        let of_b = new.iter().filter(|row| name(row) == "b").count();
        assert!(of_b * 10 > new.len() * 7, "{of_b} of {}", new.len());
        assert!(
            after.iter().all(|row| row["propensity"] == json!(0.9)),
            "the holdout is as it was"
        );

        hand_on(&town, &next).await;
        own_page(&town, &after[0]).await;
        let officer = town.test.officer().await;
        let replay = format!("/v1/audit/lists/{}", next["id"].as_str().expect("an id"));
        let found = officer.get(&replay).await.expect(200);
        assert_eq!(found["denied"], json!([]), "{found}");
        let mut tx = town.test.app.db.begin().await.expect("begins");
        tx.execute(UNLOCK, Vec::new()).await.expect("unlocked");
        assert!(tx.execute(EXCHANGE, Vec::new()).await.expect("changed") > 0);
        tx.commit().await.expect("commits");
        let found = officer.get(&replay).await.expect(200);
        assert_eq!(found["denied"], json!([{"rank": 5, "code": "row.not_assigned_so"}]));
        assert_eq!(
            town.recipients(next["id"].as_str().expect("an id")).await.len(),
            after.len() - 2
        );
    })
    .await;
}

/// A file says for every row what is to be sent.
async fn hand_on(town: &Town, list: &Json) {
    let id = list["id"].as_str().expect("an id");
    let lines = town.shop.get(&format!("/v1/lists/{id}/export?format=jsonl")).await.text();
    let mut lines: Vec<Json> =
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let manifest = lines.pop().expect("a manifest");
    let manifest = &manifest["manifest"];
    assert_eq!(manifest["type"], "volens/list-export/5");
    let texts = manifest["variants"]["variants"].as_array().expect("texts");
    for row in &lines {
        let text = texts.iter().find(|text| text["name"] == row["variant"]["name"]);
        assert!(text.expect("offered")["message"]["text"].is_string());
    }
    let cells = town.shop.get(&format!("/v1/lists/{id}/export?format=csv")).await.text();
    assert!(
        cells.lines().next().expect("a head").contains(",propensity,variant,variant_propensity,")
    );
    let none = town.shop.get(&format!("/v1/lists/{id}")).await.text();
    assert!(!none.contains("\"groups\"") && !none.contains("salt"), "no counts of few people");
}

/// What the person is told of themselves names the text, and goes with the consent.
async fn own_page(town: &Town, row: &Json) {
    let who = town.who(&row["recipient"], PEOPLE).await;
    let path = format!("/v1/accounts/{who}/export");
    let own = town.messenger.get(&path).await.expect(200)["export"].take();
    let (list, message) = (&own["lists"][0], &own["messages"][0]);
    let titles = [("a", "New shoes"), ("b", "Shoes, new")];
    let title = titles.iter().find(|(of, _)| *of == name(row)).expect("one of both").1;
    assert_eq!((&list["campaign"], &list["row"]["variant"]), (&json!(title), &row["variant"]));
    assert_eq!(message["variant"], row["variant"]);
    town.withdraw(&who, PurposeKind::Relevance).await;
    let own = town.messenger.get(&path).await.expect(200)["export"].take();
    assert_eq!((&own["lists"], &own["messages"]), (&json!([]), &json!([])));
    town.consent(&who, PurposeKind::Relevance).await;
}

#[tokio::test]
async fn a_campaign_with_one_text_has_no_variants() {
    on_both_with(&[SMALL], |test| async move {
        let town = Town::new(test, 40).await;
        let made = town.campaign().await;
        assert_eq!(made.get("variants"), None);
        let campaign = made["id"].as_str().expect("an id");
        let told = town.shop.get(&format!("/v1/campaigns/{campaign}/variants")).await.expect(200);
        assert_eq!(told["variants"], json!([]));
        let (list, rows) = list(&town, campaign, 20).await;
        assert_eq!(list["seal"].get("variants"), None);
        assert!(rows.iter().all(|row| row.get("variant").is_none()));
        let more = json!({
            "name": "More", "delivery_app": "messenger", "goal": "click", "message": made["message"],
            "variants": [{"title": "Shoes", "text": "x".repeat(1025), "language": "en"}],
        });
        let refused = town.shop.post("/v1/campaigns", more).await;
        refused.problem(422, "request.invalid");
        assert_eq!(refused.json()["errors"][0]["pointer"], "/variants/0/text");
    })
    .await;
}
