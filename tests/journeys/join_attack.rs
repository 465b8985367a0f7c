//! Without consent no join.
//!
//! Two thousand people have an account in each of three apps, with the same phone number and the same
//! habits: one hour of the day, one set of interests, as eager here as there. Half of them consented
//! to linking the first two apps, nobody was asked about the third. Some apps sent the phone number
//! along with everything. Then the whole database is stolen, and after it every key of the server.
//!
//! The thief looks for what the accounts of one person share: equal values in any columns and equal
//! runs of eight bytes inside any values ([`attack`]); and for what is alike in them: rare values,
//! runs, the hours of all times, texts, and whatever a classifier makes of it that was trained on the
//! pairs who did consent ([`likeness`]). Whoever did not consent is found no oftener than by chance.
//!
//! The attack is known to bite: it finds the people who did consent, everybody once a column is
//! added that should not be there, everybody in the dump of a build that keeps features and hours in
//! clear, and too many where it is seen how many signals an account sent. What the threat model admits,
//! profiles that every key opens, is measured apart. The thief comes in the morning: in which order
//! profiles changed is forgotten every night.

mod attack;
mod likeness;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use attack::{Material, attack, by_account, equal_values, flatten, run_number};
use likeness::{Attacker, Pairs};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};
use volens::clock::Clock as _;
use volens::consent;
use volens::db::testing::{FreshPostgres, FreshSqlite, skipped};
use volens::ids::hex;
use volens::signals::Profile;
use volens_privacy::SubjectId;
use volens_privacy::phone::{PhoneEvidence, PhoneNumber, PhoneSpace};
use world::{COST, LINKED, Linking, Person, STRANGERS, World, apps, world};

use crate::dump::{self, Cell, Table};

fn materials(world: &World, tables: &[Table]) -> BTreeMap<SubjectId, Material> {
    by_account(tables, &world.accounts.concat())
}

/// What every key opens: the records of consent, as their JSON, value by value.
async fn opened(world: &World) -> BTreeMap<SubjectId, Material> {
    let mut found = BTreeMap::new();
    let mut tx = world.house.db.read().await.expect("a snapshot");
    for some in world.accounts.concat().chunks(500) {
        let consents = consent::consents_of(&mut tx, &world.house.keys, some).await;
        for (subject, consents) in consents.expect("everything opens with the keys") {
            let mut material = Material::new();
            for entry in consents.history() {
                let record = serde_json::to_value(&entry.record).expect("a record is JSON");
                flatten("record", &record, &mut material);
            }
            found.insert(subject, material);
        }
    }
    found
}

/// With every key, the thief can make the token of any number he guesses. It must not be there.
fn guessed_numbers(world: &World, tables: &[Table], chosen: &[usize]) -> usize {
    let keys = &world.house.keys;
    let [one, other, _] = apps();
    let stored: BTreeSet<&Cell> =
        tables.iter().flat_map(|table| &table.rows).flatten().map(|(_, cell)| cell).collect();
    let is_stored = |person: &Person, space: PhoneSpace| {
        let number = PhoneNumber::parse(&person.phone, None).expect("a phone number");
        let number = PhoneEvidence::from(number).in_space(space).expect("a number has every form");
        let slow = keys.stretch(&number, &COST).expect("the ring holds all of its pepper");
        let token = keys.link_token(&slow, &one, &other, space);
        stored.contains(&Cell::Bytes(token.as_bytes().to_vec()))
    };
    chosen
        .iter()
        .map(|nth| &world.people[*nth])
        .filter(|person| {
            [PhoneSpace::Plus, PhoneSpace::Digits].iter().any(|s| is_stored(person, *s))
        })
        .count()
}

fn those(world: &World, wanted: impl Fn(Linking) -> bool) -> Vec<usize> {
    (0..world.people.len()).filter(|nth| wanted(world.people[*nth].linking)).collect()
}

/// The numbers themselves, in clear or as the hash that every app can make, are nowhere.
fn numbers_in_clear(world: &World, tables: &[Table]) -> Vec<String> {
    // By the first eight bytes, so that one look-up per byte of the database is enough.
    let mut forms: BTreeMap<u64, Vec<(Vec<u8>, &str)>> = BTreeMap::new();
    let mut add = |form: Vec<u8>, name| {
        forms.entry(run_number(&form[..8])).or_default().push((form, name));
    };
    for person in &world.people {
        let digits = person.phone.trim_start_matches('+');
        add(digits.as_bytes().to_vec(), "digits");
        for text in [digits, person.phone.as_str()] {
            let digest = Sha256::digest(text.as_bytes());
            add(digest.to_vec(), "hash");
            add(hex(&digest).into_bytes(), "hash in hexadecimal");
        }
    }
    let mut found = Vec::new();
    for table in tables {
        for (column, cell) in table.rows.iter().flatten() {
            let bytes = match cell {
                Cell::Bytes(bytes) => bytes.clone(),
                Cell::Text(text) => text.clone().into_bytes(),
                Cell::Number(number) => number.to_string().into_bytes(),
            };
            for (at, run) in bytes.windows(8).enumerate() {
                let candidates = forms.get(&run_number(run)).into_iter().flatten();
                let whole = candidates.filter(|(form, _)| bytes[at..].starts_with(form));
                found.extend(whole.map(|(_, form)| {
                    format!("{}.{column} holds a phone number ({form})", table.name)
                }));
            }
        }
    }
    found
}

async fn nobody_is_joined_without_consent(address: &str) {
    let world = world(address).await;
    let strangers = those(&world, |linking| linking != Linking::Consented);
    let linked = those(&world, |linking| linking == Linking::Consented);
    assert_eq!(strangers.len(), STRANGERS);

    // The whole database.
    let tables = dump::everything(address).await;
    let stolen = materials(&world, &tables);
    assert_eq!(attack(&world, &stolen, &strangers), Vec::<String>::new());
    assert_eq!(numbers_in_clear(&world, &tables), Vec::<String>::new());

    // Every key besides.
    let opened = opened(&world).await;
    let strangers_side = |app: usize| -> Vec<&Material> {
        strangers.iter().map(|nth| &opened[&world.accounts[app][*nth]]).collect()
    };
    assert_eq!(equal_values(&strangers_side(0), &strangers_side(1)), Vec::<String>::new());
    let two_sided = those(&world, |l| !matches!(l, Linking::Consented | Linking::OneSided));
    assert_eq!(guessed_numbers(&world, &tables, &two_sided), 0);

    // The attack bites: it finds those who consented, and only through their tokens.
    let found = attack(&world, &stolen, &linked);
    assert!(found.iter().any(|join| join.contains("link_tokens.token = ")), "{found:?}");
    assert_eq!(guessed_numbers(&world, &tables, &linked), LINKED);

    careless_columns_are_found(address, &world, &strangers).await;
    // What is alike does not depend on the engine; once is enough.
    if address.starts_with("sqlite:") {
        nobody_is_alike(&world, &tables, &opened).await;
    }
}

/// The pairs of accounts that nobody consented to join.
fn unjoined(world: &World) -> Vec<Pairs> {
    let strangers = those(world, |linking| linking != Linking::Consented);
    let linked = those(world, |linking| linking == Linking::Consented);
    vec![
        Pairs { apps: [0, 1], people: strangers },
        Pairs { apps: [0, 2], people: linked.clone() },
        Pairs { apps: [1, 2], people: linked },
    ]
}

async fn nobody_is_alike(world: &World, tables: &[Table], opened: &BTreeMap<SubjectId, Material>) {
    let stolen = materials(world, tables);
    let sound = Attacker::on(world, &stolen, |_| true);
    for (attack, found) in sound.attack(world, &unjoined(world), 2) {
        assert!(found.is_chance(), "{attack}: {found:?}");
    }
    // Every key besides: the records of consent, opened.
    let mut with_keys = stolen.clone();
    for (subject, material) in opened {
        with_keys.get_mut(subject).expect("an account").extend(material.iter().cloned());
    }
    let with_keys = Attacker::on(world, &with_keys, |_| true);
    for (attack, found) in with_keys.attack(world, &unjoined(world), 2) {
        assert!(found.is_chance(), "with every key, {attack}: {found:?}");
    }
    // A build that tells how many signals an account sent is found out: it was so once.
    let mut counted = stolen.clone();
    add_counts(world, &mut counted);
    let counted = Attacker::on(world, &counted, |label| label.starts_with("counts."));
    let found = counted.attack(world, &unjoined(world), 8)["classifier"];
    assert!(!found.is_chance(), "how much an account is used: {found:?}");
    // What the threat model admits: every key opens the profiles as well, and two of one person are alike.
    let mut plain = stolen;
    open_profiles(world, &mut plain).await;
    let profiles = Attacker::on(world, &plain, |label| label.starts_with("profiles.interest."));
    let found = profiles.attack(world, &unjoined(world), 8);
    assert!(!found["classifier"].is_chance(), "admitted with every key: {found:?}");
    assert!(found["timing"].is_chance() && found["texts"].is_chance(), "no more than: {found:?}");
    // A build that keeps features and hours in clear is broken, and that is found without any key.
    add_hours(world, &mut plain).await;
    let plain = Attacker::on(world, &plain, |_| true);
    let found = plain.attack(world, &unjoined(world), 8);
    assert!(!found["timing"].is_chance(), "{found:?}");
    let found = found["classifier"];
    assert!(found.top >= 5.0 * found.chance && found.auc >= 0.8, "{found:?}");
}

/// The profiles that every key opens, in place of the sealed bytes.
async fn open_profiles(world: &World, stolen: &mut BTreeMap<SubjectId, Material>) {
    let now = world.house.clock.now();
    for (subject, profile) in profiles(world).await {
        let material = stolen.get_mut(&subject).expect("an account");
        material.retain(|(label, _)| label != "profiles.sealed");
        for (topic, [_, _, long]) in profile.interests(now) {
            let label = format!("profiles.interest.{topic}");
            material.push((label, Cell::Number((long * 1e6) as i64)));
        }
    }
}

/// The hour of the last signal, as a careless build might keep it.
async fn add_hours(world: &World, stolen: &mut BTreeMap<SubjectId, Material>) {
    for (subject, profile) in profiles(world).await {
        let material = stolen.get_mut(&subject).expect("an account");
        if let Some(hour) = profile.last_hour() {
            material.push(("hours.seen".to_owned(), Cell::Number(hour * 3_600_000_000)));
        }
    }
}

/// How many signals each account sent, as a row of each under its account would show it.
fn add_counts(world: &World, stolen: &mut BTreeMap<SubjectId, Material>) {
    for (accounts, sent) in world.accounts.iter().zip(&world.sent) {
        for (subject, sent) in accounts.iter().zip(sent) {
            let material = stolen.get_mut(subject).expect("an account");
            material.push(("counts.signals".to_owned(), Cell::Number(*sent)));
        }
    }
}

async fn profiles(world: &World) -> BTreeMap<SubjectId, Profile> {
    let mut tx = world.house.db.read().await.expect("a snapshot");
    let mut all = BTreeMap::new();
    for some in world.accounts.concat().chunks(500) {
        let profiles = volens::signals::profiles(&mut tx, &world.house.keys, some).await;
        all.extend(profiles.expect("everything opens with the keys"));
    }
    all
}

/// Adds what a careless colleague might: a hash of the number in a column, and one inside a value.
async fn careless_columns_are_found(address: &str, world: &World, strangers: &[usize]) {
    let postgres = !address.starts_with("sqlite:");
    let (kind, open, close) = if postgres { ("bytea", "'\\x", "'") } else { ("blob", "x'", "'") };
    let mut rng = StdRng::seed_from_u64(5);
    let mut rows =
        vec![format!("create table hints (subject {kind}, hash {kind}, mixed {kind});\n")];
    for (nth, app) in strangers.iter().flat_map(|nth| [(*nth, 0), (*nth, 1)]) {
        let hash = Sha256::digest(format!("salt{}", world.people[nth].phone));
        let mixed = [&rng.random::<[u8; 8]>()[..], &hash[8..17], &rng.random::<[u8; 8]>()].concat();
        let subject = hex(world.accounts[app][nth].as_bytes());
        let cells =
            [subject, hex(&hash[..6]), hex(&mixed)].map(|hex| format!("{open}{hex}{close}"));
        rows.push(format!("insert into hints values ({});\n", cells.join(", ")));
    }
    dump::tamper(address, &rows.concat()).await;
    let tables = dump::everything(address).await;
    let found = attack(world, &materials(world, &tables), strangers);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("hints.hash = hints.hash"), "{found:?}");
    assert!(found[1].starts_with("eight bytes"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_join_without_consent_on_sqlite() {
    let fresh = FreshSqlite::create();
    nobody_is_joined_without_consent(&fresh.address()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_join_without_consent_on_postgres() {
    let Some(fresh) = FreshPostgres::create().await else { return skipped() };
    nobody_is_joined_without_consent(&fresh.address()).await;
    fresh.drop_database().await;
}
