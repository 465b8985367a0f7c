//! Links between a person's accounts in two apps: a view over two live tokens, never a stored fact.
//!
//! The `links` view finds candidates. Whether a link may be used is decided by
//! [`permitted_links`], from the verified consents of both accounts and both tokens
//! ([`volens_privacy::identity::link`]). Links are pairwise and never transitive.

pub mod http;
mod store;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use store::STATEMENTS;
use volens_privacy::Timestamp;
use volens_privacy::consent::Consents;
use volens_privacy::identity::{AppId, SubjectId, link};
use volens_privacy::keys::KeyRing;
use volens_privacy::purpose::CrossAppLinking;

use crate::consent::{self, ConsentError};
use crate::db::{self, Tx};
use crate::ids::GrantId;

/// A link that both consents permit at the time it was looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermittedLink {
    /// The linked account of the other app.
    pub peer: SubjectId,
    /// The other app.
    pub peer_app: AppId,
    /// This account's linking grant, and its ledger entry.
    pub grant: (GrantId, u64),
    /// The other account's linking grant, and its ledger entry.
    pub peer_grant: (GrantId, u64),
}

/// The accounts that the view links with `subject`: candidates, without a permit.
pub async fn links_of(tx: &mut Tx, subject: SubjectId) -> db::Result<Vec<(AppId, SubjectId)>> {
    let links = store::links(tx, &[subject]).await?;
    Ok(links.into_iter().map(|link| (link.peer_app, link.peer_subject)).collect())
}

/// Candidate links of many accounts at once: `(account, linked account of another app)`.
pub async fn candidates(
    tx: &mut Tx,
    subjects: &[SubjectId],
) -> db::Result<Vec<(SubjectId, SubjectId)>> {
    let links = store::links(tx, subjects).await?;
    Ok(links.into_iter().map(|link| (link.subject, link.peer_subject)).collect())
}

/// The links of these accounts that both sides' verified consents permit at `now`.
pub async fn permitted_links(
    tx: &mut Tx,
    keys: &KeyRing,
    subjects: &[SubjectId],
    now: Timestamp,
) -> Result<BTreeMap<SubjectId, Vec<PermittedLink>>, ConsentError> {
    let candidates = store::links(tx, subjects).await?;
    let both: BTreeSet<SubjectId> =
        candidates.iter().flat_map(|c| [c.subject, c.peer_subject]).collect();
    let both: Vec<SubjectId> = both.into_iter().collect();
    let consents = consent::consents_of(tx, keys, &both).await?;
    let mut permitted: BTreeMap<SubjectId, Vec<PermittedLink>> = BTreeMap::new();
    for candidate in &candidates {
        let sides = (consents.get(&candidate.subject), consents.get(&candidate.peer_subject));
        let (Some(own), Some(peer)) = sides else { continue };
        if let Some(link) = permit(candidate, own, peer, now) {
            permitted.entry(candidate.subject).or_default().push(link);
        }
    }
    Ok(permitted)
}

fn permit(
    candidate: &store::Candidate,
    own: &Consents,
    peer: &Consents,
    now: Timestamp,
) -> Option<PermittedLink> {
    let own = own.permit::<CrossAppLinking>(candidate.peer_app.clone(), now).ok()?;
    let peer = peer.permit::<CrossAppLinking>(candidate.app.clone(), now).ok()?;
    let joined = link(&own, &peer, &candidate.token, &candidate.peer_token).ok()?;
    let (_, peer_subject) = joined.subjects();
    Some(PermittedLink {
        peer: peer_subject,
        peer_app: candidate.peer_app.clone(),
        grant: (candidate.grant, own.entry()),
        peer_grant: (candidate.peer_grant, peer.entry()),
    })
}
