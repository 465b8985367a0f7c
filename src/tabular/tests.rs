//! Both formats give the same records.

use std::path::PathBuf;
use std::sync::Arc;

use ::parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;
use tempfile::TempDir;
use volens_models::Column;

use super::*;

fn written(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("the folder is writable");
    path
}

fn folder() -> TempDir {
    TempDir::new().expect("a fresh folder")
}

/// Three rows of a reference, an amount that may be missing, and a word.
fn parquet_file(path: &PathBuf) {
    let schema = "message t { required int64 account; optional double amount; required binary word (UTF8); \
        required int64 at (TIMESTAMP(MICROS,true)); }";
    let schema = Arc::new(parse_message_type(schema).expect("a schema"));
    let file = File::create(path).expect("the folder is writable");
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(file, schema, properties).expect("a writer");
    let mut group = writer.next_row_group().expect("a row group");
    let mut column = group.next_column().expect("no error").expect("account");
    column
        .typed::<Int64Type>()
        .write_batch(&[1, 9_007_199_254_740_993, 3], None, None)
        .expect("written");
    column.close().expect("closed");
    let mut column = group.next_column().expect("no error").expect("amount");
    column.typed::<DoubleType>().write_batch(&[0.5, 2.0], Some(&[1, 0, 1]), None).expect("written");
    column.close().expect("closed");
    let mut column = group.next_column().expect("no error").expect("word");
    let words: Vec<ByteArray> = ["a", "b", "é"].into_iter().map(ByteArray::from).collect();
    column.typed::<ByteArrayType>().write_batch(&words, None, None).expect("written");
    column.close().expect("closed");
    let mut column = group.next_column().expect("no error").expect("at");
    column.typed::<Int64Type>().write_batch(&[0, 1_000_000, 2], None, None).expect("written");
    column.close().expect("closed");
    group.close().expect("closed");
    writer.close().expect("closed");
}

#[test]
fn parquet_keeps_kinds_gaps_long_references_and_times() {
    let folder = folder();
    let path = folder.path().join("t.bin");
    parquet_file(&path);
    let records = Records::open(&path).expect("Parquet by its first bytes");
    assert_eq!(records.header(), ["account", "amount", "word", "at"]);
    assert_eq!(records.length(), Some(3));
    let rows: Vec<Vec<Cell>> = records.collect::<Result<_, _>>().expect("all rows are right");
    assert_eq!(rows[0][..3], [Cell::Number(1.0), Cell::Number(0.5), Cell::Text("a".into())]);
    assert_eq!(rows[1][..2], [Cell::Text("9007199254740993".into()), Cell::Missing]);
    assert_eq!(
        rows[1][3],
        Cell::Text(volens_privacy::Timestamp::from_micros(1_000_000).to_string())
    );
    assert_eq!(rows[2][2], Cell::Text("é".into()));
}

#[test]
fn csv_goes_on_after_a_wrong_record() {
    let folder = folder();
    let path = written(&folder, "t.csv", "\u{feff}a, b\n1,\"x, y\"\n2\n3,z\n".as_bytes());
    let records = Records::open(&path).expect("a header");
    assert_eq!(records.header(), ["a", "b"]);
    let rows: Vec<Record> = records.collect();
    assert_eq!(
        rows[0].as_ref().ok(),
        Some(&vec![Cell::Text("1".into()), Cell::Text("x, y".into())])
    );
    let error = rows[1].as_ref().expect_err("one cell is missing").to_string();
    assert_eq!(error, "record 2: 1 cells where the header has 2");
    assert!(rows[2].is_ok());
}

#[test]
fn a_table_infers_its_columns() {
    let folder = folder();
    let path = written(&folder, "t.csv", b"n,w\n1,x\n,y\n");
    let table = read_table(&path).expect("a table");
    assert_eq!(table.rows(), 2);
    assert!(matches!(table.column("n"), Ok(Column::Number(_))));
    assert!(matches!(table.column("w"), Ok(Column::Category { .. })));
}

#[test]
fn what_is_no_table_says_why() {
    let folder = folder();
    let missing = Records::open(&folder.path().join("nothing.csv")).err().expect("no file");
    assert!(matches!(missing, TabularError::Missing(_)));
    let empty = Records::open(&written(&folder, "empty.csv", b"")).err().expect("no header");
    assert!(matches!(empty, TabularError::Empty(_)));
    let broken = Records::open(&written(&folder, "broken", b"PAR1 and nothing more"))
        .err()
        .expect("no footer");
    assert!(matches!(broken, TabularError::Format { .. }));
    let twice =
        read_table(&written(&folder, "twice.csv", b"a,a\n1,2\n")).expect_err("one name twice");
    assert!(matches!(twice, TabularError::Table(TableError::DuplicateColumn(_))));
}
