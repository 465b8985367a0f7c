//! Typed ids, made from randomness that is handed in, prefixed on the wire. They are never read as
//! time and never guessable.

use rand::Rng;

/// The id's text is not one of this type.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an id of this kind")]
pub struct IdError;

/// Lower-case hexadecimal of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    faster_hex::hex_string(bytes)
}

/// Reads exactly `N` bytes of lower-case hexadecimal.
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let text = text.as_bytes();
    if text.len() != N * 2 {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// Declares an id type: 16 random bytes, shown as `prefix_<32 hex digits>`.
macro_rules! id {
    ($(#[$meta:meta])* $name:ident, $prefix:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// A new one.
            pub fn random(rng: &mut dyn Rng) -> Self {
                let mut bytes = [0; 16];
                rng.fill_bytes(&mut bytes);
                Self(bytes)
            }

            /// As stored.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// To be stored.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($prefix, "_{}"), hex(&self.0))
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let digits = text.strip_prefix(concat!($prefix, "_")).ok_or(IdError)?;
                unhex(digits).map(Self).ok_or(IdError)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl From<$name> for crate::db::Value {
            fn from(id: $name) -> Self {
                Self::from(id.0)
            }
        }

        impl From<Option<$name>> for crate::db::Value {
            fn from(id: Option<$name>) -> Self {
                Self::from(id.map(|id| id.0))
            }
        }

        impl crate::db::Cell for $name {
            fn read(row: &crate::db::Row, column: &str) -> crate::db::Result<Self> {
                row.get(column).map(Self)
            }
        }
    };
}

id!(/// A console user.
    UserId, "usr");
id!(/// An API key.
    KeyId, "key");
id!(/// A grant: one live or ended consent.
    GrantId, "grt");
id!(/// A campaign of a business.
    CampaignId, "cmp");
id!(/// A ranked recipient list.
    ListId, "lst");
id!(/// A support bot.
    BotId, "bot");
id!(/// A document of a bot's corpus.
    DocumentId, "doc");
id!(/// A conversation with a bot.
    ConversationId, "cnv");
id!(/// A durable job.
    JobId, "job");
id!(/// A trained model.
    ModelId, "mdl");
id!(/// An exposure of an account to a message.
    ExposureId, "exp");
id!(/// A request to open a person's record.
    OpeningId, "opn");
id!(/// A breach that became known.
    IncidentId, "inc");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text_and_nothing_else_parses() {
        let id = ListId([7; 16]);
        assert_eq!(id.to_string(), "lst_07070707070707070707070707070707");
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in [
            "",
            "lst_",
            "cmp_07070707070707070707070707070707",
            "lst_0707",
            "lst_0707070707070707070707070707070G",
        ] {
            assert_eq!(bad.parse::<ListId>(), Err(IdError), "{bad}");
        }
    }
}
