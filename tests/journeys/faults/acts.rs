//! What the served program is asked to do, and what was heard of it. Nothing here expects an answer.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};
use volens::clock::{Clock as _, SystemClock};
use volens_privacy::consent::Decision;
use volens_privacy::{AppId, PurposeKind};

use super::base::{APPS, Base, ROWS, lends};
use super::every_place;
use crate::journeys::kill::{Acknowledged, lost, note, receipt};
use crate::support::TestApp;
use crate::support::program::Connection;
use crate::support::town::{link_report, name, report, view};

/// No list takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Who is erased; known since before.
const ERASED: &str = "before-1";
/// People of the town, by number, whose accounts are linked: whose link ends, who is seen once more, and
/// whose profile ends. With the last nothing is done.
const UNLINKED: usize = 0;
const SEEN_ONE: usize = 1;
const FORGOTTEN: usize = 2;
const LEFT_ALONE: usize = 4;
/// The reference of whoever is seen once more.
pub(super) const SEEN: &str = "u1";
/// Who is linked meanwhile.
const LINKED: &str = "linked";

/// How far the erasure came.
#[derive(Default, PartialEq, Eq, PartialOrd, Ord)]
enum Erasure {
    #[default]
    Unasked,
    Asked,
    Acknowledged,
}

/// What was acknowledged while the program was disturbed.
#[derive(Default)]
pub(super) struct Heard {
    /// Whether everything that was asked was done.
    pub(super) everything: bool,
    noted: Mutex<Acknowledged>,
    erasure: Erasure,
    seen: bool,
    list: Option<String>,
}

/// How many accounts consent before the other acts and after them. Where every place is tried, each act
/// is done once or twice: more of them would make the same calls again.
fn consenting() -> (usize, usize) {
    if every_place() { (2, 1) } else { (6, 2) }
}

/// Sends; what came back, if it is the expected status.
async fn ask(
    connection: &mut Connection,
    (method, path): (&str, &str),
    body: &Json,
    wanted: &[u16],
) -> Option<Json> {
    let (status, said) = connection.ask(method, path, body).await?;
    let said = serde_json::from_slice(&said).unwrap_or(Json::Null);
    wanted.contains(&status).then_some(said)
}

async fn register(connection: &mut Connection, account: &str) -> Option<()> {
    let details = json!({ "language": "en" });
    let path = format!("/v1/accounts/{account}");
    ask(connection, ("PUT", &path), &details, &[200, 201]).await.map(drop)
}

async fn give(
    connection: &mut Connection,
    account: &str,
    body: &Json,
    noted: &Mutex<Acknowledged>,
) -> Option<()> {
    let said = ask(connection, ("POST", "/v1/consents"), body, &[201]).await?;
    note(noted, account, Decision::Given, receipt(&said["receipts"][0]));
    Some(())
}

async fn withdraw(
    connection: &mut Connection,
    account: &str,
    (purpose, peer): (PurposeKind, Option<&str>),
    noted: &Mutex<Acknowledged>,
) -> Option<()> {
    let body = json!({"account": account, "purpose": purpose, "peer": peer});
    let said = ask(connection, ("POST", "/v1/consents/withdraw"), &body, &[200]).await?;
    note(noted, account, Decision::Withdrawn, receipt(&said["receipt"]));
    Some(())
}

/// Gives consents to messages and takes every third back.
pub(super) async fn messages(
    connection: &mut Connection,
    prefix: &str,
    times: usize,
    noted: &Mutex<Acknowledged>,
) -> Option<()> {
    let purpose = PurposeKind::BusinessMessages;
    for nth in 0..times {
        let account = format!("{prefix}-{nth}");
        register(connection, &account).await?;
        give(connection, &account, &report(&account, purpose), noted).await?;
        if nth % 3 == 0 {
            withdraw(connection, &account, (purpose, None), noted).await?;
        }
    }
    Some(())
}

/// Has a list made; its id once it is sealed.
pub(super) async fn list(connection: &mut Connection, campaign: &Json) -> Option<String> {
    let body = json!({"campaign": campaign, "size": ROWS, "holdout": 0.0});
    let asked = ask(connection, ("POST", "/v1/lists"), &body, &[202]).await?;
    let path = format!("/v1/lists/{}", asked["id"].as_str()?);
    let sealed = async {
        loop {
            let list = ask(connection, ("GET", &path), &Json::Null, &[200]).await?;
            match list["state"].as_str()? {
                "queued" | "building" => tokio::time::sleep(Duration::from_millis(20)).await,
                state => return (state == "sealed").then_some(()),
            }
        }
    };
    tokio::time::timeout(PATIENCE, sealed).await.ok()??;
    asked["id"].as_str().map(str::to_owned)
}

/// Does everything, one after the other; an act that is not answered is the end of its connection, and of
/// no other act.
pub(super) async fn serve(base: &Base, address: SocketAddr, heard: &mut Heard) {
    let noted = &heard.noted;
    let app = |nth: usize| Connection::open(address, Arc::clone(&base.apps[nth]));
    let (during, after) = consenting();
    let linking = PurposeKind::CrossAppLinking;
    let mut done = Vec::new();
    done.push(async { messages(&mut app(0).await?, "during", during, noted).await }.await);
    for nth in 0..2 {
        let linked = async {
            let mut app = app(nth).await?;
            register(&mut app, LINKED).await?;
            let report = link_report(LINKED, APPS[1 - nth], "+4915129000000", SystemClock.now());
            give(&mut app, LINKED, &report, noted).await
        };
        done.push(linked.await);
    }
    let unlinked = async {
        let what = (linking, Some(APPS[0]));
        withdraw(&mut app(1).await?, &name(UNLINKED), what, noted).await
    };
    done.push(unlinked.await);
    let seen = async {
        let batch = json!({"batch": [view(&name(SEEN_ONE), "once more")]});
        ask(&mut app(0).await?, ("POST", "/v1/batch"), &batch, &[200]).await.map(drop)
    };
    done.push(seen.await);
    heard.seen = done.last().is_some_and(Option::is_some);
    let forgotten = async {
        let what = (PurposeKind::Relevance, None);
        withdraw(&mut app(0).await?, &name(FORGOTTEN), what, noted).await
    };
    done.push(forgotten.await);
    heard.erasure = Erasure::Asked;
    let erased = async {
        let path = format!("/v1/accounts/{ERASED}");
        ask(&mut app(0).await?, ("DELETE", &path), &Json::Null, &[200]).await.map(drop)
    };
    done.push(erased.await);
    if done.last().is_some_and(Option::is_some) {
        heard.erasure = Erasure::Acknowledged;
    }
    let shop = Connection::open(address, Arc::clone(&base.shop));
    heard.list = async { list(&mut shop.await?, &base.campaign).await }.await;
    done.push(heard.list.as_ref().map(|_| ()));
    done.push(async { messages(&mut app(0).await?, "after", after, noted).await }.await);
    heard.everything = done.iter().all(Option::is_some);
}

impl Heard {
    /// What is not as it was acknowledged, before or meanwhile.
    pub(super) async fn broken(&self, base: &Base, test: &TestApp) -> Vec<String> {
        let mut expected = base.acknowledged.clone();
        expected.extend(self.noted.lock().expect("nobody panicked").clone());
        if self.erasure >= Erasure::Asked {
            expected.retain(|(_, account, _), _| account != ERASED);
        }
        let mut broken = lost(test, &expected).await;
        if self.erasure == Erasure::Acknowledged {
            let path = format!("/v1/accounts/{ERASED}");
            let found = test.client(&base.apps[0]).get(&path).await.status;
            if found != 404 {
                broken.push(format!("{ERASED} was erased and is there: {found}"));
            }
        }
        self.links(base, test, &mut broken).await;
        self.profiles(base, test, &mut broken).await;
        let rows = base.rows(test, &base.list).await;
        if !rows.iter().any(lends) {
            broken.push("nothing is lent to the list of before any more".to_owned());
        }
        if let Some(list) = &self.list {
            let rows = base.rows(test, list).await.len();
            if rows != ROWS {
                broken.push(format!("the list was sealed and has {rows} rows"));
            }
        }
        broken
    }

    fn heard(&self, of: (&str, &str), purpose: PurposeKind, decision: Decision) -> bool {
        let about = |(app, account, about): &(AppId, String, PurposeKind)| {
            app.as_str() == of.0 && account == of.1 && *about == purpose
        };
        let noted = self.noted.lock().expect("nobody panicked");
        noted.iter().any(|(key, (said, _))| about(key) && *said == decision)
    }

    async fn links(&self, base: &Base, test: &TestApp, broken: &mut Vec<String>) {
        let linking = PurposeKind::CrossAppLinking;
        let given = |app| self.heard((app, LINKED), linking, Decision::Given);
        let mut expected = vec![(name(LEFT_ALONE), 1)];
        if APPS.into_iter().all(given) {
            expected.push((LINKED.to_owned(), 1));
        }
        if self.heard((APPS[1], &name(UNLINKED)), linking, Decision::Withdrawn) {
            expected.push((name(UNLINKED), 0));
        }
        for (account, wanted) in expected {
            let links = base.links(test, &account).await;
            if links != wanted {
                broken.push(format!("{account} has {links} links, not {wanted}"));
            }
        }
    }

    async fn profiles(&self, base: &Base, test: &TestApp, broken: &mut Vec<String>) {
        let strength = base.strength(test, SEEN).await;
        // Taken in and not answered is allowed, twice is not; a little fades meanwhile.
        let least = base.strength + f64::from(u8::from(self.seen));
        if !(least - 0.1..base.strength + 1.1).contains(&strength) {
            broken.push(format!("{SEEN} was known by {least} and is by {strength}"));
        }
        let what = (PurposeKind::Relevance, Decision::Withdrawn);
        if self.heard((APPS[0], &name(FORGOTTEN)), what.0, what.1) {
            let strength = base.strength(test, &name(FORGOTTEN)).await;
            if strength > 0.0 {
                broken.push(format!("a profile outlived its consent, by {strength}"));
            }
        }
    }
}
