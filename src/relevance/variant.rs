//! Which of several texts of a campaign somebody was written.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::db::{self, Row, Value};

/// One of the texts of a campaign, in the order in which the business gave them: `a` to `e`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Variant(u8);

impl Variant {
    /// So many variants has a campaign at most.
    pub const MOST: usize = 5;

    /// The one in this place, from 0.
    pub fn at(place: usize) -> Option<Self> {
        u8::try_from(place).ok().filter(|_| place < Self::MOST).map(Self)
    }

    /// Its place, from 0.
    pub const fn place(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", char::from(b'a' + self.0))
    }
}

/// No variant has this name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("one letter, a to e")]
pub struct NoVariant;

impl FromStr for Variant {
    type Err = NoVariant;

    fn from_str(name: &str) -> Result<Self, NoVariant> {
        let all = (0..Self::MOST).filter_map(Self::at);
        all.into_iter().find(|variant| variant.to_string() == name).ok_or(NoVariant)
    }
}

impl Serialize for Variant {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Variant {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

/// The variant that somebody was given, by a draw.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Assigned {
    /// Which, `a` to `e`: its text is on the campaign.
    #[schema(value_type = String, example = "b")]
    pub name: Variant,
    /// How probable it was for this person to be given it among the variants, when it was drawn. Whether they
    /// were written to at all was drawn before.
    pub propensity: f64,
}

impl Assigned {
    /// As stored: its place and its probability.
    pub fn columns(of: Option<Self>) -> [Value; 2] {
        let place = of.map(|assigned| i64::from(assigned.name.0));
        [place.into(), of.map(|assigned| assigned.propensity).into()]
    }

    /// As it was stored, in `variant` and `variant_propensity`.
    pub fn read(row: &Row) -> db::Result<Option<Self>> {
        let place: Option<u64> = row.get("variant")?;
        let propensity: Option<f64> = row.get("variant_propensity")?;
        let assigned = |(place, propensity): (u64, f64)| {
            let name = usize::try_from(place).ok().and_then(Variant::at);
            let name = name.ok_or_else(|| db::Error::Decode("variant".into()))?;
            Ok(Self { name, propensity })
        };
        place.zip(propensity).map(assigned).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_named_in_their_order() {
        let names: Vec<String> =
            (0..9).filter_map(Variant::at).map(|variant| variant.to_string()).collect();
        assert_eq!(names, ["a", "b", "c", "d", "e"]);
        for (place, name) in names.iter().enumerate() {
            assert_eq!(name.parse(), Ok(Variant(place as u8)));
        }
        for other in ["", "f", "A", "ab"] {
            assert_eq!(other.parse::<Variant>(), Err(NoVariant));
        }
    }
}
