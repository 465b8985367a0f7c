//! Accounts over HTTP.
