//! What people are asked, and what for: purposes and notices as they are in force.

use askama::Template;
use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use volens_privacy::notice::{Notice, Notices};
use volens_privacy::purpose::{PurposeDefinition, Purposes};

use super::super::guard::AsOfficer;
use super::super::shell::{Page, Shell};
use crate::app::App;
use crate::ids::hex;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/officer/notices", get(notices))
}

#[derive(Template)]
#[template(path = "officer/notices.html")]
struct NoticesPage {
    shell: Shell,
    purposes: &'static [PurposeDefinition],
    notices: Vec<(&'static Notice, String)>,
}

async fn notices(AsOfficer(session): AsOfficer) -> impl IntoResponse {
    let notices = Notices::builtin().all().iter();
    Page(NoticesPage {
        shell: Shell::of(&session, "/officer/notices"),
        purposes: Purposes::builtin().all(),
        notices: notices.map(|notice| (notice, hex(&notice.sha256))).collect(),
    })
}
