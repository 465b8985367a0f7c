//! What a notice has to say (GDPR Art. 13, 14 and 26, LGPD Art. 9), and under which heading it says it.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Notice, words};
use crate::parties::Parties;
use crate::purpose::{Controllers, PurposeDefinition, Recipient, Source};

/// Least text of a section, in characters, that can say anything.
const LEAST: usize = 20;

/// One thing that the law demands of a notice.
///
/// Legitimate interests (GDPR Art. 13(1)(d), 14(2)(b)) are none of them: a purpose that is asked for
/// rests on consent, and [`Purposes::parse`](crate::purpose::Purposes::parse) refuses another basis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Who is responsible, and how to reach them (GDPR Art. 13(1)(a), 14(1)(a); LGPD Art. 9 III, IV, VI).
    Controller,
    /// How to reach the data protection officer (GDPR Art. 13(1)(b), 14(1)(b)).
    Contact,
    /// What for (GDPR Art. 13(1)(c), 14(1)(c); LGPD Art. 9 I).
    Purposes,
    /// On which legal basis (GDPR Art. 13(1)(c), 14(1)(c)).
    Basis,
    /// Which categories of data (GDPR Art. 14(1)(d)). They belong to an informed consent whoever gives
    /// the data (EDPB Guidelines 05/2020, 64), so every notice names them.
    Data,
    /// Where data come from that the person does not give, and whether from publicly accessible sources
    /// (GDPR Art. 14(2)(f)).
    Source,
    /// Whether a law or a contract requires the data, and what a no means (GDPR Art. 13(2)(e); LGPD
    /// Art. 18 VIII).
    Necessity,
    /// Who receives data (GDPR Art. 13(1)(e), 14(1)(e); LGPD Art. 9 V).
    Recipients,
    /// Where data go outside the law's reach, and what protects them there (GDPR Art. 13(1)(f),
    /// 14(1)(f)).
    Transfers,
    /// How long, or by what that is decided (GDPR Art. 13(2)(a), 14(2)(a); LGPD Art. 9 II).
    Retention,
    /// What people can demand, each right by its name (GDPR Art. 13(2)(b), 14(2)(c); LGPD Art. 9 VII,
    /// 18).
    Rights,
    /// How to take a consent back, at any time, and that what was done before stays lawful (GDPR
    /// Art. 13(2)(c), 14(2)(d)).
    Withdrawal,
    /// Where to complain (GDPR Art. 13(2)(d), 14(2)(e)).
    Complaint,
    /// How decisions are made by machine, and what they mean for people (GDPR Art. 13(2)(f), 14(2)(g)).
    Logic,
    /// The essence of the arrangement of two controllers (GDPR Art. 26(2)).
    Joint,
}

impl Part {
    /// All parts.
    pub const ALL: [Self; 15] = [
        Self::Controller,
        Self::Contact,
        Self::Purposes,
        Self::Basis,
        Self::Data,
        Self::Source,
        Self::Necessity,
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
            Self::Data => "data",
            Self::Source => "source",
            Self::Necessity => "necessity",
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
            Self::Data => "GDPR Art. 14(1)(d)",
            Self::Source => "GDPR Art. 14(2)(f)",
            Self::Necessity => "GDPR Art. 13(2)(e)",
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
                | Self::Data
                | Self::Source
                | Self::Necessity
                | Self::Recipients
                | Self::Transfers
                | Self::Retention
                | Self::Joint
        )
    }

    /// Whether it may tell more of what was done already, so that saying it for the first time need not
    /// change what people agreed to ([`Notice::describes_more_of`]).
    pub(super) const fn describes(self) -> bool {
        matches!(self, Self::Data | Self::Source | Self::Necessity)
    }

    /// What its section must be held to say, by the names in `notices/words.toml`.
    pub(super) fn things(self, notice: &Notice) -> Vec<&'static str> {
        let purposes = || notice.purposes.iter().map(|kind| kind.definition());
        let brazil = notice.language == "pt";
        let mut things = match self {
            Self::Basis => vec!["article_6", "consent"],
            Self::Data => all(purposes(), |purpose| purpose.data().iter().map(String::as_str)),
            Self::Source => {
                let named = |source: &Source| match source {
                    Source::Person => None,
                    Source::App => Some("app"),
                    Source::PeerApp => Some("peer_app"),
                    Source::Business => Some("business"),
                    Source::Inferred => Some("inferred"),
                };
                let mut from = all(purposes(), |one| one.sources().iter().filter_map(named));
                from.push("publicly_accessible");
                from
            }
            Self::Necessity => vec!["law", "contract", "what_a_no_means"],
            Self::Recipients => {
                let named = |recipient: &Recipient| match recipient {
                    Recipient::App => Some("app"),
                    Recipient::PeerApp => Some("peer_app"),
                    Recipient::Operator => None,
                    Recipient::Business => Some("business"),
                };
                all(purposes(), |purpose| purpose.recipients().iter().filter_map(named))
            }
            Self::Transfers => vec!["territory"],
            Self::Retention => vec!["period"],
            Self::Rights => {
                let rights = ["access", "rectification", "erasure", "restriction"];
                [&rights[..], &["portability", "objection"]].concat()
            }
            Self::Withdrawal => vec!["at_any_time", "stays_lawful"],
            Self::Complaint => vec!["complaint"],
            Self::Logic if purposes().any(PurposeDefinition::profiles) => {
                vec!["profiling", "what_is_decided"]
            }
            Self::Joint => vec!["arrangement"],
            Self::Controller | Self::Contact | Self::Purposes | Self::Logic => Vec::new(),
        };
        // People in Brazil read the Portuguese text: their law names its own basis and rights.
        match self {
            Self::Basis if brazil => things.push("lgpd"),
            Self::Rights if brazil => {
                things.extend(["lgpd_article_18", "confirmation", "anonymisation", "sharing"]);
            }
            _ => {}
        }
        things
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

/// Names of all purposes of a notice, each once.
fn all<I: Iterator<Item = &'static str>>(
    purposes: impl Iterator<Item = &'static PurposeDefinition>,
    of: impl Fn(&'static PurposeDefinition) -> I,
) -> Vec<&'static str> {
    let names: BTreeSet<&'static str> = purposes.flat_map(of).collect();
    names.into_iter().collect()
}

impl Notice {
    /// Everything that the law demands and this text lacks. A notice is published when this is empty.
    pub fn lacks(&self) -> Vec<Lack> {
        let needed = Part::ALL.into_iter().filter(|part| self.needs(*part));
        let mut lacks: Vec<Lack> = needed.flat_map(|part| self.lacks_of(part)).collect();
        if let Some(name) = self.unknown_name() {
            lacks.push(self.lacking(Part::Controller, format!("nobody is called {name}")));
        }
        lacks
    }

    /// Whether the purposes it asks for make this part necessary.
    pub(super) fn needs(&self, part: Part) -> bool {
        let any = |what: &dyn Fn(&PurposeDefinition) -> bool| {
            self.purposes.iter().any(|kind| what(kind.definition()))
        };
        match part {
            Part::Joint => any(&|purpose| purpose.controllers() == Controllers::BothApps),
            Part::Source => any(&|one| one.sources().iter().any(|from| *from != Source::Person)),
            _ => true,
        }
    }

    fn lacking(&self, part: Part, why: String) -> Lack {
        let notice = format!("{}/{}", self.id, self.version);
        Lack { notice, language: self.language.clone(), part, why }
    }

    fn lacks_of(&self, part: Part) -> Vec<Lack> {
        let Some(heading) = self.sections.get(&part) else {
            let why = "the header names no section that says it".to_owned();
            return vec![self.lacking(part, why)];
        };
        let text = self.section(heading).unwrap_or_default();
        if text.chars().count() < LEAST {
            return vec![self.lacking(part, format!("section “{heading}” is missing or empty"))];
        }
        let unnamed = part.names().filter(|name| !text.contains(name));
        let unnamed = unnamed.map(|name| format!("section “{heading}” does not name {name}"));
        let spoken = words::spoken(text);
        let unsaid = part.things(self).into_iter().filter_map(|thing| {
            let words = words::of(thing, &self.language);
            let said = words.iter().any(|word| words::says(&spoken, word));
            let looked_for = words.join(", ");
            let why = || format!("section “{heading}” says nothing of {thing} ({looked_for})");
            (!said).then(why)
        });
        unnamed.into_iter().chain(unsaid).map(|why| self.lacking(part, why)).collect()
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
