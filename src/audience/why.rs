//! Why a row is where it is: its reasons, what would have kept it off the list, and how it differs from
//! another row or from the same person now. The same words for the business, the officer and the person.
//!
//! What was seen when the list was made is opened under a permit that holds now, and scored by the model of
//! the list; what does not give the score on the row is not told. Of another person nobody is told more than
//! what a reason added; values, bins and ids stay here.

use serde::Serialize;
use volens_models::explain::Explanation;
use volens_models::features::TREATMENT;
use volens_models::flip::Wanted;
use volens_models::words::{self, in_words};
use volens_privacy::topics::TopicId;
use volens_privacy::{BusinessId, KeyRing, SubjectId, Timestamp};

use super::order::By;
use super::ranking::Judge;
use super::seal::six_decimals;
use super::shelf::Shelf;
use super::store;
use super::verify::Verified;
use super::{AudienceError, Result};
use crate::db::Tx;
use crate::ids::ListId;
use crate::relevance::{self, Active};

/// Reasons told of one row.
const REASONS: usize = 4;
/// Differences told of two.
const DIFFERENCES: usize = 6;
/// Half of the last decimal of a stored score: what is less by more than this is stored as less.
const HALF_STEP: f64 = 5e-7;

/// Why a row is where it is.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Why {
    /// Which row, from 1.
    pub rank: u32,
    /// Probability that the goal is reached, to six decimals, as on the row.
    pub score: f64,
    /// Its log odds: `start`, the reasons and `rest` add up to them, exactly.
    pub log_odds: f64,
    /// Where everybody starts.
    pub start: f64,
    /// What counts most, as on the row.
    pub reasons: Vec<Told>,
    /// All other reasons together.
    pub rest: f64,
    /// The smallest change that would have kept the row off the list.
    pub turned_by: Turn,
    /// Beside another row of the list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compared: Option<Beside>,
}

/// A reason and what it adds.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Told {
    /// For people.
    #[schema(example = "Interested in Running")]
    pub text: String,
    /// Log odds.
    pub amount: f64,
}

/// What would have to be otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Turn {
    /// `change`: what is in `changes`, all of it. `no_small_change`: no change of up to three things would
    /// do. `nobody_left_out`: the list took everybody who could be on it. `not_by_score`: the score alone
    /// does not order the list.
    #[schema(example = "change")]
    pub code: &'static str,
    /// For people; empty unless there is a change.
    pub changes: Vec<String>,
}

/// Two rows side by side.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Beside {
    /// The other row, from 1; nothing when it is the same person now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
    /// Log odds of the one less those of the other: the differences of the reasons and `rest` add up to it,
    /// exactly.
    pub difference: f64,
    /// What differs most.
    pub reasons: Vec<Difference>,
    /// All else.
    pub rest: f64,
}

/// What one reason adds to the one and to the other.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Difference {
    /// For people.
    #[schema(example = "Interest in Running")]
    pub text: String,
    /// Log odds it adds to the one.
    pub own: f64,
    /// Log odds it adds to the other.
    pub other: f64,
    /// The one less the other.
    pub difference: f64,
}

/// A list that a person is on, explained to them.
#[derive(Debug, Clone, PartialEq)]
pub struct Got {
    /// The list.
    pub list: ListId,
    /// Whose.
    pub business: BusinessId,
    /// When it was sealed.
    pub sealed_at: Timestamp,
    /// Why they are on it.
    pub why: Why,
    /// The list's moment beside now; nothing when they could not be ranked now.
    pub since: Option<Beside>,
}

/// Explains a row of a list, beside another when one is named. In the language of the campaign when none is.
///
/// # Errors
/// `list.not_found`, `list.not_ready`, `list.expired`, `row.not_found`.
pub async fn of_row(
    tx: &mut Tx,
    keys: &KeyRing,
    (business, list): (BusinessId, ListId),
    (rank, than): (u32, Option<u32>),
    language: Option<&str>,
    now: Timestamp,
) -> Result<Why> {
    let desk = Desk::open(tx, keys, (business, list), language, now).await?;
    let row = desk.row(tx, rank).await?;
    let mut why = desk.why(tx, &row).await?;
    if let Some(rank) = than {
        let other = desk.row(tx, rank).await?;
        why.compared = Some(desk.beside(&row.explanation, &other.explanation, Some(rank)));
    }
    Ok(why)
}

/// Explains to a person every list they are on now, in their language, and what changed since.
///
/// A list that cannot be explained – it has expired, a consent it rests on has ended – is left out.
pub async fn of_person(
    tx: &mut Tx,
    keys: &KeyRing,
    subject: SubjectId,
    language: &str,
    now: Timestamp,
) -> Result<Vec<Got>> {
    let mut all = Vec::new();
    for on in super::memberships(tx, subject).await? {
        let got = of_membership(tx, keys, &on, subject, language, now).await;
        match got {
            Ok(got) => all.push(got),
            Err(AudienceError::Expired | AudienceError::NotSealed(_) | AudienceError::NoRow) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

async fn of_membership(
    tx: &mut Tx,
    keys: &KeyRing,
    on: &super::Membership,
    subject: SubjectId,
    language: &str,
    now: Timestamp,
) -> Result<Got> {
    let desk = Desk::open(tx, keys, (on.business, on.list), Some(language), now).await?;
    let row = desk.row(tx, on.rank).await?;
    if row.subject != subject {
        return Err(AudienceError::NoRow);
    }
    let why = desk.why(tx, &row).await?;
    let today = desk.today(tx, subject).await?;
    let since = today.map(|today| desk.beside(&today, &row.explanation, None));
    let sealed_at = desk.shelf.sealing.at;
    Ok(Got { list: on.list, business: on.business, sealed_at, why, since })
}

/// A row opened: whose it is stays in this file.
struct Opened {
    subject: SubjectId,
    rank: u32,
    score: f64,
    features: volens_models::Features,
    explanation: Explanation,
}

/// A list open for explaining.
struct Desk<'d> {
    keys: &'d KeyRing,
    shelf: Shelf,
    active: Active,
    topics: Vec<TopicId>,
    language: String,
    now: Timestamp,
}

impl<'d> Desk<'d> {
    async fn open(
        tx: &mut Tx,
        keys: &'d KeyRing,
        (business, list): (BusinessId, ListId),
        language: Option<&str>,
        now: Timestamp,
    ) -> Result<Self> {
        let shelf = Shelf::open(tx, business, list, now).await?;
        let model = shelf.sealing.model.parse();
        let model = model.map_err(|_| AudienceError::Unreadable("lists.model"))?;
        let active = relevance::to_explain(tx, model).await?;
        let topics = shelf.campaign.topics()?;
        let language = language.unwrap_or(&shelf.campaign.message.language).to_owned();
        Ok(Self { keys, shelf, active, topics, language, now })
    }

    /// The row of a rank, if it may be served now and is what was sealed.
    async fn row(&self, tx: &mut Tx, rank: u32) -> Result<Opened> {
        let of = (self.shelf.list.business, self.shelf.list.id);
        let before = rank.checked_sub(1).ok_or(AudienceError::NoRow)?;
        let page = self.shelf.page(tx, self.keys, before, 1, self.now).await?;
        let row = page.rows.into_iter().find(|row| row.rank == rank).ok_or(AudienceError::NoRow)?;
        let known = store::subjects(tx, of, &[row.recipient]).await?;
        let (_, subject) = *known.first().ok_or(AudienceError::NoRow)?;
        let verified = Verified::read(tx, self.keys, [subject], self.now).await?;
        let app = &self.shelf.campaign.delivery_app;
        let recipient = verified.recipient(subject, app).map_err(|_| AudienceError::NoRow)?;
        let seen = relevance::seen(tx, self.keys, &recipient.relevance, of.1).await?;
        let seen = seen.ok_or(AudienceError::Unreadable("exposures.features"))?;
        let addressed = seen.map(addressed);
        let explanation = self.active.artifact.model.explain_score(&addressed);
        if (six_decimals(explanation.score.probability) - row.score).abs() > HALF_STEP {
            return Err(AudienceError::Unreadable("list_rows.score"));
        }
        let features = addressed.value().clone();
        Ok(Opened { subject, rank, score: row.score, features, explanation })
    }

    /// The same person and the same message by what is known now.
    async fn today(&self, tx: &mut Tx, subject: SubjectId) -> Result<Option<Explanation>> {
        let campaign = &self.shelf.campaign;
        let judge = Judge::new(self.active.clone(), campaign)?;
        let app = &campaign.delivery_app;
        let verified = Verified::read(tx, self.keys, [subject], self.now).await?;
        let ranked = judge.rank(tx, self.keys, (&verified, app), &[subject], self.now).await?;
        let Some(ranked) = ranked.into_iter().next() else { return Ok(None) };
        let Ok(recipient) = verified.recipient(subject, app) else { return Ok(None) };
        let seen = recipient.relevance.attach(addressed(ranked.features));
        Ok(Some(self.active.artifact.model.explain_score(&seen)))
    }

    async fn why(&self, tx: &mut Tx, row: &Opened) -> Result<Why> {
        let Explanation { score, bias, contributions } = &row.explanation;
        let reasons = words::reasons(contributions, &self.topics, &self.language, REASONS);
        let reasons: Vec<Told> = reasons
            .into_iter()
            .map(|reason| Told { text: reason.text, amount: reason.contribution })
            .collect();
        let told: f64 = reasons.iter().map(|reason| reason.amount).sum();
        Ok(Why {
            rank: row.rank,
            score: row.score,
            log_odds: score.logit,
            start: *bias,
            rest: score.logit - bias - told,
            reasons,
            turned_by: self.turn(tx, row).await?,
            compared: None,
        })
    }

    async fn turn(&self, tx: &mut Tx, row: &Opened) -> Result<Turn> {
        let silent = |code| Turn { code, changes: Vec::new() };
        if self.shelf.sealing.by() != By::Score {
            return Ok(silent("not_by_score"));
        }
        let of = (self.shelf.list.business, self.shelf.list.id);
        let all_taken = self.shelf.sealing.rows < u64::from(self.shelf.list.size);
        let cut = store::cut(tx, of).await?.filter(|(lowest, _)| *lowest > HALF_STEP);
        let Some((lowest, last)) = cut.filter(|_| !all_taken) else {
            return Ok(silent("nobody_left_out"));
        };
        if last > lowest + HALF_STEP {
            return Ok(silent("not_by_score"));
        }
        let cut = lowest - HALF_STEP;
        let wanted = Wanted::Below((cut / (1.0 - cut)).ln());
        let (active, features) = (self.active.clone(), row.features.clone());
        let change =
            super::build::aside(move || active.artifact.model.smallest_change(&features, wanted));
        Ok(match change.await? {
            Some(change) => {
                Turn { code: "change", changes: in_words(&change, &self.topics, &self.language) }
            }
            None => silent("no_small_change"),
        })
    }

    fn beside(&self, own: &Explanation, other: &Explanation, rank: Option<u32>) -> Beside {
        let found = words::compare(own, other, &self.topics, &self.language, DIFFERENCES);
        let reasons = found.reasons.into_iter().map(|reason| Difference {
            difference: reason.difference(),
            text: reason.text,
            own: reason.own,
            other: reason.other,
        });
        Beside { rank, difference: found.difference, reasons: reasons.collect(), rest: found.rest }
    }
}

/// As everybody on a list is scored.
fn addressed(mut features: volens_models::Features) -> volens_models::Features {
    features.number(TREATMENT, 1.0);
    features
}
