//! Every root rotates, nothing is lost on the way, and what should be gone is.

use std::path::Path;
use std::sync::Mutex;

use volens_privacy::SubjectId;
use volens_privacy::keys::{KeyDomain, KeyRing};
use volens_privacy::purpose::PurposeKind;

use super::file::RingFile;
use super::*;
use crate::accounts::{self, AccountError};
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::db::{Statement, values};
use crate::rights::Journal;
use crate::testing::{World, app};
use crate::{identity, ledger, rights};

/// A world whose key ring is also in a file.
struct House {
    world: World,
    directory: tempfile::TempDir,
    file: RingFile,
}

impl House {
    async fn new(db: Db) -> Self {
        let world = World::new(db).await;
        let directory = tempfile::tempdir().expect("a directory");
        let file = RingFile::new(&directory.path().join("keyring.json"));
        file.create(&world.keys).expect("written");
        let mut tx = world.db.begin().await.expect("begins");
        crate::access::key_ring::verify(&mut tx, &world.keys).await.expect("bound");
        tx.commit().await.expect("commits");
        Self { world, directory, file }
    }

    fn keeper(&self) -> Keeper<'_> {
        let World { db, keys, clock, .. } = &self.world;
        Keeper { db, keys, file: &self.file, clock: &**clock, heed_nodes: true }
    }

    fn journal(&self) -> Journal {
        Journal::beside(self.file.path())
    }

    async fn kek(&self) -> Rotated {
        let rotated = kek(&self.keeper(), &mut self.world.rng(70), &|_, _, _| {}).await;
        rotated.expect("rotated")
    }

    async fn wrap(&self) -> Rotated {
        let rotated = wrap(&self.keeper(), &mut self.world.rng(71), &|_, _, _| {}).await;
        rotated.expect("rotated")
    }

    async fn opens(&self, subject: SubjectId) -> bool {
        let mut tx = self.world.db.read().await.expect("a snapshot");
        match accounts::data_keys(&mut tx, &self.world.keys, &[subject]).await {
            Ok(keys) => keys.contains_key(&subject),
            Err(AccountError::Key(_)) => false,
            Err(error) => panic!("{error}"),
        }
    }

    async fn find(&self, reference: &str) -> Option<SubjectId> {
        let mut tx = self.world.db.read().await.expect("a snapshot");
        let found =
            accounts::subject_of(&mut tx, &self.world.keys, &app("messenger"), reference).await;
        found.expect("an answer")
    }

    /// The ring as a process would read it that starts now.
    fn on_disk(&self) -> KeyRing {
        self.file.read().expect("a ring")
    }
}

/// Anna and Otto, each in two apps and linked by consent.
async fn people(world: &World) -> (SubjectId, SubjectId) {
    let mut both = Vec::new();
    for (name, phone) in [("anna", "+4915112345678"), ("otto", "+4915187654321")] {
        both.push(world.account("messenger", name).await);
        world.give("messenger", name, PurposeKind::BusinessMessages).await;
        world.give_link("messenger", name, "photos", phone).await;
        world.account("photos", name).await;
        world.give_link("photos", name, "messenger", phone).await;
    }
    (both[0], both[1])
}

async fn links(house: &House, subject: SubjectId) -> usize {
    let mut tx = house.world.db.read().await.expect("a snapshot");
    identity::links_of(&mut tx, subject).await.expect("links").len()
}

/// What a backup keeps of the wrapped keys: subject and bytes.
async fn wrapped(house: &House) -> Vec<(SubjectId, Vec<u8>)> {
    const ALL: Statement = Statement::new(
        "keyring::tests",
        "ALL",
        "select subject, wrapped from account_keys order by subject",
        "select subject, wrapped from account_keys order by subject",
    );
    let mut tx = house.world.db.read().await.expect("a snapshot");
    let rows = tx.fetch(ALL, values![]).await.expect("rows");
    rows.iter()
        .map(|row| (row.get("subject").expect("an id"), row.get("wrapped").expect("bytes")))
        .collect()
}

#[tokio::test]
async fn the_ratchet_takes_the_erased_from_every_older_copy() {
    on_both(|db| async move {
        let house = House::new(db).await;
        let (anna, otto) = people(&house.world).await;
        let backup = wrapped(&house).await;
        let (_, of_anna) = backup.iter().find(|(subject, _)| *subject == anna).expect("a key");
        let now = house.world.clock.now();
        let (db, keys) = (&house.world.db, &house.world.keys);
        rights::erase_for_good(db, keys, &house.journal(), anna, now).await.expect("erased");
        assert!(keys.unwrap(anna.as_bytes(), of_anna).is_ok(), "a copy would still open");

        let rotated = house.kek().await;
        assert_eq!((rotated.version, rotated.rows, rotated.destroyed), (2, 3, vec![1]));
        for ring in [&**keys, &house.on_disk()] {
            for (subject, bytes) in &backup {
                assert!(ring.unwrap(subject.as_bytes(), bytes).is_err(), "nothing old opens");
            }
            assert_eq!(ring.active_version(KeyDomain::Kek), 2);
        }
        assert!(house.opens(otto).await);
        let mut tx = db.begin().await.expect("begins");
        crate::access::key_ring::verify(&mut tx, &house.on_disk()).await.expect("it starts");
    })
    .await;
}

#[tokio::test]
async fn a_restored_backup_opens_for_everybody_but_the_erased() {
    on_both(|db| async move {
        let house = House::new(db).await;
        let (anna, otto) = people(&house.world).await;
        let backup = wrapped(&house).await;
        // Two ratchets lie between the backup and today; Anna is erased between them.
        house.kek().await;
        let erased = [house.world.keys.erasure_tag(anna)];
        let now = house.world.clock.now();
        let (db, keys) = (&house.world.db, &house.world.keys);
        rights::erase_for_good(db, keys, &house.journal(), anna, now).await.expect("erased");
        house.kek().await;
        turn_back(&house, &backup).await;
        assert!(!house.opens(otto).await && !house.opens(anna).await, "the old root is gone");

        let again = restore(&house.keeper(), &house.journal(), false, &|_, _, _| {}).await;
        let restored = again.expect("restored");
        assert_eq!((restored.from_sheet, restored.erased_since, restored.forgotten), (3, 1, 0));
        assert!(house.opens(otto).await);
        assert!(!house.opens(anna).await, "her key is nowhere");
        let replayed =
            rights::replay_erasures(db, keys, &house.journal(), house.world.clock.now()).await;
        assert_eq!(replayed.expect("replayed"), 1);
        assert!(house.journal().read().await.expect("read").is_superset(&erased.into()));
        assert_eq!(house.find("anna").await, None);
        let mut tx = db.begin().await.expect("begins");
        crate::access::key_ring::verify(&mut tx, &house.on_disk()).await.expect("it starts");
    })
    .await;
}

const PUT_BACK: &str = "update account_keys set wrapped = $2 where subject = $1";

/// As the backup has it: its accounts, its wrapped keys, its check values, no note of the erasure.
async fn turn_back(house: &House, backup: &[(SubjectId, Vec<u8>)]) {
    const STEPS: [&str; 4] = [
        "delete from erasures",
        "delete from key_checks where domain = 'kek'",
        "insert into key_checks (domain, version, value) select 'kek', 1, value from key_checks
         where domain = 'wrap' and version = 1",
        "update key_fences set version = 1 where domain = 'kek'",
    ];
    let mut tx = house.world.db.begin().await.expect("begins");
    for sql in STEPS {
        tx.execute(Statement::new("keyring::tests", "STEP", sql, sql), values![]).await.expect(sql);
    }
    tx.commit().await.expect("commits");
    people(&house.world).await;
    let mut tx = house.world.db.begin().await.expect("begins");
    for (subject, bytes) in backup {
        let put_back = Statement::new("keyring::tests", "PUT_BACK", PUT_BACK, PUT_BACK);
        tx.execute(put_back, values![*subject, bytes.clone()]).await.expect("put back");
    }
    tx.commit().await.expect("commits");
}

#[tokio::test]
async fn what_neither_opens_nor_was_erased_is_not_removed_unasked() {
    on_both(|db| async move {
        let house = House::new(db).await;
        let (anna, otto) = people(&house.world).await;
        house.kek().await;
        let spoil = Statement::new("keyring::tests", "PUT_BACK", PUT_BACK, PUT_BACK);
        let stranger = KeyRing::generate(&mut house.world.rng(99), house.world.clock.now());
        let other = volens_privacy::DataKey::generate(&mut house.world.rng(98));
        // Of an account that came after the sheet; the sheet does not know it.
        let new = house.world.account("messenger", "new").await;
        let bytes = stranger.wrap(new.as_bytes(), &other);
        let mut tx = house.world.db.begin().await.expect("begins");
        tx.execute(spoil, values![new, bytes]).await.expect("spoilt");
        tx.commit().await.expect("commits");
        let restore =
            async |forget| restore(&house.keeper(), &house.journal(), forget, &|_, _, _| {}).await;
        assert!(matches!(restore(false).await, Err(RotationError::Lost(1))));
        assert!(house.find("new").await.is_some());
        assert_eq!(restore(true).await.expect("restored").forgotten, 1);
        assert_eq!(house.find("new").await, None);
        assert!(house.opens(anna).await && house.opens(otto).await);
    })
    .await;
}

#[tokio::test]
async fn a_rotation_that_breaks_off_anywhere_is_finished_by_the_next() {
    on_both(|db| async move {
        let house = House::new(db).await;
        let (_, otto) = people(&house.world).await;
        let keeper = house.keeper();
        // Broken off after the new root was added; after it was activated; in the middle of rows.
        let ring = house.on_disk();
        rotate::add(&keeper, ring, rotate::New::Root(KeyDomain::Kek), &mut house.world.rng(5))
            .await
            .expect("added");
        assert!(house.opens(otto).await);
        let mut ring = house.on_disk();
        ring.activate(KeyDomain::Kek, 2, house.world.clock.now()).expect("activated");
        rotate::keep(&keeper, &ring).expect("kept");
        assert!(house.opens(otto).await);
        house.world.account("messenger", "between").await;
        let rotated = house.kek().await;
        assert_eq!((rotated.version, rotated.rows, rotated.resumed), (2, 4, true));
        assert!(house.opens(otto).await);
        let next = house.kek().await;
        assert_eq!((next.version, next.rows, next.resumed), (3, 5, false));
    })
    .await;
}

#[tokio::test]
async fn nothing_is_written_under_a_key_behind_the_fence() {
    on_both(|db| async move {
        let house = House::new(db).await;
        people(&house.world).await;
        let late = house.world.keys.copy();
        house.kek().await;
        let details = accounts::Details {
            language: String::new(),
            country: String::new(),
            time_zone: String::new(),
            age_band: volens_privacy::AgeBand::Unknown,
        };
        let new = accounts::Registration::new(
            &late,
            &mut house.world.rng(6),
            &app("messenger"),
            "late",
            details,
        );
        let mut tx = house.world.db.begin().await.expect("begins");
        let refused = accounts::register(&mut tx, &[new], house.world.clock.now()).await;
        assert!(matches!(refused, Err(db::Error::Forbidden(_))));
    })
    .await;
}

#[tokio::test]
async fn a_node_that_does_not_follow_stops_the_ratchet_before_anything_is_lost() {
    on_both(|db| async move {
        let house = House::new(db).await;
        let (anna, _) = people(&house.world).await;
        let (late, rng) = (house.world.keys.copy(), &mut house.world.rng(7));
        let node = Node::random(rng);
        let of_node = Keeper { keys: &late, ..house.keeper() };
        node.serves(&of_node).await.expect("said");
        let (keeper, patience) = (house.keeper(), std::time::Duration::from_millis(700));
        let waited = tokio::time::timeout(patience, kek(&keeper, rng, &|_, _, _| {}));
        assert!(waited.await.is_err(), "it waits");
        let wrapped = wrapped(&house).await;
        assert!(
            wrapped.iter().all(|(subject, bytes)| late.unwrap(subject.as_bytes(), bytes).is_ok())
        );
        let running = wrap(&house.keeper(), rng, &|_, _, _| {}).await;
        assert!(matches!(running, Err(RotationError::Running(1))));
        // It takes the ring in, and later goes.
        late.take_in(&house.on_disk()).expect("newer");
        node.serves(&of_node).await.expect("said");
        node.leaves(&of_node).await.expect("said");
        assert_eq!(house.kek().await.version, 2);
        assert!(house.opens(anna).await);
    })
    .await;
}

/// How often it is looked whether something has happened, within a minute.
const LOOK: (std::time::Duration, u32) = (std::time::Duration::from_millis(50), 1200);

/// A process that may not say yet what it took in says so as soon as it may, and not when its minute is
/// over: the clock of this test stands still.
#[tokio::test]
async fn what_was_taken_in_is_said_until_it_is_heard() {
    on_both(|db| async move {
        let house = House::new(db).await;
        let (late, rng) = (house.world.keys.copy(), &mut house.world.rng(7));
        let node = Node::random(rng);
        let of_node = Keeper { keys: &late, ..house.keeper() };
        node.serves(&of_node).await.expect("said");
        let between = async |pending: Option<u32>| {
            let mut tx = house.world.db.begin().await.expect("begins");
            store::set_fence(&mut tx, KeyDomain::Wrap, 1, pending).await.expect("moved");
            tx.commit().await.expect("commits");
        };
        let now = house.world.clock.now();
        let meanwhile = async {
            between(Some(2)).await;
            let mut ring = house.on_disk();
            ring.add(KeyDomain::Kek, &mut house.world.rng(8), now).expect("a new root");
            house.file.replace(&ring).expect("replaced");
            let (pause, tries) = LOOK;
            for _ in 0..tries {
                if late.newest_version(KeyDomain::Kek) == 2 {
                    break;
                }
                tokio::time::sleep(pause).await;
            }
            between(None).await;
            for _ in 0..tries {
                let mut tx = house.world.db.read().await.expect("a snapshot");
                let behind = store::behind(&mut tx, KeyDomain::Kek, now, 2, 0).await;
                if behind.expect("counted") == 0 {
                    return true;
                }
                tokio::time::sleep(pause).await;
            }
            false
        };
        let heard = tokio::select! {
            biased;
            () = watch(node, &of_node) => unreachable!("it watches for ever"),
            heard = meanwhile => heard,
        };
        assert!(heard, "it has said that it took the root in");
    })
    .await;
}

#[tokio::test]
async fn the_outer_layer_is_made_anew_without_references_or_numbers() {
    on_both(|db| async move {
        let house = House::new(db).await;
        let (anna, otto) = people(&house.world).await;
        let tag = house.world.keys.account_tag(&app("messenger"), "anna");
        let rotated = house.wrap().await;
        assert_eq!((rotated.version, rotated.rows), (2, 8), "four references, four tokens");
        assert_ne!(house.world.keys.account_tag(&app("messenger"), "anna"), tag);
        assert_eq!((house.find("anna").await, house.find("otto").await), (Some(anna), Some(otto)));
        assert_eq!((links(&house, anna).await, links(&house, otto).await), (1, 1));
        // A new consent meets an old one.
        house
            .world
            .withdraw("messenger", "anna", PurposeKind::CrossAppLinking, Some("photos"))
            .await
            .expect("withdrawn");
        assert_eq!(links(&house, anna).await, 0);
        house.world.give_link("messenger", "anna", "photos", "+4915112345678").await;
        assert_eq!(links(&house, anna).await, 1);
    })
    .await;
}

#[tokio::test]
async fn nobody_serves_between_two_outer_layers() {
    on_both(|db| async move {
        let house = House::new(db).await;
        let (anna, _) = people(&house.world).await;
        let keeper = house.keeper();
        let ring = house.on_disk();
        rotate::add(&keeper, ring, rotate::New::Root(KeyDomain::Wrap), &mut house.world.rng(5))
            .await
            .expect("added");
        let mut tx = house.world.db.begin().await.expect("begins");
        store::set_fence(&mut tx, KeyDomain::Wrap, 1, Some(2)).await.expect("set");
        tx.commit().await.expect("commits");
        let check = async |keys: &KeyRing| {
            check_finished(&mut house.world.db.read().await.expect("a snapshot"), keys).await
        };
        assert!(matches!(check(&house.world.keys).await, Err(RotationError::Unfinished)));
        let node = Node::random(&mut house.world.rng(8));
        assert!(matches!(node.serves(&keeper).await, Err(RotationError::Unfinished)));
        let rotated = house.wrap().await;
        assert_eq!((rotated.version, rotated.rows, rotated.resumed), (2, 8, true));
        check(&house.world.keys).await.expect("finished");
        assert_eq!(house.find("anna").await, Some(anna));
    })
    .await;
}

#[tokio::test]
async fn old_checkpoints_keep_their_verifier_and_new_ones_have_theirs() {
    on_both(|db| async move {
        let house = House::new(db).await;
        people(&house.world).await;
        let keys = &house.world.keys;
        let (old_vkey, stolen) = (keys.log_verifier().vkey(), keys.log_signer());
        let mut tx = house.world.db.read().await.expect("a snapshot");
        let before = ledger::checkpoint(&mut tx).await.expect("read").expect("one");
        drop(tx);
        let rotated = sign(&house.keeper(), &mut house.world.rng(9)).await.expect("rotated");
        assert_eq!((rotated.version, rotated.destroyed), (2, vec![1]));
        house.world.give("messenger", "otto", PurposeKind::Relevance).await;
        for ring in [&**keys, &house.on_disk()] {
            let verifier = ring.log_verifier();
            assert_ne!(verifier.vkey(), old_vkey);
            verifier.verify(before.as_str()).expect("what was signed stays signed");
            let mut tx = house.world.db.read().await.expect("a snapshot");
            let report =
                ledger::verify(&mut tx, &ledger::Trust::key_only(verifier.clone()), |_, _| {})
                    .await
                    .expect("verified");
            assert_eq!(report.faults, []);
            // The old secret cannot sign a longer log.
            let newest = ledger::checkpoint(&mut tx).await.expect("read").expect("one");
            let forged = stolen.sign(&newest.unverified());
            assert!(verifier.verify(forged.as_str()).is_err());
        }
    })
    .await;
}

#[tokio::test]
async fn a_new_pepper_is_taken_up_lazily_and_the_old_one_ends_with_its_tokens() {
    on_both(|db| async move {
        let house = House::new(db).await;
        let (anna, otto) = people(&house.world).await;
        let (world, phone) = (&house.world, "+4915112345678");
        pepper(&house.keeper(), None, &mut world.rng(10)).await.expect("rotated");
        assert_eq!((links(&house, anna).await, links(&house, otto).await), (1, 1), "old with old");
        for (own, peer) in [("messenger", "photos"), ("photos", "messenger")] {
            world
                .withdraw(own, "anna", PurposeKind::CrossAppLinking, Some(peer))
                .await
                .expect("ok");
            world.give_link(own, "anna", peer, phone).await;
        }
        assert_eq!(links(&house, anna).await, 1, "new with new");
        let settings = crate::config::load(None, [], &[]).expect("defaults").keys;
        let tend = async || {
            let mut rng = world.rng(11);
            tend(&house.keeper(), &settings, &mut rng, &|_, _, _| {}).await.expect("tended")
        };
        assert_eq!(tend().await, Tended::default());
        world.clock.advance(std::time::Duration::from_hours(91 * 24));
        let tended = tend().await;
        assert_eq!((tended.destroyed, tended.tokens), (vec![(KeyDomain::Pepper, 1)], 2));
        assert_eq!(tended.ratchet.expect("a week has passed").version, 2);
        assert_eq!((links(&house, anna).await, links(&house, otto).await), (1, 0));
    })
    .await;
}

#[tokio::test]
async fn a_ratchet_that_ended_meanwhile_is_not_begun_again() {
    on_both(|db| async move {
        let house = House::new(db).await;
        people(&house.world).await;
        let middle = Mutex::new(None);
        let look = |_, _, _| *middle.lock().expect("no panic") = Some(house.on_disk());
        kek(&house.keeper(), &mut house.world.rng(70), &look).await.expect("rotated");
        let remembered = middle.into_inner().expect("no panic").expect("keys were wrapped");
        let keeper = Keeper { keys: &remembered, ..house.keeper() };
        let settings = crate::config::load(None, [], &[]).expect("defaults").keys;
        let tended = tend(&keeper, &settings, &mut house.world.rng(11), &|_, _, _| {}).await;
        assert_eq!(tended.expect("tended"), Tended::default());
        assert_eq!(remembered.status().len(), house.on_disk().status().len());
    })
    .await;
}

#[tokio::test]
async fn a_torn_sheet_is_refused() {
    on_both(|db| async move {
        let house = House::new(db).await;
        people(&house.world).await;
        house.kek().await;
        let path = house.directory.path().join("keyring.wrapped");
        let good = std::fs::read(&path).expect("a sheet");
        assert!(sheet::Reader::open(&path).is_ok());
        for spoilt in [&good[..good.len() - 1], &good[..30], b"", &[&good[..], b"x"].concat()] {
            std::fs::write(&path, spoilt).expect("written");
            assert!(sheet::Reader::open(&path).is_err());
        }
        let mut altered = good;
        altered[40] ^= 1;
        std::fs::write(&path, altered).expect("written");
        assert!(sheet::Reader::open(&path).is_err());
        assert!(sheet::Reader::open(Path::new("/nowhere")).is_err());
    })
    .await;
}

const BOT: &str = "insert into bots (bot, business, name, languages, persona, revision, created_at)
    values ($1, $1, 'b', '[]', '{}', 1, 0)";
const CONVERSATION: &str = "insert into conversations (bot, conversation, business, language,
        token_hash, wrapped_key, state, messages, window_start, window_count, created_at)
    values ($1, $2, $1, 'en', $1, $3, 'open', 0, 0, 0, 0)";
const ANSWER: &str = "insert into idempotency_keys (id, fingerprint, status, wrapped, answer,
        created_at)
    values ($1, $1, 201, $2, $1, 0)";
const PRIVACY_LINK: &str = "insert into privacy_links (token, subject, app, tag, expires_at)
    values ($1, $2, 'messenger', $3, 9000000000000000)";

async fn run(house: &House, sql: &'static str, row: Vec<db::Value>) {
    let mut tx = house.world.db.begin().await.expect("begins");
    tx.execute(Statement::new("keyring::tests", "RUN", sql, sql), row).await.expect(sql);
    tx.commit().await.expect("commits");
}

async fn bytes(house: &House, sql: &'static str) -> Option<Vec<u8>> {
    let mut tx = house.world.db.read().await.expect("a snapshot");
    let row = tx.fetch_optional(Statement::new("keyring::tests", "BYTES", sql, sql), vec![]).await;
    row.expect("an answer").map(|row| row.get("value").expect("bytes"))
}

#[tokio::test]
async fn conversations_kept_answers_and_privacy_links_come_along() {
    on_both(|db| async move {
        let house = House::new(db).await;
        let (anna, _) = people(&house.world).await;
        let keys = &house.world.keys;
        let (bot, talk, answer) = ([3; 16], [4; 16], [5; 32]);
        let key = volens_privacy::DataKey::generate(&mut house.world.rng(12));
        let old = keys.wrap(&talk, &key);
        run(&house, BOT, values![bot]).await;
        run(&house, CONVERSATION, values![bot, talk, old.clone()]).await;
        let of_answer: [u8; 16] = [5; 16];
        run(&house, ANSWER, values![answer, keys.wrap(&of_answer, &key)]).await;
        let tag = keys.account_tag(&app("messenger"), "anna");
        run(&house, PRIVACY_LINK, values![[6; 32], anna, tag.as_bytes()]).await;

        assert_eq!(house.kek().await.rows, 6, "four accounts, a conversation, an answer");
        let conversation = async || {
            let sql = "select wrapped_key as value from conversations";
            bytes(&house, sql).await.expect("a conversation")
        };
        let kept = async || bytes(&house, "select wrapped as value from idempotency_keys").await;
        assert!(keys.unwrap(&talk, &conversation().await).is_ok());
        assert!(keys.unwrap(&of_answer, &kept().await.expect("an answer")).is_ok());
        assert_eq!(house.wrap().await.rows, 9, "four references, four tokens, a privacy link");
        let tag = bytes(&house, "select tag as value from privacy_links").await;
        let now = keys.account_tag(&app("messenger"), "anna");
        assert_eq!(tag.as_deref(), Some(&now.as_bytes()[..]));

        // As an older copy has them.
        run(&house, "update conversations set wrapped_key = $1", values![old.clone()]).await;
        run(&house, "update idempotency_keys set wrapped = $1", values![old]).await;
        let restored = restore(&house.keeper(), &house.journal(), false, &|_, _, _| {}).await;
        let restored = restored.expect("restored");
        assert_eq!((restored.from_sheet, restored.answers, restored.conversations), (1, 1, 0));
        assert!(keys.unwrap(&talk, &conversation().await).is_ok());
        assert_eq!(kept().await, None);
    })
    .await;
}

#[tokio::test]
async fn a_look_after_the_keys_is_ordered_by_one_node_every_few_hours() {
    on_both(|db| async move {
        let house = House::new(db).await;
        let ordered = async |seed| {
            let mut tx = house.world.db.begin().await.expect("begins");
            let now = house.world.clock.now();
            let job = order(&mut tx, &mut house.world.rng(seed), now).await.expect("ordered");
            tx.commit().await.expect("commits");
            job.is_some()
        };
        assert_eq!((ordered(13).await, ordered(14).await), (true, false));
        house.world.clock.advance(std::time::Duration::from_hours(6));
        assert_eq!((ordered(15).await, ordered(16).await), (true, false));
    })
    .await;
}
