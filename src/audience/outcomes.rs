//! What happened after a message, as the business reports it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use volens_privacy::{BusinessId, RecipientId, SubjectId, Timestamp};

use super::request::List;
use super::{Result, store};
use crate::db::Tx;
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
/// person off the business's later lists.
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

async fn record_of_list(
    tx: &mut Tx,
    list: &List,
    outcomes: &[&OutcomeIn],
    now: Timestamp,
) -> Result<Vec<Result<(), Refused>>> {
    let Some(sealing) = &list.sealing else {
        return Ok(vec![Err(Refused::NotSealed); outcomes.len()]);
    };
    if now >= list.expires_at {
        return Ok(vec![Err(Refused::Expired); outcomes.len()]);
    }
    let recipients: BTreeSet<RecipientId> = outcomes.iter().map(|one| one.recipient).collect();
    let recipients: Vec<RecipientId> = recipients.into_iter().collect();
    let of = (list.business, list.id);
    let subjects: BTreeMap<RecipientId, SubjectId> =
        store::subjects(tx, of, &recipients).await?.into_iter().collect();
    let admit = |one: &OutcomeIn| {
        let subject = *subjects.get(&one.recipient).ok_or(Refused::Recipient)?;
        if one.at < sealing.at.minute() || one.at > now.plus(MAX_AHEAD) {
            return Err(Refused::Time);
        }
        if one.value.is_some_and(|value| !value.is_finite()) {
            return Err(Refused::Value);
        }
        Ok(Outcome { subject, kind: one.kind, at: one.at, value: one.value })
    };
    let admitted: Vec<Result<Outcome, Refused>> = outcomes.iter().map(|one| admit(one)).collect();
    let kept: Vec<Outcome> = admitted.iter().flatten().cloned().collect();
    for outcome in &kept {
        if matches!(outcome.kind, OutcomeKind::Stop | OutcomeKind::Complaint) {
            let kind = outcome.kind.as_str();
            store::add_stop(tx, outcome.subject, list.business, kind, outcome.at).await?;
        }
    }
    let mut noted = relevance::record_outcomes(tx, list.id, &kept).await?.into_iter();
    Ok(admitted
        .into_iter()
        .map(|admitted| {
            admitted.and_then(|_| match noted.next() {
                Some(Noted::Accepted) => Ok(()),
                Some(Noted::TooLate) => Err(Refused::Late),
                Some(Noted::NoExposure) | None => Err(Refused::Recipient),
            })
        })
        .collect())
}
