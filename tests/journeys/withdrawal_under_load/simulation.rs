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
use volens::audience::ListState;
use volens::audience::build::{self, Workshop};
use volens::audience::request::{Order, Rules};
use volens::clock::{Clock, ManualClock};
use volens::db::testing::{FreshPostgres, FreshSqlite, skipped};
use volens::ids::ListId;
use volens_privacy::{PurposeKind, Timestamp};

use super::history::{
    Account, Consent, Deed, ListNumber, Operation, Person, Shown, Side, Wrong, loans_ended, wrongs,
};
use super::world::{World, all_consents, all_given, needed_of, shown};
use crate::dump::{self, Cell};
use crate::support::TestApp;
use crate::support::town::SMALL;

/// People of the town.
const PEOPLE: usize = 36;
/// Different courses of events, each with its builds.
const SEEDS: u64 = 4;
/// Lists built in each.
const BUILDS: usize = 3;
/// What takes longer waits for a lock.
const PATIENCE: Duration = Duration::from_millis(250);

/// Where what is shown is kept.
const TABLES: [(&str, Shown); 4] = [
    ("list_rows", Shown::Row),
    ("scores", Shown::Score),
    ("exposures", Shown::Exposure),
    ("list_loans", Shown::Loan),
];

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
    answer: JoinHandle<Vec<Deed>>,
}

struct Simulation {
    world: Arc<World>,
    address: String,
    rng: StdRng,
    moment: u64,
    history: Vec<Operation>,
    live: BTreeSet<Consent>,
    waiting: Vec<Waiting>,
    /// Lists that were asked for, in that order, and those of them that are sealed.
    lists: Vec<ListId>,
    sealed: BTreeSet<ListNumber>,
}

impl Simulation {
    async fn new(address: String) -> Self {
        let test = TestApp::open(&address, &[SMALL]).await;
        Self {
            world: Arc::new(World::new(test, PEOPLE).await),
            address,
            rng: StdRng::seed_from_u64(0),
            moment: 1,
            history: all_given(PEOPLE),
            live: all_consents(PEOPLE).collect(),
            waiting: Vec::new(),
            lists: Vec::new(),
            sealed: BTreeSet::new(),
        }
    }

    fn tick(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    fn note(&mut self, begun: u64, deeds: impl IntoIterator<Item = Deed>) {
        let answered = self.tick();
        let noted = deeds.into_iter().map(|deed| Operation { begun, answered, deed });
        self.history.extend(noted);
    }

    /// One course of events.
    async fn run(&mut self, seed: u64) {
        self.rng = StdRng::seed_from_u64(seed);
        let campaigns = self.world.campaigns().await;
        for campaign in campaigns.iter().cycle().take(BUILDS) {
            let body = json!({"campaign": campaign, "size": 20, "holdout": 0.1});
            let asked = self.world.town.shop.post("/v1/lists", body).await.expect(202);
            let list: ListId = asked["id"].as_str().expect("an id").parse().expect("a list");
            self.lists.push(list);
            self.build(list).await;
            // Whoever withdrew is willing again for the next list.
            let missing = all_consents(PEOPLE).filter(|consent| !self.live.contains(consent));
            for consent in missing.collect::<Vec<_>>() {
                self.decide(consent).await;
            }
            self.look_at_everything().await;
        }
    }

    /// Builds one list; at each of its looks at the clock some things happen.
    async fn build(&mut self, list: ListId) {
        let (arrived, mut gates) = unbounded_channel();
        let (let_go, go) = mpsc::channel();
        let order = Order { business: self.world.town.business, list };
        let world = Arc::clone(&self.world);
        let mut rng = StdRng::seed_from_u64(self.rng.random());
        let building = tokio::spawn(async move {
            let test = &world.town.test;
            let clock = Gate { clock: Arc::clone(&test.clock), arrived, go: Mutex::new(go) };
            let app = &test.app;
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
                let side = Side::BOTH[self.rng.random_range(0..2)];
                let needed = needed_of(person);
                let purpose = needed[self.rng.random_range(0..needed.len())];
                self.decide(Account { side, person }.to(purpose)).await;
            }
            6 | 7 => self.look_at_everything().await,
            _ => self
                .world
                .town
                .test
                .clock
                .advance(Duration::from_secs(self.rng.random_range(1..90))),
        }
    }

    /// Takes the consent back, or gives it anew. A decision that is under way is not crossed.
    async fn decide(&mut self, consent: Consent) {
        let (account, purpose) = consent;
        let person = account.person;
        if self.waiting.iter().any(|waiting| waiting.person == Some(person)) {
            return;
        }
        let (world, nth) = (Arc::clone(&self.world), self.moment);
        let withdraws = self.live.remove(&consent);
        if !withdraws {
            self.live.insert(consent);
        }
        let deed = async move {
            if withdraws {
                world.withdraw(consent).await;
                return Deed::Withdrew(consent);
            }
            world.give(consent).await;
            if purpose == PurposeKind::Relevance {
                world.look(account, nth).await;
            }
            Deed::Gave(consent)
        };
        let deed = async { vec![deed.await] };
        if self.begin(Some(person), deed).await {
            self.look_at_everything().await;
        }
    }

    /// Begins something; answers whether it is done. What a lock keeps waiting is awaited later.
    async fn begin(
        &mut self,
        person: Option<Person>,
        deeds: impl Future<Output = Vec<Deed>> + Send + 'static,
    ) -> bool {
        let begun = self.tick();
        let mut answer = tokio::spawn(deeds);
        let answered = tokio::time::timeout(PATIENCE, &mut answer).await;
        let in_time = answered.is_ok();
        if let Ok(deeds) = answered {
            self.note(begun, deeds.expect("it is answered"));
        } else {
            self.waiting.push(Waiting { begun, person, answer });
        }
        in_time
    }

    /// Takes the answers that came meanwhile.
    async fn settle(&mut self) {
        for mut waiting in std::mem::take(&mut self.waiting) {
            match tokio::time::timeout(PATIENCE, &mut waiting.answer).await {
                Ok(deeds) => self.note(waiting.begun, deeds.expect("it is answered")),
                Err(_) => self.waiting.push(waiting),
            }
        }
    }

    /// The tables, and every sealed list as it is served and exported.
    async fn look_at_everything(&mut self) {
        let begun = self.tick();
        let stored = self.stored().await.into_iter();
        self.note(begun, stored.map(|((what, list), of)| Deed::Showed(what, list, of)));
        if !self.waiting.is_empty() {
            // The build holds the writer, and that a list was read is written down, too.
            return;
        }
        for list in self.sealed.clone() {
            for path in ["recipients?limit=500", "export?format=jsonl"] {
                let path = format!("/v1/lists/{}/{path}", self.lists[list]);
                let world = Arc::clone(&self.world);
                let read = async move {
                    let answer = world.town.shop.get(&path).await;
                    assert!(answer.status.is_success(), "{}", answer.text());
                    shown(&world.recipients, list, &answer.text()).into()
                };
                if !self.begin(None, read).await {
                    return;
                }
            }
        }
    }

    /// Rows, scores and what they were made with, as the tables hold them, of lists in the making too.
    async fn stored(&self) -> BTreeMap<(Shown, ListNumber), BTreeSet<Account>> {
        let mut found: BTreeMap<_, BTreeSet<Account>> = BTreeMap::new();
        let names = TABLES.map(|(name, _)| name);
        for table in dump::some(&self.address, &names).await {
            let what = TABLES.iter().find(|(name, _)| *name == table.name).expect("asked for").1;
            for row in &table.rows {
                let bytes = |name: &str| {
                    row.iter().find_map(|(column, cell)| match cell {
                        Cell::Bytes(bytes) if column == name => Some(bytes.as_slice()),
                        _ => None,
                    })
                };
                let number = bytes("list").and_then(|list| {
                    self.lists.iter().position(|id| id.as_bytes().as_slice() == list)
                });
                let account = |name: &str| bytes(name).and_then(|id| self.world.accounts.get(id));
                let (Some(number), Some(account)) = (number, account("subject").copied()) else {
                    // Earlier messages, of which the model learned.
                    continue;
                };
                found.entry((what, number)).or_default().insert(account);
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
    assert!(count(|deed| matches!(deed, Deed::Showed(_, _, of) if of.len() >= 10)) >= 200);
    let ended = loans_ended(&simulation.history);
    assert!(ended >= 30, "{ended} loans lost what they rest on");
    simulation.world.town.test.app.db.close().await;
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

/// A simulation on SQLite in which one course of events went by under a schema that was changed like this.
async fn after_tampering(fresh: &FreshSqlite, sql: &str) -> Simulation {
    let mut simulation = Simulation::new(fresh.address()).await;
    dump::tamper(&fresh.address(), sql).await;
    simulation.run(0).await;
    simulation
}

/// Without the trigger that takes rows and scores away, the same simulation finds them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_house_that_forgets_to_clean_up_is_found_out() {
    let fresh = FreshSqlite::create();
    let simulation = after_tampering(&fresh, "drop trigger grant_end_removes_scores;").await;
    let found = wrongs(&simulation.history);
    assert!(found.iter().any(|wrong| matches!(wrong, Wrong::Ended(..))), "{found:?}");
    simulation.world.town.test.app.db.close().await;
}

/// Takes away what rests on a person's own consents, and forgets what they borrowed.
const FORGETFUL: &str = "
    drop trigger loans_end_with_their_token;
    drop trigger grant_end_removes_scores;
    create trigger grant_end_removes_scores after update of state on grants
    when old.state = 'given' and new.state <> 'given'
    begin
        delete from list_rows where subject = old.subject and messages_grant = old.id;
        delete from scores where subject = old.subject and relevance_grant = old.id;
        delete from list_loans where subject = old.subject and old.purpose = 'relevance';
    end;";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_house_that_forgets_what_was_lent_is_found_out() {
    let fresh = FreshSqlite::create();
    let mut simulation = after_tampering(&fresh, FORGETFUL).await;
    let stored = simulation.stored().await;
    let list = simulation.lists.len() - 1;
    let lent = stored[&(Shown::Loan, list)].intersection(&stored[&(Shown::Row, list)]);
    let lent: Vec<Account> = lent.copied().collect();
    let linking = PurposeKind::CrossAppLinking;
    let ends = [
        lent[0].to(linking),
        lent[1].peer().to(linking),
        lent[2].peer().to(PurposeKind::Relevance),
    ];
    for (account, consent) in lent.into_iter().zip(ends) {
        simulation.decide(consent).await;
        let found = wrongs(&simulation.history);
        for what in [Shown::Loan, Shown::Row, Shown::Score, Shown::Exposure] {
            let wrong = Wrong::Ended(what, list, account, consent);
            assert!(found.contains(&wrong), "{wrong:?} is not among {found:?}");
        }
    }
    simulation.world.town.test.app.db.close().await;
}
