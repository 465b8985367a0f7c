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
    /// Whose, by number.
    pub(super) person: Vec<usize>,
}

/// Rows of a randomised campaign, with their columns.
pub(super) struct Drawn {
    table: Table,
    treated: Vec<bool>,
    met: Vec<bool>,
    propensity: Vec<f64>,
}

impl Drawn {
    /// As learners of what the treatment changes take them.
    pub(super) fn campaign(&self) -> Campaign<'_> {
        Campaign {
            table: &self.table,
            treated: &self.treated,
            outcome: &self.met,
            propensity: Some(&self.propensity),
        }
    }

    /// How many were kept aside, and how many written to.
    pub(super) fn arms(&self) -> (usize, usize) {
        let sent = self.treated.iter().filter(|&&treated| treated).count();
        (self.treated.len() - sent, sent)
    }
}

impl Rows<'_> {
    /// Whether a row could have been in either arm.
    pub(super) fn was_drawn(&self, row: usize) -> bool {
        self.propensity[row] > 0.0 && self.propensity[row] < 1.0
    }

    /// Those among `rows` that could have been in either arm, without a column that says in which they were.
    pub(super) fn drawn(&self, rows: impl Iterator<Item = usize>) -> Option<Drawn> {
        let drawn: Vec<usize> = rows.filter(|&row| self.was_drawn(row)).collect();
        let pick = |of: &[bool]| drawn.iter().map(|&row| of[row]).collect::<Vec<bool>>();
        Some(Drawn {
            table: self.table.without(&[TREATMENT]).ok()?.take(&drawn),
            treated: pick(&self.treated),
            met: pick(self.met),
            propensity: drawn.iter().map(|&row| self.propensity[row]).collect(),
        })
    }
}

/// What a message changes, where it can be told, and how that was decided, where there was enough to try.
pub(super) fn learn(rows: &Rows<'_>, options: &Options) -> (Option<Increase>, Option<Choice>) {
    let Some(drawn) = rows.drawn(0..rows.met.len()) else { return (None, None) };
    let (kept_aside, sent) = drawn.arms();
    if sent.min(kept_aside) < FEWEST {
        return (None, None);
    }
    // Too few of either outcome in an arm: nothing can be told.
    let Ok(Chosen { model: uplift, choice }) = choose(drawn.campaign(), options) else {
        return (None, None);
    };
    if choice.intervals.qini_per_1000.low <= 0.0 {
        return (None, Some(choice));
    }
    let risk = risk(rows, options);
    (Some(Increase { uplift, risk }), Some(choice))
}

/// The probability of a complaint or a stop among those who were written to.
fn risk(rows: &Rows<'_>, options: &Options) -> Option<volens_models::Model> {
    let sent: Vec<usize> = (0..rows.met.len()).filter(|&row| rows.treated[row]).collect();
    let labels: Vec<bool> = sent.iter().map(|&row| rows.harmed[row]).collect();
    if labels.iter().filter(|&&label| label).count() < FEWEST_RISKS {
        return None;
    }
    // What makes a goal likelier may make a complaint rarer: directions are about goals.
    let options = Options { directions: std::collections::BTreeMap::new(), ..options.clone() };
    let table = rows.table.without(&[TREATMENT]).ok()?.take(&sent);
    Some(train(&table, &labels, None, &options).ok()?.model)
}
