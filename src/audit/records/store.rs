//! SQL of the records.

use std::collections::BTreeMap;

use volens_privacy::{SubjectId, Timestamp};

use super::breach::Incident;
use crate::db::{self, Row, Tx, Value, statements, values};
use crate::ids::IncidentId;

statements! {
    LIVE_CONSENTS = "select purpose, count(*) as n from grants where state = 'given'
                     group by purpose order by purpose";
    COUNT_ACCOUNTS = "select count(*) as n from accounts";
    COUNT_BUSINESSES = "select count(*) as n from businesses";
    ACCOUNTS_UNTIL = "select app, count(*) as n from accounts where created_at <= $1
                      group by app order by app";
    AFFECTED = "select subject from accounts where created_at <= $1 and subject > $2
                order by subject limit $3";
    ERASED_SINCE = "select count(*) as n from erasures where erased_at >= $1";
    COLUMNS = "select m.name as place, c.name as col from sqlite_master m, pragma_table_info(m.name) c
               where m.type = 'table' and m.name in ({list}) order by m.name, c.cid"
        | postgres "select cast(table_name as text) as place, cast(column_name as text) as col
                    from information_schema.columns
                    where table_schema = 'public' and table_name in ({list})
                    order by table_name, ordinal_position";
    ADD_INCIDENT = "insert into incidents
                        (id, from_at, to_at, with_keys, accounts, noticed_at, due_at, entry)
                    values ($1, $2, $3, $4, $5, $6, $7, $8)";
    TELL = "update incidents set told_at = $2 where id = $1 and told_at is null";
    INCIDENT = "select id, from_at, to_at, with_keys, accounts, noticed_at, due_at, told_at, entry
                from incidents where id = $1";
    INCIDENTS = "select id, from_at, to_at, with_keys, accounts, noticed_at, due_at, told_at, entry
                 from incidents order by noticed_at desc, id";
}

fn counts(rows: &[Row], column: &str) -> db::Result<BTreeMap<String, u64>> {
    rows.iter().map(|row| Ok((row.get(column)?, row.get("n")?))).collect()
}

pub(super) async fn live_consents(tx: &mut Tx) -> db::Result<BTreeMap<String, u64>> {
    counts(&tx.fetch(LIVE_CONSENTS, values![]).await?, "purpose")
}

pub(super) async fn count_accounts(tx: &mut Tx) -> db::Result<u64> {
    tx.fetch_one(COUNT_ACCOUNTS, values![]).await?.get("n")
}

pub(super) async fn count_businesses(tx: &mut Tx) -> db::Result<u64> {
    tx.fetch_one(COUNT_BUSINESSES, values![]).await?.get("n")
}

/// Accounts by app that were made before a moment.
pub(super) async fn accounts_until(
    tx: &mut Tx,
    to: Timestamp,
) -> db::Result<BTreeMap<String, u64>> {
    counts(&tx.fetch(ACCOUNTS_UNTIL, values![to]).await?, "app")
}

pub(super) async fn affected(
    tx: &mut Tx,
    to: Timestamp,
    after: Option<SubjectId>,
    limit: u32,
) -> db::Result<Vec<SubjectId>> {
    let after = after.map(|subject| subject.as_bytes().to_vec()).unwrap_or_default();
    let rows = tx.fetch(AFFECTED, values![to, after, limit]).await?;
    rows.iter().map(|row| row.get("subject")).collect()
}

pub(super) async fn erased_since(tx: &mut Tx, from: Timestamp) -> db::Result<u64> {
    tx.fetch_one(ERASED_SINCE, values![from]).await?.get("n")
}

/// The columns of tables, as the database has them.
pub(super) async fn columns(
    tx: &mut Tx,
    tables: &[&str],
) -> db::Result<BTreeMap<String, Vec<String>>> {
    let names = tables.iter().map(|name| Value::from(*name)).collect();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in tx.fetch_list(COLUMNS, values![], names).await? {
        found.entry(row.get("place")?).or_default().push(row.get("col")?);
    }
    Ok(found)
}

pub(super) async fn add_incident(tx: &mut Tx, new: &Incident) -> db::Result<()> {
    let mut row = values![new.id, new.from, new.to, i64::from(new.keys)];
    row.push(Value::count(new.accounts)?);
    row.extend(values![new.noticed_at, new.due_at]);
    row.push(Value::count(new.entry)?);
    tx.execute(ADD_INCIDENT, row).await.map(drop)
}

pub(super) async fn tell(tx: &mut Tx, id: IncidentId, now: Timestamp) -> db::Result<u64> {
    tx.execute(TELL, values![id, now]).await
}

fn read(row: &Row) -> db::Result<Incident> {
    let keys: i64 = row.get("with_keys")?;
    Ok(Incident {
        id: row.get("id")?,
        from: row.get("from_at")?,
        to: row.get("to_at")?,
        keys: keys == 1,
        accounts: row.get("accounts")?,
        noticed_at: row.get("noticed_at")?,
        due_at: row.get("due_at")?,
        told_at: row.get("told_at")?,
        entry: row.get("entry")?,
    })
}

pub(super) async fn incident(tx: &mut Tx, id: IncidentId) -> db::Result<Option<Incident>> {
    tx.fetch_optional(INCIDENT, values![id]).await?.as_ref().map(read).transpose()
}

pub(super) async fn incidents(tx: &mut Tx) -> db::Result<Vec<Incident>> {
    tx.fetch(INCIDENTS, values![]).await?.iter().map(read).collect()
}
