//! I-2 and I-9: what is derived from people ends with their consent and never begins for minors.

use volens_privacy::{AgeBand, PurposeKind};

use super::{Finding, Look, lifetimes, store};
use crate::audit::AuditError;
use crate::db::{Statement, Value, values};

/// What must not be, and what it is called.
const LOOSE: [(Statement, &str); 8] = [
    (store::LOOSE_PROFILES, "profile.no_live_grant"),
    (store::LOOSE_EXPOSURES, "exposure.no_live_grant"),
    (store::LOOSE_AWAITED, "awaited_purchase.no_live_grant"),
    (store::LOOSE_SCORES, "score.no_live_grant"),
    (store::LOOSE_ROWS, "list_row.no_live_grant"),
    (store::LOOSE_OWN_LOANS, "loan.no_live_grant"),
    (store::LOOSE_LENDERS, "lender.no_live_grant"),
    (store::LOOSE_LENT_RELEVANCE, "lender.no_live_grant"),
];

/// Every row rests on live grants of the purposes it needs, nobody whose processing is restricted is
/// linked, scored or lends, and nobody who objects to marketing is profiled, scored or agreed to it. (Restriction allows storing, GDPR Art. 18(2): profiles stay, unused.)
pub(super) async fn consented(look: &mut Look<'_>) -> Result<(), AuditError> {
    look.count(store::COUNT_DERIVED, values![]).await?;
    let ended = lifetimes::swept_before(look.now);
    for (done, (statement, code)) in LOOSE.into_iter().enumerate() {
        look.progress(done as u64, LOOSE.len() as u64);
        look.must_be_empty(statement, values![ended], |row| {
            Ok(Finding::new(code).of(row.get("subject")?))
        })
        .await?;
    }
    look.must_be_empty(store::USED_FROZEN, values![], |row| {
        let kind: String = row.get("kind")?;
        let code = if kind == "scores" { "score.frozen" } else { "frozen.processed" };
        Ok(Finding::new(code).of(row.get("subject")?).at(kind))
    })
    .await?;
    look.must_be_empty(store::USED_OBJECTING, values![], |row| {
        let kind: String = row.get("kind")?;
        Ok(Finding::new("objection.ignored").of(row.get("subject")?).at(kind))
    })
    .await
}

/// Nothing is kept for a purpose, nor agreed to, of an account whose age band says that its person is too
/// young for that purpose.
pub(super) async fn old_enough(look: &mut Look<'_>) -> Result<(), AuditError> {
    look.count(store::COUNT_AGED, values![]).await?;
    for purpose in PurposeKind::ALL {
        let least = purpose.definition().minimum_age();
        let young = AgeBand::ALL.into_iter().filter(|band| !band.at_least(least));
        let young: Vec<Value> = young.map(|band| Value::from(band.as_str())).collect();
        if young.is_empty() {
            continue;
        }
        let fixed = values![purpose.as_str()];
        let rows = look.tx.fetch_list(store::OF_YOUNGER, fixed, young).await?;
        look.examples(&rows, |row| {
            let kind: String = row.get("kind")?;
            Ok(Finding::new("minor.processed").of(row.get("subject")?).at(kind))
        })?;
    }
    Ok(())
}
