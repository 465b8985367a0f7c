//! Rules about the code itself, held by tests so that nobody has to remember them.
//!
//! Every rule is a plain function from text to findings. Two things are tested for each: that the
//! repository has no finding, and that the rule bites, on a small text that breaks it.

mod code;
mod documents;
mod layers;
mod manifest;
mod migrations;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// One text file of the repository.
pub(crate) struct File {
    /// Path from the root of the repository, with `/`.
    pub(crate) path: String,
    /// Everything in it.
    pub(crate) text: String,
}

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folders that hold what we write.
const FOLDERS: &[&str] =
    &["src", "privacy", "models", "tests", "docs", "migrations", "benches", ".ci"];

/// Every text file that we write, in order of path.
pub(crate) fn files() -> Vec<File> {
    let mut paths = Vec::new();
    for folder in FOLDERS {
        collect(&root().join(folder), &mut paths);
    }
    for entry in fs::read_dir(root()).expect("the root can be listed") {
        let path = entry.expect("an entry of the root").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_file() && name != "Cargo.lock" {
            paths.push(path);
        }
    }
    paths.sort();
    paths.iter().filter_map(|path| read(path)).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("an entry of a listed folder").path();
        if path.is_dir() {
            collect(&path, paths);
        } else {
            paths.push(path);
        }
    }
}

/// Reads a file; a picture or another file that is no text is left out.
fn read(path: &Path) -> Option<File> {
    let text = String::from_utf8(fs::read(path).ok()?).ok()?;
    let inside = path.strip_prefix(root()).expect("every path is below the root");
    Some(File { path: inside.to_string_lossy().replace('\\', "/"), text })
}

/// The Rust files of the service and both libraries, with their tests.
pub(crate) fn rust() -> Vec<File> {
    files().into_iter().filter(|file| has_extension(&file.path, "rs")).collect()
}

/// Whether a path ends in `.extension`.
pub(crate) fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

/// Whether a Rust file holds tests only, where other rules hold than in the product.
pub(crate) fn is_test(path: &str) -> bool {
    path.starts_with("tests/")
        || path.starts_with("benches/")
        || path.contains("/tests/")
        || path.contains("/benches/")
        || path.ends_with("/tests.rs")
        || path.ends_with("_tests.rs")
        || path.ends_with("/testing.rs")
        || path.ends_with("/known_answers.rs")
}

/// Fails with every finding on its own line.
pub(crate) fn expect_none(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}\n  {}\n", findings.join("\n  "));
}

/// A Rust text without its comments and without its inline test modules, line for line.
///
/// A line keeps its number, so a finding can name it. `//` inside a string literal is taken for a
/// comment too; no rule here looks for anything that could hide behind one.
pub(crate) fn product_lines(text: &str) -> Vec<(usize, &str)> {
    let mut lines = Vec::new();
    let mut inside_tests: Option<usize> = None;
    let mut announced = false;
    for (index, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        if let Some(closing) = inside_tests {
            if indent == closing && line.trim_end() == format!("{}}}", " ".repeat(closing)) {
                inside_tests = None;
            }
            continue;
        }
        let code = line.split("//").next().unwrap_or_default();
        if code.trim() == "#[cfg(test)]" {
            announced = true;
            continue;
        }
        if announced && code.trim_start().starts_with("mod ") && code.trim_end().ends_with('{') {
            inside_tests = Some(indent);
        } else if !code.trim().is_empty() {
            lines.push((index + 1, code));
        }
        announced = announced && code.trim_start().starts_with("#[");
    }
    lines
}

#[test]
fn comments_and_inline_tests_are_no_product() {
    let text = "use a; // use b;\n#[cfg(test)]\nmod tests {\n    use c;\n}\nuse d;\n";
    let lines = product_lines(text);
    assert_eq!(lines, vec![(1, "use a; "), (6, "use d;")]);
}
