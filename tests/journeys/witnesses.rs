//! Consents under witnesses: two real processes, one of them goes away and comes back, a third that
//! lies; and a log that shows them another history.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use volens::accounts::subject_of;
use volens::clock::{Clock as _, SystemClock};
use volens::consent::consents_of;
use volens::db::testing::{FreshPostgres, FreshSqlite, required};
use volens::ledger;
use volens_privacy::ledger::{Quorum, Witness, parse_tlog_proof};
use volens_privacy::purpose::Relevance;
use volens_privacy::{AppId, Notices, PurposeKind, Timestamp};

use crate::support::program::command;
use crate::support::{Answer, Client, TestApp};

/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_mins(1);

/// `volens witness` in a process of its own.
struct Process {
    child: Child,
    address: SocketAddr,
    key: String,
}

impl Process {
    async fn start(state: &Path, name: &str, listen: &str, log: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_volens"))
            .args(["witness", "--json", "--name", name, "--listen", listen, "--log", log])
            .arg("--state")
            .arg(state)
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let first = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("in time");
        let said: Json =
            serde_json::from_str(&first.expect("read").expect("a line")).expect("JSON");
        let address = said["listening"].as_str().expect("an address").parse().expect("an address");
        Self { child, address, key: said["key"].as_str().expect("a key").to_owned() }
    }

    async fn kill(mut self) {
        self.child.kill().await.expect("it is killed");
    }
}

/// Answers every request with a cosignature that somebody else made for something else.
async fn liar() -> (SocketAddr, String, JoinHandle<()>) {
    const KEY: &str =
        "witness.example.com/vector+416f103d+BK/QmJFVP3SKJOqAMhFxBQPtylo3sjwWibyFDAlZKK8B";
    const LINE: &str = "— witness.example.com/vector QW8QPQAAAABqwLUbDdj7sDNRIVjmjYgqFI6y4UJhPg/UAA8J8wAdqSd3q4PedRhkgXA4xFN/Jg5uWn7ZkBA+H/UHQs5d9hITdXmQAA==\n";
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let lying = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut heard = [0; 16 * 1024];
            // Whatever was asked, the answer is the same.
            drop(stream.read(&mut heard).await);
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", LINE.len());
            drop(stream.write_all(format!("{head}{LINE}").as_bytes()).await);
        }
    });
    (address, KEY.to_owned(), lying)
}

/// A service that asks witnesses, with an app and its people.
struct Service {
    test: TestApp,
    network: Client,
    asking: JoinHandle<()>,
}

impl Service {
    async fn start(directory: &Path, database: &str, list: &str) -> Self {
        let flags = [
            ("witnesses.list", list),
            ("witnesses.needed", "2"),
            ("witnesses.answer_seconds", "1"),
        ];
        let test = TestApp::open_in(directory, database, &flags).await;
        // Witnesses go by the real time.
        test.clock.set(SystemClock.now());
        let app = test.app.clone();
        let asking = tokio::spawn(async move {
            app.witnesses.run(&app.db, &*app.clock, std::future::pending()).await;
        });
        let network = test.new_app("facelook").await;
        for person in ["anna", "ben", "cleo", "dora"] {
            let details = json!({"language": "en", "country": "IE", "age_band": "25_34"});
            let answer = network.put(&format!("/v1/accounts/{person}"), details).await;
            assert!(answer.status.is_success(), "{}", answer.text());
        }
        Self { test, network, asking }
    }

    async fn decide(&self, person: &str, decisions: &[(PurposeKind, &str)]) -> Answer {
        let notice = Notices::builtin().latest_for(PurposeKind::Relevance, "en").expect("a notice");
        let hex = volens::ids::hex(&notice.sha256);
        let decisions: Vec<Json> = decisions
            .iter()
            .map(|(purpose, decision)| json!({"purpose": purpose, "decision": decision}))
            .collect();
        let body = json!({
            "account": person,
            "notice": {"id": notice.id, "version": notice.version, "language": "en",
                       "rendered_sha256": hex},
            "decisions": decisions,
            "decided_at": self.test.app.now(),
        });
        self.network.post("/v1/consents", body).await
    }

    async fn give(&self, person: &str) -> Answer {
        self.decide(person, &[(PurposeKind::Relevance, "given")]).await
    }

    async fn withdraw(&self, person: &str) -> Json {
        let body = json!({"account": person, "purpose": "relevance"});
        self.network.post("/v1/consents/withdraw", body).await.expect(200)
    }

    /// Whether the person's consent counts.
    async fn is_live(&self, person: &str) -> bool {
        let state = self.network.get(&format!("/v1/accounts/{person}/consents")).await.expect(200);
        state["consents"].as_array().expect("a list").iter().any(|consent| consent["live"] == true)
    }

    /// What the person sees of it.
    async fn own_page(&self, person: &str) -> String {
        let body = json!({"account": person});
        let link = self.network.post("/v1/privacy-centre-links", body).await.expect(201);
        let url = link["url"].as_str().expect("an address").to_owned();
        let (_, token) = url.split_once("/p/").expect("a privacy centre");
        self.test.anonymous().get(&format!("/p/{token}")).await.text()
    }

    async fn size(&self) -> u64 {
        let mut tx = self.test.app.db.read().await.expect("a transaction");
        ledger::size(&mut tx).await.expect("a size")
    }

    async fn verifies(&self) -> ledger::Report {
        let app = &self.test.app;
        let mut tx = app.db.read().await.expect("a transaction");
        let trust = app.trust().expect("what is known");
        ledger::verify(&mut tx, &trust, |_, _| ()).await.expect("verified")
    }

    async fn stop(self) {
        self.asking.abort();
        self.test.app.db.close().await;
    }
}

/// `volens receipt verify` demands the word of witnesses, of as many as are asked for.
async fn demanded_of_receipts(receipts: &Json, log: &str, [one, two]: [&str; 2], stranger: &str) {
    const W: &str = "--witness";
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("receipts.json");
    let check = async |receipts: &Json, args: &[&str]| {
        std::fs::write(&file, receipts.to_string()).expect("written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_volens"));
        command.args(["--json", "receipt", "verify", "--key", log]).args(args).arg(&file);
        let output = command.output().await.expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code().unwrap_or(-1), said)
    };
    let asked: [(&[&str], i32); 11] = [
        (&[], 0),
        (&[W, one], 0),
        (&[W, one, W, two], 0),
        (&[W, one, W, two, W, stranger, "--needed", "2"], 0),
        (&[W, one, W, two, W, stranger], 3),
        (&[W, stranger], 3),
        (&[W, one, W, stranger, "--needed", "1"], 0),
        (&[W, one, W, stranger, "--needed", "2"], 3),
        (&[W, one, "--needed", "2"], 2),
        (&["--needed", "1"], 2),
        (&[W, "nobody"], 2),
    ];
    for (args, exit) in asked {
        let (code, said) = check(receipts, args).await;
        assert_eq!(code, exit, "{args:?}: {said}");
        let names = exit == 0 && args.contains(&two);
        assert_eq!(said.contains("w2.example"), names, "{args:?}: {said}");
    }
    // The operator signed with them: one that is left out, or changed, spoils the receipt.
    let proof = receipts[0]["volens:tlogProof"].as_str().expect("a proof");
    let of_two = |line: &&str| line.starts_with("— w2.example ");
    let line = proof.lines().find(of_two).expect("it cosigned");
    let (head, last) = line.split_at(line.len() - 4);
    let other = if last.starts_with('A') { "B" } else { "A" };
    let changed = format!("{head}{other}{}", &last[1..]);
    for instead in [String::new(), format!("{changed}\n")] {
        let mut receipts = receipts.clone();
        receipts[0]["volens:tlogProof"] = json!(proof.replace(&format!("{line}\n"), &instead));
        assert_eq!(check(&receipts, &[W, one, W, two]).await.0, 3);
        assert_eq!(check(&receipts, &[W, one]).await.0, 3);
    }
}

/// An import into the installation of the service, by the program itself.
struct Import<'a> {
    home: &'a Path,
    database: &'a str,
    flags: [(&'static str, &'a str); 3],
    /// When the consent was given that is brought in.
    decided: Timestamp,
}

impl Import<'_> {
    /// Its exit code, what it answered, and what it said beside.
    async fn run(&self) -> (i32, String, String) {
        let notice = Notices::builtin().latest_for(PurposeKind::Relevance, "en").expect("a notice");
        let hex = volens::ids::hex(&notice.sha256);
        let decided = self.decided;
        let mapping = "app = \"facelook\"\n[account]\nreference = \"customer\"\n\
                       language = \"en\"\nat = \"1 days ago\"\n[[account.topics]]\n\
                       column = \"runs\"\ntopic = \"sport.running\"\nkind = \"viewed\"\n";
        let consents = format!(
            "account,purposes,decision,notice,notice_version,language,rendered_sha256,decided_at\n\
             dora,relevance,given,{},{},en,{hex},{decided}\n",
            notice.id, notice.version
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_volens"));
        command.args(["--json", "--database", self.database, "--data"]).arg(self.home);
        command.arg("import").env_remove("VOLENS_CONFIG");
        for (option, file, text) in [
            ("--mapping", "map.toml", mapping),
            ("--accounts", "table.csv", "customer,runs\ndora,1\n"),
            ("--consents", "consents.csv", consents.as_str()),
        ] {
            let path = self.home.join(file);
            std::fs::write(&path, text).expect("written");
            command.arg(option).arg(path);
        }
        for (name, value) in self.flags {
            command.env(format!("VOLENS_{}", name.replace('.', "_").to_uppercase()), value);
        }
        let output = command.output().await.expect("it runs");
        let [told, said] =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        (output.status.code().unwrap_or(-1), told, said)
    }

    /// Whether the consent that was imported counts, when nobody asks any witness.
    async fn counts(&self) -> bool {
        let test = TestApp::open_in(self.home, self.database, &self.flags).await;
        let (network, keys) = (AppId::parse("facelook").expect("a slug"), &test.app.keys);
        let mut tx = test.app.db.read().await.expect("a transaction");
        let subject = subject_of(&mut tx, keys, &network, "dora").await.expect("reads");
        let subject = subject.expect("an account");
        let consents = consents_of(&mut tx, keys, &[subject]).await.expect("verified");
        let permit = consents[&subject].permit::<Relevance>((), SystemClock.now());
        let counts = permit.is_ok();
        drop(tx);
        test.app.db.close().await;
        counts
    }
}

/// What is imported waits like what is reported, and so does what needs it. One witness goes away, and
/// comes back.
async fn imports_wait(
    import: &Import<'_>,
    witness: Process,
    again: impl Future<Output = Process>,
) -> Process {
    witness.kill().await;
    let (code, told, said) = import.run().await;
    assert_eq!(code, 1, "{told}{said}");
    assert!((told + &said).contains("not enough witnesses of the ledger answer"));
    assert!(!import.counts().await, "nobody confirmed it");
    let witness = again.await;
    let (code, told, said) = import.run().await;
    assert_eq!(code, 0, "{told}{said}");
    let told: Json = serde_json::from_str(&told).expect("one JSON object");
    assert_eq!(told["signals"], json!({"accepted": 1, "duplicate": 0, "refused": 0}), "{told}");
    assert!(import.counts().await);
    witness
}

async fn log_key(directory: &Path, database: &str) -> String {
    let test = TestApp::open_in(directory, database, &[]).await;
    let key = test.app.keys.log_verifier().vkey();
    test.app.db.close().await;
    key
}

async fn story(database: &str) {
    let home = tempfile::tempdir().expect("a directory");
    let log = log_key(home.path(), database).await;
    let states = tempfile::tempdir().expect("a directory");
    let state = |name: &str| states.path().join(name);
    let first = Process::start(&state("1"), "w1.example", "127.0.0.1:0", &log).await;
    let second = Process::start(&state("2"), "w2.example", "127.0.0.1:0", &log).await;
    let (liar, liar_key, lying) = liar().await;
    let list = format!(
        "{} http://{}, {} http://{}, {liar_key} http://{liar}",
        first.key, first.address, second.key, second.address
    );
    let service = Service::start(home.path(), database, &list).await;
    let quorum: Vec<Witness> =
        [&first.key, &second.key].map(|key| Witness::from_vkey(key).expect("a key")).into();
    let quorum = Quorum::new(quorum, 2).expect("two of two");

    // Both are there: a consent is answered with a receipt that both cosigned.
    let given = service.give("anna").await.expect(201);
    let proof =
        parse_tlog_proof(given["receipts"][0]["volens:tlogProof"].as_str().expect("a proof"));
    assert!(quorum.is_met(&proof.expect("it is one").checkpoint));
    demanded_of_receipts(&given["receipts"], &log, [&first.key, &second.key], &liar_key).await;
    assert!(service.is_live("anna").await);
    let (port, key) = (second.address.to_string(), second.key.clone());

    // One is gone, and the liar does not count: a consent is on record and does not count either.
    second.kill().await;
    service.give("ben").await.problem(503, "consent.unwitnessed");
    assert!(!service.is_live("ben").await, "nothing was confirmed");
    let waits = "Not in use yet";
    assert!(service.own_page("ben").await.contains(waits), "and the person is told");
    assert!(!service.own_page("anna").await.contains(waits));
    assert!(service.is_live("anna").await, "what was confirmed stays");
    // Somebody who forgets the service's settings ends nothing, and cannot serve without them.
    let forgetful = async |args: &[&str]| {
        let output = command(home.path(), database).args(args).output().await.expect("it runs");
        output.status.code()
    };
    assert_eq!(forgetful(&["accounts", "keys"]).await, Some(0));
    assert_eq!(forgetful(&["serve", "--listen", "127.0.0.1:0"]).await, Some(2));
    assert!(!service.is_live("ben").await, "they are still asked");
    assert_eq!(forgetful(&["doctor"]).await, Some(1), "and whoever looks is told");
    // From now on nothing is begun that would have to wait …
    let before = service.size().await;
    service.give("cleo").await.problem(503, "consent.witnesses_unreachable");
    assert_eq!(service.size().await, before, "nothing was recorded");
    // … but whoever takes back is not kept waiting.
    service.withdraw("anna").await;
    assert!(!service.is_live("anna").await);
    let both = [(PurposeKind::Relevance, "refused"), (PurposeKind::BusinessMessages, "given")];
    let mixed = service.decide("cleo", &both).await;
    assert_eq!(mixed.status, 503, "{}", mixed.text());
    assert_eq!(service.size().await, before + 3, "a refusal is recorded with what came with it");

    // It comes back: what waited counts, and its receipt can be had.
    let second = Process::start(&state("2"), "w2.example", &port, &log).await;
    assert_eq!(second.key, key);
    let end = tokio::time::Instant::now() + PATIENCE;
    while !service.is_live("ben").await {
        assert!(tokio::time::Instant::now() < end, "nobody confirms");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(!service.own_page("ben").await.contains(waits));
    let again = service.give("ben").await.expect(201);
    assert_eq!(again["decisions"][0]["recorded"], false);
    assert_eq!(again["receipts"].as_array().map(Vec::len), Some(1));
    assert!(!service.is_live("anna").await, "a withdrawal is never undone by waiting");
    let head = service.test.anonymous().get("/v1/ledger/checkpoint").await.text();
    assert!(head.contains("— w1.example ") && head.contains("— w2.example "), "{head}");
    let report = service.verifies().await;
    assert_eq!(report.faults, []);
    assert!(report.cosignatures >= 4, "{report:?}");
    let confirmed = report.confirmed.expect("witnesses are asked");
    service.stop().await;

    let flags = [
        ("witnesses.list", list.as_str()),
        ("witnesses.needed", "2"),
        ("witnesses.answer_seconds", "1"),
    ];
    let decided = SystemClock.now().minus(Duration::from_hours(48));
    let import = Import { home: home.path(), database, flags, decided };
    let again = async { Process::start(&state("2"), "w2.example", &port, &log).await };
    let second = imports_wait(&import, second, again).await;

    // The same key over another history: nobody cosigns it, and no consent in it counts.
    let elsewhere = tempfile::tempdir().expect("a directory");
    let ring = "keyring.json";
    std::fs::copy(home.path().join(ring), elsewhere.path().join(ring)).expect("copied");
    let fork = FreshSqlite::create();
    let forked = Service::start(elsewhere.path(), &fork.address(), &list).await;
    forked.give("anna").await.problem(503, "consent.unwitnessed");
    assert!(!forked.is_live("anna").await);
    assert!(forked.size().await < confirmed, "it is shorter than what was cosigned");
    forked.stop().await;
    lying.abort();
    first.kill().await;
    second.kill().await;
}

/// Two New Years: the witnesses confirm the end of a year before anything of the next, and are told
/// nothing of years but the log's key.
async fn new_years(database: &str) {
    let home = tempfile::tempdir().expect("a directory");
    let log = log_key(home.path(), database).await;
    let states = tempfile::tempdir().expect("a directory");
    let state = |name: &str| states.path().join(name);
    let first = Process::start(&state("1"), "w1.example", "127.0.0.1:0", &log).await;
    let second = Process::start(&state("2"), "w2.example", "127.0.0.1:0", &log).await;
    let (port, key) = (second.address.to_string(), second.key.clone());
    let list = format!("{} http://{}, {key} http://{port}", first.key, first.address);
    let service = Service::start(home.path(), database, &list).await;
    let quorum: Vec<Witness> =
        [&first.key, &key].map(|key| Witness::from_vkey(key).expect("a key")).into();
    let quorum = Quorum::new(quorum, 2).expect("two of two");
    let cosigned = |receipt: &Json| {
        let proof = receipt["volens:tlogProof"].as_str().expect("a proof");
        let note = parse_tlog_proof(proof).expect("it is one").checkpoint;
        (quorum.is_met(&note), note.unverified())
    };
    // Far from today, so that no New Year of today is one of these.
    let set = |text| service.test.clock.set(Timestamp::parse(text).expect("a time"));
    // A clock that leaps so far is believed a day later.
    set("2090-12-30T00:00:00Z");
    service.give("dora").await.expect(201);
    set("2090-12-31T23:30:00Z");
    service.give("anna").await.expect(201);
    set("2091-01-01T00:30:00Z");
    let answer = service.give("ben").await.expect(201);
    let (met, stated) = cosigned(&answer["receipts"][0]);
    assert!(met && stated.before > 0, "of a later year: {stated:?}");
    let before = service.size().await;

    // Nobody confirms the end of the year …
    second.kill().await;
    service.withdraw("anna").await;
    let ended = service.size().await;
    assert_eq!(ended, before + 1);
    set("2092-01-01T00:00:00Z");
    let both = [(PurposeKind::Relevance, "refused"), (PurposeKind::BusinessMessages, "given")];
    assert_eq!(service.decide("cleo", &both).await.status, 503, "nor anything after it");
    assert_eq!(service.size().await, ended + 3, "which one entry opens");
    assert!(!service.is_live("cleo").await);
    let report = service.verifies().await;
    assert_eq!(report.faults, []);
    assert!(report.confirmed.is_some_and(|confirmed| confirmed <= before), "{report:?}");

    // … until the witness is back: first the end of the one year, then the next.
    let second = Process::start(&state("2"), "w2.example", &port, &log).await;
    let end = tokio::time::Instant::now() + PATIENCE;
    while !service.is_live("cleo").await {
        assert!(tokio::time::Instant::now() < end, "nobody confirms");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let report = service.verifies().await;
    assert_eq!(report.faults, []);
    assert!(report.shards >= 4, "{report:?}");
    assert_eq!(report.confirmed, Some(report.entries));
    let mut years = Vec::new();
    for person in ["anna", "ben", "cleo", "dora"] {
        let state = service.network.get(&format!("/v1/accounts/{person}/consents")).await;
        for receipt in state.expect(200)["receipts"].as_array().expect("receipts") {
            let (met, stated) = cosigned(receipt);
            assert!(met, "a year is confirmed to its end: {stated:?}");
            years.push(stated.before);
        }
    }
    years.dedup();
    assert!(years.len() >= 3, "{years:?}");
    service.stop().await;
    first.kill().await;
    second.kill().await;
}

async fn on_both(story: impl AsyncFn(&str)) {
    story(&FreshSqlite::create().address()).await;
    match FreshPostgres::create().await {
        Some(fresh) => {
            story(&fresh.address()).await;
            fresh.drop_database().await;
        }
        None => assert!(!required("postgres"), "PostgreSQL is required"),
    }
}

#[tokio::test]
async fn witnesses_confirm_the_end_of_a_year_before_the_next() {
    on_both(new_years).await;
}

#[tokio::test]
async fn grants_wait_for_witnesses_and_withdrawals_do_not() {
    on_both(story).await;
}
