//! `volens evaluate relevance`.

use std::fmt;

use anyhow::{Context as _, Result};
use serde::Serialize;
use volens_models::calibrate::Method;
use volens_models::dataset::{Split, Suspicion, suspicions};
use volens_models::evaluate::Metrics;
use volens_models::features::Direction;
use volens_models::learner::select::Choice;
use volens_models::{Options, Table, train};

use super::cpu::Stopwatch;
use super::input::{SEED, Source, column_error, read, splits};
use crate::cli::output::{Exit, Output, Stop};

/// Predictions are repeated until they took this long, in CPU seconds.
const PREDICT_AT_LEAST: f64 = 0.1;

/// What `evaluate relevance` takes.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) source: Source,
    /// The column that holds 0 or 1
    #[arg(long, value_name = "COL")]
    pub(super) label: String,
    /// A column of numbers along which scores may only rise; may be repeated
    #[arg(long, value_name = "COL")]
    pub(super) rises: Vec<String>,
    /// A column of numbers along which scores may only fall; may be repeated
    #[arg(long, value_name = "COL")]
    pub(super) falls: Vec<String>,
}

impl Args {
    /// How to train on these features.
    fn options(&self, features: &Table) -> Result<Options> {
        let rises = self.rises.iter().map(|name| (name, Direction::Rises));
        let falls = self.falls.iter().map(|name| (name, Direction::Falls));
        let mut options = Options { seed: SEED, ..Options::default() };
        for (name, direction) in rises.chain(falls) {
            features.column(name).map_err(column_error)?;
            if options.directions.insert(name.clone(), direction).is_some_and(|it| it != direction)
            {
                let both = format!("column \"{name}\" cannot both rise and fall");
                return Err(Stop::new(Exit::Usage, both).into());
            }
        }
        Ok(options)
    }
}

/// What one fold gave.
#[derive(Serialize)]
pub(super) struct Fold {
    #[serde(flatten)]
    pub(super) metrics: Metrics,
    train_cpu_s: f64,
    predict_rows_per_s: f64,
    calibration: Method,
    choice: Choice,
}

/// The result: means over the folds, and the folds.
#[derive(Serialize)]
pub(super) struct Report {
    #[serde(flatten)]
    pub(super) metrics: Metrics,
    train_cpu_s: f64,
    predict_rows_per_s: f64,
    /// Columns to be wary of.
    suspicions: Vec<(String, Suspicion)>,
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
    let labels = table.label(&args.label).map_err(column_error)?;
    let features = args.source.features(&table, &[&args.label])?;
    let options = args.options(&features)?;
    let splits = splits(&args.source.folds(&labels)?)?;
    let suspicions = suspicions(&features, &labels);
    for (column, suspicion) in &suspicions {
        output.note(format_args!("column \"{column}\": {}", words(*suspicion)));
    }
    let progress = output.progress(splits.len() as u64, "folds");
    let mut folds = Vec::new();
    for (index, split) in splits.iter().enumerate() {
        let fold = fold(&features, &labels, split, &options)
            .with_context(|| format!("fold {} of {}", index + 1, splits.len()))?;
        progress.inc(1);
        output.note(format_args!(
            "fold {} of {}: AUC {:.4}, log loss {:.4}, {:.1} CPU s",
            index + 1,
            splits.len(),
            fold.metrics.auc,
            fold.metrics.log_loss,
            fold.train_cpu_s
        ));
        folds.push(fold);
    }
    progress.finish_and_clear();
    let measured: Vec<Metrics> = folds.iter().map(|fold| fold.metrics).collect();
    let mean = |of: fn(&Fold) -> f64| folds.iter().map(of).sum::<f64>() / folds.len() as f64;
    Ok(Report {
        metrics: Metrics::mean(&measured).context("there are no folds")?,
        train_cpu_s: mean(|fold| fold.train_cpu_s),
        predict_rows_per_s: mean(|fold| fold.predict_rows_per_s),
        suspicions,
        seed: SEED,
        folds,
    })
}

fn fold(features: &Table, labels: &[bool], split: &Split, options: &Options) -> Result<Fold> {
    let pick = |rows: &[usize]| rows.iter().map(|&row| labels[row]).collect::<Vec<bool>>();
    let (train_table, test_table) = (features.take(&split.train), features.take(&split.test));
    let watch = Stopwatch::start();
    let trained = train(&train_table, &pick(&split.train), None, options)?;
    let train_cpu_s = watch.seconds();
    let watch = Stopwatch::start();
    let mut repeats = 1_u32;
    let mut probabilities = trained.model.probabilities(&test_table);
    while watch.seconds() < PREDICT_AT_LEAST {
        probabilities = trained.model.probabilities(&test_table);
        repeats += 1;
    }
    let predict_rows_per_s = f64::from(repeats) * test_table.rows() as f64 / watch.seconds();
    Ok(Fold {
        metrics: Metrics::of(&probabilities, &pick(&split.test), SEED)?,
        train_cpu_s,
        predict_rows_per_s,
        calibration: trained.calibration,
        choice: trained.choice,
    })
}

fn words(suspicion: Suspicion) -> &'static str {
    match suspicion {
        Suspicion::Constant => "has one value only and is of no use",
        Suspicion::Identifier => {
            "has a value of its own in nearly every row; leave it out with --drop"
        }
        Suspicion::Leak => "alone predicts the label almost perfectly; is it known beforehand?",
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Metrics { auc, pr_auc, log_loss, brier, ece, ece_floor, lift_at_10, rows, base_rate } =
            self.metrics;
        writeln!(
            f,
            "{rows} rows in {} folds, {:.2} % positive",
            self.folds.len(),
            100.0 * base_rate
        )?;
        writeln!(f, "AUC             {auc:.4}")?;
        writeln!(f, "PR-AUC          {pr_auc:.4}")?;
        writeln!(f, "log loss        {log_loss:.4}")?;
        writeln!(f, "Brier           {brier:.4}")?;
        writeln!(f, "ECE (15 bins)   {ece:.4}   a perfect model would show {ece_floor:.4} here")?;
        writeln!(f, "lift at 10 %    {lift_at_10:.2}")?;
        writeln!(f, "train           {:.2} CPU s per fold", self.train_cpu_s)?;
        write!(f, "predict         {:.2} million rows per CPU s", self.predict_rows_per_s / 1e6)
    }
}
