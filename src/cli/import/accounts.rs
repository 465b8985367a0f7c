//! The pass that makes and updates accounts.

use std::path::Path;

use anyhow::Result;
use serde_json::json;

use super::Importing;
use super::mapping::{BadCell, Cells, Columns, Mapping, ROW};
use crate::accounts::http::{DetailsIn, reference};
use crate::accounts::{Details, Registered, Registration};
use crate::consent::register;

/// Rows in one transaction.
const CHUNK: usize = 1024;

impl Importing<'_> {
    /// Makes an account of every row of the table.
    pub(super) async fn accounts(&mut self, path: &Path) -> Result<()> {
        let Some(mut pass) = self.begin("accounts", path, None).await? else { return Ok(()) };
        let columns = self.mapping.columns(pass.header())?;
        while let Some(chunk) = pass.next(CHUNK) {
            let mut rng = self.app.rng();
            let mut new = Vec::with_capacity(chunk.rows.len());
            for (row, cells) in &chunk.rows {
                self.summary.accounts.rows += 1;
                let Some(cells) = cells else {
                    self.rejects.add(&pass.file, *row, "row.unreadable", "")?;
                    continue;
                };
                match account(&self.mapping, &columns, cells, *row) {
                    Ok((reference, details)) => {
                        let (keys, app) = (&self.app.keys, &self.mapping.app);
                        new.push(Registration::new(keys, &mut rng, app, &reference, details));
                    }
                    Err(bad) => self.rejects.cell(&pass.file, *row, &bad)?,
                }
            }
            if !self.dry_run {
                let mut tx = self.app.db.begin().await?;
                for registered in
                    register(&mut tx, &self.app.keys, &mut rng, &new, self.now).await?
                {
                    match registered {
                        Registered::Created(_) => self.summary.accounts.created += 1,
                        Registered::Known(_) => self.summary.accounts.known += 1,
                    }
                }
                pass.advance(&mut tx, self).await?;
                tx.commit().await?;
            }
            pass.show();
        }
        pass.end(self).await
    }
}

/// The app's reference of the account a row is about.
pub(super) fn reference_of(
    mapping: &Mapping,
    columns: &Columns,
    cells: &Cells,
    row: u64,
) -> Result<String, BadCell> {
    let column = mapping.account.reference.as_deref().unwrap_or("account");
    let text = if column == ROW {
        format!("{}{row}", mapping.account.prefix)
    } else {
        let cell = columns.cell(cells, column);
        cell.ok_or_else(|| BadCell::new(column, "account.missing"))?.to_owned()
    };
    match reference(&text) {
        Ok(_) => Ok(text),
        Err(problem) => Err(BadCell::new(column, problem.code())),
    }
}

/// The account a row is about, checked as `PUT /v1/accounts` checks it.
fn account(
    mapping: &Mapping,
    columns: &Columns,
    cells: &Cells,
    row: u64,
) -> Result<(String, Details), BadCell> {
    let reference = reference_of(mapping, columns, cells, row)?;
    let of = &mapping.account;
    let said = json!({
        "language": columns.source(cells, of.language.as_ref()),
        "country": columns.source(cells, of.country.as_ref()),
        "time_zone": columns.source(cells, of.time_zone.as_ref()),
        "age_band": columns.source(cells, of.age_band.as_ref()),
    });
    let details: DetailsIn =
        serde_json::from_value(said).map_err(|_| BadCell::new("", "account.invalid"))?;
    details.check().map(|details| (reference, details)).map_err(|problem| {
        let field = problem.errors().first().map(|field| field.pointer.trim_start_matches('/'));
        BadCell::new(field.unwrap_or_default(), problem.code())
    })
}
