//! The one place where this slice decides that somebody may be on a list: from the ledger entries,
//! read in the caller's transaction.

mod ahead;

use std::collections::{BTreeMap, BTreeSet};

use volens_privacy::consent::{Entry, Permit, Refusal};
use volens_privacy::purpose::{BusinessMessages, ModelTraining, Relevance};
use volens_privacy::{AppId, Consents, KeyRing, SubjectId, Timestamp};

pub use ahead::Ahead;

use super::Result;
use crate::accounts::suppression;
use crate::db::Tx;
use crate::identity::{self, PermittedLink};
use crate::{accounts, consent};

/// Why an account may not be on a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denial {
    /// No such account (any more), its processing is restricted, or its entries do not open.
    Unverifiable,
    /// It is not an account of the delivery app.
    OtherApp,
    /// Objects to direct marketing.
    Objects,
    /// Known to be younger than eighteen.
    Underage,
    /// A consent is missing.
    Consent(Refusal),
}

impl Denial {
    /// Stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unverifiable => "account.unverifiable",
            Self::OtherApp => "account.other_app",
            Self::Objects => "recipient.objected",
            Self::Underage => "account.underage",
            Self::Consent(refusal) => refusal.code(),
        }
    }
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        Self::Consent(refusal)
    }
}

/// The verified consents of a batch of accounts and of those linked with them, at one moment.
pub struct Verified {
    now: Timestamp,
    accounts: BTreeMap<SubjectId, accounts::Account>,
    consents: BTreeMap<SubjectId, Consents>,
    links: BTreeMap<SubjectId, Vec<PermittedLink>>,
    objecting: BTreeSet<SubjectId>,
}

/// Everything that lets one account be a recipient.
pub struct Recipient<'v> {
    /// To be written to.
    pub messages: Permit<'v, BusinessMessages>,
    /// To be ranked.
    pub relevance: Permit<'v, Relevance>,
    /// To teach models, where they permit it: nothing about a list depends on it.
    pub teaching: Option<Permit<'v, ModelTraining>>,
}

/// Everything that lets another app's account lend its signals.
pub struct Lender<'v> {
    /// The link that both consents permit.
    pub link: &'v PermittedLink,
    /// The lending account's consent to being ranked.
    pub relevance: Permit<'v, Relevance>,
}

impl Verified {
    /// Reads and verifies the entries of these accounts and of the accounts linked with them. One
    /// whose entries do not open is left out, and so denied.
    pub async fn read(
        tx: &mut Tx,
        keys: &KeyRing,
        subjects: impl IntoIterator<Item = SubjectId>,
        now: Timestamp,
    ) -> Result<Self> {
        let mut all: BTreeSet<SubjectId> = subjects.into_iter().collect();
        let asked: Vec<SubjectId> = all.iter().copied().collect();
        let links = identity::permitted_links(tx, keys, &asked, now).await?;
        all.extend(links.values().flatten().map(|link| link.peer));
        let all: Vec<SubjectId> = all.into_iter().collect();
        let accounts = accounts::find(tx, &all).await?;
        Ok(Self {
            now,
            consents: consent::consents_of_accounts(tx, keys, &accounts).await?,
            accounts,
            links,
            objecting: suppression::objecting(tx, keys, &asked).await?,
        })
    }

    /// Whether an account may be a recipient in `app`.
    pub fn recipient(&self, subject: SubjectId, app: &AppId) -> Result<Recipient<'_>, Denial> {
        let account = self.accounts.get(&subject).ok_or(Denial::Unverifiable)?;
        let consents = self.consents.get(&subject).ok_or(Denial::Unverifiable)?;
        if account.app != *app {
            return Err(Denial::OtherApp);
        }
        if account.frozen_at.is_some() {
            return Err(Denial::Unverifiable);
        }
        if self.objecting.contains(&subject) {
            return Err(Denial::Objects);
        }
        if !account.details.age_band.profiling_allowed() {
            return Err(Denial::Underage);
        }
        Ok(Recipient {
            messages: consents.permit::<BusinessMessages>((), self.now)?,
            relevance: consents.permit::<Relevance>((), self.now)?,
            teaching: consents.permit::<ModelTraining>((), self.now).ok(),
        })
    }

    /// The accounts of other apps that may lend their signals to this one.
    pub fn lenders(&self, subject: SubjectId) -> Vec<Lender<'_>> {
        let mut lenders = Vec::new();
        for link in self.links.get(&subject).into_iter().flatten() {
            let Some(consents) = self.consents.get(&link.peer) else { continue };
            if let Ok(relevance) = consents.permit::<Relevance>((), self.now) {
                lenders.push(Lender { link, relevance });
            }
        }
        lenders
    }

    /// The language of an account, when its app told.
    pub fn language(&self, subject: SubjectId) -> Option<&str> {
        let language = self.accounts.get(&subject)?.details.language.as_str();
        (!language.is_empty()).then_some(language)
    }

    /// An entry of an account, by its index in the ledger.
    pub fn entry(&self, subject: SubjectId, index: u64) -> Option<&Entry> {
        let history = self.consents.get(&subject)?.history();
        let at = history.binary_search_by_key(&index, |entry| entry.index).ok()?;
        Some(&history[at])
    }
}
