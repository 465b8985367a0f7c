//! What goes on while keys rotate. Any refusal fails the test.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::task::JoinSet;
use volens::access::Caller;
use volens::clock::{Clock as _, SystemClock};
use volens_privacy::consent::Decision;
use volens_privacy::{AppId, PurposeKind};

use super::super::kill::{Acknowledged, note, receipt};
use super::super::withdrawal_under_load::world::World;
use crate::support::TestApp;
use crate::support::program::Connection;
use crate::support::town::{link_report, report, view};

/// Connections that do each of the things.
const CONNECTIONS: [(Kind, usize); 4] =
    [(Kind::Messages, 3), (Kind::Links, 2), (Kind::Looks, 2), (Kind::Lists, 1)];
/// Looks by which somebody is known before the next one looks.
const LOOKS: u32 = 8;
const APPS: [&str; 2] = ["messenger", "photos"];
/// Nothing takes longer.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Consents to messages are given, and every third is taken back.
    Messages,
    /// Accounts are linked, and every other link is ended, on either side.
    Links,
    /// People are seen, and every third profile ends with its consent.
    Looks,
    /// Lists are made and read.
    Lists,
}

/// API keys of the two apps and the shop.
pub(super) struct Keys {
    apps: [Arc<str>; 2],
    shop: Arc<str>,
}

impl Keys {
    pub(super) async fn of(world: &World) -> Self {
        let key = async |caller| Arc::<str>::from(world.town.test.key_of(&caller).await);
        let [messenger, photos] = APPS.map(|app| Caller::App(AppId::parse(app).expect("a slug")));
        let shop = Caller::Business(world.town.business);
        Self { apps: [key(messenger).await, key(photos).await], shop: key(shop).await }
    }
}

/// Everything that was answered, to be looked for afterwards.
pub(super) struct Load {
    address: SocketAddr,
    keys: Keys,
    campaigns: [Json; 2],
    noted: Mutex<Acknowledged>,
    /// Whether people are linked.
    linked: Mutex<BTreeMap<String, bool>>,
    /// How often people were seen, whose consent lives.
    seen: Mutex<BTreeMap<String, u32>>,
    lists: Mutex<Vec<String>>,
    /// How often each of the things was done.
    done: [AtomicUsize; CONNECTIONS.len()],
    over: AtomicBool,
}

impl Load {
    pub(super) fn new(address: SocketAddr, keys: Keys, campaigns: [Json; 2]) -> Self {
        Self {
            address,
            keys,
            campaigns,
            noted: Mutex::default(),
            linked: Mutex::default(),
            seen: Mutex::default(),
            lists: Mutex::default(),
            done: [const { AtomicUsize::new(0) }; CONNECTIONS.len()],
            over: AtomicBool::new(false),
        }
    }

    /// Everything begins.
    pub(super) async fn begin(load: &Arc<Self>) -> JoinSet<()> {
        let mut writers = JoinSet::new();
        for (kind, connections) in CONNECTIONS {
            for nth in 0..connections {
                let writer = Writer {
                    apps: [
                        load.connect(&load.keys.apps[0]).await,
                        load.connect(&load.keys.apps[1]).await,
                    ],
                    shop: load.connect(&load.keys.shop).await,
                    load: Arc::clone(load),
                    name: format!("w{nth}"),
                };
                writers.spawn(writer.write(kind));
            }
        }
        writers
    }

    async fn connect(&self, key: &Arc<str>) -> Connection {
        let connection = Connection::open(self.address, Arc::clone(key)).await;
        connection.expect("the program accepts connections")
    }

    /// Waits until each of the things was done once more.
    pub(super) async fn goes_on(&self, writers: &mut JoinSet<()>) {
        let done = || self.done.each_ref().map(|done| done.load(Ordering::Relaxed));
        let before = done();
        let more = async {
            while done().iter().zip(before).any(|(now, before)| *now < before + 2) {
                if let Some(ended) = writers.try_join_next() {
                    panic!("a writer was refused: {ended:?}");
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, more).await.expect("everything goes on");
    }

    pub(super) async fn end(&self, mut writers: JoinSet<()>) {
        self.over.store(true, Ordering::Relaxed);
        while let Some(ended) = writers.join_next().await {
            ended.expect("a writer was never refused");
        }
    }

    /// Every decision that was acknowledged.
    pub(super) fn acknowledged(&self) -> Acknowledged {
        self.noted.lock().expect("nobody panicked").clone()
    }

    /// Links, profiles and the newest list are as they were answered.
    pub(super) async fn check(&self, test: &TestApp) {
        let app = test.client(&self.keys.apps[0]);
        let linked = self.linked.lock().expect("nobody panicked").clone();
        assert!(linked.values().any(|linked| *linked) && linked.values().any(|linked| !*linked));
        for (account, linked) in linked {
            let said = app.get(&format!("/v1/accounts/{account}/links")).await.expect(200);
            let links = said["links"].as_array().expect("links").len();
            assert_eq!(links, usize::from(linked), "{account}");
        }
        let seen = self.seen.lock().expect("nobody panicked").clone();
        assert!(seen.values().any(|times| *times == 0) && seen.values().any(|times| *times > 0));
        for (account, times) in seen {
            let said = app.get(&format!("/v1/accounts/{account}/interests")).await.expect(200);
            let strength = &said[0]["strength"][2];
            let faded = f64::from(times) - strength.as_f64().unwrap_or(0.0);
            // A clock that was set back makes what was seen a little stronger than new.
            assert!(faded.abs() < 0.1, "{account} was seen {times} times: {said}");
        }
        let list = self.lists.lock().expect("nobody panicked").last().cloned().expect("a list");
        let path = format!("/v1/lists/{list}/recipients");
        let page = test.client(&self.keys.shop).get(&path).await.expect(200);
        assert_eq!(
            (page["data"].as_array().map(Vec::len), &page["dropped"]),
            (Some(12), &json!(0))
        );
    }
}

/// Whoever does one of the things, over and over.
struct Writer {
    load: Arc<Load>,
    name: String,
    apps: [Connection; 2],
    shop: Connection,
}

impl Writer {
    async fn write(mut self, kind: Kind) {
        let at = CONNECTIONS.iter().position(|(one, _)| *one == kind).expect("one of them");
        for nth in 0.. {
            if self.load.over.load(Ordering::Relaxed) {
                return;
            }
            let account = format!("{}-{nth}", self.name);
            match kind {
                Kind::Messages => self.messages(&format!("m{account}"), nth).await,
                Kind::Links => self.link(&format!("l{account}"), nth).await,
                Kind::Looks => self.look(&format!("s{account}"), nth).await,
                Kind::Lists => self.list(nth).await,
            }
            self.load.done[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn messages(&mut self, account: &str, nth: usize) {
        let given = self.apps[0].give(account).await.expect("it answers all the time");
        note(&self.load.noted, account, Decision::Given, given);
        if nth.is_multiple_of(3) {
            let taken = self.apps[0].withdraw(account).await.expect("it answers all the time");
            note(&self.load.noted, account, Decision::Withdrawn, taken);
        }
    }

    async fn link(&mut self, account: &str, nth: usize) {
        let writer: usize = self.name[1..].parse().expect("a number");
        let phone = format!("+49152{writer:02}{nth:06}");
        for app in 0..2 {
            self.register(app, account).await;
        }
        // With the pepper between two versions the tokens of both sides may be of different ones.
        let mut links = 0;
        for _ in 0..3 {
            for app in 0..2 {
                let now = SystemClock.now();
                self.give(app, account, &link_report(account, APPS[1 - app], &phone, now)).await;
            }
            links = self.links(account).await;
            if links == 1 {
                break;
            }
        }
        assert_eq!(links, 1, "{account}");
        if nth.is_multiple_of(2) {
            let app = nth / 2 % 2;
            let body = json!({"account": account, "purpose": PurposeKind::CrossAppLinking,
                              "peer": APPS[1 - app]});
            self.withdraw(app, account, &body).await;
            assert_eq!(self.links(account).await, 0, "{account}");
        }
        let linked = nth % 2 == 1;
        self.load.linked.lock().expect("nobody panicked").insert(account.to_owned(), linked);
    }

    async fn look(&mut self, account: &str, nth: usize) {
        self.register(0, account).await;
        self.give(0, account, &report(account, PurposeKind::Relevance)).await;
        for look in 0..LOOKS {
            let batch = json!({"batch": [view(account, &format!("{account}-{look}"))]});
            let answer = self.apps[0].send("POST", "/v1/batch", &batch).await;
            let (status, said) = answer.expect("it answers all the time");
            assert_eq!(status, 200, "{said}");
        }
        let ends = nth.is_multiple_of(3);
        if ends {
            let body = json!({"account": account, "purpose": PurposeKind::Relevance});
            self.withdraw(0, account, &body).await;
        }
        let times = if ends { 0 } else { LOOKS };
        self.load.seen.lock().expect("nobody panicked").insert(account.to_owned(), times);
    }

    async fn list(&mut self, nth: usize) {
        let body = json!({"campaign": self.load.campaigns[nth % 2], "size": 12, "holdout": 0.0});
        let asked = self.shop.send("POST", "/v1/lists", &body).await;
        let (status, asked) = asked.expect("it answers all the time");
        assert_eq!(status, 202, "{asked}");
        let path = format!("/v1/lists/{}", asked["id"].as_str().expect("an id"));
        let sealed = async {
            loop {
                let (status, list) =
                    self.shop.send("GET", &path, &Json::Null).await.expect("an answer");
                assert_eq!(status, 200, "{list}");
                match list["state"].as_str() {
                    Some("queued" | "building") => {}
                    state => return assert_eq!(state, Some("sealed"), "{list}"),
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, sealed).await.expect("lists are made in time");
        let page = self.shop.send("GET", &format!("{path}/recipients"), &Json::Null).await;
        let (status, page) = page.expect("it answers all the time");
        assert_eq!((status, page["data"].as_array().map(Vec::len)), (200, Some(12)), "{page}");
        let lends = |row: &Json| row["consent"]["borrowed"].is_array();
        assert!(page["data"].as_array().expect("rows").iter().any(lends), "nothing is lent");
        let id = asked["id"].as_str().expect("an id").to_owned();
        self.load.lists.lock().expect("nobody panicked").push(id);
    }

    async fn register(&mut self, app: usize, account: &str) {
        let details = json!({"language": "en", "country": "IE", "age_band": "25_34"});
        let answer = self.apps[app].send("PUT", &format!("/v1/accounts/{account}"), &details).await;
        let (status, said) = answer.expect("it answers all the time");
        assert!(status == 200 || status == 201, "{said}");
    }

    async fn give(&mut self, app: usize, account: &str, body: &Json) {
        let answer = self.apps[app].send("POST", "/v1/consents", body).await;
        let (status, said) = answer.expect("it answers all the time");
        assert_eq!(status, 201, "{said}");
        note(&self.load.noted, account, Decision::Given, receipt(&said["receipts"][0]));
    }

    async fn withdraw(&mut self, app: usize, account: &str, body: &Json) {
        let answer = self.apps[app].send("POST", "/v1/consents/withdraw", body).await;
        let (status, said) = answer.expect("it answers all the time");
        assert_eq!(status, 200, "{said}");
        note(&self.load.noted, account, Decision::Withdrawn, receipt(&said["receipt"]));
    }

    /// With how many accounts of other apps this one is linked.
    async fn links(&mut self, account: &str) -> usize {
        let path = format!("/v1/accounts/{account}/links");
        let answer = self.apps[0].send("GET", &path, &Json::Null).await;
        let (status, said) = answer.expect("it answers all the time");
        assert_eq!(status, 200, "{said}");
        said["links"].as_array().expect("a list").len()
    }
}
