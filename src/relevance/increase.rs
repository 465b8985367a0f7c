//! Whether earlier campaigns tell what a message changes, and for whom.
//!
//! Only exposures whose arm was drawn count: those that could have been in either. At least 500 of
//! them were written to and as many kept aside, and the learner that is chosen by out-of-fold Qini ranks
//! better than chance: the 95 % interval of that Qini lies above zero. Otherwise nothing is said about
//! increases, and people are ranked by their score.

use volens_models::features::TREATMENT;
use volens_models::learner::{Options, train};
use volens_models::table::Table;
use volens_models::uplift::{Campaign, Choice, Chosen, Increase, choose};

/// Fewest exposures of either arm.
pub(super) const FEWEST: usize = 500;
/// Fewest complaints and stops from which their probability is learned.
const FEWEST_RISKS: usize = 25;

/// What there is to learn from, row by row.
pub(super) struct Rows<'r> {
    pub(super) table: &'r Table,
    /// Whether the goal was reached.
    pub(super) met: &'r [bool],
    /// Whether the message was sent rather than kept back.
    pub(super) treated: Vec<bool>,
    /// How probable it was that it would be sent.
    pub(super) propensity: Vec<f64>,
    /// Whether there was a complaint or a stop.
    pub(super) harmed: Vec<bool>,
}

/// What a message changes, where it can be told, and how that was decided, where there was enough to try.
pub(super) fn learn(rows: &Rows<'_>, options: &Options) -> (Option<Increase>, Option<Choice>) {
    let drawn: Vec<usize> = (0..rows.met.len())
        .filter(|&row| rows.propensity[row] > 0.0 && rows.propensity[row] < 1.0)
        .collect();
    let sent = drawn.iter().filter(|&&row| rows.treated[row]).count();
    if sent.min(drawn.len() - sent) < FEWEST {
        return (None, None);
    }
    let Ok(table) = rows.table.without(&[TREATMENT]) else { return (None, None) };
    let pick = |of: &[bool]| drawn.iter().map(|&row| of[row]).collect::<Vec<bool>>();
    let propensity: Vec<f64> = drawn.iter().map(|&row| rows.propensity[row]).collect();
    let campaign = Campaign {
        table: &table.take(&drawn),
        treated: &pick(&rows.treated),
        outcome: &pick(rows.met),
        propensity: Some(&propensity),
    };
    // Too few of either outcome in an arm: nothing can be told.
    let Ok(Chosen { model: uplift, choice }) = choose(campaign, options) else {
        return (None, None);
    };
    if choice.intervals.qini_per_1000.low <= 0.0 {
        return (None, Some(choice));
    }
    let risk = risk(rows, &table, options);
    (Some(Increase { uplift, risk }), Some(choice))
}

/// The probability of a complaint or a stop among those who were written to.
fn risk(rows: &Rows<'_>, table: &Table, options: &Options) -> Option<volens_models::Model> {
    let sent: Vec<usize> = (0..rows.met.len()).filter(|&row| rows.treated[row]).collect();
    let labels: Vec<bool> = sent.iter().map(|&row| rows.harmed[row]).collect();
    if labels.iter().filter(|&&label| label).count() < FEWEST_RISKS {
        return None;
    }
    // What makes a goal likelier may make a complaint rarer: directions are about goals.
    let options = Options { directions: std::collections::BTreeMap::new(), ..options.clone() };
    Some(train(&table.take(&sent), &labels, None, &options).ok()?.model)
}
