//! The log over HTTP.
