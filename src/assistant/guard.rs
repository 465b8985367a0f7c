//! What is looked for in a message before any answer is sought: someone in danger, the wish for a
//! person, and topics the business refuses. Word lists in five languages; deliberately few words,
//! because a false alarm ends the bot's part of the conversation.

use crate::search::{Analyzer, Language};

/// Why a message is not treated as a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// Somebody may be in danger.
    Crisis,
    /// The customer asks for a person.
    Person,
    /// A refused topic of the persona.
    Refused,
}

/// Phrases in lower case without accents, as [`crate::search::Word::plain`] has them. All languages
/// are looked at: people in distress write in their own.
const CRISIS: &[&str] = &[
    "suicide",
    "suicidal",
    "kill myself",
    "killing myself",
    "end my life",
    "want to die",
    "hurt myself",
    "harm myself",
    "self harm",
    "me suicider",
    "me tuer",
    "envie de mourir",
    "veux mourir",
    "mettre fin a mes jours",
    "suizid",
    "selbstmord",
    "mich umbringen",
    "will sterben",
    "nicht mehr leben",
    "suicidio",
    "suicidarme",
    "matarme",
    "quiero morir",
    "quitarme la vida",
    "suicidar me",
    "me matar",
    "quero morrer",
    "acabar com a minha vida",
];

const PERSON: &[&str] = &[
    "talk to a person",
    "talk to a human",
    "speak to a person",
    "speak to a human",
    "speak with a human",
    "talk with a human",
    "talk to someone",
    "speak to someone",
    "real person",
    "human agent",
    "human being",
    "live agent",
    "talk to an agent",
    "parler a une personne",
    "parler a quelqu un",
    "parler a un humain",
    "parler a un conseiller",
    "mit einem menschen sprechen",
    "mit einem mitarbeiter sprechen",
    "mit jemandem sprechen",
    "echten menschen",
    "hablar con una persona",
    "hablar con alguien",
    "hablar con un humano",
    "hablar con un agente",
    "falar com uma pessoa",
    "falar com alguem",
    "falar com um humano",
    "falar com um atendente",
];

/// Looks at a message; `refused` are the persona's topics.
pub(super) fn look(text: &str, language: Language, refused: &[String]) -> Option<Notice> {
    let analyzer = Analyzer::new(language);
    let line = plain(&analyzer, text);
    let says = |phrase: &str| line.contains(&format!(" {phrase} "));
    if CRISIS.iter().any(|phrase| says(phrase)) {
        return Some(Notice::Crisis);
    }
    if PERSON.iter().any(|phrase| says(phrase)) {
        return Some(Notice::Person);
    }
    let stems = stemmed(&analyzer, text);
    let touches = |topic: &String| stems.contains(stemmed(&analyzer, topic).as_str());
    refused.iter().any(touches).then_some(Notice::Refused)
}

fn plain(analyzer: &Analyzer, text: &str) -> String {
    joined(analyzer.words(text).into_iter().map(|word| word.plain))
}

/// A refused topic also covers other forms of its words.
fn stemmed(analyzer: &Analyzer, text: &str) -> String {
    joined(analyzer.words(text).into_iter().map(|word| word.stem))
}

fn joined(words: impl Iterator<Item = String>) -> String {
    let words: Vec<String> = words.collect();
    format!(" {} ", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn danger_and_the_wish_for_a_person_are_seen_in_five_languages() {
        let cases = [
            ("I want to die.", Language::English, Some(Notice::Crisis)),
            ("J’ai envie de mourir", Language::French, Some(Notice::Crisis)),
            ("Ich denke an Selbstmord!", Language::German, Some(Notice::Crisis)),
            ("¡Quiero morir!", Language::Spanish, Some(Notice::Crisis)),
            ("quero morrer", Language::Portuguese, Some(Notice::Crisis)),
            // In a language other than the conversation's.
            ("quiero morir", Language::English, Some(Notice::Crisis)),
            ("Can I talk to a human please?", Language::English, Some(Notice::Person)),
            ("je veux parler à quelqu'un", Language::French, Some(Notice::Person)),
            ("Kann ich mit einem Menschen sprechen?", Language::German, Some(Notice::Person)),
            ("Quiero hablar con una persona", Language::Spanish, Some(Notice::Person)),
            ("Posso falar com alguém?", Language::Portuguese, Some(Notice::Person)),
            ("Where is my order?", Language::English, None),
            ("Do you sell the novel Suicidegirls?", Language::English, None),
            ("My printer wants to diet", Language::English, None),
        ];
        for (text, language, expected) in cases {
            assert_eq!(look(text, language, &[]), expected, "{text}");
        }
    }

    #[test]
    fn refused_topics_match_whole_words_in_any_form() {
        let topics = ["politics".to_owned(), "share price".to_owned()];
        let refused = |text: &str| look(text, Language::English, &topics).is_some();
        assert!(refused("What do you think about politics?"));
        assert!(refused("How are your share prices?"));
        assert!(!refused("How do I share a price?"));
    }
}
