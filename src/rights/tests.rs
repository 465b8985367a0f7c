//! What is demanded happens, all of it, and lasts.

mod access;
mod corrections;
mod objections;
mod requests;
mod restrictions;

use std::collections::BTreeSet;
use std::time::Duration;

use volens_privacy::PurposeKind;
use volens_privacy::ledger::Leaf;

use super::traces::{Remembered, TABLES};
use super::*;
use crate::accounts::Registration;
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::db::{Engine, Purged, Statement, values};
use crate::needles::Trace;
use crate::relevance::Columns;
use crate::testing::{World, app};

/// Anna in two apps that are linked, and Otto, who has nothing to do with it.
async fn people(world: &World) -> (SubjectId, SubjectId) {
    let anna = world.account("messenger", "anna").await;
    world.give("messenger", "anna", PurposeKind::BusinessMessages).await;
    world.give("messenger", "anna", PurposeKind::Relevance).await;
    world.give_link("messenger", "anna", "photos", "+4915112345678").await;
    world.account("photos", "anna").await;
    world.give_link("photos", "anna", "messenger", "+4915112345678").await;
    let otto = world.account("messenger", "otto").await;
    world.give("messenger", "otto", PurposeKind::Relevance).await;
    (anna, otto)
}

async fn find(world: &World, reference: &str) -> Option<SubjectId> {
    let mut tx = world.db.read().await.expect("a snapshot");
    let found = accounts::subject_of(&mut tx, &world.keys, &app("messenger"), reference).await;
    found.expect("an answer")
}

fn journal(directory: &tempfile::TempDir) -> Journal {
    Journal::beside(&directory.path().join("keyring.json"))
}

/// A world with these people, and an empty journal.
async fn settled(db: Db) -> (World, (SubjectId, SubjectId), (tempfile::TempDir, Journal)) {
    let world = World::new(db).await;
    let people = people(&world).await;
    let directory = tempfile::tempdir().expect("a directory");
    let journal = journal(&directory);
    (world, people, (directory, journal))
}

#[tokio::test]
async fn an_erasure_takes_everything_and_says_how_much() {
    on_both(|db| async move {
        let (world, (anna, otto), (_directory, journal)) = settled(db).await;
        let now = world.clock.now();
        let done = erase_for_good(&world.db, &world.keys, &journal, anna, now).await;
        let done = done.expect("it is done");
        let expected = Removed { consents: 3, records: 3, links: 1, ..Removed::default() };
        assert_eq!((done.removed, done.at), (expected, now));
        assert_eq!((find(&world, "anna").await, find(&world, "otto").await), (None, Some(otto)));

        let mut tx = world.db.read().await.expect("a snapshot");
        assert_eq!(store::holdings(&mut tx, anna).await.expect("counts"), Removed::default());
        let keys = accounts::data_keys(&mut tx, &world.keys, &[anna, otto]).await.expect("keys");
        assert_eq!(keys.into_keys().collect::<Vec<_>>(), [otto]);
        assert!(consent::grants_of(&mut tx, &[anna]).await.expect("grants").is_empty());
        let leaf = ledger::leaves(&mut tx, &[done.entry]).await.expect("leaves");
        let leaf = Leaf::parse(&leaf[&done.entry]).expect("a leaf");
        assert_eq!((leaf.kind(), leaf.app()), (LeafKind::AccountErased, Some(&app("messenger"))));
        assert_eq!(leaf.commitment(), None, "it says that, not who");
        drop(tx);

        let again = erase_for_good(&world.db, &world.keys, &journal, anna, now).await;
        assert!(matches!(again, Err(RightsError::Account(AccountError::Unknown))));
    })
    .await;
}

/// As an older copy of the database has it: the account under its random id (the test's is made from
/// the reference), and no note of the erasure.
async fn turn_back(world: &World) -> SubjectId {
    const FORGET: Statement =
        Statement::new("rights::tests", "FORGET", "delete from erasures", "delete from erasures");
    let mut tx = world.db.begin().await.expect("begins");
    tx.execute(FORGET, values![]).await.expect("obeys");
    tx.commit().await.expect("commits");
    people(world).await.0
}

#[tokio::test]
async fn an_older_copy_of_the_database_brings_nobody_back() {
    on_both(|db| async move {
        let (world, (anna, otto), (_directory, journal)) = settled(db).await;
        let now = world.clock.now();
        let done = erase_for_good(&world.db, &world.keys, &journal, anna, now).await;
        done.expect("it is done");
        assert_eq!(turn_back(&world).await, anna);
        let replay = || replay_erasures(&world.db, &world.keys, &journal, now);
        assert_eq!(replay().await.expect("replayed"), 1);
        assert_eq!((find(&world, "anna").await, find(&world, "otto").await), (None, Some(otto)));

        // Whoever comes back has another random id and is left in peace.
        let details = accounts::Details {
            language: String::new(),
            country: String::new(),
            time_zone: String::new(),
            age_band: volens_privacy::AgeBand::Unknown,
        };
        let (mut rng, messenger) = (world.rng(5), app("messenger"));
        let new = Registration::new(&world.keys, &mut rng, &messenger, "anna", details);
        let mut tx = world.db.begin().await.expect("begins");
        accounts::register(&mut tx, &[new], now).await.expect("registered");
        tx.commit().await.expect("commits");
        assert_eq!(replay().await.expect("replayed"), 0);
        assert!(find(&world, "anna").await.is_some_and(|back| back != anna));
    })
    .await;
}

#[tokio::test]
async fn an_erasure_that_broke_off_is_finished_and_others_are_written_down() {
    on_both(|db| async move {
        let (world, (anna, otto), (_directory, journal)) = settled(db).await;
        let now = world.clock.now();
        // Announced, then the power went; and one of an account that this database never held.
        let (tag, foreign) = (world.keys.erasure_tag(anna), [7; 16]);
        journal.add([tag, foreign]).await.expect("written");
        let replay = || replay_erasures(&world.db, &world.keys, &journal, now);
        assert_eq!(replay().await.expect("replayed"), 1);
        assert_eq!(replay().await.expect("replayed"), 0);
        assert_eq!((find(&world, "anna").await, find(&world, "otto").await), (None, Some(otto)));

        // Another node erased Otto: its journal is not ours, the database is.
        let mut tx = world.db.begin().await.expect("begins");
        erase(&mut tx, &world.keys, otto, now).await.expect("erased");
        tx.commit().await.expect("commits");
        assert_eq!(replay().await.expect("replayed"), 0);
        let expected = [tag, foreign, world.keys.erasure_tag(otto)];
        assert_eq!(journal.read().await.expect("read"), expected.into());
    })
    .await;
}

#[tokio::test]
async fn an_erasure_that_the_sweep_finished_is_answered_with_what_is_on_record() {
    on_both(|db| async move {
        let (world, (anna, otto), (_directory, journal)) = settled(db).await;
        let now = world.clock.now();
        let held = Removed { consents: 3, records: 3, links: 1, ..Removed::default() };
        // Announced; before its transaction begins, the sweep of the minute comes along.
        journal.add([world.keys.erasure_tag(anna)]).await.expect("written");
        let replayed = replay_erasures(&world.db, &world.keys, &journal, now).await;
        assert_eq!(replayed.expect("replayed"), 1);
        world.clock.advance(Duration::from_secs(1));
        let late = world.clock.now();
        let done = carry_out(&world.db, &world.keys, (anna, held), late).await.expect("answered");
        assert_eq!((done.at, done.removed), (now, held));
        let mut tx = world.db.read().await.expect("a snapshot");
        let leaf = ledger::leaves(&mut tx, &[done.entry]).await.expect("leaves");
        let leaf = Leaf::parse(&leaf[&done.entry]).expect("a leaf");
        assert_eq!(leaf.kind(), LeafKind::AccountErased);
        assert_eq!(ledger::size(&mut tx).await.expect("a size"), done.entry + 1, "once");
        drop(tx);

        // Nobody is called erased who was not.
        let mut tx = world.db.begin().await.expect("begins");
        accounts::remove(&mut tx, otto).await.expect("gone without an entry");
        tx.commit().await.expect("commits");
        let nobody = carry_out(&world.db, &world.keys, (otto, held), late).await;
        assert!(matches!(nobody, Err(RightsError::Account(AccountError::Unknown))));
    })
    .await;
}

#[tokio::test]
async fn a_journal_that_was_torn_is_read_and_one_that_was_damaged_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let journal = journal(&directory);
    assert!(journal.read().await.expect("no file yet").is_empty());
    journal.add([[1; 16]]).await.expect("written");
    let path = directory.path().join("keyring.erasures");
    let torn = std::fs::read_to_string(&path).expect("text") + "\n0a0b";
    std::fs::write(&path, &torn).expect("written");
    journal.add([[2; 16]]).await.expect("written");
    assert_eq!(journal.read().await.expect("read"), [[1; 16], [2; 16]].into());
    std::fs::write(&path, torn + "\nnot a tag").expect("written");
    assert!(matches!(journal.read().await, Err(JournalError::Damaged { line: 5, .. })));
}

#[tokio::test]
async fn decisions_and_erasures_at_once_leave_no_remains() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let (anna, _) = people(&world).await;
        let directory = tempfile::tempdir().expect("a directory");
        let journal = journal(&directory);
        let now = world.clock.now();
        let decide = async {
            for n in 0..20 {
                world.clock.advance(Duration::from_secs(1));
                let purpose =
                    if n % 2 == 0 { PurposeKind::Reports } else { PurposeKind::ModelTraining };
                let decision = Decision::Given;
                let request = world.choice("anna", purpose, None, decision, None);
                if world.decide("messenger", request).await.is_err() {
                    return;
                }
            }
        };
        let erase = erase_for_good(&world.db, &world.keys, &journal, anna, now);
        let ((), done) = tokio::join!(decide, erase);
        done.expect("it is done");
        let mut tx = world.db.read().await.expect("a snapshot");
        assert_eq!(store::holdings(&mut tx, anna).await.expect("counts"), Removed::default());
        assert!(consent::grants_of(&mut tx, &[anna]).await.expect("grants").is_empty());
    })
    .await;
}

/// The one value of one row.
async fn bytes(world: &World, text: &'static str, subject: SubjectId) -> Vec<u8> {
    let one = Statement::new("rights::tests", "ONE", text, text);
    let mut tx = world.db.read().await.expect("a snapshot");
    let row = tx.fetch_one(one, values![subject]).await.expect("a row");
    row.get("value").expect("bytes")
}

/// Whether a place is in a file, as against in a table.
fn is_file(place: &str) -> bool {
    place.starts_with("volens.db") || place.starts_with("file of ")
}

#[tokio::test]
async fn a_purge_leaves_nothing_and_the_search_sees_what_was_there() {
    on_both(|db| async move {
        let world = World::new(db).await;
        for n in 0..40 {
            world.account("messenger", &format!("before{n}")).await;
        }
        let (anna, _) = people(&world).await;
        for n in 0..40 {
            world.account("messenger", &format!("after{n}")).await;
        }
        let wrapped = "select wrapped as value from account_keys where subject = $1";
        let remembered = Remembered::reference(&world.keys, &app("messenger"), "anna")
            .and_subject(anna)
            .and_key(bytes(&world, wrapped, anna).await);
        let traces = async || traces::search(&world.db, &remembered).await.expect("looks");
        let tables = |traces: &[Trace]| {
            let mut places: Vec<String> = traces.iter().map(|trace| trace.place.clone()).collect();
            places.retain(|place| !is_file(place));
            places.sort();
            places
        };
        let in_files = |traces: &[Trace]| traces.iter().any(|trace| is_file(&trace.place));
        let readable = !world.db.files().await.expect("files").is_empty();
        assert!(readable || world.db.engine() == Engine::Postgres);

        let before = traces().await;
        let expected = [
            "account_keys.subject",
            "account_keys.wrapped",
            "account_references.subject",
            "account_references.tag",
            "accounts.subject",
            "consent_records.subject",
            "grants.subject",
            "link_tokens.subject",
        ];
        assert_eq!(tables(&before), expected);
        assert_eq!(in_files(&before), readable);
        assert!(before.iter().all(|trace| trace.what != "reference"), "never stored");

        let directory = tempfile::tempdir().expect("a directory");
        let now = world.clock.now();
        let done = erase_for_good(&world.db, &world.keys, &journal(&directory), anna, now).await;
        done.expect("it is done");
        let erased = traces().await;
        assert_eq!(tables(&erased), ["removed_accounts.subject"]);
        assert_eq!(in_files(&erased), readable, "deleted is not yet gone from the files");

        assert_eq!(traces::purge(&world.db).await.expect("purges"), Purged::Complete);
        assert_eq!(traces().await, []);
    })
    .await;
}

const NAMING: Statement = Statement::new(
    "rights::tests",
    "NAMING",
    "select distinct m.name as name from sqlite_schema m join pragma_table_info(m.name) c
     where m.type = 'table' and c.name in ('subject', 'lender')",
    "select distinct c.table_name::text as name from information_schema.columns c
     join information_schema.tables t
       on t.table_schema = c.table_schema and t.table_name = c.table_name
     where c.table_schema = current_schema() and t.table_type = 'BASE TABLE'
       and c.column_name in ('subject', 'lender')",
);
const CASCADING: Statement = Statement::new(
    "rights::tests",
    "CASCADING",
    "select m.name as name, k.\"table\" as parent from sqlite_schema m
     join pragma_foreign_key_list(m.name) k where m.type = 'table' and k.on_delete = 'CASCADE'",
    "select conrelid::regclass::text as name, confrelid::regclass::text as parent
     from pg_constraint where contype = 'f' and confdeltype = 'c'",
);

#[tokio::test]
async fn every_table_that_names_an_account_goes_with_it_and_is_purged() {
    on_both(|db| async move {
        let mut tx = db.read().await.expect("a snapshot");
        let text = |row: &db::Row, column| row.get::<String>(column).expect("a name");
        let naming = tx.fetch(NAMING, values![]).await.expect("a catalog");
        let keys = tx.fetch(CASCADING, values![]).await.expect("a catalog");
        let keys: Vec<_> =
            keys.iter().map(|row| (text(row, "name"), text(row, "parent"))).collect();
        let mut going: BTreeSet<String> = ["accounts".to_owned()].into();
        while let Some((name, _)) =
            keys.iter().find(|(name, parent)| going.contains(parent) && !going.contains(name))
        {
            going.insert(name.clone());
        }
        // The mark that tables in memory need; a purge forgets it.
        going.insert("removed_accounts".to_owned());
        let naming: BTreeSet<String> = naming.iter().map(|row| text(row, "name")).collect();
        assert!(naming.len() > 10);
        assert_eq!(naming.difference(&going).collect::<Vec<_>>(), Vec::<&String>::new());
        let purged: BTreeSet<String> = TABLES.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(going.difference(&purged).collect::<Vec<_>>(), Vec::<&String>::new());
    })
    .await;
}

#[tokio::test]
async fn tables_in_memory_lose_whoever_is_gone_also_when_the_mark_is() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let (anna, _) = people(&world).await;
        let (seen, late) = (Columns::default(), Columns::default());
        let messenger = app("messenger");
        let count = async |columns: &Columns| {
            columns.refresh(&world.db, &world.keys).await.expect("refreshes");
            columns.read().of_app(&messenger).len()
        };
        assert_eq!((count(&seen).await, count(&late).await), (2, 2));
        let mut tx = world.db.begin().await.expect("begins");
        erase(&mut tx, &world.keys, anna, world.clock.now()).await.expect("erased");
        tx.commit().await.expect("commits");
        assert_eq!(count(&seen).await, 1, "by the mark");
        traces::purge(&world.db).await.expect("purges");
        assert_eq!((count(&seen).await, count(&late).await), (1, 1), "or by starting anew");
    })
    .await;
}
