//! `volens serve`.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::{Context, Exit, Stop};
use crate::app::App;
use crate::background;
use crate::config::Settings;
use crate::keyring::Node;
use crate::ledger::witnesses;
use crate::web::{router, server};

/// What `serve` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Where to listen, for example 127.0.0.1:8080; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// End the asking of witnesses, when the settings name none any more: what waits for them counts
    #[arg(long)]
    no_witnesses: bool,
}

/// Serves until SIGTERM or SIGINT.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let mut settings = context.settings.clone();
    settings.listen = args.listen.unwrap_or(settings.listen);
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("cannot listen on {}", settings.listen))?;
    settings.listen = listener.local_addr()?;
    let app = context.open(settings).await?;
    without_witnesses(&app, args.no_witnesses).await?;
    let address = app.settings.public_url();
    let note = Address::note(&app.settings).await;
    context.output.result(
        &serde_json::json!({"listening": app.settings.listen, "url": address}),
        format_args!("Volens {} on {address}", env!("CARGO_PKG_VERSION")),
    )?;
    if app.receipts.parties().example {
        tracing::warn!(
            "nobody is named in parties.toml: notices and receipts name invented companies"
        );
    }
    until_stopped(&app, listener).await?;
    note.forget();
    Ok(Exit::Ok)
}

/// Grants that wait for witnesses go on waiting unless that is ended on purpose, not by settings that
/// were forgotten.
async fn without_witnesses(app: &App, on_purpose: bool) -> Result<()> {
    if app.witnesses.are_needed() {
        return Ok(());
    }
    let mut tx = app.db.begin().await?;
    if witnesses::are_asked(&mut tx).await? {
        if !on_purpose {
            let said = "grants wait for witnesses here, and the settings name none; give the \
                        service's settings, or end it with --no-witnesses";
            return Err(Stop::new(Exit::Usage, said).into());
        }
        witnesses::ask_no_longer(&mut tx).await?;
    }
    Ok(tx.commit().await?)
}

/// How long, and how many times, a service waits for whoever is just reading where it listens.
const READING: (Duration, u32) = (Duration::from_millis(20), 10);

/// Where the service on a data directory is reached, in a file there while it serves: `--listen` is known
/// to nobody else, and other commands print links. The file is locked as long as the process lives, so
/// one that was killed leaves nothing that is believed.
struct Address {
    file: PathBuf,
    held: Option<File>,
}

impl Address {
    fn file(settings: &Settings) -> PathBuf {
        settings.data.join("address")
    }

    /// Links are a convenience: a service that cannot note its address serves all the same.
    async fn note(settings: &Settings) -> Self {
        let file = Self::file(settings);
        let held = match Self::write(&file, &settings.public_url()).await {
            Ok(held) => Some(held),
            Err(error) => {
                tracing::warn!(%error, "other commands will not know where this service listens");
                None
            }
        };
        Self { file, held }
    }

    async fn write(file: &Path, url: &str) -> io::Result<File> {
        let mut held = File::options().write(true).create(true).truncate(false).open(file)?;
        let (pause, mut left) = READING;
        while let Err(error) = held.try_lock() {
            left = left.checked_sub(1).ok_or(error)?;
            tokio::time::sleep(pause).await;
        }
        held.set_len(0)?;
        held.write_all(url.as_bytes())?;
        Ok(held)
    }

    /// What a service that lives has noted.
    fn read(settings: &Settings) -> Option<String> {
        let mut noted = File::open(Self::file(settings)).ok()?;
        // Whoever noted it lives as long as it cannot be locked.
        if noted.try_lock_shared().is_ok() {
            return None;
        }
        let mut url = String::new();
        noted.read_to_string(&mut url).ok()?;
        Some(url)
    }

    fn forget(self) {
        if self.held.is_some() {
            drop(std::fs::remove_file(&self.file));
        }
    }
}

/// Where people reach the service: what the settings say, or else where it serves now, or would.
pub(super) fn address(settings: &Settings) -> String {
    let noted = Address::read(settings);
    let noted = noted.filter(|url| url.starts_with("http://") && !settings.has_public_url());
    noted.unwrap_or_else(|| settings.public_url())
}

/// Serves and works until the process is asked to stop.
pub(super) async fn until_stopped(app: &App, listener: TcpListener) -> Result<()> {
    let node = Node::random(&mut app.rng());
    node.serves(&app.keeper()).await?;
    let (stopping, stopped) = oneshot::channel::<()>();
    let working = tokio::spawn({
        let app = app.clone();
        async move { Box::pin(background::run(&app, node, async { drop(stopped.await) })).await }
    });
    let router = router::router(app.clone());
    server::serve(listener, router, &app.settings.web, stop()?).await;
    drop(stopping);
    working.await?;
    let left = node.leaves(&app.keeper()).await;
    app.db.close().await;
    left?;
    Ok(())
}

/// Resolves when the process is asked to stop.
pub(super) fn stop() -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
    })
}
