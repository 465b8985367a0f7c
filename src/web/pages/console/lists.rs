//! A list: how it came about, who is on it and why, and the proof for every row.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use serde::Deserialize;

use super::super::guard::AsBusiness;
use super::super::languages::{Chosen, LANGUAGES};
use super::super::shell::{Page, Shell};
use super::super::text;
use crate::app::App;
use crate::audience::export::Format;
use crate::audience::forecast::{Forecast, Words};
use crate::audience::order::Ranking;
use crate::audience::recalls;
use crate::audience::request::{self, ListState, Rules};
use crate::audience::shelf::{self, Shelf};
use crate::audience::summary;
use crate::audience::{
    AudienceError, Campaign, Filter, Ground, List, PublishedWaterfall, Row, campaigns,
};
use crate::ids::ListId;
use crate::readings::{self, Subject};
use crate::web::callers::Known;
use crate::web::extract::{Path, Query};
use crate::web::problem::ApiResult;

/// Rows on a page; each carries its proofs.
const ROWS: u32 = 25;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/console/lists/{list}", get(list))
        .route("/console/lists/{list}/recalls", post(acknowledge))
}

/// One line of the waterfall, with where its bar begins and how long it is, in thousandths.
struct Bar {
    text: String,
    count: Option<u64>,
    class: &'static str,
    from: u64,
    length: u64,
}

/// The sealed rows of one page.
struct Sealed {
    page: shelf::Page,
    rows: u64,
    left: u64,
    entry: u64,
    root: String,
    model: String,
    ranking: Option<Ranking>,
    forecast: Option<Forecast>,
    checkpoint: String,
}

#[derive(Template)]
#[template(path = "console/list.html")]
struct ListPage {
    shell: Shell,
    campaign: Campaign,
    list: List,
    bars: Vec<Bar>,
    floor: u64,
    sealed: Option<Sealed>,
    expired: bool,
    recalled: u64,
    stopped: u64,
    counts: Option<PublishedWaterfall>,
    done: u64,
    after: u32,
    /// In which the forecast is read; the rest of the console is in English.
    words: &'static Words,
}

#[derive(Deserialize)]
struct ListQuery {
    #[serde(default)]
    after: u32,
}

async fn list(
    AsBusiness { session, id }: AsBusiness,
    Known(caller): Known,
    State(app): State<App>,
    Path(list): Path<ListId>,
    Query(query): Query<ListQuery>,
    chosen: Chosen,
) -> ApiResult<impl IntoResponse> {
    let (mut tx, now) = (app.db.read().await?, app.now());
    let found = request::find(&mut tx, id, list).await?;
    let campaign = campaigns::find(&mut tx, id, found.campaign).await?;
    let rules = Rules::from(&app.settings.lists);
    let counts = summary::published_counts(&found, &rules);
    let opened = match Shelf::open(&mut tx, id, list, now).await {
        Ok(shelf) => {
            drop(tx);
            let down_to = query.after.saturating_add(ROWS);
            recalls::note_served(&app.db, (id, list), down_to, now).await?;
            tx = app.db.read().await?;
            Some(shelf)
        }
        Err(AudienceError::NotSealed(_) | AudienceError::Expired) => None,
        Err(error) => return Err(error.into()),
    };
    let sealed = match &opened {
        None => None,
        Some(shelf) => Some(Sealed {
            page: shelf.page(&mut tx, &app.keys, query.after, ROWS, now).await?,
            rows: shelf.sealing.rows,
            left: request::rows_now(&mut tx, &shelf.list).await?,
            entry: shelf.sealing.entry,
            root: shelf.sealing.rows_root.to_string(),
            model: shelf.sealing.model.clone(),
            ranking: shelf.sealing.ranking.clone(),
            forecast: shelf.sealing.forecast,
            checkpoint: shelf.checkpoint.as_str().to_owned(),
        }),
    };
    let recalled = recalls::open_of_list(&mut tx, (id, list)).await?;
    let stopped = recalls::stopped_of_list(&mut tx, (id, list)).await?;
    drop(tx);
    if let Some(sealed) = &sealed {
        let people = sealed.page.rows.len() as u64;
        readings::http::note(&app, &caller, Subject::Rows(list), people).await?;
    }
    Ok(Page(ListPage {
        shell: Shell::of(&session, "/console"),
        recalled,
        stopped,
        done: summary::published_done(&found, &rules),
        bars: counts.as_ref().map(bars).unwrap_or_default(),
        counts,
        floor: rules.k,
        expired: found.state == ListState::Sealed && sealed.is_none(),
        campaign,
        list: found,
        sealed,
        after: query.after,
        words: Words::of(chosen.code()),
    }))
}

/// The business says that it writes to none of the recalled any more.
async fn acknowledge(
    AsBusiness { id, .. }: AsBusiness,
    State(app): State<App>,
    Path(list): Path<ListId>,
) -> ApiResult<impl IntoResponse> {
    let mut tx = app.db.begin().await?;
    request::find(&mut tx, id, list).await?;
    recalls::acknowledge_list(&mut tx, (id, list), app.now()).await?;
    tx.commit().await?;
    Ok(Redirect::to(&format!("/console/lists/{list}")))
}

/// From everybody in the app down to the rows of the list. A withheld step has no bar.
fn bars(waterfall: &PublishedWaterfall) -> Vec<Bar> {
    let scale = |count: u64| count.saturating_mul(1000) / waterfall.accounts.max(1);
    let whole = |text: &str, count: u64, class| Bar {
        text: text.to_owned(),
        count: Some(count),
        class,
        from: 0,
        length: scale(count),
    };
    let mut bars = vec![whole("accounts in the app", waterfall.accounts, "bar")];
    let mut left = waterfall.accounts;
    for step in &waterfall.steps {
        let count = step.excluded.unwrap_or(0);
        left = left.saturating_sub(count);
        if step.excluded != Some(0) {
            bars.push(Bar {
                text: step.text.clone(),
                count: step.excluded,
                class: "gone",
                from: scale(left),
                length: scale(count),
            });
        }
    }
    bars.push(whole("on the list when it was sealed", waterfall.listed, "end-bar"));
    bars
}

impl ListPage {
    fn is_underway(&self) -> bool {
        matches!(self.list.state, ListState::Queued | ListState::Building)
    }

    fn tone(&self) -> &'static str {
        match self.list.state {
            ListState::Queued | ListState::Building => "warn",
            ListState::Sealed => "good",
            ListState::Refused | ListState::Failed => "bad",
        }
    }

    fn formats() -> [&'static str; 3] {
        Format::ALL.map(Format::name)
    }

    /// Every consent a row rests on, named.
    fn grounds(row: &Row) -> Vec<(String, &Ground)> {
        let consent = &row.consent;
        let mut grounds = vec![
            ("Receives messages from businesses".to_owned(), &consent.messages),
            ("May be ranked".to_owned(), &consent.relevance),
        ];
        for lent in &consent.borrowed {
            grounds.push((format!("Linked with {}", lent.app), &lent.own));
            grounds.push((format!("Linked back from {}", lent.app), &lent.lender));
            grounds.push((format!("May be ranked in {}", lent.app), &lent.relevance));
        }
        grounds
    }

    fn leaf(ground: &Ground) -> String {
        text::pretty(&ground.leaf.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audience::{Exclusion, Waterfall};

    #[test]
    fn bars_lead_from_everybody_to_the_list() {
        let mut waterfall = Waterfall::of(1000);
        waterfall.exclude(Exclusion::NoMessagesConsent, 400);
        waterfall.exclude(Exclusion::Frozen, 60);
        let bars = bars(&waterfall.published(50));
        let drawn: Vec<_> = bars.iter().map(|bar| (bar.from, bar.length)).collect();
        assert_eq!(drawn, [(0, 1000), (600, 400), (540, 60), (0, 540)]);
        assert_eq!(bars[3].count, Some(540));
    }
}
