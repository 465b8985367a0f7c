//! What an officer's pages say when something is wrong, asked for twice, or brought along as a file.

use axum::http::StatusCode;
use serde_json::json;
use volens::accounts::subject_of;
use volens::clock::Clock as _;
use volens_privacy::{AppId, PurposeKind};

use crate::support::desk::Desk;
use crate::support::town::{SMALL, Town, name};
use crate::support::{Answer, DAY, TestApp, on_both, on_both_with};

#[track_caller]
fn says(answer: &Answer, status: StatusCode, texts: &[&str]) {
    let page = answer.text();
    assert_eq!(answer.status, status, "{page}");
    for text in texts {
        assert!(page.contains(text), "{text}: {page}");
    }
}

async fn subject(test: &TestApp, reference: &str) -> String {
    let app = AppId::parse("messenger").expect("a slug");
    let mut tx = test.app.db.read().await.expect("begins");
    let found = subject_of(&mut tx, &test.app.keys, &app, reference).await.expect("reads");
    found.expect("an account").to_string()
}

#[tokio::test]
async fn a_refused_form_comes_back_as_it_was_typed() {
    on_both(|test| async move {
        test.new_app("messenger").await;
        let desk = Desk::open(&test).await;
        let typed = [("reference", "user-4711"), ("kind", "restriction"), ("said", "By letter.")];
        for (app, why) in [
            ("messenger", "The app has no account with this reference."),
            ("messenget", "There is no such app."),
            ("Not a slug", "There is no such app."),
        ] {
            let fields = [&[("app", app)][..], &typed].concat();
            let back = desk.post("/officer/requests", &fields).await;
            let kept = format!("name=\"app\" value=\"{app}\"");
            let texts =
                [why, &kept, "value=\"user-4711\"", "<option value=\"restriction\" selected>"];
            says(&back, StatusCode::UNPROCESSABLE_ENTITY, &texts);
            assert!(back.text().contains("By letter."), "what was typed is not lost");
        }
        let fields = [("app", "messenger"), ("reference", "user-4711"), ("kind", "everything")];
        let back = desk.post("/officer/requests", &fields).await;
        let texts = ["There is no such kind of request.", "value=\"user-4711\""];
        says(&back, StatusCode::UNPROCESSABLE_ENTITY, &texts);
        let long = "x".repeat(2001);
        let fields = [&fields[..2], &[("kind", "access"), ("said", &long)]].concat();
        let back = desk.post("/officer/requests", &fields).await;
        says(&back, StatusCode::UNPROCESSABLE_ENTITY, &["may have 2000 characters", &long]);
        let all = test.officer().await.get("/v1/subject-requests").await.expect(200);
        assert_eq!(all, json!([]), "nothing was put on record");

        let unknown = desk.browser.get("/officer/entries?kind=consent.gave").await;
        let texts = ["There is no kind of entry called “consent.gave”", "<select id=\"kind\""];
        says(&unknown, StatusCode::UNPROCESSABLE_ENTITY, &texts);
        let known = desk.browser.get("/officer/entries?kind=notice.published").await;
        says(&known, StatusCode::OK, &["value=\"notice.published\" selected"]);
        let looks = desk.browser.get("/officer/entries?kind=officer.access").await;
        says(&looks, StatusCode::OK, &["requests of people read by officer"]);
        assert!(!known.text().contains("There is no kind"));
    })
    .await;
}

#[tokio::test]
async fn asking_twice_for_a_record_leads_to_the_first_request() {
    on_both(|test| async move {
        let (desk, second) = (Desk::open(&test).await, Desk::of(&test, "second@volens.test").await);
        let messenger = test.new_app("messenger").await;
        messenger.put("/v1/accounts/anna", json!({"country": "DE"})).await.expect(201);
        let who = subject(&test, "anna").await;
        let ask = [("subject", who.as_str()), ("reason", "she asked for it")];
        let first = desk.post("/officer/openings", &ask).await;
        assert_eq!(first.status, StatusCode::SEE_OTHER, "{}", first.text());
        let again = desk.post("/officer/openings", &ask).await;
        says(&again, StatusCode::OK, &["You have asked for this record already", "by you"]);
        let waiting = second.browser.get("/officer/openings").await;
        says(&waiting, StatusCode::OK, &["by officer@volens.test", "Approve"]);
        let officer = test.officer().await;
        let all = officer.get("/v1/audit/openings").await.expect(200);
        let all = all["data"].as_array().expect("a list");
        assert_eq!(all.len(), 1, "{all:#?}");
        let id = all[0]["id"].as_str().expect("an id");
        says(&again, StatusCode::OK, &[&format!("<tr id=\"{id}\">"), &format!("href=\"#{id}\"")]);

        let ask = format!("/v1/audit/accounts/{who}/openings");
        let by_key = officer.post(&ask, json!({"reason": "a complaint"})).await.expect(201);
        let again = officer.post(&ask, json!({"reason": "a complaint"})).await.expect(200);
        assert_eq!(by_key, again);
    })
    .await;
}

#[tokio::test]
async fn the_receipt_page_takes_every_file_that_was_handed_out() {
    on_both_with(&[("audit.lone_officer", "recorded")], |test| async move {
        let town = Town::new(test, 2).await;
        Desk::open(&town.test).await;
        let then = town.test.clock.now().to_string();
        town.test.clock.advance(DAY);
        let desk_then = &then[..16].replace('T', " ");
        town.withdraw(&name(1), PurposeKind::BusinessMessages).await;
        let desk = Desk::again(&town.test).await;
        let who = subject(&town.test, &name(1)).await;
        let ask = [("subject", who.as_str()), ("reason", "a complaint")];
        assert_eq!(desk.post("/officer/openings", &ask).await.status, StatusCode::SEE_OTHER);

        let now = town.test.clock.now().to_string();
        let asked = [("subject", who.as_str()), ("at", &now), ("compare", desk_then)];
        let page = desk.post("/officer/time", &asked).await;
        says(&page, StatusCode::OK, &["taken back", "Download evidence file as of"]);
        assert!(!page.text().contains("consent.withdrawn"), "codes are for programs");

        let evidence = format!("/v1/audit/accounts/{who}/evidence");
        let check =
            async |pasted: &str| desk.post("/officer/receipt", &[("receipt", pasted)]).await;
        for (path, many) in [(evidence.clone(), "3"), (format!("{evidence}?at={then}"), "2")] {
            let html = desk.browser.get(&path).await.text();
            assert_eq!(html.contains("\"until\":"), many == "2", "the file says so");
            // As a browser sends what stands in a field.
            let sent = html.replace('\n', "\r\n");
            let held = format!("The evidence file holds: its {many} receipts");
            says(&check(&sent).await, StatusCode::OK, &[&held]);
            let altered = sent.replacen("business_messages", "business_massages", 1);
            let said = check(&altered).await;
            says(&said, StatusCode::OK, &["The evidence does not hold"]);
            assert!(!said.text().contains("The receipt holds"));
        }
        let before = format!("{evidence}?at=2020-01-01T00:00:00Z");
        assert_eq!(desk.browser.get(&before).await.status, StatusCode::NOT_FOUND);
        let to_come = format!("{evidence}?at=2126-01-01T00:00:00Z");
        assert_eq!(desk.browser.get(&to_come).await.status, StatusCode::BAD_REQUEST);

        let copy = town.messenger.get(&format!("/v1/accounts/{}/export", name(1))).await.text();
        says(&check(&copy).await, StatusCode::OK, &["The export is as it was signed"]);
        // Its receipts hold on their own; what stands around them was changed.
        assert!(copy.contains("\"age_band\":\"25_34\""), "{copy}");
        let forged = copy.replacen("\"age_band\":\"25_34\"", "\"age_band\":\"18_24\"", 1);
        let said = check(&forged).await;
        says(&said, StatusCode::OK, &["The export does not hold", "changed after it was signed"]);
        assert!(!said.text().contains("receipts hold"), "{}", said.text());
        for empty in ["", " \r\n "] {
            let said = check(empty).await;
            says(&said, StatusCode::UNPROCESSABLE_ENTITY, &["Nothing was pasted"]);
            assert!(!said.text().contains("does not hold"), "{}", said.text());
        }
        let state = town.messenger.get(&format!("/v1/accounts/{}/consents", name(1))).await.text();
        says(&check(&state).await, StatusCode::OK, &["3 of 3 receipts hold."]);
    })
    .await;
}

/// What was not known at a moment was not gone by, and may still have been consented to.
#[tokio::test]
async fn the_time_machine_tells_what_was_on_record_from_what_was_reported_later() {
    on_both_with(&[("audit.lone_officer", "recorded")], |test| async move {
        let town = Town::new(test, 1).await;
        let (taken, before) = ("2026-01-03T12:00:00.000000Z", "2026-01-10 12:00");
        town.test.clock.advance(DAY);
        town.settle("late").await;
        let report = town.report("late", PurposeKind::BusinessMessages, taken.parse().ok());
        report.await.expect(201);
        let desk = Desk::open(&town.test).await;
        let look = async |who: &str, at: &str| {
            let who = subject(&town.test, who).await;
            let ask = [("subject", who.as_str()), ("reason", "a complaint")];
            desk.post("/officer/openings", &ask).await;
            desk.post("/officer/time", &[("subject", who.as_str()), ("at", at)]).await
        };
        let nothing = "By what was on record at that moment, this service could link, rank or send";
        let later = "Taken by 2026-01-10 12:00 UTC, reported later";
        let seen = look("late", before).await;
        let reported = "reported 2026-01-16 13:00 UTC";
        let texts = ["No decision was on record by then", nothing, later, reported];
        says(&seen, StatusCode::OK, &texts);
        says(&seen, StatusCode::OK, &["the word of the app", "2026-01-03 12:00 UTC"]);
        assert!(!seen.text().contains("Nothing about this account could"), "{}", seen.text());

        let other = look(&name(0), before).await;
        says(&other, StatusCode::OK, &["No decision was on record by then", nothing]);
        assert!(!other.text().contains("reported later"), "nobody decided anything before");
        let now = look("late", "2026-01-16 13:00").await;
        says(&now, StatusCode::OK, &["On record at 2026-01-16 13:00 UTC", "live"]);
        assert!(!now.text().contains("reported later"), "{}", now.text());

        let count = [("app", "messenger"), ("at", "2026-01-02")];
        let none = desk.post("/officer/time/counts", &count).await;
        says(&none, StatusCode::OK, &["None was on record"]);
        let count = [("app", "messenger"), ("at", "2026-01-16 13:00")];
        let some = desk.post("/officer/time/counts", &count).await;
        assert!(!some.text().contains("None was on record"), "{}", some.text());
    })
    .await;
}

#[tokio::test]
async fn the_entry_of_a_sealed_list_leads_to_its_replay() {
    on_both_with(&[SMALL], |test| async move {
        let town = Town::new(test, 45).await;
        let campaign = town.campaign().await;
        let list = town.list(json!({"campaign": campaign["id"], "size": 12})).await;
        let list = list["id"].as_str().expect("an id");
        let desk = Desk::open(&town.test).await;
        let sealed = desk.browser.get("/officer/entries?kind=list.sealed").await.text();
        let (_, rest) = sealed.split_once("<a href=\"/officer/entries/").expect("an entry");
        let (entry, _) = rest.split_once('"').expect("its address");
        let entry = desk.browser.get(&format!("/officer/entries/{entry}")).await;
        let replay = format!("/officer/lists?list={list}");
        says(&entry, StatusCode::OK, &[&format!("href=\"{replay}\"")]);
        let filled = format!("name=\"list\" value=\"{list}\"");
        says(&desk.browser.get(&replay).await, StatusCode::OK, &[&filled]);
        let replayed = desk.post("/officer/lists", &[("list", list)]).await;
        says(&replayed, StatusCode::OK, &["Confirmed"]);
    })
    .await;
}

#[tokio::test]
async fn a_breach_is_noted_only_within_times_that_can_be() {
    on_both(|test| async move {
        let desk = Desk::open(&test).await;
        let officer = test.officer().await;
        let note = async |from: &str, to: &str, noticed: &str| {
            let fields = [("from", from), ("to", to), ("noticed", noticed), ("keys", "yes")];
            desk.post("/officer/records/incidents", &fields).await
        };
        let (begin, end, known) = ("2026-01-10T10:00", "2026-01-11T10:00", "2026-01-11T11:00");
        let long_ago = "before the year 2000";
        for (from, to, noticed, why) in [
            ("0000-01-01T00:00", end, known, long_ago),
            ("0000-01-01T00:00", "0000-01-02T00:00", "0000-01-03T00:00", long_ago),
            (end, begin, known, "begins before it ends"),
            (begin, "9999-12-31T23:59", "9999-12-31T23:59", "still to come"),
            (begin, "9999-12-31T23:59", known, "still to come"),
            (begin, end, "2026-01-10T09:59", "before it began"),
            (begin, "tomorrow", known, "Three times are needed"),
        ] {
            let back = note(from, to, noticed).await;
            let kept = [format!("value=\"{from}\""), format!("value=\"{to}\"")];
            let texts = [why, &kept[0], &kept[1], "value=\"yes\" checked"];
            says(&back, StatusCode::UNPROCESSABLE_ENTITY, &texts);
            if to != "tomorrow" {
                let whole = |time: &str| format!("{time}:00Z");
                let body = json!({
                    "from": whole(from), "to": whole(to), "noticed_at": whole(noticed), "keys": true,
                });
                let refused = officer.post("/v1/audit/incidents", body).await;
                refused.problem(422, "incident.period");
            }
        }
        let none = officer.get("/v1/audit/incidents").await.expect(200);
        assert_eq!(none["data"], json!([]), "nothing was put on record");
        assert_eq!(note(begin, end, known).await.status, StatusCode::SEE_OTHER);
        let one = officer.get("/v1/audit/incidents").await.expect(200);
        assert_eq!(one["data"].as_array().map(Vec::len), Some(1), "{one}");
    })
    .await;
}
