//! What must not be, in SQL: each statement answers some examples and `n`, the number of all. And the
//! runs that were made.

use volens_privacy::{SubjectId, Timestamp};

use super::runs::Run;
use super::used::Use;
use crate::db::{self, Row, Tx, Value, statements, values};
use crate::ids::{JobId, ModelId};

statements! {
    COUNT_LINKS = "select (select count(*) from link_tokens) + (select count(*) from links) as n";
    LOOSE_TOKENS = "select t.subject, count(*) over () as n from link_tokens t
                    where not exists (
                        select 1 from grants g
                        where g.subject = t.subject and g.id = t.grant_id and g.app = t.app
                          and g.peer = t.peer and g.purpose = 'cross_app_linking'
                          and g.state = 'given' and g.expires_at > $1)
                    order by t.subject limit 20";

    COUNT_DERIVED = "select (select count(*) from profiles) + (select count(*) from exposures)
                          + (select count(*) from scores) + (select count(*) from list_rows)
                          + (select count(*) from list_loans)
                          + (select count(*) from awaited_purchases) as n";
    LOOSE_PROFILES = "select p.subject, count(*) over () as n from profiles p
                      where not exists (
                          select 1 from grants g
                          where g.subject = p.subject and g.purpose = 'relevance'
                            and g.state = 'given' and g.expires_at > $1)
                      order by p.subject limit 20";
    LOOSE_EXPOSURES = "select e.subject, count(*) over () as n from exposures e
                       where not exists (
                           select 1 from grants g
                           where g.subject = e.subject and g.purpose = 'relevance'
                             and g.state = 'given' and g.expires_at > $1)
                       order by e.subject limit 20";
    LOOSE_AWAITED = "select a.subject, count(*) over () as n from awaited_purchases a
                     where not exists (
                         select 1 from grants g
                         where g.subject = a.subject and g.purpose = 'model_training'
                           and g.state = 'given' and g.expires_at > $1)
                     order by a.subject limit 20";
    LOOSE_SCORES = "select s.subject, count(*) over () as n from scores s
                    where not exists (
                        select 1 from grants g
                        where g.subject = s.subject and g.id = s.relevance_grant
                          and g.purpose = 'relevance' and g.state = 'given' and g.expires_at > $1)
                    order by s.subject limit 20";
    LOOSE_ROWS = "select r.subject, count(*) over () as n from list_rows r
                  where not exists (
                      select 1 from grants g
                      where g.subject = r.subject and g.id = r.messages_grant
                        and g.purpose = 'business_messages' and g.state = 'given'
                        and g.expires_at > $1)
                     or not exists (
                      select 1 from grants g
                      where g.subject = r.subject and g.id = r.relevance_grant
                        and g.purpose = 'relevance' and g.state = 'given'
                        and g.expires_at > $1)
                  order by r.subject limit 20";
    LOOSE_OWN_LOANS = "select l.subject, count(*) over () as n from list_loans l
                       where not exists (
                           select 1 from grants g
                           where g.subject = l.subject and g.id = l.own_grant
                             and g.purpose = 'cross_app_linking' and g.peer = l.peer
                             and g.state = 'given' and g.expires_at > $1)
                       order by l.subject limit 20";
    LOOSE_LENDERS = "select l.lender as subject, count(*) over () as n from list_loans l
                     where not exists (
                         select 1 from grants g
                         where g.subject = l.lender and g.id = l.lender_grant
                           and g.purpose = 'cross_app_linking'
                           and g.state = 'given' and g.expires_at > $1)
                     order by l.lender limit 20";
    LOOSE_LENT_RELEVANCE = "select l.lender as subject, count(*) over () as n from list_loans l
                            where not exists (
                                select 1 from grants g
                                where g.subject = l.lender and g.id = l.relevance_grant
                                  and g.purpose = 'relevance'
                                  and g.state = 'given' and g.expires_at > $1)
                            order by l.lender limit 20";
    USED_OBJECTING = "select m.subject, m.kind, count(*) over () as n
                      from (select subject, 'scores' as kind from scores
                            union all select subject, 'list_rows' from list_rows
                            union all select subject, 'profiles' from profiles
                            union all select subject, 'grants' from grants where state = 'given'
                              and purpose in ('business_messages', 'relevance', 'follow_up')) m
                      join accounts a on a.subject = m.subject
                      where a.objected_at is not null
                      order by m.subject, m.kind limit 20";
    USED_FROZEN = "select m.subject, m.kind, count(*) over () as n
                   from (select subject, 'scores' as kind from scores
                         union all select subject, 'link_tokens' from link_tokens
                         union all select lender, 'list_loans' from list_loans) m
                   join accounts a on a.subject = m.subject
                   where a.frozen_at is not null
                   order by m.subject, m.kind limit 20";

    // The lender's consent is towards the app in which the list is delivered.
    USES = "select u.owner, u.purpose, u.peer, u.entry, l.entry as sealed
            from (select subject as owner, business, list, 'relevance' as purpose, '' as peer,
                         relevance_entry as entry from scores
                  union all select subject, business, list, 'relevance', '', relevance_entry
                            from list_rows
                  union all select subject, business, list, 'business_messages', '', messages_entry
                            from list_rows
                  union all select subject, business, list, 'cross_app_linking', peer, own_entry
                            from list_loans
                  union all select o.lender, o.business, o.list, 'cross_app_linking', a.app,
                                   o.lender_entry
                            from list_loans o join accounts a on a.subject = o.subject
                  union all select lender, business, list, 'relevance', '', relevance_entry
                            from list_loans) u
            join lists l on l.business = u.business and l.id = u.list
            where u.owner in ({list}) order by u.owner";

    COUNT_IDENTIFYING = "select (select count(*) from account_references)
                              + (select count(*) from account_keys)
                              + (select count(*) from suppressions)
                              + (select count(*) from profiles)
                              + (select count(*) from consent_records)
                              + (select count(*) from link_tokens) as n";
    // Of what is sealed the beginning is enough: nonce and first bytes are as good as random.
    SHARED = "select m.place, count(*) over () as n
              from (select 'account_references.tag' as place from account_references
                    group by tag having count(distinct app) > 1
                    union all select 'account_keys.wrapped' from account_keys
                    group by wrapped having count(*) > 1
                    union all select 'suppressions.tag' from suppressions
                    group by tag having count(distinct app) > 1
                    union all select 'profiles.sealed' from profiles
                    group by substr(sealed, 1, 64) having count(*) > 1
                    union all select 'consent_records.sealed' from consent_records
                    group by substr(sealed, 1, 64) having count(distinct subject) > 1
                    union all select 'link_tokens.token' from link_tokens t
                    where exists (select 1 from link_tokens o
                                  where o.token = t.token and o.app <> t.app
                                    and (o.app <> t.peer or o.peer <> t.app))) m
              order by m.place limit 20";

    COUNT_AGED = "select count(*) as n from accounts";
    // From the few who are too young to what is kept of them. A link lends from one account to another.
    OF_YOUNGER = "with young as (select subject from accounts where age_band in ({list}))
                  select subject, kind, count(*) over () as n
                  from (select g.subject, 'grants' as kind from young y
                        join grants g on g.subject = y.subject
                        where g.state = 'given' and g.purpose = $1
                        union all
                        select t.subject, 'link_tokens' from young y
                        join link_tokens t on t.subject = y.subject
                        where $1 = 'cross_app_linking'
                        union all
                        select l.subject, 'list_loans' from young y
                        join list_loans l on l.subject = y.subject or l.lender = y.subject
                        where $1 = 'cross_app_linking'
                        union all
                        select p.subject, 'profiles' from young y
                        join profiles p on p.subject = y.subject
                        where $1 = 'relevance'
                        union all
                        select e.subject, 'exposures' from young y
                        join exposures e on e.subject = y.subject
                        where $1 = 'relevance'
                        union all
                        select s.subject, 'scores' from young y
                        join scores s on s.subject = y.subject
                        where $1 = 'relevance'
                        union all
                        select r.subject, 'list_rows' from young y
                        join list_rows r on r.subject = y.subject
                        where $1 = 'business_messages'
                        union all
                        select w.subject, 'awaited_purchases' from young y
                        join awaited_purchases w on w.subject = y.subject
                        where $1 = 'model_training'
                        union all
                        select m.subject, 'model_members' from young y
                        join model_members m on m.subject = y.subject
                        where $1 = 'model_training') m
                  order by subject, kind limit 20";

    WRAPPING_VERSIONS = "select version, count(*) as n
                         from (select substr(wrapped, 1, 4) as version from account_keys
                               union all select substr(wrapped_key, 1, 4) from conversations
                               union all select substr(wrapped, 1, 4) from idempotency_keys) w
                         group by version order by version limit 100";
    PEPPER_VERSIONS = "select pepper as version, count(*) as n from link_tokens
                       group by pepper order by pepper limit 100";
    FENCES = "select domain, version from key_fences order by domain";

    COUNT_ERASED = "select count(*) as n from erasures";
    COUNT_READABLE = "select count(*) as n from erasures where erased_at >= $1 and erased_at < $2";

    COUNT_TIMED = "select (select count(*) from grants) + (select count(*) from ledger_checkpoints)
                        + (select count(*) from ledger_entries) as n";
    LONG_GRANTS = "select subject, entry, count(*) over () as n from grants
                   where purpose = $1 and expires_at > given_at + $2
                   order by subject limit 20";
    CHECKPOINTS_BACK = "select size, count(*) over () as n
                        from (select size, created_at,
                                     lag(created_at) over (order by size) as before
                              from ledger_checkpoints where log = 'main') c
                        where created_at < before - 1000000
                        order by size limit 20";

    CAMPAIGN_TOPICS = "select id, topics as said from campaigns where id > $1 order by id limit $2";
    LIST_FILTERS = "select id, filter as said from lists where id > $1 order by id limit $2";
    NEXT_MODEL = "select id, artifact from models
                  where activated_at is not null and id > $1 order by id limit 1";
    MODELS_IN_USE = "select id, entry from models where activated_at is not null order by id";
    PROFILED_AFTER = "select subject from profiles where subject > $1 order by subject limit $2";

    ADD_RUN = "insert into audit_runs (id, at, ledger_size, report, hash, entry)
               values ($1, $2, $3, $4, $5, $6)";
    HAS_RUN = "select count(*) as n from audit_runs where id = $1";
    LAST_RUN = "select report, hash, entry from audit_runs order by at desc, entry desc limit 1";
    FORGET_RUNS = "delete from audit_runs where at < $1";
    BEGIN_NIGHT = "insert into audit_nights (day) values ($1) on conflict (day) do nothing";
}

/// What is used of these accounts, in the order of their ids.
pub(super) async fn uses(tx: &mut Tx, owners: &[SubjectId]) -> db::Result<Vec<Use>> {
    let owners = owners.iter().copied().map(Value::from).collect();
    let rows = tx.fetch_list(USES, values![], owners).await?;
    let read = |row: &Row| {
        let purpose: String = row.get("purpose")?;
        let purpose = purpose.parse().map_err(|_| db::Error::Decode("purpose".to_owned()))?;
        let (owner, peer) = (row.get("owner")?, row.get("peer")?);
        Ok(Use { owner, purpose, peer, entry: row.get("entry")?, sealed: row.get("sealed")? })
    };
    rows.iter().map(read).collect()
}

/// Versions of the root that keys are wrapped under, and how many of each; nothing for bytes that
/// are none.
pub(super) async fn wrapping_versions(tx: &mut Tx) -> db::Result<Vec<(Option<u32>, u64)>> {
    let rows = tx.fetch(WRAPPING_VERSIONS, values![]).await?;
    rows.iter()
        .map(|row| {
            let version: Vec<u8> = row.get("version")?;
            let version = version.try_into().ok().map(u32::from_be_bytes);
            Ok((version, row.get("n")?))
        })
        .collect()
}

/// Versions of the pepper that link tokens were made with, and how many of each.
pub(super) async fn pepper_versions(tx: &mut Tx) -> db::Result<Vec<(u32, u64)>> {
    let rows = tx.fetch(PEPPER_VERSIONS, values![]).await?;
    rows.iter().map(|row| Ok((row.get("version")?, row.get("n")?))).collect()
}

/// Which version everything of a root is in, or nothing older than.
pub(super) async fn fences(tx: &mut Tx) -> db::Result<Vec<(String, u32)>> {
    let rows = tx.fetch(FENCES, values![]).await?;
    rows.iter().map(|row| Ok((row.get("domain")?, row.get("version")?))).collect()
}

/// Keeps a run; `json` is its report.
pub(super) async fn add_run(tx: &mut Tx, job: JobId, run: &Run, json: Vec<u8>) -> db::Result<()> {
    let text = String::from_utf8(json).map_err(|_| unreadable())?;
    let row = vec![
        job.into(),
        run.report.at.into(),
        Value::count(run.report.ledger_size)?,
        text.into(),
        run.sha256.into(),
        Value::count(run.entry)?,
    ];
    tx.execute(ADD_RUN, row).await.map(drop)
}

/// Whether this job's run was kept.
pub(super) async fn has_run(tx: &mut Tx, job: JobId) -> db::Result<bool> {
    let runs: u64 = tx.fetch_one(HAS_RUN, values![job]).await?.get("n")?;
    Ok(runs > 0)
}

pub(super) async fn last_run(tx: &mut Tx) -> db::Result<Option<Run>> {
    let Some(row) = tx.fetch_optional(LAST_RUN, values![]).await? else { return Ok(None) };
    let report: String = row.get("report")?;
    let report = serde_json::from_str(&report).map_err(|_| unreadable())?;
    Ok(Some(Run { report, sha256: row.get("hash")?, entry: row.get("entry")? }))
}

fn unreadable() -> db::Error {
    db::Error::Decode("report".to_owned())
}

/// Removes reports made before `before`.
pub(super) async fn forget_runs(tx: &mut Tx, before: Timestamp) -> db::Result<u64> {
    tx.execute(FORGET_RUNS, values![before]).await
}

/// Claims the nightly run of a day; `false` when it is claimed.
pub(super) async fn begin_night(tx: &mut Tx, day: Timestamp) -> db::Result<bool> {
    Ok(tx.execute(BEGIN_NIGHT, values![day]).await? > 0)
}

/// Something with an id, and a text of it.
type Named = ([u8; 16], String);

fn named(row: &Row) -> db::Result<Named> {
    Ok((row.get("id")?, row.get("said")?))
}

/// Topics of up to `limit` campaigns behind the id `after`, as JSON.
pub(super) async fn campaign_topics(
    tx: &mut Tx,
    after: Vec<u8>,
    limit: u32,
) -> db::Result<Vec<Named>> {
    tx.fetch(CAMPAIGN_TOPICS, values![after, limit]).await?.iter().map(named).collect()
}

/// Filters of up to `limit` lists behind the id `after`, as JSON.
pub(super) async fn list_filters(
    tx: &mut Tx,
    after: Vec<u8>,
    limit: u32,
) -> db::Result<Vec<Named>> {
    tx.fetch(LIST_FILTERS, values![after, limit]).await?.iter().map(named).collect()
}

/// The model in use behind the id `after`, with its file.
pub(super) async fn next_model(
    tx: &mut Tx,
    after: Vec<u8>,
) -> db::Result<Option<([u8; 16], Vec<u8>)>> {
    let row = tx.fetch_optional(NEXT_MODEL, values![after]).await?;
    row.map(|row| Ok((row.get("id")?, row.get("artifact")?))).transpose()
}

/// Up to `limit` accounts with a profile behind the id `after`.
pub(super) async fn profiled_after(
    tx: &mut Tx,
    after: Vec<u8>,
    limit: u32,
) -> db::Result<Vec<SubjectId>> {
    let rows = tx.fetch(PROFILED_AFTER, values![after, limit]).await?;
    rows.iter().map(|row| row.get("subject")).collect()
}

/// The models in use, with the entries that say how they were trained.
pub(super) async fn models_in_use(tx: &mut Tx) -> db::Result<Vec<(ModelId, u64)>> {
    let rows = tx.fetch(MODELS_IN_USE, values![]).await?;
    rows.iter().map(|row| Ok((row.get("id")?, row.get("entry")?))).collect()
}
