//! Counters and durations in the text format that Prometheus reads (exposition format 0.0.4).
//!
//! Labels are route templates, methods, statuses and refusal codes: few, fixed by our own code, and
//! never a person, a caller or a value from a request.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the buckets of a duration, in seconds.
const BOUNDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// All counters and durations of the process.
#[derive(Default)]
pub struct Metrics {
    counters: Mutex<BTreeMap<&'static str, BTreeMap<String, u64>>>,
    durations: Mutex<BTreeMap<&'static str, BTreeMap<String, Durations>>>,
}

#[derive(Default, Clone)]
struct Durations {
    buckets: [u64; BOUNDS.len()],
    count: u64,
    seconds: f64,
}

impl Metrics {
    /// Adds to a counter. `name` ends in `_total`.
    pub fn count(&self, name: &'static str, labels: &[(&'static str, &str)], by: u64) {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        *counters.entry(name).or_default().entry(series(labels)).or_default() += by;
    }

    /// Records how long something took. `name` ends in `_seconds`.
    pub fn time(&self, name: &'static str, labels: &[(&'static str, &str)], took: Duration) {
        let mut durations = self.durations.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = durations.entry(name).or_default().entry(series(labels)).or_default();
        let seconds = took.as_secs_f64();
        for (bucket, bound) in entry.buckets.iter_mut().zip(BOUNDS) {
            *bucket += u64::from(seconds <= bound);
        }
        entry.count += 1;
        entry.seconds += seconds;
    }

    /// Everything, in the text format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (name, all) in counters {
            line(&mut text, format_args!("# TYPE {name} counter"));
            for (labels, value) in all {
                line(&mut text, format_args!("{name}{} {value}", braces(&labels)));
            }
        }
        let durations = self.durations.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (name, all) in durations {
            line(&mut text, format_args!("# TYPE {name} histogram"));
            for (labels, value) in all {
                value.write(&mut text, name, &labels);
            }
        }
        text
    }
}

impl Durations {
    fn write(&self, text: &mut String, name: &str, labels: &str) {
        let comma = if labels.is_empty() { "" } else { "," };
        for (count, bound) in self.buckets.iter().zip(BOUNDS) {
            let with = format!("{{{labels}{comma}le=\"{bound}\"}}");
            line(text, format_args!("{name}_bucket{with} {count}"));
        }
        let with = format!("{{{labels}{comma}le=\"+Inf\"}}");
        line(text, format_args!("{name}_bucket{with} {}", self.count));
        line(text, format_args!("{name}_sum{} {}", braces(labels), self.seconds));
        line(text, format_args!("{name}_count{} {}", braces(labels), self.count));
    }
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    writeln!(text, "{arguments}").expect("writing to a string does not fail");
}

fn braces(labels: &str) -> String {
    if labels.is_empty() { String::new() } else { format!("{{{labels}}}") }
}

fn series(labels: &[(&'static str, &str)]) -> String {
    let one = |(name, value): &(&str, &str)| {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        format!("{name}=\"{value}\"")
    };
    labels.iter().map(one).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let metrics = Metrics::default();
        metrics.count("volens_refused_total", &[("code", "a\"b")], 2);
        metrics.count("volens_refused_total", &[("code", "a\"b")], 1);
        metrics.time("volens_wait_seconds", &[], Duration::from_millis(30));
        let text = metrics.text();
        for expected in [
            "# TYPE volens_refused_total counter\nvolens_refused_total{code=\"a\\\"b\"} 3\n",
            "volens_wait_seconds_bucket{le=\"0.025\"} 0\n",
            "volens_wait_seconds_bucket{le=\"0.05\"} 1\n",
            "volens_wait_seconds_bucket{le=\"+Inf\"} 1\n",
            "volens_wait_seconds_sum 0.03\nvolens_wait_seconds_count 1\n",
        ] {
            assert!(text.contains(expected), "{text}");
        }
    }
}
