//! The bot's own words in five languages, from `phrases.toml`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::persona::{Persona, Tone};
use crate::search::Language;

/// An occasion on which the bot speaks in its own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phrase {
    /// That it is a machine.
    Label,
    /// The greeting of a persona that has none.
    Greeting,
    /// Asking back; the choices follow.
    Clarify,
    /// It does not know, and hands over.
    Unknown,
    /// A person was asked for.
    Handoff,
    /// The bot is already silent.
    Waiting,
    /// A topic the business refuses.
    Refusal,
    /// Somebody may be in danger.
    Crisis,
}

#[derive(Deserialize)]
struct Texts {
    formal: BTreeMap<Language, String>,
    #[serde(default)]
    friendly: BTreeMap<Language, String>,
}

static PHRASES: LazyLock<BTreeMap<Phrase, Texts>> = LazyLock::new(|| {
    toml::from_str(include_str!("phrases.toml")).expect("a test reads the embedded phrases")
});

/// The label every conversation begins with. It takes no persona, so none can change it.
pub(super) fn label(language: Language) -> &'static str {
    text(Phrase::Label, language, Tone::Formal)
}

/// The words for an occasion in a language and tone.
pub(super) fn text(phrase: Phrase, language: Language, tone: Tone) -> &'static str {
    let texts = PHRASES.get(&phrase);
    let friendly = texts.filter(|_| tone == Tone::Friendly).map(|texts| &texts.friendly);
    let formal = texts.map(|texts| &texts.formal);
    friendly
        .and_then(|texts| texts.get(&language))
        .or_else(|| formal.and_then(|texts| texts.get(&language)))
        .map_or("", String::as_str)
}

/// The persona's greeting, or the built-in one.
pub(super) fn greeting(persona: &Persona, language: Language, first: Language) -> String {
    let own = persona.greeting.as_ref().and_then(|wording| wording.get(language, first));
    own.unwrap_or_else(|| text(Phrase::Greeting, language, persona.tone)).to_owned()
}

/// The words for an occasion with the persona's sign-off below them.
pub(super) fn signed(
    persona: &Persona,
    phrase: Phrase,
    language: Language,
    first: Language,
) -> String {
    let words = text(phrase, language, persona.tone);
    match persona.sign_off.as_ref().and_then(|wording| wording.get(language, first)) {
        Some(sign_off) => format!("{words}\n\n{sign_off}"),
        None => words.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assistant::persona::Wording;

    #[test]
    fn every_occasion_has_words_in_every_language_and_tone() {
        let occasions = [
            Phrase::Label,
            Phrase::Greeting,
            Phrase::Clarify,
            Phrase::Unknown,
            Phrase::Handoff,
            Phrase::Waiting,
            Phrase::Refusal,
            Phrase::Crisis,
        ];
        assert_eq!(PHRASES.len(), occasions.len());
        for phrase in occasions {
            for language in Language::ALL {
                for tone in [Tone::Formal, Tone::Friendly] {
                    assert!(!text(phrase, language, tone).is_empty());
                }
            }
        }
    }

    #[test]
    fn nobody_s_reply_is_promised() {
        let promises = ["reply", "répond", "antworten", "antwortet", "respond"];
        let handing_over =
            [Phrase::Unknown, Phrase::Handoff, Phrase::Waiting, Phrase::Refusal, Phrase::Crisis];
        for (phrase, language) in
            handing_over.into_iter().flat_map(|p| Language::ALL.into_iter().map(move |l| (p, l)))
        {
            for tone in [Tone::Formal, Tone::Friendly] {
                let text = text(phrase, language, tone).to_lowercase();
                let mut words = text.split(|c: char| !c.is_alphabetic());
                let promise =
                    words.find(|word| promises.iter().any(|promise| word.starts_with(promise)));
                assert_eq!(promise, None, "{text}");
            }
        }
    }

    #[test]
    fn a_greeting_is_the_personas_own_where_it_has_one() {
        let persona = Persona {
            greeting: Some(Wording::One("Ahoy".to_owned())),
            sign_off: Some(Wording::One("Your crew".to_owned())),
            ..Persona::default()
        };
        assert_eq!(greeting(&persona, Language::English, Language::English), "Ahoy");
        let french = greeting(&persona, Language::French, Language::English);
        assert_eq!(french, text(Phrase::Greeting, Language::French, Tone::Formal));
        let said = signed(&persona, Phrase::Unknown, Language::English, Language::English);
        assert!(said.ends_with("\n\nYour crew"));
    }
}
