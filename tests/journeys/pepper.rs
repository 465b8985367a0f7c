//! Consents to linking with a pepper process: the real one, started, rotated, killed in the middle,
//! asked too often, exchanged for another; and one that lies.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Json as Body;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::UnixListener;
use tokio::process::{Child, Command};
use tokio::task::{JoinHandle, JoinSet};
use volens::clock::{Clock as _, SystemClock};
use volens::db::testing::{FreshPostgres, FreshSqlite, skipped};
use volens::ledger;
use volens_privacy::keys::PepperSecret;
use volens_privacy::{Notices, PurposeKind};

use crate::support::program::command;
use crate::support::town::link_report;
use crate::support::{Answer, Client, TestApp};

/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_mins(1);

/// `volens pepper …`, to its end.
async fn pepper(state: &Path, args: &[&str]) -> Json {
    let mut command = Command::new(env!("CARGO_BIN_EXE_volens"));
    command.args(["pepper", "--json", "--state"]).arg(state).args(args);
    let output = command.output().await.expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// A directory with one key and one client; the token goes into a file.
async fn prepare(state: &Path, token_file: &Path) -> String {
    let key = pepper(state, &["add-key"]).await["public"].as_str().expect("a key").to_owned();
    let client = pepper(state, &["client", "service"]).await;
    fs::write(token_file, client["token"].as_str().expect("a token")).expect("written");
    key
}

/// `volens pepper serve` in a process of its own.
struct Process {
    child: Child,
    /// Where it listens besides its socket.
    listening: Option<String>,
}

impl Process {
    async fn start(state: &Path, socket: &Path, log: &Path, args: &[&str]) -> Self {
        let log = File::options().create(true).append(true).open(log).expect("a log");
        let mut child = Command::new(env!("CARGO_BIN_EXE_volens"))
            .args(["pepper", "--json", "--state"])
            .arg(state)
            .args(["serve", "--socket"])
            .arg(socket)
            .args(args)
            .env("VOLENS_LOG_FORMAT", "json")
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .stderr(log)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let first = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("in time");
        let said: Json =
            serde_json::from_str(&first.expect("read").expect("it says where")).expect("JSON");
        Self { child, listening: said["listening"].as_str().map(str::to_owned) }
    }

    async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args([name, &id]).status().await.expect("it runs");
        assert!(sent.success());
    }

    async fn kill(mut self) {
        self.child.kill().await.expect("it is killed");
    }
}

/// Answers every question by the protocol, with a key of its own.
fn liar(socket: &Path) -> JoinHandle<()> {
    async fn evaluate(Body(question): Body<Json>) -> Body<Json> {
        let elements = question["elements"].as_array().expect("elements").iter().map(|element| {
            let bytes = STANDARD.decode(element.as_str().expect("a text")).expect("base64");
            bytes.try_into().expect("32 bytes")
        });
        let elements: Vec<[u8; 32]> = elements.collect();
        let mut rng = StdRng::seed_from_u64(1);
        let answer = PepperSecret::from_seed(&[66; 32]).evaluate(&elements, &mut rng);
        let answer = answer.expect("they are elements");
        let elements: Vec<String> = answer.elements.iter().map(|e| STANDARD.encode(e)).collect();
        Body(json!({"elements": elements, "proof": STANDARD.encode(answer.proof)}))
    }
    let listener = UnixListener::bind(socket).expect("a socket");
    tokio::spawn(async move {
        let router = Router::new().route("/evaluate", post(evaluate));
        axum::serve(listener, router).await.expect("it serves");
    })
}

/// Where everything is.
struct House<'a> {
    directory: PathBuf,
    database: &'a str,
    state: PathBuf,
    socket: PathBuf,
    token: PathBuf,
    log: PathBuf,
}

impl<'a> House<'a> {
    fn new(home: &Path, database: &'a str) -> Self {
        let in_home = |name: &str| home.join(name);
        Self {
            directory: in_home("data"),
            database,
            state: in_home("state"),
            socket: in_home("socket"),
            token: in_home("token"),
            log: in_home("log"),
        }
    }

    async fn start(&self, args: &[&str]) -> Process {
        Process::start(&self.state, &self.socket, &self.log, args).await
    }

    fn settings(&self) -> [(&'static str, String); 2] {
        let process = format!("unix:{}", self.socket.display());
        [("process", process), ("token_file", self.token.display().to_string())]
    }

    /// A command over the installation, with the pepper process in its settings or without.
    async fn run(&self, args: &[&str], with_process: bool) -> (i32, Json) {
        let mut command = command(&self.directory, self.database);
        for (name, value) in self.settings().into_iter().filter(|_| with_process) {
            command.env(format!("VOLENS_PEPPER_{}", name.to_uppercase()), value);
        }
        let output = command.args(args).output().await.expect("it runs");
        let said = serde_json::from_slice(&output.stdout).unwrap_or(Json::Null);
        (output.status.code().unwrap_or(-1), said)
    }

    async fn open(&self, with_process: bool) -> Service {
        let [process, token] = self.settings();
        let flags = [
            ("pepper.process", process.1.as_str()),
            ("pepper.token_file", token.1.as_str()),
            ("pepper.answer_seconds", "1"),
        ];
        let flags = if with_process { &flags[..] } else { &[] };
        let test = TestApp::open_in(&self.directory, self.database, flags).await;
        test.clock.set(SystemClock.now());
        Service { test, apps: Vec::new() }
    }
}

/// The service, and the clients of two apps.
struct Service {
    test: TestApp,
    apps: Vec<Client>,
}

const APPS: [&str; 2] = ["messenger", "photos"];

impl Service {
    /// Two apps, their people, and the assessment without which nobody is linked.
    async fn furnish(&self) -> Vec<String> {
        self.test.assess().await;
        let mut keys = Vec::new();
        for name in APPS {
            let client = self.test.new_app(name).await;
            for person in PEOPLE {
                let details = json!({"language": "en", "country": "IE", "age_band": "25_34"});
                let answer = client.put(&format!("/v1/accounts/{}", person.0), details).await;
                assert!(answer.status.is_success(), "{}", answer.text());
            }
            let id = volens_privacy::AppId::parse(name).expect("a slug");
            keys.push(self.test.key_of(&volens::access::Caller::App(id)).await);
        }
        keys
    }

    fn sign_in(mut self, keys: &[String]) -> Self {
        self.apps = keys.iter().map(|key| self.test.client(key)).collect();
        self
    }

    /// What the app at `place` reports about a person, and their number.
    async fn link(&self, place: usize, (person, phone): (&str, &str)) -> Answer {
        let body = link_report(person, APPS[1 - place], phone, self.test.app.now());
        self.apps[place].post("/v1/consents", body).await
    }

    /// Comes back as often as the process says that it is not yet the person's turn.
    async fn link_in_turn(&self, place: usize, person: (&str, &str)) {
        let mut answer = self.link(place, person).await;
        for _ in 0..30 {
            if answer.status != 503 || answer.json()["code"] != "pepper.limited" {
                break;
            }
            let seconds = answer.header("retry-after").parse().expect("seconds");
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            answer = self.link(place, person).await;
        }
        answer.expect(201);
    }

    async fn link_both(&self, person: (&str, &str)) {
        for place in [0, 1] {
            self.link_in_turn(place, person).await;
        }
    }

    async fn links(&self, person: (&str, &str)) -> usize {
        let path = format!("/v1/accounts/{}/links", person.0);
        let said = self.apps[0].get(&path).await.expect(200);
        said["links"].as_array().expect("a list").len()
    }

    /// A report that is refused with this code, and leaves nothing behind.
    async fn refused(&self, person: (&str, &str), code: &str) -> Answer {
        let before = self.size().await;
        let answer = self.link(0, person).await;
        answer.problem(503, code);
        assert_eq!(self.size().await, before, "nothing was recorded");
        let state = self.apps[0].get(&format!("/v1/accounts/{}/consents", person.0)).await;
        assert_eq!(state.expect(200)["consents"], json!([]));
        answer
    }

    async fn size(&self) -> u64 {
        let mut tx = self.test.app.db.read().await.expect("a transaction");
        ledger::size(&mut tx).await.expect("a size")
    }

    /// What a serving process does every second.
    fn take_in_the_ring(&self) {
        let ring = self.test.app.ring_file.read().expect("a ring");
        self.test.app.keys.take_in(&ring).expect("a newer one");
        // The command went by the real time.
        self.test.clock.set(SystemClock.now());
    }

    async fn close(self) {
        self.test.app.db.close().await;
    }
}

type Person = (&'static str, &'static str);
const ANNA: Person = ("anna", "+4915112345678");
const BEN: Person = ("ben", "+4915112345679");
const CLEO: Person = ("cleo", "+4915112345680");
const DORA: Person = ("dora", "+4915112345681");
const EMIL: Person = ("emil", "+4915112345682");
const FAY: Person = ("fay", "+4915112345683");
const PEOPLE: [Person; 6] = [ANNA, BEN, CLEO, DORA, EMIL, FAY];

async fn story(database: &str) {
    let home = tempfile::tempdir().expect("a directory");
    let house = House::new(home.path(), database);
    let service = house.open(false).await;
    let keys = service.furnish().await;
    let service = service.sign_in(&keys);
    service.link_both(ANNA).await;
    service.close().await;

    // Settings alone change nothing for the worse: nobody is linked with the weaker pepper.
    let first = prepare(&house.state, &house.token).await;
    let service = house.open(true).await.sign_in(&keys);
    service.refused(BEN, "pepper.unnamed").await;
    assert_eq!(service.links(ANNA).await, 1, "what was linked stays");
    let (exit, _) = house.run(&["keys", "rotate", "pepper"], true).await;
    assert_eq!(exit, 1, "the process does not run");
    let process = house.start(&[]).await;
    let (exit, said) = house.run(&["keys", "rotate", "pepper"], true).await;
    assert_eq!((exit, &said["version"]), (0, &json!(2)), "{said}");
    let (_, status) = house.run(&["keys", "status"], true).await;
    let named =
        status["roots"].as_array().expect("roots").iter().filter_map(|r| r["process"].as_str());
    assert_eq!(named.collect::<Vec<_>>(), [first.as_str()]);
    service.take_in_the_ring();
    service.link_both(BEN).await;
    assert_eq!((service.links(ANNA).await, service.links(BEN).await), (1, 1));
    let (exit, said) = house.run(&["doctor"], true).await;
    assert_eq!(exit, 0, "{said}");

    let service = trouble(&house, service, process).await;
    let process = house.start(&["--listen", "127.0.0.1:0"]).await;
    over_loopback(&house, &process).await;
    rotations(&house, &service, &process, &first).await;
    process.kill().await;
    service.close().await;
    nothing_in_the_log(&house.log);
    let (exit, said) = house.run(&["audit", "invariants"], false).await;
    assert_eq!(exit, 0, "{said}");
}

/// The process is stopped, killed, limited, exchanged and impersonated.
async fn trouble(house: &House<'_>, service: Service, process: Process) -> Service {
    // It hangs: nobody waits for ever. Then it dies while it is asked.
    process.signal("-STOP").await;
    service.refused(CLEO, "pepper.unavailable").await;
    let (before, service) = (service.size().await, Arc::new(service));
    let mut asking = JoinSet::new();
    for person in [CLEO, DORA, EMIL] {
        let service = Arc::clone(&service);
        asking.spawn(async move { service.link(0, person).await });
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    process.kill().await;
    while let Some(answer) = asking.join_next().await {
        answer.expect("it answers").problem(503, "pepper.unavailable");
    }
    let Ok(service) = Arc::try_unwrap(service) else { unreachable!("all answers came") };
    assert_eq!(service.size().await, before, "nothing was recorded");
    service.refused(CLEO, "pepper.unavailable").await;
    let (exit, said) = house.run(&["doctor"], true).await;
    assert_eq!(exit, 1, "{said}");

    // Whoever takes back, and whoever agrees to something else, does not need it.
    let linked = json!({"account": BEN.0, "purpose": "cross_app_linking", "peer": APPS[1]});
    service.apps[0].post("/v1/consents/withdraw", linked).await.expect(200);
    assert_eq!(service.links(BEN).await, 0);
    let notice = Notices::builtin().latest_for(PurposeKind::Relevance, "en").expect("a notice");
    let other = json!({
        "account": FAY.0,
        "notice": {"id": notice.id, "version": notice.version, "language": "en",
                   "rendered_sha256": volens::ids::hex(&notice.sha256)},
        "decisions": [{"purpose": "relevance", "decision": "given"}],
    });
    service.apps[1].post("/v1/consents", other).await.expect(201);
    service.apps[1].delete(&format!("/v1/accounts/{}", FAY.0)).await;

    // It comes back, over the socket that it left behind, and answers so much and no more.
    let process = house.start(&["--per-second", "1", "--burst", "2"]).await;
    service.link_both(CLEO).await;
    assert_eq!(service.links(CLEO).await, 1);
    let service = Arc::new(service);
    let mut asking = JoinSet::new();
    for _ in 0..12 {
        let service = Arc::clone(&service);
        asking.spawn(async move { service.link(0, DORA).await });
    }
    let answers = asking.join_all().await;
    let limited: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert!(!limited.is_empty(), "it was asked for more than it gives");
    for answer in limited {
        assert_eq!(answer.json()["code"], "pepper.limited");
        assert!(answer.header("retry-after").parse::<u32>().expect("seconds") >= 1);
    }
    let Ok(service) = Arc::try_unwrap(service) else { unreachable!("all answers came") };
    service.link_in_turn(0, DORA).await;
    process.kill().await;

    // Somebody else's process: it does not know the token, and then not the key.
    let (state, token) =
        (house.state.with_extension("other"), fs::read(&house.token).expect("read"));
    let elsewhere = house.token.with_extension("other");
    prepare(&state, &elsewhere).await;
    let other = Process::start(&state, &house.socket, &house.log, &[]).await;
    service.refused(EMIL, "pepper.unauthorized").await;
    fs::copy(&elsewhere, &house.token).expect("copied");
    service.refused(EMIL, "pepper.key_unknown").await;
    other.kill().await;
    fs::remove_file(&house.socket).expect("a socket that was left behind");
    let lying = liar(&house.socket);
    service.refused(EMIL, "pepper.proof").await;
    lying.abort();
    fs::remove_file(&house.token).expect("removed");
    service.refused(EMIL, "pepper.unauthorized").await;
    fs::write(&house.token, token).expect("written");
    service
}

/// It answers on a port of this machine too, and on no other address.
async fn over_loopback(house: &House<'_>, process: &Process) {
    let address = process.listening.as_ref().expect("an address");
    let mut doctor = command(&house.directory, house.database);
    doctor.env("VOLENS_PEPPER_PROCESS", format!("http://{address}"));
    doctor.env("VOLENS_PEPPER_TOKEN_FILE", &house.token);
    let output = doctor.arg("doctor").output().await.expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let mut open = Command::new(env!("CARGO_BIN_EXE_volens"));
    open.args(["pepper", "serve", "--listen", "0.0.0.0:0", "--state"]).arg(&house.state);
    let refused = open.output().await.expect("it runs");
    assert_eq!(refused.status.code(), Some(2));
}

/// The process gets a new key, and forgets the old one; the ring goes back to a pepper of its own.
async fn rotations(house: &House<'_>, service: &Service, process: &Process, first: &str) {
    let second = pepper(&house.state, &["add-key"]).await["public"].clone();
    process.signal("-HUP").await;
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        let (exit, said) = house.run(&["keys", "rotate", "pepper"], true).await;
        assert_eq!(exit, 0, "{said}");
        let (_, status) = house.run(&["keys", "status"], true).await;
        let roots = status["roots"].as_array().expect("roots");
        if roots.iter().any(|root| root["process"] == second) {
            break;
        }
        assert!(tokio::time::Instant::now() < end, "the new key is not taken up");
    }
    pepper(&house.state, &["forget-key", first]).await;
    process.signal("-HUP").await;
    service.take_in_the_ring();
    service.link_both(EMIL).await;
    assert_eq!((service.links(CLEO).await, service.links(EMIL).await), (1, 1), "old with old");
    // What the key ring names is not given up by leaving out a setting.
    let (exit, _) = house.run(&["keys", "rotate", "pepper"], false).await;
    assert_eq!(exit, 6);
    let (exit, said) = house.run(&["keys", "rotate", "pepper", "--local"], false).await;
    assert_eq!(exit, 0, "{said}");
    service.take_in_the_ring();
    service.refused_by_settings().await;
}

impl Service {
    async fn refused_by_settings(&self) {
        self.link(1, DORA).await.problem(503, "pepper.unnamed");
    }
}

/// Who asked, how much and with which key; nothing else.
fn nothing_in_the_log(log: &Path) {
    const SAID: [&str; 8] =
        ["timestamp", "level", "target", "message", "client", "elements", "key", "code"];
    let log = fs::read_to_string(log).expect("a log");
    let mut evaluated = 0;
    for line in log.lines() {
        let line: Json = serde_json::from_str(line).expect("one object a line");
        let fields = line.as_object().expect("fields");
        evaluated += usize::from(fields["message"] == "evaluated");
        for (name, value) in fields {
            assert!(SAID.contains(&name.as_str()), "{name}: {value}");
            assert!(value.as_str().is_none_or(|text| text.len() < 44), "{name}: {value}");
        }
    }
    assert!(evaluated >= 8, "every answer has its line:\n{log}");
    for (_, phone) in PEOPLE {
        assert!(!log.contains(phone.trim_start_matches('+')));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_linked_without_the_pepper_process_on_sqlite() {
    story(&FreshSqlite::create().address()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_linked_without_the_pepper_process_on_postgres() {
    let Some(fresh) = FreshPostgres::create().await else { return skipped() };
    story(&fresh.address()).await;
    fresh.drop_database().await;
}
