//! The check values of the key ring: a database is only opened with the keys it was written with.

use volens_privacy::keys::{KeyCheck, KeyError, KeyRing};

use super::store;
use crate::db::{self, Tx, values};

/// Why a key ring and a database do not belong together.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    /// Keys are missing or differ.
    #[error("the key ring is not the one this database was written with")]
    Mismatch(#[source] KeyError),
    /// The database.
    #[error("the check values of the key ring cannot be read")]
    Db(#[from] db::Error),
}

/// Compares the ring with the database and notes the check values of keys that are new.
pub async fn verify(tx: &mut Tx, keys: &KeyRing) -> Result<(), KeyRingError> {
    let stored = stored(tx).await?;
    keys.verify_checks(&stored).map_err(KeyRingError::Mismatch)?;
    Ok(bind(tx, keys).await?)
}

/// Notes the check values of keys that new values are or will be made with. Retired ones are not
/// noted again: the database forgets them before the ring does.
pub async fn bind(tx: &mut Tx, keys: &KeyRing) -> Result<(), db::Error> {
    let stored = stored(tx).await?;
    for check in keys.binding_checks() {
        let known =
            stored.iter().any(|old| old.domain == check.domain && old.version == check.version);
        if !known {
            let row = values![&check.domain, check.version, check.value];
            tx.execute(store::ADD_KEY_CHECK, row).await?;
        }
    }
    Ok(())
}

/// Whether the database was written with any keys before.
pub async fn is_bound(tx: &mut Tx) -> Result<bool, db::Error> {
    Ok(!stored(tx).await?.is_empty())
}

/// The check values that the database was written with.
pub async fn stored(tx: &mut Tx) -> Result<Vec<KeyCheck>, db::Error> {
    let rows = tx.fetch(store::KEY_CHECKS, vec![]).await?;
    let read = |row: &db::Row| {
        Ok(KeyCheck {
            domain: row.get("domain")?,
            version: row.get("version")?,
            value: row.get("value")?,
        })
    };
    rows.iter().map(read).collect()
}
