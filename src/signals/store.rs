//! SQL of the slice.

use std::collections::{BTreeMap, BTreeSet};

use volens_privacy::{AppId, SubjectId, Timestamp};

use crate::db::{self, Result, Tx, Value, statements, values};

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
    TAGS = "select subject, tag from signal_tags where tag in ({list})";
    PUT_TAGS = "insert into signal_tags (subject, tag, seen) values {rows} on conflict do nothing";
    FORGET_TAGS = "delete from signal_tags where seen < $1";
    COUNT_REFUSALS = "insert into signal_refusals (app, day, code, times) values {rows}
        on conflict (app, day, code) do update set times = signal_refusals.times + excluded.times";
    REFUSALS = "select code, cast(sum(times) as bigint) as times from signal_refusals
        where app = $1 and day >= $2 group by code order by code";
    FORGET_REFUSALS = "delete from signal_refusals where day < $1";
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
    let account = |row: &db::Row| {
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

/// Which of these tags are there already, under which account.
pub(super) async fn tags(
    tx: &mut Tx,
    tags: BTreeSet<[u8; 16]>,
) -> Result<BTreeSet<(SubjectId, [u8; 16])>> {
    let list = tags.into_iter().map(Value::from).collect();
    let rows = tx.fetch_list(TAGS, values![], list).await?;
    rows.iter().map(|row| Ok((row.get("subject")?, row.get("tag")?))).collect()
}

pub(super) async fn put_tags(
    tx: &mut Tx,
    tags: &BTreeSet<(SubjectId, [u8; 16])>,
    seen: Timestamp,
) -> Result<()> {
    let rows = tags.iter().map(|(subject, tag)| values![*subject, *tag, season(seen)]).collect();
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

fn list(subjects: &BTreeSet<SubjectId>) -> Vec<Value> {
    subjects.iter().map(|subject| Value::from(*subject)).collect()
}
