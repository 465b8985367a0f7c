//! Every command is run by some test: one that nobody runs can end in a panic unseen.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{json, run};

/// Commands at the ends of the tree, each as its words.
fn leaves(words: &[String]) -> Vec<Vec<String>> {
    let help = Command::new(env!("CARGO_BIN_EXE_volens")).args(words).arg("--help").output();
    let help = String::from_utf8(help.expect("it runs").stdout).expect("a text");
    let listed = help.split("\nCommands:\n").nth(1).unwrap_or_default();
    // A command's line is indented by two; its explanation goes on further to the right.
    let names = listed.lines().take_while(|line| !line.is_empty()).filter_map(|line| {
        let name = line.strip_prefix("  ")?.split(' ').next()?;
        (!name.is_empty() && name != "help").then(|| name.to_owned())
    });
    let below: Vec<_> = names.flat_map(|name| leaves(&[words, &[name]].concat())).collect();
    if below.is_empty() { vec![words.to_vec()] } else { below }
}

fn sources(folder: &Path, into: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(fs::read_to_string(&path).expect("a text"));
        }
    }
}

#[test]
fn every_command_is_run_by_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = Vec::new();
    sources(&root.join("tests"), &mut tests);
    tests.push(fs::read_to_string(root.join("src/cli/evaluate/tests.rs")).expect("a text"));
    let all = leaves(&[]);
    assert!(all.len() > 50, "the help of the program was understood: {all:?}");
    let unrun = all.into_iter().filter(|words| {
        let said = |text: &String| words.iter().all(|word| text.contains(&format!("\"{word}\"")));
        !tests.iter().any(said)
    });
    assert_eq!(unrun.map(|words| words.join(" ")).collect::<Vec<_>>(), [""; 0]);
}

/// What officers and operators ask of an installation in which nothing has happened yet.
#[test]
fn an_empty_installation_has_an_answer_to_everything() {
    let directory = tempfile::tempdir().expect("a directory");
    let run = |args: &[&str]| run(directory.path(), args);
    let said = |args: &[&str]| {
        let output = run(args);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {error}");
        String::from_utf8(output.stdout).expect("a text")
    };
    json(&run(&["migrate", "--json"]));

    let register = said(&["audit", "register"]);
    assert!(register.contains("MISSING settings: audit.controller"), "{register}");
    assert!(register.contains("recipients: nobody but the operator"), "{register}");
    assert_eq!(json(&run(&["audit", "register", "--json"]))["accounts"], 0);

    let document = directory.path().join("assessment.md");
    let template = said(&["audit", "dpia", "template"]);
    fs::write(&document, &template).expect("written");
    let document = document.to_str().expect("a path");
    let attach = ["audit", "dpia", "attach", "--id", "dpia-1", document];
    let unfinished = run(&attach);
    assert!(!unfinished.status.success(), "what is still to be written is no assessment");
    assert_eq!(json(&run(&["audit", "dpia", "show", "--json"]))["missing"][0], "cross_app_linking");
    fs::write(document, template.replace("[to be written]", "considered")).expect("written");
    said(&attach);
    assert!(said(&["audit", "dpia", "show"]).contains("dpia-1"));

    let checkpoint = said(&["ledger", "checkpoint"]);
    assert!(checkpoint.starts_with("volens.local/log\n"), "{checkpoint}");
    assert!(said(&["ledger", "shards"]).contains("open"));
    assert!(said(&["models", "watch"]).contains("no model is in use"));
    let cards = directory.path().join("cards");
    let cards = ["models", "card", "--out", cards.to_str().expect("a path"), "--json"];
    assert_eq!(json(&run(&cards))["cards"], serde_json::json!([]));
    assert_eq!(json(&run(&["keys", "restore", "--json"]))["from_sheet"], 0);
    let state = directory.path().join("pepper");
    let state = state.to_str().expect("a path");
    assert_eq!(run(&["pepper", "status", "--state", state]).status.code(), Some(5), "no key yet");
    said(&["pepper", "add-key", "--state", state]);
    assert_eq!(run(&["pepper", "status", "--state", state]).status.code(), Some(0));

    assert_eq!(json(&run(&["notices", "check", "--json"]))["ok"], true);
    assert!(said(&["notices", "diff", "messages"]).contains("who agreed before must be asked"));
    let unknown = run(&["notices", "diff", "nonsense"]);
    let error = String::from_utf8_lossy(&unknown.stderr);
    assert!(unknown.status.code() == Some(5) && error.contains("messages"), "{error}");
}
