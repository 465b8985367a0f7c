//! A table of named columns: what a learner reads.
//!
//! A column is numbers or categories, and either may be missing in a row. Tables come from files cell by
//! cell ([`TableBuilder`], which infers the kinds) or from feature vectors ([`Table::from_features`], where
//! the [`Schema`] fixes them).

mod builder;
mod names;

use thiserror::Error;

pub use builder::TableBuilder;
use builder::{Growing, Interner, finite};
pub use names::nearest;

use crate::features::{Features, Kind, Schema, Value};

/// The code of a missing category in [`Column::Category`].
pub const MISSING: u32 = u32::MAX;

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

#[cfg(test)]
mod tests;
