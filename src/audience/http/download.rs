//! A list as a file, streamed while it is made.

use std::collections::VecDeque;
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
use crate::audience::build::aside;
use crate::audience::export::{ExportError, Exporter, Format};
use crate::audience::shelf::{Page, Shelf};
use crate::audience::{AudienceError, recalls};
use crate::db::{self, Db, Tx};
use crate::ids::ListId;
use crate::readings::{self, Subject};
use crate::web::callers::{Business, Known};
use crate::web::extract::{Path, Query};
use crate::web::problem::ApiResult;

/// Rows verified and written at a time.
const BATCH: u32 = 500;
/// Batches that are being read, or wait for a slow reader. None is read before there is a place for it: what
/// waits was verified a while ago.
const WAITING: usize = 3;
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
    let shelf = Arc::new(shelf);
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
type Place = mpsc::OwnedPermit<io::Result<Bytes>>;

async fn produce(
    app: &App,
    business: BusinessId,
    shelf: &Arc<Shelf>,
    format: Format,
    to: &Chunks,
) -> Result<(), Cut> {
    let buffer = Buffer::default();
    let mut exporter = Exporter::new(format, buffer.clone())?;
    let last = u32::try_from(shelf.sealing.rows).unwrap_or(u32::MAX);
    let mut batches = (0..last).step_by(BATCH as usize);
    let mut reading = VecDeque::new();
    loop {
        // Batches are read side by side, and written in order.
        while let Some(place) = place(to, reading.is_empty()).await {
            let Some(after) = batches.next() else { break };
            reading.push_back((place, tokio::spawn(read(app.clone(), Arc::clone(shelf), after))));
        }
        let Some((place, page)) = reading.pop_front() else { break };
        let page = page.await.map_err(|_| AudienceError::Interrupted)??;
        let written = aside(move || exporter.write(&page.rows).map(|()| exporter)).await?;
        exporter = written?;
        place.send(Ok(buffer.take()));
    }
    if to.is_closed() {
        return Ok(());
    }
    let mut tx = snapshot(&app.db).await?;
    // The list may have expired on the way.
    Shelf::open(&mut tx, business, shelf.list.id, app.now()).await?;
    let manifest = shelf.manifest(&mut tx, app.now()).await?;
    exporter.finish(manifest, &app.keys.log_signer())?;
    drop(to.send(Ok(buffer.take())).await);
    Ok(())
}

/// A place for a batch: right away, or when the reader has taken one if nothing else is to be done. Nothing
/// when there is none, or nobody reads any more.
async fn place(to: &Chunks, wait: bool) -> Option<Place> {
    let to = to.clone();
    if wait { to.reserve_owned().await.ok() } else { to.try_reserve_owned().ok() }
}

/// Rows after a rank, in a snapshot of their own: whoever withdrew meanwhile is not in it.
async fn read(app: App, shelf: Arc<Shelf>, after: u32) -> Result<Page, Cut> {
    let mut tx = snapshot(&app.db).await?;
    let ranks = after + 1..=after.saturating_add(BATCH);
    Ok(shelf.ranks(&mut tx, &app.keys, ranks, app.now()).await?)
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
