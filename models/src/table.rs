//! A table of named columns: what a learner reads.
//!
//! A column is numbers or categories, and either may be missing in a row. Tables come from files cell by
//! cell ([`TableBuilder`], which infers the kinds) or from feature vectors ([`Table::from_features`], where
//! the [`Schema`] fixes them).

use std::collections::BTreeMap;

use thiserror::Error;

use crate::features::{Features, Kind, Schema, Value};

/// The code of a missing category in [`Column::Category`].
pub const MISSING: u32 = u32::MAX;

/// Texts that mean "no value" in a file, after trimming.
const MISSING_TEXTS: [&str; 7] = ["", "?", "NA", "N/A", "NaN", "null", "NULL"];

/// One cell as a file gives it.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// No value.
    Missing,
    /// A number the file format knows to be one (Parquet).
    Number(f64),
    /// Text, which may still turn out to be a number (CSV).
    Text(String),
}

/// The values of one column, one per row.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Finite numbers; NaN where missing.
    Number(Vec<f64>),
    /// Index into `levels` per row; [`MISSING`] where missing.
    Category {
        /// One code per row.
        codes: Vec<u32>,
        /// The distinct values, in order of first appearance.
        levels: Vec<String>,
    },
}

impl Column {
    /// The number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Number(values) => values.len(),
            Self::Category { codes, .. } => codes.len(),
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the column holds.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Number(_) => Kind::Number,
            Self::Category { .. } => Kind::Category,
        }
    }

    /// The value of one row as text, as it would stand in a file; `None` where missing.
    pub fn text(&self, row: usize) -> Option<String> {
        match self {
            Self::Number(values) => (!values[row].is_nan()).then(|| values[row].to_string()),
            Self::Category { codes, levels } => levels.get(codes[row] as usize).cloned(),
        }
    }

    fn take(&self, rows: &[usize]) -> Self {
        match self {
            Self::Number(values) => Self::Number(rows.iter().map(|&row| values[row]).collect()),
            Self::Category { codes, levels } => Self::Category {
                codes: rows.iter().map(|&row| codes[row]).collect(),
                levels: levels.clone(),
            },
        }
    }
}

/// Why a table could not be made or read.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum TableError {
    /// Two columns have the same name.
    #[error("the column \"{0}\" appears twice")]
    DuplicateColumn(String),
    /// A row has another number of cells than the header.
    #[error("row {row} has {found} cells, the header has {expected}")]
    Width {
        /// The row, counted from 1 after the header.
        row: usize,
        /// Cells in the row.
        found: usize,
        /// Columns in the header.
        expected: usize,
    },
    /// No column of that name.
    #[error("there is no column \"{name}\"{}", nearest.as_ref().map(|n| format!("; did you mean \"{n}\"?")).unwrap_or_default())]
    NoColumn {
        /// The name asked for.
        name: String,
        /// The most similar name there is, when one is similar.
        nearest: Option<String>,
    },
    /// A label column holds something other than 0 and 1.
    #[error("the label \"{column}\" must be 0 or 1; row {row} has \"{value}\"")]
    Label {
        /// The column.
        column: String,
        /// The row, counted from 1 after the header.
        row: usize,
        /// What stands there.
        value: String,
    },
}

/// Named columns of equal length.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Table {
    names: Vec<String>,
    columns: Vec<Column>,
    rows: usize,
}

impl Table {
    /// Builds a table from text cells, inferring each column's kind. See [`TableBuilder`].
    pub fn infer<R, S>(header: &[S], records: R) -> Result<Self, TableError>
    where
        R: IntoIterator,
        R::Item: AsRef<[String]>,
        S: AsRef<str>,
    {
        let mut builder =
            TableBuilder::new(header.iter().map(|name| name.as_ref().to_owned()).collect())?;
        let mut cells = Vec::new();
        for record in records {
            cells.clear();
            cells.extend(record.as_ref().iter().map(|text| Cell::Text(text.clone())));
            builder.push(&cells)?;
        }
        Ok(builder.finish())
    }

    /// Builds a table of feature vectors, with exactly the columns of `schema`. A value of the wrong kind,
    /// or none, is missing.
    pub fn from_features<'f>(
        schema: &Schema,
        rows: impl IntoIterator<Item = &'f Features>,
    ) -> Self {
        let mut columns: Vec<Growing> = schema
            .fields()
            .iter()
            .map(|field| match field.kind {
                Kind::Number => Growing::Numbers(Vec::new()),
                Kind::Category => Growing::Categories(Interner::default()),
            })
            .collect();
        let mut count = 0;
        for features in rows {
            for (field, column) in schema.fields().iter().zip(&mut columns) {
                match (column, features.get(&field.name)) {
                    (Growing::Numbers(values), Some(Value::Number(number))) => {
                        values.push(finite(*number));
                    }
                    (Growing::Numbers(values), _) => values.push(f64::NAN),
                    (Growing::Categories(interner), Some(Value::Category(level))) => {
                        interner.push(level);
                    }
                    (Growing::Categories(interner), _) => interner.codes.push(MISSING),
                }
            }
            count += 1;
        }
        Self {
            names: schema.fields().iter().map(|field| field.name.clone()).collect(),
            columns: columns.into_iter().map(Growing::into_column).collect(),
            rows: count,
        }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The column names, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The columns, in the order of [`Table::names`].
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The kinds of the columns.
    pub fn schema(&self) -> Schema {
        let mut schema = Schema::default();
        for (name, column) in self.names.iter().zip(&self.columns) {
            schema.add(name, column.kind());
        }
        schema
    }

    /// The column of that name; the error suggests the most similar one.
    pub fn column(&self, name: &str) -> Result<&Column, TableError> {
        match self.names.iter().position(|known| known == name) {
            Some(index) => Ok(&self.columns[index]),
            None => Err(TableError::NoColumn {
                name: name.to_owned(),
                nearest: nearest(name, self.names.iter().map(String::as_str)).map(str::to_owned),
            }),
        }
    }

    /// Adds a column.
    pub fn with_column(mut self, name: &str, column: Column) -> Result<Self, TableError> {
        if self.names.iter().any(|known| known == name) {
            return Err(TableError::DuplicateColumn(name.to_owned()));
        }
        if !self.columns.is_empty() && column.len() != self.rows {
            return Err(TableError::Width { row: 0, found: column.len(), expected: self.rows });
        }
        self.rows = column.len();
        self.names.push(name.to_owned());
        self.columns.push(column);
        Ok(self)
    }

    /// The table without these columns. Every name must exist.
    pub fn without(&self, names: &[&str]) -> Result<Self, TableError> {
        for name in names {
            self.column(name)?;
        }
        let kept: Vec<usize> = (0..self.names.len())
            .filter(|&index| !names.contains(&self.names[index].as_str()))
            .collect();
        Ok(Self {
            names: kept.iter().map(|&index| self.names[index].clone()).collect(),
            columns: kept.iter().map(|&index| self.columns[index].clone()).collect(),
            rows: self.rows,
        })
    }

    /// The table with these rows, in this order.
    pub fn take(&self, rows: &[usize]) -> Self {
        Self {
            names: self.names.clone(),
            columns: self.columns.iter().map(|column| column.take(rows)).collect(),
            rows: rows.len(),
        }
    }

    /// A column of zeros and ones as booleans.
    pub fn label(&self, name: &str) -> Result<Vec<bool>, TableError> {
        let column = self.column(name)?;
        let bad = |row: usize| TableError::Label {
            column: name.to_owned(),
            row: row + 1,
            value: column.text(row).unwrap_or_default(),
        };
        match column {
            Column::Number(values) => values
                .iter()
                .enumerate()
                .map(|(row, &value)| match value {
                    0.0 => Ok(false),
                    1.0 => Ok(true),
                    _ => Err(bad(row)),
                })
                .collect(),
            Column::Category { codes, levels } => codes
                .iter()
                .enumerate()
                .map(|(row, &code)| match levels.get(code as usize).map(String::as_str) {
                    Some("0") => Ok(false),
                    Some("1") => Ok(true),
                    _ => Err(bad(row)),
                })
                .collect(),
        }
    }

    /// One row as a feature vector. Missing values are left out.
    pub fn features(&self, row: usize) -> Features {
        let mut features = Features::default();
        for (name, column) in self.names.iter().zip(&self.columns) {
            match column {
                Column::Number(values) => {
                    features.number(name, values[row]);
                }
                Column::Category { codes, levels } => {
                    if let Some(level) = levels.get(codes[row] as usize) {
                        features.category(name, level);
                    }
                }
            }
        }
        features
    }
}

/// Builds a [`Table`] record by record and infers each column's kind: a column whose every value reads as a
/// finite number is numeric, any other is categorical.
///
/// A categorical column writes numbers in one way, so `1`, `1.0` and `01` are one category.
pub struct TableBuilder {
    names: Vec<String>,
    columns: Vec<Growing>,
    rows: usize,
}

impl TableBuilder {
    /// Starts a table with this header.
    pub fn new(header: Vec<String>) -> Result<Self, TableError> {
        for (index, name) in header.iter().enumerate() {
            if header[..index].contains(name) {
                return Err(TableError::DuplicateColumn(name.clone()));
            }
        }
        let columns = header.iter().map(|_| Growing::Numbers(Vec::new())).collect();
        Ok(Self { names: header, columns, rows: 0 })
    }

    /// Adds one record.
    pub fn push(&mut self, record: &[Cell]) -> Result<(), TableError> {
        if record.len() != self.names.len() {
            return Err(TableError::Width {
                row: self.rows + 1,
                found: record.len(),
                expected: self.names.len(),
            });
        }
        for (cell, column) in record.iter().zip(&mut self.columns) {
            column.push(cell);
        }
        self.rows += 1;
        Ok(())
    }

    /// The finished table.
    pub fn finish(self) -> Table {
        Table {
            names: self.names,
            columns: self.columns.into_iter().map(Growing::into_column).collect(),
            rows: self.rows,
        }
    }
}

/// A column while rows still arrive.
enum Growing {
    Numbers(Vec<f64>),
    Categories(Interner),
}

impl Growing {
    fn push(&mut self, cell: &Cell) {
        let number = match cell {
            Cell::Missing => Some(f64::NAN),
            Cell::Number(number) => Some(finite(*number)),
            Cell::Text(text) => number_of(text.trim()),
        };
        if number.is_none()
            && let Self::Numbers(values) = self
        {
            let mut interner = Interner::default();
            for &value in values.iter() {
                interner.push_number(value);
            }
            *self = Self::Categories(interner);
        }
        match (self, number, cell) {
            (Self::Numbers(values), Some(number), _) => values.push(number),
            (Self::Categories(interner), Some(number), _) => interner.push_number(number),
            (Self::Categories(interner), None, Cell::Text(text)) => interner.push(text.trim()),
            (Self::Numbers(_) | Self::Categories(_), None, _) => {
                unreachable!("only text is not a number, and text makes the column categorical")
            }
        }
    }

    fn into_column(self) -> Column {
        match self {
            Self::Numbers(values) => Column::Number(values),
            Self::Categories(interner) => {
                Column::Category { codes: interner.codes, levels: interner.levels }
            }
        }
    }
}

/// Gives each distinct text a number, in order of appearance.
#[derive(Default)]
struct Interner {
    codes: Vec<u32>,
    levels: Vec<String>,
    index: BTreeMap<String, u32>,
}

impl Interner {
    fn push(&mut self, text: &str) {
        let code = if let Some(&code) = self.index.get(text) {
            code
        } else {
            let code = self.levels.len() as u32;
            self.levels.push(text.to_owned());
            self.index.insert(text.to_owned(), code);
            code
        };
        self.codes.push(code);
    }

    fn push_number(&mut self, number: f64) {
        if number.is_nan() {
            self.codes.push(MISSING);
        } else {
            self.push(&number.to_string());
        }
    }
}

/// The number a text stands for: NaN when it means "missing", `None` when it is not a number.
fn number_of(text: &str) -> Option<f64> {
    if MISSING_TEXTS.contains(&text) {
        return Some(f64::NAN);
    }
    // Words such as "inf" and "nan" parse as floats but are not numbers in a table.
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

fn finite(number: f64) -> f64 {
    if number.is_finite() { number } else { f64::NAN }
}

/// The name most similar to `name` by edit distance, when at most a third of it differs.
pub fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let wanted = name.to_lowercase();
    let length = wanted.chars().count();
    let limit = if length < 3 { 0 } else { (length / 3).max(1) };
    known
        .map(|candidate| (edit_distance(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance in characters.
fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut previous: Vec<usize> = (0..=right.len()).collect();
    for (row, a) in left.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, b) in right.iter().enumerate() {
            let substitute = previous[column] + usize::from(a != *b);
            current.push(substitute.min(previous[column + 1] + 1).min(current[column] + 1));
        }
        previous = current;
    }
    previous[right.len()]
}

#[cfg(test)]
mod tests {
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
        let expected =
            Column::Category { codes: vec![0, MISSING, 0], levels: vec!["clerk".into()] };
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
}
