//! I-18: consents end in time, and time does not run back. And how long a sweep may take.

use std::time::Duration;

use volens_privacy::ledger::Leaf;
use volens_privacy::{PurposeKind, Timestamp};

use super::{Finding, Look, store};
use crate::audit::AuditError;
use crate::db::values;
use crate::ledger;

/// What has run out may still stand for so long, until a sweep removes it; permits never wait for
/// that.
const SWEPT_WITHIN: Duration = Duration::from_mins(10);
/// Entries looked at together.
const ENTRIES: u64 = 2048;
/// Times of entries are cut to the minute, so that a step of one is a clock that differs by a moment.
const MINUTE: Duration = Duration::from_mins(1);

/// What ran out before this moment must be gone.
pub(super) fn swept_before(now: Timestamp) -> Timestamp {
    now.minus(SWEPT_WITHIN)
}

/// Grants within their purpose's limit; entries and checkpoints in the order of time.
pub(super) async fn check(look: &mut Look<'_>) -> Result<(), AuditError> {
    look.count(store::COUNT_TIMED, values![]).await?;
    for purpose in PurposeKind::ALL {
        let lasts = Timestamp::from_micros(0).plus(purpose.definition().lasts());
        look.must_be_empty(store::LONG_GRANTS, values![purpose.as_str(), lasts], |row| {
            let finding = Finding::new("grant.too_long").of(row.get("subject")?);
            Ok(finding.entry(row.get("entry")?))
        })
        .await?;
    }
    look.must_be_empty(store::CHECKPOINTS_BACK, values![], |row| {
        let size: u64 = row.get("size")?;
        Ok(Finding::new("time.back").at(format!("checkpoint of {size}")))
    })
    .await?;
    entries(look).await
}

async fn entries(look: &mut Look<'_>) -> Result<(), AuditError> {
    let size = ledger::size(look.tx).await?;
    let mut latest = Timestamp::from_micros(i64::MIN);
    let mut from = 0;
    while from < size {
        let to = size.min(from + ENTRIES);
        for (index, bytes) in ledger::entries(look.tx, from, to).await? {
            let Ok(leaf) = Leaf::parse(&bytes) else { continue };
            if leaf.at().plus(MINUTE) < latest {
                look.found(Finding::new("time.back").entry(index));
            }
            latest = latest.max(leaf.at());
        }
        look.progress(to, size);
        from = to;
    }
    Ok(())
}
