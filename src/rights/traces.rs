//! Making an erasure physical, and looking whether anything is left.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use volens_privacy::identity::AppId;
use volens_privacy::identity::LinkToken;
use volens_privacy::keys::KeyRing;
use volens_privacy::phone::{PhoneEncoding, PhoneNumber};
use volens_privacy::{SubjectId, Timestamp};

use super::files::{Report, Search};
use super::{RightsError, store};
use crate::db::{Db, Purged};
use crate::ids::{hex, unhex};
use crate::needles::{Needle, Needles, Tally, Trace};
use crate::relevance;

/// Every table that holds something of an account, or of an answer about one. A test compares it with
/// the schema.
pub(crate) const TABLES: &[&str] = &[
    "account_keys",
    "account_references",
    "accounts",
    "awaited_purchases",
    "consent_records",
    "corrections",
    "exposures",
    "grants",
    "idempotency_keys",
    "link_tokens",
    "list_loans",
    "list_rows",
    "list_stops",
    "model_members",
    "openings",
    "outcomes",
    "privacy_links",
    "profiles",
    "removed_accounts",
    "restrictions",
    "scores",
    "subject_request_accounts",
];

/// What somebody who was erased could still be known by.
#[derive(Default)]
pub struct Remembered {
    needles: Vec<Needle>,
}

impl Remembered {
    /// By the app's reference: its keyed tag, and the reference itself, which is never stored.
    pub fn reference(keys: &KeyRing, app: &AppId, reference: &str) -> Self {
        let mut remembered = Self::default();
        let tag = keys.account_tag(app, reference);
        remembered.add("reference", reference.as_bytes().to_vec());
        remembered.add_id("reference tag", "reference tag in text", tag.as_bytes());
        remembered
    }

    fn add(&mut self, what: &'static str, bytes: Vec<u8>) {
        self.needles.push(Needle { what, bytes });
    }

    /// An id as it is, in hexadecimal and in both alphabets of base64 (RFC 4648).
    fn add_id(&mut self, what: &'static str, in_text: &'static str, id: &[u8]) {
        self.add(what, id.to_vec());
        self.add(in_text, hex(id).into_bytes());
        self.add(in_text, STANDARD_NO_PAD.encode(id).into_bytes());
        let url_safe = URL_SAFE_NO_PAD.encode(id).into_bytes();
        if self.needles.last().is_none_or(|last| last.bytes != url_safe) {
            self.add(in_text, url_safe);
        }
    }

    /// And everybody whom another value remembers.
    pub fn extend(&mut self, other: Self) {
        self.needles.extend(other.needles);
    }

    /// And by the account's random id, for whoever noted it before the erasure.
    #[must_use]
    pub fn and_subject(mut self, subject: SubjectId) -> Self {
        self.add_id("account id", "account id in text", subject.as_bytes());
        self
    }

    /// And by a link token that it had.
    #[must_use]
    pub fn and_token(mut self, token: &LinkToken) -> Self {
        self.add_id("link token", "link token in text", token.as_bytes());
        self
    }

    /// And by its phone number: in clear, and hashed as the industry does.
    #[must_use]
    pub fn and_phone(mut self, phone: &PhoneNumber) -> Self {
        for encoding in PhoneEncoding::ALL {
            let text = phone.encode(encoding);
            match unhex::<32>(&text) {
                Some(digest) => self.add_id("hash of a number", "hash in text", &digest),
                None if encoding == PhoneEncoding::E164 => {
                    self.add("phone number", text.trim_start_matches('+').as_bytes().to_vec());
                }
                // The same hash in base64, which an id is looked for in anyway.
                None => {}
            }
        }
        self
    }

    /// And by the id of a message that its app sent, which is never stored.
    #[must_use]
    pub fn and_message(mut self, message: &str) -> Self {
        self.add("message id", message.as_bytes().to_vec());
        self
    }

    /// And by words it said, which are kept sealed.
    #[must_use]
    pub fn and_words(mut self, words: &str) -> Self {
        self.add("words", words.as_bytes().to_vec());
        self
    }

    /// The bytes of one of these, for tests that plant it.
    #[cfg(test)]
    pub(super) fn bytes_of(&self, what: &str) -> &[u8] {
        let needle = self.needles.iter().find(|needle| needle.what == what);
        &needle.expect("one of these").bytes
    }

    /// And by its wrapped data key, for tests that looked at it before the erasure.
    #[cfg(test)]
    pub(super) fn and_key(mut self, wrapped: Vec<u8>) -> Self {
        self.needles.push(Needle { what: "wrapped data key", bytes: wrapped });
        self
    }
}

/// Looks for what is remembered in every table and in the database's files: on SQLite page by page,
/// on PostgreSQL in the bytes of the tables' files, where they can be read.
pub async fn search(db: &Db, remembered: &Remembered) -> Result<Vec<Trace>, RightsError> {
    Ok(search_with(db, remembered, Vec::new()).await?.traces)
}

/// As [`search`], and in everything at and below `also`: indexes, exports, logs, backups.
pub async fn search_with(
    db: &Db,
    remembered: &Remembered,
    also: Vec<PathBuf>,
) -> Result<Report, RightsError> {
    let needles = Needles::new(remembered.needles.clone());
    let mut found = Tally::default();
    let columns = db.search(&needles, &mut found).await?;
    let (engine, files) = (db.engine(), db.files().await?);
    let looked = tokio::task::spawn_blocking(move || {
        let mut search = Search::new(&needles);
        search.found = found;
        search.report.decoded = columns;
        for (path, name) in files {
            search.database_file(&path, &name, engine)?;
        }
        also.iter().try_for_each(|path| search.look(path))?;
        Ok(search.finish())
    });
    looked.await.map_err(|_| RightsError::Cancelled)?
}

/// As [`search`], in what is kept besides the database and nowhere else. At most `most` bytes are read;
/// what lies behind them, and what cannot be read, is named in the report's `unread`.
pub async fn search_beside(
    remembered: &Remembered,
    also: Vec<PathBuf>,
    most: u64,
) -> Result<Report, RightsError> {
    let needles = Needles::new(remembered.needles.clone());
    let looked = tokio::task::spawn_blocking(move || {
        let mut search = Search::new(&needles);
        search.left = most;
        for path in also {
            if let Err(error) = search.look(&path) {
                search.report.unread.push(error.to_string());
            }
        }
        search.finish()
    });
    looked.await.map_err(|_| RightsError::Cancelled)
}

/// Rewrites the database so that what was deleted is not in its files any more, and forgets the marks
/// of removed accounts. Answers whether it is complete.
pub async fn purge(db: &Db) -> Result<Purged, RightsError> {
    let mut tx = db.begin().await?;
    relevance::forget_removed(&mut tx).await?;
    tx.commit().await?;
    Ok(db.purge(TABLES).await?)
}

/// As [`search`], in the tables alone.
pub async fn search_tables(db: &Db, remembered: &Remembered) -> Result<Vec<Trace>, RightsError> {
    let mut found = Tally::default();
    db.search(&Needles::new(remembered.needles.clone()), &mut found).await?;
    Ok(found.traces())
}

/// Notes that a purge which began at `began` was complete: what was erased before it has to be gone
/// from the files too.
pub async fn note_purge(db: &Db, began: Timestamp) -> Result<(), RightsError> {
    let mut tx = db.begin().await?;
    store::note_purged(&mut tx, began).await?;
    tx.commit().await?;
    Ok(())
}
