//! Checking receipts and evidence files: pasted text in, a verdict with its facts out. Uses the public
//! key only, like anybody outside.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use serde::Deserialize;
use volens_privacy::evidence::verify_evidence;
use volens_privacy::ledger::LogVerifier;
use volens_privacy::receipt::{Receipt, ReceiptReport};

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
    /// Whether an evidence file was pasted, of which everything holds or nothing.
    evidence: bool,
}

async fn form(AsOfficer(session): AsOfficer) -> impl IntoResponse {
    let shell = Shell::of(&session, "/officer/receipt");
    let (pasted, verdicts) = (String::new(), Vec::new());
    Page(ReceiptPage { shell, pasted, verdicts, holding: 0, evidence: false })
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
    let evidence = receipt.trim_start().starts_with('<');
    let verdicts: Vec<Verdict> = if evidence {
        whole(&receipt, &verifier)
    } else {
        parts(&receipt).iter().map(|part| verdict(part.as_bytes(), &verifier)).collect()
    };
    let holding = verdicts.iter().filter(|v| matches!(v, Verdict::Holds { .. })).count();
    let shell = Shell::of(&session, "/officer/receipt");
    Page(ReceiptPage { shell, pasted: receipt, verdicts, holding, evidence })
}

/// An evidence file: its receipts if all of it holds, why it does not otherwise.
fn whole(pasted: &str, verifier: &LogVerifier) -> Vec<Verdict> {
    // A form sends every line end as two characters; the file has one.
    let file = pasted.replace("\r\n", "\n");
    match verify_evidence(&file, verifier) {
        Ok(reports) => reports.iter().map(holds).collect(),
        Err(error) => {
            let why = text::sentence(&error.to_string());
            vec![Verdict::Fails { code: error.code(), why }]
        }
    }
}

/// One receipt, or a file of several as people download it: a list, an answer of the service, or an
/// export of everything about an account.
fn parts(pasted: &str) -> Vec<String> {
    let read = serde_json::from_str::<serde_json::Value>(pasted).ok();
    let several = read.as_ref().and_then(|all| {
        let within = all.get("receipts").or_else(|| all.get("export")?.get("receipts"));
        within.unwrap_or(all).as_array()
    });
    match several {
        Some(several) if !several.is_empty() => {
            several.iter().take(RECEIPTS_MAX).map(ToString::to_string).collect()
        }
        _ => vec![pasted.trim().to_owned()],
    }
}

fn holds(report: &ReceiptReport) -> Verdict {
    Verdict::Holds {
        entry: report.index(),
        facts: report.facts().iter().map(|fact| text::sentence(fact)).collect(),
    }
}

fn verdict(json: &[u8], verifier: &LogVerifier) -> Verdict {
    let checked = Receipt::from_json(json).and_then(|receipt| receipt.verify(verifier));
    match checked {
        Ok(report) => holds(&report),
        Err(error) => {
            Verdict::Fails { code: error.code(), why: text::sentence(&error.to_string()) }
        }
    }
}
