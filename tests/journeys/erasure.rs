//! A person is erased: by their app or on their own page, before the answer returns; lists still
//! replay; and a backup from before brings nobody back, and no consent that was taken back since.

use std::path::PathBuf;

use axum::body::Body;
use axum::http::Method;
use serde_json::json;
use volens::access::Caller;
use volens::background;
use volens::db::testing::FreshSqlite;
use volens_privacy::notice::Notices;
use volens_privacy::{AppId, PurposeKind, Timestamp};

use crate::support::program::command;
use crate::support::town::{SMALL, Town};
use crate::support::{Client, START, TestApp, on_both, on_both_with};

#[tokio::test]
async fn an_erased_person_is_on_no_list_and_the_list_still_replays() {
    on_both_with(&[SMALL], |test| async move {
        let town = Town::new(test, 45).await;
        let campaign = town.campaign().await;
        let list = town.list(json!({"campaign": campaign["id"], "size": 12})).await;
        let id = list["id"].as_str().expect("an id");
        let rows = town.recipients(id).await;
        let first = rows[0]["recipient"].clone();
        let person = town.who(&first, 45).await;
        let path = format!("/v1/accounts/{person}");

        let answer = town.messenger.delete(&path).await.expect(200);
        let removed = &answer["removed"];
        assert_eq!((&removed["consents"], &removed["records"]), (&json!(2), &json!(2)), "{answer}");
        assert_eq!((&removed["list_rows"], &removed["scores"]), (&json!(1), &json!(1)), "{answer}");
        let left = town.recipients(id).await;
        assert_eq!(left.len(), rows.len() - 1);
        assert!(left.iter().all(|row| row["recipient"] != first));
        town.messenger.get(&path).await.problem(404, "account.unknown");
        town.messenger.delete(&path).await.problem(404, "account.unknown");

        let officer = town.test.officer().await;
        let replay = officer.get(&format!("/v1/audit/lists/{id}")).await.expect(200);
        assert_eq!((&replay["rows_gone"], &replay["denied"]), (&json!(1), &json!([])), "{replay}");
        assert_eq!(replay["rows_erased_since"], 1);
        let later = town.list(json!({"campaign": campaign["id"], "size": 12})).await;
        let later = later["id"].as_str().expect("an id");
        assert!(town.recipients(later).await.iter().all(|row| row["recipient"] != first));
    })
    .await;
}

async fn settle(app: &Client, reference: &str) -> String {
    let path = format!("/v1/accounts/{reference}");
    assert!(app.put(&path, json!({"language": "de"})).await.status.is_success());
    path
}

#[tokio::test]
async fn another_app_erases_nobody() {
    on_both(|test| async move {
        let messenger = test.new_app("messenger").await;
        let photos = test.new_app("photos").await;
        let path = settle(&messenger, "anna").await;
        photos.delete(&path).await.problem(404, "account.unknown");
        messenger.get(&path).await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn a_person_erases_everything_on_their_own_page_and_is_asked_once_more() {
    on_both(|test| async move {
        let messenger = test.new_app("messenger").await;
        let path = settle(&messenger, "anna").await;
        let link = messenger.post("/v1/privacy-centre-links", json!({"account": "anna"})).await;
        let url = link.expect(201)["url"].as_str().expect("an address").to_owned();
        let (_, token) = url.split_once("/p/").expect("a privacy centre");
        let (page, sure) = (format!("/p/{token}"), format!("/p/{token}/erase"));
        let browser = test.anonymous();
        assert!(browser.get(&page).await.text().contains(&format!("href=\"{sure}?")));
        assert!(browser.get(&sure).await.text().contains("Endgültig löschen"));
        messenger.get(&path).await.expect(200);

        let form = Some("application/x-www-form-urlencoded");
        let done = browser.send(Method::POST, &sure, form, Body::empty()).await;
        assert_eq!(done.status, 200, "{}", done.text());
        assert!(done.text().contains("Alles ist gelöscht"), "{}", done.text());
        messenger.get(&path).await.problem(404, "account.unknown");
        assert_eq!(browser.get(&page).await.status, 404, "the page is gone, too");
        let again = browser.send(Method::POST, &sure, form, Body::empty()).await;
        assert_eq!(again.status, 404);
    })
    .await;
}

/// An installation whose database is closed, copied and put back as a backup does it.
struct House {
    database: FreshSqlite,
    directory: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self { database: FreshSqlite::create(), directory }
    }

    async fn open(&self) -> TestApp {
        TestApp::open_in(self.directory.path(), &self.database.address(), &[]).await
    }

    fn caller() -> Caller {
        Caller::App(AppId::parse("messenger").expect("a slug"))
    }

    fn files(&self) -> (PathBuf, PathBuf) {
        (self.database.path().join("volens.db"), self.directory.path().join("backup.db"))
    }

    fn back_up(&self) {
        let (file, backup) = self.files();
        std::fs::copy(file, backup).expect("a backup");
    }

    fn restore(&self) {
        let (file, backup) = self.files();
        std::fs::copy(backup, file).expect("a restored backup");
    }
}

#[tokio::test]
async fn a_restored_backup_brings_nobody_back() {
    let house = House::new();
    let (open, caller) = (|| house.open(), House::caller());

    let test = open().await;
    let messenger = test.new_app("messenger").await;
    let (anna, otto) = (settle(&messenger, "anna").await, settle(&messenger, "otto").await);
    test.app.db.close().await;
    house.back_up();

    let test = open().await;
    test.client_of(&caller).await.delete(&anna).await.expect(200);
    test.app.db.close().await;
    house.restore();

    let test = open().await;
    let messenger = test.client_of(&caller).await;
    messenger.get(&anna).await.problem(404, "account.unknown");
    messenger.get(&otto).await.expect(200);
    test.app.db.close().await;
}

/// How the consent to messages stands: what is on record, and whether it counts.
async fn stands(app: &Client, path: &str) -> (String, bool) {
    let state = app.get(&format!("{path}/consents")).await.expect(200);
    let consent = &state["consents"][0];
    let text = consent["state"].as_str().expect("a state").to_owned();
    (text, consent["live"].as_bool().expect("yes or no"))
}

#[tokio::test]
async fn a_restored_backup_brings_no_consent_back() {
    what_is_lost_after_a_backup_holds_back(START).await;
}

/// The same when what was lost is of another year, and with it of another tree of the ledger.
#[tokio::test]
async fn a_backup_of_the_year_before_brings_no_consent_back() {
    what_is_lost_after_a_backup_holds_back(
        Timestamp::parse("2027-01-01T00:00:00Z").expect("a time"),
    )
    .await;
}

async fn what_is_lost_after_a_backup_holds_back(later: Timestamp) {
    let house = House::new();
    let (open, caller) = (|| house.open(), House::caller());
    let notice = Notices::builtin().latest_for(PurposeKind::BusinessMessages, "en");
    let notice = notice.expect("a notice");
    let stop = |name: &str| json!({"account": name, "purpose": "business_messages"});

    let test = open().await;
    let messenger = test.new_app("messenger").await;
    let (anna, otto) = (settle(&messenger, "anna").await, settle(&messenger, "otto").await);
    for name in ["anna", "otto"] {
        let yes = json!({
            "account": name,
            "notice": {"id": notice.id, "version": notice.version, "language": "en",
                       "rendered_sha256": volens::ids::hex(&notice.sha256)},
            "decisions": [{"purpose": "business_messages", "decision": "given"}],
        });
        messenger.post("/v1/consents", yes).await.expect(201);
    }
    test.app.db.close().await;
    house.back_up();

    let test = open().await;
    test.clock.set(later);
    let messenger = test.client_of(&caller).await;
    messenger.post("/v1/consents/withdraw", stop("anna")).await.expect(200);
    background::sweep(&test.app).await.expect("the head is kept outside");
    test.app.db.close().await;
    house.restore();

    // Nobody knows any more who said stop, so nobody's yes counts; a stop does.
    let test = open().await;
    test.clock.set(later);
    let messenger = test.client_of(&caller).await;
    let given = |live| ("given".to_owned(), live);
    assert_eq!(stands(&messenger, &anna).await, given(false));
    assert_eq!(stands(&messenger, &otto).await, given(false));
    messenger.post("/v1/consents/withdraw", stop("anna")).await.expect(200);
    background::sweep(&test.app).await.expect("sweeps");
    test.app.db.close().await;
    let volens = async |args: &[&str]| {
        let done =
            command(house.directory.path(), &house.database.address()).args(args).output().await;
        done.expect("it runs").status.code()
    };
    assert_eq!(volens(&["doctor"]).await, Some(1), "it is said");
    assert_eq!(volens(&["ledger", "settle"]).await, Some(0));
    assert_eq!(volens(&["doctor"]).await, Some(0));
    assert_eq!(volens(&["ledger", "verify"]).await, Some(0));
    assert_ne!(volens(&["ledger", "settle"]).await, Some(0), "there is nothing to settle");

    let test = open().await;
    test.clock.set(later);
    // Another key than that of the start before.
    drop(test.app.rng());
    let messenger = test.client_of(&caller).await;
    background::sweep(&test.app).await.expect("sweeps");
    assert_eq!(stands(&messenger, &otto).await, given(true));
    assert_eq!(stands(&messenger, &anna).await, ("withdrawn".to_owned(), false));
    test.app.db.close().await;
}
