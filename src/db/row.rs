//! Reading what a statement returned.

use sqlx::{Row as _, ValueRef as _};
use volens_privacy::Timestamp;
use volens_privacy::identity::{AppId, BusinessId, SubjectId};

use super::packed::Names;
use super::{Error, Result, Value};

/// One row of either engine.
pub struct Row(pub(super) Native);

pub(super) enum Native {
    Sqlite(sqlx::sqlite::SqliteRow),
    Postgres(sqlx::postgres::PgRow),
    Packed { names: Names, values: Vec<Value> },
}

impl Row {
    /// The value of a column, by name.
    pub fn get<T: Cell>(&self, column: &str) -> Result<T> {
        T::read(self, column)
    }

    fn is_null(&self, column: &str) -> Result<bool> {
        let decode = |_| Error::Decode(column.to_owned());
        match &self.0 {
            Native::Sqlite(row) => row.try_get_raw(column).map(|v| v.is_null()).map_err(decode),
            Native::Postgres(row) => row.try_get_raw(column).map(|v| v.is_null()).map_err(decode),
            Native::Packed { names, values } => packed(names, values, column).map(Value::is_null),
        }
    }
}

fn packed<'r>(names: &Names, values: &'r [Value], column: &str) -> Result<&'r Value> {
    let at = names.iter().position(|name| *name == column);
    at.and_then(|at| values.get(at)).ok_or_else(|| Error::Decode(column.to_owned()))
}

/// A type that a column can be read as.
pub trait Cell: Sized {
    /// Reads `column`; absent, null or foreign values are [`Error::Decode`].
    fn read(row: &Row, column: &str) -> Result<Self>;
}

macro_rules! native_cell {
    ($($type:ty => $variant:ident;)*) => {$(
        impl Cell for $type {
            fn read(row: &Row, column: &str) -> Result<Self> {
                let decode = |_| Error::Decode(column.to_owned());
                match &row.0 {
                    Native::Sqlite(row) => row.try_get(column).map_err(decode),
                    Native::Postgres(row) => row.try_get(column).map_err(decode),
                    Native::Packed { names, values } => match packed(names, values, column)? {
                        Value::$variant(Some(value)) => Ok(value.clone()),
                        _ => Err(Error::Decode(column.to_owned())),
                    },
                }
            }
        }
    )*};
}
native_cell! { i64 => Int; f64 => Real; String => Text; Vec<u8> => Bytes; }

impl<T: Cell> Cell for Option<T> {
    fn read(row: &Row, column: &str) -> Result<Self> {
        if row.is_null(column)? { Ok(None) } else { T::read(row, column).map(Some) }
    }
}

impl<const N: usize> Cell for [u8; N] {
    fn read(row: &Row, column: &str) -> Result<Self> {
        let bytes: Vec<u8> = row.get(column)?;
        bytes.try_into().map_err(|_| Error::Decode(column.to_owned()))
    }
}

impl Cell for u64 {
    fn read(row: &Row, column: &str) -> Result<Self> {
        let number: i64 = row.get(column)?;
        Self::try_from(number).map_err(|_| Error::Decode(column.to_owned()))
    }
}

impl Cell for u32 {
    fn read(row: &Row, column: &str) -> Result<Self> {
        let number: i64 = row.get(column)?;
        Self::try_from(number).map_err(|_| Error::Decode(column.to_owned()))
    }
}

impl Cell for Timestamp {
    fn read(row: &Row, column: &str) -> Result<Self> {
        row.get(column).map(Self::from_micros)
    }
}

impl Cell for SubjectId {
    fn read(row: &Row, column: &str) -> Result<Self> {
        row.get(column).map(Self::from_bytes)
    }
}

impl Cell for BusinessId {
    fn read(row: &Row, column: &str) -> Result<Self> {
        row.get(column).map(Self::from_bytes)
    }
}

impl Cell for AppId {
    fn read(row: &Row, column: &str) -> Result<Self> {
        let text: String = row.get(column)?;
        Self::parse(&text).map_err(|_| Error::Decode(column.to_owned()))
    }
}
