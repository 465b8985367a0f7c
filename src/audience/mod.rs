//! Campaigns, and the sealed, ranked lists of the people willing to receive them.
//!
//! The way of a list: a business asks ([`request`]); a job narrows the accounts of the delivery app
//! with bitmaps, proposes the best ([`candidates`]), verifies each from its ledger entries and ranks
//! the verified ([`ranking`]), writes the rows and seals them in the ledger ([`build`]); what is
//! served afterwards is verified once more ([`shelf`], [`export`]); anybody entitled can replay it
//! ([`replay`]). Columns and bitmaps propose, only entries permit.

pub mod build;
pub mod campaigns;
pub mod candidates;
pub mod export;
pub mod filter;
pub mod forecast;
pub mod holdout;
pub mod http;
pub mod order;
pub mod outcomes;
mod paths;
pub mod ranking;
pub mod reach;
pub mod recalls;
pub mod replay;
pub mod request;
pub mod rows;
pub mod seal;
pub mod shelf;
mod store;
pub mod summary;
pub mod topics;
#[cfg(test)]
pub(crate) mod tests;
pub mod variants;
pub mod verify;
pub mod waterfall;
pub mod why;
mod write;

pub(crate) use store::statements;

pub use campaigns::{Campaign, Message, MessageIn, Text, Window};
pub use filter::{Filter, FilterIn, Warning};
pub use request::{List, ListState, Request};
pub use rows::{Ground, Row};
pub use waterfall::{Exclusion, PublishedWaterfall, Reach, Waterfall};

use volens_privacy::topics::TopicRefusal;
use volens_privacy::{BusinessId, SubjectId};

use crate::db::Tx;
use crate::ids::ListId;

use crate::{access, accounts, consent, db, ledger, relevance, signals};

/// Why a use case of this slice did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum AudienceError {
    /// A value of the request is not acceptable.
    #[error("{field}: {why}")]
    Invalid {
        /// The field, as written in the request.
        field: &'static str,
        /// What it must be.
        why: &'static str,
    },
    /// A topic is unknown, or one that nobody may be addressed by.
    #[error("{topic}: {refusal}")]
    Topic {
        /// The topic as written.
        topic: String,
        /// Why it is refused.
        refusal: TopicRefusal,
    },
    /// No topic was named, and none is near the text.
    #[error(
        "nothing in the text says what the message is about: name one to eight topics, as in sport.running"
    )]
    UnclearText,
    /// No topic was named, and the text reads as if it were about one that nobody may be addressed by.
    #[error(
        "the text reads as if it were about {0}, a special category of personal data by which nobody is \
         addressed: if it is not, name the topics that it is about"
    )]
    SensitiveText(String),
    /// The name of a campaign is about a special category of personal data.
    #[error(
        "the name reads as if it were about {0}, a special category of personal data: no group of people goes \
         by such a name"
    )]
    SensitiveName(String),
    /// A filter cannot be read, or asks for what it may not.
    #[error(transparent)]
    Filter(#[from] filter::Fault),
    /// The filter asks for people younger than eighteen.
    #[error("people younger than eighteen are never profiled")]
    Underage,
    /// No such app.
    #[error("no such app")]
    UnknownApp,
    /// The campaign is not one of this business.
    #[error("no such campaign")]
    NoCampaign,
    /// The campaign's window is over.
    #[error("the campaign is over")]
    CampaignOver,
    /// The list is not one of this business.
    #[error("no such list")]
    NoList,
    /// The list is not sealed yet, or never will be.
    #[error("the list is {}", .0.name())]
    NotSealed(ListState),
    /// No row of that rank, or not one that is permitted now.
    #[error("no such row on the list, or nobody may see it any more")]
    NoRow,
    /// The list has expired: its rows are gone.
    #[error("the list has expired")]
    Expired,
    /// Fewer people than may be addressed as a group.
    #[error("fewer than {0} people: the audience is too small")]
    TooSmall(u64),
    /// Fewer recipients were asked for than any list has.
    #[error("ask for {0} people or more: no list is smaller")]
    SizeBelow(u64),
    /// More recipients were asked for than one list holds.
    #[error("ask for {0} people or fewer: no list is larger")]
    SizeAbove(u32),
    /// Every question about reach was asked, for a while.
    #[error(
        "all {of} questions about reach in thirty days are asked; what was answered today is told again"
    )]
    ReachSpent {
        /// How many there are.
        of: u32,
        /// Seconds until the next.
        seconds: u32,
    },
    /// No model has been trained yet.
    #[error("no model has been trained yet")]
    NoModel,
    /// The model there is learned from people who took that back; it is being trained again.
    #[error("the model learned from people who took that back; it has to be trained again")]
    StaleModel,
    /// Another list of the campaign was sealed meanwhile and writes somebody another variant.
    #[error("another list of the campaign was sealed meanwhile: this one has to be built again")]
    Crossed,
    /// Another run of the same job is ahead.
    #[error("another run builds this list")]
    Overtaken,
    /// A computation was interrupted.
    #[error("a computation was interrupted")]
    Interrupted,
    /// Something stored does not read as what it should be.
    #[error("a stored value is unreadable: {0}")]
    Unreadable(&'static str),
    /// Reading or writing failed.
    #[error("the database failed")]
    Db(#[from] db::Error),
    /// Reading apps failed.
    #[error("reading apps failed")]
    Access(#[from] access::AccessError),
    /// Reading accounts failed.
    #[error("reading accounts failed")]
    Accounts(#[from] accounts::AccountError),
    /// Reading consents failed.
    #[error("reading consents failed")]
    Consent(#[from] consent::ConsentError),
    /// The ledger failed.
    #[error("the ledger failed")]
    Ledger(#[from] ledger::LedgerError),
    /// Reading signals failed.
    #[error("reading signals failed")]
    Signals(#[from] signals::SignalError),
    /// Ranking failed.
    #[error("ranking failed")]
    Relevance(#[from] relevance::RelevanceError),
}

/// That an account is on a list.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct Membership {
    /// Which list.
    #[schema(value_type = String)]
    pub list: ListId,
    /// Whose.
    #[schema(value_type = String)]
    pub business: BusinessId,
    /// From 1.
    pub rank: u32,
    /// Probability that the goal is reached.
    pub score: f64,
    /// Which variant of the message they are written, where the campaign has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<relevance::Assigned>,
}

/// The lists an account is on now, whoever's they are. For officers and for the person.
pub async fn memberships(tx: &mut Tx, subject: SubjectId) -> Result<Vec<Membership>> {
    Ok(store::rows_about(tx, subject).await?)
}

impl AudienceError {
    /// The stable code that programs may rely on.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } | Self::SizeAbove(_) => "request.invalid",
            Self::Topic { refusal, .. } => refusal.code(),
            Self::UnclearText => "topic.unclear",
            Self::SensitiveText(_) | Self::SensitiveName(_) => TopicRefusal::Sensitive.code(),
            Self::Filter(fault) => fault.wrong.code,
            Self::Underage => "filter.underage",
            Self::UnknownApp => "app.unknown",
            Self::NoCampaign => "campaign.not_found",
            Self::CampaignOver => "campaign.over",
            Self::NoList => "list.not_found",
            Self::NoRow => "row.not_found",
            Self::NotSealed(_) => "list.not_ready",
            Self::Expired => "list.expired",
            Self::TooSmall(_) | Self::SizeBelow(_) => "audience.too_small",
            Self::ReachSpent { .. } => "reach.spent",
            Self::NoModel => "model.absent",
            Self::StaleModel => "model.stale",
            Self::Crossed => "list.crossed",
            Self::Overtaken => "list.overtaken",
            _ => "internal",
        }
    }
}

/// Result of this slice.
pub type Result<T, E = AudienceError> = std::result::Result<T, E>;
