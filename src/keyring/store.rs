//! Rotation in SQL: fences, nodes, and every row that something of the key ring went into.

use volens_privacy::Timestamp;
use volens_privacy::identity::{AccountTag, AppId, LinkToken, SubjectId};
use volens_privacy::keys::KeyDomain;

use crate::db::{self, Row, Tx, statements, values};

statements! {
    FENCE = "select version, pending from key_fences where domain = $1";
    LOCK_FENCE = "select version, pending from key_fences where domain = $1"
        | postgres "select version, pending from key_fences where domain = $1 for update";
    SET_FENCE = "update key_fences set version = $2, floor = $3, pending = $4 where domain = $1";
    ORDER = "update key_fences set ordered_at = $1
             where domain = 'kek' and (ordered_at is null or ordered_at <= $2)";

    SEE_NODE = "insert into key_nodes (node, domain, held, active, seen_at)
                values ($1, $2, $3, $4, $5)
                on conflict (node, domain) do update
                set held = excluded.held, active = excluded.active, seen_at = excluded.seen_at";
    LEAVE = "delete from key_nodes where node = $1";
    FORGET_NODES = "delete from key_nodes where seen_at < $1";
    BEHIND = "select count(*) as n from key_nodes
              where domain = $1 and seen_at >= $2 and (held < $3 or active < $4)";

    FORGET_CHECKS = "delete from key_checks where domain = $1 and version = $2";

    ACCOUNT_KEYS = "select subject as owner, wrapped from account_keys
                    where subject > $1 order by subject limit $2";
    REWRAP_ACCOUNT = "update account_keys set wrapped = $2 where subject = $1 and wrapped = $3";
    CONVERSATION_KEYS = "select bot, conversation as owner, wrapped_key as wrapped
                         from conversations where bot > $1 or (bot = $1 and conversation > $2)
                         order by bot, conversation limit $3";
    REWRAP_CONVERSATION = "update conversations set wrapped_key = $3
                           where bot = $1 and conversation = $2 and wrapped_key = $4";
    ANSWER_KEYS = "select id, wrapped from idempotency_keys
                   where id > $1 order by id limit $2";
    REWRAP_ANSWER = "update idempotency_keys set wrapped = $2 where id = $1 and wrapped = $3";
    FORGET_ANSWER = "delete from idempotency_keys where id = $1";
    COUNT_WRAPPED = "select (select count(*) from account_keys)
                          + (select count(*) from conversations)
                          + (select count(*) from idempotency_keys) as n";
    COUNT_OLDER = "select (select count(*) from account_keys where wrapped < $1)
                        + (select count(*) from conversations where wrapped_key < $1)
                        + (select count(*) from idempotency_keys where wrapped < $1) as n";

    REFERENCES = "select app, tag, subject from account_references
                  where subject > $1 or (subject = $1 and tag > $2)
                  order by subject, tag limit $3";
    RETAG = "update account_references set tag = $3 where app = $1 and tag = $2";
    PRIVACY_TAGS = "select token, app, tag from privacy_links where token > $1
                    order by token limit $2";
    RETAG_PRIVACY = "update privacy_links set tag = $2 where token = $1";
    TOKENS = "select subject, app, peer, token from link_tokens
              where subject > $1 or (subject = $1 and peer > $2)
              order by subject, peer limit $3";
    RETOKEN = "update link_tokens set token = $3 where subject = $1 and peer = $2";
    COUNT_TAGGED = "select (select count(*) from account_references)
                         + (select count(*) from privacy_links)
                         + (select count(*) from link_tokens) as n";
    DROP_PEPPERED = "delete from link_tokens where pepper = $1";
}

/// Where the fence of a root stands.
pub(super) struct Fence {
    pub(super) version: u32,
    pub(super) pending: Option<u32>,
}

fn fence_of(row: &Row) -> db::Result<Fence> {
    let pending: Option<i64> = row.get("pending")?;
    let pending = pending.map(|n| u32::try_from(n).map_err(|_| db::Error::Range)).transpose()?;
    Ok(Fence { version: row.get("version")?, pending })
}

pub(super) async fn fence(tx: &mut Tx, domain: KeyDomain) -> db::Result<Fence> {
    fence_of(&tx.fetch_one(FENCE, values![domain.as_str()]).await?)
}

/// The fence, kept from being moved by others until the transaction ends.
pub(super) async fn lock_fence(tx: &mut Tx, domain: KeyDomain) -> db::Result<Fence> {
    fence_of(&tx.fetch_one(LOCK_FENCE, values![domain.as_str()]).await?)
}

pub(super) async fn set_fence(
    tx: &mut Tx,
    domain: KeyDomain,
    version: u32,
    pending: Option<u32>,
) -> db::Result<()> {
    let floor = version.to_be_bytes();
    let values = values![domain.as_str(), version, floor, pending];
    tx.execute(SET_FENCE, values).await.map(drop)
}

/// Notes that somebody looks now; nothing when somebody did after `before`.
pub(super) async fn order(tx: &mut Tx, now: Timestamp, before: Timestamp) -> db::Result<bool> {
    Ok(tx.execute(ORDER, values![now, before]).await? > 0)
}

pub(super) async fn see_node(
    tx: &mut Tx,
    node: [u8; 16],
    roots: &[(KeyDomain, u32, u32)],
    now: Timestamp,
) -> db::Result<()> {
    for (domain, held, active) in roots {
        tx.execute(SEE_NODE, values![node, domain.as_str(), *held, *active, now]).await?;
    }
    Ok(())
}

pub(super) async fn leave(tx: &mut Tx, node: [u8; 16]) -> db::Result<()> {
    tx.execute(LEAVE, values![node]).await.map(drop)
}

pub(super) async fn forget_nodes(tx: &mut Tx, before: Timestamp) -> db::Result<()> {
    tx.execute(FORGET_NODES, values![before]).await.map(drop)
}

/// Processes seen since `since` that cannot read `held` or do not write with `active` yet.
pub(super) async fn behind(
    tx: &mut Tx,
    domain: KeyDomain,
    since: Timestamp,
    held: u32,
    active: u32,
) -> db::Result<usize> {
    let row = tx.fetch_one(BEHIND, values![domain.as_str(), since, held, active]).await?;
    Ok(row.get::<u64>("n")? as usize)
}

pub(super) async fn forget_check(tx: &mut Tx, domain: &str, version: u32) -> db::Result<bool> {
    Ok(tx.execute(FORGET_CHECKS, values![domain, version]).await? > 0)
}

/// A wrapped key, and the row it stands in.
pub(super) struct Wrapped {
    pub(super) row: Place,
    pub(super) owner: [u8; 16],
    pub(super) bytes: Vec<u8>,
}

/// The row of a wrapped key.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Place {
    Account([u8; 16]),
    Conversation([u8; 16], [u8; 16]),
    Answer([u8; 32]),
}

/// Where a walk over all wrapped keys begins.
pub(super) const KINDS: [Place; 3] =
    [Place::Account([0; 16]), Place::Conversation([0; 16], [0; 16]), Place::Answer([0; 32])];

/// The next wrapped keys of the same kind after a row. Ids are random, so none is all zero.
pub(super) async fn wrapped_after(
    tx: &mut Tx,
    last: &Place,
    limit: u32,
) -> db::Result<Vec<Wrapped>> {
    let rows = match last {
        Place::Account(subject) => tx.fetch(ACCOUNT_KEYS, values![*subject, limit]).await?,
        Place::Conversation(bot, id) => {
            tx.fetch(CONVERSATION_KEYS, values![*bot, *id, limit]).await?
        }
        Place::Answer(id) => tx.fetch(ANSWER_KEYS, values![*id, limit]).await?,
    };
    let read = |row: &Row| {
        let (place, owner) = match last {
            Place::Account(_) => {
                let owner = row.get("owner")?;
                (Place::Account(owner), owner)
            }
            Place::Conversation(..) => {
                let owner = row.get("owner")?;
                (Place::Conversation(row.get("bot")?, owner), owner)
            }
            Place::Answer(_) => {
                let id: [u8; 32] = row.get("id")?;
                let owner = *id.first_chunk().expect("32 bytes begin with 16");
                (Place::Answer(id), owner)
            }
        };
        Ok(Wrapped { row: place, owner, bytes: row.get("wrapped")? })
    };
    rows.iter().map(read).collect()
}

/// Replaces a wrapped key, if it is still the one that was read.
pub(super) async fn replace_wrapped(tx: &mut Tx, old: &Wrapped, new: Vec<u8>) -> db::Result<()> {
    let (statement, row) = match &old.row {
        Place::Account(subject) => (REWRAP_ACCOUNT, values![*subject, new, old.bytes.clone()]),
        Place::Conversation(bot, id) => {
            (REWRAP_CONVERSATION, values![*bot, *id, new, old.bytes.clone()])
        }
        Place::Answer(id) => (REWRAP_ANSWER, values![*id, new, old.bytes.clone()]),
    };
    tx.execute(statement, row).await.map(drop)
}

pub(super) async fn forget_answer(tx: &mut Tx, id: &[u8; 32]) -> db::Result<()> {
    tx.execute(FORGET_ANSWER, values![*id]).await.map(drop)
}

pub(super) async fn count_wrapped(tx: &mut Tx) -> db::Result<u64> {
    tx.fetch_one(COUNT_WRAPPED, values![]).await?.get("n")
}

/// Keys that are wrapped under a version before this one.
pub(super) async fn count_older(tx: &mut Tx, version: u32) -> db::Result<u64> {
    tx.fetch_one(COUNT_OLDER, values![version.to_be_bytes()]).await?.get("n")
}

/// Something with an outer layer, and the row it stands in.
pub(super) enum Tagged {
    Reference { app: AppId, tag: AccountTag, subject: SubjectId },
    PrivacyLink { token: [u8; 32], app: AppId, tag: AccountTag },
    Token { subject: SubjectId, app: AppId, peer: AppId, token: LinkToken },
}

pub(super) async fn references_after(
    tx: &mut Tx,
    last: Option<&Tagged>,
    limit: u32,
) -> db::Result<Vec<Tagged>> {
    let (subject, tag) = match last {
        Some(Tagged::Reference { subject, tag, .. }) => {
            (subject.as_bytes().to_vec(), tag.as_bytes().to_vec())
        }
        _ => Default::default(),
    };
    let rows = tx.fetch(REFERENCES, values![subject, tag, limit]).await?;
    let read = |row: &Row| {
        let tag = AccountTag::from_bytes(row.get("tag")?);
        Ok(Tagged::Reference { app: row.get("app")?, tag, subject: row.get("subject")? })
    };
    rows.iter().map(read).collect()
}

pub(super) async fn privacy_links_after(
    tx: &mut Tx,
    last: Option<&Tagged>,
    limit: u32,
) -> db::Result<Vec<Tagged>> {
    let token = match last {
        Some(Tagged::PrivacyLink { token, .. }) => token.to_vec(),
        _ => Vec::new(),
    };
    let rows = tx.fetch(PRIVACY_TAGS, values![token, limit]).await?;
    let read = |row: &Row| {
        let tag = AccountTag::from_bytes(row.get("tag")?);
        Ok(Tagged::PrivacyLink { token: row.get("token")?, app: row.get("app")?, tag })
    };
    rows.iter().map(read).collect()
}

pub(super) async fn tokens_after(
    tx: &mut Tx,
    last: Option<&Tagged>,
    limit: u32,
) -> db::Result<Vec<Tagged>> {
    let (subject, peer) = match last {
        Some(Tagged::Token { subject, peer, .. }) => {
            (subject.as_bytes().to_vec(), peer.to_string())
        }
        _ => Default::default(),
    };
    let rows = tx.fetch(TOKENS, values![subject, peer, limit]).await?;
    let read = |row: &Row| {
        let token = LinkToken::from_bytes(row.get("token")?);
        let (subject, app, peer) = (row.get("subject")?, row.get("app")?, row.get("peer")?);
        Ok(Tagged::Token { subject, app, peer, token })
    };
    rows.iter().map(read).collect()
}

pub(super) async fn retag(
    tx: &mut Tx,
    app: &AppId,
    old: &AccountTag,
    new: &AccountTag,
) -> db::Result<()> {
    tx.execute(RETAG, values![app, old.as_bytes(), new.as_bytes()]).await.map(drop)
}

pub(super) async fn retag_privacy_link(
    tx: &mut Tx,
    token: &[u8; 32],
    new: &AccountTag,
) -> db::Result<()> {
    tx.execute(RETAG_PRIVACY, values![*token, new.as_bytes()]).await.map(drop)
}

pub(super) async fn retoken(
    tx: &mut Tx,
    subject: SubjectId,
    peer: &AppId,
    new: &LinkToken,
) -> db::Result<()> {
    tx.execute(RETOKEN, values![subject, peer, new.as_bytes()]).await.map(drop)
}

pub(super) async fn count_tagged(tx: &mut Tx) -> db::Result<u64> {
    tx.fetch_one(COUNT_TAGGED, values![]).await?.get("n")
}

/// Deletes the tokens that a version of `pepper` went into; gives their number.
pub(super) async fn drop_peppered(tx: &mut Tx, version: u32) -> db::Result<u64> {
    tx.execute(DROP_PEPPERED, values![version]).await
}
