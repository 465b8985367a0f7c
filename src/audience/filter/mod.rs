//! Whom a business asks for: conditions on harmless fields, joined by and, or and not, each checked when
//! it is read.
//!
//! A filter comes as text ([`text`]), as JSON of the same tree ([`json`]), or in the short form of four
//! lists ([`Short`]); all three are lowered to one tree ([`tree`]), which has one form for everything that
//! says the same but for order and repetition. No attribute of an account can be named that is not a field
//! here, and no sensitive topic (GDPR Art. 9; DSA Art. 26(3)).

mod evaluate;
mod json;
mod lint;
mod names;
#[cfg(test)]
mod people_tests;
mod print;
#[cfg(test)]
mod tests;
mod text;
mod tree;

use std::collections::BTreeSet;

use roaring::RoaringBitmap;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;
use volens_privacy::AgeBand;
use volens_privacy::topics::{TopicId, Topics};

pub use self::evaluate::{Asked, Past};
pub use self::lint::Warning;
pub use self::names::{Fault, Place, Wrong};
pub use self::tree::Part;
use self::tree::{Expr, TopicRange};
use super::AudienceError;
use crate::codes;
use crate::ids::CampaignId;
use crate::relevance::Table;

/// A filter as it arrives, and as it is kept with a list: text, the same as JSON, or the short form.
/// `docs/reference/filters.md` has the grammar.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum FilterIn {
    /// In the short form.
    Short(Short),
    /// As text.
    #[schema(example = "country in (IE, GB) and bought sport.* >= 3 within 14 days")]
    Text(String),
    /// As a tree of objects with one member each.
    #[schema(value_type = Object, example = json!({"not": {"country": ["IE"]}}))]
    Tree(Value),
}

/// Four lists. They are joined by "and", the values of a list by "or"; an empty list does not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Short {
    /// Languages of the account, ISO 639-1 in lower case.
    #[schema(example = json!(["en", "de"]))]
    pub languages: BTreeSet<String>,
    /// Countries of the account, ISO 3166-1 alpha-2.
    #[schema(example = json!(["IE"]))]
    pub countries: BTreeSet<String>,
    /// Age bands, adults only; an account without a known band is in none.
    #[schema(example = json!(["25_34"]))]
    pub age_bands: BTreeSet<String>,
    /// Topics the account showed an interest in within the delivery app.
    #[schema(example = json!(["sport.running"]))]
    pub topics: BTreeSet<String>,
}

const SHORT: [&str; 4] = ["languages", "countries", "age_bands", "topics"];

impl Default for FilterIn {
    fn default() -> Self {
        Self::Short(Short::default())
    }
}

impl<'de> Deserialize<'de> for FilterIn {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Value::deserialize(from)? {
            Value::String(text) => Ok(Self::Text(text)),
            Value::Object(object) if object.keys().all(|key| SHORT.contains(&key.as_str())) => {
                let short = Short::deserialize(Value::Object(object));
                short.map(Self::Short).map_err(de::Error::custom)
            }
            Value::Object(object) => Ok(Self::Tree(Value::Object(object))),
            _ => Err(de::Error::custom("expected a text or an object")),
        }
    }
}

impl FilterIn {
    /// Everything in it that could name a topic, also where it is no filter that can be read.
    pub fn words(&self) -> Vec<String> {
        fn of(value: &Value, words: &mut Vec<String>) {
            match value {
                Value::String(text) => words.push(text.clone()),
                Value::Array(list) => list.iter().for_each(|value| of(value, words)),
                Value::Object(object) => object.iter().for_each(|(name, value)| {
                    words.push(name.clone());
                    of(value, words);
                }),
                _ => {}
            }
        }
        let mut words = Vec::new();
        match self {
            Self::Short(short) => words.extend(short.topics.iter().cloned()),
            Self::Text(text) => {
                let parts = text.split(|c: char| c.is_whitespace() || "(),=".contains(c));
                words.extend(parts.map(str::to_owned));
            }
            Self::Tree(tree) => of(tree, &mut words),
        }
        words.iter().map(|word| word.strip_suffix(".*").unwrap_or(word).to_owned()).collect()
    }
}

/// A checked filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(Expr);

impl Filter {
    /// Checks every value.
    ///
    /// # Errors
    /// [`AudienceError::Filter`] with the place, for a text or a tree. For the short form
    /// `request.invalid` naming the field, `topic.unknown`, `topic.sensitive`, or `filter.underage` for a
    /// band that is never profiled.
    pub fn check(wanted: &FilterIn) -> Result<Self, AudienceError> {
        Ok(Self(match wanted {
            FilterIn::Text(text) => text::read(text)?,
            FilterIn::Tree(tree) => json::read(tree)?,
            FilterIn::Short(short) => lower(short)?,
        }))
    }

    /// Whether nothing is narrowed.
    pub fn is_empty(&self) -> bool {
        self.0 == Expr::EVERYBODY
    }

    /// The one text of everything that says the same; it reads back as this filter.
    pub fn text(&self) -> String {
        self.0.to_string()
    }

    /// The same as JSON.
    pub fn tree(&self) -> Value {
        json::write(&self.0)
    }

    /// What it could stand for although nobody may be addressed by it.
    pub fn warnings(&self) -> Vec<Warning> {
        lint::warnings(&self.0)
    }

    /// The campaigns it asks about: how somebody was part of them, and which; of any where none is named.
    pub fn campaigns(&self) -> BTreeSet<(Part, BTreeSet<CampaignId>)> {
        let mut found = BTreeSet::new();
        self.0.visit(&mut |expr| {
            if let Expr::Campaign(part, of) = expr {
                found.insert((*part, of.clone()));
            }
        });
        found
    }

    /// Those of `within` that it fits.
    pub fn rows(&self, table: &Table, asked: &Asked<'_>, within: &RoaringBitmap) -> RoaringBitmap {
        evaluate::rows(&self.0, table, asked, within, false)
    }
}

/// Values one list of the short form may hold.
const VALUES_MAX: usize = 64;

fn lower(wanted: &Short) -> Result<Expr, AudienceError> {
    for (field, values) in [
        ("filter.languages", &wanted.languages),
        ("filter.countries", &wanted.countries),
        ("filter.age_bands", &wanted.age_bands),
        ("filter.topics", &wanted.topics),
    ] {
        if values.len() > VALUES_MAX {
            return Err(AudienceError::Invalid { field, why: "at most 64 values" });
        }
    }
    if !wanted.languages.iter().all(|code| codes::is_language(code)) {
        let why = "ISO 639-1 codes, as in \"en\"";
        return Err(AudienceError::Invalid { field: "filter.languages", why });
    }
    if !wanted.countries.iter().all(|code| codes::is_country(code)) {
        let why = "ISO 3166-1 codes, as in \"IE\"";
        return Err(AudienceError::Invalid { field: "filter.countries", why });
    }
    let bands = wanted.age_bands.iter().map(|band| age_band(band)).collect::<Result<_, _>>()?;
    let topics = check_topics(&wanted.topics)?.into_iter().map(TopicRange::One).collect();
    let mut parts = Vec::new();
    let mut narrow = |empty: bool, part: Expr| {
        if !empty {
            parts.push(part);
        }
    };
    narrow(wanted.languages.is_empty(), Expr::Language(wanted.languages.clone()));
    narrow(wanted.countries.is_empty(), Expr::Country(wanted.countries.clone()));
    narrow(wanted.age_bands.is_empty(), Expr::Age(bands));
    narrow(wanted.topics.is_empty(), Expr::Topic(topics));
    Ok(Expr::All(parts).normal())
}

/// Known topics none of which is sensitive.
pub(super) fn check_topics<'a>(
    names: impl IntoIterator<Item = &'a String>,
) -> Result<BTreeSet<TopicId>, AudienceError> {
    names
        .into_iter()
        .map(|name| {
            Topics::builtin()
                .check(name)
                .map_err(|refusal| AudienceError::Topic { topic: name.clone(), refusal })
        })
        .collect()
}

fn age_band(name: &str) -> Result<AgeBand, AudienceError> {
    let band: AgeBand = name.parse().map_err(|_| AudienceError::Invalid {
        field: "filter.age_bands",
        why: "one of 18_24, 25_34, 35_49, 50_64, 65_plus",
    })?;
    if !band.profiling_allowed() {
        return Err(AudienceError::Underage);
    }
    Ok(band)
}
