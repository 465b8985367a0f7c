//! Recall notices over HTTP.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use volens_privacy::RecipientId;

use super::bad_cursor;
use crate::app::App;
use crate::audience::recalls::{self, BATCH_MAX, Recall, RecallName};
use crate::ids::ListId;
use crate::web::callers::Business;
use crate::web::extract::Query;
use crate::web::json::Json;
use crate::web::paging::{Page, PageQuery};
use crate::web::problem::{ApiResult, Problem};

/// Whom not to write to any more (GDPR Art. 17(2), 19).
///
/// One notice per recipient of a list that was read or exported, whose row has ended since: by a
/// withdrawal, an objection, a restriction or an erasure; by which is not told. Take the id out of
/// everything made from that list and acknowledge within seven days; after that the officer sees it.
#[utoipa::path(get, path = "/v1/recalls", tag = "audience", security(("key" = []), ("session" = [])),
    params(PageQuery), responses((status = 200, body = Page<Recall>)))]
pub(super) async fn list_recalls(
    Business { id }: Business,
    State(app): State<App>,
    Query(page): Query<PageQuery>,
) -> ApiResult<Json<Page<Recall>>> {
    let asked = page.asked(&app.settings.web)?;
    let mut tx = app.db.begin().await?;
    recalls::raise(&mut tx, app.now()).await?;
    let found = recalls::open(&mut tx, id, last(&asked.after)?, asked.limit + 1).await?;
    tx.commit().await?;
    let key = |recall: &Recall| [*recall.list.as_bytes(), *recall.recipient.as_bytes()].concat();
    Ok(Json(asked.page(found, key, |recall| recall)))
}

fn last(after: &[u8]) -> ApiResult<Option<(ListId, RecipientId)>> {
    if after.is_empty() {
        return Ok(None);
    }
    let (list, recipient) = after.split_first_chunk::<16>().ok_or_else(bad_cursor)?;
    let recipient: [u8; 16] = recipient.try_into().map_err(|_| bad_cursor())?;
    Ok(Some((ListId::from_bytes(*list), RecipientId::from_bytes(recipient))))
}

/// What the business has stopped.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AcknowledgeIn {
    /// At most 1000.
    recalls: Vec<RecallName>,
}

/// What that closed.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct AcknowledgedOut {
    /// Notices that are closed now and were not before.
    acknowledged: u64,
}

/// Say that recalled recipients are written to no more. Doing it twice is the same as once.
#[utoipa::path(post, path = "/v1/recalls/acknowledge", tag = "audience",
    security(("key" = []), ("session" = [])), request_body = AcknowledgeIn,
    responses((status = 200, body = AcknowledgedOut)))]
pub(super) async fn acknowledge_recalls(
    Business { id }: Business,
    State(app): State<App>,
    Json(body): Json<AcknowledgeIn>,
) -> ApiResult<Json<AcknowledgedOut>> {
    if body.recalls.len() > BATCH_MAX {
        return Err(Problem::refused("batch.too_large", "at most 1000 recalls in one call"));
    }
    let mut tx = app.db.begin().await?;
    let acknowledged = recalls::acknowledge(&mut tx, id, &body.recalls, app.now()).await?;
    tx.commit().await?;
    Ok(Json(AcknowledgedOut { acknowledged }))
}
