//! A trace planted in each place is seen there, and none is seen where there is none.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::*;
use crate::db::testing::{FreshPostgres, FreshSqlite, on_both, skipped};
use crate::db::{Db, Purged, Statement, Tx, Value, values};
use crate::needles::Needle;

/// What nobody else has.
const ID: [u8; 32] = *b"\x01\x92anna-of-the-planted-traces\xff\x00\xfe\x7f";

fn needles() -> Needles {
    Needles::new(vec![Needle { what: "planted", bytes: ID.to_vec() }])
}

async fn run(tx: &mut Tx, sql: &'static str, row: Vec<Value>) {
    let statement = Statement::new("rights::files", "PLANT", sql, sql);
    tx.execute(statement, row).await.expect(sql);
}

/// Everything that is found in the files of a database, by place and how often.
async fn in_files(db: &Db) -> std::collections::BTreeMap<String, u64> {
    let needles = needles();
    let mut search = Search::new(&needles);
    for (path, name) in db.files().await.expect("files") {
        search.database_file(&path, &name, db.engine()).expect("read");
    }
    search.finish().traces.into_iter().map(|trace| (trace.place, trace.times)).collect()
}

async fn planted(fresh: &FreshSqlite, rows: &[Vec<u8>]) -> Db {
    let db = fresh.open().await;
    let mut tx = db.begin().await.expect("begins");
    run(&mut tx, "create table planted (id integer primary key, value blob)", vec![]).await;
    run(&mut tx, "create index planted_by_value on planted (value)", vec![]).await;
    for (id, row) in (1_i64..).zip(rows) {
        let sql = "insert into planted (id, value) values ($1, $2)";
        run(&mut tx, sql, values![id, row.clone()]).await;
    }
    tx.commit().await.expect("commits");
    db
}

/// Values that end on the page, fill it, and go on over one and several pages, with the needle at
/// every place where a page could cut it.
fn long_rows() -> Vec<Vec<u8>> {
    let at = (0..600).chain(3_900..4_300).chain(8_050..8_250);
    at.step_by(7)
        .map(|at| {
            let mut row = vec![b'.'; 12_000];
            row[at..at + ID.len()].copy_from_slice(&ID);
            row
        })
        .collect()
}

#[tokio::test]
async fn a_value_is_read_whole_wherever_pages_cut_it() {
    let fresh = FreshSqlite::create();
    let rows = long_rows();
    let db = planted(&fresh, &rows).await;
    let found = in_files(&db).await;
    let each = rows.len() as u64;
    // Pages were written to the log more than once while the tree grew.
    assert!(found["volens.db-wal: frame, row"] >= 2 * each, "{found:?}");
    assert_eq!(db.purge(&[]).await.expect("purges"), Purged::Complete);
    let found = in_files(&db).await;
    assert_eq!(
        found.get("volens.db: planted, row"),
        Some(&(2 * each)),
        "table and index: {found:?}"
    );
    assert!(!found.keys().any(|place| place.contains("-wal")), "{found:?}");
}

#[tokio::test]
async fn what_was_deleted_is_seen_in_gaps_free_pages_and_the_log_until_a_purge() {
    let fresh = FreshSqlite::create();
    let short: Vec<Vec<u8>> = (0..400_u16)
        .map(|n| if n % 9 == 0 { ID.to_vec() } else { n.to_be_bytes().repeat(20) })
        .collect();
    let db = planted(&fresh, &[short, long_rows()].concat()).await;
    let mut tx = db.begin().await.expect("begins");
    // As a build without it, or a disk that remembers, would leave things.
    run(&mut tx, "pragma secure_delete = off", vec![]).await;
    run(&mut tx, "delete from planted where instr(value, $1) > 0", values![ID]).await;
    tx.commit().await.expect("commits");
    let mut tally = Tally::default();
    db.search(&needles(), &mut tally).await.expect("searches");
    assert_eq!(tally.traces(), [], "the engine shows nothing");

    let in_log = in_files(&db).await;
    assert!(in_log["volens.db-wal: frame, gap"] > 0, "{in_log:?}");
    db.close().await;
    let db = fresh.open().await;
    let in_file = in_files(&db).await;
    assert!(in_file["volens.db: planted, gap"] > 0, "{in_file:?}");
    assert!(in_file["volens.db: free pages, overflow or free page"] > 0, "{in_file:?}");
    assert!(in_file["volens.db: bytes"] > 0);
    assert_eq!(db.purge(&[]).await.expect("purges"), Purged::Complete);
    assert_eq!(in_files(&db).await.len(), 0, "nothing after a purge");
}

#[tokio::test]
async fn the_files_of_a_server_are_read_where_they_can_be() {
    on_both(|db| async move {
        if db.engine() == Engine::Sqlite || db.files().await.expect("files").is_empty() {
            return;
        }
        let mut tx = db.begin().await.expect("begins");
        run(&mut tx, "create table planted (value bytea)", vec![]).await;
        run(&mut tx, "insert into planted (value) values ($1)", values![ID]).await;
        tx.commit().await.expect("commits");
        assert!(in_files(&db).await["file of planted: bytes"] > 0);
        let mut tx = db.begin().await.expect("begins");
        run(&mut tx, "delete from planted", vec![]).await;
        tx.commit().await.expect("commits");
        assert!(in_files(&db).await["file of planted: bytes"] > 0, "deleted is not gone");
        assert_eq!(db.purge(&["planted"]).await.expect("purges"), Purged::Complete);
        assert_eq!(in_files(&db).await.len(), 0);
    })
    .await;
}

#[tokio::test]
async fn what_somebody_still_sees_is_kept_for_them_and_that_is_said() {
    let Some(fresh) = FreshPostgres::create().await else { return skipped() };
    let (db, other) = (fresh.open().await, fresh.open().await);
    let mut tx = db.begin().await.expect("begins");
    run(&mut tx, "create table planted (value bytea)", vec![]).await;
    run(&mut tx, "insert into planted (value) values ($1)", values![ID]).await;
    tx.commit().await.expect("commits");
    let mut reader = other.read().await.expect("a snapshot");
    // Of another table, whose lock keeps no rewrite of this one waiting.
    let look = "select count(*) as n from apps";
    let look = Statement::new("rights::files", "LOOK", look, look);
    reader.fetch_one(look, vec![]).await.expect("it looks");
    let mut tx = db.begin().await.expect("begins");
    run(&mut tx, "delete from planted", vec![]).await;
    tx.commit().await.expect("commits");
    // The reader's snapshot is older than the deletion; it ends while the purge waits for it.
    let (purged, ()) = tokio::join!(db.purge(&["planted"]), async {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        drop(reader);
    });
    assert_eq!(purged.expect("purges"), Purged::Complete);
    if !db.files().await.expect("files").is_empty() {
        assert_eq!(in_files(&db).await.len(), 0);
    }
    other.close().await;
    db.close().await;
    fresh.drop_database().await;
}

#[tokio::test]
async fn who_may_not_rewrite_samples_is_told_that_they_were_kept() {
    let Some(fresh) = FreshPostgres::create().await else { return skipped() };
    let owner = fresh.open().await;
    let role = format!("tenant_{}", std::process::id());
    let mut tx = owner.begin().await.expect("begins");
    run(&mut tx, "create table planted (value bytea)", vec![]).await;
    for sql in [
        format!("create role {role}"),
        format!("grant all on schema public to {role}"),
        format!("alter table planted owner to {role}"),
        format!("grant select on _sqlx_migrations to {role}"),
    ] {
        run(&mut tx, sql.leak(), vec![]).await;
    }
    tx.commit().await.expect("commits");
    let address = fresh.address();
    let separator = if address.contains('?') { '&' } else { '?' };
    let tenant = Db::open(&format!("{address}{separator}options[role]={role}")).await;
    let tenant = tenant.expect("opens");
    assert_eq!(tenant.purge(&["planted"]).await.expect("purges"), Purged::SamplesKept);
    assert_eq!(owner.purge(&["planted"]).await.expect("purges"), Purged::Complete);
    tenant.close().await;
    let mut tx = owner.begin().await.expect("begins");
    for sql in [format!("drop owned by {role}"), format!("drop role {role}")] {
        run(&mut tx, sql.leak(), vec![]).await;
    }
    tx.commit().await.expect("commits");
    owner.close().await;
    fresh.drop_database().await;
}

fn parquet(path: &Path, text: &str) {
    let schema = parse_message_type("message t { required binary account (UTF8); }");
    let schema = Arc::new(schema.expect("a schema"));
    let file = File::create(path).expect("written");
    let mut writer = SerializedFileWriter::new(file, schema, Arc::default()).expect("a writer");
    let mut group = writer.next_row_group().expect("a row group");
    let mut column = group.next_column().expect("no error").expect("a column");
    let values = [ByteArray::from("somebody"), ByteArray::from(text)];
    column.typed::<ByteArrayType>().write_batch(&values, None, None).expect("written");
    column.close().expect("closed");
    group.close().expect("closed");
    writer.close().expect("closed");
}

#[tokio::test]
async fn exports_logs_and_backups_are_looked_into() {
    let folder = tempfile::tempdir().expect("a folder");
    let fresh = FreshSqlite::create();
    let db = planted(&fresh, &[ID.to_vec()]).await;
    db.close().await;
    let id = "5f0c9a7e5f0c9a7e5f0c9a7e5f0c9a7e";
    let path = |name: &str| folder.path().join(name);
    fs::copy(fresh.path().join("volens.db"), path("backup.db")).expect("copied");
    let packed =
        GzEncoder::new(File::create(path("backup.db.gz")).expect("made"), Compression::default());
    let mut packed = packed;
    packed.write_all(&fs::read(path("backup.db")).expect("read")).expect("packed");
    packed.finish().expect("finished");
    fs::create_dir(path("exports")).expect("made");
    fs::write(path("exports/list.csv"), format!("rank,recipient\n1,{id}\n")).expect("written");
    fs::write(path("service.log"), format!("{{\"account\":\"{id}\"}}\n")).expect("written");
    parquet(&path("exports/list.parquet"), id);
    fs::write(path("clean.log"), "nothing to see").expect("written");
    fs::write(path("old.zst"), b"\x28\xb5\x2f\xfd....").expect("written");

    let needle = |bytes: &[u8]| Needle { what: "planted", bytes: bytes.to_vec() };
    let needles = Needles::new(vec![needle(&ID), needle(id.as_bytes())]);
    let mut search = Search::new(&needles);
    search.look(folder.path()).expect("looked");
    let report = search.finish();
    let name = |place: &str| place.replace(&format!("{}/", folder.path().display()), "");
    let places: BTreeSet<String> = report.traces.iter().map(|trace| name(&trace.place)).collect();
    for expected in [
        "backup.db: planted, row",
        "backup.db.gz: unpacked",
        "exports/list.csv: bytes",
        "exports/list.parquet: record",
        "service.log: bytes",
    ] {
        assert!(places.contains(expected), "{expected} is not among {places:?}");
    }
    assert!(!places.iter().any(|place| place.starts_with("clean")));
    assert_eq!(report.unread.len(), 1, "what is packed otherwise is not said to be clean");
    assert_eq!(report.files, 7);
    let nowhere = PathBuf::from("/nowhere/at/all");
    assert!(matches!(Search::new(&needles).look(&nowhere), Err(RightsError::Unreadable { .. })));
}
