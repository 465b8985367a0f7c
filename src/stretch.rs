//! A bounded pool for deliberately slow hashing.
//!
//! Argon2id takes tens of milliseconds and tens of megabytes a call. On the async executor it would
//! stall everyone, and without a bound a flood of sign-ins or consents would fill the machine. At
//! most one call per core runs, a bounded number waits, and the rest is told to come back.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// The pool. Cheap to clone.
#[derive(Clone)]
pub struct Stretch {
    /// Calls that run.
    running: Arc<Semaphore>,
    /// Calls that run or wait.
    admitted: Arc<Semaphore>,
}

/// Why a call did not run.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Busy {
    /// Too many wait already.
    #[error("too many slow hashes are waiting")]
    Full,
    /// The call panicked or the pool was shut down.
    #[error("the slow hash did not finish")]
    Lost,
}

impl Stretch {
    /// `running` calls at once, `waiting` more in line.
    pub fn new(running: usize, waiting: usize) -> Self {
        Self {
            running: Arc::new(Semaphore::new(running)),
            admitted: Arc::new(Semaphore::new(running + waiting)),
        }
    }

    /// Runs `work` on a blocking thread, or refuses at once when the line is full.
    pub async fn run<T, W>(&self, work: W) -> Result<T, Busy>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| Busy::Full)?;
        self.admitted_run(work, admitted).await
    }

    /// Runs `work`, waiting for a place in line: for imports, which can wait.
    pub async fn run_patiently<T, W>(&self, work: W) -> Result<T, Busy>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        let admitted = Arc::clone(&self.admitted).acquire_owned().await.map_err(|_| Busy::Lost)?;
        self.admitted_run(work, admitted).await
    }

    async fn admitted_run<T, W>(
        &self,
        work: W,
        admitted: tokio::sync::OwnedSemaphorePermit,
    ) -> Result<T, Busy>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| Busy::Lost)?;
        let done = tokio::task::spawn_blocking(move || {
            let value = work();
            // Held by the work itself: a caller that hangs up does not free its place early.
            drop((running, admitted));
            value
        });
        done.await.map_err(|_| Busy::Lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_line_refuses_and_a_finished_one_admits() {
        let pool = Stretch::new(1, 1);
        let (release, held) = std::sync::mpsc::channel::<()>();
        let first = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(move || held.recv().is_ok()).await }
        });
        while pool.admitted.available_permits() == 2 {
            tokio::task::yield_now().await;
        }
        let second = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(|| 2).await }
        });
        while pool.admitted.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.run(|| 3).await, Err(Busy::Full));
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(true));
        assert_eq!(second.await.unwrap(), Ok(2));
        assert_eq!(pool.run(|| 3).await, Ok(3));
    }
}
