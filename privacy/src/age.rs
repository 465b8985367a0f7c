//! Age bands, and what may not be done with minors.

use std::fmt;
use std::str::FromStr;

use crate::encoding::text_serde;

/// How old the person behind an account is, as far as the app knows.
///
/// Bands, never birth dates: this is all that any rule needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum AgeBand {
    /// The app does not say.
    #[default]
    Unknown,
    /// Under 16: cannot consent alone (GDPR Art. 8(1)).
    Under16,
    /// 16 or 17: can consent, but is not profiled for messages (DSA Art. 28(2)).
    From16To17,
    /// 18 to 24.
    From18To24,
    /// 25 to 34.
    From25To34,
    /// 35 to 49.
    From35To49,
    /// 50 to 64.
    From50To64,
    /// 65 and older.
    From65,
}

/// A text is not an age band.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown age band: expected unknown, under_16, 16_17, 18_24, 25_34, 35_49, 50_64 or 65_plus"
)]
pub struct AgeBandError;

impl AgeBand {
    /// All bands, youngest first after [`AgeBand::Unknown`].
    pub const ALL: [Self; 8] = [
        Self::Unknown,
        Self::Under16,
        Self::From16To17,
        Self::From18To24,
        Self::From25To34,
        Self::From35To49,
        Self::From50To64,
        Self::From65,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Under16 => "under_16",
            Self::From16To17 => "16_17",
            Self::From18To24 => "18_24",
            Self::From25To34 => "25_34",
            Self::From35To49 => "35_49",
            Self::From50To64 => "50_64",
            Self::From65 => "65_plus",
        }
    }

    /// Whether an account may be profiled for business messages at all: not when it is known to be
    /// a minor's. An unknown age does not forbid it, because the law asks for reasonable certainty
    /// and for no further data to reach it (DSA Art. 28(2) and (3)).
    pub fn profiling_allowed(self) -> bool {
        self.at_least(18)
    }

    /// Whether the band is unknown or lies wholly at or above `years`.
    pub fn at_least(self, years: u8) -> bool {
        match self {
            Self::Unknown => true,
            Self::Under16 => years == 0,
            Self::From16To17 => years <= 16,
            Self::From18To24 => years <= 18,
            Self::From25To34 => years <= 25,
            Self::From35To49 => years <= 35,
            Self::From50To64 => years <= 50,
            Self::From65 => years <= 65,
        }
    }
}

impl fmt::Display for AgeBand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AgeBand {
    type Err = AgeBandError;

    fn from_str(text: &str) -> Result<Self, AgeBandError> {
        Self::ALL.into_iter().find(|band| band.as_str() == text).ok_or(AgeBandError)
    }
}

text_serde!(AgeBand);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for band in AgeBand::ALL {
            assert_eq!(band.as_str().parse(), Ok(band));
        }
        assert_eq!("adult".parse::<AgeBand>(), Err(AgeBandError));
    }

    #[test]
    fn minors_are_not_profiled() {
        let allowed = AgeBand::ALL.map(AgeBand::profiling_allowed);
        assert_eq!(allowed, [true, false, false, true, true, true, true, true]);
        let may_chat = AgeBand::ALL.map(|band| band.at_least(16));
        assert_eq!(may_chat, [true, false, true, true, true, true, true, true]);
    }
}
