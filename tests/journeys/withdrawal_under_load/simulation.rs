//! Builds that stand still at every look at the clock, and people who decide just then.
//!
//! A seed decides what happens at each gate. One operation runs at a time, except those that a lock
//! of the build keeps waiting; they are answered once it moves on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use volens::accounts::subject_of;
use volens::audience::ListState;
use volens::audience::build::{self, Workshop};
use volens::audience::request::{Order, Rules};
use volens::clock::{Clock, ManualClock};
use volens::db::testing::{FreshPostgres, FreshSqlite, skipped};
use volens::ids::ListId;
use volens_privacy::{AppId, PurposeKind, Timestamp};

use super::history::{Deed, ListNumber, NEEDED, Operation, Person, Shown, Wrong, wrongs};
use crate::dump::{self, Cell};
use crate::support::TestApp;
use crate::support::town::{SMALL, Town, name};

/// People of the town.
const PEOPLE: usize = 36;
/// Different courses of events, each with its builds.
const SEEDS: u64 = 4;
/// Lists built in each.
const BUILDS: usize = 3;
/// What takes longer waits for a lock.
const PATIENCE: Duration = Duration::from_millis(250);

/// A clock at which whoever looks is held until it is let go.
struct Gate {
    clock: Arc<ManualClock>,
    arrived: UnboundedSender<()>,
    go: Mutex<mpsc::Receiver<()>>,
}

impl Gate {
    fn hold(&self) {
        if self.arrived.send(()).is_ok() {
            let go = self.go.lock().expect("one build at a time");
            // A hang-up means that nobody holds the gate any more.
            tokio::task::block_in_place(|| go.recv().ok());
        }
    }
}

impl Clock for Gate {
    fn now(&self) -> Timestamp {
        self.hold();
        self.clock.now()
    }
}

/// Something begun that is not answered yet.
struct Waiting {
    begun: u64,
    /// Whose decision it is.
    person: Option<Person>,
    answer: JoinHandle<Deed>,
}

struct Simulation {
    town: Arc<Town>,
    address: String,
    rng: StdRng,
    moment: u64,
    history: Vec<Operation>,
    /// Recipients and accounts by who they are.
    people: Arc<BTreeMap<Vec<u8>, Person>>,
    live: BTreeSet<(Person, PurposeKind)>,
    waiting: Vec<Waiting>,
    /// Lists that were asked for, in that order, and those of them that are sealed.
    lists: Vec<ListId>,
    sealed: BTreeSet<ListNumber>,
}

impl Simulation {
    async fn new(address: String) -> Self {
        let test = TestApp::open(&address, &[SMALL]).await;
        let town = Arc::new(Town::new(test, PEOPLE).await);
        let (mut people, mut history) = (BTreeMap::new(), Vec::new());
        let app = &town.test.app;
        let messenger = AppId::parse("messenger").expect("a slug");
        let mut tx = app.db.read().await.expect("begins");
        for person in 0..PEOPLE {
            let subject = subject_of(&mut tx, &app.keys, &messenger, &name(person)).await;
            let subject = subject.expect("reads").expect("an account");
            people.insert(subject.as_bytes().to_vec(), person);
            let recipient = app.keys.recipient(town.business, subject);
            people.insert(recipient.to_string().into_bytes(), person);
            for purpose in NEEDED {
                history.push(Operation {
                    begun: 0,
                    answered: 1,
                    deed: Deed::Gave(person, purpose),
                });
            }
        }
        drop(tx);
        let live = (0..PEOPLE).flat_map(|person| NEEDED.map(|purpose| (person, purpose)));
        Self {
            live: live.collect(),
            town,
            address,
            rng: StdRng::seed_from_u64(0),
            moment: 1,
            history,
            people: Arc::new(people),
            waiting: Vec::new(),
            lists: Vec::new(),
            sealed: BTreeSet::new(),
        }
    }

    fn tick(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    fn note(&mut self, begun: u64, deed: Deed) {
        let answered = self.tick();
        self.history.push(Operation { begun, answered, deed });
    }

    /// One course of events.
    async fn run(&mut self, seed: u64) {
        self.rng = StdRng::seed_from_u64(seed);
        let campaign = self.town.campaign().await["id"].clone();
        for _ in 0..BUILDS {
            let body = json!({"campaign": campaign, "size": 20, "holdout": 0.1});
            let asked = self.town.shop.post("/v1/lists", body).await.expect(202);
            let list: ListId = asked["id"].as_str().expect("an id").parse().expect("a list");
            self.lists.push(list);
            self.build(list).await;
            // Whoever withdrew is willing again for the next list.
            let all = (0..PEOPLE).flat_map(|person| NEEDED.map(|purpose| (person, purpose)));
            for (person, purpose) in all.filter(|one| !self.live.contains(one)).collect::<Vec<_>>()
            {
                self.decide(person, purpose).await;
            }
            self.look_at_everything().await;
        }
    }

    /// Builds one list; at each of its looks at the clock some things happen.
    async fn build(&mut self, list: ListId) {
        let (arrived, mut gates) = unbounded_channel();
        let (let_go, go) = mpsc::channel();
        let order = Order { business: self.town.business, list };
        let town = Arc::clone(&self.town);
        let mut rng = StdRng::seed_from_u64(self.rng.random());
        let building = tokio::spawn(async move {
            let clock = Gate { clock: Arc::clone(&town.test.clock), arrived, go: Mutex::new(go) };
            let app = &town.test.app;
            let rules = Rules::from(&app.settings.lists);
            let (db, keys, columns) = (&app.db, &app.keys, &app.columns);
            let workshop =
                Workshop { db, keys, columns, clock: &clock, rules, metrics: &app.metrics };
            build::build(&workshop, order, &mut rng, &|_, _| clock.hold()).await
        });
        let passed = self.between(&mut gates, &let_go).await;
        let built = building.await.expect("the build ends").expect("it does not fail");
        assert!(passed >= 5, "the build was held {passed} times");
        self.settle().await;
        assert!(self.waiting.is_empty(), "everything is answered once the build is over");
        if built.state == ListState::Sealed {
            self.sealed.insert(self.lists.len() - 1);
        }
        self.look_at_everything().await;
    }

    /// What happens between the gates; answers how many there were.
    async fn between(
        &mut self,
        gates: &mut UnboundedReceiver<()>,
        let_go: &mpsc::Sender<()>,
    ) -> usize {
        let mut passed = 0;
        while gates.recv().await.is_some() {
            passed += 1;
            self.settle().await;
            for _ in 0..self.rng.random_range(0..3) {
                self.happen().await;
            }
            let_go.send(()).expect("the build waits");
        }
        passed
    }

    /// Something, as the seed has it.
    async fn happen(&mut self) {
        match self.rng.random_range(0..10) {
            0..=5 => {
                let person = self.rng.random_range(0..PEOPLE);
                let purpose = NEEDED[self.rng.random_range(0..NEEDED.len())];
                self.decide(person, purpose).await;
            }
            6 | 7 => self.look_at_everything().await,
            _ => self.town.test.clock.advance(Duration::from_secs(self.rng.random_range(1..90))),
        }
    }

    /// Takes the consent back, or gives it anew. A decision that is under way is not crossed.
    async fn decide(&mut self, person: Person, purpose: PurposeKind) {
        if self.waiting.iter().any(|waiting| waiting.person == Some(person)) {
            return;
        }
        let town = Arc::clone(&self.town);
        let withdraws = self.live.remove(&(person, purpose));
        if !withdraws {
            self.live.insert((person, purpose));
        }
        let deed = async move {
            if withdraws {
                town.withdraw(&name(person), purpose).await;
                Deed::Withdrew(person, purpose)
            } else {
                town.consent(&name(person), purpose).await;
                Deed::Gave(person, purpose)
            }
        };
        if self.begin(Some(person), deed).await {
            self.look_at_everything().await;
        }
    }

    /// Begins something; answers whether it is done. What a lock keeps waiting is awaited later.
    async fn begin(
        &mut self,
        person: Option<Person>,
        deed: impl Future<Output = Deed> + Send + 'static,
    ) -> bool {
        let begun = self.tick();
        let mut answer = tokio::spawn(deed);
        let answered = tokio::time::timeout(PATIENCE, &mut answer).await;
        let in_time = answered.is_ok();
        if let Ok(deed) = answered {
            self.note(begun, deed.expect("it is answered"));
        } else {
            self.waiting.push(Waiting { begun, person, answer });
        }
        in_time
    }

    /// Takes the answers that came meanwhile.
    async fn settle(&mut self) {
        for mut waiting in std::mem::take(&mut self.waiting) {
            match tokio::time::timeout(PATIENCE, &mut waiting.answer).await {
                Ok(deed) => self.note(waiting.begun, deed.expect("it is answered")),
                Err(_) => self.waiting.push(waiting),
            }
        }
    }

    /// The tables, and every sealed list as it is served and exported.
    async fn look_at_everything(&mut self) {
        let begun = self.tick();
        for ((what, list), people) in self.stored().await {
            self.note(begun, Deed::Showed(what, list, people));
        }
        if !self.waiting.is_empty() {
            // The build holds the writer, and that a list was read is written down, too.
            return;
        }
        for list in self.sealed.clone() {
            for path in ["recipients?limit=500", "export?format=jsonl"] {
                let path = format!("/v1/lists/{}/{path}", self.lists[list]);
                let (town, people) = (Arc::clone(&self.town), Arc::clone(&self.people));
                let read = async move {
                    let shown = town.shop.get(&path).await;
                    assert!(shown.status.is_success(), "{}", shown.text());
                    let text = shown.text();
                    // Whoever is shown is shown by name; nothing else of a row matters here.
                    let people = people.iter().filter(|(known, _)| {
                        std::str::from_utf8(known).is_ok_and(|known| text.contains(known))
                    });
                    Deed::Showed(Shown::Row, list, people.map(|(_, person)| *person).collect())
                };
                if !self.begin(None, read).await {
                    return;
                }
            }
        }
    }

    /// Rows and scores as the tables hold them, of lists in the making too.
    async fn stored(&self) -> BTreeMap<(Shown, ListNumber), BTreeSet<Person>> {
        let mut found: BTreeMap<_, BTreeSet<Person>> = BTreeMap::new();
        for table in dump::some(&self.address, &["list_rows", "scores"]).await {
            let what = if table.name == "scores" { Shown::Score } else { Shown::Row };
            for row in &table.rows {
                let bytes = |name: &str| {
                    row.iter().find_map(|(column, cell)| match cell {
                        Cell::Bytes(bytes) if column == name => Some(bytes),
                        _ => None,
                    })
                };
                let list = bytes("list").expect("each names its list");
                let number = self.lists.iter().position(|id| id.as_bytes().as_slice() == list);
                let person = self.people.get(bytes("subject").expect("each names an account"));
                if let (Some(number), Some(person)) = (number, person) {
                    found.entry((what, number)).or_default().insert(*person);
                }
            }
        }
        found
    }
}

async fn nothing_appears_after_a_withdrawal(address: String) {
    let mut simulation = Simulation::new(address).await;
    for seed in 0..SEEDS {
        simulation.run(seed).await;
    }
    assert_eq!(wrongs(&simulation.history), BTreeSet::new());
    let count = |wanted: fn(&Deed) -> bool| {
        simulation.history.iter().filter(|operation| wanted(&operation.deed)).count()
    };
    assert!(simulation.sealed.len() >= 6, "{} lists were sealed", simulation.sealed.len());
    assert!(count(|deed| matches!(deed, Deed::Withdrew(..))) >= 50);
    assert!(count(|deed| matches!(deed, Deed::Showed(_, _, people) if people.len() >= 10)) >= 200);
    simulation.town.test.app.db.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_appears_after_a_withdrawal_on_sqlite() {
    let fresh = FreshSqlite::create();
    nothing_appears_after_a_withdrawal(fresh.address()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_appears_after_a_withdrawal_on_postgres() {
    let Some(fresh) = FreshPostgres::create().await else { return skipped() };
    nothing_appears_after_a_withdrawal(fresh.address()).await;
    fresh.drop_database().await;
}

/// Without the trigger that takes rows and scores away, the same simulation finds them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_house_that_forgets_to_clean_up_is_found_out() {
    let fresh = FreshSqlite::create();
    let mut simulation = Simulation::new(fresh.address()).await;
    dump::tamper(&fresh.address(), "drop trigger grant_end_removes_scores;").await;
    simulation.run(0).await;
    let found = wrongs(&simulation.history);
    assert!(found.iter().any(|wrong| matches!(wrong, Wrong::Ended(..))), "{found:?}");
    simulation.town.test.app.db.close().await;
}
