//! Building a table record by record, and what kind of column the cells make.

use std::collections::BTreeMap;

use super::{Cell, Column, MISSING, Table, TableError};

/// Texts that mean "no value" in a file, after trimming.
const MISSING_TEXTS: [&str; 7] = ["", "?", "NA", "N/A", "NaN", "null", "NULL"];

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
pub(super) enum Growing {
    Numbers(Vec<f64>),
    Categories(Interner),
}

impl Growing {
    fn push(&mut self, cell: &Cell) {
        let read = match cell {
            Cell::Missing => Ok(f64::NAN),
            Cell::Number(number) => Ok(finite(*number)),
            Cell::Text(text) => number_of(text.trim()).ok_or(text.trim()),
        };
        match (self, read) {
            (Self::Numbers(values), Ok(number)) => values.push(number),
            (Self::Categories(interner), Ok(number)) => interner.push_number(number),
            (Self::Categories(interner), Err(text)) => interner.push(text),
            (numbers, Err(text)) => *numbers = Self::Categories(numbers.categories_and(text)),
        }
    }

    /// The numbers so far as categories, and one text after them.
    fn categories_and(&self, text: &str) -> Interner {
        let mut interner = Interner::default();
        if let Self::Numbers(values) = self {
            for value in values {
                interner.push_number(*value);
            }
        }
        interner.push(text);
        interner
    }

    pub(super) fn into_column(self) -> Column {
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
pub(super) struct Interner {
    pub(super) codes: Vec<u32>,
    levels: Vec<String>,
    index: BTreeMap<String, u32>,
}

impl Interner {
    pub(super) fn push(&mut self, text: &str) {
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

pub(super) fn finite(number: f64) -> f64 {
    if number.is_finite() { number } else { f64::NAN }
}
