//! Addresses in SQL, found by keyed hash only.

use volens_privacy::Timestamp;
use volens_privacy::identity::{AccountTag, AppId, SubjectId};

use crate::db::{self, Tx, statements, values};

statements! {
    ADD = "insert into privacy_links (token, subject, app, tag, expires_at)
           values ($1, $2, $3, $4, $5)";
    FIND = "select subject, app, tag, expires_at from privacy_links where token = $1";
    FORGET = "delete from privacy_links where expires_at <= $1";
}

/// An address as it is kept.
pub(super) struct Kept {
    pub(super) subject: SubjectId,
    pub(super) app: AppId,
    pub(super) account: AccountTag,
    pub(super) expires_at: Timestamp,
}

pub(super) async fn add(
    tx: &mut Tx,
    token: [u8; 32],
    subject: SubjectId,
    (app, tag): (&AppId, &AccountTag),
    expires_at: Timestamp,
) -> db::Result<()> {
    let tag: &[u8] = tag.as_bytes();
    tx.execute(ADD, values![token, subject, app, tag, expires_at]).await?;
    Ok(())
}

pub(super) async fn find(tx: &mut Tx, token: [u8; 32]) -> db::Result<Option<Kept>> {
    let Some(row) = tx.fetch_optional(FIND, values![token]).await? else { return Ok(None) };
    Ok(Some(Kept {
        subject: row.get("subject")?,
        app: row.get("app")?,
        account: AccountTag::from_bytes(row.get("tag")?),
        expires_at: row.get("expires_at")?,
    }))
}

/// Deletes what works no longer.
pub(super) async fn forget(tx: &mut Tx, now: Timestamp) -> db::Result<u64> {
    tx.execute(FORGET, values![now]).await
}
