//! Who objected to direct marketing (GDPR Art. 21(2), (3)): a stop that outlives the account.
//!
//! What is kept is a keyed tag per app and when it was said; nothing leads from it to an account
//! without the key ring. An account is recognised by its own reference tag, so whoever is erased and
//! comes back under the same reference is still left in peace.

use std::collections::{BTreeMap, BTreeSet};

use volens_privacy::identity::{AccountTag, AppId, SubjectId, SuppressionTag};
use volens_privacy::keys::KeyRing;
use volens_privacy::{PurposeKind, Timestamp};

use super::store;
use crate::db::{self, Tx};

/// What direct marketing consists of here: the messages, the follow-ups of a bot, and the profiling
/// that serves them (GDPR Art. 21(2): "which includes profiling to the extent that it is related").
pub const MARKETING: [PurposeKind; 3] =
    [PurposeKind::BusinessMessages, PurposeKind::Relevance, PurposeKind::FollowUp];

/// An objection that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Objection {
    /// When it was last said.
    pub at: Timestamp,
    /// Ledger index of the entry that says that somebody objected.
    pub entry: u64,
}

/// The objections among the accounts that `app` calls by these tags, whether the accounts exist or
/// not.
///
/// # Errors
/// [`db::Error::Damaged`] when a tag was not made by this key ring: who it is cannot be told, so
/// nothing may go on.
pub async fn standing(
    tx: &mut Tx,
    keys: &KeyRing,
    app: &AppId,
    tags: impl IntoIterator<Item = AccountTag>,
) -> db::Result<BTreeMap<AccountTag, Objection>> {
    let mut asked: BTreeMap<SuppressionTag, AccountTag> = BTreeMap::new();
    for tag in tags {
        asked.insert(suppressed(keys, app, &tag)?, tag);
    }
    let found = store::suppressions(tx, app, asked.keys().copied()).await?;
    Ok(found
        .into_iter()
        .filter_map(|(tag, objection)| Some((*asked.get(&tag)?, objection)))
        .collect())
}

/// Which of these accounts object. One whose reference cannot be read counts as objecting.
pub async fn objecting(
    tx: &mut Tx,
    keys: &KeyRing,
    subjects: &[SubjectId],
) -> db::Result<BTreeSet<SubjectId>> {
    let mut by_app: BTreeMap<AppId, BTreeMap<SuppressionTag, SubjectId>> = BTreeMap::new();
    let mut objecting = BTreeSet::new();
    for (subject, app, tag) in store::references(tx, subjects).await? {
        match keys.suppression_tag(&app, &tag) {
            Ok(tag) => drop(by_app.entry(app).or_default().insert(tag, subject)),
            Err(_) => drop(objecting.insert(subject)),
        }
    }
    for (app, tags) in by_app {
        let found = store::suppressions(tx, &app, tags.keys().copied()).await?;
        objecting.extend(found.into_iter().filter_map(|(tag, _)| tags.get(&tag).copied()));
    }
    Ok(objecting)
}

/// Remembers that the account of this tag objects.
pub async fn remember(
    tx: &mut Tx,
    keys: &KeyRing,
    (app, tag): (&AppId, &AccountTag),
    objection: Objection,
) -> db::Result<()> {
    store::suppress(tx, app, suppressed(keys, app, tag)?, objection).await
}

/// Forgets the objection of the account of this tag.
pub async fn lift(tx: &mut Tx, keys: &KeyRing, app: &AppId, tag: &AccountTag) -> db::Result<()> {
    store::unsuppress(tx, app, suppressed(keys, app, tag)?).await
}

fn suppressed(keys: &KeyRing, app: &AppId, tag: &AccountTag) -> db::Result<SuppressionTag> {
    keys.suppression_tag(app, tag).map_err(|_| db::Error::Damaged("account_references"))
}
