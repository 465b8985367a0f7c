//! A real Chromium through Debian's chromedriver: started on a free port, ended by its process id.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::elements::Element;
use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard};
use volens::db::testing::required;

/// No element takes longer to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// One browser at a time: two would only slow each other down.
static ONE: Mutex<()> = Mutex::const_new(());

/// A browser with an empty profile.
pub(crate) struct Browser {
    pub(crate) client: Client,
    port: u16,
    session: String,
    driver: Driver,
    _profile: tempfile::TempDir,
    _one: MutexGuard<'static, ()>,
}

/// The chromedriver process. Ended with it, whatever happens: it takes its Chromium along.
struct Driver(Child);

impl Drop for Driver {
    fn drop(&mut self) {
        let id = self.0.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status();
        if !asked.is_ok_and(|status| status.success()) {
            drop(self.0.kill());
        }
        drop(self.0.wait());
    }
}

/// Whether pages may run scripts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scripts {
    On,
    Off,
}

impl Browser {
    /// Starts one; nothing, aloud, where there is no chromedriver.
    pub(crate) async fn start(scripts: Scripts) -> Option<Self> {
        let one = ONE.lock().await;
        let Some((driver, port)) = start_driver() else {
            assert!(!required("browser"), "a browser is required and chromedriver is not there");
            skipped();
            return None;
        };
        let profile = tempfile::tempdir().expect("a temporary directory can be made");
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(&profile.path().display().to_string(), scripts))
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("a browser starts");
        let session = client.session_id().await;
        let session = session.ok().flatten().expect("the browser has a session");
        Some(Self { client, port, session, driver, _profile: profile, _one: one })
    }

    /// Ends it in good order.
    pub(crate) async fn stop(self) {
        let Self { client, driver, .. } = self;
        client.close().await.expect("the browser closes");
        drop(driver);
    }

    pub(crate) async fn open(&self, url: &str) {
        self.client.goto(url).await.expect("the page loads");
    }

    /// Types into a field, found by the text of its label.
    pub(crate) async fn fill(&self, label: &str, text: &str) {
        let path = format!("//*[@id=//label[normalize-space()=\"{label}\"]/@for]");
        let field = self.find(&path, &format!("a field called {label}")).await;
        field.clear().await.expect("a field can be emptied");
        field.send_keys(text).await.expect("a field takes text");
    }

    /// Chooses a value of a list of choices.
    pub(crate) async fn choose(&self, id: &str, value: &str) {
        let list = self.client.find(Locator::Id(id)).await.expect("a list of choices");
        list.select_by_value(value).await.expect("the choice is there");
    }

    /// Presses a button or follows a link, by its text.
    pub(crate) async fn press(&self, text: &str) {
        let path = format!(
            "//button[normalize-space()='{text}'] | //a[normalize-space()='{text}'] | \
             //label[normalize-space()='{text}']"
        );
        let button = self.find(&path, &format!("something called {text}")).await;
        button.click().await.unwrap_or_else(|error| panic!("{text} can be pressed: {error}"));
    }

    /// Waits for an element, which may be on a page that is still on its way; fails with what the page
    /// says instead.
    async fn find(&self, path: &str, what: &str) -> Element {
        let found = self.client.wait().at_most(PATIENCE).for_element(Locator::XPath(path)).await;
        match found {
            Ok(element) => element,
            Err(error) => {
                let at = self.client.current_url().await;
                let at = at.map(|url| url.to_string()).unwrap_or_default();
                panic!("{what}: {error} at {at}, which says:\n{}", self.text().await)
            }
        }
    }

    /// Signs out, and waits until that is done: the next page must not overtake it.
    pub(crate) async fn sign_out(&self) {
        self.press("Sign out").await;
        self.sees("Sign in").await;
    }

    /// Waits until the page says `text`; fails with what it says instead.
    pub(crate) async fn sees(&self, text: &str) {
        let mut last = String::new();
        for _ in 0..100 {
            last = self.text().await;
            if last.contains(text) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the page does not say {text:?}, it says:\n{last}");
    }

    /// Everything that can be read on the page.
    pub(crate) async fn text(&self) -> String {
        match self.client.find(Locator::Css("body")).await {
            Ok(body) => body.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// What the browser complained about since the last call: errors of scripts, refused content.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let answer = self.command("se/log", &json!({"type": "browser"})).await;
        let entries = answer["value"].as_array().cloned().unwrap_or_default();
        let bad = entries.into_iter().filter(|entry| entry["level"] == "SEVERE");
        // A form that comes back with its errors, or with a record that is closed, has one of these,
        // and Chromium remarks on it.
        let expected = |message: &String| {
            message.contains("status of 422")
                || message.contains("/officer/person") && message.contains("status of 403")
        };
        bad.map(|entry| entry["message"].to_string()).filter(|m| !expected(m)).collect()
    }

    /// A command of the DevTools protocol.
    pub(crate) async fn devtools(&self, name: &str, parameters: Json) {
        self.command("goog/cdp/execute", &json!({"cmd": name, "params": parameters})).await;
    }

    /// A command that only chromedriver has.
    async fn command(&self, name: &str, body: &Json) -> Json {
        let body = body.to_string();
        let head = format!(
            "POST /session/{}/{name} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.session,
            self.port,
            body.len()
        );
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.expect("it listens");
        stream.write_all((head + &body).as_bytes()).await.expect("it is sent");
        // It keeps the connection whatever it is asked for, so the length says where the end is.
        let mut answer = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&answer);
            if let Some(json) = whole_body(&text) {
                return serde_json::from_str(json).unwrap_or_else(|_| panic!("{name}: {json}"));
            }
            let read = stream.read_buf(&mut answer).await.expect("it is answered");
            assert_ne!(read, 0, "{name} was answered with half an answer");
        }
    }
}

/// The body of an HTTP answer, when all of it is there.
fn whole_body(answer: &str) -> Option<&str> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let length = head.to_lowercase().lines().find_map(|line| {
        line.strip_prefix("content-length:").and_then(|text| text.trim().parse::<usize>().ok())
    });
    (body.len() >= length?).then_some(body)
}

/// Starts chromedriver on a port of its own choice.
fn start_driver() -> Option<(Driver, u16)> {
    let child = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut driver = Driver(child);
    let output = driver.0.stdout.take().expect("its output is ours");
    let port = BufReader::new(output).lines().map_while(Result::ok).find_map(|line| {
        line.contains("started successfully").then_some(())?;
        line.trim_end_matches('.').rsplit(' ').next()?.parse().ok()
    });
    Some((driver, port.expect("chromedriver says where it listens")))
}

#[expect(clippy::print_stderr, reason = "a skipped tier must be seen")]
fn skipped() {
    eprintln!("SKIPPED browser: chromedriver is not there (apt-get install chromium-driver)");
}

fn capabilities(profile: &str, scripts: Scripts) -> Capabilities {
    let mut options = json!({
        "args": [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage", "--window-size=1280,900", "--lang=en",
            format!("--user-data-dir={profile}"),
        ],
    });
    if scripts == Scripts::Off {
        options["prefs"] = json!({"profile.managed_default_content_settings.javascript": 2});
    }
    let capabilities = json!({
        "browserName": "chrome",
        "goog:chromeOptions": options,
        "goog:loggingPrefs": {"browser": "ALL"},
    });
    match capabilities {
        Json::Object(map) => map,
        _ => Capabilities::new(),
    }
}
