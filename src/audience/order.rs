//! What the rows of a list are ordered by, and why.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use volens_models::artifact::Artifact;

/// What a list is ranked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The probability that the goal is reached.
    Score,
    /// The expected increase of it through the message, less the risk of a complaint or a stop.
    Increase,
}

impl By {
    /// What rows fall in, given their score, increase and risk as they are shown. Differences are of whole
    /// millionths, so that whoever reads a row comes to the same order.
    pub fn place(self, score: f64, uplift: Option<f64>, risk: Option<f64>) -> f64 {
        let millionths = |number: Option<f64>| (number.unwrap_or(0.0) * 1e6).round();
        match self {
            Self::Score => score,
            Self::Increase => millionths(uplift) - millionths(risk),
        }
    }
}

/// Why a list is ranked by what it is ranked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Why {
    /// Earlier campaigns kept enough people aside, and show whom a message changes.
    #[serde(rename = "increase.known")]
    Known,
    /// They kept enough aside, and do not show it better than chance.
    #[serde(rename = "increase.uncertain")]
    Uncertain,
    /// They kept too few aside to tell.
    #[serde(rename = "holdout.too_few")]
    TooFew,
}

/// How a list is ranked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Ranking {
    /// By what.
    pub by: By,
    /// Stable code of the reason: `increase.known`, `increase.uncertain` or `holdout.too_few`.
    #[schema(value_type = String, example = "increase.known")]
    pub why: Why,
    /// How many exposures of earlier campaigns were written to, where increases were learned from them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub treated: Option<u64>,
    /// How many were kept aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_aside: Option<u64>,
}

impl Ranking {
    /// What this model allows.
    pub fn of(artifact: &Artifact) -> Self {
        let tried = artifact.card.uplift.as_ref();
        let (by, why) = match (&artifact.increase, tried) {
            (Some(_), _) => (By::Increase, Why::Known),
            (None, Some(_)) => (By::Score, Why::Uncertain),
            (None, None) => (By::Score, Why::TooFew),
        };
        Self {
            by,
            why,
            treated: tried.map(|choice| choice.treated as u64),
            kept_aside: tried.map(|choice| choice.kept_aside as u64),
        }
    }

    /// In words.
    pub fn text(&self) -> String {
        let learned = match (self.treated, self.kept_aside) {
            (Some(treated), Some(aside)) => {
                format!(" (earlier campaigns: {treated} written to, {aside} kept aside)")
            }
            _ => String::new(),
        };
        let text = match self.why {
            Why::Known => "Ranked by expected increase, less the risk of a complaint",
            Why::Uncertain => {
                "Ranked by the chance that the goal is reached: earlier campaigns do not show \
                 better than chance whom a message changes"
            }
            Why::TooFew => {
                "Ranked by the chance that the goal is reached: too few were kept aside in earlier \
                 campaigns to tell whom a message changes"
            }
        };
        format!("{text}{learned}.")
    }
}
