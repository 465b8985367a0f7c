//! Styles, scripts and pictures, built into the program.

use axum::Router;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest as _, Sha256};

use crate::app::App;
use crate::ids::hex;
use crate::web::problem::Problem;

/// Name, media type, content.
const ASSETS: &[(&str, &str, &str)] = &[
    ("volens.css", "text/css; charset=utf-8", include_str!("../assets/volens.css")),
    ("icon.svg", "image/svg+xml", include_str!("../assets/icon.svg")),
    ("chat.js", "text/javascript; charset=utf-8", include_str!("../assets/chat.js")),
    ("paste.js", "text/javascript; charset=utf-8", include_str!("../assets/paste.js")),
];

pub(super) fn routes() -> Router<App> {
    Router::new().route("/assets/{name}", get(asset)).route("/favicon.ico", get(icon))
}

/// A file by its name. Pages ask for it with a fingerprint, so a browser may keep it.
async fn asset(Path(name): Path<String>) -> Response {
    match ASSETS.iter().find(|(known, ..)| *known == name) {
        Some((_, media_type, content)) => {
            let headers = [(CONTENT_TYPE, *media_type), (CACHE_CONTROL, "public, max-age=86400")];
            (headers, *content).into_response()
        }
        None => Problem::not_found().into_response(),
    }
}

/// Browsers ask for it at this address, whatever a page says.
async fn icon() -> Response {
    asset(Path("icon.svg".to_owned())).await
}

/// Of all assets together: twelve hexadecimal digits.
pub(super) fn fingerprint() -> String {
    let mut hash = Sha256::new();
    for (name, _, content) in ASSETS {
        hash.update(name.as_bytes());
        hash.update((content.len() as u64).to_be_bytes());
        hash.update(content.as_bytes());
    }
    hex(&hash.finalize()[..6])
}
