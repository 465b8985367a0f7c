//! The language in which a person reads their own page: what their app told, unless they choose another.
//! The choice stands in the address, so nothing is kept about it.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::app::App;
use crate::privacy_centre::Person;

/// The languages of these pages, each by its own name.
pub(super) const LANGUAGES: [(&str, &str); 5] = [
    ("en", "English"),
    ("fr", "Français"),
    ("de", "Deutsch"),
    ("es", "Español"),
    ("pt", "Português"),
];

/// What `?language=` chose. What it says otherwise counts as nothing: no typing error keeps anybody from
/// taking a consent back.
pub(super) struct Chosen(Option<&'static str>);

impl FromRequestParts<App> for Chosen {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Infallible> {
        let pairs = parts.uri.query().unwrap_or_default().split('&');
        let asked = pairs.filter_map(|pair| pair.strip_prefix("language=")).next_back();
        let known = LANGUAGES.into_iter().map(|(code, _)| code).find(|code| Some(*code) == asked);
        Ok(Self(known))
    }
}

impl Chosen {
    /// The code of the language; English where none was chosen.
    pub(super) fn code(&self) -> &'static str {
        self.0.unwrap_or("en")
    }

    /// Whose page it is, as they read it.
    pub(super) fn by(&self, person: Person) -> Person {
        let language = self.0.map_or(person.language, ToOwned::to_owned);
        Person { language, ..person }
    }
}
