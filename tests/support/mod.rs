//! The whole service for a test: its own database, its own directory, a clock that stands still.
//!
//! ```text
//! on_both(|test| async move {
//!     let network = test.new_app("facelook").await;
//!     let (business, shop) = test.new_business("Shop").await;
//!     shop.post("/v1/campaigns", json!({…})).await.expect(201);
//!     test.clock.advance(DAY);
//! }).await;
//! ```

mod client;
pub(crate) mod desk;
pub(crate) mod program;
pub(crate) mod server;
pub(crate) mod town;

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use volens::access::{Caller, directory, keys};
use volens::app::App;
use volens::assessments;
use volens::clock::ManualClock;
use volens::config::{self, Settings};
use volens::db::testing::{FreshPostgres, FreshSqlite, required};
use volens::web::router;
use volens_privacy::{AppId, BusinessId, PhoneEncoding, Timestamp};

pub(crate) use self::client::{Answer, Client};

/// 2026-01-15 12:00:00 UTC: when every test begins.
pub(crate) const START: Timestamp = Timestamp::from_micros(1_768_478_400_000_000);
/// For `clock.advance`.
pub(crate) const DAY: Duration = Duration::from_hours(24);

/// A service of its own.
pub(crate) struct TestApp {
    /// What handlers get.
    pub(crate) app: App,
    /// Its clock.
    pub(crate) clock: Arc<ManualClock>,
    router: Router,
    directory: Option<tempfile::TempDir>,
}

/// Runs `body` with the whole service on SQLite, then on PostgreSQL (skipped aloud without a
/// server, as in `db::testing`).
pub(crate) async fn on_both<F, R>(body: F)
where
    F: Fn(TestApp) -> R,
    R: Future<Output = ()>,
{
    body_with(&[], &body).await;
}

/// [`on_both`] with some settings changed, as `(key, text)`.
pub(crate) async fn on_both_with<F, R>(flags: &[(&str, &str)], body: F)
where
    F: Fn(TestApp) -> R,
    R: Future<Output = ()>,
{
    body_with(flags, &body).await;
}

async fn body_with<F, R>(flags: &[(&str, &str)], body: &F)
where
    F: Fn(TestApp) -> R,
    R: Future<Output = ()>,
{
    let sqlite = FreshSqlite::create();
    body(TestApp::open(&sqlite.address(), flags).await).await;
    let Some(postgres) = FreshPostgres::create().await else {
        assert!(
            !required("postgres"),
            "PostgreSQL is required and VOLENS_TEST_POSTGRES is not set"
        );
        return skipped();
    };
    body(TestApp::open(&postgres.address(), flags).await).await;
    postgres.drop_database().await;
}

#[expect(clippy::print_stderr, reason = "a skipped tier must be seen")]
fn skipped() {
    eprintln!("SKIPPED postgres: VOLENS_TEST_POSTGRES is not set");
}

impl TestApp {
    /// Opens the service on a database address, in a directory of its own.
    pub(crate) async fn open(database: &str, flags: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let mut test = Self::open_in(directory.path(), database, flags).await;
        test.directory = Some(directory);
        test
    }

    /// Opens the service on a database address, in a directory that outlives it.
    pub(crate) async fn open_in(directory: &Path, database: &str, flags: &[(&str, &str)]) -> Self {
        let settings = settings(directory, database, flags);
        let clock = Arc::new(ManualClock::at(START));
        let rng = StdRng::seed_from_u64(42);
        let app = App::open(settings, Arc::<ManualClock>::clone(&clock), rng)
            .await
            .expect("the service opens");
        Self { router: router::router(app.clone()), app, clock, directory: None }
    }

    /// Where its key ring and indexes are.
    pub(crate) fn directory(&self) -> &Path {
        &self.app.settings.data
    }

    /// The service as a function, to be served on a socket.
    pub(crate) fn router(&self) -> Router {
        self.router.clone()
    }

    /// A client without a credential.
    pub(crate) fn anonymous(&self) -> Client {
        Client::new(self.router.clone(), None)
    }

    /// A client with an API key.
    pub(crate) fn client(&self, key: &str) -> Client {
        Client::new(self.router.clone(), Some(format!("Bearer {key}")))
    }

    /// A client of `caller`, with a new API key.
    pub(crate) async fn client_of(&self, caller: &Caller) -> Client {
        self.client(&self.key_of(caller).await)
    }

    /// A new API key of `caller`.
    pub(crate) async fn key_of(&self, caller: &Caller) -> String {
        let (app, mut rng) = (&self.app, self.app.rng());
        let mut tx = app.db.begin().await.expect("a transaction");
        let key = keys::issue(&mut tx, &app.keys, &mut rng, caller, "test", app.now())
            .await
            .expect("a key is made");
        tx.commit().await.expect("it is kept");
        key.text.to_string()
    }

    /// A new app and its client.
    pub(crate) async fn new_app(&self, slug: &str) -> Client {
        let id = AppId::parse(slug).expect("a valid slug");
        let mut tx = self.app.db.begin().await.expect("a transaction");
        let record = directory::AppRecord {
            id: id.clone(),
            title: slug.to_owned(),
            phone_encoding: PhoneEncoding::E164,
            region: Some("DE".to_owned()),
            created_at: self.app.now(),
        };
        directory::create_app(&mut tx, &record).await.expect("an app is made");
        tx.commit().await.expect("it is kept");
        self.client_of(&Caller::App(id)).await
    }

    /// Attaches the assessments without which nobody is linked.
    pub(crate) async fn assess(&self) {
        let app = &self.app;
        let mut tx = app.db.begin().await.expect("a transaction");
        for purpose in assessments::missing(&mut tx).await.expect("known") {
            let document = ("tests/1", [7; 32]);
            let done = assessments::attach(&mut tx, &app.keys, purpose, document, app.now());
            done.await.expect("attached");
        }
        tx.commit().await.expect("a commit");
    }

    /// A new business and its client.
    pub(crate) async fn new_business(&self, name: &str) -> (BusinessId, Client) {
        let mut tx = self.app.db.begin().await.expect("a transaction");
        let made = directory::create_business(&mut tx, &mut self.app.rng(), name, self.app.now())
            .await
            .expect("a business is made");
        tx.commit().await.expect("it is kept");
        (made.id, self.client_of(&Caller::Business(made.id)).await)
    }

    /// A client of the operator.
    pub(crate) async fn operator(&self) -> Client {
        self.client_of(&Caller::Operator).await
    }

    /// A client of a privacy officer.
    pub(crate) async fn officer(&self) -> Client {
        self.client_of(&Caller::Officer).await
    }

    /// A client of an agent of `business`.
    pub(crate) async fn agent(&self, business: BusinessId) -> Client {
        self.client_of(&Caller::Agent(business)).await
    }
}

/// The settings of a test.
pub(crate) fn settings(directory: &Path, database: &str, flags: &[(&str, &str)]) -> Settings {
    let mut all: Vec<(&str, String)> =
        vec![("data", directory.display().to_string()), ("database.url", database.to_owned())];
    all.extend(flags.iter().map(|(key, text)| (*key, (*text).to_owned())));
    config::load(None, [], &all).expect("valid settings")
}
