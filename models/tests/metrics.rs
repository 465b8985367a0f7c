//! The measures against numbers made with scikit-learn (`golden/metrics.py`) and with the definitions written
//! out row by row (`golden/uplift.py`).

use serde::Deserialize;
use volens_models::evaluate::{EvaluateError, Interval, Metrics, auc, auc_interval, ece_floor};
use volens_models::uplift::{Measured, UpliftMetrics, intervals, random_ranking};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    probabilities: Vec<f64>,
    labels: Vec<u8>,
    auc: f64,
    pr_auc: f64,
    log_loss: f64,
    brier: f64,
}

fn golden() -> Vec<Case> {
    let golden: Golden =
        serde_json::from_str(include_str!("golden/metrics.json")).expect("the golden file");
    golden.cases
}

fn close(found: f64, expected: f64, what: &str) {
    assert!(
        (found - expected).abs() <= 1e-9 * expected.abs().max(1.0),
        "{what}: {found} instead of {expected}"
    );
}

#[test]
fn measures_agree_with_scikit_learn_on_ties_zeros_and_tiny_scores() {
    for case in golden() {
        let labels: Vec<bool> = case.labels.iter().map(|&label| label == 1).collect();
        let metrics = Metrics::of(&case.probabilities, &labels, 1).expect("both classes");
        close(metrics.auc, case.auc, &case.name);
        close(metrics.pr_auc, case.pr_auc, &case.name);
        close(metrics.log_loss, case.log_loss, &case.name);
        close(metrics.brier, case.brier, &case.name);
    }
}

#[test]
fn no_measure_depends_on_the_order_of_rows() {
    for case in golden() {
        let mut rows: Vec<(f64, bool)> = case
            .probabilities
            .iter()
            .copied()
            .zip(case.labels.iter().map(|&label| label == 1))
            .collect();
        let measure = |rows: &[(f64, bool)]| {
            let (p, y): (Vec<f64>, Vec<bool>) = rows.iter().copied().unzip();
            Metrics::of(&p, &y, 1).expect("both classes")
        };
        let forwards = measure(&rows);
        rows.reverse();
        let backwards = measure(&rows);
        close(backwards.ece, forwards.ece, &case.name);
        close(backwards.lift_at_10, forwards.lift_at_10, &case.name);
        close(backwards.auc, forwards.auc, &case.name);
    }
}

#[test]
fn what_cannot_be_measured_is_refused() {
    assert_eq!(auc(&[], &[]), Err(EvaluateError::Empty));
    assert_eq!(auc(&[0.5], &[true, false]), Err(EvaluateError::Lengths { scores: 1, labels: 2 }));
    assert_eq!(auc(&[0.5, 0.1], &[true, true]), Err(EvaluateError::OneClass));
    assert_eq!(auc(&[f64::NAN, 0.1], &[true, false]), Err(EvaluateError::Score(0)));
    assert_eq!(Metrics::of(&[0.1, 1.5], &[true, false], 1), Err(EvaluateError::Score(1)));
}

#[test]
fn perfect_probabilities_reach_the_calibration_floor_and_no_less() {
    let p = random_ranking(3000, 5);
    let draws = random_ranking(3000, 6);
    let labels: Vec<bool> = p.iter().zip(&draws).map(|(p, draw)| draw < p).collect();
    let metrics = Metrics::of(&p, &labels, 9).expect("both classes");
    assert!(
        metrics.ece_floor > 0.01 && (metrics.ece / metrics.ece_floor - 1.0).abs() < 0.5,
        "{metrics:?}"
    );
    close(metrics.ece_floor, ece_floor(&p, 9), "the floor follows its seed");
    let shifted: Vec<f64> = p.iter().map(|p| (p + 0.1).min(1.0)).collect();
    let shifted = Metrics::of(&shifted, &labels, 9).expect("both classes");
    assert!(shifted.ece > 2.0 * shifted.ece_floor, "{shifted:?}");
}

#[test]
fn bootstrap_intervals_hold_the_value_and_follow_the_seed() {
    let scores = random_ranking(500, 1);
    let labels: Vec<bool> =
        scores.iter().zip(random_ranking(500, 2)).map(|(s, r)| s + r > 1.0).collect();
    let value = auc(&scores, &labels).expect("both classes");
    let interval = auc_interval(&scores, &labels, 200, 3).expect("both classes");
    assert!(interval.low < value && value < interval.high && interval.high - interval.low < 0.1);
    assert_eq!(interval, auc_interval(&scores, &labels, 200, 3).expect("both classes"));
}

#[derive(Deserialize)]
struct Campaign {
    predicted: Vec<f64>,
    treated: Vec<u8>,
    outcome: Vec<u8>,
    qini_per_1000: f64,
    auuc: f64,
    uplift_at_10: f64,
    uplift_at_30: f64,
}

#[test]
fn uplift_measures_agree_with_their_definitions_written_out() {
    let golden: Campaign =
        serde_json::from_str(include_str!("golden/uplift.json")).expect("the golden file");
    let treated: Vec<bool> = golden.treated.iter().map(|&t| t == 1).collect();
    let outcome: Vec<bool> = golden.outcome.iter().map(|&y| y == 1).collect();
    let metrics = UpliftMetrics::of(&golden.predicted, &treated, &outcome).expect("both arms");
    close(metrics.qini_per_1000, golden.qini_per_1000, "Qini");
    close(metrics.auuc, golden.auuc, "AUUC");
    close(metrics.uplift_at_10, golden.uplift_at_10, "uplift at 10 %");
    close(metrics.uplift_at_30, golden.uplift_at_30, "uplift at 30 %");
    let fold = Measured { predicted: &golden.predicted, treated: &treated, outcome: &outcome };
    let found = intervals(&[fold], 200, 4).expect("both arms");
    let holds = |interval: Interval, value: f64| interval.low < value && value < interval.high;
    assert!(holds(found.qini_per_1000, golden.qini_per_1000) && holds(found.auuc, golden.auuc));
    let flat = UpliftMetrics::of(&vec![0.0; 400], &treated, &outcome).expect("both arms");
    close(flat.qini_per_1000, 0.0, "a ranking of ties gains nothing");
}
