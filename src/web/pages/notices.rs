//! The texts that people agree to, for everybody to read.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use volens_privacy::notice::{Notice, Notices};

use super::shell::{Page, Shell};
use crate::app::App;
use crate::ids::hex;
use crate::web::extract::Path;
use crate::web::problem::{ApiResult, Problem};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/n", get(all)).route("/n/{id}/{version}/{language}", get(one))
}

/// A version of a notice with its languages.
struct Group {
    id: &'static str,
    version: u32,
    title: &'static str,
    languages: Vec<&'static str>,
}

#[derive(Template)]
#[template(path = "notices.html")]
struct NoticesPage {
    shell: Shell,
    groups: Vec<Group>,
}

async fn all() -> impl IntoResponse {
    let mut groups: Vec<Group> = Vec::new();
    for notice in Notices::builtin().all() {
        let known = groups.iter_mut().find(|g| g.id == notice.id && g.version == notice.version);
        if let Some(group) = known {
            group.languages.push(&notice.language);
            if notice.language == "en" {
                group.title = &notice.title;
            }
        } else {
            groups.push(Group {
                id: &notice.id,
                version: notice.version,
                title: &notice.title,
                languages: vec![&notice.language],
            });
        }
    }
    Page(NoticesPage { shell: Shell::public("en"), groups })
}

/// A piece of a notice's text.
enum Block<'t> {
    Heading(&'t str),
    Paragraph(&'t str),
}

/// Notices are written in paragraphs and headings of the second level, and nothing else.
fn blocks(text: &str) -> Vec<Block<'_>> {
    let parts = text.split("\n\n").map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| match part.strip_prefix("## ") {
            Some(heading) => Block::Heading(heading),
            None => Block::Paragraph(part),
        })
        .collect()
}

#[derive(Template)]
#[template(path = "notice.html")]
struct NoticePage {
    shell: Shell,
    notice: &'static Notice,
    text: String,
    languages: Vec<&'static str>,
    sha256: String,
}

async fn one(
    State(app): State<App>,
    Path((id, version, language)): Path<(String, u32, String)>,
) -> ApiResult<impl IntoResponse> {
    let notices = Notices::builtin();
    let notice = notices.get(&id, version, &language).ok_or_else(Problem::not_found)?;
    let same = notices.all().iter().filter(|n| n.id == notice.id && n.version == notice.version);
    Ok(Page(NoticePage {
        shell: Shell::public(&notice.language),
        notice,
        text: notice.rendered(app.receipts.parties()),
        languages: same.map(|n| n.language.as_str()).collect(),
        sha256: hex(&notice.sha256),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notice_is_paragraphs_and_headings() {
        for notice in Notices::builtin().all() {
            for block in blocks(&notice.text) {
                let (Block::Heading(text) | Block::Paragraph(text)) = block;
                let other = text.starts_with(['#', '-', '*', '|', '>']);
                assert!(!other && !text.contains('\n'), "{} {}", notice.id, notice.language);
            }
        }
    }
}
