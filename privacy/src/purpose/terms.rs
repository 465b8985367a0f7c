//! The parts of a definition: legal basis, who is responsible, who receives, and the terms of the
//! Data Privacy Vocabulary that say the same to machines.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why something may be done with personal data (GDPR Art. 6(1)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Art. 6(1)(a).
    Consent,
    /// Art. 6(1)(b).
    Contract,
    /// Art. 6(1)(c).
    LegalObligation,
    /// Art. 6(1)(f).
    LegitimateInterest,
}

impl Basis {
    /// The name in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Consent => "consent",
            Self::Contract => "contract",
            Self::LegalObligation => "legal_obligation",
            Self::LegitimateInterest => "legitimate_interest",
        }
    }

    /// Refuses a basis that cannot carry what is done: joining what two apps know and profiling
    /// people for messages need their consent (GDPR Art. 6(1)(a); DMA Art. 5(2); EDPB 1/2024).
    pub(super) fn check(self, combines: bool, profiles: bool) -> Result<(), String> {
        if self != Self::Consent && (combines || profiles) {
            let what = if combines { "combines apps" } else { "profiles people" };
            return Err(format!("{self} cannot carry what {what}: it needs consent"));
        }
        Ok(())
    }
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who answers for a purpose (GDPR Art. 4(7), 26).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Controllers {
    /// The app whose account it is.
    App,
    /// That app and the one that the consent names, jointly.
    BothApps,
}

/// A kind of recipient (GDPR Art. 13(1)(e)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recipient {
    /// The app whose account it is.
    App,
    /// The app that the consent names.
    PeerApp,
    /// Whoever runs Volens, as processor.
    Operator,
    /// Businesses that write to people or are asked by them.
    Business,
}

/// Where data come from (GDPR Art. 14(2)(f)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The person gives them, knowing that they do: Art. 13 applies and not Art. 14.
    Person,
    /// The app whose account it is.
    App,
    /// The app that a consent to linking names.
    PeerApp,
    /// Businesses that wrote to the person.
    Business,
    /// They are derived from other data.
    Inferred,
}

/// What a purpose is in the terms of the Data Privacy Vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vocabulary {
    /// Purposes, `dpv:…`.
    pub purposes: Vec<String>,
    /// Operations, `dpv:…`.
    pub processing: Vec<String>,
    /// The service it belongs to.
    pub service: String,
    /// Categories of data.
    pub personal_data: Vec<PersonalData>,
}

/// A category of data in the terms of the vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonalData {
    /// The category, `pd:…`.
    pub term: String,
    /// Whether the purpose cannot do without it.
    pub required: bool,
    /// In which form it is kept.
    pub kept: String,
    /// Whether it is concluded from what people do, rather than told.
    #[serde(default)]
    pub inferred: bool,
}

impl Vocabulary {
    pub(super) fn check(&self) -> Result<(), String> {
        let own = |terms: &[String]| {
            !terms.is_empty() && terms.iter().all(|term| term.starts_with("dpv:"))
        };
        let data = self.personal_data.iter().all(|data| data.term.starts_with("pd:"));
        if own(&self.purposes) && own(&self.processing) && data && !self.personal_data.is_empty() {
            Ok(())
        } else {
            Err("dpv needs purposes and processing (dpv:) and personal data (pd:)".to_owned())
        }
    }
}

/// Something that is done with personal data without consent, and why it may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activity {
    /// Its name.
    pub id: String,
    /// What it is, in words.
    pub title: String,
    /// Why it may be.
    pub basis: Basis,
    /// The articles, in words.
    pub legal_basis: String,
    /// Whether it joins what two apps know.
    pub combines: bool,
    /// Whether it evaluates people.
    pub profiles: bool,
    /// Who answers for it: `app` or `business`.
    pub controller: Recipient,
    /// Who receives data for it.
    pub recipients: Vec<Recipient>,
    /// Categories of data.
    pub data: Vec<String>,
    /// How long they are kept, in words.
    pub kept: String,
}

impl Activity {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.basis == Basis::Consent {
            return Err(format!("activity {}: what needs consent is a purpose", self.id));
        }
        let named = [&self.title, &self.legal_basis, &self.kept];
        if named.iter().any(|text| text.trim().is_empty()) || self.data.is_empty() {
            return Err(format!("activity {}: title, articles, data and kept are needed", self.id));
        }
        self.basis
            .check(self.combines, self.profiles)
            .map_err(|problem| format!("activity {}: {problem}", self.id))
    }
}
