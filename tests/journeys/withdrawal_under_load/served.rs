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
use volens::access::Caller;
use volens::clock::{Clock as _, SystemClock};
use volens::db::testing::{FreshPostgres, FreshSqlite, skipped};
use volens_privacy::{AppId, PurposeKind};

use super::history::{
    Account, Deed, ListNumber, Operation, Person, Shown, Side, loans_ended, wrongs,
};
use super::world::{World, all_given, ending, giving, look, needed_of, shown};
use crate::support::TestApp;
use crate::support::program::{Connection, Program};
use crate::support::town::SMALL;

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
    /// The keys of the apps, and of the shop.
    apps: [Arc<str>; 2],
    shop: Arc<str>,
    campaigns: [Json; 2],
    recipients: BTreeMap<String, Account>,
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
    fn note(&self, begun: u64, deeds: impl IntoIterator<Item = Deed>) {
        let answered = self.tick();
        let noted = deeds.into_iter().map(|deed| Operation { begun, answered, deed });
        self.history.lock().expect("nobody panicked").extend(noted);
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
        self.note(begun, shown(&self.recipients, number, &text));
    }
}

/// One person: withdraws, looks at the newest lists at once, consents again.
async fn decide(run: Arc<Run>, person: Person) {
    let mut rng = StdRng::seed_from_u64(person as u64);
    let [messenger, photos] = &run.apps;
    let mut apps = [run.connect(messenger).await, run.connect(photos).await];
    let mut shop = run.connect(&run.shop).await;
    for done in 0..*WITHDRAWALS.end() {
        if done >= *WITHDRAWALS.start() && run.newest(LISTS).len() == LISTS {
            break;
        }
        let at = rng.random_range(0..2);
        let account = Account { side: Side::BOTH[at], person };
        let needed = needed_of(person);
        let consent = account.to(needed[rng.random_range(0..needed.len())]);
        let app = &mut apps[at];
        let begun = run.tick();
        let answer = app.send("POST", "/v1/consents/withdraw", &ending(consent)).await;
        assert_eq!(answer.expect("it is answered").0, 200);
        run.note(begun, [Deed::Withdrew(consent)]);
        for list in run.newest(2) {
            run.read(&mut shop, list, "recipients?limit=500").await;
        }
        let begun = run.tick();
        let given = giving(consent, SystemClock.now());
        let (status, said) = app.send("POST", "/v1/consents", &given).await.expect("an answer");
        assert_eq!(status, 201, "{said}");
        run.note(begun, [Deed::Gave(consent)]);
        if consent.1 == PurposeKind::Relevance {
            let looked = app.send("POST", "/v1/batch", &look(account, begun)).await;
            assert_eq!(looked.expect("it is answered").0, 200);
        }
    }
}

/// Asks for one list after the other, in either app in turn.
async fn build(run: Arc<Run>) {
    let mut shop = run.connect(&run.shop).await;
    for campaign in run.campaigns.iter().cycle() {
        if run.over.load(Ordering::SeqCst) {
            return;
        }
        let body = json!({"campaign": campaign, "size": 60, "holdout": 0.0});
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

async fn nothing_appears_after_a_withdrawal(database: &str) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let test = TestApp::open_in(directory.path(), database, &[SMALL]).await;
    // A model is never from the future; the lessons of the town take an hour.
    test.clock.set(SystemClock.now().minus(Duration::from_hours(2)));
    let world = World::new(test, WRITERS + STEADY).await;
    let test = &world.town.test;
    let key = async |caller| Arc::<str>::from(test.key_of(&caller).await);
    let of_app = |side: Side| Caller::App(AppId::parse(side.name()).expect("a slug"));
    let apps = [key(of_app(Side::Messenger)).await, key(of_app(Side::Photos)).await];
    let shop = key(Caller::Business(world.town.business)).await;
    let campaigns = world.campaigns().await;
    test.app.db.close().await;
    let recipients = world.recipients;
    drop(world.town);

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
    let run = Arc::new(Run {
        address: program.address,
        apps,
        shop,
        campaigns,
        recipients,
        moment: AtomicU64::new(2),
        history: Mutex::new(all_given(WRITERS + STEADY)),
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
    let shown = |of: Shown| {
        let counts = history.iter().map(|operation| match &operation.deed {
            Deed::Showed(what, _, accounts) if *what == of => accounts.len(),
            _ => 0,
        });
        counts.sum::<usize>()
    };
    assert!(shown(Shown::Row) >= 10_000, "few rows were shown");
    assert!(shown(Shown::Loan) >= 2_000, "little was lent");
    let ended = loans_ended(&history);
    assert!(ended >= 20, "{ended} loans lost what they rest on");
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
