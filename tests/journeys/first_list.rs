//! The walk of `docs/how-to/first-list.md`, its commands exactly as they stand there, on real data.
//!
//! Runs when `VOLENS_TEST_DATA` names the folder that holds `relevance/hillstrom/data.csv`.

use std::path::Path;
use std::process::{Command, Stdio};

use volens::db::testing::{required, variable};

use crate::tidy;

/// What the walk must have said, in this order.
const SAID: [&str; 8] = [
    "made up: 42667 of 64000 customers consent, 2000 of them in photos too",
    "dry run: nothing was written",
    "accounts   64000 new, 0 known",
    "learned from 42667 exposures",
    "2000 rows sealed",
    "2000 rows were sealed in entry",
    "the file is confirmed",
    "1999 are confirmed, 1 are gone",
];

/// The shell blocks of a document, in order.
fn blocks(text: &str) -> String {
    let after = text.split("```sh\n").skip(1);
    after.filter_map(|rest| rest.split("```").next()).collect()
}

#[expect(clippy::print_stderr, reason = "a skipped tier must be seen")]
fn skipped() {
    assert!(!required("data"), "the walk on real data is required and VOLENS_TEST_DATA is not set");
    eprintln!("SKIPPED first list: VOLENS_TEST_DATA is not set");
}

#[test]
fn the_documented_walk_leads_to_a_list_that_verifies() {
    let Some(data) = variable("VOLENS_TEST_DATA") else { return skipped() };
    let how_to = tidy::root().join("docs/how-to");
    let page = std::fs::read_to_string(how_to.join("first-list.md")).expect("the page is there");
    let program = Path::new(env!("CARGO_BIN_EXE_volens"));
    let folder = program.parent().expect("the program lies in a folder");
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    // Whatever happens, the service that the walk starts ends with it.
    let script = format!(
        "set -eu\ntrap '[ -z \"${{SERVICE:-}}\" ] || kill \"$SERVICE\" 2>/dev/null || :' EXIT\n{}",
        blocks(&page)
    );
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).current_dir(&directory).stdin(Stdio::null());
    let path = format!("{}:{}", folder.display(), variable("PATH").unwrap_or_default());
    shell.env("PATH", path).env("DATA", data).env("HOWTO", &how_to);
    let done = shell.output().expect("there is a shell");
    let said = String::from_utf8_lossy(&done.stdout);
    let erred = String::from_utf8_lossy(&done.stderr);
    let last: Vec<&str> = erred.lines().rev().take(20).collect();
    assert!(done.status.success(), "{said}\n{}", last.join("\n"));
    let mut rest = said.as_ref();
    for sentence in SAID {
        let (_, after) =
            rest.split_once(sentence).unwrap_or_else(|| panic!("not said: {sentence}\n{said}"));
        rest = after;
    }
}

#[test]
fn blocks_are_taken_in_order_and_nothing_else() {
    assert_eq!(blocks("a\n```sh\none\n```\nb\n```toml\nx\n```\n```sh\ntwo\n```\n"), "one\ntwo\n");
}
