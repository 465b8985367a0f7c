//! What a page of a list costs, counted in rows that are read.

use volens_privacy::ledger::{Hash, leaf_hash};

use super::town::{SHOP, Town, same};
use crate::audience::paths::Paths;
use crate::audience::seal::RowsTree;
use crate::audience::shelf::Shelf;
use crate::audience::store;
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::db::{Statement, values};

const FORGET: Statement = same("FORGET_NODES", "delete from list_nodes where list = $1");

/// The paths of 50 rows in the middle, of lists ten times as long each time.
#[tokio::test]
async fn the_paths_of_a_page_need_few_rows_however_long_the_list() {
    on_both(|db| async move {
        let town = Town::new(db, 20, 0).await;
        for (rows, most) in [(100_u32, 120), (1_000, 160), (10_000, 200)] {
            let list = town.order(town.request(20)).await.expect("asked for").list;
            let of = (SHOP, list);
            let leaves: Vec<Hash> = (0..rows).map(|n| leaf_hash(&n.to_be_bytes())).collect();
            let tree = RowsTree::over(leaves.clone());
            let mut tx = town.world.db.begin().await.expect("begins");
            store::add_leaves(&mut tx, SHOP, list, (1..).zip(leaves)).await.expect("kept");
            store::add_nodes(&mut tx, of, &tree).await.expect("kept");
            let page: Vec<u32> = (rows / 2..).take(50).collect();
            let before = tx.rows_given();
            let paths = Paths::read(&mut tx, of, rows.into(), &page).await.expect("read");
            let read = tx.rows_given() - before;
            assert!(read <= most, "{read} rows for 50 of {rows}");
            for rank in &page {
                let same = paths.path(*rank).expect("a path") == tree.path(*rank).expect("a path");
                assert!(same, "row {rank} of {rows}");
            }
            tx.execute(FORGET, values![list]).await.expect("forgotten");
            let paths = Paths::read(&mut tx, of, rows.into(), &[1]).await.expect("read");
            let same = paths.path(1).expect("a path") == tree.path(1).expect("a path");
            assert!(same, "a list of before nodes were kept is read from its leaves");
            tx.rollback().await;
        }
    })
    .await;
}

/// Everything that is read for three rows: of a list of 20, and of one four times as long.
#[tokio::test]
async fn a_page_reads_as_much_of_a_long_list_as_of_a_short_one() {
    on_both(|db| async move {
        let town = Town::new(db, 120, 0).await;
        let mut read = Vec::new();
        for size in [20, 80] {
            let list = town.list(town.request(size)).await.expect("built");
            let now = town.world.clock.now();
            let mut tx = town.world.db.read().await.expect("begins");
            let shelf = Shelf::open(&mut tx, SHOP, list.id, now).await.expect("opens");
            assert!(tx.rows_given() <= 4, "opening reads the list and not its rows");
            let page = shelf.page(&mut tx, &town.world.keys, 0, 3, now).await.expect("served");
            assert_eq!(page.rows.len(), 3);
            read.push(tx.rows_given());
        }
        // The second list is later in the ledger, and its entries are further from the head.
        assert!(read[1] <= read[0] + 30, "{read:?}");
    })
    .await;
}
