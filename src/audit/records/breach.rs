//! The breach kit (GDPR Art. 33, 34): what somebody who took the database between two moments holds,
//! whether keys make it readable, and a clock of 72 hours.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;
use serde::Serialize;
use serde_json::json;
use volens_privacy::ledger::{Leaf, LeafKind};
use volens_privacy::{KeyRing, SubjectId, Timestamp};

use super::store;
use crate::audit::AuditError;
use crate::db::Tx;
use crate::ids::IncidentId;
use crate::ledger;
use crate::rights::traces;

/// The authority is told within 72 hours after having become aware (GDPR Art. 33(1)).
const CLOCK: Duration = Duration::from_hours(72);

/// How a column keeps what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// Sealed under a key that is wrapped by a key outside the database.
    Sealed,
    /// A keyed tag, or the hash of a random token.
    Keyed,
    /// A password, stretched with Argon2id: a weak one can be guessed.
    Stretched,
    /// A random id.
    Random,
    /// In clear.
    Clear,
}

/// Tables beside those of accounts ([`traces::TABLES`]) that hold something of customers in conversation, of
/// recipients as businesses know them, of signals, of requests, and of those who work with the service. A
/// test compares both with the schema.
pub(super) const OTHERS: &[&str] = &[
    "api_keys",
    "conversation_feedback",
    "conversation_messages",
    "conversations",
    "erasures",
    "list_served",
    "readings",
    "recalls",
    "recipient_stops",
    "sessions",
    "sign_in_links",
    "signal_tags",
    "subject_requests",
    "suppressions",
    "users",
];

/// Columns that are not in clear. A column that is not named here counts as clear, so that a new one
/// is never taken for safe.
pub(super) const COLUMNS: &[(&str, Held)] = &[
    ("account_keys.wrapped", Held::Sealed),
    ("account_references.tag", Held::Keyed),
    ("api_keys.id", Held::Random),
    ("api_keys.secret_hash", Held::Keyed),
    ("awaited_purchases.exposure", Held::Random),
    ("awaited_purchases.sealed", Held::Sealed),
    ("consent_records.sealed", Held::Sealed),
    ("conversation_feedback.conversation", Held::Random),
    ("conversation_messages.conversation", Held::Random),
    ("conversation_messages.sealed", Held::Sealed),
    ("conversations.conversation", Held::Random),
    ("conversations.token_hash", Held::Keyed),
    ("conversations.wrapped_key", Held::Sealed),
    ("corrections.sealed", Held::Sealed),
    ("erasures.tag", Held::Keyed),
    ("exposures.features", Held::Sealed),
    ("exposures.id", Held::Random),
    ("grants.id", Held::Random),
    ("idempotency_keys.answer", Held::Sealed),
    ("idempotency_keys.fingerprint", Held::Keyed),
    ("idempotency_keys.id", Held::Keyed),
    ("idempotency_keys.wrapped", Held::Sealed),
    ("link_tokens.grant_id", Held::Random),
    ("link_tokens.token", Held::Keyed),
    ("list_loans.lender", Held::Random),
    ("list_rows.recipient", Held::Keyed),
    ("list_rows.salt", Held::Random),
    ("openings.id", Held::Random),
    ("openings.reason", Held::Sealed),
    ("privacy_links.tag", Held::Keyed),
    ("privacy_links.token", Held::Keyed),
    ("profiles.sealed", Held::Sealed),
    ("readings.commitment", Held::Keyed),
    ("readings.id", Held::Random),
    ("recalls.recipient", Held::Keyed),
    ("recipient_stops.recipient", Held::Keyed),
    ("sessions.token_hash", Held::Keyed),
    ("sessions.user_id", Held::Random),
    ("sign_in_links.token_hash", Held::Keyed),
    ("sign_in_links.user_id", Held::Random),
    ("signal_tags.tag", Held::Keyed),
    ("subject_request_accounts.answer", Held::Sealed),
    ("subject_request_accounts.said", Held::Sealed),
    ("subject_requests.id", Held::Random),
    ("suppressions.tag", Held::Keyed),
    ("users.id", Held::Random),
    ("users.password", Held::Stretched),
];

/// What was taken of one column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ColumnTaken {
    /// Its name.
    pub name: String,
    /// How it keeps what it holds.
    pub held: Held,
    /// Whether whoever has it can read it.
    pub readable: bool,
}

/// What was taken of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct TableTaken {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<ColumnTaken>,
}

/// What a breach comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Breach {
    /// The first moment at which somebody may have taken data.
    #[schema(value_type = String, format = "date-time")]
    pub from: Timestamp,
    /// The last.
    #[schema(value_type = String, format = "date-time")]
    pub to: Timestamp,
    /// Whether the key ring was in reach too.
    pub keys: bool,
    /// Accounts that are held now and were there by the end of the period.
    pub accounts: u64,
    /// The same by app.
    pub by_app: BTreeMap<String, u64>,
    /// Accounts that were erased since the period began: they may have been in it, and nobody can say
    /// whose they were.
    pub erased_since: u64,
    /// What was held of them.
    pub tables: Vec<TableTaken>,
    /// What that means, for the notification.
    pub consequences: Vec<&'static str>,
}

/// Measures what somebody holds who had the database at some time from `from` to `to`.
pub async fn measure(
    tx: &mut Tx,
    (from, to): (Timestamp, Timestamp),
    keys: bool,
) -> Result<Breach, AuditError> {
    let by_app = store::accounts_until(tx, to).await?;
    let columns = store::columns(tx, &[traces::TABLES, OTHERS].concat()).await?;
    let tables = columns.into_iter().map(|(name, columns)| TableTaken {
        columns: columns.into_iter().map(|column| taken(&name, column, keys)).collect(),
        name,
    });
    Ok(Breach {
        from,
        to,
        keys,
        accounts: by_app.values().sum(),
        by_app,
        erased_since: store::erased_since(tx, from).await?,
        tables: tables.collect(),
        consequences: consequences(keys),
    })
}

fn taken(table: &str, name: String, keys: bool) -> ColumnTaken {
    let place = format!("{table}.{name}");
    let known = COLUMNS.iter().find(|(column, _)| *column == place).map(|(_, held)| *held);
    let held = match known {
        Some(held) => held,
        None if name == "subject" => Held::Random,
        None => Held::Clear,
    };
    let readable = match held {
        Held::Clear => true,
        Held::Sealed => keys,
        // A keyed tag never opens: with the key, a guess can be tried.
        Held::Keyed | Held::Stretched | Held::Random => false,
    };
    ColumnTaken { name, held, readable }
}

fn consequences(keys: bool) -> Vec<&'static str> {
    let mut all = vec![
        "that an account exists in an app, with language, country, time zone and age band as far as told",
        "what was consented to and when, and which accounts are linked by consent",
        "which account is on which list, with score and reasons",
        "that somebody talked with a bot, when and in which language",
        "the e-mail addresses of those who work with the service, and passwords that are easily guessed",
    ];
    if keys {
        all.push("the content of records of consent, of interest profiles and of conversations");
        all.push("guessed references and phone numbers can be tried against tags and tokens");
    } else {
        all.push("records, profiles, conversations and references stay sealed: the keys were not in reach");
    }
    all
}

/// A page of the accounts that were there by the end of the period, for officers.
pub async fn affected(
    tx: &mut Tx,
    to: Timestamp,
    after: Option<SubjectId>,
    limit: u32,
) -> Result<Vec<SubjectId>, AuditError> {
    Ok(store::affected(tx, to, after, limit).await?)
}

/// A breach that became known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Incident {
    /// Its id.
    #[schema(value_type = String, example = "inc_00000000000000000000000000000000")]
    pub id: IncidentId,
    /// The first moment at which somebody may have taken data.
    #[schema(value_type = String, format = "date-time")]
    pub from: Timestamp,
    /// The last.
    #[schema(value_type = String, format = "date-time")]
    pub to: Timestamp,
    /// Whether the key ring was in reach too.
    pub keys: bool,
    /// Accounts affected, as measured when it was noted.
    pub accounts: u64,
    /// When somebody became aware of it.
    #[schema(value_type = String, format = "date-time")]
    pub noticed_at: Timestamp,
    /// Until when the authority has to be told.
    #[schema(value_type = String, format = "date-time")]
    pub due_at: Timestamp,
    /// When it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "date-time")]
    pub told_at: Option<Timestamp>,
    /// Ledger index of the entry that says it was noted.
    pub entry: u64,
}

impl Incident {
    /// Whether the authority was not told in time.
    pub fn is_late(&self, now: Timestamp) -> bool {
        self.told_at.unwrap_or(now) > self.due_at
    }

    /// Whole hours that are left; nothing when it was told or the time is over.
    pub fn hours_left(&self, now: Timestamp) -> Option<u64> {
        (self.told_at.is_none() && now < self.due_at)
            .then(|| self.due_at.since(now).as_secs() / 3600)
    }
}

/// What is noted.
#[derive(Debug, Clone, Copy)]
pub struct NewIncident {
    /// From when to when data may have been taken.
    pub period: (Timestamp, Timestamp),
    /// Whether the key ring was in reach too.
    pub keys: bool,
    /// When somebody became aware of it: the clock of 72 hours starts here.
    pub noticed_at: Timestamp,
}

/// Nothing that this program keeps was taken before it existed: 2000-01-01T00:00:00Z, in microseconds.
const EARLIEST: Timestamp = Timestamp::from_micros(946_684_800_000_000);

/// Times of a breach that cannot be. What is noted stays in the ledger for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeriodFault {
    /// It ends before it begins.
    #[error("a period begins before it ends")]
    Backwards,
    /// It began too long ago.
    #[error("nothing was taken before the year 2000")]
    TooEarly,
    /// It ends in the future.
    #[error("a period that is noted is over: its end is still to come")]
    EndsLater,
    /// It was noticed in the future.
    #[error("what is noted was noticed: the moment is still to come")]
    NoticedLater,
    /// It was noticed before anything happened.
    #[error("nobody notices a breach before it began")]
    NoticedBefore,
}

impl NewIncident {
    /// Whether it can have been so at `now`. Data may have been taken after the breach was noticed,
    /// until it was stopped; not before.
    ///
    /// # Errors
    /// [`PeriodFault`] says which time cannot be.
    pub fn check(&self, now: Timestamp) -> Result<(), PeriodFault> {
        let (from, to) = self.period;
        let faults = [
            (from < EARLIEST, PeriodFault::TooEarly),
            (from > to, PeriodFault::Backwards),
            (to > now, PeriodFault::EndsLater),
            (self.noticed_at > now, PeriodFault::NoticedLater),
            (self.noticed_at < from, PeriodFault::NoticedBefore),
        ];
        let found = faults.into_iter().find_map(|(wrong, fault)| wrong.then_some(fault));
        found.map_or(Ok(()), Err)
    }
}

/// Notes a breach: measured, kept, and an entry `incident.noted` of the ledger.
///
/// # Errors
/// [`AuditError::Period`] when its times cannot be.
pub async fn note(
    tx: &mut Tx,
    ring: &KeyRing,
    rng: &mut (dyn Rng + Send),
    new: NewIncident,
    now: Timestamp,
) -> Result<Incident, AuditError> {
    new.check(now)?;
    let NewIncident { period: (from, to), keys, noticed_at } = new;
    let breach = measure(tx, (from, to), keys).await?;
    let id = IncidentId::random(rng);
    let detail = json!({ "incident": id, "accounts": breach.accounts, "keys": keys });
    let leaf = Leaf::new(LeafKind::IncidentNoted, now).with_detail(detail);
    let appended = ledger::append(tx, &ring.log_signer(), &[leaf], now).await?;
    let incident = Incident {
        id,
        from,
        to,
        keys,
        accounts: breach.accounts,
        noticed_at,
        due_at: noticed_at.plus(CLOCK),
        told_at: None,
        entry: appended.first,
    };
    store::add_incident(tx, &incident).await?;
    Ok(incident)
}

/// Notes that the authority was told; nothing when there is no such incident or it was noted before.
pub async fn tell(
    tx: &mut Tx,
    ring: &KeyRing,
    id: IncidentId,
    now: Timestamp,
) -> Result<Option<Incident>, AuditError> {
    if store::tell(tx, id, now).await? == 0 {
        return Ok(None);
    }
    let leaf = Leaf::new(LeafKind::IncidentNoted, now)
        .with_detail(json!({ "incident": id, "told": true }));
    ledger::append(tx, &ring.log_signer(), &[leaf], now).await?;
    Ok(store::incident(tx, id).await?)
}

/// All incidents, the newest first.
pub async fn incidents(tx: &mut Tx) -> Result<Vec<Incident>, AuditError> {
    Ok(store::incidents(tx).await?)
}
