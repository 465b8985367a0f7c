//! A tree for every calendar year, and one history.

use std::ops::Range;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sha2::Sha256;
use volens_privacy::LogVerifier;
use volens_privacy::ledger::{Ended, parse_tlog_proof};

use super::tamper::{both, disarm, faults, head, run, trusts};
use super::*;
use crate::db::Engine;
use crate::db::testing::{FreshPostgres, FreshSqlite, on_both};
use crate::ledger::{Chain, KeptError, Trust, evidence, store};

const LAST: &str = "2025-12-31T23:59:59.999999Z";
const FIRST: &str = "2026-01-01T00:00:00.000000Z";

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn december(year: u16) -> Timestamp {
    at(&format!("{year}-12-01T12:00:00.000000Z"))
}

/// Ten entries in each of three years.
async fn story(db: &Db, signer: &LogSigner) {
    for (n, year) in (0..).zip([2025, 2026, 2027]) {
        for part in 0..2 {
            grow_at(db, signer, n * 10 + part * 5..n * 10 + part * 5 + 5, december(year)).await;
        }
    }
}

/// The shards as (before, year, end).
async fn drawn(db: &Db) -> Vec<(u64, u16, Option<u64>)> {
    let all = shards(&mut db.read().await.unwrap()).await.unwrap();
    all.iter().map(|shard| (shard.before, shard.year, shard.end)).collect()
}

#[tokio::test]
async fn a_year_begins_with_where_the_one_before_ended() {
    on_both(|db| async move {
        let (signer, keys) = signer();
        let log = keys.log_verifier();
        assert_eq!(drawn(&db).await, [(0, 0, None)]);
        grow_at(&db, &signer, 0..7, at(LAST)).await;
        let last = log.verify(head(&db).await.as_str()).unwrap();
        assert_eq!((last.origin.as_str(), last.before, last.size), (log.origin(), 0, 7));
        let appended = grow_at(&db, &signer, 7..9, at(FIRST)).await;
        assert_eq!((appended.first, appended.size), (8, 10), "one entry opens the year");
        let opened = log.verify(appended.checkpoint.as_str()).unwrap();
        assert_eq!(opened.origin, format!("{}/2026", log.origin()));
        assert_eq!((opened.before, opened.size, opened.entries()), (7, 3, 10));
        assert_eq!(drawn(&db).await, [(0, 2025, Some(7)), (7, 2026, None)]);

        let mut tx = db.read().await.unwrap();
        let leaf = leaves(&mut tx, &[7]).await.unwrap().remove(&7).unwrap();
        let after = Ended { origin: last.origin, size: 7, root: last.root };
        let opening = Opening { origin: opened.origin, before: 7, after };
        let leaf = Leaf::parse(&leaf).unwrap();
        assert_eq!((Opening::of(&leaf), leaf.at()), (Some(opening), at(FIRST)));
        drop(tx);

        // A clock that goes back opens nothing, nor does a transaction that says nothing.
        grow_at(&db, &signer, 9..10, at(LAST)).await;
        grow_at(&db, &signer, 10..10, december(2027)).await;
        assert_eq!(drawn(&db).await, [(0, 2025, Some(7)), (7, 2026, None)]);
        grow_at(&db, &signer, 10..11, december(2027)).await;
        assert_eq!(drawn(&db).await, [(0, 2025, Some(7)), (7, 2026, Some(11)), (11, 2027, None)]);
        let report = verify(&mut db.read().await.unwrap(), &Trust::key_only(log), |_, _| ()).await;
        let report = report.unwrap();
        assert_eq!((report.faults.as_slice(), report.entries, report.shards), (&[][..], 13, 3));
    })
    .await;
}

/// Whether the ledger has been silent for years or a clock is wrong: nothing is turned away, and a far
/// year is opened by nobody's mistake.
#[tokio::test]
async fn a_clock_that_is_years_ahead_opens_no_year_before_a_day() {
    on_both(|db| async move {
        let (signer, keys) = signer();
        let trust = Trust::key_only(keys.log_verifier());
        let (mut entries, first) = (5, (0, 2025, None));
        grow_at(&db, &signer, 0..entries, december(2025)).await;
        let mut record = async |time: &str, openings: u64, drawn_then: &[_]| {
            let appended = grow_at(&db, &signer, entries..entries + 1, at(time)).await;
            entries += 1 + openings;
            assert_eq!((appended.first + 1, appended.size), (entries, entries), "{time}");
            assert_eq!(drawn(&db).await, drawn_then, "{time}");
        };
        // Once, and again and again for a day; one that has been put right begins anew, as does one
        // that leaps again or goes back.
        record("2099-05-01T12:00:00Z", 0, &[first]).await;
        record("2099-05-02T11:59:59Z", 0, &[first]).await;
        record("2025-12-02T12:00:00Z", 0, &[first]).await;
        record("2099-05-02T12:00:00Z", 0, &[first]).await;
        record("2199-05-04T12:00:00Z", 0, &[first]).await;
        record("2099-05-05T12:00:00Z", 0, &[first]).await;
        record("2099-05-06T11:59:59Z", 0, &[first]).await;
        let ended = (0, 2025, Some(12));
        record("2026-01-01T00:00:00Z", 1, &[ended, (12, 2026, None)]).await;
        // Nobody decided anything for two years.
        record("2028-12-31T18:00:00Z", 0, &[ended, (12, 2026, None)]).await;
        record("2029-01-01T17:59:59Z", 0, &[ended, (12, 2026, None)]).await;
        let late = [ended, (12, 2026, Some(16)), (16, 2029, None)];
        record("2029-01-01T18:00:00Z", 1, &late).await;
        let report = verify(&mut db.read().await.unwrap(), &trust, |_, _| ()).await.unwrap();
        assert_eq!((report.faults.as_slice(), report.shards, report.entries), (&[][..], 3, 18));
    })
    .await;
}

/// Known property: what is stored and signed of a shard is what another implementation computes over
/// the shard's leaves, at every checkpoint; and every entry is proved by the text that is handed out.
#[tokio::test]
async fn every_shard_is_the_tree_of_an_independent_implementation() {
    on_both(|db| async move {
        let (signer, keys) = signer();
        let log = keys.log_verifier();
        let mut rng = StdRng::seed_from_u64(11);
        for year in 2025..2033 {
            for _ in 0..rng.random_range(1..5) {
                grow_at(&db, &signer, 0..rng.random_range(1..20), december(year)).await;
            }
        }
        let mut tx = db.read().await.unwrap();
        let size = size(&mut tx).await.unwrap();
        let shards = shards(&mut tx).await.unwrap();
        assert_eq!(shards.len(), 8);
        let mut signed = 0;
        for shard in &shards {
            let end = shard.end.unwrap_or(size);
            let mut theirs = MemoryBackedTree::<Sha256, Vec<u8>>::new();
            for (index, leaf) in entries(&mut tx, shard.before, end).await.unwrap() {
                theirs.push(leaf);
                let Some(note) = checkpoint_at(&mut tx, index + 1).await.unwrap() else { continue };
                let stated = log.verify(note.as_str()).unwrap();
                assert_eq!((stated.before, stated.entries()), (shard.before, index + 1));
                assert_eq!(&stated.root.as_bytes()[..], &theirs.root().as_bytes()[..]);
                signed += 1;
            }
        }
        assert!(signed > 15, "{signed} checkpoints");
        let all: Vec<u64> = (0..size).collect();
        let proved = evidence(&mut tx, &all, size).await.unwrap();
        for (index, leaf) in entries(&mut tx, 0, size).await.unwrap() {
            let proof = parse_tlog_proof(&proved[&index].text(index)).unwrap();
            assert_eq!(proof.entry(), index);
            let stated = proof.verify(&leaf, &log).unwrap();
            assert!(stated.before <= index && index < stated.entries());
        }
    })
    .await;
}

#[tokio::test]
async fn proofs_are_of_one_shard() {
    on_both(|db| async move {
        let (signer, keys) = signer();
        story(&db, &signer).await;
        let mut tx = db.read().await.unwrap();
        assert_eq!(size(&mut tx).await.unwrap(), 32);
        // Consistency holds in each, from any size of its own to any later one.
        for (before, end) in [(0, 10), (10, 21), (21, 32)] {
            for (from, to) in [(before + 1, end), (before + 3, before + 8), (end, end)] {
                let proof = consistency(&mut tx, from, to).await.unwrap();
                let shard = shard_of(&mut tx, to).await.unwrap();
                let old = root_of(&mut tx, &shard, from - before).await.unwrap();
                let new = root_of(&mut tx, &shard, to - before).await.unwrap();
                verify_consistency(from - before, to - before, &old, &new, &proof).unwrap();
            }
        }
        for (from, to) in [(10, 11), (5, 15), (0, 11), (21, 30)] {
            let refused = consistency(&mut tx, from, to).await;
            assert!(matches!(refused, Err(LedgerError::OtherShard)), "{from} to {to}");
        }
        assert!(matches!(consistency(&mut tx, 30, 33).await, Err(LedgerError::OutOfRange)));
        assert!(matches!(proofs(&mut tx, &[9], 11).await, Err(LedgerError::OtherShard)));
        assert!(matches!(proofs(&mut tx, &[11], 11).await, Err(LedgerError::OutOfRange)));
        assert!(matches!(evidence(&mut tx, &[3, 32], 32).await, Err(LedgerError::OutOfRange)));
        // What is proved at an earlier size is proved by what was signed there.
        let then = evidence(&mut tx, &[2, 12], 16).await.unwrap();
        let ends = [2, 12].map(|entry| then[&entry].checkpoint.unverified().entries());
        assert_eq!(ends, [10, 16]);
        drop(keys);
    })
    .await;
}

#[tokio::test]
async fn the_kept_checkpoint_follows_from_year_to_year() {
    on_both(|db| async move {
        let (signer, keys) = signer();
        let log = keys.log_verifier();
        let (directory, kept) = kept();
        let keep = async || kept.keep(&mut db.read().await.unwrap(), &log).await;
        grow_at(&db, &signer, 0..5, december(2025)).await;
        assert_eq!(keep().await.unwrap(), 5);
        let old = kept.read().unwrap().unwrap();
        grow_at(&db, &signer, 5..8, december(2026)).await;
        let trust = Trust { kept: Some(old), ..Trust::key_only(log.clone()) };
        assert_eq!(faults(&db, &trust).await, [], "from before the new year");
        assert_eq!(keep().await.unwrap(), 9);
        let note = kept.read().unwrap().unwrap();
        let stated = log.verify(&note).unwrap();
        assert_eq!((stated.before, stated.size), (5, 4));
        // Another root, another place in the log, or the wrong year is another history.
        let path = directory.path().join("keyring.checkpoint");
        let first = Shard { before: 0, year: 2025, end: None };
        let first = root_of(&mut db.read().await.unwrap(), &first, 4).await.unwrap();
        for other in [
            Checkpoint { root: first, ..stated.clone() },
            Checkpoint { before: 4, ..stated.clone() },
            Checkpoint { origin: format!("{}/2027", log.origin()), ..stated.clone() },
            Checkpoint { size: 5, ..stated.clone() },
        ] {
            std::fs::write(&path, signer.sign(&other).as_str()).unwrap();
            let known = other.entries();
            assert!(
                matches!(keep().await, Err(KeptError::Forgotten { kept, .. }) if kept == known)
            );
            let trust = Trust { kept: kept.read().unwrap(), ..Trust::key_only(log.clone()) };
            assert_ne!(faults(&db, &trust).await, [], "{other:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_verification_goes_on_in_whichever_year_it_was_interrupted() {
    on_both(|db| async move {
        let (signer, keys) = signer();
        story(&db, &signer).await;
        let trust = Trust {
            kept: Some(head(&db).await.as_str().to_owned()),
            ..Trust::key_only(keys.log_verifier())
        };
        let mut tx = db.read().await.unwrap();
        let mut positions = Vec::new();
        let whole =
            verify_from(&mut tx, &trust, None, |_, _, at| positions.extend(at)).await.unwrap();
        assert_eq!(whole.faults, []);
        let reached: Vec<u64> = positions.iter().map(|position| position.entries).collect();
        assert_eq!(reached, [10, 21, 32], "a page is of one shard");
        for position in &positions {
            let rest = verify_from(&mut tx, &trust, Some(position), |_, _, _| ()).await.unwrap();
            assert_eq!((rest.faults.as_slice(), rest.resumed), (&[][..], Some(position.entries)));
            assert_eq!((rest.root, rest.nodes, rest.shards), (whole.root.clone(), whole.nodes, 3));
        }
    })
    .await;
}

/// Years with their entries.
type Years = Vec<(u16, Vec<Vec<u8>>)>;

/// What the log says, year by year.
async fn told(db: &Db) -> Years {
    let mut tx = db.read().await.unwrap();
    let size = size(&mut tx).await.unwrap();
    let mut years = Vec::new();
    for shard in shards(&mut tx).await.unwrap() {
        let own = entries(&mut tx, shard.before, shard.end.unwrap_or(size)).await.unwrap();
        years.push((shard.year, own.into_iter().map(|(_, leaf)| leaf).collect()));
    }
    years
}

/// Puts another log in the place of this one, with every hash and every signature right: what somebody
/// can do who has the database and the log's key.
async fn forge(db: &Db, signer: &LogSigner, years: &[(u16, Vec<Vec<u8>>)]) {
    disarm_once(db).await;
    for table in ["entries", "nodes", "checkpoints", "shards"] {
        both(db, &format!("delete from ledger_{table}")).await;
    }
    both(db, "update ledger_heads set size = 0, before = 0, year = 0").await;
    let mut tx = db.begin().await.unwrap();
    let mut before = 0;
    for (year, leaves) in years {
        let shard = Shard { before, year: *year, end: None };
        store::turn(&mut tx, &shard).await.unwrap();
        let mut tree = Frontier::default();
        let nodes: Vec<_> = leaves.iter().flat_map(|leaf| tree.append(leaf_hash(leaf))).collect();
        store::add_entries(&mut tx, before, leaves).await.unwrap();
        store::add_nodes(&mut tx, &shard, &nodes).await.unwrap();
        let (origin, root) = (shard.origin(signer.origin()), tree.root());
        let signed = signer.sign(&Checkpoint { origin, before, size: tree.size(), root });
        before += tree.size();
        store::add_checkpoint(&mut tx, before, &signed, december(*year)).await.unwrap();
    }
    store::grow(&mut tx, before, None).await.unwrap();
    tx.commit().await.unwrap();
}

/// The triggers can be dropped only once.
async fn disarm_once(db: &Db) {
    let mut tx = db.begin().await.unwrap();
    let refused = tx.execute(DELETE_ENTRY, values![]).await;
    drop(tx);
    if matches!(refused, Err(db::Error::Forbidden(_))) {
        disarm(db).await;
    }
}

fn opening_wrong(entries: &[u64]) -> Vec<Fault> {
    entries.iter().map(|entry| Fault::WrongOpening { entry: *entry }).collect()
}

/// T-L1 … T-L6 on a year that has ended, by somebody who has the log's key and signs everything anew:
/// the log tells by itself, for the next year begins with what the one before was.
#[tokio::test]
async fn a_year_that_has_ended_cannot_be_changed_even_with_the_key() {
    on_both(|db| async move {
        let (signer, keys) = signer();
        story(&db, &signer).await;
        let truth = told(&db).await;
        let (alone, _) = trusts(&keys, &head(&db).await);
        forge(&db, &signer, &truth).await;
        assert_eq!(faults(&db, &alone).await, [], "the forger's hand is not what is found");

        let with = |change: &dyn Fn(&mut Years)| {
            let mut years = truth.clone();
            change(&mut years);
            years
        };
        let other = leaf(99).bytes();
        let altered = with(&|years| years[0].1[3].clone_from(&other));
        let cut = with(&|years| years[0].1.truncate(8));
        let longer = with(&|years| years[0].1.push(other.clone()));
        let replaced = with(&|years| years[1].1[0].clone_from(&other));
        let exchanged = with(&|years| {
            let third = std::mem::take(&mut years[2].1);
            years[2].1 = std::mem::replace(&mut years[1].1, third);
        });
        let lost = with(&|years| drop(years.remove(1)));
        let renamed = with(&|years| years[2].0 = 2028);
        let moved = with(&|years| {
            let link = years[1].1.remove(0);
            years[1].1.push(link);
        });
        for (what, years, wrong) in [
            ("an entry is altered", altered, &[10][..]),
            ("the end is cut", cut, &[8, 19]),
            ("something is added", longer, &[11, 22]),
            ("the link is replaced", replaced, &[10, 21]),
            ("two years are exchanged", exchanged, &[10, 21]),
            ("a year is lost", lost, &[10]),
            ("the link is not the first", moved, &[10, 20, 21]),
            ("a year has another name", renamed, &[21]),
        ] {
            forge(&db, &signer, &years).await;
            // The times of entries that were moved say so too.
            let mut found = faults(&db, &alone).await;
            found.retain(|fault| !matches!(fault, Fault::Postdated { .. }));
            assert_eq!(found, opening_wrong(wrong), "{what}");
        }
    })
    .await;
}

/// Whoever makes the links anew as well is found by what is known outside, of whichever year it is.
#[tokio::test]
async fn another_history_of_all_years_is_found_by_who_kept_a_checkpoint_of_one() {
    on_both(|db| async move {
        let (signer, keys) = signer();
        story(&db, &signer).await;
        let mut tx = db.read().await.unwrap();
        let mut known = Vec::new();
        for size in [5, 10, 16, 21, 32] {
            known.push((size, checkpoint_at(&mut tx, size).await.unwrap().unwrap()));
        }
        drop(tx);
        let mut years = told(&db).await;
        years[0].1[3] = leaf(99).bytes();
        let mut chain: Option<Checkpoint> = None;
        let mut before = 0;
        for (year, leaves) in &mut years {
            let shard = Shard { before, year: *year, end: None };
            let origin = shard.origin(signer.origin());
            if let Some(last) = &chain {
                leaves[0] = Opening::after(last, origin.clone()).leaf(december(*year)).bytes();
            }
            let mut tree = Frontier::default();
            for leaf in leaves.iter() {
                drop(tree.append(leaf_hash(leaf)));
            }
            chain = Some(Checkpoint { origin, before, size: tree.size(), root: tree.root() });
            before += tree.size();
        }
        forge(&db, &signer, &years).await;
        let alone = Trust::key_only(keys.log_verifier());
        assert_eq!(faults(&db, &alone).await, [], "it fits in itself");
        for (size, note) in &known {
            let (_, kept) = trusts(&keys, note);
            let known_by = "kept checkpoint".to_owned();
            assert_eq!(faults(&db, &kept).await, [Fault::OtherHistory { size: *size, known_by }]);
        }
    })
    .await;
}

/// Whoever has not the key: found in every year, whatever is touched.
#[tokio::test]
async fn no_year_can_be_touched_without_the_key() {
    const OTHER: &str = "(select leaf from ledger_entries where idx = 4)";
    let texts = [
        ("alter", format!("update ledger_entries set leaf = {OTHER} where idx = 3")),
        ("lose", "delete from ledger_entries where idx = 9".to_owned()),
        ("replace the link", format!("update ledger_entries set leaf = {OTHER} where idx = 10")),
        (
            "exchange links",
            "update ledger_entries set leaf = (select other.leaf from ledger_entries as other
                where other.idx = 31 - ledger_entries.idx) where idx in (10, 21)"
                .to_owned(),
        ),
        (
            "lose the last checkpoint of a year",
            "delete from ledger_checkpoints where size = 21".to_owned(),
        ),
        (
            "take a checkpoint from another year",
            "update ledger_checkpoints set note = (select other.note from ledger_checkpoints as other
                where other.size = 27) where size = 16"
                .to_owned(),
        ),
        ("lose a shard", "delete from ledger_shards where year = 2026".to_owned()),
        ("lose the last shard", "delete from ledger_shards where year = 2027".to_owned()),
        ("date a shard", "update ledger_shards set year = 2028 where year = 2027".to_owned()),
        ("end a year earlier", "update ledger_shards set before = 20 where year = 2027".to_owned()),
        ("the head is another year's", "update ledger_heads set year = 2028".to_owned()),
        ("the head begins elsewhere", "update ledger_heads set before = 10".to_owned()),
        (
            "a hash behind the end of a year",
            "insert into ledger_nodes (log, position, hash) select 'main', 10, hash
             from ledger_nodes where log = 'main' and position = 3"
                .to_owned(),
        ),
    ];
    for (what, text) in texts {
        on_both(|db| {
            let text = text.clone();
            async move {
                let (signer, keys) = signer();
                story(&db, &signer).await;
                disarm(&db).await;
                let alone = Trust::key_only(keys.log_verifier());
                assert_eq!(faults(&db, &alone).await, []);
                both(&db, &text).await;
                assert_ne!(faults(&db, &alone).await, [], "{what} was not found");
            }
        })
        .await;
    }
    exchanged_trees().await;
}

async fn exchanged_trees() {
    on_both(|db| async move {
        let (signer, keys) = signer();
        story(&db, &signer).await;
        disarm(&db).await;
        for (from, to) in [("2026", "x"), ("2027", "2026"), ("x", "2027")] {
            both(&db, &format!("update ledger_nodes set log = '{to}' where log = '{from}'")).await;
        }
        let found = faults(&db, &Trust::key_only(keys.log_verifier())).await;
        assert!(found.iter().any(|fault| matches!(fault, Fault::WrongNode { before: 10, .. })));
    })
    .await;
}

#[test]
fn a_chain_takes_only_what_opens_after_what_ended() {
    let (signer, _) = signer();
    let shards = vec![
        Shard { before: 0, year: 2025, end: Some(2) },
        Shard { before: 2, year: 2026, end: None },
    ];
    let begun = || {
        let mut chain = Chain::new(signer.origin(), shards.clone());
        for n in 0..2 {
            assert!(chain.append(&leaf(n).bytes()) && chain.entries() == n + 1);
        }
        chain
    };
    let ended = begun().checkpoint();
    let right = Opening::after(&ended, format!("{}/2026", signer.origin()));
    let mut chain = begun();
    assert!(chain.has_ended() && chain.append(&right.leaf(now()).bytes()));
    assert_eq!((chain.entries(), chain.checkpoint().size, chain.number()), (3, 1, 2));
    assert!(!chain.append(&right.leaf(now()).bytes()), "twice");
    let wrong = [
        Opening { before: 3, ..right.clone() },
        Opening { origin: format!("{}/2027", signer.origin()), ..right.clone() },
        Opening { after: Ended { size: 1, ..right.after.clone() }, ..right.clone() },
        Opening { after: Ended { root: leaf(1).hash(), ..right.after.clone() }, ..right.clone() },
        Opening { after: Ended { origin: "other".to_owned(), ..right.after.clone() }, ..right },
    ];
    for wrong in wrong {
        assert!(!begun().append(&wrong.leaf(now()).bytes()), "{wrong:?}");
    }
    assert!(!begun().append(&leaf(2).bytes()), "no opening at all");
    assert!(!begun().append(b"{}"), "nothing that can be read");
}

/// The schema as it was before there were shards.
async fn set_back(db: &Db) {
    let texts: &[&str] = match db.engine() {
        Engine::Sqlite => &["drop trigger ledger_heads_turn"],
        Engine::Postgres => &["drop trigger ledger_heads_turn on ledger_heads"],
    };
    for text in texts.iter().chain(&[
        "drop table ledger_shards",
        "alter table ledger_heads drop column before",
        "alter table ledger_heads drop column year",
        "alter table ledger_heads drop column ahead",
        "delete from _sqlx_migrations where version = 34",
    ]) {
        run(db, text, text).await;
    }
}

/// A log of before there were shards is the first one, under the name that it has.
#[tokio::test]
async fn a_log_of_before_goes_on_as_the_first_shard() {
    async fn upgraded(before: Db, after: impl AsyncFnOnce() -> Db, size: Range<u64>) {
        let (signer, keys) = signer();
        let log = keys.log_verifier();
        for n in size.clone() {
            grow_at(&before, &signer, n..n + 1, at(LAST).minus(Duration::from_secs(60 - n))).await;
        }
        let old = checkpoint(&mut before.read().await.unwrap()).await.unwrap();
        set_back(&before).await;
        before.close().await;
        let db = after().await;
        let year = if size.is_empty() { 0 } else { 2025 };
        assert_eq!(drawn(&db).await, [(0, year, None)]);
        grow_at(&db, &signer, 50..51, at(LAST)).await;
        grow_at(&db, &signer, 51..52, at(FIRST)).await;
        let end = size.end + 1;
        assert_eq!(drawn(&db).await, [(0, 2025, Some(end)), (end, 2026, None)]);
        let kept = old.map(|note| note.as_str().to_owned());
        let trust = Trust { kept, ..Trust::key_only(log) };
        assert_eq!(faults(&db, &trust).await, []);
        db.close().await;
    }
    for size in [0..0, 0..9] {
        let fresh = FreshSqlite::create();
        upgraded(fresh.open().await, async || fresh.open().await, size.clone()).await;
        if let Some(fresh) = FreshPostgres::create().await {
            upgraded(fresh.open().await, async || fresh.open().await, size).await;
            fresh.drop_database().await;
        }
    }
}

/// One key for all years, in the name of each.
#[test]
fn the_key_in_the_name_of_a_year_is_the_logs_own() {
    let (signer, keys) = signer();
    let log = keys.log_verifier();
    let shard = LogVerifier::from_vkey(&log.shard_vkey(2026)).unwrap();
    let root = leaf(0).hash();
    let origin = format!("{}/2026", signer.origin());
    let note = signer.sign(&Checkpoint { origin, before: 3, size: 1, root });
    assert_eq!(shard.verify(note.as_str()), log.verify(note.as_str()));
    assert!(shard.verify(note.as_str()).is_ok());
}
