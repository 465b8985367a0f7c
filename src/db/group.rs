//! Group commit: one bounded queue, one writer, one transaction for whatever is queued.
//!
//! A durable commit costs one flush of the disk whatever it contains, so sharing it among everyone
//! who waits multiplies the rate without weakening anything: a caller is answered after the commit
//! that holds its work, never before. There is no timer; a lone caller waits for nobody.

use std::future::{self, Future};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::{Db, Error, Tx};

/// Work that can be done for many callers at once.
pub trait Grouped: Send + Sync + 'static {
    /// What one caller asks for.
    type Item: Send + Sync + 'static;
    /// What that caller gets, refusals included.
    type Reply: Send + 'static;

    /// Does the work of all `items` in `tx`, one reply each, in order. An error means that nothing
    /// of the batch is kept; refusing one item is a reply, not an error.
    fn apply(
        &self,
        tx: &mut Tx,
        items: &[Self::Item],
    ) -> impl Future<Output = Result<Vec<Self::Reply>, Error>> + Send;

    /// Called after the commit that holds `replies`, before the callers are answered.
    fn committed(&self, _replies: &[Self::Reply]) {}
}

/// How much a writer takes on.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Callers that may wait.
    pub waiting: usize,
    /// Items in one transaction at most. With 1, every caller pays for a flush of its own.
    pub batch: usize,
}

/// Attempts at a batch that met conflicting work.
const ATTEMPTS: usize = 5;

/// Why a caller got no reply.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// The queue is full: too much work arrives. Try again later.
    #[error("the write queue is full")]
    Full,
    /// The writer has stopped.
    #[error("the writer has stopped")]
    Closed,
    /// The work of this caller panicked; nothing of it is kept, and the writer goes on.
    #[error("the work panicked")]
    Panicked,
    /// The database refused the work of this caller.
    #[error(transparent)]
    Db(#[from] Error),
}

type Waiting<G> =
    (<G as Grouped>::Item, oneshot::Sender<Result<<G as Grouped>::Reply, GroupError>>);

/// The sending side of a writer; clone it freely. The writer ends when the last clone is dropped.
pub struct Group<G: Grouped> {
    queue: mpsc::Sender<Waiting<G>>,
}

impl<G: Grouped> Clone for Group<G> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
    }
}

impl<G: Grouped> Group<G> {
    /// Starts the writer, on a thread of its own: everybody waits for it, so it must not stand in the
    /// executor's queue behind those it has just answered each time the database replies.
    ///
    /// # Panics
    /// Outside a Tokio runtime, or when the system gives no thread.
    pub fn spawn(db: Db, grouped: Arc<G>, limits: Limits) -> Self {
        let (queue, waiting) = mpsc::channel(limits.waiting);
        let runtime = Handle::current();
        let writing = write(db, grouped, waiting, limits.batch);
        std::thread::Builder::new()
            .name("group-writer".to_owned())
            .spawn(move || runtime.block_on(writing))
            .expect("a service that gets no thread at its start cannot begin");
        Self { queue }
    }

    /// Queues `item` and waits for the commit that holds it. A full queue refuses at once, so that
    /// overload is shed at the door.
    pub async fn submit(&self, item: G::Item) -> Result<G::Reply, GroupError> {
        let (sender, receiver) = oneshot::channel();
        self.queue.try_send((item, sender)).map_err(|error| refused(&error))?;
        receiver.await.map_err(|_| GroupError::Closed)?
    }

    /// Like [`Group::submit`], but waits for a place in the queue: for imports, and for
    /// withdrawals, which are never turned away.
    pub async fn submit_patiently(&self, item: G::Item) -> Result<G::Reply, GroupError> {
        let (sender, receiver) = oneshot::channel();
        self.queue.send((item, sender)).await.map_err(|_| GroupError::Closed)?;
        receiver.await.map_err(|_| GroupError::Closed)?
    }
}

fn refused<T>(error: &mpsc::error::TrySendError<T>) -> GroupError {
    match error {
        mpsc::error::TrySendError::Full(_) => GroupError::Full,
        mpsc::error::TrySendError::Closed(_) => GroupError::Closed,
    }
}

async fn write<G: Grouped>(
    db: Db,
    grouped: Arc<G>,
    mut waiting: mpsc::Receiver<Waiting<G>>,
    limit: usize,
) {
    let mut batch = Vec::with_capacity(limit);
    while waiting.recv_many(&mut batch, limit).await > 0 {
        let (items, senders): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
        match attempt(&db, grouped.as_ref(), &items).await {
            Ok(replies) => {
                for (sender, reply) in senders.into_iter().zip(replies) {
                    // A caller that hung up has its work done all the same.
                    drop(sender.send(Ok(reply)));
                }
            }
            Err(error) if items.len() == 1 => {
                if let Some(sender) = senders.into_iter().next() {
                    drop(sender.send(Err(error)));
                }
            }
            Err(_) => one_by_one(&db, grouped.as_ref(), items, senders).await,
        }
    }
}

/// One item that the database refuses must not take its neighbours down.
async fn one_by_one<G: Grouped>(
    db: &Db,
    grouped: &G,
    items: Vec<G::Item>,
    senders: Vec<oneshot::Sender<Result<G::Reply, GroupError>>>,
) {
    for (item, sender) in items.into_iter().zip(senders) {
        let reply = attempt(db, grouped, &[item]).await.map(|mut replies| replies.pop());
        let reply = match reply {
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => Err(GroupError::Closed),
            Err(error) => Err(error),
        };
        drop(sender.send(reply));
    }
}

async fn attempt<G: Grouped>(
    db: &Db,
    grouped: &G,
    items: &[G::Item],
) -> Result<Vec<G::Reply>, GroupError> {
    let mut tries = 0;
    let replies = loop {
        tries += 1;
        match guarded(once(db, grouped, items)).await? {
            Err(Error::Conflict(_)) if tries < ATTEMPTS => {}
            outcome => break outcome?,
        }
    };
    // It is kept, and its callers must hear so.
    if catch_unwind(AssertUnwindSafe(|| grouped.committed(&replies))).is_err() {
        tracing::error!("what follows a commit panicked");
    }
    Ok(replies)
}

/// Polls `work` so that its panic ends this work alone: everybody waits for the one writer. Whatever
/// it held is dropped with it; its transaction rolls back.
async fn guarded<T>(work: impl Future<Output = T>) -> Result<T, GroupError> {
    let mut work = pin!(work);
    future::poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx)));
        polled.map_or(Poll::Ready(Err(GroupError::Panicked)), |poll| poll.map(Ok))
    })
    .await
}

async fn once<G: Grouped>(db: &Db, grouped: &G, items: &[G::Item]) -> Result<Vec<G::Reply>, Error> {
    let mut tx = db.begin_group().await?;
    let replies = match grouped.apply(&mut tx, items).await {
        Ok(replies) => replies,
        Err(error) => {
            tx.rollback().await;
            return Err(error);
        }
    };
    tx.commit().await?;
    Ok(replies)
}
