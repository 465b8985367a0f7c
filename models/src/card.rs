//! What a model is, for people: kept beside the weights in the model file.

use serde::{Deserialize, Serialize};
use volens_privacy::{PurposeKind, Timestamp};

use crate::calibrate::Method;
use crate::evaluate::{EvaluateError, Interval, Metrics, auc_interval, log_loss_interval};
use crate::learner::select::Choice;
use crate::learner::{Effect, Options, Trained};
use crate::reliability::Reliability;
use crate::segments::Segment;
use crate::uplift;

mod page;

pub use page::{effects, page};

/// The model card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelCard {
    /// What it predicts, in a few words.
    pub name: String,
    /// When it was trained.
    pub created: Timestamp,
    /// First and last moment of the outcomes it learnt from.
    pub data_span: Option<(Timestamp, Timestamp)>,
    /// The purposes under which its rows were used.
    pub purposes: Vec<PurposeKind>,
    /// Ledger index of the entry that commits to the training set.
    pub training_entry: Option<u64>,
    /// Rows learnt from.
    pub rows: usize,
    /// Rows with a positive label.
    pub positives: usize,
    /// Measured on rows not learnt from; the mean over `folds` when there are several.
    pub metrics: Option<Metrics>,
    /// One entry per fold.
    pub folds: Vec<Metrics>,
    /// The terms that matter most, strongest first.
    pub effects: Vec<Effect>,
    /// What was chosen by cross-validation.
    pub choice: Choice,
    /// How it is calibrated.
    pub calibration: Method,
    /// How it was trained, with the seed.
    pub options: Options,
    /// What was promised and what came, on rows not learnt from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reliability: Option<Reliability>,
    /// How sure its ranking and its log loss are, on rows not learnt from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intervals: Option<Intervals>,
    /// The same as `reliability`, by groups of people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<Segment>,
    /// How what a message changes was learnt, where enough were kept aside to try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uplift: Option<uplift::Choice>,
    /// Who said that the outcome was there, and of whom; not told by models of before that was kept apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Labels>,
}

/// Where labels came from. What a message changes is the difference of two arms, so in both they must come from
/// one source by one rule; what is learnt of those written to alone may come from whoever wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labels {
    /// Whether the model of the outcome learnt from those kept aside as well: from tables in which both arms
    /// stand. Otherwise from those written to alone, as the sender reported.
    pub kept_aside: bool,
    /// Where those came from that are alike in both arms; none where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alike: Option<Source>,
}

/// Who tells of both arms alike whether the outcome was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A table that was imported, in which both arms stand.
    Imported,
    /// Signals of the accounts of both arms.
    Signals,
}

impl Labels {
    /// In words.
    pub const fn text(self) -> &'static str {
        match (self.kept_aside, self.alike) {
            (true, _) => "imported tables, of those written to and of those kept aside",
            (false, None) => "reports of those written to",
            (false, Some(Source::Imported)) => {
                "reports of those written to; for increases imported tables, of both"
            }
            (false, Some(Source::Signals)) => {
                "reports of those written to; for increases signals of purchases, of both"
            }
        }
    }
}

/// What holds with 95 % confidence, by bootstrap over the rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intervals {
    /// Area under the ROC curve.
    pub auc: Interval,
    /// Mean negative log likelihood.
    pub log_loss: Interval,
}

impl Intervals {
    fn of(probabilities: &[f64], labels: &[bool], seed: u64) -> Result<Self, EvaluateError> {
        Ok(Self {
            auc: auc_interval(probabilities, labels, DRAWS, seed)?,
            log_loss: log_loss_interval(probabilities, labels, DRAWS, seed)?,
        })
    }
}

/// Resamples behind an interval.
const DRAWS: usize = 100;
/// Terms named on a card.
const EFFECTS: usize = 20;

impl ModelCard {
    /// The card of a model just trained, without data span, purposes, ledger entry and fold metrics, which
    /// the caller knows.
    pub fn of(
        name: &str,
        trained: &Trained,
        labels: &[bool],
        options: &Options,
        created: Timestamp,
    ) -> Self {
        Self {
            name: name.to_owned(),
            created,
            data_span: None,
            purposes: Vec::new(),
            training_entry: None,
            rows: labels.len(),
            positives: labels.iter().filter(|&&label| label).count(),
            metrics: None,
            folds: Vec::new(),
            effects: trained.effects.iter().take(EFFECTS).cloned().collect(),
            choice: trained.choice.clone(),
            calibration: trained.calibration,
            options: options.clone(),
            reliability: Reliability::of(&trained.out_of_fold, labels, options.seed).ok(),
            intervals: Intervals::of(&trained.out_of_fold, labels, options.seed).ok(),
            segments: Vec::new(),
            uplift: None,
            labels: None,
        }
    }

    /// Adds what was measured per fold.
    pub fn with_folds(mut self, folds: Vec<Metrics>) -> Self {
        self.metrics = Metrics::mean(&folds);
        self.folds = folds;
        self
    }
}
