//! `volens receipt`: offline, without a database.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::json;
use volens_privacy::ledger::LogVerifier;
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
        /// The receipt, a JSON file; - for standard input.
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
    let json = read(&file)?;
    let verdict = Receipt::from_json(&json).and_then(|receipt| receipt.verify(&log));
    match verdict {
        Ok(report) => {
            let facts = report.facts();
            let object = json!({
                "ok": true,
                "entry": report.index(),
                "tree_size": report.checkpoint().size,
                "origin": report.checkpoint().origin,
                "decision": report.record().decision,
                "purpose": report.record().purpose,
                "facts": facts,
            });
            let text = format!("{}\nthe receipt verifies", facts.join("\n"));
            context.output.result(&object, text)?;
            Ok(Exit::Ok)
        }
        Err(error) => {
            let object = json!({ "ok": false, "error": error.to_string() });
            context.output.result(&object, format!("the receipt does NOT verify: {error}"))?;
            Ok(Exit::VerificationFailed)
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
