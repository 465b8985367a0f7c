//! Campaigns: a business's message, to whom it could matter, and when it may go out.

use std::time::Duration;

use rand::Rng;
use serde::{Deserialize, Serialize};
use volens_privacy::topics::TopicId;
use volens_privacy::{AppId, BusinessId, Timestamp};

use super::topics::{self, Recognised};
use super::{AudienceError, Result, filter, store};
use crate::access::directory;
use crate::codes;
use crate::db::Tx;
use crate::ids::CampaignId;
use crate::names;
use crate::relevance::{Goal, Variant};

/// Goals by name.
mod goal_name {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use super::Goal;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(super) fn serialize<S: Serializer>(goal: &Goal, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(goal.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Goal, D::Error> {
        let name = String::deserialize(from)?;
        Goal::parse(&name).ok_or_else(|| de::Error::custom("one of click, reply, buy"))
    }
}

/// What the recipient is to read, and what it is about if the business says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageIn {
    /// One line, at most 120 characters.
    pub title: String,
    /// At most 1024 characters (the limit of a WhatsApp template body).
    pub text: String,
    /// ISO 639-1.
    #[schema(example = "en")]
    pub language: String,
    /// One to eight topics of the registry, none of them sensitive. Recognised in title and text when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["sport.running"]))]
    pub topics: Option<Vec<String>>,
}

/// A text: of a message, or of a variant of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// One line, at most 120 characters.
    pub title: String,
    /// At most 1024 characters.
    pub text: String,
    /// ISO 639-1.
    #[schema(example = "en")]
    pub language: String,
}

impl Text {
    /// Of a message.
    pub fn of(message: &Message) -> Self {
        let Message { title, text, language, .. } = message.clone();
        Self { title, text, language }
    }
}

/// What the recipient reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Message {
    /// One line, at most 120 characters.
    pub title: String,
    /// At most 1024 characters (the limit of a WhatsApp template body).
    pub text: String,
    /// ISO 639-1.
    #[schema(example = "en")]
    pub language: String,
    /// One to eight topics of the registry, none of them sensitive.
    #[schema(example = json!(["sport.running"]))]
    pub topics: Vec<String>,
}

/// When a message may go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Not before.
    #[schema(value_type = String, format = "date-time")]
    pub from: Timestamp,
    /// Not after; at most 180 days later.
    #[schema(value_type = String, format = "date-time")]
    pub until: Timestamp,
}

/// A campaign as asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CampaignIn {
    /// The business's own name for it, at most 100 characters.
    pub name: String,
    /// The app the message is delivered in.
    #[schema(value_type = String, example = "messenger")]
    pub delivery_app: AppId,
    /// The message.
    pub message: MessageIn,
    /// One to four further texts for it, about the same topics and with the same goal, to be tried against each
    /// other: the message is variant `a`, these are `b` to `e`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<Text>,
    /// What it is meant to bring about: `click`, `reply` or `buy`. The model predicts this.
    #[serde(with = "goal_name")]
    #[schema(value_type = String, example = "click")]
    pub goal: Goal,
    /// When it may go out; thirty days from now when absent.
    #[serde(default)]
    pub window: Option<Window>,
}

/// A campaign of a business.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Campaign {
    /// Its id.
    #[schema(value_type = String, example = "cmp_00000000000000000000000000000000")]
    pub id: CampaignId,
    /// Whose it is.
    #[serde(skip)]
    pub business: BusinessId,
    /// The business's own name for it.
    pub name: String,
    /// The app the message is delivered in.
    #[schema(value_type = String)]
    pub delivery_app: AppId,
    /// The message.
    pub message: Message,
    /// Further texts for it: the message is variant `a`, these are `b` to `e`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<Text>,
    /// How its topics were recognised in the text; absent when the business named them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recognised: Option<Vec<Recognised>>,
    /// What it is meant to bring about: `click`, `reply` or `buy`. The model predicts this.
    #[serde(with = "goal_name")]
    #[schema(value_type = String, example = "click")]
    pub goal: Goal,
    /// When it may go out.
    pub window: Window,
    /// When it was made.
    #[schema(value_type = String, format = "date-time")]
    pub created_at: Timestamp,
}

const DAY: Duration = Duration::from_hours(24);
const WINDOW_DEFAULT: Duration = Duration::from_hours(30 * 24);
const WINDOW_MAX: Duration = Duration::from_hours(180 * 24);
const NAME_MAX: usize = 100;
const TITLE_MAX: usize = 120;
const TEXT_MAX: usize = 1024;
const TOPICS_MAX: usize = 8;

/// Checks a campaign and keeps it. Topics that are not named are recognised in the text.
///
/// # Errors
/// `request.invalid` naming the field, `topic.unknown`, `topic.sensitive` (also of the name), `topic.unclear`,
/// `app.unknown`.
pub async fn make(
    tx: &mut Tx,
    business: BusinessId,
    wanted: CampaignIn,
    rng: &mut (dyn Rng + Send),
    now: Timestamp,
) -> Result<Campaign> {
    let window = check_window(wanted.window, now)?;
    let (message, recognised) = check_message(tx, business, wanted.message).await?;
    let variants = check_variants(wanted.variants, &message, recognised.is_some())?;
    let name = check_name(&wanted.name, &message.language)?;
    let campaign = Campaign {
        id: CampaignId::random(rng),
        business,
        name,
        delivery_app: wanted.delivery_app,
        message,
        variants,
        recognised,
        goal: wanted.goal,
        window,
        created_at: now,
    };
    if directory::app(tx, &campaign.delivery_app).await?.is_none() {
        return Err(AudienceError::UnknownApp);
    }
    store::add_campaign(tx, &campaign).await?;
    Ok(campaign)
}

/// A campaign of this business.
///
/// # Errors
/// `campaign.not_found`, also when it is another business's.
pub async fn find(tx: &mut Tx, business: BusinessId, id: CampaignId) -> Result<Campaign> {
    store::campaign(tx, business, id).await?.ok_or(AudienceError::NoCampaign)
}

/// Campaigns of this business after `after`, at most `limit`, in the order of their ids.
pub async fn page(
    tx: &mut Tx,
    business: BusinessId,
    after: Option<CampaignId>,
    limit: u32,
) -> Result<Vec<Campaign>> {
    Ok(store::campaigns(tx, business, after, limit).await?)
}

/// Whose campaign it is. For the operator's command line.
///
/// # Errors
/// `campaign.not_found`.
pub async fn owner(tx: &mut Tx, id: CampaignId) -> Result<BusinessId> {
    store::campaign_owner(tx, id).await?.ok_or(AudienceError::NoCampaign)
}

impl Campaign {
    /// Its texts, by the name of the variant: one, or two to five.
    pub fn texts(&self) -> Vec<(Variant, Text)> {
        let texts = std::iter::once(Text::of(&self.message)).chain(self.variants.iter().cloned());
        (0..).map_while(Variant::at).zip(texts).collect()
    }

    /// The topics of the message, checked again: the registry may have changed since.
    ///
    /// # Errors
    /// `topic.unknown`, `topic.sensitive`.
    pub fn topics(&self) -> Result<Vec<TopicId>> {
        Ok(filter::check_topics(&self.message.topics)?.into_iter().collect())
    }
}

/// A name that is about no special category of personal data (GDPR Art. 9): those on a campaign's lists go by it.
fn check_name(wanted: &str, language: &str) -> Result<String> {
    let name = line("name", wanted, NAME_MAX, "one line of 1 to 100 visible characters")?;
    let (title, text) = (name.clone(), String::new());
    let read = topics::sensitive(&Text { title, text, language: language.to_owned() });
    match read.into_iter().next() {
        Some(found) => Err(AudienceError::SensitiveName(found.topic)),
        None => Ok(name),
    }
}

fn check_window(wanted: Option<Window>, now: Timestamp) -> Result<Window> {
    let invalid = |why| Err(AudienceError::Invalid { field: "window", why });
    let Some(window) = wanted else {
        return Ok(Window { from: now, until: now.plus(WINDOW_DEFAULT) });
    };
    if window.until <= window.from {
        return invalid("until must be after from");
    }
    if window.until <= now {
        return invalid("until must be in the future");
    }
    if window.from < now.minus(DAY) {
        return invalid("from must not be in the past");
    }
    if window.until.since(window.from) > WINDOW_MAX {
        return invalid("at most 180 days long");
    }
    Ok(window)
}

async fn check_message(
    tx: &mut Tx,
    business: BusinessId,
    wanted: MessageIn,
) -> Result<(Message, Option<Vec<Recognised>>)> {
    let MessageIn { title, text, language, topics } = wanted;
    let text = check_text(Text { title, text, language })?;
    let recognised = match topics {
        Some(_) => None,
        None => Some(topics::recognise(tx, business, &text).await?),
    };
    let topics = match (topics, &recognised) {
        (Some(named), _) => check_topics(&named)?,
        (None, found) => found.iter().flatten().map(|found| found.topic.clone()).collect(),
    };
    let Text { title, text, language } = text;
    Ok((Message { title, text, language, topics }, recognised))
}

fn check_topics(named: &[String]) -> Result<Vec<String>> {
    if named.is_empty() || named.len() > TOPICS_MAX {
        return Err(AudienceError::Invalid { field: "message.topics", why: "one to eight topics" });
    }
    Ok(filter::check_topics(named)?.iter().map(ToString::to_string).collect())
}

/// Where the title, text and language of each further variant are in a request.
const VARIANT_FIELDS: [[&str; 3]; Variant::MOST - 1] = [
    ["variants.0.title", "variants.0.text", "variants.0.language"],
    ["variants.1.title", "variants.1.text", "variants.1.language"],
    ["variants.2.title", "variants.2.text", "variants.2.language"],
    ["variants.3.title", "variants.3.text", "variants.3.language"],
];

/// Further texts within their bounds, each another one. Where the topics were read from the text rather than
/// named, none may read as if it were about a special category, as the message may not.
fn check_variants(wanted: Vec<Text>, message: &Message, recognised: bool) -> Result<Vec<Text>> {
    if wanted.len() > VARIANT_FIELDS.len() {
        return Err(AudienceError::Invalid { field: "variants", why: "one to four" });
    }
    let mut texts = vec![Text::of(message)];
    for (text, fields) in wanted.into_iter().zip(VARIANT_FIELDS) {
        let text = check_text_at(text, fields)?;
        if texts.contains(&text) {
            let why = "another text than the other variants have";
            return Err(AudienceError::Invalid { field: fields[1], why });
        }
        match topics::sensitive(&text).into_iter().next() {
            Some(found) if recognised => return Err(AudienceError::SensitiveText(found.topic)),
            _ => texts.push(text),
        }
    }
    Ok(texts.split_off(1))
}

/// A text within its bounds.
pub(super) fn check_text(wanted: Text) -> Result<Text> {
    check_text_at(wanted, ["message.title", "message.text", "message.language"])
}

fn check_text_at(wanted: Text, [title, body, field]: [&'static str; 3]) -> Result<Text> {
    if !codes::is_language(&wanted.language) {
        return Err(AudienceError::Invalid { field, why: "an ISO 639-1 code, as in \"en\"" });
    }
    let text = wanted.text.trim();
    let length = text.chars().count();
    if length == 0 || length > TEXT_MAX || text.chars().any(|c| c.is_control() && c != '\n') {
        let why = "1 to 1024 characters, no control characters but line breaks";
        return Err(AudienceError::Invalid { field: body, why });
    }
    Ok(Text {
        title: line(title, &wanted.title, TITLE_MAX, "one line of 1 to 120 visible characters")?,
        text: text.to_owned(),
        language: wanted.language,
    })
}

fn line(field: &'static str, text: &str, max: usize, why: &'static str) -> Result<String> {
    let name = names::name(text, max).ok_or(AudienceError::Invalid { field, why })?;
    Ok(name.to_owned())
}
