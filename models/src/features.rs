//! Feature vectors: named values about one person and one message.
//!
//! The names are stable: they are stored in models, shown in explanations and asked about by officers.
//! What a directly linked account of another app lends has names of its own ([`LENT`]), so that its part in
//! a score can be seen, and is gone together with the link.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Prefix of everything that comes from linked accounts of other apps.
pub const LENT: &str = "lent.";
/// Prefix of what an app told about its own customer.
pub const TRAIT: &str = "trait.";
/// Whether the person was in the treated arm when the outcome was recorded: 1 treated, 0 held out.
pub const TREATMENT: &str = "treatment";

/// Interest in the message's topics, short half-life.
pub const TOPIC_SHORT: &str = "topic.short";
/// Interest in the message's topics, medium half-life.
pub const TOPIC_MEDIUM: &str = "topic.medium";
/// Interest in the message's topics, long half-life.
pub const TOPIC_LONG: &str = "topic.long";
/// Interest in other topics of the same families (`sport.running` for `sport.cycling`), long half-life.
pub const TOPIC_RELATED: &str = "topic.related";
/// Share of all interest that goes to the message's topics, 0 to 1, long half-life.
pub const TOPIC_SHARE: &str = "topic.share";
/// Dealings with the business, short half-life.
pub const BUSINESS_SHORT: &str = "business.short";
/// Dealings with the business, medium half-life.
pub const BUSINESS_MEDIUM: &str = "business.medium";
/// Dealings with the business, long half-life.
pub const BUSINESS_LONG: &str = "business.long";
/// All activity, short half-life.
pub const ENGAGEMENT_SHORT: &str = "engagement.short";
/// All activity, long half-life.
pub const ENGAGEMENT_LONG: &str = "engagement.long";
/// Days since the last activity.
pub const RECENCY_DAYS: &str = "recency.days";
/// Messages received lately, from whomever, short half-life.
pub const FATIGUE_RECEIVED: &str = "fatigue.received";
/// Messages hidden, stopped or complained about, long half-life.
pub const FATIGUE_REJECTED: &str = "fatigue.rejected";
/// Whether the message is in the person's language: `yes` or `no`; missing when either is unknown.
pub const LANGUAGE_MATCH: &str = "language.match";

/// What a denied interest counts as at every half-life: as much disinterest as few show by their acts.
pub const DENIED: f64 = -8.0;

/// Which way a score may move as a number grows and all else stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Down, or it stays.
    Falls,
    /// Up, or it stays.
    Rises,
}

impl Direction {
    /// Whether a score may be `low` at a number and `high` at a larger one.
    #[inline]
    pub fn allows(self, low: f64, high: f64) -> bool {
        match self {
            Self::Falls => low >= high,
            Self::Rises => low <= high,
        }
    }
}

/// Which way a feature of [`pair`] may move a score, whatever the rows say: who received or rejected more is
/// never thought more willing for it, and interest in a message's topics never counts against it. A denied
/// interest ([`DENIED`]) therefore never counts for it.
pub fn direction(name: &str) -> Option<Direction> {
    match name.strip_prefix(LENT).unwrap_or(name) {
        FATIGUE_RECEIVED | FATIGUE_REJECTED => Some(Direction::Falls),
        TOPIC_SHORT | TOPIC_MEDIUM | TOPIC_LONG | TOPIC_RELATED | TOPIC_SHARE => {
            Some(Direction::Rises)
        }
        _ => None,
    }
}

/// Something about a person that acts and time change, whichever columns measure it. What an app told, what
/// linked accounts lend, the language and who was addressed are none: nobody becomes another person to
/// get or to lose a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lever {
    /// Interest in the message's topics.
    Topic,
    /// Interest in topics of the same families.
    Related,
    /// Dealings with the business.
    Business,
    /// All activity.
    Engagement,
    /// Days since the last activity.
    Recency,
    /// Messages received.
    Received,
    /// Messages turned away.
    Rejected,
}

/// The lever that moves a column of [`pair`]; none for a column that nobody's acts move.
pub fn lever(name: &str) -> Option<Lever> {
    match name {
        TOPIC_SHORT | TOPIC_MEDIUM | TOPIC_LONG | TOPIC_SHARE => Some(Lever::Topic),
        TOPIC_RELATED => Some(Lever::Related),
        BUSINESS_SHORT | BUSINESS_MEDIUM | BUSINESS_LONG => Some(Lever::Business),
        ENGAGEMENT_SHORT | ENGAGEMENT_LONG => Some(Lever::Engagement),
        RECENCY_DAYS => Some(Lever::Recency),
        FATIGUE_RECEIVED => Some(Lever::Received),
        FATIGUE_REJECTED => Some(Lever::Rejected),
        _ => None,
    }
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Finite numbers.
    Number,
    /// Words.
    Category,
}

/// One value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A finite number.
    Number(f64),
    /// A word.
    Category(String),
}

/// Named values of one row. A name that is not there is missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Features {
    values: BTreeMap<String, Value>,
}

impl Features {
    /// Sets a number. Without a finite value the feature stays missing.
    pub fn number(&mut self, name: &str, value: f64) -> &mut Self {
        if value.is_finite() {
            self.values.insert(name.to_owned(), Value::Number(value));
        }
        self
    }

    /// Sets a category.
    pub fn category(&mut self, name: &str, value: &str) -> &mut Self {
        self.values.insert(name.to_owned(), Value::Category(value.to_owned()));
        self
    }

    /// The value of that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// All values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The same person and message without what linked accounts lent.
    pub fn without_lent(&self) -> Self {
        let own = self.values.iter().filter(|(name, _)| !name.starts_with(LENT));
        Self { values: own.map(|(name, value)| (name.clone(), value.clone())).collect() }
    }
}

/// One column of a [`Schema`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// The feature's name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

/// Names and kinds of the columns of a training table, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Schema {
    fields: Vec<Field>,
}

impl Schema {
    /// The schema that covers every value of these rows, sorted by name. A name that holds both numbers and
    /// words takes the kind it has first.
    pub fn covering<'f>(rows: impl IntoIterator<Item = &'f Features>) -> Self {
        let mut kinds = BTreeMap::new();
        for features in rows {
            for (name, value) in features.iter() {
                let kind = match value {
                    Value::Number(_) => Kind::Number,
                    Value::Category(_) => Kind::Category,
                };
                kinds.entry(name.to_owned()).or_insert(kind);
            }
        }
        Self { fields: kinds.into_iter().map(|(name, kind)| Field { name, kind }).collect() }
    }

    /// Adds a column at the end; a name already there keeps its kind.
    pub fn add(&mut self, name: &str, kind: Kind) {
        if !self.fields.iter().any(|field| field.name == name) {
            self.fields.push(Field { name: name.to_owned(), kind });
        }
    }

    /// The columns, in order.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The numbers that have a [`direction`], by name.
    pub fn directions(&self) -> BTreeMap<String, Direction> {
        let numbers = self.fields.iter().filter(|field| field.kind == Kind::Number);
        numbers.filter_map(|field| Some((field.name.clone(), direction(&field.name)?))).collect()
    }
}

/// A decayed counter at three half-lives, all at the same moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Decayed {
    /// Short half-life (days).
    pub short: f64,
    /// Medium half-life (weeks).
    pub medium: f64,
    /// Long half-life (months).
    pub long: f64,
}

impl Decayed {
    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            short: self.short + other.short,
            medium: self.medium + other.medium,
            long: self.long + other.long,
        }
    }
}

/// What one account's own app knows, read at one moment under that account's consent.
#[derive(Clone, Debug, Default)]
pub struct Person {
    /// Activity per topic id.
    pub topics: BTreeMap<String, Decayed>,
    /// Topics that the person says are no interest of theirs; one that others are under stands for
    /// those too. Whatever they did counts as [`DENIED`].
    pub denied: BTreeSet<String>,
    /// Activity per business id.
    pub businesses: BTreeMap<String, Decayed>,
    /// All activity.
    pub engagement: Decayed,
    /// Messages received.
    pub received: Decayed,
    /// Messages hidden, stopped or complained about.
    pub rejected: Decayed,
    /// Days since the last activity, when there was any.
    pub days_since_active: Option<f64>,
    /// BCP 47 code.
    pub language: Option<String>,
    /// What the app told about its customer.
    pub traits: BTreeMap<String, Value>,
}

/// What is to be sent.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// Topic ids.
    pub topics: Vec<String>,
    /// The sender's id.
    pub business: String,
    /// BCP 47 code.
    pub language: Option<String>,
}

/// The features of a person and a message, with what the linked accounts in `lent` add in columns of their
/// own. Without linked accounts these columns are missing, not zero: "nothing lent" and "lent, no interest"
/// differ.
pub fn pair(person: &Person, message: &Message, lent: &[Person]) -> Features {
    let mut features = Features::default();
    interests(&mut features, "", person, message);
    if let (Some(own), Some(of_message)) = (&person.language, &message.language) {
        let same = primary(own) == primary(of_message);
        features.category(LANGUAGE_MATCH, if same { "yes" } else { "no" });
    }
    for (name, value) in &person.traits {
        let name = format!("{TRAIT}{name}");
        match value {
            Value::Number(number) => features.number(&name, *number),
            Value::Category(word) => features.category(&name, word),
        };
    }
    if let Some(mut joined) = lent.iter().cloned().reduce(join) {
        joined.denied.extend(person.denied.iter().cloned());
        interests(&mut features, LENT, &joined, message);
    }
    features
}

fn interests(features: &mut Features, prefix: &str, person: &Person, message: &Message) {
    let mut direct = Decayed::default();
    let mut related = 0.0;
    let mut all = 0.0;
    for (topic, counter) in person.topics.iter().filter(|(topic, _)| !denies(person, topic)) {
        all += counter.long;
        if message.topics.contains(topic) {
            direct = direct.plus(*counter);
        } else if message.topics.iter().any(|wanted| family(wanted) == family(topic)) {
            related += counter.long;
        }
    }
    let denied = message.topics.iter().any(|topic| denies(person, topic));
    if denied {
        direct = Decayed { short: DENIED, medium: DENIED, long: DENIED };
    }
    let business = person.businesses.get(&message.business).copied().unwrap_or_default();
    let values = [
        (TOPIC_SHORT, direct.short),
        (TOPIC_MEDIUM, direct.medium),
        (TOPIC_LONG, direct.long),
        (TOPIC_RELATED, related),
        (TOPIC_SHARE, if all > 0.0 && !denied { direct.long / all } else { 0.0 }),
        (BUSINESS_SHORT, business.short),
        (BUSINESS_MEDIUM, business.medium),
        (BUSINESS_LONG, business.long),
        (ENGAGEMENT_SHORT, person.engagement.short),
        (ENGAGEMENT_LONG, person.engagement.long),
        (RECENCY_DAYS, person.days_since_active.unwrap_or(f64::NAN)),
        (FATIGUE_RECEIVED, person.received.short),
        (FATIGUE_REJECTED, person.rejected.long),
    ];
    for (name, value) in values {
        features.number(&format!("{prefix}{name}"), value);
    }
}

/// Whether the person says that a topic, or what it is under, is no interest of theirs.
fn denies(person: &Person, topic: &str) -> bool {
    person.denied.contains(topic) || person.denied.contains(family(topic))
}

/// Two lending accounts as one: activities add up, the more recent one counts for recency.
fn join(mut left: Person, right: Person) -> Person {
    for (topic, counter) in right.topics {
        let sum = left.topics.get(&topic).copied().unwrap_or_default().plus(counter);
        left.topics.insert(topic, sum);
    }
    for (business, counter) in right.businesses {
        let sum = left.businesses.get(&business).copied().unwrap_or_default().plus(counter);
        left.businesses.insert(business, sum);
    }
    left.denied.extend(right.denied);
    left.engagement = left.engagement.plus(right.engagement);
    left.received = left.received.plus(right.received);
    left.rejected = left.rejected.plus(right.rejected);
    left.days_since_active = match (left.days_since_active, right.days_since_active) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    left
}

/// The topic that a topic is under: `sport` for `sport.cycling`, and for itself.
pub fn family(topic: &str) -> &str {
    topic.split('.').next().unwrap_or(topic)
}

/// The language without its region, in lower case: `de` for `de-AT`.
pub fn primary(language: &str) -> String {
    language.split(['-', '_']).next().unwrap_or(language).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(amount: f64) -> Decayed {
        Decayed { short: amount, medium: 2.0 * amount, long: 4.0 * amount }
    }

    fn runner() -> Person {
        Person {
            topics: [
                ("sport.running".to_owned(), counter(1.0)),
                ("sport.cycling".to_owned(), counter(0.5)),
            ]
            .into(),
            language: Some("fr-CA".into()),
            traits: [("plan".to_owned(), Value::Category("gold".into()))].into(),
            ..Person::default()
        }
    }

    fn shoes() -> Message {
        Message {
            topics: vec!["sport.running".into()],
            business: "b".into(),
            language: Some("fr".into()),
        }
    }

    #[test]
    fn a_pair_sees_the_message_through_the_person() {
        let features = pair(&runner(), &shoes(), &[]);
        assert_eq!(features.get(TOPIC_SHORT), Some(&Value::Number(1.0)));
        assert_eq!(features.get(TOPIC_RELATED), Some(&Value::Number(2.0)));
        assert_eq!(features.get(TOPIC_SHARE), Some(&Value::Number(4.0 / 6.0)));
        assert_eq!(features.get(LANGUAGE_MATCH), Some(&Value::Category("yes".into())));
        assert_eq!(features.get("trait.plan"), Some(&Value::Category("gold".into())));
        assert_eq!(features.get(RECENCY_DAYS), None, "never active is missing, not zero days");
    }

    #[test]
    fn what_is_denied_counts_against_the_message_whatever_was_done_or_is_lent() {
        let denied = Person { denied: ["sport.running".to_owned()].into(), ..runner() };
        let features = pair(&denied, &shoes(), &[runner()]);
        for column in [TOPIC_SHORT, TOPIC_MEDIUM, TOPIC_LONG, "lent.topic.short", "lent.topic.long"]
        {
            assert_eq!(features.get(column), Some(&Value::Number(DENIED)), "{column}");
        }
        assert_eq!(features.get(TOPIC_SHARE), Some(&Value::Number(0.0)));
        assert_eq!(features.get(TOPIC_RELATED), Some(&Value::Number(2.0)), "cycling still counts");
        let family = Person { denied: ["sport".to_owned()].into(), ..runner() };
        let features = pair(&family, &shoes(), &[]);
        assert_eq!(features.get(TOPIC_LONG), Some(&Value::Number(DENIED)));
        assert_eq!(features.get(TOPIC_RELATED), Some(&Value::Number(0.0)));
    }

    #[test]
    fn what_is_lent_has_its_own_columns_and_goes_with_the_link() {
        let own = pair(&runner(), &shoes(), &[]);
        let with_two_links = pair(&runner(), &shoes(), &[runner(), runner()]);
        assert_eq!(with_two_links.get("lent.topic.short"), Some(&Value::Number(2.0)));
        assert_eq!(with_two_links.get("lent.trait.plan"), None, "traits stay with their app");
        assert_eq!(with_two_links.without_lent(), own);
        assert!(own.iter().all(|(name, _)| !name.starts_with(LENT)));
    }
}
