//! From profiles to what a learner sees. Every function here takes the permits it needs.

use std::collections::BTreeMap;

use volens_models::features::{Features, Message, Person, pair};
use volens_privacy::purpose::Relevance;
use volens_privacy::{Consented, Permit, SubjectId, Timestamp};

use super::standing::Standing;
use crate::identity::PermittedLink;
use crate::signals::Profile;

/// An account that lends to the recipient: the link that both accounts' consents permit, and its own
/// permit to be profiled.
pub struct Lender<'p> {
    /// The recipient's link to it.
    pub link: &'p PermittedLink,
    /// Its own consent to be profiled.
    pub permit: &'p Permit<'p, Relevance>,
    /// What it did.
    pub profile: &'p Profile,
}

/// The features of a recipient and a message at `now`, with what directly linked accounts lend.
/// A lender whose permit is not that of the linked account lends nothing.
pub fn of_pair<'p>(
    permit: &'p Permit<'p, Relevance>,
    profile: Option<&Profile>,
    language: Option<&str>,
    lenders: &[Lender<'_>],
    message: &Message,
    now: Timestamp,
) -> Consented<'p, Relevance, Features> {
    let person = profile.map(Standing::of).unwrap_or_default().person(language, now);
    let lent: BTreeMap<SubjectId, Person> = lenders
        .iter()
        .filter(|lender| lender.permit.subject() == lender.link.peer)
        .map(|lender| (lender.link.peer, Standing::of(lender.profile).person(None, now)))
        .collect();
    let lent: Vec<Person> = lent.into_values().collect();
    permit.attach(pair(&person, message, &lent))
}
