//! Flat Parquet files, through the row interface of the `parquet` crate (no arrow).

use std::fs::File;
use std::path::Path;

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::{Field, Row};
use volens_privacy::Timestamp;

use super::{Cell, Record, Records, TabularError};

/// Integers beyond this lose digits as `f64` and stay text: an account reference must not change.
const EXACT: u64 = 1 << f64::MANTISSA_DIGITS;
const MICROS_PER_DAY: i64 = 86_400_000_000;

pub(super) fn open(path: &Path, file: File) -> Result<Records, TabularError> {
    let wrong =
        |problem: String| TabularError::Format { path: path.display().to_string(), problem };
    let reader = SerializedFileReader::new(file)
        .map_err(|_| wrong("the Parquet file is damaged".to_owned()))?;
    let metadata = reader.metadata().file_metadata();
    let fields = metadata.schema().get_fields();
    if let Some(nested) = fields.iter().find(|field| !field.is_primitive()) {
        return Err(wrong(format!(
            "the column \"{}\" is nested; only flat tables are read",
            nested.name()
        )));
    }
    let header = fields.iter().map(|field| field.name().to_owned()).collect();
    let length = u64::try_from(metadata.num_rows()).ok();
    let records = reader.into_iter().enumerate().map(|(index, row)| record(index as u64 + 1, row));
    Ok(Records { header, length, stream: Box::new(records) })
}

fn record(record: u64, row: parquet::errors::Result<Row>) -> Record {
    let wrong = |problem: &str| TabularError::Record { record, problem: problem.to_owned() };
    let row = row.map_err(|error| match error {
        parquet::errors::ParquetError::NYI(_) => {
            wrong("compressed in a way that is not read; use none or snappy")
        }
        _ => wrong("cannot be read"),
    })?;
    row.get_column_iter()
        .map(|(_, field)| cell(field).ok_or_else(|| wrong("holds bytes, not text or numbers")))
        .collect()
}

/// A field as a cell; `None` where it is neither number nor text nor time.
fn cell(field: &Field) -> Option<Cell> {
    Some(match field {
        Field::Null => Cell::Missing,
        Field::Bool(value) => Cell::Number(f64::from(u8::from(*value))),
        Field::Byte(value) => Cell::Number(f64::from(*value)),
        Field::Short(value) => Cell::Number(f64::from(*value)),
        Field::Int(value) => Cell::Number(f64::from(*value)),
        Field::Long(value) if value.unsigned_abs() > EXACT => Cell::Text(value.to_string()),
        Field::Long(value) => Cell::Number(*value as f64),
        Field::UByte(value) => Cell::Number(f64::from(*value)),
        Field::UShort(value) => Cell::Number(f64::from(*value)),
        Field::UInt(value) => Cell::Number(f64::from(*value)),
        Field::ULong(value) if *value > EXACT => Cell::Text(value.to_string()),
        Field::ULong(value) => Cell::Number(*value as f64),
        Field::Float16(value) => Cell::Number(f64::from(*value)),
        Field::Float(value) => Cell::Number(f64::from(*value)),
        Field::Double(value) => Cell::Number(*value),
        Field::Str(value) => Cell::Text(value.clone()),
        Field::Bytes(value) => Cell::Text(value.as_utf8().ok()?.to_owned()),
        Field::Date(days) => {
            let text = Timestamp::from_micros(i64::from(*days) * MICROS_PER_DAY).to_string();
            Cell::Text(text.split('T').next()?.to_owned())
        }
        Field::TimestampMillis(millis) => {
            Cell::Text(Timestamp::from_micros(millis.checked_mul(1000)?).to_string())
        }
        Field::TimestampMicros(micros) => Cell::Text(Timestamp::from_micros(*micros).to_string()),
        Field::Decimal(_) | Field::TimeMillis(_) | Field::TimeMicros(_) => {
            Cell::Text(field.to_string())
        }
        Field::Group(_) | Field::ListInternal(_) | Field::MapInternal(_) => return None,
    })
}
