//! kill -9 in the middle of consent writes.
//!
//! The real program serves on a socket while sixteen connections give and take back consents. It is
//! killed without warning, several times, and started again. Whatever it acknowledged must be there:
//! every consent, every withdrawal, each with the receipt it handed out; and the ledger must verify.
//! (A power cut is a harder test than a kill and needs its own machine: the kernel keeps what a
//! killed process has written.)

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use volens::db::testing::{FreshPostgres, FreshSqlite, skipped};
use volens::{accounts, consent};
use volens_privacy::consent::Decision;
use volens_privacy::{AppId, Consents, PurposeKind, Receipt};

use crate::support::TestApp;
use crate::support::program::{Connection, Program, command};

/// Times the program is killed.
const ROUNDS: u64 = 4;
/// Connections that write.
const CONNECTIONS: usize = 16;
/// Acknowledgements before a kill: somewhere in this range.
const ACKNOWLEDGED: std::ops::Range<usize> = 60..240;

/// What was acknowledged to an account of an app about a purpose: the latest decision, with its receipt.
pub(super) type Acknowledged = BTreeMap<(AppId, String, PurposeKind), (Decision, Receipt)>;

/// What the app does on one connection.
impl Connection {
    /// Gives a consent; the receipt, once acknowledged.
    pub(super) async fn give(&mut self, account: &str) -> Option<Receipt> {
        let details = json!({ "language": "en" });
        let (status, _) = self.send("PUT", &format!("/v1/accounts/{account}"), &details).await?;
        assert!(status == 200 || status == 201, "an account is made: {status}");
        let report = json!({
            "account": account,
            "notice": {
                "id": "messages", "version": 1, "language": "en",
                "rendered_sha256": "9f".repeat(32),
            },
            "decisions": [{ "purpose": "business_messages", "decision": "given" }],
        });
        let (status, answer) = self.send("POST", "/v1/consents", &report).await?;
        assert_eq!(status, 201, "{answer}");
        Some(receipt(&answer["receipts"][0]))
    }

    /// Takes it back; the receipt, once acknowledged.
    pub(super) async fn withdraw(&mut self, account: &str) -> Option<Receipt> {
        let report = json!({ "account": account, "purpose": "business_messages" });
        let (status, answer) = self.send("POST", "/v1/consents/withdraw", &report).await?;
        assert_eq!(status, 200, "{answer}");
        Some(receipt(&answer["receipt"]))
    }
}

pub(super) fn receipt(value: &Value) -> Receipt {
    Receipt::from_json(value.to_string().as_bytes()).expect("an acknowledgement holds a receipt")
}

/// Gives consents on one connection and takes every third back, until nobody answers.
async fn write(mut connection: Connection, name: String, noted: Arc<Mutex<Acknowledged>>) {
    for nth in 0.. {
        let account = format!("{name}-{nth}");
        let Some(given) = connection.give(&account).await else { return };
        note(&noted, &account, Decision::Given, given);
        if nth % 3 == 0 {
            let Some(taken) = connection.withdraw(&account).await else { return };
            note(&noted, &account, Decision::Withdrawn, taken);
        }
    }
}

pub(super) fn note(
    noted: &Mutex<Acknowledged>,
    account: &str,
    decision: Decision,
    receipt: Receipt,
) {
    let of = (receipt.record().app.clone(), account.to_owned(), receipt.record().purpose);
    noted.lock().expect("no writer panicked").insert(of, (decision, receipt));
}

/// One life of the program: it serves, writers write, and it is killed among them.
async fn one_life(program: Program, key: &Arc<str>, round: u64) -> Acknowledged {
    let noted = Arc::new(Mutex::new(Acknowledged::new()));
    let mut writers = JoinSet::new();
    for nth in 0..CONNECTIONS {
        let connection = Connection::open(program.address, Arc::clone(key)).await;
        let connection = connection.expect("the program accepts connections");
        writers.spawn(write(connection, format!("r{round}-c{nth}"), Arc::clone(&noted)));
    }
    let enough = StdRng::seed_from_u64(round).random_range(ACKNOWLEDGED);
    while noted.lock().expect("no writer panicked").len() < enough {
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert!(writers.len() == CONNECTIONS && writers.try_join_next().is_none(), "all write");
    }
    program.kill().await;
    while let Some(ended) = writers.join_next().await {
        ended.expect("a writer notices that nobody answers");
    }
    Arc::into_inner(noted).expect("all writers ended").into_inner().expect("none panicked")
}

/// The decision on record now, from verified entries only.
fn on_record(consents: &Consents, about: PurposeKind) -> Option<Decision> {
    let latest = consents.history().iter().rfind(|entry| entry.record.purpose == about);
    latest.map(|entry| entry.record.decision)
}

/// What was acknowledged and is not in the database.
pub(super) async fn lost(test: &TestApp, acknowledged: &Acknowledged) -> Vec<String> {
    let (keys, log) = (&test.app.keys, test.app.keys.log_verifier());
    let mut tx = test.app.db.read().await.expect("a snapshot");
    let mut lost = Vec::new();
    for ((app, account, purpose), (decision, receipt)) in acknowledged {
        let subject = accounts::subject_of(&mut tx, keys, app, account).await.expect("it answers");
        let Some(subject) = subject else {
            lost.push(format!("{account} of {app} is not known"));
            continue;
        };
        let mut all = consent::consents_of(&mut tx, keys, &[subject]).await.expect("it answers");
        let consents = all.remove(&subject).expect("what is there verifies");
        // A withdrawal that was under way when the program died may have been recorded unheard.
        let recorded = on_record(&consents, *purpose);
        let unheard = *decision == Decision::Given && recorded == Some(Decision::Withdrawn);
        if recorded != Some(*decision) && !unheard {
            lost.push(format!("{account} of {app}: {purpose} was acknowledged as {decision}"));
        }
        let report = receipt.verify(&log).expect("the receipt verifies");
        let kept = consents.history().iter().find(|entry| entry.index == report.index());
        if kept.map(|entry| entry.record.id) != Some(receipt.record().id) {
            lost.push(format!("{account} of {app}: entry {} is another", report.index()));
        }
    }
    lost
}

/// Acknowledgements of things that never happened, made from real ones: both must be missed.
fn never_happened(acknowledged: &Acknowledged) -> Acknowledged {
    let mut pairs = acknowledged.iter().filter(|(_, (decision, _))| *decision == Decision::Given);
    let (_, (_, stranger)) = pairs.next().expect("a consent was acknowledged");
    let (other, _) = pairs.next().expect("another was too");
    let nobody = (other.0.clone(), "nobody".to_owned(), other.2);
    Acknowledged::from([
        (nobody, (Decision::Given, stranger.clone())),
        (other.clone(), (Decision::Refused, stranger.clone())),
    ])
}

async fn acknowledged_consents_survive(database: &str) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let app = AppId::parse("messenger").expect("a slug");
    let key: Arc<str> = {
        let test = TestApp::open_in(directory.path(), database, &[]).await;
        drop(test.new_app(app.as_str()).await);
        let key = test.key_of(&volens::access::Caller::App(app.clone())).await;
        test.app.db.close().await;
        key.into()
    };
    let mut all = Acknowledged::new();
    for round in 0..ROUNDS {
        let program = Program::start(directory.path(), database, &[]).await;
        all.extend(one_life(program, &key, round).await);
        let verified = command(directory.path(), database).args(["ledger", "verify"]).output();
        let verified = verified.await.expect("the program runs");
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
        let test = TestApp::open_in(directory.path(), database, &[]).await;
        assert_eq!(lost(&test, &all).await, Vec::<String>::new());
        assert_eq!(lost(&test, &never_happened(&all)).await.len(), 3, "a loss is noticed");
        test.app.db.close().await;
    }
    assert!(all.len() >= ROUNDS as usize * ACKNOWLEDGED.start, "there was much to lose");
    assert!(all.values().any(|(decision, _)| *decision == Decision::Withdrawn));
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_consents_survive_a_kill_on_sqlite() {
    let fresh = FreshSqlite::create();
    acknowledged_consents_survive(&fresh.address()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_consents_survive_a_kill_on_postgres() {
    let Some(fresh) = FreshPostgres::create().await else { return skipped() };
    acknowledged_consents_survive(&fresh.address()).await;
    fresh.drop_database().await;
}
