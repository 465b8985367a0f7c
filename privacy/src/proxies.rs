//! What a column of a model could stand for although nobody may use it, as data (`proxies.toml`).

use std::sync::OnceLock;

use serde::Deserialize;

/// Attributes that must not be used, and what gives away a column that stands for one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proxies {
    /// A column that goes with an attribute so strongly is reported (Cramér's V, 0 to 1).
    pub report_from: f64,
    /// And from here on the model is held until an officer has looked.
    pub hold_from: f64,
    /// The attributes.
    #[serde(rename = "attribute")]
    pub attributes: Vec<Attribute>,
}

/// One attribute that must not be used.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    /// Its name.
    pub id: String,
    /// The field of an account that it is measured by, where there is one.
    #[serde(default)]
    pub measured: Option<Measured>,
    /// Columns that are made from it openly; they hold no model.
    #[serde(default)]
    pub expected: Vec<String>,
    /// Words of a column's name that give it away.
    pub words: Vec<String>,
    /// Whether such a name alone holds a model.
    pub holds: bool,
    /// Topics that could stand for it in a filter.
    #[serde(default)]
    pub topics: Vec<String>,
    /// Fields of a filter that together could stand for it.
    #[serde(default)]
    pub fields: Vec<Vec<String>>,
}

/// What is on record about accounts that an attribute can be measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured {
    /// The band of age.
    AgeBand,
    /// The language.
    Language,
    /// The country.
    Country,
}

/// The list cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxiesError {
    /// It does not read.
    #[error("proxies.toml does not read: {0}")]
    Toml(String),
    /// Not `0 < report_from <= hold_from <= 1`.
    #[error("report_from must be above 0 and at most hold_from, and that at most 1")]
    Thresholds,
    /// A word is empty or not in lower case.
    #[error("the word `{0}` must be in lower case and not empty")]
    Word(String),
}

impl Proxies {
    /// The list that was compiled in.
    pub fn builtin() -> &'static Self {
        static BUILTIN: OnceLock<Proxies> = OnceLock::new();
        BUILTIN.get_or_init(|| {
            Self::parse(include_str!("../proxies.toml")).expect("a test reads the compiled-in list")
        })
    }

    /// Reads a list.
    ///
    /// # Errors
    /// What does not read, or could find nothing.
    pub fn parse(text: &str) -> Result<Self, ProxiesError> {
        let read: Self =
            toml::from_str(text).map_err(|error| ProxiesError::Toml(error.message().to_owned()))?;
        let ordered = 0.0 < read.report_from && read.report_from <= read.hold_from;
        if !ordered || read.hold_from > 1.0 {
            return Err(ProxiesError::Thresholds);
        }
        let mut words = read.attributes.iter().flat_map(|attribute| &attribute.words);
        match words.find(|word| parts(word).is_empty() || **word != word.to_lowercase()) {
            Some(word) => Err(ProxiesError::Word(word.clone())),
            None => Ok(read),
        }
    }
}

impl Attribute {
    /// The word by which a column's name gives itself away, if one does. A word of several parts
    /// (`party_member`) stands for those parts in a row.
    pub fn named_by(&self, column: &str) -> Option<&str> {
        let name = parts(column);
        let stands = |word: &&String| {
            let word = parts(word);
            name.windows(word.len()).any(|window| *window == *word)
        };
        self.words.iter().find(stands).map(String::as_str)
    }
}

/// `trait.BirthYear_2` as `trait`, `birth`, `year`, `2`.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut before_was_lower = false;
    for c in name.chars() {
        let begins = !c.is_alphanumeric() || (c.is_uppercase() && before_was_lower);
        if begins && parts.last().is_some_and(|part| !part.is_empty()) {
            parts.push(String::new());
        }
        before_was_lower = c.is_lowercase();
        if c.is_alphanumeric()
            && let Some(part) = parts.last_mut()
        {
            part.extend(c.to_lowercase());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_give_away_whole_words_only() {
        let list = Proxies::builtin();
        let found = |column: &str| {
            let named = |attribute: &&Attribute| attribute.named_by(column).is_some();
            list.attributes.iter().find(named).map(|attribute| attribute.id.as_str())
        };
        assert_eq!(found("trait.religion"), Some("religion"));
        assert_eq!(found("trait.birthYear"), Some("age"));
        assert_eq!(found("lent.trait.party-member"), Some("politics"));
        assert_eq!(found("trait.party"), None, "a birthday party is no party");
        assert_eq!(found("trait.language_of_manager"), None);
        assert_eq!(found("trait.colour"), None);
        assert_eq!(found("engagement.long"), None, "`age` is inside, and no word of it");
        assert_eq!(found("topic.short"), None);
    }

    #[test]
    fn a_list_that_could_find_nothing_is_refused() {
        let text = "report_from = 0.6\nhold_from = 0.5\nattribute = []";
        assert_eq!(Proxies::parse(text), Err(ProxiesError::Thresholds));
        let text = "report_from = 0.1\nhold_from = 0.5\n\
                    [[attribute]]\nid = 'a'\nwords = ['Age']\nholds = true";
        assert_eq!(Proxies::parse(text), Err(ProxiesError::Word("Age".to_owned())));
        assert!(matches!(Proxies::parse("report_from = 1"), Err(ProxiesError::Toml(_))));
    }
}
