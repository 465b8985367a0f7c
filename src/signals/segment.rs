//! Segment-spec calls as Segment's and `RudderStack`'s clients send them.
//!
//! Differences between the two that are accepted alike: traits at the top or in `context.traits`;
//! `timestamp` or `originalTimestamp`; `writeKey` in the body or not; `anonymousId: null`. Client
//! clocks are corrected by `timestamp + (received − sentAt)`, as Segment does. A consent inside an
//! event (`context.consent`, `context.consentManagement`) is a claim by the sender: it decides
//! nothing and is only counted. Nothing else of `context` is looked at: no IP address, no user agent.

use serde_json::{Map, Value};
use volens_privacy::{Timestamp, Topics};

use super::item::{self, Item, MAX_ITEM, Parsed};
use super::kinds::{Kind, kind_of};
use super::reason::Reason;

/// The calls of the spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Traits of an account.
    Identify,
    /// An act by name.
    Track,
    /// A page was looked at.
    Page,
    /// A screen of an application was looked at.
    Screen,
    /// An account belongs to a group: never joined.
    Group,
    /// Two references are one person: never joined.
    Alias,
    /// `RudderStack`'s alias.
    Merge,
}

impl Call {
    /// The call of an item's `type`.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "identify" => Self::Identify,
            "track" => Self::Track,
            "page" => Self::Page,
            "screen" => Self::Screen,
            "group" => Self::Group,
            "alias" => Self::Alias,
            "merge" => Self::Merge,
            _ => return None,
        })
    }
}

/// A body that is not what the endpoint takes at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not JSON.
    #[error("the body is not JSON")]
    NotJson,
    /// JSON, but not an object (or, for `CloudEvents` batches, an array).
    #[error("the body is JSON of another shape than this endpoint takes")]
    Shape,
    /// No array `batch`.
    #[error("the field `batch` must be an array")]
    NoBatch,
}

/// Reads the body of `POST /v1/<call>`.
pub fn single(
    known: &'static Topics,
    call: Call,
    body: &[u8],
    received: Timestamp,
) -> Result<Parsed, Unreadable> {
    let event = object(body)?;
    if body.len() > MAX_ITEM {
        return Ok(Parsed::refused(Reason::ItemTooLarge));
    }
    Ok(read(known, call, &event, None, received))
}

/// Reads the body of `POST /v1/batch`: one result per item, in order.
pub fn batch(
    known: &'static Topics,
    body: &[u8],
    received: Timestamp,
) -> Result<Vec<Parsed>, Unreadable> {
    let envelope = object(body)?;
    let items = envelope.get("batch").and_then(Value::as_array).ok_or(Unreadable::NoBatch)?;
    Ok(items.iter().map(|item| in_batch(known, item, &envelope, received)).collect())
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Unreadable> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Unreadable::Shape),
        Err(_) => Err(Unreadable::NotJson),
    }
}

fn in_batch(
    known: &'static Topics,
    item: &Value,
    envelope: &Map<String, Value>,
    received: Timestamp,
) -> Parsed {
    let Value::Object(event) = item else {
        return Parsed::refused(Reason::ItemInvalid);
    };
    if serde_json::to_vec(item).is_ok_and(|bytes| bytes.len() > MAX_ITEM) {
        return Parsed::refused(Reason::ItemTooLarge);
    }
    match event.get("type").and_then(Value::as_str).and_then(Call::parse) {
        Some(call) => read(known, call, event, Some(envelope), received),
        None => Parsed::refused(Reason::TypeUnknown),
    }
}

fn read(
    known: &'static Topics,
    call: Call,
    event: &Map<String, Value>,
    envelope: Option<&Map<String, Value>>,
    received: Timestamp,
) -> Parsed {
    let mut notes = Vec::new();
    if claims_consent(event) || envelope.is_some_and(claims_consent) {
        notes.push(Reason::ConsentClaimIgnored);
    }
    let item = understand(known, call, event, envelope, received, &mut notes);
    Parsed { item, notes }
}

fn understand(
    known: &'static Topics,
    call: Call,
    event: &Map<String, Value>,
    envelope: Option<&Map<String, Value>>,
    received: Timestamp,
    notes: &mut Vec<Reason>,
) -> Result<Item, Reason> {
    if matches!(call, Call::Group | Call::Alias | Call::Merge) {
        return Err(Reason::IdentityConsentRequired);
    }
    let account = account(event)?;
    let key = item::message_id(item::text(event, "messageId", Reason::MessageIdInvalid)?)?;
    let at = at(event, envelope, received)?;
    let content = match call {
        Call::Identify => item::describe(known, &traits(event), notes),
        Call::Track => {
            let name = item::text(event, "event", Reason::EventMissing)?;
            let name = name.filter(|name| !name.is_empty()).ok_or(Reason::EventMissing)?;
            let kind = kind_of(name).ok_or(Reason::EventUnknown)?;
            item::act(known, kind, &properties(event)?, at)?
        }
        Call::Page | Call::Screen => {
            let mut properties = properties(event)?;
            if let (Some(category), None) = (event.get("category"), properties.get("category")) {
                properties.insert("category".to_owned(), category.clone());
            }
            item::act(known, Kind::Viewed, &properties, at)?
        }
        Call::Group | Call::Alias | Call::Merge => return Err(Reason::IdentityConsentRequired),
    };
    Ok(Item { account, key, at, content })
}

/// `userId`; some clients send it as a number.
fn account(event: &Map<String, Value>) -> Result<String, Reason> {
    match event.get("userId") {
        Some(Value::String(id)) => item::reference(id),
        Some(Value::Number(id)) => Ok(id.to_string()),
        Some(Value::Null) | None => match event.get("anonymousId") {
            Some(Value::Null) | None => Err(Reason::AccountMissing),
            Some(_) => Err(Reason::AccountAnonymous),
        },
        Some(_) => Err(Reason::AccountInvalid),
    }
}

/// When it happened by our clock: `timestamp + (received − sentAt)`; when it was received, if the
/// client does not say.
fn at(
    event: &Map<String, Value>,
    envelope: Option<&Map<String, Value>>,
    received: Timestamp,
) -> Result<Timestamp, Reason> {
    let original = item::time(event, "originalTimestamp")?;
    let Some(claimed) =
        original.map_or_else(|| item::time(event, "timestamp"), |at| Ok(Some(at)))?
    else {
        return Ok(received);
    };
    let sent = match item::time(event, "sentAt")? {
        None => envelope.map_or(Ok(None), |envelope| item::time(envelope, "sentAt"))?,
        sent => sent,
    };
    let skew = sent.map_or(0, |sent| received.micros().saturating_sub(sent.micros()));
    Ok(Timestamp::from_micros(claimed.micros().saturating_add(skew)))
}

fn properties(event: &Map<String, Value>) -> Result<Map<String, Value>, Reason> {
    match event.get("properties") {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(properties)) => Ok(properties.clone()),
        Some(_) => Err(Reason::ItemInvalid),
    }
}

/// Top-level traits over those in `context.traits`; the language also from `context.locale`.
fn traits(event: &Map<String, Value>) -> Map<String, Value> {
    let context = event.get("context").and_then(Value::as_object);
    let mut traits = Map::new();
    if let Some(locale) = context.and_then(|context| context.get("locale")) {
        traits.insert("locale".to_owned(), locale.clone());
    }
    let inner = context.and_then(|context| context.get("traits")).and_then(Value::as_object);
    let top = event.get("traits").and_then(Value::as_object);
    for (name, value) in inner.into_iter().chain(top).flatten() {
        traits.insert(name.clone(), value.clone());
    }
    traits
}

fn claims_consent(event: &Map<String, Value>) -> bool {
    let context = event.get("context").and_then(Value::as_object);
    context.is_some_and(|context| {
        context.contains_key("consent") || context.contains_key("consentManagement")
    })
}

#[cfg(test)]
mod tests;
