//! Everything that names an account, in SQL, read for that account alone.

use volens_privacy::{AppId, RecipientId, SubjectId};

use super::document::{LentPart, OutcomePart, StopPart};
use crate::db::{self, Row, Tx, statements, values};
use crate::ids::{CampaignId, ExposureId, ListId};

statements! {
    SCORES = "select s.list, s.business, s.arm, s.score, s.model, r.recipient, r.rank, r.uplift, r.risk,
                     r.propensity, r.variant, r.variant_propensity, r.reasons, r.messages_entry,
                     s.relevance_entry, l.created_at, l.expires_at, c.title, c.variants, b.name
              from scores s
              join lists l on l.business = s.business and l.id = s.list
              join campaigns c on c.business = l.business and c.id = l.campaign
              left join businesses b on b.id = s.business
              left join list_rows r on r.subject = s.subject and r.list = s.list
              where s.subject = $1 order by l.created_at, s.list";
    BORROWED = "select list, peer from list_loans where subject = $1 order by list, peer";
    LENT = "select list, business, lender_entry, relevance_entry from list_loans
            where lender = $1 order by list, business";
    EXPOSURES = "select id, business, campaign, list, arm, treated, at, closes_at, features,
                        variant, variant_propensity
                 from exposures where subject = $1 order by at, id";
    OUTCOMES = "select exposure, kind, at, value from outcomes
                where subject = $1 order by exposure, at, kind";
    STOPS = "select business, kind, stopped_at from list_stops where subject = $1 order by business";
}

pub(super) async fn scores(tx: &mut Tx, subject: SubjectId) -> db::Result<Vec<Row>> {
    tx.fetch(SCORES, values![subject]).await
}

pub(super) async fn borrowed(tx: &mut Tx, subject: SubjectId) -> db::Result<Vec<(ListId, AppId)>> {
    let rows = tx.fetch(BORROWED, values![subject]).await?;
    rows.iter().map(|row| Ok((row.get("list")?, row.get("peer")?))).collect()
}

pub(super) async fn lent(tx: &mut Tx, subject: SubjectId) -> db::Result<Vec<LentPart>> {
    let rows = tx.fetch(LENT, values![subject]).await?;
    let part = |row: &Row| {
        let entries = vec![row.get("lender_entry")?, row.get("relevance_entry")?];
        Ok(LentPart { list: row.get("list")?, business: row.get("business")?, entries })
    };
    rows.iter().map(part).collect()
}

pub(super) async fn exposures(tx: &mut Tx, subject: SubjectId) -> db::Result<Vec<Row>> {
    tx.fetch(EXPOSURES, values![subject]).await
}

pub(super) async fn outcomes(
    tx: &mut Tx,
    subject: SubjectId,
) -> db::Result<Vec<(ExposureId, OutcomePart)>> {
    let rows = tx.fetch(OUTCOMES, values![subject]).await?;
    let part = |row: &Row| {
        let (kind, at, value) = (row.get("kind")?, row.get("at")?, row.get("value")?);
        Ok((row.get("exposure")?, OutcomePart { kind, at, value }))
    };
    rows.iter().map(part).collect()
}

pub(super) async fn stops(tx: &mut Tx, subject: SubjectId) -> db::Result<Vec<StopPart>> {
    let rows = tx.fetch(STOPS, values![subject]).await?;
    let part = |row: &Row| {
        let (business, kind, at) = (row.get("business")?, row.get("kind")?, row.get("stopped_at")?);
        Ok(StopPart { business, kind, at })
    };
    rows.iter().map(part).collect()
}

/// The recipient of a row, when there is one.
pub(super) fn recipient(row: &Row) -> db::Result<Option<RecipientId>> {
    let bytes: Option<[u8; 16]> = row.get("recipient")?;
    Ok(bytes.map(RecipientId::from_bytes))
}

/// The campaign of an exposure, when it was made here.
pub(super) fn campaign(row: &Row) -> db::Result<Option<CampaignId>> {
    row.get("campaign")
}
