//! What an export says, as types: the schema is made from them, so the two cannot differ.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{PartialSchema as _, ToSchema};
use volens_privacy::consent::Decision;
use volens_privacy::purpose::PurposeKind;
use volens_privacy::{AppId, BusinessId, RecipientId, Timestamp};

use crate::audience::seal::Reason;
use crate::ids::{CampaignId, ExposureId, ListId, ModelId};
use crate::relevance::Assigned;
use crate::rights::interests::Interest;

/// The kind of document, signed with it.
pub const EXPORT_KIND: &str = "volens/account-export/1";

/// Everything kept about one account, signed (GDPR Art. 15 and 20).
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignedExport {
    /// What is kept.
    pub export: AccountExport,
    /// A C2SP signed note by the log's key over the kind and the SHA-256 of the canonical JSON
    /// (RFC 8785) of `export`.
    pub signature: String,
}

/// Everything kept about one account.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountExport {
    /// `volens/account-export/1`.
    pub kind: String,
    /// When it was made.
    #[schema(value_type = String, format = "date-time")]
    pub made_at: Timestamp,
    /// The account.
    pub account: AccountPart,
    /// What the data is used for, on which basis and for how long (Art. 15(1)(a), (c), (d)).
    pub purposes: Vec<PurposePart>,
    /// Every consent that was given or refused, oldest decision first.
    pub consents: Vec<ConsentPart>,
    /// A receipt of every decision, as the API hands them out: JSON-LD, signed, each with its record and
    /// its proof. They verify on their own.
    #[schema(value_type = Vec<Object>)]
    pub receipts: Vec<Value>,
    /// What is inferred about interests, and what the person denies.
    pub interests: Vec<Interest>,
    /// What else the profile holds; nothing without one.
    pub profile: Option<ProfilePart>,
    /// Other apps that have an account of the same person, linked by consent on both sides. Nothing
    /// of those accounts is here: it is theirs to give.
    #[schema(value_type = Vec<String>)]
    pub links: Vec<AppId>,
    /// Every score for a list, and the place on it.
    pub lists: Vec<ListPart>,
    /// Scores of linked accounts that this one lent to.
    pub lent: Vec<LentPart>,
    /// Messages that are remembered to learn from, and what happened after them.
    pub messages: Vec<MessagePart>,
    /// Models that learned from what happened after those messages, for as long as they may.
    #[serde(default)]
    pub models: Vec<ModelPart>,
    /// Businesses that the person told to stop, or complained about.
    pub stops: Vec<StopPart>,
    /// Businesses that received an id for the person (Art. 15(1)(c)).
    pub recipients: Vec<RecipientPart>,
    /// Requests that were made for the account, with their clocks.
    pub requests: Vec<RequestPart>,
    /// Signals of which a mark was kept under the account, to recognise repeats: in exports of before marks
    /// named nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal_marks: Option<u64>,
    /// Where the data is from (Art. 15(1)(g)).
    pub source: String,
    /// How scores are made (Art. 15(1)(h)).
    pub logic: String,
    /// Where each table that names the account was read into, by field.
    pub read_into: BTreeMap<String, String>,
    /// What is kept about the account and not here, table by table, with the reason.
    pub left_out: BTreeMap<String, String>,
}

/// The account.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountPart {
    /// Whose user it is.
    #[schema(value_type = String)]
    pub app: AppId,
    /// Language that the app told, or empty.
    pub language: String,
    /// Country that the app told, or empty.
    pub country: String,
    /// Time zone that the app told, or empty.
    pub time_zone: String,
    /// Age band that the app told.
    pub age_band: String,
    /// When it became known, cut to the hour.
    #[schema(value_type = String, format = "date-time")]
    pub known_since: Timestamp,
    /// Since when processing is restricted.
    #[schema(value_type = Option<String>, format = "date-time")]
    pub restricted_since: Option<Timestamp>,
    /// Why, and who asked for it.
    pub restriction: Option<RestrictionPart>,
    /// Since when the person objects to direct marketing.
    #[schema(value_type = Option<String>, format = "date-time")]
    pub objected_since: Option<Timestamp>,
}

/// A request that was made for the account.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestPart {
    /// How it stands.
    pub receipt: crate::rights::requests::Receipt,
    /// The signature of the receipt.
    pub signature: String,
    /// What the person said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// What the officer who saw to it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

/// A restriction.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RestrictionPart {
    /// The case of Art. 18(1).
    pub reason: String,
    /// `person`, `app` or `officer`.
    pub asked_by: String,
    /// Ledger index of its entry.
    pub entry: u64,
}

/// A purpose.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PurposePart {
    /// Its name.
    #[schema(value_type = String)]
    pub purpose: PurposeKind,
    /// Its title.
    pub title: String,
    /// What it covers.
    pub covers: String,
    /// Legal basis.
    pub legal_basis: String,
    /// How long a consent lasts, in days.
    pub lasts_days: u32,
}

/// A consent.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentPart {
    /// What for.
    #[schema(value_type = String)]
    pub purpose: PurposeKind,
    /// With which other app.
    #[schema(value_type = Option<String>)]
    pub peer: Option<AppId>,
    /// `given`, `refused`, `withdrawn` or `expired`.
    #[schema(value_type = String)]
    pub state: Decision,
    /// Under which notice: `id@version/language`; empty when none was shown.
    pub notice: String,
    /// When it was decided.
    #[schema(value_type = String, format = "date-time")]
    pub given_at: Timestamp,
    /// When it ends by itself.
    #[schema(value_type = String, format = "date-time")]
    pub expires_at: Timestamp,
    /// When it ended otherwise.
    #[schema(value_type = Option<String>, format = "date-time")]
    pub ended_at: Option<Timestamp>,
    /// Ledger index of the latest decision.
    pub entry: u64,
}

/// The profile without its topics.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfilePart {
    /// Language that the signals told.
    pub language: Option<String>,
    /// The hour of the last act.
    #[schema(value_type = Option<String>, format = "date-time")]
    pub last_active: Option<Timestamp>,
    /// How much was done, in views, at three half-lives.
    pub engagement: [f64; 3],
    /// Messages received, at three half-lives.
    pub received: [f64; 3],
    /// Acts of turning away, at three half-lives.
    pub rejected: [f64; 3],
    /// Dealings with businesses, in views, at three half-lives.
    #[schema(value_type = BTreeMap<String, Vec<f64>>)]
    pub businesses: BTreeMap<BusinessId, [f64; 3]>,
    /// What the app told about its user under consent.
    pub traits: BTreeMap<String, String>,
    /// What was done lately, counted by day; a day is forgotten 35 days after it.
    #[serde(default)]
    pub recent: Vec<DayPart>,
}

/// How often something was done on a day.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DayPart {
    /// Which day (UTC).
    #[schema(value_type = String, format = "date-time")]
    pub day: Timestamp,
    /// What.
    pub act: String,
    /// About which topic or business; nothing for the acts of this kind together.
    pub about: Option<String>,
    /// How often.
    pub times: u16,
}

/// A score for a list.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListPart {
    /// Which list.
    #[schema(value_type = String)]
    pub list: ListId,
    /// Whose.
    #[schema(value_type = String)]
    pub business: BusinessId,
    /// What the business is called.
    pub business_name: String,
    /// What its message is called.
    pub campaign: String,
    /// `listed`, or `holdout` for somebody kept aside.
    pub arm: String,
    /// The score.
    pub score: f64,
    /// The model that made it.
    pub model: String,
    /// The place on the list, for the listed.
    pub row: Option<RowPart>,
    /// Apps whose linked account lent to the score.
    #[schema(value_type = Vec<String>)]
    pub borrowed_from: Vec<AppId>,
    /// When the list was made.
    #[schema(value_type = String, format = "date-time")]
    pub made_at: Timestamp,
    /// When all of it is deleted.
    #[schema(value_type = String, format = "date-time")]
    pub expires_at: Timestamp,
}

/// A place on a list.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RowPart {
    /// Under which id the business sees the person; no other business sees the same.
    #[schema(value_type = String)]
    pub recipient: RecipientId,
    /// From 1.
    pub rank: u32,
    /// Expected increase of the probability through the message.
    pub uplift: Option<f64>,
    /// Probability of a complaint or a stop, where the list is ranked by increase and it is known.
    #[serde(default)]
    pub risk: Option<f64>,
    /// How probable it was to be written to rather than kept aside, which was drawn.
    #[serde(default)]
    pub propensity: Option<f64>,
    /// Which of several texts of the message the person is written, which was drawn, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<Assigned>,
    /// Why, the strongest first, as the business reads it.
    pub reasons: Vec<Reason>,
    /// Ledger entries of the consents that it rests on.
    pub entries: Vec<u64>,
}

/// A score that this account lent to.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LentPart {
    /// For which list.
    #[schema(value_type = String)]
    pub list: ListId,
    /// Whose list.
    #[schema(value_type = String)]
    pub business: BusinessId,
    /// Ledger entries of this account's consents that it rests on.
    pub entries: Vec<u64>,
}

/// A message that is remembered.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MessagePart {
    /// Its id.
    #[schema(value_type = String)]
    pub id: ExposureId,
    /// Whose message.
    #[schema(value_type = String)]
    pub business: BusinessId,
    /// Of which campaign, when it was made here.
    #[schema(value_type = Option<String>)]
    pub campaign: Option<CampaignId>,
    /// Of which list, when it was made here.
    #[schema(value_type = Option<String>)]
    pub list: Option<ListId>,
    /// The business's word for what was sent, or `control`.
    pub arm: String,
    /// Which of several texts of the message the person was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<Assigned>,
    /// Whether the person was addressed, or kept aside.
    pub treated: bool,
    /// When.
    #[schema(value_type = String, format = "date-time")]
    pub at: Timestamp,
    /// Until when what happens counts as its outcome.
    #[schema(value_type = String, format = "date-time")]
    pub closes_at: Timestamp,
    /// What a model saw of the person at that moment.
    #[schema(value_type = Object)]
    pub features: Value,
    /// What happened.
    pub outcomes: Vec<OutcomePart>,
    /// Whether the app told that the person bought from that business in this time, where that was looked for,
    /// whether or not the message was sent; absent where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bought: Option<bool>,
}

/// What happened after a message.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OutcomePart {
    /// `delivered`, `read`, `click`, `reply`, `buy`, `stop` or `complaint`.
    pub kind: String,
    /// When.
    #[schema(value_type = String, format = "date-time")]
    pub at: Timestamp,
    /// What it was worth to the business.
    pub value: Option<f64>,
}

/// A model that learned from the person.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelPart {
    /// Which.
    #[schema(value_type = String)]
    pub model: ModelId,
    /// Whose messages it is for; all businesses' when absent.
    #[schema(value_type = Option<String>)]
    pub business: Option<BusinessId>,
    /// What it predicts: `click`, `reply` or `buy`.
    pub goal: String,
    /// When it learned.
    #[schema(value_type = String, format = "date-time")]
    pub trained_at: Timestamp,
    /// Whether people are ranked by it now.
    pub in_use: bool,
    /// Ledger index of the entry that commits to everybody it learned from.
    pub entry: u64,
    /// How many of the messages it learned from; unknown for a model of before this was kept.
    pub messages: Option<u64>,
    /// Ledger entries of the consents that it rested on.
    pub entries: Vec<u64>,
}

/// A business that was told to stop.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StopPart {
    /// Which.
    #[schema(value_type = String)]
    pub business: BusinessId,
    /// `stop` or `complaint`.
    pub kind: String,
    /// When.
    #[schema(value_type = String, format = "date-time")]
    pub at: Timestamp,
}

/// A business that received an id for the person.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecipientPart {
    /// Which.
    #[schema(value_type = String)]
    pub business: BusinessId,
    /// What it is called.
    pub name: String,
    /// On which lists.
    #[schema(value_type = Vec<String>)]
    pub lists: Vec<ListId>,
}

/// The JSON Schema (2020-12) of a signed export.
pub fn schema() -> Value {
    let mut parts = vec![(SignedExport::name().into_owned(), SignedExport::schema())];
    SignedExport::schemas(&mut parts);
    let parts: BTreeMap<String, _> = parts.into_iter().collect();
    serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": EXPORT_KIND,
        "$ref": "#/components/schemas/SignedExport",
        "components": { "schemas": parts },
    })
}
