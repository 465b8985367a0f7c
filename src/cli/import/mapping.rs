//! The mapping file: which column of a table is what. Unknown keys are refused, so that a typing
//! error is not a silent omission.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use volens_models::features::Message;
use volens_models::table::nearest;
use volens_privacy::{AppId, BusinessId, Timestamp, Topics};

use crate::relevance::OutcomeKind;
use crate::signals::Kind;

/// A mapping as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mapping {
    /// Whose customers these are.
    pub(super) app: AppId,
    /// How rows become accounts.
    #[serde(default)]
    pub(super) account: Account,
    /// What rows say about messages the accounts were sent.
    pub(super) exposure: Option<Exposure>,
}

/// How a row becomes an account.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Account {
    /// The column of the app's own reference, or `row`: the prefix and the number of the row.
    pub(super) reference: Option<String>,
    /// Before the number of the row, with `reference = "row"`.
    pub(super) prefix: String,
    /// ISO 639-1.
    pub(super) language: Option<Source>,
    /// ISO 3166-1 alpha-2.
    pub(super) country: Option<Source>,
    /// IANA name.
    pub(super) time_zone: Option<Source>,
    /// A band as the API writes it.
    pub(super) age_band: Option<Source>,
    /// When the row was true; needed for traits and topics.
    pub(super) at: Option<Source>,
    /// Trait names and their columns.
    pub(super) traits: BTreeMap<String, String>,
    /// Columns that say what the account did.
    pub(super) topics: Vec<TopicColumn>,
}

/// A value that is the same in every row, or a column.
#[derive(Deserialize, Clone)]
#[serde(untagged, deny_unknown_fields)]
pub(super) enum Source {
    /// The same everywhere.
    Value(String),
    /// A column.
    Column {
        /// Its name.
        column: String,
    },
}

/// A column of counts: so many acts of this kind on this topic. `yes` and `true` count once.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TopicColumn {
    /// Its name.
    pub(super) column: String,
    /// The topic.
    pub(super) topic: String,
    /// What was done.
    pub(super) kind: String,
}

/// What a row says about a message.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exposure {
    /// When the message went out.
    pub(super) at: Source,
    /// How long what happens afterwards counts.
    pub(super) closes_after_days: u32,
    /// The column that says which message it was.
    pub(super) treatment: String,
    /// The values of that column.
    pub(super) arms: BTreeMap<String, Arm>,
    /// Columns that say what happened.
    pub(super) outcomes: Vec<OutcomeColumn>,
}

/// One message, or none.
#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub(super) struct Arm {
    /// Nothing was sent.
    #[serde(default)]
    pub(super) control: bool,
    /// The share of people who were assigned to it; those of all arms need not sum to 1.
    pub(super) share: f64,
    /// What the message was about.
    #[serde(default)]
    pub(super) topics: Vec<String>,
    /// ISO 639-1.
    pub(super) language: Option<String>,
}

/// A column that says whether something happened: 0 and empty are no, everything else is yes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutcomeColumn {
    /// Its name.
    pub(super) column: String,
    /// What happened.
    pub(super) kind: String,
    /// The column of what it was worth.
    pub(super) value: Option<String>,
}

/// Why a mapping cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum MappingError {
    /// Not TOML of this shape.
    #[error("the mapping cannot be read: {0}")]
    Toml(#[from] toml::de::Error),
    /// A value is not acceptable.
    #[error("{key}: {why}")]
    Value {
        /// Where.
        key: String,
        /// What it must be.
        why: &'static str,
    },
    /// The table has no such column.
    #[error("the table has no column \"{name}\"{}", hint(nearest.as_ref()))]
    NoColumn {
        /// As written.
        name: String,
        /// The most similar one.
        nearest: Option<String>,
    },
}

fn hint(nearest: Option<&String>) -> String {
    nearest.map(|name| format!("; did you mean \"{name}\"?")).unwrap_or_default()
}

impl Mapping {
    /// Reads and checks a mapping.
    pub(super) fn parse(text: &str) -> Result<Self, MappingError> {
        let mapping: Self = toml::from_str(text)?;
        mapping.check()?;
        Ok(mapping)
    }

    fn check(&self) -> Result<(), MappingError> {
        let refused = |key: &str, why| Err(MappingError::Value { key: key.to_owned(), why });
        let topics = Topics::builtin();
        for column in &self.account.topics {
            if Kind::parse(&column.kind).is_none() {
                return refused("account.topics.kind", "not a kind of signal");
            }
            if topics.check(&column.topic).is_err() {
                return refused("account.topics.topic", "unknown, or a special category");
            }
        }
        let says_something = !self.account.topics.is_empty() || !self.account.traits.is_empty();
        if says_something && self.account.at.is_none() {
            return refused("account.at", "needed for traits and topics");
        }
        let Some(exposure) = &self.exposure else { return Ok(()) };
        for outcome in &exposure.outcomes {
            if OutcomeKind::parse(&outcome.kind).is_none() {
                return refused("exposure.outcomes.kind", "not a kind of outcome");
            }
        }
        for arm in exposure.arms.values() {
            if !(arm.share > 0.0 && arm.share <= 1.0) {
                return refused("exposure.arms.share", "greater than 0 and at most 1");
            }
            if arm.topics.iter().any(|topic| topics.check(topic).is_err()) {
                return refused("exposure.arms.topics", "unknown, or a special category");
            }
        }
        Ok(())
    }

    /// The columns that are read, each looked up in the header.
    pub(super) fn columns(&self, header: &[String]) -> Result<Columns, MappingError> {
        let mut names: Vec<&str> = Vec::new();
        let account = &self.account;
        names.extend(account.reference.as_deref().filter(|name| *name != ROW));
        for source in [
            &account.language,
            &account.country,
            &account.time_zone,
            &account.age_band,
            &account.at,
        ] {
            names.extend(source.as_ref().and_then(Source::column));
        }
        names.extend(account.traits.values().map(String::as_str));
        names.extend(account.topics.iter().map(|topic| topic.column.as_str()));
        if let Some(exposure) = &self.exposure {
            names.push(&exposure.treatment);
            names.extend(exposure.at.column());
            for outcome in &exposure.outcomes {
                names.push(&outcome.column);
                names.extend(outcome.value.as_deref());
            }
        }
        Columns::find(header, names)
    }
}

/// `reference = "row"`.
pub(super) const ROW: &str = "row";

impl Source {
    /// The column, when it is one.
    pub(super) fn column(&self) -> Option<&str> {
        match self {
            Self::Value(_) => None,
            Self::Column { column } => Some(column),
        }
    }
}

impl Arm {
    /// The message as features see it.
    pub(super) fn message(&self, business: BusinessId) -> Message {
        Message {
            topics: self.topics.clone(),
            business: business.to_string(),
            language: self.language.clone(),
        }
    }
}

/// Where columns are in a row.
pub(super) struct Columns {
    places: BTreeMap<String, usize>,
}

/// The cells of one row; an empty one is `None`.
pub(super) type Cells = Vec<Option<String>>;

/// A column whose value cannot be used, and the code of the reason. Never the value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadCell {
    pub(super) column: String,
    pub(super) code: &'static str,
}

impl BadCell {
    pub(super) fn new(column: &str, code: &'static str) -> Self {
        Self { column: column.to_owned(), code }
    }
}

impl Columns {
    /// Finds columns by name.
    pub(super) fn find<'n>(
        header: &[String],
        names: impl IntoIterator<Item = &'n str>,
    ) -> Result<Self, MappingError> {
        let mut places = BTreeMap::new();
        for name in names {
            let place = header.iter().position(|column| column == name);
            let place = place.ok_or_else(|| MappingError::NoColumn {
                name: name.to_owned(),
                nearest: nearest(name, header.iter().map(String::as_str)).map(str::to_owned),
            })?;
            places.insert(name.to_owned(), place);
        }
        Ok(Self { places })
    }

    /// The cell of a column.
    pub(super) fn cell<'c>(&self, cells: &'c Cells, column: &str) -> Option<&'c str> {
        self.places.get(column).and_then(|place| cells.get(*place)).and_then(Option::as_deref)
    }

    /// What a source says in this row.
    pub(super) fn source<'c>(
        &self,
        cells: &'c Cells,
        source: Option<&'c Source>,
    ) -> Option<&'c str> {
        match source? {
            Source::Value(value) => Some(value),
            Source::Column { column } => self.cell(cells, column),
        }
    }

    /// The time a source says: RFC 3339, or `N days ago`.
    pub(super) fn time(
        &self,
        cells: &Cells,
        source: &Source,
        now: Timestamp,
    ) -> Result<Timestamp, BadCell> {
        let column = source.column().unwrap_or("at");
        let text = self.source(cells, Some(source));
        let text = text.ok_or_else(|| BadCell::new(column, "time.missing"))?;
        time(text, now).ok_or_else(|| BadCell::new(column, "time.invalid"))
    }
}

/// RFC 3339, or `N days ago`: the beginning of that day, UTC.
pub(super) fn time(text: &str, now: Timestamp) -> Option<Timestamp> {
    match text.strip_suffix(" days ago") {
        Some(days) => {
            let days: u32 = days.trim().parse().ok()?;
            Some(now.minus(Duration::from_hours(24 * u64::from(days))).day())
        }
        None => Timestamp::parse(text).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_may_be_counted_back_from_today() {
        let at = |text| Timestamp::parse(text).expect("a time");
        let now = at("2026-11-21T10:20:30Z");
        assert_eq!(time("21 days ago", now), Some(at("2026-10-31T00:00:00Z")));
        assert_eq!(time("2026-10-31T00:00:00Z", now), Some(at("2026-10-31T00:00:00Z")));
        assert_eq!(time("yesterday", now), None);
    }

    const MAPPING: &str = r#"
        app = "shop"
        [account]
        reference = "row"
        prefix = "customer-"
        language = "en"
        country = { column = "land" }
        at = "2026-10-01T00:00:00Z"
        traits = { recency = "recency" }
    "#;

    fn header() -> Vec<String> {
        ["recency", "land"].map(str::to_owned).to_vec()
    }

    #[test]
    fn constants_and_columns_are_told_apart() {
        let mapping = Mapping::parse(MAPPING).expect("a mapping");
        let columns = mapping.columns(&header()).expect("both columns are there");
        let cells = vec![Some("3".to_owned()), None];
        assert_eq!(columns.source(&cells, mapping.account.language.as_ref()), Some("en"));
        assert_eq!(columns.source(&cells, mapping.account.country.as_ref()), None);
        assert_eq!(columns.cell(&cells, "recency"), Some("3"));
    }

    #[test]
    fn what_is_mistyped_is_refused() {
        let unknown = MAPPING.replace("prefix", "prefx");
        assert!(matches!(Mapping::parse(&unknown), Err(MappingError::Toml(_))));
        let mapping = Mapping::parse(&MAPPING.replace("\"land\"", "\"lend\"")).expect("readable");
        let refused = mapping.columns(&header()).err().map(|error| error.to_string());
        assert_eq!(
            refused.as_deref(),
            Some("the table has no column \"lend\"; did you mean \"land\"?")
        );
        let untimed = MAPPING.replace("at = \"2026-10-01T00:00:00Z\"", "");
        assert!(matches!(Mapping::parse(&untimed), Err(MappingError::Value { .. })));
    }
}
