//! How many people a request could reach, told so that it says next to nothing about any one of them.
//!
//! Every question is answered with the discrete Laplace mechanism ([`volens_privacy::noise`]): one
//! account is in one of the counts – excluded for the first reason that applied, or reached – so a
//! person who changes changes two counts by one. The answer to a question is kept and told for the rest
//! of the day (UTC), so asking again does not average the noise away; a business has so many questions
//! in thirty days, and what they tell about a person adds up to at most *questions × ε*. Which question
//! it was is kept as a keyed hash.

use std::num::NonZeroU32;

use rand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::json;
use volens_privacy::noise::{Epsilon, Noise};
use volens_privacy::{BusinessId, KeyRing, Timestamp};

use super::build::{Workshop, aside};
use super::candidates::{Narrowing, Stops, Wanted};
use super::request::Request;
use super::store::reach as store;
use super::waterfall::{Exclusion, Waterfall};
use super::{AudienceError, Result};
use crate::config;
use crate::db::Tx;

/// Days for which a question counts.
const WINDOW_DAYS: i64 = 30;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The counts of one person who changes: where they were, and where they are.
const SENSITIVITY: NonZeroU32 = NonZeroU32::new(2).expect("not zero");

/// How often the true number lies outside of the range that is told.
pub(super) const OUTSIDE: f64 = 0.05;

/// What questions may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// What one answer may tell about one person.
    pub epsilon: Epsilon,
    /// How many different questions a business has in thirty days.
    pub questions: u32,
}

impl From<&config::Lists> for Rules {
    fn from(lists: &config::Lists) -> Self {
        let epsilon = Epsilon::from_thousandths(lists.reach_epsilon_thousandths);
        Self {
            epsilon: epsilon.expect("checked when the settings were read"),
            questions: lists.reach_questions,
        }
    }
}

impl Rules {
    fn noise(self) -> Noise {
        Noise::new(SENSITIVITY, self.epsilon)
    }
}

/// Counts with noise, as they are told for a day. They may be negative.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// People excluded, by reason; a reason that cannot exclude anybody is missing.
    pub excluded: Vec<(Exclusion, i64)>,
    /// People who could be reached.
    pub reached: i64,
    /// How far the true number is from `reached` in 19 of 20 answers, at most.
    pub margin: u64,
}

impl Told {
    /// Every count with a draw of its own. Which reasons have one is no secret: they follow from the
    /// request.
    pub(super) fn of(
        exact: &Waterfall,
        narrows: bool,
        rules: Rules,
        rng: &mut (dyn Rng + Send),
    ) -> Self {
        let noise = rules.noise();
        let mut noisy = |count: u64| count.cast_signed().saturating_add(noise.draw(rng));
        let asked =
            Exclusion::of_a_question().filter(|reason| narrows || *reason != Exclusion::Filtered);
        let excluded = asked.map(|reason| (reason, noisy(exact.count(reason)))).collect();
        Self { excluded, reached: noisy(exact.listed), margin: noise.margin(OUTSIDE) }
    }
}

/// What a business has asked, and may still ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Budget {
    /// Different questions asked in the last thirty days.
    pub asked: u32,
    /// How many may be.
    pub of: u32,
    /// When the oldest of them stops counting.
    #[schema(value_type = Option<String>, format = "date-time")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
}

/// An answer, when it was given first, and what is left of the budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The counts.
    pub told: Told,
    /// When they were counted.
    pub at: Timestamp,
    /// What is left.
    pub budget: Budget,
}

/// Answers how many a request could reach, and where the others went. Nobody is scored. The share kept
/// aside is no part of the question: it follows from the answer.
///
/// # Errors
/// [`AudienceError::ReachSpent`] when the budget is spent and this was not answered today.
pub async fn ask(
    workshop: &Workshop<'_>,
    request: &Request,
    rng: &mut (dyn Rng + Send),
) -> Result<Answer> {
    let (business, now) = (request.campaign.business, workshop.clock.now());
    let question = Question { business, day: day(now), hash: question(workshop.keys, request) };
    let rules = workshop.rules.reach;
    let mut tx = workshop.db.read().await?;
    if let Some(answer) = answered(&mut tx, question, rules).await? {
        return Ok(answer);
    }
    may_ask(&mut tx, question, rules, now).await?;
    drop(tx);
    let exact = count(workshop, request).await?;
    let told = Told::of(&exact, !request.filter.is_empty(), rules, rng);

    let mut tx = workshop.db.begin().await?;
    // Who asks the same at this moment gets one answer, and who asks something else spends after us.
    store::hold(&mut tx, business).await?;
    if answered(&mut tx, question, rules).await?.is_none() {
        may_ask(&mut tx, question, rules, now).await?;
        store::forget(&mut tx, business, question.day - WINDOW_DAYS).await?;
        store::add(&mut tx, question, &told, now).await?;
    }
    let answer = answered(&mut tx, question, rules).await?;
    tx.commit().await?;
    answer.ok_or(AudienceError::Unreadable("reach_answers"))
}

/// One question of one business on one day.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question {
    pub(super) business: BusinessId,
    /// Days since 1970, UTC.
    pub(super) day: i64,
    pub(super) hash: [u8; 32],
}

fn day(at: Timestamp) -> i64 {
    at.micros().div_euclid(MICROS_PER_DAY)
}

/// The same for every request that asks for the same people, in whatever campaign, form and order.
fn question(keys: &KeyRing, request: &Request) -> [u8; 32] {
    let asked = json!({
        "business": request.campaign.business,
        "app": request.campaign.delivery_app,
        "filter": request.filter.text(),
    });
    keys.caller_hash("audience/reach", asked.to_string().as_bytes())
}

async fn answered(tx: &mut Tx, question: Question, rules: Rules) -> Result<Option<Answer>> {
    let Some((told, at)) = store::find(tx, question).await? else { return Ok(None) };
    let budget = budget(tx, question, rules).await?;
    Ok(Some(Answer { told, at, budget }))
}

async fn budget(tx: &mut Tx, question: Question, rules: Rules) -> Result<Budget> {
    let (asked, oldest) = store::asked(tx, question.business, question.day - WINDOW_DAYS).await?;
    let ends = |day: i64| day.saturating_add(WINDOW_DAYS).saturating_mul(MICROS_PER_DAY);
    let next_at = oldest.map(|day| Timestamp::from_micros(ends(day)));
    Ok(Budget { asked, of: rules.questions, next_at })
}

async fn may_ask(tx: &mut Tx, question: Question, rules: Rules, now: Timestamp) -> Result<()> {
    let Budget { asked, of, next_at } = budget(tx, question, rules).await?;
    if asked < of {
        return Ok(());
    }
    let wait = next_at.map_or(0, |next| next.since(now).as_secs());
    Err(AudienceError::ReachSpent { of, seconds: wait.try_into().unwrap_or(u32::MAX) })
}

/// The true counts, which nobody is told.
async fn count(workshop: &Workshop<'_>, request: &Request) -> Result<Waterfall> {
    workshop.columns.refresh(workshop.db, workshop.keys).await?;
    let mut tx = workshop.db.read().await?;
    let business = request.campaign.business;
    let stops = Stops::read(&mut tx, business).await?;
    let (filter, now) = (request.filter.clone(), workshop.clock.now());
    let wanted = Wanted::read(&mut tx, business, filter, now).await?;
    drop(tx);
    let narrowing = Narrowing {
        campaign: request.campaign.id,
        app: request.campaign.delivery_app.clone(),
        wanted,
        stops,
        holdout: 0.0,
    };
    let (columns, keys) = (workshop.columns.clone(), std::sync::Arc::clone(workshop.keys));
    Ok(aside(move || narrowing.apply(&columns.read(), &keys)).await?.waterfall)
}
