//! Scores of people, which take a permit.

use volens_privacy::Consented;
use volens_privacy::purpose::Relevance;

use crate::explain::Explanation;
use crate::features::Features;
use crate::model::{Model, Score};

impl Model {
    /// The score of a person for a message, for anything that leaves the house. The features carry the
    /// person's live consent to be profiled; without it there is nothing to call this with.
    ///
    /// ```compile_fail,E0308
    /// fn score(model: &volens_models::model::Model, features: &volens_models::features::Features) {
    ///     model.score(features); // no permit, no score
    /// }
    /// ```
    pub fn score(&self, features: &Consented<'_, Relevance, Features>) -> Score {
        self.score_values(features.value())
    }

    /// The score with its reasons, under the same consent.
    pub fn explain_score(&self, features: &Consented<'_, Relevance, Features>) -> Explanation {
        self.explain(features.value())
    }
}
