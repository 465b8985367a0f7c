//! Dependencies: each has its reason, is used, is licensed, comes from crates.io, and points down.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
};

use serde_json::{Value, json};

use super::{expect_none, files, root, rust};

/// What neither library may reach, directly or not: no I/O, no async, no database, no HTTP.
const PURE_NEVER: &[&str] = &["tokio", "sqlx", "axum", "hyper", "tantivy", "reqwest", "mio"];
/// The packages that are ours.
const OURS: &[&str] = &["volens", "volens-privacy", "volens-models"];
/// The libraries that stay pure.
const PURE: &[&str] = &["volens-privacy", "volens-models"];

/// The lines of one `[section]` of a TOML text, with their numbers.
fn section<'a>(text: &'a str, name: &str) -> Vec<(usize, &'a str)> {
    let header = format!("[{name}]");
    text.lines()
        .enumerate()
        .skip_while(|(_, line)| line.trim() != header)
        .skip(1)
        .take_while(|(_, line)| !line.starts_with('['))
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|(index, line)| (index + 1, line))
        .collect()
}

fn has_reason(line: &str) -> bool {
    line.rsplit_once('#').is_some_and(|(_, reason)| reason.split_whitespace().count() >= 2)
}

/// Dependencies and allowed lints of a manifest that do not say why.
fn without_reason(manifest: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (line, text) in section(manifest, "workspace.dependencies") {
        if !text.contains("path =") && !has_reason(text) {
            found.push(format!("Cargo.toml:{line}: {text}"));
        }
    }
    for table in ["workspace.lints.clippy", "workspace.lints.rust", "workspace.lints.rustdoc"] {
        for (line, text) in section(manifest, table) {
            if text.contains("\"allow\"") && !has_reason(text) {
                found.push(format!("Cargo.toml:{line}: {text}"));
            }
        }
    }
    found
}

/// Entries of `.clippy.toml` that forbid something without saying why.
fn forbidden_without_reason(settings: &str) -> Vec<String> {
    let parsed: toml::Table = settings.parse().expect(".clippy.toml is TOML");
    let mut found = Vec::new();
    for (key, value) in &parsed {
        for entry in value.as_array().into_iter().flatten() {
            let reason = entry.get("reason").and_then(toml::Value::as_str).unwrap_or_default();
            if key.starts_with("disallowed") && reason.is_empty() {
                found.push(format!("{key}: {entry}"));
            }
        }
    }
    found
}

/// The libraries that a manifest names and `sources` never do.
fn unused(manifest: &str, sources: &[&str]) -> Vec<String> {
    section(manifest, "dependencies")
        .into_iter()
        .filter_map(|(_, line)| line.split(['.', ' ', '=']).next())
        .filter(|name| {
            let word = name.replace('-', "_");
            !sources.iter().any(|text| {
                text.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|found| found == word)
            })
        })
        .map(str::to_owned)
        .collect()
}

/// An SPDX expression and whether the list of allowed licences satisfies it.
fn licence_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let verdict = any_of(&words, &mut at, allowed);
    verdict && at == words.len()
}

fn any_of(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut verdict = all_of(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        verdict |= all_of(words, at, allowed);
    }
    verdict
}

fn all_of(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut verdict = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        verdict &= one(words, at, allowed);
    }
    verdict
}

fn one(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let verdict = any_of(words, at, allowed);
        *at += usize::from(words.get(*at) == Some(&")"));
        return verdict;
    }
    if words.get(*at) == Some(&"WITH") {
        let exception = words.get(*at + 1).copied().unwrap_or_default();
        *at += 2;
        return allowed.contains(&format!("{word} WITH {exception}"));
    }
    allowed.contains(*word)
}

/// `deny.toml`, the one place that lists licences, bans and sources.
fn deny() -> toml::Table {
    let text = fs::read_to_string(root().join("deny.toml")).expect("deny.toml is there");
    text.parse().expect("deny.toml is TOML")
}

fn strings(table: &toml::Table, section: &str, key: &str) -> BTreeSet<String> {
    let list = table[section][key].as_array().expect("a list");
    list.iter()
        .map(|item| item.as_str().or_else(|| item["crate"].as_str()).expect("a name").to_owned())
        .collect()
}

/// The packages of the build and their dependencies, as cargo resolved them for this machine.
fn metadata() -> Value {
    let rustc = Command::new("rustc").arg("-vV").output().expect("rustc runs");
    let version = String::from_utf8(rustc.stdout).expect("rustc speaks UTF-8");
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", host])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Packages whose licence, name or source is not allowed.
fn refused_packages(packages: &[&Value], deny: &toml::Table) -> Vec<String> {
    let allowed = strings(deny, "licenses", "allow");
    let banned = strings(deny, "bans", "deny");
    let excepted = |package: &Value| {
        let exceptions = deny["licenses"]["exceptions"].as_array().expect("a list");
        exceptions.iter().any(|entry| {
            entry["crate"].as_str() == package["name"].as_str()
                && entry["allow"].as_array().is_some_and(|own| {
                    own.iter().any(|one| one.as_str() == package["license"].as_str())
                })
        })
    };
    let mut found = Vec::new();
    for package in packages {
        let (name, licence) = (text(package, "name"), text(package, "license"));
        if !licence_allowed(licence, &allowed) && !excepted(package) {
            found.push(format!("{name}: licence \"{licence}\" is not in deny.toml"));
        }
        if banned.contains(name) {
            found.push(format!("{name}: banned in deny.toml"));
        }
        let source = package["source"].as_str();
        if source
            .is_some_and(|from| from != "registry+https://github.com/rust-lang/crates.io-index")
        {
            found.push(format!("{name}: comes from {}", source.unwrap_or_default()));
        }
    }
    found
}

/// The packages that those called `roots` reach, themselves included; tests and build scripts
/// count when `all_kinds` says so.
fn reached<'a>(
    metadata: &'a Value,
    roots: &[&str],
    all_kinds: bool,
) -> BTreeMap<&'a str, &'a Value> {
    let by_id = |list: &'a [Value]| -> BTreeMap<&'a str, &'a Value> {
        list.iter().map(|one| (text(one, "id"), one)).collect()
    };
    let packages = by_id(list(&metadata["packages"]));
    let nodes = by_id(list(&metadata["resolve"]["nodes"]));
    let mut open: Vec<&str> = packages
        .iter()
        .filter(|(_, one)| roots.contains(&text(one, "name")))
        .map(|(id, _)| *id)
        .collect();
    assert_eq!(open.len(), roots.len(), "every root is a package");
    let mut seen = BTreeMap::new();
    while let Some(id) = open.pop() {
        if seen.insert(id, packages[id]).is_some() {
            continue;
        }
        for dependency in list(&nodes[id]["deps"]) {
            let kinds = list(&dependency["dep_kinds"]);
            if all_kinds || kinds.iter().any(|kind| kind["kind"].is_null()) {
                open.push(text(dependency, "pkg"));
            }
        }
    }
    seen
}

fn package_names<'a>(packages: &BTreeMap<&str, &'a Value>) -> BTreeSet<&'a str> {
    packages.values().map(|one| text(one, "name")).collect()
}

#[test]
fn every_dependency_and_exception_has_its_reason() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml is there");
    let settings = fs::read_to_string(root().join(".clippy.toml")).expect(".clippy.toml is there");
    let mut found = without_reason(&manifest);
    found.extend(forbidden_without_reason(&settings));
    expect_none("a dependency, an allowed lint, a forbidden method each say why", &found);
}

#[test]
fn every_dependency_is_used() {
    let all = rust();
    let mut found = Vec::new();
    for (manifest, folder) in [
        ("Cargo.toml", "src/"),
        ("privacy/Cargo.toml", "privacy/src/"),
        ("models/Cargo.toml", "models/src/"),
    ] {
        let own: Vec<&str> = all
            .iter()
            .filter(|file| file.path.starts_with(folder))
            .map(|file| file.text.as_str())
            .collect();
        let text = fs::read_to_string(root().join(manifest)).expect("a manifest is there");
        found.extend(unused(&text, &own).into_iter().map(|name| format!("{manifest}: {name}")));
    }
    expect_none("a library that nothing names must go", &found);
}

#[test]
fn every_package_is_licensed_and_comes_from_the_registry() {
    let metadata = metadata();
    let built = reached(&metadata, OURS, true);
    assert!(built.len() > 100, "the walk finds what is there");
    let packages: Vec<&Value> = built.into_values().collect();
    let found = refused_packages(&packages, &deny());
    expect_none("what we build in is listed in deny.toml", &found);
}

#[test]
fn privacy_and_models_reach_no_io() {
    let metadata = metadata();
    let mut found = Vec::new();
    for package in PURE {
        let names = package_names(&reached(&metadata, &[package], false));
        let forbidden = PURE_NEVER.iter().filter(|name| names.contains(**name));
        found.extend(forbidden.map(|name| format!("{package} reaches {name}")));
    }
    expect_none("privacy and models stay pure", &found);

    let privacy = package_names(&reached(&metadata, &["volens-privacy"], false));
    assert!(!privacy.contains("volens-models"), "privacy needs nothing of ours");
    let service = package_names(&reached(&metadata, &["volens"], false));
    assert!(PURE_NEVER.iter().any(|name| service.contains(name)), "the walk finds what is there");
}

#[test]
fn the_licence_text_is_there() {
    let all = files();
    let licence = all.iter().find(|file| file.path == "LICENSE").expect("LICENSE is there");
    assert!(licence.text.contains("Apache License") && licence.text.contains("Version 2.0"));
}

#[test]
fn missing_reasons_are_found() {
    let manifest = "[workspace.dependencies]\na = \"1\"\nb = \"1\" # reads files\n\n[workspace.lints.clippy]\nc = \"allow\"\nd = \"deny\"\n";
    assert_eq!(
        without_reason(manifest),
        ["Cargo.toml:2: a = \"1\"", "Cargo.toml:6: c = \"allow\""]
    );
    assert_eq!(forbidden_without_reason("disallowed-methods = [{ path = \"a::b\" }]").len(), 1);
}

#[test]
fn unused_dependencies_are_found() {
    let manifest = "[dependencies]\nserde-json.workspace = true\ncsv = \"1\"\n";
    assert_eq!(unused(manifest, &["use serde_json::Value;"]), ["csv"]);
}

#[test]
fn licences_are_evaluated() {
    let allowed = BTreeSet::from(["MIT".to_owned(), "Unicode-3.0".to_owned()]);
    assert!(licence_allowed("MIT/Apache-2.0", &allowed));
    assert!(licence_allowed("(MIT OR AGPL-3.0) AND Unicode-3.0", &allowed));
    assert!(!licence_allowed("MIT AND AGPL-3.0", &allowed));
    assert!(!licence_allowed("BUSL-1.1", &allowed));
    assert!(!licence_allowed("", &allowed));
    assert!(!licence_allowed("Apache-2.0 WITH LLVM-exception", &allowed));
}

#[test]
fn refused_packages_are_found() {
    let copyleft =
        json!({ "name": "a", "license": "AGPL-3.0-only", "source": "git+https://a.org" });
    let banned = json!({ "name": "openssl", "license": "MIT", "source": null });
    assert_eq!(refused_packages(&[&copyleft, &banned], &deny()).len(), 3);
}
