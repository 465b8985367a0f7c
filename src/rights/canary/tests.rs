//! A canary leaves nothing, and one that did would be found.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use volens_privacy::AppId;

use super::life::details;
use super::*;
use crate::access::directory;
use crate::accounts::{self, Registration};
use crate::clock::Clock as _;
use crate::db::testing::{FreshPostgres, on_both, skipped};
use crate::db::{Purged, Statement, values};
use crate::ids::hex;
use crate::ledger;
use crate::search::{Entry, Language, Shelf, Volume};
use crate::stretch::Stretch;
use crate::testing::{QUICK, World};

const DAY: Duration = Duration::from_hours(24);

fn tokens(world: &World) -> Tokens {
    Tokens::new(Arc::clone(&world.keys), None, Stretch::new(1, 8), QUICK)
}

async fn night(world: &World, journal: &Journal) -> Look {
    night_with(world, journal, &[]).await
}

async fn night_with(world: &World, journal: &Journal, also: &[&Path]) -> Look {
    let (db, keys, consents) = (&world.db, &*world.keys, &world.consents);
    let (tokens, also) = (&tokens(world), also.iter().map(|path| path.to_path_buf()).collect());
    let keeper = Keeper { db, keys, journal, consents, tokens, also };
    fly(&keeper, &mut world.rng(5), world.clock.now()).await.expect("it flies")
}

async fn run(world: &World, sql: &'static str, row: Vec<db::Value>) {
    let statement = Statement::new("rights::canary::tests", "RUN", sql, sql);
    let mut tx = world.db.begin().await.expect("begins");
    tx.execute(statement, row).await.expect(sql);
    tx.commit().await.expect("commits");
}

async fn count(world: &World, sql: &'static str) -> u64 {
    let statement = Statement::new("rights::canary::tests", "COUNT", sql, sql);
    let mut tx = world.db.read().await.expect("a snapshot");
    tx.fetch_one(statement, values![]).await.expect(sql).get("n").expect("a count")
}

async fn purge(world: &World) {
    let began = world.clock.now();
    assert_eq!(traces::purge(&world.db).await.expect("purges"), Purged::Complete);
    traces::note_purge(&world.db, began).await.expect("noted");
}

#[tokio::test]
async fn canaries_leave_nothing_and_one_that_did_would_be_found() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let directory = tempfile::tempdir().expect("a directory");
        let journal = Journal::beside(&directory.path().join("keyring.json"));
        let first = night(&world, &journal).await;
        assert_eq!((first.canaries, first.in_files, first.found, first.unread), (1, 0, 0, 0));
        assert_eq!(night(&world, &journal).await, first, "one a day");
        let at = world.clock.now();
        assert_eq!(journal.read().await.expect("read").len(), 2, "both were erased like anybody");

        world.clock.advance(DAY);
        purge(&world).await;
        let second = night(&world, &journal).await;
        assert_eq!((second.canaries, second.found), (2, 0));
        assert_eq!(second.in_files, u64::from(second.files > 0));

        // As a backup table that somebody made by hand would keep it.
        let subject = Canary::of(&world.keys, at).own.subject;
        let sql = "insert into counters (name, value) values ($1, 0)";
        run(&world, sql, values![hex(subject.as_bytes())]).await;
        world.clock.advance(DAY);
        let third = night(&world, &journal).await;
        assert_eq!(third.canaries, 3);
        assert!(third.found > 0);
        let mut tx = world.db.read().await.expect("a snapshot");
        assert_eq!(last(&mut tx).await.expect("read"), Some(third));

        world.clock.advance(40 * DAY);
        assert_eq!(night(&world, &journal).await.canaries, 1, "old ones are let go");
    })
    .await;
}

/// A process may die between the erasure and the note that there was a canary today.
#[tokio::test]
async fn a_canary_that_was_erased_is_not_made_again() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let directory = tempfile::tempdir().expect("a directory");
        let journal = Journal::beside(&directory.path().join("keyring.json"));
        night(&world, &journal).await;
        let entries = async || {
            let mut tx = world.db.read().await.expect("a snapshot");
            ledger::size(&mut tx).await.expect("a size")
        };
        let before = entries().await;
        run(&world, "delete from canaries", values![]).await;
        let again = night(&world, &journal).await;
        assert_eq!((again.canaries, again.found), (1, 0));
        assert_eq!(entries().await, before, "nobody consented and nobody was erased again");
        assert_eq!(journal.read().await.expect("read").len(), 2);
    })
    .await;
}

/// A process may also die when the canary lives: it is let go by the next attempt.
#[tokio::test]
async fn a_canary_that_was_left_is_let_go() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let directory = tempfile::tempdir().expect("a directory");
        let journal = Journal::beside(&directory.path().join("keyring.json"));
        let life::Bird { app, reference, subject } = Canary::of(&world.keys, world.clock.now()).own;
        let (keys, now) = (&world.keys, world.clock.now());
        let rng = &mut world.rng(4);
        let new = Registration::with_id(keys, rng, &app, &reference, details(), subject);
        let mut tx = world.db.begin().await.expect("begins");
        accounts::register(&mut tx, &[new], now).await.expect("registered");
        tx.commit().await.expect("commits");
        let look = night(&world, &journal).await;
        assert_eq!((look.canaries, look.found), (1, 0));
        let mut tx = world.db.read().await.expect("a snapshot");
        assert!(accounts::find(&mut tx, &[subject]).await.expect("found").is_empty());
    })
    .await;
}

const HELD: [(&str, u64); 8] = [
    ("select count(*) as n from accounts", 2),
    ("select count(*) as n from link_tokens", 2),
    ("select count(*) as n from links", 2),
    ("select count(*) as n from profiles", 1),
    ("select count(*) as n from corrections", 1),
    ("select count(*) as n from privacy_links", 1),
    ("select count(*) as n from consent_records", 8),
    ("select count(*) as n from grants where state = 'given'", 8),
];

/// It has what people have, and everything of it goes as everything of theirs goes.
#[tokio::test]
async fn a_canary_has_what_people_have_and_keeps_nothing() {
    on_both(|db| async move {
        let world = World::new(db).await;
        world.assess().await;
        let directory = tempfile::tempdir().expect("a directory");
        let journal = Journal::beside(&directory.path().join("keyring.json"));
        let (db, keys, consents) = (&world.db, &*world.keys, &world.consents);
        let (tokens, also) = (&tokens(&world), Vec::new());
        let keeper = Keeper { db, keys, journal: &journal, consents, tokens, also };
        let now = world.clock.now();
        let canary = Canary::of(keys, now);
        for attempt in 0..2 {
            canary.live(&keeper, &mut world.rng(attempt), now).await.expect("it lives");
        }
        let token = canary.token(&keeper, &mut world.rng(5), now).await.expect("made");
        let known = canary.remembered(keys).and_token(&token.expect("a token"));
        let traces = traces::search_tables(db, &known).await.expect("looked");
        for place in ["link_tokens.token", "account_references.tag"] {
            assert!(traces.iter().any(|trace| trace.place == place), "{place}: {traces:?}");
        }
        for (sql, expected) in HELD {
            let held = count(&world, sql).await;
            assert!(held == expected || held == 2 * expected, "{sql}: {held}");
        }
        let look = fly(&keeper, &mut world.rng(5), now).await.expect("it flies");
        assert_eq!((look.canaries, look.found), (1, 0));
        for (sql, _) in HELD {
            assert_eq!(count(&world, sql).await, 0, "{sql}");
        }
        assert_eq!(count(&world, "select count(*) as n from subject_requests").await, 0);
    })
    .await;
}

/// No campaign can be delivered in an app that does not exist, and these cannot be made to.
#[tokio::test]
async fn the_apps_of_canaries_are_apps_to_nobody() {
    on_both(|db| async move {
        let world = World::new(db).await;
        for slug in [directory::CANARY_APP, directory::CANARY_PEER] {
            let mut tx = world.db.begin().await.expect("begins");
            let app = directory::AppRecord {
                id: AppId::parse(slug).expect("a slug"),
                title: "Canary".to_owned(),
                phone_encoding: volens_privacy::phone::PhoneEncoding::E164,
                region: None,
                created_at: world.clock.now(),
            };
            assert!(directory::create_app(&mut tx, &app).await.is_err(), "{slug}");
            assert!(directory::app(&mut tx, &app.id).await.expect("read").is_none());
        }
    })
    .await;
}

/// Everything a careless program could leave, one place after the other.
#[tokio::test]
async fn what_is_left_of_a_canary_is_found_wherever_it_is() {
    on_both(|db| async move {
        let world = World::new(db).await;
        world.assess().await;
        let directory = tempfile::tempdir().expect("a directory");
        let journal = Journal::beside(&directory.path().join("keyring.json"));
        let [logs, indexes] = ["logs", "indexes"].map(|name| directory.path().join(name));
        fs::create_dir(&logs).expect("made");
        let also = [logs.as_path(), indexes.as_path()];
        let shelf = Shelf::new(indexes.clone(), 1);
        let body = |text: String| {
            vec![Entry {
                number: 0,
                language: Language::English,
                title: "Refunds".to_owned(),
                body: text,
            }]
        };
        let volume = |entries: &[Entry]| Volume {
            bot: "b0".to_owned(),
            version: 1,
            fingerprint: Volume::fingerprint_of(&[Language::English], entries),
            languages: vec![Language::English],
        };
        let clean = body("Within a month".to_owned());
        shelf.build(&volume(&clean), clean).await.expect("built");
        let canary = Canary::of(&world.keys, world.clock.now());
        assert_eq!(night_with(&world, &journal, &also).await.found, 0);

        let (db, keys, consents) = (&world.db, &*world.keys, &world.consents);
        let (tokens, rng) = (&tokens(&world), &mut world.rng(5));
        let keeper = Keeper { db, keys, journal: &journal, consents, tokens, also: Vec::new() };
        let token = canary.token(&keeper, rng, world.clock.now()).await.expect("made");
        let token = hex(token.expect("a token").as_bytes());
        let remembered = canary.remembered(keys);
        let phone = remembered.bytes_of("phone number");
        let phone = String::from_utf8(phone.to_vec()).expect("digits");
        let lines = [
            ("token.log", format!("linked by {token}")),
            ("export.csv", format!("rank,phone\n1,+{phone}\n")),
            ("reference.jsonl", format!("{{\"account\":\"{}\"}}", canary.peer.reference)),
        ];
        for (name, line) in lines {
            fs::write(logs.join(name), line).expect("written");
            assert_eq!(night_with(&world, &journal, &also).await.found, 1, "{name}");
            fs::remove_file(logs.join(name)).expect("removed");
        }
        let told = body(format!("Ask {} about it", canary.own.reference));
        shelf.build(&volume(&told), told).await.expect("built");
        let found = night_with(&world, &journal, &also).await.found;
        assert_eq!(found, 1, "a term of the dictionary");
        shelf.discard("b0", 2).await.expect("discarded");
        assert_eq!(night_with(&world, &journal, &also).await.found, 0);
        fs::write(logs.join("old.zst"), b"\x28\xb5\x2f\xfd....").expect("written");
        let look = night_with(&world, &journal, &also).await;
        assert_eq!((look.found, look.unread), (0, 1), "nothing is known of it");
    })
    .await;
}

/// A row that was deleted is in no table and yet in the files, until they are rewritten.
#[tokio::test]
async fn what_is_left_of_a_canary_in_a_page_is_found() {
    on_both(|db| async move {
        let world = World::new(db).await;
        let directory = tempfile::tempdir().expect("a directory");
        let journal = Journal::beside(&directory.path().join("keyring.json"));
        let subject = Canary::of(&world.keys, world.clock.now()).own.subject;
        assert_eq!(night(&world, &journal).await.found, 0);
        world.clock.advance(DAY);
        purge(&world).await;
        let sql = "insert into counters (name, value) values ($1, 0)";
        run(&world, sql, values![hex(subject.as_bytes())]).await;
        run(&world, "delete from counters where name = $1", values![hex(subject.as_bytes())]).await;
        let look = night(&world, &journal).await;
        assert!(look.files > 0, "the files are within reach here");
        assert!(look.in_files == 1 && look.found > 0, "{look:?}");
        purge(&world).await;
        world.db.purge(&["counters"]).await.expect("purges");
        assert_eq!(night(&world, &journal).await.found, 0);
    })
    .await;
}

/// Where the server's files are out of reach, nobody was looked for in them, and that is said.
#[tokio::test]
async fn files_out_of_reach_are_not_said_to_be_looked_into() {
    let Some(fresh) = FreshPostgres::create().await else { return skipped() };
    let owner = fresh.open().await;
    let role = format!("canary_{}", std::process::id());
    let mut tx = owner.begin().await.expect("begins");
    for sql in [
        format!("create role {role}"),
        format!("grant all on schema public to {role}"),
        format!("grant all on all tables in schema public to {role}"),
    ] {
        let sql: &'static str = sql.leak();
        let statement = Statement::new("rights::canary::tests", "ROLE", sql, sql);
        tx.execute(statement, values![]).await.expect(sql);
    }
    tx.commit().await.expect("commits");
    let address = fresh.address();
    let separator = if address.contains('?') { '&' } else { '?' };
    let tenant = Db::open(&format!("{address}{separator}options[role]={role}")).await;
    let world = World::new(tenant.expect("opens")).await;
    let directory = tempfile::tempdir().expect("a directory");
    let journal = Journal::beside(&directory.path().join("keyring.json"));
    night(&world, &journal).await;
    world.clock.advance(DAY);
    traces::note_purge(&world.db, world.clock.now()).await.expect("noted");
    let look = night(&world, &journal).await;
    assert_eq!((look.canaries, look.files, look.in_files), (2, 0, 0));
    world.db.close().await;
    let mut tx = owner.begin().await.expect("begins");
    for sql in [format!("drop owned by {role}"), format!("drop role {role}")] {
        let sql: &'static str = sql.leak();
        let statement = Statement::new("rights::canary::tests", "ROLE", sql, sql);
        tx.execute(statement, values![]).await.expect(sql);
    }
    tx.commit().await.expect("commits");
    owner.close().await;
    fresh.drop_database().await;
}
