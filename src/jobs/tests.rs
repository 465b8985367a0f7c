//! The queue's promises: nothing lost, nothing twice, nobody late believed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::json;
use volens_privacy::Timestamp;

use super::*;
use crate::clock::{Clock, ManualClock};
use crate::db::Db;
use crate::db::testing::on_both;

fn start() -> Timestamp {
    Timestamp::from_micros(1_763_700_000_000_000)
}

async fn add(db: &Db, kind: &'static str, run_at: Timestamp) -> JobId {
    let mut rng = StdRng::seed_from_u64(u64::try_from(run_at.micros()).unwrap());
    let mut tx = db.begin().await.unwrap();
    let id = enqueue(&mut tx, &mut rng, kind, json!({}), run_at, start()).await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn state(db: &Db, id: JobId) -> (JobState, Option<String>) {
    let mut tx = db.read().await.unwrap();
    let job = find(&mut tx, id).await.unwrap().unwrap();
    (job.state, job.error)
}

#[tokio::test]
async fn a_job_waits_for_its_time_and_runs_once() {
    on_both(|db| async move {
        let clock = Arc::new(ManualClock::at(start()));
        let ran = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&ran);
        let handlers = Handlers::default().with("count", move |_| {
            let count = Arc::clone(&count);
            async move {
                count.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
        });
        let worker = Worker::new(db.clone(), Arc::clone(&clock) as Arc<dyn Clock>, handlers);
        let id = add(&db, "count", start().plus(Duration::from_mins(1))).await;
        worker.run_due().await.unwrap();
        assert_eq!(ran.load(Ordering::SeqCst), 0);
        clock.advance(Duration::from_secs(61));
        worker.run_due().await.unwrap();
        worker.run_due().await.unwrap();
        assert_eq!(ran.load(Ordering::SeqCst), 1);
        assert_eq!(state(&db, id).await, (JobState::Done, None));
        let mut tx = db.read().await.unwrap();
        assert_eq!(waiting(&mut tx).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_failing_job_is_retried_with_backoff_and_given_up_aloud() {
    on_both(|db| async move {
        let clock = Arc::new(ManualClock::at(start()));
        let handlers = Handlers::default()
            .with("retry", |_| async { Err(Failure::Retry("not.yet")) })
            .with("final", |_| async { Err(Failure::Final("never")) })
            .with("panic", |_| async { panic!("a handler's fault stays its own") });
        let worker = Worker::new(db.clone(), Arc::clone(&clock) as Arc<dyn Clock>, handlers);
        let retried = add(&db, "retry", start()).await;
        let refused = add(&db, "final", start().plus(Duration::from_micros(1))).await;
        let unknown = add(&db, "nobody knows", start().plus(Duration::from_micros(2))).await;
        let panicked = add(&db, "panic", start().plus(Duration::from_micros(3))).await;
        clock.advance(Duration::from_secs(1));
        worker.run_due().await.unwrap();
        assert_eq!(state(&db, retried).await, (JobState::Queued, Some("not.yet".to_owned())));
        assert_eq!(state(&db, refused).await, (JobState::Failed, Some("never".to_owned())));
        assert_eq!(state(&db, unknown).await.0, JobState::Failed);
        assert_eq!(state(&db, panicked).await.1, Some("job.panicked".to_owned()));
        for _ in 0..8 {
            clock.advance(Duration::from_mins(2));
            worker.run_due().await.unwrap();
        }
        assert_eq!(state(&db, retried).await, (JobState::Failed, Some("not.yet".to_owned())));
    })
    .await;
}

#[tokio::test]
async fn a_silent_worker_loses_its_job_and_its_voice() {
    on_both(|db| async move {
        add(&db, "slow", start()).await;
        let mut tx = db.begin().await.unwrap();
        let lost = store::claim(&mut tx, start(), start().plus(Duration::from_mins(1)))
            .await
            .unwrap()
            .unwrap();
        assert!(store::claim(&mut tx, start(), start()).await.unwrap().is_none());
        let later = start().plus(Duration::from_secs(61));
        let taken = store::claim(&mut tx, later, later.plus(Duration::from_mins(1)))
            .await
            .unwrap()
            .unwrap();
        assert_eq!((taken.id, taken.attempts), (lost.id, 2));
        assert_eq!(store::finish(&mut tx, &lost, later).await.unwrap(), 0);
        assert_eq!(store::progress(&mut tx, &taken, 0.5, later).await.unwrap(), 1);
        assert_eq!(store::finish(&mut tx, &taken, later).await.unwrap(), 1);
        tx.commit().await.unwrap();
    })
    .await;
}
