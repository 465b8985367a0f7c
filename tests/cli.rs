//! The program itself: what it prints, how it ends, and that a stop is graceful.

mod commands;
mod demo;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value as Json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use volens::access::Caller;
use volens::clock::{Clock as _, SystemClock};
use volens::db::testing::{FreshPostgres, FreshSqlite, skipped};
use volens::ledger;
use volens_privacy::AppId;

use crate::support::TestApp;

/// The program with its data in `directory` and nothing else of the environment that is ours.
fn volens(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_volens"));
    command.arg("--data").arg(directory.join("data")).env_remove("VOLENS_CONFIG");
    command
}

fn run(directory: &Path, args: &[&str]) -> Output {
    volens(directory).args(args).output().expect("it runs")
}

#[track_caller]
fn json(output: &Output) -> Json {
    let text = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{error}");
    match serde_json::from_str(&text) {
        Ok(json) => json,
        Err(wrong) => panic!("not one JSON object ({wrong}): {text}"),
    }
}

fn text<'a>(json: &'a Json, name: &str) -> &'a str {
    json[name].as_str().expect("a text")
}

#[test]
fn an_installation_is_made_at_the_command_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let run = |args: &[&str]| run(directory.path(), args);

    let before = run(&["doctor", "--json"]);
    assert_eq!(before.status.code(), Some(1));
    assert!(!directory.path().join("data").exists(), "doctor makes nothing");
    assert!(json(&run(&["migrate", "--json"]))["schema"].is_u64());
    let well = json(&run(&["doctor", "--json"]));
    assert_eq!(well["ok"], true, "{well}");
    let warning = "they lie in the data directory";
    assert!(well.to_string().contains(warning), "{well}");
    let (ring, apart) =
        ["data/keyring.json", "keyring.json"].map(|at| directory.path().join(at)).into();
    std::fs::rename(&ring, &apart).expect("moved");
    let found = json(&run(&["doctor", "--json", "--keys", apart.to_str().expect("a path")]));
    assert!(found["ok"] == true && !found.to_string().contains(warning), "{found}");
    std::fs::rename(&apart, &ring).expect("moved back");

    let period = ["--from", "2026-11-20T00:00:00Z", "--to", "2026-11-24T00:00:00Z"];
    let breach = |more: &[&str]| run(&[&["audit", "breach", "--json"], &period[..], more].concat());
    for (more, keys) in [(&[][..], false), (&["--with-keys"], true)] {
        let told = json(&breach(more)).to_string();
        assert!(told.contains("conversation_messages"), "{told}");
        assert!(told.contains(&format!("\"keys\":{keys}")), "{told}");
    }
    let reversed = ["audit", "breach", "--from", period[3], "--to", period[1]];
    let refused = run(&reversed);
    assert_eq!(refused.status.code(), Some(2), "a reversed period: {refused:?}");

    let app = ["accounts", "app", "facelook", "--title", "Facelook", "--json"];
    assert_eq!(json(&run(&app))["id"], "facelook");
    assert_eq!(run(&app).status.code(), Some(6), "a second one is a conflict");
    let business = json(&run(&["accounts", "business", "Bakery", "--json"]));
    let business = text(&business, "id").to_owned();

    let key = ["accounts", "key", "--role", "business", "--business", &business, "--json"];
    let made = json(&run(&key));
    let listed = run(&["accounts", "keys"]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains(text(&made, "id")), "{listed}");
    // The secret is base64url, which has underscores of its own.
    let secret = text(&made, "key").splitn(4, '_').last().expect("a secret");
    assert!(!listed.contains(secret), "a key is shown once");

    let tenantless = run(&["accounts", "key", "--role", "business"]);
    assert_eq!(tenantless.status.code(), Some(2));
    let unknown = run(&["accounts", "revoke", "key_00000000000000000000000000000000"]);
    assert_eq!(unknown.status.code(), Some(5));
    json(&run(&["accounts", "revoke", text(&made, "id"), "--json"]));

    json(&run(&["accounts", "user", "officer@example.org", "--role", "officer", "--json"]));
    let link = json(&run(&["accounts", "link", "officer@example.org", "--json"]));
    assert!(text(&link, "url").starts_with("http://127.0.0.1:8080/sign-in?link="));
    let nobody = run(&["accounts", "link", "nobody@example.org"]);
    assert_eq!(nobody.status.code(), Some(5));
}

#[test]
fn a_password_comes_from_standard_input_and_has_a_length() {
    let directory = tempfile::tempdir().expect("a directory");
    let make = |email: &str, password: &[u8]| {
        let mut child = volens(directory.path())
            .args(["accounts", "user", email, "--role", "operator", "--password-stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it runs");
        child.stdin.take().expect("a pipe").write_all(password).expect("it reads");
        child.wait().expect("it ends").code()
    };
    assert_eq!(make("a@example.org", b"short\n"), Some(2));
    assert_eq!(make("a@example.org", b"correct horse battery\n"), Some(0));
}

#[tokio::test]
async fn what_is_left_of_an_erased_account_is_searched_and_purged() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let address = format!("sqlite:{}", data.join("volens.db").display());
    let search = || {
        let mut child = volens(directory.path())
            .args(["audit", "erasure", "--app", "messenger", "--json"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        child.stdin.take().expect("a pipe").write_all(b"anna-4711\n").expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!text.contains("4711"), "it repeats nothing: {text}");
        (output.status.code(), text)
    };

    let test = TestApp::open_in(&data, &address, &[]).await;
    let messenger = test.new_app("messenger").await;
    let made = messenger.put("/v1/accounts/anna-4711", serde_json::json!({})).await;
    assert_eq!(made.status, 201);
    test.app.db.close().await;
    let (code, found) = search();
    assert_eq!(code, Some(3), "{found}");
    assert!(found.contains("account_references.tag"), "{found}");

    let test = TestApp::open_in(&data, &address, &[]).await;
    let caller = Caller::App(AppId::parse("messenger").expect("a slug"));
    test.client_of(&caller).await.delete("/v1/accounts/anna-4711").await.expect(200);
    test.app.db.close().await;
    assert_eq!(json(&run(directory.path(), &["purge", "--json"]))["complete"], true);
    let (code, found) = search();
    assert_eq!(code, Some(0), "{found}");
}

#[test]
fn wrong_settings_end_it_with_a_hint_and_without_the_value() {
    let directory = tempfile::tempdir().expect("a directory");
    let output = volens(directory.path())
        .arg("settings")
        .env("VOLENS_WEB_CONECTIONS", "hunter2")
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("VOLENS_WEB_CONNECTIONS"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

/// A service, and where it says that it listens.
fn serving(directory: &Path) -> (Child, String) {
    let mut child = volens(directory)
        .args(["serve", "--listen", "127.0.0.1:0", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    output.read_line(&mut line).expect("it says where it listens");
    let listening: Json = serde_json::from_str(&line).expect("one JSON object");
    (child, text(&listening, "listening").to_owned())
}

#[tokio::test]
async fn a_signal_stops_it_after_the_request_in_hand() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut child, address) = serving(directory.path());

    let make = ["accounts", "user", "officer@example.org", "--role", "officer", "--json"];
    json(&run(directory.path(), &make));
    let link = || {
        let made =
            json(&run(directory.path(), &["accounts", "link", "officer@example.org", "--json"]));
        text(&made, "url").to_owned()
    };
    assert!(link().starts_with(&format!("http://{address}/sign-in?link=")), "where it listens");

    let mut stream = tokio::net::TcpStream::connect(&address).await.expect("it accepts");
    let head = "POST /console/sign-in HTTP/1.1\r\nhost: volens\r\ncontent-length: 20\r\n\
        content-type: application/x-www-form-urlencoded\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("it is sent");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let id = child.id().to_string();
    let kill = Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
    assert!(kill.success());
    tokio::time::sleep(Duration::from_millis(300)).await;
    stream.write_all(b"email=a@b&password=c").await.expect("it still reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("it is answered");
    assert!(answer.starts_with(b"HTTP/1.1 303"), "{}", String::from_utf8_lossy(&answer));
    let ended = tokio::task::spawn_blocking(move || child.wait()).await.expect("no panic");
    assert_eq!(ended.expect("it ends").code(), Some(0));
    assert!(link().starts_with("http://127.0.0.1:8080/"), "where it would listen");

    // One that is killed takes nothing back.
    let (mut child, _) = serving(directory.path());
    child.kill().expect("it is killed");
    child.wait().expect("it ended");
    assert!(directory.path().join("data/address").exists(), "what it had noted");
    assert!(link().starts_with("http://127.0.0.1:8080/"), "where it would listen");
}

#[tokio::test]
async fn the_bench_answers_what_it_measured() {
    let sqlite = FreshSqlite::create();
    measures(&sqlite.address(), "sqlite").await;
    match FreshPostgres::create().await {
        Some(fresh) => {
            measures(&fresh.address(), "postgres").await;
            fresh.drop_database().await;
        }
        None => skipped(),
    }
}

async fn measures(address: &str, engine: &str) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut bench = volens(directory.path());
    bench.args(["bench", "load", "--json", "--seconds", "0.2", "--rounds", "1"]);
    bench.args(["--connections", "4", "--accounts", "10", "--scratch", address]);
    // Nothing is a thousand times as fast, so the demand is not met, and said so.
    bench.args(["--at-least", "1000"]);
    let ran = tokio::task::spawn_blocking(move || bench.output()).await.expect("no panic");
    let ran = ran.expect("it runs");
    assert_eq!(ran.status.code(), Some(3));
    let measured: Json = serde_json::from_slice(&ran.stdout).expect("what it measured");
    let rate = |what: &str| measured[what]["per_second"].as_f64().expect("a rate");
    let ratio = measured["ratio_to_one_transaction"].as_f64().expect("a ratio");
    let expected = rate("consents") / rate("one_transaction_per_request");
    assert!((ratio - expected).abs() <= 1e-9 * expected, "one round: {ratio} {expected}");
    assert_eq!(measured["engine"], engine);
    for what in ["consents", "one_transaction_per_request", "floor"] {
        assert_eq!(measured[what]["failed"], 0, "{measured}");
        assert!(measured[what]["answered"].as_u64() > Some(0), "{measured}");
    }
    assert!(measured["ratio_to_floor"].as_f64() > Some(0.0), "{measured}");
}

#[tokio::test]
async fn an_interrupted_verification_is_gone_on_with() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    std::fs::create_dir(&data).expect("made");
    let sqlite = format!("sqlite:{}", data.join("volens.db").display());
    let test = TestApp::open_in(&data, &sqlite, &[]).await;
    let (app, mut last) = (&test.app, None);
    let trust = app.trust().expect("what is known");
    let mut tx = app.db.read().await.expect("a transaction");
    let report = ledger::verify_from(&mut tx, &trust, None, |_, _, position| last = position).await;
    let entries = report.expect("verified").entries;
    drop(tx);
    app.db.close().await;

    let bookmark = ledger::Bookmark::beside(&app.settings.key_file());
    let interrupt = || {
        let position = last.as_ref().expect("a position");
        bookmark.write(&app.keys, position, SystemClock.now()).expect("written");
    };
    let verify = |more: &[&str]| {
        let args = [&["ledger", "verify", "--json"][..], more].concat();
        json(&run(directory.path(), &args))["resumed"].as_u64()
    };
    interrupt();
    assert_eq!(verify(&[]), Some(entries));
    assert_eq!(verify(&[]), None, "a whole run begins at the beginning again");
    interrupt();
    assert_eq!(verify(&["--afresh"]), None);
}

#[test]
fn one_changed_character_of_the_history_is_found() {
    // The demo makes an installation of its own.
    let mut demo = Command::new(env!("CARGO_BIN_EXE_volens"));
    let told = json(&demo.args(["demo", "tamper", "--json"]).output().expect("it runs"));
    assert_eq!(told["before"]["faults"].as_array().map(Vec::len), Some(0), "{told}");
    assert_eq!(told["found"], true, "{told}");
    let entry = &told["entry"];
    // In the first year of a ledger the entry's number is also that of its leaf.
    let wrong = serde_json::json!({"fault": "wrong_node", "before": 0, "level": 0, "index": entry});
    assert!(told["after"]["faults"].as_array().expect("a list").contains(&wrong), "{told}");
}

#[test]
fn the_bench_verifies_the_ledger_it_made() {
    let directory = tempfile::tempdir().expect("a directory");
    let bench = ["bench", "ledger", "--json", "--entries", "40000", "--proofs", "1000"];
    let measured = json(&run(directory.path(), &bench));
    assert_eq!(measured["entries"], 40_000, "{measured}");
    assert_eq!(measured["checkpoints"], 157, "{measured}");
    assert!(measured["proof_microseconds"].as_f64() > Some(0.0), "{measured}");
}

#[test]
fn the_bench_filters_as_a_plain_scan_does() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut bench = volens(directory.path());
    bench.args(["bench", "filter", "--json", "--people", "2000", "--events", "20000"]);
    let measured = json(&bench.output().expect("it runs"));
    let questions = measured["questions"].as_array().expect("questions");
    assert_eq!(questions.len(), 3);
    // The bench refuses to answer where the two find different numbers.
    for question in questions {
        assert!(question["people"].as_u64() > Some(0), "{question}");
        assert!(question["bytes"].as_u64() > Some(0), "{question}");
        assert!(question["ratio_to_scan"].as_f64() > Some(0.0), "{question}");
    }
}

#[test]
fn the_bench_finds_who_scores_highest_one_by_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let bench = ["bench", "scan", "--json", "--people", "20000", "--top", "100", "--rounds", "1"];
    let measured = json(&run(directory.path(), &bench));
    assert_eq!((&measured["people"], &measured["top"]), (&20_000.into(), &100.into()));
    assert!(measured["scan_ratio_to_floor"].as_f64() > Some(0.0), "{measured}");
}

#[test]
fn the_bench_takes_signals_in() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut bench = volens(directory.path());
    bench.args(["bench", "ingest", "--json", "--seconds", "0.3", "--rounds", "1"]);
    bench.args(["--connections", "2", "--batch", "50", "--accounts", "100"]);
    let measured = json(&bench.output().expect("it runs"));
    // The bench refuses to go on where an event of its first request is refused.
    assert_eq!(measured["requests"]["failed"], 0, "{measured}");
    assert!(measured["events_per_second"].as_f64() > Some(0.0), "{measured}");
    assert!(measured["ratio_to_floor"].as_f64() > Some(0.0), "{measured}");
}

#[test]
fn the_bench_makes_a_list_step_by_step() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut bench = volens(directory.path());
    bench.args(["bench", "list", "--json", "--people", "1000", "--rows", "60", "--rounds", "1"]);
    let measured = json(&bench.output().expect("it runs"));
    // The bench refuses a file that has fewer rows.
    let seconds = |pointer: &str| measured.pointer(pointer).and_then(serde_json::Value::as_f64);
    assert!(seconds("/sealed_seconds") < seconds("/seconds"), "{measured}");
    for step in ["propose", "rank", "write", "seal"] {
        let took = seconds(&format!("/steps/{step}"));
        assert!(took > Some(0.0) && took < seconds("/seconds"), "{step}: {measured}");
    }
}

#[tokio::test]
async fn the_bench_erases_for_good() {
    let sqlite = FreshSqlite::create();
    erases(&sqlite.address(), "sqlite").await;
    match FreshPostgres::create().await {
        Some(fresh) => {
            erases(&fresh.address(), "postgres").await;
            fresh.drop_database().await;
        }
        None => skipped(),
    }
}

async fn erases(address: &str, engine: &str) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut bench = volens(directory.path());
    bench.args(["bench", "erasure", "--json", "--accounts", "600", "--erased", "20"]);
    bench.args(["--scratch", address]);
    let ran = tokio::task::spawn_blocking(move || bench.output()).await.expect("no panic");
    let measured = json(&ran.expect("it runs"));
    assert_eq!(measured["engine"], engine);
    assert_eq!(measured["records_removed"], 20, "{measured}");
    assert_eq!(measured["profiles_removed"], 20, "{measured}");
    assert_eq!(measured["findings"], 0, "{measured}");
    assert_eq!(measured["search_finds_the_living"], true, "{measured}");
    assert!(measured["parts_decoded"].as_u64() > Some(0), "{measured}");
}

#[test]
fn looking_at_what_is_not_there_makes_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    for look in [&["ledger", "verify"][..], &["ledger", "key"], &["train", "--help"]] {
        let looked = run(directory.path(), look);
        let expected = if look.contains(&"--help") { 0 } else { 5 };
        assert_eq!(looked.status.code(), Some(expected), "{look:?}");
    }
    assert!(!directory.path().join("data").exists());
}

#[test]
fn the_demo_does_not_pretend_to_use_an_installation() {
    let directory = tempfile::tempdir().expect("a directory");
    let refused = run(directory.path(), &["demo", "--once"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--data"));
    assert!(!directory.path().join("data").exists());
    let after = Command::new(env!("CARGO_BIN_EXE_volens"))
        .args(["demo", "--once", "--data"])
        .arg(directory.path())
        .output();
    assert_eq!(after.expect("it runs").status.code(), Some(2));
    let help = run(directory.path(), &["demo", "--help"]);
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(help.contains("--people") && !help.contains("--data"), "{help}");
    assert!(!help.contains("--database") && !help.contains("--keys"), "{help}");
}

/// A demo that was asked for at an address that is taken says so, and does not take another one.
#[tokio::test]
async fn the_demo_listens_where_it_is_told() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_volens"));
    demo.args(["demo", "--once"]).env("VOLENS_LISTEN", &address).env_remove("VOLENS_CONFIG");
    let ran = tokio::task::spawn_blocking(move || demo.output()).await.expect("no panic");
    let ran = ran.expect("it runs");
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(1), "{said}");
    assert!(said.contains(&address), "{said}");
}

#[test]
fn impossible_numbers_are_wrong_usage() {
    let directory = tempfile::tempdir().expect("a directory");
    for numbers in [["10", "20"], ["10", "6"], ["18446744073709551615", "18446744073709551615"]] {
        let bench = ["bench", "erasure", "--accounts", numbers[0], "--erased", numbers[1]];
        assert_eq!(run(directory.path(), &bench).status.code(), Some(2), "{numbers:?}");
    }
}

#[tokio::test]
async fn a_scratch_directory_goes_with_a_signal() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let scratch = tempfile::tempdir().expect("a directory");
        let mut child = Command::new(env!("CARGO_BIN_EXE_volens"))
            .args(["bench", "erasure", "--accounts", "1000000"])
            .env("TMPDIR", scratch.path())
            .env_remove("VOLENS_CONFIG")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it runs");
        let left = || std::fs::read_dir(scratch.path()).expect("a directory").count();
        for _ in 0..600 {
            if left() > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(left(), 1, "it works in a directory of its own");
        let id = child.id().to_string();
        let kill = Command::new("kill").args([signal, &id]).status().expect("kill runs");
        assert!(kill.success());
        let ended = tokio::task::spawn_blocking(move || child.wait()).await.expect("no panic");
        assert_eq!(ended.expect("it ends").code(), Some(code));
        assert_eq!(left(), 0, "nothing is left behind");
    }
}

#[test]
fn the_database_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(directory.path().join("data")).expect("made");
    json(&run(directory.path(), &["migrate", "--json"]));
    for file in std::fs::read_dir(directory.path().join("data")).expect("read") {
        let file = file.expect("an entry");
        let mode = file.metadata().expect("metadata").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:o} {}", mode, file.path().display());
    }
}
