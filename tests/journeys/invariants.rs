//! An officer asks whether everything holds; the check runs as a job, and its result stays to be read
//! with its age, in the API and on the page.

use std::time::Duration;

use serde_json::{Value as Json, json};
use volens::background;
use volens::db::Statement;

use crate::support::town::{SMALL, Town};
use crate::support::{on_both, on_both_with};

const PROLONG: Statement = Statement::new(
    "journeys::invariants",
    "PROLONG",
    "update grants set expires_at = expires_at + 1 where purpose = 'relevance'",
    "update grants set expires_at = expires_at + 1 where purpose = 'relevance'",
);

/// One entry more than the head counts.
const SLIP_IN: Statement = {
    let sql = "insert into ledger_entries (log, idx, leaf)
               select e.log, h.size, e.leaf from ledger_entries e
               join ledger_heads h on h.log = e.log where e.idx = 0";
    Statement::new("journeys::invariants", "SLIP_IN", sql, sql)
};

async fn check(town: &Town) -> Json {
    let officer = town.test.officer().await;
    let ordered = officer.post("/v1/audit/invariants", json!({})).await.expect(202);
    assert!(ordered["job"].as_str().is_some_and(|job| job.starts_with("job_")));
    background::worker(&town.test.app).run_due().await.expect("jobs run");
    town.test.clock.advance(Duration::from_secs(90));
    officer.get("/v1/audit/invariants").await.expect(200)
}

fn violated(run: &Json) -> Vec<&str> {
    let all = run["report"]["invariants"].as_array().expect("a list").iter();
    let violated = all.filter(|checked| checked["verdict"] == "violated");
    violated.map(|checked| checked["id"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn an_officer_has_everything_checked_and_a_change_is_found() {
    on_both_with(&[SMALL], |test| async move {
        let town = Town::new(test, 30).await;
        let officer = town.test.officer().await;
        let none = officer.get("/v1/audit/invariants").await.expect(200);
        assert_eq!(none["report"], Json::Null);

        let run = check(&town).await;
        assert_eq!((violated(&run), &run["report"]["holds"]), (vec![], &json!(true)), "{run}");
        assert_eq!(run["age_seconds"], 90);
        let entry = run["entry"].as_u64().expect("an entry");
        let entries = officer.get(&format!("/v1/ledger/entries?from={entry}&limit=1")).await;
        assert!(entries.text().contains(run["sha256"].as_str().expect("a hash")));

        let mut tx = town.test.app.db.begin().await.expect("begins");
        assert!(tx.execute(PROLONG, Vec::new()).await.expect("changed") > 0);
        tx.commit().await.expect("commits");
        assert_eq!(violated(&check(&town).await), ["I-18"]);
    })
    .await;
}

#[tokio::test]
async fn an_officer_has_the_ledger_recomputed_and_what_stands_behind_it_is_found() {
    on_both(|test| async move {
        let town = Town::new(test, 3).await;
        let officer = town.test.officer().await;
        let verified = officer.post("/v1/audit/verify", json!({})).await.expect(200);
        assert_eq!((&verified["holds"], &verified["faults"]), (&json!(true), &json!([])));
        assert!(verified["entries"].as_u64() > Some(3), "{verified}");

        let mut tx = town.test.app.db.begin().await.expect("begins");
        assert_eq!(tx.execute(SLIP_IN, Vec::new()).await.expect("changed"), 1);
        tx.commit().await.expect("commits");
        let verified = officer.post("/v1/audit/verify", json!({})).await.expect(200);
        assert_eq!(verified["holds"], json!(false));
        assert_eq!(verified["faults"], json!([{ "fault": "beyond" }]));
    })
    .await;
}
