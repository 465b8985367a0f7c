//! Accounts in SQL. There is no finder by reference without its app.

use std::collections::BTreeMap;

use volens_privacy::identity::{AccountTag, AppId, SubjectId, SuppressionTag};
use volens_privacy::{AgeBand, Timestamp};

use super::suppression::Objection;
use super::{Account, Details, Registration};
use crate::db::{self, Row, Tx, Value, statements, values};

statements! {
    SUBJECTS = "select tag, subject from account_references where app = $1 and tag in ({list})";
    ACCOUNTS = "select subject, app, language, country, time_zone, age_band, created_at, frozen_at,
                       objected_at
                from accounts where subject in ({list})";
    ADD_ACCOUNTS = "insert into accounts
                    (subject, app, language, country, time_zone, age_band, created_at,
                     objected_at, changed)
                    values {rows}";
    ADD_REFERENCES = "insert into account_references (app, tag, subject) values {rows}";
    ADD_KEYS = "insert into account_keys (subject, wrapped, created_at) values {rows}";
    LOCK = "select subject from accounts where subject in ({list})"
        | postgres "select subject from accounts where subject in ({list}) order by subject for no key update";
    UPDATE = "update accounts set language = $2, country = $3, time_zone = $4, age_band = $5,
              changed = $6 where subject = $1";
    KEYS = "select subject, wrapped from account_keys where subject in ({list})";
    OPENED = "select r.tag, r.subject, a.age_band, a.frozen_at, k.wrapped
              from account_references r
              join accounts a on a.subject = r.subject
              join account_keys k on k.subject = r.subject
              where r.app = $1 and r.tag in ({list})";
    REFERENCES = "select subject, app, tag from account_references where subject in ({list})";
    TOUCH = "update accounts set changed = $2 where subject = $1";
    NOTE_OBJECTION = "update accounts set objected_at = $2, changed = $3 where subject = $1";
    SUPPRESSIONS = "select tag, objected_at, entry from suppressions
                    where app = $1 and tag in ({list})";
    SUPPRESS = "insert into suppressions (app, tag, objected_at, entry) values ($1, $2, $3, $4)
                on conflict (app, tag) do update set objected_at = excluded.objected_at";
    UNSUPPRESS = "delete from suppressions where app = $1 and tag = $2";
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
        objected_at: row.get("objected_at")?,
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

/// An account as a decision needs it, its key still wrapped.
pub(super) struct Opened {
    pub(super) tag: AccountTag,
    pub(super) subject: SubjectId,
    pub(super) age_band: AgeBand,
    pub(super) frozen: bool,
    pub(super) wrapped: Vec<u8>,
}

pub(super) async fn opened(
    tx: &mut Tx,
    app: &AppId,
    tags: impl IntoIterator<Item = AccountTag>,
) -> db::Result<Vec<Opened>> {
    let list = tags.into_iter().map(|tag| Value::from(tag.as_bytes())).collect();
    let rows = tx.fetch_list(OPENED, values![app], list).await?;
    rows.iter()
        .map(|row| {
            let frozen_at: Option<Timestamp> = row.get("frozen_at")?;
            Ok(Opened {
                tag: AccountTag::from_bytes(row.get("tag")?),
                subject: row.get("subject")?,
                age_band: age_band(row)?,
                frozen: frozen_at.is_some(),
                wrapped: row.get("wrapped")?,
            })
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
    objected: &BTreeMap<SubjectId, Timestamp>,
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
            objected.get(&n.candidate).copied(),
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

/// What these accounts are found by.
pub(super) async fn references(
    tx: &mut Tx,
    subjects: &[SubjectId],
) -> db::Result<Vec<(SubjectId, AppId, AccountTag)>> {
    let list = subjects.iter().map(|subject| Value::from(*subject)).collect();
    let rows = tx.fetch_list(REFERENCES, values![], list).await?;
    rows.iter()
        .map(|row| {
            let tag = AccountTag::from_bytes(row.get("tag")?);
            Ok((row.get("subject")?, row.get("app")?, tag))
        })
        .collect()
}

pub(super) async fn touch(tx: &mut Tx, subject: SubjectId, changed: i64) -> db::Result<()> {
    tx.execute(TOUCH, values![subject, changed]).await.map(drop)
}

pub(super) async fn note_objection(
    tx: &mut Tx,
    subject: SubjectId,
    at: Option<Timestamp>,
    changed: i64,
) -> db::Result<()> {
    tx.execute(NOTE_OBJECTION, values![subject, at, changed]).await.map(drop)
}

/// The objections among these tags.
pub(super) async fn suppressions(
    tx: &mut Tx,
    app: &AppId,
    tags: impl IntoIterator<Item = SuppressionTag>,
) -> db::Result<Vec<(SuppressionTag, Objection)>> {
    let list = tags.into_iter().map(|tag| Value::from(tag.as_bytes())).collect();
    let rows = tx.fetch_list(SUPPRESSIONS, values![app], list).await?;
    rows.iter()
        .map(|row| {
            let objection = Objection { at: row.get("objected_at")?, entry: row.get("entry")? };
            Ok((SuppressionTag::from_bytes(row.get("tag")?), objection))
        })
        .collect()
}

pub(super) async fn suppress(
    tx: &mut Tx,
    app: &AppId,
    tag: SuppressionTag,
    objection: Objection,
) -> db::Result<()> {
    let mut values = values![app, tag.as_bytes(), objection.at];
    values.push(Value::count(objection.entry)?);
    tx.execute(SUPPRESS, values).await.map(drop)
}

pub(super) async fn unsuppress(tx: &mut Tx, app: &AppId, tag: SuppressionTag) -> db::Result<()> {
    tx.execute(UNSUPPRESS, values![app, tag.as_bytes()]).await.map(drop)
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
