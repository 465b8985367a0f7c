//! A list as a file, streamed while it is made.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use volens_privacy::BusinessId;

use super::open;
use super::wire::ExportQuery;
use crate::app::App;
use crate::audience::export::{ExportError, Exporter, Format};
use crate::audience::shelf::Shelf;
use crate::audience::{AudienceError, recalls};
use crate::db::{self, Db, Tx};
use crate::ids::ListId;
use crate::readings::{self, Subject};
use crate::web::callers::{Business, Known};
use crate::web::extract::{Path, Query};
use crate::web::problem::ApiResult;

/// Rows verified and written at a time.
const BATCH: u32 = 500;
/// Batches that may wait for a slow reader.
const WAITING: usize = 2;
/// Times that a batch waits for a connection.
const ATTEMPTS: usize = 5;

/// The list as a file, with a manifest at its end.
///
/// Every batch of rows is verified right before it is sent. A file without its manifest was cut off.
/// That it was taken is recorded in the ledger as `officer.access` before the first row leaves.
#[utoipa::path(get, path = "/v1/lists/{id}/export", tag = "audience",
    security(("key" = []), ("session" = [])), params(("id" = String, Path), ExportQuery),
    responses((status = 200, description = "The file", body = Vec<u8>,
        content_type = "application/octet-stream")))]
pub(super) async fn export(
    Business { id: business }: Business,
    Known(caller): Known,
    State(app): State<App>,
    Path(id): Path<ListId>,
    Query(query): Query<ExportQuery>,
) -> ApiResult<Response> {
    let format = query.format;
    let (tx, shelf) = open(&app, business, id).await?;
    drop(tx);
    recalls::note_served(&app.db, (business, id), recalls::ALL_RANKS, app.now()).await?;
    readings::http::note(&app, &caller, Subject::Export(id), shelf.sealing.rows).await?;
    let (to, chunks) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        if let Err(error) = produce(&app, business, &shelf, format, &to).await {
            tracing::error!(error = &error as &dyn std::error::Error, "an export was cut off");
            // The reader sees a broken body, not a short file. If it is gone, nobody is to be told.
            drop(to.send(Err(io::Error::other("the export was cut off"))).await);
        }
    });
    let disposition = format!("attachment; filename=\"{id}.{}\"", format.name());
    let headers =
        [(CONTENT_TYPE, format.media_type().to_owned()), (CONTENT_DISPOSITION, disposition)];
    Ok((headers, Body::from_stream(ReceiverStream::new(chunks))).into_response())
}

#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error("rows could not be read")]
    Rows(#[from] AudienceError),
    #[error("the database failed")]
    Db(#[from] db::Error),
    #[error("rows could not be written")]
    Write(#[from] ExportError),
}

type Chunks = mpsc::Sender<io::Result<Bytes>>;

async fn produce(
    app: &App,
    business: BusinessId,
    shelf: &Shelf,
    format: Format,
    to: &Chunks,
) -> Result<(), Cut> {
    let buffer = Buffer::default();
    let mut exporter = Exporter::new(format, buffer.clone())?;
    let mut after = Some(0);
    while let Some(rank) = after {
        // A snapshot of its own for each batch: whoever withdrew meanwhile is not in it.
        let mut tx = snapshot(&app.db).await?;
        let page = shelf.page(&mut tx, &app.keys, rank, BATCH, app.now()).await?;
        drop(tx);
        exporter.write(&page.rows)?;
        after = page.next;
        if to.send(Ok(buffer.take())).await.is_err() {
            return Ok(());
        }
    }
    let mut tx = snapshot(&app.db).await?;
    // The list may have expired on the way.
    Shelf::open(&mut tx, business, shelf.list.id, app.now()).await?;
    let manifest = shelf.manifest(&mut tx, app.now()).await?;
    exporter.finish(manifest, &app.keys.log_signer())?;
    drop(to.send(Ok(buffer.take())).await);
    Ok(())
}

/// Whoever was promised a file waits longer than somebody who can be told to ask again.
async fn snapshot(db: &Db) -> db::Result<Tx> {
    for _ in 1..ATTEMPTS {
        match db.read().await {
            Err(db::Error::Conflict(_)) => {}
            begun => return begun,
        }
    }
    db.read().await
}

/// Bytes written and not yet sent.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn take(&self) -> Bytes {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
