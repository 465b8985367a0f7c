//! Evaluations on small tables written by the tests.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Parser;
use serde_json::Value;
use tempfile::TempDir;

use super::{What, relevance, uplift};
use crate::cli::output::{Exit, Output};

#[derive(Parser)]
struct Command {
    #[command(subcommand)]
    what: What,
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().expect("a fresh folder"))
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).expect("the folder is writable");
        path
    }

    /// 600 rows: the label follows `x` for most rows, `arm` alternates, `visit` follows the arm where x is large.
    fn table(&self) -> PathBuf {
        let mut text = String::from("x,colour,arm,visit,y\n");
        for row in 0..600_u32 {
            let x = row.wrapping_mul(2_654_435_761) >> 22;
            let noise = (row.wrapping_mul(40_503) >> 4) % 10;
            let y = u8::from((x > 512) != (noise == 0));
            let treated = row % 2 == 0;
            let visit = u8::from(noise < 3 || (treated && x > 512 && noise < 7));
            let arm = if treated { "mail" } else { "none" };
            let colour = ["red", "blue", ""][(noise % 3) as usize];
            writeln!(text, "{x},{colour},{arm},{visit},{y}").expect("strings take everything");
        }
        self.write("table.csv", &text)
    }
}

fn run(words: &[&str], data: &Path) -> anyhow::Result<Value> {
    let data = data.display().to_string();
    let words = ["evaluate"].into_iter().chain(words.iter().copied()).chain(["--data", &data]);
    let command = Command::try_parse_from(words).expect("the words are a command line");
    let output = Output::new(true);
    Ok(match command.what {
        What::Relevance(args) => serde_json::to_value(relevance::evaluate(&args, output)?)?,
        What::Uplift(args) => serde_json::to_value(uplift::evaluate(&args, output)?)?,
    })
}

fn number(report: &Value, name: &str) -> f64 {
    report[name].as_f64().unwrap_or(f64::NAN)
}

#[test]
fn relevance_reports_every_promised_number() {
    let folder = Folder::new();
    let words = ["relevance", "--label", "y", "--drop", "visit", "--drop", "arm"];
    let report = run(&words, &folder.table()).expect("it learns");
    for name in [
        "auc",
        "pr_auc",
        "log_loss",
        "brier",
        "ece",
        "ece_floor",
        "lift_at_10",
        "train_cpu_s",
        "predict_rows_per_s",
    ] {
        assert!(number(&report, name).is_finite(), "{name}");
        assert!(number(&report["folds"][0], name).is_finite(), "{name} of a fold");
    }
    assert_eq!(report["folds"].as_array().map(Vec::len), Some(5));
    assert!(number(&report, "auc") > 0.8, "x nearly decides the label: {report}");
}

#[test]
fn a_column_with_a_direction_keeps_it() {
    let folder = Folder::new();
    let data = folder.table();
    let with = |words: &[&str]| {
        let all = ["relevance", "--label", "y", "--drop", "visit", "--drop", "arm"];
        run(&[&all, words].concat(), &data)
    };
    let rises = with(&["--rises", "x"]).expect("it learns");
    assert!(number(&rises, "auc") > 0.8, "as x does: {rises}");
    let falls = with(&["--falls", "x"]).expect("it learns");
    assert!(number(&falls, "auc") < 0.7, "x must not speak for what it goes with: {falls}");
    for (words, exit, part) in [
        (["--falls", "x", "--rises", "x"], Exit::Usage, "cannot both"),
        (["--falls", "x", "--rises", "coluor"], Exit::Usage, "did you mean \"colour\"?"),
        (["--falls", "x", "--rises", "colour"], Exit::Failure, "only numbers rise or fall"),
    ] {
        let error = with(&words).expect_err(part);
        assert_eq!(Exit::of(&error), exit, "{error:#}");
        assert!(format!("{error:#}").contains(part), "{error:#}");
    }
}

#[test]
fn given_folds_are_used_as_given() {
    let folder = Folder::new();
    let data = folder.table();
    let mut text = String::from("row,fold\n");
    for row in (0..600).rev() {
        writeln!(text, "{row},{}", 3 + row % 2).expect("strings take everything");
    }
    let folds = folder.write("folds.csv", &text).display().to_string();
    let report = run(&["relevance", "--label", "y", "--folds", &folds], &data).expect("it learns");
    assert_eq!(report["folds"].as_array().map(Vec::len), Some(2));
    let folds = folder.write("short.csv", "row,fold\n0,1\n1,2\n").display().to_string();
    let error = run(&["relevance", "--label", "y", "--folds", &folds], &data)
        .expect_err("598 rows have none");
    assert!(error.to_string().ends_with("row 2 is in no fold"), "{error:#}");
}

#[test]
fn uplift_finds_whom_the_mail_moves() {
    let folder = Folder::new();
    let words = [
        "uplift",
        "--treatment",
        "arm",
        "--control",
        "none",
        "--treated",
        "mail",
        "--outcome",
        "visit",
        "--drop",
        "y",
    ];
    let report = run(&words, &folder.table()).expect("it learns");
    for name in ["qini_per_1000", "auuc", "uplift_at_10", "uplift_at_30", "train_cpu_s"] {
        assert!(number(&report, name).is_finite(), "{name}");
    }
    assert!(number(&report, "qini_per_1000") > 20.0, "{report}");
    assert!(number(&report, "uplift_at_30") > number(&report, "average_effect"));
}

#[test]
fn what_is_wrong_is_said_with_its_exit_code() {
    let folder = Folder::new();
    let good = folder.table();
    let cases = [
        (folder.0.path().join("absent.csv"), "y", Exit::NotFound, "there is no file"),
        (folder.write("empty.csv", ""), "y", Exit::Failure, "is empty"),
        (folder.write("header.csv", "x,y\n"), "y", Exit::Failure, "no rows"),
        (good.clone(), "visits", Exit::Usage, "did you mean \"visit\"?"),
        (good.clone(), "x", Exit::Failure, "must be 0 or 1"),
        (
            folder.write("one.csv", &format!("x,y\n{}", "1,0\n".repeat(100))),
            "y",
            Exit::Failure,
            "of each are needed",
        ),
        (folder.write("ragged.csv", "x,y\n1,0\n1\n"), "y", Exit::Failure, "record 2"),
    ];
    for (data, label, exit, part) in cases {
        let error = run(&["relevance", "--label", label], &data).expect_err(part);
        assert_eq!(Exit::of(&error), exit, "{error:#}");
        assert!(format!("{error:#}").contains(part), "{error:#}");
    }
    let words = [
        "uplift",
        "--treatment",
        "arm",
        "--control",
        "none",
        "--treated",
        "male",
        "--outcome",
        "visit",
    ];
    let error = run(&words, &good).expect_err("no such arm");
    assert_eq!(Exit::of(&error), Exit::Usage);
    assert!(error.to_string().contains("there are: mail, none"), "{error:#}");
}
