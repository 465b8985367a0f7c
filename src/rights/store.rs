//! Erasures in SQL: what an account holds, and which tags are gone.

use std::collections::BTreeSet;

use volens_privacy::{SubjectId, Timestamp};

use super::canary::Look;
use super::{AskedBy, Removed, RestrictionReason};
use crate::db::{self, Tx, Value, statements, values};

statements! {
    // What is lent counts too: it goes with its lender.
    HOLDINGS = "select
        (select count(*) from consent_records where subject = $1) as records,
        (select count(*) from links where subject_a = $1) as links,
        (select count(*) from profiles where subject = $1) as profiles,
        (select count(*) from exposures where subject = $1) as exposures,
        (select count(*) from scores where subject = $1 or (subject, list) in
            (select subject, list from list_loans where lender = $1)) as scores,
        (select count(*) from list_rows where subject = $1 or (subject, list) in
            (select subject, list from list_loans where lender = $1)) as list_rows";
    FREEZE = "update accounts set frozen_at = $2, changed = $3 where subject = $1";
    NOTE_RESTRICTION = "insert into restrictions (subject, reason, asked_by, entry)
                        values ($1, $2, $3, $4)";
    FORGET_RESTRICTION = "delete from restrictions where subject = $1";
    RESTRICTION = "select reason, asked_by, entry from restrictions where subject = $1";
    NOTE = "insert into erasures (tag, entry, erased_at) values ($1, $2, $3)
            on conflict (tag) do update set entry = excluded.entry";
    NOTED = "select tag from erasures";
    ERASURE = "select entry, erased_at from erasures where tag = $1";
    HAS_CANARY = "select count(*) as n from canaries where day = $1";
    ADD_CANARY = "insert into canaries (day, erased_at) values ($1, $2)";
    CANARIES = "select day, erased_at from canaries where day >= $1 order by day";
    FORGET_CANARIES = "delete from canaries where day < $1";
    NOTE_LOOK = "update canaries set looked_at = $2, looked_for = $3, in_files = $4, files = $5,
                     unread = $6, found = $7 where day = $1";
    LAST_LOOK = "select looked_at, looked_for, in_files, coalesce(files, 0) as files,
                     coalesce(unread, 0) as unread, found from canaries
                 where looked_at is not null order by day desc limit 1";
    WAITING_SINCE = "select min(erased_at) as at from canaries
                     where erased_at >= (select value from counters where name = 'purged_at')";
    PURGED_AT = "select value from counters where name = 'purged_at'";
    NOTE_PURGED = "update counters set value = $1 where name = 'purged_at'";
}

/// What will go with the account, counted before it goes; live consents are counted by their end.
pub(super) async fn holdings(tx: &mut Tx, subject: SubjectId) -> db::Result<Removed> {
    let row = tx.fetch_one(HOLDINGS, values![subject]).await?;
    Ok(Removed {
        consents: 0,
        records: row.get("records")?,
        links: row.get("links")?,
        profiles: row.get("profiles")?,
        scores: row.get("scores")?,
        list_rows: row.get("list_rows")?,
        exposures: row.get("exposures")?,
    })
}

/// Freezes an account, or ends that. The caller holds it and has drawn `changed`.
pub(super) async fn freeze(
    tx: &mut Tx,
    subject: SubjectId,
    at: Option<Timestamp>,
    changed: i64,
) -> db::Result<()> {
    tx.execute(FREEZE, values![subject, at, changed]).await.map(drop)
}

pub(super) async fn note_restriction(
    tx: &mut Tx,
    subject: SubjectId,
    (reason, asked_by): (RestrictionReason, AskedBy),
    entry: u64,
) -> db::Result<()> {
    let mut values = values![subject, reason.as_str(), asked_by.as_str()];
    values.push(Value::count(entry)?);
    tx.execute(NOTE_RESTRICTION, values).await.map(drop)
}

pub(super) async fn forget_restriction(tx: &mut Tx, subject: SubjectId) -> db::Result<()> {
    tx.execute(FORGET_RESTRICTION, values![subject]).await.map(drop)
}

pub(super) async fn restriction(
    tx: &mut Tx,
    subject: SubjectId,
) -> db::Result<Option<(RestrictionReason, AskedBy, u64)>> {
    let Some(row) = tx.fetch_optional(RESTRICTION, values![subject]).await? else {
        return Ok(None);
    };
    let (reason, asked_by): (String, String) = (row.get("reason")?, row.get("asked_by")?);
    let reason = RestrictionReason::parse(&reason);
    let reason = reason.ok_or_else(|| db::Error::Decode("reason".to_owned()))?;
    Ok(Some((reason, AskedBy::parse(&asked_by)?, row.get("entry")?)))
}

/// Notes that the account of this tag is gone; without an entry, that it never was here.
pub(super) async fn note(
    tx: &mut Tx,
    tag: [u8; 16],
    entry: Option<u64>,
    now: Timestamp,
) -> db::Result<()> {
    let entry = entry.map_or(Ok(Value::Int(None)), Value::count)?;
    tx.execute(NOTE, vec![tag.into(), entry, now.into()]).await.map(drop)
}

/// Every tag that is gone.
pub(super) async fn noted(tx: &mut Tx) -> db::Result<BTreeSet<[u8; 16]>> {
    tx.fetch(NOTED, values![]).await?.iter().map(|row| row.get("tag")).collect()
}

/// When the account of this tag was found to be gone, and the entry of its erasure, if it was here.
pub(super) async fn erasure(
    tx: &mut Tx,
    tag: [u8; 16],
) -> db::Result<Option<(Option<u64>, Timestamp)>> {
    let row = tx.fetch_optional(ERASURE, vec![tag.into()]).await?;
    row.map(|row| Ok((row.get("entry")?, row.get("erased_at")?))).transpose()
}

/// Whether the canary of a day was erased.
pub(super) async fn has_canary(tx: &mut Tx, day: Timestamp) -> db::Result<bool> {
    let canaries: u64 = tx.fetch_one(HAS_CANARY, values![day]).await?.get("n")?;
    Ok(canaries > 0)
}

pub(super) async fn add_canary(
    tx: &mut Tx,
    day: Timestamp,
    erased_at: Timestamp,
) -> db::Result<()> {
    tx.execute(ADD_CANARY, values![day, erased_at]).await.map(drop)
}

/// Days from `since` on of which there was a canary, and when it was erased.
pub(super) async fn canaries(
    tx: &mut Tx,
    since: Timestamp,
) -> db::Result<Vec<(Timestamp, Timestamp)>> {
    let rows = tx.fetch(CANARIES, values![since]).await?;
    rows.iter().map(|row| Ok((row.get("day")?, row.get("erased_at")?))).collect()
}

pub(super) async fn forget_canaries(tx: &mut Tx, before: Timestamp) -> db::Result<()> {
    tx.execute(FORGET_CANARIES, values![before]).await.map(drop)
}

pub(super) async fn note_look(tx: &mut Tx, day: Timestamp, look: &Look) -> db::Result<()> {
    let mut values = values![day, look.at];
    for count in [look.canaries, look.in_files, look.files, look.unread, look.found] {
        values.push(Value::count(count)?);
    }
    tx.execute(NOTE_LOOK, values).await.map(drop)
}

pub(super) async fn last_look(tx: &mut Tx) -> db::Result<Option<Look>> {
    let row = tx.fetch_optional(LAST_LOOK, values![]).await?;
    row.map(|row| {
        Ok(Look {
            at: row.get("looked_at")?,
            canaries: row.get("looked_for")?,
            in_files: row.get("in_files")?,
            files: row.get("files")?,
            unread: row.get("unread")?,
            found: row.get("found")?,
        })
    })
    .transpose()
}

/// When the oldest canary was erased that no purge came after; nothing when there is none.
pub(super) async fn waiting_since(tx: &mut Tx) -> db::Result<Option<Timestamp>> {
    tx.fetch_one(WAITING_SINCE, values![]).await?.get("at")
}

/// When the last purge began; the beginning of time when there was none.
pub(super) async fn purged_at(tx: &mut Tx) -> db::Result<Timestamp> {
    tx.fetch_one(PURGED_AT, values![]).await?.get("value")
}

pub(super) async fn note_purged(tx: &mut Tx, at: Timestamp) -> db::Result<()> {
    tx.execute(NOTE_PURGED, values![at]).await.map(drop)
}
