//! Whom a business asks for: a closed set of harmless fields, each checked when it is read.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use volens_privacy::AgeBand;
use volens_privacy::topics::{TopicId, Topics};

use super::AudienceError;

/// What a request may narrow by. Fields are joined by "and", the values of a field by "or"; an empty
/// field does not narrow. Nothing else can be named: no attribute of an account that is not here,
/// and no sensitive topic (GDPR Art. 9; DSA Art. 26(3)).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FilterIn {
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

/// A checked filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Languages asked for; empty means any.
    pub languages: BTreeSet<String>,
    /// Countries asked for; empty means any.
    pub countries: BTreeSet<String>,
    /// Age bands asked for; empty means any that may be profiled.
    pub age_bands: BTreeSet<AgeBand>,
    /// Topics asked for; empty means any.
    pub topics: BTreeSet<TopicId>,
}

/// Values one field may hold.
const VALUES_MAX: usize = 64;

impl Filter {
    /// Checks every value.
    ///
    /// # Errors
    /// `filter.invalid` naming the field, `topic.unknown`, `topic.sensitive`, or
    /// `filter.underage` for a band that is never profiled.
    pub fn check(wanted: &FilterIn) -> Result<Self, AudienceError> {
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
        if !wanted.languages.iter().all(|code| is_code(code, u8::is_ascii_lowercase)) {
            let why = "two lower-case letters each, as in \"en\"";
            return Err(AudienceError::Invalid { field: "filter.languages", why });
        }
        if !wanted.countries.iter().all(|code| is_code(code, u8::is_ascii_uppercase)) {
            let why = "two upper-case letters each, as in \"IE\"";
            return Err(AudienceError::Invalid { field: "filter.countries", why });
        }
        Ok(Self {
            languages: wanted.languages.clone(),
            countries: wanted.countries.clone(),
            age_bands: wanted
                .age_bands
                .iter()
                .map(|band| age_band(band))
                .collect::<Result<_, _>>()?,
            topics: check_topics(&wanted.topics)?,
        })
    }

    /// Whether nothing is narrowed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Two letters of a kind.
pub(super) fn is_code(code: &str, letter: fn(&u8) -> bool) -> bool {
    code.len() == 2 && code.as_bytes().iter().all(letter)
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
