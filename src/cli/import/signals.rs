//! The pass that takes in a file of signals, one act a row, through the same door as HTTP.

use std::path::Path;

use anyhow::Result;
use serde_json::{Map, Value};
use volens_privacy::{Timestamp, Topics};

use super::Importing;
use super::mapping::{BadCell, Cells, Columns};
use crate::signals::{Batch, Content, Item, Kind, Parsed, act, kind_of, take_in};

/// Rows in one transaction.
const CHUNK: usize = 1024;

const NEEDED: [&str; 4] = ["account", "kind", "topic", "at"];
const POSSIBLE: [&str; 2] = ["id", "business"];

impl Importing<'_> {
    /// Takes in every row of the file. Columns: account, kind, topic (several joined by spaces), at;
    /// id and business if there are such columns.
    pub(super) async fn signals(&mut self, path: &Path) -> Result<()> {
        let Some(mut pass) = self.begin("signals", path, None).await? else { return Ok(()) };
        let header = pass.header();
        let possible = POSSIBLE.into_iter().filter(|name| header.iter().any(|held| held == name));
        let columns = Columns::find(header, NEEDED.into_iter().chain(possible))?;
        while let Some(chunk) = pass.next(CHUNK) {
            let (mut rows, mut items) = (Vec::new(), Vec::new());
            for (row, cells) in &chunk.rows {
                let item = match cells {
                    Some(cells) => item(&columns, cells),
                    None => Err(BadCell::new("", "row.unreadable")),
                };
                match item {
                    Ok(item) => {
                        rows.push(*row);
                        items.push(Parsed { item: Ok(item), notes: Vec::new() });
                    }
                    Err(bad) => self.rejects.cell(&pass.file, *row, &bad)?,
                }
            }
            if !self.dry_run {
                let batch = Batch { app: self.mapping.app.clone(), received: self.now, items };
                let mut tx = self.app.db.begin().await?;
                let (keys, mut rng) = (&self.app.keys, self.app.rng());
                let taken = take_in(&mut tx, keys, &[batch], self.now, &mut rng).await?;
                pass.advance(&mut tx, self).await?;
                tx.commit().await?;
                for (row, taken) in rows.into_iter().zip(taken.into_iter().flatten()) {
                    if let Some(reason) = self.count(taken.outcome) {
                        self.rejects.add(&pass.file, row, reason.code(), "")?;
                    }
                }
            }
            pass.show();
        }
        pass.end(self).await
    }
}

fn item(columns: &Columns, cells: &Cells) -> Result<Item, BadCell> {
    let of = |column: &'static str| columns.cell(cells, column);
    let need =
        |column: &'static str| of(column).ok_or_else(|| BadCell::new(column, "field.missing"));
    let kind = need("kind")?;
    let kind = Kind::parse(kind).or_else(|| kind_of(kind));
    let kind = kind.ok_or_else(|| BadCell::new("kind", "event.unknown"))?;
    let at = Timestamp::parse(need("at")?).map_err(|_| BadCell::new("at", "time.invalid"))?;
    let topics = of("topic").unwrap_or_default();
    let mut properties = Map::new();
    properties.insert("topics".to_owned(), topics.split_whitespace().map(Value::from).collect());
    if let Some(business) = of("business") {
        properties.insert("business".to_owned(), Value::from(business));
    }
    let content: Content = act(Topics::builtin(), kind, &properties, at)
        .map_err(|reason| BadCell::new("topic", reason.code()))?;
    let account = need("account")?.to_owned();
    // Without an id, the same act of the same account at the same time is the same signal.
    let key = of("id").map_or_else(
        || {
            format!(
                "import/{account}/{kind}/{topics}/{}/{}",
                at,
                of("business").unwrap_or_default()
            )
        },
        |id| format!("import/{id}"),
    );
    Ok(Item { account, key: Some(key), at, content })
}
