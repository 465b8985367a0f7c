//! How long learning takes, and saying how good what was learnt is.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use volens_models::binning::{BinLimits, Bins};
use volens_models::calibrate::isotonic;
use volens_models::evaluate::Metrics;
use volens_models::uplift::{Measured, UpliftMetrics, intervals, random_ranking};
use volens_models::{Options, train};

#[path = "../../models/tests/support/mod.rs"]
mod support;

/// Rows of a fold.
const ROWS: usize = 10_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    learning(&mut criterion);
    measuring(&mut criterion);
    criterion.final_summary();
}

fn learning(criterion: &mut Criterion) {
    let (table, labels) = support::table(ROWS, 1);
    let column = table.column("a").expect("a column of the table");
    let limits = BinLimits::default();
    let bins = Bins::learn(column, limits);
    let logits: Vec<f64> = random_ranking(ROWS, 2).iter().map(|share| 4.0 * share - 2.0).collect();
    let mut group = criterion.benchmark_group("learning from 10,000 rows");
    group.sample_size(10).throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("the bins of a column", |bencher| {
        bencher.iter(|| Bins::learn(black_box(column), limits));
    });
    group.bench_function("the codes of a column", |bencher| {
        bencher.iter(|| bins.codes(black_box(column)));
    });
    group.bench_function("an isotonic curve", |bencher| {
        bencher.iter(|| isotonic(black_box(&logits), &labels, None));
    });
    group.bench_function("a model of five columns", |bencher| {
        bencher.iter(|| train(black_box(&table), &labels, None, &Options::default()));
    });
    group.finish();
}

fn measuring(criterion: &mut Criterion) {
    let [predicted, arms, outcomes] = [1, 2, 3].map(|seed| random_ranking(ROWS, seed));
    let treated: Vec<bool> = arms.iter().map(|share| *share < 0.5).collect();
    let outcome: Vec<bool> = outcomes.iter().zip(&predicted).map(|(draw, p)| draw < p).collect();
    let fold = Measured { predicted: &predicted, treated: &treated, outcome: &outcome };
    let mut group = criterion.benchmark_group("measuring 10,000 rows");
    group.sample_size(10).throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("probabilities", |bencher| {
        bencher.iter(|| Metrics::of(black_box(&predicted), &outcome, 1));
    });
    group.bench_function("Qini", |bencher| {
        bencher.iter(|| UpliftMetrics::of(black_box(&predicted), &treated, &outcome));
    });
    group.bench_function("Qini with its interval of 200 draws", |bencher| {
        bencher.iter(|| intervals(black_box(&[fold]), 200, 1));
    });
    group.finish();
}
