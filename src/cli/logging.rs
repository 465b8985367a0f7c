//! Logs: readable on a terminal, JSON otherwise, always on standard error.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Log, LogFormat};

/// Starts logging. A filter that cannot be read means `info`.
pub(super) fn start(log: &Log) {
    let filter = EnvFilter::try_new(&log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let pretty = match log.format {
        LogFormat::Auto => io::stderr().is_terminal(),
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // A second subscriber in one process is refused; the first one keeps writing.
    drop(if pretty {
        builder.compact().with_target(false).finish().try_init()
    } else {
        builder.json().flatten_event(true).finish().try_init()
    });
}
