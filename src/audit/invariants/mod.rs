//! The invariants: promises that hold at every moment, checked against what is stored.
//!
//! Each is one entry of the registry with the law it serves. A check reads one snapshot, walks in
//! pages and says how much it looked at and what it found: codes, ledger entries and random account
//! ids, never a reference, a phone number or a text.

mod apart;
mod asking;
mod conversations;
mod derived;
mod erased;
mod keys;
mod lifetimes;
mod links;
mod log;
mod messages;
mod models;
mod readings;
mod records;
mod registry;
mod retention;
pub mod runs;
mod store;
mod store_handed;
mod store_kept;
mod store_texts;
#[cfg(test)]
mod tests;
mod texts;
mod topics;
mod used;

use serde::{Deserialize, Serialize};
use volens_privacy::{KeyRing, SubjectId, Timestamp};

use super::AuditError;
use crate::accounts;
use crate::db::{self, Row, Statement, Tx, Value};
use crate::ledger::{self, Trust};
pub use registry::Invariant;

/// Every statement of the invariants.
pub(crate) fn statements() -> Vec<Statement> {
    [store::STATEMENTS, store_handed::STATEMENTS, store_kept::STATEMENTS, store_texts::STATEMENTS]
        .concat()
}

/// Findings of one code that are kept as examples; all of them are counted.
const EXAMPLES: usize = 20;

/// Told which invariant is looked at, and how many of how many things of it are done.
pub type Progress<'p> = &'p (dyn Fn(Invariant, u64, u64) + Send + Sync);

/// What became of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything that was looked at keeps the promise.
    Holds,
    /// Something breaks it.
    Violated,
    /// The product kept nothing that the promise is about: in reports of earlier versions.
    NotApplicable,
}

/// One thing that breaks a promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Finding {
    /// A stable code.
    pub code: String,
    /// The random id of the account it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub subject: Option<SubjectId>,
    /// The ledger entry it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
    /// Another place: a key's name, a checkpoint's size, a column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

impl Finding {
    fn new(code: impl Into<String>) -> Self {
        Self { code: code.into(), subject: None, entry: None, place: None }
    }

    fn of(mut self, subject: SubjectId) -> Self {
        self.subject = Some(subject);
        self
    }

    fn entry(mut self, entry: u64) -> Self {
        self.entry = Some(entry);
        self
    }

    fn at(mut self, place: impl Into<String>) -> Self {
        self.place = Some(place.into());
        self
    }
}

/// One invariant, what was looked at for it and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Checked {
    /// Its number, as in `docs/reference/invariants.md`.
    pub id: String,
    /// What it promises.
    pub title: String,
    /// Which law it serves.
    pub law: String,
    /// What is looked at.
    pub looks_at: String,
    /// What became of it.
    pub verdict: Verdict,
    /// What could not be looked at; in reports of earlier versions, why it did not apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many things were looked at.
    pub looked_at: u64,
    /// How many of them break the promise.
    pub violations: u64,
    /// Examples.
    pub findings: Vec<Finding>,
}

/// One run over all invariants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Report {
    /// Whether none is violated.
    pub holds: bool,
    /// When it was made.
    #[schema(value_type = String, format = "date-time")]
    pub at: Timestamp,
    /// Entries in the ledger at that moment.
    pub ledger_size: u64,
    /// All invariants, in the order of their numbers.
    pub invariants: Vec<Checked>,
}

impl Report {
    /// The invariants with this verdict.
    pub fn with(&self, verdict: Verdict) -> impl Iterator<Item = &Checked> {
        self.invariants.iter().filter(move |checked| checked.verdict == verdict)
    }
}

/// Checks every invariant in the snapshot of `tx`.
///
/// # Errors
/// When the database does not answer. What it holds and cannot be read is a finding, not an error.
pub async fn check(
    tx: &mut Tx,
    keys: &KeyRing,
    trust: &Trust,
    now: Timestamp,
    progress: Progress<'_>,
) -> Result<Report, AuditError> {
    let ledger_size = ledger::size(tx).await?;
    let mut invariants = Vec::with_capacity(Invariant::ALL.len());
    for invariant in Invariant::ALL {
        let seen = Seen::default();
        let look = Look { tx: &mut *tx, keys, trust, now, invariant, progress, seen };
        invariants.push(look.judge().await?);
    }
    let holds = invariants.iter().all(|checked| checked.verdict != Verdict::Violated);
    Ok(Report { holds, at: now, ledger_size, invariants })
}

/// What a check has seen so far.
#[derive(Default)]
struct Seen {
    looked_at: u64,
    violations: u64,
    findings: Vec<Finding>,
    limits: Vec<String>,
}

/// One check at work.
struct Look<'a> {
    tx: &'a mut Tx,
    keys: &'a KeyRing,
    trust: &'a Trust,
    now: Timestamp,
    invariant: Invariant,
    progress: Progress<'a>,
    seen: Seen,
}

fn limits(all: &[String]) -> Option<String> {
    (!all.is_empty()).then(|| all.join("; "))
}

/// All accounts, page by page.
struct Everybody {
    page: u32,
    last: Option<SubjectId>,
}

impl Everybody {
    const fn by(page: u32) -> Self {
        Self { page, last: None }
    }

    /// The next accounts in the order of their ids; nothing when there are no more.
    async fn next(&mut self, tx: &mut Tx) -> db::Result<Option<Vec<SubjectId>>> {
        let page = accounts::after(tx, self.last, self.page).await?;
        self.last = page.last().copied().or(self.last);
        Ok((!page.is_empty()).then_some(page))
    }
}

impl Look<'_> {
    async fn judge(mut self) -> Result<Checked, AuditError> {
        let definition = self.invariant.definition();
        match self.run().await {
            Ok(()) => {}
            // A row of an impossible form was not written by this program.
            Err(AuditError::Db(db::Error::Decode(column))) => {
                self.found(Finding::new("row.unreadable").at(column));
            }
            Err(error) => return Err(error),
        }
        let verdict = match self.seen.violations {
            0 => Verdict::Holds,
            _ => Verdict::Violated,
        };
        Ok(Checked {
            id: definition.id.to_owned(),
            title: definition.title.to_owned(),
            law: definition.law.to_owned(),
            looks_at: definition.looks_at.to_owned(),
            verdict,
            reason: limits(&self.seen.limits),
            looked_at: self.seen.looked_at,
            violations: self.seen.violations,
            findings: self.seen.findings,
        })
    }

    fn looked(&mut self, things: u64) {
        self.seen.looked_at += things;
    }

    /// Notes what could not be looked at, and what shows it instead.
    fn limited(&mut self, by: impl Into<String>) {
        self.seen.limits.push(by.into());
    }

    /// Counts violations beyond those that were named.
    fn more(&mut self, violations: u64) {
        self.seen.violations += violations;
    }

    fn found(&mut self, example: Finding) {
        self.more(1);
        let alike = self.seen.findings.iter().filter(|kept| kept.code == example.code).count();
        if alike < EXAMPLES {
            self.seen.findings.push(example);
        }
    }

    fn progress(&self, done: u64, of: u64) {
        (self.progress)(self.invariant, done, of);
    }

    /// Counts what a statement counts as looked at.
    async fn count(&mut self, statement: Statement, values: Vec<Value>) -> Result<(), AuditError> {
        let row = self.tx.fetch_one(statement, values).await?;
        self.looked(row.get("n")?);
        Ok(())
    }

    /// Runs a statement that answers examples of what must not be, with `n`, the number of all.
    async fn must_be_empty(
        &mut self,
        statement: Statement,
        values: Vec<Value>,
        example: impl Fn(&Row) -> db::Result<Finding>,
    ) -> Result<(), AuditError> {
        let rows = self.tx.fetch(statement, values).await?;
        self.examples(&rows, example)
    }

    fn examples(
        &mut self,
        rows: &[Row],
        example: impl Fn(&Row) -> db::Result<Finding>,
    ) -> Result<(), AuditError> {
        let Some(first) = rows.first() else { return Ok(()) };
        let all: u64 = first.get("n")?;
        for row in rows {
            self.found(example(row)?);
        }
        self.more(all.saturating_sub(rows.len() as u64));
        Ok(())
    }
}
