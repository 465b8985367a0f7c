//! Answers to questions about reach in SQL.

use volens_privacy::{BusinessId, Timestamp};

use crate::audience::reach::{Question, Told};
use crate::audience::{AudienceError, Result};
use crate::db::{self, Tx, statements, values};

statements! {
    HOLD = "select 1 as held from businesses where id = $1"
        | postgres "select 1 as held from businesses where id = $1 for update";
    FIND = "select counts, answered_at from reach_answers
            where business = $1 and day = $2 and question = $3";
    ASKED = "select count(*) as n, min(day) as oldest from reach_answers
             where business = $1 and day > $2";
    ADD = "insert into reach_answers (business, day, question, counts, answered_at)
           values ($1, $2, $3, $4, $5) on conflict (business, day, question) do nothing";
    FORGET = "delete from reach_answers where business = $1 and day <= $2";
}

/// Lets nobody else ask for this business until the transaction ends.
pub(in crate::audience) async fn hold(tx: &mut Tx, business: BusinessId) -> db::Result<()> {
    tx.fetch_optional(HOLD, values![business]).await.map(drop)
}

/// What was answered on that day, and when.
pub(in crate::audience) async fn find(
    tx: &mut Tx,
    question: Question,
) -> Result<Option<(Told, Timestamp)>> {
    let Question { business, day, hash } = question;
    let row = tx.fetch_optional(FIND, values![business, day, hash]).await?;
    let Some(row) = row else { return Ok(None) };
    let counts: String = row.get("counts")?;
    let told = serde_json::from_str(&counts)
        .map_err(|_| AudienceError::Unreadable("reach_answers.counts"))?;
    Ok(Some((told, row.get("answered_at")?)))
}

/// How many questions were asked after that day, and the day of the first of them.
pub(in crate::audience) async fn asked(
    tx: &mut Tx,
    business: BusinessId,
    after: i64,
) -> db::Result<(u32, Option<i64>)> {
    let row = tx.fetch_one(ASKED, values![business, after]).await?;
    Ok((row.get("n")?, row.get("oldest")?))
}

pub(in crate::audience) async fn add(
    tx: &mut Tx,
    question: Question,
    told: &Told,
    at: Timestamp,
) -> db::Result<()> {
    let Question { business, day, hash } = question;
    let counts = serde_json::to_string(told).expect("numbers are JSON");
    tx.execute(ADD, values![business, day, hash, counts, at]).await.map(drop)
}

/// Removes what was asked up to that day.
pub(in crate::audience) async fn forget(
    tx: &mut Tx,
    business: BusinessId,
    until: i64,
) -> db::Result<()> {
    tx.execute(FORGET, values![business, until]).await.map(drop)
}
