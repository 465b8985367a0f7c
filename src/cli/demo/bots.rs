//! The bots of the town's shops.

use anyhow::{Result, ensure};
use serde_json::{Value as Json, json};

use super::api::text;
use super::seed::Town;

/// A bot of the town: whose, its languages, its persona, its document.
struct BotOf {
    shop: usize,
    name: &'static str,
    languages: &'static [&'static str],
    greeting: &'static str,
    kind: &'static str,
    title: &'static str,
    content: &'static str,
}

const BOTS: [BotOf; 3] = [
    BotOf {
        shop: 0,
        name: "Bergrad workshop",
        languages: &["en"],
        greeting: "Hello, this is the Bergrad workshop.",
        kind: "markdown",
        title: "Workshop handbook",
        content: include_str!("corpus/bergrad.md"),
    },
    BotOf {
        shop: 5,
        name: "Bahnfrei Auskunft",
        languages: &["de"],
        greeting: "Guten Tag, hier ist die Auskunft von Bahnfrei.",
        kind: "faq_csv",
        title: "Häufige Fragen",
        content: include_str!("corpus/bahnfrei.csv"),
    },
    BotOf {
        shop: 6,
        name: "Livraria do Porto",
        languages: &["pt"],
        greeting: "Olá, fala a Livraria do Porto.",
        kind: "markdown",
        title: "Guia da livraria",
        content: include_str!("corpus/livraria.md"),
    },
];

/// Builds and publishes the town's bots; answers their ids.
pub(super) async fn publish(town: &Town) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    for bot in &BOTS {
        let client = &town.shops[bot.shop].1;
        let made = client
            .post(
                "/v1/bots",
                json!({
                    "name": bot.name,
                    "languages": bot.languages,
                    "persona": { "greeting": bot.greeting },
                }),
            )
            .await?;
        let id = text(&made, "/id")?.to_owned();
        let document = json!({ "title": bot.title, "kind": bot.kind, "content": bot.content });
        client.post(&format!("/v1/bots/{id}/documents"), document).await?;
        client.post(&format!("/v1/bots/{id}/publish"), Json::Null).await?;
        ids.push(id);
    }
    ensure!(ids.len() == BOTS.len(), "every bot has an id");
    Ok(ids)
}
