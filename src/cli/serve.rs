//! `volens serve`.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::{Context, Exit};
use crate::access::sessions;
use crate::app::App;
use crate::db;
use crate::web::{idempotency, router, server};

/// Old sessions and kept answers are deleted this often.
const TIDY_EVERY: Duration = Duration::from_mins(10);

/// What `serve` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Where to listen, for example 127.0.0.1:8080; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
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
    let address = app.settings.public_url();
    context.output.result(
        &serde_json::json!({"listening": app.settings.listen, "url": address}),
        format_args!("Volens {} on {address}", env!("CARGO_PKG_VERSION")),
    )?;
    let tidying = tokio::spawn(tidy(app.clone()));
    let router = router::router(app.clone());
    server::serve(listener, router, &app.settings.web, stop()?).await;
    tidying.abort();
    app.db.close().await;
    Ok(Exit::Ok)
}

/// Resolves when the process is asked to stop.
fn stop() -> Result<impl Future<Output = ()>> {
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

/// Deletes what is past its time, again and again.
async fn tidy(app: App) {
    let mut every = tokio::time::interval(TIDY_EVERY);
    loop {
        every.tick().await;
        if let Err(error) = forget(&app).await {
            tracing::warn!(error = %error, "old sessions and answers were not deleted");
        }
    }
}

async fn forget(app: &App) -> Result<(), db::Error> {
    let mut tx = app.db.begin().await?;
    idempotency::forget(&mut tx, idempotency::oldest(app)).await?;
    let before = app.now().minus(app.settings.access.session_lasts());
    sessions::forget(&mut tx, before).await?;
    tx.commit().await
}
