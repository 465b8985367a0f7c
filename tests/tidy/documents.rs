//! Documents keep their promises: links lead somewhere, guarantees name tests that exist, and every
//! text that a person is shown exists in five languages.

use std::collections::{BTreeMap, BTreeSet};

use super::{File, expect_none, files, has_extension, root};

/// The languages that everything shown to people exists in.
const LANGUAGES: &[&str] = &["de", "en", "es", "fr", "pt"];

/// The targets of the links of a Markdown text, with their lines; code is left out.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        if fenced {
            continue;
        }
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for part in prose.split("](").skip(1) {
            if let Some(end) = part.find(')') {
                found.push((index + 1, part[..end].to_owned()));
            }
        }
    }
    found
}

/// The name that a heading has as a link target.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || *c == '-' || *c == '_').collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| anchor(line.trim_start_matches('#')))
        .collect()
}

/// `docs/how-to/../a.md` without its dots.
fn normal(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// The links of `file` that lead nowhere; `exists` knows paths, `texts` the anchors of documents.
fn broken_links(
    file: &File,
    exists: &dyn Fn(&str) -> bool,
    texts: &BTreeMap<&str, &str>,
) -> Vec<String> {
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut found = Vec::new();
    for (line, target) in links(&file.text) {
        if target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        let (path, fragment) = target.split_once('#').unwrap_or((&target, ""));
        let path = if path.is_empty() { file.path.clone() } else { normal(folder, path) };
        let text = texts.get(path.as_str());
        let known = fragment.is_empty() || text.is_none_or(|text| anchors(text).contains(fragment));
        if !exists(&path) || !known {
            found.push(format!("{}:{line}: nothing at {target}", file.path));
        }
    }
    found
}

/// The tests that a document names as `path::to::a_test` in a table row, with their lines.
///
/// A test is written with its file: `tests/journeys/kill.rs::acknowledged_consents_survive`.
fn named_tests(text: &str) -> Vec<(usize, String, String)> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for quoted in line.split('`').skip(1).step_by(2) {
            if let Some((path, test)) = quoted.split_once(".rs::") {
                let name = test.rsplit("::").next().unwrap_or(test);
                found.push((index + 1, format!("{path}.rs"), name.to_owned()));
            }
        }
    }
    found
}

fn missing_tests(file: &File, texts: &BTreeMap<&str, &str>) -> Vec<String> {
    let mut found = Vec::new();
    for (line, path, test) in named_tests(&file.text) {
        let there = texts.get(path.as_str()).is_some_and(|text| {
            text.contains(&format!("fn {test}(")) || text.contains(&format!("fn {test}<"))
        });
        if !there {
            found.push(format!("{}:{line}: no `{test}` in {path}", file.path));
        }
    }
    found
}

/// The languages that a text of several files lacks, given the names of its files.
fn missing_languages(names: &BTreeSet<String>) -> Vec<&'static str> {
    LANGUAGES
        .iter()
        .filter(|language| !names.iter().any(|name| name.split('.').next() == Some(**language)))
        .copied()
        .collect()
}

fn texts(all: &[File]) -> BTreeMap<&str, &str> {
    all.iter().map(|file| (file.path.as_str(), file.text.as_str())).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let all = files();
    let texts = texts(&all);
    let exists = |path: &str| root().join(path).exists();
    let documents = all.iter().filter(|file| has_extension(&file.path, "md"));
    let found: Vec<String> =
        documents.flat_map(|file| broken_links(file, &exists, &texts)).collect();
    expect_none("a link in a document leads to a file and a heading that exist", &found);
}

#[test]
fn every_test_that_a_document_names_exists() {
    let all = files();
    let texts = texts(&all);
    let documents = all.iter().filter(|file| has_extension(&file.path, "md"));
    let found: Vec<String> = documents.flat_map(|file| missing_tests(file, &texts)).collect();
    expect_none("a guarantee names the test that proves it", &found);
}

#[test]
fn every_notice_exists_in_five_languages() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files() {
        if let Some(inside) = file.path.strip_prefix("privacy/notices/")
            && let Some((version, name)) = inside.rsplit_once('/')
        {
            versions.entry(version.to_owned()).or_default().insert(name.to_owned());
        }
    }
    let found: Vec<String> = versions
        .iter()
        .flat_map(|(version, names)| {
            missing_languages(names)
                .into_iter()
                .map(move |language| format!("privacy/notices/{version} has no {language}"))
        })
        .collect();
    expect_none("a person reads a notice in their own language", &found);
    assert!(!versions.is_empty(), "there are notices to look at");
}

fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

#[test]
fn broken_links_are_found() {
    let page = file("docs/how-to/a.md", "[a](../b.md#one-two) [b](c.md) [c](https://x.y/z)\n");
    let texts = BTreeMap::from([("docs/b.md", "# One two\n")]);
    let exists = |path: &str| path == "docs/b.md";
    assert_eq!(broken_links(&page, &exists, &texts), ["docs/how-to/a.md:1: nothing at c.md"]);
    let wrong = file("docs/how-to/a.md", "[a](../b.md#three)\n`[x](y)`\n```\n[x](y)\n```\n");
    assert_eq!(broken_links(&wrong, &exists, &texts).len(), 1);
}

#[test]
fn invented_tests_are_found() {
    let page = file("README.md", "| no join | `tests/a.rs::real` | `tests/a.rs::invented` |\n");
    let texts = BTreeMap::from([("tests/a.rs", "fn real() {}\n")]);
    assert_eq!(missing_tests(&page, &texts), ["README.md:1: no `invented` in tests/a.rs"]);
}

#[test]
fn missing_languages_are_found() {
    let names = BTreeSet::from(["de.md".to_owned(), "en.md".to_owned()]);
    assert_eq!(missing_languages(&names), ["es", "fr", "pt"]);
}
