//! What a model could use in place of an attribute that nobody may use.
//!
//! Before a model is kept, its columns are held against what is on record about the accounts it learned
//! from for other reasons (band of age, language, country), and their names against a list
//! ([`Proxies`]). What is found stands on the model's card and in the entry of its training: how strongly
//! a column goes with an attribute, never whose. A model in which a column goes too well with one waits
//! until an officer has looked and put that on record.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::json;
use volens_models::association::associations;
use volens_models::features::TREATMENT;
use volens_models::model::Model;
use volens_models::segments::{self, Segment};
use volens_models::table::Table;
use volens_privacy::proxies::{Attribute, Measured, Proxies};
use volens_privacy::{AgeBand, KeyRing, Leaf, LeafKind, PurposeKind, Timestamp, base_language};

use super::registry::Version;
use super::{RelevanceError, Result, store};
use crate::accounts::Account;
use crate::db::Tx;
use crate::ids::{ModelId, hex};
use crate::ledger;

/// By so much a strength may differ from that which was cleared.
const GROWTH: f64 = 0.05;
/// Longest reason of an officer.
const REASON_MAX: usize = 1000;

/// What was looked at, and what was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Findings {
    /// Columns that the model uses.
    pub columns: usize,
    /// Rows that they were measured over.
    pub rows: usize,
    /// Attributes that were measured; the names of columns were held against all of the list.
    pub measured: Vec<String>,
    /// What could stand for something else, strongest first.
    pub suspicions: Vec<Suspicion>,
}

/// A column, or two together, that could stand for an attribute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suspicion {
    /// The attribute.
    pub attribute: String,
    /// The columns.
    pub columns: Vec<String>,
    /// How strongly they go with it (Cramér's V, 0 to 1), where it was measured.
    pub strength: Option<f64>,
    /// The word of the name, where that gives it away.
    pub word: Option<String>,
    /// Whether the model waits for an officer because of it.
    pub holds: bool,
}

impl fmt::Display for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.columns.join(" with ");
        match (self.strength, &self.word) {
            (Some(strength), _) => {
                write!(f, "{columns} goes with {} at {strength:.2} of 1", self.attribute)
            }
            (None, Some(word)) => {
                write!(f, "{columns} says {word}, which stands for {}", self.attribute)
            }
            (None, None) => write!(f, "{columns} could stand for {}", self.attribute),
        }
    }
}

impl Findings {
    /// Whether the model waits for an officer.
    pub fn holds(&self) -> bool {
        self.suspicions.iter().any(|suspicion| suspicion.holds)
    }

    /// Whether an officer has cleared an earlier version for all that holds this one: the same columns for
    /// the same attributes, not noticeably stronger. People leave and models are trained again for it;
    /// the same question need not be answered each time.
    pub(super) fn were_cleared(&self, earlier: &[Version]) -> bool {
        let cleared = earlier.iter().rev().find(|version| version.cleared.is_some());
        let Some(known) = cleared.and_then(Version::proxies) else { return false };
        let covers = |now: &Suspicion, then: &Suspicion| {
            let grown = now.strength.unwrap_or_default() - then.strength.unwrap_or_default();
            now.attribute == then.attribute && now.columns == then.columns && grown <= GROWTH
        };
        let holding = self.suspicions.iter().filter(|suspicion| suspicion.holds);
        holding.into_iter().all(|now| known.suspicions.iter().any(|then| covers(now, then)))
    }

    /// Looks at the columns that the models use.
    pub(super) fn of(list: &Proxies, models: &[&Model], table: &Table, told: &[Told]) -> Self {
        let used: BTreeSet<&str> = models.iter().flat_map(|model| used(model)).collect();
        let names = table.names().iter().map(String::as_str);
        let others: Vec<&str> = names.filter(|name| !used.contains(name)).collect();
        // Every name is one of the table's own.
        let table = table.without(&others).unwrap_or_else(|_| table.clone());
        let mut found = Self { columns: used.len(), rows: table.rows(), ..Self::default() };
        for attribute in &list.attributes {
            if let Some(measured) = attribute.measured {
                found.measured.push(attribute.id.clone());
                found.measure(list, attribute, &table, &groups(told, measured));
            }
            found.read(attribute, &used);
        }
        let rank = |one: &Suspicion| (one.holds, one.strength.unwrap_or_default());
        found.suspicions.sort_by(|a, b| {
            let (a, b) = (rank(a), rank(b));
            b.0.cmp(&a.0).then_with(|| b.1.total_cmp(&a.1))
        });
        found
    }

    fn measure(
        &mut self,
        list: &Proxies,
        attribute: &Attribute,
        table: &Table,
        groups: &[Option<u32>],
    ) {
        for found in associations(table, groups, list.report_from) {
            let expected = found.columns.iter().all(|column| attribute.expected.contains(column));
            self.suspicions.push(Suspicion {
                attribute: attribute.id.clone(),
                holds: found.strength >= list.hold_from && !expected,
                columns: found.columns,
                strength: Some(found.strength),
                word: None,
            });
        }
    }

    fn read(&mut self, attribute: &Attribute, used: &BTreeSet<&str>) {
        for column in used {
            if let Some(word) = attribute.named_by(column) {
                self.suspicions.push(Suspicion {
                    attribute: attribute.id.clone(),
                    columns: vec![(*column).to_owned()],
                    strength: None,
                    word: Some(word.to_owned()),
                    holds: attribute.holds,
                });
            }
        }
    }
}

/// The columns that a term of the model reads. Whether the message was sent is no column of a person.
fn used(model: &Model) -> BTreeSet<&str> {
    let columns = model.terms().iter().flat_map(|term| term.shape.columns());
    let names = columns.filter_map(|column| Some(model.columns().get(column)?.name.as_str()));
    names.filter(|name| *name != TREATMENT).collect()
}

/// What is on record about the person of a row, read for this alone and kept nowhere.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    app: String,
    age: Option<AgeBand>,
    language: String,
    country: String,
}

impl From<&Account> for Told {
    fn from(account: &Account) -> Self {
        let details = &account.details;
        let known = details.age_band != AgeBand::Unknown;
        Self {
            app: account.app.to_string(),
            age: known.then_some(details.age_band),
            language: details.language.clone(),
            country: details.country.clone(),
        }
    }
}

/// How well probabilities of rows not learnt from hold in every app, language and band of age that is large
/// enough.
pub(super) fn segments(
    told: &[Told],
    out_of_fold: &[f64],
    labels: &[bool],
    seed: u64,
) -> Vec<Segment> {
    type Group = fn(&Told) -> Option<String>;
    let by: [(&str, Group); 3] = [
        ("app", |told| Some(told.app.clone())),
        ("language", |told| Some(base_language(&told.language).to_owned())),
        ("age", |told| told.age.map(|band| band.to_string())),
    ];
    let measured = by.into_iter().flat_map(|(by, of)| {
        let groups: Vec<Option<String>> =
            told.iter().map(|told| of(told).filter(|name| !name.is_empty())).collect();
        segments::measure(by, &groups, out_of_fold, labels, seed)
    });
    measured.collect()
}

/// The group of each row, as a number; none where nothing is on record.
fn groups(told: &[Told], measured: Measured) -> Vec<Option<u32>> {
    let mut known: BTreeMap<String, u32> = BTreeMap::new();
    let mut group = |text: String| {
        let next = known.len() as u32;
        (!text.is_empty()).then(|| *known.entry(text).or_insert(next))
    };
    told.iter()
        .map(|told| match measured {
            Measured::AgeBand => told.age.and_then(|band| group(band.to_string())),
            Measured::Language => group(told.language.clone()),
            Measured::Country => group(told.country.clone()),
        })
        .collect()
}

/// A model that an officer has looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cleared {
    /// Which.
    pub model: ModelId,
    /// When.
    pub at: Timestamp,
    /// Ledger index of the `model.cleared` entry.
    pub entry: u64,
}

/// Puts on record that an officer looked at what a model could stand for, and why it may be used all the
/// same, and puts it in use unless a newer version is. The entry holds a hash of the reason.
///
/// # Errors
/// [`RelevanceError::NoVersion`] when there is no such model, [`RelevanceError::NotHeld`] when it does not
/// wait, [`RelevanceError::Reason`] without one.
pub async fn clear(
    tx: &mut Tx,
    keys: &KeyRing,
    model: ModelId,
    reason: &str,
    now: Timestamp,
) -> Result<Cleared> {
    let reason = reason.trim();
    if reason.is_empty() || reason.len() > REASON_MAX {
        return Err(RelevanceError::Reason);
    }
    let found = store::model(tx, model).await?.ok_or(RelevanceError::NoVersion)?;
    if !found.held {
        return Err(RelevanceError::NotHeld);
    }
    let sha256 = hex(&volens_privacy::ledger::leaf_hash(reason.as_bytes()).as_bytes()[..]);
    let leaf = Leaf::new(LeafKind::ModelCleared, now)
        .with_purpose(PurposeKind::Relevance)
        .with_detail(json!({ "model": model, "reason": sha256 }));
    let appended = ledger::append(tx, &keys.log_signer(), &[leaf], now).await?;
    store::clear(tx, model, reason, appended.first, now).await?;
    let newest = store::last_version(tx, found.business, found.goal).await?;
    if found.version == newest {
        store::activate(tx, found.business, found.goal, found.version, now).await?;
    }
    Ok(Cleared { model, at: now, entry: appended.first })
}
