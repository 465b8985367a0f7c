//! Grants and sealed records in SQL.

use std::collections::{BTreeMap, BTreeSet};

use volens_privacy::Timestamp;
use volens_privacy::consent::{Decision, Published};
use volens_privacy::identity::{AppId, SubjectId};
use volens_privacy::notice::Notice;
use volens_privacy::purpose::PurposeKind;

use super::{Effects, Grant, LiveUnder, Lost};
use crate::db::{self, Row, Tx, Value, statements, values};
use crate::ids::GrantId;

statements! {
    GRANTS = "select subject, id, app, purpose, peer, state, notice, notice_version, language,
                     given_at, expires_at, ended_at, entry
              from grants where subject in ({list})";
    // A renewal meets its own row. It leaves the state alone, so that what watches the state for an
    // end has nothing to do.
    GIVE = "insert into grants
            (subject, id, app, purpose, peer, state, notice, notice_version, language,
             given_at, expires_at, ended_at, entry, changed) values {rows}
            on conflict (subject, id) do update set
            notice = excluded.notice, notice_version = excluded.notice_version,
            language = excluded.language, given_at = excluded.given_at,
            expires_at = excluded.expires_at, entry = excluded.entry, changed = excluded.changed";
    // An end meets its own row; the trigger lets no ended grant come back.
    END = "insert into grants
           (subject, id, app, purpose, peer, state, notice, notice_version, language,
            given_at, expires_at, ended_at, entry, changed) values {rows}
           on conflict (subject, id) do update set
           state = excluded.state, ended_at = excluded.ended_at, entry = excluded.entry,
           changed = excluded.changed";
    END_ALL = "update grants set state = 'withdrawn', ended_at = $2, changed = $3
               where subject = $1 and state = 'given'";
    DUE = "select subject, id, app, purpose, peer, state, notice, notice_version, language,
                  given_at, expires_at, ended_at, entry
           from grants where state = 'given' and expires_at <= $1 order by expires_at limit $2";
    ADD_RECORDS = "insert into consent_records (subject, entry, sealed) values {rows}";
    RECORDS = "select subject, entry, sealed from consent_records where subject in ({list})
               order by subject, entry";
    RECORDED = "select entry from consent_records where entry >= $1 and entry < $2 order by entry";
    DECIDED = "select distinct subject from consent_records
               where entry >= $1 and subject in ({list})";
    NOTICES = "select id, version, language, sha256 from notices";
    PUBLICATION = "select entry, created_at from notices
                   where id = $1 and version = $2 and language = $3";
    ADD_NOTICES = "insert into notices (id, version, language, sha256, entry, created_at)
                   values {rows}";
    LAST_PARTIES = "select version, sha256 from notice_parties order by version desc limit 1";
    ADD_PARTIES = "insert into notice_parties (version, sha256, text, entry, created_at)
                   values ($1, $2, $3, $4, $5)";
    // The first registry answers for the time before it.
    PARTIES_AT = "select version, entry, sha256, text from notice_parties
                  order by case when created_at <= $1 then 0 else 1 end,
                           case when created_at <= $1 then -version else version end limit 1";
    LOST = "select name, value from counters where name in ('lost_known', 'lost_since')";
    NOTE_LOST = "insert into counters (name, value) values ('lost_known', $1), ('lost_since', $2)
                 on conflict (name) do update set value = excluded.value";
    FORGET_LOST = "delete from counters where name in ('lost_known', 'lost_since')";
    LIVE_UNDER = "select notice, notice_version, purpose, count(*) as n from grants
                  where state = 'given' and expires_at > $1
                  group by notice, notice_version, purpose
                  order by notice, notice_version, purpose";
    // A consent that is renewed with the same number keeps its token, and what rests on the link.
    ADD_TOKENS = "insert into link_tokens (subject, peer, app, token, grant_id, pepper)
                  values {rows} on conflict (subject, peer) do nothing";
    DROP_OTHER_TOKEN = "delete from link_tokens where subject = $1 and peer = $2 and token <> $3";
    SCORES = "select count(*) as n from score_grants where owner = $1 and grant_id = $2";
    LIST_ROWS = "select count(*) as n from list_row_grants where owner = $1 and grant_id = $2";
    LINKS = "select count(*) as n from links where subject_a = $1 and app_b = $2";
}

fn grant(row: &Row) -> db::Result<Grant> {
    let purpose: String = row.get("purpose")?;
    let peer: String = row.get("peer")?;
    let state: String = row.get("state")?;
    let unreadable = |column: &str| db::Error::Decode(column.to_owned());
    let peer = match peer.as_str() {
        "" => None,
        name => Some(AppId::parse(name).map_err(|_| unreadable("peer"))?),
    };
    Ok(Grant {
        subject: row.get("subject")?,
        id: row.get("id")?,
        app: row.get("app")?,
        purpose: purpose.parse::<PurposeKind>().map_err(|_| unreadable("purpose"))?,
        peer,
        state: state.parse::<Decision>().map_err(|_| unreadable("state"))?,
        notice: row.get("notice")?,
        notice_version: row.get("notice_version")?,
        language: row.get("language")?,
        given_at: row.get("given_at")?,
        expires_at: row.get("expires_at")?,
        ended_at: row.get("ended_at")?,
        entry: row.get("entry")?,
    })
}

fn peer_text(peer: Option<&AppId>) -> &str {
    peer.map_or("", AppId::as_str)
}

fn list(subjects: &[SubjectId]) -> Vec<Value> {
    subjects.iter().map(|subject| Value::from(*subject)).collect()
}

/// Every grant of these accounts, living or ended, oldest decision first.
pub(super) async fn grants(tx: &mut Tx, subjects: &[SubjectId]) -> db::Result<Vec<Grant>> {
    let rows = tx.fetch_list(GRANTS, values![], list(subjects)).await?;
    let mut grants: Vec<Grant> = rows.iter().map(grant).collect::<db::Result<_>>()?;
    grants.sort_by_key(|grant| grant.entry);
    Ok(grants)
}

pub(super) async fn due(tx: &mut Tx, now: Timestamp, limit: i64) -> db::Result<Vec<Grant>> {
    tx.fetch(DUE, values![now, limit]).await?.iter().map(grant).collect()
}

pub(super) async fn end_all(
    tx: &mut Tx,
    subject: SubjectId,
    now: Timestamp,
    changed: i64,
) -> db::Result<u64> {
    tx.execute(END_ALL, values![subject, now, changed]).await
}

/// Adds or updates grants. Ends come before beginnings: an account has one live grant for one thing.
pub(super) async fn write_grants(tx: &mut Tx, grants: &[&Grant], changed: i64) -> db::Result<()> {
    let (mut given, mut ended) = (Vec::new(), Vec::new());
    for g in grants {
        let mut row = values![
            g.subject,
            g.id,
            &g.app,
            g.purpose.as_str(),
            peer_text(g.peer.as_ref()),
            g.state.as_str(),
            &g.notice,
            g.notice_version,
            &g.language,
            g.given_at,
            g.expires_at,
            g.ended_at,
        ];
        row.push(Value::count(g.entry)?);
        row.push(changed.into());
        if g.state == Decision::Given { given.push(row) } else { ended.push(row) }
    }
    tx.execute_rows(END, ended).await?;
    tx.execute_rows(GIVE, given).await.map(drop)
}

pub(super) async fn add_records(
    tx: &mut Tx,
    records: Vec<(SubjectId, u64, Vec<u8>)>,
) -> db::Result<()> {
    let mut rows = Vec::with_capacity(records.len());
    for (subject, entry, sealed) in records {
        rows.push(vec![subject.into(), Value::count(entry)?, sealed.into()]);
    }
    tx.execute_rows(ADD_RECORDS, rows).await.map(drop)
}

/// Those of these accounts with an entry from `since` on.
pub(super) async fn decided(
    tx: &mut Tx,
    subjects: &[SubjectId],
    since: u64,
) -> db::Result<BTreeSet<SubjectId>> {
    let rows = tx.fetch_list(DECIDED, vec![Value::count(since)?], list(subjects)).await?;
    rows.iter().map(|row| row.get("subject")).collect()
}

pub(super) async fn records(
    tx: &mut Tx,
    subjects: &[SubjectId],
) -> db::Result<Vec<(SubjectId, u64, Vec<u8>)>> {
    let rows = tx.fetch_list(RECORDS, values![], list(subjects)).await?;
    rows.iter()
        .map(|row| Ok((row.get("subject")?, row.get("entry")?, row.get("sealed")?)))
        .collect()
}

/// The loss that is noted.
pub(super) async fn lost(tx: &mut Tx) -> db::Result<Option<Lost>> {
    let rows = tx.fetch(LOST, values![]).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let mut lost = Lost { known: 0, since: 0 };
    for row in &rows {
        let name: String = row.get("name")?;
        let value: u64 = row.get("value")?;
        if name == "lost_since" {
            lost.since = value;
        } else {
            lost.known = value;
        }
    }
    Ok(Some(lost))
}

pub(super) async fn note_lost(tx: &mut Tx, lost: Lost) -> db::Result<()> {
    let values = vec![Value::count(lost.known)?, Value::count(lost.since)?];
    tx.execute(NOTE_LOST, values).await.map(drop)
}

pub(super) async fn forget_lost(tx: &mut Tx) -> db::Result<()> {
    tx.execute(FORGET_LOST, values![]).await.map(drop)
}

type NoticeKey = (String, u32, String);

pub(super) async fn published(tx: &mut Tx) -> db::Result<BTreeMap<NoticeKey, [u8; 32]>> {
    let rows = tx.fetch(NOTICES, values![]).await?;
    rows.iter()
        .map(|row| {
            let key = (row.get("id")?, row.get("version")?, row.get("language")?);
            Ok((key, row.get("sha256")?))
        })
        .collect()
}

/// Where the publication of a text is on record.
pub(super) async fn publication(
    tx: &mut Tx,
    (id, version, language): &NoticeKey,
) -> db::Result<Option<Published>> {
    let row = tx.fetch_optional(PUBLICATION, values![id, *version, language]).await?;
    row.map(|row| Ok(Published { at: row.get("created_at")?, entry: row.get("entry")? }))
        .transpose()
}

pub(super) async fn add_notices(
    tx: &mut Tx,
    notices: &[&Notice],
    first_entry: u64,
    now: Timestamp,
) -> db::Result<()> {
    let mut rows = Vec::with_capacity(notices.len());
    for (notice, entry) in notices.iter().zip(first_entry..) {
        rows.push(vec![
            (&notice.id).into(),
            notice.version.into(),
            (&notice.language).into(),
            notice.sha256.into(),
            Value::count(entry)?,
            now.into(),
        ]);
    }
    tx.execute_rows(ADD_NOTICES, rows).await.map(drop)
}

/// The newest version of who answers for the data, and its hash.
pub(super) async fn last_parties(tx: &mut Tx) -> db::Result<Option<(u32, [u8; 32])>> {
    let row = tx.fetch_optional(LAST_PARTIES, values![]).await?;
    row.map(|row| Ok((row.get("version")?, row.get("sha256")?))).transpose()
}

pub(super) async fn add_parties(
    tx: &mut Tx,
    version: u32,
    sha256: [u8; 32],
    text: &str,
    entry: u64,
    now: Timestamp,
) -> db::Result<()> {
    let row = vec![version.into(), sha256.into(), text.into(), Value::count(entry)?, now.into()];
    tx.execute(ADD_PARTIES, row).await.map(drop)
}

/// Version, entry, hash and text of the registry in force at a moment.
pub(super) async fn parties_at(
    tx: &mut Tx,
    at: Timestamp,
) -> db::Result<Option<(u32, u64, [u8; 32], String)>> {
    let row = tx.fetch_optional(PARTIES_AT, values![at]).await?;
    row.map(|row| {
        Ok((row.get("version")?, row.get("entry")?, row.get("sha256")?, row.get("text")?))
    })
    .transpose()
}

pub(super) async fn live_under(tx: &mut Tx, now: Timestamp) -> db::Result<Vec<LiveUnder>> {
    let rows = tx.fetch(LIVE_UNDER, values![now]).await?;
    let read = |row: &Row| {
        let purpose: String = row.get("purpose")?;
        let unreadable = || db::Error::Decode("purpose".to_owned());
        Ok(LiveUnder {
            notice: row.get("notice")?,
            version: row.get("notice_version")?,
            purpose: purpose.parse().map_err(|_| unreadable())?,
            consents: row.get("n")?,
        })
    };
    rows.iter().map(read).collect()
}

/// A link token to be stored with its grant.
pub(super) struct NewToken {
    pub(super) subject: SubjectId,
    pub(super) app: AppId,
    pub(super) peer: AppId,
    pub(super) token: [u8; 48],
    pub(super) grant: GrantId,
    pub(super) pepper: u32,
}

pub(super) async fn add_tokens(tx: &mut Tx, tokens: &[NewToken]) -> db::Result<()> {
    let row = |t: &NewToken| values![t.subject, &t.peer, &t.app, t.token, t.grant, t.pepper];
    let rows = tokens.iter().map(row);
    tx.execute_rows(ADD_TOKENS, rows.collect()).await.map(drop)
}

/// Removes the token of another number that this one replaces, and with it, by a trigger, what was
/// lent over the link it made.
pub(super) async fn drop_other_token(tx: &mut Tx, new: &NewToken) -> db::Result<()> {
    tx.execute(DROP_OTHER_TOKEN, values![new.subject, &new.peer, new.token]).await.map(drop)
}

/// Entries from `from` on and before `to` of which there is a record.
pub(super) async fn recorded(tx: &mut Tx, from: u64, to: u64) -> db::Result<Vec<u64>> {
    let rows = tx.fetch(RECORDED, vec![Value::count(from)?, Value::count(to)?]).await?;
    rows.iter().map(|row| row.get("entry")).collect()
}

/// What will go with this grant, counted before it ends.
pub(super) async fn effects(tx: &mut Tx, grant: &Grant) -> db::Result<Effects> {
    let mut effects = Effects::default();
    let rests = values![grant.subject, grant.id];
    effects.scores = tx.fetch_one(SCORES, rests.clone()).await?.get("n")?;
    effects.list_rows = tx.fetch_one(LIST_ROWS, rests).await?.get("n")?;
    if let Some(peer) = &grant.peer {
        effects.links = tx.fetch_one(LINKS, values![grant.subject, peer]).await?.get("n")?;
    }
    Ok(effects)
}
