//! Tables and folds as the evaluations take them.

use std::path::{Path, PathBuf};

use anyhow::Result;
use volens_models::dataset::{self, Split};
use volens_models::table::TableError;
use volens_models::{Column, Table};

use crate::cli::output::{Exit, Stop};
use crate::tabular::{self, TabularError};

/// Folds when none are given.
const FOLDS: usize = 5;
/// Seed of everything that is drawn here, so that a run can be repeated.
pub(super) const SEED: u64 = 20_261_121;

/// Where the rows are and what to leave out.
#[derive(clap::Args)]
pub(super) struct Source {
    /// The table, CSV or Parquet
    #[arg(id = "data", long = "data", value_name = "FILE", required = true)]
    pub(super) data: PathBuf,
    /// A column to leave out; may be repeated
    #[arg(long, value_name = "COL")]
    pub(super) drop: Vec<String>,
    /// A table with the columns row (from 0) and fold [default: five stratified folds]
    #[arg(long, value_name = "FILE")]
    pub(super) folds: Option<PathBuf>,
}

/// Reads a table; an absent file and an empty one are told apart.
pub(super) fn read(path: &Path) -> Result<Table> {
    let table = tabular::read_table(path).map_err(|error| match error {
        TabularError::Missing(_) => Stop::new(Exit::NotFound, error.to_string()).into(),
        TabularError::Record { .. } | TabularError::Table(_) => {
            anyhow::Error::new(error).context(format!("reading {}", path.display()))
        }
        _ => anyhow::Error::new(error),
    })?;
    if table.rows() == 0 {
        return Err(Stop::new(
            Exit::Failure,
            format!("{} has a header and no rows", path.display()),
        )
        .into());
    }
    Ok(table)
}

/// An error about a column name or its content: the name is a matter of the command line, the content is not.
pub(super) fn column_error(error: TableError) -> anyhow::Error {
    match error {
        TableError::NoColumn { .. } => Stop::new(Exit::Usage, error.to_string()).into(),
        _ => error.into(),
    }
}

impl Source {
    /// The table without the dropped columns and those in `answers`.
    pub(super) fn features(&self, table: &Table, answers: &[&str]) -> Result<Table> {
        let mut names: Vec<&str> = self.drop.iter().map(String::as_str).collect();
        names.extend(answers);
        let features = table.without(&names).map_err(column_error)?;
        if features.names().is_empty() {
            return Err(Stop::new(Exit::Usage, "no column is left to learn from").into());
        }
        Ok(features)
    }

    /// The fold of each row: as given, or stratified by `strata`.
    pub(super) fn folds(&self, strata: &[bool]) -> Result<Vec<u32>> {
        match &self.folds {
            None => Ok(dataset::stratified(strata, FOLDS, SEED)),
            Some(path) => given_folds(&read(path)?, strata.len()).map_err(|problem| {
                Stop::new(Exit::Failure, format!("{}: {problem}", path.display())).into()
            }),
        }
    }
}

/// One split per fold.
pub(super) fn splits(folds: &[u32]) -> Result<Vec<Split>> {
    Ok(dataset::splits(folds, folds.len())?)
}

fn given_folds(table: &Table, rows: usize) -> Result<Vec<u32>, String> {
    let column = |name: &str| match table.column(name) {
        Ok(Column::Number(values)) => Ok(values),
        Ok(Column::Category { .. }) => {
            Err(format!("the column \"{name}\" must hold whole numbers"))
        }
        Err(error) => Err(error.to_string()),
    };
    let mut folds: Vec<Option<u32>> = vec![None; rows];
    for (&row, &fold) in column("row")?.iter().zip(column("fold")?) {
        let place = whole(row).and_then(|row| folds.get_mut(row as usize));
        let (Some(place), Some(fold)) = (place, whole(fold)) else {
            return Err(format!(
                "row {row} in fold {fold}: there is no such row or fold ({rows} rows)"
            ));
        };
        if place.replace(fold).is_some() {
            return Err(format!("row {row} is in two folds"));
        }
    }
    let missing = folds.iter().position(Option::is_none);
    match missing {
        Some(row) => Err(format!("row {row} is in no fold")),
        None => Ok(folds.into_iter().flatten().collect()),
    }
}

fn whole(number: f64) -> Option<u32> {
    (number.fract() == 0.0 && (0.0..f64::from(u32::MAX)).contains(&number)).then_some(number as u32)
}
