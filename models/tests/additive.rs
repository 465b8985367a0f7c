//! What an additive model promises, on tables as they come: exact sums, directions, odd columns.

mod support;

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use support::table;
use volens_models::artifact::{ArtifactError, VERSION};
use volens_models::features::{Direction, Schema, direction};
use volens_models::learner::TrainError;
use volens_models::{
    Artifact, Column, Explanation, Features, Model, Options, Table, Trained, train,
};

fn falling(names: &[&str]) -> Options {
    let directions = names.iter().map(|name| ((*name).to_owned(), Direction::Falls)).collect();
    Options { directions, ..Options::default() }
}

/// Rows in which more of `x` is better, and most of all where `z` is high; `w` is a word.
fn rising(rows: usize, seed: u64, strength: f64, crossed: f64) -> (Table, Vec<bool>) {
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut x, mut z, mut codes, mut labels) = (vec![], vec![], vec![], vec![]);
    for _ in 0..rows {
        let (a, b) = (rng.random_range(-2.0..2.0_f64), rng.random_range(-2.0..2.0_f64));
        let word = rng.random_range(0..3_u32);
        let logit = strength * a + crossed * a * b + 0.8 * (3.0 * a).sin() - 0.5 * f64::from(word);
        labels.push(rng.random::<f64>() < 1.0 / (1.0 + (-logit).exp()));
        x.push(if rng.random::<f64>() < 0.1 { f64::NAN } else { a });
        z.push(b);
        codes.push(word);
    }
    let levels = ["one", "two", "three"].map(str::to_owned).to_vec();
    let table = Table::default()
        .with_column("x", Column::Number(x))
        .and_then(|table| table.with_column("z", Column::Number(z)))
        .and_then(|table| table.with_column("w", Column::Category { codes, levels }))
        .expect("columns of one length");
    (table, labels)
}

fn features(x: Option<f64>, z: f64, word: &str) -> Features {
    let mut features = Features::default();
    features.number("x", x.unwrap_or(f64::NAN)).number("z", z).category("w", word);
    features
}

fn sums(explanation: &Explanation) -> bool {
    let amounts = || explanation.contributions.iter().map(|part| part.amount);
    let forth = amounts().fold(explanation.bias, |sum, amount| sum + amount);
    let back = amounts().rev().fold(0.0, |sum, amount| sum + amount) + explanation.bias;
    [forth, back].iter().all(|sum| sum.to_bits() == explanation.score.logit.to_bits())
}

/// The largest step up along `x`, with everything else as it is.
fn largest_step_up(model: &Model) -> f64 {
    let mut largest = f64::NEG_INFINITY;
    for z in [-9.0, -1.7, -1.0, -0.3, 0.0, 0.4, 1.1, 1.9, 9.0] {
        for word in ["one", "two", "three", "never seen"] {
            let logits: Vec<f64> = (-250..=250)
                .map(|x| {
                    let features = features(Some(f64::from(x) / 100.0), z, word);
                    model.score_values(&features).logit
                })
                .collect();
            largest = logits.windows(2).map(|two| two[1] - two[0]).fold(largest, f64::max);
        }
    }
    largest
}

fn learnt(rows: &(Table, Vec<bool>), options: &Options) -> Trained {
    train(&rows.0, &rows.1, None, options).expect("both classes")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn no_row_flips_a_direction_whichever_learner_is_chosen(
        seed in any::<u64>(),
        strength in -1.5..1.5_f64,
        crossed in prop_oneof![Just(0.0), 1.0..2.0_f64],
    ) {
        let rows = rising(2500, seed, strength, crossed);
        let free = learnt(&rows, &Options::default());
        let held = learnt(&rows, &falling(&["x", "absent"]));
        prop_assert!(largest_step_up(&free.model) > 0.01, "nothing to hold");
        prop_assert!(largest_step_up(&held.model) <= 0.0, "{:?}", held.choice);
        prop_assert_eq!(held.model.check(), Ok(()));
    }
}

#[test]
fn directions_hold_for_trees_and_for_single_effects() {
    let crossed = learnt(&rising(4000, 3, -0.2, 2.0), &falling(&["x"]));
    assert!(crossed.choice.boosted.is_some(), "{:?}", crossed.choice);
    assert!(largest_step_up(&crossed.model) <= 0.0);
    let alone = learnt(&rising(1200, 3, -1.0, 0.0), &falling(&["x"]));
    assert!(alone.choice.boosted.is_none(), "{:?}", alone.choice);
    assert!(largest_step_up(&alone.model) <= 0.0);
    let words = train(&rising(100, 1, 0.0, 0.0).0, &[true; 100], None, &falling(&["w"]));
    assert!(matches!(words, Err(TrainError::TooFew { .. })));
    let (table, labels) = rising(400, 1, 0.0, 0.0);
    let words = train(&table, &labels, None, &falling(&["w"])).err();
    assert_eq!(words, Some(TrainError::Direction("w".to_owned())));
}

#[test]
fn more_messages_and_more_rejections_never_raise_a_score_and_interest_never_lowers_it() {
    let mut rng = StdRng::seed_from_u64(5);
    let mut labels = Vec::new();
    let rows: Vec<Features> = (0..3000)
        .map(|_| {
            let [fatigue, topic, other] = [0; 3].map(|_| rng.random_range(0.0..3.0_f64));
            // As in data of campaigns that went to the keenest most often.
            let logit = 1.5 * fatigue * (other - 1.0) - topic;
            labels.push(rng.random::<f64>() < 1.0 / (1.0 + (-logit).exp()));
            let mut features = Features::default();
            features.number("fatigue.received", fatigue).number("lent.topic.long", topic);
            features.number("engagement.long", other);
            features
        })
        .collect();
    let schema = Schema::covering(&rows);
    let table = Table::from_features(&schema, &rows);
    let options = Options { directions: schema.directions(), ..Options::default() };
    assert_eq!(options.directions.len(), 2);
    let model = train(&table, &labels, None, &options).expect("it learns").model;
    for mut features in rows.into_iter().step_by(50) {
        for name in ["fatigue.received", "lent.topic.long"] {
            let before = features.clone();
            let along: Vec<f64> = (-100..40)
                .map(|step| {
                    features.number(name, f64::from(step) / 10.0);
                    model.score_values(&features).logit
                })
                .collect();
            let direction = direction(name).expect("it has one");
            assert!(along.windows(2).all(|two| direction.allows(two[0], two[1])), "{name}");
            features = before;
        }
    }
}

#[test]
fn a_file_whose_scores_go_against_its_directions_is_refused() {
    let held = learnt(&rising(2000, 4, 1.0, 1.5), &falling(&["x"]));
    let mut json = serde_json::to_value(&held.model).expect("a model is JSON");
    let term = json["terms"]
        .as_array_mut()
        .expect("terms are a list")
        .iter_mut()
        .find(|term| term["units"].as_array().is_some_and(|units| units.len() > 3))
        .expect("a term of several groups");
    *term = serde_json::json!({
        "shape": {
            "first": {"column": 0, "groups": term["shape"]["first"]["groups"]},
            "second": null,
        },
        "units": (0..term["units"].as_array().map_or(0, Vec::len)).collect::<Vec<_>>(),
    });
    let changed: Result<Model, _> = serde_json::from_value(json);
    assert!(changed.is_ok_and(|model| model.check().is_err()));
}

#[test]
fn reasons_sum_exactly_for_missing_unseen_and_rare_values_and_after_a_file() {
    let (crossed, alone) = (rising(2500, 7, 0.3, 1.5), rising(1200, 3, -1.0, 0.0));
    let (free, held) = (Options::default(), falling(&["x"]));
    for (rows, options, trees) in [
        (&crossed, &free, true),
        (&crossed, &held, true),
        (&alone, &free, false),
        (&alone, &held, false),
    ] {
        let trained = learnt(rows, options);
        assert_eq!(trained.choice.boosted.is_some(), trees);
        let json = serde_json::to_string(&trained.model).expect("a model is JSON");
        let read: Model = serde_json::from_str(&json).expect("just written");
        assert_eq!(read, trained.model);
        for x in [None, Some(-1e300), Some(-0.5), Some(0.0), Some(1e300), Some(f64::INFINITY)] {
            for word in ["one", "three", "never seen", ""] {
                let explanation = read.explain(&features(x, 0.3, word));
                assert!(sums(&explanation), "{x:?} {word}");
                assert_eq!(explanation, trained.model.explain(&features(x, 0.3, word)));
            }
        }
        assert!(sums(&read.explain(&Features::default())));
    }
}

#[test]
fn odd_columns_are_no_obstacle() {
    let (base, labels) = table(1500, 9);
    let codes: Vec<u32> = (0..1500).map(|row| row * 7919 % 700).collect();
    let levels = (0..700).map(|level| format!("level {level}")).collect();
    let odd = base
        .with_column("empty", Column::Number(vec![f64::NAN; 1500]))
        .and_then(|table| table.with_column("constant", Column::Number(vec![3.0; 1500])))
        .and_then(|table| table.with_column("many", Column::Category { codes, levels }))
        .expect("columns of one length");
    let options = falling(&["empty", "constant"]);
    let trained = train(&odd, &labels, None, &options).expect("it learns");
    let probabilities = trained.model.probabilities(&odd);
    assert!(probabilities.iter().all(|probability| (0.0..=1.0).contains(probability)));
    assert!(trained.effects.iter().all(|effect| {
        !effect.feature.contains("empty") && !effect.feature.contains("constant")
    }));
    assert!(sums(&trained.model.explain(&odd.features(3))));
    let nothing = Table::default()
        .with_column("constant", Column::Number(vec![3.0; 1500]))
        .expect("one column");
    let trained = train(&nothing, &labels, None, &Options::default()).expect("it learns");
    let share = labels.iter().filter(|label| **label).count() as f64 / 1500.0;
    assert!((trained.model.probabilities(&nothing)[0] - share).abs() < 0.02);
}

#[test]
fn few_rows_and_tiny_classes_give_a_careful_model_or_none() {
    let (three, _) = table(3, 1);
    assert!(train(&three, &[true, false, true], None, &Options::default()).is_err());
    let (small, labels) = table(40, 2);
    let one = vec![true; 40];
    let refused = train(&small, &one, None, &Options::default()).err();
    assert_eq!(refused, Some(TrainError::TooFew { positives: 40, negatives: 0 }));
    let trained = train(&small, &labels, None, &Options::default()).expect("ten of each");
    assert!(trained.model.probabilities(&small).iter().all(|p| (0.001..0.999).contains(p)));
    let (large, _) = table(3000, 2);
    let rare: Vec<bool> = (0..3000).map(|row| row % 300 == 0).collect();
    let trained = train(&large, &rare, None, &Options::default()).expect("ten of each");
    assert!(trained.model.probabilities(&large).iter().all(|p| *p < 0.1));
}

#[test]
fn what_else_the_machine_does_changes_no_bit() {
    let rows = rising(2000, 1, 0.3, 1.5);
    let bytes = |rows: &(Table, Vec<bool>)| {
        serde_json::to_vec(&learnt(rows, &falling(&["x"])).model).expect("a model is JSON")
    };
    let alone = bytes(&rows);
    let beside: Vec<Vec<u8>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(|| bytes(&rows))).collect();
        threads.into_iter().map(|thread| thread.join().expect("it learns")).collect()
    });
    assert!(beside.iter().all(|other| *other == alone));
}

/// Rows of the table and the logits that the program gave when it wrote files of format 1.
const GOLDEN: [(usize, f64); 3] =
    [(0, 0.291_029_957_187_677_77), (7, -0.139_906_575_363_649_23), (11, 0.384_591_634_717_498_24)];

#[test]
fn a_model_file_of_format_1_scores_as_it_did() {
    let bytes = include_bytes!("golden/format-1.volmodel");
    let artifact = Artifact::from_bytes(bytes).expect("it is still read");
    let (table, _) = table(600, 1);
    for (row, logit) in GOLDEN {
        let explanation = artifact.model.explain(&table.features(row));
        assert!((explanation.score.logit - logit).abs() < 1e-12, "row {row}");
        let sum = explanation.contributions.iter().fold(explanation.bias, |sum, x| sum + x.amount);
        assert!((sum - logit).abs() < 1e-9, "row {row}");
    }
    let again = Artifact::from_bytes(&artifact.to_bytes()).expect("it can be written");
    assert_eq!(again, artifact);
    let mut later = bytes.to_vec();
    let next = VERSION + 1;
    later[8] = u8::try_from(next).expect("few formats");
    assert_eq!(Artifact::from_bytes(&later), Err(ArtifactError::Version(next)));
    assert!(ArtifactError::Version(next).to_string().contains("train the model again"));
}
