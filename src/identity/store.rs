//! The link view in SQL.

use volens_privacy::identity::{AppId, LinkToken, SubjectId};

use crate::db::{self, Row, Tx, Value, statements, values};
use crate::ids::GrantId;

statements! {
    LINKS = "select app_a, subject_a, app_b, subject_b, grant_a, grant_b, token_a, token_b
             from links where subject_a in ({list})";
}

/// Two equal live tokens.
pub(super) struct Candidate {
    pub(super) subject: SubjectId,
    pub(super) app: AppId,
    pub(super) token: LinkToken,
    pub(super) grant: GrantId,
    pub(super) peer_subject: SubjectId,
    pub(super) peer_app: AppId,
    pub(super) peer_token: LinkToken,
    pub(super) peer_grant: GrantId,
}

fn candidate(row: &Row) -> db::Result<Candidate> {
    Ok(Candidate {
        subject: row.get("subject_a")?,
        app: row.get("app_a")?,
        token: LinkToken::from_bytes(row.get("token_a")?),
        grant: row.get("grant_a")?,
        peer_subject: row.get("subject_b")?,
        peer_app: row.get("app_b")?,
        peer_token: LinkToken::from_bytes(row.get("token_b")?),
        peer_grant: row.get("grant_b")?,
    })
}

pub(super) async fn links(tx: &mut Tx, subjects: &[SubjectId]) -> db::Result<Vec<Candidate>> {
    let list = subjects.iter().map(|subject| Value::from(*subject)).collect();
    tx.fetch_list(LINKS, values![], list).await?.iter().map(candidate).collect()
}
