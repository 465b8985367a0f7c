//! What browsers open: pages made on the server that need no script for anything a person has a
//! right to. One family of pages per file; each calls the use cases of the slices and nothing below
//! them.
//!
//! Every form that changes something carries the session's form token; the pages of a person are
//! opened by an address nobody can guess. Nothing here sets `Cache-Control`: the default is
//! `no-store`.

mod assets;
mod chat;
mod console;
mod errors;
mod guard;
mod home;
mod languages;
mod notices;
mod officer;
mod privacy_centre;
mod request_words;
mod requested;
mod rights;
mod rights_words;
mod shell;
mod text;
mod why;
mod why_words;
mod words;

use axum::Router;

pub(super) use self::errors::as_pages;
use crate::app::App;

/// Everything that is opened by a browser.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .merge(assets::routes())
        .merge(chat::routes())
        .merge(console::routes())
        .merge(home::routes())
        .merge(notices::routes())
        .merge(officer::routes())
        .merge(privacy_centre::routes())
        .merge(rights::routes())
        .merge(why::routes())
}
