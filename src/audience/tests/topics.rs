//! What a message is about: how well it is recognised, and what a business teaches.

use volens_privacy::BusinessId;

use super::town::{RIVAL, SHOP, know_app, running_shoes};
use crate::audience::campaigns::{self, Campaign, CampaignIn, MessageIn, Text};
use crate::audience::topics::{self, Proposal};
use crate::audience::{AudienceError, Result};
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::testing::World;

/// Messages with their topics, written before the keywords were. The formula of the model was fitted on
/// the first half; nothing was fitted on the second.
const TUNED: &str = include_str!("../../../tests/topics/tuned.txt");
const HELD_OUT: &str = include_str!("../../../tests/topics/held_out.txt");

fn text(title: &str, text: &str, language: &str) -> Text {
    Text { title: title.to_owned(), text: text.to_owned(), language: language.to_owned() }
}

/// How often the model was right, of how many.
#[derive(Debug, Default)]
struct Tally {
    /// Messages about topics that may be used.
    topical: u32,
    /// The first topic proposed is one of the message's.
    first: u32,
    /// One of those proposed is.
    any: u32,
    /// Nothing was proposed.
    silent: u32,
    /// Taken for a special category.
    alarmed: u32,
    /// Topics proposed for them, and those that were right.
    proposed: u32,
    right: u32,
    /// Messages about nothing, and those left alone.
    idle: u32,
    left_alone: u32,
    /// Messages about special categories, and those seen.
    sensitive: u32,
    seen: u32,
}

impl Tally {
    fn of(messages: &str) -> Self {
        let mut tally = Self::default();
        for line in messages.lines() {
            let fields: Vec<&str> = line.split('|').collect();
            let [language, about, title, body] = fields[..] else { panic!("four fields: {line}") };
            let found = topics::read(&text(title, body, language), &[]);
            tally.add(about, &found);
        }
        tally
    }

    fn add(&mut self, about: &str, found: &Proposal) {
        let (alarmed, silent) = (!found.sensitive.is_empty(), found.topics.is_empty());
        if about.starts_with('!') {
            self.sensitive += 1;
            self.seen += u32::from(alarmed);
        } else if about == "-" {
            self.idle += 1;
            self.left_alone += u32::from(silent && !alarmed);
        } else {
            let right = |topic: &str| about.split(',').any(|one| one == topic);
            let hits: Vec<bool> = found.topics.iter().map(|found| right(&found.topic)).collect();
            self.topical += 1;
            self.first += u32::from(hits.first() == Some(&true));
            self.any += u32::from(hits.contains(&true));
            self.silent += u32::from(silent && !alarmed);
            self.alarmed += u32::from(alarmed);
            self.proposed += hits.len() as u32;
            self.right += hits.iter().filter(|hit| **hit).count() as u32;
        }
    }
}

fn at_least(part: u32, of: u32, share: f64) -> bool {
    f64::from(part) >= share * f64::from(of)
}

#[test]
fn topics_are_recognised_in_five_languages() {
    for (half, messages) in [("tuned", TUNED), ("held out", HELD_OUT)] {
        let tally = Tally::of(messages);
        assert!(at_least(tally.first, tally.topical, 0.85), "{half}: {tally:?}");
        assert!(at_least(tally.any, tally.topical, 0.88), "{half}: {tally:?}");
        assert!(at_least(tally.right, tally.proposed, 0.90), "{half}: {tally:?}");
        assert!(at_least(tally.left_alone, tally.idle, 0.70), "{half}: {tally:?}");
        assert!(at_least(tally.seen, tally.sensitive, 0.95), "{half}: {tally:?}");
        assert!(tally.alarmed <= 1, "{half}: {tally:?}");
    }
}

#[test]
fn inflections_compounds_typos_and_missing_accents_are_forgiven() {
    for (language, title, expected) in [
        ("en", "Marathonn trainning for runners", "sport.running"),
        ("en", "Photograpy and cameraas", "technology.photo"),
        ("de", "Fahrradhelme und Fahrradschlösser", "sport.cycling"),
        ("de", "Kaffeemaschinenreiniger für Espressomaschinen", "food.coffee"),
        ("fr", "Des velos pour les cyclistes", "sport.cycling"),
        ("es", "Camara y objetivos para fotografos", "technology.photo"),
        ("pt", "Computadores portateis", "technology.computers"),
        ("it", "Nuovi smartphone Android", "technology.phones"),
    ] {
        let found = topics::read(&text(title, "…", language), &[]);
        let first = found.topics.first().map(|found| found.topic.as_str());
        assert_eq!(first, Some(expected), "{title}: {found:?}");
    }
}

#[test]
fn a_proposal_says_by_which_words_and_is_the_same_every_time() {
    let asked = text("Spring half marathon", "Run with us, runners!", "en");
    let found = topics::read(&asked, &[]);
    let running = found.topics.first().expect("a proposal");
    assert_eq!(running.topic, "sport.running");
    assert_eq!(running.words, ["half marathon", "run", "runners", "spring"]);
    assert!(running.probability > 0.9 && running.probability <= 1.0, "{running:?}");
    assert_eq!(topics::read(&asked, &[]), found);
}

#[test]
fn sensitive_topics_are_never_proposed_whatever_a_business_taught() {
    let asked = text("Living with diabetes", "Insulin pens and glucose meters.", "en");
    let found = topics::read(&asked, &[]);
    assert!(found.topics.is_empty(), "{found:?}");
    assert_eq!(found.sensitive[0].topic, "health.conditions");
    assert!(found.sensitive[0].words.contains(&"diabetes".to_owned()), "{found:?}");
    let taught = campaigns::Message {
        title: asked.title.clone(),
        text: asked.text.clone(),
        language: asked.language.clone(),
        topics: vec!["services".to_owned()],
    };
    assert_eq!(topics::read(&asked, &[taught]), found, "a lesson does not silence it");
}

/// A campaign of a business with a text of its own.
async fn make(
    world: &World,
    business: BusinessId,
    asked: &Text,
    topics: Option<&[&str]>,
) -> Result<Campaign> {
    let Text { title, text, language } = asked.clone();
    let topics = topics.map(|topics| topics.iter().map(ToString::to_string).collect());
    let message = MessageIn { title, text, language, topics };
    let wanted = CampaignIn { message, ..running_shoes() };
    world.clock.advance(std::time::Duration::from_secs(1));
    let now = world.clock.now();
    let mut tx = world.db.begin().await?;
    let mut rng = world.rng(now.micros() as u64);
    let made = campaigns::make(&mut tx, business, wanted, &mut rng, now).await?;
    tx.commit().await?;
    Ok(made)
}

async fn proposed(world: &World, business: BusinessId, asked: &Text) -> Vec<String> {
    let mut tx = world.db.read().await.expect("begins");
    let found = topics::propose(&mut tx, business, asked.clone()).await.expect("a text");
    found.topics.into_iter().map(|found| found.topic).collect()
}

#[tokio::test]
async fn a_campaign_without_topics_gets_those_of_its_text_and_says_why() {
    on_both(|db| async move {
        let world = World::new(db).await;
        know_app(&world).await;
        let asked = text("Spring half marathon", "Run with us.", "en");
        let made = make(&world, SHOP, &asked, None).await.expect("recognised");
        assert_eq!(made.message.topics, ["sport.running"]);
        let found = made.recognised.as_deref().expect("recognised");
        assert_eq!(found[0].words[..2], ["half marathon", "run"]);
        let mut tx = world.db.read().await.expect("begins");
        assert_eq!(campaigns::find(&mut tx, SHOP, made.id).await.expect("kept"), made);
        drop(tx);
        let named = make(&world, SHOP, &asked, Some(&["events"])).await.expect("named");
        assert_eq!((named.message.topics, named.recognised), (vec!["events".to_owned()], None));

        let nothing = make(&world, SHOP, &text("Thank you", "See you soon.", "en"), None).await;
        assert!(matches!(nothing, Err(AudienceError::UnclearText)), "{nothing:?}");
        let none = make(&world, SHOP, &asked, Some(&[])).await;
        assert!(matches!(none, Err(AudienceError::Invalid { field: "message.topics", .. })));
        let health = text("Living with diabetes", "Glucose meters.", "en");
        let refused = make(&world, SHOP, &health, None).await;
        assert_eq!(refused.expect_err("sensitive").code(), "topic.sensitive");
        let named = make(&world, SHOP, &health, Some(&["services"])).await.expect("named");
        assert!(!topics::sensitive_of(&named).is_empty(), "a warning is left");
    })
    .await;
}

#[tokio::test]
async fn no_campaign_is_named_after_a_special_category() {
    on_both(|db| async move {
        let world = World::new(db).await;
        know_app(&world).await;
        let asked = text("Spring running shoes", "Light shoes for the season.", "en");
        let named = async |name: &str, language: &str| {
            let asked = Text { language: language.to_owned(), ..asked.clone() };
            let Text { title, text, language } = asked;
            let topics = Some(vec!["sport.running".to_owned()]);
            let message = MessageIn { title, text, language, topics };
            let wanted = CampaignIn { name: name.to_owned(), message, ..running_shoes() };
            let mut tx = world.db.begin().await.expect("begins");
            let now = world.clock.now();
            campaigns::make(&mut tx, SHOP, wanted, &mut world.rng(1), now).await
        };
        for (name, language) in [
            ("Diabetics in Lyon", "en"),
            ("HIV", "en"),
            ("Catholics of Lyon", "en"),
            ("Schwangere Frauen", "de"),
            ("Électeurs du parti", "fr"),
            ("Musulmanes de Madrid", "es"),
            ("Mulheres grávidas", "pt"),
        ] {
            let refused = named(name, language).await.expect_err(name);
            assert!(matches!(refused, AudienceError::SensitiveName(_)), "{name}: {refused}");
        }
        for (name, language) in [
            ("Spring shoes 2026", "en"),
            ("Winter sale, second wave", "en"),
            ("Test", "en"),
            ("x", "en"),
            ("Kaffee für Neue", "de"),
            ("Rentrée: cartables et cahiers", "fr"),
            ("Bicicletas de otoño", "es"),
            ("Saldos de verão", "pt"),
        ] {
            let made = named(name, language).await.expect(name);
            assert_eq!(made.name, name);
        }
    })
    .await;
}

#[tokio::test]
async fn a_correction_is_followed_for_this_business_and_no_other() {
    on_both(|db| async move {
        let world = World::new(db).await;
        know_app(&world).await;
        let first =
            text("Bark & Bean is open", "Espresso and cake on the terrace of our kennel.", "en");
        let alike =
            text("Bark & Bean at night", "Tonight espresso on the terrace of the kennel.", "en");
        let before = proposed(&world, SHOP, &alike).await;
        assert!(!before.contains(&"events".to_owned()), "{before:?}");
        make(&world, SHOP, &first, Some(&["events"])).await.expect("corrected");
        assert_eq!(proposed(&world, SHOP, &first).await, ["events"]);
        assert_eq!(proposed(&world, SHOP, &alike).await, ["events"], "a text like it");
        assert_eq!(proposed(&world, RIVAL, &alike).await, before, "a business of its own");
        let other = text("Autumn jackets", "Coats and knitwear.", "en");
        assert_eq!(proposed(&world, SHOP, &other).await, ["fashion.clothing"], "a text unlike it");

        make(&world, SHOP, &first, Some(&["food.coffee"])).await.expect("corrected again");
        assert_eq!(proposed(&world, SHOP, &alike).await[0], "food.coffee", "the newer counts");
    })
    .await;
}

#[tokio::test]
async fn what_was_recognised_and_nobody_looked_at_teaches_nothing() {
    on_both(|db| async move {
        let world = World::new(db).await;
        know_app(&world).await;
        let asked = text("Espresso at night", "Espresso and cake.", "en");
        let mut tx = world.db.read().await.expect("begins");
        let before = topics::propose(&mut tx, SHOP, asked.clone()).await.expect("a text");
        drop(tx);
        make(&world, SHOP, &asked, None).await.expect("recognised");
        let mut tx = world.db.read().await.expect("begins");
        assert_eq!(topics::propose(&mut tx, SHOP, asked).await.expect("a text"), before);
    })
    .await;
}
