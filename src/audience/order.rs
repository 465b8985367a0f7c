//! What the rows of a list are ordered by, and why.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use volens_models::artifact::Artifact;
use volens_models::card::Source;

use crate::relevance::Goal;

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
    /// The goal is an answer to the message, which nobody can give who was kept aside.
    #[serde(rename = "goal.needs_message")]
    NeedsMessage,
}

/// How a list is ranked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Ranking {
    /// By what.
    pub by: By,
    /// Stable code of the reason: `increase.known`, `increase.uncertain`, `holdout.too_few` or
    /// `goal.needs_message`.
    #[schema(value_type = String, example = "increase.known")]
    pub why: Why,
    /// How many exposures of earlier campaigns were written to, where increases were learned from them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub treated: Option<u64>,
    /// How many were kept aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_aside: Option<u64>,
    /// Who told of both alike whether the goal was reached: `signals`, or `imported` tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "signals")]
    pub told_by: Option<Source>,
}

/// Whether a model of this goal has nothing to compare the answers of those written to with.
pub(super) fn is_incomparable(artifact: &Artifact, goal: Goal) -> bool {
    let labels = artifact.card.labels;
    goal.needs_message() && labels.is_some_and(|of| !of.kept_aside && of.alike.is_none())
}

impl Ranking {
    /// What this model allows.
    pub fn of(artifact: &Artifact, goal: Goal) -> Self {
        let tried = artifact.card.uplift.as_ref();
        let (by, why) = match (&artifact.increase, tried) {
            (Some(_), _) => (By::Increase, Why::Known),
            (None, Some(_)) => (By::Score, Why::Uncertain),
            (None, None) if is_incomparable(artifact, goal) => (By::Score, Why::NeedsMessage),
            (None, None) => (By::Score, Why::TooFew),
        };
        let told_by = tried.and(artifact.card.labels).and_then(|labels| labels.alike);
        Self {
            by,
            why,
            treated: tried.map(|choice| choice.treated as u64),
            kept_aside: tried.map(|choice| choice.kept_aside as u64),
            told_by,
        }
    }

    /// In words.
    pub fn text(&self) -> String {
        let told_by = match self.told_by {
            Some(Source::Signals) => "; purchases of both told by signals",
            Some(Source::Imported) => "; outcomes of both imported",
            None => "",
        };
        let learned = match (self.treated, self.kept_aside) {
            (Some(treated), Some(aside)) => {
                format!(" (earlier campaigns: {treated} written to, {aside} kept aside{told_by})")
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
            Why::NeedsMessage => {
                "Ranked by the chance that the goal is reached: nobody who was kept aside can click on \
                 a message or reply to it, so there is nothing to compare with"
            }
        };
        format!("{text}{learned}.")
    }
}
