//! The languages that are analysed and spoken, and how one is recognised.

use serde::{Deserialize, Serialize};

/// A language the assistant can speak and analyse.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
pub enum Language {
    /// English
    #[serde(rename = "en")]
    English,
    /// French
    #[serde(rename = "fr")]
    French,
    /// German
    #[serde(rename = "de")]
    German,
    /// Spanish
    #[serde(rename = "es")]
    Spanish,
    /// Portuguese
    #[serde(rename = "pt")]
    Portuguese,
}

impl Language {
    /// All five, in the order in which they are offered.
    pub const ALL: [Self; 5] =
        [Self::English, Self::French, Self::German, Self::Spanish, Self::Portuguese];

    /// The ISO 639-1 code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::French => "fr",
            Self::German => "de",
            Self::Spanish => "es",
            Self::Portuguese => "pt",
        }
    }

    /// Reads the primary subtag of a BCP 47 tag: `pt-BR` is Portuguese, `nl` is nothing.
    pub fn parse(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next()?.trim();
        Self::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(primary))
    }

    /// The first language of an `Accept-Language` header (RFC 9110 §12.5.4) that is among
    /// `offered`, by the order of its quality values.
    pub fn accepted(header: &str, offered: &[Self]) -> Option<Self> {
        let mut wanted: Vec<(u16, Self)> = header
            .split(',')
            .filter_map(|part| {
                let (tag, parameter) = part.split_once(';').unwrap_or((part, "q=1"));
                let quality: f32 = parameter.trim().strip_prefix("q=")?.parse().ok()?;
                let language = Self::parse(tag).filter(|found| offered.contains(found))?;
                (quality > 0.0).then_some(((quality.min(1.0) * 1000.0) as u16, language))
            })
            .collect();
        wanted.sort_by_key(|&(quality, _)| std::cmp::Reverse(quality));
        wanted.first().map(|&(_, language)| language)
    }

    /// The language of `text` among `offered`; the first of them when the text does not say.
    ///
    pub fn detect(text: &str, offered: &[Self]) -> Option<Self> {
        let first = offered.first().copied()?;
        if offered.len() == 1 {
            return Some(first);
        }
        let allowed = offered.iter().map(|language| language.whatlang()).collect();
        let found = whatlang::Detector::with_allowlist(allowed).detect_lang(text);
        let known = |lang| offered.iter().copied().find(|language| language.whatlang() == lang);
        Some(found.and_then(known).unwrap_or(first))
    }

    const fn whatlang(self) -> whatlang::Lang {
        match self {
            Self::English => whatlang::Lang::Eng,
            Self::French => whatlang::Lang::Fra,
            Self::German => whatlang::Lang::Deu,
            Self::Spanish => whatlang::Lang::Spa,
            Self::Portuguese => whatlang::Lang::Por,
        }
    }
}

impl std::fmt::Display for Language {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.code())
    }
}
