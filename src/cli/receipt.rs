//! `volens receipt`: offline, without a database.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::{Value, json};
use volens_privacy::consent::Decision;
use volens_privacy::ledger::LogVerifier;
use volens_privacy::purpose::PurposeKind;
use volens_privacy::receipt::Receipt;

use super::output::Stop;
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
        /// The receipt or receipts, a JSON file as the service or the privacy centre gave it; - for
        /// standard input.
        file: PathBuf,
        /// The log's verifier key, or @FILE; `volens ledger key` prints it.
        #[arg(long, value_name = "KEY")]
        key: String,
    },
}

/// Bytes of a receipt at most.
const RECEIPT_MAX: u64 = 1 << 20;

/// Runs `volens receipt …`.
#[expect(clippy::unused_async, reason = "every command has the same signature")]
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let Action::Verify { file, key } = args.action;
    let key = match key.strip_prefix('@') {
        Some(path) => {
            std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?
        }
        None => key,
    };
    let log = LogVerifier::from_vkey(key.trim())
        .map_err(|_| Stop::new(Exit::Usage, "--key is not a verifier key (name+hash+key)"))?;
    let all: Value = serde_json::from_slice(&read(&file)?)
        .map_err(|_| Stop::new(Exit::Usage, format!("{} is not JSON", file.display())))?;
    let receipts = receipts(all);
    if receipts.is_empty() {
        let said = format!("{} holds no receipt", file.display());
        return Err(Stop::new(Exit::Usage, said).into());
    }
    let verdicts: Vec<Verdict> = receipts.iter().map(|one| Verdict::of(one, &log)).collect();
    let ok = verdicts.iter().all(|verdict| verdict.ok);
    let text: Vec<String> = verdicts.iter().map(Verdict::text).collect();
    match verdicts.as_slice() {
        [only] => context.output.result(only, text.concat())?,
        all => context.output.result(&json!({ "ok": ok, "receipts": all }), text.join("\n\n"))?,
    }
    Ok(if ok { Exit::Ok } else { Exit::VerificationFailed })
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
    tree_size: u64,
    origin: String,
    decision: Decision,
    purpose: PurposeKind,
    facts: Vec<String>,
}

impl Verdict {
    fn of(receipt: &Value, log: &LogVerifier) -> Self {
        let read = Receipt::from_json(receipt.to_string().as_bytes());
        match read.and_then(|receipt| receipt.verify(log)) {
            Ok(report) => Self {
                ok: true,
                proved: Some(Proved {
                    entry: report.index(),
                    tree_size: report.checkpoint().size,
                    origin: report.checkpoint().origin.clone(),
                    decision: report.record().decision,
                    purpose: report.record().purpose,
                    facts: report.facts(),
                }),
                error: None,
            },
            Err(error) => Self { ok: false, proved: None, error: Some(error.to_string()) },
        }
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
