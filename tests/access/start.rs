//! The key ring at the start: made once, for its owner only, and never replaced.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use volens::app::{App, StartError};
use volens::clock::ManualClock;
use volens::db::testing::FreshSqlite;
use volens::ledger;
use volens_privacy::Parties;

use crate::support::{START, TestApp, settings};

#[tokio::test]
async fn a_key_ring_is_made_for_its_owner_and_the_database_opens_with_no_other() {
    let sqlite = FreshSqlite::create();
    let test = TestApp::open(&sqlite.address(), &[]).await;
    let ring = test.directory().join("keyring.json");
    let mode = fs::metadata(&ring).expect("it was made").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let start = async |seed: u64| {
        let settings = settings(test.directory(), &sqlite.address(), &[]);
        let clock = Arc::new(ManualClock::at(START));
        App::open(settings, clock, StdRng::seed_from_u64(seed)).await
    };
    let made = fs::read(&ring).expect("it can be read");
    assert!(start(7).await.is_ok());
    assert_eq!(fs::read(&ring).expect("it can be read"), made, "a second start changes nothing");

    fs::rename(&ring, test.directory().join("elsewhere")).expect("it can be moved");
    let missing = start(7).await.err().expect("it does not start without its keys");
    assert!(matches!(missing, StartError::RingMissing { .. }), "{missing}");
    assert!(!ring.exists(), "no new ring was made");

    let other = FreshSqlite::create();
    let stranger = TestApp::open(&other.address(), &[]).await;
    let foreign = fs::read(stranger.directory().join("keyring.json")).expect("another ring");
    let same_seed = foreign == made;
    assert!(same_seed, "rings come from the generator that is handed in");
    let text = String::from_utf8(foreign).expect("JSON");
    fs::write(&ring, &text[..text.len() / 2]).expect("it can be written");
    let broken = start(7).await.err().expect("it does not start with half a file");
    assert!(matches!(broken, StartError::Ring(_)), "{broken}");

    fs::remove_file(&ring).expect("it can be removed");
    let third = FreshSqlite::create();
    let strange = settings(test.directory(), &third.address(), &[]);
    let clock = Arc::new(ManualClock::at(START));
    assert!(App::open(strange, clock, StdRng::seed_from_u64(8)).await.is_ok());
    let mismatch = start(7).await.err().expect("it does not start with other keys");
    assert!(matches!(mismatch, StartError::Keys(_)), "{mismatch}");
}

/// A command may be started without the settings of the service: who answers for the data stays who it was.
#[tokio::test]
async fn who_names_no_parties_replaces_none() {
    let sqlite = FreshSqlite::create();
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("real.toml");
    let ours = Parties::EXAMPLE.replace("example = true\n", "");
    fs::write(&file, &ours).expect("it can be written");
    let named = [("parties.file", file.to_str().expect("a path"))];
    let opened = async |flags: &[(&str, &str)]| {
        let test = TestApp::open_in(home.path(), &sqlite.address(), flags).await;
        let size = ledger::size(&mut test.app.db.read().await.expect("a snapshot")).await;
        let example = test.app.receipts.parties().example;
        test.app.db.close().await;
        (size.expect("a size"), example)
    };
    let before = opened(&named).await;
    assert!(!before.1, "they are real");
    assert_eq!(opened(&[]).await, before);
}
