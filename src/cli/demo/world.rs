//! A little town, the same in every run: who lives there, what they like, which apps they use.
//!
//! What people do and how they respond follows from what they like, so that there is something to
//! learn; nothing of it is shown to the learner but through signals and outcomes.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use volens_privacy::phone::PhoneEncoding;

/// An app of the town: slug, title, how it presents phone numbers, share of people who use it.
pub(super) const APPS: [(&str, &str, PhoneEncoding, f64); 3] = [
    ("messenger", "Plume Messenger", PhoneEncoding::E164, 1.0),
    ("photos", "Lumen Photos", PhoneEncoding::E164, 0.6),
    ("social", "Agora Social", PhoneEncoding::Meta, 0.4),
];

/// What people may like.
pub(super) const TOPICS: [&str; 12] = [
    "sport.running",
    "sport.cycling",
    "food.coffee",
    "food.cooking",
    "fashion.shoes",
    "home.garden",
    "technology.photo",
    "travel.trains",
    "media.books",
    "media.music",
    "family.pets",
    "education.languages",
];

/// A business: name, the topics of its next message, title, text, language.
pub(super) struct Shop {
    pub(super) name: &'static str,
    pub(super) topics: &'static [&'static str],
    pub(super) title: &'static str,
    pub(super) text: &'static str,
    pub(super) language: &'static str,
}

macro_rules! shops {
    ($($name:literal, [$($topic:literal),*], $language:literal, $title:literal, $text:literal;)*) => {
        &[$(Shop {
            name: $name,
            topics: &[$($topic),*],
            title: $title,
            text: $text,
            language: $language,
        }),*]
    };
}

/// A dozen businesses. The first is the one whose list the demo shows.
pub(super) const SHOPS: &[Shop] = shops![
    "Bergrad", ["sport.cycling", "sport.running"], "en", "Gravel weekend",
        "Test the new gravel bikes on Saturday, coffee included.";
    "Caffè Lina", ["food.coffee"], "en", "A new roast from Huila",
        "The first bag of the harvest is on us when you try two.";
    "Pas à Pas", ["fashion.shoes"], "fr", "Semelles neuves",
        "Vos chaussures ressemelées en deux jours, devis gratuit.";
    "Gartenlust", ["home.garden"], "de", "Frühlingszwiebeln",
        "Jetzt pflanzen, im März staunen: 30 Sorten Tulpen.";
    "Objectif", ["technology.photo"], "fr", "Atelier portrait",
        "Une matinée pour apprivoiser la lumière, huit places.";
    "Bahnfrei", ["travel.trains"], "de", "Nachtzug nach Wien",
        "Abends einsteigen, ausgeschlafen ankommen, ab 49 Euro.";
    "Livraria do Porto", ["media.books"], "pt", "Clube de leitura",
        "Um romance por mês, conversa à volta da mesa.";
    "Sala Norte", ["media.music"], "es", "Concierto de barrio",
        "Cinco bandas, un patio, entrada libre hasta las ocho.";
    "Pfote & Co", ["family.pets"], "de", "Welpenstunde",
        "Samstags spielen, lernen, Freunde finden.";
    "Cucina Viva", ["food.cooking"], "en", "Pasta from scratch",
        "Three shapes, one evening, and you eat what you make.";
    "Idiomas Ya", ["education.languages"], "es", "Intercambio de idiomas",
        "Una hora en tu idioma, una hora en el suyo.";
    "Laufwerk", ["sport.running"], "de", "Lauftreff am Kanal",
        "Dienstags um sieben, jedes Tempo willkommen.";
];

/// Languages of the town, with the country and the share of people.
const LANGUAGES: [(&str, &str, &str, f64); 5] = [
    ("de", "DE", "Europe/Berlin", 0.34),
    ("en", "IE", "Europe/Dublin", 0.24),
    ("fr", "FR", "Europe/Paris", 0.20),
    ("es", "ES", "Europe/Madrid", 0.12),
    ("pt", "PT", "Europe/Lisbon", 0.10),
];

const AGES: [(&str, f64); 7] = [
    ("16_17", 0.03),
    ("18_24", 0.16),
    ("25_34", 0.24),
    ("35_49", 0.25),
    ("50_64", 0.16),
    ("65_plus", 0.08),
    ("unknown", 0.08),
];

/// What a person decided in one app when asked under the notice `messages`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Never asked.
    Unasked,
    /// Asked, and said no to everything.
    Refused,
    /// Relevance, messages and (mostly) training.
    Given {
        /// Whether outcomes may teach models.
        training: bool,
    },
}

/// One person.
pub(super) struct Person {
    number: usize,
    pub(super) language: &'static str,
    pub(super) country: &'static str,
    pub(super) time_zone: &'static str,
    pub(super) age_band: &'static str,
    /// Liking of each of [`TOPICS`], 0 to 1.
    pub(super) likes: [f64; TOPICS.len()],
    /// By app, as in [`APPS`]; `None` where the person has no account.
    pub(super) answers: [Option<Answer>; 3],
    /// Whether messenger may be linked with photos, and with social.
    pub(super) links: [bool; 2],
}

impl Person {
    /// How the app `app` (as in [`APPS`]) calls this person.
    pub(super) fn reference(&self, app: usize) -> String {
        format!("{}-{:05}", ["m", "p", "s"][app], (self.number * 7919 + app * 31) % 100_000)
    }

    /// A valid mobile number of the person's country.
    pub(super) fn phone(&self) -> String {
        let n = self.number;
        match self.country {
            "FR" => format!("+336{:08}", 12_000_000 + n * 13),
            "ES" => format!("+346{:08}", 12_000_000 + n * 13),
            "PT" => format!("+35191{:07}", 2_000_000 + n * 13),
            "IE" => format!("+35385{:07}", 2_000_000 + n * 13),
            _ => format!("+49151{:08}", 12_000_000 + n * 13),
        }
    }

    /// How probable it is that this person follows a message on these topics.
    pub(super) fn response(&self, topics: &[&str], language: &str) -> f64 {
        let of = |topic: &&str| {
            TOPICS.iter().position(|known| known == topic).map_or(0.0, |t| self.likes[t])
        };
        let liking = topics.iter().map(of).fold(0.0, f64::max);
        let understood = if language == self.language { 0.8 } else { -0.4 };
        1.0 / (1.0 + (3.4 - 4.6 * liking - understood).exp())
    }
}

fn pick<T: Copy>(rng: &mut StdRng, choices: &[(T, f64)]) -> T {
    let mut left: f64 = rng.random();
    for (value, share) in choices {
        left -= share;
        if left <= 0.0 {
            return *value;
        }
    }
    choices[0].0
}

/// `count` people, from a fixed seed.
pub(super) fn people(count: usize) -> Vec<Person> {
    let mut rng = StdRng::seed_from_u64(0x766f_6c65_6e73);
    (0..count).map(|number| person(&mut rng, number)).collect()
}

fn person(rng: &mut StdRng, number: usize) -> Person {
    let shares: Vec<(usize, f64)> =
        LANGUAGES.iter().enumerate().map(|(n, language)| (n, language.3)).collect();
    let (language, country, time_zone, _) = LANGUAGES[pick(rng, &shares)];
    let age_band = pick(rng, &AGES);
    // Two or three things people really like, a little of everything else.
    let mut likes = [0.0; TOPICS.len()];
    for like in &mut likes {
        *like = rng.random::<f64>() * 0.25;
    }
    for _ in 0..rng.random_range(2..=3) {
        likes[rng.random_range(0..TOPICS.len())] = 0.6 + rng.random::<f64>() * 0.4;
    }
    let answers = [0, 1, 2].map(|app| {
        let member = rng.random::<f64>() < APPS[app].3;
        let answer = match rng.random::<f64>() {
            chance if chance < 0.70 => Answer::Given { training: rng.random::<f64>() < 0.9 },
            chance if chance < 0.82 => Answer::Refused,
            _ => Answer::Unasked,
        };
        let minor = age_band == "16_17" && matches!(answer, Answer::Given { .. });
        member.then_some(if minor { Answer::Refused } else { answer })
    });
    let given = |app: usize| matches!(answers[app], Some(Answer::Given { .. }));
    let links = [
        given(0) && given(1) && rng.random::<f64>() < 0.22,
        given(0) && given(2) && rng.random::<f64>() < 0.16,
    ];
    Person { number, language, country, time_zone, age_band, likes, answers, links }
}
