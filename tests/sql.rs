//! Every SQL statement of the service, on both engines.
//!
//! There is one text for SQLite and PostgreSQL and nothing checks it when compiling. So each
//! statement is prepared on both engines here, which finds misspelt tables, columns and functions,
//! and each must have *run* on both somewhere in the suite, which finds the rest.

use std::{collections::BTreeSet, error::Error, fs};

use volens::db::testing::{on_both, variable};

use crate::tidy;

/// An error with everything that caused it.
fn chain(error: &dyn Error) -> String {
    let cause = error.source().map(|cause| format!(": {}", chain(cause)));
    format!("{error}{}", cause.unwrap_or_default())
}

/// `src/consent/store.rs` as `volens::consent::store`.
fn module_path(path: &str) -> String {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    format!("volens::{}", inside.replace('/', "::"))
}

/// Registered statements that `record`, one `engine module::NAME` a line, does not hold.
fn never_ran(registered: &[String], record: &str) -> Vec<String> {
    let ran: BTreeSet<&str> = record.lines().collect();
    let wanted = registered
        .iter()
        .flat_map(|name| ["sqlite", "postgres"].map(|engine| format!("{engine} {name}")));
    wanted.filter(|line| !ran.contains(line.as_str())).collect()
}

fn registered() -> Vec<String> {
    volens::statements().iter().map(|one| format!("{}::{}", one.module, one.name)).collect()
}

#[tokio::test]
async fn every_statement_prepares_on_both_engines() {
    on_both(|db| async move {
        let mut found = Vec::new();
        for statement in volens::statements() {
            for count in [1, 3] {
                let text = statement.sample(db.engine(), count);
                if let Err(error) = db.prepare(text).await {
                    let name = format!("{}::{}", statement.module, statement.name);
                    found.push(format!("{:?} {name}: {}", db.engine(), chain(&error)));
                }
            }
        }
        tidy::expect_none("every statement can be prepared on both engines", &found);
        assert!(db.prepare("select nothing from nowhere".to_owned()).await.is_err());
    })
    .await;
}

#[test]
fn every_module_with_statements_is_registered() {
    let known: BTreeSet<&str> = volens::statements().iter().map(|one| one.module).collect();
    let found: Vec<String> = tidy::rust()
        .iter()
        .filter(|file| file.path.starts_with("src/") && !tidy::is_test(&file.path))
        .filter(|file| {
            tidy::product_lines(&file.text).iter().any(|(_, line)| {
                line.trim_start().starts_with("statements! {")
                    || line.trim_start().starts_with("crate::db::statements! {")
            })
        })
        .filter(|file| !known.contains(module_path(&file.path).as_str()))
        .map(|file| file.path.clone())
        .collect();
    tidy::expect_none("list the module in `statements()` of src/lib.rs", &found);
}

#[test]
#[ignore = "reads what the whole run noted in VOLENS_TEST_COVERAGE; ./x test runs it last"]
fn every_statement_ran_on_both_engines() {
    let path = variable("VOLENS_TEST_COVERAGE").expect("VOLENS_TEST_COVERAGE names a file");
    let record = fs::read_to_string(path).expect("the run noted what it did");
    let found = never_ran(&registered(), &record);
    tidy::expect_none("a statement that no test runs on both engines is not known to work", &found);
}

#[test]
fn statements_that_never_ran_are_found() {
    let registered = ["volens::a::store::ONE".to_owned()];
    let half = "sqlite volens::a::store::ONE\n";
    assert_eq!(never_ran(&registered, half), ["postgres volens::a::store::ONE"]);
    let whole = format!("{half}postgres volens::a::store::ONE\n");
    assert!(never_ran(&registered, &whole).is_empty());
}

#[test]
fn paths_become_modules() {
    assert_eq!(module_path("src/consent/store.rs"), "volens::consent::store");
    assert_eq!(module_path("src/jobs/mod.rs"), "volens::jobs");
}
