//! A pepper process over its directory: what it answers, whom, how often, and what it refuses to
//! read.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use rand::SeedableRng as _;
use serde_json::{Value as Json, json};
use tower::ServiceExt as _;
use volens_privacy::Timestamp;
use volens_privacy::keys::Blinding;
use zeroize::Zeroizing;

use super::http::{decode, encode};
use super::*;
use crate::clock::ManualClock;

const NOW: Timestamp = Timestamp::from_micros(1_768_478_400_000_000);
const RATE: Rate = Rate { per_second: 2, burst: 3 };

fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

/// A directory with one key and one client.
struct House {
    home: tempfile::TempDir,
    token: Zeroizing<String>,
    key: PepperPublic,
    clock: Arc<ManualClock>,
}

impl House {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let directory = Directory::at(&home.path().join("state"));
        let key = directory.add_key(&mut rng(1), NOW).unwrap().public;
        let token = directory.add_client("service", &mut rng(2)).unwrap();
        Self { home, token, key, clock: Arc::new(ManualClock::at(NOW)) }
    }

    fn directory(&self) -> Directory {
        Directory::at(&self.home.path().join("state"))
    }

    /// One that has run for a while.
    fn open(&self) -> Result<Holder, PepperError> {
        let holder = self.start()?;
        self.clock.advance(Duration::from_mins(1));
        Ok(holder)
    }

    fn start(&self) -> Result<Holder, PepperError> {
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&self.clock);
        Holder::open(&self.home.path().join("state"), RATE, clock, rng(3))
    }
}

fn question(seed: u64) -> Blinding {
    Blinding::new(vec![Zeroizing::new(b"+4915112345678".to_vec())], &mut rng(seed)).unwrap()
}

async fn post(holder: &Arc<Holder>, token: &str, body: Json) -> (StatusCode, Option<u32>, Json) {
    let request = Request::post("/evaluate")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::from(body.to_string()))
        .unwrap();
    let answer = http::router(Arc::clone(holder)).oneshot(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    let retry = parts.headers.get("retry-after").map(|value| value.to_str().unwrap());
    let retry = retry.map(|seconds| seconds.parse().unwrap());
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    (parts.status, retry, serde_json::from_slice(&body).unwrap())
}

fn asks(key: PepperPublic, blinding: &Blinding) -> Json {
    let elements: Vec<String> = blinding.elements().iter().map(|e| encode(e)).collect();
    json!({"key": key, "elements": elements})
}

#[tokio::test]
async fn every_answer_of_the_protocol() {
    let house = House::new();
    let holder = Arc::new(house.open().unwrap());
    let blinding = question(5);
    let (status, _, said) = post(&holder, &house.token, asks(house.key, &blinding)).await;
    assert_eq!(status, 200);
    let evaluation = Evaluation {
        elements: vec![decode(said["elements"][0].as_str().unwrap()).unwrap()],
        proof: decode(said["proof"].as_str().unwrap()).unwrap(),
    };
    assert!(blinding.open(&evaluation, house.key).is_ok());
    assert_eq!(holder.keys(&house.token), Ok(vec![house.key]));

    let other = PepperSecret::from_seed(&[9; 32]).public();
    let element = |bytes: &[u8]| json!({"key": house.key, "elements": [encode(bytes)]});
    for (token, body, status, code) in [
        ("", asks(house.key, &question(5)), 401, "pepper.unauthorized"),
        ("vpt_00", asks(house.key, &question(5)), 401, "pepper.unauthorized"),
        (house.token.as_str(), asks(other, &question(5)), 404, "pepper.key_unknown"),
        (house.token.as_str(), json!({}), 400, "pepper.element"),
        (house.token.as_str(), json!({"key": house.key, "elements": []}), 400, "pepper.element"),
        (house.token.as_str(), element(&[1; 31]), 400, "pepper.element"),
        (house.token.as_str(), element(&[0; 32]), 400, "pepper.element"),
        (
            house.token.as_str(),
            json!({"key": house.key, "elements": vec![encode(&question(5).elements()[0]); 5]}),
            400,
            "pepper.element",
        ),
    ] {
        let (said, _, json) = post(&holder, token, body).await;
        assert_eq!((said.as_u16(), json["code"].as_str()), (status, Some(code)));
    }
    assert_eq!(holder.keys("vpt_00"), Err(Declined::Token));
}

#[tokio::test]
async fn a_client_gets_so_much_and_no_more() {
    let house = House::new();
    let second = house.directory().add_client("other", &mut rng(4)).unwrap();
    let holder = Arc::new(house.open().unwrap());
    let ask = async |token: &str| post(&holder, token, asks(house.key, &question(5))).await;
    for _ in 0..3 {
        assert_eq!(ask(&house.token).await.0, 200);
    }
    let (status, retry, said) = ask(&house.token).await;
    assert_eq!((status.as_u16(), retry, &said["code"]), (429, Some(1), &json!("pepper.limited")));
    assert_eq!(ask(&second).await.0, 200, "clients do not share");
    house.clock.advance(Duration::from_millis(500));
    assert_eq!(ask(&house.token).await.0, 200);
    assert_eq!(ask(&house.token).await.0, 429);
}

/// Whoever can make it start again must not get a burst each time.
#[tokio::test]
async fn a_restart_gives_nothing_away() {
    let house = House::new();
    let mut answered = 0;
    for _ in 0..10 {
        let holder = Arc::new(house.start().unwrap());
        for _ in 0..10 {
            let (status, ..) = post(&holder, &house.token, asks(house.key, &question(5))).await;
            answered += u32::from(status == StatusCode::OK);
            house.clock.advance(Duration::from_millis(10));
        }
    }
    assert_eq!(answered, 0, "a second at two a second, in ten lives of a tenth of a second");
    let holder = Arc::new(house.start().unwrap());
    house.clock.advance(Duration::from_millis(500));
    assert_eq!(post(&holder, &house.token, asks(house.key, &question(5))).await.0, 200);
    assert_eq!(post(&holder, &house.token, asks(house.key, &question(5))).await.0, 429);
}

#[test]
fn a_second_process_and_whatever_is_not_understood_are_refused() {
    let house = House::new();
    let holder = house.open().unwrap();
    assert!(matches!(house.open(), Err(PepperError::InUse(_))));
    drop(holder);
    let empty = house.home.path().join("empty");
    let elsewhere = Holder::open(&empty, RATE, Arc::<ManualClock>::clone(&house.clock), rng(3));
    assert!(matches!(elsewhere, Err(PepperError::NoKey)));
    assert!(!empty.exists(), "a directory that is not there is not made by serving");

    let file = house.home.path().join("state/pepper.json");
    let good = std::fs::read_to_string(&file).unwrap();
    for (from, to) in [("\"version\": 1", "\"version\": 2"), ("\"seed\"", "\"sead\""), ("}", "")] {
        std::fs::write(&file, good.replacen(from, to, 1)).unwrap();
        assert!(matches!(house.open(), Err(PepperError::Damaged(_))), "{from}");
    }
    std::fs::write(&file, &good).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(house.open(), Err(PepperError::Readable(_))));
    assert!(!good.contains(house.token.as_str()), "a token is kept nowhere");
}

#[test]
fn keys_and_clients_come_and_go_with_a_reload() {
    let house = House::new();
    let (holder, directory) = (house.open().unwrap(), house.directory());
    let ask = |key| holder.evaluate(&house.token, key, question(5).elements()).map(|_| ());
    assert!(matches!(directory.forget_key(house.key), Err(PepperError::OnlyKey)));
    let second = directory.add_key(&mut rng(6), NOW).unwrap();
    assert_eq!((second.number, ask(second.public)), (2, Err(Declined::Key)));
    holder.reload().unwrap();
    assert_eq!(ask(second.public), Ok(()));
    directory.forget_key(house.key).unwrap();
    assert!(matches!(directory.forget_key(house.key), Err(PepperError::KeyUnknown)));
    holder.reload().unwrap();
    assert_eq!(ask(house.key), Err(Declined::Key));
    assert_eq!(directory.add_key(&mut rng(7), NOW).unwrap().number, 3, "numbers are not reused");

    assert!(matches!(directory.add_client("service", &mut rng(8)), Err(PepperError::ClientExists)));
    directory.remove_client("service").unwrap();
    assert!(matches!(directory.remove_client("service"), Err(PepperError::ClientUnknown)));
    holder.reload().unwrap();
    assert_eq!(ask(second.public), Err(Declined::Token));
}
