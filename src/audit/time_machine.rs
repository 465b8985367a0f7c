//! Who was reachable when, for which purpose, under which text. Folded from the ledger's entries and the
//! records that open them; tables of the present are not asked.

use std::collections::{BTreeMap, btree_map};

use rand::Rng;
use serde::Serialize;
use volens_privacy::claims::Claims;
use volens_privacy::consent::{Entry, Moment, Refusal, moments, told_since};
use volens_privacy::identity::{AppId, SubjectId};
use volens_privacy::notice::Notices;
use volens_privacy::parties::Parties;
use volens_privacy::purpose::PurposeKind;
use volens_privacy::{KeyRing, Timestamp};

use super::AuditError;
use crate::db::Tx;
use crate::readings::{self, Reader, Subject, openings};
use crate::{accounts, consent};

/// Accounts opened together.
const TOGETHER: u32 = 256;

/// How one purpose stood at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct StateThen {
    /// What for.
    #[schema(value_type = String)]
    pub purpose: PurposeKind,
    /// With which other app.
    #[schema(value_type = Option<String>)]
    pub peer: Option<AppId>,
    /// Whether the consent lived.
    pub live: bool,
    /// Why it did not: `consent.withdrawn`, `consent.refused`, `consent.expired` or `consent.absent`.
    pub why_not: Option<&'static str>,
    /// Since when it stood so.
    #[schema(value_type = String, format = "date-time")]
    pub since: Timestamp,
    /// When the decision was recorded.
    #[schema(value_type = String, format = "date-time")]
    pub recorded_at: Timestamp,
    /// Ledger entry that decided.
    pub entry: u64,
    /// Hash of that entry in the tree.
    pub leaf_hash: String,
    /// The text that was shown.
    pub notice: Option<TextThen>,
    /// What the app's evidence claims with a TC or GPP string; nothing here rests on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub claims: Option<Claims>,
}

/// A notice as it was shown then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct TextThen {
    /// Which notice.
    pub id: String,
    /// Which version.
    pub version: u32,
    /// In which language.
    pub language: String,
    /// SHA-256 of the file, which the consent names.
    pub content_sha256: String,
    /// SHA-256 of what the app rendered, as it reported.
    pub rendered_sha256: Option<String>,
    /// Version of the registry of who answered for the data.
    pub parties: Option<u32>,
    /// Heading.
    pub title: String,
    /// The text, with those who answered for the data then.
    pub text: String,
}

/// How an account's consents stood at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct AccountThen {
    /// The account.
    #[schema(value_type = String)]
    pub subject: SubjectId,
    /// Its app.
    #[schema(value_type = String)]
    pub app: AppId,
    /// The moment.
    #[schema(value_type = String, format = "date-time")]
    pub at: Timestamp,
    /// Every purpose that a decision was on record about by then: what this service went by.
    pub states: Vec<StateThen>,
    /// How purposes stood by decisions that were taken by then and recorded later. This service did not
    /// know them at the moment; when they were taken is the word of the app that reported them.
    pub told_since: Vec<StateThen>,
    /// The earlier moment that is compared with.
    #[schema(value_type = Option<String>, format = "date-time")]
    pub compared_with: Option<Timestamp>,
    /// How they stood then, where it differs.
    pub differed: Vec<StateThen>,
    /// Ledger index of the entry that records this reading.
    pub access_entry: u64,
}

/// Texts and parties, read once per answer.
struct Texts {
    parties: BTreeMap<Timestamp, Option<(u32, Parties)>>,
}

impl Texts {
    async fn then(&mut self, tx: &mut Tx, entry: &Entry) -> Result<Option<TextThen>, AuditError> {
        let Some(shown) = &entry.record.notice else { return Ok(None) };
        let at = entry.record.effective_at();
        let known = match self.parties.entry(at) {
            btree_map::Entry::Occupied(known) => known.into_mut(),
            btree_map::Entry::Vacant(missing) => {
                let found = consent::parties_at(tx, at).await?;
                missing.insert(found.map(|found| (found.version, found.parties)))
            }
        };
        let known = known.as_ref();
        let parties = match known {
            Some((_, parties)) => parties,
            None => Parties::example(),
        };
        let file = Notices::builtin()
            .get(&shown.id, shown.version, &shown.language)
            .filter(|notice| notice.sha256 == shown.content_sha256);
        Ok(Some(TextThen {
            id: shown.id.clone(),
            version: shown.version,
            language: shown.language.clone(),
            content_sha256: crate::ids::hex(&shown.content_sha256),
            rendered_sha256: shown.rendered_sha256.map(|hash| crate::ids::hex(&hash)),
            parties: known.map(|(version, _)| *version),
            title: file.map(|notice| notice.title.clone()).unwrap_or_default(),
            text: file.map(|notice| notice.rendered(parties)).unwrap_or_default(),
        }))
    }
}

/// How the consents of an account stood at `at`, and where they stood otherwise at `compared`, if a
/// second officer approved that this one looks. Records that it was read.
///
/// # Errors
/// [`AuditError::NoAccount`]; [`OpeningError::Closed`](crate::readings::openings::OpeningError::Closed);
/// [`AuditError::Unverifiable`] when a record does not open or does not match its entry. Of an erased
/// account nothing is left to tell.
pub async fn account_at(
    tx: &mut Tx,
    keys: &KeyRing,
    rng: &mut (dyn Rng + Send),
    (reader, subject): (Reader, SubjectId),
    ((at, compared), now): ((Timestamp, Option<Timestamp>), Timestamp),
) -> Result<AccountThen, AuditError> {
    let account =
        accounts::find(tx, &[subject]).await?.remove(&subject).ok_or(AuditError::NoAccount)?;
    let opening = openings::demand(tx, subject, reader.credential, now).await?;
    let history = consent::history_of(tx, keys, subject).await?.ok_or(AuditError::Unverifiable)?;
    let mut texts = Texts { parties: BTreeMap::new() };
    let states = states(tx, &mut texts, moments(&history, at), at).await?;
    let told = self::states(tx, &mut texts, told_since(&history, at), at).await?;
    let mut differed = Vec::new();
    if let Some(compared) = compared {
        let other = self::states(tx, &mut texts, moments(&history, compared), compared).await?;
        differed = differences(&other, &states);
    }
    let record = (Subject::Record(subject, opening), 1);
    let access_entry = readings::note(tx, keys, rng, reader, record, now).await?;
    let app = account.app;
    Ok(AccountThen {
        subject,
        app,
        at,
        states,
        told_since: told,
        compared_with: compared,
        differed,
        access_entry,
    })
}

/// The states of `one` that `other` does not have in the same way.
fn differences(one: &[StateThen], other: &[StateThen]) -> Vec<StateThen> {
    let same = |state: &StateThen| {
        other.iter().any(|other| {
            let about = other.purpose == state.purpose && other.peer == state.peer;
            about && other.entry == state.entry && other.live == state.live
        })
    };
    let mut differed: Vec<StateThen> = one.iter().filter(|state| !same(state)).cloned().collect();
    for state in other {
        let about = |known: &StateThen| known.purpose == state.purpose && known.peer == state.peer;
        if !one.iter().any(about) {
            let why_not = Some(Refusal::Absent.code());
            differed.push(StateThen {
                live: false,
                why_not,
                notice: None,
                claims: None,
                ..state.clone()
            });
        }
    }
    differed
}

/// Evidence that was taken can be read; that of before it was looked at may hold anything.
fn claimed(evidence: Option<&serde_json::Value>) -> Option<Claims> {
    Claims::read(evidence?).ok().flatten()
}

async fn states(
    tx: &mut Tx,
    texts: &mut Texts,
    moments: Vec<Moment<'_>>,
    at: Timestamp,
) -> Result<Vec<StateThen>, AuditError> {
    let mut states = Vec::new();
    for moment in moments {
        let record = &moment.entry.record;
        let ended = (moment.refusal == Some(Refusal::Expired)).then(|| record.ends_at());
        states.push(StateThen {
            purpose: record.purpose,
            peer: record.peer.clone(),
            live: moment.refusal.is_none(),
            why_not: moment.refusal.map(Refusal::code),
            since: ended.filter(|ended| *ended <= at).unwrap_or_else(|| record.effective_at()),
            recorded_at: record.recorded_at,
            entry: moment.entry.index,
            leaf_hash: volens_privacy::ledger::leaf_hash(&moment.entry.leaf).to_string(),
            notice: texts.then(tx, moment.entry).await?,
            claims: claimed(record.evidence.as_ref()),
        });
    }
    Ok(states)
}

/// Somebody who could be reached at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Reachable {
    /// The account.
    #[schema(value_type = String)]
    pub subject: SubjectId,
    /// Ledger entry of the consent.
    pub entry: u64,
    /// Notice it was given under: `id@version/language`.
    pub notice: String,
    /// When it ends by itself.
    #[schema(value_type = String, format = "date-time")]
    pub ends_at: Timestamp,
}

/// One step through the accounts.
pub struct Step<T> {
    /// What was found.
    pub found: T,
    /// Accounts of the app that were looked at.
    pub looked_at: u64,
    /// Accounts whose records could not be verified, and so count as not reachable.
    pub unverifiable: u64,
    /// Where to go on; nothing when all were looked at.
    pub next: Option<SubjectId>,
}

/// Who of `app` could be reached for `purpose` at `at`: looks at no more than `accounts` accounts after
/// `after`. Records that it was read.
pub async fn reachable_at(
    tx: &mut Tx,
    keys: &KeyRing,
    (reader, rng): (Reader, &mut (dyn Rng + Send)),
    (app, purpose, at): (&AppId, PurposeKind, Timestamp),
    (after, accounts): (Option<SubjectId>, u32),
    now: Timestamp,
) -> Result<Step<Vec<Reachable>>, AuditError> {
    let mut found = Vec::new();
    let step = walk(tx, keys, app, (after, accounts), |subject, history| {
        for moment in moments(history, at) {
            let record = &moment.entry.record;
            if moment.refusal.is_none() && record.purpose == purpose {
                found.push(Reachable {
                    subject,
                    entry: moment.entry.index,
                    notice: record
                        .notice
                        .as_ref()
                        .map(|n| format!("{}@{}/{}", n.id, n.version, n.language))
                        .unwrap_or_default(),
                    ends_at: record.ends_at(),
                });
            }
        }
    })
    .await?;
    let people = (Subject::Reachability, found.len() as u64);
    readings::note(tx, keys, rng, reader, people, now).await?;
    Ok(Step { found, looked_at: step.looked_at, unverifiable: step.unverifiable, next: step.next })
}

/// How many could be reached, for what and under which text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Count {
    /// What for.
    #[schema(value_type = String)]
    pub purpose: PurposeKind,
    /// Under which notice: `id@version`.
    pub notice: String,
    /// Consents that lived at the first moment.
    pub at: u64,
    /// The same at the moment compared with.
    pub compared: Option<u64>,
}

/// Counts of `app` at one moment, or two: looks at no more than `accounts` accounts after `after`.
pub async fn counts_at(
    tx: &mut Tx,
    keys: &KeyRing,
    (app, at, compared): (&AppId, Timestamp, Option<Timestamp>),
    (after, accounts): (Option<SubjectId>, u32),
) -> Result<Step<Vec<Count>>, AuditError> {
    let mut counts: BTreeMap<(PurposeKind, String), [u64; 2]> = BTreeMap::new();
    let step = walk(tx, keys, app, (after, accounts), |_, history| {
        for (place, moment) in [Some(at), compared].into_iter().enumerate() {
            let Some(moment) = moment else { continue };
            for state in moments(history, moment).iter().filter(|state| state.refusal.is_none()) {
                let shown = state.entry.record.notice.as_ref();
                let notice = shown.map(|n| format!("{}@{}", n.id, n.version)).unwrap_or_default();
                counts.entry((state.entry.record.purpose, notice)).or_default()[place] += 1;
            }
        }
    })
    .await?;
    let count = |((purpose, notice), [at, then]): ((PurposeKind, String), [u64; 2])| Count {
        purpose,
        notice,
        at,
        compared: compared.map(|_| then),
    };
    let found = counts.into_iter().map(count).collect();
    let Step { looked_at, unverifiable, next, .. } = step;
    Ok(Step { found, looked_at, unverifiable, next })
}

/// Hands the verified histories of an app's accounts to `see`, in the order of their ids.
async fn walk(
    tx: &mut Tx,
    keys: &KeyRing,
    app: &AppId,
    (after, most): (Option<SubjectId>, u32),
    mut see: impl FnMut(SubjectId, &[Entry]),
) -> Result<Step<()>, AuditError> {
    let (mut last, mut left) = (after, most);
    let (mut looked_at, mut unverifiable) = (0, 0);
    while left > 0 {
        let page = accounts::after(tx, last, TOGETHER.min(left)).await?;
        if page.is_empty() {
            return Ok(Step { found: (), looked_at, unverifiable, next: None });
        }
        left -= page.len() as u32;
        last = page.last().copied();
        let of_app = accounts::find(tx, &page).await?;
        let subjects: Vec<SubjectId> =
            of_app.values().filter(|a| a.app == *app).map(|account| account.subject).collect();
        looked_at += subjects.len() as u64;
        for (subject, history) in consent::histories_of(tx, keys, &subjects).await? {
            match history {
                Some(history) => see(subject, &history),
                None => unverifiable += 1,
            }
        }
    }
    Ok(Step { found: (), looked_at, unverifiable, next: last })
}
