//! A witness over its directory: what it answers, what it keeps, what it refuses to forget.

use std::thread;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tower::ServiceExt as _;
use volens_privacy::ledger::{
    Hash, LogSigner, MemoryTree, Witness, leaf_hash, prove_consistency, shard_origin,
    verify_consistency,
};
use volens_privacy::{KeyRing, Timestamp};

use super::*;
use crate::clock::ManualClock;

const NOW: Timestamp = Timestamp::from_micros(1_768_478_400_000_000);

fn rng() -> StdRng {
    StdRng::seed_from_u64(5)
}

/// A log that can show what it likes.
struct Story {
    signer: LogSigner,
    tree: MemoryTree,
    roots: Vec<Hash>,
}

fn story(salt: &str, size: u64) -> Story {
    let signer = KeyRing::generate(&mut rng(), NOW).log_signer();
    let mut tree = MemoryTree::default();
    let mut roots = vec![tree.root()];
    for index in 0..size {
        tree.append(leaf_hash(format!("{salt}{index}").as_bytes()));
        roots.push(tree.root());
    }
    Story { signer, tree, roots }
}

impl Story {
    fn asks(&self, old: u64, new: u64) -> AddCheckpoint {
        let proof = prove_consistency(old, new.max(old), &|node| self.tree.node(node)).unwrap();
        let (origin, root) = (self.signer.origin().to_owned(), self.roots[new as usize]);
        let checkpoint = self.signer.sign(&Checkpoint { origin, before: 0, size: new, root });
        AddCheckpoint { old, proof, checkpoint }
    }
}

/// The same tree as that of a later shard.
fn in_year(story: &Story, year: u16, before: u64, (old, new): (u64, u64)) -> AddCheckpoint {
    let request = story.asks(old, new);
    let stated = request.checkpoint.unverified();
    let origin = shard_origin(&stated.origin, year);
    let checkpoint = story.signer.sign(&Checkpoint { origin, before, ..stated });
    AddCheckpoint { checkpoint, ..request }
}

fn open(directory: &Path, story: &Story) -> Result<Watch, WitnessError> {
    let clock = Arc::new(ManualClock::at(NOW));
    Watch::open(directory, "witness.example/w", vec![story.signer.verifier()], clock, &mut rng())
}

async fn post(watch: &Arc<Watch>, body: String) -> (StatusCode, String, String) {
    let request = Request::post("/add-checkpoint").body(Body::from(body)).unwrap();
    let answer = http::router(Arc::clone(watch)).oneshot(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let kind = parts.headers["content-type"].to_str().unwrap().to_owned();
    (parts.status, kind, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn every_answer_of_the_protocol() {
    let directory = tempfile::tempdir().unwrap();
    let (log, fork) = (story("", 20), story("other ", 20));
    let watch = Arc::new(open(directory.path(), &log).unwrap());
    let witness = Witness::from_vkey(&watch.vkey()).unwrap();
    let ask = |request: AddCheckpoint| {
        let watch = Arc::clone(&watch);
        async move { post(&watch, request.to_body()).await }
    };

    let first = log.asks(0, 7);
    let (status, _, line) = ask(first.clone()).await;
    assert_eq!(status, 200);
    let (_, cosigned) = witness.line_in(&first.checkpoint, &line).expect("its cosignature");
    assert_eq!(cosigned.at, NOW);
    assert_eq!(ask(log.asks(7, 7)).await.0, 200, "asked again");
    assert_eq!(ask(log.asks(7, 12)).await.0, 200);

    let conflict = (StatusCode::CONFLICT, "text/x.tlog.size".to_owned(), "12\n".to_owned());
    assert_eq!(ask(log.asks(0, 20)).await, conflict, "the size says where to go on");
    assert_eq!(ask(log.asks(7, 7)).await, conflict, "no way back");
    assert_eq!(ask(fork.asks(12, 12)).await, conflict, "the same size, another root");
    assert_eq!(ask(fork.asks(12, 20)).await.0, 422, "a fork");
    assert_eq!(ask(AddCheckpoint { old: 13, ..log.asks(12, 12) }).await.0, 400);
    let other = LogSigner::verifier(&log.signer).vkey();
    let foreign = log.asks(12, 20).to_body().replace(log.signer.origin(), "other.example/log");
    assert!(!other.is_empty());
    assert_eq!(post(&watch, foreign).await.0, 404);
    let text = log.asks(12, 20).to_body();
    let at = text.rfind(' ').unwrap() + 12;
    let altered = format!(
        "{}{}{}",
        &text[..at],
        if &text[at..=at] == "A" { "B" } else { "A" },
        &text[at + 1..]
    );
    assert_eq!(post(&watch, altered).await.0, 403);
    assert_eq!(post(&watch, "old 1\n".to_owned()).await.0, 400);
    assert_eq!(post(&watch, "x".repeat(70_000)).await.0, 400, "bounded");
    assert_eq!(ask(log.asks(12, 20)).await.0, 200, "and goes on");
}

#[test]
fn what_was_cosigned_outlives_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let (log, fork) = (story("", 20), story("other ", 20));
    let first = open(directory.path(), &log).unwrap();
    let key = first.vkey();
    first.add(&log.asks(0, 9)).unwrap();
    assert!(matches!(open(directory.path(), &log), Err(WitnessError::InUse(_))), "only one");
    drop(first);

    let again = open(directory.path(), &log).unwrap();
    assert_eq!(again.vkey(), key);
    let forgot = again.add(&fork.asks(0, 20));
    assert!(matches!(forgot, Err(WitnessError::Refused(Unwitnessed::Conflict { size: 9 }))));
    again.add(&log.asks(9, 20)).unwrap();
}

/// Every year of a watched log is a tree of its own, with a memory of its own, in the log's own key.
#[test]
fn a_year_of_a_watched_log_is_watched_on_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let (log, fork) = (story("", 20), story("other ", 20));
    let refused = |watch: &Watch, request: &AddCheckpoint| match watch.add(request) {
        Err(WitnessError::Refused(why)) => why,
        other => panic!("{other:?}"),
    };
    let watch = open(directory.path(), &log).unwrap();
    watch.add(&log.asks(0, 12)).unwrap();
    watch.add(&in_year(&fork, 2027, 12, (0, 7))).unwrap();
    assert_eq!(
        refused(&watch, &in_year(&log, 2027, 12, (0, 9))),
        Unwitnessed::Conflict { size: 7 }
    );
    let forked = refused(&watch, &in_year(&log, 2027, 12, (7, 9)));
    assert!(matches!(forked, Unwitnessed::Inconsistent(_)), "{forked}");
    watch.add(&in_year(&log, 2028, 21, (0, 3))).unwrap();
    // Nobody else opens one: not with another key, not under a name that only looks like it.
    let mut stranger = story("", 20);
    stranger.signer = KeyRing::generate(&mut StdRng::seed_from_u64(6), NOW).log_signer();
    let strange = refused(&watch, &in_year(&stranger, 2029, 5, (0, 3)));
    assert!(matches!(strange, Unwitnessed::Unsigned(_)), "{strange}");
    let kept = fs::read_dir(directory.path()).unwrap().count();
    let mut elsewhere = in_year(&log, 2029, 5, (0, 3));
    let named = elsewhere.checkpoint.as_str().replace("/2029\n", "/02029\n");
    elsewhere.checkpoint = SignedCheckpoint::parse(&named).unwrap();
    assert_eq!(refused(&watch, &elsewhere), Unwitnessed::UnknownLog);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), kept, "nothing is kept of them");
    drop(watch);

    let again = open(directory.path(), &log).unwrap();
    assert_eq!(
        refused(&again, &in_year(&fork, 2027, 12, (0, 9))),
        Unwitnessed::Conflict { size: 7 }
    );
    again.add(&in_year(&fork, 2027, 12, (7, 9))).unwrap();
    // No year takes the end of another away, wherever it stands; all of them are remembered.
    for request in [
        log.asks(12, 13),
        in_year(&fork, 2027, 12, (9, 10)),
        in_year(&fork, 2027, 13, (9, 9)),
        in_year(&fork, 2027, 11, (9, 10)),
        in_year(&log, 2029, 23, (0, 3)),
        in_year(&log, 2029, 12, (0, 3)),
        in_year(&log, 2026, 11, (0, 1)),
        in_year(&log, 2026, 12, (0, 1)),
    ] {
        assert_eq!(refused(&again, &request), Unwitnessed::OtherYears, "{request:?}");
    }
    again.add(&in_year(&log, 2029, 24, (0, 3))).unwrap();
    // What was cosigned of one year is not taken for what was cosigned of another.
    drop(again);
    let origin = log.signer.origin();
    let file = |origin: &str| place(directory.path(), origin);
    fs::copy(file(&shard_origin(origin, 2028)), file(origin)).unwrap();
    assert!(matches!(open(directory.path(), &log), Err(WitnessError::Damaged { .. })));
}

/// A log whose signing key is replaced is watched with both keys, and stays one history.
#[test]
fn a_log_with_two_keys_is_one_log() {
    let directory = tempfile::tempdir().unwrap();
    let (log, mut renewed) = (story("", 20), story("", 20));
    renewed.signer = KeyRing::generate(&mut StdRng::seed_from_u64(6), NOW).log_signer();
    let keys = vec![log.signer.verifier(), renewed.signer.verifier()];
    let clock = Arc::new(ManualClock::at(NOW));
    let watch = Watch::open(directory.path(), "w.example", keys, clock, &mut rng()).unwrap();
    watch.add(&log.asks(0, 9)).unwrap();
    watch.add(&renewed.asks(9, 12)).unwrap();
    let back = watch.add(&renewed.asks(0, 20));
    assert!(matches!(back, Err(WitnessError::Refused(Unwitnessed::Conflict { size: 12 }))));
}

#[test]
fn a_witness_that_cannot_remember_does_not_start_and_does_not_answer() {
    let directory = tempfile::tempdir().unwrap();
    let log = story("", 20);
    let watch = open(directory.path(), &log).unwrap();
    watch.add(&log.asks(0, 9)).unwrap();
    // A directory in the place of the next file: nothing can be kept, so nothing is cosigned.
    let path = place(directory.path(), log.signer.origin());
    fs::create_dir(path.with_extension("next")).unwrap();
    assert!(matches!(watch.add(&log.asks(9, 12)), Err(WitnessError::File { .. })));
    fs::remove_dir(path.with_extension("next")).unwrap();
    watch.add(&log.asks(9, 12)).unwrap();
    drop(watch);

    fs::write(&path, "nothing\n").unwrap();
    assert!(matches!(open(directory.path(), &log), Err(WitnessError::Damaged { .. })));
    let other = Watch::open(
        directory.path(),
        "witness.example/other",
        Vec::new(),
        Arc::new(ManualClock::at(NOW)),
        &mut rng(),
    );
    assert!(matches!(other, Err(WitnessError::Key(_))), "the key is of one name");
}

/// The race that the protocol warns of: whatever arrives together, what is kept only grows.
#[test]
fn requests_at_once_cannot_make_it_go_back() {
    let directory = tempfile::tempdir().unwrap();
    let log = story("", 64);
    let watch = open(directory.path(), &log).unwrap();
    watch.add(&log.asks(0, 1)).unwrap();
    let mut cosigned = vec![1];
    while cosigned.last() < Some(&60) {
        let old = *cosigned.last().unwrap();
        let done: Vec<u64> = thread::scope(|scope| {
            let ask = |step: u64| {
                let (watch, log) = (&watch, &log);
                scope.spawn(move || {
                    watch.add(&log.asks(old, old + step)).is_ok().then_some(old + step)
                })
            };
            let asked: Vec<_> = (1..=4).map(ask).collect();
            asked.into_iter().filter_map(|asked| asked.join().unwrap()).collect()
        });
        assert_eq!(done.len(), 1, "one of those that extend {old}");
        cosigned.extend(done);
    }
    for pair in cosigned.windows(2) {
        let (old, new) = (log.roots[pair[0] as usize], log.roots[pair[1] as usize]);
        verify_consistency(pair[0], pair[1], &old, &new, &log.asks(pair[0], pair[1]).proof)
            .unwrap();
    }
    drop(watch);
    let kept = open(directory.path(), &log).unwrap();
    let last = *cosigned.last().unwrap();
    kept.add(&log.asks(last, last)).unwrap();
}
