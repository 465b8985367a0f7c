//! CPU time of this thread.

use std::time::{Duration, Instant};

/// Measures CPU time where the system tells it (Linux), otherwise wall time.
pub(super) struct Stopwatch {
    cpu: Option<Duration>,
    wall: Instant,
}

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "measures how long something takes, decides nothing"
    )]
    pub(super) fn start() -> Self {
        Self { cpu: of_thread(), wall: Instant::now() }
    }

    /// Seconds since the start.
    pub(super) fn seconds(&self) -> f64 {
        let cpu = of_thread().zip(self.cpu).map(|(now, then)| now.saturating_sub(then));
        cpu.unwrap_or_else(|| self.wall.elapsed()).as_secs_f64()
    }
}

/// First field of `schedstat`: nanoseconds this thread was on a CPU (Linux, Documentation/scheduler/sched-stats.rst).
fn of_thread() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}
