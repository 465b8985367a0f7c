//! What the scan sees is what the slow path sees, whatever accounts did, deny, are and speak.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use volens_models::binning::Bins;
use volens_models::features::{self, Features, Message, Schema, Value};
use volens_models::learner::{Options, train};
use volens_models::model::{Model, ModelColumn};
use volens_models::scan::{Codes, best};
use volens_models::table::Table as Rows;
use volens_models::topk::top_k;
use volens_privacy::{AgeBand, SubjectId, Timestamp};

use super::View;
use super::standing::{LANDMARK, Standing};
use super::table::{Known, Table};
use crate::signals::DayCounts;
use crate::testing::app;

const TOPICS: [&str; 6] =
    ["fashion", "fashion.shoes", "media.music", "sport", "sport.cycling", "sport.running"];
const BUSINESSES: [&str; 3] = ["b1", "b2", "b3"];
const LANGUAGES: [&str; 4] = ["de", "de-AT", "en", "fr"];

/// Counts that fall on edges of bins, and between them.
fn counts() -> impl Strategy<Value = [f64; 3]> {
    prop::array::uniform3(prop_oneof![Just(-1.0), Just(0.0), Just(1.0), Just(2.0), -3.0..5.0])
}

fn some<'a>(of: &'a [&'static str]) -> impl Strategy<Value = Vec<(String, [f64; 3])>> + use<'a> {
    prop::collection::btree_map(prop::sample::select(of.to_vec()), counts(), 0..4)
        .prop_map(|held| held.into_iter().map(|(name, counts)| (name.to_owned(), counts)).collect())
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        prop_oneof![Just(0.0), Just(2.0), Just(7.0), -5.0..9.0].prop_map(Value::Number),
        prop::sample::select(vec!["gold", "silver", "tin", "7", "2.0"])
            .prop_map(|word| Value::Category(word.to_owned())),
    ]
}

/// What a [`Known`] is made of, which says nothing about itself on purpose.
#[derive(Clone, Debug)]
struct Made {
    standing: Option<Told>,
    language: Option<&'static str>,
}

#[derive(Clone, Debug)]
struct Told {
    topics: Vec<(String, [f64; 3])>,
    denied: BTreeSet<&'static str>,
    businesses: Vec<(String, [f64; 3])>,
    counters: [[f64; 3]; 3],
    last_hour: Option<i64>,
    language: Option<&'static str>,
    traits: BTreeMap<&'static str, Value>,
}

prop_compose! {
    fn told()(
        topics in some(&TOPICS),
        denied in prop::collection::btree_set(prop::sample::select(TOPICS.to_vec()), 0..3),
        businesses in some(&BUSINESSES),
        counters in prop::array::uniform3(counts()),
        last_hour in prop::option::of(490_000..492_000_i64),
        language in prop::option::of(prop::sample::select(LANGUAGES.to_vec())),
        traits in prop::collection::btree_map(
            prop::sample::select(vec!["plan", "years"]), value(), 0..3),
    ) -> Told {
        Told { topics, denied, businesses, counters, last_hour, language, traits }
    }
}

prop_compose! {
    fn made()(
        standing in prop::option::weighted(0.8, told()),
        language in prop::option::of(prop::sample::select(LANGUAGES.to_vec())),
    ) -> Made {
        Made { standing, language }
    }
}

fn known(made: &Made) -> Known {
    let standing = made.standing.clone().map(|told| Standing {
        topics: told.topics,
        denied: told.denied.into_iter().map(str::to_owned).collect(),
        businesses: told.businesses,
        engagement: told.counters[0],
        received: told.counters[1],
        rejected: told.counters[2],
        last_hour: told.last_hour,
        language: told.language.map(str::to_owned),
        traits: told.traits.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    });
    Known {
        app: app("messenger"),
        language: made.language.map(str::to_owned),
        country: None,
        age_band: AgeBand::ALL[3],
        frozen: false,
        objects: false,
        live: Vec::new(),
        standing,
        counted: false,
        recent: DayCounts::default(),
    }
}

prop_compose! {
    fn message()(
        topics in prop::collection::btree_set(prop::sample::select(TOPICS.to_vec()), 0..3),
        business in prop::sample::select(BUSINESSES.to_vec()),
        language in prop::option::of(prop::sample::select(LANGUAGES.to_vec())),
    ) -> Message {
        Message {
            topics: topics.into_iter().map(str::to_owned).collect(),
            business: business.to_owned(),
            language: language.map(str::to_owned),
        }
    }
}

/// A column for everything that [`features::pair`] can say, and for what nobody says.
fn columns() -> Vec<ModelColumn> {
    let mut named = vec![
        "lent.topic.long",
        "trait.plan",
        "trait.years",
        "trait.unheard",
        features::LANGUAGE_MATCH,
        features::TREATMENT,
    ];
    named.extend([features::TOPIC_SHORT, features::TOPIC_MEDIUM, features::TOPIC_LONG]);
    named.extend([features::TOPIC_RELATED, features::TOPIC_SHARE]);
    named.extend([features::BUSINESS_SHORT, features::BUSINESS_MEDIUM, features::BUSINESS_LONG]);
    named.extend([features::ENGAGEMENT_SHORT, features::ENGAGEMENT_LONG, features::RECENCY_DAYS]);
    named.extend([features::FATIGUE_RECEIVED, features::FATIGUE_REJECTED]);
    let words =
        |levels: &[&str]| Bins::Words { levels: levels.iter().map(|w| (*w).into()).collect() };
    let bins = |name: &str| match name {
        "trait.plan" => words(&["7", "gold", "tin"]),
        features::LANGUAGE_MATCH => words(&["no", "yes"]),
        _ => Bins::Numbers { edges: vec![-8.0, -1.0, 0.0, 0.25, 0.5, 1.0, 2.0, 3.5, 40.0] },
    };
    let column = |name: &str| ModelColumn { name: name.into(), bins: bins(name), direction: None };
    named.into_iter().map(column).collect()
}

proptest! {
    #[test]
    fn the_scan_sees_what_the_slow_path_sees(
        people in prop::collection::vec(made(), 1..40),
        earlier in prop::collection::vec(made(), 0..10),
        message in message(),
        hours in prop_oneof![Just(0), 0..2000_i64],
        treated in prop_oneof![Just(None), Just(Some(0.0)), Just(Some(1.0))],
        asked in prop::collection::vec(any::<bool>(), 40),
    ) {
        let mut table = Table::default();
        let subject = |n: usize| SubjectId::from_bytes([n as u8; 16]);
        // What a row held before leaves no trace.
        for (n, made) in earlier.iter().enumerate() {
            table.set(subject(n % people.len()), Some(&known(made)));
        }
        for (n, made) in people.iter().enumerate() {
            table.set(subject(n), Some(&known(made)));
        }
        let now = Timestamp::from_micros(LANDMARK.micros() + hours * 3_600_000_000);
        let columns = columns();
        let view = View::new(&table, &columns, &message, treated, now);
        let rows: Vec<u32> = table.accounts().iter().filter(|row| asked[*row as usize]).collect();
        let mut codes = Codes::default();
        view.codes(&rows, &mut codes);
        for (at, row) in rows.iter().enumerate() {
            let mut features = table.features(*row, &message, now);
            features.number(features::TREATMENT, treated.unwrap_or(f64::NAN));
            let slow: Vec<u16> =
                columns.iter().map(|c| c.bins.code(features.get(&c.name))).collect();
            prop_assert_eq!(codes.row(at), slow, "{:?}", features);
        }
    }
}

/// A model that learned from the first of these rows that dealings, interest and activity are welcome.
fn learned(seen: &[Features]) -> Model {
    let number = |seen: &Features, name: &str| match seen.get(name) {
        Some(Value::Number(number)) => *number,
        _ => 0.0,
    };
    let seen = &seen[..1500];
    let welcome = |seen: &Features| {
        let near = number(seen, features::TOPIC_LONG) + number(seen, features::BUSINESS_LONG);
        2.0 * near + number(seen, features::ENGAGEMENT_LONG) > 3.0
    };
    let labels: Vec<bool> = seen.iter().map(welcome).collect();
    let table = Rows::from_features(&Schema::covering(seen), seen);
    train(&table, &labels, None, &Options::default()).expect("both answers").model
}

/// Many blocks of rows with gaps between them, scored by a model that learned.
#[test]
fn the_best_are_those_of_the_slow_path() {
    const PEOPLE: u32 = 9000;
    let (mut runner, mut table) = (TestRunner::deterministic(), Table::default());
    for number in 0..PEOPLE {
        let made = made().new_tree(&mut runner).expect("a person").current();
        let mut subject = [0; 16];
        subject[..4].copy_from_slice(&number.to_be_bytes());
        table.set(SubjectId::from_bytes(subject), Some(&known(&made)));
    }
    let message = Message {
        topics: vec!["sport.cycling".to_owned()],
        business: "b1".to_owned(),
        language: Some("de".to_owned()),
    };
    let seen: Vec<Features> =
        (0..PEOPLE).map(|row| table.features(row, &message, LANDMARK)).collect();
    let model = learned(&seen);
    let rows: Vec<u32> = (0..PEOPLE).filter(|row| row % 7 != 3).collect();
    let mut slow = vec![f64::NAN; PEOPLE as usize];
    for row in &rows {
        slow[*row as usize] = model.score_values(&seen[*row as usize]).logit;
    }
    let view = View::new(&table, model.columns(), &message, None, LANDMARK);
    let scorer = model.scorer();
    for k in [1, 150, 4000] {
        let stop = AtomicBool::new(false);
        let found = best(&rows, k, 2, &stop, |codes, rows, scores| {
            view.codes(rows, codes);
            scorer.logits(codes, rows.len(), scores);
        });
        assert_eq!(found, Some(top_k(&slow, k)), "the best {k}");
    }
}
