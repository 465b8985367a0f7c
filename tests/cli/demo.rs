//! The demo: what it tells, that it is the same town every time, and where its doors lead.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::{Value as Json, json};

use super::text;

/// The demo in a town as small as it may be; it makes an installation of its own.
fn demo(how: &[&str]) -> Command {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_volens"));
    demo.env_remove("VOLENS_CONFIG").args(["demo", "--people", "400"]).args(how);
    demo.stdin(Stdio::null()).stderr(Stdio::null());
    demo
}

fn told() -> Json {
    super::json(&demo(&["--once", "--json"]).output().expect("it runs"))
}

#[test]
fn the_main_job_is_done_in_the_same_town_every_time() {
    let told = [told(), told()];
    for told in &told {
        let (story, town) = (&told["story"], &told["town"]);
        assert!(town["linking_consents"].as_u64() > Some(0), "{told}");
        assert!(town["signals_accepted"].as_u64() > Some(0), "{told}");
        assert!(town["signals_refused"]["consent.absent"].as_u64() > Some(0), "{told}");
        assert!(story["training_rows"].as_u64() > Some(1000), "{told}");
        assert_eq!(story["recipients"], 200, "{told}");
        assert_eq!(story["proofs_verified"], story["recipients"], "a proof for each row: {told}");
        assert!(story["ledger_entries"].as_u64() > Some(1000), "{told}");
        let effects = &story["withdrawal_effects"];
        assert_eq!((&effects["list_rows"], &effects["scores"]), (&json!(1), &json!(1)), "{told}");
        assert_eq!(story["recipients_left"], 199, "{told}");
        assert_eq!(story["answers"], json!(["answer", "answer", "answer", "handoff"]), "{told}");
    }
    let [once, again] = told;
    assert_eq!(once["town"], again["town"], "who does and follows what is drawn from a fixed seed");
}

/// The demo while it serves, ended whatever happens.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// One request; the whole answer as text.
fn ask(address: &str, method: &str, path: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes()).expect("it is sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it is answered");
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn there_is_a_door_for_each_kind_of_user_and_the_agent_finds_who_waits() {
    let mut serving = Serving(demo(&["--serve"]).stdout(Stdio::piped()).spawn().expect("it runs"));
    let output = serving.0.stdout.take().expect("its output is a pipe");
    let mut lines = BufReader::new(output).lines().map(|line| line.expect("it can be read"));
    let open = lines.by_ref().find(|line| line.starts_with("OPEN")).expect("it serves");
    let url = open.split_whitespace().nth(1).expect("an address").to_owned();
    let address = url.strip_prefix("http://").expect("it speaks HTTP").to_owned();
    let mut doors = Vec::new();
    for line in lines.by_ref() {
        let (who, door) = line.trim().rsplit_once(' ').expect("a user and a door");
        doors.push((who.trim().to_owned(), door.to_owned()));
        if who.trim() == "the API" {
            break;
        }
    }
    let known_as = lines.find(|line| line.contains("of app messenger")).expect("it is told");
    assert!(known_as.contains("that person is user m-"), "{known_as}");
    let data = lines.find(|line| line.contains("--data ")).expect("it is told");
    let data = data.trim().trim_start_matches("--data ").to_owned();
    assert!(std::path::Path::new(&data).join("keyring.json").exists(), "{data}");
    let users: Vec<&str> = doors.iter().map(|(who, _)| who.as_str()).collect();
    let expected = [
        "business Bergrad",
        "agent of Bergrad",
        "privacy officer",
        "second officer",
        "operator",
        "customer",
        "a person",
        "the API",
    ];
    assert_eq!(users, expected);
    for (who, door) in &doors {
        let path = door.strip_prefix(&url).expect("a page of this server");
        let page = ask(&address, "GET", path, "", "");
        let status = page.get("HTTP/1.1 ".len()..).and_then(|rest| rest.get(..3));
        assert!(matches!(status, Some("200" | "303" | "307" | "308")), "{who}: {page}");
    }

    let (_, link) = doors[1].1.split_once("?link=").expect("a sign-in link");
    let form = format!(
        "content-type: application/x-www-form-urlencoded\r\norigin: {url}\r\nsec-fetch-site: same-origin\r\n"
    );
    let signed = ask(&address, "POST", "/console/sign-in-link", &form, &format!("link={link}"));
    let cookies = signed.lines().filter_map(|line| line.strip_prefix("set-cookie: "));
    let cookies: Vec<&str> = cookies.filter_map(|cookie| cookie.split(';').next()).collect();
    assert!(!cookies.is_empty(), "{signed}");
    let cookie = format!("cookie: {}\r\n", cookies.join("; "));
    let page = ask(&address, "GET", "/console", &cookie, "");
    assert!(page.contains("href=\"/v1/inbox\""), "the page leads there: {page}");
    let inbox = ask(&address, "GET", "/v1/inbox", &cookie, "");
    let (_, body) = inbox.split_once("\r\n\r\n").expect("a body");
    let inbox: Json = serde_json::from_str(body).unwrap_or_else(|_| panic!("JSON: {inbox}"));
    assert_eq!(inbox["data"].as_array().map(Vec::len), Some(1), "who asked in vain: {inbox}");
    assert_eq!(text(&inbox["data"][0], "bot_name"), "Bergrad workshop");
}
