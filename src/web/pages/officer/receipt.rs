//! Checking receipts: pasted text in, a verdict with its facts out. Uses the public key only, like
//! anybody outside.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use serde::Deserialize;
use volens_privacy::ledger::LogVerifier;
use volens_privacy::receipt::Receipt;

use super::super::guard::AsOfficer;
use super::super::shell::{Page, Shell};
use super::super::text;
use crate::app::App;
use crate::web::extract::Form;

/// Receipts checked at once.
const RECEIPTS_MAX: usize = 500;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/officer/receipt", get(form).post(check))
}

/// What was found about one receipt.
enum Verdict {
    Holds { entry: u64, facts: Vec<String> },
    Fails { code: &'static str, why: String },
}

#[derive(Template)]
#[template(path = "officer/receipt.html")]
struct ReceiptPage {
    shell: Shell,
    pasted: String,
    verdicts: Vec<Verdict>,
    holding: usize,
}

async fn form(AsOfficer(session): AsOfficer) -> impl IntoResponse {
    let shell = Shell::of(&session, "/officer/receipt");
    Page(ReceiptPage { shell, pasted: String::new(), verdicts: Vec::new(), holding: 0 })
}

#[derive(Deserialize)]
struct Pasted {
    receipt: String,
}

async fn check(
    AsOfficer(session): AsOfficer,
    State(app): State<App>,
    Form(Pasted { receipt }): Form<Pasted>,
) -> impl IntoResponse {
    let verifier = app.keys.log_verifier();
    let verdicts: Vec<Verdict> =
        parts(&receipt).iter().map(|part| verdict(part.as_bytes(), &verifier)).collect();
    let holding = verdicts.iter().filter(|v| matches!(v, Verdict::Holds { .. })).count();
    let shell = Shell::of(&session, "/officer/receipt");
    Page(ReceiptPage { shell, pasted: receipt, verdicts, holding })
}

/// One receipt, or a file of several as people download it.
fn parts(pasted: &str) -> Vec<String> {
    match serde_json::from_str::<Vec<serde_json::Value>>(pasted) {
        Ok(several) if !several.is_empty() => {
            several.iter().take(RECEIPTS_MAX).map(ToString::to_string).collect()
        }
        _ => vec![pasted.trim().to_owned()],
    }
}

fn verdict(json: &[u8], verifier: &LogVerifier) -> Verdict {
    let checked = Receipt::from_json(json).and_then(|receipt| receipt.verify(verifier));
    match checked {
        Ok(report) => Verdict::Holds {
            entry: report.index(),
            facts: report.facts().iter().map(|fact| text::sentence(fact)).collect(),
        },
        Err(error) => {
            Verdict::Fails { code: error.code(), why: text::sentence(&error.to_string()) }
        }
    }
}
