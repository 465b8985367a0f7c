//! The pass that records consent evidence: the same checks, the same entries and the same receipts
//! as `POST /v1/consents`.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use tokio::task::JoinSet;
use volens_privacy::consent::Decision;
use volens_privacy::{AppId, Notices, Timestamp};

use super::Importing;
use super::mapping::{BadCell, Cells, Columns};
use crate::access::directory;
use crate::consent::{
    AppPhones, Command, Decide, DecisionRequest, DecisionsRequest, Intake, NoticeRequest,
    PhoneRequest, Recording, Replies, WithdrawRequest,
};
use crate::db;
use crate::db::group::Grouped as _;

/// Rows in one transaction.
const CHUNK: usize = 512;
/// Attempts at a chunk that met conflicting work.
const ATTEMPTS: usize = 5;

/// Columns that must be there, and those that may.
const NEEDED: [&str; 8] = [
    "account",
    "purposes",
    "decision",
    "notice",
    "notice_version",
    "language",
    "rendered_sha256",
    "decided_at",
];
const POSSIBLE: [&str; 4] = ["peer", "phone", "phone_region", "phone_verified_at"];

/// A command and the row it came from.
type Numbered = (u64, Command);

impl Importing<'_> {
    /// Records every row of the evidence.
    pub(super) async fn consents(&mut self, path: &Path) -> Result<()> {
        let Some(mut pass) = self.begin("consents", path, None).await? else { return Ok(()) };
        let header = pass.header();
        let possible = POSSIBLE.into_iter().filter(|name| header.iter().any(|held| held == name));
        let columns = Columns::find(header, NEEDED.into_iter().chain(possible))?;
        let phones = self.phones().await?;
        // What an earlier run recorded may still wait for witnesses.
        let mut gives = pass.resumed();
        let clock = Arc::clone(&self.app.clock);
        let recording = Recording::new(Arc::clone(&self.app.keys), clock, self.app.rng());
        while let Some(chunk) = pass.next(CHUNK) {
            let mut commands = Vec::with_capacity(chunk.rows.len());
            let mut slow = JoinSet::new();
            for (row, cells) in chunk.rows {
                self.summary.consents.rows += 1;
                let read = match &cells {
                    Some(cells) => self.command(&columns, cells, &phones),
                    None => Err(BadCell::new("", "row.unreadable")),
                };
                match read {
                    Ok(Checked::Ready(command)) => commands.push((row, *command)),
                    Ok(Checked::Slow(_)) if self.dry_run => {}
                    Ok(Checked::Slow(intake)) => drop(slow.spawn(self.stretched(row, *intake))),
                    Err(bad) => self.rejects.cell(&pass.file, row, &bad)?,
                }
            }
            while let Some(done) = slow.join_next().await {
                commands.push(done??);
            }
            if !self.dry_run {
                commands.sort_by_key(|(row, _)| *row);
                gives |= self.record(&pass, &recording, commands).await?;
            }
            pass.show();
        }
        if gives {
            self.witnessed(None).await?;
        }
        pass.end(self).await
    }

    /// How the apps present phone numbers.
    async fn phones(&self) -> Result<AppPhones> {
        let mut tx = self.app.db.read().await?;
        let apps = directory::every_app(&mut tx).await?.into_iter();
        Ok(AppPhones(apps.map(|app| (app.id, (app.phone_encoding, app.region))).collect()))
    }

    /// Makes a phone number into tokens, on the pool of slow hashing.
    fn stretched(
        &self,
        row: u64,
        intake: Intake,
    ) -> impl Future<Output = Result<Numbered>> + Send + 'static {
        let (tokens, mut rng) = (self.app.tokens.clone(), self.app.rng());
        let gatekeeper = self.is_gatekeeper();
        async move {
            let decide = tokens.make_patiently(intake, &mut rng).await;
            Ok((row, evidence(decide.map_err(|error| anyhow!(error))?, gatekeeper)))
        }
    }

    /// Records a chunk and how far the pass came, in one transaction. Answers whether it gives
    /// anything; that has been confirmed then.
    async fn record(
        &mut self,
        pass: &super::pass::Pass,
        recording: &Recording,
        commands: Vec<Numbered>,
    ) -> Result<bool> {
        let (rows, commands): (Vec<u64>, Vec<Command>) = commands.into_iter().unzip();
        let mut attempts = 0;
        let replies = loop {
            attempts += 1;
            let mut tx = self.app.db.begin().await?;
            match recording.apply(&mut tx, &commands).await {
                Ok(replies) => {
                    pass.advance(&mut tx, self).await?;
                    tx.commit().await?;
                    break replies;
                }
                Err(db::Error::Conflict(_)) if attempts < ATTEMPTS => tx.rollback().await,
                Err(error) => return Err(error.into()),
            }
        };
        let mut given = None;
        for (row, reply) in rows.into_iter().zip(replies) {
            let decided = match reply {
                Ok(Replies::Decided(decided)) => decided,
                Ok(Replies::Ended(decided, _)) => vec![decided],
                Ok(Replies::Stopped { ended, .. }) => ended,
                Err(refused) => {
                    self.rejects.add(&pass.file, row, refused.code(), "account")?;
                    continue;
                }
            };
            let gives = decided.iter().filter(|decided| decided.decision == Decision::Given);
            given = given.max(gives.map(|decided| decided.entry).max());
            let recorded = decided.iter().filter(|decided| decided.receipt.is_some()).count();
            self.summary.consents.recorded += recorded as u64;
            self.summary.consents.unchanged += (decided.len() - recorded) as u64;
        }
        // What gives waits for the witnesses, chunk by chunk; what takes back never does.
        if let Some(last) = given {
            self.witnessed(Some(last + 1)).await?;
        }
        Ok(given.is_some())
    }

    fn command(
        &self,
        columns: &Columns,
        cells: &Cells,
        phones: &AppPhones,
    ) -> Result<Checked, BadCell> {
        let of = |column: &'static str| columns.cell(cells, column);
        let need =
            |column: &'static str| of(column).ok_or_else(|| BadCell::new(column, "field.missing"));
        let (app, keys): (&AppId, _) = (&self.mapping.app, &self.app.keys);
        let bad = |error: crate::consent::IntakeError| BadCell::new(&error.field, error.code);
        if need("decision")? == "withdrawn" {
            let request = WithdrawRequest {
                account: need("account")?.to_owned(),
                purpose: need("purposes")?.to_owned(),
                peer: of("peer").map(str::to_owned),
            };
            let mut withdrawal = request.check(app, keys, self.now).map_err(bad)?;
            withdrawal.decided_at = time(need("decided_at")?, "decided_at")?;
            withdrawal.from_evidence = true;
            if withdrawal.peer.as_ref().is_some_and(|peer| !phones.0.contains_key(peer)) {
                return Err(BadCell::new("peer", "peer.unknown"));
            }
            return Ok(Checked::Ready(Box::new(Command::Withdraw(withdrawal))));
        }
        let request = request(of)?;
        let intake = Intake::check(request, app, phones, keys, Notices::builtin(), self.now);
        let intake = intake.map_err(bad)?;
        if intake.gives() && !self.app.receipts.parties().names(app) {
            return Err(BadCell::new("purposes", "controller.unknown"));
        }
        if intake.needs_stretching() {
            return Ok(Checked::Slow(Box::new(intake)));
        }
        let cost = self.app.settings.stretch.cost();
        let decide = intake.finish(keys, &cost);
        let decide = decide.map_err(|error| BadCell::new("phone", error.code()))?;
        Ok(Checked::Ready(Box::new(evidence(decide, self.is_gatekeeper()))))
    }

    fn is_gatekeeper(&self) -> bool {
        self.app.receipts.parties().is_gatekeeper(&self.mapping.app)
    }
}

/// What happened before does not end a consent that was given since.
fn evidence(decide: Decide, gatekeeper: bool) -> Command {
    Command::Decide(Decide { from_evidence: true, gatekeeper, ..decide })
}

enum Checked {
    Ready(Box<Command>),
    Slow(Box<Intake>),
}

/// A row as `POST /v1/consents` would have it.
fn request<'c>(of: impl Fn(&'static str) -> Option<&'c str>) -> Result<DecisionsRequest, BadCell> {
    let need =
        |column: &'static str| of(column).ok_or_else(|| BadCell::new(column, "field.missing"));
    let owned = |column: &'static str| of(column).map(str::to_owned);
    let version = need("notice_version")?.parse();
    let decided_at = time(need("decided_at")?, "decided_at")?;
    let verified_at = match of("phone_verified_at") {
        None => decided_at,
        Some(text) => time(text, "phone_verified_at")?,
    };
    let decision = need("decision")?;
    let purposes = need("purposes")?.split([' ', ';', '|']).filter(|name| !name.is_empty());
    Ok(DecisionsRequest {
        account: need("account")?.to_owned(),
        notice: NoticeRequest {
            id: need("notice")?.to_owned(),
            version: version.map_err(|_| BadCell::new("notice_version", "field.invalid"))?,
            language: need("language")?.to_owned(),
            rendered_sha256: need("rendered_sha256")?.to_owned(),
        },
        decisions: purposes
            .map(|purpose| DecisionRequest {
                purpose: purpose.to_owned(),
                peer: owned("peer"),
                decision: decision.to_owned(),
            })
            .collect(),
        phone: owned("phone").map(|number| PhoneRequest {
            e164: Some(number),
            region: owned("phone_region"),
            sha256: None,
            encoding: None,
            verified_at,
        }),
        requested_at: None,
        decided_at: Some(decided_at),
        evidence: None,
    })
}

fn time(text: &str, column: &str) -> Result<Timestamp, BadCell> {
    Timestamp::parse(text).map_err(|_| BadCell::new(column, "time.invalid"))
}
