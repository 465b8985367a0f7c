//! The comparison with other programs (`benches/peers`): its own tests, that it measures as we do, and
//! that it reads what the program answers. Needs Python and nothing that it would compare with.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value as Json, json};
use volens::db::testing::required;
use volens_models::evaluate::Metrics;
use volens_models::uplift::{UpliftMetrics, random_ranking};

use crate::tidy;

/// Python in the folder of the comparison, without any package; `None` when there is none to run.
fn python(args: &[&str], input: &str) -> Option<Output> {
    let mut command = Command::new("python3");
    command.args(["-S", "-B"]).args(args).current_dir(tidy::root().join("benches/peers"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn();
    assert!(child.is_ok() || !required("python"), "python is required and is not there");
    let Ok(mut child) = child else {
        skipped();
        return None;
    };
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    Some(child.wait_with_output().expect("it ends"))
}

#[expect(clippy::print_stderr, reason = "a skipped tier must be seen")]
fn skipped() {
    eprintln!("SKIPPED the comparison with other programs: there is no python3");
}

#[track_caller]
fn answer(output: &Output) -> Json {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    serde_json::from_slice(&output.stdout).expect("an answer in JSON")
}

#[track_caller]
fn close(found: &Json, expected: f64) {
    let found = found.as_f64().expect("a number");
    assert!((found - expected).abs() < 1e-9, "{found} instead of {expected}");
}

#[test]
fn the_comparison_passes_its_own_tests() {
    let Some(ran) = python(&["-m", "unittest"], "") else { return };
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && said.contains("OK") && !said.contains("Ran 0"), "{said}");
}

/// Scores with ties, and draws of what happened.
fn rows() -> (Vec<f64>, Vec<bool>, Vec<bool>) {
    let coarse = |score: &f64| (score * 200.0).round() / 200.0;
    let scores: Vec<f64> = random_ranking(2_000, 1).iter().map(coarse).collect();
    let draw = |seed| random_ranking(2_000, seed);
    let happened = draw(2).iter().zip(&scores).map(|(draw, score)| draw < score).collect();
    (scores, happened, draw(3).iter().map(|draw| *draw < 0.4).collect())
}

#[test]
fn what_others_predict_is_measured_as_we_measure_ourselves() {
    let (scores, happened, treated) = rows();
    let ones = |flags: &[bool]| flags.iter().map(|flag| u8::from(*flag)).collect::<Vec<u8>>();
    let probabilities = json!({"scores": scores, "labels": ones(&happened)}).to_string();
    let Some(ran) = python(&["measures.py"], &probabilities) else { return };
    let (theirs, ours) = (answer(&ran), Metrics::of(&scores, &happened, 1).expect("both classes"));
    close(&theirs["auc"], ours.auc);
    close(&theirs["log_loss"], ours.log_loss);
    close(&theirs["ece"], ours.ece);
    let campaign =
        json!({"predicted": scores, "treated": ones(&treated), "outcome": ones(&happened)});
    let Some(ran) = python(&["measures.py"], &campaign.to_string()) else { return };
    let ours = UpliftMetrics::of(&scores, &treated, &happened).expect("both arms");
    let theirs = answer(&ran);
    close(&theirs["qini_per_1000"], ours.qini_per_1000);
    close(&theirs["uplift_at_30"], ours.uplift_at_30);
    close(&theirs["average_effect"], ours.average_effect);
}

/// 600 customers, half of whom got a mail; who likes running visits, and more so with it.
fn campaign(directory: &Path) -> String {
    let mut text = String::from("running,shoe,arm,visit\n");
    for row in 0..600_u32 {
        let running = row.wrapping_mul(2_654_435_761) >> 22;
        let (noise, mailed) = ((row.wrapping_mul(40_503) >> 4) % 10, row % 2 == 0);
        let visit = u8::from(noise < 2 || (running > 512 && noise < if mailed { 8 } else { 4 }));
        let (shoe, arm) =
            (["road", "trail", ""][(noise % 3) as usize], if mailed { "mail" } else { "none" });
        writeln!(text, "{running},{shoe},{arm},{visit}").expect("strings take everything");
    }
    let path = directory.join("table.csv");
    std::fs::write(&path, text).expect("written");
    path.display().to_string()
}

/// One comparison in which Volens takes part alone, as it is written to a file.
fn alone(directory: &Path, what: &[&str]) -> Option<Json> {
    let written = directory.join("measured.json").display().to_string();
    let volens = env!("CARGO_BIN_EXE_volens");
    let common = ["--volens", volens, "--peer", "none", "--threads", "1", "--json", &written];
    let ran = python(&[&["compare.py"][..], what, &common].concat(), "")?;
    let said = String::from_utf8_lossy(&ran.stdout);
    let error = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && said.contains("volens"), "{said}{error}");
    let mut written: Json =
        serde_json::from_slice(&std::fs::read(written).expect("it is there")).expect("JSON");
    Some(written["sections"][0]["contestants"]["volens"].take())
}

#[test]
fn what_the_program_answers_is_understood() {
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    let table = campaign(directory);
    let relevance = ["relevance", "--data", &table, "--label", "visit", "--drop", "arm"];
    let Some(found) = alone(directory, &relevance) else { return };
    assert!(found["auc"].as_f64() > Some(0.6), "{found}");
    assert_eq!(found["folds"].as_array().map(Vec::len), Some(5));
    let spent = |name: &str| found[name].as_f64().expect("a number");
    assert!(spent("process_cpu_s") > spent("train_cpu_s"), "all of it is more than a part");
    let uplift = ["uplift", "--data", &table, "--treatment", "arm", "--control", "none"];
    let uplift = [&uplift[..], &["--treated", "mail", "--outcome", "visit"]].concat();
    let found = alone(directory, &uplift).expect("python is there");
    assert!(found["qini_per_1000"].is_f64() && found["train_cpu_s"].is_f64(), "{found}");
    let filter = ["filter", "--people", "500", "--events", "5000"];
    let found = alone(directory, &filter).expect("python is there");
    assert_eq!(found.as_array().map(Vec::len), Some(3), "{found}");
    let found = alone(directory, &["scan", "--people", "20000", "--top", "100"]);
    assert!(found.expect("python is there").as_f64() > Some(0.0));
}

#[test]
fn what_is_missing_is_told_with_what_to_do() {
    let directory = tempfile::tempdir().expect("a directory");
    let table = campaign(directory.path());
    let program = env!("CARGO_BIN_EXE_volens");
    let mut words = vec!["compare.py", "relevance", "--volens", program, "--data", &table];
    words.extend(["--label", "visit"]);
    let Some(ran) = python(&words, "") else { return };
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(1), "{said}");
    assert!(said.contains("lightgbm") && said.contains("pip install -r"), "{said}");
    words.extend(["--peer", "none", "--folds", "absent.csv"]);
    let ran = python(&words, "").expect("python is there");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(1), "{said}");
    assert!(said.contains("absent.csv cannot be read"), "{said}");
}
