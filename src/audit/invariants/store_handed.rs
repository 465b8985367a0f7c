//! What left the house on lists, or may: SQL.

use volens_privacy::{SubjectId, Timestamp};

use super::messages::OpenRow;
use crate::db::{self, Row, Tx, statements, values};
use crate::ids::ListId;

statements! {
    // By account and list, in the order of the primary key. A stop that is an outcome of the list itself
    // answers a message that was sent; the row stays, so that later outcomes find whose they are.
    OPEN_ROWS = "select r.subject, r.list, r.messages_entry,
                        cast(case when (exists (select 1 from list_stops s
                                           where s.subject = r.subject and s.business = r.business)
                                   or exists (select 1 from recipient_stops p
                                              where p.business = r.business
                                                and p.recipient = r.recipient))
                              and not exists (select 1 from exposures e
                                              join outcomes o on o.subject = e.subject
                                                             and o.exposure = e.id
                                              where e.list = r.list and e.subject = r.subject
                                                and o.kind in ('stop', 'complaint'))
                             then 1 else 0 end as bigint) as stopped
                 from list_rows r join lists l on l.business = r.business and l.id = r.list
                 where l.state = 'sealed' and l.expires_at > $1 and (r.subject, r.list) > ($2, $3)
                 order by r.subject, r.list limit $4";

    // In the order of the primary key.
    REASONS = "select subject, list, reasons from list_rows where (subject, list) > ($1, $2)
               order by subject, list limit $3";

    COUNT_RECALLS = "select (select count(*) from recalls) + (select count(*) from list_served) as n";
    // Of the rows down to the rank that left the house some are there, some were gone before, and the rest
    // is recalled.
    UNRECALLED = "select list, count(*) over () as n
                  from (select s.list, s.gone,
                               (case when l.leaves < s.rank then l.leaves else s.rank end) as ranks,
                               (select count(*) from list_rows r
                                where r.business = s.business and r.list = s.list
                                  and r.rank <= s.rank) as there,
                               (select count(*) from recalls c
                                where c.business = s.business and c.list = s.list) as recalled
                        from list_served s join lists l on l.business = s.business and l.id = s.list
                        where s.gone is not null and s.closed_at is null and l.expires_at > $1) b
                  where ranks <> there + gone + recalled
                  order by list limit 20";
    SILENT_RECALLS = "select list, count(*) over () as n from recalls
                      where raised_at <= $1 and acknowledged_at is null and escalated_at is null
                      order by list limit 20";
}

/// Up to `limit` rows of lists that are open at `now`, behind an account and a list.
pub(super) async fn open_rows(
    tx: &mut Tx,
    (subject, list): (Vec<u8>, Vec<u8>),
    now: Timestamp,
    limit: u32,
) -> db::Result<Vec<OpenRow>> {
    let rows = tx.fetch(OPEN_ROWS, values![now, subject, list, limit]).await?;
    let read = |row: &Row| {
        Ok(OpenRow {
            subject: row.get("subject")?,
            list: row.get("list")?,
            messages_entry: row.get("messages_entry")?,
            stopped: row.get::<i64>("stopped")? != 0,
        })
    };
    rows.iter().map(read).collect()
}

/// Why up to `limit` rows of lists are there, as JSON, behind an account and a list.
pub(super) async fn reasons(
    tx: &mut Tx,
    (subject, list): (Vec<u8>, Vec<u8>),
    limit: u32,
) -> db::Result<Vec<(SubjectId, ListId, String)>> {
    let rows = tx.fetch(REASONS, values![subject, list, limit]).await?;
    rows.iter()
        .map(|row| Ok((row.get("subject")?, row.get("list")?, row.get("reasons")?)))
        .collect()
}
