//! What a notice has to say (GDPR Art. 13, 14 and 26), and under which heading it says it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Notice;
use crate::parties::Parties;
use crate::purpose::Controllers;

/// Least text of a section, in characters, that can say anything.
const LEAST: usize = 20;

/// One thing that the law demands of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Who is responsible.
    Controller,
    /// How to reach the data protection officer.
    Contact,
    /// What for.
    Purposes,
    /// On which legal basis.
    Basis,
    /// Who receives data.
    Recipients,
    /// Where data go outside the law's reach.
    Transfers,
    /// How long.
    Retention,
    /// What people can demand.
    Rights,
    /// How to take a consent back.
    Withdrawal,
    /// Where to complain.
    Complaint,
    /// How decisions are made by machine.
    Logic,
    /// The essence of the arrangement of two controllers.
    Joint,
}

impl Part {
    /// All parts.
    pub const ALL: [Self; 12] = [
        Self::Controller,
        Self::Contact,
        Self::Purposes,
        Self::Basis,
        Self::Recipients,
        Self::Transfers,
        Self::Retention,
        Self::Rights,
        Self::Withdrawal,
        Self::Complaint,
        Self::Logic,
        Self::Joint,
    ];

    /// Its name in the header of a notice.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Controller => "controller",
            Self::Contact => "contact",
            Self::Purposes => "purposes",
            Self::Basis => "basis",
            Self::Recipients => "recipients",
            Self::Transfers => "transfers",
            Self::Retention => "retention",
            Self::Rights => "rights",
            Self::Withdrawal => "withdrawal",
            Self::Complaint => "complaint",
            Self::Logic => "logic",
            Self::Joint => "joint",
        }
    }

    /// The article that demands it.
    pub const fn article(self) -> &'static str {
        match self {
            Self::Controller => "GDPR Art. 13(1)(a)",
            Self::Contact => "GDPR Art. 13(1)(b)",
            Self::Purposes | Self::Basis => "GDPR Art. 13(1)(c)",
            Self::Recipients => "GDPR Art. 13(1)(e)",
            Self::Transfers => "GDPR Art. 13(1)(f)",
            Self::Retention => "GDPR Art. 13(2)(a)",
            Self::Rights => "GDPR Art. 13(2)(b)",
            Self::Withdrawal => "GDPR Art. 13(2)(c)",
            Self::Complaint => "GDPR Art. 13(2)(d)",
            Self::Logic => "GDPR Art. 13(2)(f)",
            Self::Joint => "GDPR Art. 26(2)",
        }
    }

    /// Whether a change of it changes what people agreed to, so that they must be asked again.
    pub const fn is_material(self) -> bool {
        matches!(
            self,
            Self::Controller
                | Self::Purposes
                | Self::Basis
                | Self::Recipients
                | Self::Transfers
                | Self::Retention
                | Self::Joint
        )
    }

    /// The name of whoever must be named there, filled in when the text is shown.
    const fn names(self) -> Option<&'static str> {
        match self {
            Self::Controller => Some("{{controllers}}"),
            Self::Contact => Some("{{contacts}}"),
            Self::Recipients => Some("{{operator}}"),
            Self::Complaint => Some("{{authority}}"),
            _ => None,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a notice lacks before it may be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lack {
    /// Which notice: `id/version`.
    pub notice: String,
    /// In which language.
    pub language: String,
    /// What is missing.
    pub part: Part,
    /// Why it is held to be missing.
    pub why: String,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { notice, language, part, why } = self;
        write!(f, "{notice} in {language}: {part} ({}): {why}", part.article())
    }
}

impl Notice {
    /// Everything that the law demands and this text lacks. A notice is published when this is empty.
    pub fn lacks(&self) -> Vec<Lack> {
        let joint =
            |kind: &crate::PurposeKind| kind.definition().controllers() == Controllers::BothApps;
        let needs_joint = self.purposes.iter().any(joint);
        let needed = Part::ALL.into_iter().filter(|part| *part != Part::Joint || needs_joint);
        let mut lacks: Vec<Lack> = needed.filter_map(|part| self.lack(part)).collect();
        if let Some(name) = self.unknown_name() {
            lacks.push(self.lacking(Part::Controller, format!("nobody is called {name}")));
        }
        lacks
    }

    fn lacking(&self, part: Part, why: String) -> Lack {
        let notice = format!("{}/{}", self.id, self.version);
        Lack { notice, language: self.language.clone(), part, why }
    }

    fn lack(&self, part: Part) -> Option<Lack> {
        let lacking = |why: String| Some(self.lacking(part, why));
        let Some(heading) = self.sections.get(&part) else {
            return lacking("the header names no section that says it".to_owned());
        };
        let text = self.section(heading).unwrap_or_default();
        if text.chars().count() < LEAST {
            return lacking(format!("section “{heading}” is missing or empty"));
        }
        if let Some(name) = part.names().filter(|name| !text.contains(name)) {
            return lacking(format!("section “{heading}” does not name {name}"));
        }
        if part == Part::Basis && !text.to_lowercase().contains("art. 6") {
            return lacking(format!("section “{heading}” names no legal basis (Art. 6)"));
        }
        None
    }

    fn unknown_name(&self) -> Option<String> {
        let names =
            self.text.split("{{").skip(1).map(|rest| rest.split("}}").next().unwrap_or(rest));
        let unknown = |name: &&str| Parties::example().value(name).is_none();
        names.into_iter().find(unknown).map(|name| format!("{{{{{name}}}}}"))
    }

    /// The text under a heading.
    pub fn section(&self, heading: &str) -> Option<&str> {
        let marker = format!("## {heading}\n");
        let start = self.text.find(&marker)? + marker.len();
        let body = &self.text[start..];
        Some(body.split("\n## ").next().unwrap_or(body).trim())
    }

    /// The text as it is shown where these parties answer for the data.
    pub fn rendered(&self, parties: &Parties) -> String {
        let mut rest = self.text.as_str();
        let mut rendered = String::with_capacity(rest.len() + 512);
        while let Some((before, after)) = rest.split_once("{{") {
            rendered.push_str(before);
            let (name, after) = after.split_once("}}").unwrap_or((after, ""));
            rendered.push_str(&parties.value(name).unwrap_or_default());
            rest = after;
        }
        rendered.push_str(rest);
        rendered
    }
}
