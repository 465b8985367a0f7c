//! Nodes above the leaves of sealed lists: every fourth level, for paths without reading all leaves.

use std::ops::Range;

use volens_privacy::BusinessId;
use volens_privacy::ledger::Hash;

use crate::audience::paths::STEP;
use crate::audience::seal::RowsTree;
use crate::db::{self, Row, Tx, Value, statements, values};
use crate::ids::ListId;

statements! {
    ADD = "insert into list_nodes (business, list, level, idx, hash) values {rows}";
    NODES = "select idx, hash from list_nodes
              where business = $1 and list = $2 and level = $3 and idx >= $4 and idx < $5
              order by idx";
    LEAVES = "select rank - 1 as idx, hash from list_leaves
               where business = $1 and list = $2 and rank > $3 and rank <= $4 order by rank";
    REMOVE = "delete from list_nodes where business = $1 and list = $2";
}

/// Keeps the nodes of every fourth level above the leaves.
pub(in crate::audience) async fn add_nodes(
    tx: &mut Tx,
    (business, list): (BusinessId, ListId),
    tree: &RowsTree,
) -> db::Result<()> {
    let kept = tree.nodes().filter(|(node, _)| node.level > 0 && node.level % STEP == 0);
    let row = |(node, hash): (volens_privacy::ledger::Node, Hash)| {
        let index = Value::count(node.index)?;
        Ok(vec![business.into(), list.into(), node.level.into(), index, hash.as_bytes().into()])
    };
    let rows = kept.map(row).collect::<db::Result<Vec<_>>>()?;
    tx.execute_rows(ADD, rows).await.map(drop)
}

/// The nodes of a kept level in this range; fewer where some are missing.
pub(in crate::audience) async fn nodes(
    tx: &mut Tx,
    (business, list): (BusinessId, ListId),
    level: u8,
    range: &Range<u64>,
) -> db::Result<Vec<Hash>> {
    let (start, end) = (Value::count(range.start)?, Value::count(range.end)?);
    let rows = if level == 0 {
        tx.fetch(LEAVES, vec![business.into(), list.into(), start, end]).await?
    } else {
        tx.fetch(NODES, vec![business.into(), list.into(), level.into(), start, end]).await?
    };
    let in_place = |(row, index): (&Row, u64)| {
        let at: u64 = row.get("idx")?;
        let hash = Hash::from_bytes(row.get("hash")?);
        Ok((at == index).then_some(hash))
    };
    // Whatever stands behind a gap would be taken for another node.
    let rows = rows.iter().zip(range.start..).map(in_place);
    let rows = rows.collect::<db::Result<Vec<_>>>()?;
    Ok(rows.into_iter().map_while(|hash| hash).collect())
}

/// Forgets the nodes of a list that is not served any more.
pub(in crate::audience) async fn remove_nodes(
    tx: &mut Tx,
    (business, list): (BusinessId, ListId),
) -> db::Result<()> {
    tx.execute(REMOVE, values![business, list]).await.map(drop)
}
