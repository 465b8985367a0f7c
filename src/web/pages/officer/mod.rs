//! The privacy officer's console: the ledger, what it proves, and whether it holds.

mod entries;
mod invariants;
mod lessons;
mod lists;
mod models;
mod notices;
mod openings;
mod person;
mod receipt;
mod requests;
mod records;
mod time;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use volens_privacy::ledger::Checkpoint;

use super::guard::AsOfficer;
use super::shell::{Page, Shell};
use super::text;
use crate::app::App;
use crate::ledger::{self, Fault, Report};
use crate::web::problem::{ApiResult, Problem};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/officer", get(head))
        .route("/officer/verify", post(verify))
        .merge(entries::routes())
        .merge(invariants::routes())
        .merge(lessons::routes())
        .merge(lists::routes())
        .merge(models::routes())
        .merge(notices::routes())
        .merge(openings::routes())
        .merge(person::routes())
        .merge(receipt::routes())
        .merge(requests::routes())
        .merge(records::routes())
        .merge(time::routes())
}

/// The latest signed head.
struct Head {
    checkpoint: Checkpoint,
    note: String,
    signed: bool,
}

#[derive(Template)]
#[template(path = "officer/head.html")]
struct HeadPage {
    shell: Shell,
    head: Option<Head>,
    vkey: String,
    report: Option<Verdict>,
}

/// What a verification of the whole ledger found.
struct Verdict {
    report: Report,
    faults: Vec<String>,
}

async fn head_page(app: &App, shell: Shell, report: Option<Verdict>) -> ApiResult<HeadPage> {
    let mut tx = app.db.read().await?;
    let verifier = app.keys.log_verifier();
    let head = ledger::checkpoint(&mut tx).await?.map(|note| Head {
        checkpoint: note.unverified(),
        signed: verifier.verify(note.as_str()).is_ok(),
        note: note.as_str().to_owned(),
    });
    Ok(HeadPage { shell, head, vkey: verifier.vkey(), report })
}

async fn head(
    AsOfficer(session): AsOfficer,
    State(app): State<App>,
) -> ApiResult<impl IntoResponse> {
    Ok(Page(head_page(&app, Shell::of(&session, "/officer"), None).await?))
}

/// Recomputes the whole ledger from its leaves.
async fn verify(
    AsOfficer(session): AsOfficer,
    State(app): State<App>,
) -> ApiResult<impl IntoResponse> {
    let trust = app.trust().map_err(|error| Problem::internal(&error))?;
    let mut tx = app.db.read().await?;
    let report = ledger::verify(&mut tx, &trust, |_, _| {}).await?;
    drop(tx);
    let faults = report.faults.iter().map(in_words).collect();
    let verdict = Verdict { report, faults };
    Ok(Page(head_page(&app, Shell::of(&session, "/officer"), Some(verdict)).await?))
}

fn in_words(fault: &Fault) -> String {
    match fault {
        Fault::MissingEntry { entry } => format!("Entry {entry} is missing."),
        Fault::UnreadableEntry { entry } => format!("Entry {entry} cannot be read."),
        Fault::WrongNode { before, level, index } => {
            let first = before + (index << level);
            let last = first + (1 << level) - 1;
            format!("The stored hash over entries {first} to {last} is not theirs.")
        }
        Fault::WrongShards => {
            "The years of the ledger are not one after the other, up to its head.".to_owned()
        }
        Fault::WrongOpening { entry } => format!(
            "Entry {entry} does not join one year of the ledger to the one before: a year was cut, \
             replaced or moved after it ended."
        ),
        Fault::Beyond => "There are entries or hashes behind the head.".to_owned(),
        Fault::BadCheckpoint { size } => {
            format!("The checkpoint over {size} entries is not signed by the key.")
        }
        Fault::WrongRoot { size } => {
            format!("The first {size} entries are not those that were signed: history was changed.")
        }
        Fault::Uncovered { size } => format!("No checkpoint covers all {size} entries."),
        Fault::TimeReversed { size } => {
            format!("The checkpoint over {size} entries is dated before what came before it.")
        }
        Fault::Postdated { entry } => {
            format!("Entry {entry} is dated after the checkpoint that covers it.")
        }
        Fault::Shrunk { size, known, known_by } => {
            format!("The ledger has {size} entries; the {known_by} shows that it had {known}.")
        }
        Fault::OtherHistory { size, known_by } => {
            format!(
                "The first {size} entries are not those of the {known_by}: history was replaced."
            )
        }
        Fault::BadKept => "The checkpoint kept outside is not of this ledger.".to_owned(),
        Fault::BadCosignature { size, witness } => {
            format!("The cosignature of {witness} over {size} entries does not hold.")
        }
        Fault::Unconfirmed { size } => {
            format!("Too few witnesses confirm the {size} entries that are said to be confirmed.")
        }
    }
}
