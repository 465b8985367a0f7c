//! Recall notices in SQL.

use volens_privacy::{BusinessId, RecipientId, Timestamp};

use crate::audience::recalls::Overdue;
use crate::db::{self, Row, Tx, statements, values};
use crate::ids::ListId;

statements! {
    SERVED = "select rank from list_served where business = $1 and list = $2";
    // A row that is going at this moment is waited for: it is either recalled or not read any more.
    HOLD_LIST = "select 1 as held from lists where business = $1 and id = $2"
        | postgres "select 1 as held from lists where business = $1 and id = $2 for update";
    // Rows behind a rank, down to another, and how many were sealed.
    THERE = "select coalesce(l.leaves, 0) as leaves,
                    (select count(*) from list_rows r
                     where r.business = l.business and r.list = l.id
                       and r.rank > $3 and r.rank <= $4) as n
             from lists l where l.business = $1 and l.id = $2";
    // What was not counted from the beginning stays so.
    SERVE = "insert into list_served (business, list, rank, first_at, last_at, gone)
             values ($1, $2, $3, $4, $4, $5)
             on conflict (business, list) do update set last_at = excluded.last_at,
             gone = list_served.gone + excluded.gone,
             rank = case when excluded.rank > list_served.rank
                         then excluded.rank else list_served.rank end";
    CLOSE = "update list_served set closed_at = $3 where business = $1 and list = $2
             and closed_at is null";
    RAISE = "update recalls set raised_at = $1 where raised_at is null";
    OPEN = "select list, recipient, raised_at from recalls
            where business = $1 and acknowledged_at is null and raised_at is not null
              and (list > $2 or (list = $2 and recipient > $3))
            order by list, recipient limit $4";
    OPEN_OF_LIST = "select count(*) as n from recalls
                    where business = $1 and list = $2 and acknowledged_at is null";
    STOPPED_OF_LIST = "select count(*) as n from recalls
                       where business = $1 and list = $2 and acknowledged_at is not null";
    ACKNOWLEDGE = "update recalls set acknowledged_at = $4
                   where business = $1 and list = $2 and recipient = $3
                     and acknowledged_at is null";
    ACKNOWLEDGE_LIST = "update recalls set acknowledged_at = $3
                        where business = $1 and list = $2 and acknowledged_at is null";
    ESCALATE = "update recalls set escalated_at = $2
                where raised_at <= $1 and acknowledged_at is null and escalated_at is null";
    FORGET = "delete from recalls where raised_at < $1";
    OVERDUE = "select r.business, coalesce(b.name, '') as name, count(*) as notices,
                      min(r.raised_at) as oldest
               from recalls r left join businesses b on b.id = r.business
               where r.escalated_at is not null and r.acknowledged_at is null
               group by r.business, b.name order by min(r.raised_at)";
}

type Of = (BusinessId, ListId);

pub(in crate::audience) async fn served(tx: &mut Tx, of: Of) -> db::Result<Option<u32>> {
    let row = tx.fetch_optional(SERVED, values![of.0, of.1]).await?;
    row.map(|row| row.get("rank")).transpose()
}

pub(in crate::audience) async fn serve(
    tx: &mut Tx,
    (business, list): Of,
    down_to: u32,
    now: Timestamp,
) -> db::Result<()> {
    tx.fetch(HOLD_LIST, values![business, list]).await?;
    let known = served(tx, (business, list)).await?.unwrap_or(0);
    let down_to = down_to.max(known);
    let there = tx.fetch_one(THERE, values![business, list, known, down_to]).await?;
    let (leaves, rows): (u32, u32) = (there.get("leaves")?, there.get("n")?);
    let gone = (down_to.min(leaves) - known.min(leaves)).saturating_sub(rows);
    tx.execute(SERVE, values![business, list, down_to, now, gone]).await.map(drop)
}

/// The list has expired: what goes from now on is no recall.
pub(in crate::audience) async fn close(
    tx: &mut Tx,
    (business, list): Of,
    now: Timestamp,
) -> db::Result<()> {
    tx.execute(CLOSE, values![business, list, now]).await.map(drop)
}

pub(in crate::audience) async fn raise(tx: &mut Tx, now: Timestamp) -> db::Result<u64> {
    tx.execute(RAISE, values![now]).await
}

pub(in crate::audience) async fn open(
    tx: &mut Tx,
    business: BusinessId,
    (list, recipient): (Vec<u8>, Vec<u8>),
    limit: u32,
) -> db::Result<Vec<(ListId, RecipientId, Timestamp)>> {
    let rows = tx.fetch(OPEN, values![business, list, recipient, limit]).await?;
    rows.iter()
        .map(|row| {
            let recipient = RecipientId::from_bytes(row.get("recipient")?);
            Ok((row.get("list")?, recipient, row.get("raised_at")?))
        })
        .collect()
}

pub(in crate::audience) async fn open_of_list(
    tx: &mut Tx,
    (business, list): Of,
) -> db::Result<u64> {
    tx.fetch_one(OPEN_OF_LIST, values![business, list]).await?.get("n")
}

pub(in crate::audience) async fn stopped_of_list(
    tx: &mut Tx,
    (business, list): Of,
) -> db::Result<u64> {
    tx.fetch_one(STOPPED_OF_LIST, values![business, list]).await?.get("n")
}

pub(in crate::audience) async fn acknowledge(
    tx: &mut Tx,
    (business, list): Of,
    recipient: Option<RecipientId>,
    now: Timestamp,
) -> db::Result<u64> {
    match recipient {
        Some(recipient) => {
            let values = values![business, list, recipient.as_bytes(), now];
            tx.execute(ACKNOWLEDGE, values).await
        }
        None => tx.execute(ACKNOWLEDGE_LIST, values![business, list, now]).await,
    }
}

pub(in crate::audience) async fn escalate(
    tx: &mut Tx,
    before: Timestamp,
    now: Timestamp,
) -> db::Result<u64> {
    tx.execute(ESCALATE, values![before, now]).await
}

pub(in crate::audience) async fn forget(tx: &mut Tx, before: Timestamp) -> db::Result<u64> {
    tx.execute(FORGET, values![before]).await
}

pub(in crate::audience) async fn overdue(tx: &mut Tx) -> db::Result<Vec<Overdue>> {
    let overdue = |row: &Row| {
        Ok(Overdue {
            business: row.get("business")?,
            name: row.get("name")?,
            notices: row.get("notices")?,
            oldest: row.get("oldest")?,
        })
    };
    tx.fetch(OVERDUE, values![]).await?.iter().map(overdue).collect()
}
