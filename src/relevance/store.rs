//! SQL of the slice.

use std::collections::{BTreeMap, BTreeSet};

use volens_models::features::Features;
use volens_privacy::notice::Notices;
use volens_privacy::{BusinessId, PurposeKind, SubjectId, Timestamp};

use super::exposures::{Goal, OutcomeKind};
use super::members::{Retraining, Standing};
use super::registry::Version;
use super::{Assigned, RelevanceError, Result};
use crate::db::{Row, Tx, Value, statements, values};
use crate::ids::{ExposureId, ListId, ModelId};

statements! {
    FORGET_LIST = "delete from exposures where list = $1";
    CHANGED_ACCOUNTS = "select subject from accounts where changed > $1 and changed <= $2";
    CHANGED_GRANTS = "select distinct subject from grants where changed > $1 and changed <= $2";
    CHANGED_PROFILES = "select subject from profiles where changed > $1 and changed <= $2";
    REMOVED = "select subject from removed_accounts where changed > $1 and changed <= $2";
    FORGOTTEN = "select value from counters where name = 'removed_forgotten'";
    NOTE_FORGOTTEN = "update counters set value = $1 where name = 'removed_forgotten'";
    FORGET_REMOVED = "delete from removed_accounts where changed <= $1";
    LIVE = "select subject, purpose, notice, notice_version, language from grants
        where state = 'given' and subject in ({list})";
    ADD_EXPOSURES = "insert into exposures (subject, id, app, business, campaign, list, arm,
        treated, at, closes_at, propensity, features, variant, variant_propensity) values {rows}
        on conflict do nothing";
    OF_LIST = "select subject, id, closes_at from exposures where list = $1 and subject in ({list})";
    SEEN = "select id, features from exposures where list = $1 and subject = $2";
    KEPT = "select id, version, artifact from models where id = $1";
    ADD_OUTCOMES = "insert into outcomes (subject, exposure, kind, at, value) values {rows}
        on conflict do nothing";
    CLOSED = "select subject, id, list, treated, at, propensity, features from exposures
        where business = $1 and closes_at <= $2 order by subject, id";
    CLOSED_OF_ALL = "select subject, id, list, treated, at, propensity, features from exposures
        where closes_at <= $1 order by subject, id";
    WATCHED = "select subject, id, treated, features from exposures
        where business = $1 and at >= $2 and closes_at <= $3 and (treated = 1 or (list is null and $4 = 1))
        order by closes_at, id limit 20000";
    WATCHED_OF_ALL = "select subject, id, treated, features from exposures
        where at >= $1 and closes_at <= $2 and (treated = 1 or (list is null and $3 = 1))
        order by closes_at, id limit 20000";
    MET = "select subject, exposure from outcomes where kind = $1 and subject in ({list})";
    ADD_MODEL = "insert into models (business, goal, version, id, created_at, entry, artifact, card,
        held_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    VERSIONS = "select business, goal, version, id, created_at, entry, card, activated_at, held_at,
            cleared_at, cleared_entry
        from models where business = $1 and goal = $2 order by version";
    MODEL = "select business, goal, version, id, created_at, entry, card, activated_at, held_at,
            cleared_at, cleared_entry
        from models where id = $1";
    MODELS = "select business, goal, version, id, created_at, entry, card, activated_at, held_at,
            cleared_at, cleared_entry
        from models order by entry desc limit 100";
    CLEAR = "update models set cleared_at = $2, cleared_entry = $3, cleared_reason = $4
        where id = $1 and held_at is not null and cleared_at is null";
    LAST_VERSION = "select cast(coalesce(max(version), 0) as bigint) as version from models
        where business = $1 and goal = $2";
    DEACTIVATE = "update models set activated_at = null
        where business = $1 and goal = $2 and activated_at is not null";
    ACTIVATE = "update models set activated_at = $4
        where business = $1 and goal = $2 and version = $3";
    CHANGED_BEFORE = "select subject from profiles where changed < $1 limit 5000";
    LEVEL = "update profiles set changed = $1 where subject in ({list})";
    MEMBERS = "select subject, id, purpose from grants
        where state = 'given' and purpose in ('relevance', 'model_training') and subject in ({list})";
    COUNT_PEOPLE = "update models set people = $2, departed = $3, departed_since = $4 where id = $1";
    STANDING = "select people, departed, departed_since,
            (select count(*) from model_members m where m.model = models.id) as members
        from models where id = $1";
    DUE = "select business, goal, id from models
        where activated_at is not null and departed_since <= $1
          and (retrain_at is null or retrain_at <= $2) order by business, goal limit 100";
    ORDERED = "update models set retrain_at = $2 where id = $1";
    ACTIVE = "select id, version, artifact from models
        where business = $1 and goal = $2 and activated_at is not null";
}

/// A table whose changes are looked for.
#[derive(Clone, Copy)]
pub(super) enum Delta {
    Accounts,
    Grants,
    Profiles,
    Removed,
}

impl Delta {
    pub(super) const ALL: [Self; 4] = [Self::Accounts, Self::Grants, Self::Profiles, Self::Removed];
}

pub(super) async fn changed(
    tx: &mut Tx,
    delta: Delta,
    after: i64,
    until: i64,
) -> Result<Vec<SubjectId>> {
    let statement = match delta {
        Delta::Accounts => CHANGED_ACCOUNTS,
        Delta::Grants => CHANGED_GRANTS,
        Delta::Profiles => CHANGED_PROFILES,
        Delta::Removed => REMOVED,
    };
    let rows = tx.fetch(statement, values![after, until]).await?;
    rows.iter().map(|row| Ok(row.get("subject")?)).collect()
}

/// The change up to which marks of removed accounts were forgotten.
pub(super) async fn forgotten(tx: &mut Tx) -> Result<i64> {
    Ok(tx.fetch_one(FORGOTTEN, values![]).await?.get("value")?)
}

pub(super) async fn forget_removed(tx: &mut Tx, until: i64) -> Result<u64> {
    tx.execute(NOTE_FORGOTTEN, values![until]).await?;
    Ok(tx.execute(FORGET_REMOVED, values![until]).await?)
}

pub(super) async fn live(
    tx: &mut Tx,
    subjects: &[SubjectId],
) -> Result<Vec<(SubjectId, PurposeKind, bool)>> {
    let rows = tx.fetch_list(LIVE, values![], list(subjects)).await?;
    let mut live = Vec::new();
    for row in &rows {
        let purpose: String = row.get("purpose")?;
        // A purpose this program does not know narrows nothing and permits nothing.
        if let Ok(purpose) = purpose.parse() {
            live.push((row.get("subject")?, purpose, counts_by_day(row)?));
        }
    }
    Ok(live)
}

/// Whether the notice of a grant says that acts are counted by day.
fn counts_by_day(row: &Row) -> Result<bool> {
    let (notice, language): (String, String) = (row.get("notice")?, row.get("language")?);
    let version: i64 = row.get("notice_version")?;
    let version = u32::try_from(version).map_err(|_| RelevanceError::Unreadable("notice"))?;
    let notice = Notices::builtin().get(&notice, version, &language);
    Ok(notice.is_some_and(|notice| notice.counts_by_day))
}

/// An exposure with its features sealed.
pub(super) struct SealedExposure<'e> {
    pub(super) exposure: &'e super::Exposure,
    pub(super) features: Vec<u8>,
}

pub(super) async fn add_exposures(tx: &mut Tx, rows: Vec<SealedExposure<'_>>) -> Result<u64> {
    let values = |row: SealedExposure<'_>| {
        let e = row.exposure;
        let [variant, variant_propensity] = Assigned::columns(e.variant);
        values![
            e.subject,
            e.id,
            &e.app,
            e.business,
            e.campaign,
            e.list,
            &e.arm,
            i64::from(e.treated),
            e.at,
            e.closes_at,
            e.propensity,
            row.features,
            variant,
            variant_propensity
        ]
    };
    Ok(tx.execute_rows(ADD_EXPOSURES, rows.into_iter().map(values).collect()).await?)
}

pub(super) async fn of_list(
    tx: &mut Tx,
    list_id: ListId,
    subjects: &BTreeSet<SubjectId>,
) -> Result<BTreeMap<SubjectId, (ExposureId, Timestamp)>> {
    let subjects: Vec<SubjectId> = subjects.iter().copied().collect();
    let rows = tx.fetch_list(OF_LIST, values![list_id], list(&subjects)).await?;
    let found = |row: &Row| Ok((row.get("subject")?, (row.get("id")?, row.get("closes_at")?)));
    rows.iter().map(found).collect()
}

/// What was seen of an account for a list, sealed.
pub(super) async fn seen(
    tx: &mut Tx,
    list: ListId,
    subject: SubjectId,
) -> Result<Option<(ExposureId, Vec<u8>)>> {
    let row = tx.fetch_optional(SEEN, values![list, subject]).await?;
    row.map(|row| Ok((row.get("id")?, row.get("features")?))).transpose()
}

/// An outcome of a known exposure.
pub(super) struct Met {
    pub(super) subject: SubjectId,
    pub(super) exposure: ExposureId,
    pub(super) kind: OutcomeKind,
    pub(super) at: Timestamp,
    pub(super) value: Option<f64>,
}

pub(super) async fn add_outcomes(tx: &mut Tx, rows: Vec<Met>) -> Result<u64> {
    let values = |m: Met| values![m.subject, m.exposure, m.kind.as_str(), m.at, m.value];
    Ok(tx.execute_rows(ADD_OUTCOMES, rows.into_iter().map(values).collect()).await?)
}

/// A closed exposure as stored.
pub(super) struct Closed {
    pub(super) subject: SubjectId,
    pub(super) id: ExposureId,
    /// Of a table in which its outcome stood as well, rather than of a list of ours.
    pub(super) imported: bool,
    pub(super) treated: bool,
    pub(super) at: Timestamp,
    pub(super) propensity: f64,
    pub(super) features: Vec<u8>,
}

pub(super) async fn closed(
    tx: &mut Tx,
    business: Option<BusinessId>,
    now: Timestamp,
) -> Result<Vec<Closed>> {
    let rows = match business {
        Some(business) => tx.fetch(CLOSED, values![business, now]).await?,
        None => tx.fetch(CLOSED_OF_ALL, values![now]).await?,
    };
    let closed = |row: &Row| {
        let treated: i64 = row.get("treated")?;
        let list: Option<ListId> = row.get("list")?;
        Ok(Closed {
            subject: row.get("subject")?,
            id: row.get("id")?,
            imported: list.is_none(),
            treated: treated == 1,
            at: row.get("at")?,
            propensity: row.get("propensity")?,
            features: row.get("features")?,
        })
    };
    rows.iter().map(closed).collect()
}

/// An exposure of after a model was trained.
pub(super) struct Watched {
    pub(super) subject: SubjectId,
    pub(super) id: ExposureId,
    pub(super) treated: bool,
    pub(super) features: Vec<u8>,
}

/// The first exposures from `since` on whose window is over and whose outcome somebody could tell, in the
/// order in which it ended: of those written to, and of those kept aside in imported tables where they are
/// asked for.
pub(super) async fn watched(
    tx: &mut Tx,
    business: Option<BusinessId>,
    (since, now): (Timestamp, Timestamp),
    kept_aside: bool,
) -> Result<Vec<Watched>> {
    let aside = i64::from(kept_aside);
    let rows = match business {
        Some(business) => tx.fetch(WATCHED, values![business, since, now, aside]).await?,
        None => tx.fetch(WATCHED_OF_ALL, values![since, now, aside]).await?,
    };
    let watched = |row: &Row| {
        let treated: i64 = row.get("treated")?;
        Ok(Watched {
            subject: row.get("subject")?,
            id: row.get("id")?,
            treated: treated == 1,
            features: row.get("features")?,
        })
    };
    rows.iter().map(watched).collect()
}

pub(super) async fn met(
    tx: &mut Tx,
    kind: OutcomeKind,
    subjects: &[SubjectId],
) -> Result<BTreeSet<(SubjectId, ExposureId)>> {
    let rows = tx.fetch_list(MET, values![kind.as_str()], list(subjects)).await?;
    rows.iter().map(|row| Ok((row.get("subject")?, row.get("exposure")?))).collect()
}

pub(super) async fn add_model(tx: &mut Tx, v: &Version, artifact: Vec<u8>) -> Result<()> {
    let mut values = values![owner(v.business), v.goal.as_str(), v.version, v.id, v.created_at];
    values.push(Value::count(v.entry)?);
    values.extend(values![artifact, v.card.to_string(), v.held.then_some(v.created_at)]);
    tx.execute(ADD_MODEL, values).await?;
    Ok(())
}

pub(super) async fn last_version(
    tx: &mut Tx,
    business: Option<BusinessId>,
    goal: Goal,
) -> Result<u32> {
    let row = tx.fetch_one(LAST_VERSION, values![owner(business), goal.as_str()]).await?;
    let version: i64 = row.get("version")?;
    u32::try_from(version).map_err(|_| RelevanceError::Unreadable("model version"))
}

pub(super) async fn versions(
    tx: &mut Tx,
    business: Option<BusinessId>,
    goal: Goal,
) -> Result<Vec<Version>> {
    let rows = tx.fetch(VERSIONS, values![owner(business), goal.as_str()]).await?;
    rows.iter().map(version).collect()
}

pub(super) async fn model(tx: &mut Tx, id: ModelId) -> Result<Option<Version>> {
    tx.fetch_optional(MODEL, values![id]).await?.as_ref().map(version).transpose()
}

pub(super) async fn models(tx: &mut Tx) -> Result<Vec<Version>> {
    tx.fetch(MODELS, values![]).await?.iter().map(version).collect()
}

/// Notes that an officer looked at a model that waits.
pub(super) async fn clear(
    tx: &mut Tx,
    id: ModelId,
    reason: &str,
    entry: u64,
    now: Timestamp,
) -> Result<()> {
    tx.execute(CLEAR, vec![id.into(), now.into(), Value::count(entry)?, reason.into()]).await?;
    Ok(())
}

fn version(row: &Row) -> Result<Version> {
    let card: String = row.get("card")?;
    let version: i64 = row.get("version")?;
    let entry: i64 = row.get("entry")?;
    let active: Option<i64> = row.get("activated_at")?;
    let (held, cleared): (Option<i64>, Option<i64>) = (row.get("held_at")?, row.get("cleared_at")?);
    let (business, goal) = owned(row)?;
    Ok(Version {
        business,
        goal,
        version: u32::try_from(version).map_err(|_| RelevanceError::Unreadable("version"))?,
        id: row.get("id")?,
        created_at: row.get("created_at")?,
        entry: entry.unsigned_abs(),
        card: serde_json::from_str(&card).map_err(|_| RelevanceError::Unreadable("card"))?,
        active: active.is_some(),
        held: held.is_some() && cleared.is_none(),
        cleared: row.get("cleared_entry")?,
    })
}

/// Whose outcomes a model learned from, and what it predicts.
fn owned(row: &Row) -> Result<(Option<BusinessId>, Goal)> {
    let business: Vec<u8> = row.get("business")?;
    let business = match business.as_slice() {
        [] => None,
        bytes => Some(BusinessId::from_bytes(
            bytes.try_into().map_err(|_| RelevanceError::Unreadable("business"))?,
        )),
    };
    let goal: String = row.get("goal")?;
    Ok((business, Goal::parse(&goal).ok_or(RelevanceError::Unreadable("goal"))?))
}

/// Makes one version the active one.
pub(super) async fn activate(
    tx: &mut Tx,
    business: Option<BusinessId>,
    goal: Goal,
    version: u32,
    now: Timestamp,
) -> Result<()> {
    tx.execute(DEACTIVATE, values![owner(business), goal.as_str()]).await?;
    let values = values![owner(business), goal.as_str(), version, now];
    tx.execute(ACTIVATE, values).await?;
    Ok(())
}

/// The active model: id, version and artifact.
pub(super) async fn active(
    tx: &mut Tx,
    business: Option<BusinessId>,
    goal: Goal,
) -> Result<Option<(ModelId, u32, Vec<u8>)>> {
    let row = tx.fetch_optional(ACTIVE, values![owner(business), goal.as_str()]).await?;
    row.as_ref().map(file).transpose()
}

/// A model, in use or not: id, version and artifact.
pub(super) async fn kept(tx: &mut Tx, id: ModelId) -> Result<Option<(ModelId, u32, Vec<u8>)>> {
    tx.fetch_optional(KEPT, values![id]).await?.as_ref().map(file).transpose()
}

fn file(row: &Row) -> Result<(ModelId, u32, Vec<u8>)> {
    let version: i64 = row.get("version")?;
    let version = u32::try_from(version).map_err(|_| RelevanceError::Unreadable("version"))?;
    Ok((row.get("id")?, version, row.get("artifact")?))
}

pub(super) fn owner(business: Option<BusinessId>) -> Vec<u8> {
    business.map(|business| business.as_bytes().to_vec()).unwrap_or_default()
}

fn list(subjects: &[SubjectId]) -> Vec<Value> {
    subjects.iter().map(|subject| Value::from(*subject)).collect()
}

/// Sealed features as bytes.
pub(super) fn encode(features: &Features) -> Vec<u8> {
    serde_json::to_vec(features).expect("names and values are JSON")
}

/// Opened features.
pub(super) fn decode(bytes: &[u8]) -> Result<Features> {
    serde_json::from_slice(bytes).map_err(|_| RelevanceError::Unreadable("features"))
}

pub(super) async fn forget_list(tx: &mut Tx, list: ListId) -> Result<u64> {
    Ok(tx.execute(FORGET_LIST, values![list]).await?)
}

/// The live grants that members of a model rest on.
pub(super) async fn member_grants(
    tx: &mut Tx,
    subjects: &[SubjectId],
) -> Result<Vec<(SubjectId, [u8; 16], PurposeKind)>> {
    let rows = tx.fetch_list(MEMBERS, values![], list(subjects)).await?;
    let grant = |row: &Row| {
        let purpose: String = row.get("purpose")?;
        let purpose = purpose.parse().map_err(|_| RelevanceError::Unreadable("purpose"))?;
        Ok((row.get("subject")?, row.get("id")?, purpose))
    };
    rows.iter().map(grant).collect()
}

pub(super) async fn count_people(
    tx: &mut Tx,
    model: ModelId,
    people: u64,
    (departed, since): (u64, Option<Timestamp>),
) -> Result<()> {
    let row = vec![model.into(), Value::count(people)?, Value::count(departed)?, since.into()];
    tx.execute(COUNT_PEOPLE, row).await?;
    Ok(())
}

pub(super) async fn standing(tx: &mut Tx, model: ModelId) -> Result<Option<Standing>> {
    let Some(row) = tx.fetch_optional(STANDING, values![model]).await? else { return Ok(None) };
    let people: Option<i64> = row.get("people")?;
    Ok(Some(Standing {
        people: people.map(i64::unsigned_abs),
        members: row.get("members")?,
        departed: row.get("departed")?,
        departed_since: row.get("departed_since")?,
    }))
}

/// Models in use that somebody left before `left`, and that nobody ordered to be trained after
/// `ordered`.
pub(super) async fn due(
    tx: &mut Tx,
    left: Timestamp,
    ordered: Timestamp,
) -> Result<Vec<(ModelId, Retraining)>> {
    let due = |row: &Row| {
        let (business, goal) = owned(row)?;
        Ok((row.get("id")?, Retraining { business, goal }))
    };
    tx.fetch(DUE, values![left, ordered]).await?.iter().map(due).collect()
}

pub(super) async fn ordered(tx: &mut Tx, model: ModelId, now: Timestamp) -> Result<()> {
    tx.execute(ORDERED, values![model, now]).await?;
    Ok(())
}

/// Gives some of the profiles that changed before `latest` that number; answers how many.
pub(super) async fn level(tx: &mut Tx, latest: i64) -> Result<usize> {
    let rows = tx.fetch(CHANGED_BEFORE, values![latest]).await?;
    let subjects = rows.iter().map(|row| row.get("subject")).collect::<Result<Vec<_>, _>>()?;
    if !subjects.is_empty() {
        tx.execute_list(LEVEL, values![latest], list(&subjects)).await?;
    }
    Ok(subjects.len())
}
