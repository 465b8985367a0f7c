//! What a signal means: the kinds of things people do, and the event names that stand for them.

use std::fmt;

/// What an account did, or what happened to a message it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Looked at something.
    Viewed,
    /// Searched for something.
    Searched,
    /// Opened a link or an item.
    Clicked,
    /// Marked as liked.
    Liked,
    /// Put aside for later: wish list, basket, bookmark.
    Saved,
    /// Passed on to somebody.
    Shared,
    /// Followed or subscribed.
    Followed,
    /// Answered a message.
    Replied,
    /// Bought or booked.
    Bought,
    /// Hid, dismissed or skipped: not interested.
    Hid,
    /// Asked for no more messages.
    Stopped,
    /// Complained about a message.
    Complained,
    /// A message arrived.
    Delivered,
    /// A message was read.
    Read,
}

impl Kind {
    /// Every kind, in the order of the stored codes.
    pub const ALL: [Self; 14] = [
        Self::Viewed,
        Self::Searched,
        Self::Clicked,
        Self::Liked,
        Self::Saved,
        Self::Shared,
        Self::Followed,
        Self::Replied,
        Self::Bought,
        Self::Hid,
        Self::Stopped,
        Self::Complained,
        Self::Delivered,
        Self::Read,
    ];

    /// The name on the wire and in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewed => "viewed",
            Self::Searched => "searched",
            Self::Clicked => "clicked",
            Self::Liked => "liked",
            Self::Saved => "saved",
            Self::Shared => "shared",
            Self::Followed => "followed",
            Self::Replied => "replied",
            Self::Bought => "bought",
            Self::Hid => "hid",
            Self::Stopped => "stopped",
            Self::Complained => "complained",
            Self::Delivered => "delivered",
            Self::Read => "read",
        }
    }

    /// The kind with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The code a stored profile uses; never reused for another kind.
    pub(super) const fn code(self) -> u8 {
        self as u8
    }

    /// The kind of a stored code.
    pub(super) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// How much interest in its topics one such act shows, in views. Negative: disinterest.
    pub const fn interest(self) -> f64 {
        match self {
            Self::Viewed => 1.0,
            Self::Searched | Self::Clicked => 2.0,
            Self::Liked | Self::Saved | Self::Shared => 3.0,
            Self::Followed | Self::Replied => 4.0,
            Self::Bought => 6.0,
            Self::Hid => -4.0,
            Self::Stopped | Self::Complained => -8.0,
            Self::Delivered => 0.0,
            Self::Read => 0.5,
        }
    }

    /// How much turning away one such act is, in hidden messages.
    pub const fn rejection(self) -> f64 {
        match self {
            Self::Hid => 1.0,
            Self::Stopped => 2.0,
            Self::Complained => 4.0,
            Self::Viewed
            | Self::Searched
            | Self::Clicked
            | Self::Liked
            | Self::Saved
            | Self::Shared
            | Self::Followed
            | Self::Replied
            | Self::Bought
            | Self::Delivered
            | Self::Read => 0.0,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Endings that say something else than their last word.
const NAMES: &[(&str, Kind)] = &[
    ("add to cart", Kind::Saved),
    ("added to cart", Kind::Saved),
    ("added to wishlist", Kind::Saved),
    ("cart viewed", Kind::Saved),
    ("checkout started", Kind::Saved),
    ("coupon applied", Kind::Saved),
    ("order completed", Kind::Bought),
    ("order updated", Kind::Bought),
    ("product added", Kind::Saved),
    ("product added to wishlist", Kind::Saved),
    ("product removed", Kind::Hid),
    ("product removed from wishlist", Kind::Hid),
    ("order cancelled", Kind::Hid),
    ("order refunded", Kind::Hid),
    ("opted out", Kind::Stopped),
    ("marked as spam", Kind::Complained),
    ("add to wishlist", Kind::Saved),
    ("not interested", Kind::Hid),
    ("see less", Kind::Hid),
];

/// Words that name an act by themselves, in the forms clients use.
const WORDS: &[(&str, Kind)] = &[
    ("view", Kind::Viewed),
    ("viewed", Kind::Viewed),
    ("seen", Kind::Viewed),
    ("visited", Kind::Viewed),
    ("watched", Kind::Viewed),
    ("played", Kind::Viewed),
    ("search", Kind::Searched),
    ("searched", Kind::Searched),
    ("filtered", Kind::Searched),
    ("click", Kind::Clicked),
    ("clicked", Kind::Clicked),
    ("tapped", Kind::Clicked),
    ("opened", Kind::Clicked),
    ("like", Kind::Liked),
    ("liked", Kind::Liked),
    ("reacted", Kind::Liked),
    ("rated", Kind::Liked),
    ("reviewed", Kind::Liked),
    ("saved", Kind::Saved),
    ("bookmarked", Kind::Saved),
    ("added", Kind::Saved),
    ("share", Kind::Shared),
    ("shared", Kind::Shared),
    ("recommended", Kind::Shared),
    ("follow", Kind::Followed),
    ("followed", Kind::Followed),
    ("joined", Kind::Followed),
    ("subscribed", Kind::Followed),
    ("reply", Kind::Replied),
    ("replied", Kind::Replied),
    ("answered", Kind::Replied),
    ("commented", Kind::Replied),
    ("bought", Kind::Bought),
    ("purchase", Kind::Bought),
    ("purchased", Kind::Bought),
    ("booked", Kind::Bought),
    ("ordered", Kind::Bought),
    ("paid", Kind::Bought),
    ("hid", Kind::Hid),
    ("hidden", Kind::Hid),
    ("dismissed", Kind::Hid),
    ("disliked", Kind::Hid),
    ("skipped", Kind::Hid),
    ("unfollowed", Kind::Hid),
    ("unliked", Kind::Hid),
    ("muted", Kind::Hid),
    ("stop", Kind::Stopped),
    ("stopped", Kind::Stopped),
    ("unsubscribed", Kind::Stopped),
    ("blocked", Kind::Stopped),
    ("complained", Kind::Complained),
    ("reported", Kind::Complained),
    ("delivered", Kind::Delivered),
    ("received", Kind::Delivered),
    ("read", Kind::Read),
];

/// The kind an event name stands for: known endings first, then the last word, as in
/// "Product Viewed" (Segment e-commerce spec) or "com.example.signal.viewed" (`CloudEvents` type).
pub fn kind_of(event: &str) -> Option<Kind> {
    let lower = event.to_lowercase();
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let name = words.join(" ");
    let ends = |ending: &str| {
        name.strip_suffix(ending).is_some_and(|before| before.is_empty() || before.ends_with(' '))
    };
    if let Some((_, kind)) = NAMES.iter().find(|(ending, _)| ends(ending)) {
        return Some(*kind);
    }
    let last = words.last()?;
    WORDS.iter().find(|(word, _)| word == last).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_common_specs_are_understood() {
        for (event, kind) in [
            ("Product Viewed", Kind::Viewed),
            ("com.example.signal.viewed", Kind::Viewed),
            ("Products Searched", Kind::Searched),
            ("Product Clicked", Kind::Clicked),
            ("Product Added", Kind::Saved),
            ("Product Removed", Kind::Hid),
            ("Order Completed", Kind::Bought),
            ("order_completed", Kind::Bought),
            ("Email Marked as Spam", Kind::Complained),
            ("Unsubscribed", Kind::Stopped),
        ] {
            assert_eq!(kind_of(event), Some(kind), "{event}");
        }
        assert_eq!(kind_of("Signed Up"), None);
        assert_eq!(kind_of(""), None);
    }

    #[test]
    fn stored_codes_are_fixed() {
        for (code, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(kind.code()), code);
            assert_eq!(Kind::from_code(kind.code()), Some(kind));
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
        }
    }
}
