//! `volens train`: learns from the outcomes of those who consent to it now, and puts the model in use.

use std::fmt;

use anyhow::{Result, bail};
use volens_models::segments::Segment;
use volens_privacy::BusinessId;

use super::output::Stop;
use super::{Context, Exit};
use crate::app::App;
use crate::relevance::{self, Challenge, Goal, Order, RelevanceError, Report};

/// What `train` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Learn from the outcomes of one business, for its messages only; of all, when absent
    #[arg(long, value_name = "ID")]
    business: Option<BusinessId>,
    /// What to predict: click, reply or buy
    #[arg(long, value_name = "GOAL", default_value = "click", value_parser = goal)]
    goal: Goal,
    /// Learn nothing; put the version before the one in use back in use
    #[arg(long)]
    roll_back: bool,
}

fn goal(text: &str) -> Result<Goal, &'static str> {
    Goal::parse(text).ok_or("expected click, reply or buy")
}

/// Runs the command.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let app = context.existing().await?;
    let order = Order { business: args.business, goal: args.goal };
    if args.roll_back {
        return roll_back(&app, order, context).await;
    }
    let report = train(&app, order, context).await?;
    context.output.result(&report, Readable(&report))?;
    app.db.close().await;
    Ok(Exit::Ok)
}

async fn train(app: &App, order: Order, context: &Context) -> Result<Report> {
    let now = app.now();
    let bar = context.output.progress(0, "permits");
    let set = {
        let mut tx = app.db.read().await?;
        let progress = |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        };
        relevance::gather(&mut tx, &app.keys, order, now, &progress).await?
    };
    bar.finish();
    if set.rows() == 0 {
        let text =
            "there are no outcomes to learn from: import some, or wait for their window to end";
        bail!(Stop::new(Exit::NotFound, text));
    }
    let rows = set.rows();
    context.output.note(format_args!("learning from {rows} exposures"));
    let learned = tokio::task::spawn_blocking(move || relevance::learn(set, now)).await?;
    let learned = learned.map_err(|error| match error {
        RelevanceError::Train(_) => Stop::new(Exit::Failure, error.to_string()).into(),
        other => anyhow::Error::from(other),
    })?;
    let mut tx = app.db.begin().await?;
    let signer = app.keys.log_signer();
    let report = relevance::keep(&mut tx, &signer, learned, app.now(), &mut app.rng()).await?;
    tx.commit().await?;
    Ok(report)
}

async fn roll_back(app: &App, order: Order, context: &Context) -> Result<Exit> {
    let mut tx = app.db.begin().await?;
    let version = match relevance::roll_back(&mut tx, order.business, order.goal, app.now()).await {
        Ok(version) => version,
        Err(RelevanceError::NoVersion) => {
            bail!(Stop::new(Exit::NotFound, "there is no earlier version of this model"))
        }
        Err(error) => return Err(error.into()),
    };
    tx.commit().await?;
    let object = serde_json::json!({ "goal": order.goal.as_str(), "version": version });
    context.output.result(&object, format_args!("version {version} is in use"))?;
    Ok(Exit::Ok)
}

/// The report for people.
struct Readable<'r>(&'r Report);

impl fmt::Display for Readable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { version, rows, excluded } = self.0;
        let card = &version.card["model"];
        let state = match (version.held, version.active) {
            (true, _) => "waits for an officer",
            (false, true) => "is in use",
            (false, false) => "is kept; the one in use is better",
        };
        write!(f, "{} version {} ({}) {state}", version.goal, version.version, version.id)?;
        for suspicion in version.proxies().into_iter().flat_map(|found| found.suspicions) {
            write!(f, "\nWARNING {suspicion}")?;
        }
        if let Some(met) = version.challenge() {
            let Challenge { version, rows, log_loss, champion_log_loss, .. } = met;
            write!(f, "\non {rows} rows new to both: log loss {log_loss:.4}, ")?;
            write!(f, "of version {version} {champion_log_loss:.4}")?;
        }
        let segments = version.model_card().into_iter().flat_map(|card| card.segments);
        for segment in segments.filter(Segment::is_off) {
            let Segment { by, name, .. } = &segment;
            let error = segment.reliability.error;
            write!(f, "\nWARNING in {by} {name} probabilities are off by {:.3}", error.ece)?;
            write!(f, "; noise alone stays below {:.3}", error.limit)?;
        }
        write!(f, "\nlearned from {rows} exposures, {} with the outcome", card["positives"])?;
        if let Some(labels) = version.model_card().and_then(|card| card.labels) {
            write!(f, "\noutcomes told by {}", labels.text())?;
        }
        for (code, count) in excluded {
            write!(f, "\nleft out: {count} ({code})")?;
        }
        let metrics = &card["metrics"];
        if let (Some(auc), Some(ece)) = (metrics["auc"].as_f64(), metrics["ece"].as_f64()) {
            write!(f, "\non the latest fifth: AUC {auc:.4}, calibration error {ece:.4}")?;
        }
        for effect in card["effects"].as_array().into_iter().flatten().take(5) {
            write!(f, "\n  {}", effect["feature"].as_str().unwrap_or_default())?;
        }
        write!(f, "\nledger entry {}", version.entry)
    }
}
