//! Keys rotate while the service works.
//!
//! The real program serves while consents are given and taken back, accounts are linked and unlinked,
//! people are seen looking at things, and lists are made of them. Every root that can rotate under it
//! does, from the command line, and each of these rotations is killed on its way before one comes to
//! the end; nobody is refused, and nothing that was acknowledged is lost. The outer layer refuses to
//! rotate until the service is stopped, and then survives being killed again and again.

mod load;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use volens::clock::{Clock as _, SystemClock};
use volens::db::testing::{FreshPostgres, FreshSqlite, skipped};

use self::load::{Keys, Load};
use super::kill::lost;
use super::withdrawal_under_load::world::World;
use crate::support::TestApp;
use crate::support::program::{Program, command};
use crate::support::town::SMALL;

/// People of whom lists are made.
const PEOPLE: usize = 16;
/// After which a rotation is killed, one time after the other, before it is let run to its end: while it
/// starts, when the new version is on disk, and while it waits for whoever serves.
const KILLS: [u64; 3] = [150, 500, 1200];

/// Runs a command to its end: exit code and result.
async fn volens(directory: &Path, database: &str, args: &[&str]) -> (i32, Value) {
    let output = command(directory, database).args(args).output().await.expect("it runs");
    let said = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().unwrap_or(-1), said)
}

/// Starts a command and kills it after a while; whether it came to its end before.
async fn killed(directory: &Path, database: &str, args: &[&str], patience: Duration) -> bool {
    let mut child = command(directory, database)
        .args(args)
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("it runs");
    let Ok(ended) = tokio::time::timeout(patience, child.wait()).await else {
        child.kill().await.expect("killed");
        return false;
    };
    assert!(ended.expect("it ended").success(), "{args:?}");
    true
}

async fn keys_rotate_under_load(database: &str) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let test = TestApp::open_in(directory.path(), database, &[SMALL]).await;
    // A model is never from the future; its lessons take an hour.
    test.clock.set(SystemClock.now().minus(Duration::from_hours(2)));
    let world = World::new(test, PEOPLE).await;
    let keys = Keys::of(&world).await;
    let campaigns = world.campaigns().await;
    world.town.test.app.db.close().await;
    drop(world);
    let run = async |args: &[&str]| volens(directory.path(), database, args).await;
    // By the real clock the test's ring is old: the service would rotate by itself at once.
    let settings = [("VOLENS_KEYS_RATCHET_DAYS", "0"), ("VOLENS_LISTS_K_FLOOR", "10")];
    let program = Program::start(directory.path(), database, &settings).await;
    let load = Arc::new(Load::new(program.address, keys, campaigns));
    let mut writers = Load::begin(&load).await;
    for root in ["kek", "signing", "pepper", "kek"] {
        load.goes_on(&mut writers).await;
        let before = version(directory.path(), database, root).await;
        let rotate = ["keys", "rotate", root];
        for patience in KILLS {
            killed(directory.path(), database, &rotate, Duration::from_millis(patience)).await;
        }
        let (exit, said) = run(&rotate).await;
        assert_eq!(exit, 0, "{root}: {said}");
        let now = version(directory.path(), database, root).await;
        assert!(now > before && said["version"] == json!(now), "{root}, {before}: {said}");
    }
    let (exit, said) = run(&["keys", "rotate", "wrap"]).await;
    assert_eq!(exit, 6, "while somebody serves: {said}");
    load.goes_on(&mut writers).await;
    load.end(writers).await;
    program.kill().await;

    wrap_among_kills(directory.path(), database).await;
    let (exit, said) = run(&["audit", "invariants"]).await;
    assert_eq!(exit, 0, "{said}");
    let (exit, said) = run(&["ledger", "verify"]).await;
    assert_eq!(exit, 0, "{said}");
    let load = Arc::into_inner(load).expect("all writers ended");
    let test = TestApp::open_in(directory.path(), database, &[SMALL]).await;
    test.clock.set(SystemClock.now());
    assert_eq!(lost(&test, &load.acknowledged()).await, Vec::<String>::new());
    load.check(&test).await;
    test.app.db.close().await;
}

/// The version of a root that makes new values.
async fn version(directory: &Path, database: &str, root: &str) -> u64 {
    let (exit, said) = volens(directory, database, &["keys", "status"]).await;
    assert_eq!(exit, 0, "{said}");
    let name = if root == "signing" { "sign" } else { root };
    let roots = said["roots"].as_array().expect("roots").iter();
    let mut of_it = roots.filter(|one| one["domain"] == name && one["state"] == "active");
    of_it.next().expect("one is in use")["version"].as_u64().expect("a version")
}

/// Rotates the outer layer, killing the command after ever longer times until it is done.
async fn wrap_among_kills(directory: &Path, database: &str) {
    let (exit, _) = volens(directory, database, &["keys", "rotate", "wrap"]).await;
    assert_eq!(exit, 6, "a killed process may still be there");
    let rotate = ["keys", "rotate", "wrap", "--not-running"];
    let mut kills = 0;
    while !killed(directory, database, &rotate, Duration::from_millis(10 + 15 * kills)).await {
        kills += 1;
    }
    assert!(kills > 0, "it was never killed");
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
