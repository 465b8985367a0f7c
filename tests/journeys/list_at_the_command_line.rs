//! The operator's way: make a list with the program, hand the file on, replay the list; and what the
//! program says when somebody has been at the database.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value as Json, json};
use volens::clock::{Clock as _, SystemClock};
use volens::db::Statement;

use crate::support::on_both_with;
use crate::support::town::{CLEAR, SMALL, Town};

const UNLOCK: Statement = Statement::new(
    "journeys",
    "UNLOCK",
    "drop trigger list_rows_are_written_once",
    "drop trigger list_rows_are_written_once on list_rows",
);
const PREFER: Statement = Statement::new(
    "journeys",
    "PREFER",
    "update list_rows set score = 0.99 where rank = 5",
    "update list_rows set score = 0.99 where rank = 5",
);

const PROLONG: Statement = Statement::new(
    "journeys",
    "PROLONG",
    "update grants set expires_at = expires_at + 1 where purpose = 'relevance'",
    "update grants set expires_at = expires_at + 1 where purpose = 'relevance'",
);

/// The program on the town's database.
fn volens(town: &Town, args: &[&str]) -> Output {
    let settings = &town.test.app.settings;
    let mut command = Command::new(env!("CARGO_BIN_EXE_volens"));
    command.env_remove("VOLENS_CONFIG").env("VOLENS_LISTS_K_FLOOR", SMALL.1);
    command.env("VOLENS_LISTS_REACH_EPSILON_THOUSANDTHS", CLEAR.1);
    command.arg("--data").arg(town.test.directory());
    command.arg("--database").arg(settings.database_url().expose());
    command.args(args).arg("--json").output().expect("it runs")
}

/// The program without any installation.
fn elsewhere(directory: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_volens"));
    command.env_remove("VOLENS_CONFIG").arg("--data").arg(directory.join("none"));
    command.args(args).arg("--json").output().expect("it runs")
}

/// Checks the exit code; what was printed.
#[track_caller]
fn ends(output: &Output, code: i32) -> Json {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    serde_json::from_slice(&output.stdout).unwrap_or(Json::Null)
}

#[tokio::test]
async fn a_list_is_made_handed_on_and_replayed() {
    on_both_with(&[SMALL], |test| async move {
        // The program goes by the machine's clock; what happened before it ran lies behind it.
        test.clock.set(SystemClock.now().minus(Duration::from_hours(2)));
        let town = Town::new(test, 45).await;
        let campaign = town.campaign().await;
        let campaign = campaign["id"].as_str().expect("an id");
        let ask = |size: &'static str| ["list", "--campaign", campaign, "--size", size];

        assert_eq!(ends(&volens(&town, &ask("9")), 4)["list"], Json::Null, "below the floor");
        let unknown = "cmp_00000000000000000000000000000000";
        ends(&volens(&town, &["list", "--campaign", unknown, "--size", "12"]), 5);
        ends(&volens(&town, &[&ask("12")[..], &["--topic", "health"]].concat()), 4);
        let dry = ends(&volens(&town, &[&ask("12")[..], &["--dry-run"]].concat()), 0);
        assert_eq!(dry["dry_run"], true);

        let told = ends(&volens(&town, &["variants", "--campaign", campaign]), 0);
        assert_eq!((&told["withheld_below"], &told["variants"]), (&json!(10), &json!([])));
        ends(&volens(&town, &["variants", "--campaign", unknown]), 5);

        let folder = tempfile::tempdir().expect("a directory");
        let file = folder.path().join("list.parquet");
        let file = file.to_str().expect("a path in UTF-8");
        let made = ends(&volens(&town, &[&ask("12")[..], &["--export", file]].concat()), 0);
        assert_eq!(made["list"]["state"], "sealed");
        assert_eq!(made["export"]["rows"], 12);
        let id = made["list"]["id"].as_str().expect("an id");

        let key = town.test.app.keys.log_verifier().vkey();
        let check = ["audit", "export", file, "--key", &key];
        let checked = ends(&elsewhere(folder.path(), &check), 0);
        assert_eq!(checked, json!({"ok": true, "rows": 12, "denied": []}));
        assert!(!folder.path().join("none").exists(), "nothing but the file and the key");

        let replayed = ends(&volens(&town, &["audit", "list", id]), 0);
        assert_eq!((&replayed["ok"], &replayed["rows_confirmed"]), (&json!(true), &json!(12)));
        ends(&volens(&town, &["audit", "list", "lst_00000000000000000000000000000000"]), 5);

        let held = ends(&volens(&town, &["audit", "invariants"]), 0);
        assert_eq!((&held["holds"], &held["invariants"][0]["id"]), (&json!(true), &json!("I-1")));

        let mut tx = town.test.app.db.begin().await.expect("begins");
        tx.execute(UNLOCK, Vec::new()).await.expect("unlocked");
        assert_eq!(tx.execute(PREFER, Vec::new()).await.expect("changed"), 1);
        tx.commit().await.expect("commits");
        let denied = ends(&volens(&town, &["audit", "list", id]), 3);
        let found = ["row.out_of_order", "row.not_sealed_so"];
        assert_eq!(denied["denied"], json!(found.map(|code| json!({"rank": 5, "code": code}))));

        let mut tx = town.test.app.db.begin().await.expect("begins");
        assert!(tx.execute(PROLONG, Vec::new()).await.expect("changed") > 0);
        tx.commit().await.expect("commits");
        let broken = ends(&volens(&town, &["audit", "invariants"]), 3);
        assert_eq!(broken["holds"], false);
    })
    .await;
}
