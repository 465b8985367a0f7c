//! Signals over HTTP.
