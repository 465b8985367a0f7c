//! A reader who trusts nothing but the log's key rebuilds the log from its tiles.

use std::fmt::Write as _;

use axum::http::header::{CACHE_CONTROL, CONTENT_LOCATION, CONTENT_TYPE, LINK};
use base64::Engine as _;
use serde_json::json;
use volens::ledger;
use volens_privacy::Timestamp;
use volens_privacy::ledger::{
    Checkpoint, Frontier, Hash, Leaf, LeafKind, LogVerifier, MemoryTree, Opening, Tile, leaf_hash,
};

use crate::support::{Client, TestApp, on_both};

/// Where the year is in which tests begin.
const YEAR: &str = "/v1/ledger/2026";

/// Appends entries of the product's own kinds until there are `size`.
async fn grow(test: &TestApp, size: u64) {
    let mut tx = test.app.db.begin().await.expect("a transaction");
    let before = ledger::size(&mut tx).await.expect("a size");
    let leaf = |n| Leaf::new(LeafKind::AuditRun, test.app.now()).with_detail(json!({ "n": n }));
    let leaves: Vec<Leaf> = (before..size).map(leaf).collect();
    ledger::append(&mut tx, &test.app.keys.log_signer(), &leaves, test.app.now())
        .await
        .expect("it grows");
    tx.commit().await.expect("it is kept");
}

async fn hashes(client: &Client, log: &str, tile: Tile) -> Vec<Hash> {
    let answer = client.get(&format!("{log}/tile/{}", tile.path())).await;
    assert_eq!(answer.status, 200, "{}", tile.path());
    assert_eq!(answer.headers[CONTENT_TYPE], "application/octet-stream");
    assert_eq!(answer.headers[CACHE_CONTROL], "public, max-age=31536000, immutable");
    assert_eq!(answer.body.len(), usize::from(tile.cut.width) * 32, "{}", tile.path());
    let hashes = answer.body.chunks_exact(32);
    hashes.map(|hash| Hash::from_bytes(hash.try_into().expect("32 bytes"))).collect()
}

fn root_of(hashes: &[Hash]) -> Hash {
    let mut tree = Frontier::default();
    for hash in hashes {
        tree.append(*hash);
    }
    tree.root()
}

#[tokio::test]
async fn the_log_is_rebuilt_from_its_tiles_alone() {
    on_both(|test| async move {
        grow(&test, 700).await;
        let (anyone, officer) = (test.anonymous(), test.officer().await);
        let key = anyone.get("/v1/ledger/key").await.text();
        let head = anyone.get(&format!("{YEAR}/checkpoint")).await;
        assert_eq!(head.headers[CACHE_CONTROL], "public, max-age=1");
        let head = LogVerifier::from_vkey(&key).expect("a key").verify(&head.text());
        let head = head.expect("it is signed");
        assert_eq!(head.size, 700);

        let mut tree = MemoryTree::default();
        let mut above = Vec::new();
        for tile in Tile::of_tree(head.size) {
            let hashes = hashes(&anyone, YEAR, tile).await;
            if tile.level > 0 {
                // Each hash above is the root of a full tile below.
                assert_eq!(hashes, above, "{}", tile.path());
                continue;
            }
            if tile.cut.width == 256 {
                above.push(root_of(&hashes));
            }
            // The entries are those whose hashes the tile has, and only officers may read them.
            let path = format!("{YEAR}/tile/entries/{}", tile.cut.path());
            anyone.get(&path).await.expect(401);
            let bundle = officer.get(&path).await;
            let mut rest = &bundle.body[..];
            for hash in &hashes {
                let (length, after) = rest.split_first_chunk::<2>().expect("a length");
                let (leaf, after) = after.split_at(u16::from_be_bytes(*length).into());
                assert_eq!(leaf_hash(leaf), *hash);
                rest = after;
            }
            assert!(rest.is_empty());
            for hash in hashes {
                tree.append(hash);
            }
        }
        assert_eq!(above.len(), 2);
        // Beside the newest checkpoint are the newest year's tiles.
        for path in ["0/000", "0/002.p/188", "1/000.p/2"] {
            let [newest, own] = ["/v1/ledger", YEAR].map(|log| format!("{log}/tile/{path}"));
            let (newest, own) = (anyone.get(&newest).await, anyone.get(&own).await);
            assert_eq!((newest.status, &newest.body), (own.status, &own.body), "{path}");
            assert_eq!(newest.headers[CACHE_CONTROL], "public, max-age=1", "another next year");
        }
        anyone.get("/v1/ledger/tile/entries/000").await.expect(401);
        let [newest, own] = ["/v1/ledger", YEAR].map(|log| format!("{log}/tile/entries/000"));
        assert_eq!(officer.get(&newest).await.body, officer.get(&own).await.body);
        anyone.get("/v1/ledger/tile/0/003").await.expect(404);
        assert_eq!((tree.size(), tree.root()), (head.size, head.root));
    })
    .await;
}

#[tokio::test]
async fn what_is_not_in_the_log_has_no_tile() {
    on_both(|test| async move {
        grow(&test, 300).await;
        let (anyone, officer) = (test.anonymous(), test.officer().await);
        for there in ["0/000", "0/001.p/44", "0/001.p/1", "0/000.p/7", "1/000.p/1"] {
            let answer = anyone.get(&format!("{YEAR}/tile/{there}")).await;
            assert_eq!(answer.status, 200, "{there}");
        }
        for absent in [
            "0/001",
            "0/001.p/45",
            "0/002",
            "0/002.p/1",
            "1/000",
            "1/000.p/2",
            "1/001.p/1",
            "2/000.p/1",
            "7/000.p/1",
            "0/0",
            "0/1",
            "00/000",
            "8/000",
            "63/000.p/1",
            "0/000.p/256",
            "0/x000/000",
            "0/x999/x999/x999/x999/x999/x999/999",
            "0/000/",
            "0/%2e%2e/000",
            "x/000",
        ] {
            let answer = anyone.get(&format!("{YEAR}/tile/{absent}")).await;
            assert_eq!(answer.status, 404, "{absent}");
            assert_ne!(answer.headers[CACHE_CONTROL], "public, max-age=31536000, immutable");
        }
        for absent in ["001", "001.p/45", "002.p/1", "x018/x446/x744/073/709/551"] {
            officer.get(&format!("{YEAR}/tile/entries/{absent}")).await.expect(404);
        }
    })
    .await;
}

/// The hash that a checkpoint shows is the one that the tiles lead to, at every size on record.
#[tokio::test]
async fn partial_tiles_lead_to_every_checkpoint() {
    on_both(|test| async move {
        let anyone = test.anonymous();
        for size in [255, 256, 257, 300] {
            grow(&test, size).await;
            let head = anyone.get(&format!("{YEAR}/checkpoint")).await.text();
            let mut all = Vec::new();
            for tile in Tile::of_tree(size).filter(|tile| tile.level == 0) {
                all.extend(hashes(&anyone, YEAR, tile).await);
            }
            let mut expected = String::new();
            let root = base64::engine::general_purpose::STANDARD.encode(root_of(&all).as_bytes());
            write!(expected, "\n{size}\n{root}\n").expect("it is a string");
            assert!(head.contains(&expected), "{head}");
        }
    })
    .await;
}

/// Every year is a log of its own to a reader of tiles, and its first entry says where the one before
/// ended.
#[tokio::test]
async fn every_year_is_rebuilt_from_its_own_tiles() {
    on_both(|test| async move {
        let at = |text| Timestamp::parse(text).expect("a time");
        let (anyone, officer) = (test.anonymous(), test.officer().await);
        grow(&test, 300).await;
        test.clock.set(at("2027-03-01T00:00:00Z"));
        grow(&test, 600).await;
        test.clock.set(at("2028-03-01T00:00:00Z"));
        grow(&test, 610).await;
        let key = anyone.get("/v1/ledger/key").await.text();
        let log = LogVerifier::from_vkey(&key).expect("a key");
        let mut before: Option<Checkpoint> = None;
        let latest = anyone.get("/v1/ledger/checkpoint").await;
        for (year, size) in [(2026, 300), (2027, 301), (2028, 10)] {
            let path = &format!("/v1/ledger/{year}");
            let head = anyone.get(&format!("{path}/checkpoint")).await;
            assert_eq!(head.headers[CACHE_CONTROL], "public, max-age=1");
            // Whoever watches one year is told where the log goes on, and where it came from.
            let link = |year: u16, rel| format!("</v1/ledger/{year}/checkpoint>; rel=\"{rel}\"");
            let mut links = Vec::new();
            links.extend((year < 2028).then(|| link(year + 1, "next")));
            links.extend((year > 2026).then(|| link(year - 1, "prev")));
            let told = head.headers.get_all(LINK).iter().map(|link| link.to_str().expect("text"));
            assert_eq!(told.collect::<Vec<_>>(), links);
            let is_latest = latest.headers[CONTENT_LOCATION] == format!("{path}/checkpoint");
            assert_eq!((is_latest, head.text() == latest.text()), (year == 2028, year == 2028));
            let head = log.verify(&head.text()).expect("it is signed");
            assert_eq!(head.size, size);
            assert_eq!(head.before, before.as_ref().map_or(0, Checkpoint::entries));
            let mut all = Vec::new();
            for tile in Tile::of_tree(head.size).filter(|tile| tile.level == 0) {
                all.extend(hashes(&anyone, path, tile).await);
            }
            assert_eq!(root_of(&all), head.root, "{path}");
            let cut = Tile::of_tree(size).next().expect("a tile").cut.path();
            let bundle = format!("{path}/tile/entries/{cut}");
            anyone.get(&bundle).await.expect(401);
            let bundle = officer.get(&bundle).await;
            assert_eq!(bundle.status, 200);
            let (length, rest) = bundle.body.split_first_chunk::<2>().expect("a length");
            let leaf = &rest[..usize::from(u16::from_be_bytes(*length))];
            assert_eq!(leaf_hash(leaf), all[0]);
            let opening = Opening::of(&Leaf::parse(leaf).expect("a leaf"));
            let expected = before.map(|ended| Opening::after(&ended, head.origin.clone()));
            assert_eq!(opening, expected, "{path}");
            before = Some(head);
        }
        for absent in ["2025", "2029", "0000", "27", "02027", "+027", "abcd"] {
            anyone.get(&format!("/v1/ledger/{absent}/checkpoint")).await.expect(404);
            anyone.get(&format!("/v1/ledger/{absent}/tile/0/000.p/1")).await.expect(404);
            officer.get(&format!("/v1/ledger/{absent}/tile/entries/000.p/1")).await.expect(404);
        }
        anyone.get("/v1/ledger/2028/tile/0/000.p/11").await.expect(404);
    })
    .await;
}
