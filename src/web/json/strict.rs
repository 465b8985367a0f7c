//! What every JSON body has to be before it is read as anything: well-formed, UTF-8, not too deep,
//! no member named twice (two readers of the same text must see the same value).

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::web::problem::Problem;

/// Marks our own refusals in a serde error, which is only a text.
const TWICE: &str = "volens:twice:";
const DEEP: &str = "volens:deep";

/// Reads the whole text once without keeping it.
pub(super) fn check(bytes: &[u8], depth: u32) -> Result<(), Problem> {
    if std::str::from_utf8(bytes).is_err() {
        return Err(Problem::bad_request("body.utf8", "the body is not UTF-8"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    Any { depth }
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end())
        .map_err(|error| refusal(&error, depth))
}

/// A member's name when it looks like a field, otherwise `*`: names in free maps can be data.
pub(super) fn name(key: &str) -> &str {
    let fits = !key.is_empty()
        && key.len() <= 40
        && key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '$')
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'$'));
    if fits { key } else { "*" }
}

fn refusal(error: &serde_json::Error, depth: u32) -> Problem {
    let text = error.to_string();
    if let Some((_, rest)) = text.split_once(TWICE) {
        let name = rest.split(' ').next().unwrap_or("*");
        return Problem::bad_request("body.duplicate_member", format!("`{name}` is given twice"));
    }
    if text.contains(DEEP) || text.contains("recursion limit") {
        return Problem::bad_request("body.deep", format!("nested deeper than {depth} levels"));
    }
    let place = format!("not valid JSON at line {}, column {}", error.line(), error.column());
    Problem::bad_request("body.malformed", place)
}

/// Any value with at most `depth` levels of arrays and objects.
#[derive(Clone, Copy)]
struct Any {
    depth: u32,
}

impl Any {
    fn inner<E: de::Error>(self) -> Result<Self, E> {
        self.depth.checked_sub(1).map(|depth| Self { depth }).ok_or_else(|| E::custom(DEEP))
    }
}

impl<'de> DeserializeSeed<'de> for Any {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        let mut names = BTreeSet::new();
        while let Some(key) = members.next_key::<String>()? {
            if names.contains(&key) {
                return Err(de::Error::custom(format!("{TWICE}{} ", name(&key))));
            }
            names.insert(key);
            members.next_value_seed(inner)?;
        }
        Ok(())
    }
}
