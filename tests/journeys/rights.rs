//! People use their rights through the whole service: on their own page, through their app, at the
//! officer's desk; and the business that had their id is told.

use std::path::Path;
use std::process::Command;

use axum::http::StatusCode;
use serde_json::{Value as Json, json};
use volens::db::Statement;
use volens::{background, consent};
use volens_privacy::PurposeKind;

use crate::support::desk::Desk;
use crate::support::town::{SMALL, Town, name};
use crate::support::{Answer, Client, DAY, TestApp, on_both, on_both_with};

async fn centre(test: &TestApp, app: &Client, person: &str) -> (Client, String) {
    let link = app.post("/v1/privacy-centre-links", json!({"account": person})).await;
    let url = link.expect(201)["url"].as_str().expect("an address").to_owned();
    let (_, token) = url.split_once("/p/").expect("a privacy centre");
    (test.anonymous(), format!("/p/{token}"))
}

fn shows(answer: &Answer, text: &str) {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert!(answer.text().contains(text), "{text}: {}", answer.text());
}

#[tokio::test]
async fn a_person_sees_corrects_pauses_and_objects_without_a_script() {
    on_both_with(&[SMALL], |test| async move {
        let town = Town::new(test, 45).await;
        let campaign = town.campaign().await;
        let list = town.list(json!({"campaign": campaign["id"], "size": 12})).await;
        let id = list["id"].as_str().expect("an id");
        let rows = town.recipients(id).await;
        let recipient = rows[0]["recipient"].clone();
        let person = town.who(&recipient, 45).await;
        let (browser, page) = centre(&town.test, &town.messenger, &person).await;

        let seen = browser.get(&page).await;
        shows(&seen, "Running");
        shows(&seen, "Interests that we assume: <strong>1</strong>");
        assert!(!seen.text().contains("that were"), "nothing has happened yet: {}", seen.text());
        let corrected = browser
            .form(&format!("{page}/interests"), &[("topic", "sport.running"), ("denied", "yes")])
            .await;
        shows(&corrected, "No interest of yours: Running");
        let path = format!("/v1/accounts/{person}");
        let interests = town.messenger.get(&format!("{path}/interests")).await.expect(200);
        assert!(interests[0]["denied_since"].is_string(), "{interests}");

        let data = browser.get(&format!("{page}/data.json")).await.expect(200);
        assert_eq!(data["export"]["kind"], "volens/account-export/1");
        assert_eq!(data["export"]["lists"][0]["row"]["recipient"], recipient);
        let schema = browser.get("/v1/schemas/account-export").await.expect(200);
        assert_eq!(schema["title"], data["export"]["kind"]);

        let paused = browser.form(&format!("{page}/restrict"), &[]).await;
        shows(&paused, "The use of your data is paused");
        let track = json!({"type": "track", "userId": person, "event": "Viewed", "messageId": "m"});
        let refused = town.messenger.post("/v1/track", track).await;
        assert!(refused.text().contains("account.frozen"), "{}", refused.text());
        shows(&browser.form(&format!("{page}/resume"), &[]).await, "The pause has ended");
        let objected = browser.form(&format!("{page}/object"), &[]).await;
        shows(&objected, "You have objected to marketing");
        shows(&browser.get(&page).await, "You object to marketing since");
        let long = "I live in Cork. ".repeat(200);
        let refused = browser.form(&format!("{page}/wrong"), &[("said", &long)]).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text());
        assert!(refused.text().contains(&long), "what was typed is not lost");
        for nothing in ["", " \r\n\t", "\u{0}\u{7}", "\u{200b}\u{2060}", "..."] {
            let refused = browser.form(&format!("{page}/wrong"), &[("said", nothing)]).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text());
            let why = "That was not sent: say in words what is wrong.";
            assert!(refused.text().contains(why), "{}", refused.text());
        }
        let said = "I live in Cork,\nnot in Dublin.";
        let asked = browser.form(&format!("{page}/wrong"), &[("said", said)]).await;
        shows(&asked, "you will have an answer by");
        let data = browser.get(&format!("{page}/data.json")).await.expect(200);
        let requests = data["export"]["requests"].as_array().expect("requests").clone();
        assert_eq!(requests.iter().filter(|one| one["said"] == said).count(), 1, "{requests:#?}");
        let bench = town.test.officer().await.get("/v1/subject-requests").await.expect(200);
        assert_eq!(bench[0]["said"], said, "whoever handles it reads it");
        let told = |field: &str| -> Vec<&str> {
            let all = bench.as_array().expect("requests").iter();
            all.map(|one| one["receipt"][field].as_str().expect("a text")).collect()
        };
        let kinds = told("subject_request_type");
        assert_eq!(kinds[0], "rectification", "{bench}");
        assert!(kinds.contains(&"objection") && kinds.contains(&"restriction"), "{bench}");
        let completed = told("request_status").iter().filter(|how| **how == "completed").count();
        assert_eq!(completed, 2, "what was met at once is on record as completed");

        let account = town.messenger.get(&path).await.expect(200);
        assert!(account["objected_at"].is_string(), "{account}");
        assert!(town.recipients(id).await.iter().all(|row| row["recipient"] != recipient));
        let officer = town.test.officer().await;
        let replay = officer.get(&format!("/v1/audit/lists/{id}")).await.expect(200);
        assert_eq!(replay["denied"], json!([]), "{replay}");
        assert_eq!(replay["rows_restricted_since"], 1);

        let recalls = town.shop.get("/v1/recalls").await.expect(200);
        assert_eq!(recalls["data"].as_array().map(Vec::len), Some(1), "{recalls}");
        assert_eq!(recalls["data"][0]["recipient"], recipient);
        let done = json!({"recalls": [{"list": id, "recipient": recipient}]});
        let acknowledged = town.shop.post("/v1/recalls/acknowledge", done).await.expect(200);
        assert_eq!(acknowledged["acknowledged"], 1);
        assert_eq!(town.shop.get("/v1/recalls").await.expect(200)["data"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn an_objection_survives_the_erasure_and_the_next_registration() {
    on_both_with(&[SMALL], |test| async move {
        let town = Town::new(test, 3).await;
        let path = "/v1/accounts/u1";
        let said = town.messenger.post(&format!("{path}/objection"), json!({})).await.expect(200);
        assert_eq!(said["receipts"].as_array().map(Vec::len), Some(3), "{said}");
        town.messenger.delete(path).await.expect(200);
        let back = town.messenger.put(path, json!({"language": "de"})).await.expect(201);
        assert_eq!(back["objected_at"], said["objected_at"]);
        let refused = town.report("u1", PurposeKind::BusinessMessages, None).await;
        refused.problem(409, "consent.objected");
        town.test.clock.advance(DAY);
        let now = town.test.app.now();
        town.report("u1", PurposeKind::BusinessMessages, Some(now)).await.expect(201);
        let account = town.messenger.get(path).await.expect(200);
        assert_eq!(account["objected_at"], Json::Null);
    })
    .await;
}

#[tokio::test]
async fn the_page_names_apps_by_their_titles_and_counts_the_interests_that_went() {
    on_both(|test| async move {
        let town = Town::new(test, 1).await;
        let photos = json!({"id": "photo", "title": "Photo Network", "region": "DE"});
        town.test.operator().await.post("/v1/apps", photos).await.expect(201);
        let (browser, page) = centre(&town.test, &town.messenger, &name(0)).await;
        let withdraw = format!("{page}/withdraw");
        let linking = [("purpose", "cross_app_linking"), ("peer", "photo")];
        let said = browser.form(&withdraw, &linking).await;
        shows(&said, "with Photo Network");
        assert!(!said.text().contains("with photo"), "{}", said.text());
        shows(&browser.get(&page).await, "with Photo Network");

        shows(&browser.get(&page).await, "Interests that we assume: <strong>1</strong>");
        let gone = browser.form(&withdraw, &[("purpose", "relevance"), ("peer", "")]).await;
        shows(&gone, "Assumed interests that were deleted: <strong>1</strong>");
        let again = browser.form(&withdraw, &[("purpose", "relevance"), ("peer", "")]).await;
        shows(&again, "Nothing else rested on it.");
    })
    .await;
}

#[tokio::test]
async fn a_consent_from_before_a_loss_is_shown_as_not_in_use() {
    on_both(|test| async move {
        let town = Town::new(test, 1).await;
        let (browser, page) = centre(&town.test, &town.messenger, &name(0)).await;
        let held_back = "some of our records were lost";
        assert!(!browser.get(&page).await.text().contains(held_back));
        let mut tx = town.test.app.db.begin().await.expect("begins");
        consent::note_lost(&mut tx, 1_000_000).await.expect("noted");
        tx.commit().await.expect("commits");
        shows(&browser.get(&page).await, held_back);
        let relevance = [("purpose", "relevance"), ("peer", "")];
        shows(&browser.form(&format!("{page}/withdraw"), &relevance).await, "Taken back: ");
    })
    .await;
}

/// A profile of which nothing can be read.
const SPOIL: Statement = Statement::new(
    "journeys::rights",
    "SPOIL",
    "update profiles set sealed = x'00'",
    "update profiles set sealed = '\\x00'",
);

#[tokio::test]
async fn a_profile_that_cannot_be_read_keeps_nobody_from_leaving() {
    on_both(|test| async move {
        let town = Town::new(test, 1).await;
        let mut tx = town.test.app.db.begin().await.expect("begins");
        assert_eq!(tx.execute(SPOIL, Vec::new()).await.expect("spoilt"), 1);
        tx.commit().await.expect("commits");
        let (browser, page) = centre(&town.test, &town.messenger, &name(0)).await;
        shows(&browser.get(&page).await, "Take back");
        let relevance = [("purpose", "relevance"), ("peer", "")];
        shows(&browser.form(&format!("{page}/withdraw"), &relevance).await, "Taken back: ");
        shows(&browser.form(&format!("{page}/object"), &[]).await, "You have objected");
    })
    .await;
}

/// What the program says of a file, and how it ends.
fn checked(file: &Path, key: &str) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_volens"));
    let file = file.to_str().expect("a path of the test");
    command.env_remove("VOLENS_CONFIG").args(["export", "verify", file, "--key", key]);
    let done = command.output().expect("it runs");
    (done.status.code(), String::from_utf8_lossy(&done.stdout).into_owned())
}

#[tokio::test]
async fn a_downloaded_copy_checks_offline_and_a_changed_one_does_not() {
    on_both_with(&[SMALL], |test| async move {
        let town = Town::new(test, 3).await;
        let copy = town.messenger.get("/v1/accounts/u1/export").await;
        assert_eq!(copy.status, StatusCode::OK);
        let key = town.test.anonymous().get("/v1/ledger/key").await.text();
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("my-data.json");
        std::fs::write(&file, &copy.body).expect("written");
        let (code, said) = checked(&file, key.trim());
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("2 receipts verify"), "{said}");
        let copied: Json = serde_json::from_slice(&copy.body).expect("JSON");
        let issued = town.messenger.get("/v1/accounts/u1/consents").await.expect(200);
        let records = |all: &Json| -> Vec<Json> {
            let all = all["receipts"].as_array().expect("receipts").iter();
            all.map(|one| one["dpv:hasRecordOfActivity"].clone()).collect()
        };
        assert_eq!(records(&copied["export"]), records(&issued), "those that the API hands out");
        let changed = copy.text().replacen("\"IE\"", "\"DE\"", 1);
        std::fs::write(&file, changed).expect("written");
        let (code, said) = checked(&file, key.trim());
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains("changed after it was signed"), "{said}");
        let missing = directory.path().join("nothing.json");
        assert_eq!(checked(&missing, key.trim()).0, Some(5));
    })
    .await;
}

fn request(kind: &str, n: u8, person: &str) -> Json {
    json!({
        "subject_request_id": format!("1f0e8b5c-6a0e-4c57-9c0e-7b5f3d1a9a{n:02x}"),
        "subject_request_type": kind,
        "subject_identities": [
            {"identity_type": "controller_customer_id", "identity_value": person},
        ],
    })
}

#[tokio::test]
async fn requests_are_met_at_once_or_wait_for_the_officer_with_a_clock() {
    on_both(|test| async move {
        let messenger = test.new_app("messenger").await;
        let photos = test.new_app("photos").await;
        messenger.put("/v1/accounts/anna", json!({"country": "DE"})).await.expect(201);
        messenger.put("/v1/accounts/bia", json!({"country": "BR"})).await.expect(201);
        let access = messenger.post("/v1/dsr", request("access", 1, "anna")).await.expect(201);
        assert_eq!(access["receipt"]["request_status"], "completed", "{access}");
        let at = access["receipt"]["subject_request_id"].as_str().expect("an id").to_owned();
        let results = format!("/v1/dsr/{at}/results");
        assert!(access["results_url"].as_str().expect("an address").ends_with(&results));
        let export = messenger.get(&results).await.expect(200);
        assert_eq!(export["export"]["requests"][0]["receipt"]["subject_request_id"], at);
        photos.get(&results).await.problem(404, "request.unknown");

        let mut wrong = request("rectification", 2, "anna");
        let refused = messenger.post("/v1/dsr", wrong.clone()).await;
        refused.problem(422, "request.said_nothing");
        wrong["extensions"] = json!({"said": "the country is wrong"});
        let waits = messenger.post("/v1/dsr", wrong.clone()).await.expect(202);
        assert_eq!(waits["receipt"]["request_status"], "pending");
        assert_eq!(messenger.post("/v1/dsr", wrong).await.expect(202), waits, "the same request");
        let mut brazil = request("rectification", 3, "bia");
        brazil["extensions"] = json!({"said": "the language is wrong"});
        let brazil = messenger.post("/v1/dsr", brazil).await.expect(202);
        assert_eq!(brazil["receipt"]["regulation"], "lgpd");

        test.clock.advance(16 * DAY);
        background::sweep(&test.app).await.expect("sweeps");
        let officer = test.officer().await;
        let bench = officer.get("/v1/subject-requests").await.expect(200);
        assert_eq!(bench[0]["receipt"], brazil["receipt"], "the first that is due: {bench}");
        assert!(bench[0]["escalated_at"].is_string() && bench[1]["escalated_at"].is_null());
        let of = |receipt: &Json| {
            let id = receipt["receipt"]["subject_request_id"].as_str().expect("an id").to_owned();
            format!("/v1/subject-requests/messenger/{id}")
        };
        let longer = json!({"action": "extend", "reason": "complexity"});
        let longer = officer.post(&of(&waits), longer).await.expect(200);
        assert_eq!(longer["receipt"]["expected_completion_time"], "2026-04-15T12:00:00.000000Z");
        for silent in [json!({"action": "complete"}), json!({"action": "complete", "answer": " "})]
        {
            officer.post(&of(&brazil), silent).await.problem(422, "request.answer_needed");
        }
        let answer = "The app now has Portuguese.";
        let done = json!({"action": "complete", "answer": answer});
        let done = officer.post(&of(&brazil), done).await.expect(200);
        assert_eq!(done["receipt"]["outcome"], "rectified");
        let export = messenger.get("/v1/accounts/bia/export").await.expect(200);
        assert_eq!(export["export"]["requests"][0]["answer"], answer, "told to whoever asked");
        officer
            .post(&of(&brazil), json!({"action": "complete"}))
            .await
            .problem(409, "request.closed");

        let gone = messenger.post("/v1/dsr", request("erasure", 4, "anna")).await.expect(201);
        assert_eq!(gone["receipt"]["outcome"], "erased");
        messenger.get("/v1/accounts/anna").await.problem(404, "account.unknown");
        let again = messenger.post("/v1/dsr", request("erasure", 4, "anna")).await.expect(201);
        assert_eq!(again["receipt"], gone["receipt"]);
        messenger.get(&results).await.problem(404, "account.unknown");

        let stranger = messenger.post("/v1/dsr", request("objection", 5, "clara")).await;
        assert_eq!(stranger.expect(201)["receipt"]["request_status"], "completed");
        let phone = json!({
            "subject_request_id": "1f0e8b5c-6a0e-4c57-9c0e-7b5f3d1a9aff",
            "subject_request_type": "access",
            "subject_identities": [{"identity_type": "phone", "identity_value": "anna"}],
        });
        messenger.post("/v1/dsr", phone).await.problem(422, "request.identity");
    })
    .await;
}

/// Who cannot read the language that the app told changes it, and it stays while they act.
#[tokio::test]
async fn a_person_reads_their_page_in_the_language_they_choose() {
    on_both(|test| async move {
        let messenger = test.new_app("messenger").await;
        let ana = json!({"country": "ES", "language": "es"});
        messenger.put("/v1/accounts/ana", ana).await.expect(201);
        let (browser, page) = centre(&test, &messenger, "ana").await;
        for (query, language, words) in [
            ("", "es", "Lo que"),
            ("?language=en", "en", "All data about you"),
            ("?language=de", "de", "Berichtigung verlangen"),
            ("?language=fr", "fr", "Demander une correction"),
            ("?language=pt", "pt", "Pedir uma correção"),
            ("?language=xx&language=", "es", "Pedir una corrección"),
        ] {
            let seen = browser.get(&format!("{page}{query}")).await;
            shows(&seen, &format!("<html lang=\"{language}\">"));
            let action = format!("action=\"{page}/wrong?language={language}#done\"");
            shows(&seen, &action);
            assert!(query.is_empty() || seen.text().contains(words), "{}", seen.text());
            for other in ["en", "fr", "de", "es", "pt"] {
                shows(&seen, &format!("href=\"{page}?language={other}\" hreflang=\"{other}\""));
            }
        }
        let said = [("said", "I live in Cork.")];
        let asked = browser.form(&format!("{page}/wrong?language=en"), &said).await;
        shows(&asked, "you will have an answer by");
        shows(&asked, "<html lang=\"en\">");
        let sure = browser.get(&format!("{page}/erase?language=en")).await;
        shows(&sure, &format!("action=\"{page}/erase?language=en\""));
        let objected = browser.form(&format!("{page}/object?language=xx"), &[]).await;
        shows(&objected, "<html lang=\"es\">");
    })
    .await;
}

/// What a person must be told (Art. 12(3), (4)) stands on their own page, in their language.
#[tokio::test]
async fn a_person_sees_what_became_of_what_they_asked_for() {
    on_both(|test| async move {
        let messenger = test.new_app("messenger").await;
        let ana = json!({"country": "ES", "language": "es"});
        messenger.put("/v1/accounts/ana", ana).await.expect(201);
        let desk = Desk::open(&test).await;
        let (browser, page) = centre(&test, &messenger, "ana").await;
        assert!(!browser.get(&page).await.text().contains("Lo que ha pedido"), "nothing yet");
        for said in ["Vivo en Cork.", "Nací en 1980."] {
            let asked = browser.form(&format!("{page}/wrong"), &[("said", said)]).await;
            assert_eq!(asked.status, StatusCode::OK, "{}", asked.text());
        }
        let seen = browser.get(&page).await;
        for text in [
            "Lo que ha pedido",
            "Una corrección <span class=\"badge accent\">Pendiente</span>",
            "Pedido el 15 de enero de 2026. Tendrá respuesta antes del 15 de febrero de 2026.",
            "Vivo en Cork.",
            "Nací en 1980.",
        ] {
            shows(&seen, text);
        }
        let all = test.officer().await.get("/v1/subject-requests").await.expect(200);
        let path = |said: &str| {
            let one = all.as_array().expect("a list").iter().find(|one| one["said"] == said);
            let id = one.expect("a request")["receipt"]["subject_request_id"].as_str();
            format!("/officer/requests/messenger/{}", id.expect("an id"))
        };
        let (cork, born) = (path("Vivo en Cork."), path("Nací en 1980."));
        let longer = [("action", "extend"), ("reason", "complexity")];
        post(&desk, &cork, &longer).await;
        let refused = [("action", "refuse"), ("reason", "data_accurate")];
        post(&desk, &born, &refused).await;
        let seen = browser.get(&page).await;
        for text in [
            "El 15 de enero de 2026 se decidió que la respuesta tardará más, porque la petición es \
             compleja. Tendrá respuesta antes del 15 de abril de 2026.",
            "Denegado el 15 de enero de 2026. El motivo: los datos son exactos. Puede reclamar",
        ] {
            shows(&seen, text);
        }
        let done = [("action", "complete"), ("answer", "La aplicación tiene ahora Cork.")];
        post(&desk, &cork, &done).await;
        test.clock.advance(60 * DAY);
        let (browser, page) = centre(&test, &messenger, "ana").await;
        let seen = browser.get(&page).await;
        shows(&seen, "Hecho el 15 de enero de 2026.");
        shows(&seen, "La aplicación tiene ahora Cork.");
        assert!(!seen.text().contains("Pendiente"), "{}", seen.text());
        let late = browser.form(&format!("{page}/wrong"), &[("said", "Otra cosa.")]).await;
        shows(&late, "Pendiente");
        test.clock.advance(40 * DAY);
        let (browser, page) = centre(&test, &messenger, "ana").await;
        let seen = browser.get(&page).await;
        shows(&seen, "Con retraso");
        shows(&seen, "Puede reclamar ante su autoridad");
    })
    .await;
}

/// Posts a form of the workbench and opens it again.
async fn post(desk: &Desk, path: &str, fields: &[(&str, &str)]) -> Answer {
    let done = desk.post(path, fields).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    desk.browser.get("/officer/requests").await
}

#[tokio::test]
async fn an_officer_enters_extends_and_refuses_at_the_desk() {
    on_both(|test| async move {
        let messenger = test.new_app("messenger").await;
        messenger.put("/v1/accounts/anna", json!({"country": "DE"})).await.expect(201);
        let desk = Desk::open(&test).await;
        let bench = "/officer/requests";
        let letter = [
            ("app", "messenger"),
            ("reference", "anna"),
            ("kind", "rectification"),
            ("said", "By letter: she is 40."),
        ];
        let silent = desk.post(bench, &letter[..3]).await;
        assert_eq!(silent.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", silent.text());
        assert!(silent.text().contains("Say what is wrong"), "{}", silent.text());
        let entered = post(&desk, bench, &letter).await;
        shows(&entered, "by the officer, for a user of messenger");
        shows(&entered, "By letter: she is 40.");
        let all = test.officer().await.get("/v1/subject-requests").await.expect(200);
        let id = all[0]["receipt"]["subject_request_id"].as_str().expect("an id").to_owned();
        let of = [("app", "messenger"), ("request", id.as_str())];
        shows(&desk.post("/officer/person", &of).await, "This record is closed");
        let of = [("app", "photo"), ("request", id.as_str())];
        assert_eq!(desk.post("/officer/person", &of).await.status, StatusCode::NOT_FOUND);
        let path = format!("{bench}/messenger/{id}");
        let done = [("action", "complete"), ("answer", " \u{200b} ")];
        let unsaid = desk.post(&path, &done).await;
        assert_eq!(unsaid.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", unsaid.text());
        assert!(unsaid.text().contains("The request is still open."), "{}", unsaid.text());
        let longer = [("action", "extend"), ("reason", "complexity")];
        shows(&post(&desk, &path, &longer).await, "extended on");
        test.clock.advance(100 * DAY);
        background::sweep(&test.app).await.expect("sweeps");
        let desk = Desk::again(&test).await;
        shows(&desk.browser.get(bench).await, "escalated");
        let no = [("action", "refuse"), ("reason", "data_accurate")];
        shows(&post(&desk, &path, &no).await, "data_accurate");
        let forged = desk.browser.form(&path, &no).await;
        forged.problem(403, "access.cross_site");
    })
    .await;
}

/// What is not one of the choices offered would be in the ledger for ever, or speak of another one.
#[tokio::test]
async fn a_forged_withdrawal_writes_nothing() {
    on_both(|test| async move {
        let town = Town::new(test, 1).await;
        town.test.new_app("photo").await;
        let me = name(0);
        let (browser, page) = centre(&town.test, &town.messenger, &me).await;
        let state = format!("/v1/accounts/{me}/consents");
        let before = town.messenger.get(&state).await.expect(200);
        let forged = [
            ("cross_app_linking", "messenger", "peer.unknown"),
            ("cross_app_linking", "maria-lopez", "peer.unknown"),
            ("cross_app_linking", "", "peer.required"),
            ("business_messages", "photo", "peer.unexpected"),
            ("everything", "", "purpose.unknown"),
        ];
        for (purpose, peer, code) in forged {
            let fields = [("purpose", purpose), ("peer", peer)];
            let answer = browser.form(&format!("{page}/withdraw"), &fields).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text());
            let mut report = json!({"account": me, "purpose": purpose});
            if !peer.is_empty() {
                report["peer"] = json!(peer);
            }
            town.messenger.post("/v1/consents/withdraw", report).await.problem(422, code);
        }
        assert_eq!(town.messenger.get(&state).await.expect(200), before, "nothing is recorded");
        let fields = [("purpose", "cross_app_linking"), ("peer", "photo")];
        let noted = browser.form(&format!("{page}/withdraw"), &fields).await;
        shows(&noted, "photo");
        shows(&noted, "Your no is noted: ");
        assert!(!noted.text().contains("Taken back: "), "nothing had been given");
    })
    .await;
}
