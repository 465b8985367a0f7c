//! Campaigns.

use volens_privacy::BusinessId;

use super::json;
use crate::audience::campaigns::{Campaign, Message, Window};
use crate::db::{self, Row, Tx, statements, values};
use crate::ids::CampaignId;
use crate::relevance::Goal;

statements! {
    ADD = "insert into campaigns (business, id, name, delivery_app, title, body, language, topics,
                                  recognised, goal, window_from, window_until, created_at, variants)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    FIND = "select business, id, name, delivery_app, title, body, language, topics, recognised, goal,
                   window_from, window_until, created_at, variants
              from campaigns where business = $1 and id = $2";
    OWNER = "select business from campaigns where id = $1";
    PAGE = "select business, id, name, delivery_app, title, body, language, topics, recognised, goal,
                   window_from, window_until, created_at, variants
              from campaigns where business = $1 and id > $2 order by id limit $3";
    NAMED = "select title, body, language, topics from campaigns
             where business = $1 and language = $2 and recognised is null
             order by created_at desc, id limit $3";
}

pub(in crate::audience) async fn add_campaign(tx: &mut Tx, campaign: &Campaign) -> db::Result<()> {
    let values = values![
        campaign.business,
        campaign.id,
        &campaign.name,
        &campaign.delivery_app,
        &campaign.message.title,
        &campaign.message.text,
        &campaign.message.language,
        json(&campaign.message.topics),
        campaign.recognised.as_ref().map(json),
        campaign.goal.as_str(),
        campaign.window.from,
        campaign.window.until,
        campaign.created_at,
        Some(&campaign.variants).filter(|texts| !texts.is_empty()).map(json),
    ];
    tx.execute(ADD, values).await?;
    Ok(())
}

pub(in crate::audience) async fn campaign(
    tx: &mut Tx,
    business: BusinessId,
    id: CampaignId,
) -> db::Result<Option<Campaign>> {
    let row = tx.fetch_optional(FIND, values![business, id]).await?;
    row.as_ref().map(read).transpose()
}

pub(in crate::audience) async fn campaigns(
    tx: &mut Tx,
    business: BusinessId,
    after: Option<CampaignId>,
    limit: u32,
) -> db::Result<Vec<Campaign>> {
    // No id is below the empty string of bytes.
    let after = after.map_or_else(Vec::new, |id| id.as_bytes().to_vec());
    tx.fetch(PAGE, values![business, after, limit]).await?.iter().map(read).collect()
}

pub(in crate::audience) async fn campaign_owner(
    tx: &mut Tx,
    id: CampaignId,
) -> db::Result<Option<BusinessId>> {
    let row = tx.fetch_optional(OWNER, values![id]).await?;
    row.map(|row| row.get("business")).transpose()
}

/// The latest messages in a language whose topics this business named itself, newest first.
pub(in crate::audience) async fn named(
    tx: &mut Tx,
    business: BusinessId,
    language: &str,
    limit: u32,
) -> db::Result<Vec<Message>> {
    tx.fetch(NAMED, values![business, language, limit]).await?.iter().map(message).collect()
}

fn read(row: &Row) -> db::Result<Campaign> {
    let (recognised, goal): (Option<String>, String) = (row.get("recognised")?, row.get("goal")?);
    let variants: Option<String> = row.get("variants")?;
    Ok(Campaign {
        id: row.get("id")?,
        business: row.get("business")?,
        name: row.get("name")?,
        delivery_app: row.get("delivery_app")?,
        message: message(row)?,
        variants: variants
            .map(|texts| serde_json::from_str(&texts))
            .transpose()
            .map_err(|_| db::Error::Decode("variants".into()))?
            .unwrap_or_default(),
        recognised: recognised
            .map(|found| serde_json::from_str(&found))
            .transpose()
            .map_err(|_| db::Error::Decode("recognised".into()))?,
        goal: Goal::parse(&goal).ok_or_else(|| db::Error::Decode("goal".into()))?,
        window: Window { from: row.get("window_from")?, until: row.get("window_until")? },
        created_at: row.get("created_at")?,
    })
}

fn message(row: &Row) -> db::Result<Message> {
    let topics: String = row.get("topics")?;
    Ok(Message {
        title: row.get("title")?,
        text: row.get("body")?,
        language: row.get("language")?,
        topics: serde_json::from_str(&topics).map_err(|_| db::Error::Decode("topics".into()))?,
    })
}
