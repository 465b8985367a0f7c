//! Links over HTTP.
