//! Consent over HTTP.
