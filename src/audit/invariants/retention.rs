//! I-12: nothing is kept longer than what it is for.

use super::{Finding, Look, lifetimes, store};
use crate::audit::AuditError;
use crate::db::{Statement, values};
use crate::signals::MAX_AGE_DAYS;

/// What has run out, and what it is called.
const RUN_OUT: [(Statement, &str); 2] =
    [(store::LATE_GRANTS, "grant.run_out"), (store::LATE_SCORES, "score.run_out")];

/// Consents past their end, rows of lists that expired, counts of old signals.
pub(super) async fn check(look: &mut Look<'_>) -> Result<(), AuditError> {
    look.count(store::COUNT_LASTING, values![]).await?;
    let before = lifetimes::swept_before(look.now);
    for (statement, code) in RUN_OUT {
        look.must_be_empty(statement, values![before], |row| {
            Ok(Finding::new(code).of(row.get("subject")?))
        })
        .await?;
    }
    // A sweep forgets by whole days.
    let days = std::time::Duration::from_hours((MAX_AGE_DAYS + 3) * 24);
    look.must_be_empty(store::LATE_REFUSALS, values![look.now.minus(days)], |row| {
        let app: String = row.get("app")?;
        Ok(Finding::new("signal_count.run_out").at(app))
    })
    .await
}
