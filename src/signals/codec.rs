//! The stored form of a profile: version byte, then varints. Small, because every account has one.

use std::collections::BTreeMap;

use volens_privacy::BusinessId;

use super::decay::Decayed;
use super::kinds::Kind;
use super::profile::{Acts, Profile, Trait};
use super::recent::{About, DayCounts, RecentDays};

/// Version of the stored form.
const VERSION: u8 = 3;
/// The version before tags of messages were salted; it is still read.
const WITHOUT_SALT: u8 = 2;
/// The version before counts by day; it is still read.
const WITHOUT_DAYS: u8 = 1;

/// Stored bytes that are not a profile of a known version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored profile cannot be read")]
pub struct Malformed;

impl Profile {
    /// The bytes that are sealed and stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put(&mut out, self.topics.len() as u64);
        for (topic, acts) in &self.topics {
            put_text(&mut out, topic);
            put_acts(&mut out, acts);
        }
        put(&mut out, self.businesses.len() as u64);
        for (business, acts) in &self.businesses {
            out.extend_from_slice(business);
            put_acts(&mut out, acts);
        }
        put_acts(&mut out, &self.total);
        put_hour(&mut out, self.last_hour);
        put_hour(&mut out, self.language.as_ref().map(|(hour, _)| *hour));
        if let Some((_, language)) = &self.language {
            put_text(&mut out, language);
        }
        put(&mut out, self.dated_traits().len() as u64);
        for (name, hour, value) in self.dated_traits() {
            put_text(&mut out, name);
            put_hour(&mut out, Some(hour));
            match value {
                Trait::Number(number) => {
                    out.push(0);
                    out.extend_from_slice(&number.to_le_bytes());
                }
                Trait::Category(word) => {
                    out.push(1);
                    put_text(&mut out, word);
                }
            }
        }
        put_days(&mut out, &self.recent);
        out.push(self.salt.is_some().into());
        out.extend(self.salt.iter().flatten());
        out
    }

    /// The profile of stored bytes. All of them must be understood.
    pub fn from_bytes(stored: &[u8]) -> Result<Self, Malformed> {
        let mut from = Reader { rest: stored };
        let version = from.byte()?;
        if !(WITHOUT_DAYS..=VERSION).contains(&version) {
            return Err(Malformed);
        }
        let mut profile = Self::default();
        for _ in 0..from.number()? {
            let topic = from.text()?;
            profile.topics.insert(topic, from.acts()?);
        }
        for _ in 0..from.number()? {
            let business = from.bytes()?;
            profile.businesses.insert(business, from.acts()?);
        }
        profile.total = from.acts()?;
        profile.last_hour = from.hour()?;
        if let Some(hour) = from.hour()? {
            profile.language = Some((hour, from.text()?));
        }
        for _ in 0..from.number()? {
            let name = from.text()?;
            let hour = from.hour()?.ok_or(Malformed)?;
            let value = match from.byte()? {
                0 => Trait::Number(f64::from_le_bytes(from.bytes()?)),
                1 => Trait::Category(from.text()?),
                _ => return Err(Malformed),
            };
            profile.restore_trait(name, hour, value);
        }
        if version > WITHOUT_DAYS {
            profile.recent = from.days()?;
        }
        if version > WITHOUT_SALT {
            profile.salt = match from.byte()? {
                0 => None,
                1 => Some(from.bytes()?),
                _ => return Err(Malformed),
            };
        }
        if from.rest.is_empty() { Ok(profile) } else { Err(Malformed) }
    }
}

/// LEB128, as in DWARF and WebAssembly.
fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Zero for none, else one more than the zigzag of the hour.
fn put_hour(out: &mut Vec<u8>, hour: Option<i64>) {
    put(out, hour.map_or(0, |hour| ((hour << 1) ^ (hour >> 63)) as u64 + 1));
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn put_acts(out: &mut Vec<u8>, acts: &Acts) {
    put(out, acts.len() as u64);
    for (kind, counter) in acts {
        out.push(kind.code());
        put(out, counter.cells().len() as u64);
        for (week, cell) in counter.cells() {
            put_hour(out, Some(week));
            for sum in cell {
                put(out, sum);
            }
        }
    }
}

fn put_days(out: &mut Vec<u8>, recent: &RecentDays) {
    let (since, counts) = recent.parts();
    put_hour(out, Some(since.into()));
    put(out, counts.iter().len() as u64);
    for ((kind, about), days) in counts.iter() {
        out.push(kind.code());
        match about {
            About::Any => out.push(0),
            About::Topic(topic) => {
                out.push(1);
                put_text(out, topic);
            }
            About::Business(business) => {
                out.push(2);
                out.extend_from_slice(business.as_bytes());
            }
        }
        put(out, days.len() as u64);
        let mut before = 0;
        for (day, times) in days {
            put_hour(out, Some(i64::from(*day) - before));
            put(out, u64::from(*times));
            before = i64::from(*day);
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.rest.split_first().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*first)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn number(&mut self) -> Result<u64, Malformed> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    fn hour(&mut self) -> Result<Option<i64>, Malformed> {
        let number = self.number()?;
        Ok(number.checked_sub(1).map(|zigzag| (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64)))
    }

    fn text(&mut self) -> Result<String, Malformed> {
        let length = usize::try_from(self.number()?).map_err(|_| Malformed)?;
        let (text, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        String::from_utf8(text.to_vec()).map_err(|_| Malformed)
    }

    fn acts(&mut self) -> Result<Acts, Malformed> {
        let mut acts = BTreeMap::new();
        for _ in 0..self.number()? {
            let kind = Kind::from_code(self.byte()?).ok_or(Malformed)?;
            let mut cells = Vec::new();
            for _ in 0..self.number()? {
                let week = self.hour()?.ok_or(Malformed)?;
                cells.push((week, [self.number()?, self.number()?, self.number()?]));
            }
            acts.insert(kind, Decayed::from_cells(cells));
        }
        Ok(acts)
    }

    fn days(&mut self) -> Result<RecentDays, Malformed> {
        let narrow = |day: i64| i32::try_from(day).map_err(|_| Malformed);
        let since = narrow(self.hour()?.ok_or(Malformed)?)?;
        let mut counts = DayCounts::default();
        for _ in 0..self.number()? {
            let kind = Kind::from_code(self.byte()?).ok_or(Malformed)?;
            let about = match self.byte()? {
                0 => About::Any,
                1 => About::Topic(self.text()?),
                2 => About::Business(BusinessId::from_bytes(self.bytes()?)),
                _ => return Err(Malformed),
            };
            let mut day = 0_i64;
            for _ in 0..self.number()? {
                day = day.saturating_add(self.hour()?.ok_or(Malformed)?);
                let times = u16::try_from(self.number()?).map_err(|_| Malformed)?;
                counts.put((kind, about.clone()), narrow(day)?, times);
            }
        }
        Ok(RecentDays::from_parts(since, counts))
    }
}

#[cfg(test)]
mod tests {
    use volens_privacy::Timestamp;

    use super::*;
    use crate::signals::Observation;

    #[test]
    fn a_profile_of_before_days_or_salts_is_read() {
        let mut profile = Profile::default();
        let topics = vec!["sport.running".to_owned()];
        let at = Timestamp::from_micros(20_000 * 86_400_000_000);
        profile.observe(&Observation { kind: Kind::Bought, topics, business: None, at });
        // No salt is one byte. Nothing counted by day is written as a first day and a zero, five and one.
        let mut earlier = profile.to_bytes();
        earlier.truncate(earlier.len() - 1);
        earlier[0] = WITHOUT_SALT;
        assert!(Profile::from_bytes(&earlier).is_ok_and(|read| read == profile));
        earlier.truncate(earlier.len() - 6);
        earlier[0] = WITHOUT_DAYS;
        assert!(Profile::from_bytes(&earlier).is_ok_and(|read| read == profile));
        earlier[0] = WITHOUT_SALT;
        assert!(Profile::from_bytes(&earlier).is_err(), "a version that has days has them");
        profile.salt = Some([7; 16]);
        let stored = profile.to_bytes();
        assert!(Profile::from_bytes(&stored).is_ok_and(|read| read == profile));
        assert!(Profile::from_bytes(&stored[..stored.len() - 1]).is_err(), "a salt is whole");
    }
}
