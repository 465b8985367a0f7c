//! Kinds, labels, names.

use super::*;

fn table(header: &[&str], rows: &[&[&str]]) -> Result<Table, TableError> {
    Table::infer(
        header,
        rows.iter().map(|row| row.iter().map(|&c| c.to_owned()).collect::<Vec<String>>()),
    )
}

#[test]
fn kinds_are_inferred_and_missing_values_kept_apart() {
    let table = table(&["age", "job"], &[&["31", "clerk"], &["", "?"], &["4e1", "clerk"]])
        .expect("well-formed");
    let Column::Number(ages) = table.column("age").expect("there") else {
        panic!("age is a number")
    };
    assert_eq!((ages[0], ages[2]), (31.0, 40.0));
    assert!(ages[1].is_nan());
    let expected = Column::Category { codes: vec![0, MISSING, 0], levels: vec!["clerk".into()] };
    assert_eq!(table.column("job").expect("there"), &expected);
}

#[test]
fn a_late_word_turns_numbers_into_categories_written_in_one_way() {
    let table = table(&["code"], &[&["1.0"], &["01"], &["x"], &["1"]]).expect("well-formed");
    let expected =
        Column::Category { codes: vec![0, 0, 1, 0], levels: vec!["1".into(), "x".into()] };
    assert_eq!(table.column("code").expect("there"), &expected);
}

#[test]
fn a_wrong_name_suggests_the_nearest() {
    let table = table(&["visit", "spend"], &[&["0", "1"]]).expect("well-formed");
    let error = table.column("visits").expect_err("no such column");
    assert_eq!(error.to_string(), "there is no column \"visits\"; did you mean \"visit\"?");
    let error = table.column("weather").expect_err("no such column");
    assert_eq!(error.to_string(), "there is no column \"weather\"");
}

#[test]
fn labels_are_zero_or_one() {
    let table = table(&["y"], &[&["0"], &["1"], &["2"]]).expect("well-formed");
    let error = table.label("y").expect_err("2 is no label");
    assert_eq!(error, TableError::Label { column: "y".into(), row: 3, value: "2".into() });
    assert_eq!(table.take(&[1, 0]).label("y"), Ok(vec![true, false]));
}

#[test]
fn ragged_rows_and_repeated_names_are_refused() {
    assert_eq!(
        table(&["a", "b"], &[&["1"]]),
        Err(TableError::Width { row: 1, found: 1, expected: 2 })
    );
    assert_eq!(table(&["a", "a"], &[]), Err(TableError::DuplicateColumn("a".into())));
}
