//! One item of an ingest call after reading, whatever format it came in.

use serde_json::{Map, Value};
use volens_privacy::topics::TopicRefusal;
use volens_privacy::{BusinessId, Timestamp, Topics};

use super::kinds::Kind;
use super::profile::{Observation, Trait};
use super::reason::Reason;

/// The most bytes one item may have (Segment: 32 KB).
pub const MAX_ITEM: usize = 32 * 1024;
/// The most characters of a message id (Segment).
const MAX_MESSAGE_ID: usize = 100;
/// The most characters of an account reference.
const MAX_REFERENCE: usize = 256;
/// The most topics of one act.
const MAX_TOPICS: usize = 20;
/// The most characters of a trait's name or word.
const MAX_TRAIT: usize = 64;

/// What an item says.
#[derive(Clone, PartialEq)]
pub enum Content {
    /// The account did something.
    Did(Observation),
    /// The app describes the account.
    Is(Description),
}

/// What an app says about an account.
#[derive(Clone, Default, PartialEq)]
pub struct Description {
    /// Traits by name.
    pub traits: Vec<(String, Trait)>,
    /// BCP 47 primary subtag.
    pub language: Option<String>,
}

/// An item that could be read.
#[derive(Clone, PartialEq)]
pub struct Item {
    /// The app's own reference of the account.
    pub account: String,
    /// What makes a repeat recognisable.
    pub key: Option<String>,
    /// When, by our clock.
    pub at: Timestamp,
    /// What it says.
    pub content: Content,
}

/// An item as read, and what was left out of it on the way.
pub struct Parsed {
    /// The item, or why there is none.
    pub item: Result<Item, Reason>,
    /// Left out or ignored without refusing the item.
    pub notes: Vec<Reason>,
}

impl Parsed {
    /// An item that was refused as a whole.
    pub fn refused(reason: Reason) -> Self {
        Self { item: Err(reason), notes: Vec::new() }
    }
}

/// The text under `key`; `None` when absent or null.
pub(super) fn text<'v>(
    object: &'v Map<String, Value>,
    key: &str,
    wrong: Reason,
) -> Result<Option<&'v str>, Reason> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(wrong),
    }
}

/// The account reference as given, checked.
pub(super) fn reference(text: &str) -> Result<String, Reason> {
    let fits = !text.is_empty()
        && text.chars().count() <= MAX_REFERENCE
        && !text.chars().any(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err(Reason::AccountInvalid) }
}

/// The message id as given, checked.
pub(super) fn message_id(text: Option<&str>) -> Result<Option<String>, Reason> {
    match text {
        None => Ok(None),
        Some(id) if id.is_empty() || id.chars().count() > MAX_MESSAGE_ID => {
            Err(Reason::MessageIdInvalid)
        }
        Some(id) => Ok(Some(id.to_owned())),
    }
}

/// The time under `key`; `None` when absent or null.
pub(super) fn time(object: &Map<String, Value>, key: &str) -> Result<Option<Timestamp>, Reason> {
    text(object, key, Reason::TimeInvalid)?
        .map(|text| Timestamp::parse(text).map_err(|_| Reason::TimeInvalid))
        .transpose()
}

/// The topics named by `topics`, `topic` and `category`, each checked. One bad topic refuses the
/// item: what was meant cannot be known.
pub(super) fn topics(
    known: &'static Topics,
    properties: &Map<String, Value>,
) -> Result<Vec<String>, Reason> {
    let mut named = Vec::new();
    for key in ["topics", "topic", "category"] {
        match properties.get(key) {
            None | Some(Value::Null) => {}
            Some(Value::String(topic)) => named.push(topic.as_str()),
            Some(Value::Array(list)) => {
                for entry in list {
                    named.push(entry.as_str().ok_or(Reason::ItemInvalid)?);
                }
            }
            Some(_) => return Err(Reason::ItemInvalid),
        }
    }
    if named.len() > MAX_TOPICS {
        return Err(Reason::TopicTooMany);
    }
    let mut checked = Vec::new();
    let mut unknown = false;
    for topic in named {
        match known.check(&topic.trim().to_lowercase()).map_err(Reason::from) {
            Ok(id) => checked.push(id.as_str().to_owned()),
            Err(Reason::TopicUnknown) => unknown = true,
            Err(refused) => return Err(refused),
        }
    }
    if unknown {
        return Err(Reason::TopicUnknown);
    }
    checked.sort_unstable();
    checked.dedup();
    Ok(checked)
}

/// An act from its kind and its properties (`topics`, `topic`, `category`, `business`).
pub fn act(
    known: &'static Topics,
    kind: Kind,
    properties: &Map<String, Value>,
    at: Timestamp,
) -> Result<Content, Reason> {
    let topics = topics(known, properties)?;
    let business = text(properties, "business", Reason::BusinessInvalid)?
        .map(|id| id.parse::<BusinessId>().map_err(|_| Reason::BusinessInvalid))
        .transpose()?;
    Ok(Content::Did(Observation { kind, topics, business, at: at.hour() }))
}

/// The traits that may be kept; the others are noted by reason.
pub(super) fn describe(
    known: &'static Topics,
    traits: &Map<String, Value>,
    notes: &mut Vec<Reason>,
) -> Content {
    let mut description = Description::default();
    for (name, value) in traits {
        if matches!(name.as_str(), "language" | "locale") {
            description.language = value.as_str().and_then(primary_language);
            continue;
        }
        match one_trait(known, name, value) {
            Ok(Some(kept)) => description.traits.push(kept),
            Ok(None) => {}
            Err(reason) => notes.push(reason),
        }
    }
    Content::Is(description)
}

/// One trait: `None` when its value is null.
pub fn one_trait(
    known: &'static Topics,
    name: &str,
    value: &Value,
) -> Result<Option<(String, Trait)>, Reason> {
    let name = snake(name);
    let fits = |text: &str| !text.is_empty() && text.chars().count() <= MAX_TRAIT;
    if !fits(&name) {
        return Err(Reason::TraitInvalid);
    }
    if names_a_person(&name) {
        return Err(Reason::TraitIdentifier);
    }
    if is_special_category(known, &name) {
        return Err(Reason::TraitSensitive);
    }
    let value = match value {
        Value::Null => return Ok(None),
        Value::Bool(yes) => Trait::Category(if *yes { "yes" } else { "no" }.to_owned()),
        Value::Number(number) => {
            let number = number.as_f64().filter(|number| number.is_finite());
            let number = number.ok_or(Reason::TraitInvalid)?;
            // A whole number this long is a phone number, an account number or a time.
            if number.fract() == 0.0 && number.abs() >= 1e9 {
                return Err(Reason::TraitIdentifier);
            }
            Trait::Number(number)
        }
        Value::String(text) => {
            let text = text.trim();
            if looks_like_an_identifier(text) {
                return Err(Reason::TraitIdentifier);
            }
            if !fits(text) || text.chars().any(char::is_control) {
                return Err(Reason::TraitInvalid);
            }
            Trait::Category(text.to_owned())
        }
        Value::Array(_) | Value::Object(_) => return Err(Reason::TraitInvalid),
    };
    if is_sensitive_trait(known, &name, &value) {
        return Err(Reason::TraitSensitive);
    }
    Ok(Some((name, value)))
}

/// Whether a trait is of a special category of personal data (GDPR Art. 9(1)), by its name or by what is said.
pub fn is_sensitive_trait(known: &'static Topics, name: &str, value: &Trait) -> bool {
    let said = match value {
        Trait::Category(text) => names_something_sensitive(known, text),
        Trait::Number(_) => false,
    };
    said || is_special_category(known, name)
}

fn names_something_sensitive(known: &'static Topics, text: &str) -> bool {
    known.check(&text.to_lowercase()) == Err(TopicRefusal::Sensitive)
        || known.name_something_sensitive(text)
}

/// The primary subtag of a BCP 47 or POSIX language: `de` of `de-AT` and `de_AT`.
pub fn primary_language(text: &str) -> Option<String> {
    let primary = text.split(['-', '_', '.']).next()?.to_ascii_lowercase();
    let fits = (2..=3).contains(&primary.len()) && primary.bytes().all(|b| b.is_ascii_lowercase());
    fits.then_some(primary)
}

/// `firstName`, `First Name` and `first-name` become `first_name`.
fn snake(name: &str) -> String {
    let mut out = String::new();
    let mut lower_before = false;
    for c in name.trim().chars() {
        if c.is_uppercase() && lower_before {
            out.push('_');
        }
        lower_before = c.is_lowercase() || c.is_numeric();
        if c.is_alphanumeric() {
            out.extend(c.to_lowercase());
        } else if !out.ends_with('_') && !out.is_empty() {
            out.push('_');
        }
    }
    out.trim_end_matches('_').to_owned()
}

/// Words in a trait's name that say that it identifies a person or a device. The list follows the
/// reserved traits of the Segment spec.
fn names_a_person(name: &str) -> bool {
    const WORDS: [&str; 26] = [
        "address",
        "avatar",
        "birthday",
        "birthdate",
        "cookie",
        "device",
        "dob",
        "email",
        "fax",
        "firstname",
        "gaid",
        "iban",
        "idfa",
        "ip",
        "lastname",
        "mail",
        "mobile",
        "msisdn",
        "passport",
        "phone",
        "ssn",
        "surname",
        "telephone",
        "token",
        "username",
        "whatsapp",
    ];
    const NAMES: [&str; 10] = [
        "name",
        "first_name",
        "last_name",
        "full_name",
        "user_name",
        "nick_name",
        "user_agent",
        "birth_date",
        "id",
        "user_id",
    ];
    NAMES.contains(&name)
        || name.ends_with("_id")
        || name.split('_').any(|word| WORDS.contains(&word))
}

/// Whether a trait's name is about a special category of GDPR Art. 9(1): by what sensitive topics are called,
/// and by words that say so in a name and mean something else in a text.
fn is_special_category(known: &'static Topics, name: &str) -> bool {
    const WORDS: [&str; 25] = [
        "biometric",
        "disability",
        "disabled",
        "disease",
        "ethnic",
        "ethnicity",
        "faith",
        "gay",
        "genetic",
        "health",
        "illness",
        "medical",
        "medication",
        "orientation",
        "politic",
        "political",
        "politics",
        "pregnancy",
        "pregnant",
        "race",
        "religion",
        "religious",
        "sexual",
        "sexuality",
        "union",
    ];
    name.split('_').any(|word| WORDS.contains(&word)) || names_something_sensitive(known, name)
}

/// E-mail addresses, phone numbers, IP addresses, hashes and UUIDs.
fn looks_like_an_identifier(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let decimal = digits < 10
        && !text.starts_with('+')
        && (!text.starts_with('0') || text.contains('.'))
        && text.parse::<f64>().is_ok();
    let dialled = text.chars().all(|c| c.is_ascii_digit() || " +-/().\u{a0}".contains(c));
    let mail = text.split_once('@').is_some_and(|(_, host)| host.contains('.'));
    let address = text.parse::<std::net::IpAddr>().is_ok();
    let hash = text.len() >= 32 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    (digits >= 7 && dialled && !decimal) || mail || address || hash
}
