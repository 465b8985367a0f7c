//! What people are asked and by whom: publishing texts and parties, who agreed to which version, and
//! when somebody may be asked again.

use serde::Serialize;
use volens_privacy::Timestamp;
use volens_privacy::consent::Decision;
use volens_privacy::identity::{AppId, SubjectId};
use volens_privacy::ledger::{Leaf, LeafKind, LogSigner};
use volens_privacy::notice::{Notice, Notices};
use volens_privacy::parties::Parties;
use volens_privacy::purpose::PurposeKind;

use super::{ConsentError, store};
use crate::db::{self, Tx};
use crate::ledger;

/// Records the built-in notices in the log before anybody can consent under them. Refuses to go on
/// when a published version has another text now, or a new one lacks what the law demands of it. One that
/// was published is not looked at again, whatever is demanded since: people agreed to it as it is.
pub async fn publish_notices(
    tx: &mut Tx,
    signer: &LogSigner,
    notices: &Notices,
    now: Timestamp,
) -> Result<usize, ConsentError> {
    let published = store::published(tx).await?;
    let mut new: Vec<&Notice> = Vec::new();
    for notice in notices.all() {
        let key = (notice.id.clone(), notice.version, notice.language.clone());
        match published.get(&key) {
            None => new.push(notice),
            Some(sha256) if *sha256 == notice.sha256 => {}
            Some(_) => {
                let (id, version, language) = key;
                return Err(ConsentError::NoticeChanged { id, version, language });
            }
        }
    }
    if new.is_empty() {
        return Ok(0);
    }
    let newest = |notice: &&&Notice| notice.version == notices.newest(&notice.id);
    if let Some(lack) =
        new.iter().filter(newest).find_map(|notice| notice.lacks().into_iter().next())
    {
        return Err(ConsentError::NoticeLacks(lack));
    }
    let leaves: Vec<Leaf> = new.iter().map(|notice| notice_leaf(notice, now)).collect();
    let appended = ledger::append(tx, signer, &leaves, now).await?;
    store::add_notices(tx, &new, appended.first, now).await?;
    Ok(new.len())
}

/// Records who answers for the data when that has changed: notices and receipts name them. Answers the
/// version in force.
pub async fn publish_parties(
    tx: &mut Tx,
    signer: &LogSigner,
    (text, parties): (&str, &Parties),
    now: Timestamp,
) -> Result<u32, ConsentError> {
    let last = store::last_parties(tx).await?;
    if let Some((version, sha256)) = last
        && sha256 == parties.sha256
    {
        return Ok(version);
    }
    let version = last.map_or(1, |(version, _)| version + 1);
    let detail = serde_json::json!({ "sha256": crate::ids::hex(&parties.sha256) });
    let leaf = Leaf::new(LeafKind::NoticePublished, now)
        .with_notice("parties", version)
        .with_detail(detail);
    let appended = ledger::append(tx, signer, &[leaf], now).await?;
    store::add_parties(tx, version, parties.sha256, text, appended.first, now).await?;
    Ok(version)
}

pub(super) fn notice_leaf(notice: &Notice, now: Timestamp) -> Leaf {
    let detail = serde_json::json!({
        "language": notice.language,
        "sha256": crate::ids::hex(&notice.sha256),
    });
    Leaf::new(LeafKind::NoticePublished, now)
        .with_notice(&notice.id, notice.version)
        .with_detail(detail)
}

/// Who answered for the data at a moment.
pub struct InForce {
    /// Version of the registry.
    pub version: u32,
    /// Ledger entry that recorded it.
    pub entry: u64,
    /// The registry.
    pub parties: Parties,
}

/// Who answered for the data at `at`: the registry that was recorded last before; the first one for
/// earlier times. Nothing before any was recorded.
///
/// # Errors
/// [`ConsentError::Parties`] when the text on record is not what was recorded.
pub async fn parties_at(tx: &mut Tx, at: Timestamp) -> Result<Option<InForce>, ConsentError> {
    let Some((version, entry, sha256, text)) = store::parties_at(tx, at).await? else {
        return Ok(None);
    };
    let parties = Parties::parse(&text).map_err(|_error| ConsentError::Parties)?;
    if parties.sha256 != sha256 {
        return Err(ConsentError::Parties);
    }
    Ok(Some(InForce { version, entry, parties }))
}

/// How many live consents rest on one version of a notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LiveUnder {
    /// Which notice.
    pub notice: String,
    /// Which version.
    pub version: u32,
    /// For which purpose.
    #[schema(value_type = String)]
    pub purpose: PurposeKind,
    /// Consents that live.
    pub consents: u64,
}

/// Live consents by version of the notice they were given under.
pub async fn live_under(tx: &mut Tx, now: Timestamp) -> db::Result<Vec<LiveUnder>> {
    store::live_under(tx, now).await
}

/// Whether an app may ask a person for a consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Asking {
    /// Whether it may now.
    pub may_ask: bool,
    /// Why not: `live` when the person agrees already, `said_no` when they said no not long ago, or
    /// `underage`.
    pub reason: Option<&'static str>,
    /// From when it may, where time alone decides.
    #[schema(value_type = Option<String>, format = "date-time")]
    pub from: Option<Timestamp>,
}

/// Whether `subject` may be asked at `now`: never while the consent lives, and not for 183 days after a
/// no, or a year where the law or the purpose says so (Digital Markets Act Art. 5(2); CNIL).
pub async fn may_ask(
    tx: &mut Tx,
    subject: SubjectId,
    (purpose, peer): (PurposeKind, Option<&AppId>),
    gatekeeper: bool,
    now: Timestamp,
) -> db::Result<Asking> {
    let grants = store::grants(tx, &[subject]).await?;
    let mut about =
        grants.iter().filter(|grant| grant.purpose == purpose && grant.peer.as_ref() == peer);
    if about.clone().any(|grant| grant.is_live(now)) {
        return Ok(Asking { may_ask: false, reason: Some("live"), from: None });
    }
    let no = about
        .by_ref()
        .filter(|grant| matches!(grant.state, Decision::Refused | Decision::Withdrawn));
    let again = purpose.definition().ask_again_after(gatekeeper);
    let from = no.filter_map(|grant| grant.ended_at).max().map(|no| no.plus(again));
    Ok(match from.filter(|from| now < *from) {
        Some(from) => Asking { may_ask: false, reason: Some("said_no"), from: Some(from) },
        None => Asking { may_ask: true, reason: None, from: None },
    })
}
