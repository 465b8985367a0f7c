//! How far imports came.

use volens_privacy::Timestamp;

use crate::db::{Result, Tx, Value, statements, values};

statements! {
    PROGRESS = "select done, finished_at from import_runs where run = $1";
    ADVANCE = "insert into import_runs (run, pass, done, started_at, finished_at)
        values ($1, $2, $3, $4, $5)
        on conflict (run) do update set done = excluded.done, finished_at = excluded.finished_at";
}

/// How far a run came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Done {
    /// Rows behind it.
    pub(super) rows: u64,
    /// Whether it came to the end.
    pub(super) finished: bool,
}

pub(super) async fn progress(tx: &mut Tx, run: &[u8; 32]) -> Result<Done> {
    let Some(row) = tx.fetch_optional(PROGRESS, values![run]).await? else {
        return Ok(Done::default());
    };
    let rows: i64 = row.get("done")?;
    let finished: Option<i64> = row.get("finished_at")?;
    Ok(Done { rows: rows.unsigned_abs(), finished: finished.is_some() })
}

pub(super) async fn advance(
    tx: &mut Tx,
    run: &[u8; 32],
    pass: &str,
    done: Done,
    now: Timestamp,
) -> Result<()> {
    let finished = done.finished.then_some(now);
    let mut values = values![run, pass];
    values.push(Value::count(done.rows)?);
    values.extend(values![now, finished]);
    tx.execute(ADVANCE, values).await?;
    Ok(())
}
