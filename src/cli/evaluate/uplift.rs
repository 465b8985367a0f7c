//! `volens evaluate uplift`.

use std::fmt;

use anyhow::{Context as _, Result};
use serde::Serialize;
use volens_models::dataset::Split;
use volens_models::evaluate::Interval;
use volens_models::uplift::{Learner, Measured, UpliftMetrics, UpliftModel, qini_interval};
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
}

/// What one fold gave.
#[derive(Serialize)]
pub(super) struct Fold {
    #[serde(flatten)]
    pub(super) metrics: UpliftMetrics,
    train_cpu_s: f64,
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
    /// 95 % bootstrap interval of the mean.
    qini_interval: Interval,
    /// Standard deviation over the folds.
    qini_sd: f64,
    train_cpu_s: f64,
    learner: Learner,
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
        let fold = fold(&features, &treated, &outcome, split)
            .with_context(|| format!("fold {} of {}", index + 1, splits.len()))?;
        progress.inc(1);
        output.note(format_args!(
            "fold {} of {}: Qini {:.2} per 1000, {:.1} CPU s",
            index + 1,
            splits.len(),
            fold.metrics.qini_per_1000,
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

fn fold(features: &Table, treated: &[bool], outcome: &[bool], split: &Split) -> Result<Fold> {
    let pick = |rows: &[usize], of: &[bool]| rows.iter().map(|&row| of[row]).collect::<Vec<bool>>();
    let watch = Stopwatch::start();
    let model = UpliftModel::train(
        Learner::default(),
        &features.take(&split.train),
        &pick(&split.train, treated),
        &pick(&split.train, outcome),
        &Options { seed: SEED, ..Options::default() },
    )?;
    let train_cpu_s = watch.seconds();
    let predicted = model.predict(&features.take(&split.test));
    let (treated, outcome) = (pick(&split.test, treated), pick(&split.test, outcome));
    let metrics = UpliftMetrics::of(&predicted, &treated, &outcome)?;
    Ok(Fold { metrics, train_cpu_s, predicted, treated, outcome })
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
    Ok(Report {
        metrics,
        qini_interval: qini_interval(&parts, DRAWS, SEED)?,
        qini_sd: (squares.sum::<f64>() / (count - 1.0).max(1.0)).sqrt(),
        train_cpu_s: folds.iter().map(|fold| fold.train_cpu_s).sum::<f64>() / count,
        learner: Learner::default(),
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
        writeln!(f, "AUUC            {auuc:.4}")?;
        writeln!(f, "uplift at 10 %  {uplift_at_10:.4}")?;
        writeln!(f, "uplift at 30 %  {uplift_at_30:.4}")?;
        write!(f, "train           {:.2} CPU s per fold", self.train_cpu_s)
    }
}
