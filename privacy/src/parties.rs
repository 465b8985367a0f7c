//! Who answers for the data: the operator of an installation and the controller of each app, as
//! written in `parties.toml`.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::identity::AppId;
use crate::jurisdiction::Jurisdiction;

/// A company or authority.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Party {
    /// Part of its name `urn:volens:org:<id>`.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// Where letters arrive.
    pub address: String,
    /// `mailto:` or `https:` of its data protection officer.
    pub contact: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
}

/// A supervisory authority.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authority {
    /// Part of its name `urn:volens:dpa:<id>`.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// Where letters arrive.
    pub address: String,
}

/// The controller of one app (GDPR Art. 4(7)).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "ControllerEntry")]
pub struct Controller {
    /// Whose accounts it answers for.
    pub app: AppId,
    /// Who it is.
    pub party: Party,
    /// Which law applies; see [`Jurisdiction`].
    pub law: String,
    /// Designated under the Digital Markets Act (Art. 3).
    pub gatekeeper: bool,
    /// Where people exercise their rights.
    pub privacy: String,
    /// Where people complain, if not where the installation says: another law has another authority.
    pub authority: Option<Authority>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ControllerEntry {
    app: AppId,
    id: String,
    name: String,
    address: String,
    contact: String,
    country: String,
    law: String,
    #[serde(default)]
    gatekeeper: bool,
    privacy: String,
    authority: Option<Authority>,
}

impl From<ControllerEntry> for Controller {
    fn from(entry: ControllerEntry) -> Self {
        let ControllerEntry { app, id, name, address, contact, country, .. } = entry;
        let ControllerEntry { law, gatekeeper, privacy, authority, .. } = entry;
        let party = Party { id, name, address, contact, country };
        Self { app, party, law, gatekeeper, privacy, authority }
    }
}

/// Why a registry was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartiesError {
    /// Not the file this version reads.
    #[error("parties: {0}")]
    Unreadable(String),
    /// Somebody is named incompletely, or twice.
    #[error("parties: {party}: {problem}")]
    Invalid {
        /// Who.
        party: String,
        /// What is wrong.
        problem: &'static str,
    },
}

/// Everybody who answers for data in one installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parties {
    /// Whether these are the invented companies of the demonstration.
    pub example: bool,
    /// Whoever runs Volens, as processor (GDPR Art. 28).
    pub operator: Party,
    /// Where people complain (GDPR Art. 77).
    pub authority: Authority,
    /// One per app.
    pub controllers: Vec<Controller>,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    example: bool,
    operator: Party,
    authority: Authority,
    controller: Vec<Controller>,
}

impl Parties {
    /// The invented companies of the demonstration, as a file.
    pub const EXAMPLE: &str = include_str!("../parties.toml");

    /// The invented companies of the demonstration.
    pub fn example() -> &'static Self {
        static EXAMPLE: LazyLock<Parties> = LazyLock::new(|| {
            Parties::parse(Parties::EXAMPLE)
                .expect("parties.toml is checked by `the_example_is_complete`")
        });
        &EXAMPLE
    }

    /// Reads a registry.
    ///
    /// # Errors
    /// A field is missing or unknown, a law is not one of ours, somebody is named twice, or a text
    /// that people are shown is empty or has control characters.
    pub fn parse(text: &str) -> Result<Self, PartiesError> {
        let file: File = toml::from_str(text)
            .map_err(|error| PartiesError::Unreadable(error.message().to_owned()))?;
        let sha256 = Sha256::digest(text.as_bytes()).into();
        let File { example, operator, authority, controller: controllers } = file;
        let parties = Self { example, operator, authority, controllers, sha256 };
        parties.check()?;
        Ok(parties)
    }

    /// The controller of an app.
    pub fn controller(&self, app: &AppId) -> Option<&Controller> {
        self.controllers.iter().find(|controller| controller.app == *app)
    }

    /// Whether an app's controller may be unnamed: only among the invented companies of the
    /// demonstration. An installation that names its own names all of them.
    pub fn names(&self, app: &AppId) -> bool {
        self.example || self.controller(app).is_some()
    }

    /// Whether the app's controller is designated under the Digital Markets Act.
    pub fn is_gatekeeper(&self, app: &AppId) -> bool {
        self.controller(app).is_some_and(|controller| controller.gatekeeper)
    }

    /// The authority that an app's people complain to (GDPR Art. 77).
    pub fn authority_of(&self, app: &AppId) -> &Authority {
        let own = self.controller(app).and_then(|controller| controller.authority.as_ref());
        own.unwrap_or(&self.authority)
    }

    /// What `{{name}}` in a notice stands for.
    pub fn value(&self, name: &str) -> Option<String> {
        let all = |part: &dyn Fn(&Controller) -> String| {
            let mut parts: Vec<String> = Vec::new();
            for controller in &self.controllers {
                let part = part(controller);
                if !parts.contains(&part) {
                    parts.push(part);
                }
            }
            parts.join("; ")
        };
        let of = |Authority { name, address, .. }: &Authority| format!("{name}, {address}");
        match name {
            "controllers" => Some(all(&|one| format!("{}, {}", one.party.name, one.party.address))),
            "contacts" => {
                Some(all(&|one| one.party.contact.trim_start_matches("mailto:").to_owned()))
            }
            "operator" => Some(self.operator.name.clone()),
            "operator_address" => {
                Some(format!("{}, {}", self.operator.name, self.operator.address))
            }
            "authority" if self.controllers.is_empty() => Some(of(&self.authority)),
            "authority" => Some(all(&|one| of(self.authority_of(&one.app)))),
            _ => None,
        }
    }

    fn check(&self) -> Result<(), PartiesError> {
        let invalid =
            |party: &str, problem| Err(PartiesError::Invalid { party: party.to_owned(), problem });
        let mut apps = BTreeSet::new();
        for controller in &self.controllers {
            let id = controller.party.id.as_str();
            if !apps.insert(&controller.app) {
                return invalid(controller.app.as_str(), "has two controllers");
            }
            let same = |other: &&Controller| {
                other.party.id == controller.party.id && other.party != controller.party
            };
            if self.controllers.iter().any(|other| same(&other)) || id == self.operator.id {
                return invalid(id, "is one id for two parties");
            }
            if Jurisdiction::get(&controller.law).is_none() {
                return invalid(id, "names a law that jurisdictions.toml does not have");
            }
            if !controller.privacy.starts_with("https://") {
                return invalid(id, "privacy is an https: address");
            }
        }
        let parties = self.controllers.iter().map(|controller| &controller.party);
        for party in parties.chain([&self.operator]) {
            party.check().or_else(|problem| invalid(&party.id, problem))?;
        }
        let own = self.controllers.iter().filter_map(|controller| controller.authority.as_ref());
        for Authority { id, name, address } in own.chain([&self.authority]) {
            if !is_id(id) || !is_text(name) || !is_text(address) {
                return invalid(id, "needs id, name and address");
            }
        }
        Ok(())
    }
}

impl Party {
    /// Its name in receipts.
    pub fn urn(&self) -> String {
        format!("urn:volens:org:{}", self.id)
    }

    fn check(&self) -> Result<(), &'static str> {
        if !is_id(&self.id) {
            return Err("an id is letters, digits and hyphens");
        }
        if !is_text(&self.name) || !is_text(&self.address) {
            return Err("needs a name and an address");
        }
        if !self.contact.starts_with("mailto:") && !self.contact.starts_with("https://") {
            return Err("a contact is mailto: or https:");
        }
        if self.country.len() != 2 || !self.country.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err("a country is two capital letters (ISO 3166-1)");
        }
        Ok(())
    }
}

fn is_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Something that can stand in a notice: one line, and no part of our own marks.
fn is_text(text: &str) -> bool {
    let forbidden = |c: char| c.is_control() || matches!(c, '{' | '}' | '<' | '>' | '#');
    !text.trim().is_empty() && text.len() <= 300 && !text.contains(forbidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_complete() {
        let parties = Parties::example();
        assert!(parties.example);
        let photo = parties.controller(&AppId::parse("photo").unwrap()).unwrap();
        assert_eq!(photo.party.urn(), "urn:volens:org:photo-ltd");
        assert!(parties.value("controllers").unwrap().starts_with("Messenger Ltd., 1 Example"));
        let contacts = "dpo@messenger.example; dpo@photo.example; dpo@social.example";
        assert_eq!(parties.value("contacts").unwrap(), contacts);
        assert!(parties.value("nothing").is_none());
    }

    #[test]
    fn an_app_under_another_law_has_its_own_authority() {
        let brazil =
            "law = \"BR\"\nauthority = { id = \"BR\", name = \"ANPD\", address = \"Brasília\" }";
        let text = Parties::EXAMPLE.replacen("law = \"EU\"", brazil, 1);
        let parties = Parties::parse(&text).unwrap();
        let of = |app: &str| parties.authority_of(&AppId::parse(app).unwrap()).id.as_str();
        assert_eq!((of("messenger"), of("photo"), of("elsewhere")), ("BR", "IE", "IE"));
        let both = "ANPD, Brasília; Data Protection Commission, 6 Pembroke Row, Dublin 2, Ireland";
        assert_eq!(parties.value("authority").unwrap(), both);
        let nameless = text.replacen("\"ANPD\"", "\"\"", 1);
        let error = Parties::parse(&nameless).unwrap_err().to_string();
        assert!(error.contains("BR: needs id, name and"), "{error}");
    }

    #[test]
    fn an_installation_names_every_app_that_takes_part() {
        let unknown = AppId::parse("elsewhere").unwrap();
        assert!(Parties::example().names(&unknown));
        let own = Parties::EXAMPLE.replacen("example = true", "example = false", 1);
        let own = Parties::parse(&own).unwrap();
        assert!(!own.names(&unknown) && own.names(&AppId::parse("social").unwrap()));
        assert_ne!(own.sha256, Parties::example().sha256);
    }

    #[test]
    fn mistakes_are_named() {
        let check = |from: &str, to: &str, expected: &str| {
            assert!(Parties::EXAMPLE.contains(from), "the file has {from}");
            let text = Parties::EXAMPLE.replacen(from, to, 1);
            let error = Parties::parse(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("app = \"photo\"", "app = \"messenger\"", "messenger: has two controllers");
        check("id = \"photo-ltd\"", "id = \"messenger-ltd\"", "one id for two parties");
        check("id = \"photo-ltd\"", "id = \"operator\"", "one id for two parties");
        check("id = \"operator\"", "id = \"the operator\"", "letters, digits and hyphens");
        check("name = \"Photo Ltd.\"", "name = \"\"", "photo-ltd: needs a name");
        check("name = \"Photo Ltd.\"", "name = \"{{controllers}}\"", "needs a name");
        check("mailto:dpo@photo.example", "dpo@photo.example", "a contact is mailto: or https:");
        check("country = \"IE\"", "country = \"Ireland\"", "two capital letters");
        check("law = \"EU\"", "law = \"MARS\"", "a law that jurisdictions.toml does not have");
        check("https://photo", "http://photo", "photo-ltd: privacy is an https: address");
        check("gatekeeper = true", "gate_keeper = true", "unknown field");
        check("name = \"Data Protection Commission\"", "name = \" \"", "needs id, name and");
    }
}
