//! Accounts in SQL. There is no finder by reference without its app.

use std::collections::BTreeMap;

use volens_privacy::identity::{AccountTag, AppId, SubjectId};
use volens_privacy::{AgeBand, Timestamp};

use super::{Account, Details, Registration};
use crate::db::{self, Row, Tx, Value, statements, values};

statements! {
    SUBJECTS = "select tag, subject from account_references where app = $1 and tag in ({list})";
    ACCOUNTS = "select subject, app, language, country, time_zone, age_band, created_at, frozen_at
                from accounts where subject in ({list})";
    ADD_ACCOUNTS = "insert into accounts
                    (subject, app, language, country, time_zone, age_band, created_at, changed)
                    values {rows}";
    ADD_REFERENCES = "insert into account_references (app, tag, subject) values {rows}";
    ADD_KEYS = "insert into account_keys (subject, wrapped, created_at) values {rows}";
    LOCK = "select subject from accounts where subject in ({list})"
        | postgres "select subject from accounts where subject in ({list}) order by subject for no key update";
    UPDATE = "update accounts set language = $2, country = $3, time_zone = $4, age_band = $5,
              changed = $6 where subject = $1";
    KEYS = "select subject, wrapped from account_keys where subject in ({list})";
    OPENED = "select r.tag, r.subject, a.age_band, k.wrapped
              from account_references r
              join accounts a on a.subject = r.subject
              join account_keys k on k.subject = r.subject
              where r.app = $1 and r.tag in ({list})";
    REMOVE = "delete from accounts where subject = $1";
    AFTER = "select subject from accounts where subject > $1 order by subject limit $2";
    OF_APP = "select count(*) as n from accounts where app = $1";
}

fn age_band(row: &Row) -> db::Result<AgeBand> {
    let age: String = row.get("age_band")?;
    age.parse().map_err(|_| db::Error::Decode("age_band".to_owned()))
}

fn account(row: &Row) -> db::Result<Account> {
    Ok(Account {
        subject: row.get("subject")?,
        app: row.get("app")?,
        details: Details {
            language: row.get("language")?,
            country: row.get("country")?,
            time_zone: row.get("time_zone")?,
            age_band: age_band(row)?,
        },
        created_at: row.get("created_at")?,
        frozen_at: row.get("frozen_at")?,
    })
}

pub(super) async fn subjects(
    tx: &mut Tx,
    app: &AppId,
    tags: impl IntoIterator<Item = AccountTag>,
) -> db::Result<BTreeMap<AccountTag, SubjectId>> {
    let list = tags.into_iter().map(|tag| Value::from(tag.as_bytes())).collect();
    let rows = tx.fetch_list(SUBJECTS, values![app], list).await?;
    rows.iter()
        .map(|row| Ok((AccountTag::from_bytes(row.get("tag")?), row.get("subject")?)))
        .collect()
}

type Opened = (AccountTag, SubjectId, AgeBand, Vec<u8>);

pub(super) async fn opened(
    tx: &mut Tx,
    app: &AppId,
    tags: impl IntoIterator<Item = AccountTag>,
) -> db::Result<Vec<Opened>> {
    let list = tags.into_iter().map(|tag| Value::from(tag.as_bytes())).collect();
    let rows = tx.fetch_list(OPENED, values![app], list).await?;
    rows.iter()
        .map(|row| {
            let tag = AccountTag::from_bytes(row.get("tag")?);
            Ok((tag, row.get("subject")?, age_band(row)?, row.get("wrapped")?))
        })
        .collect()
}

pub(super) async fn accounts(
    tx: &mut Tx,
    subjects: &[SubjectId],
) -> db::Result<BTreeMap<SubjectId, Account>> {
    let list = subjects.iter().map(|subject| Value::from(*subject)).collect();
    let rows = tx.fetch_list(ACCOUNTS, values![], list).await?;
    rows.iter().map(|row| account(row).map(|account| (account.subject, account))).collect()
}

pub(super) async fn add(
    tx: &mut Tx,
    new: &[&Registration],
    now: Timestamp,
    changed: i64,
) -> db::Result<()> {
    let hour = now.hour();
    let rows = new.iter().map(|n| {
        let d = &n.details;
        let age: AgeBand = d.age_band;
        values![
            n.candidate,
            &n.app,
            &d.language,
            &d.country,
            &d.time_zone,
            age.as_str(),
            hour,
            changed
        ]
    });
    tx.execute_rows(ADD_ACCOUNTS, rows.collect()).await?;
    let rows = new.iter().map(|n| values![&n.app, n.tag.as_bytes(), n.candidate]);
    tx.execute_rows(ADD_REFERENCES, rows.collect()).await?;
    let rows = new.iter().map(|n| values![n.candidate, &n.wrapped_key, hour]);
    tx.execute_rows(ADD_KEYS, rows.collect()).await.map(drop)
}

/// Keeps these accounts from being changed by others until the transaction ends.
pub(super) async fn lock(
    tx: &mut Tx,
    subjects: impl IntoIterator<Item = SubjectId>,
) -> db::Result<()> {
    let list = subjects.into_iter().map(Value::from).collect();
    tx.fetch_list(LOCK, values![], list).await.map(drop)
}

pub(super) async fn update(
    tx: &mut Tx,
    subject: SubjectId,
    details: &Details,
    changed: i64,
) -> db::Result<()> {
    let values = values![
        subject,
        &details.language,
        &details.country,
        &details.time_zone,
        details.age_band.as_str(),
        changed
    ];
    tx.execute(UPDATE, values).await.map(drop)
}

pub(super) async fn wrapped_keys(
    tx: &mut Tx,
    subjects: &[SubjectId],
) -> db::Result<Vec<(SubjectId, Vec<u8>)>> {
    let list = subjects.iter().map(|subject| Value::from(*subject)).collect();
    let rows = tx.fetch_list(KEYS, values![], list).await?;
    rows.iter().map(|row| Ok((row.get("subject")?, row.get("wrapped")?))).collect()
}

pub(super) async fn count(tx: &mut Tx, app: &AppId) -> db::Result<u64> {
    tx.fetch_one(OF_APP, values![app]).await?.get("n")
}

/// Deletes the row that everything about the account hangs on; answers whether it was there.
pub(super) async fn remove(tx: &mut Tx, subject: SubjectId) -> db::Result<bool> {
    Ok(tx.execute(REMOVE, values![subject]).await? > 0)
}

pub(super) async fn after(
    tx: &mut Tx,
    last: Option<SubjectId>,
    limit: i64,
) -> db::Result<Vec<SubjectId>> {
    let last = last.map(|subject| subject.as_bytes().to_vec()).unwrap_or_default();
    let rows = tx.fetch(AFTER, values![last, limit]).await?;
    rows.iter().map(|row| row.get("subject")).collect()
}
