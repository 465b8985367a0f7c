//! Sizes, words and constructions of the Rust code.

use super::{File, expect_none, files, has_extension, is_test, product_lines, rust};

/// No file is longer, in lines.
const FILE_LINES_MAX: usize = 600;
/// Nine files of ten are not longer, in lines.
const FILE_LINES_GOAL: usize = 400;
/// No function is longer, in lines from its `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 100;
/// Nineteen functions of twenty are not longer, in lines.
const FUNCTION_LINES_GOAL: usize = 60;

/// Words that say that something is not finished.
///
/// Those in capitals only in capitals: "todo" is a word of Spanish.
const UNFINISHED: &[&str] = &[
    "TODO",
    "FIXME",
    "XXX",
    "hack",
    "stub",
    "placeholder",
    "for now",
    "simplified",
    "not yet implemented",
];

/// Constructions that the product does without, and what stands in their place.
const REFUSED: &[(&str, &str)] = &[
    (".unwrap()", "expect(\"why it cannot fail\") or an error"),
    ("println!", "cli::output"),
    ("print!(", "cli::output"),
    ("dbg!", "a test"),
    ("panic!(", "an error"),
    ("unreachable!(", "a type that cannot hold it, or an error"),
    ("#[allow(", "#[expect(…, reason = \"…\")]"),
    ("#[ignore]", "#[ignore = \"when it runs\"]"),
];

/// The functions of a text with their first line and their length in lines.
fn functions(text: &str) -> Vec<(usize, String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        if line.trim_end().ends_with(['}', ';']) {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        let closing = format!("{}}}", " ".repeat(indent));
        let declaration = format!("{});", " ".repeat(indent));
        let end = lines[start..].iter().position(|line| {
            line.trim_end() == closing || line.trim_end().starts_with(&declaration)
        });
        if let Some(end) = end {
            found.push((start + 1, name, end + 1));
        }
    }
    found
}

fn function_name(line: &str) -> Option<String> {
    let (before, after) = line.split_once("fn ")?;
    let modifiers = ["pub", "async", "const", "unsafe", "extern"];
    let plain = before
        .split_whitespace()
        .all(|word| modifiers.contains(&word) || word.starts_with("pub(") || word == "\"C\"");
    let end = after.find(|c: char| !(c.is_alphanumeric() || c == '_'))?;
    (plain && end > 0).then(|| after[..end].to_owned())
}

fn long_functions(file: &File) -> Vec<String> {
    functions(&file.text)
        .into_iter()
        .filter(|(.., length)| *length > FUNCTION_LINES_MAX)
        .map(|(line, name, length)| format!("{}:{line}: {name} has {length} lines", file.path))
        .collect()
}

fn long_file(file: &File) -> Option<String> {
    let length = file.text.lines().count();
    (length > FILE_LINES_MAX).then(|| format!("{}: {length} lines", file.path))
}

fn unfinished(file: &File) -> Vec<String> {
    let mut found = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        // The attribute of an input field is no unfinished word.
        let line = line.replace("placeholder=", "").replace("::placeholder", "");
        let lower = line.to_lowercase();
        for word in UNFINISHED {
            if contains_word(&line, word) || contains_word(&lower, word) {
                found.push(format!("{}:{}: says \"{word}\"", file.path, index + 1));
            }
        }
    }
    found
}

/// Whether a text says a word, not as part of a longer one.
pub(crate) fn contains_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

fn refused(file: &File) -> Vec<String> {
    let mut found = Vec::new();
    for (line, code) in product_lines(&file.text) {
        for (construction, instead) in REFUSED {
            let part_of_word = code
                .find(construction)
                .and_then(|at| code[..at].chars().next_back())
                .is_some_and(|c| c.is_alphanumeric() && !construction.starts_with('.'));
            if code.contains(construction) && !part_of_word {
                found.push(format!("{}:{line}: {construction} – write {instead}", file.path));
            }
        }
    }
    found
}

fn undocumented(file: &File) -> Option<String> {
    (!file.text.starts_with("//!")).then(|| format!("{}: says not what it is for", file.path))
}

/// The share of `lengths` that is within `goal`.
fn share_within(lengths: &[usize], goal: usize) -> f64 {
    lengths.iter().filter(|length| **length <= goal).count() as f64 / lengths.len().max(1) as f64
}

#[test]
fn files_and_functions_stay_small() {
    let all = rust();
    let mut found: Vec<String> = all.iter().filter_map(long_file).collect();
    found.extend(all.iter().flat_map(long_functions));
    expect_none("a file has at most 600 lines, a function at most 100", &found);

    let sizes: Vec<usize> = all.iter().map(|file| file.text.lines().count()).collect();
    let lengths: Vec<usize> =
        all.iter().flat_map(|file| functions(&file.text)).map(|(.., length)| length).collect();
    assert!(share_within(&sizes, FILE_LINES_GOAL) >= 0.9, "more than a tenth of the files is long");
    assert!(share_within(&lengths, FUNCTION_LINES_GOAL) >= 0.95, "too many long functions");
}

#[test]
fn nothing_is_called_unfinished() {
    let all = files();
    let ours = all.iter().filter(|file| !file.path.starts_with("tests/tidy"));
    let written = ours.filter(|file| {
        ["rs", "sql", "html", "js", "css", "md"]
            .iter()
            .any(|extension| has_extension(&file.path, extension))
    });
    let found: Vec<String> = written.flat_map(unfinished).collect();
    expect_none("what is on main is finished", &found);
}

#[test]
fn the_product_neither_panics_nor_prints() {
    let all = rust();
    let product = all.iter().filter(|file| !is_test(&file.path));
    let found: Vec<String> = product.flat_map(refused).collect();
    expect_none("errors are values and output has one place", &found);
}

#[test]
fn every_file_says_what_it_is_for() {
    let all = rust();
    let named_otherwise = all.iter().filter(|file| !file.path.ends_with("/tests.rs"));
    let found: Vec<String> = named_otherwise.filter_map(undocumented).collect();
    expect_none("a Rust file begins with `//!` and one sentence", &found);
}

fn file(text: &str) -> File {
    File { path: "src/a.rs".to_owned(), text: text.to_owned() }
}

#[test]
fn long_files_and_functions_are_found() {
    let body = "    let a = 1;\n".repeat(FUNCTION_LINES_MAX);
    let found =
        long_functions(&file(&format!("pub async fn long() {{\n{body}}}\nfn short() {{}}\n")));
    assert_eq!(found, ["src/a.rs:1: long has 102 lines"]);
    assert!(long_file(&file(&"\n".repeat(FILE_LINES_MAX + 1))).is_some());
    assert!(long_file(&file(&"\n".repeat(FILE_LINES_MAX))).is_none());
}

#[test]
fn unfinished_words_are_found() {
    assert_eq!(unfinished(&file("// TODO: later\n// Good For now.\n")).len(), 2);
    assert!(unfinished(&file("<input placeholder=\"…\"> shack, Hackney")).is_empty());
}

#[test]
fn refused_constructions_are_found() {
    assert_eq!(refused(&file("let a = b.unwrap();\nprintln!(\"x\");\n")).len(), 2);
    assert_eq!(refused(&file("#[allow(dead_code)]\nfn f() { panic!(\"x\") }\n")).len(), 2);
    assert!(refused(&file("#[cfg(test)]\nmod tests {\n    a.unwrap();\n}\n")).is_empty());
    assert!(refused(&file("// a.unwrap() is refused\n")).is_empty());
}

#[test]
fn files_without_a_purpose_are_found() {
    assert!(undocumented(&file("use std::fs;\n")).is_some());
    assert!(undocumented(&file("//! Reads.\n")).is_none());
}
