//! Names that people see: of campaigns, businesses, apps, keys.

use icu_properties::CodePointSetData;
use icu_properties::props::{BidiControl, DefaultIgnorableCodePoint};

/// What letters and pictures are joined with, and the marks of direction that turn nothing around:
/// names in Persian, Arabic and Hebrew hold them.
const JOINERS: [char; 6] = ['\u{200c}', '\u{200d}', '\u{200e}', '\u{200f}', '\u{061c}', '\u{fe0f}'];

/// A name as it is kept, without spaces around it; nothing when it is empty, longer than `most`
/// characters, holds a control character, an invisible one or one that turns the text around
/// (Unicode `Default_Ignorable_Code_Point`, `Bidi_Control`; UAX 9, UTR 36), or shows nothing at all.
pub fn name(text: &str, most: usize) -> Option<&str> {
    let text = text.trim();
    let fits = text.chars().count() <= most;
    let shown = text.chars().any(is_shown);
    let plain = text.chars().all(|c| JOINERS.contains(&c) || !is_hidden(c));
    (fits && shown && plain).then_some(text)
}

fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}')
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        || CodePointSetData::new::<BidiControl>().contains(c)
}

/// The blank of Braille looks like a space and is none.
fn is_shown(c: char) -> bool {
    !c.is_whitespace() && !is_hidden(c) && c != '\u{2800}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_shows_what_it_is() {
        for good in ["Autumn", "Größe 42", "秋", "می\u{200c}خواهم", "👩\u{200d}🍳", "‏שלום", "a"]
        {
            assert_eq!(name(good, 20), Some(good), "{}", good.escape_unicode());
        }
        assert_eq!(name("  Autumn ", 6), Some("Autumn"));
        for bad in [
            "",
            " ",
            "seven ch",
            "\u{200b}",
            "\u{200d}",
            "\u{3164}",
            "\u{2800}",
            "a\u{200b}b",
            "a\u{feff}",
            "a\u{ad}b",
            "\u{202e}gpj",
            "a\u{2066}b",
            "a\nb",
            "a\u{7}",
            "a\u{2028}b",
            "a\u{e0041}",
        ] {
            assert_eq!(name(bad, 7), None, "{}", bad.escape_unicode());
        }
    }
}
