//! Errors and sudden death at the system calls that keep what was promised.
//!
//! strace makes the n-th write, flush, opening, renaming … of the real program fail with EIO, or kills
//! it there, while it records consents, withdrawals and an erasure, folds its write-ahead log, rotates
//! keys and purges. Then it is started again without faults: everything that was acknowledged is
//! there, the ledger verifies, and every invariant holds.
//!
//! The places are counted in a run without faults and sampled evenly; `VOLENS_TEST_FAULTS=all` takes
//! every one of them, a number takes that many, and `3/20` every place of the third of twenty parts.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use volens::access::Caller;
use volens::accounts;
use volens::db::testing::{required, variable};
use volens_privacy::AppId;
use volens_privacy::consent::Decision;

use super::kill::{Acknowledged, lost, note};
use crate::support::TestApp;
use crate::support::program::{Connection, Program, command};

/// What keeps data: calls that change files, and flushes.
const CALLS: [&str; 8] =
    ["pwrite64", "write", "fdatasync", "fsync", "openat", "rename", "ftruncate", "unlink"];
/// The first call of every thread, traced with the others: strace stops a new thread at each call that it
/// makes, whichever, until it comes to one that is asked for (seen with 6.1).
const FIRST: &str = "rseq";
/// Stops at the calls that are traced, and at no others. No signal is sent that way (by 6.1).
const FAST: &str = "--seccomp-bpf";
const ERROR: &str = "error=EIO";
const FAULTS: [&str; 2] = [ERROR, "signal=SIGKILL"];
/// Places tried when nobody says how many.
const SAMPLE: usize = 48;
/// Programs at once.
const AT_ONCE: usize = 2;
/// No start, answer or end takes longer.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the program does while it is disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    /// It serves: consents, withdrawals, an erasure, and the folding of the log at the end.
    Serve,
    /// A command, run to its end.
    Run(&'static [&'static str]),
}

const SCENES: [Scene; 4] = [
    Scene::Serve,
    Scene::Run(&["keys", "rotate", "kek", "--not-running"]),
    Scene::Run(&["keys", "rotate", "wrap", "--not-running"]),
    Scene::Run(&["purge", "--not-running"]),
];

/// One place at which one thing goes wrong.
#[derive(Clone, Debug)]
struct Fault {
    scene: Scene,
    call: &'static str,
    kind: &'static str,
    nth: usize,
}

/// An installation in which something was acknowledged, to be copied for each fault.
struct Base {
    directory: tempfile::TempDir,
    key: Arc<str>,
    acknowledged: Acknowledged,
}

fn database(directory: &Path) -> String {
    format!("sqlite:{}", directory.join("volens.db").display())
}

impl Base {
    async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let database = database(directory.path());
        let app = AppId::parse("messenger").expect("a slug");
        let test = TestApp::open_in(directory.path(), &database, &[]).await;
        drop(test.new_app(app.as_str()).await);
        let key: Arc<str> = test.key_of(&Caller::App(app)).await.into();
        test.app.db.close().await;
        let program = Program::start(directory.path(), &database, &[]).await;
        let noted = Arc::new(Mutex::new(Acknowledged::new()));
        let connection = Connection::open(program.address, Arc::clone(&key)).await;
        assert!(work(connection.expect("it accepts"), "before", 12, &noted).await);
        program.kill().await;
        let acknowledged = noted.lock().expect("nobody panicked").clone();
        Self { directory, key, acknowledged }
    }

    fn copy(&self) -> tempfile::TempDir {
        let copy = tempfile::tempdir().expect("a temporary directory");
        for entry in fs::read_dir(self.directory.path()).expect("a directory") {
            let entry = entry.expect("an entry");
            if entry.file_type().expect("a type").is_file() {
                fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("copied");
            }
        }
        copy
    }
}

/// Gives consents and takes every third back; says whether the program answered to the end.
async fn work(
    connection: Connection,
    name: &str,
    times: usize,
    noted: &Mutex<Acknowledged>,
) -> bool {
    try_work(connection, name, times, noted).await.is_some()
}

async fn try_work(
    mut connection: Connection,
    name: &str,
    times: usize,
    noted: &Mutex<Acknowledged>,
) -> Option<()> {
    for nth in 0..times {
        let account = format!("{name}-{nth}");
        let details = json!({ "language": "en" });
        connection.send("PUT", &format!("/v1/accounts/{account}"), &details).await?;
        let report = json!({
            "account": account,
            "notice": {
                "id": "messages", "version": 1, "language": "en", "rendered_sha256": "9f".repeat(32),
            },
            "decisions": [{ "purpose": "business_messages", "decision": "given" }],
        });
        let (status, said) = connection.send("POST", "/v1/consents", &report).await?;
        if status != 201 {
            continue;
        }
        note(noted, &account, Decision::Given, super::kill::receipt(&said["receipts"][0]));
        if nth % 3 == 0 {
            let report = json!({ "account": account, "purpose": "business_messages" });
            let (status, said) = connection.send("POST", "/v1/consents/withdraw", &report).await?;
            if status == 200 {
                note(noted, &account, Decision::Withdrawn, super::kill::receipt(&said["receipt"]));
            }
        }
    }
    Some(())
}

/// The program under strace.
struct Traced(Child);

impl Traced {
    fn start(directory: &Path, options: &[String], args: &[&str]) -> Self {
        let plain = command(directory, &database(directory));
        let plain = plain.as_std();
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq"]).args(options);
        strace.arg(plain.get_program()).args(plain.get_args()).args(args);
        strace.kill_on_drop(true).stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::piped());
        Self(strace.spawn().expect("strace starts"))
    }

    /// The program itself, which is strace's only child.
    fn program(&self) -> Option<String> {
        let strace = self.0.id()?;
        let children = format!("/proc/{strace}/task/{strace}/children");
        let children = fs::read_to_string(children).ok()?;
        children.split_whitespace().next().map(str::to_owned)
    }

    async fn signal(&self, name: &str) {
        if let Some(program) = self.program() {
            let sent = Command::new("kill").args([name, &program]).status().await;
            sent.expect("kill runs");
        }
    }

    /// Waits for the end, and says whether it was a good one; a program that hangs is killed.
    async fn end(mut self) -> bool {
        if let Ok(ended) = tokio::time::timeout(PATIENCE, self.0.wait()).await {
            return ended.expect("it ends").success();
        }
        self.signal("-KILL").await;
        tokio::time::timeout(PATIENCE, self.0.wait()).await.expect("it is killed").expect("ends");
        false
    }
}

/// What was acknowledged while the scene was disturbed, and whose erasure was, and whose was asked.
#[derive(Default)]
struct Heard {
    /// Whether anything went otherwise than without the fault.
    disturbed: bool,
    acknowledged: Acknowledged,
    erased: Option<&'static str>,
    erasing: Option<&'static str>,
}

/// How many accounts consent before the erasure and after it. Where every place is tried, each act is
/// done once or twice: more of them would make the same calls again.
fn consenting() -> (usize, usize) {
    if every_place() { (2, 1) } else { (6, 2) }
}

/// Whether every place is tried, at once or in parts.
fn every_place() -> bool {
    let every = |wanted: String| wanted == "all" || wanted.contains('/');
    variable("VOLENS_TEST_FAULTS").is_some_and(every)
}

/// An account of the base that is erased in the scene.
const ERASED: &str = "before-1";

async fn play(base: &Base, scene: Scene, directory: &Path, options: &[String]) -> Heard {
    let mut heard = Heard::default();
    match scene {
        Scene::Run(args) => {
            let mut traced = Traced::start(directory, options, args);
            drop(traced.0.stdout.take());
            heard.disturbed = !traced.end().await;
        }
        Scene::Serve => {
            let args = ["serve", "--listen", "127.0.0.1:0"];
            let mut traced = Traced::start(directory, options, &args);
            let mut lines = BufReader::new(traced.0.stdout.take().expect("a pipe")).lines();
            let first = tokio::time::timeout(PATIENCE, lines.next_line()).await;
            let said = first.ok().and_then(|line| line.ok().flatten());
            let said: Option<Value> = said.and_then(|line| serde_json::from_str(&line).ok());
            let address = said.as_ref().and_then(|said| said["listening"].as_str()?.parse().ok());
            if let Some(address) = address {
                let served = serve(base, address, &mut heard);
                drop(tokio::time::timeout(PATIENCE, served).await);
            }
            traced.signal("-TERM").await;
            let ended_well = traced.end().await;
            let (during, after) = consenting();
            heard.disturbed =
                !ended_well || heard.erased.is_none() || heard.acknowledged.len() < during + after;
        }
    }
    heard
}

async fn serve(base: &Base, address: std::net::SocketAddr, heard: &mut Heard) -> Option<()> {
    let (during, after) = consenting();
    let noted = Mutex::new(Acknowledged::new());
    let open = || Connection::open(address, Arc::clone(&base.key));
    // One call after the other: what is not answered ends a connection, not the scene.
    work(open().await?, "during", during, &noted).await;
    heard.acknowledged = noted.into_inner().expect("nobody panicked");
    heard.erasing = Some(ERASED);
    let path = format!("/v1/accounts/{ERASED}");
    let (status, _) = open().await?.ask("DELETE", &path, &Value::Null).await?;
    heard.erased = (status == 200).then_some(ERASED);
    let noted = Mutex::new(Acknowledged::new());
    work(open().await?, "after", after, &noted).await;
    heard.acknowledged.extend(noted.into_inner().expect("nobody panicked"));
    Some(())
}

/// How often the busiest thread of an undisturbed scene makes each call, before it serves and in all.
async fn places(base: &Base, scene: Scene) -> Vec<(&'static str, std::ops::RangeInclusive<usize>)> {
    let directory = base.copy();
    let log = directory.path().join("strace.log");
    let calls = format!("trace={FIRST},{}", CALLS.join(","));
    let options = [FAST, "-o", &log.display().to_string(), "-e", &calls].map(str::to_owned);
    play(base, scene, directory.path(), &options).await;
    let log = fs::read_to_string(log).expect("a log");
    let mut counts: BTreeMap<(&str, &str), (usize, usize)> = BTreeMap::new();
    let mut serving = scene != Scene::Serve;
    for line in log.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        serving |= rest.contains("listening");
        let Some(call) = rest.trim_start().split('(').next() else { continue };
        let Some(call) = CALLS.iter().find(|known| **known == call) else { continue };
        let (before, all) = counts.entry((call, thread)).or_default();
        *before += usize::from(!serving);
        *all += 1;
    }
    let busiest = |call: &'static str| {
        let of_call = counts.iter().filter(move |((other, _), _)| *other == call);
        let (before, all) = of_call.map(|(_, c)| *c).max_by_key(|(before, all)| all - before)?;
        (all > before).then_some((call, before + 1..=all))
    };
    CALLS.into_iter().filter_map(busiest).collect()
}

async fn faults(base: &Base) -> Vec<Fault> {
    let mut all = Vec::new();
    for scene in SCENES {
        for (call, range) in places(base, scene).await {
            for kind in FAULTS {
                all.extend(range.clone().map(|nth| Fault { scene, call, kind, nth }));
            }
        }
    }
    // A part of them may hold one scene only.
    assert!(SCENES.into_iter().all(|scene| all.iter().any(|fault| fault.scene == scene)));
    chosen(&all, variable("VOLENS_TEST_FAULTS").as_deref())
}

fn chosen(all: &[Fault], wanted: Option<&str>) -> Vec<Fault> {
    let number = |text: &str| text.parse::<usize>().expect("`all`, a number, or a part like 3/20");
    let count = all.len();
    let wanted = match wanted {
        Some("all") => count,
        Some(wanted) => match wanted.split_once('/') {
            Some((part, parts)) => {
                let (part, parts) = (number(part), number(parts));
                assert!((1..=parts).contains(&part), "there are parts 1 to {parts}");
                return all[(part - 1) * count / parts..part * count / parts].to_vec();
            }
            None => number(wanted),
        },
        None => SAMPLE,
    };
    // The middle of each of so many equal parts: the same places in every run.
    let take = wanted.min(count);
    (0..take).map(|nth| all[(2 * nth + 1) * count / (2 * take)].clone()).collect()
}

#[test]
fn the_parts_are_the_whole() {
    let fault = |nth| Fault { scene: Scene::Serve, call: "write", kind: FAULTS[0], nth };
    let all: Vec<_> = (0..101).map(fault).collect();
    let parts = (1..=7).flat_map(|part| chosen(&all, Some(&format!("{part}/7"))));
    let nths = |faults: Vec<Fault>| faults.iter().map(|fault| fault.nth).collect::<Vec<_>>();
    assert_eq!(nths(parts.collect()), (0..101).collect::<Vec<_>>());
    assert_eq!(nths(chosen(&all, Some("all"))), (0..101).collect::<Vec<_>>());
    assert_eq!(nths(chosen(&all, Some("2"))), [25, 75]);
    assert_eq!(chosen(&all, None).len(), SAMPLE);
}

/// What became of a fault that was asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Met {
    /// The program went another way than without it.
    Felt,
    /// It happened, and the program got over it.
    Mended,
    /// No thread made the call so often this time.
    Missed,
}

/// Plays a scene with a fault in it; says how the fault was met and what was wrong afterwards.
async fn survives(base: &Base, fault: &Fault) -> (Met, Vec<String>) {
    let directory = base.copy();
    let Fault { scene, call, kind, nth } = fault;
    let inject = format!("inject={call}:{kind}:when={nth}");
    let log = directory.path().join("strace.log");
    let log_name = log.display().to_string();
    let calls = format!("trace={FIRST},{call}");
    let options = ["-o", &log_name, "-e", &calls, "-e", &inject].into_iter();
    let options = options.chain((*kind == ERROR).then_some(FAST)).map(str::to_owned);
    let options: Vec<String> = options.collect();
    let heard = play(base, *scene, directory.path(), &options).await;
    let happened = fs::read(&log).is_ok_and(|log| log.windows(10).any(|at| at == b"(INJECTED)"));
    let met = match (heard.disturbed, happened) {
        (true, _) => Met::Felt,
        (false, true) => Met::Mended,
        (false, false) => Met::Missed,
    };

    let mut wrong = Vec::new();
    let mut again: Vec<&[&str]> = vec![&["ledger", "verify"], &["audit", "invariants"]];
    if let Scene::Run(args) = scene {
        again.insert(0, args);
    }
    for args in again {
        let output = command(directory.path(), &database(directory.path())).args(args).output();
        let output = output.await.expect("it runs");
        if !output.status.success() {
            wrong.push(format!("{args:?}: {}", String::from_utf8_lossy(&output.stdout)));
        }
    }
    let test = TestApp::open_in(directory.path(), &database(directory.path()), &[]).await;
    let app = AppId::parse("messenger").expect("a slug");
    let mut expected = base.acknowledged.clone();
    expected.extend(heard.acknowledged);
    if let Some(erasing) = heard.erasing {
        expected.retain(|(_, account, _), _| account != erasing);
    }
    wrong.extend(lost(&test, &expected).await);
    if let Some(erased) = heard.erased {
        let mut tx = test.app.db.read().await.expect("a snapshot");
        let found = accounts::subject_of(&mut tx, &test.app.keys, &app, erased).await;
        if found.expect("it answers").is_some() {
            wrong.push(format!("{erased} was erased and is there"));
        }
    }
    test.app.db.close().await;
    (met, wrong)
}

/// Plays a fault, and where no thread came so far, the same at half the way: how calls are spread over
/// threads differs from run to run. Says how it was met, whether that was not where it was asked for, and
/// what was wrong.
async fn survives_where_it_is_reached(base: &Base, mut fault: Fault) -> (Met, bool, Vec<String>) {
    let (asked, mut all) = (fault.nth, Vec::new());
    loop {
        let (met, wrong) = survives(base, &fault).await;
        all.extend(wrong.into_iter().map(|wrong| format!("{fault:?}: {wrong}")));
        if met != Met::Missed || fault.nth == 1 {
            return (met, fault.nth != asked, all);
        }
        fault.nth /= 2;
    }
}

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder: PathBuf| folder.join(program)).any(|p| p.exists())
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stderr, reason = "a skipped tier must be seen, and how far a long run is")]
async fn what_was_promised_survives_an_error_or_a_death_at_any_system_call() {
    if !is_there("strace") {
        assert!(!required("strace"), "strace is required and not installed");
        eprintln!("SKIPPED faults: strace is not installed");
        return;
    }
    let base = Arc::new(Base::new().await);
    let faults = faults(&base).await;
    assert!(faults.len() >= 8, "there are places to fail at");
    assert!(every_place() || faults.iter().any(|fault| fault.scene == Scene::Serve));
    let count = faults.len();
    let (running, mut all) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for fault in faults {
        let (base, running) = (Arc::clone(&base), Arc::clone(&running));
        all.spawn(async move {
            let _one = running.acquire_owned().await.expect("never closed");
            survives_where_it_is_reached(&base, fault).await
        });
    }
    let (mut felt, mut missed, mut moved, mut played, mut wrong) = (0, 0, 0, 0, Vec::new());
    while let Some(told) = all.join_next().await {
        let (met, elsewhere, told) = told.expect("a fault is survived or told");
        felt += usize::from(met == Met::Felt);
        missed += usize::from(met == Met::Missed);
        moved += usize::from(elsewhere);
        played += 1;
        for told in &told {
            eprintln!("{told}");
        }
        wrong.extend(told);
        if played % 25 == 0 {
            let wrong = wrong.len();
            eprintln!("{played} of {count} faults, {felt} felt, {moved} at half, {wrong} wrong");
        }
    }
    eprintln!("{count} faults, {felt} felt, {moved} at half the way or less, {missed} missed");
    assert_eq!(wrong, Vec::<String>::new());
    assert!(10 * missed <= played, "{missed} of {played} faults did not happen");
    assert!(2 * moved <= played, "{moved} of {played} faults were played elsewhere than asked");
    // An error may be met by trying again, and a part may hold nothing but such errors.
    assert!(every_place() || 3 * felt >= played, "{felt} of {played} faults were felt");
}
