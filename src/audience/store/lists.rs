//! Lists and the leaves they are sealed over.

use volens_privacy::ledger::Hash;
use volens_privacy::{BusinessId, Timestamp};

use super::json;
use crate::audience::request::{List, ListState, Sealing};
use crate::audience::waterfall::Waterfall;
use crate::audience::{AudienceError, Result};
use crate::db::{self, Row, Tx, Value, statements, values};
use crate::ids::ListId;

statements! {
    ADD = "insert into lists (business, id, campaign, size, filter, holdout, created_at, expires_at,
                              state)
           values ($1, $2, $3, $4, $5, $6, $7, $8, 'queued')";
    FIND = "select business, id, campaign, size, filter, holdout, created_at, expires_at, state,
                   done, reason, waterfall, model, data_as_of, leaves, rows_root, entry,
                   checkpoint_size, sealed_at, ranking, forecast, variants
              from lists where business = $1 and id = $2";
    PAGE = "select business, id, campaign, size, filter, holdout, created_at, expires_at, state,
                   done, reason, waterfall, model, data_as_of, leaves, rows_root, entry,
                   checkpoint_size, sealed_at, ranking, forecast, variants
              from lists where business = $1 and id > $2 order by id limit $3";
    OWNER = "select business from lists where id = $1";
    BEGIN = "update lists set state = 'building', done = 0, run = run + 1
              where business = $1 and id = $2 and state in ('queued', 'building')";
    RUN = "select run from lists where business = $1 and id = $2";
    HOLD = "update lists set done = $4
             where business = $1 and id = $2 and run = $3 and state = 'building'";
    // Nobody needs the counts of a group that was too small to be counted, nor how far it came.
    REFUSE = "update lists set state = 'refused', reason = $4, done = 0
               where business = $1 and id = $2 and run = $3 and state = 'building'";
    GIVE_UP = "update lists set state = 'failed', reason = $3
                where business = $1 and id = $2 and state in ('queued', 'building')";
    SEAL = "update lists set state = 'sealed', waterfall = $3, model = $4, data_as_of = $5,
                             leaves = $6, rows_root = $7, entry = $8, checkpoint_size = $9,
                             sealed_at = $10, ranking = $11, forecast = $12, variants = $13
             where business = $1 and id = $2 and run = $14 and state = 'building'";
    ADD_LEAVES = "insert into list_leaves (business, list, rank, hash) values {rows}";
    LEAVES = "select rank, hash from list_leaves where business = $1 and list = $2 order by rank";
    REMOVE_LEAVES = "delete from list_leaves where business = $1 and list = $2";
    EXPIRED = "select business, id from lists
                where expires_at <= $1 and rows_removed_at is null order by expires_at limit 1";
    ROWS_REMOVED = "update lists set rows_removed_at = $3 where business = $1 and id = $2";
}

pub(in crate::audience) async fn add_list(tx: &mut Tx, list: &List) -> db::Result<()> {
    let values = values![
        list.business,
        list.id,
        list.campaign,
        list.size,
        json(&list.filter),
        list.holdout,
        list.created_at,
        list.expires_at,
    ];
    tx.execute(ADD, values).await?;
    Ok(())
}

pub(in crate::audience) async fn list(
    tx: &mut Tx,
    business: BusinessId,
    id: ListId,
) -> Result<Option<List>> {
    let row = tx.fetch_optional(FIND, values![business, id]).await?;
    row.as_ref().map(read).transpose()
}

pub(in crate::audience) async fn lists(
    tx: &mut Tx,
    business: BusinessId,
    after: Option<ListId>,
    limit: u32,
) -> Result<Vec<List>> {
    let after = after.map_or_else(Vec::new, |id| id.as_bytes().to_vec());
    tx.fetch(PAGE, values![business, after, limit]).await?.iter().map(read).collect()
}

pub(in crate::audience) async fn owner(tx: &mut Tx, id: ListId) -> db::Result<Option<BusinessId>> {
    let row = tx.fetch_optional(OWNER, values![id]).await?;
    row.map(|row| row.get("business")).transpose()
}

/// One run at a list. Another run that begins, or whoever gives the list up or clears it, takes it away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::audience) struct Run {
    business: BusinessId,
    list: ListId,
    number: i64,
}

/// Takes the list in hand; nothing when it has already ended.
pub(in crate::audience) async fn begin(
    tx: &mut Tx,
    (business, list): (BusinessId, ListId),
) -> db::Result<Option<Run>> {
    if tx.execute(BEGIN, values![business, list]).await? == 0 {
        return Ok(None);
    }
    let number = tx.fetch_one(RUN, values![business, list]).await?.get("run")?;
    Ok(Some(Run { business, list, number }))
}

/// Says how far the run is, and keeps everybody else from the list until the transaction ends.
///
/// # Errors
/// `list.overtaken` when the list is not this run's any more: nothing may be written for it.
pub(in crate::audience) async fn hold_run(tx: &mut Tx, run: Run, done: u64) -> Result<()> {
    let Run { business, list, number } = run;
    let values = vec![business.into(), list.into(), number.into(), Value::count(done)?];
    let held = tx.execute(HOLD, values).await?;
    if held == 1 { Ok(()) } else { Err(AudienceError::Overtaken) }
}

/// Ends the list as refused by policy. `false` when it is not this run's any more.
pub(in crate::audience) async fn refuse(tx: &mut Tx, run: Run, reason: &str) -> db::Result<bool> {
    let Run { business, list, number } = run;
    Ok(tx.execute(REFUSE, values![business, list, number, reason]).await? == 1)
}

/// Ends the list as one that could not be made. `false` when it has already ended.
pub(in crate::audience) async fn give_up(
    tx: &mut Tx,
    (business, list): (BusinessId, ListId),
    reason: &str,
) -> db::Result<bool> {
    Ok(tx.execute(GIVE_UP, values![business, list, reason]).await? == 1)
}

/// Marks the list as sealed. `false` when it is not this run's any more.
pub(in crate::audience) async fn seal(
    tx: &mut Tx,
    run: Run,
    waterfall: &Waterfall,
    data_as_of: Timestamp,
    sealing: &Sealing,
) -> db::Result<bool> {
    let values = vec![
        run.business.into(),
        run.list.into(),
        json(waterfall).into(),
        (&sealing.model).into(),
        data_as_of.into(),
        Value::count(sealing.rows)?,
        sealing.rows_root.as_bytes().into(),
        Value::count(sealing.entry)?,
        Value::count(sealing.checkpoint_size)?,
        sealing.at.into(),
        sealing.ranking.as_ref().map(json).into(),
        sealing.forecast.as_ref().map(json).into(),
        sealing.variants.as_ref().map(json).into(),
        run.number.into(),
    ];
    Ok(tx.execute(SEAL, values).await? == 1)
}

pub(in crate::audience) async fn add_leaves(
    tx: &mut Tx,
    business: BusinessId,
    list: ListId,
    leaves: impl Iterator<Item = (u32, Hash)>,
) -> db::Result<()> {
    let rows = leaves.map(|(rank, hash)| values![business, list, rank, hash.as_bytes()]).collect();
    tx.execute_rows(ADD_LEAVES, rows).await?;
    Ok(())
}

/// The leaves in the order of ranks, which must be 1, 2, 3 …
pub(in crate::audience) async fn leaves(
    tx: &mut Tx,
    business: BusinessId,
    list: ListId,
) -> Result<Vec<Hash>> {
    let rows = tx.fetch(LEAVES, values![business, list]).await?;
    let mut leaves = Vec::with_capacity(rows.len());
    for row in rows {
        let rank: u64 = row.get("rank")?;
        if rank != leaves.len() as u64 + 1 {
            return Err(AudienceError::Unreadable("ranks of leaves"));
        }
        leaves.push(Hash::from_bytes(row.get("hash")?));
    }
    Ok(leaves)
}

pub(in crate::audience) async fn remove_leaves(
    tx: &mut Tx,
    business: BusinessId,
    list: ListId,
) -> db::Result<()> {
    tx.execute(REMOVE_LEAVES, values![business, list]).await?;
    Ok(())
}

/// Lists whose time is over and whose rows are still there.
pub(in crate::audience) async fn expired(
    tx: &mut Tx,
    now: Timestamp,
) -> db::Result<Option<(BusinessId, ListId)>> {
    let row = tx.fetch_optional(EXPIRED, values![now]).await?;
    row.map(|row| Ok((row.get("business")?, row.get("id")?))).transpose()
}

/// Remembers that the rows of an expired list are gone.
pub(in crate::audience) async fn rows_removed(
    tx: &mut Tx,
    (business, id): (BusinessId, ListId),
    now: Timestamp,
) -> db::Result<()> {
    tx.execute(ROWS_REMOVED, values![business, id, now]).await?;
    Ok(())
}

fn read(row: &Row) -> Result<List> {
    let (state, filter): (String, String) = (row.get("state")?, row.get("filter")?);
    let waterfall: Option<String> = row.get("waterfall")?;
    let state = ListState::parse(&state).ok_or(AudienceError::Unreadable("lists.state"))?;
    Ok(List {
        id: row.get("id")?,
        business: row.get("business")?,
        campaign: row.get("campaign")?,
        size: row.get("size")?,
        filter: parse(&filter, "lists.filter")?,
        holdout: row.get("holdout")?,
        state,
        done: row.get("done")?,
        reason: row.get("reason")?,
        waterfall: waterfall.map(|text| parse(&text, "lists.waterfall")).transpose()?,
        data_as_of: row.get("data_as_of")?,
        sealing: if state == ListState::Sealed { Some(read_sealing(row)?) } else { None },
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
    })
}

fn read_sealing(row: &Row) -> Result<Sealing> {
    let (ranking, forecast): (Option<String>, Option<String>) =
        (row.get("ranking")?, row.get("forecast")?);
    let variants: Option<String> = row.get("variants")?;
    Ok(Sealing {
        model: row.get("model")?,
        rows: row.get("leaves")?,
        rows_root: Hash::from_bytes(row.get("rows_root")?),
        entry: row.get("entry")?,
        checkpoint_size: row.get("checkpoint_size")?,
        at: row.get("sealed_at")?,
        ranking: ranking.map(|text| parse(&text, "lists.ranking")).transpose()?,
        forecast: forecast.map(|text| parse(&text, "lists.forecast")).transpose()?,
        variants: variants.map(|text| parse(&text, "lists.variants")).transpose()?,
    })
}

pub(super) fn parse<T: serde::de::DeserializeOwned>(text: &str, column: &'static str) -> Result<T> {
    serde_json::from_str(text).map_err(|_| AudienceError::Unreadable(column))
}
