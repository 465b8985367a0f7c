//! The phrases reasons are made of, in five languages.

/// What a phrase is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phrase {
    Topic,
    Related,
    Business,
    Engagement,
    Recency,
    Received,
    Rejected,
    Language,
    Trait,
    Lent,
}

impl Phrase {
    #[cfg(test)]
    pub(super) const ALL: [Self; 10] = [
        Self::Topic,
        Self::Related,
        Self::Business,
        Self::Engagement,
        Self::Recency,
        Self::Received,
        Self::Rejected,
        Self::Language,
        Self::Trait,
        Self::Lent,
    ];
}

/// The phrase in a language (base code), for or against; English for a language there is none in.
pub(super) fn phrase(about: Phrase, speaks_for: bool, language: &str) -> &'static str {
    let [good, bad] = match language {
        "fr" => french(about),
        "de" => german(about),
        "es" => spanish(about),
        "pt" => portuguese(about),
        _ => english(about),
    };
    if speaks_for { good } else { bad }
}

fn english(about: Phrase) -> [&'static str; 2] {
    match about {
        Phrase::Topic => ["Interested in {topics}", "Little interest in {topics} so far"],
        Phrase::Related => ["Interested in related topics", "Little interest in related topics"],
        Phrase::Business => {
            ["Has dealt with this business before", "Few dealings with this business so far"]
        }
        Phrase::Engagement => ["Often active", "Rarely active"],
        Phrase::Recency => ["Was active recently", "Has not been active for a while"],
        Phrase::Received => {
            ["Has received few messages lately", "Has received many messages lately"]
        }
        Phrase::Rejected => ["Rarely turns messages away", "Has turned messages away"],
        Phrase::Language => {
            ["The message is in their language", "The message is not in their language"]
        }
        Phrase::Trait => [
            "What is known about them fits: {trait}",
            "What is known about them speaks against it: {trait}",
        ],
        Phrase::Lent => ["From a linked app: ", "From a linked app: "],
    }
}

fn french(about: Phrase) -> [&'static str; 2] {
    match about {
        Phrase::Topic => ["S’intéresse à : {topics}", "Peu d’intérêt jusqu’ici pour : {topics}"],
        Phrase::Related => {
            ["S’intéresse à des sujets proches", "Peu d’intérêt pour des sujets proches"]
        }
        Phrase::Business => [
            "A déjà eu affaire à cette entreprise",
            "Peu de contacts avec cette entreprise jusqu’ici",
        ],
        Phrase::Engagement => ["Souvent actif", "Rarement actif"],
        Phrase::Recency => ["Actif récemment", "Pas actif depuis un moment"],
        Phrase::Received => [
            "A reçu peu de messages ces derniers temps",
            "A reçu beaucoup de messages ces derniers temps",
        ],
        Phrase::Rejected => ["Rejette rarement les messages", "A déjà rejeté des messages"],
        Phrase::Language => {
            ["Le message est dans sa langue", "Le message n’est pas dans sa langue"]
        }
        Phrase::Trait => [
            "Ce que l’on sait de cette personne convient : {trait}",
            "Ce que l’on sait de cette personne s’y oppose : {trait}",
        ],
        Phrase::Lent => ["D’une application liée : ", "D’une application liée : "],
    }
}

fn german(about: Phrase) -> [&'static str; 2] {
    match about {
        Phrase::Topic => ["Interessiert sich für: {topics}", "Bisher wenig Interesse an: {topics}"],
        Phrase::Related => {
            ["Interessiert sich für verwandte Themen", "Wenig Interesse an verwandten Themen"]
        }
        Phrase::Business => [
            "Hatte schon mit diesem Unternehmen zu tun",
            "Bisher wenig Kontakt mit diesem Unternehmen",
        ],
        Phrase::Engagement => ["Oft aktiv", "Selten aktiv"],
        Phrase::Recency => ["War kürzlich aktiv", "War länger nicht aktiv"],
        Phrase::Received => {
            ["Hat zuletzt wenige Nachrichten erhalten", "Hat zuletzt viele Nachrichten erhalten"]
        }
        Phrase::Rejected => ["Weist Nachrichten selten ab", "Hat schon Nachrichten abgewiesen"],
        Phrase::Language => [
            "Die Nachricht ist in der eigenen Sprache",
            "Die Nachricht ist nicht in der eigenen Sprache",
        ],
        Phrase::Trait => {
            ["Was bekannt ist, passt: {trait}", "Was bekannt ist, spricht dagegen: {trait}"]
        }
        Phrase::Lent => ["Aus einer verknüpften App: ", "Aus einer verknüpften App: "],
    }
}

fn spanish(about: Phrase) -> [&'static str; 2] {
    match about {
        Phrase::Topic => ["Le interesa: {topics}", "Poco interés hasta ahora en: {topics}"],
        Phrase::Related => {
            ["Le interesan temas relacionados", "Poco interés en temas relacionados"]
        }
        Phrase::Business => {
            ["Ya ha tratado con esta empresa", "Poco trato con esta empresa hasta ahora"]
        }
        Phrase::Engagement => ["Participa a menudo", "Participa poco"],
        Phrase::Recency => ["Ha participado hace poco", "Lleva un tiempo sin participar"],
        Phrase::Received => {
            ["Ha recibido pocos mensajes últimamente", "Ha recibido muchos mensajes últimamente"]
        }
        Phrase::Rejected => ["Rara vez rechaza mensajes", "Ha rechazado mensajes"],
        Phrase::Language => ["El mensaje está en su idioma", "El mensaje no está en su idioma"],
        Phrase::Trait => {
            ["Lo que se sabe encaja: {trait}", "Lo que se sabe lo desaconseja: {trait}"]
        }
        Phrase::Lent => ["De una aplicación vinculada: ", "De una aplicación vinculada: "],
    }
}

fn portuguese(about: Phrase) -> [&'static str; 2] {
    match about {
        Phrase::Topic => ["Interessa-se por: {topics}", "Pouco interesse até agora em: {topics}"],
        Phrase::Related => {
            ["Interessa-se por temas relacionados", "Pouco interesse em temas relacionados"]
        }
        Phrase::Business => {
            ["Já lidou com esta empresa", "Pouco contacto com esta empresa até agora"]
        }
        Phrase::Engagement => ["Participa com frequência", "Raramente participa"],
        Phrase::Recency => ["Participou recentemente", "Não participa há algum tempo"],
        Phrase::Received => {
            ["Recebeu poucas mensagens ultimamente", "Recebeu muitas mensagens ultimamente"]
        }
        Phrase::Rejected => ["Raramente rejeita mensagens", "Já rejeitou mensagens"],
        Phrase::Language => ["A mensagem está no seu idioma", "A mensagem não está no seu idioma"],
        Phrase::Trait => {
            ["O que se sabe é favorável: {trait}", "O que se sabe é desfavorável: {trait}"]
        }
        Phrase::Lent => ["De uma aplicação associada: ", "De uma aplicação associada: "],
    }
}
