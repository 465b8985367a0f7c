//! How much one caller may ask for, and what is being answered right now. The state is bounded; a
//! caller that was forgotten starts with a full bucket.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use quick_cache::sync::Cache;
use volens_privacy::Timestamp;

const MICROS: u64 = 1_000_000;
/// A clock that goes back by more than an hour had been wrong before.
const PUT_RIGHT: i64 = 3600 * MICROS as i64;

/// Buckets of one kind of caller.
pub struct Buckets {
    /// One token takes this many microseconds to come back.
    micros_per_token: u64,
    burst: u64,
    /// When a caller that was not seen yet has saved a burst, in microseconds.
    full_at: i64,
    state: Cache<[u8; 16], Arc<Mutex<Bucket>>>,
}

/// Time-based ("virtual scheduling") token bucket: the one number is when it would be full again.
struct Bucket {
    full_at: i64,
}

impl Buckets {
    /// `tokens` come back every `seconds`; at most `burst` are saved; `remembered` callers.
    pub fn new(tokens: u32, seconds: u32, burst: u32, remembered: u32) -> Self {
        let micros = u64::from(seconds.max(1)) * MICROS / u64::from(tokens.max(1));
        Self {
            micros_per_token: micros.max(1),
            burst: u64::from(burst.max(1)),
            full_at: 0,
            state: Cache::new(remembered.max(1) as usize),
        }
    }

    /// The same, with nothing saved at `now`: what was used before is not known, so all of it may have
    /// been.
    pub fn spent_at(self, now: Timestamp) -> Self {
        let saved = self.burst.saturating_mul(self.micros_per_token);
        Self { full_at: now.micros().saturating_add_unsigned(saved), ..self }
    }

    /// Takes one token, or says after how many seconds there will be one. A clock that goes back gives
    /// nothing away; when it was put right by more than an hour everybody starts anew, for nobody is to
    /// wait until a wrong clock's time comes.
    pub fn take(&self, caller: [u8; 16], now: Timestamp) -> Result<(), u32> {
        let fresh = || {
            let bucket = Bucket { full_at: self.full_at };
            Ok::<_, std::convert::Infallible>(Arc::new(Mutex::new(bucket)))
        };
        let Ok(bucket) = self.state.get_or_insert_with(&caller, fresh);
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now.micros();
        let allowed = now.saturating_add((self.burst * self.micros_per_token) as i64);
        let put_right = bucket.full_at > allowed.saturating_add(PUT_RIGHT);
        let full_at = if put_right { now } else { bucket.full_at.max(now) };
        let next = full_at.saturating_add(self.micros_per_token as i64);
        if next > allowed {
            let wait = (next - allowed) as u64;
            return Err(u32::try_from(wait.div_ceil(MICROS)).unwrap_or(u32::MAX));
        }
        bucket.full_at = next;
        Ok(())
    }

    /// Callers remembered now.
    pub fn remembered(&self) -> usize {
        self.state.len()
    }
}

/// Work that must not run twice at once in this process, by a 32-byte name.
#[derive(Default)]
pub struct InFlight(Mutex<BTreeSet<[u8; 32]>>);

/// Holds one name of [`InFlight`] until it is dropped.
pub struct Held {
    all: Arc<InFlight>,
    name: [u8; 32],
}

impl InFlight {
    /// Takes the name; `None` while somebody holds it.
    pub fn hold(self: &Arc<Self>, name: [u8; 32]) -> Option<Held> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
        taken.then(|| Held { all: Arc::clone(self), name })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_then_a_steady_rate() {
        let buckets = Buckets::new(2, 1, 3, 10);
        let start = Timestamp::from_micros(1_800_000_000_000_000);
        for _ in 0..3 {
            assert_eq!(buckets.take([1; 16], start), Ok(()));
        }
        assert_eq!(buckets.take([1; 16], start), Err(1));
        assert_eq!(buckets.take([2; 16], start), Ok(()), "callers do not share a bucket");
        let later = start.plus(Duration::from_millis(500));
        assert_eq!(buckets.take([1; 16], later), Ok(()));
        assert_eq!(buckets.take([1; 16], later), Err(1));
    }

    #[test]
    fn what_may_have_been_spent_comes_back_at_the_steady_rate() {
        let start = Timestamp::from_micros(1_800_000_000_000_000);
        let buckets = Buckets::new(2, 1, 3, 10).spent_at(start);
        assert_eq!(buckets.take([1; 16], start), Err(1));
        let later = start.plus(Duration::from_millis(500));
        assert_eq!(buckets.take([1; 16], later), Ok(()));
        assert_eq!(buckets.take([1; 16], later), Err(1));
        let much_later = start.plus(Duration::from_hours(1));
        for _ in 0..3 {
            assert_eq!(buckets.take([2; 16], much_later), Ok(()));
        }
        assert_eq!(buckets.take([2; 16], much_later), Err(1), "no more than a burst is saved");
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_away() {
        let buckets = Buckets::new(1, 1, 1, 10);
        let start = Timestamp::from_micros(1_800_000_000_000_000);
        assert_eq!(buckets.take([1; 16], start), Ok(()));
        let before = Timestamp::from_micros(start.micros() - 60_000_000);
        assert_eq!(buckets.take([1; 16], before), Err(61));
    }

    #[test]
    fn a_clock_that_was_years_ahead_locks_nobody_out() {
        let buckets = Buckets::new(1, 1, 1, 10);
        let right = Timestamp::from_micros(1_800_000_000_000_000);
        let wrong = right.plus(Duration::from_hours(24 * 365 * 70));
        assert_eq!(buckets.take([1; 16], wrong), Ok(()));
        assert_eq!(buckets.take([1; 16], right), Ok(()));
        assert_eq!(buckets.take([1; 16], right), Err(1), "and it counts from there");
    }

    #[test]
    fn a_name_is_held_once_and_free_again_after() {
        let all = Arc::new(InFlight::default());
        let held = all.hold([1; 32]).expect("it is free");
        assert!(all.hold([1; 32]).is_none());
        assert!(all.hold([2; 32]).is_some());
        drop(held);
        assert!(all.hold([1; 32]).is_some());
    }

    #[test]
    fn the_state_is_bounded() {
        let buckets = Buckets::new(1, 1, 1, 100);
        for caller in 0..10_000u32 {
            let mut id = [0; 16];
            id[..4].copy_from_slice(&caller.to_be_bytes());
            assert_eq!(buckets.take(id, Timestamp::from_micros(0)), Ok(()));
        }
        assert!(buckets.remembered() <= 100);
    }
}
