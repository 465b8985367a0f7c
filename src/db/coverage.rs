//! Which statements ran, for the test that wants every statement run on both engines.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, PoisonError};

use super::{Engine, Statement};

static SEEN: Mutex<BTreeSet<(Engine, &'static str, &'static str)>> = Mutex::new(BTreeSet::new());
static TARGET: LazyLock<Option<PathBuf>> = LazyLock::new(target);

/// The file named by `VOLENS_TEST_COVERAGE`, which only the test script sets.
#[expect(clippy::disallowed_methods, reason = "a switch of the test script, not configuration")]
fn target() -> Option<PathBuf> {
    std::env::var("VOLENS_TEST_COVERAGE").ok().map(PathBuf::from)
}

/// Notes that `statement` ran. Costs one atomic read unless a coverage file was asked for.
pub(super) fn ran(engine: Engine, statement: Statement) {
    let Some(path) = TARGET.as_ref() else { return };
    let key = (engine, statement.module, statement.name);
    if !SEEN.lock().unwrap_or_else(PoisonError::into_inner).insert(key) {
        return;
    }
    let engine = match engine {
        Engine::Sqlite => "sqlite",
        Engine::Postgres => "postgres",
    };
    let line = format!("{engine} {}::{}\n", statement.module, statement.name);
    // Appending one short line is atomic, so test processes can share the file.
    let file = OpenOptions::new().create(true).append(true).open(path);
    if file.and_then(|mut file| file.write_all(line.as_bytes())).is_err() {
        tracing::warn!("a statement could not be noted in the coverage file");
    }
}
