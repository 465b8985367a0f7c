//! What can be bound to a parameter: four portable types, each nullable.

use volens_privacy::Timestamp;
use volens_privacy::identity::{AppId, BusinessId, SubjectId};

use super::{Error, Result};

/// A bound value. Nulls keep their type because PostgreSQL wants to know it.
#[derive(Clone)]
pub enum Value {
    /// BIGINT / INTEGER.
    Int(Option<i64>),
    /// DOUBLE PRECISION / REAL.
    Real(Option<f64>),
    /// TEXT.
    Text(Option<String>),
    /// BYTEA / BLOB.
    Bytes(Option<Vec<u8>>),
}

impl Value {
    /// An unsigned number, refused when it does not fit 63 bits.
    pub fn count(number: u64) -> Result<Self> {
        Ok(Self::Int(Some(i64::try_from(number).map_err(|_| Error::Range)?)))
    }

    /// Whether nothing is there.
    pub(super) const fn is_null(&self) -> bool {
        matches!(self, Self::Int(None) | Self::Real(None) | Self::Text(None) | Self::Bytes(None))
    }
}

/// `values![a, b, c]`: the parameters of one call, converted.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::db::Value::from($value)),*] };
}
pub(crate) use values;

macro_rules! value_from {
    ($($source:ty => $variant:ident, $convert:expr;)*) => {$(
        impl From<$source> for Value {
            fn from(value: $source) -> Self {
                let convert: fn($source) -> _ = $convert;
                Self::$variant(Some(convert(value)))
            }
        }
        impl From<Option<$source>> for Value {
            fn from(value: Option<$source>) -> Self {
                let convert: fn($source) -> _ = $convert;
                Self::$variant(value.map(convert))
            }
        }
    )*};
}

value_from! {
    i64 => Int, |v| v;
    i32 => Int, i64::from;
    u32 => Int, i64::from;
    u16 => Int, i64::from;
    u8 => Int, i64::from;
    f64 => Real, |v| v;
    &str => Text, str::to_owned;
    &String => Text, String::clone;
    String => Text, |v| v;
    Vec<u8> => Bytes, |v| v;
    &Vec<u8> => Bytes, Vec::clone;
    &[u8] => Bytes, <[u8]>::to_vec;
    Timestamp => Int, Timestamp::micros;
    SubjectId => Bytes, |v| v.as_bytes().to_vec();
    BusinessId => Bytes, |v| v.as_bytes().to_vec();
    &AppId => Text, |v| v.as_str().to_owned();
    AppId => Text, |v| v.as_str().to_owned();
}

impl<const N: usize> From<[u8; N]> for Value {
    fn from(value: [u8; N]) -> Self {
        Self::Bytes(Some(value.to_vec()))
    }
}

impl<const N: usize> From<&[u8; N]> for Value {
    fn from(value: &[u8; N]) -> Self {
        Self::Bytes(Some(value.to_vec()))
    }
}

impl<const N: usize> From<Option<[u8; N]>> for Value {
    fn from(value: Option<[u8; N]>) -> Self {
        Self::Bytes(value.map(|bytes| bytes.to_vec()))
    }
}
