//! `CloudEvents` 1.0 in its three HTTP modes: structured, batched and binary.
//!
//! `subject` is the account reference, the last word of `type` says what was done
//! (`com.example.signal.viewed`), and `data` holds the same properties as a Segment event
//! (`topics`, `category`, `business`). A type that ends in `identify` or `described` carries
//! `data.traits`. `source` and `id` together make a repeat recognisable, as the specification
//! defines (§3.1.1); extension attributes are not looked at.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use volens_privacy::{Timestamp, Topics};

use super::item::{self, Item, MAX_ITEM, Parsed};
use super::kinds::kind_of;
use super::reason::Reason;
use super::segment::Unreadable;

/// Reads `application/cloudevents+json`.
pub fn structured(
    known: &'static Topics,
    body: &[u8],
    received: Timestamp,
) -> Result<Parsed, Unreadable> {
    let event: Value = serde_json::from_slice(body).map_err(|_| Unreadable::NotJson)?;
    if !event.is_object() {
        return Err(Unreadable::Shape);
    }
    if body.len() > MAX_ITEM {
        return Ok(Parsed::refused(Reason::ItemTooLarge));
    }
    Ok(one(known, &event, received))
}

/// Reads `application/cloudevents-batch+json`: one result per event, in order.
pub fn batch(
    known: &'static Topics,
    body: &[u8],
    received: Timestamp,
) -> Result<Vec<Parsed>, Unreadable> {
    let events: Value = serde_json::from_slice(body).map_err(|_| Unreadable::NotJson)?;
    let events = events.as_array().ok_or(Unreadable::Shape)?;
    let sized = |event: &Value| {
        if serde_json::to_vec(event).is_ok_and(|bytes| bytes.len() > MAX_ITEM) {
            Parsed::refused(Reason::ItemTooLarge)
        } else {
            one(known, event, received)
        }
    };
    Ok(events.iter().map(sized).collect())
}

/// Reads binary mode: attributes from the `ce-` headers (given here without the prefix, in lower
/// case), data from the body.
pub fn binary<'h>(
    known: &'static Topics,
    attributes: impl IntoIterator<Item = (&'h str, &'h str)>,
    body: &[u8],
    received: Timestamp,
) -> Result<Parsed, Unreadable> {
    if body.len() > MAX_ITEM {
        return Ok(Parsed::refused(Reason::ItemTooLarge));
    }
    let mut event = Map::new();
    for (name, value) in attributes {
        event.insert(name.to_owned(), Value::String(percent_decoded(value)));
    }
    if !body.is_empty() {
        let data = serde_json::from_slice(body).map_err(|_| Unreadable::NotJson)?;
        event.insert("data".to_owned(), data);
    }
    Ok(one(known, &Value::Object(event), received))
}

fn one(known: &'static Topics, event: &Value, received: Timestamp) -> Parsed {
    let Value::Object(event) = event else {
        return Parsed::refused(Reason::ItemInvalid);
    };
    let mut notes = Vec::new();
    let item = understand(known, event, received, &mut notes);
    Parsed { item, notes }
}

fn understand(
    known: &'static Topics,
    event: &Map<String, Value>,
    received: Timestamp,
    notes: &mut Vec<Reason>,
) -> Result<Item, Reason> {
    let attribute = |name: &str| {
        let text = item::text(event, name, Reason::CloudEventInvalid)?;
        text.filter(|text| !text.is_empty()).ok_or(Reason::CloudEventInvalid)
    };
    if attribute("specversion")? != "1.0" {
        return Err(Reason::CloudEventVersion);
    }
    let id = attribute("id")?;
    let source = attribute("source")?;
    let name = attribute("type")?;
    item::message_id(Some(id))?;
    let subject = item::text(event, "subject", Reason::AccountInvalid)?;
    let account = item::reference(subject.ok_or(Reason::AccountMissing)?)?;
    let at = item::time(event, "time")?.unwrap_or(received);
    let data = data(event)?;
    let content = if name.ends_with(".identify") || name.ends_with(".described") {
        let none = Map::new();
        let traits = data.get("traits").and_then(Value::as_object).unwrap_or(&none);
        item::describe(known, traits, notes)
    } else {
        item::act(known, kind_of(name).ok_or(Reason::EventUnknown)?, &data, at)?
    };
    // The length keeps ("a", "bc") apart from ("ab", "c").
    let key = Some(format!("{}:{source}{id}", source.len()));
    Ok(Item { account, key, at, content })
}

/// `data`, or `data_base64` decoded; only JSON objects say something.
fn data(event: &Map<String, Value>) -> Result<Map<String, Value>, Reason> {
    let data = match (event.get("data"), event.get("data_base64")) {
        (None | Some(Value::Null), None | Some(Value::Null)) => return Ok(Map::new()),
        (Some(data), None) => data.clone(),
        (None, Some(Value::String(encoded))) => {
            let bytes = STANDARD.decode(encoded).map_err(|_| Reason::CloudEventInvalid)?;
            serde_json::from_slice(&bytes).map_err(|_| Reason::CloudEventInvalid)?
        }
        _ => return Err(Reason::CloudEventInvalid),
    };
    match data {
        Value::Object(data) => Ok(data),
        _ => Err(Reason::CloudEventInvalid),
    }
}

/// Header values are percent-encoded (`CloudEvents` HTTP binding §3.1.3.2). What is not a valid
/// escape stays as it is.
fn percent_decoded(value: &str) -> String {
    let bytes = value.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(&byte) = bytes.get(index) {
        let escape = bytes.get(index + 1..index + 3).filter(|_| byte == b'%');
        let decoded = escape
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(decoded.unwrap_or(byte));
        index += if decoded.is_some() { 3 } else { 1 };
    }
    String::from_utf8(out).unwrap_or_else(|_| value.to_owned())
}

#[cfg(test)]
mod tests;
