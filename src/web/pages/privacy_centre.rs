//! A person's own page: what they agreed to, in plain words, and a button to take each back. Opened
//! by an address from their app; needs no script.

use std::collections::BTreeMap;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT_LANGUAGE, CONTENT_DISPOSITION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use volens_privacy::consent::Decision;
use volens_privacy::notice::Notices;
use volens_privacy::purpose::PurposeKind;
use volens_privacy::receipt::Receipt;
use volens_privacy::rights::RequestKind;
use volens_privacy::{AppId, Timestamp};

use super::languages::{Chosen, LANGUAGES};
use super::request_words::RequestWords;
use super::requested::{Requested, requested};
use super::rights::begin;
use super::rights_words::RightsWords;
use super::shell::{Page, Shell, token_of};
use super::why_words::WhyWords;
use super::words::Words;
use crate::access::directory;
use crate::accounts;
use crate::app::App;
use crate::consent::{self, Command, Effects, Grant, Replies, Withdrawal};
use crate::db::Tx;
use crate::privacy_centre::{self, Person, signal};
use crate::rights::interests::{self, Interest};
use crate::rights::{self, Removed, requests};
use crate::web::callers::Anyone;
use crate::web::extract::{Form, Path};
use crate::web::json::Json;
use crate::web::problem::{ApiResult, Problem};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/p/{token}", get(centre))
        .route("/p/{token}/withdraw", post(withdraw))
        .route("/p/{token}/erase", get(ask_to_erase).post(erase))
        .route("/p/{token}/receipts.json", get(receipts))
}

/// What people call apps.
type Titles = BTreeMap<AppId, String>;

/// A consent that lives.
struct Living {
    purpose: &'static str,
    peer: String,
    title: &'static str,
    with: String,
    covers: &'static str,
    since: String,
    until: String,
    /// What would go with it now.
    effects: Vec<(&'static str, u64)>,
    /// Why it is not in use, where it is not.
    idle: Option<&'static str>,
    notice: Option<String>,
    notice_title: &'static str,
}

/// An inferred interest.
pub(super) struct Assumed {
    topic: String,
    title: String,
    denied: bool,
}

/// A consent that has ended, or that was declined.
struct Ended {
    title: &'static str,
    with: String,
    became: &'static str,
    on: String,
}

/// What a withdrawal has just done.
pub(super) struct Done {
    pub(super) title: String,
    pub(super) text: &'static str,
    pub(super) entry: String,
    pub(super) effects: Vec<(&'static str, u64)>,
    /// What is said when nothing went along.
    pub(super) otherwise: &'static str,
}

#[derive(Template)]
#[template(path = "person/centre.html")]
pub(super) struct Centre {
    shell: Shell,
    rights: &'static RightsWords,
    objected: Option<String>,
    restricted: Option<String>,
    interests: Vec<Assumed>,
    token: String,
    form_token: String,
    lead: String,
    erase_lead: String,
    valid_until: String,
    living: Vec<Living>,
    ended: Vec<Ended>,
    done: Option<Done>,
    why_words: &'static WhyWords,
    request_words: &'static RequestWords,
    requested: Vec<Requested>,
    /// What is wrong about the person, as they typed it, and why it was not taken.
    pub(super) unsaid: Option<(String, &'static str)>,
    /// What a signal of the browser did.
    signal: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "person/gone.html")]
struct Gone {
    shell: Shell,
}

pub(super) fn gone(headers: &HeaderMap) -> Response {
    let wanted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let first = wanted.and_then(|text| text.split([',', ';']).next()).unwrap_or("en");
    (StatusCode::NOT_FOUND, Page(Gone { shell: Shell::public(first.trim()) })).into_response()
}

/// The page.
async fn centre(
    Anyone(identified): Anyone,
    State(app): State<App>,
    chosen: Chosen,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let mut tx = app.db.read().await?;
    let person = privacy_centre::open(&mut tx, &app.keys, &token, app.now()).await?;
    let Some(person) = person else { return Ok(gone(&headers)) };
    let person = chosen.by(person);
    let form_token = token_of(identified.as_ref());
    if says_no(&headers) {
        let denied = signal::denied(&mut tx, &person, app.now()).await?;
        drop(tx);
        for withdrawal in denied {
            app.consents.submit_patiently(Command::Withdraw(withdrawal)).await??;
        }
        tx = app.db.read().await?;
    }
    let mut page = page(&app, &mut tx, &person, (token, form_token), None).await?;
    page.signal = says_no(&headers).then_some(page.shell.words.gpc);
    Ok(Page(page).into_response())
}

/// Whether the browser says no for its user (Global Privacy Control).
fn says_no(headers: &HeaderMap) -> bool {
    headers.get("sec-gpc").is_some_and(|value| value.as_bytes() == b"1")
}

pub(super) async fn page(
    app: &App,
    tx: &mut Tx,
    person: &Person,
    (token, form_token): (String, String),
    done: Option<Done>,
) -> ApiResult<Centre> {
    let shell = Shell::public(&person.language);
    let (words, now) = (shell.words, app.now());
    let rights = RightsWords::of(words.code);
    let account = accounts::find(tx, &[person.subject]).await?.remove(&person.subject);
    let since = |text: &str, at: Option<Timestamp>| at.map(|at| Words::fill(text, &words.day(at)));
    let grants = consent::grants_of(tx, &[person.subject]).await?;
    let titles = titles_of(tx, &grants).await?;
    let title = title_of(tx, &person.app).await?;
    let interests = assumed(app, tx, person).await;
    let counting = consent::counting(tx).await?;
    let (living, ended): (Vec<_>, Vec<_>) = grants.iter().partition(|grant| grant.is_live(now));
    let mut shown = Vec::with_capacity(living.len());
    for grant in living {
        let effects = consent::would_end(tx, grant).await?;
        let effects = would_go(grant, effects, counted(&interests), rights);
        let idle = match grant.entry {
            entry if entry < counting.start => Some(rights.held_back),
            entry if entry >= counting.end => Some(rights.awaits),
            _ => None,
        };
        shown.push(Living { effects, idle, ..Living::new(grant, &titles, words) });
    }
    let until = person.expires_at.to_string();
    Ok(Centre {
        rights,
        objected: since(rights.objected_since, account.as_ref().and_then(|a| a.objected_at)),
        restricted: since(rights.restricted_since, account.as_ref().and_then(|a| a.frozen_at)),
        token,
        form_token,
        lead: Words::fill(words.centre_lead, &title),
        erase_lead: Words::fill(words.erase_lead, &title),
        valid_until: Words::fill(words.valid_until, until.get(11..16).unwrap_or_default()),
        living: shown,
        interests,
        ended: ended.into_iter().rev().map(|grant| Ended::new(grant, &titles, words)).collect(),
        done,
        why_words: WhyWords::of(words.code),
        request_words: RequestWords::of(words.code),
        requested: requested(app, tx, person).await,
        unsaid: None,
        signal: None,
        shell,
    })
}

/// What people call an app.
async fn title_of(tx: &mut Tx, app: &AppId) -> ApiResult<String> {
    let known = directory::app(tx, app).await?;
    Ok(known.map_or_else(|| app.to_string(), |record| record.title))
}

/// What people call the apps that these consents link with.
async fn titles_of(tx: &mut Tx, grants: &[Grant]) -> ApiResult<Titles> {
    let mut titles = Titles::new();
    for peer in grants.iter().filter_map(|grant| grant.peer.as_ref()) {
        if !titles.contains_key(peer) {
            titles.insert(peer.clone(), title_of(tx, peer).await?);
        }
    }
    Ok(titles)
}

fn with(peer: Option<&AppId>, titles: &Titles, words: &Words) -> String {
    let title = peer.and_then(|peer| titles.get(peer));
    title.map(|title| Words::fill(words.with_app, title)).unwrap_or_default()
}

/// What is assumed about the person's interests, as the page shows it. What cannot be read is logged
/// and left out: it must not stand between anybody and the buttons that take a consent back.
pub(super) async fn assumed(app: &App, tx: &mut Tx, person: &Person) -> Vec<Assumed> {
    let words = Words::of(&person.language);
    match interests::interests(tx, &app.keys, person.subject, app.now()).await {
        Ok(all) => all.into_iter().filter_map(|one| Assumed::new(one, words)).collect(),
        Err(error) => {
            tracing::error!(%error, "what is assumed about somebody's interests cannot be read");
            Vec::new()
        }
    }
}

/// How many of them go with the consent to relevance: what was denied is the person's own word, and stays.
pub(super) fn counted(interests: &[Assumed]) -> u64 {
    interests.iter().filter(|interest| !interest.denied).count() as u64
}

/// What would go if the consent were taken back now; nothing has happened yet.
fn would_go(
    grant: &Grant,
    effects: Effects,
    interests: u64,
    words: &'static RightsWords,
) -> Vec<(&'static str, u64)> {
    let Effects { links, scores, list_rows, followups } = effects;
    let interests = if grant.purpose == PurposeKind::Relevance { interests } else { 0 };
    let all = [
        (words.go_links, links),
        (words.go_scores, scores),
        (words.go_rows, list_rows),
        (words.go_followups, followups),
        (words.go_interests, interests),
    ];
    all.into_iter().filter(|(_, count)| *count > 0).collect()
}

impl Centre {
    /// Says with what was done how many of the interests that were assumed `before` went along.
    pub(super) fn less_interests(&mut self, before: u64) {
        let gone = before.saturating_sub(counted(&self.interests));
        if let (Some(done), 1..) = (&mut self.done, gone) {
            done.effects.push((self.rights.interests_gone, gone));
        }
    }
}

impl Living {
    fn new(grant: &Grant, titles: &Titles, words: &'static Words) -> Self {
        let definition = grant.purpose.definition();
        let Grant { notice, notice_version: version, language, .. } = grant;
        let shown = Notices::builtin().get(notice, *version, language);
        Self {
            purpose: grant.purpose.as_str(),
            peer: grant.peer.as_ref().map(ToString::to_string).unwrap_or_default(),
            title: definition.title(words.code),
            with: with(grant.peer.as_ref(), titles, words),
            covers: definition.covers(words.code),
            since: words.day(grant.given_at),
            until: words.day(grant.expires_at),
            effects: Vec::new(),
            idle: None,
            notice: shown.map(|_| format!("/n/{notice}/{version}/{language}")),
            notice_title: shown.map(|notice| notice.title.as_str()).unwrap_or_default(),
        }
    }
}

impl Assumed {
    /// What counts for the person, or would without their word; disinterest is no interest to deny.
    fn new(interest: Interest, words: &'static Words) -> Option<Self> {
        let denied = interest.denied_since.is_some();
        let shown = denied || interest.strength[2] > 0.0;
        let title = interests::title(&interest.topic, words.code);
        shown.then_some(Self { topic: interest.topic, title, denied })
    }
}

impl Ended {
    fn new(grant: &Grant, titles: &Titles, words: &'static Words) -> Self {
        let (became, at) = match grant.state {
            Decision::Withdrawn => (words.state_withdrawn, grant.ended_at),
            Decision::Refused => (words.state_refused, Some(grant.given_at)),
            Decision::Given | Decision::Expired => (words.state_expired, Some(grant.expires_at)),
        };
        Self {
            title: grant.purpose.definition().title(words.code),
            with: with(grant.peer.as_ref(), titles, words),
            became,
            on: words.day(at.unwrap_or(grant.given_at)),
        }
    }
}

#[derive(Deserialize)]
struct WithdrawForm {
    purpose: String,
    #[serde(default)]
    peer: String,
}

/// Takes one consent back and says what went with it.
async fn withdraw(
    Anyone(identified): Anyone,
    State(app): State<App>,
    chosen: Chosen,
    Path(token): Path<String>,
    headers: HeaderMap,
    Form(form): Form<WithdrawForm>,
) -> ApiResult<Response> {
    let now = app.now();
    let mut tx = app.db.read().await?;
    let person = privacy_centre::open_to_withdraw(&mut tx, &app.keys, &token, now).await?;
    drop(tx);
    let Some(person) = person else { return Ok(gone(&headers)) };
    let person = chosen.by(person);
    let peer = Some(form.peer.as_str()).filter(|peer| !peer.is_empty());
    let (purpose, peer) = consent::about(&form.purpose, peer, &person.app, ToOwned::to_owned)?;
    consent::http::takes_part(&app, peer.as_ref()).await?;
    let mut tx = app.db.read().await?;
    let known = match &peer {
        Some(peer) => Titles::from([(peer.clone(), title_of(&mut tx, peer).await?)]),
        None => Titles::new(),
    };
    let before = counted(&assumed(&app, &mut tx, &person).await);
    drop(tx);
    let withdrawal = Withdrawal {
        app: person.app.clone(),
        account: person.account,
        purpose,
        peer: peer.clone(),
        decided_at: now,
        from_evidence: false,
        evidence: None,
    };
    let reply = app.consents.submit_patiently(Command::Withdraw(withdrawal)).await??;
    let (entry, decision, effects) = match reply {
        Replies::Ended(decided, effects) => (decided.entry, decided.decision, effects),
        Replies::Decided(_) | Replies::Stopped { .. } => return Err(Problem::not_found()),
    };
    let words = Words::of(&person.language);
    let title = format!(
        "{} {}",
        purpose.definition().title(words.code),
        with(peer.as_ref(), &known, words)
    );
    // Where nothing had been given, there was nothing to take back.
    let became = match decision {
        Decision::Refused => words.noted_no,
        Decision::Given | Decision::Withdrawn | Decision::Expired => words.withdrawn,
    };
    let done = Done {
        title: Words::fill(became, title.trim()),
        text: words.withdrawn_text,
        entry: Words::fill(words.entry, &entry.to_string()),
        effects: happened(effects, words),
        otherwise: words.nothing_else,
    };
    let mut tx = app.db.read().await?;
    let form_token = token_of(identified.as_ref());
    let mut page = page(&app, &mut tx, &person, (token, form_token), Some(done)).await?;
    page.less_interests(before);
    Ok(Page(page).into_response())
}

pub(super) fn happened(effects: Effects, words: &'static Words) -> Vec<(&'static str, u64)> {
    let Effects { links, scores, list_rows, followups } = effects;
    let all = [
        (words.links_cut, links),
        (words.scores_gone, scores),
        (words.rows_gone, list_rows),
        (words.followups_gone, followups),
    ];
    all.into_iter().filter(|(_, count)| *count > 0).collect()
}

#[derive(Template)]
#[template(path = "person/erase.html")]
struct Sure {
    shell: Shell,
    token: String,
    form_token: String,
    lead: String,
}

#[derive(Template)]
#[template(path = "person/erased.html")]
struct Erased {
    shell: Shell,
    entry: String,
    removed: Vec<(&'static str, u64)>,
}

/// Asks once more: what follows cannot be undone.
async fn ask_to_erase(
    Anyone(identified): Anyone,
    State(app): State<App>,
    chosen: Chosen,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let mut tx = app.db.read().await?;
    let person = privacy_centre::open(&mut tx, &app.keys, &token, app.now()).await?;
    let Some(person) = person else { return Ok(gone(&headers)) };
    let person = chosen.by(person);
    let shell = Shell::public(&person.language);
    let title = title_of(&mut tx, &person.app).await?;
    let lead = Words::fill(shell.words.erase_lead, &title);
    let form_token = token_of(identified.as_ref());
    Ok(Page(Sure { shell, token, form_token, lead }).into_response())
}

/// Erases the account and says what went.
async fn erase(
    State(app): State<App>,
    chosen: Chosen,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let mut tx = app.db.read().await?;
    let person = privacy_centre::open_to_withdraw(&mut tx, &app.keys, &token, app.now()).await?;
    drop(tx);
    let Some(person) = person else { return Ok(gone(&headers)) };
    let person = chosen.by(person);
    let request = begin(&app, &person, RequestKind::Erasure, None).await?;
    let done = rights::erase_for_good(&app.db, &app.keys, &app.erasures, person.subject, app.now())
        .await?;
    requests::finish(&app.db, &app.keys, &request, "erased", app.now()).await?;
    let shell = Shell::public(&person.language);
    let words = shell.words;
    let Removed { records, links, scores, list_rows, exposures, .. } = done.removed;
    let all = [
        (words.records_gone, records),
        (words.links_cut, links),
        (words.scores_gone, scores),
        (words.rows_gone, list_rows),
        (words.exposures_gone, exposures),
    ];
    let removed = all.into_iter().filter(|(_, count)| *count > 0).collect();
    let entry = Words::fill(words.entry, &done.entry.to_string());
    Ok(Page(Erased { shell, entry, removed }).into_response())
}

/// Every receipt of the person as one file.
async fn receipts(
    State(app): State<App>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let mut tx = app.db.read().await?;
    let person = privacy_centre::open(&mut tx, &app.keys, &token, app.now()).await?;
    let Some(person) = person else { return Ok(gone(&headers)) };
    let receipts = consent::receipts_of(&mut tx, &app.keys, person.subject).await?;
    let now = app.now();
    let document = |(_, receipt): &(u64, Receipt)| app.receipts.document(receipt, now);
    let receipts: Vec<_> = receipts.iter().map(document).collect();
    let name = [(CONTENT_DISPOSITION, "attachment; filename=\"receipts.json\"")];
    Ok((name, Json(receipts)).into_response())
}
