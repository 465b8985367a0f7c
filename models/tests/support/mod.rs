//! Tables made from a seed.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use volens_models::{Column, Table};

/// `rows` rows with two numbers whose product matters (an interaction no linear model sees), a number that
/// matters alone, a word that matters a little, gaps, and noise.
pub(crate) fn table(rows: usize, seed: u64) -> (Table, Vec<bool>) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut columns: [Vec<f64>; 4] = Default::default();
    let (mut codes, mut labels) = (Vec::new(), Vec::new());
    for _ in 0..rows {
        let [a, b, c, noise] = [0; 4].map(|_| rng.random_range(-2.0..2.0_f64));
        let word = rng.random_range(0..4_u32);
        let logit = -1.0 + 1.5 * a * b + 1.2 * (2.0 * c).sin() + if word == 2 { 0.8 } else { 0.0 };
        labels.push(rng.random::<f64>() < 1.0 / (1.0 + (-logit).exp()));
        let gap = rng.random::<f64>() < 0.05;
        for (column, value) in columns.iter_mut().zip([a, b, if gap { f64::NAN } else { c }, noise])
        {
            column.push(value);
        }
        codes.push(word);
    }
    let levels = ["red", "green", "blue", "grey"].map(str::to_owned).to_vec();
    let [a, b, c, noise] = columns;
    let table = Table::default()
        .with_column("a", Column::Number(a))
        .and_then(|table| table.with_column("b", Column::Number(b)))
        .and_then(|table| table.with_column("c", Column::Number(c)))
        .and_then(|table| table.with_column("noise", Column::Number(noise)))
        .and_then(|table| table.with_column("word", Column::Category { codes, levels }))
        .expect("columns of one length");
    (table, labels)
}
