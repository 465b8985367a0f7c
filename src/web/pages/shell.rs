//! The frame that every page stands in: whose page it is, where its reader can go, in which words.

use std::sync::OnceLock;

use askama::Template;
use axum::response::{Html, IntoResponse, Response};

use super::words::Words;
use crate::access::Caller;
use crate::web::callers::{Identified, Session};
use crate::web::problem::Problem;

/// A rendered template as an answer.
pub(super) struct Page<T>(pub(super) T);

impl<T: Template> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        match self.0.render() {
            Ok(text) => Html(text).into_response(),
            Err(error) => Problem::internal(&error).into_response(),
        }
    }
}

/// One entry of the navigation.
pub(super) struct Link {
    pub(super) href: &'static str,
    pub(super) label: &'static str,
    pub(super) current: bool,
}

/// Who is signed in, for the header.
pub(super) struct User {
    pub(super) email: String,
    pub(super) form_token: String,
}

/// What the layout needs.
pub(super) struct Shell {
    pub(super) language: &'static str,
    pub(super) words: &'static Words,
    pub(super) version: &'static str,
    pub(super) home: &'static str,
    pub(super) section: &'static str,
    pub(super) links: Vec<Link>,
    pub(super) user: Option<User>,
}

const BUSINESS: &[(&str, &str)] = &[("/console", "Campaigns"), ("/console/bots", "Bots")];
const OFFICER: &[(&str, &str)] = &[
    ("/officer", "Ledger"),
    ("/officer/entries", "Entries"),
    ("/officer/person", "Person"),
    ("/officer/openings", "Openings"),
    ("/officer/time", "Time machine"),
    ("/officer/receipt", "Receipt"),
    ("/officer/lists", "Lists"),
    ("/officer/requests", "Requests"),
    ("/officer/invariants", "Invariants"),
    ("/officer/models", "Models"),
    ("/officer/notices", "Notices"),
    ("/officer/records", "Records"),
];

impl Shell {
    /// The frame of a page that anybody may open.
    pub(super) fn public(language: &str) -> Self {
        let words = Words::of(language);
        Self {
            language: words.code,
            words,
            version: version(),
            home: "/",
            section: "",
            links: Vec::new(),
            user: None,
        }
    }

    /// The frame of a signed-in user; `current` is the address of the section.
    pub(super) fn of(session: &Session, current: &str) -> Self {
        let (section, home, links) = match session.caller {
            Caller::Business(_) => ("Business", "/console", BUSINESS),
            Caller::Officer => ("Privacy officer", "/officer", OFFICER),
            Caller::App(_) | Caller::Agent(_) | Caller::Operator => {
                ("Console", "/console", &[][..])
            }
        };
        let link = |(href, label): &(&'static str, &'static str)| Link {
            href,
            label,
            current: *href == current,
        };
        let user = User { email: session.email.clone(), form_token: session.form_token.clone() };
        Self {
            home,
            section,
            links: links.iter().map(link).collect(),
            user: Some(user),
            ..Self::public("en")
        }
    }

    /// The token that forms of the signed-in user carry.
    pub(super) fn form_token(&self) -> &str {
        self.user.as_ref().map_or("", |user| &user.form_token)
    }
}

/// The token for forms on a page that needs no session, when the browser has one all the same.
pub(super) fn token_of(identified: Option<&Identified>) -> String {
    identified.and_then(Identified::session).map(|session| session.form_token).unwrap_or_default()
}

/// Changes with the assets, so that browsers may keep them.
fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(super::assets::fingerprint)
}
