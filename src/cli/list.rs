//! `volens list`.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;
use volens_privacy::BusinessId;

use super::output::Stop;
use super::{Context, Exit};
use crate::app::App;
use crate::audience::build::build;
use crate::audience::export::{Exporter, Format, Manifest};
use crate::audience::filter::Short;
use crate::audience::forecast::Words;
use crate::audience::http::workshop;
use crate::audience::reach::{self, Budget};
use crate::audience::recalls::{self, ALL_RANKS};
use crate::audience::request::{self, List, ListState, Order, RequestIn, Rules};
use crate::audience::shelf::Shelf;
use crate::audience::summary::{DryRun, ListSummary};
use crate::audience::{
    AudienceError, FilterIn, PublishedWaterfall, Reach, Row, Warning, campaigns, holdout,
};
use crate::ids::CampaignId;

/// Rows verified and written at a time.
const BATCH: u32 = 500;
/// Rows shown to people.
const SHOWN: usize = 10;

/// What `list` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The campaign
    #[arg(long, value_name = "ID")]
    campaign: CampaignId,
    /// How many recipients at most
    #[arg(long, value_name = "N")]
    size: u32,
    /// Whom to narrow to, such as "country IE and bought sport.* >= 3 within 14 days"
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["language", "country", "age_band", "topic"])]
    filter: Option<String>,
    /// Languages to narrow to, ISO 639-1
    #[arg(long, value_name = "CODE")]
    language: Vec<String>,
    /// Countries to narrow to, ISO 3166-1
    #[arg(long, value_name = "CODE")]
    country: Vec<String>,
    /// Age bands to narrow to
    #[arg(long, value_name = "BAND")]
    age_band: Vec<String>,
    /// Topics of interest to narrow to
    #[arg(long, value_name = "TOPIC")]
    topic: Vec<String>,
    /// Share kept aside at random to measure the effect, 0 to 0.5
    #[arg(long, value_name = "SHARE", default_value_t = holdout::SHARE_DEFAULT)]
    holdout: f64,
    /// Only say how many could be reached
    #[arg(long)]
    dry_run: bool,
    /// Write all rows to this file
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// csv, jsonl or parquet [default: by the file's extension, else csv]
    #[arg(long, value_name = "FORMAT", requires = "export")]
    format: Option<Format>,
}

/// What a machine is told.
#[derive(Serialize)]
struct Made {
    list: ListSummary,
    /// All rows, unless they were written to a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<Vec<Row>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    export: Option<Manifest>,
}

/// Makes a ranked list of recipients.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let app = context.existing().await?;
    match make(&args, &app, context).await {
        Ok(exit) => Ok(exit),
        Err(error) => Err(with_exit(error)),
    }
}

/// Refusals, and what is not there, end with codes of their own.
pub(super) fn with_exit(error: anyhow::Error) -> anyhow::Error {
    let exit = match error.downcast_ref::<AudienceError>() {
        Some(AudienceError::NoCampaign | AudienceError::NoList) => Exit::NotFound,
        Some(
            AudienceError::TooSmall(_)
            | AudienceError::SizeBelow(_)
            | AudienceError::Topic { .. }
            | AudienceError::Underage
            | AudienceError::CampaignOver
            | AudienceError::ReachSpent { .. }
            | AudienceError::NoModel
            | AudienceError::StaleModel
            | AudienceError::Expired,
        ) => Exit::Refused,
        Some(AudienceError::Filter(fault)) if fault.wrong.code == "topic.sensitive" => {
            Exit::Refused
        }
        Some(
            AudienceError::Invalid { .. } | AudienceError::Filter(_) | AudienceError::SizeAbove(_),
        ) => Exit::Usage,
        Some(AudienceError::Overtaken | AudienceError::Crossed | AudienceError::NotSealed(_)) => {
            Exit::Conflict
        }
        _ => return error,
    };
    Stop::new(exit, error.to_string()).into()
}

async fn make(args: &Args, app: &App, context: &Context) -> Result<Exit> {
    let rules = Rules::from(&app.settings.lists);
    let mut tx = app.db.begin().await?;
    let business = campaigns::owner(&mut tx, args.campaign).await?;
    let now = app.now();
    let checked = request::check(&mut tx, business, args.request(), &rules, now).await?;
    if args.dry_run {
        drop(tx);
        let answer = reach::ask(&workshop(app), &checked, &mut app.rng()).await?;
        let found = DryRun::of(answer, (&checked.filter, checked.holdout), &rules)?;
        let mut lines = waterfall(&found.waterfall);
        lines.extend(warned(&found.warnings));
        let Reach { low, high } = found.reach;
        lines.push(format!("between {low} and {high} people could be reached"));
        let Budget { asked, of, .. } = found.budget;
        lines
            .push(format!("question {asked} of {of} in thirty days; again today it costs nothing"));
        context.output.result(&found, lines.join("\n"))?;
        return Ok(Exit::Ok);
    }
    let list = request::keep(&mut tx, &checked, &rules, &mut app.rng(), now).await?;
    tx.commit().await?;
    let bar = context.output.progress(0, "candidates");
    let order = Order { business, list: list.id };
    let progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let list = build(&workshop(app), order, &mut app.rng(), &progress).await?;
    bar.finish_and_clear();
    if list.state != ListState::Sealed {
        return refused(&list, &rules, context);
    }
    let manifest = match &args.export {
        Some(path) => Some(export(app, &list, path, args.format(path), context).await?),
        None => None,
    };
    show(app, &list, manifest, args, context).await
}

impl Args {
    fn request(&self) -> RequestIn {
        let set = |values: &[String]| values.iter().cloned().collect();
        RequestIn {
            campaign: self.campaign,
            size: self.size,
            filter: match &self.filter {
                Some(text) => FilterIn::Text(text.clone()),
                None => FilterIn::Short(Short {
                    languages: set(&self.language),
                    countries: set(&self.country),
                    age_bands: set(&self.age_band),
                    topics: set(&self.topic),
                }),
            },
            holdout: self.holdout,
            dry_run: self.dry_run,
        }
    }

    fn format(&self, path: &Path) -> Format {
        let by_name = || path.extension()?.to_str()?.parse().ok();
        self.format.or_else(by_name).unwrap_or(Format::Csv)
    }
}

fn refused(list: &List, rules: &Rules, context: &Context) -> Result<Exit> {
    let summary = ListSummary::of(list, 0, rules);
    let reason = list.reason.as_deref().unwrap_or("unknown");
    let mut lines = summary.waterfall.as_ref().map(waterfall).unwrap_or_default();
    lines.push(format!("the list was {}: {reason}", list.state.name()));
    let made = Made { list: summary, rows: None, export: None };
    context.output.result(&made, lines.join("\n"))?;
    Ok(if list.state == ListState::Refused { Exit::Refused } else { Exit::Failure })
}

async fn show(
    app: &App,
    list: &List,
    export: Option<Manifest>,
    args: &Args,
    context: &Context,
) -> Result<Exit> {
    let mut tx = app.db.read().await?;
    let rules = Rules::from(&app.settings.lists);
    let summary = ListSummary::read(&mut tx, list, &rules).await?;
    drop(tx);
    let mut lines = summary.waterfall.as_ref().map(waterfall).unwrap_or_default();
    lines.extend(warned(&summary.warnings));
    lines.extend(list.sealing.iter().filter_map(|s| Some(s.ranking.as_ref()?.text())));
    let forecast = list.sealing.as_ref().and_then(|sealing| sealing.forecast);
    lines.extend(forecast.iter().flat_map(|told| told.sentences(Words::of("en"))));
    let rows = rows(app, list.business, list, args.export.is_none()).await?;
    lines.extend(rows.iter().take(SHOWN).map(|row| {
        let why: Vec<&str> = row.reasons.iter().map(|reason| reason.text.as_str()).collect();
        format!("{:>6}  {:.4}  {}  {}", row.rank, row.score, row.recipient, why.join("; "))
    }));
    let sealed = summary.seal.as_ref().map_or(0, |seal| seal.rows);
    lines.push(format!("{}: {sealed} rows sealed", list.id));
    if let (Some(manifest), Some(path)) = (&export, &args.export) {
        lines.push(format!("{} rows written to {}", manifest.rows, path.display()));
    }
    let rows = args.export.is_none().then_some(rows);
    context.output.result(&Made { list: summary, rows, export }, lines.join("\n"))?;
    Ok(Exit::Ok)
}

/// The first rows, or all.
async fn rows(app: &App, business: BusinessId, list: &List, all: bool) -> Result<Vec<Row>> {
    recalls::note_served(&app.db, (business, list.id), ALL_RANKS, app.now()).await?;
    let mut tx = app.db.read().await?;
    let shelf = Shelf::open(&mut tx, business, list.id, app.now()).await?;
    let (mut rows, mut after) = (Vec::new(), Some(0));
    while let Some(rank) = after {
        let page = shelf.page(&mut tx, &app.keys, rank, BATCH, app.now()).await?;
        rows.extend(page.rows);
        after = page.next.filter(|_| all);
    }
    Ok(rows)
}

async fn export(
    app: &App,
    list: &List,
    path: &Path,
    format: Format,
    context: &Context,
) -> Result<Manifest> {
    let mut file =
        File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut exporter = Exporter::new(format, &mut file)?;
    recalls::note_served(&app.db, (list.business, list.id), ALL_RANKS, app.now()).await?;
    let mut tx = app.db.read().await?;
    let shelf = Shelf::open(&mut tx, list.business, list.id, app.now()).await?;
    let bar = context.output.progress(shelf.sealing.rows, "rows");
    let mut after = Some(0);
    while let Some(rank) = after {
        let page = shelf.page(&mut tx, &app.keys, rank, BATCH, app.now()).await?;
        exporter.write(&page.rows)?;
        bar.inc(page.rows.len() as u64);
        after = page.next;
    }
    let manifest = shelf.manifest(&mut tx, app.now()).await?;
    let (_, manifest) = exporter.finish(manifest, &app.keys.log_signer())?;
    file.flush()?;
    file.sync_all()?;
    bar.finish_and_clear();
    Ok(manifest)
}

fn warned(warnings: &[Warning]) -> impl Iterator<Item = String> {
    warnings.iter().map(|warning| format!("note: {}", warning.text))
}

fn waterfall(counts: &PublishedWaterfall) -> Vec<String> {
    let mut lines = vec![format!("{:>8}  accounts of the app", counts.accounts)];
    for step in &counts.steps {
        match step.excluded {
            Some(0) => {}
            Some(count) => lines.push(format!("{:>8}  {}", format!("-{count}"), step.text)),
            None => lines.push(format!("{:>8}  {}", "not told", step.text)),
        }
    }
    lines.push(format!("{:>8}  left, about", counts.listed));
    lines
}
