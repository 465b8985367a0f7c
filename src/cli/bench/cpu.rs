//! CPU time of this process, all of its threads.

use std::time::{Duration, Instant};

/// Ticks a second in `/proc`: `USER_HZ`, 100 on every Linux that Rust runs on (`man 5 proc`).
const TICKS: f64 = 100.0;

/// Measures CPU time of the process where the system tells it (Linux), otherwise wall time.
pub(super) struct Stopwatch {
    cpu: Option<f64>,
    wall: Instant,
}

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "a bench measures with the machine's clock")]
    pub(super) fn start() -> Self {
        Self { cpu: of_process(), wall: Instant::now() }
    }

    /// CPU seconds of the process since the start, in steps of 10 ms.
    pub(super) fn cpu_seconds(&self) -> f64 {
        let cpu = of_process().zip(self.cpu).map(|(now, then)| now - then);
        cpu.unwrap_or_else(|| self.wall().as_secs_f64())
    }

    /// Time since the start.
    pub(super) fn wall(&self) -> Duration {
        self.wall.elapsed()
    }
}

/// Fields 14 and 15 of `stat`: ticks in user mode and in the kernel. The second field is the name
/// in parentheses, which may hold anything.
fn of_process() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some((ticks()? + ticks()?) as f64 / TICKS)
}
