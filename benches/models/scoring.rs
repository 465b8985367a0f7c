//! How long scores take: of one row, of a block, of many, and the best of them.

use std::hint::black_box;
use std::sync::atomic::AtomicBool;

use criterion::{Criterion, Throughput};
use volens_models::scan::{self, BLOCK};
use volens_models::topk::top_k;
use volens_models::uplift::random_ranking;
use volens_models::{Model, Options, Table, train};

#[path = "../../models/tests/support/mod.rs"]
mod support;

/// Rows that the model learns from.
const LEARNT: usize = 20_000;
/// Rows that are scanned.
const PEOPLE: usize = 200_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let (table, labels) = support::table(LEARNT, 1);
    let model = train(&table, &labels, None, &Options::default()).expect("both classes").model;
    one_row(&mut criterion, &model, &table);
    many_rows(&mut criterion, &model);
    best_of_scores(&mut criterion);
    criterion.final_summary();
}

fn one_row(criterion: &mut Criterion, model: &Model, table: &Table) {
    let features = table.features(0);
    let codes = model.codes(&features);
    let mut group = criterion.benchmark_group("one row");
    group.bench_function("of values", |bencher| {
        bencher.iter(|| model.score_values(black_box(&features)));
    });
    group.bench_function("of codes", |bencher| {
        bencher.iter(|| model.score_codes(black_box(&codes)));
    });
    group.bench_function("with reasons", |bencher| {
        bencher.iter(|| model.explain(black_box(&features)));
    });
    group.finish();
}

fn many_rows(criterion: &mut Criterion, model: &Model) {
    let (table, _) = support::table(PEOPLE, 2);
    let block = model.encode(&table.take(&(0..BLOCK).collect::<Vec<usize>>()));
    let scorer = model.scorer();
    let mut logits = Vec::new();
    let mut group = criterion.benchmark_group("many rows");
    group.throughput(Throughput::Elements(BLOCK as u64));
    group.bench_function("a block of codes", |bencher| {
        bencher.iter(|| scorer.logits(black_box(&block), BLOCK, &mut logits));
    });
    group.sample_size(10).throughput(Throughput::Elements(PEOPLE as u64));
    group.bench_function("values to codes", |bencher| {
        bencher.iter(|| model.encode(black_box(&table)));
    });
    let columns: Vec<Vec<u16>> = model
        .columns()
        .iter()
        .map(|column| column.bins.codes(table.column(&column.name).expect("a column it learnt")))
        .collect();
    let rows: Vec<u32> = (0..PEOPLE as u32).collect();
    group.bench_function("the best 1,000, one thread", |bencher| {
        bencher.iter(|| {
            scan::best(&rows, 1_000, 1, &AtomicBool::new(false), |codes, rows, out| {
                codes.refill(columns.len(), |column, codes| {
                    codes.extend(rows.iter().map(|row| columns[column][*row as usize]));
                });
                scorer.logits(codes, rows.len(), out);
            })
        });
    });
    group.finish();
}

fn best_of_scores(criterion: &mut Criterion) {
    let scores = random_ranking(1_000_000, 1);
    let mut rising = scores.clone();
    rising.sort_by(f64::total_cmp);
    let mut group = criterion.benchmark_group("the best 10,000 of a million scores");
    group.sample_size(10).throughput(Throughput::Elements(scores.len() as u64));
    group.bench_function("in no order", |bencher| {
        bencher.iter(|| top_k(black_box(&scores), 10_000));
    });
    group.bench_function("ever higher", |bencher| {
        bencher.iter(|| top_k(black_box(&rising), 10_000));
    });
    group.finish();
}
