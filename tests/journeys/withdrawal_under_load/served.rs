//! Fifty people at once take consents back and give them anew, each over a connection of their own to
//! the real program, while it builds lists, serves their pages and exports them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value as Json, json};
use tokio::task::JoinSet;
use volens::accounts::subject_of;
use volens::clock::{Clock as _, SystemClock};
use volens::db::testing::{FreshPostgres, FreshSqlite, skipped};
use volens_privacy::{AppId, PurposeKind};

use super::history::{Deed, ListNumber, NEEDED, Operation, Person, Shown, wrongs};
use crate::support::TestApp;
use crate::support::program::{Connection, Program};
use crate::support::town::{SMALL, Town, name, report};

/// Connections that decide.
const WRITERS: usize = 50;
/// People who do not, so that there is always enough of a list.
const STEADY: usize = 20;
/// Times each of the writers withdraws at least, and at most: they go on until enough was listed.
const WITHDRAWALS: std::ops::RangeInclusive<usize> = 8..=80;
/// Lists that are sealed meanwhile.
const LISTS: usize = 4;
/// Connections that ask for lists, and those that read them.
const BUILDERS: usize = 2;
const READERS: usize = 4;
/// No list takes longer.
const PATIENCE: Duration = Duration::from_mins(2);

/// What everybody shares.
struct Run {
    address: SocketAddr,
    messenger: Arc<str>,
    shop: Arc<str>,
    campaign: Json,
    people: BTreeMap<String, Person>,
    moment: AtomicU64,
    history: Mutex<Vec<Operation>>,
    /// Sealed lists.
    lists: Mutex<Vec<String>>,
    over: AtomicBool,
}

impl Run {
    fn tick(&self) -> u64 {
        self.moment.fetch_add(1, Ordering::SeqCst)
    }

    /// Writes down what was begun at a moment and is answered now.
    fn note(&self, begun: u64, deed: Deed) {
        let answered = self.tick();
        self.history.lock().expect("nobody panicked").push(Operation { begun, answered, deed });
    }

    async fn connect(&self, key: &Arc<str>) -> Connection {
        Connection::open(self.address, Arc::clone(key)).await.expect("the program accepts")
    }

    /// The newest lists, by number.
    fn newest(&self, count: usize) -> Vec<(ListNumber, String)> {
        let lists = self.lists.lock().expect("nobody panicked");
        lists.iter().cloned().enumerate().rev().take(count).collect()
    }

    /// Reads a list as a page or as a file and writes down whom it showed.
    async fn read(&self, shop: &mut Connection, list: (ListNumber, String), path: &str) {
        let (number, id) = list;
        let begun = self.tick();
        let answer = shop.ask("GET", &format!("/v1/lists/{id}/{path}"), &Json::Null).await;
        let (status, body) = answer.expect("it is answered");
        if status == 503 {
            // Too busy to write down that somebody reads: then nothing is shown.
            return;
        }
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        let text = String::from_utf8(body).expect("text");
        let shown = text.split("rcp_").skip(1).filter_map(|rest| rest.get(..32));
        let people = shown.filter_map(|id| self.people.get(id).copied()).collect();
        self.note(begun, Deed::Showed(Shown::Row, number, people));
    }
}

/// One person: withdraws, looks at the newest lists at once, consents again.
async fn decide(run: Arc<Run>, person: Person) {
    let mut rng = StdRng::seed_from_u64(person as u64);
    let (mut app, mut shop) = (run.connect(&run.messenger).await, run.connect(&run.shop).await);
    for done in 0..*WITHDRAWALS.end() {
        if done >= *WITHDRAWALS.start() && run.newest(LISTS).len() == LISTS {
            break;
        }
        let purpose = NEEDED[rng.random_range(0..NEEDED.len())];
        let begun = run.tick();
        let body = json!({"account": name(person), "purpose": purpose});
        let answer = app.send("POST", "/v1/consents/withdraw", &body).await;
        assert_eq!(answer.expect("it is answered").0, 200);
        run.note(begun, Deed::Withdrew(person, purpose));
        for list in run.newest(2) {
            run.read(&mut shop, list, "recipients?limit=500").await;
        }
        let begun = run.tick();
        let answer = app.send("POST", "/v1/consents", &report(&name(person), purpose)).await;
        assert_eq!(answer.expect("it is answered").0, 201);
        run.note(begun, Deed::Gave(person, purpose));
    }
}

/// Asks for one list after the other.
async fn build(run: Arc<Run>) {
    let mut shop = run.connect(&run.shop).await;
    while !run.over.load(Ordering::SeqCst) {
        let body = json!({"campaign": run.campaign, "size": 60, "holdout": 0.0});
        let (status, asked) = shop.send("POST", "/v1/lists", &body).await.expect("it is answered");
        if status == 503 {
            // Too busy: then there is one list less.
            continue;
        }
        assert_eq!(status, 202, "{asked}");
        let path = format!("/v1/lists/{}", asked["id"].as_str().expect("an id"));
        let sealed = tokio::time::timeout(PATIENCE, async {
            loop {
                let answer = shop.send("GET", &path, &Json::Null).await;
                let (status, list) = answer.expect("it is answered");
                match list["state"].as_str() {
                    Some("queued" | "building") => {}
                    Some(state) => return state == "sealed",
                    None => assert_eq!(status, 503, "{list}"),
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        if sealed.await.expect("lists are built in time") {
            let id = asked["id"].as_str().expect("an id").to_owned();
            run.lists.lock().expect("nobody panicked").push(id);
        }
    }
}

/// Reads whatever list there is, as pages and as files.
async fn watch(run: Arc<Run>, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut shop = run.connect(&run.shop).await;
    while !run.over.load(Ordering::SeqCst) {
        let lists = run.newest(5);
        let Some(list) = lists.get(rng.random_range(0..lists.len().max(1))) else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let path = ["recipients?limit=500", "export?format=jsonl"][rng.random_range(0..2)];
        run.read(&mut shop, list.clone(), path).await;
    }
}

/// The town, made before the program starts, with everybody's consents given today.
async fn prepare(test: TestApp) -> (Town, BTreeMap<String, Person>) {
    // A model is never from the future; the lessons of the town take an hour.
    test.clock.set(SystemClock.now().minus(Duration::from_hours(2)));
    let town = Town::new(test, WRITERS + STEADY).await;
    let (app, messenger) = (&town.test.app, AppId::parse("messenger").expect("a slug"));
    let mut people = BTreeMap::new();
    let mut tx = app.db.read().await.expect("begins");
    for person in 0..WRITERS + STEADY {
        let subject = subject_of(&mut tx, &app.keys, &messenger, &name(person)).await;
        let recipient = app.keys.recipient(town.business, subject.expect("reads").expect("known"));
        let id = recipient.to_string();
        people.insert(id.trim_start_matches("rcp_").to_owned(), person);
    }
    drop(tx);
    (town, people)
}

async fn nothing_appears_after_a_withdrawal(database: &str) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let test = TestApp::open_in(directory.path(), database, &[SMALL]).await;
    let (town, people) = prepare(test).await;
    let messenger = AppId::parse("messenger").expect("a slug");
    let messenger = town.test.key_of(&volens::access::Caller::App(messenger)).await;
    let shop = town.test.key_of(&volens::access::Caller::Business(town.business)).await;
    let campaign = town.campaign().await["id"].clone();
    town.test.app.db.close().await;
    drop(town);

    let settings = [
        ("VOLENS_LISTS_K_FLOOR", "10"),
        ("VOLENS_RATES_APP_PER_SECOND", "100000"),
        ("VOLENS_RATES_APP_BURST", "100000"),
        ("VOLENS_RATES_CALLER_PER_SECOND", "100000"),
        ("VOLENS_RATES_CALLER_BURST", "100000"),
        ("VOLENS_WEB_CONNECTIONS_PER_ADDRESS", "1000"),
        // Connections stay open while nothing is asked over them, and while a busy machine answers.
        ("VOLENS_WEB_FIRST_REQUEST_SECONDS", "600"),
        ("VOLENS_WEB_HEADER_SECONDS", "600"),
        ("VOLENS_WEB_ANSWER_SECONDS", "600"),
    ];
    let program = Program::start(directory.path(), database, &settings).await;
    let given = (0..WRITERS + STEADY)
        .flat_map(|person| NEEDED.map(|purpose: PurposeKind| Deed::Gave(person, purpose)));
    let history = given.map(|deed| Operation { begun: 0, answered: 1, deed }).collect();
    let run = Arc::new(Run {
        address: program.address,
        messenger: messenger.into(),
        shop: shop.into(),
        campaign,
        people,
        moment: AtomicU64::new(2),
        history: Mutex::new(history),
        lists: Mutex::default(),
        over: AtomicBool::new(false),
    });
    let mut others = JoinSet::new();
    for _ in 0..BUILDERS {
        others.spawn(build(Arc::clone(&run)));
    }
    for seed in 0..READERS {
        others.spawn(watch(Arc::clone(&run), 1_000 + seed as u64));
    }
    while run.lists.lock().expect("nobody panicked").is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(others.try_join_next().is_none(), "builders and readers go on");
    }
    let mut writers = JoinSet::new();
    for person in 0..WRITERS {
        writers.spawn(decide(Arc::clone(&run), person));
    }
    while let Some(ended) = writers.join_next().await {
        ended.expect("a writer was answered as it must be");
    }
    run.over.store(true, Ordering::SeqCst);
    while let Some(ended) = others.join_next().await {
        ended.expect("builders and readers were answered as they must be");
    }
    program.kill().await;
    judge(&run);
}

/// Nothing is wrong, and there was enough that could have been.
fn judge(run: &Run) {
    let history = run.history.lock().expect("nobody panicked");
    assert_eq!(wrongs(&history), BTreeSet::new());
    let lists = run.lists.lock().expect("nobody panicked").len();
    assert!(lists >= LISTS, "{lists} lists were sealed");
    let count = |wanted: fn(&Deed) -> bool| {
        history.iter().filter(|operation| wanted(&operation.deed)).count()
    };
    let withdrawn = count(|deed| matches!(deed, Deed::Withdrew(..)));
    assert!(withdrawn >= WRITERS * WITHDRAWALS.start(), "{withdrawn} were withdrawn");
    let rows = history.iter().map(|operation| match &operation.deed {
        Deed::Showed(_, _, people) => people.len(),
        _ => 0,
    });
    assert!(rows.sum::<usize>() >= 10_000, "few rows were shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_appears_after_a_withdrawal_from_the_program_on_sqlite() {
    let fresh = FreshSqlite::create();
    nothing_appears_after_a_withdrawal(&fresh.address()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_appears_after_a_withdrawal_from_the_program_on_postgres() {
    let Some(fresh) = FreshPostgres::create().await else { return skipped() };
    nothing_appears_after_a_withdrawal(&fresh.address()).await;
    fresh.drop_database().await;
}
