//! Uplift: what a message changes, not what would have happened anyway.
//!
//! Learnt from rows of a randomised campaign (treated or held out), measured by how many more outcomes come
//! from treating those who are ranked first. Four learners over the same additive base; which of them is
//! decided by [`choose()`], inside the training rows.

mod choose;
mod increase;
mod learn;
mod measure;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use choose::{Choice, Chosen, Tried, choose};
pub use increase::{Expected, Increase};
pub use learn::Campaign;
pub use measure::{Intervals, Measured, UpliftMetrics, intervals, random_ranking};

use crate::features::Features;
use crate::learner::{Options, TrainError};
use crate::math::sigmoid;
use crate::model::{Model, ModelError};
use crate::table::Table;

/// How uplift is learnt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Learner {
    /// One model of "treated and responded, or held out and did not", each arm weighted by the inverse of its
    /// share (Jaskowski, Jaroszewicz 2012). Uplift is twice its probability minus one.
    #[default]
    ClassTransformation,
    /// A response model per arm; uplift is their difference.
    TwoModels,
    /// What each arm did otherwise than the other arm's model expects, learnt per arm and mixed by the
    /// probability of treatment (Künzel et al., PNAS 2019).
    XLearner,
    /// One model of the difference of the arms' models corrected by inverse probabilities, which is right
    /// when either is (Kennedy 2020); cross-fitted.
    DoublyRobust,
}

impl Learner {
    /// Every learner, the simplest first.
    pub const ALL: [Self; 4] =
        [Self::ClassTransformation, Self::TwoModels, Self::XLearner, Self::DoublyRobust];

    /// The name, as in files and on cards.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClassTransformation => "class_transformation",
            Self::TwoModels => "two_models",
            Self::XLearner => "x_learner",
            Self::DoublyRobust => "doubly_robust",
        }
    }
}

/// Why no uplift model was learnt or measured.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum UpliftError {
    /// Columns of different length.
    #[error("predictions, treatment and outcome differ in length")]
    Lengths,
    /// No treated or no held-out rows.
    #[error("both treated and held-out rows are needed")]
    OneArm,
    /// A probability of treatment is none, or leaves no chance.
    #[error("the probability of treatment of row {0} is not between 0 and 1")]
    Propensity(usize),
    /// A prediction is not a number.
    #[error("row {0} has no valid prediction")]
    Prediction(usize),
    /// The learner refused.
    #[error("the uplift model could not be trained")]
    Train(#[from] TrainError),
}

/// A model of the difference a treatment makes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpliftModel {
    /// See [`Learner::ClassTransformation`].
    ClassTransformation(Model),
    /// See [`Learner::TwoModels`].
    TwoModels {
        /// Response when treated.
        treated: Model,
        /// Response when held out.
        control: Model,
    },
    /// See [`Learner::XLearner`]; its sum is the change.
    XLearner(Model),
    /// See [`Learner::DoublyRobust`]; its sum is the change.
    DoublyRobust(Model),
}

impl UpliftModel {
    /// Learns from a randomised campaign with the learner that is named.
    pub fn train(
        learner: Learner,
        of: Campaign<'_>,
        options: &Options,
    ) -> Result<Self, UpliftError> {
        of.check()?;
        learn::learn(learner, of, None, options)
    }

    /// Whether every model in it can be used.
    pub fn check(&self) -> Result<(), ModelError> {
        self.models().into_iter().try_for_each(Model::check)
    }

    /// The additive models it is made of: the change is [`change_of`](Self::change_of) their logits. It grows
    /// with the first of them, and falls with the second where there is one.
    pub fn models(&self) -> Vec<&Model> {
        match self {
            Self::ClassTransformation(model)
            | Self::XLearner(model)
            | Self::DoublyRobust(model) => {
                vec![model]
            }
            Self::TwoModels { treated, control } => vec![treated, control],
        }
    }

    /// The expected change, −1 to 1, given the logit of each of [`models`](Self::models), in their order.
    pub fn change_of(&self, logits: &[f64]) -> f64 {
        match (self, logits) {
            (Self::ClassTransformation(_), [logit]) => 2.0 * sigmoid(*logit) - 1.0,
            (Self::TwoModels { .. }, [treated, control]) => sigmoid(*treated) - sigmoid(*control),
            (Self::XLearner(_) | Self::DoublyRobust(_), [change]) => change.clamp(-1.0, 1.0),
            _ => f64::NAN,
        }
    }

    /// The expected change of the outcome's probability by the treatment, −1 to 1, for every row.
    pub fn predict(&self, table: &Table) -> Vec<f64> {
        let of = |model: &Model| {
            let mut logits = Vec::new();
            model.scorer().logits(&model.encode(table), table.rows(), &mut logits);
            logits
        };
        let logits: Vec<Vec<f64>> = self.models().into_iter().map(of).collect();
        let row = |row: usize| {
            let of: Vec<f64> = logits.iter().map(|logits| logits[row]).collect();
            self.change_of(&of)
        };
        (0..table.rows()).map(row).collect()
    }

    /// The expected change for one row.
    pub fn predict_values(&self, features: &Features) -> f64 {
        let of = |model: &Model| model.score_values(features).logit;
        let logits: Vec<f64> = self.models().into_iter().map(of).collect();
        self.change_of(&logits)
    }
}
