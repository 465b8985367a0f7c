//! What a reason is about, and what would have to be otherwise, in five languages.

use volens_privacy::{TopicId, base_language};

use super::phrases::Phrase;
use super::{About, Subject, titles};
use crate::features::Lever;
use crate::flip::Change;

/// The change as sentences: one for each thing that would have to be otherwise.
pub fn in_words(change: &Change, topics: &[TopicId], language: &str) -> Vec<String> {
    let mut told: Vec<(Lever, bool)> = Vec::new();
    for moved in &change.moves {
        let one = (moved.lever, moved.rises);
        if !told.contains(&one) {
            told.push(one);
        }
    }
    told.into_iter().map(|(lever, rises)| sentence_of(lever, rises, topics, language)).collect()
}

/// "More interest in Running": a lever moved up, or down.
pub fn sentence_of(lever: Lever, rises: bool, topics: &[TopicId], language: &str) -> String {
    let language = base_language(language);
    let lever = if lever == Lever::Topic && topics.is_empty() { Lever::Related } else { lever };
    let [more, less] = match language {
        "fr" => french(lever),
        "de" => german(lever),
        "es" => spanish(lever),
        "pt" => portuguese(lever),
        _ => english(lever),
    };
    (if rises { more } else { less }).replace("{topics}", &titles(topics, language))
}

/// What a reason is about, whichever way it counts.
pub(super) fn noun(subject: &Subject, topics: &[TopicId], language: &str) -> String {
    let language = base_language(language);
    let say = |about| noun_of(about, language);
    let text = match &subject.about {
        About::Known(Phrase::Topic) if topics.is_empty() => say(Phrase::Related).to_owned(),
        About::Known(known) => say(*known).replace("{topics}", &titles(topics, language)),
        About::Trait(name) => say(Phrase::Trait).replace("{trait}", &name.replace('_', " ")),
    };
    if subject.lent { format!("{}{text}", noun_of(Phrase::Lent, language)) } else { text }
}

fn english(lever: Lever) -> [&'static str; 2] {
    match lever {
        Lever::Topic => ["More interest in {topics}", "Less interest in {topics}"],
        Lever::Related => ["More interest in related topics", "Less interest in related topics"],
        Lever::Business => {
            ["More dealings with this business", "Fewer dealings with this business"]
        }
        Lever::Engagement => ["More activity", "Less activity"],
        Lever::Recency => ["Longer without activity", "More recent activity"],
        Lever::Received => ["More messages received lately", "Fewer messages received lately"],
        Lever::Rejected => ["More messages turned away", "Fewer messages turned away"],
    }
}

fn french(lever: Lever) -> [&'static str; 2] {
    match lever {
        Lever::Topic => ["Plus d’intérêt pour : {topics}", "Moins d’intérêt pour : {topics}"],
        Lever::Related => {
            ["Plus d’intérêt pour des sujets proches", "Moins d’intérêt pour des sujets proches"]
        }
        Lever::Business => {
            ["Plus de contacts avec cette entreprise", "Moins de contacts avec cette entreprise"]
        }
        Lever::Engagement => ["Plus d’activité", "Moins d’activité"],
        Lever::Recency => ["Plus longtemps sans activité", "Une activité plus récente"],
        Lever::Received => [
            "Plus de messages reçus ces derniers temps",
            "Moins de messages reçus ces derniers temps",
        ],
        Lever::Rejected => ["Plus de messages rejetés", "Moins de messages rejetés"],
    }
}

fn german(lever: Lever) -> [&'static str; 2] {
    match lever {
        Lever::Topic => ["Mehr Interesse an: {topics}", "Weniger Interesse an: {topics}"],
        Lever::Related => {
            ["Mehr Interesse an verwandten Themen", "Weniger Interesse an verwandten Themen"]
        }
        Lever::Business => {
            ["Mehr Kontakt mit diesem Unternehmen", "Weniger Kontakt mit diesem Unternehmen"]
        }
        Lever::Engagement => ["Mehr Aktivität", "Weniger Aktivität"],
        Lever::Recency => ["Länger ohne Aktivität", "Aktivität, die kürzer zurückliegt"],
        Lever::Received => {
            ["Zuletzt mehr Nachrichten erhalten", "Zuletzt weniger Nachrichten erhalten"]
        }
        Lever::Rejected => ["Mehr Nachrichten abgewiesen", "Weniger Nachrichten abgewiesen"],
    }
}

fn spanish(lever: Lever) -> [&'static str; 2] {
    match lever {
        Lever::Topic => ["Más interés en: {topics}", "Menos interés en: {topics}"],
        Lever::Related => {
            ["Más interés en temas relacionados", "Menos interés en temas relacionados"]
        }
        Lever::Business => ["Más trato con esta empresa", "Menos trato con esta empresa"],
        Lever::Engagement => ["Más actividad", "Menos actividad"],
        Lever::Recency => ["Más tiempo sin actividad", "Actividad más reciente"],
        Lever::Received => {
            ["Más mensajes recibidos últimamente", "Menos mensajes recibidos últimamente"]
        }
        Lever::Rejected => ["Más mensajes rechazados", "Menos mensajes rechazados"],
    }
}

fn portuguese(lever: Lever) -> [&'static str; 2] {
    match lever {
        Lever::Topic => ["Mais interesse em: {topics}", "Menos interesse em: {topics}"],
        Lever::Related => {
            ["Mais interesse em temas relacionados", "Menos interesse em temas relacionados"]
        }
        Lever::Business => ["Mais contacto com esta empresa", "Menos contacto com esta empresa"],
        Lever::Engagement => ["Mais atividade", "Menos atividade"],
        Lever::Recency => ["Mais tempo sem atividade", "Atividade mais recente"],
        Lever::Received => {
            ["Mais mensagens recebidas ultimamente", "Menos mensagens recebidas ultimamente"]
        }
        Lever::Rejected => ["Mais mensagens rejeitadas", "Menos mensagens rejeitadas"],
    }
}

/// The noun of a reason in a language (base code); English for a language there is none in.
pub(super) fn noun_of(about: Phrase, language: &str) -> &'static str {
    let [english, french, german, spanish, portuguese] = match about {
        Phrase::Topic => [
            "Interest in {topics}",
            "Intérêt pour : {topics}",
            "Interesse an: {topics}",
            "Interés en: {topics}",
            "Interesse em: {topics}",
        ],
        Phrase::Related => [
            "Interest in related topics",
            "Intérêt pour des sujets proches",
            "Interesse an verwandten Themen",
            "Interés en temas relacionados",
            "Interesse em temas relacionados",
        ],
        Phrase::Business => [
            "Dealings with this business",
            "Contacts avec cette entreprise",
            "Kontakt mit diesem Unternehmen",
            "Trato con esta empresa",
            "Contacto com esta empresa",
        ],
        Phrase::Engagement => ["Activity", "Activité", "Aktivität", "Actividad", "Atividade"],
        Phrase::Recency => [
            "Time since the last activity",
            "Temps depuis la dernière activité",
            "Zeit seit der letzten Aktivität",
            "Tiempo desde la última actividad",
            "Tempo desde a última atividade",
        ],
        Phrase::Received => [
            "Messages received lately",
            "Messages reçus ces derniers temps",
            "Zuletzt erhaltene Nachrichten",
            "Mensajes recibidos últimamente",
            "Mensagens recebidas ultimamente",
        ],
        Phrase::Rejected => [
            "Messages turned away",
            "Messages rejetés",
            "Abgewiesene Nachrichten",
            "Mensajes rechazados",
            "Mensagens rejeitadas",
        ],
        Phrase::Language => [
            "Language of the message",
            "Langue du message",
            "Sprache der Nachricht",
            "Idioma del mensaje",
            "Idioma da mensagem",
        ],
        Phrase::Trait => [
            "What is known: {trait}",
            "Ce que l’on sait : {trait}",
            "Was bekannt ist: {trait}",
            "Lo que se sabe: {trait}",
            "O que se sabe: {trait}",
        ],
        Phrase::Lent => [
            "From a linked app: ",
            "D’une application liée : ",
            "Aus einer verknüpften App: ",
            "De una aplicación vinculada: ",
            "De uma aplicação associada: ",
        ],
    };
    match language {
        "fr" => french,
        "de" => german,
        "es" => spanish,
        "pt" => portuguese,
        _ => english,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use volens_privacy::{LANGUAGES, Topics};

    use super::*;

    #[test]
    fn every_change_and_every_noun_is_told_in_every_language() {
        let topics = vec![Topics::builtin().check("sport.running").expect("a usable topic")];
        let levers = [
            Lever::Topic,
            Lever::Related,
            Lever::Business,
            Lever::Engagement,
            Lever::Recency,
            Lever::Received,
            Lever::Rejected,
        ];
        for lever in levers {
            for rises in [true, false] {
                let told: BTreeSet<String> = LANGUAGES
                    .iter()
                    .map(|language| sentence_of(lever, rises, &topics, language))
                    .collect();
                assert_eq!(told.len(), LANGUAGES.len(), "{lever:?}");
                assert!(told.iter().all(|text| !text.is_empty() && !text.contains('{')));
            }
            for language in LANGUAGES {
                let both = [true, false].map(|rises| sentence_of(lever, rises, &topics, language));
                assert_ne!(both[0], both[1], "{language}");
            }
        }
        for about in Phrase::ALL {
            let told: BTreeSet<&str> = LANGUAGES.iter().map(|code| noun_of(about, code)).collect();
            assert_eq!(told.len(), LANGUAGES.len(), "{about:?}");
        }
    }
}
