//! Who may import whom, and which library is named where.

use std::collections::BTreeSet;

use super::{File, expect_none, files, is_test, product_lines, rust};

/// The slices, lowest first: folders named after what the product does, each with the same files.
const SLICES: &[&str] = &[
    "access",
    "ledger",
    "accounts",
    "readings",
    "assessments",
    "consent",
    "identity",
    "privacy_centre",
    "signals",
    "relevance",
    "audience",
    "assistant",
    "rights",
    "audit",
];

/// The part of `web/` that knows slices; the rest is the base every `http.rs` may use.
const WEB_TOP: &[&str] = &["router", "pages"];

/// A library, the place that names it in words, and whether a path is in that place.
type Place = (&'static str, &'static str, fn(&str) -> bool);

const PLACES: &[Place] = &[
    ("sqlx", "src/db/", |path| path.starts_with("src/db/")),
    (
        "axum",
        "src/web/, http.rs of a slice, and the bench and the demo, which call the router",
        |path| {
            path.starts_with("src/web/")
                || path.ends_with("/http.rs")
                || path.contains("/http/")
                || path.starts_with("src/cli/bench/")
                || path.starts_with("src/cli/demo/")
        },
    ),
    ("tantivy", "src/search/", |path| path.starts_with("src/search")),
    ("linfa", "models/", |path| path.starts_with("models/")),
];

/// What may break the order, and why it must. An entry that no longer is needed fails.
const EXCUSED: &[(&str, &str, &str)] = &[];

/// The module of `src/` that a path belongs to; `lib.rs` and `main.rs` belong to none.
fn module_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    let name = inside.split('/').next()?;
    let name = name.strip_suffix(".rs").unwrap_or(name);
    (name != "lib" && name != "main").then_some(name)
}

/// The modules in the order in which `src/lib.rs` lists them: lowest first. A module may use only
/// what stands before it.
fn order(lib: &str) -> Vec<&str> {
    let modules =
        lib.lines().filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod "));
    modules.filter_map(|rest| rest.strip_suffix(';')).collect()
}

fn place_in(order: &[&str], module: &str) -> Option<usize> {
    order.iter().position(|known| *known == module)
}

/// Every path that a text names below `crate::`, with its line: `crate::web::{json, page}` gives
/// `web::json` and `web::page`.
fn uses(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let lines = product_lines(text);
    let joined = lines.iter().map(|(_, line)| *line).collect::<Vec<_>>().join(
        "
",
    );
    let mut from = 0;
    while let Some(at) = joined[from..].find("crate::") {
        let start = from + at;
        from = start + "crate::".len();
        let before = joined[..start].chars().next_back();
        if before.is_some_and(|c| c == '$' || c.is_alphanumeric() || c == '_') {
            continue;
        }
        let nth = joined[..start].matches('\n').count();
        for path in expand(&joined[from..], 2) {
            found.push((lines[nth].0, path));
        }
    }
    found
}

/// The paths that stand at the beginning of `text`, down to `depth` names.
fn expand(text: &str, depth: usize) -> Vec<String> {
    if depth == 0 {
        return vec![String::new()];
    }
    if let Some(group) = text.strip_prefix('{') {
        return split_group(group).into_iter().flat_map(|item| expand(item, depth)).collect();
    }
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let Some(rest) = rest.strip_prefix("::") else { return vec![name.to_owned()] };
    expand(rest, depth - 1)
        .into_iter()
        .map(|below| if below.is_empty() { name.to_owned() } else { format!("{name}::{below}") })
        .collect()
}

/// The items of a brace group, given the text after its opening brace.
fn split_group(text: &str) -> Vec<&str> {
    let mut items = Vec::new();
    let (mut depth, mut start) = (0_u32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                items.push(text[start..at].trim());
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    items.retain(|item| !item.is_empty());
    items
}

fn is_web_base(path: &str) -> bool {
    path.starts_with("src/web/")
        && !path.ends_with("/mod.rs")
        && !WEB_TOP.iter().any(|top| path.starts_with(&format!("src/web/{top}")))
}

/// Whether `path`, a file of `module`, may use `used`, which is `name` or `name::below`.
fn may_use(order: &[&str], path: &str, module: &str, used: &str) -> bool {
    let (name, below) = used.split_once("::").unwrap_or((used, ""));
    let Some(other) = place_in(order, name) else { return true }; // a macro or function of lib.rs
    if is_web_base(path) {
        return Some(other) <= place_in(order, "access") || name == "app" || name == "web";
    }
    if Some(other) <= place_in(order, module) {
        return true;
    }
    let wire = path.ends_with("/http.rs") || path.contains("/http/");
    wire && (name == "app" || (name == "web" && !WEB_TOP.contains(&below)))
}

fn layering(order: &[&str], file: &File) -> Vec<String> {
    let Some(module) = module_of(&file.path) else { return Vec::new() };
    uses(&file.text)
        .into_iter()
        .filter(|(_, used)| !may_use(order, &file.path, module, used))
        .map(|(line, used)| format!("{}:{line}: uses crate::{used}", file.path))
        .collect()
}

/// Whether `text` names the library: the word itself, not part of another.
fn names(text: &str, library: &str) -> Option<usize> {
    product_lines(text).into_iter().find_map(|(line, code)| {
        let mut words = code.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        words
            .any(|word| word == library || word.starts_with(&format!("{library}_")))
            .then_some(line)
    })
}

fn placement(file: &File) -> Vec<String> {
    let mut found = Vec::new();
    for (library, place, allowed) in PLACES {
        if allowed(&file.path) {
            continue;
        }
        // `utoipa_axum` collects routes wherever handlers are; it is a word of its own.
        if let Some(line) = names(&file.text, library) {
            found.push(format!("{}:{line}: names {library}, whose place is {place}", file.path));
        }
    }
    found
}

/// What a slice lacks, or holds in the wrong file, given the files of its folder.
fn shape(slice: &str, files: &[&File]) -> Vec<String> {
    let mut found = Vec::new();
    let names: BTreeSet<&str> =
        files.iter().filter_map(|file| file.path.strip_prefix(&format!("src/{slice}/"))).collect();
    for needed in ["mod.rs", "tests.rs"] {
        let folder = format!("{}/", needed.trim_end_matches(".rs"));
        if !names.contains(needed) && !names.iter().any(|name| name.starts_with(&folder)) {
            found.push(format!("src/{slice}/ has no {needed}"));
        }
    }
    for file in files {
        let inside = file.path.strip_prefix(&format!("src/{slice}/")).unwrap_or(&file.path);
        if is_test(&file.path) {
            continue;
        }
        let code = product_lines(&file.text);
        let has = |word: &str| code.iter().any(|(_, line)| line.contains(word));
        if has("statements! {") && !inside.contains("store") {
            found.push(format!("{}: SQL of a slice stands in store.rs", file.path));
        }
        if has("utoipa::path") && !inside.contains("http") {
            found.push(format!("{}: endpoints of a slice stand in http.rs", file.path));
        }
    }
    found
}

#[test]
fn a_module_uses_only_what_stands_below_it() {
    let all = rust();
    let lib = all.iter().find(|file| file.path == "src/lib.rs").expect("src/lib.rs is there");
    let order = order(&lib.text);
    let product = all.iter().filter(|file| !is_test(&file.path));
    let (mut found, mut needed) = (Vec::new(), BTreeSet::new());
    for finding in product.flat_map(|file| layering(&order, file)) {
        match EXCUSED.iter().find(|(path, used, _)| {
            finding.starts_with(*path) && finding.ends_with(&format!("crate::{used}"))
        }) {
            Some(excuse) => drop(needed.insert(*excuse)),
            None => found.push(finding),
        }
    }
    expect_none("a module may use only what stands before it in src/lib.rs", &found);
    let idle: Vec<String> = EXCUSED
        .iter()
        .filter(|excuse| !needed.contains(*excuse))
        .map(|(path, used, _)| format!("{path} no longer uses {used}"))
        .collect();
    expect_none("an excuse that is not needed any more must go", &idle);
}

#[test]
fn a_library_is_named_only_in_its_place() {
    let all = rust();
    let product = all.iter().filter(|file| !is_test(&file.path));
    let found: Vec<String> = product.flat_map(placement).collect();
    expect_none("sqlx, axum, tantivy and linfa each have one place", &found);
}

#[test]
fn every_slice_has_the_same_files() {
    let all = files();
    let mut found = Vec::new();
    for slice in SLICES {
        let own: Vec<&File> =
            all.iter().filter(|file| file.path.starts_with(&format!("src/{slice}/"))).collect();
        found.extend(shape(slice, &own));
    }
    expect_none("a reader who knows one slice knows all", &found);
}

/// Folders of `src/` with endpoints and tables of their own that [`SLICES`] does not name.
fn left_out(files: &[File]) -> Vec<String> {
    let folder = |path: &str| Some(path.strip_prefix("src/")?.split_once('/')?.0.to_owned());
    let folders: BTreeSet<String> = files.iter().filter_map(|file| folder(&file.path)).collect();
    let has = |folder: &str, part: &str| {
        let (one, many) = (format!("src/{folder}/{part}.rs"), format!("src/{folder}/{part}/"));
        files.iter().any(|file| file.path == one || file.path.starts_with(&many))
    };
    let slices = folders.into_iter().filter(|name| has(name, "http") && has(name, "store"));
    slices.filter(|name| !SLICES.contains(&name.as_str())).collect()
}

#[test]
fn no_slice_is_left_out() {
    expect_none("a folder with endpoints and tables is a slice", &left_out(&rust()));
    let made = ["mod", "http", "store"].map(|part| file(&format!("src/panel/{part}.rs"), ""));
    assert_eq!(left_out(&made), ["panel"], "it would be found");
}

#[test]
fn the_slices_stand_in_their_order() {
    let all = rust();
    let lib = all.iter().find(|file| file.path == "src/lib.rs").expect("src/lib.rs is there");
    let listed: Vec<&str> =
        order(&lib.text).into_iter().filter(|module| SLICES.contains(module)).collect();
    assert_eq!(listed, SLICES, "privacy flows up: consent knows neither links nor lists");
}

fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

#[test]
fn upward_uses_are_found() {
    let lib = "pub mod clock;\npub mod access;\npub mod consent;\nmod audience;\npub mod app;\npub mod web;\n";
    let order = order(lib);
    let check = |path: &str, text: &str| layering(&order, &file(path, text));
    let text =
        "use crate::{clock::Clock, audience::{self, List}};\nfn f() { crate::web::page() }\n";
    assert_eq!(
        check("src/consent/mod.rs", text),
        [
            "src/consent/mod.rs:1: uses crate::audience::self",
            "src/consent/mod.rs:1: uses crate::audience::List",
            "src/consent/mod.rs:2: uses crate::web::page",
        ]
    );
    assert!(check("src/consent/http.rs", "use crate::web::{json::Json, problem};").is_empty());
    assert_eq!(check("src/consent/http.rs", "use crate::web::pages::person;").len(), 1);
    assert_eq!(check("src/web/json.rs", "use crate::consent::Receipt;").len(), 1);
    assert!(check("src/consent/store.rs", "$crate::web::x!()").is_empty());
}

#[test]
fn libraries_out_of_place_are_found() {
    assert_eq!(placement(&file("src/consent/store.rs", "use sqlx::Row;")).len(), 1);
    assert_eq!(placement(&file("src/consent/mod.rs", "let a = axum::Json(1);")).len(), 1);
    assert_eq!(placement(&file("src/relevance/mod.rs", "use linfa_logistic::X;")).len(), 1);
    assert!(
        placement(&file("src/consent/http.rs", "use axum::Json; use utoipa_axum::routes;"))
            .is_empty()
    );
    assert!(placement(&file("src/consent/mod.rs", "// axum is not named here")).is_empty());
}

#[test]
fn slices_out_of_shape_are_found() {
    let lone = file("src/consent/mod.rs", "statements! { A = \"select 1\" }\n");
    let found = shape("consent", &[&lone]);
    assert_eq!(found.len(), 2, "{found:?}");
}
