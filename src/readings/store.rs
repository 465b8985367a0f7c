//! SQL of the slice.

use std::collections::BTreeMap;

use volens_privacy::{SubjectId, Timestamp};

use super::Reading;
use super::openings::{Opening, OpeningState};
use crate::db::{self, Row, Tx, Value, statements, values};
use crate::ids::OpeningId;

statements! {
    ADD = "insert into readings (id, at, reader, role, what, people, commitment, entry)
           values ($1, $2, $3, $4, $5, $6, $7, $8)";
    BETWEEN = "select at, role, what, people, commitment, entry from readings
               where entry >= $1 and entry < $2 order by entry, id";
    SINCE = "select value from counters where name = 'readings_since'";
    COUNT = "select count(*) as n from readings";
    ASK = "insert into openings (subject, id, asked_by, reason, asked_at, expires_at, asked_entry)
           values ($1, $2, $3, $4, $5, $6, $7)";
    DECIDE = "update openings set decided_by = $3, decided_at = $4, approved = $5, alone = $6,
                     expires_at = $7, decided_entry = $8
              where subject = $1 and id = $2 and decided_at is null";
    APPROVED = "select id from openings
                where subject = $1 and asked_by = $2 and approved = 1 and expires_at > $3
                order by expires_at desc limit 1";
    STANDING = "select id from openings
                where subject = $1 and asked_by = $2 and expires_at > $3
                      and coalesce(approved, 1) = 1 and coalesce(alone, 0) <= $4
                order by asked_at, id limit 1";
    FIND = "select subject, id, asked_by, reason, asked_at, expires_at, approved, alone,
                   asked_entry, decided_entry
            from openings where id = $1";
    OPEN = "select subject, id, asked_by, reason, asked_at, expires_at, approved, alone,
                   asked_entry, decided_entry
            from openings where expires_at > $1 and coalesce(approved, 1) = 1
            order by asked_at desc, id limit $2";
    FORGET = "delete from openings where expires_at < $1";
    ONE_PAIR_OF_EYES = "select subject, count(*) over () as n from openings
                        where asked_by = decided_by and alone = 0
                        order by subject limit 20";
    COUNT_OPENINGS = "select count(*) as n from openings";
}

pub(super) async fn add(
    tx: &mut Tx,
    id: [u8; 16],
    reader: [u8; 16],
    reading: &Reading,
) -> db::Result<()> {
    let mut row = values![id, reading.at, reader, &reading.role, &reading.what];
    row.push(Value::count(reading.people)?);
    row.push(reading.commitment.into());
    row.push(Value::count(reading.entry)?);
    tx.execute(ADD, row).await.map(drop)
}

pub(super) async fn between(
    tx: &mut Tx,
    from: u64,
    to: u64,
) -> db::Result<BTreeMap<u64, Vec<Reading>>> {
    let rows = tx.fetch(BETWEEN, vec![Value::count(from)?, Value::count(to)?]).await?;
    let mut found: BTreeMap<u64, Vec<Reading>> = BTreeMap::new();
    for row in &rows {
        let reading = reading(row)?;
        found.entry(reading.entry).or_default().push(reading);
    }
    Ok(found)
}

fn reading(row: &Row) -> db::Result<Reading> {
    Ok(Reading {
        at: row.get("at")?,
        what: row.get("what")?,
        role: row.get("role")?,
        people: row.get("people")?,
        commitment: row.get("commitment")?,
        entry: row.get("entry")?,
    })
}

pub(super) async fn since(tx: &mut Tx) -> db::Result<u64> {
    tx.fetch_one(SINCE, values![]).await?.get("value")
}

pub(super) async fn count(tx: &mut Tx) -> db::Result<u64> {
    tx.fetch_one(COUNT, values![]).await?.get("n")
}

/// Requests that one officer both made and approved: how many, and some of their accounts.
pub(super) async fn one_pair_of_eyes(tx: &mut Tx) -> db::Result<(u64, Vec<SubjectId>)> {
    let rows = tx.fetch(ONE_PAIR_OF_EYES, values![]).await?;
    let all = rows.first().map_or(Ok(0), |row| row.get("n"))?;
    let some = rows.iter().map(|row| row.get("subject")).collect::<db::Result<_>>()?;
    Ok((all, some))
}

pub(super) async fn count_openings(tx: &mut Tx) -> db::Result<u64> {
    tx.fetch_one(COUNT_OPENINGS, values![]).await?.get("n")
}

/// A request to be kept.
pub(super) struct Asked {
    pub(super) subject: SubjectId,
    pub(super) id: OpeningId,
    pub(super) by: [u8; 16],
    pub(super) reason: Vec<u8>,
    pub(super) at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) entry: u64,
}

pub(super) async fn ask(tx: &mut Tx, asked: Asked) -> db::Result<()> {
    let Asked { subject, id, by, reason, at, expires_at, entry } = asked;
    let mut row = values![subject, id, by, reason, at, expires_at];
    row.push(Value::count(entry)?);
    tx.execute(ASK, row).await.map(drop)
}

/// A decision to be kept.
pub(super) struct Decided {
    pub(super) subject: SubjectId,
    pub(super) id: OpeningId,
    pub(super) by: [u8; 16],
    pub(super) at: Timestamp,
    pub(super) approved: bool,
    pub(super) alone: bool,
    pub(super) expires_at: Timestamp,
    pub(super) entry: u64,
}

pub(super) async fn decide(tx: &mut Tx, decided: Decided) -> db::Result<u64> {
    let Decided { subject, id, by, at, approved, alone, expires_at, entry } = decided;
    let (approved, alone) = (i64::from(approved), i64::from(alone));
    let mut row = values![subject, id, by, at, approved, alone, expires_at];
    row.push(Value::count(entry)?);
    tx.execute(DECIDE, row).await
}

pub(super) async fn approved(
    tx: &mut Tx,
    subject: SubjectId,
    by: [u8; 16],
    now: Timestamp,
) -> db::Result<Option<OpeningId>> {
    let row = tx.fetch_optional(APPROVED, values![subject, by, now]).await?;
    row.map(|row| row.get("id")).transpose()
}

/// A request as stored.
pub(super) struct Stored {
    pub(super) subject: SubjectId,
    pub(super) id: OpeningId,
    pub(super) reason: Vec<u8>,
    asked_by: [u8; 16],
    asked_at: Timestamp,
    expires_at: Timestamp,
    approved: Option<bool>,
    alone: bool,
    asked_entry: u64,
    decided_entry: Option<u64>,
}

impl Stored {
    pub(super) fn opening(self, reason: String, now: Timestamp) -> Opening {
        let state = match self.approved {
            Some(false) => OpeningState::Declined,
            _ if self.expires_at <= now => OpeningState::Over,
            Some(true) => OpeningState::Approved,
            None => OpeningState::Asked,
        };
        Opening {
            id: self.id,
            subject: self.subject,
            reason,
            state,
            asked_at: self.asked_at,
            expires_at: self.expires_at,
            alone: self.alone,
            asked_entry: self.asked_entry,
            decided_entry: self.decided_entry,
            asked_by: self.asked_by,
        }
    }
}

fn stored(row: &Row) -> db::Result<Stored> {
    let approved: Option<i64> = row.get("approved")?;
    let alone: i64 = row.get("alone")?;
    let decided_entry: Option<i64> = row.get("decided_entry")?;
    Ok(Stored {
        subject: row.get("subject")?,
        id: row.get("id")?,
        reason: row.get("reason")?,
        asked_by: row.get("asked_by")?,
        asked_at: row.get("asked_at")?,
        expires_at: row.get("expires_at")?,
        approved: approved.map(|approved| approved == 1),
        alone: alone == 1,
        asked_entry: row.get("asked_entry")?,
        decided_entry: decided_entry.map(i64::unsigned_abs),
    })
}

/// The request of this officer for this record that waits or opens it now; one that nobody else
/// approved only while there is nobody else.
pub(super) async fn standing(
    tx: &mut Tx,
    (subject, by): (SubjectId, [u8; 16]),
    alone: bool,
    now: Timestamp,
) -> db::Result<Option<OpeningId>> {
    let row = tx.fetch_optional(STANDING, values![subject, by, now, i64::from(alone)]).await?;
    row.map(|row| row.get("id")).transpose()
}

pub(super) async fn find(tx: &mut Tx, id: OpeningId) -> db::Result<Option<Stored>> {
    tx.fetch_optional(FIND, values![id]).await?.as_ref().map(stored).transpose()
}

pub(super) async fn open(tx: &mut Tx, now: Timestamp, limit: u32) -> db::Result<Vec<Stored>> {
    tx.fetch(OPEN, values![now, limit]).await?.iter().map(stored).collect()
}

pub(super) async fn forget(tx: &mut Tx, before: Timestamp) -> db::Result<u64> {
    tx.execute(FORGET, values![before]).await
}
