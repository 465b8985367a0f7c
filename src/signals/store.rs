//! SQL of the slice.

use std::collections::{BTreeMap, BTreeSet};

use volens_privacy::{AppId, SubjectId, Timestamp};

use super::awaited::{self, Awaited};
use crate::db::{Result, Row, Tx, Value, statements, values};

statements! {
    // The accounts stay locked, so that repeats that arrive at two nodes at once are counted once;
    // not against those who only refer to an account, such as a consent.
    LOCK_ACCOUNTS = "select subject, age_band, frozen_at from accounts where subject in ({list})"
        | postgres "select subject, age_band, frozen_at from accounts where subject in ({list}) order by subject for no key update";
    // What is restricted is stored and not read (GDPR Art. 18(2)).
    PROFILES = "select p.subject, p.sealed from profiles p
                join accounts a on a.subject = p.subject
                where a.frozen_at is null and p.subject in ({list})";
    KEPT_PROFILES = "select subject, sealed from profiles where subject in ({list})";
    KEPT_PROFILE = "select sealed from profiles where subject = $1";
    CORRECTIONS = "select c.subject, c.sealed from corrections c where c.subject in ({list})";
    PUT_CORRECTIONS = "insert into corrections (subject, sealed) values ($1, $2)
        on conflict (subject) do update set sealed = excluded.sealed";
    FORGET_CORRECTIONS = "delete from corrections where subject = $1";
    PUT_PROFILES = "insert into profiles (subject, app, sealed, changed) values {rows}
        on conflict (subject) do update set sealed = excluded.sealed, changed = excluded.changed";
    PROFILED = "select subject, app from profiles where subject > $1 order by subject limit $2";
    TAGS = "select tag from signal_tags where tag in ({list})";
    PUT_TAGS = "insert into signal_tags (tag, seen) values {rows} on conflict do nothing";
    FORGET_TAGS = "delete from signal_tags where seen < $1";
    COUNT_REFUSALS = "insert into signal_refusals (app, day, code, times) values {rows}
        on conflict (app, day, code) do update set times = signal_refusals.times + excluded.times";
    REFUSALS = "select code, cast(sum(times) as bigint) as times from signal_refusals
        where app = $1 and day >= $2 group by code order by code";
    FORGET_REFUSALS = "delete from signal_refusals where day < $1";
    BEGIN_TO_AWAIT = "insert into awaited_purchases (subject, until, exposure, business, since, sealed)
        values {rows} on conflict do nothing";
    AWAITED = "select subject, until, exposure, business, since, sealed from awaited_purchases
        where subject in ({list})";
    // The consent first and then what rests on it: a withdrawal at the same moment comes before or after
    // both.
    OPEN_AWAITED = "select a.subject, a.until, a.exposure, a.business, a.since, a.sealed
            from awaited_purchases a
            join grants g on g.subject = a.subject
            where g.purpose = 'model_training' and g.state = 'given'
              and a.until >= $1 and a.since <= $2 and a.subject in ({list})"
        | postgres "select a.subject, a.until, a.exposure, a.business, a.since, a.sealed
            from awaited_purchases a
            join grants g on g.subject = a.subject
            where g.purpose = 'model_training' and g.state = 'given'
              and a.until >= $1 and a.since <= $2 and a.subject in ({list})
            order by a.subject, a.until, a.exposure for share of g for update of a";
    PUT_AWAITED = "insert into awaited_purchases (subject, until, exposure, business, since, sealed)
        values {rows}
        on conflict (subject, until, exposure) do update set sealed = excluded.sealed";
}

/// What the door has to know about an account.
pub(super) struct Account {
    pub(super) age_band: String,
    pub(super) frozen: bool,
}

pub(super) async fn lock_accounts(
    tx: &mut Tx,
    subjects: &BTreeSet<SubjectId>,
) -> Result<BTreeMap<SubjectId, Account>> {
    let rows = tx.fetch_list(LOCK_ACCOUNTS, values![], list(subjects)).await?;
    let account = |row: &Row| {
        let frozen: Option<i64> = row.get("frozen_at")?;
        let account = Account { age_band: row.get("age_band")?, frozen: frozen.is_some() };
        Ok((row.get("subject")?, account))
    };
    rows.iter().map(account).collect()
}

pub(super) async fn profiles(
    tx: &mut Tx,
    subjects: &BTreeSet<SubjectId>,
) -> Result<Vec<(SubjectId, Vec<u8>)>> {
    let rows = tx.fetch_list(PROFILES, values![], list(subjects)).await?;
    rows.iter().map(|row| Ok((row.get("subject")?, row.get("sealed")?))).collect()
}

pub(super) async fn kept_profile(tx: &mut Tx, subject: SubjectId) -> Result<Option<Vec<u8>>> {
    let row = tx.fetch_optional(KEPT_PROFILE, values![subject]).await?;
    row.map(|row| row.get("sealed")).transpose()
}

/// The profiles of these accounts as they are kept, also when processing is restricted.
pub(super) async fn kept_profiles(
    tx: &mut Tx,
    subjects: &BTreeSet<SubjectId>,
) -> Result<Vec<(SubjectId, Vec<u8>)>> {
    let rows = tx.fetch_list(KEPT_PROFILES, values![], list(subjects)).await?;
    rows.iter().map(|row| Ok((row.get("subject")?, row.get("sealed")?))).collect()
}

pub(super) async fn corrections(
    tx: &mut Tx,
    subjects: &[SubjectId],
) -> Result<Vec<(SubjectId, Vec<u8>)>> {
    let rows =
        tx.fetch_list(CORRECTIONS, values![], list(&subjects.iter().copied().collect())).await?;
    rows.iter().map(|row| Ok((row.get("subject")?, row.get("sealed")?))).collect()
}

pub(super) async fn put_corrections(
    tx: &mut Tx,
    subject: SubjectId,
    sealed: Vec<u8>,
) -> Result<()> {
    tx.execute(PUT_CORRECTIONS, values![subject, sealed]).await.map(drop)
}

pub(super) async fn forget_corrections(tx: &mut Tx, subject: SubjectId) -> Result<()> {
    tx.execute(FORGET_CORRECTIONS, values![subject]).await.map(drop)
}

/// A profile to be stored.
pub(super) struct Sealed<'a> {
    pub(super) subject: SubjectId,
    pub(super) app: &'a AppId,
    pub(super) bytes: Vec<u8>,
}

pub(super) async fn put_profiles(
    tx: &mut Tx,
    profiles: Vec<Sealed<'_>>,
    changed: i64,
) -> Result<()> {
    let row = |p: Sealed<'_>| values![p.subject, p.app, p.bytes, changed];
    tx.execute_rows(PUT_PROFILES, profiles.into_iter().map(row).collect()).await?;
    Ok(())
}

/// The accounts with a profile after this one, with their apps.
pub(super) async fn profiled(
    tx: &mut Tx,
    after: &[u8],
    limit: u32,
) -> Result<Vec<(SubjectId, AppId)>> {
    let rows = tx.fetch(PROFILED, values![after.to_vec(), limit]).await?;
    rows.iter().map(|row| Ok((row.get("subject")?, row.get("app")?))).collect()
}

/// Which of these tags are there already.
pub(super) async fn tags(tx: &mut Tx, tags: BTreeSet<[u8; 16]>) -> Result<BTreeSet<[u8; 16]>> {
    let list = tags.into_iter().map(Value::from).collect();
    let rows = tx.fetch_list(TAGS, values![], list).await?;
    rows.iter().map(|row| row.get("tag")).collect()
}

/// Keeps tags in their own order, which is random: in that of the accounts it would be seen which belong
/// together.
pub(super) async fn put_tags(
    tx: &mut Tx,
    tags: &BTreeSet<[u8; 16]>,
    seen: Timestamp,
) -> Result<()> {
    let rows = tags.iter().map(|tag| values![*tag, season(seen)]).collect();
    tx.execute_rows(PUT_TAGS, rows).await?;
    Ok(())
}

/// Forgets the tags that were all received before `before`.
pub(super) async fn forget_tags(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    tx.execute(FORGET_TAGS, values![season(before)]).await
}

/// The beginning of the season a time lies in. When a tag was seen is kept no finer: a row of hours
/// would show when an account was awake, and two accounts with the same nights are one person.
fn season(at: Timestamp) -> Timestamp {
    const SEASON: i64 = 50 * 24 * 3600 * 1_000_000;
    Timestamp::from_micros(at.micros().div_euclid(SEASON) * SEASON)
}

pub(super) async fn count_refusals(
    tx: &mut Tx,
    day: Timestamp,
    counts: &BTreeMap<(&AppId, &'static str), i64>,
) -> Result<()> {
    let rows =
        counts.iter().map(|((app, code), times)| values![*app, day, *code, *times]).collect();
    tx.execute_rows(COUNT_REFUSALS, rows).await?;
    Ok(())
}

pub(super) async fn refusals(
    tx: &mut Tx,
    app: &AppId,
    since: Timestamp,
) -> Result<Vec<(String, i64)>> {
    let rows = tx.fetch(REFUSALS, values![app, since]).await?;
    rows.iter().map(|row| Ok((row.get("code")?, row.get("times")?))).collect()
}

pub(super) async fn forget_refusals(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    tx.execute(FORGET_REFUSALS, values![before]).await
}

pub(super) async fn begin_to_await(tx: &mut Tx, rows: Vec<awaited::Sealed>) -> Result<()> {
    tx.execute_rows(BEGIN_TO_AWAIT, rows.into_iter().map(awaited_values).collect()).await.map(drop)
}

pub(super) async fn put_awaited(tx: &mut Tx, rows: Vec<awaited::Sealed>) -> Result<()> {
    tx.execute_rows(PUT_AWAITED, rows.into_iter().map(awaited_values).collect()).await.map(drop)
}

pub(super) async fn awaited(tx: &mut Tx, subjects: &[SubjectId]) -> Result<Vec<awaited::Sealed>> {
    let list = subjects.iter().map(|subject| Value::from(*subject)).collect();
    tx.fetch_list(AWAITED, values![], list).await?.iter().map(awaited_row).collect()
}

/// What is awaited of these accounts in a window that holds a time from `first` to `last`; held until the
/// transaction ends.
pub(super) async fn open_awaited(
    tx: &mut Tx,
    subjects: &BTreeSet<SubjectId>,
    (first, last): (Timestamp, Timestamp),
) -> Result<Vec<awaited::Sealed>> {
    let rows = tx.fetch_list(OPEN_AWAITED, values![first, last], list(subjects)).await?;
    rows.iter().map(awaited_row).collect()
}

fn awaited_values(row: awaited::Sealed) -> Vec<Value> {
    let Awaited { subject, exposure, business, since, until } = row.awaited;
    values![subject, until, exposure, business, since, row.bytes]
}

fn awaited_row(row: &Row) -> Result<awaited::Sealed> {
    let awaited = Awaited {
        subject: row.get("subject")?,
        exposure: row.get("exposure")?,
        business: row.get("business")?,
        since: row.get("since")?,
        until: row.get("until")?,
    };
    Ok(awaited::Sealed { awaited, bytes: row.get("sealed")? })
}

fn list(subjects: &BTreeSet<SubjectId>) -> Vec<Value> {
    subjects.iter().map(|subject| Value::from(*subject)).collect()
}
