//! What there is to learn from: exposures whose window is over, of those who consent to it now, and who said
//! what came of each.
//!
//! A model of the response learns from those written to, as the business reported. What a message *changes* is
//! the difference of two arms, and a business cannot report of those kept aside. So that is learned from labels
//! that one source gave of both arms by one rule, or not at all: from signals of purchases
//! ([`crate::signals::awaited`]), or from an imported table in which both arms stand.

use std::collections::BTreeMap;

use volens_models::card::{Labels, Source};
use volens_models::features::{Features, TREATMENT};
use volens_privacy::purpose::{ModelTraining, Relevance};
use volens_privacy::{BusinessId, Consents, DataKey, KeyRing, SubjectId, Timestamp};

use super::Result;
use super::challenge::Champion;
use super::exposures::{Goal, OutcomeKind, context};
use super::increase::FEWEST;
use super::manifest::Teaching;
use super::proxies::Told;
use super::store::{self, Closed};
use crate::db::Tx;
use crate::signals::awaited;
use crate::{accounts, consent, ledger};

/// Accounts verified at a time.
const PAGE: usize = 1024;

/// What to train.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// On the outcomes of one business, or of all.
    pub business: Option<BusinessId>,
    /// What to predict.
    pub goal: Goal,
}

/// Told how many of how many exposures were looked at.
pub type Progress<'p> = &'p (dyn Fn(u64, u64) + Send + Sync);

/// What a model will learn from, in order of time, and what it will not.
pub struct TrainingSet {
    pub(super) order: Order,
    pub(super) rows: Vec<Row>,
    /// Where the labels of the rows came from.
    pub(super) labels: Labels,
    /// From whom, and what each teaches.
    pub(super) members: BTreeMap<SubjectId, Teaching>,
    pub(super) excluded: BTreeMap<&'static str, u64>,
    /// Entries of the ledger when the permits were verified.
    pub(super) ledger_size: u64,
    /// The moment at which the permits were good.
    pub(super) as_of: Timestamp,
    /// The model in use.
    pub(super) champion: Option<Champion>,
}

pub(super) struct Row {
    /// Whose, by number.
    pub(super) person: usize,
    pub(super) at: Timestamp,
    pub(super) features: Features,
    /// Whether the goal was reached, for a model of the response; nothing where nobody could say.
    pub(super) met: Option<bool>,
    /// The same, as one source tells it of both arms by one rule; nothing where it was not looked for.
    pub(super) alike: Option<(Source, bool)>,
    pub(super) treated: bool,
    /// How probable it was that the message would be sent.
    pub(super) propensity: f64,
    /// Whether there was a complaint or a stop.
    pub(super) harmed: bool,
    pub(super) told: Told,
}

impl TrainingSet {
    /// Rows to learn from.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Exposures left out, by the code of the reason.
    pub fn excluded(&self) -> &BTreeMap<&'static str, u64> {
        &self.excluded
    }

    /// From how many people.
    pub fn people(&self) -> usize {
        self.members.len()
    }
}

/// Reads the exposures whose window is over and keeps those of accounts that consent, at `now`, both
/// to being profiled and to teaching models.
pub async fn gather(
    tx: &mut Tx,
    keys: &KeyRing,
    order: Order,
    now: Timestamp,
    progress: Progress<'_>,
) -> Result<TrainingSet> {
    let ledger_size = ledger::size(tx).await?;
    let champion = Champion::read(tx, order).await?;
    let closed = store::closed(tx, order.business, now).await?;
    let total = closed.len() as u64;
    let mut gathering = Gathering {
        now,
        rows: Vec::new(),
        people: 0,
        excluded: BTreeMap::new(),
        consents: BTreeMap::new(),
    };
    let mut looked_at = 0;
    for page in pages(closed) {
        let subjects: Vec<SubjectId> = page.keys().copied().collect();
        let consents = consent::consents_of(tx, keys, &subjects).await?;
        let data_keys = accounts::data_keys(tx, keys, &subjects).await?;
        let met = store::met(tx, order.goal.outcome(), &subjects).await?;
        let mut harmed = store::met(tx, OutcomeKind::Complaint, &subjects).await?;
        harmed.extend(store::met(tx, OutcomeKind::Stop, &subjects).await?);
        let seen = if order.goal.needs_message() {
            BTreeMap::new()
        } else {
            awaited::noted(tx, &subjects, |of| data_keys.get(&of)).await?
        };
        let known = accounts::find(tx, &subjects).await?;
        for (subject, exposures) in page {
            looked_at += exposures.len() as u64;
            let (Some(consents), Some(key)) = (consents.get(&subject), data_keys.get(&subject))
            else {
                gathering.exclude("consent.absent", exposures.len());
                continue;
            };
            let told = known.get(&subject).map(Told::from);
            let of = (consents, key, told.unwrap_or_default());
            let happened = |exposure: &Closed| {
                let of = (subject, exposure.id);
                Happened {
                    met: met.contains(&of),
                    seen: seen.get(&of).copied(),
                    harmed: harmed.contains(&of),
                }
            };
            gathering.account(of, exposures, happened)?;
        }
        progress(looked_at, total);
    }
    Ok(gathering.finish(order, ledger_size, champion))
}

/// Exposures by account, some accounts at a time.
fn pages(closed: Vec<Closed>) -> Vec<BTreeMap<SubjectId, Vec<Closed>>> {
    let mut pages: Vec<BTreeMap<SubjectId, Vec<Closed>>> = vec![BTreeMap::new()];
    for exposure in closed {
        let full = pages
            .last()
            .is_some_and(|page| page.len() >= PAGE && !page.contains_key(&exposure.subject));
        if full {
            pages.push(BTreeMap::new());
        }
        if let Some(page) = pages.last_mut() {
            page.entry(exposure.subject).or_default().push(exposure);
        }
    }
    pages
}

/// What is on record of one exposure.
struct Happened {
    /// Whether the goal was reported, or stood in the table.
    met: bool,
    /// Whether signals tell of a purchase, where one was awaited.
    seen: Option<bool>,
    harmed: bool,
}

impl Happened {
    /// What a model of the response learns, and what one of the change does.
    fn labels(&self, exposure: &Closed) -> (Option<bool>, Option<(Source, bool)>) {
        if exposure.imported {
            return (Some(self.met), Some((Source::Imported, self.met)));
        }
        let alike = self.seen.map(|seen| (Source::Signals, seen));
        (exposure.treated.then_some(self.met), alike)
    }
}

struct Gathering {
    now: Timestamp,
    rows: Vec<(SubjectId, Row)>,
    /// Accounts looked at.
    people: usize,
    excluded: BTreeMap<&'static str, u64>,
    /// What each account permits, of whom nothing is taught yet.
    consents: BTreeMap<SubjectId, Teaching>,
}

impl Gathering {
    fn exclude(&mut self, code: &'static str, exposures: usize) {
        if exposures > 0 {
            *self.excluded.entry(code).or_default() += exposures as u64;
        }
    }

    fn account(
        &mut self,
        (consents, key, told): (&Consents, &DataKey, Told),
        exposures: Vec<Closed>,
        happened: impl Fn(&Closed) -> Happened,
    ) -> Result<()> {
        let permits = consents
            .permit::<Relevance>((), self.now)
            .and_then(|profiled| Ok((profiled, consents.permit::<ModelTraining>((), self.now)?)));
        let (profiled, teaching) = match permits {
            Ok(permits) => permits,
            Err(refusal) => {
                self.exclude(refusal.code(), exposures.len());
                return Ok(());
            }
        };
        let subject = teaching.subject();
        let teaches = Teaching {
            key: key.lesson_key(),
            messages: 0,
            relevance_entry: profiled.entry(),
            training_entry: teaching.entry(),
        };
        self.consents.insert(subject, teaches);
        for exposure in exposures {
            let happened = happened(&exposure);
            let (met, alike) = happened.labels(&exposure);
            if met.is_none() && alike.is_none() {
                self.exclude("outcome.unobserved", 1);
                continue;
            }
            let plain = key.open(&context(&subject, &exposure.id), &exposure.features)?;
            let mut features = store::decode(&plain)?;
            features.number(TREATMENT, f64::from(u8::from(exposure.treated)));
            let Closed { treated, propensity: of_arm, at, .. } = exposure;
            let propensity = if treated { of_arm } else { 1.0 - of_arm };
            let (person, harmed, told) = (self.people, happened.harmed, told.clone());
            let row = Row { person, at, features, met, alike, treated, propensity, harmed, told };
            self.rows.push((subject, row));
        }
        self.people += 1;
        Ok(())
    }

    fn finish(mut self, order: Order, ledger_size: u64, champion: Option<Champion>) -> TrainingSet {
        let labels = Labels {
            kept_aside: self.rows.iter().all(|(_, row)| row.is_imported()),
            alike: source(self.rows.iter().map(|(_, row)| row)),
        };
        for (_, row) in &mut self.rows {
            row.alike = row.alike.filter(|(source, _)| labels.alike == Some(*source));
            // Those kept aside elsewhere say nothing of those written to here.
            row.met = row.met.filter(|_| row.treated || labels.kept_aside);
        }
        let before = self.rows.len();
        self.rows.retain(|(_, row)| row.met.is_some() || row.alike.is_some());
        self.exclude("outcome.unobserved", before - self.rows.len());
        self.rows.sort_by_key(|(subject, row)| (row.at, *subject));
        let mut members = BTreeMap::new();
        for (subject, _) in &self.rows {
            if let Some(teaching) = self.consents.remove(subject) {
                members.insert(*subject, teaching);
            }
            if let Some(teaching) = members.get_mut(subject) {
                teaching.messages += 1;
            }
        }
        TrainingSet {
            order,
            labels,
            members,
            rows: self.rows.into_iter().map(|(_, row)| row).collect(),
            excluded: self.excluded,
            ledger_size,
            as_of: self.now,
            champion,
        }
    }
}

impl Row {
    fn is_imported(&self) -> bool {
        self.alike.is_some_and(|(source, _)| source == Source::Imported)
    }

    /// Whether it could have been in either arm.
    pub(super) fn was_drawn(&self) -> bool {
        self.propensity > 0.0 && self.propensity < 1.0
    }
}

/// The one source that the change is learned from: signals as soon as they tell of enough in both arms, since
/// only they go on, tables before. Two sources in one set would be two rules.
fn source<'r>(rows: impl Iterator<Item = &'r Row>) -> Option<Source> {
    let mut arms: BTreeMap<Source, [usize; 2]> = BTreeMap::new();
    for row in rows.filter(|row| row.was_drawn()) {
        if let Some((source, _)) = row.alike {
            arms.entry(source).or_default()[usize::from(row.treated)] += 1;
        }
    }
    let signals = arms.get(&Source::Signals);
    if signals.is_some_and(|arms| arms.iter().all(|&count| count >= FEWEST)) {
        return Some(Source::Signals);
    }
    arms.into_keys().next()
}
