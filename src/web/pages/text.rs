//! How values are written on pages. Templates call these functions.

use std::fmt::Display;

/// A time to the minute: `2026-11-21 14:05 UTC`. Takes anything that is shown as RFC 3339.
pub(super) fn minute(at: impl Display) -> String {
    let text = at.to_string();
    let (day, rest) = text.split_once('T').unwrap_or((&text, ""));
    format!("{day} {} UTC", rest.get(..5).unwrap_or_default())
}

/// A whole number with narrow spaces between its thousands.
pub(super) fn thousands(number: impl Display) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A probability in per cent, one decimal.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "templates pass references")]
pub(super) fn percent(probability: &f64) -> String {
    format!("{:.1} %", probability * 100.0)
}

/// A contribution with its sign, two decimals.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "templates pass references")]
pub(super) fn signed(contribution: &f64) -> String {
    let sign = if *contribution < 0.0 { '−' } else { '+' };
    format!("{sign}{:.2}", contribution.abs())
}

/// JSON with line breaks, for reading.
pub(super) fn pretty(json: &[u8]) -> String {
    let value = serde_json::from_slice::<serde_json::Value>(json);
    value
        .ok()
        .and_then(|value| serde_json::to_string_pretty(&value).ok())
        .unwrap_or_else(|| String::from_utf8_lossy(json).into_owned())
}

/// A sentence with a capital and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let stop = if text.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{first}{}{stop}", chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_for_people() {
        assert_eq!(minute("2026-11-21T14:05:59.000001Z"), "2026-11-21 14:05 UTC");
        assert_eq!(thousands(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(thousands(12), "12");
        assert_eq!((percent(&0.1234), signed(&-0.5)), ("12.3 %".to_owned(), "−0.50".to_owned()));
        assert_eq!(sentence("too long"), "Too long.");
        assert_eq!(pretty(b"not json"), "not json");
    }
}
