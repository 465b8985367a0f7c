//! What a text must be held to say, thing by thing and in every language.

use std::collections::BTreeSet;

use super::{Notice, Notices, Part, words};
use crate::language::LANGUAGES;
use crate::purpose::{PurposeKind, Source};

fn newest() -> impl Iterator<Item = &'static Notice> {
    let notices = Notices::builtin();
    notices.all().iter().filter(|notice| notice.version == notices.newest(&notice.id))
}

/// The text without any word that begins like one of these.
fn without(text: &str, words: &[String]) -> String {
    let mut spoken = words::spoken(text);
    for word in words {
        let begins = |spoken: &str| {
            let mut found = spoken.match_indices(word.as_str()).map(|(at, _)| at);
            found.find(|at| spoken[..*at].ends_with(' '))
        };
        while let Some(at) = begins(&spoken) {
            spoken.replace_range(at..at + word.len(), "x");
        }
    }
    spoken
}

#[test]
fn each_thing_that_is_not_said_is_missed_in_every_language() {
    let mut seen: BTreeSet<(&str, &str)> = BTreeSet::new();
    for notice in newest() {
        for part in Part::ALL.into_iter().filter(|part| notice.needs(*part)) {
            for thing in part.things(notice) {
                let mut silent = notice.clone();
                let text = notice.section(&notice.sections[&part]).unwrap();
                let less = without(text, words::of(thing, &notice.language));
                silent.text = notice.text.replace(text, &less);
                let lacks = silent.lacks();
                let told = format!("says nothing of {thing} (");
                let found = |lack: &&super::Lack| lack.part == part && lack.why.contains(&told);
                let place = format!("{} in {}: {part}: {thing}", notice.id, notice.language);
                assert!(lacks.iter().any(|lack| found(&lack)), "{place}: {lacks:?}");
                seen.insert((thing, notice.language.as_str()));
            }
        }
    }
    // No word stands in the file for nothing.
    for (thing, of) in words::builtin() {
        for language in of.keys() {
            assert!(seen.contains(&(thing.as_str(), language.as_str())), "{thing} in {language}");
        }
    }
    assert!(seen.len() > 150, "{}", seen.len());
}

#[test]
fn every_word_can_be_found() {
    for (thing, of) in words::builtin() {
        for (language, words) in of {
            assert!(LANGUAGES.contains(&language.as_str()) && !words.is_empty(), "{thing}");
            for word in words {
                assert!(words::says(&words::spoken(word), word), "{thing} in {language}: {word}");
            }
        }
    }
    assert!(words::says(&words::spoken("Die ALTERSGRUPPE."), "altersgruppe"));
    assert!(!words::says(&words::spoken("messages in a language"), "age"), "not inside a word");
    assert!(words::says(&words::spoken("tranche d’âge"), "tranche d âge"));
}

#[test]
fn every_category_of_data_has_its_words() {
    for kind in PurposeKind::ALL {
        for data in kind.definition().data() {
            for language in LANGUAGES {
                assert!(!words::of(data, language).is_empty(), "{kind}: {data} in {language}");
            }
        }
    }
    assert!(words::of("shoe size", "en").is_empty(), "what has no words is said by no text");
}

#[test]
fn where_data_come_from_is_demanded_of_what_others_tell() {
    let lacks = |id: &str| {
        let mut notice = newest().find(|one| one.id == id).unwrap().clone();
        assert!(notice.lacks().is_empty());
        notice.sections.remove(&Part::Source);
        notice.lacks()
    };
    for id in ["linking", "messages", "reports"] {
        assert!(matches!(&lacks(id)[..], [lack] if lack.part == Part::Source), "{id}");
    }
    assert_eq!(PurposeKind::BotMemory.definition().sources(), [Source::Person]);
    assert!(lacks("assistant").is_empty(), "people write to the assistant themselves");
}

#[test]
fn the_texts_of_before_would_not_be_published_now() {
    for (id, version) in [("linking", 2), ("messages", 4), ("assistant", 2), ("reports", 2)] {
        for language in LANGUAGES {
            let lacks = Notices::builtin().get(id, version, language).unwrap().lacks();
            let lacking: BTreeSet<Part> = lacks.iter().map(|lack| lack.part).collect();
            let place = format!("{id}/{version} in {language}: {lacking:?}");
            for part in [Part::Data, Part::Necessity, Part::Withdrawal] {
                assert!(lacking.contains(&part), "{place} {part}");
            }
            assert_eq!(lacking.contains(&Part::Source), id != "assistant", "{place}");
            assert_eq!(lacking.contains(&Part::Rights), language == "pt", "{place}");
        }
    }
}
