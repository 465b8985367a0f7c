//! `volens serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

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
    let note = Address::note(&app.settings);
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
    if app.witnesses.quorum().needed() > 0 {
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

/// Where the service on a data directory is reached, in a file there while it serves: `--listen` is known
/// to nobody else, and other commands print links.
struct Address {
    file: PathBuf,
    url: String,
}

impl Address {
    fn file(settings: &Settings) -> PathBuf {
        settings.data.join("address")
    }

    /// Links are a convenience: a service that cannot note its address serves all the same.
    fn note(settings: &Settings) -> Self {
        let note = Self { file: Self::file(settings), url: settings.public_url() };
        if let Err(error) = std::fs::write(&note.file, &note.url) {
            tracing::warn!(%error, "other commands will not know where this service listens");
        }
        note
    }

    /// Another service may have noted its own since.
    fn forget(&self) {
        if std::fs::read_to_string(&self.file).is_ok_and(|url| url == self.url) {
            drop(std::fs::remove_file(&self.file));
        }
    }
}

/// Where people reach the service: what the settings say, or else where it serves now, or would.
pub(super) fn address(settings: &Settings) -> String {
    let noted = std::fs::read_to_string(Address::file(settings)).ok();
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
