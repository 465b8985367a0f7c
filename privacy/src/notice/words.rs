//! By which words a notice is held to say something, as written in `notices/words.toml`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Words by thing and language.
type Words = BTreeMap<String, BTreeMap<String, Vec<String>>>;

/// The words this program was built with.
pub(super) fn builtin() -> &'static Words {
    static BUILTIN: LazyLock<Words> = LazyLock::new(|| {
        toml::from_str(include_str!("../../notices/words.toml"))
            .expect("words.toml is checked by `every_word_can_be_found`")
    });
    &BUILTIN
}

/// Words for a thing; none if it has none there, and then no text says it.
pub(super) fn of(thing: &str, language: &str) -> &'static [String] {
    builtin().get(thing).and_then(|words| words.get(language)).map_or(&[], Vec::as_slice)
}

/// A text as it is searched: lower case, one space before and after each word and nothing else between.
pub(super) fn spoken(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.fold(" ".to_owned(), |spoken, word| spoken + &word.to_lowercase() + " ")
}

/// Whether one of the words in a text begins so.
pub(super) fn says(spoken: &str, word: &str) -> bool {
    spoken.match_indices(word).any(|(at, _)| spoken[..at].ends_with(' '))
}
