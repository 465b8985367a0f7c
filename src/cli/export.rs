//! `volens export`: what a person downloaded, checked offline, without a database.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::json;
use volens_privacy::ledger::LogVerifier;

use super::output::Stop;
use super::{Context, Exit};
use crate::rights::access;

/// What `export` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Check the signature of an export and every receipt in it; exit code 3 if one does not hold
    Verify {
        /// The file, as the service or the privacy centre gave it; - for standard input
        file: PathBuf,
        /// The log's verifier key, or @FILE; `volens ledger key` prints it
        #[arg(long, value_name = "KEY")]
        key: String,
    },
}

/// Bytes of an export at most.
const EXPORT_MAX: u64 = 1 << 28;

/// Runs `volens export …`.
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
    match access::verify(&read(&file)?, &log) {
        Ok(receipts) => {
            let said =
                format!("the export is as it was signed, and its {receipts} receipts verify");
            context.output.result(&json!({ "ok": true, "receipts": receipts }), said)?;
            Ok(Exit::Ok)
        }
        Err(error) => {
            let error = error.to_string();
            context.output.result(&json!({ "ok": false, "error": error }), error)?;
            Ok(Exit::VerificationFailed)
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = if file.as_os_str() == "-" {
        std::io::stdin().lock().take(EXPORT_MAX).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|open| open.take(EXPORT_MAX).read_to_end(&mut bytes))
    };
    match read {
        Ok(_) => Ok(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Stop::new(Exit::NotFound, format!("{}: no such file", file.display())).into())
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}
