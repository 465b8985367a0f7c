//! The model's own reasons: what each term adds to the logit.

use serde::{Deserialize, Serialize};

use crate::model::Score;

/// The name of the contribution that an isotonic calibration curve makes.
pub const CALIBRATION: &str = "calibration";

/// What one term adds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contribution {
    /// The feature, or two joined by ` × `.
    pub feature: String,
    /// The bin the value fell in, as text: an interval, a word, "missing", or two joined by ` × `.
    pub value: String,
    /// Log odds added, relative to the average training row.
    pub amount: f64,
}

/// A score taken apart. `bias + Σ amounts = score.logit`, exactly; to within 1e-9 for a model of a file of
/// format 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The score.
    pub score: Score,
    /// The logit of the average training row.
    pub bias: f64,
    /// One per term, in the model's order.
    pub contributions: Vec<Contribution>,
}
