//! `volens import`: tables of customers, consent evidence and signals, through the same use cases as
//! HTTP. Nothing here decides; it reads, maps, counts and remembers how far it came.
//!
//! Passes, in this order: accounts, consents, what the table says about the accounts (traits, acts,
//! exposures and outcomes), signals. Each works through its file in chunks, one transaction each,
//! which also says how far the pass came; an interrupted import goes on from there. Doing it again
//! changes nothing, because accounts, decisions, acts and exposures are recognised.

mod accounts;
mod arms;
mod consents;
mod facts;
mod mapping;
mod pass;
mod rejects;
mod sample;
mod signals;
mod store;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use volens_privacy::{BusinessId, Timestamp};

use self::mapping::Mapping;
use self::rejects::Rejects;
pub(crate) use self::store::STATEMENTS;
use super::output::Stop;
use super::{Context, Exit, Output};
use crate::access::directory;
use crate::app::App;
use crate::ledger;

/// What `import` takes.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Sub>,
    #[command(flatten)]
    import: Option<Import>,
}

#[derive(clap::Subcommand)]
enum Sub {
    /// Make up consent evidence for a table of customers, to try things out with
    SampleEvidence(sample::Args),
}

/// What is imported.
#[derive(clap::Args)]
struct Import {
    /// Which column is what, in TOML (see docs/how-to/first-list.md)
    #[arg(long, value_name = "FILE", required = true)]
    mapping: PathBuf,
    /// Customers, CSV or Parquet
    #[arg(long, value_name = "FILE")]
    accounts: Option<PathBuf>,
    /// Consent evidence, CSV or Parquet
    #[arg(long, value_name = "FILE")]
    consents: Option<PathBuf>,
    /// Signals, CSV or Parquet
    #[arg(long, value_name = "FILE")]
    signals: Option<PathBuf>,
    /// Whose messages the outcomes are about
    #[arg(long, value_name = "ID")]
    business: Option<BusinessId>,
    /// Where rows that were not taken in are noted [default: import-rejects.csv in the data directory]
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Only read and check
    #[arg(long)]
    dry_run: bool,
    /// Go through files that were imported before; what is known stays as it is
    #[arg(long)]
    again: bool,
}

/// What an import did.
#[derive(Serialize, Default)]
struct Summary {
    dry_run: bool,
    accounts: Accounts,
    consents: Consents,
    signals: Signals,
    exposures: Exposures,
    /// Rows or parts of rows that were not taken in, by code.
    rejected: BTreeMap<String, u64>,
    /// Where they are noted.
    rejects_file: Option<String>,
    /// Passes that an earlier run had finished.
    finished_before: Vec<String>,
}

#[derive(Serialize, Default)]
struct Accounts {
    rows: u64,
    created: u64,
    known: u64,
}

#[derive(Serialize, Default)]
struct Consents {
    rows: u64,
    recorded: u64,
    unchanged: u64,
}

#[derive(Serialize, Default)]
struct Signals {
    accepted: u64,
    duplicate: u64,
    refused: u64,
}

#[derive(Serialize, Default)]
struct Exposures {
    recorded: u64,
    known: u64,
    outcomes: u64,
}

/// One import at work.
struct Importing<'a> {
    app: &'a App,
    output: Output,
    mapping: Mapping,
    /// Begins the names of this import's passes.
    mapping_hash: [u8; 32],
    business: Option<BusinessId>,
    dry_run: bool,
    again: bool,
    now: Timestamp,
    rejects: Rejects,
    summary: Summary,
}

/// Runs the command.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    match (args.command, args.import) {
        (Some(Sub::SampleEvidence(args)), _) => sample::run(&args, context),
        (None, Some(import)) => import.run(context).await,
        (None, None) => bail!(Stop::new(Exit::Usage, "nothing to import")),
    }
}

impl Import {
    async fn run(self, context: &Context) -> Result<Exit> {
        let text = std::fs::read_to_string(&self.mapping)
            .with_context(|| format!("cannot read {}", self.mapping.display()))?;
        let mapping = Mapping::parse(&text).map_err(|error| {
            Stop::new(Exit::Usage, format!("{}: {error}", self.mapping.display()))
        })?;
        let app = context.app().await?;
        self.check(&app, &mapping).await?;
        let rejects = self.rejects.clone();
        let rejects = rejects.unwrap_or_else(|| app.settings.data.join("import-rejects.csv"));
        let mut run = Importing {
            app: &app,
            output: context.output,
            mapping_hash: Sha256::digest(text.as_bytes()).into(),
            mapping,
            business: self.business,
            dry_run: self.dry_run,
            again: self.again,
            now: app.now(),
            rejects: Rejects::at(rejects),
            summary: Summary { dry_run: self.dry_run, ..Summary::default() },
        };
        // Whoever serves the same database may ask the witnesses too; here nobody else may be serving.
        tokio::select! {
            done = run.all(&self) => done?,
            () = app.witnesses.run(&app.db, &*app.clock, std::future::pending()) => {}
        }
        let summary = run.finish()?;
        context.output.result(&summary, Readable(&summary))?;
        app.db.close().await;
        Ok(Exit::Ok)
    }

    async fn check(&self, app: &App, mapping: &Mapping) -> Result<()> {
        let mut tx = app.db.read().await?;
        if directory::app(&mut tx, &mapping.app).await?.is_none() {
            let text = format!("there is no app {}", mapping.app);
            bail!(Stop::new(Exit::NotFound, text));
        }
        match (&mapping.exposure, self.business) {
            (None, _) => Ok(()),
            (Some(_), None) => {
                bail!(Stop::new(
                    Exit::Usage,
                    "outcomes belong to a business: name it with --business"
                ))
            }
            (Some(_), Some(business)) => {
                if directory::business(&mut tx, business).await?.is_none() {
                    bail!(Stop::new(Exit::NotFound, format!("there is no business {business}")));
                }
                Ok(())
            }
        }
    }
}

impl Importing<'_> {
    async fn all(&mut self, files: &Import) -> Result<()> {
        if let Some(path) = &files.accounts {
            self.accounts(path).await?;
        }
        if let Some(path) = &files.consents {
            self.consents(path).await?;
        }
        // What follows needs consents that count: an act of somebody whose consent waits would be lost.
        if files.accounts.is_some() || files.signals.is_some() {
            self.witnessed(None).await?;
        }
        if let Some(path) = &files.accounts {
            self.facts(path, files.consents.as_deref()).await?;
        }
        if let Some(path) = &files.signals {
            self.signals(path).await?;
        }
        Ok(())
    }

    /// Waits until enough witnesses confirmed the ledger up to `size`, or all of it; as
    /// `POST /v1/consents` does before it answers.
    async fn witnessed(&self, size: Option<u64>) -> Result<()> {
        if self.dry_run || !self.app.witnesses.are_needed() {
            return Ok(());
        }
        let size = match size {
            Some(size) => size,
            None => ledger::size(&mut self.app.db.read().await?).await?,
        };
        self.app.witnesses.confirm(size).await.map_err(|_| {
            let said = "not enough witnesses of the ledger answer: what was imported is on record, and \
                        consents among it take effect when enough witnesses have confirmed them; run \
                        the same import again to go on";
            Stop::new(Exit::Failure, said).into()
        })
    }

    fn finish(mut self) -> Result<Summary> {
        self.summary.rejected = self.rejects.counts().clone();
        self.summary.rejects_file = self.rejects.finish()?.map(|path| path.display().to_string());
        Ok(self.summary)
    }
}

/// The name of a file in messages and in the reject file.
fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The summary for people.
struct Readable<'s>(&'s Summary);

impl std::fmt::Display for Readable<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Summary { accounts, consents, signals, exposures, .. } = self.0;
        if self.0.dry_run {
            writeln!(f, "dry run: nothing was written")?;
            writeln!(f, "accounts   {} rows read", accounts.rows)?;
            write!(f, "decisions  {} rows read", consents.rows)?;
            if self.0.rejected.is_empty() {
                write!(f, "\nevery row can be taken in")?;
            }
        } else {
            writeln!(f, "accounts   {} new, {} known", accounts.created, accounts.known)?;
            writeln!(
                f,
                "decisions  {} recorded, {} on record before",
                consents.recorded, consents.unchanged
            )?;
            writeln!(
                f,
                "signals    {} taken in, {} repeated, {} refused",
                signals.accepted, signals.duplicate, signals.refused
            )?;
            write!(
                f,
                "exposures  {} new, {} known, {} outcomes",
                exposures.recorded, exposures.known, exposures.outcomes
            )?;
        }
        for (code, count) in &self.0.rejected {
            write!(f, "\n  {count:>8}  {code}")?;
        }
        if let Some(path) = &self.0.rejects_file {
            write!(f, "\nrows that were not taken in whole: {path}")?;
        }
        for pass in &self.0.finished_before {
            write!(f, "\n{pass} was imported before; --again goes through it once more")?;
        }
        Ok(())
    }
}
