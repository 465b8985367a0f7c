//! `volens evaluate uplift`.

use std::fmt;

use anyhow::{Context as _, Result};
use serde::Serialize;
use volens_models::dataset::Split;
use volens_models::evaluate::Interval;
use volens_models::uplift::{
    Campaign, Choice, Chosen, Intervals, Learner, Measured, UpliftMetrics, UpliftModel, choose,
    intervals,
};
use volens_models::{Options, Table};

use super::cpu::Stopwatch;
use super::input::{SEED, Source, column_error, read, splits};
use crate::cli::output::{Exit, Output, Stop};

/// Resamples behind the interval.
const DRAWS: usize = 200;

/// What `evaluate uplift` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) source: Source,
    /// The column that says which arm a row was in
    #[arg(long, value_name = "COL")]
    pub(super) treatment: String,
    /// Its value for rows held out
    #[arg(long, value_name = "VALUE")]
    pub(super) control: String,
    /// Its value for treated rows; rows of other arms are left out
    #[arg(long, value_name = "VALUE")]
    pub(super) treated: String,
    /// The column that holds 0 or 1
    #[arg(long, value_name = "COL")]
    pub(super) outcome: String,
    /// Measure one learner [default: the one chosen inside the training rows]
    #[arg(long, value_enum)]
    pub(super) learner: Option<Named>,
}

/// The learners, by name.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum Named {
    /// One model of "treated and responded, or held out and did not"
    ClassTransformation,
    /// A response model per arm
    TwoModels,
    /// What each arm did otherwise than the other's model expects
    XLearner,
    /// Both corrected by inverse probabilities, cross-fitted
    DoublyRobust,
}

impl From<Named> for Learner {
    fn from(named: Named) -> Self {
        match named {
            Named::ClassTransformation => Self::ClassTransformation,
            Named::TwoModels => Self::TwoModels,
            Named::XLearner => Self::XLearner,
            Named::DoublyRobust => Self::DoublyRobust,
        }
    }
}

/// What one fold gave.
#[derive(Serialize)]
pub(super) struct Fold {
    #[serde(flatten)]
    pub(super) metrics: UpliftMetrics,
    train_cpu_s: f64,
    learner: Learner,
    /// How it was chosen, where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    choice: Option<Choice>,
    #[serde(skip)]
    predicted: Vec<f64>,
    #[serde(skip)]
    treated: Vec<bool>,
    #[serde(skip)]
    outcome: Vec<bool>,
}

/// The result: means over the folds, and the folds.
#[derive(Serialize)]
pub(super) struct Report {
    #[serde(flatten)]
    pub(super) metrics: UpliftMetrics,
    /// 95 % bootstrap intervals of the means.
    qini_interval: Interval,
    auuc_interval: Interval,
    /// Standard deviation over the folds.
    qini_sd: f64,
    train_cpu_s: f64,
    /// Of each fold.
    learners: Vec<Learner>,
    seed: u64,
    pub(super) folds: Vec<Fold>,
}

pub(super) fn run(args: &Args, output: Output) -> Result<Exit> {
    let report = evaluate(args, output)?;
    output.result(&report, &report)?;
    Ok(Exit::Ok)
}

pub(super) fn evaluate(args: &Args, output: Output) -> Result<Report> {
    let table = read(&args.source.data)?;
    let arms = arms(&table, args)?;
    let rows: Vec<usize> = (0..table.rows()).filter(|&row| arms[row].is_some()).collect();
    let outcome = table.label(&args.outcome).map_err(column_error)?;
    let features = args.source.features(&table, &[&args.treatment, &args.outcome])?.take(&rows);
    // Folds are given for all rows of the file; stratified ones share the treated and their outcomes.
    let strata: Vec<bool> =
        (0..table.rows()).map(|row| outcome[row] && arms[row].is_some()).collect();
    let folds = args.source.folds(&strata)?;
    let treated: Vec<bool> = rows.iter().map(|&row| arms[row] == Some(true)).collect();
    let outcome: Vec<bool> = rows.iter().map(|&row| outcome[row]).collect();
    let splits = splits(&rows.iter().map(|&row| folds[row]).collect::<Vec<u32>>())?;
    let progress = output.progress(splits.len() as u64, "folds");
    let mut folds = Vec::new();
    for (index, split) in splits.iter().enumerate() {
        let fold = fold(&features, (&treated, &outcome), split, args.learner.map(Learner::from))
            .with_context(|| format!("fold {} of {}", index + 1, splits.len()))?;
        progress.inc(1);
        output.note(format_args!(
            "fold {} of {}: Qini {:.2} per 1000 by {}, {:.1} CPU s",
            index + 1,
            splits.len(),
            fold.metrics.qini_per_1000,
            fold.learner.name(),
            fold.train_cpu_s
        ));
        folds.push(fold);
    }
    progress.finish_and_clear();
    report(folds)
}

/// Treated, held out, or neither, per row.
fn arms(table: &Table, args: &Args) -> Result<Vec<Option<bool>>> {
    let column = table.column(&args.treatment).map_err(column_error)?;
    let texts: Vec<Option<String>> = (0..table.rows()).map(|row| column.text(row)).collect();
    for wanted in [&args.control, &args.treated] {
        if !texts.iter().any(|text| text.as_ref() == Some(wanted)) {
            let mut known: Vec<&str> = texts.iter().flatten().map(String::as_str).collect();
            known.sort_unstable();
            known.dedup();
            known.truncate(10);
            let text = format!(
                "no row has {} = \"{wanted}\"; there are: {}",
                args.treatment,
                known.join(", ")
            );
            return Err(Stop::new(Exit::Usage, text).into());
        }
    }
    let arm = |text: &Option<String>| match text {
        Some(text) if *text == args.treated => Some(true),
        Some(text) if *text == args.control => Some(false),
        _ => None,
    };
    Ok(texts.iter().map(arm).collect())
}

fn fold(
    features: &Table,
    (treated, outcome): (&[bool], &[bool]),
    split: &Split,
    wanted: Option<Learner>,
) -> Result<Fold> {
    let pick = |rows: &[usize], of: &[bool]| rows.iter().map(|&row| of[row]).collect::<Vec<bool>>();
    let options = Options { seed: SEED, ..Options::default() };
    let watch = Stopwatch::start();
    let table = features.take(&split.train);
    let (arm, answers) = (pick(&split.train, treated), pick(&split.train, outcome));
    let campaign = Campaign { table: &table, treated: &arm, outcome: &answers, propensity: None };
    let (learner, model, choice) = if let Some(learner) = wanted {
        (learner, UpliftModel::train(learner, campaign, &options)?, None)
    } else {
        let Chosen { model, choice } = choose(campaign, &options)?;
        (choice.learner, model, Some(choice))
    };
    let train_cpu_s = watch.seconds();
    let predicted = model.predict(&features.take(&split.test));
    let (treated, outcome) = (pick(&split.test, treated), pick(&split.test, outcome));
    let metrics = UpliftMetrics::of(&predicted, &treated, &outcome)?;
    Ok(Fold { metrics, train_cpu_s, learner, choice, predicted, treated, outcome })
}

fn report(folds: Vec<Fold>) -> Result<Report> {
    let measured: Vec<UpliftMetrics> = folds.iter().map(|fold| fold.metrics).collect();
    let metrics = UpliftMetrics::mean(&measured).context("there are no folds")?;
    let parts: Vec<Measured<'_>> = folds
        .iter()
        .map(|fold| Measured {
            predicted: &fold.predicted,
            treated: &fold.treated,
            outcome: &fold.outcome,
        })
        .collect();
    let count = folds.len() as f64;
    let squares = measured.iter().map(|fold| (fold.qini_per_1000 - metrics.qini_per_1000).powi(2));
    let Intervals { qini_per_1000, auuc } = intervals(&parts, DRAWS, SEED)?;
    Ok(Report {
        metrics,
        qini_interval: qini_per_1000,
        auuc_interval: auuc,
        qini_sd: (squares.sum::<f64>() / (count - 1.0).max(1.0)).sqrt(),
        train_cpu_s: folds.iter().map(|fold| fold.train_cpu_s).sum::<f64>() / count,
        learners: folds.iter().map(|fold| fold.learner).collect(),
        seed: SEED,
        folds,
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UpliftMetrics { qini_per_1000, auuc, uplift_at_10, uplift_at_30, average_effect, rows } =
            self.metrics;
        let Interval { low, high } = self.qini_interval;
        writeln!(
            f,
            "{rows} rows in {} folds, average effect {average_effect:.4}",
            self.folds.len()
        )?;
        writeln!(
            f,
            "Qini per 1000   {qini_per_1000:.2}   95 % {low:.2} to {high:.2}, sd over folds {:.2}",
            self.qini_sd
        )?;
        let Interval { low, high } = self.auuc_interval;
        writeln!(f, "AUUC            {auuc:.4}   95 % {low:.4} to {high:.4}")?;
        writeln!(f, "uplift at 10 %  {uplift_at_10:.4}")?;
        writeln!(f, "uplift at 30 %  {uplift_at_30:.4}")?;
        let learners: Vec<&str> = self.learners.iter().map(|learner| learner.name()).collect();
        writeln!(f, "learner         {}", learners.join(", "))?;
        write!(f, "train           {:.2} CPU s per fold", self.train_cpu_s)
    }
}
