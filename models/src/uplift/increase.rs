//! What a person is ranked by where earlier campaigns tell what a message changes: the expected increase less
//! the risk of a complaint.

use serde::{Deserialize, Serialize};
use volens_privacy::Consented;
use volens_privacy::purpose::Relevance;

use super::UpliftModel;
use crate::features::Features;
use crate::math::sigmoid;
use crate::model::{Model, ModelError};

/// What a message changes, and what it risks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Increase {
    /// The change of the probability that the goal is reached.
    pub uplift: UpliftModel,
    /// The probability of a complaint or a stop when written to; none where there were too few to learn from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Model>,
}

/// What is expected of writing to one person.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// Change of the probability that the goal is reached, −1 to 1.
    pub increase: f64,
    /// Probability of a complaint or a stop, where it is known.
    pub risk: Option<f64>,
}

impl Expected {
    /// What people are ranked by: a complaint weighs as much as a goal that is reached.
    pub fn worth(self) -> f64 {
        self.increase - self.risk.unwrap_or(0.0)
    }
}

impl Increase {
    /// Whether every model in it can be used.
    pub fn check(&self) -> Result<(), ModelError> {
        self.models().into_iter().try_for_each(Model::check)
    }

    /// The additive models it is made of: those of the change, then that of the risk where there is one.
    /// [`Expected::worth`] grows with the logit of the first and falls with those of all others.
    pub fn models(&self) -> Vec<&Model> {
        let mut models = self.uplift.models();
        models.extend(&self.risk);
        models
    }

    /// What is expected, given the logit of each of [`models`](Self::models), in their order.
    pub fn expected_of(&self, logits: &[f64]) -> Expected {
        let (change, risk) = logits.split_at(self.uplift.models().len().min(logits.len()));
        let increase = self.uplift.change_of(change);
        Expected {
            increase,
            risk: self.risk.as_ref().and(risk.first()).map(|&logit| sigmoid(logit)),
        }
    }

    /// What is expected of values that belong to no person, and of proposals.
    pub fn expected_values(&self, features: &Features) -> Expected {
        let of = |model: &Model| model.score_values(features).logit;
        let logits: Vec<f64> = self.models().into_iter().map(of).collect();
        self.expected_of(&logits)
    }

    /// What is expected of a person, for anything that leaves the house: under their consent to be profiled.
    pub fn expected(&self, features: &Consented<'_, Relevance, Features>) -> Expected {
        self.expected_values(features.value())
    }
}
