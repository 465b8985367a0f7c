//! Learning from tables made from a seed.

mod support;

use std::sync::atomic::AtomicBool;

use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2};
use proptest::prelude::*;
use support::table;
use volens_models::calibrate::{Calibration, isotonic, platt};
use volens_models::dataset::{splits, stratified};
use volens_models::evaluate::{Metrics, auc};
use volens_models::learner::{Effect, TrainError};
use volens_models::scan;
use volens_models::uplift::{Campaign, Learner, UpliftError, UpliftMetrics, UpliftModel, choose};
use volens_models::{
    Artifact, Column, Explanation, Features, Model, ModelCard, Options, Table, Trained, train,
};
use volens_privacy::Timestamp;

fn trained(rows: usize) -> (Table, Vec<bool>, Trained) {
    let (table, labels) = table(rows, 1);
    let trained = train(&table, &labels, None, &Options::default()).expect("both classes");
    (table, labels, trained)
}

fn artifact(model: Model, trained: &Trained, labels: &[bool]) -> Artifact {
    let card =
        ModelCard::of("test", trained, labels, &Options::default(), Timestamp::from_micros(0));
    Artifact { model, card, increase: None, evidence: None, evidence_of_increase: None }
}

/// Bias and contributions are the logit, to the last bit, in whatever order they are added.
fn assert_sums(explanation: &Explanation) {
    let amounts = || explanation.contributions.iter().map(|part| part.amount);
    let forth = amounts().fold(explanation.bias, |sum, amount| sum + amount);
    let back = amounts().rev().fold(0.0, |sum, amount| sum + amount) + explanation.bias;
    assert_eq!(forth.to_bits(), explanation.score.logit.to_bits());
    assert_eq!(back.to_bits(), explanation.score.logit.to_bits());
}

/// The numbers of a table as linfa takes them; gaps are 0, words are left out.
fn matrix(table: &Table, rows: &[usize]) -> Array2<f64> {
    let numbers: Vec<&Vec<f64>> = table
        .columns()
        .iter()
        .filter_map(|column| if let Column::Number(values) = column { Some(values) } else { None })
        .collect();
    Array2::from_shape_fn((rows.len(), numbers.len()), |(row, column)| {
        let value = numbers[column][rows[row]];
        if value.is_nan() { 0.0 } else { value }
    })
}

#[test]
fn interactions_are_found_and_linfas_logistic_regression_is_beaten() {
    let (table, labels) = table(6000, 3);
    let split = &splits(&stratified(&labels, 3, 1), 6000).expect("three folds")[0];
    let pick = |rows: &[usize]| rows.iter().map(|&row| labels[row]).collect::<Vec<bool>>();
    let data = DatasetBase::new(matrix(&table, &split.train), Array1::from(pick(&split.train)));
    let oracle =
        LogisticRegression::default().max_iterations(200).fit(&data).expect("it converges");
    let sign = if oracle.labels().pos.class { 1.0 } else { -1.0 };
    let theirs: Vec<f64> =
        matrix(&table, &split.test).dot(oracle.params()).iter().map(|s| sign * s).collect();
    let ours = train(&table.take(&split.train), &pick(&split.train), None, &Options::default())
        .expect("it learns");
    let test = pick(&split.test);
    let theirs = auc(&theirs, &test).expect("both classes");
    let probabilities = ours.model.probabilities(&table.take(&split.test));
    let measured = Metrics::of(&probabilities, &test, 1).expect("both classes");
    assert!(measured.auc > theirs + 0.15, "{} against {theirs}", measured.auc);
    assert!(measured.ece < 2.5 * measured.ece_floor, "{measured:?}");
}

#[test]
fn what_two_columns_say_only_together_is_found_and_explained() {
    let (_, _, trained) = trained(6000);
    let crossed = |effect: &&Effect| effect.feature.contains(" × ");
    let strongest = trained.effects.iter().find(crossed).expect("there are pairs");
    assert_eq!(strongest.feature, "a × b");
    assert!(trained.choice.pairs.contains(&("a".to_owned(), "b".to_owned())));
    for (a, b, speaks_for) in
        [(1.7, 1.7, true), (-1.7, -1.7, true), (1.7, -1.7, false), (-1.7, 1.7, false)]
    {
        let mut features = Features::default();
        features.number("a", a).number("b", b).number("c", 0.1).number("noise", 0.0);
        features.category("word", "red");
        let explanation = trained.model.explain(&features);
        let most = explanation
            .contributions
            .iter()
            .max_by(|x, y| x.amount.abs().total_cmp(&y.amount.abs()))
            .expect("there are terms");
        assert_eq!((most.feature.as_str(), most.amount > 0.0), ("a × b", speaks_for), "{a} {b}");
    }
}

#[test]
fn the_same_rows_and_seed_give_the_same_bytes_and_another_seed_does_not() {
    let (table, labels, first) = trained(1500);
    let again = train(&table, &labels, None, &Options::default()).expect("it learns");
    let bytes = |trained: &Trained| artifact(trained.model.clone(), trained, &labels).to_bytes();
    assert_eq!(bytes(&first), bytes(&again));
    let other = train(&table, &labels, None, &Options { seed: 2, ..Options::default() })
        .expect("it learns");
    assert_ne!(first.model, other.model);
}

#[test]
fn noise_teaches_nothing_it_is_sure_of() {
    let (table, _) = table(3000, 4);
    let labels: Vec<bool> = (0..3000).map(|row| (row * 7919) % 10 < 3).collect();
    let trained = train(&table, &labels, None, &Options::default()).expect("it learns");
    assert_eq!(trained.choice.pairs, []);
    let spread = trained
        .model
        .probabilities(&table)
        .into_iter()
        .map(|p| (p - 0.3).abs())
        .fold(0.0, f64::max);
    assert!(spread < 0.2, "{spread}");
}

#[test]
fn rows_of_no_importance_change_nothing_that_is_learnt_about_the_others() {
    let (table, labels) = table(3000, 5);
    let importance: Vec<f64> = (0..3000).map(|row| f64::from(u8::from(row % 3 != 0))).collect();
    let mut flipped = labels.clone();
    flipped.iter_mut().step_by(3).for_each(|label| *label = !*label);
    let options = Options::default();
    let weighted = train(&table, &flipped, Some(&importance), &options).expect("it learns");
    let rows: Vec<usize> = (0..3000).filter(|row| row % 3 == 0).collect();
    let truth: Vec<bool> = rows.iter().map(|&row| labels[row]).collect();
    let found =
        auc(&weighted.model.probabilities(&table.take(&rows)), &truth).expect("both classes");
    assert!(found > 0.75, "learnt from rows that weigh nothing: {found}");
    let bad = vec![f64::NAN; 3000];
    assert_eq!(train(&table, &labels, Some(&bad), &options).err(), Some(TrainError::Importance(0)));
}

#[test]
fn too_little_is_refused() {
    let (table, _) = table(30, 1);
    let labels: Vec<bool> = (0..30).map(|row| row < 9).collect();
    let error = train(&table, &labels, None, &Options::default()).err();
    assert_eq!(error, Some(TrainError::TooFew { positives: 9, negatives: 21 }));
    assert_eq!(
        train(&table, &labels[1..], None, &Options::default()).err(),
        Some(TrainError::Lengths { rows: 30, labels: 29 })
    );
}

#[test]
fn bias_and_contributions_sum_to_the_logit_and_the_scan_gives_the_same_numbers() {
    let (table, _, trained) = trained(3000);
    let codes = trained.model.encode(&table);
    let mut scanned = Vec::new();
    trained.model.scorer().logits(&codes, table.rows(), &mut scanned);
    for row in (0..table.rows()).step_by(7) {
        let features = table.features(row);
        let explanation = trained.model.explain(&features);
        assert_sums(&explanation);
        assert_eq!(scanned[row].to_bits(), explanation.score.logit.to_bits(), "row {row}");
        assert_eq!(trained.model.score_values(&features), explanation.score);
    }
    let eligible: Vec<u32> = (0..3000).step_by(3).collect();
    let scorer = trained.model.scorer();
    let best = scan::best(&eligible, 10, 2, &AtomicBool::new(false), |codes, rows, logits| {
        let rows: Vec<usize> = rows.iter().map(|row| *row as usize).collect();
        *codes = trained.model.encode(&table.take(&rows));
        scorer.logits(codes, rows.len(), logits);
    });
    let mut slow: Vec<(u32, f64)> =
        eligible.iter().map(|row| (*row, scanned[*row as usize])).collect();
    slow.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    assert_eq!(best.as_deref(), Some(&slow[..10]));
}

#[test]
fn either_class_may_be_the_frequent_one_for_platt() {
    for share in [1, 3] {
        let logits: Vec<f64> = (0..2000).map(|row| f64::from(row % 21 - 10) / 4.0).collect();
        let labels: Vec<bool> = logits
            .iter()
            .enumerate()
            .map(|(row, s)| s + (row * 13 % 10) as f64 / 2.0 > f64::from(share))
            .collect();
        let Calibration::Platt { slope, .. } = platt(&logits, &labels).expect("it converges")
        else {
            panic!("platt gives a line")
        };
        assert!(slope > 0.0, "{share}");
    }
}

#[test]
fn uplift_learners_rank_those_the_treatment_moves() {
    let (table, responds) = table(4500, 8);
    let treated: Vec<bool> = (0..4500).map(|row| (row * 31) % 5 < 3).collect();
    let outcome: Vec<bool> =
        (0..4500).map(|row| (responds[row] && treated[row]) || row % 11 == 0).collect();
    let (seen, new): (Vec<usize>, Vec<usize>) = (0..4500).partition(|row| row % 3 != 0);
    let pick = |rows: &[usize], of: &[bool]| rows.iter().map(|&row| of[row]).collect::<Vec<bool>>();
    let (known, arm, answers) = (table.take(&seen), pick(&seen, &treated), pick(&seen, &outcome));
    let campaign = Campaign { table: &known, treated: &arm, outcome: &answers, propensity: None };
    let asked = table.take(&new);
    let measured = |model: &UpliftModel| {
        UpliftMetrics::of(&model.predict(&asked), &pick(&new, &treated), &pick(&new, &outcome))
            .expect("both arms")
    };
    for learner in Learner::ALL {
        let model = UpliftModel::train(learner, campaign, &Options::default()).expect("both arms");
        let metrics = measured(&model);
        assert!(metrics.qini_per_1000 > 40.0, "{learner:?} {metrics:?}");
        let one = model.predict_values(&table.features(new[0]));
        assert_eq!(one.to_bits(), model.predict(&asked)[0].to_bits());
        if learner == Learner::DoublyRobust {
            let again = UpliftModel::train(learner, campaign, &Options::default());
            assert_eq!(again.expect("both arms"), model, "the same rows and seed, the same bits");
        }
    }
    let chosen = choose(campaign, &Options::default()).expect("both arms");
    assert!(measured(&chosen.model).qini_per_1000 > 40.0);
    let tried = &chosen.choice.tried;
    assert_eq!(tried.len(), Learner::ALL.len());
    let kept = tried.iter().find(|one| one.learner == chosen.choice.learner).expect("it was tried");
    let simpler = tried.iter().filter(|one| one.learner < kept.learner);
    assert!(simpler.map(|one| one.qini_per_1000).all(|qini| qini < kept.qini_per_1000));
    let sure = vec![1.0; known.rows()];
    let sure = Campaign { propensity: Some(&sure), ..campaign };
    assert_eq!(choose(sure, &Options::default()), Err(UpliftError::Propensity(0)));
}

#[test]
fn a_file_gives_the_model_back_bit_for_bit_and_any_change_is_refused() {
    let (_, labels, trained) = trained(1200);
    let artifact = artifact(trained.model.clone(), &trained, &labels);
    let bytes = artifact.to_bytes();
    let read = Artifact::from_bytes(&bytes).expect("just written");
    assert_eq!(read, artifact);
    assert_eq!(read.to_bytes(), bytes);
    for at in (0..bytes.len()).step_by(bytes.len() / 200 + 1).chain([8, 12, 20, 51]) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(Artifact::from_bytes(&changed).is_err(), "byte {at}");
    }
    for end in [0, 7, 8, 51, 52, bytes.len() - 1] {
        assert!(Artifact::from_bytes(&bytes[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn a_readable_file_with_an_unusable_model_is_refused() {
    let (_, labels, trained) = trained(1200);
    let json = serde_json::to_value(&trained.model).expect("a model is JSON");
    let broken = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut json = json.clone();
        change(&mut json);
        let model: Model = serde_json::from_value(json).expect("still the same shape");
        Artifact::from_bytes(&artifact(model, &trained, &labels).to_bytes()).is_err()
    };
    assert!(!broken(&|_| {}));
    assert!(broken(&|json| json["terms"][0]["shape"]["first"]["column"] = 99.into()));
    assert!(broken(&|json| json["terms"][0]["units"] = serde_json::json!([1])));
    assert!(broken(&|json| json["columns"][0]["direction"] = "falls".into()));
    assert!(broken(
        &|json| json["columns"][0]["bins"]["numbers"]["edges"] = serde_json::json!([2.0, 1.0])
    ));
    assert!(broken(&|json| json["curve"] = serde_json::json!({"knots": [[0.0, 1.0], [1.0, 0.5]]})));
}

proptest! {
    #[test]
    fn garbage_is_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), like in any::<bool>()) {
        let mut file = if like { b"VOLMODEL\x01\0\0\0".to_vec() } else { Vec::new() };
        file.extend(bytes);
        prop_assert!(Artifact::from_bytes(&file).is_err());
    }

    #[test]
    fn isotonic_calibration_keeps_the_order(scores in prop::collection::vec((-5..5_i32, any::<bool>()), 2..80)) {
        let logits: Vec<f64> = scores.iter().map(|(score, _)| f64::from(*score) / 2.0).collect();
        let labels: Vec<bool> = scores.iter().map(|(_, label)| *label).collect();
        let calibration = isotonic(&logits, &labels, None);
        let grid: Vec<f64> = (-40..40).map(|step| calibration.apply(f64::from(step) / 10.0)).collect();
        prop_assert!(grid.windows(2).all(|pair| pair[0] < pair[1]), "{grid:?}");
    }
}
