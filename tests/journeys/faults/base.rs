//! The installation in which things go wrong: what was acknowledged before, to be copied for each fault.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};
use volens::access::Caller;
use volens::clock::{Clock as _, SystemClock};
use volens_privacy::AppId;

use super::acts;
use crate::journeys::kill::Acknowledged;
use crate::journeys::withdrawal_under_load::world::World;
use crate::support::TestApp;
use crate::support::program::{Connection, Program};
use crate::support::town::SMALL;

/// People with linked accounts in two apps, of whom lists are made.
const PEOPLE: usize = 15;
/// Rows of every list: so many are left of them when some people withdrew.
pub(super) const ROWS: usize = 10;
/// What the program is told besides where its data are.
pub(super) const SETTINGS: [(&str, &str); 1] = [("VOLENS_LISTS_K_FLOOR", "10")];
pub(super) const APPS: [&str; 2] = ["messenger", "photos"];

pub(super) struct Base {
    directory: tempfile::TempDir,
    pub(super) apps: [Arc<str>; 2],
    pub(super) shop: Arc<str>,
    pub(super) campaign: Json,
    pub(super) acknowledged: Acknowledged,
    /// A sealed list, for whose rows the other app lent.
    pub(super) list: String,
    /// How well [`acts::SEEN`] is known.
    pub(super) strength: f64,
}

pub(super) fn database(directory: &Path) -> String {
    format!("sqlite:{}", directory.join("volens.db").display())
}

impl Base {
    pub(super) async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let database = database(directory.path());
        let test = TestApp::open_in(directory.path(), &database, &[SMALL]).await;
        // A model is never from the future; its lessons take an hour.
        test.clock.set(SystemClock.now().minus(Duration::from_hours(2)));
        let world = World::new(test, PEOPLE).await;
        let test = &world.town.test;
        let key = async |caller| Arc::<str>::from(test.key_of(&caller).await);
        let [messenger, photos] = APPS.map(|app| Caller::App(AppId::parse(app).expect("a slug")));
        let apps = [key(messenger).await, key(photos).await];
        let shop = key(Caller::Business(world.town.business)).await;
        let [campaign, _] = world.campaigns().await;
        test.app.db.close().await;
        drop(world);

        let program = Program::start(directory.path(), &database, &SETTINGS).await;
        let open = async |key: &Arc<str>| {
            Connection::open(program.address, Arc::clone(key)).await.expect("it accepts")
        };
        let noted = Mutex::new(Acknowledged::new());
        acts::messages(&mut open(&apps[0]).await, "before", 12, &noted).await.expect("it answers");
        let list = acts::list(&mut open(&shop).await, &campaign).await.expect("it is sealed");
        program.kill().await;
        let acknowledged = noted.into_inner().expect("nobody panicked");
        let strength = 0.0;
        let mut base = Self { directory, apps, shop, campaign, acknowledged, list, strength };
        let copy = base.copy();
        let test = base.open(copy.path()).await;
        base.strength = base.strength(&test, acts::SEEN).await;
        assert!(base.strength > 0.5, "somebody is known");
        assert!(base.rows(&test, &base.list).await.iter().any(lends), "something is lent");
        test.app.db.close().await;
        base
    }

    pub(super) fn copy(&self) -> tempfile::TempDir {
        let copy = tempfile::tempdir().expect("a temporary directory");
        for entry in fs::read_dir(self.directory.path()).expect("a directory") {
            let entry = entry.expect("an entry");
            if entry.file_type().expect("a type").is_file() {
                fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("copied");
            }
        }
        copy
    }

    /// The service over a copy, today.
    pub(super) async fn open(&self, directory: &Path) -> TestApp {
        let test = TestApp::open_in(directory, &database(directory), &[SMALL]).await;
        test.clock.set(SystemClock.now());
        test
    }

    /// With how many accounts of the photo app the messenger's is linked.
    pub(super) async fn links(&self, test: &TestApp, account: &str) -> usize {
        let path = format!("/v1/accounts/{account}/links");
        let said = test.client(&self.apps[0]).get(&path).await.expect(200);
        said["links"].as_array().expect("links").len()
    }

    /// How well the messenger knows what somebody likes.
    pub(super) async fn strength(&self, test: &TestApp, account: &str) -> f64 {
        let path = format!("/v1/accounts/{account}/interests");
        let said = test.client(&self.apps[0]).get(&path).await.expect(200);
        said[0]["strength"][2].as_f64().unwrap_or(0.0)
    }

    /// What is served of a sealed list. All that the tables hold of it may be.
    pub(super) async fn rows(&self, test: &TestApp, list: &str) -> Vec<Json> {
        let path = format!("/v1/lists/{list}/recipients");
        let page = test.client(&self.shop).get(&path).await.expect(200);
        assert_eq!(page["dropped"], json!(0), "{list}");
        page["data"].as_array().expect("rows").clone()
    }
}

/// Whether something was lent for this row.
pub(super) fn lends(row: &Json) -> bool {
    row["consent"]["borrowed"].is_array()
}
