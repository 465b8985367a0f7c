//! A model waits for an officer, who looks at the page and lets it through; before that nobody is ranked
//! by it.

use std::process::Command;

use axum::http::StatusCode;
use serde_json::{Value as Json, json};
use volens::db::Statement;

use crate::support::desk::Desk;
use crate::support::on_both_with;
use crate::support::town::{SMALL, Town};

/// As training leaves a model in which a column stands for an attribute.
const HOLD: Statement = Statement::new(
    "journeys::models",
    "HOLD",
    "update models set held_at = created_at, activated_at = null",
    "update models set held_at = created_at, activated_at = null",
);

/// What `volens audit proxies` answers, with its exit code.
fn proxies(town: &Town, model: &str) -> (Option<i32>, Json) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_volens"));
    command.env_remove("VOLENS_CONFIG").arg("--data").arg(town.test.directory());
    command.arg("--database").arg(town.test.app.settings.database_url().expose());
    let output = command.args(["audit", "proxies", model, "--json"]).output().expect("it runs");
    (output.status.code(), serde_json::from_slice(&output.stdout).expect("an object"))
}

/// The page that `volens models card` writes of the model in use.
fn card(town: &Town) -> String {
    let out = town.test.directory().join("cards");
    let mut command = Command::new(env!("CARGO_BIN_EXE_volens"));
    command.env_remove("VOLENS_CONFIG").arg("--data").arg(town.test.directory());
    command.arg("--database").arg(town.test.app.settings.database_url().expose());
    let output = command.args(["models", "card", "--json", "--out"]).arg(out).output();
    let said: Json = serde_json::from_slice(&output.expect("it runs").stdout).expect("an object");
    let file = said["cards"][0].as_str().expect("a file");
    std::fs::read_to_string(file).expect("it was written")
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let (_, rest) = text.split_once(before).expect("it is on the page");
    rest.split(after).next().expect("a beginning")
}

#[tokio::test]
async fn an_officer_lets_a_model_through_that_waits() {
    on_both_with(&[SMALL], |test| async move {
        let town = Town::new(test, 45).await;
        let desk = Desk::open(&town.test).await;
        let page = desk.browser.get("/officer/models").await.text();
        assert!(page.contains("Nothing stands for anything else"), "{page}");
        let model = between(&page, "<code>", "</code>").to_owned();
        assert!(page.contains("What was promised, and what came"), "{page}");
        let card = card(&town);
        let entry = between(&page, "/officer/entries/", "\"");
        for told in [&model, entry, "relevance, model_training", "<svg", "80, ", "topic.long"] {
            assert!(card.contains(told), "{told}: {card}");
        }
        assert!(!card.contains("<script") && !card.contains("http"), "it needs nothing else");
        let watched = desk.browser.get(&format!("/officer/models?watch={model}")).await.text();
        assert!(watched.contains("Since it was trained: nothing came of it yet."), "{watched}");
        let drawn = desk.browser.get(&format!("/officer/models?effects={model}")).await.text();
        let effects = between(&drawn, "What matters most in it</h3>", "</details>");
        assert!(effects.contains("<svg") && effects.contains("topic.long"), "{drawn}");
        let (code, said) = proxies(&town, &model);
        assert_eq!((code, &said["held"]), (Some(0), &json!(false)), "{said}");
        assert_eq!(said["proxies"]["suspicions"], json!([]), "{said}");

        let mut tx = town.test.app.db.begin().await.expect("begins");
        tx.execute(HOLD, Vec::new()).await.expect("obeys");
        tx.commit().await.expect("commits");
        let campaign = town.campaign().await;
        let wanted = json!({"campaign": campaign["id"], "size": 12});
        let refused = town.list(wanted.clone()).await;
        assert_eq!(refused["reason"], "model.absent", "{refused}");
        let (code, said) = proxies(&town, &model);
        assert_eq!((code, &said["held"]), (Some(3), &json!(true)), "{said}");

        let path = format!("/officer/models/{model}/cleared");
        let forged = desk.browser.form(&path, &[("reason", "none")]).await;
        forged.problem(403, "access.cross_site");
        let done = desk.post(&path, &[("reason", "looked at it")]).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
        assert!(desk.browser.get("/officer/models").await.text().contains("an officer has looked"));
        assert_eq!(proxies(&town, &model).0, Some(0));
        assert_eq!(town.list(wanted).await["state"], "sealed");
    })
    .await;
}
