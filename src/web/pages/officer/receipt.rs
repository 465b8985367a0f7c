//! Checking receipts, exports and evidence files: pasted text in, a verdict with its facts out. Uses the
//! public key only, like anybody outside.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::Value;
use volens_privacy::evidence::verify_evidence;
use volens_privacy::ledger::LogVerifier;
use volens_privacy::receipt::{Receipt, ReceiptReport};

use super::super::guard::AsOfficer;
use super::super::shell::{Page, Shell};
use super::super::text;
use crate::app::App;
use crate::rights::access;
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

/// What was pasted.
enum Pasted {
    /// Nothing to check.
    Nothing,
    /// Receipts; whether unsigned words stand around them.
    Receipts { within: bool },
    /// A person's export, of which everything holds or nothing.
    Export,
    /// An evidence file, of which everything holds or nothing.
    Evidence,
}

impl Pasted {
    /// What it is called when it does not hold.
    fn name(&self) -> &'static str {
        match self {
            Self::Nothing | Self::Receipts { .. } => "receipt",
            Self::Export => "export",
            Self::Evidence => "evidence",
        }
    }
}

#[derive(Template)]
#[template(path = "officer/receipt.html")]
struct ReceiptPage {
    shell: Shell,
    text: String,
    pasted: Pasted,
    verdicts: Vec<Verdict>,
    holding: usize,
    problem: Option<&'static str>,
}

impl ReceiptPage {
    fn new(shell: Shell, text: String, pasted: Pasted, verdicts: Vec<Verdict>) -> Self {
        let holding = verdicts.iter().filter(|v| matches!(v, Verdict::Holds { .. })).count();
        Self { shell, text, pasted, verdicts, holding, problem: None }
    }

    fn export_holds(&self) -> bool {
        matches!(self.pasted, Pasted::Export) && self.holding == self.verdicts.len()
    }

    fn evidence_holds(&self) -> bool {
        matches!(self.pasted, Pasted::Evidence) && self.holding > 0
    }

    fn has_unsigned_words(&self) -> bool {
        matches!(self.pasted, Pasted::Receipts { within: true })
    }
}

async fn form(AsOfficer(session): AsOfficer) -> impl IntoResponse {
    let shell = Shell::of(&session, "/officer/receipt");
    Page(ReceiptPage::new(shell, String::new(), Pasted::Nothing, Vec::new()))
}

#[derive(Deserialize)]
struct CheckForm {
    receipt: String,
}

async fn check(
    AsOfficer(session): AsOfficer,
    State(app): State<App>,
    Form(CheckForm { receipt }): Form<CheckForm>,
) -> Response {
    let shell = Shell::of(&session, "/officer/receipt");
    if receipt.trim().is_empty() {
        let page = ReceiptPage::new(shell, String::new(), Pasted::Nothing, Vec::new());
        let problem = Some("Nothing was pasted, so nothing was checked.");
        let page = ReceiptPage { problem, ..page };
        return (StatusCode::UNPROCESSABLE_ENTITY, Page(page)).into_response();
    }
    let (pasted, verdicts) = checked(&receipt, &app.keys.log_verifier());
    Page(ReceiptPage::new(shell, receipt, pasted, verdicts)).into_response()
}

/// Tells what it is and checks it.
fn checked(text: &str, verifier: &LogVerifier) -> (Pasted, Vec<Verdict>) {
    if text.trim_start().starts_with('<') {
        return (Pasted::Evidence, whole(text, verifier));
    }
    let read = serde_json::from_str::<Value>(text).ok();
    let part = |name: &str| read.as_ref().and_then(|all| all.get(name));
    if let Some(export) = part("export") {
        // Its receipts hold also when what stands around them was changed.
        if let Err(error) = access::verify(text.as_bytes(), verifier) {
            let why = text::sentence(&error.to_string());
            return (Pasted::Export, vec![Verdict::Fails { code: "export.unverified", why }]);
        }
        return (Pasted::Export, several(export.get("receipts"), verifier).unwrap_or_default());
    }
    let within = part("receipts").is_some();
    let all = several(part("receipts").or(read.as_ref()), verifier);
    let all = all.filter(|all| !all.is_empty());
    let verdicts = all.unwrap_or_else(|| vec![verdict(text.trim().as_bytes(), verifier)]);
    (Pasted::Receipts { within }, verdicts)
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

/// Each receipt of a list.
fn several(list: Option<&Value>, verifier: &LogVerifier) -> Option<Vec<Verdict>> {
    let list = list?.as_array()?.iter().take(RECEIPTS_MAX);
    Some(list.map(|one| verdict(one.to_string().as_bytes(), verifier)).collect())
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
