//! The two folders of migrations describe the same tables, and what was released stays as it was.

use std::{collections::BTreeMap, fmt::Write};

use sha2::{Digest, Sha256};

use super::{File, code::contains_word, expect_none, files, has_extension};

/// Words that no migration uses, and what stands in their place.
const REFUSED: &[(&str, &str)] = &[
    ("boolean", "a nullable time, or text with a check"),
    ("serial", "ids made from the clock and randomness given"),
    ("autoincrement", "ids made from the clock and randomness given"),
    ("now()", "the clock given"),
    ("current_timestamp", "the clock given"),
    ("timestamptz", "microseconds as BIGINT"),
    ("jsonb", "text"),
];

/// Table, view or index name → what it holds, each part in a form common to both engines.
type Catalog = BTreeMap<String, Vec<String>>;

/// SQL without comments, lower case, one statement a string; bodies of triggers stay whole.
fn statements(sql: &str) -> Vec<String> {
    let plain: String = sql
        .lines()
        .map(|line| line.split("--").next().unwrap_or_default().to_lowercase() + "\n")
        .collect();
    let (mut found, mut current) = (Vec::new(), String::new());
    let (mut quoted, mut block) = (false, false);
    let mut rest = plain.as_str();
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("$$") {
            quoted = !quoted;
            current.push('$');
            rest = &rest[1..];
        } else if rest.starts_with("begin\n") || rest.starts_with("begin ") {
            block = !quoted;
        } else if block && rest.starts_with("end") && current.trim_end().ends_with(';') {
            block = false;
        }
        if c == ';' && !quoted && !block {
            found.push(std::mem::take(&mut current));
        } else {
            current.push(c);
        }
        rest = &rest[c.len_utf8()..];
    }
    found.push(current);
    found.retain(|statement| !statement.trim().is_empty());
    found
}

/// The parts of the parenthesis that begins at the first `(` of `text`.
fn parts(text: &str) -> Vec<String> {
    let (mut depth, mut current, mut found) = (0_i32, String::new(), Vec::new());
    for c in text.chars() {
        match c {
            '(' if depth == 0 => depth = 1,
            ')' if depth == 1 => break,
            ',' if depth == 1 => found.push(std::mem::take(&mut current)),
            _ if depth == 0 => {}
            _ => {
                depth += i32::from(c == '(') - i32::from(c == ')');
                current.push(c);
            }
        }
    }
    found.push(current);
    found.iter().map(|part| part.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// A column as `name type`, with the engines' names of one type made one.
fn column(part: &str) -> Option<String> {
    let mut words = part.split_whitespace();
    let name = words.next()?;
    if ["primary", "unique", "check", "foreign", "constraint", "exclude"].contains(&name) {
        return None;
    }
    let kind = match words.next().unwrap_or_default().trim_end_matches(',') {
        "bigint" | "integer" | "int" => "integer",
        "double" | "real" => "real",
        "bytea" | "blob" => "bytes",
        other => other,
    };
    let needed =
        if part.contains("not null") || part.contains("primary key") { " not null" } else { "" };
    Some(format!("{name} {kind}{needed}"))
}

/// What the statements of one engine leave behind.
fn catalog(sql: &str) -> Catalog {
    let mut catalog = Catalog::new();
    for statement in statements(sql) {
        let words: Vec<&str> = statement
            .split(|c: char| c.is_whitespace() || c == '(')
            .filter(|w| !w.is_empty())
            .collect();
        match words.as_slice() {
            ["create", "table", name, ..] => {
                let mut columns: Vec<String> =
                    parts(&statement).iter().filter_map(|part| column(part)).collect();
                columns.sort();
                catalog.insert(format!("table {name}"), columns);
            }
            ["alter", "table", name, "add", "column", ..] => {
                let added = statement.split("add column").nth(1).and_then(column);
                catalog.entry(format!("table {name}")).or_default().extend(added);
            }
            ["create", "unique", "index", name, ..] => {
                catalog.insert(format!("unique index {name}"), parts(&statement));
            }
            ["create", "index", name, ..] => {
                catalog.insert(format!("index {name}"), parts(&statement));
            }
            ["create", kind @ ("view" | "trigger"), name, ..] => {
                let known = if *kind == "view" { vec![] } else { continue };
                catalog.insert(format!("{kind} {name}"), known);
            }
            _ => {}
        }
    }
    catalog
}

/// What one catalog has and the other has not, or has otherwise.
fn differences(sqlite: &Catalog, postgres: &Catalog) -> Vec<String> {
    let mut found = Vec::new();
    for name in sqlite.keys().chain(postgres.keys().filter(|name| !sqlite.contains_key(*name))) {
        match (sqlite.get(name), postgres.get(name)) {
            (Some(_), None) => found.push(format!("{name} is missing in postgres")),
            (None, Some(_)) => found.push(format!("{name} is missing in sqlite")),
            (Some(one), Some(other)) if one != other => {
                let only = |a: &[String], b: &[String]| {
                    a.iter()
                        .filter(|part| !b.contains(part))
                        .cloned()
                        .collect::<Vec<_>>()
                        .join("; ")
                };
                found.push(format!(
                    "{name}: sqlite has \"{}\", postgres has \"{}\"",
                    only(one, other),
                    only(other, one)
                ));
            }
            _ => {}
        }
    }
    found
}

/// Tables that are not STRICT, and words that do not exist on both engines.
fn unportable(file: &File) -> Vec<String> {
    let mut found = Vec::new();
    for statement in statements(&file.text) {
        let words: Vec<&str> = statement.split_whitespace().collect();
        let table = words.starts_with(&["create", "table"]);
        if table
            && file.path.contains("/sqlite/")
            && !words.iter().any(|w| w.trim_matches(',') == "strict")
        {
            found.push(format!("{}: a table is not STRICT: {}", file.path, words[..3].join(" ")));
        }
        for (word, instead) in REFUSED {
            if contains_word(&statement, word) {
                found.push(format!("{}: {word} – use {instead}", file.path));
            }
        }
    }
    found
}

fn of_engine<'a>(all: &'a [File], engine: &str) -> Vec<&'a File> {
    let folder = format!("migrations/{engine}/");
    all.iter().filter(|file| file.path.starts_with(&folder)).collect()
}

fn names(files: &[&File]) -> Vec<String> {
    files.iter().filter_map(|file| file.path.rsplit('/').next()).map(str::to_owned).collect()
}

fn together(files: &[&File]) -> String {
    files.iter().map(|file| file.text.clone() + "\n;\n").collect()
}

/// Migrations that changed since they were listed, or were never listed.
fn changed(listed: &str, files: &[(String, String)]) -> Vec<String> {
    let known: BTreeMap<&str, &str> = listed
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(sum, path)| (path, sum))
        .collect();
    let mut found: Vec<String> = files
        .iter()
        .filter_map(|(path, text)| match known.get(path.as_str()) {
            None => Some(format!("{path} is not listed")),
            Some(sum) if *sum != sha256(text) => Some(format!("{path} was changed")),
            Some(_) => None,
        })
        .collect();
    let gone = known.keys().filter(|path| !files.iter().any(|(found, _)| found == *path));
    found.extend(gone.map(|path| format!("{path} was removed")));
    found
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes every byte");
        hex
    })
}

#[test]
fn both_engines_have_the_same_migrations() {
    let all = files();
    let (sqlite, postgres) = (of_engine(&all, "sqlite"), of_engine(&all, "postgres"));
    assert!(!sqlite.is_empty(), "there are migrations to look at");
    assert_eq!(names(&sqlite), names(&postgres), "each migration has a file in both folders");
    let found = differences(&catalog(&together(&sqlite)), &catalog(&together(&postgres)));
    expect_none("both engines have the same tables, columns, indexes and views", &found);
}

#[test]
fn migrations_use_only_what_both_engines_have() {
    let all = files();
    let sql = all
        .iter()
        .filter(|file| file.path.starts_with("migrations/") && has_extension(&file.path, "sql"));
    let found: Vec<String> = sql.flat_map(unportable).collect();
    expect_none("types are portable from day one", &found);
}

#[test]
fn released_migrations_stay_as_they_are() {
    let all = files();
    let listed = all.iter().find(|file| file.path == "migrations/checksums");
    let sql: Vec<(String, String)> = all
        .iter()
        .filter(|file| file.path.starts_with("migrations/") && has_extension(&file.path, "sql"))
        .map(|file| (file.path.clone(), file.text.clone()))
        .collect();
    let found = changed(&listed.expect("migrations/checksums is there").text, &sql);
    expect_none("migrations are only added (migrations/README.md)", &found);
}

#[test]
fn missing_columns_are_found() {
    let sqlite = catalog(
        "create table a (id BLOB primary key, n INTEGER not null) strict;\ncreate index i on a (n);",
    );
    let postgres = catalog(
        "create table a (id bytea primary key, n bigint not null);\ncreate index i on a (n);",
    );
    assert!(differences(&sqlite, &postgres).is_empty());
    let other =
        catalog("create table a (id bytea primary key, m bigint);\ncreate table b (c text);");
    assert_eq!(differences(&sqlite, &other).len(), 3);
}

#[test]
fn triggers_do_not_hide_what_follows_them() {
    let sqlite = "create trigger t after update on a begin\n delete from b;\n delete from c;\nend;\ncreate table d (e text) strict;";
    let postgres = "create function f() returns trigger as $$ begin delete from b; return null; end $$ language plpgsql;\ncreate table d (e text);";
    assert!(catalog(sqlite).contains_key("table d"), "{:?}", statements(sqlite));
    assert!(catalog(postgres).contains_key("table d"), "{:?}", statements(postgres));
}

#[test]
fn unportable_migrations_are_found() {
    let file = File {
        path: "migrations/sqlite/0001_a.sql".to_owned(),
        text: "create table a (b boolean, c integer default now());".to_owned(),
    };
    assert_eq!(unportable(&file).len(), 3, "{:?}", unportable(&file));
}

#[test]
fn changed_migrations_are_found() {
    let file = |text: &str| [("migrations/sqlite/0001_a.sql".to_owned(), text.to_owned())];
    let listed = format!("{}  migrations/sqlite/0001_a.sql\n", sha256("create"));
    assert!(changed(&listed, &file("create")).is_empty());
    assert_eq!(changed(&listed, &file("alter")).len(), 1);
    assert_eq!(changed("", &file("create")).len(), 1);
    assert_eq!(changed(&listed, &[]).len(), 1);
}
