//! Each role does what it came for, in Chromium. Every page on the way is checked: no refused
//! content, no error of a script, and nothing that shuts people out, in light, in dark and on a
//! telephone.

mod business;
mod chat;
mod desk;
mod driver;
mod officer;
mod person;
mod variants;

use serde_json::json;
use volens::access::{Caller, directory, sessions};
use volens::db::testing::FreshSqlite;

use self::driver::Browser;
use crate::support::TestApp;
use crate::support::server::Server;

/// Returns sentences about what a page lacks.
const CHECKS: &str = include_str!("browser/checks.js");

/// The service on a socket, with its database.
struct Site {
    test: TestApp,
    server: Server,
    _database: FreshSqlite,
}

impl Site {
    async fn start() -> Self {
        Self::with(&[]).await
    }

    async fn with(settings: &[(&str, &str)]) -> Self {
        let database = FreshSqlite::create();
        Self::around(TestApp::open(&database.address(), settings).await, database).await
    }

    /// With whatever is in the service already.
    async fn around(test: TestApp, database: FreshSqlite) -> Self {
        let server = Server::start(&test).await;
        Self { test, server, _database: database }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address)
    }

    /// A one-time sign-in link for a user, who is made if there is none of this address.
    async fn sign_in_link(&self, email: &str, caller: Caller) -> String {
        let (app, mut rng, now) = (&self.test.app, self.test.app.rng(), self.test.app.now());
        let stretch = (&app.stretch, &app.settings.stretch);
        let new = directory::prepare_user(stretch, &mut rng, email, None, caller).await;
        let mut tx = app.db.begin().await.expect("a transaction");
        let known = directory::user_by_email(&mut tx, email).await.expect("it answers");
        let id = if let Some(id) = known {
            id
        } else {
            let new = new.expect("a valid user");
            directory::create_user(&mut tx, &mut rng, new, now).await.expect("a user").id
        };
        let times = (now, now.plus(std::time::Duration::from_mins(15)));
        let link = sessions::link(&mut tx, &app.keys, &mut rng, id, times).await.expect("a link");
        tx.commit().await.expect("it is kept");
        self.url(&format!("/sign-in?link={}", link.expose()))
    }

    async fn stop(mut self) {
        self.server.ask_to_stop();
        self.server.ended().await;
    }
}

/// Signs in by a one-time link, as a person does.
async fn sign_in(browser: &Browser, site: &Site, email: &str, caller: Caller) {
    browser.open(&site.sign_in_link(email, caller).await).await;
    check(browser, "sign-in").await;
    browser.press("Continue").await;
    browser.sees(email).await;
}

/// Checks the page the browser is on: light, dark, and as narrow as a telephone.
async fn check(browser: &Browser, page: &str) {
    for (theme, width) in [("light", 1280), ("dark", 1280), ("light", 360)] {
        // Without motion, so that no colour is on its way to another one.
        let features = json!([
            {"name": "prefers-color-scheme", "value": theme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        browser.devtools("Emulation.setEmulatedMedia", json!({"features": features})).await;
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        browser.devtools("Emulation.setDeviceMetricsOverride", size).await;
        let found = browser.client.execute(CHECKS, Vec::new()).await.expect("the checks run");
        let none = found.as_array().is_some_and(Vec::is_empty);
        assert!(none, "{page}, {theme}, {width} pixels: {found:#}");
    }
    browser.devtools("Emulation.clearDeviceMetricsOverride", json!({})).await;
    let complaints = browser.complaints().await;
    assert!(complaints.is_empty(), "{page}: {complaints:#?}");
}
