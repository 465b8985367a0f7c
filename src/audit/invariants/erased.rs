//! I-4 and I-11: whoever was erased is gone, and what older copies hold of them opens for nobody.

use std::time::Duration;

use volens_privacy::keys::KeyDomain;

use super::{Everybody, Finding, Look, lifetimes, store, store_handed};
use crate::audience::recalls;
use crate::audit::AuditError;
use crate::db::values;
use crate::ids::ListId;
use crate::rights;

/// Accounts looked at in one go.
const PAGE: u32 = 4096;
/// After it, an erasure has to hold in every copy. The law would give a month (GDPR Art. 12(3)).
const WEEK: Duration = Duration::from_hours(7 * 24);

/// So long may a purge be put off: half of the law's month, so that the other half is left to act in.
const PURGE_WITHIN: Duration = Duration::from_hours(15 * 24);

/// No account that the database says is erased is in it, and the last look for canaries found none.
pub(super) async fn gone(look: &mut Look<'_>) -> Result<(), AuditError> {
    let erased = rights::erased(look.tx).await?;
    let mut everybody = Everybody::by(PAGE);
    while let Some(page) = everybody.next(look.tx).await? {
        look.looked(page.len() as u64);
        for subject in page {
            if erased.contains(&look.keys.erasure_tag(subject)) {
                look.found(Finding::new("account.erased_and_there").of(subject));
            }
        }
    }
    let (purged, waiting) = rights::canary::purges(look.tx).await?;
    if let Some(since) = waiting.filter(|since| since.plus(PURGE_WITHIN) < look.now) {
        let place =
            format!("what was erased since {since} is still in the files: run `volens purge`");
        look.found(Finding::new("purge.overdue").at(place));
    }
    let Some(canary) = rights::canary::last(look.tx).await? else { return Ok(()) };
    look.looked(canary.canaries);
    if canary.found > 0 {
        let place = format!("{} places, looked at {}", canary.found, canary.at);
        look.found(Finding::new("canary.left_traces").at(place));
    }
    if canary.files == 0 {
        let shown = purged.map_or_else(
            || "no purge was complete yet".to_owned(),
            |at| format!("that they were rewritten is shown by the purge of {at}"),
        );
        look.limited(format!(
            "the files of the database are out of reach and were not looked into: {shown}"
        ));
    }
    if canary.unread > 0 {
        let unread = canary.unread;
        look.limited(format!("{unread} other files could not be read, or not to their end"));
    }
    Ok(())
}

/// The key that wrapped those of the erased is destroyed within a week, every row that was handed
/// out and ended has its notice to the business, and each notice is acknowledged or was shown to the officer.
pub(super) async fn unreadable(look: &mut Look<'_>) -> Result<(), AuditError> {
    look.count(store::COUNT_ERASED, values![]).await?;
    look.count(store_handed::COUNT_RECALLS, values![]).await?;
    look.must_be_empty(store_handed::UNRECALLED, values![look.now], |row| {
        let list: ListId = row.get("list")?;
        Ok(Finding::new("recall.missing").at(list.to_string()))
    })
    .await?;
    let silent = lifetimes::swept_before(look.now).minus(recalls::ACKNOWLEDGE_WITHIN);
    look.must_be_empty(store_handed::SILENT_RECALLS, values![silent], |row| {
        let list: ListId = row.get("list")?;
        Ok(Finding::new("recall.silent").at(list.to_string()))
    })
    .await?;
    let roots = look.keys.status();
    let of_kek = roots.iter().filter(|root| root.domain == KeyDomain::Kek);
    look.looked(of_kek.clone().count() as u64);
    let Some(oldest) = of_kek.map(|root| root.created).min() else { return Ok(()) };
    let late = values![oldest, look.now.minus(WEEK)];
    let late: u64 = look.tx.fetch_one(store::COUNT_READABLE, late).await?.get("n")?;
    if late > 0 {
        look.found(Finding::new("key.outlives_the_erased").at(format!("{late} erasures")));
        look.more(late - 1);
    }
    Ok(())
}
