//! Requests of people, and the time the law gives to answer them. Pure: what day it is comes from
//! outside.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::encoding::text_serde;
use crate::time::Timestamp;

/// What a person asks for (GDPR Art. 15 to 21; the names are those of OpenDSR).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestKind {
    /// A copy of everything (Art. 15).
    Access,
    /// The same, to take elsewhere (Art. 20).
    Portability,
    /// To be forgotten (Art. 17).
    Erasure,
    /// Something wrong to be put right (Art. 16).
    Rectification,
    /// To be kept and not used (Art. 18).
    Restriction,
    /// An end to direct marketing (Art. 21).
    Objection,
}

impl RequestKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Access,
        Self::Portability,
        Self::Erasure,
        Self::Rectification,
        Self::Restriction,
        Self::Objection,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Portability => "portability",
            Self::Erasure => "erasure",
            Self::Rectification => "rectification",
            Self::Restriction => "restriction",
            Self::Objection => "objection",
        }
    }
}

impl fmt::Display for RequestKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text is none of the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown name")]
pub struct UnknownName;

impl FromStr for RequestKind {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownName)
    }
}

text_serde!(RequestKind);

/// Whose law sets the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Jurisdiction {
    /// One month, and two more for a reason (GDPR Art. 12(3)).
    Gdpr,
    /// Fifteen days (LGPD Art. 19 II); the law knows no extension.
    Lgpd,
}

impl Jurisdiction {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Gdpr, Self::Lgpd];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gdpr => "gdpr",
            Self::Lgpd => "lgpd",
        }
    }

    /// The law of a country (ISO 3166-1): Brazil's for people in Brazil, the GDPR for everybody else,
    /// wherever they are.
    pub fn of_country(country: &str) -> Self {
        if country == "BR" { Self::Lgpd } else { Self::Gdpr }
    }

    /// By when a request that was received then must be answered. Months end on the day of the same
    /// number, or on the last of a shorter month (Regulation 1182/71 Art. 3(2)(c)). A last day that is
    /// a holiday would give one day more (Art. 3(4)); we do not take it.
    pub fn due(self, received: Timestamp) -> Timestamp {
        match self {
            Self::Gdpr => received.plus_months(1),
            Self::Lgpd => received.plus(Duration::from_hours(15 * 24)),
        }
    }

    /// By when, with the extension; nothing where the law knows none.
    pub fn extended(self, received: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Gdpr => Some(received.plus_months(3)),
            Self::Lgpd => None,
        }
    }
}

impl fmt::Display for Jurisdiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Jurisdiction {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|law| law.as_str() == text).ok_or(UnknownName)
    }
}

text_serde!(Jurisdiction);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect("a literal time")
    }

    #[test]
    fn a_month_ends_on_the_same_day_or_on_the_last_of_a_shorter_one() {
        let due = |law: Jurisdiction, text: &str| law.due(at(text)).to_string();
        let gdpr = Jurisdiction::Gdpr;
        assert_eq!(due(gdpr, "2026-03-15T10:20:30Z"), "2026-04-15T10:20:30.000000Z");
        assert_eq!(due(gdpr, "2026-01-31T10:20:30Z"), "2026-02-28T10:20:30.000000Z");
        assert_eq!(due(gdpr, "2028-01-31T10:20:30Z"), "2028-02-29T10:20:30.000000Z");
        assert_eq!(due(gdpr, "2026-12-05T00:00:00Z"), "2027-01-05T00:00:00.000000Z");
        assert_eq!(due(Jurisdiction::Lgpd, "2026-02-20T00:00:00Z"), "2026-03-07T00:00:00.000000Z");
        let extended = gdpr.extended(at("2026-11-30T00:00:00Z")).expect("known to the law");
        assert_eq!(extended.to_string(), "2027-02-28T00:00:00.000000Z");
        assert_eq!(Jurisdiction::Lgpd.extended(at("2026-11-30T00:00:00Z")), None);
    }

    #[test]
    fn names_are_read_back() {
        for kind in RequestKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        for law in Jurisdiction::ALL {
            assert_eq!(law.as_str().parse(), Ok(law));
        }
        assert!("delete".parse::<RequestKind>().is_err());
        assert_eq!(Jurisdiction::of_country("BR"), Jurisdiction::Lgpd);
        assert_eq!(Jurisdiction::of_country(""), Jurisdiction::Gdpr);
    }

    proptest! {
        #[test]
        fn a_month_has_28_to_31_days_and_later_is_due_later(
            day in 0_i64..40_000, seconds in 0_i64..86_400, months in 1_u32..30,
        ) {
            let received = Timestamp::from_micros((day * 86_400 + seconds) * 1_000_000);
            let due = Jurisdiction::Gdpr.due(received);
            let days = due.since(received).as_secs() / 86_400;
            prop_assert!((28..=31).contains(&days));
            prop_assert_eq!(due.since(due.day()), received.since(received.day()));
            let next = received.plus(Duration::from_hours(24));
            prop_assert!(Jurisdiction::Gdpr.due(next) >= due);
            prop_assert!(received.plus_months(months) < received.plus_months(months + 1));
        }
    }
}
