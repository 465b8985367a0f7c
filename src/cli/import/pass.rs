//! One pass over one file: rows in chunks, progress on standard error and in the database.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use indicatif::ProgressBar;
use sha2::{Digest as _, Sha256};
use volens_models::Cell;

use super::mapping::Cells;
use super::store::{self, Done};
use super::{Importing, name_of};
use crate::db::Tx;
use crate::tabular::Records;

/// A pass at work.
pub(super) struct Pass {
    id: [u8; 32],
    name: &'static str,
    /// The file's name, for the reject file.
    pub(super) file: String,
    records: Records,
    row: u64,
    bar: ProgressBar,
}

/// Some rows of a file.
pub(super) struct Chunk {
    /// Number from 1 and cells, or `None` when the record cannot be read.
    pub(super) rows: Vec<(u64, Option<Cells>)>,
}

impl Importing<'_> {
    /// Opens a file for a pass; `None` when an earlier run came to its end. `with` names other files
    /// the outcome of the pass depends on.
    pub(super) async fn begin(
        &mut self,
        name: &'static str,
        path: &Path,
        with: Option<&Path>,
    ) -> Result<Option<Pass>> {
        let mut id = Sha256::new();
        id.update(self.mapping_hash);
        id.update(name.as_bytes());
        for path in [Some(path), with].into_iter().flatten() {
            id.update(sha256(path)?);
        }
        if let Some(business) = self.business {
            id.update(business.as_bytes());
        }
        let id: [u8; 32] = id.finalize().into();
        let mut done = Done::default();
        if !self.again && !self.dry_run {
            done = store::progress(&mut self.app.db.read().await?, &id).await?;
        }
        if done.finished {
            self.summary.finished_before.push(format!("{name} of {}", name_of(path)));
            return Ok(None);
        }
        let records = Records::open(path)?;
        let total = match records.length() {
            Some(length) => length,
            None => lines(path)?.saturating_sub(1),
        };
        let bar = self.output.progress(total, name);
        let mut pass = Pass { id, name, file: name_of(path), records, row: 0, bar };
        pass.skip(done.rows);
        Ok(Some(pass))
    }
}

impl Pass {
    /// Names of the columns.
    pub(super) fn header(&self) -> &[String] {
        self.records.header()
    }

    /// Whether an earlier run did a part of it. Asked before the first rows are taken.
    pub(super) fn resumed(&self) -> bool {
        self.row > 0
    }

    fn skip(&mut self, rows: u64) {
        while self.row < rows && self.records.next().is_some() {
            self.row += 1;
        }
        self.bar.set_position(self.row);
    }

    /// The next rows, at most `size`; `None` at the end.
    pub(super) fn next(&mut self, size: usize) -> Option<Chunk> {
        let mut rows = Vec::new();
        for record in self.records.by_ref().take(size) {
            self.row += 1;
            rows.push((self.row, record.ok().map(|cells| cells.iter().map(text).collect())));
        }
        (!rows.is_empty()).then_some(Chunk { rows })
    }

    /// Notes, in the transaction of a chunk, that it is done.
    pub(super) async fn advance(&self, tx: &mut Tx, run: &Importing<'_>) -> Result<()> {
        let done = Done { rows: self.row, finished: false };
        Ok(store::advance(tx, &self.id, self.name, done, run.now).await?)
    }

    /// Shows how far it came.
    pub(super) fn show(&self) {
        self.bar.set_position(self.row);
    }

    /// Notes that the file is done.
    pub(super) async fn end(self, run: &Importing<'_>) -> Result<()> {
        self.bar.finish();
        if run.dry_run {
            return Ok(());
        }
        let mut tx = run.app.db.begin().await?;
        let done = Done { rows: self.row, finished: true };
        store::advance(&mut tx, &self.id, self.name, done, run.now).await?;
        Ok(tx.commit().await?)
    }
}

fn text(cell: &Cell) -> Option<String> {
    match cell {
        Cell::Missing => None,
        Cell::Number(number) => Some(number.to_string()),
        Cell::Text(text) => {
            let text = text.trim();
            (!text.is_empty()).then(|| text.to_owned())
        }
    }
}

/// Hands every piece of a file to `each`.
fn pieces(path: &Path, mut each: impl FnMut(&[u8])) -> Result<()> {
    let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        each(&buffer[..read]);
    }
}

fn sha256(path: &Path) -> Result<[u8; 32]> {
    let mut hash = Sha256::new();
    pieces(path, |piece| hash.update(piece))?;
    Ok(hash.finalize().into())
}

/// Lines of a file; quoted text may make it more than its records.
fn lines(path: &Path) -> Result<u64> {
    let mut count = 0;
    pieces(path, |piece| count += piece.split(|byte| *byte == b'\n').count() as u64 - 1)?;
    Ok(count)
}
