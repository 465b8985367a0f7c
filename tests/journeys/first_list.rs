//! The walk of `docs/how-to/first-list.md`, its commands exactly as they stand there.
//!
//! On real data when `VOLENS_TEST_DATA` names the folder that holds `relevance/hillstrom/data.csv`; and
//! always, with smaller numbers, on a small table of the same shape.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use volens::db::testing::{required, variable};

use crate::tidy;

/// How large a table is, and the list made from it.
#[derive(Clone, Copy)]
struct Scale {
    rows: u32,
    size: u32,
}

/// What the page says.
const REAL: Scale = Scale { rows: 64_000, size: 2_000 };
const SMALL: Scale = Scale { rows: 4_000, size: 400 };

impl Scale {
    /// What the walk must have said, in this order.
    fn said(self) -> [String; 11] {
        let Self { rows, size } = self;
        let willing = rows - rows / 3;
        [
            format!("made up: {willing} of {rows} customers consent, 2000 of them in photos too"),
            "dry run: nothing was written".to_owned(),
            format!("accounts   {rows} new, 0 known"),
            format!("learned from {willing} exposures"),
            "Written to, about ".to_owned(),
            format!("{size} rows sealed"),
            format!("{size} rows were sealed in entry"),
            "the file is confirmed".to_owned(),
            "\"list_rows\":1".to_owned(),
            format!("{} are confirmed, 1 are gone", size - 1),
            "\"links\":1".to_owned(),
        ]
    }

    /// The page's commands with these numbers in place of its own.
    fn of_page(self, script: &str) -> String {
        let mut script = script.to_owned();
        for (name, real, here) in
            [("--rows", REAL.rows, self.rows), ("--size", REAL.size, self.size)]
        {
            let option = format!("{name} {real} ");
            assert!(script.contains(&option), "the page has {option}");
            script = script.replace(&option, &format!("{name} {here} "));
        }
        script
    }
}

/// A table like the real one: some are addressed, and more of them come who came lately.
fn table(rows: u32) -> String {
    let mut rng = StdRng::seed_from_u64(17);
    let mut text = "recency,history_segment,history,mens,womens,zip_code,newbie,channel,segment,\
                    visit,conversion,spend\n"
        .to_owned();
    for _ in 0..rows {
        let (recency, history) = (rng.random_range(1..=12_u32), rng.random_range(30.0..800.0));
        let mens = rng.random_range(0..=1);
        let segment = ["Mens E-Mail", "Womens E-Mail", "No E-Mail"][rng.random_range(0..3)];
        let likely =
            0.3 - 0.02 * f64::from(recency) + if segment == "No E-Mail" { 0.0 } else { 0.1 };
        let visit = u8::from(rng.random_bool(likely));
        let zip_code = ["Urban", "Rural", "Surburban"][rng.random_range(0..3)];
        let channel = ["Web", "Phone", "Multichannel"][rng.random_range(0..3)];
        let newbie = rng.random_range(0..=1);
        writeln!(
            text,
            "{recency},2) $100 - $200,{history:.2},{mens},{},{zip_code},{newbie},{channel},{segment},\
             {visit},0,0.0",
            1 - mens
        )
        .expect("writing to a text does not fail");
    }
    text
}

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
    walk(Path::new(&data), REAL);
}

#[test]
fn the_documented_walk_works_on_a_small_table() {
    let data = tempfile::tempdir().expect("a temporary directory can be made");
    let folder = data.path().join("relevance/hillstrom");
    std::fs::create_dir_all(&folder).expect("made");
    std::fs::write(folder.join("data.csv"), table(SMALL.rows)).expect("written");
    walk(data.path(), SMALL);
}

fn walk(data: &Path, scale: Scale) {
    let how_to = tidy::root().join("docs/how-to");
    let page = std::fs::read_to_string(how_to.join("first-list.md")).expect("the page is there");
    let program = Path::new(env!("CARGO_BIN_EXE_volens"));
    let folder = program.parent().expect("the program lies in a folder");
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    // Whatever happens, the service that the walk starts ends with it.
    let script = format!(
        "set -eu\ntrap '[ -z \"${{SERVICE:-}}\" ] || kill \"$SERVICE\" 2>/dev/null || :' EXIT\n{}",
        scale.of_page(&blocks(&page))
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
    for sentence in scale.said() {
        let (_, after) =
            rest.split_once(&sentence).unwrap_or_else(|| panic!("not said: {sentence}\n{said}"));
        rest = after;
    }
}

#[test]
fn blocks_are_taken_in_order_and_nothing_else() {
    assert_eq!(blocks("a\n```sh\none\n```\nb\n```toml\nx\n```\n```sh\ntwo\n```\n"), "one\ntwo\n");
}
