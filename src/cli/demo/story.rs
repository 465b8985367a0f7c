//! The whole main job, told as it happens.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use serde_json::{Value as Json, json};
use volens_privacy::PurposeKind;
use volens_privacy::identity::{AppId, RecipientId};
use volens_privacy::ledger::{Leaf, parse_tlog_proof};

use super::api::{Client, text};
use super::seed::Town;
use super::world::{APPS, SHOPS};
use crate::app::App;
use crate::cli::Output;
use crate::relevance::{self, Goal, Order};
use crate::{accounts, background, ledger};

/// Recipients asked for.
const SIZE: u32 = 200;
/// Rows shown.
const SHOWN: usize = 6;

/// What happened, for machines.
#[derive(Default, serde::Serialize)]
pub(super) struct Told {
    pub(super) training_rows: usize,
    pub(super) held_out_auc: Option<f64>,
    pub(super) list: String,
    pub(super) recipients: usize,
    pub(super) proofs_verified: usize,
    pub(super) ledger_entries: u64,
    pub(super) withdrawal_effects: Json,
    pub(super) recipients_left: usize,
    pub(super) answers: Vec<String>,
}

/// Tells it: learn, rank, prove, withdraw, answer.
pub(super) async fn tell(
    app: &App,
    router: &Router,
    town: &Town,
    bots: &[String],
    output: Output,
) -> Result<Told> {
    let mut told = Told::default();
    learn(app, &mut told, output).await?;
    let rows = rank(app, town, &mut told, output).await?;
    prove(app, &rows, &mut told, output).await?;
    withdraw(app, town, &rows, &mut told, output).await?;
    ask(router, bots, &mut told, output).await?;
    Ok(told)
}

async fn learn(app: &App, told: &mut Told, output: Output) -> Result<()> {
    let order = Order { business: None, goal: Goal::Click };
    let now = app.now();
    let mut tx = app.db.read().await?;
    let set = relevance::gather(&mut tx, &app.keys, order, now, &|_, _| ()).await?;
    drop(tx);
    told.training_rows = set.rows();
    let left_out: u64 = set.excluded().values().sum();
    let learned = tokio::task::spawn_blocking(move || relevance::learn(set, now)).await??;
    let mut tx = app.db.begin().await?;
    let signer = app.keys.log_signer();
    let report = relevance::keep(&mut tx, &signer, learned, app.now(), &mut app.rng()).await?;
    tx.commit().await?;
    let auc = report.version.card.pointer("/model/folds/0/auc").and_then(Json::as_f64);
    told.held_out_auc = auc;
    output.line(format_args!(
        "\nLEARN  a model from {} past messages whose readers consent to teach it ({left_out} left \
         out){}",
        told.training_rows,
        auc.map_or(String::new(), |auc| format!("; held-out AUC {auc:.3}"))
    ))?;
    Ok(())
}

async fn rank(app: &App, town: &Town, told: &mut Told, output: Output) -> Result<Vec<Json>> {
    let shop = &SHOPS[0];
    let client = &town.shops[0].1;
    let campaign = client
        .post(
            "/v1/campaigns",
            json!({
                "name": shop.title,
                "delivery_app": APPS[0].0,
                "message": {
                    "title": shop.title,
                    "text": shop.text,
                    "language": shop.language,
                    "topics": shop.topics,
                },
                "goal": "click",
            }),
        )
        .await?;
    let request = json!({ "campaign": text(&campaign, "/id")?, "size": SIZE });
    let made = client.post("/v1/lists", request).await?;
    let id = text(&made, "/id")?.to_owned();
    background::worker(app).run_due().await?;
    let list = client.get(&format!("/v1/lists/{id}")).await?;
    ensure!(list["state"] == "sealed", "the list was not sealed: {}", list["state"]);
    let page = client.get(&format!("/v1/lists/{id}/recipients?limit=200")).await?;
    let rows = page["data"].as_array().cloned().unwrap_or_default();
    output.line(format_args!(
        "\nRANK   {} asks for the {SIZE} people in {} most likely to welcome “{}”",
        shop.name, APPS[0].1, shop.title
    ))?;
    output.line(waterfall(&list))?;
    for row in rows.iter().take(SHOWN) {
        output.line(one_row(row))?;
    }
    told.recipients = rows.len();
    told.list = id;
    Ok(rows)
}

fn waterfall(list: &Json) -> String {
    let fall = &list["waterfall"];
    let mut out = format!("{:>9}  accounts of the app", fall["accounts"]);
    for step in fall["steps"].as_array().into_iter().flatten() {
        let count = match &step["excluded"] {
            Json::Null => "few".to_owned(),
            count => format!("−{count}"),
        };
        let reason = step["text"].as_str().unwrap_or_default();
        write!(out, "\n{count:>9}  {reason}").expect("writing to a string does not fail");
    }
    write!(out, "\n{:>9}  listed", fall["listed"]).expect("writing to a string does not fail");
    out
}

fn one_row(row: &Json) -> String {
    let reasons: Vec<&str> = row["reasons"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|reason| reason["text"].as_str())
        .collect();
    let recipient = row["recipient"].as_str().unwrap_or_default();
    format!(
        "  {:>3}. {}…  {:>5.1} %  consent entry {:>5}  {}",
        row["rank"],
        recipient.get(..12).unwrap_or_default(),
        row["score"].as_f64().unwrap_or_default() * 100.0,
        row["consent"]["entry"],
        reasons.join("; ")
    )
}

/// Checks every row's proof with nothing but the row and the log's public key.
async fn prove(app: &App, rows: &[Json], told: &mut Told, output: Output) -> Result<()> {
    let log = app.keys.log_verifier();
    for row in rows {
        let leaf: Leaf = serde_json::from_value(row["consent"]["leaf"].clone())?;
        let proof = parse_tlog_proof(text(row, "/consent/proof")?)?;
        proof.verify(&leaf.bytes(), &log).context("a row's proof does not hold")?;
        told.proofs_verified += 1;
    }
    let mut tx = app.db.read().await?;
    let report = ledger::verify(&mut tx, &app.trust()?, |_, _| ()).await?;
    ensure!(report.faults.is_empty(), "the ledger does not verify");
    told.ledger_entries = report.entries;
    output.line(format_args!(
        "\nPROVE  {} proofs of consent verified against the log's public key; the whole ledger \
         recomputed: {} entries, {} checkpoints, no fault",
        told.proofs_verified, report.entries, report.checkpoints
    ))?;
    Ok(())
}

async fn withdraw(
    app: &App,
    town: &Town,
    rows: &[Json],
    told: &mut Told,
    output: Output,
) -> Result<()> {
    let first = rows.first().context("the list has a first row")?;
    let reference = reference_of(app, town, text(first, "/recipient")?).await?;
    let body = json!({ "account": reference, "purpose": PurposeKind::Relevance });
    let answer = town.apps[0].post("/v1/consents/withdraw", body).await?;
    told.withdrawal_effects = answer["effects"].clone();
    let client = &town.shops[0].1;
    let page = client.get(&format!("/v1/lists/{}/recipients?limit=200", told.list)).await?;
    let left = page["data"].as_array().map_or(0, Vec::len);
    let gone = !page["data"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|row| row["recipient"] == first["recipient"]);
    told.recipients_left = left;
    ensure!(gone, "the withdrawn recipient is still on the list");
    output.line(format_args!(
        "\nSTOP   the first of them withdraws: gone with it, before the answer: {}; {left} recipients \
         left; the receipt is ledger entry {}",
        gone_with_it(&answer["effects"]),
        answer["entry"]
    ))?;
    Ok(())
}

/// `2 links, 1 list row`: what a withdrawal took along.
fn gone_with_it(effects: &Json) -> String {
    let effects = effects.as_object().into_iter().flatten();
    let some = effects.filter(|(_, count)| count.as_u64().unwrap_or_default() > 0);
    let words: Vec<String> =
        some.map(|(what, count)| format!("{count} {}", what.replace('_', " "))).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

/// Which account an opaque recipient is: the demo plays the app, which alone can know.
async fn reference_of(app: &App, town: &Town, recipient: &str) -> Result<String> {
    let recipient: RecipientId = recipient.parse()?;
    let messenger = AppId::parse(APPS[0].0)?;
    let references: Vec<String> = town.people.iter().map(|p| p.reference(0)).collect();
    let mut tx = app.db.read().await?;
    for reference in references {
        let subject = accounts::subject_of(&mut tx, &app.keys, &messenger, &reference).await?;
        if subject.is_some_and(|s| app.keys.recipient(town.shops[0].0, s) == recipient) {
            return Ok(reference);
        }
    }
    anyhow::bail!("the recipient is nobody of this town")
}

async fn ask(router: &Router, bots: &[String], told: &mut Told, output: Output) -> Result<()> {
    output.line("\nASK    the shops' bots")?;
    for (bot, question) in [
        (&bots[0], "How much does a service of my bike cost?"),
        (&bots[1], "Kann ich im Nachtzug mein Fahrrad mitnehmen?"),
        (&bots[2], "A que horas abrem ao domingo?"),
        (&bots[0], "Do you sell zeppelins to penguins?"),
    ] {
        let anyone = Client::new(router, None);
        let begun = anyone.post(&format!("/v1/bots/{bot}/conversations"), json!({})).await?;
        let conversation = text(&begun, "/id")?;
        let customer = Client::new(router, Some(text(&begun, "/token")?));
        let path = format!("/v1/conversations/{conversation}/messages");
        let reply = customer.post(&path, json!({ "text": question })).await?;
        let kind = text(&reply, "/kind")?.to_owned();
        let source = reply.pointer("/sources/0/title").and_then(Json::as_str);
        output.line(format_args!(
            "  [{}]\n  – {question}\n  – {} ({kind}{})",
            text(&begun, "/label")?,
            text(&reply, "/text")?.replace('\n', " "),
            source.map_or(String::new(), |title| format!(", from “{title}”"))
        ))?;
        told.answers.push(kind);
    }
    Ok(())
}
