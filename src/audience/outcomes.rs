//! What happened after a message, as the business reports it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use volens_privacy::{BusinessId, KeyRing, RecipientId, SubjectId, Timestamp};

use super::Result;
use super::request::List;
use super::store::{self, NewStop};
use crate::db::{self, Tx};
use crate::ids::ListId;
use crate::relevance::{self, Noted, Outcome, OutcomeKind};

/// Outcomes one call may report.
pub const BATCH_MAX: usize = 1000;
/// How far ahead of us a sender's clock may be.
const MAX_AHEAD: Duration = Duration::from_mins(5);

/// Kinds by name.
mod kind_name {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use crate::relevance::OutcomeKind;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(super) fn serialize<S: Serializer>(kind: &OutcomeKind, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(kind.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<OutcomeKind, D::Error> {
        let name = String::deserialize(from)?;
        let expected = "one of delivered, read, click, reply, buy, stop, complaint";
        OutcomeKind::parse(&name).ok_or_else(|| de::Error::custom(expected))
    }
}

/// One outcome.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OutcomeIn {
    /// Of which list.
    #[schema(value_type = String)]
    pub list: ListId,
    /// Of which recipient.
    #[schema(value_type = String)]
    pub recipient: RecipientId,
    /// What: `delivered`, `read`, `click`, `reply`, `buy`, `stop` or `complaint`.
    #[serde(with = "kind_name")]
    #[schema(value_type = String, example = "click")]
    pub kind: OutcomeKind,
    /// When.
    #[schema(value_type = String, format = "date-time")]
    pub at: Timestamp,
    /// What it was worth, in the business's currency.
    #[serde(default)]
    pub value: Option<f64>,
}

/// Why an outcome was not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refused {
    /// No such list of this business.
    List,
    /// The list was never sealed.
    NotSealed,
    /// The list has expired: whom the recipient stood for is not known any more.
    Expired,
    /// Nobody of that list is, or still is, that recipient.
    Recipient,
    /// Before the list existed, or in the future.
    Time,
    /// After the window in which outcomes count.
    Late,
    /// Not a finite number.
    Value,
}

impl Refused {
    /// Stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::List => "list.not_found",
            Self::NotSealed => "list.not_ready",
            Self::Expired => "list.expired",
            Self::Recipient => "recipient.not_listed",
            Self::Time => "outcome.time",
            Self::Late => "outcome.late",
            Self::Value => "outcome.value",
        }
    }
}

/// Takes in a batch; answers for each, in order, whether it was kept. A stop or a complaint keeps the
/// person off the business's other lists, open and later, and is never refused: not when it comes late, and not when
/// the list has expired.
pub async fn record(
    tx: &mut Tx,
    business: BusinessId,
    outcomes: &[OutcomeIn],
    now: Timestamp,
) -> Result<Vec<Result<(), Refused>>> {
    let mut by_list: BTreeMap<ListId, Vec<usize>> = BTreeMap::new();
    for (at, outcome) in outcomes.iter().enumerate() {
        by_list.entry(outcome.list).or_default().push(at);
    }
    let mut answers = vec![Err(Refused::List); outcomes.len()];
    for (id, positions) in by_list {
        let Some(list) = store::list(tx, business, id).await? else { continue };
        let of_list: Vec<&OutcomeIn> = positions.iter().map(|at| &outcomes[*at]).collect();
        let taken = record_of_list(tx, &list, &of_list, now).await?;
        for (at, answer) in positions.into_iter().zip(taken) {
            answers[at] = answer;
        }
    }
    Ok(answers)
}

/// The stops that an account said to businesses whose row of it was gone: to which, of which kind, when.
/// For the person's own export.
pub async fn stops_of(
    tx: &mut Tx,
    keys: &KeyRing,
    subject: SubjectId,
) -> db::Result<Vec<(BusinessId, String, Timestamp)>> {
    store::stops_of(tx, keys, subject).await
}

/// Forgets them, when the account is erased.
pub async fn forget_stops(tx: &mut Tx, keys: &KeyRing, subject: SubjectId) -> db::Result<u64> {
    store::forget_stops(tx, keys, subject).await
}

type Subjects = BTreeMap<RecipientId, SubjectId>;

async fn record_of_list(
    tx: &mut Tx,
    list: &List,
    outcomes: &[&OutcomeIn],
    now: Timestamp,
) -> Result<Vec<Result<(), Refused>>> {
    let recipients: BTreeSet<RecipientId> = outcomes.iter().map(|one| one.recipient).collect();
    let recipients: Vec<RecipientId> = recipients.into_iter().collect();
    let of = (list.business, list.id);
    let subjects: Subjects = store::subjects(tx, of, &recipients).await?.into_iter().collect();
    let stops: Vec<NewStop> =
        outcomes.iter().filter(|one| is_stop(one)).map(|one| stop(one, &subjects, now)).collect();
    store::add_stops(tx, list.business, &stops).await?;
    let admitted: Vec<Result<Outcome, Refused>> =
        outcomes.iter().map(|one| admit(list, &subjects, one, now)).collect();
    let kept: Vec<Outcome> = admitted.iter().flatten().cloned().collect();
    let mut noted = relevance::record_outcomes(tx, list.id, &kept).await?.into_iter();
    let answers = admitted.into_iter().map(|admitted| {
        admitted.and_then(|_| match noted.next() {
            Some(Noted::Accepted) => Ok(()),
            Some(Noted::TooLate) => Err(Refused::Late),
            Some(Noted::NoExposure) | None => Err(Refused::Recipient),
        })
    });
    let answers: Vec<Result<(), Refused>> = answers.collect();
    // Nobody who said stop is handed out again. The row that was stopped stays, where there is something
    // to learn from it: it says whose later outcomes are. What was handed out elsewhere is recalled.
    for (except, learned) in [(Some(list.id), true), (None, false)] {
        let stopped = answers.iter().zip(outcomes);
        let stopped = stopped.filter(|(answer, one)| is_stop(one) && answer.is_ok() == learned);
        let stopped: Vec<RecipientId> = stopped.map(|(_, one)| one.recipient).collect();
        store::end_rows(tx, list.business, except, &stopped).await?;
    }
    // A stop is kept whether or not there is anything left to learn from it.
    let answers = answers.into_iter().zip(outcomes);
    Ok(answers.map(|(answer, one)| if is_stop(one) { Ok(()) } else { answer }).collect())
}

const fn is_stop(outcome: &OutcomeIn) -> bool {
    matches!(outcome.kind, OutcomeKind::Stop | OutcomeKind::Complaint)
}

fn stop(outcome: &OutcomeIn, subjects: &Subjects, now: Timestamp) -> NewStop {
    NewStop {
        subject: subjects.get(&outcome.recipient).copied(),
        recipient: outcome.recipient,
        kind: outcome.kind.as_str(),
        at: outcome.at.min(now),
    }
}

/// The outcome, if there is something to learn from it.
fn admit(
    list: &List,
    subjects: &Subjects,
    one: &OutcomeIn,
    now: Timestamp,
) -> Result<Outcome, Refused> {
    let sealing = list.sealing.as_ref().ok_or(Refused::NotSealed)?;
    if now >= list.expires_at {
        return Err(Refused::Expired);
    }
    let subject = *subjects.get(&one.recipient).ok_or(Refused::Recipient)?;
    if one.at < sealing.at.minute() || one.at > now.plus(MAX_AHEAD) {
        return Err(Refused::Time);
    }
    if one.value.is_some_and(|value| !value.is_finite()) {
        return Err(Refused::Value);
    }
    Ok(Outcome { subject, kind: one.kind, at: one.at, value: one.value })
}
