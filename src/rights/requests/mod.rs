//! Requests with a clock (GDPR Art. 12(3), LGPD Art. 19): every demand that is made as a request is on
//! record with the day by which it must be answered, also when it is met at once.
//!
//! What can be done at once is: access and portability, erasure, objection, restriction, and the
//! rectification of a named interest. What needs a person stays open; the sweep reminds before the day
//! and escalates after it; an officer meets, extends or refuses it, each for a reason of the law.

mod said;
pub(in crate::rights) mod store;
mod wire;

use std::time::Duration;

use rand::Rng;
use volens_privacy::keys::KeyRing;
use volens_privacy::ledger::{Leaf, LeafKind};
use volens_privacy::rights::{Jurisdiction, RequestKind};
use volens_privacy::topics::TopicId;
use volens_privacy::{AppId, SubjectId, Timestamp};

pub use self::said::{AllSaid, SAID_MAX, Said, answers_of, said_of, said_open, say};
pub use self::wire::{RECEIPT_KIND, Receipt, RequestId, SignedReceipt, Status};
use super::restriction::{AskedBy, RestrictionReason};
use super::{Journal, RightsError, erase_for_good, interests, objection, restrict};
use crate::accounts::{self, AccountError};
use crate::consent::Recorder;
use crate::db::{Db, Tx};
use crate::ledger;

/// How long before its day a request is called to mind.
pub const REMIND_BEFORE: Duration = Duration::from_hours(7 * 24);
/// How long a request is kept after it was closed, to show that it was answered: the three years in
/// which claims usually lapse.
pub const KEPT: Duration = Duration::from_hours(3 * 366 * 24);

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Through which app.
    pub app: AppId,
    /// Its id, chosen by whoever asks.
    pub id: RequestId,
    /// What for.
    pub kind: RequestKind,
    /// Whose clock.
    pub law: Jurisdiction,
    /// Who brought it.
    pub asked_by: AskedBy,
    /// How it stands.
    pub state: State,
    /// When it was received.
    pub received_at: Timestamp,
    /// By when it must be answered.
    pub due_at: Timestamp,
    /// Why it was extended, and when.
    pub extension: Option<(Extension, Timestamp)>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// How it ended, a code.
    pub outcome: Option<String>,
    /// Ledger index of the entry that says that it was received.
    pub received_entry: u64,
    /// Ledger index of the entry that says that it was closed.
    pub closed_entry: Option<u64>,
    /// Since when it is past its time and was seen to be.
    pub escalated_at: Option<Timestamp>,
}

impl Request {
    /// Whether it waits for an answer.
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }
}

macro_rules! names {
    ($(#[doc = $doc:literal])+ $type:ident { $($(#[doc = $of:literal])+ $variant:ident = $name:literal,)+ }) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $type { $($(#[doc = $of])+ $variant,)+ }

        impl $type {
            /// The name on the wire and in the database.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Reads the name.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

names! {
    /// How a request stands.
    State {
        /// Waiting for an answer.
        Open = "open",
        /// Met.
        Completed = "completed",
        /// Not met, for a reason.
        Refused = "refused",
        /// Taken back by whoever asked.
        Cancelled = "cancelled",
    }
}

names! {
    /// Why an answer may take two months longer (GDPR Art. 12(3)).
    Extension {
        /// The request is complex.
        Complexity = "complexity",
        /// There are many requests.
        NumberOfRequests = "number_of_requests",
    }
}

names! {
    /// Why a request is not met.
    RefusalReason {
        /// Manifestly unfounded (Art. 12(5)).
        ManifestlyUnfounded = "manifestly_unfounded",
        /// Excessive, in particular repetitive (Art. 12(5)).
        Excessive = "excessive",
        /// Who asks could not be confirmed (Art. 12(2), (6)).
        IdentityUnconfirmed = "identity_unconfirmed",
        /// The data is needed by law or for a claim (Art. 17(3), 18(2)).
        LegalObligation = "legal_obligation",
        /// What is asked for is right as it is (Art. 16).
        DataAccurate = "data_accurate",
    }
}

/// What a demand may say besides its kind.
#[derive(Debug, Clone, Default)]
pub struct Details {
    /// For a restriction.
    pub reason: Option<RestrictionReason>,
    /// For a rectification: interests that are not the person's.
    pub denied: Vec<TopicId>,
}

/// Puts a request on record with its clock, which may have begun before it reached us. The same id
/// again is the same request.
///
/// # Errors
/// [`RightsError::RequestDiffers`] when the id is taken by another kind of request.
pub async fn receive(
    tx: &mut Tx,
    keys: &KeyRing,
    (app, id): (&AppId, RequestId),
    (kind, asked_by): (RequestKind, AskedBy),
    (subject, law): (Option<SubjectId>, Option<Jurisdiction>),
    (received_at, now): (Timestamp, Timestamp),
) -> Result<Request, RightsError> {
    ledger::hold(tx).await?;
    if let Some(known) = store::find(tx, app, id).await? {
        return if known.kind == kind { Ok(known) } else { Err(RightsError::RequestDiffers) };
    }
    let law = match (law, subject) {
        (Some(law), _) => law,
        (None, Some(subject)) => {
            let account = accounts::find(tx, &[subject]).await?.remove(&subject);
            Jurisdiction::of_country(&account.ok_or(AccountError::Unknown)?.details.country)
        }
        (None, None) => Jurisdiction::Gdpr,
    };
    let detail = serde_json::json!({ "type": kind.as_str(), "law": law.as_str() });
    let leaf = Leaf::new(LeafKind::RequestReceived, now).with_app(app.clone()).with_detail(detail);
    let received_entry = ledger::append(tx, &keys.log_signer(), &[leaf], now).await?.first;
    let request = Request {
        app: app.clone(),
        id,
        kind,
        law,
        asked_by,
        state: State::Open,
        received_at,
        due_at: law.due(received_at),
        extension: None,
        closed_at: None,
        outcome: None,
        received_entry,
        closed_entry: None,
        escalated_at: None,
    };
    store::add(tx, &request, subject).await?;
    Ok(request)
}

/// What meeting a request needs.
pub struct Means<'a> {
    /// The database.
    pub db: &'a Db,
    /// The keys.
    pub keys: &'a KeyRing,
    /// The journal of erasures.
    pub journal: &'a Journal,
    /// The writer of decisions.
    pub recorder: &'a Recorder,
}

/// Meets an open request, if that can be done without a person, and closes it; a rectification that
/// names no interest stays open until somebody who has seen to it says in words what was done.
///
/// # Errors
/// Whatever keeps the demand from being met; then the request stays open and its clock runs.
pub async fn meet(
    means: &Means<'_>,
    request: &Request,
    details: &Details,
    answer: Option<&Said>,
    rng: &mut (dyn Rng + Send),
    now: Timestamp,
) -> Result<Request, RightsError> {
    let Means { db, keys, .. } = means;
    if !request.is_open() {
        return Ok(request.clone());
    }
    let mut tx = db.read().await?;
    let subject = store::subject(&mut tx, &request.app, request.id).await?;
    drop(tx);
    // Whoever is gone has nothing left that could be handed out, corrected or paused.
    let Some(subject) = subject else {
        return close(db, keys, request, (State::Completed, "account_gone"), None, now).await;
    };
    let outcome = match request.kind {
        RequestKind::Access | RequestKind::Portability => "available",
        RequestKind::Erasure => {
            erase_for_good(db, keys, means.journal, subject, now).await?;
            "erased"
        }
        RequestKind::Objection => {
            let mut tx = db.read().await?;
            let tag = store::tag(&mut tx, subject).await?.ok_or(AccountError::Unknown)?;
            drop(tx);
            objection::object(means.recorder, (request.app.clone(), tag), now).await?;
            "objected"
        }
        RequestKind::Restriction => {
            let reason = details.reason.unwrap_or(RestrictionReason::AccuracyContested);
            let mut tx = db.begin().await?;
            restrict(&mut tx, keys, subject, (reason, request.asked_by), now).await?;
            tx.commit().await?;
            "restricted"
        }
        RequestKind::Rectification if details.denied.is_empty() => {
            if answer.is_none() {
                return Ok(request.clone());
            }
            "rectified"
        }
        RequestKind::Rectification => {
            let mut tx = db.begin().await?;
            for topic in &details.denied {
                interests::correct(&mut tx, keys, subject, (*topic, true), rng, now).await?;
            }
            tx.commit().await?;
            "rectified"
        }
    };
    // With an erasure goes what would be said to whoever asked for it.
    let answer = match answer.filter(|_| request.kind != RequestKind::Erasure) {
        Some(answer) => {
            let mut tx = db.read().await?;
            Some(said::seal_answer(&mut tx, keys, (subject, request), answer, rng).await?)
        }
        None => None,
    };
    close(db, keys, request, (State::Completed, outcome), answer, now).await
}

/// Whether enough is said to begin: a correction needs to know of what.
///
/// # Errors
/// [`RightsError::SaidNothing`] when a rectification names no interest and says nothing.
pub fn says_enough(
    kind: RequestKind,
    details: &Details,
    said: Option<&Said>,
) -> Result<(), RightsError> {
    let silent = kind == RequestKind::Rectification && details.denied.is_empty() && said.is_none();
    if silent { Err(RightsError::SaidNothing) } else { Ok(()) }
}

/// Puts a demand on record that the person makes on their own page, with what they say about it.
///
/// # Errors
/// [`AccountError::Unknown`] when there is no such account; [`RightsError::SaidNothing`] when a
/// correction is asked for and not of what.
pub async fn begin(
    db: &Db,
    keys: &KeyRing,
    (app, subject): (&AppId, SubjectId),
    (kind, said): (RequestKind, Option<&Said>),
    rng: &mut (dyn Rng + Send),
    now: Timestamp,
) -> Result<Request, RightsError> {
    says_enough(kind, &Details::default(), said)?;
    let of = (app, RequestId::random(rng));
    let mut tx = db.begin().await?;
    let asked = (kind, AskedBy::Person);
    let request = receive(&mut tx, keys, of, asked, (Some(subject), None), (now, now)).await?;
    if let Some(said) = said {
        say(&mut tx, keys, (subject, &request), said, rng).await?;
    }
    tx.commit().await?;
    Ok(request)
}

/// Closes a request whose demand has been met.
pub async fn finish(
    db: &Db,
    keys: &KeyRing,
    request: &Request,
    outcome: &'static str,
    now: Timestamp,
) -> Result<Request, RightsError> {
    close(db, keys, request, (State::Completed, outcome), None, now).await
}

/// Takes back an open request.
///
/// # Errors
/// [`RightsError::RequestClosed`] when it has been answered.
pub async fn cancel(
    db: &Db,
    keys: &KeyRing,
    request: &Request,
    now: Timestamp,
) -> Result<Request, RightsError> {
    close(db, keys, request, (State::Cancelled, "cancelled"), None, now).await
}

/// Refuses an open request for a reason of the law.
///
/// # Errors
/// [`RightsError::RequestClosed`] when it has been answered; [`RightsError::NotRefusable`] for an
/// objection to direct marketing, which nothing outweighs (Art. 21(3)).
pub async fn refuse(
    db: &Db,
    keys: &KeyRing,
    request: &Request,
    reason: RefusalReason,
    now: Timestamp,
) -> Result<Request, RightsError> {
    if request.kind == RequestKind::Objection {
        return Err(RightsError::NotRefusable);
    }
    close(db, keys, request, (State::Refused, reason.as_str()), None, now).await
}

/// Gives an open request two more months. The person is told of it by their app, within the first
/// month, with the reason.
///
/// # Errors
/// [`RightsError::RequestClosed`]; [`RightsError::NotExtendable`] when the law knows no extension,
/// it was used already, or the first month is over.
pub async fn extend(
    tx: &mut Tx,
    request: &Request,
    reason: Extension,
    now: Timestamp,
) -> Result<Request, RightsError> {
    let request = store::hold(tx, request).await?;
    if !request.is_open() {
        return Err(RightsError::RequestClosed);
    }
    let until = request.law.extended(request.received_at);
    let until = until.filter(|_| request.extension.is_none() && now <= request.due_at);
    let due_at = until.ok_or(RightsError::NotExtendable)?;
    let extended = Request { due_at, extension: Some((reason, now)), ..request };
    store::extend(tx, &extended).await?;
    Ok(extended)
}

async fn close(
    db: &Db,
    keys: &KeyRing,
    request: &Request,
    (state, outcome): (State, &'static str),
    answer: Option<said::Sealed>,
    now: Timestamp,
) -> Result<Request, RightsError> {
    let mut tx = db.begin().await?;
    ledger::hold(&mut tx).await?;
    let held = store::hold(&mut tx, request).await?;
    if !held.is_open() {
        return if held.state == state { Ok(held) } else { Err(RightsError::RequestClosed) };
    }
    let detail = serde_json::json!({
        "type": held.kind.as_str(),
        "law": held.law.as_str(),
        "outcome": outcome,
        "received": held.received_entry,
        "state": state.as_str(),
    });
    let leaf =
        Leaf::new(LeafKind::RequestClosed, now).with_app(held.app.clone()).with_detail(detail);
    let entry = ledger::append(&mut tx, &keys.log_signer(), &[leaf], now).await?.first;
    let closed = Request {
        state,
        closed_at: Some(now),
        outcome: Some(outcome.to_owned()),
        closed_entry: Some(entry),
        ..held
    };
    store::close(&mut tx, &closed).await?;
    if let Some(answer) = answer {
        said::answer(&mut tx, &closed, answer).await?;
    }
    tx.commit().await?;
    Ok(closed)
}

/// What a sweep said about requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Requests that are due soon and were not called to mind before.
    pub reminded: u64,
    /// Requests past their day that were not escalated before.
    pub escalated: u64,
}

/// Calls to mind what is due soon, escalates what is late, each once, and forgets what was closed long
/// ago.
pub async fn sweep(tx: &mut Tx, now: Timestamp) -> Result<Swept, RightsError> {
    let reminded = store::remind(tx, now.plus(REMIND_BEFORE), now).await?;
    let escalated = store::escalate(tx, now).await?;
    store::forget(tx, now.minus(KEPT)).await?;
    Ok(Swept { reminded, escalated })
}

/// One request of an app.
///
/// # Errors
/// [`RightsError::NoRequest`].
pub async fn find(tx: &mut Tx, app: &AppId, id: RequestId) -> Result<Request, RightsError> {
    store::find(tx, app, id).await?.ok_or(RightsError::NoRequest)
}

/// Open requests by the day they are due, then those closed last.
pub async fn all(tx: &mut Tx, limit: u32) -> Result<Vec<Request>, RightsError> {
    Ok(store::all(tx, limit).await?)
}

/// Every request of an account, oldest first.
pub async fn of_account(tx: &mut Tx, subject: SubjectId) -> Result<Vec<Request>, RightsError> {
    Ok(store::of_account(tx, subject).await?)
}

/// Whose request it is, while there is an account.
pub async fn subject_of(
    tx: &mut Tx,
    app: &AppId,
    id: RequestId,
) -> Result<Option<SubjectId>, RightsError> {
    Ok(store::subject(tx, app, id).await?)
}
