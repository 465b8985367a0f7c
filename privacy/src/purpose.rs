//! What consent is for. A purpose is a *type*, so that consent for one cannot pass for another.

mod terms;

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;
use std::time::Duration;

use serde::Deserialize;
pub use terms::{Activity, Basis, Controllers, PersonalData, Recipient, Source, Vocabulary};

use crate::encoding::text_serde;
use crate::identity::AppId;
use crate::language::Translated;

/// Digital Markets Act Art. 5(2): not more than once within a year.
const GATEKEEPER_DAYS: u32 = 365;

/// A purpose as a value, for storage and the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PurposeKind {
    /// See [`CrossAppLinking`].
    CrossAppLinking,
    /// See [`Relevance`].
    Relevance,
    /// See [`BusinessMessages`].
    BusinessMessages,
    /// See [`BotMemory`].
    BotMemory,
    /// See [`FollowUp`].
    FollowUp,
    /// See [`ModelTraining`].
    ModelTraining,
    /// See [`Reports`].
    Reports,
}

impl PurposeKind {
    /// All purposes.
    pub const ALL: [Self; 7] = [
        Self::CrossAppLinking,
        Self::Relevance,
        Self::BusinessMessages,
        Self::BotMemory,
        Self::FollowUp,
        Self::ModelTraining,
        Self::Reports,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CrossAppLinking => "cross_app_linking",
            Self::Relevance => "relevance",
            Self::BusinessMessages => "business_messages",
            Self::BotMemory => "bot_memory",
            Self::FollowUp => "follow_up",
            Self::ModelTraining => "model_training",
            Self::Reports => "reports",
        }
    }

    /// What is known about it; the built-in definition.
    pub fn definition(self) -> &'static PurposeDefinition {
        Purposes::builtin().get(self)
    }
}

impl fmt::Display for PurposeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PurposeKind {
    type Err = PurposeError;

    fn from_str(text: &str) -> Result<Self, PurposeError> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(PurposeError::Unknown)
    }
}

text_serde!(PurposeKind);

mod sealed {
    /// Keeps the purposes and their scopes to those of this module.
    pub trait Sealed {}
}

/// A purpose as a type. Sealed: the purposes are those of this module.
pub trait Purpose: sealed::Sealed {
    /// The same purpose as a value.
    const KIND: PurposeKind;
    /// What else a consent for it names: the other app for linking, nothing for all others.
    type Scope: Scope;
}

/// What a consent names besides its purpose.
pub trait Scope: sealed::Sealed {
    /// The other app, if it names one.
    fn peer(&self) -> Option<&AppId>;
}

impl sealed::Sealed for AppId {}

impl Scope for AppId {
    fn peer(&self) -> Option<&AppId> {
        Some(self)
    }
}

impl sealed::Sealed for () {}

impl Scope for () {
    fn peer(&self) -> Option<&AppId> {
        None
    }
}

macro_rules! purposes {
    ($($(#[$doc:meta])+ $name:ident: $scope:ty;)+) => {$(
        $(#[$doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {}

        impl sealed::Sealed for $name {}

        impl Purpose for $name {
            const KIND: PurposeKind = PurposeKind::$name;
            type Scope = $scope;
        }
    )+};
}

purposes! {
    /// Joining this account with the same person's account in one other app. Needed in both apps.
    CrossAppLinking: AppId;
    /// Profiling what the account does, to choose which business messages fit.
    Relevance: ();
    /// Receiving messages from businesses.
    BusinessMessages: ();
    /// A support bot remembering earlier conversations.
    BotMemory: ();
    /// One message that a bot sends on its own, under the follow-up guard.
    FollowUp: ();
    /// Outcomes of this account teaching the models.
    ModelTraining: ();
    /// Counting in reports to businesses.
    Reports: ();
}

/// Why the purposes could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PurposeError {
    /// No such purpose.
    #[error("unknown purpose")]
    Unknown,
    /// The file is not what this version reads.
    #[error("purposes.toml: {0}")]
    Unreadable(String),
    /// A purpose is missing, repeated or incomplete.
    #[error("purposes.toml: purpose {purpose}: {problem}")]
    Invalid {
        /// Name of the purpose.
        purpose: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

/// What is known about one purpose.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PurposeDefinition {
    kind: PurposeKind,
    basis: Basis,
    legal_basis: String,
    lasts_days: u32,
    ask_again_after_days: u32,
    minimum_age: u8,
    needs_peer: bool,
    combines: bool,
    profiles: bool,
    controllers: Controllers,
    recipients: Vec<Recipient>,
    data: Vec<String>,
    sources: Vec<Source>,
    dpv: Vocabulary,
    title: Translated,
    covers: Translated,
}

impl PurposeDefinition {
    /// Which purpose.
    pub fn kind(&self) -> PurposeKind {
        self.kind
    }

    /// Its name in a language.
    pub fn title(&self, language: &str) -> &str {
        self.title.get(language)
    }

    /// What a consent for it covers, in a sentence.
    pub fn covers(&self, language: &str) -> &str {
        self.covers.get(language)
    }

    /// The article of law it rests on.
    pub fn legal_basis(&self) -> &str {
        &self.legal_basis
    }

    /// Days a consent for it lasts at most.
    pub fn lasts_days(&self) -> u32 {
        self.lasts_days
    }

    /// How long a consent for it lasts at most.
    pub fn lasts(&self) -> Duration {
        days(self.lasts_days)
    }

    /// Days after a refusal or withdrawal during which nobody is asked again.
    pub fn ask_again_after_days(&self) -> u32 {
        self.ask_again_after_days
    }

    /// For how long nobody is asked again after a no; a year at least by a gatekeeper (Digital Markets
    /// Act Art. 5(2)).
    pub fn ask_again_after(&self, gatekeeper: bool) -> Duration {
        let by_law = if gatekeeper { GATEKEEPER_DAYS } else { 0 };
        days(self.ask_again_after_days.max(by_law))
    }

    /// Youngest age, in years, at which consent for it counts.
    pub fn minimum_age(&self) -> u8 {
        self.minimum_age
    }

    /// Whether a consent for it names another app.
    pub fn needs_peer(&self) -> bool {
        self.needs_peer
    }

    /// Which categories of data are used for it.
    pub fn data(&self) -> &[String] {
        &self.data
    }

    /// Where they come from.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Why it may be done.
    pub fn basis(&self) -> Basis {
        self.basis
    }

    /// Who answers for it.
    pub fn controllers(&self) -> Controllers {
        self.controllers
    }

    /// Who receives data for it.
    pub fn recipients(&self) -> &[Recipient] {
        &self.recipients
    }

    /// Whether people are evaluated for it (GDPR Art. 4(4)).
    pub fn profiles(&self) -> bool {
        self.profiles
    }

    /// The same in terms of the Data Privacy Vocabulary.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.dpv
    }

    fn check(&self) -> Result<(), String> {
        let longest = 3 * 366;
        if !(1..=longest).contains(&self.lasts_days) {
            return Err(format!("lasts_days must be 1 to {longest}"));
        }
        if self.minimum_age > 21 {
            return Err("minimum_age must be at most 21".to_owned());
        }
        if self.needs_peer != (self.kind == PurposeKind::CrossAppLinking) {
            return Err("needs_peer is true for cross_app_linking and for nothing else".to_owned());
        }
        if self.legal_basis.trim().is_empty() || self.data.is_empty() || self.sources.is_empty() {
            return Err("legal_basis, data and sources are needed".to_owned());
        }
        if self.sources.contains(&Source::Inferred) && !self.profiles {
            return Err("what derives data about people profiles them".to_owned());
        }
        self.basis.check(self.combines, self.profiles)?;
        if self.basis != Basis::Consent {
            return Err("a purpose rests on consent; what does not is an activity".to_owned());
        }
        let both = self.controllers == Controllers::BothApps;
        if both != self.needs_peer || self.recipients.contains(&Recipient::PeerApp) != both {
            return Err("both apps answer for and receive what names a peer".to_owned());
        }
        if !self.recipients.contains(&Recipient::App) {
            return Err("recipients are missing".to_owned());
        }
        self.dpv.check()?;
        let missing = self.title.missing().or_else(|| self.covers.missing());
        missing.map_or(Ok(()), |language| Err(format!("title or covers is empty in {language}")))
    }
}

/// A number of days of 24 hours.
pub(crate) fn days(number: u32) -> Duration {
    Duration::from_secs(u64::from(number) * 86_400)
}

/// All purposes, as written in `purposes.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purposes {
    /// In the order of [`PurposeKind::ALL`].
    definitions: Vec<PurposeDefinition>,
    activities: Vec<Activity>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PurposesFile {
    purpose: Vec<PurposeDefinition>,
    #[serde(default)]
    activity: Vec<Activity>,
}

impl Purposes {
    /// The definitions this program was built with.
    pub fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<Purposes> = LazyLock::new(|| {
            Purposes::parse(include_str!("../purposes.toml"))
                .expect("purposes.toml is checked by the test `builtin_purposes_are_complete`")
        });
        &BUILTIN
    }

    /// Reads definitions; every purpose must be there exactly once, complete in every language.
    pub fn parse(text: &str) -> Result<Self, PurposeError> {
        let file: PurposesFile = toml::from_str(text)
            .map_err(|error| PurposeError::Unreadable(error.message().to_owned()))?;
        let mut definitions = Vec::with_capacity(PurposeKind::ALL.len());
        for kind in PurposeKind::ALL {
            let invalid =
                |problem: String| PurposeError::Invalid { purpose: kind.as_str(), problem };
            let mut matching = file.purpose.iter().filter(|definition| definition.kind == kind);
            let definition = matching.next().ok_or_else(|| invalid("missing".to_owned()))?;
            if matching.next().is_some() {
                return Err(invalid("repeated".to_owned()));
            }
            definition.check().map_err(invalid)?;
            definitions.push(definition.clone());
        }
        for activity in &file.activity {
            activity.check().map_err(PurposeError::Unreadable)?;
        }
        Ok(Self { definitions, activities: file.activity })
    }

    /// One definition.
    pub fn get(&self, kind: PurposeKind) -> &PurposeDefinition {
        let position = PurposeKind::ALL.iter().position(|listed| *listed == kind);
        &self.definitions[position.expect("every kind is listed")]
    }

    /// All definitions, in the order of [`PurposeKind::ALL`].
    pub fn all(&self) -> &[PurposeDefinition] {
        &self.definitions
    }

    /// What is done without asking, and why it may be.
    pub fn activities(&self) -> &[Activity] {
        &self.activities
    }
}

#[cfg(test)]
mod tests;
