//! Why, why not, and what would have turned it: held against brute force and against the scores themselves.

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use volens_models::binning::Bins;
use volens_models::features::{self, Direction, Value, lever};
use volens_models::flip::{Change, MOST, Wanted};
use volens_models::words::{compare, in_words};
use volens_models::{Column, Features, Model, Options, Table, train};
use volens_privacy::Topics;

const MOVABLE: [&str; 4] = [
    features::TOPIC_LONG,
    features::BUSINESS_LONG,
    features::RECENCY_DAYS,
    features::FATIGUE_RECEIVED,
];
const FIXED: [&str; 3] = ["trait.plan_rank", "lent.topic.long", "language.match"];

/// People whose interest, dealings, silence and fatigue matter alone and together, with columns that nobody
/// may be asked to change and that matter more than all others.
fn model(seed: u64) -> (Model, Table) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut columns: Vec<Vec<f64>> = vec![Vec::new(); MOVABLE.len() + 2];
    let (mut codes, mut labels) = (Vec::new(), Vec::new());
    for _ in 0..900 {
        let row: Vec<f64> =
            (0..columns.len()).map(|_| f64::from(rng.random_range(0..5_u32))).collect();
        let word = rng.random_range(0..2_u32);
        let logit = 0.8 * row[0] - 0.5 * row[3] + 0.3 * row[0] * (row[1] - 2.0) - 0.2 * row[2]
            + 1.5 * (row[4] - 2.0)
            + 0.9 * row[5]
            - f64::from(word)
            - 3.0;
        labels.push(rng.random::<f64>() < 1.0 / (1.0 + (-logit).exp()));
        for (column, value) in columns.iter_mut().zip(row) {
            let unknown = rng.random::<f64>() < 0.05;
            column.push(if unknown { f64::NAN } else { value });
        }
        codes.push(word);
    }
    let levels = ["no", "yes"].map(str::to_owned).to_vec();
    let names = MOVABLE.into_iter().chain(FIXED);
    let columns = columns.into_iter().map(Column::Number);
    let columns = columns.chain([Column::Category { codes, levels }]);
    let table = names
        .zip(columns)
        .try_fold(Table::default(), |table, (name, column)| table.with_column(name, column))
        .expect("columns of one length");
    let options =
        Options { directions: table.schema().directions(), averaged: 1, ..Options::default() };
    (train(&table, &labels, None, &options).expect("both classes").model, table)
}

/// Every code a column may have instead, with the bins it goes over and whether its number grows.
fn choices(model: &Model, column: usize, from: u16, wanted: Wanted) -> Vec<(u16, usize)> {
    let known = &model.columns()[column];
    if lever(&known.name).is_none() {
        return Vec::new();
    }
    let Bins::Numbers { .. } = known.bins else { return Vec::new() };
    let last = known.bins.size() as u16 - 1;
    let up = matches!(wanted, Wanted::AtLeast(_));
    (1..=last)
        .filter(|&code| code != from)
        .filter_map(|code| {
            let never = from == 0 && known.name == features::RECENCY_DAYS;
            let (bins, rises) =
                if never { (last - code + 1, false) } else { (code.abs_diff(from), code > from) };
            let allowed = match known.direction {
                None => true,
                Some(direction) => ((direction == Direction::Rises) == rises) == up,
            };
            allowed.then_some((code, usize::from(bins)))
        })
        .collect()
}

/// The size of the smallest change, by trying all of them.
fn smallest(model: &Model, codes: &[u16], wanted: Wanted) -> Option<(usize, usize)> {
    fn go(
        model: &Model,
        codes: &mut Vec<u16>,
        at: usize,
        size: (usize, usize),
        wanted: Wanted,
        best: &mut Option<(usize, usize)>,
    ) {
        if size.0 > MOST {
            return;
        }
        if at == codes.len() {
            if wanted.holds(model.score_codes(codes).logit) && best.is_none_or(|best| size < best) {
                *best = Some(size);
            }
            return;
        }
        go(model, codes, at + 1, size, wanted, best);
        let was = codes[at];
        for (code, bins) in choices(model, at, was, wanted) {
            codes[at] = code;
            go(model, codes, at + 1, (size.0 + 1, size.1 + bins), wanted, best);
        }
        codes[at] = was;
    }
    let mut best = None;
    go(model, &mut codes.to_vec(), 0, (0, 0), wanted, &mut best);
    best
}

/// The codes with a change made.
fn changed(model: &Model, codes: &[u16], change: &Change) -> Vec<u16> {
    let mut codes = codes.to_vec();
    for moved in &change.moves {
        let at = model.columns().iter().position(|column| column.name == moved.feature);
        codes[at.expect("a column of the model")] = moved.code;
    }
    codes
}

#[test]
fn the_change_found_turns_the_decision_and_no_smaller_one_does() {
    let mut sizes = [0; MOST + 1];
    let mut none = 0;
    for seed in 0..4 {
        let (model, table) = model(seed);
        let mut rng = StdRng::seed_from_u64(seed);
        for row in 0..60 {
            let codes = model.codes(&table.features(row));
            let cut = rng.random_range(-4.0..4.0);
            let logit = model.score_codes(&codes).logit;
            let wanted = if logit < cut { Wanted::AtLeast(cut) } else { Wanted::Below(cut) };
            let found = model.smallest_change(&table.features(row), wanted);
            let brute = smallest(&model, &codes, wanted);
            assert_eq!(found.as_ref().map(Change::size), brute, "model {seed}, row {row}");
            let Some(found) = found else {
                none += 1;
                continue;
            };
            sizes[found.moves.len()] += 1;
            let after = model.score_codes(&changed(&model, &codes, &found)).logit;
            assert_eq!(after.to_bits(), found.logit.to_bits());
            assert!(wanted.holds(after) && !wanted.holds(logit));
            assert!(found.moves.iter().all(|moved| MOVABLE.contains(&moved.feature.as_str())));
            assert!(found.moves.iter().all(|moved| moved.code != 0), "nothing becomes unknown");
        }
    }
    assert!(sizes[1] > 20 && sizes[2] > 5 && sizes[3] > 0 && none > 0, "{sizes:?}, none {none}");
}

#[test]
fn columns_of_one_lever_never_part() {
    let mut rng = StdRng::seed_from_u64(5);
    let names = [features::BUSINESS_SHORT, features::BUSINESS_LONG];
    let columns: Vec<Vec<f64>> =
        names.iter().map(|_| (0..600).map(|_| rng.random_range(0.0..4.0)).collect()).collect();
    // One counts for, one against: the two apart would be the smallest change for many rows.
    let label = |row: usize| {
        rng.random::<f64>() < 1.0 / (1.0 + (2.0 * (columns[1][row] - columns[0][row])).exp())
    };
    let labels: Vec<bool> = (0..600).map(label).collect();
    let table = names
        .into_iter()
        .zip(columns)
        .try_fold(Table::default(), |table, (name, column)| {
            table.with_column(name, Column::Number(column))
        })
        .expect("columns of one length");
    let model = train(&table, &labels, None, &Options::default()).expect("both classes").model;
    for row in 0..60 {
        for wanted in [Wanted::AtLeast(3.0), Wanted::Below(-3.0)] {
            let found = model.smallest_change(&table.features(row), wanted);
            let ways: Vec<bool> =
                found.iter().flat_map(|change| &change.moves).map(|moved| moved.rises).collect();
            assert!(ways.windows(2).all(|pair| pair[0] == pair[1]), "{ways:?}");
            if let Some(change) = found.filter(|change| !change.moves.is_empty()) {
                assert_eq!(in_words(&change, &[], "en").len(), 1);
            }
        }
    }
}

#[test]
fn what_is_told_of_two_rows_adds_up_and_says_nothing_else_of_either() {
    let (model, table) = model(9);
    let topics = vec![Topics::builtin().check("sport.running").expect("a usable topic")];
    for row in 0..200 {
        let (own, other) =
            (model.explain(&table.features(row)), model.explain(&table.features(row + 200)));
        for most in [0, 2, 9] {
            let found = compare(&own, &other, &topics, "de", most);
            let told = found.reasons.iter().map(|reason| reason.own - reason.other);
            let sum = told.fold(found.rest, |sum, difference| sum + difference);
            assert_eq!(sum.to_bits(), (own.score.logit - other.score.logit + 0.0).to_bits());
            assert!(found.reasons.len() <= most);
            let text = serde_json::to_string(&found).expect("JSON");
            assert!(!text.contains("trait.") && !text.contains('≥') && !text.contains("feature"));
        }
        let same = compare(&own, &own, &topics, "en", 9);
        assert_eq!((same.difference.to_bits(), same.reasons.len()), (0.0_f64.to_bits(), 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_sensitive_trait_is_in_the_rest_alone(amount in -3.0..3.0_f64) {
        let explanation = |amount| volens_models::Explanation {
            score: serde_json::from_value(serde_json::json!({"probability": 0.5, "logit": amount}))
                .expect("a score"),
            bias: 0.0,
            contributions: vec![volens_models::Contribution {
                feature: "trait.religion_islam".into(),
                value: "yes".into(),
                amount,
            }],
        };
        let found = compare(&explanation(amount), &explanation(0.0), &[], "en", 9);
        prop_assert!(found.reasons.is_empty());
        prop_assert_eq!(found.rest.to_bits(), found.difference.to_bits());
    }
}

#[test]
fn values_that_only_one_side_of_a_bin_has_change_nothing() {
    let (model, table) = model(3);
    let mut features = table.features(0);
    let before = model.smallest_change(&features, Wanted::AtLeast(9.0));
    features.category("trait.never_seen", "x");
    assert_eq!(features.get("trait.never_seen"), Some(&Value::Category("x".into())));
    assert_eq!(model.smallest_change(&features, Wanted::AtLeast(9.0)), before);
    assert!(model.smallest_change(&Features::default(), Wanted::AtLeast(-9.0)).is_some());
}
