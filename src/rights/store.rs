//! Erasures in SQL: what an account holds, and which tags are gone.

use std::collections::BTreeSet;

use volens_privacy::{SubjectId, Timestamp};

use super::Removed;
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
    NOTE = "insert into erasures (tag, entry, erased_at) values ($1, $2, $3)
            on conflict (tag) do update set entry = excluded.entry";
    NOTED = "select tag from erasures";
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
