//! The words of a filter: what may stand where, and what was probably meant.

use std::fmt;

use volens_privacy::proxies::Proxies;
use volens_privacy::topics::{TopicRefusal, Topics};
use volens_privacy::{AgeBand, AppId};

use super::FilterIn;
use super::tree::{Part, TopicRange};
use crate::codes;
use crate::ids::CampaignId;
use crate::signals::Kind;

/// Fields that hold one of some values.
pub(super) const FIELDS: [&str; 5] = ["app", "country", "language", "age", "topic"];

/// Where something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a text: line and column, both from 1, the column in characters.
    Text {
        /// Line.
        line: usize,
        /// Column.
        column: usize,
    },
    /// In JSON: a pointer (RFC 6901) from the filter.
    Json(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { line: 1, column } => write!(f, "column {column}"),
            Self::Text { line, column } => write!(f, "line {line}, column {column}"),
            Self::Json(pointer) if pointer.is_empty() => f.write_str("the filter"),
            Self::Json(pointer) => f.write_str(pointer),
        }
    }
}

/// What is wrong with a filter, and where. Never repeats what was written: it names what is expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {wrong}")]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What.
    pub wrong: Wrong,
}

impl Fault {
    /// A campaign that is not the business's own.
    pub(in crate::audience) fn at_campaign(filter: &FilterIn, id: &str) -> Self {
        let place = match filter {
            FilterIn::Text(text) => {
                let before = text.split(id).next().unwrap_or_default();
                let line = before.rsplit('\n').next().unwrap_or_default();
                let column = line.chars().count() + 1;
                Place::Text { line: before.matches('\n').count() + 1, column }
            }
            FilterIn::Short(_) | FilterIn::Tree(_) => Place::Json(String::new()),
        };
        let said = "expected a campaign of this business".to_owned();
        Self { place, wrong: Wrong { code: "campaign.not_found", said, nearest: None } }
    }
}

/// What is wrong with a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Stable code.
    pub code: &'static str,
    /// What is said about it.
    pub said: String,
    /// What was probably meant.
    pub nearest: Option<String>,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said)?;
        match &self.nearest {
            Some(nearest) => write!(f, "; did you mean {nearest}?"),
            None => Ok(()),
        }
    }
}

impl Wrong {
    /// Something else is expected.
    pub(super) fn expected(what: &str) -> Self {
        Self { code: "filter.syntax", said: format!("expected {what}"), nearest: None }
    }

    fn value(what: &str) -> Self {
        Self { code: "filter.value", said: format!("expected {what}"), nearest: None }
    }

    /// The filter is larger than a filter may be.
    pub(super) fn too_large() -> Self {
        let said = "a filter has at most 8 levels, 64 conditions and 256 values".to_owned();
        Self { code: "filter.too_large", said, nearest: None }
    }

    fn sensitive() -> Self {
        let said = "special categories of personal data (GDPR Art. 9) cannot be asked for";
        Self { code: "topic.sensitive", said: said.to_owned(), nearest: None }
    }

    fn near(mut self, word: &str, names: impl IntoIterator<Item = &'static str>) -> Self {
        self.nearest = nearest(word, names);
        self
    }

    /// A member of an object that there is not.
    pub(super) fn member(name: &str, known: &[&'static str]) -> Self {
        if is_sensitive(name) {
            return Self::sensitive();
        }
        let parts = Part::ALL.into_iter().map(Part::as_str);
        let names = known.iter().copied();
        let all = if known.contains(&"all") {
            names.chain(FIELDS).chain(parts).collect::<Vec<_>>()
        } else {
            names.collect()
        };
        Self::expected(&format!("one of {}", all.join(", "))).near(name, all)
    }

    /// A word where a condition should begin.
    pub(super) fn field(word: &str) -> Self {
        if is_sensitive(word) {
            return Self::sensitive();
        }
        let words = FIELDS.into_iter().chain(["active", "not"]);
        let acts = Kind::ALL.into_iter().map(Kind::as_str);
        let parts = Part::ALL.into_iter().map(Part::as_str);
        let what = "a condition: app, country, language, age, topic, active, an act such as bought, \
                    received, answered or kept_aside";
        Self::expected(what).near(word, words.chain(acts).chain(parts))
    }
}

/// Whether a word names something that nobody may be addressed by.
fn is_sensitive(word: &str) -> bool {
    let word = word.to_lowercase();
    let topic = word.strip_suffix(".*").unwrap_or(&word);
    let named =
        || Proxies::builtin().attributes.iter().any(|a| a.holds && a.named_by(&word).is_some());
    Topics::builtin().check(topic) == Err(TopicRefusal::Sensitive) || named()
}

/// The name that differs least, if it is near.
pub(super) fn nearest(word: &str, names: impl IntoIterator<Item = &'static str>) -> Option<String> {
    let word: String = word.chars().take(64).collect::<String>().to_lowercase();
    let near =
        names.into_iter().map(|name| (strsim::damerau_levenshtein(&word, name), name)).min()?;
    let (distance, name) = near;
    (distance <= 1 + name.len() / 4).then(|| name.to_owned())
}

/// A country.
///
/// # Errors
/// When there is none with this code.
pub(super) fn country(word: &str) -> Result<String, Wrong> {
    // As some write it who do not look it up.
    let meant = match word.to_ascii_uppercase().as_str() {
        "UK" => "GB".to_owned(),
        "EL" => "GR".to_owned(),
        upper => upper.to_owned(),
    };
    let what = "a country of two capital letters, as in IE";
    code(word, meant, codes::is_country, what)
}

/// A language.
///
/// # Errors
/// When there is none with this code.
pub(super) fn language(word: &str) -> Result<String, Wrong> {
    let what = "a language of two small letters, as in en";
    code(word, word.to_ascii_lowercase(), codes::is_language, what)
}

fn code(
    word: &str,
    meant: String,
    is_known: fn(&str) -> bool,
    what: &str,
) -> Result<String, Wrong> {
    if is_known(word) {
        return Ok(word.to_owned());
    }
    let mut wrong = Wrong::value(what);
    wrong.nearest = is_known(&meant).then_some(meant);
    Err(wrong)
}

/// An age band that may be profiled.
///
/// # Errors
/// When there is none of that name, and for minors.
pub(super) fn age(word: &str) -> Result<AgeBand, Wrong> {
    match word.parse::<AgeBand>() {
        Ok(band) if band.profiling_allowed() => Ok(band),
        Ok(_) => Err(Wrong {
            code: "filter.underage",
            said: "people younger than eighteen are never profiled".to_owned(),
            nearest: None,
        }),
        Err(_) => {
            let adults = AgeBand::ALL.into_iter().filter(|band| band.profiling_allowed());
            let what = "an age band: 18_24, 25_34, 35_49, 50_64 or 65_plus";
            Err(Wrong::value(what).near(word, adults.map(AgeBand::as_str)))
        }
    }
}

/// An app.
///
/// # Errors
/// When no app can be called that.
pub(super) fn app(word: &str) -> Result<AppId, Wrong> {
    AppId::parse(word).map_err(|_| Wrong::value("the id of an app, as in messenger"))
}

/// A topic, or a family of them.
///
/// # Errors
/// When it is unknown, or a special category.
pub(super) fn topic(word: &str) -> Result<TopicRange, Wrong> {
    let (id, range): (&str, fn(_) -> _) = match word.strip_suffix(".*") {
        Some(top) => (top, TopicRange::Family),
        None => (word, TopicRange::One),
    };
    match Topics::builtin().check(id) {
        Ok(id) => Ok(range(id)),
        Err(TopicRefusal::Sensitive) => Err(Wrong::sensitive()),
        Err(TopicRefusal::Unknown) if is_sensitive(word) => Err(Wrong::sensitive()),
        Err(TopicRefusal::Unknown) => {
            let names = Topics::builtin().usable().map(volens_privacy::TopicId::as_str);
            let wrong = Wrong::value("a topic, as in sport.running, or sport.* for all under it");
            Err(Wrong { code: "topic.unknown", ..wrong.near(id, names) })
        }
    }
}

/// A campaign's id.
///
/// # Errors
/// When it is none.
pub(super) fn campaign(word: &str) -> Result<CampaignId, Wrong> {
    word.parse().map_err(|_| Wrong::value("the id of a campaign, which begins with cmp_"))
}

/// A kind of act.
///
/// # Errors
/// When it is none.
pub(super) fn kind(word: &str) -> Result<Kind, Wrong> {
    let names = || Kind::ALL.into_iter().map(Kind::as_str);
    Kind::parse(word).ok_or_else(|| Wrong::value("an act, as in bought").near(word, names()))
}

/// A whole number from one to `most`.
///
/// # Errors
/// When it is none.
pub(super) fn number(word: &str, most: u16) -> Result<u16, Wrong> {
    let number = word.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| Wrong::value(&format!("a whole number from 1 to {most}")))
}
