//! `volens witness`: watch logs of others and cosign what extends what was seen.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rand::SeedableRng as _;
use rand::rngs::{StdRng, SysRng};
use tokio::net::TcpListener;
use volens_privacy::ledger::LogVerifier;

use super::output::Stop;
use super::{Context, Exit, serve};
use crate::clock::SystemClock;
use crate::web::server;
use crate::witness::{Watch, WitnessError, http};

/// What `witness` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Name of the witness, for example witness.example.org/volens; it is part of its key
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Directory of its key and of what it has seen; losing it means retiring the witness
    #[arg(long, value_name = "DIR", default_value = "volens-witness")]
    state: PathBuf,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8070")]
    listen: SocketAddr,
    /// Verifier key of a log to watch, or @FILE; `volens ledger key` prints it. Repeat for more logs,
    /// and for the next key of one whose key is being replaced
    #[arg(long = "log", value_name = "KEY", required = true)]
    logs: Vec<String>,
}

/// Watches until SIGTERM or SIGINT.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let logs = args.logs.iter().map(|log| verifier(log)).collect::<Result<_>>()?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}", args.listen))?;
    let mut rng = StdRng::try_from_rng(&mut SysRng).context("the system gives no randomness")?;
    let opened = Watch::open(&args.state, &args.name, logs, Arc::new(SystemClock), &mut rng);
    let watch = Arc::new(opened.map_err(|error| match error {
        WitnessError::Damaged { .. } => {
            anyhow::Error::from(Stop::new(Exit::VerificationFailed, error.to_string()))
        }
        WitnessError::InUse(_) => Stop::new(Exit::Conflict, error.to_string()).into(),
        other => other.into(),
    })?);
    let (address, key) = (listener.local_addr()?, watch.vkey());
    context.output.result(
        &serde_json::json!({"listening": address, "url": format!("http://{address}"), "key": key}),
        format_args!("witness on http://{address}\n{key}"),
    )?;
    server::serve(listener, http::router(watch), &context.settings.web, serve::stop()?).await;
    Ok(Exit::Ok)
}

/// A verifier key, as text or from a file.
pub(super) fn verifier(given: &str) -> Result<LogVerifier> {
    let text = text_or_file(given)?;
    let bad = |_| Stop::new(Exit::Usage, "not a log's verifier key (name+hash+key)");
    Ok(LogVerifier::from_vkey(text.trim()).map_err(bad)?)
}

/// What was given, or what is in the file after `@`.
pub(super) fn text_or_file(given: &str) -> Result<String> {
    match given.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path).with_context(|| format!("cannot read {path}")),
        None => Ok(given.to_owned()),
    }
}
