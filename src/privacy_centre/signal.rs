//! Global Privacy Control: a browser that sends `Sec-GPC: 1` says no for its user (W3C TR gpc; CCPA
//! §1798.135). It decides what the person has not decided themselves, and never ends what they chose.

use volens_privacy::Timestamp;
use volens_privacy::identity::AppId;
use volens_privacy::purpose::PurposeKind;

use super::Person;
use crate::access::directory;
use crate::consent::{self, Withdrawal};
use crate::db::Tx;

/// What the signal says no to on the page of `person`: messages from businesses, and linking with any
/// other app, wherever nothing was decided so far. Recorded, each is a no like the person's own.
pub async fn denied(
    tx: &mut Tx,
    person: &Person,
    now: Timestamp,
) -> Result<Vec<Withdrawal>, crate::access::AccessError> {
    let grants = consent::grants_of(tx, &[person.subject]).await?;
    let apps = directory::every_app(tx).await?;
    let others = apps.into_iter().map(|app| app.id).filter(|id| *id != person.app);
    let linking = others.map(|peer| (PurposeKind::CrossAppLinking, Some(peer)));
    let all = std::iter::once((PurposeKind::BusinessMessages, None)).chain(linking);
    let decided = |purpose: PurposeKind, peer: &Option<AppId>| {
        grants.iter().any(|grant| grant.purpose == purpose && grant.peer == *peer)
    };
    let undecided = all.filter(|(purpose, peer)| !decided(*purpose, peer));
    Ok(undecided
        .map(|(purpose, peer)| Withdrawal {
            app: person.app.clone(),
            account: person.account,
            purpose,
            peer,
            decided_at: now,
            from_evidence: false,
            evidence: Some(serde_json::json!({
                "signal": "Sec-GPC: 1",
                "surface": "privacy centre",
            })),
        })
        .collect())
}
