//! The log's SQL.

use std::collections::BTreeMap;

use volens_privacy::Timestamp;
use volens_privacy::ledger::{Cosignature, Hash, Node, SignedCheckpoint};

use super::{Head, Shard};
use crate::db::{self, Row, Tx, Value, statements, values};

statements! {
    // Whoever appends holds the head until the commit, so that leaves are numbered without gaps.
    LOCK_HEAD = "select size, before, year, ahead from ledger_heads where log = $1"
        | postgres "select size, before, year, ahead from ledger_heads where log = $1 for update";
    HEAD = "select size, before, year, ahead from ledger_heads where log = $1";
    SIZE = "select size from ledger_heads where log = $1";
    GROW = "update ledger_heads set size = $2, ahead = $3 where log = $1";
    TURN = "update ledger_heads set before = $2, year = $3 where log = $1";
    ADD_SHARD = "insert into ledger_shards (log, before, year) values ($1, $2, $3)";
    SHARDS = "select before, year from ledger_shards where log = $1 order by before";
    ADD_ENTRIES = "insert into ledger_entries (log, idx, leaf) values {rows}";
    ADD_NODES = "insert into ledger_nodes (log, position, hash) values {rows}";
    CONFIRMED = "select confirmed from ledger_heads where log = $1";
    CONFIRMED_FROM = "select confirmed_from from ledger_heads where log = $1";
    BEGIN_CONFIRMING = "update ledger_heads set confirmed = size, confirmed_from = size
                        where log = $1";
    END_CONFIRMING = "update ledger_heads set confirmed = null, confirmed_from = null
                      where log = $1";
    CONFIRM = "update ledger_heads set confirmed = $2 where log = $1 and confirmed < $2";
    ADD_COSIGNATURE = "insert into ledger_cosignatures
                           (log, size, witness, line, cosigned_at, created_at)
                       values ($1, $2, $3, $4, $5, $6) on conflict do nothing";
    COSIGNATURES = "select size, witness, line, cosigned_at from ledger_cosignatures
                    where log = $1 and size > $2 and size <= $3 order by size, witness";
    LAST_COSIGNED = "select coalesce(max(size), 0) as size from ledger_cosignatures
                     where log = $1 and witness = $2 and size > $3";
    // Whoever waited for the head may have looked at the clock before the one who had it.
    ADD_CHECKPOINT = "insert into ledger_checkpoints (log, size, note, created_at)
                      values ($1, $2, $3, coalesce(
                          (select created_at from
                               (select created_at from ledger_checkpoints where log = $1
                                order by size desc limit 1) latest
                           where created_at > $4), $4))";
    NODES = "select position, hash from ledger_nodes where log = $1 and position in ({list})";
    CHECKPOINT = "select note from ledger_checkpoints where log = $1 and size = $2";
    LATEST_CHECKPOINT = "select size, note from ledger_checkpoints where log = $1
                         order by size desc limit 1";
    CHECKPOINTS = "select size, note, created_at from ledger_checkpoints where log = $1 and size > $2
                   order by size limit $3";
    ENTRIES = "select idx, leaf from ledger_entries where log = $1 and idx >= $2 and idx < $3
               order by idx";
    // A row costs more to hand over than its leaf to hash: a verification takes thousands as one.
    // Canonical JSON has no line feed, so a leaf that has one is noticed by its count.
    JOINED_ENTRIES = "select count(*) as found,
                             group_concat(cast(leaf as text), char(10) order by idx) as joined
                      from ledger_entries where log = $1 and idx >= $2 and idx < $3"
        | postgres "select count(*) as found,
                           string_agg(leaf, decode('0a', 'hex') order by idx) as joined
                    from ledger_entries where log = $1 and idx >= $2 and idx < $3";
    JOINED_NODES = "select group_concat(cast(hash as text), '' order by position) as joined
                    from ledger_nodes
                    where log = $1 and position >= $2 and position < $3 and length(hash) = 32"
        | postgres "select string_agg(hash, ''::bytea order by position) as joined
                    from ledger_nodes
                    where log = $1 and position >= $2 and position < $3 and length(hash) = 32";
    SOME_ENTRIES = "select idx, leaf from ledger_entries where log = $1 and idx in ({list})";
    ALL_NODES = "select position, hash from ledger_nodes where log = $1 and position >= $2
                 order by position limit $3";
}

/// The one log of this installation, and the tree of its first shard.
const LOG: &str = "main";

/// What the nodes of a shard are kept under.
fn tree(shard: &Shard) -> String {
    match shard.before {
        0 => LOG.to_owned(),
        _ => shard.year.to_string(),
    }
}

/// Bits of a node's index within its level.
const INDEX_BITS: u32 = 48;

fn position(node: Node) -> db::Result<i64> {
    if node.index >> INDEX_BITS != 0 {
        return Err(db::Error::Range);
    }
    i64::try_from(u64::from(node.level) << INDEX_BITS | node.index).map_err(|_| db::Error::Range)
}

fn node(position: u64) -> Node {
    let level = u8::try_from(position >> INDEX_BITS).unwrap_or(u8::MAX);
    Node { level, index: position & ((1 << INDEX_BITS) - 1) }
}

fn head(row: &Row) -> db::Result<Head> {
    let (before, year) = (row.get("before")?, year(row)?);
    let shard = Shard { before, year, end: None };
    Ok(Head { size: row.get("size")?, shard, ahead: row.get("ahead")? })
}

fn year(row: &Row) -> db::Result<u16> {
    let year: u64 = row.get("year")?;
    u16::try_from(year).map_err(|_| db::Error::Range)
}

pub(super) async fn lock_head(tx: &mut Tx) -> db::Result<Head> {
    head(&tx.fetch_one(LOCK_HEAD, values![LOG]).await?)
}

/// The head without a lock.
pub(super) async fn read_head(tx: &mut Tx) -> db::Result<Head> {
    head(&tx.fetch_one(HEAD, values![LOG]).await?)
}

/// Opens a shard after everything that is in the log.
pub(super) async fn turn(tx: &mut Tx, shard: &Shard) -> db::Result<()> {
    let values = || -> db::Result<Vec<Value>> {
        Ok(vec![LOG.into(), Value::count(shard.before)?, i64::from(shard.year).into()])
    };
    tx.execute(TURN, values()?).await?;
    tx.execute(ADD_SHARD, values()?).await.map(drop)
}

/// All shards, the first one first; none while nothing is in the log.
pub(super) async fn shards(tx: &mut Tx) -> db::Result<Vec<Shard>> {
    let rows = tx.fetch(SHARDS, values![LOG]).await?;
    let mut shards: Vec<Shard> = Vec::with_capacity(rows.len());
    for row in &rows {
        let (before, year) = (row.get("before")?, year(row)?);
        if let Some(last) = shards.last_mut() {
            last.end = Some(before);
        }
        shards.push(Shard { before, year, end: None });
    }
    Ok(shards)
}

pub(super) async fn size(tx: &mut Tx) -> db::Result<u64> {
    tx.fetch_one(SIZE, values![LOG]).await?.get("size")
}

pub(super) async fn grow(tx: &mut Tx, size: u64, ahead: Option<Timestamp>) -> db::Result<()> {
    tx.execute(GROW, vec![LOG.into(), Value::count(size)?, ahead.into()]).await.map(drop)
}

pub(super) async fn add_entries(tx: &mut Tx, first: u64, leaves: &[Vec<u8>]) -> db::Result<()> {
    let mut rows = Vec::with_capacity(leaves.len());
    for (index, leaf) in (first..).zip(leaves) {
        rows.push(vec![LOG.into(), Value::count(index)?, leaf.into()]);
    }
    tx.execute_rows(ADD_ENTRIES, rows).await.map(drop)
}

pub(super) async fn add_nodes(
    tx: &mut Tx,
    shard: &Shard,
    nodes: &[(Node, Hash)],
) -> db::Result<()> {
    let (tree, mut rows) = (tree(shard), Vec::with_capacity(nodes.len()));
    for (node, hash) in nodes {
        rows.push(values![tree.as_str(), position(*node)?, hash.as_bytes()]);
    }
    tx.execute_rows(ADD_NODES, rows).await.map(drop)
}

pub(super) async fn add_checkpoint(
    tx: &mut Tx,
    size: u64,
    note: &SignedCheckpoint,
    now: Timestamp,
) -> db::Result<()> {
    let values = vec![LOG.into(), Value::count(size)?, note.as_str().into(), now.into()];
    tx.execute(ADD_CHECKPOINT, values).await.map(drop)
}

pub(super) async fn nodes(
    tx: &mut Tx,
    shard: &Shard,
    wanted: &[Node],
) -> db::Result<BTreeMap<Node, Hash>> {
    let mut list = Vec::with_capacity(wanted.len());
    for node in wanted {
        list.push(position(*node)?.into());
    }
    let rows = tx.fetch_list(NODES, values![tree(shard)], list).await?;
    rows.iter()
        .map(|row| Ok((node(row.get("position")?), Hash::from_bytes(row.get("hash")?))))
        .collect()
}

/// The hashes of these nodes as they are stored, whatever their length.
pub(super) async fn raw_nodes(
    tx: &mut Tx,
    shard: &Shard,
    wanted: &[Node],
) -> db::Result<BTreeMap<Node, Vec<u8>>> {
    let list = wanted.iter().map(|node| position(*node).map(Value::from));
    let rows = tx.fetch_list(NODES, values![tree(shard)], list.collect::<db::Result<_>>()?).await?;
    rows.iter().map(|row| Ok((node(row.get("position")?), row.get("hash")?))).collect()
}

/// Up to `limit` stored nodes from `from` on, in order of position.
pub(super) async fn all_nodes(
    tx: &mut Tx,
    shard: &Shard,
    from: Node,
    limit: i64,
) -> db::Result<Vec<(Node, Hash)>> {
    let rows = tx.fetch(ALL_NODES, values![tree(shard), position(from)?, limit]).await?;
    rows.iter()
        .map(|row| Ok((node(row.get("position")?), Hash::from_bytes(row.get("hash")?))))
        .collect()
}

pub(super) async fn checkpoint_at(tx: &mut Tx, size: u64) -> db::Result<Option<String>> {
    let row = tx.fetch_optional(CHECKPOINT, vec![LOG.into(), Value::count(size)?]).await?;
    row.map(|row| row.get("note")).transpose()
}

pub(super) async fn latest_checkpoint(tx: &mut Tx) -> db::Result<Option<(u64, String)>> {
    let row = tx.fetch_optional(LATEST_CHECKPOINT, values![LOG]).await?;
    row.map(|row| Ok((row.get("size")?, row.get("note")?))).transpose()
}

/// A checkpoint as it is stored.
pub(super) struct StoredCheckpoint {
    pub(super) size: u64,
    pub(super) note: String,
    pub(super) created_at: Timestamp,
}

/// Up to `limit` checkpoints of more than `size` entries, smallest first.
pub(super) async fn checkpoints_after(
    tx: &mut Tx,
    size: u64,
    limit: i64,
) -> db::Result<Vec<StoredCheckpoint>> {
    let values = vec![LOG.into(), Value::count(size)?, limit.into()];
    let rows = tx.fetch(CHECKPOINTS, values).await?;
    let read = |row: &Row| {
        let (size, note) = (row.get("size")?, row.get("note")?);
        Ok(StoredCheckpoint { size, note, created_at: row.get("created_at")? })
    };
    rows.iter().map(read).collect()
}

/// Entries that enough witnesses confirmed; nothing when nobody is asked.
pub(super) async fn confirmed(tx: &mut Tx) -> db::Result<Option<u64>> {
    tx.fetch_one(CONFIRMED, values![LOG]).await?.get("confirmed")
}

/// Entries from before witnesses were asked.
pub(super) async fn confirmed_from(tx: &mut Tx) -> db::Result<Option<u64>> {
    tx.fetch_one(CONFIRMED_FROM, values![LOG]).await?.get("confirmed_from")
}

/// From now on entries have to be confirmed.
pub(super) async fn begin_confirming(tx: &mut Tx) -> db::Result<()> {
    tx.execute(BEGIN_CONFIRMING, values![LOG]).await.map(drop)
}

/// From now on nobody is asked.
pub(super) async fn end_confirming(tx: &mut Tx) -> db::Result<()> {
    tx.execute(END_CONFIRMING, values![LOG]).await.map(drop)
}

/// The first `size` entries are confirmed.
pub(super) async fn confirm(tx: &mut Tx, size: u64) -> db::Result<()> {
    tx.execute(CONFIRM, vec![LOG.into(), Value::count(size)?]).await.map(drop)
}

/// A cosignature as it is stored.
pub(super) struct StoredCosignature {
    pub(super) size: u64,
    pub(super) witness: String,
    pub(super) line: String,
    pub(super) cosigned_at: Timestamp,
}

/// Keeps a witness's first cosignature on a checkpoint.
pub(super) async fn add_cosignature(
    tx: &mut Tx,
    size: u64,
    line: &str,
    cosignature: &Cosignature,
    now: Timestamp,
) -> db::Result<()> {
    let mut values = vec![LOG.into(), Value::count(size)?];
    values.extend(values![cosignature.witness.as_str(), line, cosignature.at, now]);
    tx.execute(ADD_COSIGNATURE, values).await.map(drop)
}

/// The cosignatures on checkpoints of more than `after` and up to `upto` entries.
pub(super) async fn cosignatures(
    tx: &mut Tx,
    after: u64,
    upto: u64,
) -> db::Result<Vec<StoredCosignature>> {
    let values = vec![LOG.into(), Value::count(after)?, Value::count(upto)?];
    let rows = tx.fetch(COSIGNATURES, values).await?;
    let read = |row: &Row| {
        let (size, witness, line) = (row.get("size")?, row.get("witness")?, row.get("line")?);
        Ok(StoredCosignature { size, witness, line, cosigned_at: row.get("cosigned_at")? })
    };
    rows.iter().map(read).collect()
}

/// Entries of the largest checkpoint of more than `after` entries that a witness cosigned; 0 if none.
pub(super) async fn last_cosigned(tx: &mut Tx, witness: &str, after: u64) -> db::Result<u64> {
    let values = vec![LOG.into(), witness.into(), Value::count(after)?];
    tx.fetch_one(LAST_COSIGNED, values).await?.get("size")
}

pub(super) async fn entries(tx: &mut Tx, from: u64, to: u64) -> db::Result<Vec<(u64, Vec<u8>)>> {
    let values = vec![LOG.into(), Value::count(from)?, Value::count(to)?];
    let rows = tx.fetch(ENTRIES, values).await?;
    rows.iter().map(|row| Ok((row.get("idx")?, row.get("leaf")?))).collect()
}

/// The leaves `from..to` with a line feed between them; nothing if one of them is missing.
pub(super) async fn joined_entries(tx: &mut Tx, from: u64, to: u64) -> db::Result<Option<Vec<u8>>> {
    let values = vec![LOG.into(), Value::count(from)?, Value::count(to)?];
    let row = tx.fetch_one(JOINED_ENTRIES, values).await?;
    let found: u64 = row.get("found")?;
    let joined: Option<Vec<u8>> = row.get("joined")?;
    Ok(joined.filter(|_| found == to - from))
}

/// The hashes `from..to` of a level, one after the other; what is missing is left out.
pub(super) async fn joined_nodes(
    tx: &mut Tx,
    shard: &Shard,
    level: u8,
    from: u64,
    to: u64,
) -> db::Result<Vec<u8>> {
    let (from, to) = (Node { level, index: from }, Node { level, index: to });
    let values = values![tree(shard), position(from)?, position(to)?];
    let joined: Option<Vec<u8>> = tx.fetch_one(JOINED_NODES, values).await?.get("joined")?;
    Ok(joined.unwrap_or_default())
}

pub(super) async fn some_entries(
    tx: &mut Tx,
    indices: &[u64],
) -> db::Result<BTreeMap<u64, Vec<u8>>> {
    let list = indices.iter().map(|index| Value::count(*index)).collect::<db::Result<_>>()?;
    let rows = tx.fetch_list(SOME_ENTRIES, values![LOG], list).await?;
    rows.iter().map(|row| Ok((row.get("idx")?, row.get("leaf")?))).collect()
}
