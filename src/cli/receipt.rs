//! `volens receipt`: offline, without a database.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::{Value, json};
use volens_privacy::consent::Decision;
use volens_privacy::evidence::{EvidenceError, verify_evidence};
use volens_privacy::ledger::{Cosignature, LogVerifier, Quorum, Witness, parse_tlog_proof};
use volens_privacy::purpose::PurposeKind;
use volens_privacy::receipt::{Receipt, ReceiptError, ReceiptReport, contradiction};

use super::output::Stop;
use super::witness::{text_or_file, verifier};
use super::{Context, Exit};

/// What `receipt` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Check a receipt against the log's key, offline; exit code 3 if it does not hold.
    Verify {
        /// The receipt or receipts, a JSON file as the service or the privacy centre gave it, or an
        /// evidence file (HTML); - for standard input.
        file: PathBuf,
        /// The log's verifier key, or @FILE; `volens ledger key` prints it.
        #[arg(long, value_name = "KEY")]
        key: String,
        /// Verifier key of a witness that must have cosigned, or @FILE. Repeat for more.
        #[arg(long = "witness", value_name = "KEY")]
        witnesses: Vec<String>,
        /// How many of the witnesses are enough [default: all of them]
        #[arg(long, value_name = "NUMBER", requires = "witnesses")]
        needed: Option<usize>,
    },
}

/// Bytes of a file of receipts at most.
const RECEIPT_MAX: u64 = 1 << 24;

/// Runs `volens receipt …`.
#[expect(clippy::unused_async, reason = "every command has the same signature")]
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let Action::Verify { file, key, witnesses, needed } = args.action;
    let log = verifier(&key)?;
    let quorum = quorum(&witnesses, needed)?;
    let bytes = read(&file)?;
    if bytes.trim_ascii_start().starts_with(b"<") {
        if quorum.needed() > 0 {
            let said =
                "--witness is for receipts; an evidence file is checked against the log's key";
            return Err(Stop::new(Exit::Usage, said).into());
        }
        return whole(&bytes, &log, context);
    }
    let all: Value = serde_json::from_slice(&bytes)
        .map_err(|_| Stop::new(Exit::Usage, format!("{} is not JSON", file.display())))?;
    let receipts = receipts(all);
    if receipts.is_empty() {
        let said = format!("{} holds no receipt", file.display());
        return Err(Stop::new(Exit::Usage, said).into());
    }
    let checked = receipts.iter().map(|one| check(one, &log, &quorum)).collect();
    let verdicts: Vec<Verdict> = together(checked).into_iter().map(Verdict::of).collect();
    let ok = verdicts.iter().all(|verdict| verdict.ok);
    let text: Vec<String> = verdicts.iter().map(Verdict::text).collect();
    match verdicts.as_slice() {
        [only] => context.output.result(only, text.concat())?,
        all => context.output.result(&json!({ "ok": ok, "receipts": all }), text.join("\n\n"))?,
    }
    Ok(if ok { Exit::Ok } else { Exit::VerificationFailed })
}

/// An evidence file: HTML with receipts and texts, refused when anything in it was altered.
fn whole(bytes: &[u8], log: &LogVerifier, context: &Context) -> Result<Exit> {
    let html = String::from_utf8_lossy(bytes);
    let (verdicts, error) = match verify_evidence(&html, log) {
        Ok(reports) => (reports.iter().map(|report| Verdict::holds(report, None)).collect(), None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let text = match &error {
        None => {
            let all: Vec<String> = verdicts.iter().map(Verdict::text).collect();
            format!("{}\n\nthe evidence verifies", all.join("\n\n"))
        }
        Some(error) => format!("the evidence does NOT verify: {error}"),
    };
    let code = error.as_ref().map(EvidenceError::code);
    let result = json!({ "ok": error.is_none(), "receipts": verdicts, "error": code });
    context.output.result(&result, text)?;
    Ok(if error.is_none() { Exit::Ok } else { Exit::VerificationFailed })
}

/// The receipts of a file: one, several, or an answer of the service with several in it.
fn receipts(value: Value) -> Vec<Value> {
    match value {
        Value::Array(all) => all,
        Value::Object(mut answer) if answer.contains_key("receipts") => {
            answer.remove("receipts").map(receipts).unwrap_or_default()
        }
        Value::Object(mut answer) if answer.contains_key("receipt") => {
            answer.remove("receipt").into_iter().collect()
        }
        one => vec![one],
    }
}

/// What came of one receipt.
#[derive(Serialize)]
struct Verdict {
    ok: bool,
    #[serde(flatten)]
    proved: Option<Proved>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What a receipt that holds proves.
#[derive(Serialize)]
struct Proved {
    entry: u64,
    ledger_size: u64,
    origin: String,
    decision: Decision,
    purpose: PurposeKind,
    facts: Vec<String>,
}

/// A receipt that holds, and who cosigned; or why it does not.
type Checked = Result<(ReceiptReport, Option<String>), String>;

fn check(receipt: &Value, log: &LogVerifier, quorum: &Quorum) -> Checked {
    let receipt = Receipt::from_json(receipt.to_string().as_bytes()).map_err(said)?;
    let report = receipt.verify(log).map_err(said)?;
    if quorum.needed() == 0 {
        return Ok((report, None));
    }
    let proof = parse_tlog_proof(receipt.proof()).map_err(said)?;
    let found: Vec<String> =
        quorum.on(&proof.checkpoint).iter().map(Cosignature::to_string).collect();
    if found.len() < quorum.needed() {
        return Err(format!("{} of {} witnesses cosigned", found.len(), quorum.needed()));
    }
    Ok((report, Some(format!("it is cosigned by {}", found.join(" and ")))))
}

/// Each against the others: the first that contradicts another does not hold.
fn together(mut checked: Vec<Checked>) -> Vec<Checked> {
    let holding = |(at, one): (usize, &Checked)| Some((at, one.as_ref().ok()?.0.clone()));
    let (places, reports): (Vec<usize>, Vec<ReceiptReport>) =
        checked.iter().enumerate().filter_map(holding).unzip();
    if let Some(at) = contradiction(&reports) {
        checked[places[at]] = Err(said(ReceiptError::Chain));
    }
    checked
}

impl Verdict {
    fn of(checked: Checked) -> Self {
        match checked {
            Ok((report, cosigned)) => Self::holds(&report, cosigned),
            Err(error) => Self { ok: false, proved: None, error: Some(error) },
        }
    }

    fn holds(report: &ReceiptReport, cosigned: Option<String>) -> Self {
        let proved = Proved {
            entry: report.index(),
            ledger_size: report.checkpoint().entries(),
            origin: report.checkpoint().origin.clone(),
            decision: report.record().decision,
            purpose: report.record().purpose,
            facts: report.facts().into_iter().chain(cosigned).collect(),
        };
        Self { ok: true, proved: Some(proved), error: None }
    }

    fn text(&self) -> String {
        match (&self.proved, &self.error) {
            (Some(proved), _) => format!("{}\nthe receipt verifies", proved.facts.join("\n")),
            (None, error) => {
                format!("the receipt does NOT verify: {}", error.as_deref().unwrap_or_default())
            }
        }
    }
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn quorum(witnesses: &[String], needed: Option<usize>) -> Result<Quorum> {
    let bad = |text: String| Stop::new(Exit::Usage, format!("--witness: {text}"));
    let witness = |given: &String| -> Result<Witness> {
        let text = text_or_file(given)?;
        Ok(Witness::from_vkey(&text).map_err(|error| bad(error.to_string()))?)
    };
    let witnesses = witnesses.iter().map(witness).collect::<Result<Vec<_>>>()?;
    let needed = needed.unwrap_or(witnesses.len());
    Ok(Quorum::new(witnesses, needed).map_err(|error| bad(error.to_string()))?)
}

fn read(file: &std::path::Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = if file.as_os_str() == "-" {
        std::io::stdin().lock().take(RECEIPT_MAX).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|open| open.take(RECEIPT_MAX).read_to_end(&mut bytes))
    };
    match read {
        Ok(_) => Ok(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Stop::new(Exit::NotFound, format!("{}: no such file", file.display())).into())
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}
