//! Whether earlier campaigns tell what a message changes, and for whom.
//!
//! Only exposures whose arm was drawn count, those that could have been in either, and only labels that one
//! source gave of both arms by one rule ([`super::lessons`]). At least 500 of them
//! were written to and as many kept aside, and the learner that is chosen by out-of-fold Qini ranks better than
//! chance: the 95 % interval of that Qini lies above zero. Otherwise nothing is said about increases, and people
//! are ranked by their score.

use volens_models::features::{Schema, TREATMENT};
use volens_models::learner::{Options, train};
use volens_models::table::Table;
use volens_models::uplift::{Campaign, Choice, Chosen, Increase, choose};

use super::lessons::{Row, TrainingSet};

/// Fewest exposures of either arm.
pub(super) const FEWEST: usize = 500;
/// Fewest complaints and stops from which their probability is learned.
const FEWEST_RISKS: usize = 25;

/// What there is to learn from, row by row: those of a set whose label is known.
pub(super) struct Labelled<'s> {
    pub(super) rows: Vec<&'s Row>,
    pub(super) table: Table,
    /// Whether the goal was reached.
    pub(super) met: Vec<bool>,
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

impl<'s> Labelled<'s> {
    /// The rows of which `label` says something, as a table of `schema`.
    pub(super) fn of(
        schema: &Schema,
        set: &'s TrainingSet,
        label: impl Fn(&Row) -> Option<bool>,
    ) -> Self {
        let known = set.rows.iter().filter_map(|row| Some((row, label(row)?)));
        let (rows, met): (Vec<&Row>, Vec<bool>) = known.unzip();
        let table = Table::from_features(schema, rows.iter().map(|row| &row.features));
        Self { rows, table, met }
    }

    /// How many.
    pub(super) fn count(&self) -> usize {
        self.rows.len()
    }

    /// Those among `rows` that could have been in either arm, without a column that says in which they were.
    pub(super) fn drawn(&self, rows: impl Iterator<Item = usize>) -> Option<Drawn> {
        let drawn: Vec<usize> = rows.filter(|&row| self.rows[row].was_drawn()).collect();
        Some(Drawn {
            table: self.table.without(&[TREATMENT]).ok()?.take(&drawn),
            treated: drawn.iter().map(|&row| self.rows[row].treated).collect(),
            met: drawn.iter().map(|&row| self.met[row]).collect(),
            propensity: drawn.iter().map(|&row| self.rows[row].propensity).collect(),
        })
    }
}

/// What a message changes, where it can be told, and how that was decided, where there was enough to try.
/// Learned from labels that are `alike` in both arms; the risk of a complaint from whoever was written to.
pub(super) fn learn(
    alike: &Labelled<'_>,
    taught: &Labelled<'_>,
    options: &Options,
) -> (Option<Increase>, Option<Choice>) {
    let Some(drawn) = alike.drawn(0..alike.count()) else { return (None, None) };
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
    let risk = risk(taught, options);
    (Some(Increase { uplift, risk }), Some(choice))
}

/// The probability of a complaint or a stop among those who were written to.
fn risk(taught: &Labelled<'_>, options: &Options) -> Option<volens_models::Model> {
    let sent: Vec<usize> = (0..taught.count()).filter(|&row| taught.rows[row].treated).collect();
    let labels: Vec<bool> = sent.iter().map(|&row| taught.rows[row].harmed).collect();
    if labels.iter().filter(|&&label| label).count() < FEWEST_RISKS {
        return None;
    }
    // What makes a goal likelier may make a complaint rarer: directions are about goals.
    let options = Options { directions: std::collections::BTreeMap::new(), ..options.clone() };
    let table = taught.table.without(&[TREATMENT]).ok()?.take(&sent);
    Some(train(&table, &labels, None, &options).ok()?.model)
}
