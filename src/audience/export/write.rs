//! Writing an export row by row, in memory bounded by one batch.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use sha2::{Digest as _, Sha256};

use volens_privacy::ledger::LogSigner;

use super::columns::{Columns, guarded};
use super::{ExportError, Format, Manifest};
use crate::audience::rows::Row;
use crate::ids::hex;

/// Under which key Parquet keeps the manifest.
pub(super) const PARQUET_KEY: &str = "volens.manifest";
/// What the last line of a CSV begins with.
pub(super) const CSV_MARK: &str = "# ";

/// The columns in Parquet, in the order of [`Columns`].
pub(super) const SCHEMA: &str = "message list {
    required int32 rank;
    required binary recipient (UTF8);
    required double score;
    optional double uplift;
    optional double risk;
    optional double propensity;
    optional binary variant (UTF8);
    optional double variant_propensity;
    required binary why (UTF8);
    required binary reasons (JSON);
    required int64 consent_entry;
    required binary consent_notice (UTF8);
    required binary consent_leaf (UTF8);
    required binary consent_proof (UTF8);
    required int64 relevance_entry;
    required binary relevance_notice (UTF8);
    required binary relevance_leaf (UTF8);
    required binary relevance_proof (UTF8);
    required binary borrowed (JSON);
    required binary seal_salt (UTF8);
    required binary seal_path (UTF8);
}";

/// Writes one list in one format.
pub struct Exporter<W: Write + Send> {
    sink: Sink<W>,
    rows: u64,
    digest: Sha256,
}

enum Sink<W: Write + Send> {
    Csv(Box<csv::Writer<W>>),
    Jsonl(W),
    Parquet(Box<SerializedFileWriter<W>>),
}

impl<W: Write + Send> Exporter<W> {
    /// Begins a file.
    pub fn new(format: Format, to: W) -> Result<Self, ExportError> {
        let sink = match format {
            Format::Csv => Sink::Csv(Box::new(csv::Writer::from_writer(to))),
            Format::Jsonl => Sink::Jsonl(to),
            Format::Parquet => {
                let schema = Arc::new(parse_message_type(SCHEMA)?);
                let snappy = WriterProperties::builder().set_compression(Compression::SNAPPY);
                let writer = SerializedFileWriter::new(to, schema, Arc::new(snappy.build()))?;
                Sink::Parquet(Box::new(writer))
            }
        };
        Ok(Self { sink, rows: 0, digest: Sha256::new() })
    }

    /// Writes a batch of rows; all of it has reached the sink afterwards.
    pub fn write(&mut self, rows: &[Row]) -> Result<(), ExportError> {
        if rows.is_empty() {
            return Ok(());
        }
        for row in rows {
            self.digest.update(serde_jcs::to_vec(row)?);
            self.digest.update(b"\n");
        }
        self.rows += rows.len() as u64;
        match &mut self.sink {
            Sink::Csv(writer) => {
                for row in rows {
                    writer.serialize(guarded(Columns::of(row)))?;
                }
                writer.flush()?;
            }
            Sink::Jsonl(writer) => {
                for row in rows {
                    serde_json::to_writer(&mut *writer, row)?;
                    writer.write_all(b"\n")?;
                }
            }
            Sink::Parquet(writer) => {
                let columns: Vec<Columns> = rows.iter().map(Columns::of).collect();
                let mut group = writer.next_row_group()?;
                write_group(&mut group, &columns)?;
                group.close()?;
                writer.flush()?;
            }
        }
        Ok(())
    }

    /// Ends the file with its manifest, in which the number of rows and their digest are filled in
    /// before it is signed, and gives the sink back.
    pub fn finish(
        self,
        mut manifest: Manifest,
        signer: &LogSigner,
    ) -> Result<(W, Manifest), ExportError> {
        manifest.rows = self.rows;
        manifest.sha256 = hex(&self.digest.finalize());
        manifest.sign(signer)?;
        let text = serde_json::to_string(&manifest)?;
        let to = match self.sink {
            Sink::Csv(writer) => {
                let mut to = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
                to.write_all(format!("{CSV_MARK}{text}\n").as_bytes())?;
                to
            }
            Sink::Jsonl(mut to) => {
                to.write_all(format!("{{\"manifest\":{text}}}\n").as_bytes())?;
                to
            }
            Sink::Parquet(mut writer) => {
                writer.append_key_value_metadata(KeyValue::new(PARQUET_KEY.to_owned(), text));
                writer.into_inner()?
            }
        };
        Ok((to, manifest))
    }
}

fn write_group<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: &[Columns],
) -> Result<(), ExportError> {
    ints32(group, rows.iter().map(|row| row.rank))?;
    texts(group, rows.iter().map(|row| &row.recipient))?;
    doubles(group, rows.iter().map(|row| Some(row.score)), false)?;
    doubles(group, rows.iter().map(|row| row.uplift), true)?;
    doubles(group, rows.iter().map(|row| row.risk), true)?;
    doubles(group, rows.iter().map(|row| row.propensity), true)?;
    optional_texts(group, rows.iter().map(|row| row.variant.as_deref()))?;
    doubles(group, rows.iter().map(|row| row.variant_propensity), true)?;
    texts(group, rows.iter().map(|row| &row.why))?;
    texts(group, rows.iter().map(|row| &row.reasons))?;
    ints64(group, rows.iter().map(|row| row.consent_entry))?;
    texts(group, rows.iter().map(|row| &row.consent_notice))?;
    texts(group, rows.iter().map(|row| &row.consent_leaf))?;
    texts(group, rows.iter().map(|row| &row.consent_proof))?;
    ints64(group, rows.iter().map(|row| row.relevance_entry))?;
    texts(group, rows.iter().map(|row| &row.relevance_notice))?;
    texts(group, rows.iter().map(|row| &row.relevance_leaf))?;
    texts(group, rows.iter().map(|row| &row.relevance_proof))?;
    texts(group, rows.iter().map(|row| &row.borrowed))?;
    texts(group, rows.iter().map(|row| &row.seal_salt))?;
    texts(group, rows.iter().map(|row| &row.seal_path))
}

/// One column after the other, each written whole.
fn column<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    cells: &[T::T],
    levels: Option<&[i16]>,
) -> Result<(), ExportError> {
    let mut column = group.next_column()?.ok_or(ExportError::Cell("one too many"))?;
    column.typed::<T>().write_batch(cells, levels, None)?;
    column.close()?;
    Ok(())
}

fn ints32<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    cells: impl Iterator<Item = u32>,
) -> Result<(), ExportError> {
    let cells = cells.map(i32::try_from).collect::<Result<Vec<_>, _>>();
    column::<Int32Type, W>(group, &cells.map_err(|_| ExportError::Cell("rank"))?, None)
}

fn ints64<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    cells: impl Iterator<Item = u64>,
) -> Result<(), ExportError> {
    let cells = cells.map(i64::try_from).collect::<Result<Vec<_>, _>>();
    column::<Int64Type, W>(group, &cells.map_err(|_| ExportError::Cell("entry"))?, None)
}

fn texts<'c, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    cells: impl Iterator<Item = &'c String>,
) -> Result<(), ExportError> {
    let cells: Vec<ByteArray> = cells.map(|cell| ByteArray::from(cell.as_str())).collect();
    column::<ByteArrayType, W>(group, &cells, None)
}

fn optional_texts<'c, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    cells: impl Iterator<Item = Option<&'c str>> + Clone,
) -> Result<(), ExportError> {
    let levels: Vec<i16> = cells.clone().map(|cell| i16::from(cell.is_some())).collect();
    let values: Vec<ByteArray> = cells.flatten().map(ByteArray::from).collect();
    column::<ByteArrayType, W>(group, &values, Some(&levels))
}

fn doubles<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    cells: impl Iterator<Item = Option<f64>> + Clone,
    optional: bool,
) -> Result<(), ExportError> {
    let levels: Vec<i16> = cells.clone().map(|cell| i16::from(cell.is_some())).collect();
    let values: Vec<f64> = cells.flatten().collect();
    column::<DoubleType, W>(group, &values, optional.then_some(levels.as_slice()))
}
