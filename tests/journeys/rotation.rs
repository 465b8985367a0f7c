//! Keys rotate while the service works.
//!
//! The real program serves while connections give and take back consents. Every root that can rotate
//! under it does, from the command line; nobody is refused, and nothing that was acknowledged is
//! lost. The outer layer refuses to rotate until the service is stopped, and then survives being
//! killed again and again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use volens::db::testing::{FreshPostgres, FreshSqlite, skipped};
use volens_privacy::AppId;
use volens_privacy::consent::Decision;

use super::kill::{Acknowledged, lost, note};
use crate::support::TestApp;
use crate::support::program::{Connection, Program, command};

const CONNECTIONS: usize = 6;

/// Runs a command to its end: exit code and result.
async fn volens(directory: &std::path::Path, database: &str, args: &[&str]) -> (i32, Value) {
    let output = command(directory, database).args(args).output().await.expect("it runs");
    let said = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().unwrap_or(-1), said)
}

/// Gives consents and takes every third back, until told to stop. Any refusal fails the test.
async fn write(
    mut connection: Connection,
    name: String,
    noted: Arc<Mutex<Acknowledged>>,
    stop: Arc<AtomicUsize>,
) {
    for nth in 0.. {
        if stop.load(Ordering::Relaxed) > 0 {
            return;
        }
        let account = format!("{name}-{nth}");
        let given = connection.give(&account).await.expect("it answers all the time");
        note(&noted, &account, Decision::Given, given);
        if nth % 3 == 0 {
            let taken = connection.withdraw(&account).await.expect("it answers all the time");
            note(&noted, &account, Decision::Withdrawn, taken);
        }
    }
}

async fn keys_rotate_under_load(database: &str) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let app = AppId::parse("messenger").expect("a slug");
    let key: Arc<str> = {
        let test = TestApp::open_in(directory.path(), database, &[]).await;
        drop(test.new_app(app.as_str()).await);
        let key = test.key_of(&volens::access::Caller::App(app.clone())).await;
        test.app.db.close().await;
        key.into()
    };
    let run = async |args: &[&str]| volens(directory.path(), database, args).await;
    // By the real clock the test's ring is old: the service would rotate by itself at once.
    let by_hand = [("VOLENS_KEYS_RATCHET_DAYS", "0")];
    let program = Program::start(directory.path(), database, &by_hand).await;
    let (noted, stop) = (Arc::new(Mutex::new(Acknowledged::new())), Arc::new(AtomicUsize::new(0)));
    let mut writers = JoinSet::new();
    for nth in 0..CONNECTIONS {
        let connection = Connection::open(program.address, Arc::clone(&key)).await;
        let connection = connection.expect("the program accepts connections");
        let writer = write(connection, format!("c{nth}"), Arc::clone(&noted), Arc::clone(&stop));
        writers.spawn(writer);
    }
    let written = || noted.lock().expect("no writer panicked").len();
    for (root, version) in [("kek", 2), ("signing", 2), ("pepper", 2), ("kek", 3)] {
        let before = written();
        while written() < before + 20 {
            assert!(writers.try_join_next().is_none(), "everybody writes");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let (exit, said) = run(&["keys", "rotate", root]).await;
        assert_eq!((exit, &said["version"]), (0, &json!(version)), "{root}: {said}");
    }
    let (exit, said) = run(&["keys", "rotate", "wrap"]).await;
    assert_eq!(exit, 6, "{said}");
    let before = written();
    while written() < before + 20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.store(1, Ordering::Relaxed);
    while let Some(ended) = writers.join_next().await {
        ended.expect("a writer was never refused");
    }
    program.kill().await;

    wrap_among_kills(directory.path(), database).await;
    let (exit, said) = run(&["audit", "invariants"]).await;
    assert_eq!(exit, 0, "{said}");
    let (exit, said) = run(&["ledger", "verify"]).await;
    assert_eq!(exit, 0, "{said}");
    let noted = Arc::into_inner(noted).expect("all writers ended").into_inner().expect("no panic");
    let test = TestApp::open_in(directory.path(), database, &[]).await;
    assert_eq!(lost(&test, &app, &noted).await, Vec::<String>::new());
    test.app.db.close().await;
}

/// Rotates the outer layer, killing the command after ever longer times until it is done.
async fn wrap_among_kills(directory: &std::path::Path, database: &str) {
    let (exit, _) = volens(directory, database, &["keys", "rotate", "wrap"]).await;
    assert_eq!(exit, 6, "a killed process may still be there");
    for patience in (0..).map(|nth| Duration::from_millis(10 + 15 * nth)) {
        let mut child = command(directory, database)
            .args(["keys", "rotate", "wrap", "--not-running"])
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("it runs");
        if let Ok(ended) = tokio::time::timeout(patience, child.wait()).await {
            assert!(ended.expect("it ended").success());
            break;
        }
        child.kill().await.expect("killed");
    }
    let (_, said) = volens(directory, database, &["keys", "status"]).await;
    assert_eq!(said["finished"], json!(true), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_rotate_under_load_on_sqlite() {
    let fresh = FreshSqlite::create();
    keys_rotate_under_load(&fresh.address()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_rotate_under_load_on_postgres() {
    let Some(fresh) = FreshPostgres::create().await else { return skipped() };
    keys_rotate_under_load(&fresh.address()).await;
    fresh.drop_database().await;
}
