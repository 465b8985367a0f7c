//! What people are asked, and what for: purposes and notices as they are in force.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use volens_privacy::notice::{Lack, Notice, NoticeDiff, Notices};
use volens_privacy::purpose::{PurposeDefinition, Purposes};

use super::super::guard::AsOfficer;
use super::super::shell::{Page, Shell};
use crate::app::App;
use crate::consent::{self, LiveUnder};
use crate::ids::hex;
use crate::web::problem::ApiResult;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/officer/notices", get(notices))
}

#[derive(Template)]
#[template(path = "officer/notices.html")]
struct NoticesPage {
    shell: Shell,
    purposes: &'static [PurposeDefinition],
    notices: Vec<(&'static Notice, String)>,
    lacks: Vec<Lack>,
    versions: Vec<Version>,
}

/// An earlier version, what became of it, and whom that concerns.
struct Version {
    diff: NoticeDiff,
    live: Vec<LiveUnder>,
}

/// What changed with each later version of a notice, in English.
fn versions(live: &[LiveUnder]) -> Vec<Version> {
    let notices = Notices::builtin();
    let english = notices.all().iter().filter(|notice| notice.language == "en");
    let next = |from: &'static Notice| {
        let to = notices.get(&from.id, from.version + 1, "en")?;
        let under = |one: &&LiveUnder| one.notice == from.id && one.version == from.version;
        let live = live.iter().filter(under).cloned().collect();
        Some(Version { diff: NoticeDiff::between(from, to), live })
    };
    english.filter_map(next).collect()
}

async fn notices(
    AsOfficer(session): AsOfficer,
    State(app): State<App>,
) -> ApiResult<impl IntoResponse> {
    let notices = Notices::builtin().all().iter();
    let live = consent::live_under(&mut app.db.read().await?, app.now()).await?;
    Ok(Page(NoticesPage {
        shell: Shell::of(&session, "/officer/notices"),
        purposes: Purposes::builtin().all(),
        notices: notices.map(|notice| (notice, hex(&notice.sha256))).collect(),
        lacks: Notices::builtin().lacks(),
        versions: versions(&live),
    }))
}
