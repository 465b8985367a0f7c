//! The five languages every text a person reads is written in.

use serde::Deserialize;

/// Codes of the languages, English first; English is shown when another is asked for.
pub const LANGUAGES: [&str; 5] = ["en", "fr", "de", "es", "pt"];

/// One text in every language.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Translated {
    en: String,
    fr: String,
    de: String,
    es: String,
    pt: String,
}

impl Translated {
    /// The text in a language given by its code or tag (`de`, `de-AT`); English for all others.
    pub fn get(&self, language: &str) -> &str {
        match base_language(language) {
            "fr" => &self.fr,
            "de" => &self.de,
            "es" => &self.es,
            "pt" => &self.pt,
            _ => &self.en,
        }
    }

    /// The language in which the text is missing, if it is.
    pub(crate) fn missing(&self) -> Option<&'static str> {
        LANGUAGES.into_iter().find(|language| self.get(language).trim().is_empty())
    }
}

/// The first part of a language tag, which decides among our languages.
pub fn base_language(tag: &str) -> &str {
    tag.split(['-', '_']).next().unwrap_or(tag)
}
