//! The pass that takes in what the table says about its accounts: traits and acts through the door
//! of the signals, exposures and outcomes under a permit. Who did not consent leaves no trace.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use volens_privacy::purpose::Relevance;
use volens_privacy::{AccountTag, BusinessId, Consents, SubjectId, Timestamp, Topics};

use super::Importing;
use super::accounts::reference_of;
use super::mapping::{Arm, BadCell, Cells, Columns, Exposure as Mapped, Mapping};
use super::pass::{Chunk, Pass};
use crate::db::Tx;
use crate::ids::ExposureId;
use crate::relevance::{self, Exposure, Occasion, OutcomeKind, features};
use crate::signals::{
    Batch, Content, Description, Item, Kind, Observation, Outcome, Parsed, Profile, Reason,
    one_trait, take_in,
};
use crate::{accounts, consent};

/// Rows in one transaction.
const CHUNK: usize = 512;
/// Acts of one kind that one cell can stand for.
const ACTS_MAX: f64 = 100.0;

/// What one row says.
struct Fact {
    row: u64,
    reference: String,
    language: Option<String>,
    items: Vec<Item>,
    seen: Option<Seen>,
}

/// Which message the account was sent, or not, and what happened.
struct Seen {
    arm: String,
    mapped: Arm,
    at: Timestamp,
    closes_at: Timestamp,
    /// Keeps exposures of one account apart.
    key: String,
    outcomes: Vec<(OutcomeKind, Option<f64>)>,
}

impl Importing<'_> {
    /// Takes in what every row says.
    pub(super) async fn facts(&mut self, path: &Path, consents: Option<&Path>) -> Result<()> {
        let account = &self.mapping.account;
        let silent = account.traits.is_empty() && account.topics.is_empty();
        if silent && self.mapping.exposure.is_none() {
            return Ok(());
        }
        let Some(mut pass) = self.begin("facts", path, consents).await? else { return Ok(()) };
        let columns = self.mapping.columns(pass.header())?;
        while let Some(chunk) = pass.next(CHUNK) {
            let facts = self.read(&pass, &columns, &chunk)?;
            if !self.dry_run {
                self.take(&pass, facts).await?;
            }
            pass.show();
        }
        pass.end(self).await
    }

    fn read(&mut self, pass: &Pass, columns: &Columns, chunk: &Chunk) -> Result<Vec<Fact>> {
        let mut facts = Vec::with_capacity(chunk.rows.len());
        for (row, cells) in &chunk.rows {
            // An unreadable row was noted when accounts were made.
            let Some(cells) = cells else { continue };
            let Ok(reference) = reference_of(&self.mapping, columns, cells, *row) else { continue };
            let reading = Reading { mapping: &self.mapping, columns, cells, now: self.now };
            let (mut items, bad) = reading.items(&reference);
            let seen = match reading.seen() {
                Ok(seen) => seen,
                Err(bad) => {
                    self.rejects.cell(&pass.file, *row, &bad)?;
                    None
                }
            };
            for bad in bad {
                self.rejects.cell(&pass.file, *row, &bad)?;
            }
            let language = reading.language();
            items.retain(|item| !is_empty(&item.content));
            facts.push(Fact { row: *row, reference, language, items, seen });
        }
        Ok(facts)
    }

    async fn take(&mut self, pass: &Pass, facts: Vec<Fact>) -> Result<()> {
        let mut tx = self.app.db.begin().await?;
        let exposures = self.exposures(&mut tx, pass, &facts).await?;
        let recorded = relevance::record_exposures(
            &mut tx,
            &self.app.keys,
            &exposures.made,
            &mut self.app.rng(),
        )
        .await?;
        let met = exposures.met.iter().map(|(index, kind, value)| {
            let exposure = &exposures.made[*index];
            (exposure, *kind, exposures.closes[*index], *value)
        });
        let outcomes = relevance::record_met(&mut tx, met).await?;
        let rows: Vec<(u64, usize)> =
            facts.iter().map(|fact| (fact.row, fact.items.len())).collect();
        let parsed = |item| Parsed { item: Ok(item), notes: Vec::new() };
        let items = facts.into_iter().flat_map(|fact| fact.items).map(parsed).collect();
        let batch = Batch { app: self.mapping.app.clone(), received: self.now, items };
        let taken =
            take_in(&mut tx, &self.app.keys, &[batch], self.now, &mut self.app.rng()).await?;
        pass.advance(&mut tx, self).await?;
        tx.commit().await?;
        let known = exposures.made.len() as u64 - recorded;
        self.summary.exposures.recorded += recorded;
        self.summary.exposures.known += known;
        self.summary.exposures.outcomes += outcomes;
        let mut taken = taken.into_iter().flatten();
        for (row, count) in rows {
            let mut refused = None;
            for taken in taken.by_ref().take(count) {
                refused = refused.or(self.count(taken.outcome));
            }
            if let Some(reason) = refused {
                self.rejects.add(&pass.file, row, reason.code(), "")?;
            }
        }
        Ok(())
    }

    /// Counts what became of an item; the reason when it was refused.
    pub(super) fn count(&mut self, outcome: Outcome) -> Option<Reason> {
        match outcome {
            Outcome::Accepted => self.summary.signals.accepted += 1,
            Outcome::Duplicate => self.summary.signals.duplicate += 1,
            Outcome::Refused(reason) => {
                self.summary.signals.refused += 1;
                return Some(reason);
            }
        }
        None
    }

    /// The exposures of those who permit them, with features as they were known then.
    async fn exposures(&mut self, tx: &mut Tx, pass: &Pass, facts: &[Fact]) -> Result<Exposures> {
        let mut exposures = Exposures::default();
        let (Some(mapped), Some(business)) = (&self.mapping.exposure, self.business) else {
            return Ok(exposures);
        };
        let (keys, app) = (&self.app.keys, &self.mapping.app);
        let tag = |fact: &Fact| keys.account_tag(app, &fact.reference);
        let tags: Vec<AccountTag> = facts.iter().map(tag).collect();
        let found = accounts::subjects_of(tx, app, tags.iter().copied()).await?;
        let subjects: Vec<SubjectId> = found.values().copied().collect();
        let consents = consent::consents_of(tx, keys, &subjects).await?;
        let of = |tag| found.get(tag).and_then(|subject| consents.get(subject));
        for (fact, tag) in facts.iter().zip(&tags) {
            let Some(seen) = &fact.seen else { continue };
            let made =
                of(tag).and_then(|consents| self.exposure(mapped, business, fact, seen, consents));
            let Some(made) = made else {
                // With items, the door says why; it is the same reason.
                if fact.items.is_empty() {
                    self.rejects.add(&pass.file, fact.row, Reason::ConsentAbsent.code(), "")?;
                }
                continue;
            };
            let index = exposures.made.len();
            exposures.met.extend(seen.outcomes.iter().map(|(kind, value)| (index, *kind, *value)));
            exposures.closes.push(seen.closes_at);
            exposures.made.push(made);
        }
        Ok(exposures)
    }

    fn exposure(
        &self,
        mapped: &Mapped,
        business: BusinessId,
        fact: &Fact,
        seen: &Seen,
        consents: &Consents,
    ) -> Option<Exposure> {
        let permit = consents.permit::<Relevance>((), self.now).ok()?;
        let mut profile = Profile::default();
        for item in fact.items.iter().filter(|item| item.at <= seen.at) {
            profile.take(&item.content, item.at);
        }
        let app = &self.mapping.app;
        let key = format!("exposure/{business}/{}/{}", fact.reference, seen.key);
        let id = self.app.keys.message_tag(app, &key);
        let about = mapped.message(&seen.mapped, &id);
        let message = about.message(business);
        let language = fact.language.as_deref();
        let features = features::of_pair(&permit, Some(&profile), language, &[], &message, seen.at);
        let occasion = Occasion {
            app: app.clone(),
            business,
            campaign: None,
            list: None,
            arm: seen.arm.clone(),
            treated: !seen.mapped.control,
            at: seen.at,
            closes_at: seen.closes_at,
            propensity: mapped.propensity(&seen.mapped, about),
        };
        let id = ExposureId::from_bytes(id);
        Some(Exposure::of(&permit, id, occasion, features.value().clone()))
    }
}

#[derive(Default)]
struct Exposures {
    made: Vec<Exposure>,
    closes: Vec<Timestamp>,
    met: Vec<(usize, OutcomeKind, Option<f64>)>,
}

fn is_empty(content: &Content) -> bool {
    matches!(content, Content::Is(said) if said.traits.is_empty() && said.language.is_none())
}

/// One row being read.
struct Reading<'r> {
    mapping: &'r Mapping,
    columns: &'r Columns,
    cells: &'r Cells,
    now: Timestamp,
}

impl Reading<'_> {
    fn language(&self) -> Option<String> {
        let source = self.mapping.account.language.as_ref();
        self.columns.source(self.cells, source).map(str::to_owned)
    }

    /// The items of the row, and the cells that say nothing usable.
    fn items(&self, reference: &str) -> (Vec<Item>, Vec<BadCell>) {
        let account = &self.mapping.account;
        let Some(source) = &account.at else { return (Vec::new(), Vec::new()) };
        let at = match self.columns.time(self.cells, source, self.now) {
            Ok(at) => at,
            Err(bad) => return (Vec::new(), vec![bad]),
        };
        let mut bad = Vec::new();
        let mut said = Description::default();
        for (name, column) in &account.traits {
            let Some(cell) = self.columns.cell(self.cells, column) else { continue };
            match one_trait(Topics::builtin(), name, &value(cell)) {
                Ok(kept) => said.traits.extend(kept),
                Err(reason) => bad.push(BadCell::new(column, reason.code())),
            }
        }
        let item = |key, content| Item { account: reference.to_owned(), key, at, content };
        let mut items = vec![item(None, Content::Is(said))];
        // A constant time is the same for all rows of the account and tells none apart.
        let when = source.column().map(|_| at.to_string()).unwrap_or_default();
        for topic in &account.topics {
            let acts = match self.columns.cell(self.cells, &topic.column).map(acts) {
                None => 0,
                Some(Some(acts)) => acts,
                Some(None) => {
                    bad.push(BadCell::new(&topic.column, "number.invalid"));
                    0
                }
            };
            let Some(kind) = Kind::parse(&topic.kind) else { continue };
            for n in 0..acts {
                let key = format!("import/{reference}/{}/{when}/{n}", topic.column);
                let topics = vec![topic.topic.clone()];
                let seen = Observation { kind, topics, business: None, at: at.hour() };
                items.push(item(Some(key), Content::Did(seen)));
            }
        }
        (items, bad)
    }

    /// What the row says about a message.
    fn seen(&self) -> Result<Option<Seen>, BadCell> {
        let Some(mapped) = &self.mapping.exposure else { return Ok(None) };
        let Some(arm) = self.columns.cell(self.cells, &mapped.treatment) else { return Ok(None) };
        let assigned = mapped.arms.get(arm);
        let assigned =
            assigned.ok_or_else(|| BadCell::new(&mapped.treatment, "treatment.unknown"))?;
        let at = self.columns.time(self.cells, &mapped.at, self.now)?;
        let mut outcomes = Vec::new();
        for outcome in &mapped.outcomes {
            let happened = self.columns.cell(self.cells, &outcome.column).is_some_and(yes);
            let Some(kind) = OutcomeKind::parse(&outcome.kind).filter(|_| happened) else {
                continue;
            };
            let worth = outcome.value.as_deref();
            let worth = worth.and_then(|column| self.columns.cell(self.cells, column));
            let value = worth.and_then(|text| text.parse().ok()).filter(|v: &f64| v.is_finite());
            outcomes.push((kind, value));
        }
        Ok(Some(Seen {
            arm: if assigned.control { "control" } else { arm }.to_owned(),
            mapped: assigned.clone(),
            at,
            closes_at: at.plus(Duration::from_hours(24 * u64::from(mapped.closes_after_days))),
            key: mapped.at.column().map(|_| at.to_string()).unwrap_or_default(),
            outcomes,
        }))
    }
}

/// A number when it is one, text otherwise.
fn value(cell: &str) -> Value {
    let number = cell.parse::<f64>().ok().filter(|number| number.is_finite());
    // What has a phone number's shape is judged as text.
    let plain = !cell.starts_with(['+', '0']) || cell.len() == 1 || cell.contains('.');
    number.filter(|_| plain).map_or_else(|| Value::from(cell), Value::from)
}

fn yes(cell: &str) -> bool {
    !matches!(cell.to_ascii_lowercase().as_str(), "0" | "0.0" | "no" | "false" | "n")
}

/// How many acts a cell stands for; `None` when it is neither a count nor yes or no.
fn acts(cell: &str) -> Option<u32> {
    match cell.to_ascii_lowercase().as_str() {
        "yes" | "true" | "y" => Some(1),
        "no" | "false" | "n" => Some(0),
        text => {
            let count: f64 = text.parse().ok()?;
            (0.0..=ACTS_MAX).contains(&count).then_some(count as u32)
        }
    }
}
