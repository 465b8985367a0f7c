//! The ledger's entries, newest first, and one entry with its proof.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use volens_privacy::Timestamp;
use volens_privacy::ledger::{Checkpoint, Leaf, LeafKind, leaf_hash, parse_tlog_proof};

use super::super::guard::AsOfficer;
use super::super::shell::{Page, Shell};
use super::super::text;
use crate::app::App;
use crate::ids::hex;
use crate::ledger::{self, LedgerError};
use crate::web::extract::{Path, Query};
use crate::web::problem::{ApiResult, Problem};

/// Entries on a page.
const ON_A_PAGE: usize = 50;
/// Entries read at a time.
const CHUNK: u64 = 500;
/// Entries looked through for one page, when few are of the kind asked for.
const LOOKED_THROUGH: u64 = 20_000;

const ADDRESS: &str = "/officer/entries";

pub(super) fn routes() -> Router<App> {
    Router::new().route(ADDRESS, get(entries)).route("/officer/entries/{index}", get(entry))
}

/// One line.
struct Line {
    index: u64,
    kind: &'static str,
    tone: &'static str,
    at: Timestamp,
    about: String,
    /// The list that was sealed.
    list: Option<String>,
}

#[derive(Template)]
#[template(path = "officer/entries.html")]
struct Entries {
    shell: Shell,
    size: u64,
    lines: Vec<Line>,
    kinds: Vec<&'static str>,
    kind: String,
    /// What was asked for and is no kind of entry.
    unknown: Option<String>,
    older: Option<u64>,
    first_page: bool,
}

#[derive(Deserialize)]
struct EntriesQuery {
    before: Option<u64>,
    #[serde(default)]
    kind: String,
}

async fn entries(
    AsOfficer(session): AsOfficer,
    State(app): State<App>,
    Query(query): Query<EntriesQuery>,
) -> ApiResult<Response> {
    let mut tx = app.db.read().await?;
    let size = ledger::size(&mut tx).await?;
    let wanted = LeafKind::ALL.into_iter().find(|kind| kind.as_str() == query.kind);
    if wanted.is_none() && !query.kind.is_empty() {
        let unknown = Some(query.kind);
        let page = Entries { size, unknown, ..Entries::none(Shell::of(&session, ADDRESS)) };
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, Page(page)).into_response());
    }
    let start = query.before.unwrap_or(size).min(size);
    let (mut at, mut lines) = (start, Vec::new());
    'pages: while at > 0 && start - at < LOOKED_THROUGH {
        let from = at.saturating_sub(CHUNK);
        for (index, bytes) in ledger::entries(&mut tx, from, at).await?.into_iter().rev() {
            if lines.len() == ON_A_PAGE {
                break 'pages;
            }
            at = index;
            let leaf = Leaf::parse(&bytes).ok();
            let fits = wanted.is_none_or(|kind| leaf.as_ref().is_some_and(|l| l.kind() == kind));
            if let Some(leaf) = leaf.filter(|_| fits) {
                lines.push(Line::new(index, &leaf));
            }
        }
        // Also where entries are missing, so that a damaged ledger can still be looked through.
        at = from;
    }
    Ok(Page(Entries {
        size,
        lines,
        kind: wanted.map(LeafKind::as_str).unwrap_or_default().to_owned(),
        older: (at > 0).then_some(at),
        first_page: start == size,
        ..Entries::none(Shell::of(&session, ADDRESS))
    })
    .into_response())
}

impl Entries {
    /// The page without any entry.
    fn none(shell: Shell) -> Self {
        Self {
            shell,
            size: 0,
            lines: Vec::new(),
            kinds: LeafKind::ALL.into_iter().map(LeafKind::as_str).collect(),
            kind: String::new(),
            unknown: None,
            older: None,
            first_page: true,
        }
    }
}

impl Line {
    fn new(index: u64, leaf: &Leaf) -> Self {
        let kind = leaf.kind();
        let list = (kind == LeafKind::ListSealed).then(|| detail(leaf, "list")).flatten();
        let (tone, about) = (tone(kind), about(leaf));
        Self { index, kind: kind.as_str(), tone, at: leaf.at(), about, list }
    }
}

fn tone(kind: LeafKind) -> &'static str {
    match kind {
        LeafKind::ConsentGiven | LeafKind::ObjectionLifted | LeafKind::ProcessingResumed => "good",
        LeafKind::ConsentWithdrawn
        | LeafKind::ConsentRefused
        | LeafKind::AccountErased
        | LeafKind::IncidentNoted
        | LeafKind::ObjectionMade => "bad",
        LeafKind::ConsentExpired
        | LeafKind::OfficerAccess
        | LeafKind::AccessAsked
        | LeafKind::AccessDecided
        | LeafKind::LossSettled
        | LeafKind::ProcessingRestricted => "warn",
        LeafKind::ListSealed
        | LeafKind::ModelTrained
        | LeafKind::ModelCleared
        | LeafKind::LogOpened => "accent",
        LeafKind::NoticePublished
        | LeafKind::KeyRotated
        | LeafKind::AuditRun
        | LeafKind::ImpactAssessed
        | LeafKind::RequestReceived
        | LeafKind::RequestClosed => "",
    }
}

fn detail(leaf: &Leaf, name: &str) -> Option<String> {
    leaf.detail()?.get(name)?.as_str().map(str::to_owned)
}

/// What a reading showed, in words.
fn read(what: &str) -> &str {
    match what {
        "record" => "a person's record",
        "lesson" => "whether a model learned from somebody",
        "list_rows" => "rows of a list",
        "list_export" => "a list as a file",
        "inbox" => "conversations that wait",
        "requests" => "requests of people",
        "reachability" => "who could be reached",
        other => other,
    }
}

/// What the entry is about, without knowing about whom.
fn about(leaf: &Leaf) -> String {
    let mut parts = Vec::new();
    if let Some(purpose) = leaf.purpose() {
        parts.push(purpose.definition().title("en").to_owned());
    }
    if let Some(app) = leaf.app() {
        parts.push(format!("in {app}"));
    }
    if let Some(peer) = leaf.peer() {
        parts.push(format!("with {peer}"));
    }
    if let Some(notice) = leaf.notice() {
        parts.push(format!("notice {} version {}", notice.id, notice.version));
    }
    let detail = |name| detail(leaf, name);
    if let (Some(what), Some(role)) = (detail("what"), detail("role")) {
        parts.push(format!("{} read by {role}", read(&what)));
    }
    parts.extend(
        ["language", "list", "model", "view", "opening", "assessment", "origin"]
            .into_iter()
            .filter_map(detail),
    );
    parts.join(" · ")
}

#[derive(Template)]
#[template(path = "officer/entry.html")]
struct Entry {
    shell: Shell,
    line: Line,
    size: u64,
    leaf: String,
    canonical: String,
    hash: String,
    proof: Option<String>,
    /// The signed head that the proof leads to.
    proven: Option<Checkpoint>,
}

async fn entry(
    AsOfficer(session): AsOfficer,
    State(app): State<App>,
    Path(index): Path<u64>,
) -> ApiResult<impl IntoResponse> {
    let mut tx = app.db.read().await?;
    let size = ledger::size(&mut tx).await?;
    let mut found = ledger::leaves(&mut tx, &[index]).await?;
    let bytes = found.remove(&index).ok_or_else(Problem::not_found)?;
    let leaf = Leaf::parse(&bytes).map_err(|error| Problem::internal(&error))?;
    let proof = match ledger::evidence(&mut tx, &[index], size).await {
        Err(LedgerError::OutOfRange) => None,
        found => found?.get(&index).map(|evidence| evidence.text(index)),
    };
    // Checked the way a stranger would: from the text alone, with the public key.
    let verifier = app.keys.log_verifier();
    let read = proof.as_deref().and_then(|text| parse_tlog_proof(text).ok());
    let read = read.filter(|proof| proof.entry() == index);
    let proven = read.and_then(|proof| proof.verify(&bytes, &verifier).ok());
    Ok(Page(Entry {
        shell: Shell::of(&session, "/officer/entries"),
        line: Line::new(index, &leaf),
        size,
        leaf: text::pretty(&bytes),
        canonical: String::from_utf8_lossy(&bytes).into_owned(),
        hash: hex(leaf_hash(&bytes).as_bytes()),
        proof,
        proven,
    }))
}
