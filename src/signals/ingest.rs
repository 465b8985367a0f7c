//! From read items to stored profiles, many callers in one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::Rng;
use volens_privacy::notice::Notices;
use volens_privacy::purpose::{ModelTraining, Relevance};
use volens_privacy::{AccountTag, AgeBand, AppId, Consents, KeyRing, SubjectId, Timestamp};

use super::awaited::{self, Bought};
use super::item::{Content, Item, Parsed};
use super::kinds::Kind;
use super::profile::{Observation, Profile};
use super::reason::Reason;
use super::{MAX_AGE_DAYS, SignalError, context, days_long, store};
use crate::db::{self, Tx};
use crate::{accounts, consent};

/// How far ahead of us a sender's clock may be.
const MAX_AHEAD: Duration = Duration::from_mins(5);
/// The most traits of one account.
const MAX_TRAITS: usize = 64;

/// The items of one call.
pub struct Batch {
    /// Who sends them.
    pub app: AppId,
    /// When they arrived.
    pub received: Timestamp,
    /// As read, in order.
    pub items: Vec<Parsed>,
}

/// What became of one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Taken in.
    Accepted,
    /// Taken in before.
    Duplicate,
    /// Not taken in; nothing of it is stored.
    Refused(Reason),
}

/// What became of an item, and which parts of it were left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The decision.
    pub outcome: Outcome,
    /// Parts left out of an accepted item, or claims that were ignored.
    pub notes: Vec<Reason>,
}

/// Decides and applies the items of many calls: their answers, in order.
pub async fn take_in(
    tx: &mut Tx,
    keys: &KeyRing,
    batches: &[Batch],
    now: Timestamp,
    rng: &mut (dyn Rng + Send),
) -> Result<Vec<Vec<Taken>>, SignalError> {
    let mut door = Door::open(tx, keys, batches, now, rng).await?;
    let answers: Vec<Vec<Taken>> = batches.iter().map(|batch| door.batch(batch)).collect();
    door.close(tx, rng).await?;
    count(tx, batches, &answers, now).await?;
    Ok(answers)
}

/// Everything the decisions need, read once for all items.
struct Door<'k> {
    keys: &'k KeyRing,
    now: Timestamp,
    subjects: BTreeMap<(AppId, String), SubjectId>,
    accounts: BTreeMap<SubjectId, store::Account>,
    consents: BTreeMap<SubjectId, Consents>,
    profiles: BTreeMap<SubjectId, Profile>,
    /// What the tags of each account's messages are made with: as its profile has it, or anew.
    salts: BTreeMap<SubjectId, [u8; 16]>,
    tags: BTreeSet<[u8; 16]>,
    new_tags: BTreeSet<[u8; 16]>,
    touched: BTreeMap<SubjectId, AppId>,
    /// Purchases of people who permit teaching models.
    bought: Vec<Bought>,
}

impl<'k> Door<'k> {
    async fn open(
        tx: &mut Tx,
        keys: &'k KeyRing,
        batches: &[Batch],
        now: Timestamp,
        rng: &mut (dyn Rng + Send),
    ) -> Result<Self, SignalError> {
        let mut asked: BTreeMap<&AppId, BTreeMap<&str, AccountTag>> = BTreeMap::new();
        for (app, item) in readable(batches) {
            let of_app = asked.entry(app).or_default();
            let tag = of_app.entry(&item.account);
            tag.or_insert_with(|| keys.account_tag(app, &item.account));
        }
        let mut subjects = BTreeMap::new();
        for (app, references) in asked {
            let found = accounts::subjects_of(tx, app, references.values().copied()).await?;
            for (reference, tag) in references {
                if let Some(subject) = found.get(&tag) {
                    subjects.insert((app.clone(), reference.to_owned()), *subject);
                }
            }
        }
        let all: BTreeSet<SubjectId> = subjects.values().copied().collect();
        let list: Vec<SubjectId> = all.iter().copied().collect();
        let accounts = store::lock_accounts(tx, &all).await?;
        let consents = consent::consents_of(tx, keys, &list).await?;
        let profiles = super::profiles(tx, keys, &list).await?;
        let salt = |subject: &SubjectId| {
            let known = profiles.get(subject).and_then(|profile| profile.salt);
            let salt = known.unwrap_or_else(|| {
                let mut salt = [0; 16];
                rng.fill_bytes(&mut salt);
                salt
            });
            (*subject, salt)
        };
        let salts: BTreeMap<SubjectId, [u8; 16]> = all.iter().map(salt).collect();
        let mut tags = BTreeSet::new();
        for (app, item) in readable(batches) {
            let subject = subjects.get(&(app.clone(), item.account.clone()));
            let salt = subject.and_then(|subject| salts.get(subject));
            let of = salt.zip(item.key.as_deref());
            tags.extend(of.map(|(salt, key)| keys.signal_tag(app, salt, key)));
        }
        Ok(Self {
            keys,
            now,
            accounts,
            consents,
            profiles,
            salts,
            tags: store::tags(tx, tags).await?,
            subjects,
            new_tags: BTreeSet::new(),
            touched: BTreeMap::new(),
            bought: Vec::new(),
        })
    }

    fn batch(&mut self, batch: &Batch) -> Vec<Taken> {
        let taken = |parsed: &Parsed| {
            let mut notes = parsed.notes.clone();
            let outcome = match &parsed.item {
                Ok(item) => self.decide(&batch.app, item, batch.received, &mut notes),
                Err(reason) => Outcome::Refused(*reason),
            };
            Taken { outcome, notes }
        };
        batch.items.iter().map(taken).collect()
    }

    fn decide(
        &mut self,
        app: &AppId,
        item: &Item,
        received: Timestamp,
        notes: &mut Vec<Reason>,
    ) -> Outcome {
        let admitted = match self.admit(app, item, received) {
            Ok(admitted) => admitted,
            Err(reason) => return Outcome::Refused(reason),
        };
        let Admitted { subject, by_day } = admitted;
        let Some(&salt) = self.salts.get(&subject) else {
            return Outcome::Refused(Reason::AccountUnknown);
        };
        if let Some(key) = &item.key {
            let tag = self.keys.signal_tag(app, &salt, key);
            if self.tags.contains(&tag) || !self.new_tags.insert(tag) {
                return Outcome::Duplicate;
            }
        }
        self.touched.insert(subject, app.clone());
        let profile = self.profiles.entry(subject).or_default();
        profile.salt = Some(salt);
        apply(profile, item, by_day, notes);
        if let Content::Did(Observation { kind: Kind::Bought, business: Some(business), .. }) =
            item.content
            && self.teaches(subject)
        {
            self.bought.push(Bought { subject, business, at: item.at });
        }
        Outcome::Accepted
    }

    /// Whether this item may be used at all. The permit is the proof; it lives as long as the
    /// verified entries it was read from.
    fn admit(&self, app: &AppId, item: &Item, received: Timestamp) -> Result<Admitted, Reason> {
        let oldest = received.minus(days_long(MAX_AGE_DAYS));
        if item.at > received.plus(MAX_AHEAD) || item.at < oldest {
            return Err(Reason::TimeOutOfRange);
        }
        let subject = self.subjects.get(&(app.clone(), item.account.clone()));
        let subject = *subject.ok_or(Reason::AccountUnknown)?;
        let account = self.accounts.get(&subject).ok_or(Reason::AccountUnknown)?;
        if account.frozen {
            return Err(Reason::AccountFrozen);
        }
        if !account.age_band.parse::<AgeBand>().is_ok_and(AgeBand::profiling_allowed) {
            return Err(Reason::AccountUnderage);
        }
        let consents = self.consents.get(&subject).ok_or(Reason::ConsentAbsent)?;
        let permit = consents.permit::<Relevance>((), self.now).map_err(Reason::from)?;
        let by_day = Notices::builtin().counts_by_day(permit.notice());
        Ok(Admitted { subject: permit.subject(), by_day })
    }

    /// Whether what they do may be noted to teach models.
    fn teaches(&self, subject: SubjectId) -> bool {
        let consents = self.consents.get(&subject);
        consents.is_some_and(|consents| consents.permit::<ModelTraining>((), self.now).is_ok())
    }

    async fn close(self, tx: &mut Tx, rng: &mut (dyn Rng + Send)) -> Result<(), SignalError> {
        if self.touched.is_empty() {
            return Ok(());
        }
        let list: Vec<SubjectId> = self.touched.keys().copied().collect();
        let data_keys = accounts::data_keys(tx, self.keys, &list).await?;
        let mut sealed = Vec::new();
        for (subject, app) in &self.touched {
            let (Some(key), Some(profile)) = (data_keys.get(subject), self.profiles.get(subject))
            else {
                continue;
            };
            let bytes = key.seal(&context(subject), &profile.to_bytes(), rng);
            sealed.push(store::Sealed { subject: *subject, app, bytes });
        }
        store::put_tags(tx, &self.new_tags, self.now).await?;
        let changed = db::changes::next(tx).await?;
        store::put_profiles(tx, sealed, changed).await?;
        awaited::note(tx, &data_keys, &self.bought, rng).await
    }
}

fn readable(batches: &[Batch]) -> impl Iterator<Item = (&AppId, &Item)> {
    batches.iter().flat_map(|batch| {
        let items = batch.items.iter().filter_map(|parsed| parsed.item.as_ref().ok());
        items.map(move |item| (&batch.app, item))
    })
}

/// Whose item may be used, and how.
struct Admitted {
    subject: SubjectId,
    /// Whether the notice they agreed to says that acts are counted by day.
    by_day: bool,
}

fn apply(profile: &mut Profile, item: &Item, by_day: bool, notes: &mut Vec<Reason>) {
    match &item.content {
        Content::Did(seen) => {
            profile.observe(seen);
            if by_day {
                profile.count_by_day(seen);
            }
        }
        Content::Is(said) => {
            if let Some(language) = &said.language {
                profile.speak(language, item.at);
            }
            for (name, value) in &said.traits {
                if profile.trait_of(name).is_none() && profile.traits().len() >= MAX_TRAITS {
                    notes.push(Reason::TraitTooMany);
                } else {
                    profile.describe(name, value.clone(), item.at);
                }
            }
        }
    }
}

/// Counts by app and code what was refused or left out.
async fn count(
    tx: &mut Tx,
    batches: &[Batch],
    answers: &[Vec<Taken>],
    now: Timestamp,
) -> Result<(), SignalError> {
    let mut counts: BTreeMap<(&AppId, &'static str), i64> = BTreeMap::new();
    for (batch, answers) in batches.iter().zip(answers) {
        for taken in answers {
            let refused = match taken.outcome {
                Outcome::Refused(reason) => Some(reason),
                Outcome::Accepted | Outcome::Duplicate => None,
            };
            for reason in refused.into_iter().chain(taken.notes.iter().copied()) {
                *counts.entry((&batch.app, reason.code())).or_default() += 1;
            }
        }
    }
    Ok(store::count_refusals(tx, now.day(), &counts).await?)
}
